"""Turns what pydantic found into our errors: the first fault in the file, at its place, in the user's words."""

from __future__ import annotations

import types
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from picojoule.errors import PicojouleError, SpecError, nearest, unknown_name
from picojoule.hardware.chipfile.blocks import ChipSpec
from picojoule.quantities.located_yaml import Document, Path, describe

_MOST_ALSO = 8


def first_fault(error: ValidationError, document: Document) -> SpecError:
    """The fault that stands first in the file; the hint lists the others.

    A key that is missing where a misspelt one stands is one fault, not two: the misspelt one is told, with what was meant.
    """
    meant = {(_path(e)[:-1], key) for e in error.errors() if e["type"] == "extra_forbidden" for key in _meant(_path(e))}
    told = [e for e in error.errors() if e["type"] != "missing" or (_path(e)[:-1], _path(e)[-1]) not in meant]
    found = [_fault(e, document) for e in told]
    found.sort(key=lambda f: _order(f.where))
    first, also = found[0], found[1:]
    lines = [f"\nalso {f.where}: {f.problem}" for f in also[:_MOST_ALSO]]
    if len(also) > _MOST_ALSO:
        lines.append(f"\nand {len(also) - _MOST_ALSO} more")
    return SpecError(first.problem, where=first.where, hint=first.hint + "".join(lines))


def _path(error: Any) -> Path:
    return tuple(p for p in error["loc"] if p != "[key]")


def _meant(path: Path) -> list[str]:
    """The keys of a block that an unknown one there may stand for."""
    return nearest(str(path[-1]), _keys(_block(path[:-1])))


def _order(where: str) -> tuple[int, int]:
    line, column = where.rsplit(":", 2)[1:]
    return int(line), int(column)


def _fault(error: Any, document: Document) -> PicojouleError:
    """One of pydantic's errors, located and reworded."""
    path = _path(error)
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, PicojouleError):
        key_path = document.at_key(path) if "[key]" in error["loc"] else document.at(path)
        while path and path not in document.values:  # a value written short, such as `X: 14` for `X: {size: 14}`
            path = path[:-1]
        prefix = f"{path[-1]}: " if path and isinstance(path[-1], str) else ""
        return SpecError(prefix + cause.problem, where=key_path, hint=cause.hint)
    kind, key = error["type"], path[-1] if path else ""
    block = _block(path[:-1])
    if kind == "extra_forbidden":
        return unknown_name("key", str(key), _keys(block), document.at_key(path))
    if kind == "missing":
        name = path[-2] if len(path) > 1 and isinstance(path[-2], str) else path[-3] if len(path) > 2 else "the chip"
        return SpecError(f"{name} needs {key!r}", where=document.at(path[:-1]), hint=_hint(block, str(key)))
    if kind == "too_short":
        return SpecError(f"{key!r} is empty", where=document.at(path), hint=_hint(block, str(key)))
    needed = {
        "model_type": "a block of keys",
        "model_attributes_type": "a block of keys",
        "dict_type": "a block of keys",
        "list_type": "a list",
        "bool_type": "true or false",
        "string_type": "text",
    }.get(kind, error["msg"])
    return SpecError(
        f"{_label(path)}{needed} is needed here, not {describe(error['input'])}",
        where=document.at(path),
        hint=_hint(block, str(key)) or "see `pj schema`",
    )


def _label(path: Path) -> str:
    return f"{path[-1]}: " if path and isinstance(path[-1], str) else ""


def _hint(block: type[BaseModel] | None, key: str) -> str:
    """What the key means, as the schema says it."""
    for name, field in (block.model_fields if block else {}).items():
        if (field.alias or name) == key:
            return f"{key}: {field.description}"
    return ""


def _keys(block: type[BaseModel] | None) -> list[str]:
    return [f.alias or n for n, f in block.model_fields.items()] if block else []


def _block(path: Path) -> type[BaseModel] | None:
    """The model of the block at the path."""
    here: Any = ChipSpec
    for step in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            here = next((f.annotation for n, f in here.model_fields.items() if (f.alias or n) == step), None)
        elif get_origin(here) in (list, dict):
            here = get_args(here)[-1]
        else:
            return None
        here = _inner(here)
    return here if isinstance(here, type) and issubclass(here, BaseModel) else None


def _inner(annotation: Any) -> Any:
    """`X | None` and `Annotated[X, ...]` are X; lists and dicts are kept until the next step names an entry."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _inner(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return _inner(next(a for a in get_args(annotation) if a is not type(None)))
    return annotation

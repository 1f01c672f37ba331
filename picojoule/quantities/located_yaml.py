"""YAML with the place of every key and value, so that any later complaint can say `file:line:column`.

`read` turns text into plain dicts, lists, strings, numbers and booleans. It refuses what YAML lets pass and nobody
means: a key twice in one block, a key without a value, tags, cycles, an empty file, a list where keys are needed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from picojoule.errors import SpecError

Path = tuple[str | int, ...]
_MOST_VALUES = 200_000  # aliases may expand; no chip comes near


@dataclass
class Document:
    """The data of a YAML file and where each piece of it stands. Paths are the keys and indices that lead to a value."""

    data: Any
    where: str  # file name, or what stands in for it
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)  # line and column, from 1
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def at(self, path: Path) -> str:
        """`file:line:column` of the value at the path, or of the nearest block around it."""
        return self._place(path, self.values)

    def at_key(self, path: Path) -> str:
        """`file:line:column` of the key itself."""
        return self._place(path, self.keys if path in self.keys else self.values)

    def _place(self, path: Path, places: dict[Path, tuple[int, int]]) -> str:
        while path not in places and path:
            path, places = path[:-1], self.values
        line, column = places.get(path, (1, 1))
        return f"{self.where}:{line}:{column}"


def read(text: str, where: str) -> Document:
    """The document in `text`; its top level has to be keys and values."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as e:
        raise _syntax_error(e, text, where) from None
    except RecursionError:
        raise SpecError(
            "brackets or blocks are nested too deeply", where=f"{where}:1:1", hint="a chip needs six levels of them"
        ) from None
    if root is None:
        raise SpecError("the file is empty", where=f"{where}:1:1", hint="write keys and values; `pj schema` lists the keys")
    document = Document(None, where)
    document.data = _Builder(document).build(root, (), ())
    if not isinstance(document.data, dict):
        raise SpecError(
            f"keys and values are needed here, not {describe(document.data)}",
            where=document.at(()),
            hint="write `key: value` lines",
        )
    return document


def describe(value: object) -> str:
    """`text 'abc'`, `the number 3`, `a list`: what a value is, in words."""
    if isinstance(value, bool):
        return f"the switch {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"text {value!r}"
    return "a list" if isinstance(value, list) else "a block of keys"


class _Builder:
    """Walks the node tree once, notes places and refuses what no reader can mean."""

    def __init__(self, document: Document) -> None:
        self.document, self.count = document, 0

    def build(self, node: yaml.Node, path: Path, inside: tuple[int, ...]) -> Any:
        mark = node.start_mark
        self.document.values[path] = (mark.line + 1, mark.column + 1)
        self.count += 1
        if id(node) in inside or self.count > _MOST_VALUES:
            raise SpecError(
                "an alias repeats a block inside itself, or far too often",
                where=self.document.at(path),
                hint="write the block out",
            )
        inside = (*inside, id(node))
        if not node.tag.startswith("tag:yaml.org,2002:"):
            raise SpecError(f"the tag {node.tag} has no meaning here", where=self.document.at(path), hint="remove it")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, inside)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, i), inside) for i, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path, inside: tuple[int, ...]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            mark = key_node.start_mark
            place = f"{self.document.where}:{mark.line + 1}:{mark.column + 1}"
            if not isinstance(key_node, yaml.ScalarNode):
                raise SpecError("a key has to be a plain word", where=place, hint="write `key: value`")
            key = str(key_node.value)
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise SpecError("`<<` merges keys where nobody sees them", where=place, hint="write the keys out")
            if key in out:
                line, column = self.document.keys[(*path, key)]
                raise SpecError(
                    f"key {key!r} is given twice", where=place, hint=f"the first one is at line {line}, column {column}"
                )
            self.document.keys[(*path, key)] = (mark.line + 1, mark.column + 1)
            out[key] = self.build(value_node, (*path, key), inside)
        return out

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        kind, text = node.tag.rpartition(":")[2], str(node.value)
        if kind == "null":
            what = f"key {path[-1]!r}" if path and isinstance(path[-1], str) else "this entry"
            place = self.document.at_key(path) if path and isinstance(path[-1], str) else self.document.at(path)
            raise SpecError(f"{what} has no value", where=place, hint="give a value, or leave the line out")
        if kind == "bool":
            return text.lower() in ("true", "yes", "on")
        if kind in ("int", "float"):
            try:
                return int(text) if kind == "int" else float(text.replace(".inf", "inf").replace(".nan", "nan"))
            except ValueError:
                return text
        return text


def _syntax_error(error: yaml.YAMLError, text: str, where: str) -> SpecError:
    mark = getattr(error, "problem_mark", None)
    if mark is None:  # a character that no YAML file may hold
        position = int(getattr(error, "position", 0))
        line, column = text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)
        return SpecError(
            "this character is not allowed in YAML", where=f"{where}:{line}:{column}", hint="save the file as UTF-8 text"
        )
    place = f"{where}:{mark.line + 1}:{mark.column + 1}"
    problem = str(getattr(error, "problem", "") or "cannot be read")
    line_text = text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""
    if "\t" in line_text[: mark.column + 1]:
        return SpecError("a tab stands where YAML needs spaces", where=place, hint="indent with spaces")
    if "another document" in problem:
        return SpecError("a second document begins here", where=place, hint="one chip a file; remove the `---`")
    return SpecError(
        f"not valid YAML: {problem}",
        where=place,
        hint="check the indentation, colons and brackets of this line and the one above",
    )

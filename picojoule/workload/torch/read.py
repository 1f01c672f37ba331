"""A torch module as a network, through `torch.export`: functional calls and attention count as modules do.

torch is imported where it is used; install it with `pip install picojoule[torch]`.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from picojoule.errors import SpecError, unknown_name
from picojoule.workload.network import Network
from picojoule.workload.torch.ops import lower
from picojoule.workload.torch.reader import Reader

FORM = "write module:callable; the callable returns a torch.nn.Module or (module, example_inputs)"


def read_torch(text: str, *, batch: int | None = None, dims: Any = None) -> Network:
    """The network of what `module:callable` returns: a module with `example_inputs`, or (module, example inputs).

    `batch` replaces the first axis of the example inputs. All elements have 16 b.
    """
    if dims:
        raise SpecError("a torch module takes no dims", where=text, hint="its example inputs settle every size")
    torch = _torch(text)
    module, inputs = _checked(_call(text), torch, text)
    return export(module, inputs, name=text.partition(":")[2], source=text, batch=batch)


def module_and_inputs(text: str) -> tuple[Any, tuple[Any, ...]]:
    """(torch.nn.Module, example inputs) of what `module:callable` returns."""
    return _checked(_call(text), _torch(text), text)


def export(module: Any, inputs: tuple[Any, ...], *, name: str, source: str = "", batch: int | None = None) -> Network:
    """The network of a module for these example inputs, in evaluation mode."""
    torch = _torch(source or name)
    if batch:
        inputs = tuple(_with_batch(torch, x, batch) for x in inputs)
    try:
        with warnings.catch_warnings():  # about attributes of recurrent modules, of no concern here
            warnings.simplefilter("ignore")
            program = torch.export.export(module.eval(), inputs, strict=False)
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else ""
        problem = f"torch.export cannot trace it: {type(error).__name__}: {first}"
        hint = "check that module(*example_inputs) runs, without branches on data"
        raise SpecError(problem, where=source or name, hint=hint) from None
    reader = Reader(program, name, source, lower)
    try:
        return reader.read()
    except SpecError as error:
        raise error.located(source or name) from None


def _torch(where: str) -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError:
        hint = "pip install 'picojoule[torch]', or export the model to ONNX"
        raise SpecError("torch is not installed", where=where, hint=hint) from None


def _call(text: str) -> Any:
    """What the callable returns. The working directory counts as a place for modules, and `file.py:callable` works too."""
    place, _, attribute = text.rpartition(":")
    if not place or not attribute:
        raise SpecError("this is no module:callable", where=text, hint=FORM)
    module = _load(place, text)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise unknown_name("callable", attribute, [n for n in dir(module) if not n.startswith("_")], where=text)
        found = getattr(found, part)
    if not callable(found):
        raise SpecError(f"{attribute!r} cannot be called", where=text, hint=FORM)
    if hasattr(found, "named_parameters") and not isinstance(found, type):
        return found
    return _guarded(found, text)


def _guarded(function: Callable[[], Any], text: str) -> Any:
    try:
        return function()
    except Exception as error:
        raise SpecError(f"calling it fails: {type(error).__name__}: {error}", where=text, hint=FORM) from error


def _load(place: str, text: str) -> Any:
    sys.path.insert(0, os.getcwd())
    try:
        if place.endswith(".py"):
            if not Path(place).is_file():
                raise SpecError("no such file", where=place, hint="check the path")
            spec = importlib.util.spec_from_file_location(Path(place).stem, place)
            assert spec and spec.loader
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
        return importlib.import_module(place)
    except SpecError:
        raise
    except Exception as error:
        raise SpecError(f"cannot import {place!r}: {type(error).__name__}: {error}", where=text, hint=FORM) from None
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(os.getcwd())


def _checked(made: Any, torch: Any, text: str) -> tuple[Any, tuple[Any, ...]]:
    module, inputs = made if isinstance(made, tuple) and len(made) == 2 else (made, getattr(made, "example_inputs", None))
    if not isinstance(module, torch.nn.Module):
        raise SpecError(f"it returns a {type(module).__name__}, not a torch.nn.Module", where=text, hint=FORM)
    if inputs is None:
        raise SpecError("it returns no example inputs", where=text, hint="return (module, (torch.zeros(1, 3, 224, 224),))")
    return module, inputs if isinstance(inputs, tuple) else tuple(inputs) if isinstance(inputs, list) else (inputs,)


def _with_batch(torch: Any, x: Any, batch: int) -> Any:
    return x.new_zeros((batch, *x.shape[1:])) if isinstance(x, torch.Tensor) and x.dim() else x

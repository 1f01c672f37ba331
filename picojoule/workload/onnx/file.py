"""Opening an ONNX file: what can be wrong with it, local functions spelled out, and symbolic sizes of its inputs settled."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import load_external_data_for_tensor
from onnx.inliner import inline_local_functions, inline_selected_functions

from picojoule.errors import SpecError, unknown_name

SMALL = 4096  # elements: larger constants are weights, and only their shape matters


def open_onnx(path: Path) -> onnx.ModelProto:
    """The model of a file, without the values of its weights; anything unreadable is an error with the path."""
    where = str(path)
    if not path.exists():
        raise SpecError("no such file", where=where, hint="check the path; `pj models` lists the models that come along")
    if path.is_dir():
        raise SpecError("this is a folder", where=where, hint="name the .onnx file inside it")
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise SpecError(f"cannot read it: {error.strerror}", where=where, hint="check the permissions") from None
    if not head:
        raise SpecError("the file is empty", where=where, hint="export or download it again")
    if head.startswith(b"version https://git-lfs"):
        raise SpecError("this is a Git LFS pointer, not the model", where=where, hint="run `git lfs pull` in its repository")
    try:
        model = onnx.load(where, load_external_data=False)
    except (DecodeError, ValueError, OSError):
        raise SpecError("this is no ONNX model", where=where, hint="the file is damaged or of another format") from None
    if not model.graph.node:
        raise SpecError("the model holds no operators", where=where, hint="the file is damaged, or was cut short")
    for tensor in model.graph.initializer:
        if _elements(tensor) > SMALL:
            for field in ("raw_data", "float_data", "int32_data", "int64_data", "double_data"):
                tensor.ClearField(field)
        elif tensor.data_location == onnx.TensorProto.EXTERNAL:
            with contextlib.suppress(Exception):  # beside the model; should it matter, the shapes that need it are refused
                load_external_data_for_tensor(tensor, str(path.parent))
                tensor.data_location = onnx.TensorProto.DEFAULT
    return inline_local_functions(model) if model.functions else model


def open_functions(model: onnx.ModelProto, is_known: Callable[[onnx.NodeProto], bool]) -> onnx.ModelProto:
    """The model with operators that are not known spelled out, where the standard defines them by simpler ones."""
    for _ in range(4):  # a definition may use operators that are defined by others again
        strange = sorted({(n.domain, n.op_type) for n in model.graph.node if not is_known(n)})
        versions = {o.domain: o.version for o in model.opset_import}
        defined = [pair for pair in strange if _has_body(*pair, versions.get(pair[0], 1))]
        if not defined:
            break
        try:
            model = inline_selected_functions(model, defined, inline_schema_functions=True)
        except RuntimeError:  # the library cannot open a function whose optional operands are left out
            break
    return model


def _has_body(domain: str, op: str, version: int) -> bool:
    try:
        schema: Any = onnx.defs.get_schema(op, version, domain)
    except onnx.defs.SchemaError:
        return False
    return bool(schema.has_function or schema.has_context_dependent_function)


def settle_inputs(model: onnx.ModelProto, batch: int | None, dims: Mapping[str, int], where: str) -> dict[str, tuple[int, ...]]:
    """The shape of each input, with `batch` as the first axis and `dims` for symbolic sizes (or `input[axis]`).

    `batch` replaces the first axis of the first input, whatever else has that size's name, and open first axes.

    Writes the sizes into the model. Sizes that nobody gave are refused with the option that gives them.
    """
    trained = {t.name for t in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in trained and i.type.HasField("tensor_type")]
    names = {i.name: [_axis_name(i, k) for k in range(len(i.type.tensor_type.shape.dim))] for i in inputs}
    known = {n for axes in names.values() for n in axes if isinstance(n, str)}
    for given in dims:
        if given not in known:
            raise (
                unknown_name("dimension", given, known, where=where)
                if known
                else SpecError(f"the model has no symbolic size, so {given!r} cannot be set", where=where, hint="leave out --dim")
            )
    first = next((axes[0] for axes in names.values() if axes), None)
    missing: dict[str, str] = {}
    shapes = {}
    for item in inputs:
        axes = names[item.name]
        shape = [dims.get(a, a) if isinstance(a, str) else a for a in axes]
        if batch and axes and (axes[0] == first or (isinstance(axes[0], str) and axes[0] not in dims)):
            shape[0] = batch
        if batch and isinstance(first, str):
            shape = [batch if a == first else a for a in shape]
        missing |= {a: item.name for a in shape if isinstance(a, str)}
        shapes[item.name] = tuple(int(a) if not isinstance(a, str) else 0 for a in shape)
    if missing:
        listed = ", ".join(f"{a} of {i!r}" for a, i in missing.items())
        options = " ".join(f"--dim {_quoted(a)}=N" for a in missing)
        batched = f"; --batch N gives {first}" if isinstance(first, str) and first in missing else ""
        raise SpecError(f"the model leaves sizes open: {listed}", where=where, hint=f"give {options}{batched}")
    if any(a != n for i in inputs for a, n in zip(names[i.name], shapes[i.name], strict=True) if isinstance(a, int)):
        del model.graph.value_info[:]  # sizes that the file states no longer hold
        for output in model.graph.output:
            output.type.tensor_type.ClearField("shape")
    for item in inputs:
        for axis, n in zip(item.type.tensor_type.shape.dim, shapes[item.name], strict=True):
            axis.dim_value = n
    return shapes


def _axis_name(item: onnx.ValueInfoProto, axis: int) -> int | str:
    """The size of an input's axis, or the name by which it can be given."""
    dim = item.type.tensor_type.shape.dim[axis]
    if dim.HasField("dim_value") and dim.dim_value > 0:
        return int(dim.dim_value)
    return dim.dim_param if dim.dim_param not in ("", "?", "None", "unk") else f"{item.name}[{axis}]"


def _quoted(name: str) -> str:
    return f"'{name}'" if "[" in name else name


def _elements(tensor: onnx.TensorProto) -> int:
    n = 1
    for d in tensor.dims:
        n *= d
    return n

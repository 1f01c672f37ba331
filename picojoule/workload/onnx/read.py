"""An ONNX file as a network: every operator becomes a MAC layer, a counted operator, a view, or is reported as unknown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx

from picojoule.errors import SpecError
from picojoule.workload.network import Network
from picojoule.workload.onnx.file import open_functions, open_onnx, settle_inputs
from picojoule.workload.onnx.macs import HANDLERS
from picojoule.workload.onnx.reader import MAC_OPS, Reader, key
from picojoule.workload.onnx.vector import CONTROL, is_understood, vector


def read_onnx(path: str | Path, *, batch: int | None = None, dims: Mapping[str, int] | None = None) -> Network:
    """The network of an ONNX file with these sizes.

    Every tensor has 16 b elements, whatever floating-point type the file stores; in a quantised model integer tensors have
    the width of their type. Operators of constants are computed beforehand and cost nothing. Control flow whose
    condition is not constant and unknown operators are kept as opaque operators; MAC operators whose shapes
    cannot be found are refused by name.
    """
    where = str(path)
    model = open_onnx(Path(path))
    shapes = settle_inputs(model, batch, dims or {}, where)
    model = open_functions(model, lambda n: key(n) in MAC_OPS or n.op_type in CONTROL or is_understood(n))
    try:
        return Reader(model, shapes, where, _lower).read()
    except SpecError as error:
        raise error.located(where) from None


def _lower(reader: Reader, node: onnx.NodeProto) -> None:
    HANDLERS.get(key(node), vector)(reader, node)

"""Small ONNX files made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from picojoule.workload.network import Network
from picojoule.workload.onnx.read import read_onnx
from tests.workload.graph_laws import check

Axis = int | str | None


def node(op: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    """A node whose operands and results are words; `-` is an operand left out."""
    names = ["" if x == "-" else x for x in inputs.split()]
    return helper.make_node(op, names, outputs.split(), name=attributes.pop("name", ""), **attributes)


def save(
    folder: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[Axis]],
    outputs: str,
    *,
    weights: Mapping[str, Any] | None = None,
    types: Mapping[str, int] | None = None,
    opset: int = 21,
    domains: Sequence[str] = (),
    functions: Sequence[onnx.FunctionProto] = (),
) -> Path:
    """The file of a graph. `weights` are arrays, or shapes of zeros; `types` of inputs, where they are not float."""
    types = types or {}
    arrays = {k: v if isinstance(v, np.ndarray) else np.zeros(v, np.float32) for k, v in (weights or {}).items()}
    given = [helper.make_tensor_value_info(k, types.get(k, TensorProto.FLOAT), v) for k, v in inputs.items()]
    made = [helper.make_empty_tensor_value_info(x) for x in outputs.split()]
    graph = helper.make_graph(list(nodes), "net", given, made, [numpy_helper.from_array(v, k) for k, v in arrays.items()])
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    path = folder / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, functions=list(functions)), path)
    return path


def network(folder: Path, *args: Any, batch: int | None = None, dims: Mapping[str, int] | None = None, **more: Any) -> Network:
    """The network of such a file, which keeps the laws of graphs."""
    found = read_onnx(save(folder, *args, **more), batch=batch, dims=dims)
    check(found)
    return found

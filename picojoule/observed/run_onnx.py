"""Runs an ONNX file on data and shows the tensors of its MAC layers to a recorder."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.inliner import inline_local_functions

from picojoule.ask import Progress
from picojoule.errors import SpecError
from picojoule.observed.data_files import Arrays, batches, for_inputs
from picojoule.workload.onnx.read import read_onnx
from picojoule.workload.onnx.reader import FOLLOWING, MAC_OPS, key

Seen = tuple[str, str, str]  # (layer, role, tensor of the graph)


def run_onnx(
    text: str, arrays: Arrays, data: str, batch: int, record: Callable[[str, str, np.ndarray], None], progress: Progress
) -> tuple[list[str], str, int]:
    """(names of the MAC layers, what ran it, samples). Batches are those of the file where it fixes the first axis."""
    path = _path(text)
    model = _model(path)
    weights = {t.name for t in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in weights]
    feeds = for_inputs(arrays, {i.name: (_dtype(i), len(i.type.tensor_type.shape.dim)) for i in inputs}, data)
    samples = len(next(iter(feeds.values())))
    fixed = _fixed_batch(inputs[0], samples, data)
    size = fixed or min(batch, samples)
    open_sizes = _open_sizes(inputs, feeds, size)
    names = [s.layer.name for s in read_onnx(path, batch=size, dims=open_sizes).layers]
    constants = {t.name: t for t in model.graph.initializer}
    seen = _tensors(model, set(names))
    for layer, role, tensor in seen:
        if tensor in constants:
            record(layer, role, numpy_helper.to_array(constants[tensor], str(path.parent)))
    wanted = list(dict.fromkeys(t for _, _, t in seen if t not in constants and t not in feeds))
    session, ran_by = _session(model, wanted, str(path))
    parts = list(batches(feeds, size, whole=bool(fixed)))
    for i, part in enumerate(parts):
        progress(i, len(parts), "running")
        values = part | dict(zip(wanted, _run(session, wanted, part, str(path)), strict=True))
        for layer, role, tensor in seen:
            if tensor not in constants:
                record(layer, role, np.asarray(values[tensor]))
    return names, ran_by, sum(len(next(iter(p.values()))) for p in parts)


def _path(text: str) -> Path:
    from picojoule.workload.zoo.trained import DIGITS

    return DIGITS if text == "digits" else Path(text)


def _model(path: Path) -> onnx.ModelProto:
    """The whole file, weights included, after the checks that reading makes."""
    from picojoule.workload.onnx.file import open_onnx

    open_onnx(path)
    model = onnx.load(str(path))
    return inline_local_functions(model) if model.functions else model


def _dtype(item: onnx.ValueInfoProto) -> np.dtype:
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(item.type.tensor_type.elem_type))


def _fixed_batch(item: onnx.ValueInfoProto, samples: int, data: str) -> int:
    """The first axis that the file fixes, or 0."""
    dims = item.type.tensor_type.shape.dim
    fixed = int(dims[0].dim_value) if dims and dims[0].HasField("dim_value") else 0
    if fixed > samples:
        raise SpecError(f"the model takes batches of {fixed}, the data has {samples} samples", where=data, hint="give more data")
    return fixed


def _open_sizes(inputs: list[onnx.ValueInfoProto], feeds: Arrays, batch: int) -> dict[str, int]:
    """Symbolic sizes, as the data settles them."""
    out = {}
    for item in inputs:
        for axis, dim in enumerate(item.type.tensor_type.shape.dim):
            if dim.dim_param not in ("", "?", "None", "unk") and axis:
                out[dim.dim_param] = int(feeds[item.name].shape[axis])
    return out


def _tensors(model: onnx.ModelProto, layers: set[str]) -> list[Seen]:
    """Operands and results of the MAC layers; a result that only an activation function reads is taken after it."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for x in node.input:
            readers.setdefault(x, []).append(node)
    results = {o.name for o in model.graph.output}
    made = {n.output[0]: n for n in model.graph.node if n.op_type == "Constant"}
    out: list[Seen] = []
    for node in model.graph.node:
        label = node.name or next((x for x in node.output if x), node.op_type)
        if key(node) not in MAC_OPS or label not in layers:
            continue
        image, weight = (0, 3) if node.op_type in ("QLinearConv", "QLinearMatMul") else (0, 1)
        out += [
            (label, role, node.input[i])
            for role, i in (("input", image), ("weight", weight))
            if i < len(node.input) and node.input[i] and node.input[i] not in made
        ]
        result = node.output[0]
        after = readers.get(result, [])
        if len(after) == 1 and after[0].op_type in FOLLOWING and result not in results:
            result = after[0].output[0]
        out.append((label, "output", result))
    return out


def _session(model: onnx.ModelProto, wanted: list[str], where: str) -> tuple[Any, str]:
    """Something with `run`, and its name."""
    have = {o.name for o in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=n) for n in wanted if n not in have)
    try:
        if importlib.util.find_spec("onnxruntime") is not None:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.log_severity_level = 4
            return onnxruntime.InferenceSession(model.SerializeToString(), options), f"onnxruntime {onnxruntime.__version__}"
        from onnx.reference import ReferenceEvaluator

        return ReferenceEvaluator(model), f"onnx {onnx.__version__}, reference evaluator"
    except Exception as e:
        raise SpecError(f"it cannot be run: {_first_line(e)}", where=where, hint="check it with onnx.checker") from None


def _run(session: Any, wanted: list[str], part: Arrays, where: str) -> list[Any]:
    try:
        return list(session.run(wanted, part)) if wanted else []
    except Exception as e:
        raise SpecError(f"running it fails: {_first_line(e)}", where=where, hint="check the shapes of the data") from None


def _first_line(e: Exception) -> str:
    return f"{type(e).__name__}: {str(e).strip().splitlines()[0] if str(e).strip() else ''}"

"""Kernels and networks through onnxruntime, on the processor: for ONNX files, and where there is no torch."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from picojoule.errors import SpecError
from picojoule.measuring import operands
from picojoule.measuring.torch_kernels import Kernel
from picojoule.measuring.work import Work
from picojoule.workload.conv_shape import direct

_NUMPY = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(float16)": np.float16,
}


def load_onnxruntime(where: str = "ONNX files") -> Any:
    """onnxruntime, or an error that says how to get it."""
    try:
        return importlib.import_module("onnxruntime")
    except ImportError:
        raise SpecError("onnxruntime is not installed", where=where, hint="pip install 'picojoule[onnxruntime]'") from None


def session(model: str | Path | bytes, threads: int, where: str = "") -> Any:
    """A session on the processor with so many threads."""
    ort = load_onnxruntime(where or "ONNX files")
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    try:
        return ort.InferenceSession(str(model) if isinstance(model, Path) else model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        first = str(error).strip().splitlines()[0]
        raise SpecError(f"onnxruntime cannot run it: {first}", where=where, hint="check the file with onnx.checker") from None


def feed(running: Any, batch: int | None, dims: dict[str, int], rng: np.random.Generator, where: str) -> dict[str, np.ndarray]:
    """Random values for every input of a session; symbolic sizes come from `batch` (the first axis) and `dims`."""
    out: dict[str, np.ndarray] = {}
    for one in running.get_inputs():
        shape = []
        for i, size in enumerate(one.shape):
            known = size if isinstance(size, int) else dims.get(str(size), batch if i == 0 and batch else 1 if i == 0 else None)
            if known is None:
                raise SpecError(f"input {one.name!r} has a symbolic size {size!r}", where=where, hint=f"give --dim {size}=N")
            shape.append(int(known))
        kind = _NUMPY.get(one.type)
        if kind is None:
            raise SpecError(f"input {one.name!r} is of type {one.type}", where=where, hint="numbers alone can be made up")
        if np.issubdtype(kind, np.floating):
            out[one.name] = operands.check_random(one.name, operands.random(tuple(shape), rng)).astype(kind)
        else:
            out[one.name] = rng.integers(0, 2 if kind is np.bool_ else 100, tuple(shape)).astype(kind)
    return out


def kernel(work: Work, threads: int, seed: int = 0) -> Kernel:
    """The kernel of a convolution or a matrix product as a one-node model, with random operands."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng, d = np.random.default_rng(seed), work.size
    if work.dtype != "fp32":
        raise SpecError(f"onnxruntime's kernels are run in fp32 alone, not {work.dtype}", hint="leave out --dtype")
    if work.family == "conv":
        s = work.shape
        x = operands.check_random("input", operands.random(s.input_shape, rng))
        scale = np.float32((s.C // s.groups * s.R * s.S) ** -0.5)
        w = operands.check_random("weight", operands.random(s.weight_shape, rng) * scale)
        settings: dict[str, Any] = {"strides": s.stride, "dilations": s.dilation, "group": s.groups, "pads": (*s.pad, *s.pad)}
        node, out = helper.make_node("Conv", ["x", "w"], ["y"], **settings), s.output_shape
        exact = lambda: direct(x.astype(np.float64), w.astype(np.float64), s)  # noqa: E731
    elif work.family == "gemm":
        lead = () if d["B"] == 1 else (d["B"],)
        x = operands.check_random("A", operands.random((*lead, d["M"], d["K"]), rng))
        w = operands.check_random("B", operands.random((*lead, d["K"], d["N"]), rng) * np.float32(d["K"] ** -0.5))
        node, out = helper.make_node("MatMul", ["x", "w"], ["y"]), (*lead, d["M"], d["N"])
        exact = lambda: x.astype(np.float64) @ w.astype(np.float64)  # noqa: E731
    else:
        raise SpecError(f"{work.name} is run as part of the network alone", hint="torch runs element-wise ones alone")
    sides = [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(shape)) for n, shape in (("x", x.shape), ("y", out))]
    graph = helper.make_graph([node], "one", sides[:1], sides[1:], [numpy_helper.from_array(w, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=min(9, onnx.IR_VERSION))
    running = session(model.SerializeToString(), threads, work.name)
    return Kernel(lambda: running.run(None, {"x": x})[0], exact, lambda y: np.asarray(y, np.float64))

"""A quantised module as an ONNX file with QuantizeLinear and DequantizeLinear around every quantised layer.

Weights are stored as the integers they are rounded to, with their steps; inputs go through a pair of QuantizeLinear and
DequantizeLinear. ONNX has integers of 4, 8 and 16 bits: a width between is stored in the next wider one, whose range it does not
fill. Then, and where codes are symmetric, a Clip cuts inputs first. The file runs in onnxruntime, which shares no code with us.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from picojoule.compress.quantise.quantise import plain, quantisers
from picojoule.compress.quantise.quantiser import Quantiser
from picojoule.errors import SpecError

OPSET = 21  # the first whose QuantizeLinear has blocks and 4 and 16 b integers
_TYPES = {  # (bits stored, signed)
    (4, True): TensorProto.INT4, (4, False): TensorProto.UINT4, (8, True): TensorProto.INT8, (8, False): TensorProto.UINT8,
    (16, True): TensorProto.INT16, (16, False): TensorProto.UINT16,
}  # fmt: skip


def to_onnx(module: nn.Module, images: Tensor, path: str | Path) -> Path:
    """Write a module, quantised or not; the batch is free. `images`: one batch of inputs, for the shapes."""
    path = Path(path)
    model = _floats(plain(module), images[:1])
    graph = model.graph
    for name, weights, inputs in quantisers(module):
        layer = _Layer(graph, name)
        if inputs is not None:
            _quantise_input(layer, inputs)
        if weights is not None:
            _quantise_weight(layer, weights, module.get_submodule(name))
    model.opset_import[0].version = OPSET
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def _floats(module: nn.Module, images: Tensor) -> Any:
    """The module as an ONNX model, its parameters under their own names."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        path = Path(folder) / "floats.onnx"
        warnings.simplefilter("ignore")  # about the exporter's age
        try:
            torch.onnx.export(
                module, (images,), path, dynamo=False, opset_version=20, do_constant_folding=False,
                input_names=["images"], output_names=["logits"], dynamic_axes={"images": {0: "n"}, "logits": {0: "n"}},
            )  # fmt: skip
        except Exception as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise SpecError(f"torch cannot write it as ONNX: {first}", hint="no branches on data in forward") from None
        return onnx.load(path)


class _Layer:
    """The nodes of one layer of a graph, found by the name of its weight."""

    def __init__(self, graph: Any, name: str) -> None:
        self.graph, self.name, self.weight = graph, name, f"{name}.weight"
        if all(w.name != self.weight for w in graph.initializer):
            raise SpecError("the ONNX file has no weight of this name", where=self.weight, hint="layers may not share weights")
        held = {self.weight}
        self.node: Any = None
        for node in graph.node:
            if held & set(node.input):
                if node.op_type in ("Transpose", "Identity"):
                    held |= set(node.output)
                else:
                    self.node = node
                    self.input = next(i for i, x in enumerate(node.input) if x not in held)
        if self.node is None or self.node.op_type not in ("Conv", "Gemm", "MatMul"):
            raise SpecError("no convolution or product reads this weight", where=self.weight, hint="report this model")

    def add(self, name: str, value: np.ndarray) -> str:
        self.graph.initializer.append(numpy_helper.from_array(value, f"{self.name}.{name}"))
        return f"{self.name}.{name}"

    def zero(self, name: str, kind: int, shape: tuple[int, ...]) -> str:
        zeros = helper.make_tensor(f"{self.name}.{name}", kind, shape, np.zeros(shape, np.int32).flatten().tolist())
        self.graph.initializer.append(zeros)
        return zeros.name

    def before(self, at: Any, *nodes: Any) -> None:
        """Nodes put into the graph before another."""
        place = next(i for i, n in enumerate(self.graph.node) if n is at or n == at)
        for node in reversed(nodes):
            self.graph.node.insert(place, node)


def _stored(q: Quantiser, where: str) -> tuple[int, int]:
    """(type, bits) that hold a quantiser's codes."""
    if q.codes.kind != "linear":
        raise SpecError("ONNX has no logarithmic codes", where=where, hint="export linear quantisers")
    bits = next(b for b in (4, 8, 16) if b >= q.codes.bits)
    return _TYPES[bits, q.codes.signed], bits


def _quantise_input(layer: _Layer, q: Quantiser) -> None:
    kind, bits = _stored(q, layer.name)
    cut = bits > q.codes.bits or q.codes.signed  # ours are symmetric, ONNX reaches one code lower
    if cut and bits == 4:  # onnxruntime's optimiser refuses a Clip before codes of 4 b
        kind, bits = _TYPES[8, q.codes.signed], 8
    given, name, step = layer.node.input[layer.input], layer.name, float(q.step.detach())
    nodes, at = [], given
    if cut:
        both = ("low", q.codes.low), ("high", q.codes.high)
        ends = [layer.add(f"input_{n}", np.array(step * v, np.float32)) for n, v in both]
        nodes.append(helper.make_node("Clip", [at, *ends], [f"{name}.cut"], f"{name}/Clip"))
        at = f"{name}.cut"
    scale, zero = layer.add("input_step", np.array(step, np.float32)), layer.zero("input_zero", kind, ())
    nodes.append(helper.make_node("QuantizeLinear", [at, scale, zero], [f"{name}.codes"], f"{name}/QuantizeLinear"))
    nodes.append(helper.make_node("DequantizeLinear", [f"{name}.codes", scale, zero], [f"{name}.given"], f"{name}/Dequantize"))
    layer.before(layer.node, *nodes)
    layer.node.input[layer.input] = f"{name}.given"


def _quantise_weight(layer: _Layer, q: Quantiser, module: Any) -> None:
    kind, _ = _stored(q, layer.name)
    original = module.parametrizations.weight.original
    for step in module.parametrizations.weight:  # a mask before the quantiser keeps its zeros
        if step is q:
            break
        original = step(original)
    codes, shape = q.integers(original).numpy(), tuple(original.shape)
    steps = q.step.detach().flatten().numpy()
    about: dict[str, Any] = {}
    if q.rows.granularity == "tensor":
        steps = steps.reshape(())
    elif q.rows.granularity == "channel":
        about = {"axis": 0}
    else:
        _grouped(layer, q, codes)
        return
    stored = helper.make_tensor(f"{layer.name}.weight_codes", kind, shape, codes.flatten().tolist())
    layer.graph.initializer.append(stored)
    scale, zero = layer.add("weight_steps", steps), layer.zero("weight_zeros", kind, steps.shape)
    node = helper.make_node("DequantizeLinear", [stored.name, scale, zero], [layer.weight], f"{layer.name}/Weights", **about)
    _replace_weight(layer, node)


def _grouped(layer: _Layer, q: Quantiser, codes: np.ndarray) -> None:
    """Groups lie along the flattened rest of an output channel: [channels, groups x group] in blocks, cut and shaped back."""
    kind, _ = _stored(q, layer.name)
    channels, each, group = len(codes), int(np.prod(codes.shape[1:])), q.rows.group
    groups = -(-each // group)
    padded = np.zeros((channels, groups * group), np.int32)
    padded[:, :each] = codes.reshape(channels, each)
    stored = helper.make_tensor(f"{layer.name}.weight_codes", kind, padded.shape, padded.flatten().tolist())
    layer.graph.initializer.append(stored)
    scale = layer.add("weight_steps", q.step.detach().reshape(channels, groups).numpy())
    zero = layer.zero("weight_zeros", kind, (channels, groups))
    ends = [layer.add(n, np.array([v], np.int64)) for n, v in (("start", 0), ("end", each), ("axis", 1))]
    shape = layer.add("weight_shape", np.array(codes.shape, np.int64))
    wide, cut = f"{layer.name}.weight_padded", f"{layer.name}.weight_rows"
    _replace_weight(
        layer,
        helper.make_node(
            "DequantizeLinear", [stored.name, scale, zero], [wide], f"{layer.name}/Weights", axis=1, block_size=group
        ),
        helper.make_node("Slice", [wide, *ends], [cut], f"{layer.name}/Cut"),
        helper.make_node("Reshape", [cut, shape], [layer.weight], f"{layer.name}/Shape"),
    )


def _replace_weight(layer: _Layer, *nodes: Any) -> None:
    kept = [w for w in layer.graph.initializer if w.name != layer.weight]
    del layer.graph.initializer[:]
    layer.graph.initializer.extend(kept)
    for node in reversed(nodes):
        layer.graph.node.insert(0, node)


def run(path: str | Path, images: Tensor, batch: int = 500, fused: bool = False) -> Tensor:
    """The file's results on the images in onnxruntime, on one thread of the CPU.

    `fused`: with its integer kernels in place of the operators as they stand. On x86 without VNNI these add pairs of 8 b products
    in 16 b, which may saturate (onnxruntime's documentation calls it the U8S8 overflow).
    """
    try:
        import onnxruntime
    except ImportError:
        raise SpecError("onnxruntime is not installed", where=str(path), hint="pip install 'picojoule[onnxruntime]'") from None
    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if fused else level.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0].name
    return torch.cat([torch.from_numpy(session.run(None, {given: x.numpy()})[0]) for x in images.split(batch)])

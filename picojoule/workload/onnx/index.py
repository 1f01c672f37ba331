"""What the attributes of an ONNX node say about how it indexes its operand: axes, windows, orders, places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import onnx

from picojoule.workload import ops as table
from picojoule.workload.building.operators import PLAIN, Index
from picojoule.workload.building.shapes import Shape, Window, same_window
from picojoule.workload.onnx.facts import attributes
from picojoule.workload.onnx.reader import Reader

SOFTMAX_OF_A_ROW = 13  # the opset from which a softmax takes one axis; before, all from its axis on
POOLS = ("MaxPool", "AveragePool", "LpPool")
BY_CHANNEL = ("BatchNormalization", "InstanceNormalization", "GroupNormalization")  # whose gains and shifts go by channel


def window_of(a: Mapping[str, Any], image: Shape, kernel: Shape, transposed: bool = False) -> Window:
    """The window of a convolution's or pooling's attributes, with auto_pad resolved."""
    axes = len(kernel)
    stride, dilation = tuple(a.get("strides", [1] * axes)), tuple(a.get("dilations", [1] * axes))
    auto, pads = a.get("auto_pad", "NOTSET"), a.get("pads", [0] * 2 * axes)
    if auto in ("SAME_UPPER", "SAME_LOWER") and not transposed:
        return same_window(image[2:], kernel, stride, dilation, extra_first=auto == "SAME_LOWER")
    if auto == "VALID":
        pads = [0] * 2 * axes
    return Window(kernel, stride, dilation, tuple(pads[:axes]), tuple(pads[axes:]))


def index_of(reader: Reader, node: onnx.NodeProto, op: str) -> Index:
    """How the node indexes its first operand; `PLAIN` where nothing but its name and shapes says it."""
    a = attributes(node)
    if op == "Gather" and node.input[0] not in reader.values:
        rows = tuple(range(len(reader.shape(node.output[0]))))
        return Index(axes=(a.get("axis", 0),), parameter_axes=rows)
    if not node.input or node.input[0] not in reader.values:
        return PLAIN
    shape = reader.shape(node.input[0])
    if op in POOLS and node.op_type == op:
        return Index(window=window_of(a, shape, tuple(a["kernel_shape"])))
    if op == "LRN":
        return Index(size=a["size"])
    if op in INDEXES:
        return INDEXES[op](reader, node, a, shape)
    return _reduced(reader, node, a) if op in table.REDUCTION else PLAIN


def _reduced(reader: Reader, node: onnx.NodeProto, a: Mapping[str, Any]) -> Index:
    """The axes of a reduction: an attribute, or an operand of newer opsets; none are all of them."""
    if "axis" in a or node.op_type in ("ArgMax", "ArgMin"):
        return Index(axes=(a.get("axis", 0),))
    if "axes" in a:
        return Index(axes=tuple(a["axes"]))
    given = _numbers(reader, node, 1)
    return Index(axes=given) if given else PLAIN


def _softmax(reader: Reader, node: onnx.NodeProto, a: Mapping[str, Any], shape: Shape) -> Index:
    if reader.facts.versions.get("", SOFTMAX_OF_A_ROW) >= SOFTMAX_OF_A_ROW:
        return Index(axes=(a.get("axis", -1),))
    return Index(axes=tuple(range(a.get("axis", 1) % len(shape), len(shape))))


def _from_axis(reader: Reader, node: onnx.NodeProto, a: Mapping[str, Any], shape: Shape) -> Index:
    """A normalisation over the axes from one on, with gains and shifts for each place along them."""
    axes = tuple(range(a.get("axis", -1) % len(shape), len(shape)))
    return Index(axes=axes, parameter_axes=axes)


def _axis(default: int) -> Callable[..., Index]:
    return lambda reader, node, a, shape: Index(axes=(a.get("axis", default),))


def _slice(reader: Reader, node: onnx.NodeProto, a: Mapping[str, Any], shape: Shape) -> Index:
    starts = tuple(a["starts"]) if "starts" in a else _numbers(reader, node, 1)
    axes = tuple(a["axes"]) if "axes" in a else _numbers(reader, node, 3) or tuple(range(len(starts or ())))
    steps = _numbers(reader, node, 4) or (1,) * len(axes)
    if starts is None or min(steps) < 1:
        return PLAIN
    begin, step = [0] * len(shape), [1] * len(shape)
    for start, axis, by in zip(starts, axes, steps, strict=True):
        n = shape[axis]
        begin[axis], step[axis] = min(max(start + n if start < 0 else start, 0), n), by
    return Index(begin=tuple(begin), step=tuple(step))


def _pad(reader: Reader, node: onnx.NodeProto, a: Mapping[str, Any], shape: Shape) -> Index:
    pads = tuple(a["pads"]) if "pads" in a else _numbers(reader, node, 1)
    if pads is None or len(pads) != 2 * len(shape) or a.get("mode", "constant") != "constant":
        return PLAIN
    return Index(begin=tuple(-n for n in pads[: len(shape)]))


def _transpose(reader: Reader, node: onnx.NodeProto, a: Mapping[str, Any], shape: Shape) -> Index:
    return Index(order=tuple(a.get("perm", range(len(shape))[::-1])))


def _numbers(reader: Reader, node: onnx.NodeProto, at: int) -> tuple[int, ...] | None:
    """A constant operand; None where there is none, or its numbers are not known."""
    name = node.input[at] if len(node.input) > at else ""
    return tuple(int(n) for n in reader.facts.values[name].reshape(-1)) if name in reader.facts.values else None


INDEXES: dict[str, Callable[[Reader, onnx.NodeProto, Mapping[str, Any], Shape], Index]] = {
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), _softmax),
    **dict.fromkeys(("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"), _from_axis),
    "LpNormalization": _axis(-1),
    **dict.fromkeys(BY_CHANNEL, lambda reader, node, a, shape: Index(parameter_axes=(1,))),
    "MeanVarianceNormalization": lambda reader, node, a, shape: Index(axes=tuple(a.get("axes", (0, 2, 3)))),
    "CumSum": lambda reader, node, a, shape: Index(axes=_numbers(reader, node, 1)),
    "TopK": _axis(-1),
    "Concat": _axis(0),
    "Split": _axis(0),
    "Transpose": _transpose,
    "Slice": _slice,
    "Pad": _pad,
}

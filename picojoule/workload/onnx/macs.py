"""The ONNX operators with MACs: what their attributes and operands say about a convolution, a product, a recurrence."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import onnx

from picojoule.errors import SpecError
from picojoule.workload import ops as table
from picojoule.workload.building import blocks
from picojoule.workload.building.builder import Value
from picojoule.workload.building.products import Letters, matmul_letters
from picojoule.workload.building.shapes import Product, Shape, Window, einsum, einsum_chain, matmul
from picojoule.workload.onnx import attention as onnx_attention
from picojoule.workload.onnx.facts import attributes
from picojoule.workload.onnx.index import window_of
from picojoule.workload.onnx.reader import Reader

Handler = Callable[[Reader, onnx.NodeProto], None]


def conv(reader: Reader, node: onnx.NodeProto) -> None:
    """Conv, ConvInteger, QLinearConv and ConvTranspose, of any number of axes that lowering knows."""
    image_at, weight_at, bias_at = (0, 3, 8) if node.op_type == "QLinearConv" else (0, 1, 2)
    integer = node.op_type in ("QLinearConv", "ConvInteger")
    has_bias = node.op_type != "ConvInteger" and len(node.input) > bias_at and node.input[bias_at] != ""
    a = attributes(node)
    image, weight = reader.operand(node, node.input[image_at]), node.input[weight_at]
    transposed = node.op_type == "ConvTranspose"
    win, out = window_of(a, image.shape, reader.shape(weight)[2:], transposed), reader.result(node)
    if transposed:
        win = _transposed_window(a, win, image.shape, out.shape)
    reader.build.conv_window(
        image,
        reader.operand(node, weight),
        win,
        out,
        name=reader.label(node),
        op=node.op_type,
        groups=a.get("group", 1),
        bias=math.prod(reader.shape(node.input[bias_at])) if has_bias else 0,
        stored=reader.stored(weight),
        transposed=transposed,
    )
    if integer:
        scales(reader, node, out)
    if node.op_type == "FusedConv":
        if len(node.input) > 3 and node.input[3]:
            reader.build.vector(f"{reader.label(node)}.add", "Add", out.elements, [reader.operand(node, node.input[3]), out], [])
        _activation(reader, node, out)


def causal_conv(reader: Reader, node: onnx.NodeProto) -> None:
    """CausalConvWithState: each channel over its own past; what lies before the tokens is in the state, or zero."""
    x, weight, label = reader.values[node.input[0]], node.input[1], reader.label(node)
    kernel = reader.shape(weight)[2:]
    win = Window(kernel, (1,), (1,), (kernel[0] - 1,), (0,))
    out = reader.result(node)
    bias = node.input[2] if len(node.input) > 2 else ""
    reader.build.conv_window(
        x,
        reader.operand(node, weight),
        win,
        out,
        name=label,
        op=node.op_type,
        groups=x.shape[1],
        bias=math.prod(reader.shape(bias)) if bias else 0,
        stored=reader.stored(weight),
    )
    past = [reader.operand(node, y) for y in node.input[3:4] if y]
    if past:
        why = "the former tokens, read in place of padding"
        reader.build.vector(f"{label}.past", "Identity", 0, past, [], why=why)
    _activation(reader, node, out)
    if len(node.output) > 1 and node.output[1] in reader.kept:
        state = reader.result(node, 1)
        kept = min(state.elements, x.elements + sum(p.elements for p in past))
        reader.build.vector(f"{label}.state", "Slice", 0, [x, *past], [state], read=kept)


def _activation(reader: Reader, node: onnx.NodeProto, out: Value) -> None:
    """The activation that a node applies to its result."""
    op = str(attributes(node).get("activation", "none"))
    op = {"silu": "Silu", "swish": "Silu"}.get(op, op)
    if op not in ("none", ""):
        ops, why = table.PER_ELEMENT.get(op), "done as the results leave the accumulators"
        total = None if ops is None else ops * out.elements
        reader.build.vector(f"{reader.label(node)}.activation", op, total, [out], [], read=0, why=why)


def _transposed_window(a: dict[str, Any], win: Window, image: Shape, out: Shape) -> Window:
    """Pads of a transposed convolution: those given, or those that its output size implies."""
    if a.get("auto_pad", "NOTSET") in ("NOTSET", "VALID") and "output_shape" not in a:
        return win
    extra = a.get("output_padding", [0] * len(win.kernel))
    spans = zip(image[2:], win.stride, win.reach, extra, out[2:], strict=True)
    total = [max(0, (h - 1) * s + e + k - o) for h, s, k, e, o in spans]
    less = [t // 2 for t in total]
    begin = less if a.get("auto_pad") == "SAME_UPPER" else [t - x for t, x in zip(total, less, strict=True)]
    return Window(win.kernel, win.stride, win.dilation, tuple(begin), tuple(t - b for t, b in zip(total, begin, strict=True)))


def gemm(reader: Reader, node: onnx.NodeProto) -> None:
    """Gemm and QGemm: alpha * A' B' + beta * C; alpha and beta are folded into the trained operand."""
    quantised = node.op_type == "QGemm"
    a, b, c = (node.input[i] if len(node.input) > i else "" for i in ((0, 3, 6) if quantised else (0, 1, 2)))
    flags = attributes(node)
    left, right = reader.shape(a), reader.shape(b)
    left, right = left[::-1] if flags.get("transA") else left, right[::-1] if flags.get("transB") else right
    out = reader.result(node)
    letters = Letters(left="km" if flags.get("transA") else "mk", right="nk" if flags.get("transB") else "kn", result="mn")
    _product(reader, node, a, b, matmul(left, right, reader.label(node)), letters, out)
    if c and reader.is_constant(c):
        reader.build.bias(out, math.prod(reader.shape(c)), reader.label(node))
    elif c:
        reader.build.vector(f"{reader.label(node)}.add", "Add", out.elements, [reader.values[c], out], [])
    if quantised:
        scales(reader, node, out)
    if node.op_type == "FusedGemm":
        _activation(reader, node, out)


def product(reader: Reader, node: onnx.NodeProto) -> None:
    """MatMul in its plain, integer and quantised forms, batches broadcast."""
    a, b = node.input[0], node.input[3 if node.op_type == "QLinearMatMul" else 1]
    flags = attributes(node)
    left, right = reader.shape(a), reader.shape(b)
    left = (*left[:-2], left[-1], left[-2]) if flags.get("transA") else left
    right = (*right[:-2], right[-1], right[-2]) if flags.get("transB") else right
    out, letters = reader.result(node), matmul_letters(len(left), len(right))
    letters = Letters(
        left=_turned(letters.left) if flags.get("transA") else letters.left,
        right=_turned(letters.right) if flags.get("transB") else letters.right,
        result=letters.result,
    )
    _product(reader, node, a, b, matmul(left, right, reader.label(node)), letters, out)
    if node.op_type in ("QLinearMatMul", "MatMulInteger"):
        scales(reader, node, out)


def packed_product(reader: Reader, node: onnx.NodeProto) -> None:
    """MatMulNBits of onnxruntime: weights of 2 to 8 bits in blocks, with a scale for each block."""
    a = attributes(node)
    x, out = reader.values[node.input[0]], reader.result(node)
    rows, label, stored = x.elements // a["K"], reader.label(node), node.input[1]
    extents, letters = Product(1, rows, a["N"], a["K"]), Letters(left="mk", right="nk", result="mn")
    weight = reader.build.weight(f"{label}.weight", (a["N"], a["K"]), a["bits"], stored)
    flat, made = x.reshaped((rows, a["K"])), out.reshaped((rows, a["N"]))
    reader.build.product(extents, letters, flat, weight, made, name=label, op=node.op_type, stored=stored)
    blocks = a["N"] * -(-a["K"] // a["block_size"])
    name, why = f"{reader.label(node)}.scales", "a scale for each block of weights, applied as the weights are used"
    reader.build.vector(name, "DequantizeLinear", a["N"] * a["K"], [out], [], read=0, parameters=blocks, why=why)


def einsum_of(reader: Reader, node: onnx.NodeProto) -> None:
    """Einsum of two operands as one product, of more as products in the cheapest order; others are reported, not guessed."""
    equation = attributes(node)["equation"]
    if len(node.input) > 2:
        _chain(reader, node, equation)
        return
    if len(node.input) != 2:
        reader.unknown(node, f"einsum {equation!r} has {len(node.input)} operands; two or more are understood")
        return
    try:
        shapes = reader.shape(node.input[0]), reader.shape(node.input[1])
        extents, letters = einsum(equation, *shapes, reader.label(node)), Letters.einsum(equation, *shapes, reader.label(node))
    except SpecError as error:
        reader.unknown(node, error.problem)
        return
    _product(reader, node, node.input[0], node.input[1], extents, letters, reader.result(node))


def _chain(reader: Reader, node: onnx.NodeProto, equation: str) -> None:
    """Einsum of three operands or more: products of two in the order with the fewest MACs."""
    try:
        steps = einsum_chain(equation, [reader.shape(x) for x in node.input], reader.label(node))
    except SpecError as error:
        reader.unknown(node, error.problem)
        return
    operands, label = [reader.operand(node, x) for x in node.input], reader.label(node)
    for i, (pair, text, shape) in enumerate(steps):
        a, b = (operands[j] for j in pair)
        last = i == len(steps) - 1
        out = reader.result(node) if last else reader.build.value(f"{label}.part{i}", shape, a.bits)
        extents, letters = einsum(text, a.shape, b.shape, label), Letters.einsum(text, a.shape, b.shape, label)
        stored = b.name if b.trained else a.name if a.trained else ""
        reader.build.product(extents, letters, a, b, out, name=label if last else f"{label}.part{i}", op="Einsum", stored=stored)
        operands = [x for j, x in enumerate(operands) if j not in pair] + [out]


def recurrent(reader: Reader, node: onnx.NodeProto) -> None:
    """RNN, GRU and LSTM: for each direction two products a time step, sharing their weights, and the gates' arithmetic."""
    kind = "LSTM" if node.op_type == "DynamicQuantizeLSTM" else node.op_type
    x, weights = reader.values[node.input[0]], reader.shape(node.input[1])
    hidden = attributes(node)["hidden_size"]
    first = attributes(node).get("layout", 0)
    steps, batch, features = (x.shape[1], x.shape[0], x.shape[2]) if first else x.shape
    directions = weights[0]
    bits = reader.constant_bits.get(node.input[1]) or (8 if node.op_type == "DynamicQuantizeLSTM" else reader.bits(node.input[1]))
    outs = reader.results(node)
    bias = node.input[3] if len(node.input) > 3 and node.input[3] else ""
    blocks.recurrent(
        reader.build,
        kind,
        x,
        outs,
        name=reader.label(node),
        op=node.op_type,
        steps=steps,
        batch=batch,
        features=features,
        hidden=hidden,
        time=1 if first else 0,
        directions=directions,
        bits=bits,
        weights=(node.input[1], node.input[2]),
        bias=math.prod(reader.shape(bias)) if bias else 0,
    )


def deform(reader: Reader, node: onnx.NodeProto) -> None:
    """Deformable convolutions read where the data say: no affine index describes them, so they are reported."""
    weight = reader.shape(node.input[1])
    macs = math.prod(reader.facts.shapes[node.output[0]]) * math.prod(weight[1:])
    reader.unknown(node, f"its input indices depend on data; {macs} MACs are not counted")


def scales(reader: Reader, node: onnx.NodeProto, out: Value) -> None:
    """Requantisation, done as the results leave the accumulators."""
    if node.op_type.startswith("Q"):
        ops = table.PER_ELEMENT["QuantizeLinear"] * out.elements
        why = "rescaled as the results leave the accumulators"
        reader.build.vector(f"{reader.label(node)}.requantise", "QuantizeLinear", ops, [out], [], read=0, why=why)


def _product(reader: Reader, node: onnx.NodeProto, a: str, b: str, extents: Product, letters: Letters, out: Value) -> None:
    """One product; the trained operand, if any, takes the place of the weights."""
    if reader.is_constant(a) and not reader.is_constant(b):
        a, b, extents, letters = b, a, extents.swapped(), letters.swapped()
    x, y, label = reader.operand(node, a), reader.operand(node, b), reader.label(node)
    reader.build.product(extents, letters, x, y, out, name=label, op=node.op_type, stored=reader.stored(b))


def _turned(letters: str) -> str:
    """With the last two axes exchanged."""
    return letters[:-2] + letters[:-3:-1]


HANDLERS: dict[str, Handler] = {  # by `onnx_reader.key`
    **dict.fromkeys(("Conv", "ConvTranspose", "QLinearConv", "ConvInteger", "com.microsoft.FusedConv"), conv),
    "CausalConvWithState": causal_conv,
    **dict.fromkeys(("Gemm", "com.microsoft.QGemm", "com.microsoft.FusedGemm"), gemm),
    **dict.fromkeys(("MatMul", "com.microsoft.FusedMatMul", "MatMulInteger", "QLinearMatMul"), product),
    **dict.fromkeys(("RNN", "LSTM", "GRU", "com.microsoft.DynamicQuantizeLSTM"), recurrent),
    "com.microsoft.MatMulNBits": packed_product,
    "Einsum": einsum_of,
    "Attention": onnx_attention.attention,
    "com.microsoft.Attention": onnx_attention.packed,
    "com.microsoft.MultiHeadAttention": onnx_attention.multi_head,
    "com.microsoft.GroupQueryAttention": onnx_attention.grouped_query,
    "DeformConv": deform,
}

"""Result shapes that the ONNX standard does not infer: of onnxruntime's own operators, and of some normalisations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx

Shape = tuple[int, ...]
Rule = Callable[[list[Shape], Mapping[str, Any]], Shape]


def _lstm(x: list[Shape], a: Mapping[str, Any]) -> Shape:
    return (x[0][0], x[1][0], x[0][1], a["hidden_size"])


def _matmul(x: list[Shape], a: Mapping[str, Any]) -> Shape:
    left, right = x[0], x[1]
    m = left[-1] if a.get("transA") else left[-2]
    n = right[-2] if a.get("transB") else right[-1]
    return (*np.broadcast_shapes(left[:-2], right[:-2]), m, n)


def _qgemm(x: list[Shape], a: Mapping[str, Any]) -> Shape:
    return (x[0][-1] if a.get("transA") else x[0][0], x[3][0] if a.get("transB") else x[3][-1])


def _pooled(x: list[Shape], a: Mapping[str, Any]) -> Shape:
    if a.get("channels_last"):
        return (x[0][0], *(1 for _ in x[0][1:-1]), x[0][-1])
    return (*x[0][:2], *(1 for _ in x[0][2:]))


def _attention(x: list[Shape], a: Mapping[str, Any]) -> Shape:
    return (*x[0][:2], (a.get("qkv_hidden_sizes") or [x[1][1] // 3])[-1])


def _multi_head(x: list[Shape], a: Mapping[str, Any]) -> Shape:
    if len(x[0]) == 5 or len(x) < 3 or not x[2]:  # packed: (batch, tokens, heads, 2 or 3, size)
        whole = x[0] if len(x[0]) == 5 else x[1]
        return (*x[0][:2], whole[2] * whole[4])
    return (*x[0][:2], x[2][-1] if len(x[2]) == 3 else x[2][1] * x[2][3])


def _grouped_query(x: list[Shape], a: Mapping[str, Any]) -> Shape:
    heads = a["num_heads"]
    return x[0] if len(x) > 1 and x[1] else (*x[0][:2], heads * (x[0][2] // (heads + 2 * a["kv_num_heads"])))


# operators of onnxruntime whose result is that of the standard's one: it, and how many of their operands it takes
STANDARD = {"FusedConv": ("Conv", 3), "FusedGemm": ("Gemm", 3), "QuantizeLinear": ("", 3), "DequantizeLinear": ("", 3)}


def standard(node: onnx.NodeProto) -> onnx.NodeProto:
    """The standard's operator with the same result, if the node is one of onnxruntime's that has such a twin; else the node."""
    if node.domain != "com.microsoft" or node.op_type not in STANDARD:
        return node
    op, operands = STANDARD[node.op_type]
    twin = onnx.helper.make_node(op or node.op_type, list(node.input[:operands]), list(node.output), name=node.name)
    twin.attribute.extend(a for a in node.attribute if not a.name.startswith("activation"))
    return twin


NORMALISATIONS = ("GroupNormalization", "MeanVarianceNormalization", "SimplifiedLayerNormalization")  # of the standard too

RULES: dict[str, Rule] = {  # by operator, from the shapes of its operands and its attributes
    **dict.fromkeys(
        (
            "Gelu",
            "FastGelu",
            "BiasGelu",
            "QuickGelu",
            "SkipLayerNormalization",
            "SkipSimplifiedLayerNormalization",
            "SimplifiedLayerNormalization",
            "QLinearSigmoid",
            "QLinearLeakyRelu",
            "QLinearSoftmax",
            "RotaryEmbedding",
            *NORMALISATIONS,
        ),
        lambda x, a: x[0],
    ),
    "DynamicQuantizeLSTM": _lstm,
    "MatMulNBits": lambda x, a: (*x[0][:-1], a["N"]),
    "FusedMatMul": _matmul,
    "QGemm": _qgemm,
    "Attention": _attention,
    "MultiHeadAttention": _multi_head,
    "GroupQueryAttention": _grouped_query,
    "QLinearAdd": lambda x, a: tuple(np.broadcast_shapes(x[0], x[3])),
    "QLinearMul": lambda x, a: tuple(np.broadcast_shapes(x[0], x[3])),
    "QLinearGlobalAveragePool": _pooled,
}


def result_shape(node: onnx.NodeProto, shapes: Mapping[str, Shape], attributes: Mapping[str, Any]) -> Shape | None:
    """The shape of the first result, or None where the operator or the shape of an operand is not known."""
    rule = RULES.get(node.op_type) if node.domain == "com.microsoft" or node.op_type in NORMALISATIONS else None
    if rule is None or any(x and x not in shapes for x in node.input):
        return None
    try:
        return rule([shapes.get(x, ()) for x in node.input], attributes)
    except (IndexError, KeyError, ValueError):
        return None

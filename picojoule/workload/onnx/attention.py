"""Attention in its ONNX forms: that of the standard, and those that onnxruntime's optimiser writes."""

from __future__ import annotations

import math

import onnx

from picojoule.workload.building import blocks
from picojoule.workload.building.builder import Value
from picojoule.workload.building.shapes import Product
from picojoule.workload.onnx.facts import attributes
from picojoule.workload.onnx.reader import Reader


def attention(reader: Reader, node: onnx.NodeProto) -> None:
    """Attention of opset 23: (batch, heads, tokens, size), or (batch, tokens, hidden) with the heads as attributes."""
    a = attributes(node)
    q, k, v = (reader.values[x] for x in node.input[:3])
    if len(q.shape) == 3:
        q, k, v = _heads(q, a["q_num_heads"]), _heads(k, a["kv_num_heads"]), _heads(v, a["kv_num_heads"])
    masked = bool(a.get("is_causal")) or _given(node, 3)
    out, past = reader.result(node), _past(reader, node, 4)
    blocks.attention(reader.build, q, k, v, out, reader.label(node), past=past, masked=masked)
    for i, x in ((1, k), (2, v)):
        if len(node.output) > i and node.output[i] in reader.kept:
            present = reader.result(node, i)
            reader.build.vector(f"{reader.label(node)}.cache{i}", "Concat", 0, [x, *past[i - 1 : i]], [present])


def multi_head(reader: Reader, node: onnx.NodeProto) -> None:
    """MultiHeadAttention of onnxruntime: Q, K and V of (batch, tokens, hidden), or K and V by heads already."""
    heads = attributes(node)["num_heads"]
    q, k, v = (_by_heads(reader.values[x], heads) for x in node.input[:3])
    out = reader.result(node)
    blocks.attention(reader.build, q, k, v, out, reader.label(node), past=_past(reader, node, 6), masked=_given(node, 4))


def grouped_query(reader: Reader, node: onnx.NodeProto) -> None:
    """GroupQueryAttention of onnxruntime: causal, fewer heads of K and V, a cache, rotary positions if asked for."""
    a = attributes(node)
    heads, kv_heads, x = a["num_heads"], a["kv_num_heads"], reader.values[node.input[0]]
    if _given(node, 1):
        q, k, v = _heads(x, heads), *(_heads(reader.values[y], kv_heads) for y in node.input[1:3])
    else:  # Q, K and V lie behind one another in one tensor
        size = x.shape[2] // (heads + 2 * kv_heads)
        q, k, v = (Value(x.name, (x.shape[0], n, x.shape[1], size), x.bits) for n in (heads, kv_heads, kv_heads))
    if a.get("do_rotary"):
        ops, why = 3 * (q.elements + k.elements), "positions are turned in as the operands are used"
        reader.build.vector(f"{reader.label(node)}.rotary", "RotaryEmbedding", ops, [q, k], [], read=0, why=why)
    out = reader.result(node)
    blocks.attention(reader.build, q, k, v, out, reader.label(node), past=_past(reader, node, 3), masked=True)


def packed(reader: Reader, node: onnx.NodeProto) -> None:
    """Attention of onnxruntime: one product makes Q, K and V of the input, then attention follows."""
    a, label = attributes(node), reader.label(node)
    x, weight = reader.values[node.input[0]], reader.shape(node.input[1])
    sizes = a.get("qkv_hidden_sizes") or [weight[1] // 3] * 3
    whole = reader.build.value(f"{label}.qkv", (*x.shape[:2], weight[1]), x.bits)
    bits = {"weight": reader.bits(node.input[1]), "input": x.bits, "output": whole.bits}
    layer = Product(1, math.prod(x.shape[:2]), weight[1], x.shape[2]).layer(f"{label}.qkv", "Gemm", bits=bits)
    reader.build.mac(layer, [x], [whole], weight=node.input[1])
    if _given(node, 2):
        reader.build.bias(whole, math.prod(reader.shape(node.input[2])), f"{label}.qkv")
    q, k, v = (Value(whole.name, (x.shape[0], a["num_heads"], x.shape[1], n // a["num_heads"]), x.bits) for n in sizes)
    past = [reader.values[y] for y in node.input[4:5] if y in reader.values]  # K and V in one tensor, 2 first
    past = [Value(p.name, p.shape[1:], p.bits) for p in past for _ in "kv"]
    masked = bool(a.get("unidirectional")) or _given(node, 3)
    blocks.attention(reader.build, q, k, v, reader.result(node), label, past=past, masked=masked)


def _heads(x: Value, heads: int) -> Value:
    """(batch, tokens, hidden) seen as (batch, heads, tokens, size)."""
    return Value(x.name, (x.shape[0], heads, x.shape[1], x.shape[2] // heads), x.bits)


def _by_heads(x: Value, heads: int) -> Value:
    return x if len(x.shape) == 4 else _heads(x, heads)


def _past(reader: Reader, node: onnx.NodeProto, at: int) -> list[Value]:
    """The cached K and V."""
    found = [reader.values[x] for x in node.input[at : at + 2] if x in reader.values]
    return [x for x in found if x.shape[2]]


def _given(node: onnx.NodeProto, at: int) -> bool:
    return len(node.input) > at and node.input[at] != ""

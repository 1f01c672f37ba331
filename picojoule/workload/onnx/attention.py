"""Attention in its ONNX forms: that of the standard, and those that onnxruntime's optimiser writes."""

from __future__ import annotations

import math

import onnx

from picojoule.workload.building import blocks
from picojoule.workload.building.builder import Value
from picojoule.workload.building.operators import Index
from picojoule.workload.building.products import LINEAR
from picojoule.workload.building.shapes import Product
from picojoule.workload.onnx.facts import attributes
from picojoule.workload.onnx.reader import Reader
from picojoule.workload.op import Mask


def attention(reader: Reader, node: onnx.NodeProto) -> None:
    """Attention of opset 23: (batch, heads, tokens, size), or (batch, tokens, hidden) with the heads as attributes."""
    a = attributes(node)
    q, k, v = (reader.operand(node, x) for x in node.input[:3])
    if len(q.shape) == 3:
        q, k, v = _heads(q, a["q_num_heads"]), _heads(k, a["kv_num_heads"]), _heads(v, a["kv_num_heads"])
    mask = _mask(bool(a.get("is_causal")), _given(node, 3))
    out, past = reader.result(node), _past(reader, node, 4)
    blocks.attention(reader.build, q, k, v, out, reader.label(node), past=past, mask=mask)
    for i, x in ((1, k), (2, v)):
        if len(node.output) > i and node.output[i] in reader.kept:
            present = reader.result(node, i)
            reader.build.cached(present, former=past[i - 1 : i])  # a copy, in whose place the former goes
            index = Index(axes=(2,))
            reader.build.vector(f"{reader.label(node)}.cache{i}", "Concat", 0, [*past[i - 1 : i], x], [present], index=index)


def multi_head(reader: Reader, node: onnx.NodeProto) -> None:
    """MultiHeadAttention of onnxruntime: Q, K and V of (batch, tokens, hidden), K and V by heads, or packed in one operand."""
    heads = attributes(node)["num_heads"]
    given = [reader.operand(node, x) for x in node.input[:3] if x]
    q, k, v = (_by_heads(x, heads) for whole in given for x in _unpacked(whole))
    out = reader.result(node)
    blocks.attention(
        reader.build, q, k, v, out, reader.label(node), past=_past(reader, node, 6), mask=_mask(False, _given(node, 4))
    )


def grouped_query(reader: Reader, node: onnx.NodeProto) -> None:
    """GroupQueryAttention of onnxruntime: causal, fewer heads of K and V, a cache, rotary positions if asked for."""
    a = attributes(node)
    heads, kv_heads, x = a["num_heads"], a["kv_num_heads"], reader.values[node.input[0]]
    if _given(node, 1):
        q, k, v = _heads(x, heads), *(_heads(reader.values[y], kv_heads) for y in node.input[1:3])
    else:  # Q, K and V lie behind one another in one tensor
        size = x.shape[2] // (heads + 2 * kv_heads)
        starts = ((heads, 0), (kv_heads, heads), (kv_heads, heads + kv_heads))
        q, k, v = (_heads(x.sliced(2, begin * size, n * size), n) for n, begin in starts)
    if a.get("do_rotary"):
        ops, why = 3 * (q.elements + k.elements), "positions are turned in as the operands are used"
        reader.build.vector(f"{reader.label(node)}.rotary", "RotaryEmbedding", ops, [q, k], [], read=0, why=why)
    out = reader.result(node)
    blocks.attention(reader.build, q, k, v, out, reader.label(node), past=_past(reader, node, 3), mask=Mask(causal=True))


def packed(reader: Reader, node: onnx.NodeProto) -> None:
    """Attention of onnxruntime: one product makes Q, K and V of the input, then attention follows."""
    a, label = attributes(node), reader.label(node)
    x, weight = reader.values[node.input[0]], reader.shape(node.input[1])
    sizes = a.get("qkv_hidden_sizes") or [weight[1] // 3] * 3
    whole = reader.build.value(f"{label}.qkv", (*x.shape[:2], weight[1]), x.bits)
    rows, stored = math.prod(x.shape[:2]), node.input[1]
    trained = reader.build.weight(f"{label}.qkv.weight", weight, reader.bits(stored), stored)
    flat, made = x.reshaped((rows, x.shape[2])), whole.reshaped((rows, weight[1]))
    extents = Product(1, rows, weight[1], x.shape[2])
    reader.build.product(extents, LINEAR, flat, trained, made, name=f"{label}.qkv", op="Gemm", stored=stored)
    if _given(node, 2):
        reader.build.bias(whole, math.prod(reader.shape(node.input[2])), f"{label}.qkv")
    q, k, v = (_heads(whole.sliced(2, sum(sizes[:i]), n), a["num_heads"]) for i, n in enumerate(sizes))
    past = [reader.values[y] for y in node.input[4:5] if y in reader.values]  # K and V in one tensor, 2 first
    reader.build.cached(*past)
    past = [p.sliced(0, i, 1).reshaped(p.shape[1:]) for p in past for i in range(2)]
    mask = _mask(bool(a.get("unidirectional")), _given(node, 3))
    blocks.attention(reader.build, q, k, v, reader.result(node), label, past=past, mask=mask)


def _heads(x: Value, heads: int) -> Value:
    """(batch, tokens, hidden) seen as (batch, heads, tokens, size)."""
    return x.reshaped((*x.shape[:2], heads, x.shape[2] // heads)).permuted(0, 2, 1, 3)


def _unpacked(x: Value) -> list[Value]:
    """What lies in one operand of (batch, tokens, heads, 2 or 3, size), each (batch, heads, tokens, size)."""
    if len(x.shape) != 5:
        return [x]
    batch, tokens, heads, parts, size = x.shape
    return [x.sliced(3, i, 1).reshaped((batch, tokens, heads, size)).permuted(0, 2, 1, 3) for i in range(parts)]


def _by_heads(x: Value, heads: int) -> Value:
    return x if len(x.shape) == 4 else _heads(x, heads)


def _past(reader: Reader, node: onnx.NodeProto, at: int) -> list[Value]:
    """The cached K and V."""
    found = [x for name in node.input[at : at + 2] if (x := reader.values.get(name)) and x.shape[2]]
    reader.build.cached(*found)
    return found


def _mask(causal: bool, given: bool) -> Mask | None:
    """What hides scores: the order of tokens, or an operand of the node."""
    return Mask(causal=causal) if causal or given else None


def _given(node: onnx.NodeProto, at: int) -> bool:
    return len(node.input) > at and node.input[at] != ""

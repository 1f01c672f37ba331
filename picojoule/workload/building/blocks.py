"""Operators that are several layers at once, for every reader alike: attention and recurrent cells."""

from __future__ import annotations

from collections.abc import Sequence

from picojoule.errors import SpecError
from picojoule.workload.building.builder import Builder, Value
from picojoule.workload.building.shapes import Product

CELL_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
CELL_OPS = {  # scalar operations for each hidden element and step, by number of gates
    1: 2 + 1,  # two adds, tanh
    3: 6 + 2 * 3 + 1 + 4,  # six adds, two sigmoids of three ops, tanh, reset and blend
    4: 8 + 3 * 3 + 2 + 4,  # eight adds, three sigmoids, two tanh; forget, input, sum, output
}


def attention(
    build: Builder, q: Value, k: Value, v: Value, out: Value, name: str, *, past: Sequence[Value] = (), masked: bool = False
) -> None:
    """Attention of (batch, heads, tokens, size) tensors: scores, softmax and the weighted sum of V, as two products.

    Heads of queries that share a head of K and V multiply the same matrix, so they widen M. `past` holds the cached K
    and V. Every score is counted, those that a causal mask hides included, as dense kernels compute them.
    """
    batch, heads, tokens, size = q.shape
    kv_heads, keys = k.shape[1], k.shape[2] + (past[0].shape[2] if past else 0)
    if heads % kv_heads:
        raise SpecError(f"{name!r}: {heads} heads of queries do not share {kv_heads} heads of keys", hint="use a multiple")
    group = heads // kv_heads
    scores = build.value(f"{name}.scores", (batch, heads, tokens, keys), q.bits)
    bits = {"weight": k.bits, "input": q.bits, "output": scores.bits}
    layer = Product(batch * kv_heads, group * tokens, keys, size).layer(f"{name}.qk", "Attention", bits=bits, learned=False)
    build.mac(layer, [q, k, *past[:1]], [scores])
    why = "scaling and mask are done as the scores leave the accumulators"
    build.vector(f"{name}.scale", "Mul", scores.elements * (1 + masked), [scores], [], read=0, why=why)
    weights = build.normalise("Softmax", scores, name=f"{name}.softmax")
    bits = {"weight": v.bits, "input": weights.bits, "output": out.bits}
    layer = Product(batch * kv_heads, group * tokens, v.shape[3], keys).layer(f"{name}.pv", "Attention", bits=bits, learned=False)
    build.mac(layer, [weights, v, *past[1:2]], [out])


def recurrent(
    build: Builder,
    kind: str,
    x: Value,
    outs: Sequence[Value],
    *,
    name: str,
    op: str,
    steps: int,
    batch: int,
    features: int,
    hidden: int,
    directions: int = 1,
    bits: int = 16,
    weights: tuple[str, str] = ("", ""),
    bias: int = 0,
) -> None:
    """An RNN, GRU or LSTM: in each direction two products a time step, which share their weights over time, and the gates."""
    gates = CELL_GATES[kind]
    widths = {"weight": bits, "input": x.bits, "output": x.bits}
    for d in range(directions):
        for what, depth, weight in (("input", features, weights[0]), ("hidden", hidden, weights[1])):
            label = f"{name}.{what}" + (f".{d}" if directions > 1 else "")
            layer = Product(1, batch, gates * hidden, depth).layer(label, op, bits=widths)
            build.mac(layer, [x], outs, count=steps, shares_weights=True, weight=f"{weight}.{d}" if weight else "")
    ops = CELL_OPS[gates] * directions * steps * batch * hidden
    why = "sum of both products, biases, gates and state, done as the products leave the accumulators"
    build.vector(f"{name}.gates", "Gates", ops, outs, [], read=0, parameters=bias, why=why)

"""Operators that are several layers at once, for every reader alike: attention and recurrent cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from picojoule.errors import SpecError
from picojoule.workload.access import Access
from picojoule.workload.building.builder import Builder, Value
from picojoule.workload.building.products import Letters, bound
from picojoule.workload.building.shapes import Product
from picojoule.workload.layer import Layer
from picojoule.workload.op import Mask

CELL_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
CELL_OPS = {  # scalar operations for each hidden element and step, by number of gates
    1: 2 + 1,  # two adds, tanh
    3: 6 + 2 * 3 + 1 + 4,  # six adds, two sigmoids of three ops, tanh, reset and blend
    4: 8 + 3 * 3 + 2 + 4,  # eight adds, three sigmoids, two tanh; forget, input, sum, output
}


def attention(
    build: Builder, q: Value, k: Value, v: Value, out: Value, name: str, *, past: Sequence[Value] = (), mask: Mask | None = None
) -> None:
    """Attention of (batch, heads, tokens, size) tensors: scores, softmax and the weighted sum of V, as two products.

    Heads of queries that share a head of K and V multiply the same matrix, so they widen M. `past` holds the cached K
    and V. Every score is counted, those that a causal mask hides included, as dense kernels compute them. The result is
    (batch, heads, tokens, size) too, or (batch, tokens, heads * size).
    """
    batch, heads, tokens, size = q.shape
    kv_heads, keys = k.shape[1], k.shape[2] + (past[0].shape[2] if past else 0)
    if not min(batch, heads, kv_heads, tokens, size, keys, v.shape[3]):
        raise SpecError(f"{name!r} attends with a size of 0", hint="only the cache of former tokens may be empty")
    if heads % kv_heads:
        raise SpecError(f"{name!r}: {heads} heads of queries do not share {kv_heads} heads of keys", hint="use a multiple")
    group = heads // kv_heads
    scores = build.value(f"{name}.scores", (batch, heads, tokens, keys), q.bits)
    split = (batch, kv_heads, group, tokens)
    letters, extents = Letters(left="bhgqs", right="bhks", result="bhgqk"), Product(batch * kv_heads, group * tokens, keys, size)
    build.product(
        extents,
        letters,
        q.reshaped((*split, size)),
        [*past[:1], k],
        scores.reshaped((*split, keys)),
        name=f"{name}.qk",
        op="Attention",
        behind="k",
        mask=mask,
    )
    why = "scaling and mask are done as the scores leave the accumulators"
    build.vector(f"{name}.scale", "Mul", scores.elements * (1 + (mask is not None)), [scores], [], read=0, why=why, mask=mask)
    weights = build.normalise("Softmax", scores, name=f"{name}.softmax", mask=mask)
    width = v.shape[3]
    if len(out.shape) == 4:
        letters, made = Letters(left="bhgqk", right="bhks", result="bhgqs"), out.reshaped((*split, width))
    else:
        letters = Letters(left="bhgqk", right="bhks", result="bqhgs")
        made = out.reshaped((batch, tokens, kv_heads, group, width))
    build.product(
        Product(batch * kv_heads, group * tokens, width, keys),
        letters,
        weights.reshaped((*split, keys)),
        [*past[1:2], v],
        made,
        name=f"{name}.pv",
        op="Attention",
        behind="k",
    )


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
    projection: int = 0,
    time: int = 0,
    directions: int = 1,
    bits: int = 16,
    weights: Sequence[str] = ("", "", ""),
    bias: int = 0,
) -> None:
    """An RNN, GRU or LSTM: in each direction two products a time step, which share their weights over time, and the gates.

    `time` is the axis of x along which the steps follow each other. The state goes round from one step to the next: the product
    with it reads what the step before wrote, and which elements of the results these are is not said. `projection`: the size to
    which a third product brings the units, where they are projected; that is then the state.
    """
    gates = CELL_GATES[kind]
    widths = {"weight": bits, "input": x.bits, "output": x.bits}
    units = [build.value(f"{name}.units", (directions, batch, hidden), x.bits)] if projection else []
    products = [("input", features, gates * hidden), ("hidden", projection or hidden, gates * hidden)]
    products += [("projection", hidden, projection)] if projection else []
    for d in range(directions):
        for (what, depth, width), weight in zip(products, weights, strict=False):
            label = f"{name}.{what}" + (f".{d}" if directions > 1 else "")
            layer = Product(1, batch, width, depth).layer(label, op, bits=widths)
            stored = f"{weight}.{d}" if weight else ""
            matrix = build.weight(f"{label}.weight", (width, depth), bits, stored)
            trained = bound(layer, "B", matrix.permuted(1, 0), "KN")
            state = units if what == "projection" else outs
            read = _of_one_step(layer, x, time) if what == "input" else Access(operand="A", tensor=state[0].name)
            made = [Access(operand="Z", tensor=o.name) for o in (outs if what == "projection" else [*outs, *units])]
            build.mac(layer, [read, trained, *made], count=steps, shares_weights=True, stored=stored)
    ops = CELL_OPS[gates] * directions * steps * batch * hidden
    why = "sum of both products, biases, gates and state, done as the products leave the accumulators"
    build.vector(f"{name}.gates", "Gates", ops, outs, [], read=0, parameters=bias, why=why)


def _of_one_step(layer: Layer, x: Value, time: int) -> Access:
    """What a product of one time step reads of (batch, features) at every step."""
    by_time = x.permuted(1 - time, 2, time)
    found = bound(layer, "A", by_time.sliced(2, 0, 1), ("M", "K", ""))
    digits = by_time.layout.axes[2] if by_time.layout else ()
    return replace(found, repeats=digits[0]) if len(digits) == 1 else replace(found, layout=found.layout if not digits else None)

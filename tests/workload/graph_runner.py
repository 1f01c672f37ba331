"""Runs a network on arrays by what its operators and accesses say, point by point: too simple to be wrong, too slow to use."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from picojoule.workload.access import Access, Layout
from picojoule.workload.network import Network, Step
from picojoule.workload.op import Body, Op, Rank, Tensor

MAPS = {
    "Relu": lambda x: np.maximum(x, 0),
    "Add": lambda x, y: x + y,
    "Mul": lambda x, y: x * y,
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


def extent(rank: Rank, op: Op) -> int:
    """Places along a rank, those that nothing touches included."""
    return rank.size if rank.size is not None else rank.offset + sum(c * (op.bounds[d] - 1) for c, d in rank.terms) + 1


def places(layout: Layout) -> tuple[np.ndarray, ...]:
    """int64[view axes...] for each axis of the tensor: where each element of the view lies."""
    found = [np.full(layout.shape, b) for b in layout.begin]
    for i, digits in enumerate(layout.axes):
        inner = np.arange(layout.shape[i])
        for d in reversed(digits):
            along = [1] * len(layout.axes)
            along[i] = layout.shape[i]
            found[d.axis] = found[d.axis] + (inner % d.size * d.stride).reshape(along)
            inner = inner // d.size
    return tuple(found)


def block(access: Access) -> tuple[slice, ...]:
    """The part of an operand that one access is."""
    assert access.layout is not None, access
    return tuple(slice(a, a + n) for a, n in zip(access.at or (0,) * len(access.layout.axes), access.layout.shape, strict=True))


def run(network: Network, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every tensor of the network, from those that are there before the first step."""
    arrays = {t.name: given[t.name] if t.name in given else np.full(t.shape, np.nan) for t in network.tensors}
    assert all(arrays[t.name].shape == t.shape for t in network.tensors)
    for step in network.steps:
        if step.layer.results and step.layer.op != "Fill":  # what no tap reaches stays as it is
            _run(step, arrays)
    return arrays


def _run(step: Step[Op], arrays: dict[str, np.ndarray]) -> None:
    op = step.layer
    dims = dict(zip(op.bounds, np.indices(tuple(op.bounds.values())), strict=True)) if op.bounds else {}
    held = {t.name: np.full(tuple(extent(r, op) for r in t.ranks), np.nan) for t in op.tensors}
    for access in step.accesses:
        held[access.operand][block(access)] = arrays[access.tensor][places(access.layout)]
    read = {t.name: _values(t, held[t.name], dims) for t in op.operands}
    for i, z in enumerate(op.results):
        made = _made(op, i, read, _index(z, dims), held[z.name].shape)
        for access in step.accesses_of(z.name):
            part, there = made[block(access)], places(access.layout)
            arrays[access.tensor][there] = np.where(np.isnan(part), arrays[access.tensor][there], part)


def _index(tensor: Tensor, dims: Mapping[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    return tuple(r.offset + sum(c * dims[d] for c, d in r.terms) for r in tensor.ranks)


def _values(tensor: Tensor, held: np.ndarray, dims: Mapping[str, np.ndarray]) -> np.ndarray:
    """The element that each point reads; NaN where it is padding."""
    index = _index(tensor, dims)
    if not index:
        return held
    inside = np.logical_and.reduce([(i >= 0) & (i < n) for i, n in zip(index, held.shape, strict=True)])
    clipped = tuple(np.clip(i, 0, n - 1) for i, n in zip(index, held.shape, strict=True))
    return np.where(inside, held[clipped], np.nan)


def _made(op: Op, result: int, read: dict[str, np.ndarray], index: tuple[np.ndarray, ...], shape: tuple[int, ...]) -> np.ndarray:
    """The result that the points make; NaN where no point makes any."""
    out = np.full(shape, np.nan)
    operands = list(read.values())
    if op.body is Body.MAP:
        out[index] = np.broadcast_to(MAPS[op.op](*operands), index[0].shape if index else ())
    elif op.body is Body.MOVE:
        moved = operands[min(result, len(operands) - 1)]
        out[index] = np.nan_to_num(np.broadcast_to(moved, index[0].shape))  # padding is zero
    elif op.body is Body.MAC:
        out[index] = 0
        np.add.at(out, index, np.nan_to_num(math.prod(operands)))
    elif op.op == "MaxPool":
        out[index] = -np.inf
        np.maximum.at(out, index, np.nan_to_num(operands[0], nan=-np.inf))
    elif op.op in ("GlobalAveragePool", "ReduceMean", "AveragePool"):
        total, count = np.zeros(shape), np.zeros(shape)
        np.add.at(total, index, np.nan_to_num(operands[0]))
        np.add.at(count, index, ~np.isnan(operands[0]))
        out = total / count
    else:
        assert op.op == "Softmax", op
        whole = tuple(list(op.bounds).index(d) for d in op.whole)
        power = np.exp(operands[0])
        out[index] = power / power.sum(axis=whole, keepdims=True)
    return out

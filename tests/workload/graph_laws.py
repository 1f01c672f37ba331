"""What holds for every network, whichever reader it comes from: its tensors are those of its operators."""

from __future__ import annotations

import itertools
import random

from picojoule.workload.access import Access, axis_indices
from picojoule.workload.network import Network, Persistence
from picojoule.workload.op import Op, Tensor
from tests.workload.graph_runner import extent


def check(network: Network) -> int:
    """Every law of a graph; returns how many accesses say which elements they are."""
    said = 0
    for step in network.steps:
        op = step.layer
        bound = {a.operand for a in step.accesses}
        assert bound == {t.name for t in op.tensors}, f"{op.name}: every tensor of the operator is one of the network"
        for tensor in op.tensors:
            parts = step.accesses_of(tensor.name)
            whole = tuple(extent(r, op) for r in tensor.ranks)
            for a in parts:
                shape = network.tensor(a.tensor).shape
                if a.layout is None:
                    continue
                said += 1
                for d in itertools.chain(*a.layout.axes):
                    assert d.size > 1 and d.stride != 0
                reach = [[b, b] for b in a.layout.begin]
                for d in itertools.chain(*a.layout.axes):
                    reach[d.axis][d.stride > 0] += d.stride * (d.size - 1)
                assert all(0 <= low <= high < n for (low, high), n in zip(reach, shape, strict=True)), (op.name, a, shape)
                for axis in range(len(shape)):  # digits of one axis do not overlap
                    digits = sorted((abs(d.stride), d.size) for d in itertools.chain(*a.layout.axes) if d.axis == axis)
                    assert all(s >= t * n for (t, n), (s, _) in itertools.pairwise(digits)), (op.name, a)
                if a.repeats is not None:
                    assert step.count == a.repeats.size
                check_indices(op, tensor, a, shape)
            if all(a.layout is not None for a in parts):
                reached = [max((a.at or (0,) * len(whole))[i] + a.layout.shape[i] for a in parts) for i in range(len(whole))]
                assert tuple(reached) == whole, (op.name, tensor.name, "ranks meet ranks")
    check_tensors(network)
    return said


def check_tensors(network: Network) -> None:
    before = {Persistence.INPUT, Persistence.PARAMETER, Persistence.CACHE, Persistence.OUTPUT}  # an input that is handed on
    for t in network.tensors:
        makers, life = network.producers(t.name), network.lifetime(t.name)
        assert (network.producer(t.name) is None) == (not makers)
        assert makers or t.persistence in before, t.name
        assert len(makers) <= 1 or all(".phase" in s.layer.name or s.shares_weights or s.layer.op == "Fill" for s in makers)
        if life is None:
            assert not makers and not network.readers(t.name)
            continue
        assert life.first == (-1 if not makers else network.steps.index(makers[0]))
        users = [i for i, s in enumerate(network.steps) if any(a.tensor == t.name for a in s.accesses)]
        assert all(life.first <= i <= life.last for i in users)
        stays = t.persistence in (Persistence.OUTPUT, Persistence.CACHE, Persistence.PARAMETER)
        assert life.last == (len(network.steps) if stays else users[-1])


def check_indices(op: Op, tensor: Tensor, access: Access, shape: tuple[int, ...]) -> None:
    """The affine index of each axis is where the digits lead, at some points of the operator."""
    lot, found = random.Random(0), axis_indices(tensor, access, len(shape))
    for _ in range(3):
        point = {d: lot.randrange(n) for d, n in op.dims}
        place = [r.offset + sum(c * point[d] for c, d in r.terms) for r in tensor.ranks]
        inside = [i - a for i, a in zip(place, access.at or (0,) * len(place), strict=True)]
        if not all(0 <= i < n for i, n in zip(inside, access.layout.shape, strict=True)):
            continue  # padding, or another part of the operand
        lies = list(access.layout.begin)
        for i, digits in zip(inside, access.layout.axes, strict=True):
            for d in reversed(digits):
                lies[d.axis] += i % d.size * d.stride
                i //= d.size
        for index, at in zip(found, lies, strict=True):
            assert index is None or index.offset + sum(c * point[d] for c, d in index.terms) == at, (op.name, tensor.name)

"""Expectations over the visits of a tile: how often operands leave it something to do, and what it takes in a format.

The one place that turns extents into tiles of a density model, for single mappings (`cost/sparsity.py`) and for whole
lattices of tiles (`search/exact/sparse.py`).
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from picojoule.hardware.compression import Format, Stored, fibres, stored
from picojoule.workload.layer import Layer, Rank, Tensor, distinct

Counts = tuple[int, ...]
Runs = tuple[tuple[int, int], ...]  # indices along a dimension as (first, how many), the first of all being 0
Classes = tuple[tuple[Runs, int], ...]  # what a box can cover along a dimension, each with its weight
Box = Mapping[str, Runs]


@lru_cache(maxsize=1 << 16)
def spans(rank: Rank, runs: tuple[Runs, ...]) -> int:
    """Distinct indices that a box touches along a rank (no border clips it)."""
    if len(rank.terms) == 1:
        return sum(n for _, n in runs[0])
    if all(len(r) == 1 for r in runs):
        return distinct(Rank(rank.terms), {d: r[0][1] for (_, d), r in zip(rank.terms, runs, strict=True)})
    (a, _), (b, _) = rank.terms
    first, second = ([i + k for i, n in r for k in range(n)] for r in runs)
    return len({a * i + b * j for i in first for j in second})


ONE: Runs = ((0, 1),)


def counts_of(tensor: Tensor, box: Box, shape: Counts) -> Counts:
    """Elements along each rank of the tensor that a box touches, at most all there are."""
    return tuple(
        max(1, min(n, spans(r, tuple(box.get(d, ONE) for _, d in r.terms)))) for r, n in zip(tensor.ranks, shape, strict=True)
    )


def whole(bound: int, extent: int, relevant: bool) -> Classes:
    """Tiles of one extent side by side along a dimension: the whole ones and the last, ragged one.

    Words of a tensor that the dimension indexes are shared out by its indices, others by visits.
    """
    extent = min(extent, bound)
    full, last = divmod(bound, extent)
    out: Classes = ((((0, extent),), full * extent if relevant else full),)
    return (*out, (((0, last),), last if relevant else 1)) if last else out


@lru_cache(maxsize=1 << 14)
def together(bound: int, extent: int, inside: tuple[tuple[int, int], ...], outside: tuple[tuple[int, int], ...]) -> Classes:
    """What tiles of one extent cover that loops `inside` (stride, bound) join, for every position of the loops outside.

    For a dimension that does not index the target: each position that covers anything is one visit.
    """
    if not inside:
        return whole(bound, extent, False)
    places = [_at(i, inside) for i in range(_passes(inside))]
    if _passes((*inside, *outside)) * extent == bound:  # nothing is ragged: every position looks alike
        return ((_joined(places, extent, bound), _passes(outside)),)
    found: Counter[Runs] = Counter()
    for j in range(_passes(outside)):
        base = _at(j, outside)
        runs = _joined([base + x for x in places], extent, bound)
        if runs:
            found[runs] += 1
    return tuple(sorted(found.items()))


@dataclass(frozen=True)
class Along:
    """One term of a two-term rank: tiles of `extent` along its dimension, which loops (stride, bound) `inside` join for one
    transfer and others `outside` move."""

    coefficient: int
    bound: int
    extent: int
    inside: tuple[tuple[int, int], ...]
    outside: tuple[tuple[int, int], ...]

    def starts(self, at: int) -> list[int]:
        """Where the joined tiles begin, with the loops outside at their pass `at`."""
        base = _at(at, self.outside)
        return [x for i in range(_passes(self.inside)) if (x := base + _at(i, self.inside)) < self.bound]

    @property
    def positions(self) -> range:
        """Passes of the loops outside that can differ: one where nothing is ragged."""
        same = _passes((*self.inside, *self.outside)) * self.extent == self.bound
        return range(1 if same else _passes(self.outside))


@lru_cache(maxsize=1 << 12)
def overlapping(own: Along, other: Along) -> Classes:
    """What is used along `own` with each index of a window's rank that one transfer serves to all copies that touch it.

    Windows of copies that differ in both dimensions overlap: an index goes to every (own, other) with own + other = index.
    """
    found: Counter[Runs] = Counter()
    for i, j in itertools.product(own.positions, other.positions):
        users: dict[int, set[int]] = {}
        for a, b in itertools.product(own.starts(i), other.starts(j)):
            mine = range(a, min(a + own.extent, own.bound))
            theirs = range(b, min(b + other.extent, other.bound))
            for index in {own.coefficient * x + other.coefficient * y for x in mine for y in theirs}:
                users.setdefault(index, set()).add(a)
        found.update(_joined(sorted(starts), own.extent, own.bound) for starts in users.values())
    return tuple(sorted(found.items()))


def _passes(loops: tuple[tuple[int, int], ...]) -> int:
    return math.prod(n for _, n in loops)


def _at(i: int, loops: tuple[tuple[int, int], ...]) -> int:
    """The position of the i-th pass of nested loops."""
    at = 0
    for stride, n in loops:
        at, i = at + stride * (i % n), i // n
    return at


def _joined(starts: list[int], extent: int, bound: int) -> Runs:
    """Tiles that begin at these positions, clipped to the bound, as runs from 0 on."""
    out: list[tuple[int, int]] = []
    for start in sorted(set(starts)):
        n = min(extent, bound - start)
        if n <= 0:
            continue
        if out and out[-1][0] + out[-1][1] >= start:
            out[-1] = (out[-1][0], max(out[-1][1], start + n - out[-1][0]))
        else:
            out.append((start, n))
    return tuple((i - out[0][0], n) for i, n in out)


def mean(layer: Layer, dims: frozenset[str], classes: Mapping[str, Classes], value: Callable[[dict[str, Runs]], float]) -> float:
    """The value of a box, averaged over what it can cover along `dims`."""
    names = [d for d, _ in layer.dims if d in dims]
    total, weight = 0.0, 0
    for chosen in itertools.product(*(classes[d] for d in names)):
        w = math.prod(n for _, n in chosen)
        total, weight = total + w * value({d: runs for d, (runs, _) in zip(names, chosen, strict=True)}), weight + w
    return total / weight


def survival(layer: Layer, leaders: tuple[str, ...], classes: Mapping[str, Classes]) -> float:
    """Fraction of a target's words whose box leaves something non-zero of every leader: prod of 1 - P(empty).

    `classes`: what is touched while the target's tile stays. Operands are independent of each other.
    Error: windows at padded borders count as if they were whole.
    """
    models = [(t, layer.zeros(t), layer.shape(t)) for t in layer.tensors if t.role in leaders]
    models = [(t, z, s) for t, z, s in models if not z.dense]
    if not models:
        return 1.0
    dims = frozenset(d for t, _, _ in models for d in t.dims)
    return mean(layer, dims, classes, lambda box: math.prod(1.0 - z.empty(counts_of(t, box, s)) for t, z, s in models))


def tile_stored(layer: Layer, tensor: Tensor, fmt: Format, extents: Mapping[str, int]) -> Stored:
    """Data words and metadata bits for each dense word of a tile of the tensor in a format, averaged over its sizes."""
    zeros, shape = layer.zeros(tensor), layer.shape(tensor)
    levels = levels_of(tensor, fmt)
    classes = {d: whole(n, extents.get(d, 1), True) for d, n in layer.dims}

    def each(box: dict[str, Runs]) -> Stored:
        counts = counts_of(tensor, box, shape)
        s, n = stored(fmt, levels, counts, zeros), math.prod(counts)
        return Stored(s.words / n, s.metadata_bits / n)

    words = mean(layer, tensor.dims, classes, lambda box: each(box).words)
    return Stored(words, mean(layer, tensor.dims, classes, lambda box: each(box).metadata_bits))


def levels_of(tensor: Tensor, fmt: Format) -> tuple[tuple[int, ...], ...]:
    """Which ranks of the tensor each level of the format flattens."""
    return fibres(fmt, tuple(frozenset(d for _, d in r.terms) for r in tensor.ranks))

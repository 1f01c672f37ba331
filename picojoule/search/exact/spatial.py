"""Spatial extents: every way to unroll a layer's dimensions at a fan-out, each with one assignment to its axes.

A dimension is unrolled either exactly (its extent above is the unrolled extent times the one below) or raggedly: its whole
bound N is spread over s copies of a tile b with s * b >= N. The same s may do both, and with several tiles b: each is a choice of
its own, since what lies below differs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from picojoule.hardware.chip import Axis, FanOut
from picojoule.search.exact.lattice import Lattice
from picojoule.workload.layer import Layer


class Unrollings(NamedTuple):
    """The choices of one fan-out, sorted by extents and tiles below. Extent 1 everywhere: idle."""

    extents: np.ndarray  # int64[n, D]: copies along each dimension
    axes: np.ndarray  # int64[n, axes, D]: the same along each axis
    below: np.ndarray  # int64[n, D]: the tile below where the whole bound is unrolled raggedly, else 0


MANY = 100_000  # choices from which on assignments that differ in nothing that matters are thinned
Option = tuple[int, int, tuple[int, ...]]  # (unrolled, ragged tile below or 0, extent along each axis)


def ratios(extents: np.ndarray) -> list[int]:
    """Extents that may be unrolled exactly: quotients of two extents of a chain."""
    ext = [int(e) for e in extents]
    return sorted({a // b for i, a in enumerate(ext) for b in ext[i:] if a % b == 0})


def ragged_tiles(extents: np.ndarray, row: tuple[int, ...]) -> dict[int, int]:
    """Tile below -> axis whose loop stands outermost, for every way to unroll the whole bound raggedly over axes as in `row`.

    The outermost loop runs ceil(N / t) = its extent times over a ragged tile t; the loops of the other axes divide t exactly.
    """
    ext = [int(e) for e in extents]
    found: dict[int, int] = {}
    for axis, n in enumerate(row):
        inside = math.prod(row) // n
        if n > 1:
            for t in ext[1:]:
                if ext[0] % t and t % inside == 0 and t // inside in ext and -(-ext[0] // t) == n:
                    found.setdefault(t // inside, axis)
    return found


def ragged_first(extents: np.ndarray, row: np.ndarray, below: int) -> int:
    """The axis whose loop must stand outermost where `row` (extents per axis) unrolls the bound raggedly over tiles `below`;
    -1 where it unrolls exactly (`below` is 0)."""
    return ragged_tiles(extents, tuple(int(x) for x in row))[below] if below else -1


def spatial_choices(fanout: FanOut | None, layer: Layer, lattice: Lattice, served: Sequence[tuple[int, ...]] = ()) -> Unrollings:
    """Every choice of extents and ragged tiles below, over all axes of the fan-out, each with one assignment to the axes.

    `served`: sets of axes (their places) that a memory serves together. Then axes that such a set tells apart are classes
    of their own: choices differ by the extents along each class, and a dimension is unrolled along one class only.
    """
    dims = len(lattice.dims)
    if fanout is None:
        return Unrollings(np.ones((1, dims), np.int64), np.ones((1, 1, dims), np.int64), np.zeros((1, dims), np.int64))
    sizes = np.array([a.size for a in fanout.axes], np.int64)
    options, classes = [_options(fanout.axes, layer, lattice, d) for d in range(dims)], _classes(len(sizes), served)
    picked, used = np.zeros((1, 0), np.int32), np.ones((1, len(sizes)), np.int64)
    for of_dim in options:
        splits = np.array([o[2] for o in of_dim], np.int64)
        rows, which = np.nonzero((used[:, None, :] * splits[None, :, :] <= sizes).all(axis=2))
        picked, used = np.column_stack([picked[rows], which.astype(np.int32)]), used[rows] * splits[which]
        if len(picked) > MANY and len(sizes) > 1 and len(classes) == 1:
            picked, used = _thinned(picked, used, options)
    axes = np.stack([np.array([o[2] for o in of_dim], np.int64)[picked[:, d]] for d, of_dim in enumerate(options)], axis=2)
    extents = np.column_stack([np.array([o[0] for o in of_dim], np.int64)[picked[:, d]] for d, of_dim in enumerate(options)])
    below = np.column_stack([np.array([o[1] for o in of_dim], np.int64)[picked[:, d]] for d, of_dim in enumerate(options)])
    found = Unrollings(extents, axes, below)
    if len(classes) > 1:
        legal = (sum((axes[:, c].prod(axis=1) > 1).astype(int) for c in classes) <= 1).all(axis=1)
        found = Unrollings(*(x[legal] for x in found))
    return _one_each(found, classes)


def _classes(axes: int, served: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """Axes (their places) that the same sets have, together."""
    out: dict[tuple[bool, ...], list[int]] = {}
    for a in range(axes):
        out.setdefault(tuple(a in s for s in served), []).append(a)
    return list(out.values())


def _thinned(picked: np.ndarray, used: np.ndarray, options: list[list[Option]]) -> tuple[np.ndarray, np.ndarray]:
    """Of the assignments of equal extents that use every axis alike, the first: what else fits beside them is the same."""
    columns = [np.array([o[:2] for o in of_dim], np.int64)[picked[:, d]] for d, of_dim in enumerate(options[: picked.shape[1]])]
    _, first = np.unique(np.column_stack([*columns, used]), axis=0, return_index=True)
    return picked[first], used[first]


def _options(axes: tuple[Axis, ...], layer: Layer, lattice: Lattice, d: int) -> list[Option]:
    """Every way to unroll one dimension over the axes that allow it."""
    extents, allowed = lattice.extents[d], tuple(a.size if a.allows(layer, lattice.dims[d]) else 1 for a in axes)
    return _options_of(tuple(int(e) for e in extents), allowed)


@lru_cache(maxsize=4096)
def _options_of(extents: tuple[int, ...], allowed: tuple[int, ...]) -> list[Option]:
    exact = set(ratios(np.array(extents)))
    ragged = any(extents[0] % t for t in extents)
    parts = [sorted(p for p in _factors(extents) if p <= a) for a in allowed]
    out: list[Option] = []
    for row in itertools.product(*parts):
        s = math.prod(row)
        if s in exact:
            out.append((s, 0, row))
        if ragged and s > 1:
            out += [(s, b, row) for b in ragged_tiles(np.array(extents), row)]
    return out


@lru_cache(maxsize=4096)
def _factors(extents: tuple[int, ...]) -> frozenset[int]:
    """Extents that one axis may unroll: divisors of an exact extent, and numbers of passes of a ragged outermost loop."""
    exact = ratios(np.array(extents))
    passes = {-(-extents[0] // t) for t in extents if extents[0] % t}
    return frozenset({f for s in exact for f in exact if s % f == 0} | passes)


def _one_each(every: Unrollings, classes: list[list[int]]) -> Unrollings:
    """One assignment to axes for each choice (of extents along each class of axes), sorted: the one with the least extents on
    the earlier axes."""
    apart = [every.axes[:, c].prod(axis=1) for c in classes] if len(classes) > 1 else [every.extents]
    choice = np.concatenate([*apart, every.below], axis=1)
    columns = list(choice.T[::-1])  # np.lexsort: the last key counts most
    for a in range(every.axes.shape[1] - 1, 0, -1):
        columns = [*every.axes[:, :a, :].prod(axis=1).T[::-1], *columns]
    order = np.lexsort(columns)
    new = np.ones(len(order), bool)
    new[1:] = (choice[order][1:] != choice[order][:-1]).any(axis=1)
    return Unrollings(*(x[order[new]] for x in every))


def digits_below(extents: np.ndarray, unrolled: int, below: int) -> tuple[np.ndarray, np.ndarray]:
    """(int16[n] digit below the fan-out for each digit above, -1 where it cannot be; float64[n] padding).

    `below`: 0 for an exact unrolling, else the tile over which the whole bound is unrolled raggedly.
    """
    ext = [int(e) for e in extents]
    place = {e: i for i, e in enumerate(ext)}
    out = np.full(len(ext), -1, np.int16)
    waste = np.ones(len(ext))
    if below:
        out[0], waste[0] = place[below], below * unrolled / ext[0]
        return out, waste
    for i, e in enumerate(ext):
        if e % unrolled == 0 and e // unrolled in place:
            out[i] = place[e // unrolled]
    return out, waste

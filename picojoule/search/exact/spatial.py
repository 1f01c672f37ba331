"""Spatial extents: every way to unroll a layer's dimensions at a fan-out, each with one assignment to its axes."""

from __future__ import annotations

import numpy as np

from picojoule.hardware.chip import Axis, FanOut
from picojoule.search.exact.lattice import Lattice
from picojoule.workload.layer import Layer


def ratios(extents: np.ndarray) -> list[int]:
    """Extents that may be unrolled: quotients of two extents of a chain, and whole ragged outermost loops."""
    ext = [int(e) for e in extents]
    out = {a // b for i, a in enumerate(ext) for b in ext[i:] if a % b == 0}
    out |= {s for s, _ in ragged_unrollings(extents)}
    return sorted(out)


def ragged_unrollings(extents: np.ndarray) -> set[tuple[int, int]]:
    """(unrolled, tile below) where the outermost loop is unrolled and ragged: ceil(n / t) passes of t, t = k * tile."""
    ext = [int(e) for e in extents]
    ragged = [t for t in ext[1:] if ext[0] % t]
    return {(-(-ext[0] // t) * (t // b), b) for t in ragged for b in ext if t % b == 0}


def axis_choices(axis: Axis, layer: Layer, lattice: Lattice) -> np.ndarray:
    """int64[n, D]: all extents along one axis whose product is at most its size."""
    rows = [[1] * len(lattice.dims)]
    for d, dim in enumerate(lattice.dims):
        if not axis.allows(layer, dim):
            continue
        allowed = [r for r in ratios(lattice.extents[d]) if 1 < r <= axis.size]
        rows += [[*row[:d], r, *row[d + 1 :]] for row in rows for r in allowed if np.prod(row) * r <= axis.size]
    return np.array(rows, np.int64)


def spatial_choices(fanout: FanOut | None, layer: Layer, lattice: Lattice) -> tuple[np.ndarray, np.ndarray]:
    """(int64[n, D] distinct extents over all axes, int64[n, axes, D] one assignment each). Extent 1 everywhere: idle."""
    one = np.ones((1, len(lattice.dims)), np.int64)
    if fanout is None:
        return one, one[:, None, :]
    total, parts = one, np.empty((1, 0, len(lattice.dims)), np.int64)
    for axis in fanout.axes:
        here = axis_choices(axis, layer, lattice)
        i, j = np.divmod(np.arange(len(total) * len(here)), len(here))
        total, parts = _distinct(total[i] * here[j], np.concatenate([parts[i], here[j][:, None, :]], axis=1), lattice)
    legal = np.ones(len(total), bool)
    for d, e in enumerate(lattice.extents):
        legal &= np.isin(total[:, d], ratios(e))
    return total[legal], parts[legal]


def _distinct(total: np.ndarray, parts: np.ndarray, lattice: Lattice) -> tuple[np.ndarray, np.ndarray]:
    """One assignment to axes for each choice of extents, one that can be ragged where there is such a one."""
    ragged = {d for d, e in enumerate(lattice.extents) if ragged_unrollings(e)}
    if ragged:
        good = np.zeros(len(total), np.int64)
        for d in ragged:
            rows, where = np.unique(parts[:, :, d], axis=0, return_inverse=True)
            good += np.array([ragged_first(lattice.extents[d], row) >= 0 for row in rows])[where.reshape(-1)]
        order = np.argsort(-good, kind="stable")
        total, parts = total[order], parts[order]
    _, keep = np.unique(total, axis=0, return_index=True)
    return total[keep], parts[keep]


def ragged_first(extents: np.ndarray, row: np.ndarray) -> int:
    """The axis whose loop must stand outermost when the extents `row` (per axis) unroll a whole ragged dimension; -1 if
    no order of the loops makes the outermost run ceil(bound / inside) times."""
    unrolled = int(np.prod(row))
    fitting = [b for s, b in ragged_unrollings(extents) if s == unrolled]
    if not fitting:
        return -1
    below = min(fitting)
    for axis, n in enumerate(row):
        if n > 1 and -(-int(extents[0]) // (unrolled // int(n) * below)) == n:
            return axis
    return -1


def digits_below(extents: np.ndarray, unrolled: int, ragged: bool) -> tuple[np.ndarray, np.ndarray]:
    """(int16[n] digit below the fan-out for each digit above, -1 where it cannot be; float64[n] padding).

    `ragged`: whether the loops may be written so that the whole dimension is unrolled raggedly (`ragged_first`)."""
    ext = [int(e) for e in extents]
    place = {e: i for i, e in enumerate(ext)}
    out = np.full(len(ext), -1, np.int16)
    waste = np.ones(len(ext))
    for i, e in enumerate(ext):
        if e % unrolled == 0 and e // unrolled in place:
            out[i] = place[e // unrolled]
    if out[0] < 0 and unrolled > 1 and ragged:  # the unrolled loop is the outermost and ragged: the least tile that it covers
        fitting = [b for s, b in ragged_unrollings(extents) if s == unrolled]
        if fitting:
            out[0] = place[min(fitting)]
            waste[0] = min(fitting) * unrolled / ext[0]
    return out, waste

"""Tile positions along one dimension below merged boundaries, and those of runs; equal ones are counted once."""

from __future__ import annotations

import math

import numpy as np

from picojoule.search.exact.lattice import Lattice

Pair = tuple[int, int]  # (spatial extent, D) of a boundary along a dimension; D is 0 where no count depends on it


class Counts:
    """Positions on one lattice. What it returns is shared by all who ask, and not to be written to."""

    def __init__(self, lattice: Lattice) -> None:
        self.lattice = lattice
        self._positions: dict[tuple[int, tuple[Pair, ...]], np.ndarray] = {}
        self._runs: dict[tuple[int, tuple[Pair, ...], tuple[Pair, ...]], np.ndarray] = {}
        self._ragged: dict[tuple[int, tuple[Pair, ...], tuple[Pair, ...]], np.ndarray] = {}

    def positions(self, d: int, merged: tuple[Pair, ...]) -> np.ndarray:
        """float64[n]: positions of each extent along d, the copies of the merged boundaries (they unroll d) counted once."""
        key = d, merged
        if key not in self._positions:
            self._positions[key] = self._counted(d, merged)
        return self._positions[key]

    def _counted(self, d: int, merged: tuple[Pair, ...]) -> np.ndarray:
        n, ext = int(self.lattice.bounds[d]), self.lattice.extents[d]
        free = [s for s, inner in merged if not inner]
        if len(free) == len(merged):
            return np.asarray(-(-n // ext) / math.prod(free))
        out = np.empty(len(ext))
        for i, t in enumerate(ext):
            at = np.arange(0, n, int(t))
            keep = np.ones(len(at), bool)
            for s, inner in merged:
                if inner:
                    keep &= (at // inner) % s == 0
            out[i] = keep.sum()
            for s in free:
                out[i] /= s
        return out

    def runs(self, d: int, after: tuple[Pair, ...], before: tuple[Pair, ...]) -> np.ndarray:
        """float64[n, n]: positions along d of a run that began at an extent (first n), below a boundary at an extent (second n).

        `after`: boundaries crossed since the run began whose copies stay apart (D 0: the one right above); `before`: merged
        ones outside it.
        """
        key = d, after, before
        if key not in self._runs:
            bound, e = int(self.lattice.bounds[d]), self.lattice.extents[d]
            table = np.repeat((-(-bound // e)).astype(float)[:, None], len(e), axis=1)
            table *= math.prod(s for s, _ in after) / math.prod(s for s, _ in before)
            if after or before:
                rows = self._ragged_rows(d, after, tuple(x for x in before if x[1]))
                np.copyto(table, rows, where=~np.isnan(rows))
            self._runs[key] = table
        return self._runs[key]

    def _ragged_rows(self, d: int, inner: tuple[Pair, ...], outer: tuple[Pair, ...]) -> np.ndarray:
        """The rows of `runs` whose run begins at an extent that does not divide the bound; the others are not a number."""
        key = d, inner, outer
        if key not in self._ragged:
            bound, e = int(self.lattice.bounds[d]), self.lattice.extents[d]
            rows = np.full((len(e), len(e)), np.nan)
            for i, start in enumerate(e):
                if bound % int(start):
                    for j, below in enumerate(e):
                        if start % int(below) == 0:
                            rows[i, j] = _active(bound, int(start), int(below), inner, outer)
            self._ragged[key] = rows
        return self._ragged[key]


def _active(bound: int, start: int, below: int, inner: tuple[Pair, ...], outer: tuple[Pair, ...]) -> int:
    """Positions below the bound of a run that begins at `start`, with the copies of the boundaries inside it (D 0: `below`),
    those of merged boundaries outside it standing at their first copy."""
    at = np.arange(0, bound, start)
    for n, inside in outer:
        at = at[(at // inside) % n == 0]
    for n, inside in inner:
        at = (at[:, None] + (inside or below) * np.arange(n)[None, :]).reshape(-1)
    return int(np.count_nonzero(at < bound))

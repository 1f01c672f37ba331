"""Memories that serve whole axes of the fan-out above (`Memory.serves`): what one instance holds for all places along them.

Below the fan-out the programme speaks of the tile of one place. Such a node holds the tiles of all the places it serves:
wider by what the served axes unroll. Tiles that loops have parted from the fan-out along a sliding window are forbidden
(`mapping.check`), by a footprint that no memory has room for.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from picojoule.search.exact.boundaries import Boundary
from picojoule.search.exact.problem import Problem
from picojoule.search.exact.rank_kernels import rank_peak
from picojoule.search.exact.stays import FORBIDDEN


class ServedTiles:
    """The tiles of one problem's nodes whose memories serve axes."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.lattice = problem, problem.lattice
        self._bits: dict[tuple[Hashable, ...], np.ndarray] = {}

    def footprints(self, t: int, axes: tuple[int, ...], boundary: Boundary, foot: np.ndarray) -> np.ndarray:
        """int64[tensor, tile]: `foot` with the bits of tensor t's tiles for all places along the served axes, or FORBIDDEN."""
        along = boundary.along(axes)
        boxed = [(d, below) for d, (_, below) in enumerate(boundary.pairs) if along[d] > 1 and self.problem.boxed[t, d]]
        wider = tuple(np.where(self.problem.relevant[t], along, 1).tolist())
        key = t, wider, tuple(boxed)
        if key not in self._bits:
            bits = self._wider_bits(t, wider)
            for d, below in boxed:
                bits[self.lattice.extents[d][self.lattice.digits[:, d]] != below] = FORBIDDEN
            self._bits[key] = bits
        out = foot.copy()
        out[t] = np.where(foot[t] >= FORBIDDEN, FORBIDDEN, self._bits[key])
        return out

    def _wider_bits(self, t: int, wider: tuple[int, ...]) -> np.ndarray:
        """int64[tile]: bits of each tile widened along each dimension, clipped to the bounds."""
        pr, elements = self.problem, np.ones(self.lattice.size, np.int64)
        for rank in pr.tensors[t].ranks:
            dims = [pr.names.index(d) for _, d in rank.terms]
            bounds = [int(self.lattice.bounds[d]) for d in dims]
            wide = [np.minimum(self.lattice.extents[d] * wider[d], n) for d, n in zip(dims, bounds, strict=True)]
            size = rank.size if rank.size is not None else 1 << 40
            if len(dims) == 1:
                spec = (rank.terms[0][0], 1, bounds[0], 1, rank.offset, size)
                peaks = np.array([rank_peak(spec, int(e), 1, False) for e in wide[0]], np.int64)
            else:
                spec = (rank.terms[0][0], rank.terms[1][0], bounds[0], bounds[1], rank.offset, size)
                peaks = np.array([[rank_peak(spec, int(e), int(f), pr.box) for f in wide[1]] for e in wide[0]], np.int64)
            elements *= peaks[tuple(self.lattice.digits[:, d] for d in dims)]
        return np.asarray(np.ceil(elements * pr.tensors[t].bits), np.int64)

    def widened(self, rank: int, axes: tuple[int, ...], boundary: Boundary, table: np.ndarray) -> tuple[Hashable, np.ndarray]:
        """(key, table): words of a two-term rank per tile of a place, for the tile of all places along the served axes.

        The last two dimensions of `table` are the digits of the rank's tile; a digit without a wider one is forbidden, and
        keeps its own words.
        """
        _, p, q = self.problem.ranks[rank]
        rows, columns = (self._wider_digits(d, axes, boundary) for d in (p, q))
        return (rows.tobytes(), columns.tobytes()), table[..., rows[:, None], columns[None, :]]

    def _wider_digits(self, d: int, axes: tuple[int, ...], boundary: Boundary) -> np.ndarray:
        """int64[n]: the digit of dimension d above the fan-out for each digit below it."""
        n = len(self.lattice.extents[d])
        out = np.arange(n)
        if boundary.pair(d, axes)[0] > 1:
            above = np.flatnonzero(boundary.sub[d, :n] >= 0)
            out[boundary.sub[d, above]] = above
        return out


__all__ = ["ServedTiles"]

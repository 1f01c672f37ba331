"""Boundaries between stages: every choice of spatial extents with what hangs on it alone, and the classes of tiles above it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from picojoule.search.exact.counts import Pair
from picojoule.search.exact.problem import Problem
from picojoule.search.exact.spatial import digits_below, ragged_first, spatial_choices


@dataclass(frozen=True, eq=False)
class Boundary:
    """Spatial extents at the fan-out above a stage, and D right below it."""

    extents: np.ndarray  # int64[D]
    axes: np.ndarray  # int64[axes, D]: the extents along each axis
    sub: np.ndarray  # int16[D, n]: digit below for each digit above, -1 where it cannot be
    waste: np.ndarray  # float64[D, n]: padding of a ragged unrolled outermost loop
    copies: tuple[float, ...]  # per tensor: the most copies that one word may serve
    pairs: tuple[Pair, ...]  # per dimension (extent, D); D is 0 where no count depends on it
    spread: float  # instances below for each one above

    def inside(self, below: list[int]) -> Boundary:
        """The same with D below it per dimension."""
        return replace(self, pairs=tuple([(s, d) for (s, _), d in zip(self.pairs, below, strict=True)]))


class Boundaries:
    """Makes the boundaries of one problem. `choices` are the spatial extents of each stage's fan-out, with their axes."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.lattice = problem, problem.lattice
        self.choices = [spatial_choices(s.fanout, problem.layer, problem.lattice) for s in problem.stages]
        self._digits: dict[tuple[int, int, bytes], tuple[np.ndarray, np.ndarray]] = {}
        self._inside: dict[tuple[int, int, bytes, bool], tuple[list[int], np.ndarray]] = {}
        self._subs: dict[int, np.ndarray] = {}
        self._copies: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def idle(self) -> Boundary:
        """A boundary that unrolls nothing."""
        ones = np.ones((1, len(self.lattice.dims)), np.int64)
        sub, waste = self._crossing(ones[0], ones)
        return Boundary(ones[0], ones, sub, waste, (1.0,) * len(self.problem.tensors), ((1, 0),) * len(self.lattice.dims), 1.0)

    def boundary(self, k: int, choice: int) -> Boundary:
        """One choice of stage k; D is not known."""
        extents, axes = (x[choice] for x in self.choices[k])
        sub, waste = self._crossing(extents, axes)
        plain = extents.tolist()
        pairs = tuple([(s, 0) for s in plain])
        return Boundary(extents, axes, sub, waste, tuple(self.copies(k)[0][choice].tolist()), pairs, float(math.prod(plain)))

    def copies(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """float64[n, T] for the choices of stage k: the most copies that one word of each tensor may serve, and the copies
        along dimensions that do not index it."""
        if k not in self._copies:
            pr, extents = self.problem, self.choices[k][0]
            idle = np.stack([extents[:, ~pr.relevant[t]].prod(axis=1) for t in range(len(pr.tensors))], axis=1)
            most = idle.astype(float)
            if pr.slider >= 0:
                for _, p, q in pr.ranks:
                    most[:, pr.slider] *= np.minimum(extents[:, p], extents[:, q])
            self._copies[k] = most, idle
        return self._copies[k]

    def subs(self, k: int) -> np.ndarray:
        """int16[n, D, digits]: digits below each choice of stage k."""
        if k not in self._subs:
            extents, axes = self.choices[k]
            out = np.full((*extents.shape, self.problem.widest), -1, np.int16)
            for d, e in enumerate(self.lattice.extents):
                rows, where = np.unique(np.column_stack([extents[:, d], axes[:, :, d]]), axis=0, return_inverse=True)
                tables = np.stack([self._digits_below(d, int(row[0]), row[1:])[0] for row in rows])
                out[:, d, : len(e)] = tables[where.reshape(-1)]
            self._subs[k] = out
        return self._subs[k]

    def _crossing(self, extents: np.ndarray, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(int16[D, n] digits below, float64[D, n] padding) for spatial extents and their assignment to axes."""
        sub = np.full((len(extents), self.problem.widest), -1, np.int16)
        waste = np.ones((len(extents), self.problem.widest))
        for d, s in enumerate(extents.tolist()):
            n = len(self.lattice.extents[d])
            sub[d, :n], waste[d, :n] = self._digits_below(d, s, axes[:, d])
        return sub, waste

    def _digits_below(self, d: int, s: int, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        key = (d, s, row.tobytes())
        if key not in self._digits:
            e = self.lattice.extents[d]
            self._digits[key] = digits_below(e, s, ragged_first(e, row) >= 0)
        return self._digits[key]

    def classes(self, b: Boundary, tiles: np.ndarray) -> list[tuple[np.ndarray, list[int]]]:
        """[(bool[tile] which tiles above, D per dimension)]: tiles whose counts depend on D differ."""
        extents = [s for s, _ in b.pairs]
        both = {d for _, p, q in self.problem.ranks if extents[p] > 1 and extents[q] > 1 for d in (p, q)}
        code, radix = np.zeros(len(tiles), np.int64), 1
        places: list[tuple[int, int, list[int]]] = []
        for d, s in enumerate(extents):
            if s > 1:
                distinct, rank_of = self._inside_of(d, s, b.axes[:, d], d in both)
                if len(distinct) > 1:
                    code += radix * rank_of[self.lattice.digits[tiles, d]]
                places.append((d, radix, distinct))
                radix *= len(distinct)
        out = []
        for c in np.unique(code).tolist():
            below = [0] * len(extents)
            for d, r, distinct in places:
                below[d] = distinct[(c // r) % len(distinct)]
            out.append((code == c, below))
        return out

    def _inside_of(self, d: int, s: int, row: np.ndarray, both: bool) -> tuple[list[int], np.ndarray]:
        """(values of D, int64[n] which one each digit above has). `both`: the other dimension of d's window is unrolled too."""
        key = (d, s, row.tobytes(), both)
        if key not in self._inside:
            e, bound = self.lattice.extents[d], int(self.lattice.bounds[d])
            sub, _ = self._digits_below(d, s, row)
            inside = np.array([e[b] if b >= 0 and (both or bound % (int(e[b]) * s)) else 0 for b in sub], np.int64)
            distinct, rank_of = np.unique(inside, return_inverse=True)
            self._inside[key] = distinct.tolist(), rank_of.reshape(-1)
        return self._inside[key]

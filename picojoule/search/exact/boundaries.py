"""Boundaries between stages: every choice of spatial extents with what hangs on it alone, and the classes of tiles above it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from picojoule.search.exact.counts import Pair
from picojoule.search.exact.problem import Problem
from picojoule.search.exact.spatial import digits_below, spatial_choices


@dataclass(frozen=True, eq=False)
class Boundary:
    """Spatial extents at the fan-out above a stage, and D right below it."""

    extents: np.ndarray  # int64[D]
    axes: np.ndarray  # int64[axes, D]: the extents along each axis
    below: np.ndarray  # int64[D]: the tile below a ragged unrolling, else 0
    sub: np.ndarray  # int16[D, n]: digit below for each digit above, -1 where it cannot be
    waste: np.ndarray  # float64[D, n]: padding of a ragged unrolled outermost loop
    copies: tuple[float, ...]  # per tensor: the most copies that one word may serve
    pairs: tuple[Pair, ...]  # per dimension (extent, D); D is 0 where no count depends on it
    spread: float  # instances below for each one above
    known: frozenset[int] = frozenset()  # dimensions whose D a node needs, whose memory serves an axis that unrolls them

    def inside(self, below: list[int]) -> Boundary:
        """The same with D below it per dimension."""
        return replace(self, pairs=tuple([(s, d) for (s, _), d in zip(self.pairs, below, strict=True)]))

    def pair(self, d: int, axes: tuple[int, ...] | None) -> Pair:
        """(extent, D) along some of the axes (None: all), a dimension lies on these or on others where memories serve some."""
        return self.pairs[d] if axes is None or self.along(axes)[d] > 1 else (1, 0)

    def along(self, axes: tuple[int, ...]) -> np.ndarray:
        """int64[D]: the extents unrolled along some of the axes."""
        return np.asarray(self.axes[list(axes)].prod(axis=0))


class Boundaries:
    """Makes the boundaries of one problem. `choices` are the spatial extents of each stage's fan-out, with their axes."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.lattice = problem, problem.lattice
        self.choices = [
            spatial_choices(s.fanout, problem.layer, problem.lattice, problem.served_sets(k))
            for k, s in enumerate(problem.stages)
        ]
        self._digits: dict[tuple[int, int, int], tuple[np.ndarray, np.ndarray]] = {}
        self._inside: dict[tuple[int, int, int, bool], tuple[list[int], np.ndarray]] = {}
        self._subs: dict[int, np.ndarray] = {}
        self._copies: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def idle(self, k: int) -> Boundary:
        """A boundary above stage k that unrolls nothing."""
        ones = np.ones_like(self.choices[k].axes[0])
        sub, waste = self._crossing(ones[0], 0 * ones[0])
        copies, pairs = (1.0,) * len(self.problem.tensors), ((1, 0),) * len(self.lattice.dims)
        return Boundary(ones[0], ones, 0 * ones[0], sub, waste, copies, pairs, 1.0)

    def boundary(self, k: int, choice: int) -> Boundary:
        """One choice of stage k; D is not known."""
        extents, axes, ragged = (x[choice] for x in self.choices[k])
        sub, waste = self._crossing(extents, ragged)
        plain = extents.tolist()
        pairs = tuple([(s, 0) for s in plain])
        copies, spread = tuple(self.copies(k)[0][choice].tolist()), float(math.prod(plain))
        return Boundary(
            extents=extents,
            axes=axes,
            below=ragged,
            sub=sub,
            waste=waste,
            copies=copies,
            pairs=pairs,
            spread=spread,
            known=self._known(k, axes),
        )

    def _known(self, k: int, axes: np.ndarray) -> frozenset[int]:
        """Dimensions unrolled along served axes, of which loops must not part the tile from the fan-out."""
        out: set[int] = set()
        group = self.problem.stages[k].group
        for t, x in enumerate(self.problem.tensors):
            memory = group.memory_for(x.role) if group else None
            if memory is not None and (own := self.problem.served(k, memory)):
                out |= set(np.flatnonzero((axes[list(own)].prod(axis=0) > 1) & self.problem.boxed[t]).tolist())
        return frozenset(out)

    def copies(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """float64[n, T] for the choices of stage k: the most copies that one word of each tensor may serve, and the copies
        along dimensions that do not index it."""
        if k not in self._copies:
            pr, extents = self.problem, self.choices[k].extents
            idle = np.stack([extents[:, ~pr.relevant[t]].prod(axis=1) for t in range(len(pr.tensors))], axis=1)
            most = idle.astype(float)
            if pr.slider >= 0:
                for _, p, q in pr.ranks:
                    most[:, pr.slider] *= np.minimum(extents[:, p], extents[:, q])
            self._copies[k] = most, idle
        return self._copies[k]

    def part_copies(self, t: int, axes: tuple[int, ...], rows: np.ndarray) -> np.ndarray:
        """float64[n]: no fewer than the copies that one word of a tensor may serve along some axes; `rows`: int64[n, axes, D]."""
        along = rows[:, list(axes)].prod(axis=1)
        alike = ~self.problem.relevant[t]
        if t == self.problem.slider:
            alike = alike | self.problem.affine
        return np.asarray(along[:, alike].prod(axis=1), float)

    def subs(self, k: int) -> np.ndarray:
        """int16[n, D, digits]: digits below each choice of stage k."""
        if k not in self._subs:
            extents, _, ragged = self.choices[k]
            out = np.full((*extents.shape, self.problem.widest), -1, np.int16)
            for d, e in enumerate(self.lattice.extents):
                rows, where = np.unique(np.column_stack([extents[:, d], ragged[:, d]]), axis=0, return_inverse=True)
                tables = np.stack([self._digits_below(d, int(s), int(b))[0] for s, b in rows])
                out[:, d, : len(e)] = tables[where.reshape(-1)]
            self._subs[k] = out
        return self._subs[k]

    def _crossing(self, extents: np.ndarray, ragged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(int16[D, n] digits below, float64[D, n] padding) for spatial extents and the tiles below ragged ones."""
        sub = np.full((len(extents), self.problem.widest), -1, np.int16)
        waste = np.ones((len(extents), self.problem.widest))
        for d, s in enumerate(extents.tolist()):
            n = len(self.lattice.extents[d])
            sub[d, :n], waste[d, :n] = self._digits_below(d, s, int(ragged[d]))
        return sub, waste

    def _digits_below(self, d: int, s: int, ragged: int) -> tuple[np.ndarray, np.ndarray]:
        key = (d, s, ragged)
        if key not in self._digits:
            self._digits[key] = digits_below(self.lattice.extents[d], s, ragged)
        return self._digits[key]

    def classes(self, b: Boundary, tiles: np.ndarray) -> list[tuple[np.ndarray, list[int]]]:
        """[(bool[tile] which tiles above, D per dimension)]: tiles whose counts depend on D differ."""
        extents = [s for s, _ in b.pairs]
        both = {d for _, p, q in self.problem.ranks if extents[p] > 1 and extents[q] > 1 for d in (p, q)} | b.known
        code, radix = np.zeros(len(tiles), np.int64), 1
        places: list[tuple[int, int, list[int]]] = []
        for d, s in enumerate(extents):
            if s > 1:
                distinct, rank_of = self._inside_of(d, s, int(b.below[d]), d in both)
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

    def _inside_of(self, d: int, s: int, ragged: int, both: bool) -> tuple[list[int], np.ndarray]:
        """(values of D, int64[n] which one each digit above has). `both`: the other dimension of d's window is unrolled too."""
        key = (d, s, ragged, both)
        if key not in self._inside:
            e, bound = self.lattice.extents[d], int(self.lattice.bounds[d])
            sub, _ = self._digits_below(d, s, ragged)
            inside = np.array([e[b] if b >= 0 and (both or bound % (int(e[b]) * s)) else 0 for b in sub], np.int64)
            distinct, rank_of = np.unique(inside, return_inverse=True)
            self._inside[key] = distinct.tolist(), rank_of.reshape(-1)
        return self._inside[key]

"""Dataflows in the search: which tiles a memory may hold so that they stay long enough (`Chip.stays`).

A tile obeys a stay if no temporal loop over its `whole` dimensions lies above it: tile times the extents unrolled above
covers the bound. (With a temporal loop above, the product is smaller, ragged or not.) Forbidden tiles get a footprint that
no memory has room for, so that the programme never places them; every lower bound of the full space still holds.
"""

from __future__ import annotations

import numpy as np

from picojoule.hardware.chip import Stay
from picojoule.search.exact.problem import Problem
from picojoule.search.exact.spatial import Unrollings
from picojoule.workload.kinds import dims_of

FORBIDDEN = 1 << 61  # bits


class StayTables:
    """The stays of one problem's chip, as footprints of tiles and as spatial extents that cannot obey."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._cache: dict[tuple[object, ...], np.ndarray] = {}

    def footprints(self, k: int, spread: np.ndarray, kept: tuple[bool, ...], foot: np.ndarray) -> np.ndarray:
        """int64[tensor, tile]: bits of each tile in stage k (`foot`), or FORBIDDEN; `spread`: extents unrolled above."""
        pr = self.problem
        found = [
            (t, s)
            for t, x in enumerate(pr.tensors)
            if kept[t]
            for s in pr.chip.stays
            if s.role == x.role and s.memory == pr.memory(k, t).name
        ]
        if not found:
            return foot
        key = (k, kept, spread.tobytes())
        if key not in self._cache:
            if len(self._cache) > 64:
                self._cache.clear()
            out = foot.copy()
            for t, stay in found:
                out[t, ~self._obeying(stay, spread)] = FORBIDDEN
            self._cache[key] = out
        return self._cache[key]

    def _obeying(self, stay: Stay, spread: np.ndarray) -> np.ndarray:
        """bool[tile]: whether a node with this tile obeys, `spread` unrolled above it."""
        pr = self.problem
        ok = np.ones(pr.lattice.size, bool)
        for kinds, test in ((stay.whole, self._covers), (stay.single, self._is_one)):
            for name in dims_of(pr.layer, kinds):
                d = pr.names.index(name)
                ok &= test(d, spread)[pr.lattice.digits[:, d]]
        return ok

    def _covers(self, d: int, spread: np.ndarray) -> np.ndarray:
        return np.asarray(self.problem.lattice.extents[d] * spread[d] >= self.problem.lattice.bounds[d])

    def _is_one(self, d: int, spread: np.ndarray) -> np.ndarray:
        return np.asarray(self.problem.lattice.extents[d] == 1)

    def possible(self, k: int, spread: np.ndarray, choices: list[Unrollings], kept: tuple[tuple[bool, ...], ...]) -> np.ndarray:
        """bool[n]: spatial extents of stage k that leave every stay further in some tile: dimensions that must be whole and
        one wide have to be unrolled whole by the fan-outs above the node, the later ones at their widest."""
        pr = self.problem
        extents = choices[k].extents
        ok = np.ones(len(extents), bool)
        for s in range(k, len(pr.stages)):
            for t, x in enumerate(pr.tensors):
                stays = [y for y in pr.chip.stays if kept[s][t] and y.role == x.role and y.memory == pr.memory(s, t).name]
                for name in {n for y in stays for n in dims_of(pr.layer, y.whole) if n in dims_of(pr.layer, y.single)}:
                    d = pr.names.index(name)
                    done = int(spread[d])
                    later = int(np.prod([c.extents[:, d].max() for c in choices[k + 1 : s + 1]] or [1]))
                    ok &= extents[:, d] * done * later >= int(pr.lattice.bounds[d])
        return ok

"""Lower bounds of the search are below what the dynamic programme finds, and sharper than the sum of each tensor's least."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from picojoule.hardware.chip import Chip, Compute, Group, Memory
from picojoule.search.exact import boundary_kernels
from picojoule.search.exact.boundaries import Boundary
from picojoule.search.exact.engine import LayerSearch, Options
from picojoule.search.exact.goals import goal
from picojoule.search.exact.prices import Prices
from picojoule.search.exact.problem import Problem
from picojoule.search.exact.records import Action, Goal, GoalKind, Pool, Stage
from picojoule.search.exact.stages import StageTables
from picojoule.workload.layer import gemm
from tests.oracle.enumerate import Tiny
from tests.search.problems import Wanted, problems


class Watched(LayerSearch):
    """A search that holds `relaxed` against the cost of the last stage's nodes on the way to every end label."""

    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        self.seen = 0

    def _collect(self, prices: Prices, k: int, way: list[Boundary], pool: Pool, goal: Goal, found: int) -> None:
        st = self.tables.stage(prices, k, way)
        st = st._replace(foot=self.tables.frame(prices, k).foot)
        bound = np.full((self.lattice.size, int(st.full) + 1), np.inf)
        boundary_kernels.relaxed(st, st.low_coef, np.zeros(len(self.lattice.dims), np.int64), bound)
        for end in self.ends[:found].tolist():
            start = end
            while pool.action[start] != Action.ENTER:
                start = int(pool.parent[start])
            at, owner = int(pool.tile[start]), int(pool.owner[start])
            own = {t: float(st.low_coef[t] * st.least[t, at]) for t in range(len(st.keeps)) if st.keeps[t]}
            least = bound[at, 0]
            if owner in own:
                kept = float(pool.top_energy[start])
                least = min(least, kept + bound[at, 1 << owner])
                own[owner] = min(own[owner], kept)
            assert least >= sum(own.values()) * (1 - 1e-12)
            spent = float(pool.energy[end] - pool.energy[start])
            assert least + st.tail <= spent + 1e-9 * abs(float(pool.energy[end]))
            self.seen += 1
        super()._collect(prices, k, way, pool, goal, found)


def watched(problem: Problem) -> Watched:
    search = Watched(StageTables(problem), Options())
    least = search.tables.least_cycles()
    search.run(goal(GoalKind.FRONT)._replace(least_cycles=least, base_cycles=least, rescale=-0.5))  # worse mappings too
    return search


def test_the_relaxed_programme_is_below_the_cost_of_every_mapping_found() -> None:
    seen = 0
    for layer, chip, _ in problems(60, 11, Wanted(chip=Tiny(links=False))):
        problem = Problem(layer, chip)
        if problem.sparse is None and len(problem.stages) > 1:
            seen += watched(problem).seen
    assert seen > 100


def least_of_chains(st: Stage) -> float:
    """Least energy of the nodes of three tensors that share a memory, all kept, over every chain of tiles: by enumeration."""
    extents = [tuple(int(st.extent[d, i]) for d, i in enumerate(x)) for x in st.digits.tolist()]
    below = [[b for b, y in enumerate(extents) if all(n % m == 0 for n, m in zip(x, y, strict=True))] for x in extents]
    best = np.inf
    for t, u, v in itertools.permutations(range(3)):
        for a in range(len(extents)):
            for b in below[a]:
                for c in below[b]:
                    if st.foot[t, a] + st.foot[u, b] + st.foot[v, c] <= st.room[t]:
                        best = min(best, sum(st.low_coef[x] * st.least[x, at] for x, at in ((t, a), (u, b), (v, c))))
    return float(best)


@pytest.mark.parametrize("words", [3, 6, 10, 48])
def test_the_relaxed_programme_sees_that_tiles_share_a_small_memory(words: int) -> None:
    """It is below every chain of tiles, and above the sum of each tensor's own least where three tiles have too little room."""
    levels = (Group((Memory("DRAM", None, 8, 10.0, 10.0),)), Group((Memory("RF", words * 8, 8, 1.0, 1.0),)))
    tables = StageTables(Problem(gemm(M=4, N=4, K=4, bits=8), Chip("c", levels, Compute("MAC", 1.0), 1e9)))
    prices = Prices(tables.problem, tables.problem.patterns[0], ())
    st = tables.stage(prices, 0, [tables.boundaries.idle(0)])
    bound = np.full((tables.lattice.size, int(st.full) + 1), np.inf)
    boundary_kernels.relaxed(st, st.low_coef, np.zeros(3, np.int64), bound)
    alone = float(st.low_coef @ st.least[:, 0])
    assert alone <= bound[0, 0] <= least_of_chains(st)
    assert (bound[0, 0] > 1.05 * alone) == (words < 48)

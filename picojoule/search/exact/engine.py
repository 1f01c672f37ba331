"""The dynamic programme driven over bypass patterns and spatial extents; every mapping that the goal wants."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from picojoule.errors import NoMapping
from picojoule.search.exact import boundary_kernels, kernels
from picojoule.search.exact.boundaries import Boundary
from picojoule.search.exact.bounds import NOT_ASKED, Bounds, ChoiceBounds
from picojoule.search.exact.goals import Found, goal, hull_goal, stairs_goal
from picojoule.search.exact.labels import MOST_LABELS, LabelPool
from picojoule.search.exact.prices import Prices
from picojoule.search.exact.records import Action, Crossing, Goal, GoalKind, Least, Pool, Rules, Stage
from picojoule.search.exact.stages import StageTables
from picojoule.search.exact.trace import write_mapping

LABELS_PER_S = 400_000  # until a kernel of this search has run long enough to tell
TOLD = 50_000  # labels that tell
FEW = 4e-4  # labels that take as long to expand as one step of `boundary_kernels.allowance`


@dataclass
class Counters:
    """Counters for the certificate."""

    opened: int = 0
    closed: int = 0
    patterns: int = 0
    labels: int = 0
    unopened_bound: float = np.inf  # least goal value that something not looked at could still have


@dataclass
class Options:
    """What the space contains. `runs`: nodes at the top of a group; `slides`: sliding windows credited."""

    runs: bool = True
    slides: bool = True
    deadline: float | None = None


class LayerSearch:
    """Searches one problem for all mappings that a goal wants; `found` collects them."""

    def __init__(self, tables: StageTables, options: Options) -> None:
        self.tables, self.options = tables, options
        self.problem, self.ports, self.lattice = tables.problem, tables.ports, tables.lattice
        self.bounds = Bounds(tables)
        self.progress = Counters()
        self.found: list[Found] = []
        self.pools = [LabelPool(len(self.ports)) for _ in self.problem.stages]
        self.ends = np.empty(1 << 16, np.int32)
        self.labels_per_s = float(LABELS_PER_S)

    def run(self, goal: Goal) -> None:
        """Search every pattern, cheapest bound first, for mappings that the goal wants."""
        self.goal = goal
        ready: list[tuple[float, int, Prices]] = []
        for i, pattern in enumerate(self.problem.patterns):
            try:
                self.problem.check_fits(pattern)
            except NoMapping:
                if len(self.problem.patterns) == 1:
                    raise
                continue
            prices = self.tables.prices(pattern)
            ready.append((self.bounds.pattern_value(self.goal, prices), i, prices))
        if not ready:
            self.problem.check_fits(self.problem.patterns[-1])
        for _, _, prices in sorted(ready, key=lambda x: x[:2]):
            if not self.bounds.pattern_may(self.goal, prices):
                continue
            if self.options.deadline is not None and time.process_time() > self.options.deadline:
                self._leave_open(prices)
                continue
            self.progress.patterns += 1
            self._outer_stage(prices)

    def _outer_stage(self, prices: Prices) -> None:
        way = [self.tables.boundaries.idle(0)]
        fanout = self.problem.stages[0].fanout
        assert fanout is None
        last = len(self.problem.stages) == 1
        st = self.tables.stage(prices, 0, way)
        extra = self.tables.fixed(prices, way) if last else np.zeros(1 + len(self.ports))
        goal = self._with_cycles(self.tables.cycles_of(1.0) if last else self.tables.widest_cycles())

        def start(pool: Pool, st: Stage) -> bool:
            n = 0
            for field_, value in (
                ("energy", extra[0]),
                ("used", 0.0),
                ("waste", 1.0),
                ("top_energy", 0.0),
                ("tile", 0),
                ("mask", 0),
                ("top", 0),
                ("owner", -1),
                ("run", 0),
                ("segment", 0),
                ("sdim", -1),
                ("sfrom", 0),
                ("spassed", 0),
                ("rested", 0),
                ("parent", -1),
                ("action", Action.ENTER),
            ):
                getattr(pool, field_)[n] = value
            pool.load[n], pool.top_load[n] = extra[1:], 0.0
            LabelPool.insert_first(pool)
            return True

        self._advance(prices, 0, way, st, goal, start, 0.0)

    def _label_budget(self) -> int:
        """Labels that there is time for: kernels look at no clock."""
        if self.options.deadline is None:
            return MOST_LABELS
        return max(1000, int(self._left_s() * self.labels_per_s))

    def _left_s(self) -> float:
        """CPU seconds until the deadline."""
        return np.inf if self.options.deadline is None else max(0.0, self.options.deadline - time.process_time())

    def _rules(self, k: int) -> Rules:
        return Rules(k, self.options.runs, self.options.slides)

    def _leave_open(self, prices: Prices) -> None:
        """Count a pattern as not looked at: its bound limits what can be proved."""
        self.progress.unopened_bound = min(self.progress.unopened_bound, self.bounds.pattern_value(self.goal, prices))

    def _with_cycles(self, cycles: float) -> Goal:
        return self.goal._replace(base_cycles=cycles, held=np.array([np.inf, np.inf]))

    def _advance(
        self,
        prices: Prices,
        k: int,
        way: list[Boundary],
        st: Stage,
        goal: Goal,
        start: Callable[[Pool, Stage], bool],
        spent: float,
    ) -> None:
        """Search stage k from the labels that `start` puts into a pool; none has spent less than `spent` before.

        What further stages allow at each tile takes longer to know than a few labels take to expand: it is asked for once
        there are many.
        """
        full = self.tables.frame(prices, k).full
        found = 0
        few = FEW * self.bounds.allowance_work(k) if not st.last else np.inf
        while True:
            pool = self.pools[k].reset(self.lattice.size, full + 1 if full else 1)
            if start(pool, st):
                began, budget = time.process_time(), self._label_budget()
                found = kernels.advance(st, goal, pool, self._rules(k), self.ends, min(budget, few))
                if found >= 0:
                    break
                if int(pool.total[0]) > few:
                    st, few = self.bounds.allowed(self.goal, prices, k, way, st, spent), np.inf
                    continue
                self._learn_rate(int(pool.total[0]), time.process_time() - began)
                if found == -2 and self._label_budget() > budget:  # it was faster than thought: time is left for all of it
                    continue
            if found == -2 or not self.pools[k].grow():  # out of time or room: what the labels could reach stays open
                self._leave_open(prices)
                return
        self.progress.labels += int(pool.total[0])
        if st.last:
            self._collect(prices, k, way, pool, goal, found)
        else:
            self._descend(prices, k + 1, way, pool)

    def _learn_rate(self, labels: int, seconds: float) -> None:
        """Labels a second, from a kernel that made enough of them."""
        if labels > TOLD and seconds > 0.0:
            self.labels_per_s = labels / seconds

    def _descend(self, prices: Prices, k: int, way: list[Boundary], above: Pool) -> None:
        """Enumerate the spatial extents of stage k in the order of their bounds, and search below each."""
        compute = self.bounds.choice_cycles(k, way)
        cycles = np.maximum(compute, self.goal.least_cycles)
        bounds = self.bounds.bounds(self.goal, prices, k, way, above, cycles)
        value = self.bounds.values(self.goal, bounds.energy, cycles)
        ids = np.empty(int(above.total[0]), np.int32)
        ids = ids[: boundary_kernels.finished(above, ids)]
        alive = self.bounds.worthwhile(self.goal, bounds.energy, cycles)
        order = np.flatnonzero(alive)
        self.progress.closed += len(alive) - len(order)
        order = order[np.argsort(value[order], kind="stable")]
        while len(order):
            if self.options.deadline is not None and time.process_time() > self.options.deadline:
                self.progress.unopened_bound = min(self.progress.unopened_bound, float(value[order].min()))
                return
            before = self._known()
            self._open_choice(prices, k, way, above, ids, bounds, int(order[0]), float(compute[order[0]]))
            order = order[1:]
            if self._known() != before:  # what has become hopeless is closed at once
                alive = self.bounds.worthwhile(self.goal, bounds.energy[order], cycles[order])
                self.progress.closed += len(order) - int(alive.sum())
                order = order[alive]

    def _known(self) -> tuple[int, float]:
        """Changes whenever the goal asks for more than before."""
        return len(self.found), float(self.goal.best[0])

    def _open_choice(
        self,
        prices: Prices,
        k: int,
        way: list[Boundary],
        above: Pool,
        ids: np.ndarray,
        bounds: ChoiceBounds,
        s: int,
        compute: float,
    ) -> None:
        """Search below one choice of spatial extents of stage k, unless no label of the stage above can meet the goal there."""
        goal = self._with_cycles(compute)
        boundary = self.tables.boundaries.boundary(k, s)
        low, top, fixed = bounds.of(s)
        floor = self.tables.port_floor(prices, k - 1, way)
        least = Least(boundary.sub, boundary.waste, low, top, fixed, self.tables.least_ranks, floor, NOT_ASKED)
        chosen = self._select(prices, k, way, above, ids, least, goal)
        found = self.bounds.relaxed(prices, k, way, low, above, chosen, boundary.sub)
        if len(found):
            chosen = self._select(prices, k, way, above, chosen, least._replace(relaxed=found), goal)
        if not len(chosen):
            self.progress.closed += 1
            return
        self.progress.opened += 1
        for which, below in self.tables.boundaries.classes(boundary, above.tile[chosen]):
            self._open(prices, k, [*way, boundary.inside(below)], above, chosen[which], goal)

    def _open(self, prices: Prices, k: int, way: list[Boundary], above: Pool, chosen: np.ndarray, goal: Goal) -> None:
        """Search stage k below the boundaries `way` from the labels of the stage above that belong there."""
        last = k == len(self.problem.stages) - 1
        st = self.tables.stage(prices, k, way)
        extra = self.tables.fixed(prices, way) if last else np.zeros(1 + len(self.ports))
        b = way[-1]
        crossing = Crossing(b.sub, b.waste, b.extents, self.tables.run_counts(prices, k, way), extra)

        def start(pool: Pool, st: Stage) -> bool:
            n = kernels.enter(st, goal, above, pool, chosen, crossing, self._rules(k))
            return int(n) >= 0

        self._advance(prices, k, way, st, goal, start, float(above.energy[chosen].min()))

    def _select(
        self, prices: Prices, k: int, way: list[Boundary], above: Pool, ids: np.ndarray, below: Least, goal: Goal
    ) -> np.ndarray:
        """The finished labels of the stage above that may still meet the goal below the extents of `below`."""
        out = np.empty(len(ids), np.int32)
        n = boundary_kernels.select(self.bounds.template(prices, k, way), goal, above, ids, below, out)
        return out[:n]

    def _collect(self, prices: Prices, k: int, way: list[Boundary], pool: Pool, goal: Goal, found: int) -> None:
        best: list[tuple[float, float, int]] = []
        zero = np.zeros(len(self.ports))
        for i in self.ends[:found]:
            cycles = float(kernels.label_cycles(goal, pool.waste[i], pool.load[i], zero))
            energy = float(pool.energy[i]) + goal.leak * cycles
            if not any(e <= energy and c <= cycles for e, c, _ in best):
                best = [b for b in best if not (energy <= b[0] and cycles <= b[1])]
                best.append((energy, cycles, int(i)))
        for energy, cycles, i in best:
            self._accept(Found(energy, cycles, write_mapping(self.problem, [p.pool for p in self.pools], k, way, i)))

    def _accept(self, new: Found) -> None:
        self.found.append(new)
        if self.goal.kind == GoalKind.HULL:
            self.goal = hull_goal(self.goal, [(f.energy_pj, f.cycles) for f in self.found])
        elif self.goal.kind == GoalKind.FRONT:
            self.goal = stairs_goal(self.goal, [(f.energy_pj, f.cycles) for f in self.found])


__all__ = ["Counters", "Found", "LayerSearch", "Options", "goal", "hull_goal", "stairs_goal"]

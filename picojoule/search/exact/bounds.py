"""Lower bounds of the search: what spatial extents, patterns and tiles can still reach at best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from picojoule.search.exact import boundary_kernels
from picojoule.search.exact.boundaries import Boundary
from picojoule.search.exact.prices import Prices
from picojoule.search.exact.problem import Crossed
from picojoule.search.exact.records import Choices, Goal, GoalKind, Grid, Pool, Stage, Summary
from picojoule.search.exact.stages import StageTables

NOT_ASKED = np.empty((0, 1))
MOST_RELAXED = 1 << 14  # tiles below spatial extents for which the relaxed programme is solved: a millisecond


@dataclass(frozen=True, eq=False)
class ChoiceBounds:
    """The choices of spatial extents of a stage: lower bounds of the energy (infinite where pruned at once) and their parts."""

    energy: np.ndarray  # float64[n]
    low: np.ndarray  # float64[n, T]: pJ per least word below
    top: np.ndarray  # float64[n, T]: pJ per word of a run
    fixed: np.ndarray  # float64[n]

    def of(self, choice: int) -> tuple[np.ndarray, np.ndarray, float]:
        """(low, top, fixed) of one choice."""
        return self.low[choice], self.top[choice], float(self.fixed[choice])


class Bounds:
    """Bounds of one problem's stages. Every bound is of the energy; the goal turns it into a verdict with the cycles."""

    def __init__(self, tables: StageTables) -> None:
        self.tables, self.problem, self.lattice, self.choices = tables, tables.problem, tables.lattice, tables.choices
        lat = tables.lattice
        self.grid = Grid(lat.digits, lat.stride, lat.move_start, lat.move_to, self.problem.least)
        self._template_key: tuple[object, ...] = ()
        self._template_stage: Stage | None = None
        self._relaxed = NOT_ASKED

    def floor(self) -> float:
        """A lower bound of the energy of any mapping in any pattern: each node at its own best, so that others find it too."""
        out = np.inf
        for prices in map(self.tables.prices, self.problem.patterns):
            total, next_node = self.tables.tail(prices, -1)
            out = min(out, total + float(next_node @ self.problem.least[:, 0]))
        return max(out, 0.0)

    def least_value(self, goal: Goal) -> float:
        """A lower bound of what the goal minimises, in any pattern."""
        return min([self.pattern_value(goal, self.tables.prices(p)) for p in self.problem.patterns])

    def pattern_floors(self, prices: Prices) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each fan-out (least energy, least cycles) of a pattern with each choice of its spatial extents: each list of
        choices bounds the pattern, since one of them is taken."""
        if prices.floors is None:
            some = [k for k, c in enumerate(self.choices) if len(c.extents) > 1] or [0]
            prices.floors = [(self.tables.floors(prices, k), self._least_cycles(k)) for k in some]
        return prices.floors

    def _least_cycles(self, k: int) -> np.ndarray:
        """Least cycles with each choice of stage k, the other stages at their widest."""
        others = float(np.prod([c.extents.prod(axis=1).max() for s, c in enumerate(self.choices) if s != k] or [1.0]))
        return self.tables.cycles_of(1.0) / (others * self.choices[k].extents.prod(axis=1))

    def pattern_value(self, goal: Goal, prices: Prices) -> float:
        """A lower bound of what the goal minimises in a pattern."""
        floors = self.pattern_floors(prices)
        return max(float(self.values(goal, e, np.maximum(c, goal.least_cycles)).min()) for e, c in floors)

    def pattern_may(self, goal: Goal, prices: Prices) -> bool:
        """Whether a mapping of the pattern may improve the goal."""
        return all(self.worthwhile(goal, e, np.maximum(c, goal.least_cycles)).any() for e, c in self.pattern_floors(prices))

    def values(self, goal: Goal, bounds: np.ndarray, cycles: np.ndarray) -> np.ndarray:
        energy = bounds + goal.leak * cycles
        if goal.kind == GoalKind.EDP:
            return energy * cycles
        if goal.kind == GoalKind.ENERGY_WITHIN:
            return np.where(cycles <= goal.limit, energy, np.inf)
        if goal.kind == GoalKind.WEIGHTED:
            return energy + goal.steep * cycles
        if goal.kind == GoalKind.FRONT:
            return energy
        return energy + 0.5 * (goal.steep + goal.flat) * cycles

    def choice_cycles(self, k: int, way: list[Boundary]) -> np.ndarray:
        """Compute cycles, without padding, for each choice of spatial extents of stage k."""
        extents = self.choices[k].extents
        so_far = float(np.prod([b.extents.prod() for b in way]))
        deeper = float(np.prod([c.extents.prod(axis=1).max() for c in self.choices[k + 1 :]] or [1.0]))
        return self.tables.cycles_of(1.0) / (so_far * deeper * extents.prod(axis=1))

    def template(self, prices: Prices, k: int, way: list[Boundary]) -> Stage:
        """Stage k below an idle boundary: what bounds need, whatever the extents; made once per pattern and boundaries."""
        key = (id(prices), k, tuple(id(b) for b in way))
        if self._template_key != key:
            self._template_key = key
            self._template_stage = self.tables.stage(prices, k, [*way, self.tables.boundaries.idle(k)])
        assert self._template_stage is not None
        return self._template_stage

    def inner(self, prices: Prices, k: int, way: list[Boundary], some: np.ndarray) -> Choices:
        """Lower bounds of stage k below some of its choices of spatial extents."""
        tensors = len(self.problem.tensors)
        low, top = np.zeros((len(some), tensors)), np.zeros((len(some), tensors))
        copies, idle = (x[some] for x in self.tables.boundaries.copies(k))
        fixed = self._fixed_bounds(prices, k, way, copies, some)
        for t in range(tensors):
            if prices.pattern[k][t]:
                low[:, t], top[:, t], debt = self._bound_coefficients(prices, k, way, t, copies[:, t], idle[:, t], some)
                fixed = fixed + debt
        return Choices(self.tables.boundaries.subs(k)[some], low, top, fixed, np.array(prices.pattern[k]))

    def _bound_coefficients(
        self, prices: Prices, k: int, way: list[Boundary], t: int, copies: np.ndarray, idle: np.ndarray, some: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The tensor's columns of `low` and `top`, and what a node that saves more further in than it costs may take off."""
        line = prices.lines[k, t]
        low, top = np.zeros(len(some)), np.zeros(len(some))
        served: np.ndarray | float = 1.0
        for m in line.held:
            served = self._copies_here(k, t, m, copies, way, some)
        merged = served
        for j, c in enumerate(line.coef):
            if j:
                merged = merged * self._copies_here(k, t, line.merges[j - 1], copies, way, some)
            each = merged if c >= 0.0 else merged / served  # what it saves is most where the copies it holds do not agree
            low += c / each
            top += c * idle / each
        debt = np.minimum(np.minimum(low, top), 0.0) * self.tables.mac_words(t)
        return np.maximum(low, 0.0), np.maximum(top, 0.0), debt

    def _copies_here(
        self, k: int, t: int, merged: Crossed, copies: np.ndarray, way: list[Boundary], some: np.ndarray
    ) -> np.ndarray | float:
        """The most copies that one word of a tensor may serve at a merged boundary: for some choices of stage k, or as known."""
        if merged.stage != k:
            return self.tables.copies_at(t, merged, way)
        if merged.axes is None:
            return copies
        return self.tables.boundaries.part_copies(t, merged.axes, self.choices[k].axes[some])

    def _fixed_bounds(self, prices: Prices, k: int, way: list[Boundary], copies: np.ndarray, some: np.ndarray) -> np.ndarray:
        pr = self.problem
        if k < len(pr.stages) - 1:
            tail, deeper = self.tables.tail(prices, k)
            return np.full(len(copies), tail + float(deeper @ self.problem.least[:, 0]))
        out_t = next(t for t, x in enumerate(pr.tensors) if x.role == "output")
        past = {s: b.copies[out_t] for s, b in enumerate(way)}
        total: np.ndarray
        if prices.first_visits:
            total = np.array([prices.constant_pj({**past, k: c}) for c in copies[:, out_t]])
        else:
            total = np.full(len(copies), prices.constant_pj(past))
        for t in range(len(pr.tensors)):
            line, words = prices.lines[len(pr.stages), t], self.tables.mac_words(t)
            merged: np.ndarray = np.ones(len(copies))
            for j, c in enumerate(line.coef):
                if j:
                    merged = merged * self._copies_here(k, t, line.merges[j - 1], copies[:, t], way, some)
                total = total + c * words / merged
        return total

    def worthwhile(self, goal: Goal, energy: np.ndarray, cycles: np.ndarray) -> np.ndarray:
        """bool[n]: whether mappings of at least these energies and cycles may improve the goal."""
        out = np.empty(len(cycles), bool)
        boundary_kernels.worthwhile(goal, energy, cycles, out)
        return out

    def relaxed(
        self, prices: Prices, k: int, way: list[Boundary], low: np.ndarray, above: Pool, ids: np.ndarray, sub: np.ndarray
    ) -> np.ndarray:
        """float64[tile, mask]: `boundary_kernels.relaxed` of stage k below some spatial extents where labels enter.

        Without tiles where it is not asked for: a stage that keeps fewer than two tensors has each at its own least already,
        more tiles below than pay, or footprints of compressed tensors, which need not grow with their tiles.
        """
        if sum(prices.pattern[k]) < 2 or not len(ids) or self.problem.sparse is not None:
            return NOT_ASKED
        st = self.template(prices, k, way)._replace(foot=self.tables.frame(prices, k).foot)  # what extents forbid is left out
        corner = np.full(len(sub), np.iinfo(np.int16).max, np.int64)
        if not 0 < boundary_kernels.entry_corner(above, ids, st, sub, corner) <= MOST_RELAXED:
            return NOT_ASKED
        masks = int(st.full) + 1
        if self._relaxed.shape[1] != masks:
            self._relaxed = np.empty((self.lattice.size, masks))
        boundary_kernels.relaxed(st, low, corner, self._relaxed)
        return self._relaxed

    def bounds(self, goal: Goal, prices: Prices, k: int, way: list[Boundary], above: Pool, cycles: np.ndarray) -> ChoiceBounds:
        """Lower bounds of the energy for each choice of spatial extents, below the labels `above`."""
        pr, tensors = self.problem, len(self.problem.tensors)
        size = self.lattice.size
        none = np.empty(0, np.int64), np.full(tensors, np.inf)
        found = Summary(np.full(size, np.inf), np.full((tensors, size), np.inf), *none)
        boundary_kernels.summarise(self.template(prices, k, way), above, found)
        tiles = np.flatnonzero(np.isfinite(found.energy))
        tiles = tiles[np.argsort(found.energy[tiles], kind="stable")]
        n = len(cycles)
        out = ChoiceBounds(np.full(n, np.inf), np.zeros((n, tensors)), np.zeros((n, tensors)), np.zeros(n))
        if not len(tiles):
            return out
        best = found.energy[tiles].min()
        least_fixed = self.tables.tail(prices, k - 1)[0]  # may be negative: what outputs save by starting from zero
        keep = self.worthwhile(goal, np.full(n, best + least_fixed), cycles)
        if pr.chip.stays:
            keep &= self.tables.stays.possible(k, np.prod([b.extents for b in way], axis=0), self.choices, prices.pattern)
        if not keep.any():
            return out
        idx = np.flatnonzero(keep)
        below = self.inner(prices, k, way, idx)
        least_run = found.runs * pr.base[:, None]
        if pr.slider >= 0:
            least_run[pr.slider] *= self.tables.least_ranks
        result = np.empty(len(idx))
        limit = self._limits(goal, cycles[idx])
        found = found._replace(runs=least_run, tiles=tiles, run_floor=least_run[:, tiles].min(axis=1))
        boundary_kernels.bound_spatial(self.grid, below, found, limit, result)
        out.energy[idx], out.low[idx], out.top[idx], out.fixed[idx] = result, below.low, below.top, below.fixed
        return out

    def _limits(self, goal: Goal, cycles: np.ndarray) -> np.ndarray:
        """Energies, without leakage, from which on nothing of so many cycles can meet the goal."""
        limit = np.empty(len(cycles))
        boundary_kernels.thresholds(goal, cycles, limit)
        return np.where(limit > 0.0, limit / (1.0 + goal.rescale), limit) - goal.leak * cycles

    def allowance_work(self, k: int) -> float:
        """Steps of `boundary_kernels.allowance` below stage k."""
        return float(len(self.choices[k + 1].extents)) * self.lattice.size

    def allowed(self, goal: Goal, prices: Prices, k: int, way: list[Boundary], st: Stage, spent: float) -> Stage:
        """The stage with the energies beyond which nothing further in can meet the goal; its labels enter with `spent` or more.

        Spatial extents are left out below which the least words alone cost more than is left over once this stage has its
        least: no label of the stage gets as far as what they would allow. (A run costs no less: `top` is no less than `low`.)
        """
        tensors, pr = len(self.problem.tensors), self.problem
        allow = np.full((1 + tensors, self.lattice.size), -np.inf)
        limit = self._limits(goal, self.choice_cycles(k + 1, way))
        tail = self.tables.tail(prices, k)[0]
        spent += float(st.low_coef[st.keeps] @ pr.least[st.keeps, 0]) + min(0.0, st.tail - tail)
        idx = np.flatnonzero(limit > spent + tail)
        if len(idx):
            below = self.inner(prices, k + 1, way, idx)
            least = below.fixed + below.low[:, below.keeps] @ pr.least[below.keeps, 0]
            worth = limit[idx] > spent + least - 1e-9 * np.abs(least)
            idx, below = idx[worth], below.where(worth)
        if len(idx):
            boundary_kernels.allowance(self.grid, below, limit[idx], allow)
            known = k + 2 == len(self.problem.stages) and not prices.scales  # where tiles change the price, there is no most
            most = below.top.max(axis=0) * (1 + 1e-9) if known else np.full(tensors, np.inf)
            return st._replace(allow=allow, top_coef=below.top.min(axis=0) * (1 - 1e-9), top_most=most)
        return st._replace(allow=allow)

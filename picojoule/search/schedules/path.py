"""The best path through the graph of schedules for one weighting of energy and latency, asking for as few layers as it can.

An edge whose layer problem was not searched counts with a lower bound: what the layer costs with more room, or with tensors
outside that its own homes have on chip, less their copies. The cheapest path under such bounds is searched layer by layer until
all of it is known; then nothing undercuts it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from picojoule.cost.copies import copy
from picojoule.cost.cost import Cost
from picojoule.search.schedules.moves import Edge, Moves, State
from picojoule.search.schedules.pricing import Known, LayerCurves, Place, Question, bounded_by_outside


@dataclass(frozen=True, slots=True)
class Weights:
    """What is minimised: `pj` x energy + `cycle` x latency."""

    pj: float
    cycle: float

    def of(self, place: Place) -> float:
        """The weighted sum."""
        return self.pj * place[0] + self.cycle * place[1]

    def order(self, cost: Cost) -> tuple[float, float]:
        """A key by which the first of some costs is the one to take: the least weighted sum, of equal ones the fastest."""
        return self.of((cost.energy_pj, cost.cycles)), cost.cycles


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A schedule of least weighted cost: its edges, for each the point taken for each layer problem, and the sums."""

    edges: tuple[Edge, ...]
    picks: tuple[tuple[int, ...], ...]
    place: Place
    value: float


Value = Callable[[Question, Weights], float]


@dataclass
class PathSearch:
    """Shortest paths over edges whose layers are searched when needed."""

    moves: Moves
    curves: LayerCurves
    time_limit: float | None = None  # CPU seconds of layers' searches
    rounds: int = 0
    _bounded: dict[object, bool] = field(default_factory=dict)
    _copy_of: dict[object, Place] = field(default_factory=dict)

    def best(self, w: Weights) -> Path | None:
        """The best schedule; None where nothing fits. Out of time: the best of which all layers are known."""
        while True:
            self.rounds += 1
            edges = self._shortest(w, self._low)
            if edges is None:
                return None
            open_ = [q for e in edges for q, _ in e.asked if self.curves.find(q) is None]
            if not open_:
                break
            if self.out_of_time():
                break
            if self.curves.ask_floors(open_):
                continue
            self.curves.ask(open_, "scheduling")
        edges = self._shortest(w, self._high)
        return None if edges is None else self._path(edges, w)

    def out_of_time(self) -> bool:
        """Whether the searches of layers have taken what they may."""
        return self.time_limit is not None and self.curves.crew.cpu_s > self.time_limit

    def floor(self, w: Weights) -> float:
        """What no schedule undercuts, by the floors of layers alone."""
        while True:
            edges = self._shortest(w, self._floor)
            if edges is None:
                return math.inf
            if not self.curves.ask_floors([q for e in edges for q, _ in e.asked]):
                return sum(self._value(e, w, {}, self._floor) for e in edges)

    def _floor(self, q: Question, w: Weights) -> float:
        return w.of(self.curves.floors.get(q.key, (0.0, 0.0)))

    def bound(self, w: Weights) -> float:
        """What no schedule undercuts, by what is known now."""
        edges = self._shortest(w, self._low)
        return math.inf if edges is None else sum(self._value(e, w, {}, self._low) for e in edges)

    def _shortest(self, w: Weights, of: Value) -> list[Edge] | None:
        n = len(self.moves.graph.jobs)
        cost: list[dict[State, float]] = [{} for _ in range(n + 1)]
        back: list[dict[State, Edge]] = [{} for _ in range(n + 1)]
        cost[0][()] = 0.0
        values: dict[Question, float] = {}
        for at in range(n):
            for e in self.moves.edges[at]:
                if e.before not in cost[at]:
                    continue
                value = cost[at][e.before] + self._value(e, w, values, of)
                if value < cost[e.end].get(e.after, math.inf):
                    cost[e.end][e.after], back[e.end][e.after] = value, e
        if () not in cost[n]:
            return None
        path: list[Edge] = []
        at, state = n, State()
        while at:
            e = back[at][state]
            path.append(e)
            at, state = e.start, e.before
        return path[::-1]

    def _value(self, e: Edge, w: Weights, values: dict[Question, float], of: Value) -> float:
        total = w.of(e.fixed)
        for q, times in e.asked:
            if q not in values:
                values[q] = of(q, w)
            total += times * values[q]
        return total

    def _high(self, q: Question, w: Weights) -> float:
        """The least weighted cost found of a layer problem; infinite where it was not asked."""
        known = self.curves.found(q)
        return math.inf if known is None else least(known, w)

    def _low(self, q: Question, w: Weights) -> float:
        """What a layer problem costs at least."""
        known = self.curves.find(q)
        if known is not None:
            return low(known, w)
        bounds = [w.of(self.curves.floors.get(q.key, (0.0, 0.0))), *(low(k, w) for k in self.curves.above(q))]
        if q.homes and self._may_compare(q):
            for fewer in itertools.chain.from_iterable(itertools.combinations(q.homes, n) for n in range(len(q.homes))):
                more = [h for h in q.homes if h not in fewer]
                room = q.room + sum(self._bits(q, t) for t, _ in more)
                copies = sum(w.of(self._copy(q, t)) for t, _ in more)
                bounds += [low(k, w) - copies for k in self.curves.above(Question(q.layer, fewer, room))]
        return max([0.0, *bounds])

    def _may_compare(self, q: Question) -> bool:
        memory = self.curves.memory
        assert memory is not None
        key = q.layer.shape_key
        if key not in self._bounded:
            self._bounded[key] = bounded_by_outside(q.layer, self.curves.chip, memory)
        return self._bounded[key]

    def _bits(self, q: Question, tensor: str) -> int:
        t = q.layer.tensor(tensor)
        return t.stored_bits(q.layer.elements(t))

    def _copy(self, q: Question, tensor: str) -> Place:
        memory, t = self.curves.memory, q.layer.tensor(tensor)
        assert memory is not None
        key = (q.layer.shape_key, tensor)
        if key not in self._copy_of:
            cost = copy(self.curves.chip, memory.name, q.layer.elements(t), t.bits, t.role, t.role != "output")
            self._copy_of[key] = (cost.energy_pj, cost.cycles)
        return self._copy_of[key]

    def _path(self, edges: Sequence[Edge], w: Weights) -> Path:
        energy = cycles = 0.0
        picks = []
        for e in edges:
            energy, cycles = energy + e.fixed[0], cycles + e.fixed[1]
            mine = []
            for q, times in e.asked:
                known = self.curves.found(q)
                assert known is not None
                points = known.points.points
                i = min(range(len(points)), key=lambda i: w.order(points[i][1]))
                energy, cycles = energy + times * points[i][1].energy_pj, cycles + times * points[i][1].cycles
                mine.append(i)
            picks.append(tuple(mine))
        return Path(edges=tuple(edges), picks=tuple(picks), place=(energy, cycles), value=w.of((energy, cycles)))


def least(known: Known, w: Weights) -> float:
    """The least weighted cost among the points of an answer; infinite where nothing fits."""
    return min((w.of((c.energy_pj, c.cycles)) for _, c in known.points.points), default=math.inf)


def low(known: Known, w: Weights) -> float:
    """What nothing undercuts: the least of an answer that is proved, else what its bounds say."""
    points = known.points
    if points.proved:
        return least(known, w)
    if points.lines:  # E + s L >= b: so E + t L >= b for a steeper t, and >= t / s x b for a flatter one
        return max(b * min(1.0, w.cycle / s) if s else b for s, b in points.lines)
    return max(0.0, points.bound)

"""The best path through the graph of schedules for one weighting of energy and latency, asking for as few layers as it can.

An edge whose layer problems were not all searched counts with a lower bound: compulsory words and MACs, a floor of the mapper's
own, what the layer costs with more room, or with tensors outside that its own homes have on chip, less their copies. Edges
through which no path can be cheaper than the best that is known are closed; what the cheapest path asks is asked, until all of
it is known.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from picojoule.cost.copies import copy
from picojoule.cost.cost import Cost
from picojoule.search.schedules.moves import Edge, Moves, State
from picojoule.search.schedules.pricing import Known, LayerCurves, Place, Question, bounded_by_outside

SURE = 1e-12  # relative: what is closed lies at least this far above the best


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
    """A schedule of least weighted cost, the sums, and what no schedule undercuts."""

    edges: tuple[Edge, ...]
    place: Place
    value: float
    bound: float


Value = Callable[[int, Weights], float]


@dataclass
class PathSearch:
    """Shortest paths over edges whose layers are searched when needed."""

    moves: Moves
    curves: LayerCurves
    time_limit: float | None = None  # CPU seconds of layers' searches
    rounds: int = 0
    closed: int = 0  # edges that a bound closed, in all
    _asked: set[int] = field(default_factory=set)  # shapes of layers of which more is known than is at once
    _quick: dict[int, Place] = field(default_factory=dict)
    _bounded: dict[object, bool] = field(default_factory=dict)
    _copy_of: dict[object, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        keys = {key[0] for key in (*self.curves.known, *self.curves.floors)}
        self._asked |= {n for shape, n in self.moves.shapes.items() if shape in keys}

    def best(self, w: Weights) -> Path | None:
        """The best schedule; None where nothing fits. Out of time: the best of which all layers are known."""
        edges = [e for at in self.moves.edges for e in at]
        while True:
            self.rounds += 1
            lows = self._values(edges, w, self._low)
            ahead, behind = self._ahead(edges, lows), self._behind(edges, lows)
            bound = ahead.get((len(self.moves.graph.jobs), ()), math.inf)
            found = self._shortest(edges, self._values(edges, w, self._high))
            best = math.inf if found is None else found[1]
            if bound == math.inf and found is None:
                return None
            through = [
                ahead.get((e.start, e.before), math.inf) + low + behind.get((e.end, e.after), math.inf)
                for e, low in zip(edges, lows, strict=True)
            ]
            cheapest = self._shortest(edges, lows)
            open_ = [] if cheapest is None else [q for e in cheapest[0] for q, _ in e.asked if self._open(q)]
            if not open_ or bound >= best * (1 - SURE) or (self.out_of_time() and found is not None):
                self.closed += sum(v >= best * (1 - SURE) for v in through)
                assert found is not None
                path, value = found
                return Path(edges=tuple(path), place=self._place(path, w), value=value, bound=min(bound, value))
            if found is not None:
                keep = {id(e) for e in found[0]}
                edges = [e for v, e in zip(through, edges, strict=True) if v < best * (1 - SURE) or id(e) in keep]
            self._ask(open_)

    def _open(self, qid: int) -> bool:
        return self.moves.shape_of[qid] not in self._asked or self.curves.find(self.moves.questions[qid]) is None

    def _ask(self, questions: Sequence[int]) -> None:
        """Floors of layers of the cheapest path; where all of those are known, the layers."""
        first = [self.moves.questions[q] for q in dict.fromkeys(questions)]
        self._asked |= {self.moves.shape_of[q] for q in questions}
        if not self.curves.ask_floors(first):
            self.curves.ask(first, "scheduling")

    def out_of_time(self) -> bool:
        """Whether the searches of layers have taken what they may."""
        return self.time_limit is not None and self.curves.crew.cpu_s > self.time_limit

    def floor(self, w: Weights) -> float:
        """What no schedule undercuts, by the floors of layers alone."""
        edges = [e for at in self.moves.edges for e in at]
        while True:
            found = self._shortest(edges, self._values(edges, w, self._floor))
            if found is None:
                return math.inf
            asked = [q for e in found[0] for q, _ in e.asked]
            self._asked |= {self.moves.shape_of[q] for q in asked}
            if not self.curves.ask_floors([self.moves.questions[q] for q in asked]):
                return found[1]

    # -- paths --------------------------------------------------------------------------------------------------------

    def _values(self, edges: Iterable[Edge], w: Weights, of: Value) -> list[float]:
        known: dict[int, float] = {}
        out = []
        for e in edges:
            total = w.of(e.fixed)
            for q, times in e.asked:
                if q not in known:
                    known[q] = of(q, w)
                total += times * known[q]
            out.append(total)
        return out

    def _ahead(self, edges: Sequence[Edge], values: Sequence[float]) -> dict[tuple[int, State], float]:
        """The least cost from the beginning to each state. Edges come in order of their start."""
        cost: dict[tuple[int, State], float] = {(0, ()): 0.0}
        for e, v in zip(edges, values, strict=True):
            at = cost.get((e.start, e.before))
            if at is not None and at + v < cost.get((e.end, e.after), math.inf):
                cost[e.end, e.after] = at + v
        return cost

    def _behind(self, edges: Sequence[Edge], values: Sequence[float]) -> dict[tuple[int, State], float]:
        """The least cost from each state to the end."""
        cost: dict[tuple[int, State], float] = {(len(self.moves.graph.jobs), ()): 0.0}
        for e, v in zip(reversed(edges), reversed(values), strict=True):
            to = cost.get((e.end, e.after))
            if to is not None and to + v < cost.get((e.start, e.before), math.inf):
                cost[e.start, e.before] = to + v
        return cost

    def _shortest(self, edges: Sequence[Edge], values: Sequence[float]) -> tuple[list[Edge], float] | None:
        behind = self._behind(edges, values)
        total = behind.get((0, ()), math.inf)
        if total == math.inf:
            return None
        path: list[Edge] = []
        at: tuple[int, State] = (0, ())
        for e, v in zip(edges, values, strict=True):
            to = behind.get((e.end, e.after), math.inf)
            if (e.start, e.before) == at and v + to <= behind[at] * (1 + 1e-15):
                path.append(e)
                at = (e.end, e.after)
        return path, total

    def _place(self, edges: Sequence[Edge], w: Weights) -> Place:
        energy = cycles = 0.0
        for e in edges:
            energy, cycles = energy + e.fixed[0], cycles + e.fixed[1]
            for q, times in e.asked:
                known = self.curves.found(self.moves.questions[q])
                assert known is not None
                cost = min((c for _, c in known.points.points), key=w.order)
                energy, cycles = energy + times * cost.energy_pj, cycles + times * cost.cycles
        return energy, cycles

    # -- values of layer problems -------------------------------------------------------------------------------------

    def _high(self, qid: int, w: Weights) -> float:
        """The least weighted cost found of a layer problem; infinite where it was not asked."""
        if self.moves.shape_of[qid] not in self._asked and not self.curves.looks:
            return math.inf
        known = self.curves.found(self.moves.questions[qid])
        return math.inf if known is None else least(known, w)

    def _floor(self, qid: int, w: Weights) -> float:
        q = self.moves.questions[qid]
        if qid not in self._quick:
            self._quick[qid] = self.curves.compulsory(q)
        quick = w.of(self._quick[qid])
        if self.moves.shape_of[qid] not in self._asked:
            return quick
        return max(w.of(self.curves.floors.get(q.key, (0.0, 0.0))), quick)

    def _low(self, qid: int, w: Weights) -> float:
        """What a layer problem costs at least."""
        if self.moves.shape_of[qid] not in self._asked:
            return self._floor(qid, w)
        q = self.moves.questions[qid]
        known = self.curves.find(q)
        if known is not None:
            return low(known, w)
        bounds = [self._floor(qid, w), *(low(k, w) for k in self.curves.above(q))]
        if q.homes and self._may_compare(q):
            for fewer in itertools.chain.from_iterable(itertools.combinations(q.homes, n) for n in range(len(q.homes))):
                more = [h for h in q.homes if h not in fewer]
                room = q.room + sum(self._bits(q, t) for t, _ in more)
                copies = sum(w.of(self._copy(q, t)) for t, _ in more)
                bounds += [low(k, w) - copies for k in self.curves.above(Question(q.layer, fewer, room))]
        return max(bounds)

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

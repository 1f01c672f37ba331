"""The best schedule of a whole network on a chip, with a certificate; and what a schedule that is given costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from picojoule.ask import FUSE, SINGLE_BEST, Progress
from picojoule.errors import NoMapping, SpecError, unknown_name
from picojoule.hardware.chip import Chip, Memory
from picojoule.schedule.jobs import JobGraph
from picojoule.schedule.program import Schedule
from picojoule.schedule.residence import Event, Moved, Ran, homes, trace
from picojoule.search.cache import Cache
from picojoule.search.crew import Crew
from picojoule.search.gaps import gap as gap_of
from picojoule.search.optimal import NAMED, borders, simplified
from picojoule.search.placement import keeps_weights
from picojoule.search.schedules.moves import Edge, Moves
from picojoule.search.schedules.path import Path, PathSearch, Weights
from picojoule.search.schedules.pricing import Known, LayerCurves, Place, copied, passing, question, with_room
from picojoule.search.schedules.result import Happening, ScheduledNetwork
from picojoule.search.schedules.tangents import Tangent, least_product
from picojoule.workload.bits import AtOwnWidth
from picojoule.workload.network import Network

WIDEST = 16.0  # times the first slope, and a part of it: where slopes of the product are looked for
BORDERS = (
    "the operators run in the order of the network",
    "one memory on chip is a home, and tensors are there whole or not at all",
    "room is counted in bits, not in addresses",
    "nothing overlaps between items of the schedule",
    "every run of a job has one mapping, which is the best of the space of the mapper",
)


def schedule_network(
    network: Network,
    chip: Chip,
    objective: str = "edp",
    *,
    fuse: str = "keep",
    jobs: int | None = None,
    cache: bool = True,
    time_limit: float | None = None,
    space: str = "default",
    fold: bool = True,
    progress: Progress | None = None,
) -> ScheduledNetwork:
    """The schedule of least energy (pJ), latency (cycles) or energy-delay product of the whole network, operators included.

    `fuse`: "keep" lets tensors stay on chip between jobs. `time_limit`: CPU seconds, after which the best so far comes back with
    its gap; the rest as in `map_network`. Raises SpecError where the network does not say which tensors its layers share, or the
    chip's weights stay in arrays; NoMapping where a layer fits nowhere.
    """
    _check(objective, fuse, space)
    chip.check_priced()
    graph = JobGraph(AtOwnWidth(chip.compute.bits)(network), simplified(chip, NAMED[space]), fold)
    _check_chip(graph)
    with Crew(jobs, 64, Cache(cache), progress) as crew:
        tries = [_Search(graph, memory, objective, space, crew, time_limit, fuse) for memory in (homes(graph.chip) or (None,))]
        first = tries[0].alone()
        answers = [t.best(first) for t in tries]
        value = min(a.value for a in answers)
        chosen = next(i for i, a in enumerate(answers) if a.value == value)
        bound = min(a.bound for a in answers)
        return tries[chosen].result(answers[chosen], bound, first.path.place, sum(t.curves.asked for t in tries))


def evaluate_schedule(
    network: Network,
    chip: Chip,
    schedule: Schedule,
    objective: str = "edp",
    *,
    jobs: int | None = None,
    cache: bool = True,
    space: str = "default",
    fold: bool = True,
    where: str = "schedule",
    progress: Progress | None = None,
) -> ScheduledNetwork:
    """What a schedule costs on a chip, each of its layers at the mapping that serves the objective best.

    Raises SpecError, located in `where`, for what is wrong in it, and NoMapping where a layer has too little room.
    """
    _check(objective, "keep", space)
    chip.check_priced()
    graph = JobGraph(AtOwnWidth(chip.compute.bits)(network), simplified(chip, NAMED[space]), fold)
    _check_chip(graph)
    events = trace(graph, schedule, where)
    memory = next((m for m in homes(graph.chip) if m.name in _named(schedule)), None)
    with Crew(jobs, 64, Cache(cache), progress) as crew:
        search = _Search(graph, memory, objective, space, crew, None, given=events)
        answer = search.best(None)
        return replace(search.result(answer, answer.bound, None, search.curves.asked), schedule=schedule)


def _named(schedule: Schedule) -> set[str]:
    from picojoule.schedule.residence import named_homes

    return set(named_homes(schedule.items))


def _check(objective: str, fuse: str, space: str) -> None:
    if objective not in SINGLE_BEST:
        raise unknown_name("objective of a schedule", objective, SINGLE_BEST)
    if fuse not in FUSE[1:]:
        raise unknown_name("kind of fusion", fuse, FUSE[1:])
    if space not in NAMED:
        raise unknown_name("space", space, NAMED)


def _check_chip(graph: JobGraph) -> None:
    if not graph.network.layers:
        raise SpecError(f"network {graph.network.name!r} has no layer of multiply-accumulates", hint="see pj profile")
    if any(keeps_weights(s.layer, graph.chip) for s in graph.network.layers):
        raise SpecError(
            f"the weights stay in the arrays of {graph.chip.name}, and schedules of such chips are not priced",
            hint="map it layer by layer: --fuse none",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    path: Path
    value: float
    bound: float
    weights: Weights
    curves: LayerCurves
    lines: tuple[Tangent, ...] = ()


class _Search:
    """Schedules of one graph with one memory as the home."""

    def __init__(
        self,
        graph: JobGraph,
        memory: Memory | None,
        objective: str,
        space: str,
        crew: Crew,
        time_limit: float | None,
        fuse: str = "keep",
        given: Sequence[Event] = (),
    ) -> None:
        self.graph, self.memory, self.objective, self.space, self.crew = graph, memory, objective, space, crew
        self.time_limit, self.given = time_limit, given
        self.moves = Moves(graph, memory, loops=fuse == "loops")
        if given:
            self.moves.edges = [[_whole(self.moves, given)], *([] for _ in graph.jobs[1:])]
        else:
            self.moves.build()
        self.curves = LayerCurves(
            graph.chip, memory, "hull" if objective == "edp" else objective, space, crew, time_limit=time_limit
        )

    def floors(self, paths: PathSearch) -> Place:
        """pJ and cycles that no schedule undercuts."""
        return paths.floor(Weights(1.0, 0.0)), paths.floor(Weights(0.0, 1.0))

    def alone(self) -> _Answer:
        """The best layer by layer: every tensor begins and ends outside."""
        first = self._first()
        curves = replace(self.curves, memory=None, known={}, floors={}, looks=dict(self.curves.looks))
        return self._solve(Moves(self.graph, None).build(), curves, first)

    def _first(self) -> Place:
        """pJ and cycles of quick answers, layer by layer."""
        steps = self.graph.network.layers
        distinct = list({s.layer.shape_key: s.layer for s in steps}.values())
        limit = None if self.time_limit is None else self.time_limit / (2 * len(distinct))
        looks = self.crew.first_looks(distinct, self.graph.chip, self.space, limit)
        for layer, points in zip(distinct, looks, strict=True):
            self.curves.look(layer, points)
        known = {x.shape_key: p.points[0][1] for x, p in zip(distinct, looks, strict=True)}
        costs = [(known[s.layer.shape_key], s.count) for s in steps]
        return sum(n * c.energy_pj for c, n in costs), sum(n * c.cycles for c, n in costs)

    def best(self, alone: _Answer | None) -> _Answer:
        """The best schedule; `alone`: the best layer by layer, if known."""
        if alone is not None:
            for key, answers in alone.curves.known.items():  # holds here too, with all of the room
                self.curves.known[key] = [Known(self.moves.room, self.moves.room, a.points) for a in answers]
            self.curves.slopes = alone.curves.slopes
        return self._solve(self.moves, self.curves, alone.path.place if alone else self._first())

    def _solve(self, moves: Moves, curves: LayerCurves, first: Place) -> _Answer:
        paths = PathSearch(moves, curves, self.time_limit)
        if self.objective == "edp":
            return self._least_product(paths, first)
        w = Weights(1.0, 0.0) if self.objective == "energy" else Weights(0.0, 1.0)
        path, bound = self._one(paths, w)
        return _Answer(path=path, value=path.value, bound=bound, weights=w, curves=curves)

    def _least_product(self, paths: PathSearch, first: Place) -> _Answer:
        """Slopes from a range around the first answer's, as wide as floors ask for, and wider until the bound is reached."""
        guess, floors = first[0] / first[1], self.floors(paths)
        width = max(1.3, *(1.1 * (2 * x / max(f, 1e-9 * x) - 1) for x, f in zip(first, floors, strict=True)))
        width = min(width, WIDEST)
        while True:
            slopes = (guess / width, guess * width)
            if not (paths.curves.slopes[0] <= slopes[0] and slopes[1] <= paths.curves.slopes[1]):
                paths.curves.slopes = slopes
                paths.curves.known.clear()  # hulls of fewer slopes
            found: dict[float, Path] = {}

            def ask(slope: float, found: dict[float, Path] = found) -> Tangent:
                path, bound = self._one(paths, Weights(1.0, slope))
                found[slope] = path
                return Tangent(slope, path.place, bound)

            t = least_product(ask, guess, paths.curves.slopes, floors)
            done = gap_of(t.value, t.bound) == 0.0 or width >= 1e4 or paths.out_of_time()
            if done:
                break
            width *= 4
        slope = t.lines[t.best].slope
        return _Answer(
            path=found[slope], value=t.value, bound=t.bound, weights=Weights(1.0, slope), curves=paths.curves, lines=t.lines
        )

    def _one(self, paths: PathSearch, w: Weights) -> tuple[Path, float]:
        path = paths.best(w)
        if path is None:
            raise NoMapping(
                f"no schedule of {self.graph.network.name} fits {self.graph.chip.name}",
                hint="enlarge a memory, or allow bypass (may_keep)",
            )
        return path, path.bound

    # -- what comes back ----------------------------------------------------------------------------------------------

    def result(self, answer: _Answer, bound: float, alone: Place | None, searches: int) -> ScheduledNetwork:
        """The schedule, priced item by item from its own text."""
        schedule = Schedule(tuple(i for e in answer.path.edges for i in e.items))
        events = self.given or trace(self.graph, schedule)
        happenings = tuple(self._happening(e, answer.weights) for e in events)
        scheduled = ScheduledNetwork(
            graph=self.graph,
            objective=self.objective,
            schedule=schedule,
            memory=self.memory.name if self.memory else "",
            happenings=happenings,
            alone=alone,
            proved=False,
            gap=math.inf,
            search_cpu_s=self.crew.cpu_s,
            compile_cpu_s=self.crew.compile_cpu_s,
            searches=searches,
        )
        if abs(scheduled.value - answer.value) > 1e-6 * answer.value:
            raise AssertionError(f"the schedule costs {scheduled.value}, and the search thought {answer.value}")
        gap = gap_of(scheduled.value, bound)
        proved = gap == 0.0 and not self.moves.cut_short
        return replace(scheduled, proved=proved, gap=gap, certificate=self._certificate(scheduled, answer, bound, proved, gap))

    def _happening(self, event: Event, w: Weights) -> Happening:
        if isinstance(event, Moved):
            assert self.memory is not None
            cost = copied(self.graph, self.memory, event)
            return Happening(event=event, mapping=None, costs=((event.tensor, cost, event.times),))
        chip = self.graph.chip
        if self.memory is not None and self.memory.usable_bits() is not None:
            chip = with_room(chip, self.memory.name, self.moves.room - event.held_bits)
        parts = passing(self.graph, self.memory, event, chip)
        done = event.job.passing if event.finished else ()
        costs = [(p.step.layer.name, x.cost, p.step.count * event.times) for p, x in zip(done, parts, strict=True)]
        q = question(self.graph, self.memory, event)
        if q is None:
            return Happening(event=event, mapping=None, costs=tuple(costs), passing=parts)
        known = self.curves.found(q)
        assert known is not None
        mapping, cost = min(known.points.points, key=lambda p: w.order(p[1]))
        own = (event.ops[0].name, cost, event.job.count * event.times)
        return Happening(event=event, mapping=mapping, costs=(own, *costs), passing=parts, proved=known.points.proved)

    def _certificate(
        self, scheduled: ScheduledNetwork, answer: _Answer, bound: float, proved: bool, gap: float
    ) -> dict[str, Any]:
        value = scheduled.value
        return {
            "objective": self.objective,
            "space": self.space,
            "fuse": "given" if self.given else "loops" if self.moves.loops else "keep",
            "schedule": str(scheduled.schedule),
            "home": scheduled.memory,
            "proved": proved,
            "gap": gap,
            "energy_pj": scheduled.energy_pj,
            "cycles": scheduled.cycles,
            "value": value,
            "lower_bound": value if proved else bound,
            "slopes_pj_per_cycle": [[t.slope, t.least] for t in answer.lines],
            "schedules_seen": sum(map(len, self.moves.edges)),
            "layers_searched": scheduled.searches,
            "borders": [*BORDERS, *borders()[:2], borders()[3]],
        }


def _whole(moves: Moves, events: Sequence[Event]) -> Edge:
    """A schedule that is given, as the one edge from its beginning to its end."""
    energy = cycles = 0.0
    asked: list[tuple[int, int]] = []
    for event in events:
        if isinstance(event, Ran):
            (pj, n), questions = moves.priced(event)
            asked += questions
        else:
            assert moves.memory is not None
            cost = copied(moves.graph, moves.memory, event)
            pj, n = event.times * cost.energy_pj, event.times * cost.cycles
        energy, cycles = energy + pj, cycles + n
    return Edge(start=0, end=len(moves.graph.jobs), before=(), after=(), items=(), fixed=(energy, cycles), asked=tuple(asked))

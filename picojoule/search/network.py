"""A whole network on a chip: equal layers once, layers in parallel, and network objectives solved exactly."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod
from multiprocessing import get_context
from typing import Any

import numpy as np

from picojoule.ask import COUNTED, OBJECTIVES, Progress
from picojoule.cost.cost import Cost
from picojoule.cost.model import evaluate
from picojoule.cost.operators import network_operators
from picojoule.errors import MappingError, NoMapping, SpecError, unknown_name
from picojoule.hardware.chip import Chip
from picojoule.mapping.mapping import Mapping, check
from picojoule.search.cache import Cache
from picojoule.search.exact import engine
from picojoule.search.exact.bounds import Bounds
from picojoule.search.exact.goals import Found, goal
from picojoule.search.exact.lattice import outermost_tiles
from picojoule.search.exact.records import GoalKind
from picojoule.search.gaps import Line, product_bound
from picojoule.search.gaps import gap as gap_of
from picojoule.search.hull import Choice, Point, least_edp, least_energy_within, lower_hull, sum_front
from picojoule.search.optimal import NAMED, Answer, LayerProblem, best_mapping, certificate, inexact, reached, simplified, solve
from picojoule.search.placement import keeps_weights, place
from picojoule.search.result import FrontPoint, LayerResult, NetworkLayer, NetworkResult
from picojoule.search.siblings import elders
from picojoule.workload.bits import AtOwnWidth
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network

GLANCE_S = 10.0  # CPU seconds that a first look at a layer may take
WORTH = 1.5  # times the time of the first try that a second one has to have


@dataclass(frozen=True)
class Points:
    """Mappings of one layer with their costs: a whole front, a hull within a range of slopes, or a single best.

    `bound`: nothing in the space has less of the objective (of a front: energy); `lines`: the same of energy + slope x cycles,
    for the slopes of a hull.
    """

    points: tuple[tuple[Mapping, Cost], ...]
    proved: bool
    gap: float
    bound: float
    certificate: dict[str, Any]
    search_cpu_s: float
    floor_pj: float = 0.0
    floor_cycles: float = 0.0
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Task:
    """One layer to search. `kind`: an objective of `best_mapping`, "glance" (quick, unproved) or "hull" (slopes)."""

    layer: Layer
    chip: Chip
    kind: str
    space: str
    time_limit: float | None = None
    slopes: tuple[float, float] = (0.0, 0.0)  # (flat, steep) in pJ per cycle
    seeds: tuple[Mapping, ...] = ()
    homes: tuple[tuple[str, str], ...] = ()  # (tensor, on-chip memory) where one starts or ends; see `Mapping.homes`


def map_network(
    network: Network,
    chip: Chip,
    objective: str = "edp",
    *,
    latency_s: float | None = None,
    jobs: int | None = None,
    cache: bool = True,
    time_limit: float | None = None,
    space: str = "default",
    operators: str = "all",
    fold: bool = True,
    progress: Progress | None = None,
) -> NetworkResult:
    """Map every MAC layer of a network, and price every other operator. A network that states no widths has those of the chip's
    MACs. Objectives: "energy" (pJ), "latency" (cycles), "edp"
    ((sum E) x (sum L)), "front" (energy against latency), or "energy" with `latency_s` (least energy within a latency).

    `jobs` processes (default: all cores); `time_limit` CPU seconds for the whole network: even shares, and what
    quick layers leave of theirs goes to those still open;
    `cache` keeps proved answers on disk. `operators`: "all", or "macs" to leave those without MACs out of totals and
    objectives; `fold`: a batch norm directly after a layer with weights folds into it, at no cost. Raises NoMapping where a
    layer does not fit, SpecError for an empty network.
    """
    if objective not in OBJECTIVES:
        raise unknown_name("objective", objective, OBJECTIVES)
    if latency_s is not None and objective != "energy":
        raise SpecError(
            f"a latency limit goes with the objective energy, not {objective}", hint="use --objective energy --latency ..."
        )
    if not network.layers:
        raise SpecError(f"network {network.name!r} has no layer of multiply-accumulates", hint="nothing to map; see pj profile")
    if space not in NAMED:
        raise unknown_name("space", space, NAMED)
    if operators not in COUNTED:
        raise unknown_name("choice of operators", operators, COUNTED)
    chip.check_priced()
    network, chip = AtOwnWidth(chip.compute.bits)(network), simplified(chip, NAMED[space])
    shapes = _shapes(network)
    others = network_operators(network, chip, fold=fold) if operators == "all" else ()
    fixed = (sum(x.energy_pj for x in others), sum(x.cycles for x in others))
    with _Crew(jobs, len(shapes), Cache(cache), progress) as crew:
        limit = None if time_limit is None else time_limit / len(shapes)
        if objective == "edp":
            picked, extra = _network_edp(crew, shapes, chip, space, limit, fixed)
        elif objective == "front" or latency_s is not None:
            picked, extra = _network_front(crew, shapes, chip, space, limit, latency_s, fixed)
        else:
            glances = crew.first_looks(shapes, chip, space, limit)
            answers = crew.run(
                [Task(s.layer, chip, objective, space, _rest(limit, g)) for s, g in zip(shapes, glances, strict=True)],
                f"mapping for {objective}",
                glances,
            )
            picked, extra = [(a, 0) for a in answers], {}
        layers = tuple(_network_layer(s, chip, objective, a, i) for s, (a, i) in zip(shapes, picked, strict=True))
        bound = _bound(objective, latency_s is not None, shapes, [a for a, _ in picked], fixed, extra)
        if crew.stopped:
            extra["interrupted"] = True
        if others:
            extra["operators"] = {"energy_pj": fixed[0], "cycles": fixed[1], "inside": "totals and objective"}
        proved = all(a.proved for a, _ in picked) and extra.get("proved", True)
        energy, cycles = (
            sum((getattr(x.result.cost, f) * x.count for x in layers), o)
            for f, o in zip(("energy_pj", "cycles"), fixed, strict=True)
        )
        value = {"energy": energy, "latency": cycles}.get(objective, energy * cycles)
        gap = 0.0 if proved else gap_of(value, bound)
        claim = {"proved": proved, "gap": gap, "value": value, "lower_bound": value if proved else bound}
        cert = {"objective": objective, "space": space, "layers": len(layers), **extra, **claim}
        return NetworkResult(
            network=network,
            chip=chip,
            objective=objective,
            layers=layers,
            proved=proved,
            gap=gap,
            search_cpu_s=crew.cpu_s,
            compile_cpu_s=crew.compile_cpu_s,
            certificate=cert,
            operators=others,
            counted=operators,
        )


def _bound(
    objective: str, limited: bool, shapes: Sequence[_Shape], answers: Sequence[Points], fixed: Point, extra: dict[str, Any]
) -> float:
    """A lower bound of the network's objective from those of its layers; `fixed` is what other operators add to both sums."""
    pairs = list(zip(shapes, answers, strict=True))
    bounds = sum(s.count * a.bound for s, a in pairs)
    if objective == "energy":  # within a latency too: fronts are bounded in energy
        return fixed[0] + bounds
    if objective == "latency":
        return fixed[1] + bounds
    if objective == "front":
        return 0.0  # a whole front has no single value that bounds it
    if not all(a.lines for a in answers):  # placed, or not exact: what is known of a layer are its floors
        return float(extra["floor_pj"] * extra["floor_cycles"])
    sums = [(a, sum(s.count * x.lines[i][1] for s, x in pairs)) for i, (a, _) in enumerate(answers[0].lines)]
    return product_bound([(a, fixed[0] + a * fixed[1] + x) for a, x in sums], extra["floor_pj"], extra["floor_cycles"])


@dataclass(frozen=True)
class _Shape:
    layer: Layer
    names: tuple[str, ...]
    count: int


def _shapes(network: Network) -> list[_Shape]:
    """Distinct layers in order of first occurrence, with the names and number of their occurrences."""
    found: dict[Any, _Shape] = {}
    for step in network.layers:
        layer = step.layer
        old = found.get(layer.shape_key)
        names = (*old.names, layer.name) if old else (layer.name,)
        found[layer.shape_key] = _Shape(old.layer if old else layer, names, (old.count if old else 0) + step.count)
    return list(found.values())


def _network_layer(shape: _Shape, chip: Chip, objective: str, answer: Points, pick: int) -> NetworkLayer:
    mapping, cost = answer.points[pick]
    cert = {**answer.certificate, "mapping": str(mapping), "energy_pj": cost.energy_pj, "cycles": cost.cycles}
    front = tuple(FrontPoint(c.energy_pj, c.cycles, m) for m, c in answer.points)
    own, cpu_s = chip.at(shape.layer), answer.search_cpu_s
    result = LayerResult(
        layer=shape.layer,
        chip=own,
        objective=objective,
        mapping=mapping,
        cost=cost,
        proved=answer.proved,
        gap=answer.gap,
        certificate=cert,
        search_cpu_s=cpu_s,
        front=front,
    )
    return NetworkLayer(shape.names, shape.count, result)


# ---- network objectives -----------------------------------------------------------------------------------------
def _network_edp(
    crew: _Crew, shapes: list[_Shape], chip: Chip, space: str, limit: float | None, fixed: Point
) -> tuple[list[tuple[Points, int]], dict[str, Any]]:
    """The exact optimum of (sum E)(sum L).

    `fixed` (pJ, cycles) of operators without MACs is inside both sums, as a layer with one point that nobody chooses. Every
    layer's hull is found for slopes in a range around the ratio E / L of a first answer. The optimum has slope
    E* / L*; it cannot lie outside the range once `_range_is_wide_enough` holds, else the range is widened.
    """
    counts = [s.count for s in shapes]
    glances = crew.first_looks(shapes, chip, space, limit)
    guess = least_edp([*_pairs(glances), [fixed]], [*counts, 1])
    floor_pj = float(sum((n * g.floor_pj for n, g in zip(counts, glances, strict=True)), fixed[0]))
    floor_cycles = float(sum((n * g.floor_cycles for n, g in zip(counts, glances, strict=True)), fixed[1]))
    width = max(
        1.3, 1.1 * (2 * guess.energy_pj / max(floor_pj, 1e-9 * guess.energy_pj) - 1), 1.1 * (2 * guess.cycles / floor_cycles - 1)
    )
    width = min(width, 16.0)
    while True:
        slopes = (guess.energy_pj / guess.cycles / width, guess.energy_pj / guess.cycles * width)
        seeds = [tuple(m for m, _ in g.points) for g in glances]
        tasks = [
            Task(s.layer, chip, "hull", space, _rest(limit, g), slopes, seed)
            for s, seed, g in zip(shapes, seeds, glances, strict=True)
        ]
        answers = crew.run(tasks, "mapping for edp", glances)
        best = least_edp([*_pairs(answers), [fixed]], [*counts, 1])
        wide = _range_is_wide_enough(best, answers, counts, slopes, floor_pj, floor_cycles, fixed)
        if wide or width >= 1e4 or crew.stopped or not all(a.proved for a in answers):
            break
        width *= 4
    extra = {
        "slope_pj_per_cycle": best.slope,
        "slopes": list(slopes),
        "proved": wide,
        "energy_pj": best.energy_pj,
        "cycles": best.cycles,
        "floor_pj": floor_pj,
        "floor_cycles": floor_cycles,
    }
    return list(zip(answers, best.picks[:-1], strict=True)), extra


def _range_is_wide_enough(
    best: Choice,
    answers: Sequence[Points],
    counts: Sequence[int],
    slopes: tuple[float, float],
    floor_pj: float,
    floor_cycles: float,
    fixed: Point,
) -> bool:
    """Whether no choice whose ratio E / L lies outside the slopes can have a smaller product.

    Below the range E < flat * L, and E + flat * L >= M gives L > M / (2 flat), so the product exceeds floor_E * M / (2 flat);
    above it E > steep * L gives E > M' / 2 and a product above floor_L * M' / 2.
    """
    value = best.energy_pj * best.cycles * (1 - 1e-9)
    least = [
        fixed[0]
        + s * fixed[1]
        + sum(n * min(c.energy_pj + s * c.cycles for _, c in a.points) for n, a in zip(counts, answers, strict=True))
        for s in slopes
    ]
    return bool(floor_pj * least[0] / (2 * slopes[0]) >= value and floor_cycles * least[1] / 2 >= value)


def _network_front(
    crew: _Crew, shapes: list[_Shape], chip: Chip, space: str, limit: float | None, latency_s: float | None, fixed: Point
) -> tuple[list[tuple[Points, int]], dict[str, Any]]:
    """Least energy within a latency, or the point of least EDP of the network's front (all copies of a layer alike)."""
    glances = crew.first_looks(shapes, chip, space, limit)
    answers = crew.run(
        [Task(s.layer, chip, "front", space, _rest(limit, g)) for s, g in zip(shapes, glances, strict=True)],
        "energy-latency fronts",
        glances,
    )
    counts = [s.count for s in shapes]
    if latency_s is None:
        try:
            front = sum_front([*_pairs(answers), [fixed]], [*counts, 1])
        except OverflowError as e:
            raise SpecError(str(e), hint="use --objective edp, or energy with --latency") from None
        best = min(front, key=lambda x: x.energy_pj * x.cycles)
        points = [{"energy_pj": x.energy_pj, "cycles": x.cycles, "picks": list(x.picks[:-1])} for x in front]
        return list(zip(answers, best.picks[:-1], strict=True)), {"front": points}
    cycles = latency_s * chip.clock_hz
    repeated = [[(n * e, n * c) for e, c in p] for p, n in zip(_pairs(answers), counts, strict=True)] + [[fixed]]
    choice = least_energy_within(repeated, [1] * len(repeated), cycles)
    if choice is None:
        fastest = sum(min(c for _, c in p) for p in repeated)
        raise NoMapping(
            f"no mapping within {latency_s:g} s: the fastest found takes {fastest / chip.clock_hz:g} s",
            hint="relax --latency, or choose a faster chip",
        )
    return list(zip(answers, choice.picks[:-1], strict=True)), {"latency_limit_cycles": cycles, "copies_alike": True}


def _pairs(answers: Sequence[Points]) -> list[list[tuple[float, float]]]:
    return [[(c.energy_pj, c.cycles) for _, c in a.points] for a in answers]


def _rest(limit: float | None, glance: Points) -> float | None:
    """CPU seconds that a layer has after its first look."""
    return None if limit is None else max(0.05 * limit, limit - glance.search_cpu_s)


# ---- one task, in a worker --------------------------------------------------------------------------------------
def work(task: Task) -> Points:
    """Search one layer as a task says. Runs in any process."""
    began = time.process_time()
    if keeps_weights(task.layer, task.chip) and not task.homes:
        p = place(task.layer, task.chip, task.kind if task.kind in OBJECTIVES else "edp")
        pj, cycles = p.certificate["floor_pj"], p.certificate["floor_cycles"]
        bound = p.certificate["lower_bound"]
        return Points(((p.mapping, p.cost),), False, p.gap, bound, p.certificate, p.cpu_s, pj, cycles)
    if task.kind in OBJECTIVES:
        homes = dict(task.homes)
        r = best_mapping(task.layer, task.chip, task.kind, space=task.space, time_limit=task.time_limit, homes=homes)
        points = (
            tuple((p.mapping, evaluate(task.layer, task.chip, p.mapping)) for p in r.front)
            if task.kind == "front"
            else ((r.mapping, r.cost),)
        )
        bound = r.certificate["lower_bound"]
        if task.kind == "front" and r.proved:  # in energy, as that of one whose search was stopped
            bound = min(c.energy_pj for _, c in points)
        return Points(points, r.proved, r.gap, bound, r.certificate, r.search_cpu_s)
    lp = LayerProblem(task.layer, task.chip, task.space, homes=task.homes)
    deadline = None if task.time_limit is None else began + task.time_limit
    if task.kind == "glance":
        return _glance(lp, task, began)
    return _hull(lp, task, began, deadline)


def _seeds(lp: LayerProblem, task: Task) -> list[tuple[Found, Cost]]:
    """The task's seeds with their costs; those that do not fit, since another layer has more zeros, are left out."""
    out = []
    for m in task.seeds:
        with suppress(MappingError):
            check(m, lp.layer, lp.chip)
            cost = lp.cost(m)
            out.append((Found(cost.energy_pj, cost.cycles, m), cost))
    return out


def _glance(lp: LayerProblem, task: Task, began: float) -> Points:
    """A quick answer, a seed's or the best of the smallest space, and floors of energy and cycles of any mapping."""
    deadline = began + min(GLANCE_S, (task.time_limit or np.inf) / 2)
    seeds = _seeds(lp, task)
    answer = (
        Answer(seeds[:1], -np.inf, engine.Counters(), ())
        if seeds
        else solve(lp, goal(GoalKind.EDP), deadline=deadline, steps=lp.steps()[:1])
    )
    if not answer.points and task.time_limit is None:
        answer = solve(lp, goal(GoalKind.EDP))
    if not answer.points:
        raise NoMapping(
            f"no mapping of layer {lp.layer.name!r} on {lp.chip.name!r}", hint="enlarge a memory, or allow bypass (may_keep)"
        )
    floor_pj, floor_cycles = (0.0, 0.0) if inexact(lp) else _floors(lp)  # else prices of the search bound no true ones
    points = tuple((f.mapping, c) for f, c in answer.points)
    mapping, cost = points[0]
    value, bound = cost.energy_pj * cost.cycles, floor_pj * floor_cycles
    cert = certificate(lp, "edp", mapping, cost, answer, False, value, bound)
    cpu_s = time.process_time() - began
    return Points(points, False, gap_of(value, bound), bound, cert, cpu_s, floor_pj, floor_cycles)


def _hull(lp: LayerProblem, task: Task, began: float, deadline: float | None) -> Points:
    """The vertices of the layer's hull between the slopes, and what nothing undercuts at the flat, the mean and the steep one.

    What the search did not find costs at least what the hull of its thoughts says at every slope; what it left open, at the mean.
    """
    seeds = _seeds(lp, task)
    flat, steep = task.slopes
    steps = lp.steps()
    answer = solve(lp, goal(GoalKind.HULL, slope=steep, flat=flat), seeds, deadline, steps[1:] or steps)
    pairs = [(c.energy_pj, c.cycles) for _, c in answer.points]
    points = tuple((answer.points[i][0].mapping, answer.points[i][1]) for i in lower_hull(pairs))
    claimed = reached(lp, answer)
    stopped = answer.progress.unopened_bound < np.inf
    proved = not stopped and claimed and not inexact(lp)
    lines = () if inexact(lp) else _lines(answer, points, flat, steep, claimed)
    if stopped and (deadline is None or time.process_time() < deadline):
        points, lines = _one_slope_at_a_time(lp, answer, lines, deadline)
    mapping, cost = points[0]
    value = cost.energy_pj * cost.cycles
    bound = value if proved else product_bound(lines, *_floors(lp)) if lines else 0.0
    cert = certificate(lp, "edp", mapping, cost, answer, proved, value, bound)
    cert["slopes_pj_per_cycle"] = [flat, steep]
    cert["hull"] = [{"energy_pj": c.energy_pj, "cycles": c.cycles, "mapping": str(m)} for m, c in points]
    if not proved:
        cert["lines"] = [list(x) for x in lines]
    return Points(points, proved, gap_of(value, bound), bound, cert, time.process_time() - began, lines=lines)


def _one_slope_at_a_time(
    lp: LayerProblem, answer: Answer, lines: tuple[Line, ...], deadline: float | None
) -> tuple[tuple[tuple[Mapping, Cost], ...], tuple[Line, ...]]:
    """Points and lines where a whole hull has more labels than there is room for: least energy + slope x cycles, slope by slope,
    begins from all that is known and keeps far fewer. What it proves is the line at that slope."""
    found, known = list(answer.points), dict(lines)
    for slope in known or {1.0: 0.0}:
        one = solve(lp, goal(GoalKind.WEIGHTED, slope=slope), found, deadline)
        found += [x for x in one.points if x not in found]
        if slope in known and reached(lp, one):
            known[slope] = max(known[slope], min(one.bound, one.progress.unopened_bound))
    pairs = [(c.energy_pj, c.cycles) for _, c in found]
    return tuple((found[i][0].mapping, found[i][1]) for i in lower_hull(pairs)), tuple(known.items())


def _lines(answer: Answer, points: Sequence[tuple[Mapping, Cost]], flat: float, steep: float, claimed: bool) -> tuple[Line, ...]:
    """(slope, what energy + slope x cycles is at least) at the flat, the mean and the steep slope of a hull."""
    known = [(c.energy_pj, c.cycles) for _, c in points] + ([] if claimed else [(f.energy_pj, f.cycles) for f, _ in answer.seen])
    mean, left = (flat + steep) / 2, max(0.0, answer.progress.unopened_bound)
    shares = ((flat, flat / mean), (mean, 1.0), (steep, 1.0))  # E + s L >= min(1, s / mean) (E + mean L)
    return tuple((s, min([left * x, *(e + s * c for e, c in known)])) for s, x in shares)


def _floors(lp: LayerProblem) -> tuple[float, float]:
    """(pJ, cycles) that no mapping undercuts."""
    tables = lp.tables(lp.steps()[-1][0])
    cycles, sparse = tables.least_cycles(), lp.problem(False).sparse
    macs = sparse.mac_pj() if sparse else 0.0  # where bounds of zeros promise more than all words cost, the MACs remain
    return float(max(Bounds(tables).floor(), macs) + lp.problem(False).leak_pj_per_cycle() * cycles), float(cycles)


def _size(layer: Layer) -> int:
    """Tiles of a layer's lattice: what its search takes grows with it."""
    return prod(len(outermost_tiles(n, True)) for _, n in layer.dims)


def _ignore_interrupts() -> None:
    """Workers leave an interrupt to the process that waits for them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Crew:
    """Runs tasks in worker processes (or here, when one job is enough), through the cache; counts CPU seconds."""

    def __init__(self, jobs: int | None, tasks: int, cache: Cache, progress: Progress | None) -> None:
        self.jobs = max(1, min(jobs or os.cpu_count() or 1, tasks))
        self.cache, self.progress = cache, progress
        self.cpu_s, self.compile_cpu_s = 0.0, 0.0
        self.pool: ProcessPoolExecutor | None = None
        self.stopped = False  # by an interrupt

    def __enter__(self) -> _Crew:
        return self

    def __exit__(self, *_: object) -> None:
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)

    def run(self, tasks: Sequence[Task], what: str, fallback: Sequence[Points] = ()) -> list[Points]:
        """Answers in the order of the tasks. An interrupt ends the run; what is not answered yet falls back to a first look,
        and later runs answer with their fallback at once. Without a fallback the interrupt goes on."""
        out: list[Points | None] = [self.cache.get(t) for t in tasks]
        todo = [i for i, a in enumerate(out) if a is None]
        todo.sort(key=lambda i: -_size(tasks[i].layer))  # the longest first
        self._tell(len(tasks) - len(todo), len(tasks), what)
        try:
            if todo and not self.stopped:
                if not all(keeps_weights(tasks[i].layer, tasks[i].chip) for i in todo):  # placements need no kernels
                    self._warm()
                self._answer(tasks, todo, out, what)
                self._spend_what_is_left(tasks, todo, out, what)
        except KeyboardInterrupt:
            if not fallback:
                raise
            self.stopped = True
            self._stop()
        return [fallback[i] if a is None else a for i, a in enumerate(out)]

    def _spend_what_is_left(self, tasks: Sequence[Task], todo: list[int], out: list[Points | None], what: str) -> None:
        """What quick layers left of their time goes to those that are still open, from where they stopped, shared evenly."""
        limits = [t.time_limit for i in todo if (t := tasks[i]).time_limit is not None]
        if len(limits) < len(todo) or tasks[todo[0]].kind == "glance":
            return
        left = sum(limits) - sum(a.search_cpu_s for i in todo if (a := out[i]) is not None)
        while still := [
            i for i in todo if (a := out[i]) is not None and not a.proved and not keeps_weights(tasks[i].layer, tasks[i].chip)
        ]:
            each = left / len(still)
            longer = [i for i in still if each > WORTH * (tasks[i].time_limit or 0.0)]
            if not longer:
                return
            again = [
                replace(tasks[i], time_limit=each, seeds=tuple(m for m, _ in a.points)) if (a := out[i]) else tasks[i]
                for i in longer
            ]
            found: list[Points | None] = [None] * len(again)
            self._answer(again, list(range(len(again))), found, what)
            for i, new in zip(longer, found, strict=True):
                old = out[i]
                if new is not None and old is not None:
                    left -= new.search_cpu_s
                    out[i] = new if new.gap <= old.gap else old
            if left <= 0.0 or len(longer) == len(still):
                return

    def first_looks(self, shapes: Sequence[_Shape], chip: Chip, space: str, limit: float | None) -> list[Points]:
        """A quick answer for each layer; one that differs from an earlier one in its zeros alone begins with that one's."""
        tasks = [Task(s.layer, chip, "glance", space, limit) for s in shapes]
        before = elders([s.layer for s in shapes])
        first = [i for i, e in enumerate(before) if e is None]
        found = dict(zip(first, self.run([tasks[i] for i in first], "first look"), strict=True))
        younger = {i: e for i, e in enumerate(before) if e is not None}
        seeded = [replace(tasks[i], seeds=tuple(m for m, _ in found[e].points)) for i, e in younger.items()]
        found.update(zip(younger, self.run(seeded, "first look") if seeded else (), strict=True))
        return [found[i] for i in range(len(tasks))]

    def _answer(self, tasks: Sequence[Task], todo: list[int], out: list[Points | None], what: str) -> None:
        done = len(tasks) - len(todo)
        if self.jobs == 1 or len(todo) == 1:
            results = ((i, work(tasks[i])) for i in todo)
        else:
            futures: dict[Future[Points], int] = {self._pool().submit(work, tasks[i]): i for i in todo}
            results = ((futures[f], f.result()) for f in as_completed(futures))
        for i, answer in results:
            out[i] = self._finish(tasks[i], answer)
            done += 1
            self._tell(done, len(tasks), what)

    def _stop(self) -> None:
        """End the workers at once: what they were doing is not waited for."""
        if self.pool is not None:
            for process in list((self.pool._processes or {}).values()):
                process.terminate()
            self.pool.shutdown(wait=False, cancel_futures=True)
            self.pool = None

    def _finish(self, task: Task, answer: Points) -> Points:
        self.cpu_s += answer.search_cpu_s
        self.cache.put(task, answer)
        return answer

    def _tell(self, done: int, of: int, what: str) -> None:
        if self.progress:
            self.progress(done, of, what)

    def _warm(self) -> None:
        """Load or compile the kernels once, before workers fork."""
        if self.compile_cpu_s == 0.0:
            from picojoule.search.warm import compile_kernels

            self.compile_cpu_s = compile_kernels(best_mapping)

    def _pool(self) -> ProcessPoolExecutor:
        if self.pool is None:
            method = "fork" if os.name == "posix" and os.uname().sysname == "Linux" else "spawn"
            self.pool = ProcessPoolExecutor(self.jobs, mp_context=get_context(method), initializer=_ignore_interrupts)
        return self.pool

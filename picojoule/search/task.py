"""One layer to search, as a value that any process can take, and what comes back: points, bounds, a certificate."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from picojoule.ask import OBJECTIVES
from picojoule.cost.cost import Cost
from picojoule.cost.model import evaluate
from picojoule.errors import MappingError, NoMapping
from picojoule.hardware.chip import Chip
from picojoule.mapping.mapping import Mapping, check
from picojoule.search.exact import engine
from picojoule.search.exact.bounds import Bounds
from picojoule.search.exact.goals import Found, goal
from picojoule.search.exact.records import GoalKind
from picojoule.search.gaps import Line, product_bound
from picojoule.search.gaps import gap as gap_of
from picojoule.search.hull import lower_hull
from picojoule.search.optimal import Answer, LayerProblem, best_mapping, certificate, inexact, reached, solve
from picojoule.search.placement import keeps_weights, place
from picojoule.workload.layer import Layer

GLANCE_S = 10.0  # CPU seconds that a first look at a layer may take


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
    """One layer to search. `kind`: an objective of `best_mapping`, "glance" (quick, unproved), "floor" (no mapping, but
    what none undercuts) or "hull" (slopes)."""

    layer: Layer
    chip: Chip
    kind: str
    space: str
    time_limit: float | None = None
    slopes: tuple[float, float] = (0.0, 0.0)  # (flat, steep) in pJ per cycle
    seeds: tuple[Mapping, ...] = ()
    homes: tuple[tuple[str, str], ...] = ()  # (tensor, on-chip memory) where one starts or ends; see `Mapping.homes`
    optional: bool = False  # where nothing fits the answer has no points; else that is an error


def work(task: Task) -> Points:
    """Search one layer as a task says. Runs in any process."""
    began = time.process_time()
    try:
        return _work(task, began)
    except NoMapping:
        if not task.optional:
            raise
        return Points((), True, 0.0, math.inf, {}, time.process_time() - began)


def _work(task: Task, began: float) -> Points:
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
    if task.kind == "floor":
        pj, cycles = (0.0, 0.0) if inexact(lp) else _floors(lp)
        return Points((), False, math.inf, 0.0, {}, time.process_time() - began, pj, cycles)
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
    if not answer.points:
        raise NoMapping(f"no mapping of layer {lp.layer.name!r} on {lp.chip.name!r}", hint="enlarge a memory")
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

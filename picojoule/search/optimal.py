"""The best mapping of a layer, with a certificate: effort in steps, ports only where they bind, and what was proved."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from picojoule.ask import OBJECTIVES
from picojoule.cost.cost import Cost
from picojoule.cost.model import evaluate
from picojoule.cost.sparsity import active
from picojoule.errors import NoMapping, SpecError, unknown_name
from picojoule.hardware.chip import Chip, Group, Memory, tensor_word_pj
from picojoule.mapping.mapping import Mapping, check_homes
from picojoule.search.exact.bounds import Bounds
from picojoule.search.exact.engine import Counters, LayerSearch, Options
from picojoule.search.exact.goals import TOLERANCE, Found, goal, hull_goal, stairs_goal
from picojoule.search.exact.lattice import outermost_tiles
from picojoule.search.exact.problem import PortKey, Problem
from picojoule.search.exact.records import ONE_BEST, Goal, GoalKind
from picojoule.search.exact.stages import StageTables
from picojoule.search.gaps import gap as gap_of
from picojoule.search.placement import keeps_weights, place
from picojoule.search.result import FrontPoint, LayerResult
from picojoule.search.warm import ensure_compiled
from picojoule.workload.layer import Layer

SEARCHED = ("default", "timeloop")  # accountings that the search prices by
GROWTH = (1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 100.0, np.inf)  # how far above the bound the first answer is looked for


@dataclass(frozen=True)
class Space:
    """What a search may use: `imperfect` ragged outermost loops, `runs` nodes kept in place by loops of the memory above,
    `slides` sliding windows, `bypass` memories that tensors may skip, `ports` finite bandwidths."""

    imperfect: bool = True
    runs: bool = True
    slides: bool = True
    bypass: bool = True
    ports: bool = True


NAMED = {
    "default": Space(),
    "perfect": Space(imperfect=False),
    "prototype": Space(imperfect=False, runs=False, slides=False, bypass=False, ports=False),
}


@dataclass
class Answer:
    """Mappings found with their true costs, and a bound below which nothing is."""

    points: list[tuple[Found, Cost]]
    bound: float  # in the goal's own value
    progress: Counters
    ports: tuple[PortKey, ...]
    seen: list[tuple[Found, Cost]] = field(default_factory=list)  # all that the last search found, with true costs


def simplified(chip: Chip, space: Space) -> Chip:
    """The chip as a space sees it: without bypass, memories keep whatever they may keep; without ports, none binds."""

    def simple(m: Memory) -> Memory:
        if not space.bypass:
            m = replace(m, keeps=tuple(dict.fromkeys(m.keeps + m.may_keep)), may_keep=())
        return m if space.ports else replace(m, ports=())

    levels = tuple(Group(tuple(map(simple, lv.memories))) if isinstance(lv, Group) else lv for lv in chip.levels)
    return replace(chip, levels=levels)


class LayerProblem:
    """One layer on one chip in one space, ready to be asked for several goals; lattices and tables are shared."""

    def __init__(
        self,
        layer: Layer,
        chip: Chip,
        space: str = "default",
        accounting: str = "default",
        homes: tuple[tuple[str, str], ...] = (),
    ) -> None:
        if space not in NAMED:
            raise unknown_name("space", space, NAMED)
        if accounting not in SEARCHED:
            raise SpecError(
                f"the search does not count by the accounting {accounting!r}", hint="evaluate a mapping with it instead"
            )
        self.layer, self.space, self.accounting, self.space_name = layer, NAMED[space], accounting, space
        self.chip = simplified(chip.at(layer), self.space)
        check_homes(homes, layer, self.chip, where="homes")
        self.homes = homes
        self._problems: dict[bool, Problem] = {}
        self._tables: dict[tuple[bool, tuple[PortKey, ...]], StageTables] = {}

    def problem(self, imperfect: bool) -> Problem:
        if imperfect not in self._problems:
            self._problems[imperfect] = Problem(
                self.layer, self.chip, imperfect=imperfect, accounting=self.accounting, homes=self.homes
            )
        return self._problems[imperfect]

    def tables(self, imperfect: bool, ports: tuple[PortKey, ...] = ()) -> StageTables:
        """The tables of a problem whose labels carry these ports."""
        if (imperfect, ports) not in self._tables:
            self._tables[imperfect, ports] = StageTables(self.problem(imperfect), ports)
        return self._tables[imperfect, ports]

    def coarse(self) -> Problem:
        """A problem of few tiles, for an answer at once."""
        return Problem(self.layer, self.chip, accounting=self.accounting, coarse=True, homes=self.homes)

    def steps(self) -> list[tuple[bool, Options]]:
        """Spaces from small to large; each begins with the best of the one before."""
        s = self.space
        poor = s.imperfect and any(n > 32 and len(outermost_tiles(n, False)) <= 4 for _, n in self.layer.dims)
        out = [(poor, Options(False, False))]
        if poor:  # whole tiles alone give no useful first answer
            return [*out, (True, Options(s.runs, s.slides))]
        if s.runs or s.slides:
            out.append((False, Options(s.runs, s.slides)))
        if s.imperfect and any(outermost_tiles(n, True) != outermost_tiles(n, False) for _, n in self.layer.dims):
            out.append((True, Options(s.runs, s.slides)))
        return out

    def cost(self, mapping: Mapping) -> Cost:
        return evaluate(self.layer, self.chip, mapping, self.accounting)

    def binding(self, cost: Cost, cycles: float) -> set[str]:
        """Causes that need more cycles than the search counted."""
        return {name for name, c in cost.cycles_by_cause if c > cycles * (1 + 1e-9)}


def value_of(g: Goal, energy: float, cycles: float) -> float:
    """What a goal minimises (energy includes leakage)."""
    if g.kind == GoalKind.EDP:
        return energy * cycles
    if g.kind == GoalKind.ENERGY_WITHIN:
        return energy if cycles <= g.limit else np.inf
    if g.kind == GoalKind.WEIGHTED:
        return energy + g.steep * cycles
    return energy


def solve(
    lp: LayerProblem,
    make: Goal,
    seeds: Sequence[tuple[Found, Cost]] = (),
    deadline: float | None = None,
    steps: list[tuple[bool, Options]] | None = None,
) -> Answer:
    """Everything that the goal wants, with true costs. Ports join the labels only when a mapping turns out to need them."""
    points = list(seeds)
    ports: tuple[PortKey, ...] = ()
    bound, progress = -np.inf, Counters()
    seen: list[tuple[Found, Cost]] = []
    steps = steps or (lp.steps() if not seeds else lp.steps()[-1:])
    for at, (imperfect, options) in enumerate(steps):
        options.deadline = deadline
        final = at == len(steps) - 1
        while True:
            answer = _step(lp, make, lp.tables(imperfect, ports), options, points)
            bound, progress, points, seen = answer.bound, answer.progress, answer.points, answer.seen
            more = _new_ports(lp, make, imperfect, answer, ports) if lp.space.ports and final else ()
            if not more or progress.unopened_bound < np.inf:
                break
            ports = (*ports, *more)
    if not points and progress.unopened_bound < np.inf:  # out of time without an answer
        points = _step(lp, make, StageTables(lp.coarse()), Options(False, False), ()).points
    return Answer(points, bound, progress, ports, seen)


def _seeded(make: Goal, points: Sequence[tuple[Found, Cost]]) -> Goal:
    """The goal with what is already known: true energies and cycles of the points."""
    pairs = [(c.energy_pj, c.cycles) for _, c in points]
    if make.kind == GoalKind.HULL:
        return hull_goal(make, pairs)
    if make.kind == GoalKind.FRONT:
        return stairs_goal(make, pairs)
    values = [value_of(make, e, c) for e, c in pairs]
    return make._replace(best=np.array([min([*values, float(make.best[0])])]))


def _step(lp: LayerProblem, make: Goal, tables: StageTables, options: Options, points: Sequence[tuple[Found, Cost]]) -> Answer:
    """One space: with a best known value at once, else by raising a guessed value until something is found."""
    least_cycles, leak = tables.least_cycles(), tables.problem.leak_pj_per_cycle()
    base = make._replace(least_cycles=least_cycles, base_cycles=least_cycles, leak=leak)
    guesses: tuple[float, ...] = (np.inf,)
    lower = 0.0
    if base.kind in ONE_BEST and not any(value_of(base, c.energy_pj, c.cycles) < np.inf for _, c in points):
        lower, guesses = max(Bounds(tables).least_value(base), 0.0), GROWTH
    for factor in guesses:
        search = LayerSearch(tables, options)
        g = _seeded(base, points)
        if np.isfinite(factor) and lower > 0.0:
            g = g._replace(best=np.array([min(float(g.best[0]), lower * factor)]))
        search.run(g)
        if search.found or search.progress.unopened_bound < np.inf:
            break
    new = [(f, lp.cost(f.mapping)) for f in search.found]
    found = _best_points(base, [*points, *new])
    best = min((value_of(base, c.energy_pj, c.cycles) for _, c in found), default=np.inf)
    claimed = min((value_of(base, f.energy_pj, f.cycles) for f in search.found), default=np.inf)
    bound = min(best, claimed, search.progress.unopened_bound)
    return Answer(found, bound, search.progress, tables.ports, new)


def _best_points(g: Goal, points: Sequence[tuple[Found, Cost]]) -> list[tuple[Found, Cost]]:
    """Keep what the goal needs: the best one, or for fronts and hulls everything undominated. Ties: the first."""
    if g.kind in ONE_BEST:
        return [min(points, key=lambda x: value_of(g, x[1].energy_pj, x[1].cycles))] if points else []
    out: list[tuple[Found, Cost]] = []
    for p in sorted(points, key=lambda x: (x[1].cycles, x[1].energy_pj)):
        if not out or p[1].energy_pj < out[-1][1].energy_pj * (1 - TOLERANCE):
            out.append(p)
    return out


def _new_ports(lp: LayerProblem, make: Goal, imperfect: bool, answer: Answer, ports: tuple[PortKey, ...]) -> tuple[PortKey, ...]:
    """All other ports, where some mapping needs one for longer than the search thought and that leaves the answer unproved.

    (All at once: one at a time takes as many searches as ports bind.)"""
    names: set[str] = set()
    for f, c in (*answer.points, *answer.seen):
        names |= lp.binding(c, f.cycles)
    if lp.problem(imperfect).sparse is not None and names <= {"compute"}:  # PEs wait for one another: no port's matter
        return ()
    known = tuple(p for p in lp.problem(imperfect).ports() if p not in ports)
    if make.kind in ONE_BEST:
        best = min((value_of(make, c.energy_pj, c.cycles) for _, c in answer.points), default=np.inf)
        return () if answer.bound >= best * (1 - 1e-9) else known
    return known if names else ()


def best_mapping(
    layer: Layer,
    chip: Chip,
    objective: str = "edp",
    *,
    space: str = "default",
    time_limit: float | None = None,
    accounting: str = "default",
    latency_cycles: float | None = None,
    seeds: Sequence[Mapping] = (),
    homes: dict[str, str] | None = None,
) -> LayerResult:
    """The mapping of least energy (pJ), latency (cycles) or energy-delay product, or the whole energy-latency front.

    `space`: "default" (ragged outermost loops, bypass, sliding windows, ports), "perfect" (no ragged loops) or
    "prototype" (optimal-mapper comparison space). `latency_cycles` bounds the latency (energy alone). With `time_limit` (CPU
    seconds) the best so far comes back with its gap. `seeds` are mappings to begin with (for energy alone). Raises NoMapping when
    nothing fits. CPU time excludes compilation. `homes`: tensor -> the on-chip memory in which it starts, or an output ends;
    all others start and end in the chip's outermost memory.
    Where the weights stay in compute-in-memory arrays, the mapping is one of the placements of `placement.py`.
    """
    if objective not in OBJECTIVES:
        raise unknown_name("objective", objective, OBJECTIVES)
    _check_limit(objective, latency_cycles)
    if keeps_weights(layer, chip) and latency_cycles is None and not homes:
        p = place(layer, chip, objective)
        one = (FrontPoint(p.cost.energy_pj, p.cost.cycles, p.mapping),)
        return LayerResult(
            layer=layer,
            chip=chip.at(layer),
            objective=objective,
            mapping=p.mapping,
            cost=p.cost,
            proved=False,
            gap=p.gap,
            certificate=p.certificate,
            search_cpu_s=p.cpu_s,
            front=one,
        )
    ensure_compiled(best_mapping)
    began = time.process_time()
    deadline = None if time_limit is None else began + time_limit
    order = [t.name for t in layer.tensors]
    at_home = tuple(sorted((homes or {}).items(), key=lambda x: order.index(x[0]) if x[0] in order else len(order)))
    lp = LayerProblem(layer, chip, space, accounting, at_home)
    answer = _answer(lp, objective, latency_cycles, deadline, seeds)
    if not answer.points:
        limit = "" if latency_cycles is None else f" within {latency_cycles:,.0f} cycles"
        raise NoMapping(f"no mapping of layer {layer.name!r} on {chip.name!r}{limit}", hint="enlarge a memory or relax the limit")
    found, cost = _chosen(objective, answer)
    front = tuple(FrontPoint(c.energy_pj, c.cycles, f.mapping) for f, c in answer.points)
    value = objective_value(objective, cost)
    proved, bound = proof(objective, value, answer, lp)
    cpu = time.process_time() - began
    return LayerResult(
        layer=layer,
        chip=lp.chip,
        objective=objective,
        mapping=found.mapping,
        cost=cost,
        proved=proved,
        gap=gap_of(value, bound),
        certificate=certificate(lp, objective, found.mapping, cost, answer, proved, value, bound)
        | ({} if latency_cycles is None else {"latency_cycles": latency_cycles}),
        search_cpu_s=cpu,
        front=front,
    )


def _check_limit(objective: str, latency_cycles: float | None) -> None:
    """Raise SpecError where a limit says nothing, or goes with an objective that would not look at it."""
    if latency_cycles is None:
        return
    if objective != "energy":
        raise SpecError(f"a latency limit goes with the objective energy, not {objective}", hint="use --objective energy")
    if not 0.0 < latency_cycles < math.inf:
        raise SpecError(f"a latency limit of {latency_cycles:g} cycles is none", hint="give cycles above 0, or None for no limit")


def _answer(
    lp: LayerProblem, objective: str, latency_cycles: float | None, deadline: float | None, seeds: Sequence[Mapping] = ()
) -> Answer:
    if seeds and objective == "energy" and latency_cycles is None:
        known = [(Found(c.energy_pj, c.cycles, m), c) for m in seeds for c in (lp.cost(m),)]
        return _cheapest(lp, np.inf, known, deadline)
    if objective == "edp":
        return solve(lp, goal(GoalKind.EDP), deadline=deadline)
    if objective == "front":
        return solve(lp, goal(GoalKind.FRONT), deadline=deadline)
    if objective == "latency":
        return _fastest(lp, deadline)
    return _cheapest(lp, np.inf if latency_cycles is None else latency_cycles, (), deadline)


def _fastest(lp: LayerProblem, deadline: float | None) -> Answer:
    """Least cycles first, then the least energy at so many.

    First energy + slope x cycles with a slope at which the energy of any mapping found weighs less than the tolerance of
    cycles; then, as a problem of its own, the least energy within those cycles: one slope for both would have to order
    mappings whose cycles differ by less than their energies weigh.
    """
    tables = lp.tables(lp.steps()[-1][0])
    least = tables.least_cycles()
    floor = Bounds(tables).floor() + lp.problem(False).leak_pj_per_cycle() * least
    slope = (floor if floor > 0.0 else _once_pj(lp)) / least * 1e12
    fast = solve(lp, goal(GoalKind.WEIGHTED, slope=slope), deadline=deadline)
    if not fast.points:
        return fast
    cycles = min(c.cycles for _, c in fast.points)
    bound = cycles if fast.progress.unopened_bound == np.inf else max(least, fast.bound / slope * (1 - 1e-9))
    cheap = solve(lp, goal(GoalKind.ENERGY_WITHIN, limit=cycles * (1 + 1e-10)), fast.points, deadline)
    points = sorted(cheap.points or fast.points, key=lambda x: x[1].energy_pj)[:1]
    return Answer(points, bound, fast.progress, fast.ports, fast.seen)


def _once_pj(lp: LayerProblem) -> float:
    """pJ of all MACs and of each tensor's words once at its home: the scale of energies where bounds say nothing (never 0)."""
    pr = lp.problem(False)
    words = zip(pr.tensors, pr.home, strict=True)
    moved = [
        lp.layer.elements(t) * tensor_word_pj(pr.memory(home, i), t, "write" if t.role == "output" else "read")
        for i, (t, home) in enumerate(words)
    ]
    return max(sum(moved) + lp.layer.macs * lp.chip.compute.energy_pj(lp.layer), 1e-9)


def _cheapest(lp: LayerProblem, limit: float, seeds: Sequence[tuple[Found, Cost]], deadline: float | None) -> Answer:
    """Least energy first, then the least cycles at that energy: ties go to the faster mapping.

    The second search adds to the energy cycles that together weigh 1e-9 of it at most; it keeps the first one's proof.
    """
    cheap = solve(lp, goal(GoalKind.ENERGY_WITHIN, limit=limit), seeds, deadline)
    if not cheap.points or cheap.progress.unopened_bound < np.inf:
        return cheap
    energy, cycles = cheap.points[0][1].energy_pj, cheap.points[0][1].cycles
    if cycles <= lp.tables(lp.steps()[-1][0]).least_cycles() * (1 + 1e-9):
        return cheap
    fast = solve(lp, goal(GoalKind.WEIGHTED, slope=1e-9 * energy / cycles), cheap.points, deadline)
    tied = [x for x in (*fast.points, *cheap.points) if x[1].energy_pj <= energy * (1 + 1e-9)]
    return replace(cheap, points=[min(tied, key=lambda x: x[1].cycles)])


def _chosen(objective: str, answer: Answer) -> tuple[Found, Cost]:
    key = {
        "edp": lambda c: c.energy_pj * c.cycles,
        "energy": lambda c: c.energy_pj,
        "latency": lambda c: (c.cycles, c.energy_pj),
        "front": lambda c: c.energy_pj * c.cycles,
    }[objective]
    return min(answer.points, key=lambda x: key(x[1]))


def objective_value(objective: str, cost: Cost) -> float:
    """The number that an objective minimises: pJ, cycles, or pJ x cycles."""
    return {"energy": cost.energy_pj, "latency": cost.cycles}.get(objective, cost.energy_pj * cost.cycles)


def proof(objective: str, value: float, answer: Answer, lp: LayerProblem) -> tuple[bool, float]:
    """(proved, lower bound of the objective). Unproved where time ran out, or where the chip or layer has something outside the
    search's exact rules: then nothing but 0 is known to bound it."""
    stopped = answer.progress.unopened_bound < np.inf
    if inexact(lp):
        return False, 0.0
    if not stopped and objective == "latency":
        bound = value if reached(lp, answer) else min((f.cycles for f, _ in answer.seen), default=value)
    elif not stopped and objective == "front":
        bound = value if reached(lp, answer) else 0.0
    else:
        bound = answer.bound if np.isfinite(answer.bound) else 0.0
    if gap_of(value, bound) == 0.0:
        return True, value
    return False, max(0.0, float(bound))


def reached(lp: LayerProblem, answer: Answer) -> bool:
    """Whether no mapping that the last search found was thought better than all true points: zeros are priced by a bound.

    Without zeros prices are exact, and what ports add is asked for before the search ends.
    """
    if lp.problem(False).sparse is None:
        return True
    true = [(c.energy_pj, c.cycles) for _, c in answer.points]
    return all(any(e <= f.energy_pj * (1 + 1e-9) and c <= f.cycles * (1 + 1e-9) for e, c in true) for f, _ in answer.seen)


def borders(homes: tuple[tuple[str, str], ...] = ()) -> list[str]:
    """What the space leaves out, in words."""
    kept = f", but for {', '.join(f'{t} in {m}' for t, m in homes)}" if homes else ""
    return [
        "nodes of an outer memory above those of an inner one",
        "one node per tensor and memory",
        f"tensors start and end in DRAM{kept}",
        "inner loops divide exactly; outermost tiles are those listed: the ragged ones pad little and need not fill an array",
    ]


def inexact(lp: LayerProblem) -> list[str]:
    """What makes a proof impossible here, in words."""
    out = []
    if lp.accounting != "default" and active(lp.layer, lp.chip):
        out.append("zeros are priced under the default accounting only")
    if any(f.links for f in lp.chip.fanouts):
        out.append("neighbour links are not credited in the search")
    if not lp.problem(False).exact_runs:
        out.append("a dimension leaves two tensors in place at once")
    return out


def certificate(
    lp: LayerProblem, objective: str, mapping: Mapping, cost: Cost, answer: Answer, proved: bool, value: float, bound: float
) -> dict[str, Any]:
    """Plain JSON: the space with its borders, what was opened and closed, the answer; no timings. `bound` is below `value`."""
    p = answer.progress
    imperfect = lp.space.imperfect
    tiles = {d: list(outermost_tiles(n, imperfect)) for d, n in lp.layer.dims}
    return {
        "objective": objective,
        "space": lp.space_name,
        "accounting": lp.accounting,
        "proved": proved,
        "gap": gap_of(value, bound),
        "energy_pj": cost.energy_pj,
        "cycles": cost.cycles,
        "value": value,
        "lower_bound": bound,
        "mapping": str(mapping),
        "outermost_tiles": tiles,
        "borders": borders(lp.homes),
        "patterns": p.patterns,
        "spatial_opened": p.opened,
        "spatial_closed": p.closed,
        "ports_in_labels": [f"{x.memory}.{x.serves}" for x in answer.ports],
        "tolerance": TOLERANCE,
        "outside_the_proof": inexact(lp),
    }

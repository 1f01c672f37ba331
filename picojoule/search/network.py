"""A whole network on a chip: equal layers once, layers in parallel, and network objectives solved exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from picojoule.ask import COUNTED, OBJECTIVES, Progress
from picojoule.cost.operators import network_operators
from picojoule.errors import NoMapping, SpecError, unknown_name
from picojoule.hardware.chip import Chip
from picojoule.search.cache import Cache
from picojoule.search.crew import Crew
from picojoule.search.gaps import gap as gap_of
from picojoule.search.gaps import product_bound
from picojoule.search.hull import Choice, Point, least_edp, least_energy_within, sum_front
from picojoule.search.optimal import NAMED, simplified
from picojoule.search.result import FrontPoint, LayerResult, NetworkLayer, NetworkResult
from picojoule.search.task import Points, Task
from picojoule.workload.bits import AtOwnWidth
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network


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
    with Crew(jobs, len(shapes), Cache(cache), progress) as crew:
        limit = None if time_limit is None else time_limit / len(shapes)
        if objective == "edp":
            picked, extra = _network_edp(crew, shapes, chip, space, limit, fixed)
        elif objective == "front" or latency_s is not None:
            picked, extra = _network_front(crew, shapes, chip, space, limit, latency_s, fixed)
        else:
            glances = crew.first_looks([s.layer for s in shapes], chip, space, limit)
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
    crew: Crew, shapes: list[_Shape], chip: Chip, space: str, limit: float | None, fixed: Point
) -> tuple[list[tuple[Points, int]], dict[str, Any]]:
    """The exact optimum of (sum E)(sum L).

    `fixed` (pJ, cycles) of operators without MACs is inside both sums, as a layer with one point that nobody chooses. Every
    layer's hull is found for slopes in a range around the ratio E / L of a first answer. The optimum has slope
    E* / L*; it cannot lie outside the range once `_range_is_wide_enough` holds, else the range is widened.
    """
    counts = [s.count for s in shapes]
    glances = crew.first_looks([s.layer for s in shapes], chip, space, limit)
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
    crew: Crew, shapes: list[_Shape], chip: Chip, space: str, limit: float | None, latency_s: float | None, fixed: Point
) -> tuple[list[tuple[Points, int]], dict[str, Any]]:
    """Least energy within a latency, or the point of least EDP of the network's front (all copies of a layer alike)."""
    glances = crew.first_looks([s.layer for s in shapes], chip, space, limit)
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

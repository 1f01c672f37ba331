"""A mapping of another tool, judged: by that tool's rules beside its statistics, by ours, and beside the best mapping."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from picojoule.cost.cost import Cost
from picojoule.cost.model import evaluate
from picojoule.cost.traffic import count
from picojoule.hardware.chip import Chip
from picojoule.interop.timeloop.stats import Stats
from picojoule.mapping.mapping import Mapping
from picojoule.mapping.words import Traffic
from picojoule.search.optimal import best_mapping
from picojoule.search.result import LayerResult
from picojoule.workload.layer import Layer

RULES = ("timeloop-0.4", "timeloop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One line of the cost of two mappings: what is done where to which tensor, how often and for how many pJ."""

    component: str
    tensor: str
    action: str
    counts: tuple[float, float]
    pj: tuple[float, float]

    @property
    def more_pj(self) -> float:
        """What the first takes more than the second."""
        return self.pj[0] - self.pj[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A figure of a run's statistics beside ours, under the rules of one accounting."""

    what: str
    theirs: float
    ours: float
    equal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A mapping's cost by each set of rules, the best mapping under ours, and a run's statistics beside the first equal rules."""

    mapping: Mapping
    costs: tuple[tuple[str, Cost], ...]
    best: LayerResult
    objective: str
    nodes: tuple[Difference, ...]  # the judged mapping against the best, by our rules
    rules: str = ""  # the accounting that `compared` is under
    compared: tuple[Compared, ...] = ()

    @property
    def cost(self) -> Cost:
        """Its cost by our rules."""
        return dict(self.costs)["default"]

    @property
    def over_best(self) -> float:
        """Its objective over that of the best mapping: 1 is as good."""
        return value(self.objective, self.cost) / value(self.objective, self.best.cost)

    def to_json(self) -> dict[str, Any]:
        costs = {n: {"energy_pj": c.energy_pj, "cycles": c.cycles, "edp_js": c.edp_js} for n, c in self.costs}
        best = {
            "mapping": str(self.best.mapping), "energy_pj": self.best.cost.energy_pj, "cycles": self.best.cost.cycles,
            "proved": self.best.proved, "gap": self.best.gap,
        }  # fmt: skip
        return {
            "mapping": str(self.mapping),
            "costs": costs,
            "best": best,
            "objective": self.objective,
            "over_best": self.over_best,
            "nodes": [difference_json(d) for d in self.nodes],
            "rules": self.rules,
            "compared": [{"what": c.what, "theirs": c.theirs, "ours": c.ours, "equal": c.equal} for c in self.compared],
        }


def difference_json(d: Difference) -> dict[str, Any]:
    return {"component": d.component, "tensor": d.tensor, "action": d.action, "counts": list(d.counts), "pj": list(d.pj)}


def value(objective: str, cost: Cost) -> float:
    """The number that an objective minimises."""
    return {"energy": cost.energy_pj, "latency": cost.cycles}.get(objective, cost.edp_js)


def judge(
    layer: Layer,
    chip: Chip,
    mapping: Mapping,
    stats: Stats | None = None,
    objective: str = "edp",
    time_limit: float | None = None,
) -> Judgement:
    """The mapping by our rules and by Timeloop's, the best mapping, and node by node what makes the difference.

    With `stats`, each of its figures stands beside ours, under those of Timeloop's rules by which most are equal to the printed
    digits.
    """
    costs = tuple((rules, evaluate(layer, chip, mapping, rules)) for rules in ("default", *RULES))
    best = best_mapping(layer, chip, objective if objective != "front" else "edp", time_limit=time_limit)
    nodes = differences(dict(costs)["default"], best.cost)
    rules = ""
    compared: tuple[Compared, ...] = ()
    if stats is not None:
        tables = {r: compare(layer, chip, mapping, stats, r) for r in RULES}
        rules = max(RULES, key=lambda r: sum(c.equal for c in tables[r]))
        compared = tables[rules]
    return Judgement(
        mapping=mapping, costs=costs, best=best, objective=objective, nodes=tuple(nodes), rules=rules, compared=compared
    )


def differences(first: Cost, second: Cost) -> list[Difference]:
    """What two costs of one layer are made of, line by line, the largest difference of energy first; they add up to the whole."""
    tables = [{(c.component, c.tensor, c.action): (c.count, c.energy_pj) for c in x.contributions} for x in (first, second)]
    out = []
    for key in dict.fromkeys((*tables[0], *tables[1])):
        (n, a), (m, b) = (t.get(key, (0.0, 0.0)) for t in tables)
        out.append(Difference(component=key[0], tensor=key[1], action=key[2], counts=(n, m), pj=(a, b)))
    return sorted(out, key=lambda d: -abs(d.more_pj))


def compare(layer: Layer, chip: Chip, mapping: Mapping, stats: Stats, rules: str) -> tuple[Compared, ...]:
    """Cycles, energy, and per level scalar accesses and energy of a run, beside ours under the rules; equal to printed digits.

    Names of components that the statistics have and the chip lacks are levels that store nothing.
    """
    traffic, cost = count(layer, chip, mapping, rules), evaluate(layer, chip, mapping, rules)
    ours = counted(traffic)
    out = [Compared(what="cycles", theirs=stats.cycles, ours=cost.cycles, equal=cost.cycles == stats.cycles)]
    digits = len(stats.energy_text.partition(".")[2])
    energy = cost.energy_pj / 1e6
    out.append(
        Compared(
            what="energy [uJ]",
            theirs=stats.energy_uj,
            ours=energy,
            equal=abs(energy - stats.energy_uj) <= 0.5 * 10.0**-digits + 1e-9,
        )
    )
    leaks = {c.component: c.energy_pj for c in cost.contributions if c.action == "leak"}
    by_tensor = cost.by("component", "tensor")
    for name, level in stats.levels.items():
        for (tensor, what), n in level.counts.items():
            mine = ours.get((name, tensor, what), 0) / max(1.0, level.instances.get(tensor, 1.0))
            out.append(Compared(what=f"{name} {tensor} {what}", theirs=n, ours=mine, equal=round(mine) == n))
        for tensor, pj in level.energy_pj.items():
            mine = by_tensor.get((name, tensor), 0.0) - (leaks.get(name, 0.0) if not tensor else 0.0)
            out.append(Compared(what=f"{name} {tensor} [pJ]".replace("  ", " "), theirs=pj, ours=mine, equal=_printed(mine, pj)))
        if name in leaks or level.leakage_pj:
            mine = leaks.get(name, 0.0)
            out.append(
                Compared(what=f"{name} leakage [pJ]", theirs=level.leakage_pj, ours=mine, equal=_printed(mine, level.leakage_pj))
            )
    return tuple(out)


def _printed(ours: float, theirs: float) -> bool:
    """Equal to two printed decimals, or to the precision of a double where the figure is large."""
    return abs(ours - theirs) <= 0.00501 or math.isclose(ours, theirs, rel_tol=1e-12)


def counted(traffic: Traffic) -> dict[tuple[str, str, str], int]:
    """(memory, tensor, "reads", "fills" or "updates") -> words over all instances, as Timeloop prints them."""
    out = {(memory, tensor, "reads"): n for (memory, tensor), n in traffic.reads().items()}
    for f in traffic.flows:
        for kinds, memory, words, what in (
            (("fill", "reload"), f.inner, f.inner_words, "fills"),
            (("drain", "update"), f.outer, f.outer_words, "updates"),
        ):
            if f.kind in kinds:
                out[memory, f.tensor, what] = out.get((memory, f.tensor, what), 0) + words
    return out

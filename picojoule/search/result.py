"""What a search returns: the mapping, its cost, and the certificate that says in which space it is the best."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from picojoule import notebook
from picojoule.cost.cost import Cost
from picojoule.cost.operators import NetworkOperator
from picojoule.hardware.chip import Chip
from picojoule.mapping.mapping import Mapping
from picojoule.workload.bits import UNSAID
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network


def claim(proved: bool, gap: float) -> str:
    """`proved best`, `at most 3.1 % above the best`, or `no bound known`: what may be said of an answer."""
    if proved:
        return "proved best"
    return f"at most {100 * gap:.2g} % above the best" if math.isfinite(gap) else "no bound known"


def short_claim(proved: bool, gap: float) -> str:
    """`proved`, `gap 3.1 %` or `no bound`, for a cell of a table."""
    return "proved" if proved else f"gap {100 * gap:.2g} %" if math.isfinite(gap) else "no bound"


@dataclass(frozen=True)
class FrontPoint:
    """One mapping of an energy-latency front."""

    energy_pj: float
    cycles: float
    mapping: Mapping


@dataclass(frozen=True)
class LayerResult:
    """The best mapping found for one layer. `gap`: objective / lower bound - 1: how far it may lie above the best (0: proved)."""

    layer: Layer
    chip: Chip
    objective: str
    mapping: Mapping
    cost: Cost
    proved: bool
    gap: float
    certificate: dict[str, Any]  # plain JSON values; no timings, so that equal inputs give equal bytes
    search_cpu_s: float
    front: tuple[FrontPoint, ...] = ()

    def _repr_html_(self) -> str | None:
        """What a notebook shows."""
        return notebook.html(self)


@dataclass(frozen=True)
class NetworkLayer:
    """A layer of a network: all places (`names`, `count` of them) where the equal shape occurs, mapped once."""

    names: tuple[str, ...]
    count: int
    result: LayerResult


@dataclass(frozen=True)
class NetworkResult:
    """A mapped network. Totals multiply each distinct layer, and each distinct operator without MACs, by its count.

    `counted`: "all", or "macs" where `operators` is left empty and totals are of the MAC layers alone.
    """

    network: Network
    chip: Chip
    objective: str
    layers: tuple[NetworkLayer, ...]  # in order of first occurrence
    proved: bool
    gap: float
    search_cpu_s: float
    compile_cpu_s: float = 0.0
    certificate: dict[str, Any] = field(default_factory=dict)
    operators: tuple[NetworkOperator, ...] = ()  # in order of first occurrence
    counted: str = "all"

    @property
    def model(self) -> str:
        return self.network.name

    @property
    def layers_pj(self) -> float:
        """Energy of the MAC layers."""
        return sum(x.count * x.result.cost.energy_pj for x in self.layers)

    @property
    def layers_cycles(self) -> float:
        return sum(x.count * x.result.cost.cycles for x in self.layers)

    @property
    def operators_pj(self) -> float:
        """Energy of the operators without MACs that are counted."""
        return sum(x.energy_pj for x in self.operators)

    @property
    def operators_cycles(self) -> float:
        return sum(x.cycles for x in self.operators)

    @property
    def energy_pj(self) -> float:
        return self.layers_pj + self.operators_pj

    @property
    def cycles(self) -> float:
        return self.layers_cycles + self.operators_cycles

    @property
    def at_least(self) -> bool:
        """Whether the totals are lower bounds, since operations, their energy or their time are unknown."""
        return any(x.priced.unpriced for x in self.operators)

    @property
    def latency_s(self) -> float:
        return self.cycles / self.chip.clock_hz

    @property
    def edp_js(self) -> float:
        """(sum of energy) x (sum of latency), in joule seconds."""
        return self.energy_pj * 1e-12 * self.latency_s

    @property
    def macs(self) -> int:
        return sum(x.count * x.result.layer.macs for x in self.layers)

    @property
    def energy_per_inference_pj(self) -> float:
        """The energy over the inferences of the batch."""
        return self.energy_pj / self.network.batch

    @property
    def inferences_per_s(self) -> float:
        """Of batches one after the other."""
        return self.network.batch / self.latency_s if self.latency_s else 0.0

    @property
    def utilization(self) -> float:
        """Share of the latency that the MAC units would need for what they do, all of them busy: at most 1."""
        busy = sum(x.count * x.result.cost.busy_cycles for x in self.layers)
        return busy / self.cycles if self.cycles else 0.0

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures should know: what no figure holds, and operands narrower than the chip gains from."""
        return (*self.of_operators(), *self._of_widths())

    def of_operators(self) -> tuple[str, ...]:
        """Operators that were left out, unknown or folded."""
        if self.counted == "macs":
            left_out = len(self.network.vector_ops)
            return (f"{left_out} operators without MACs are not counted, as asked for",) if left_out else ()
        notes = []
        for reason in dict.fromkeys(r for x in self.operators for r in x.priced.unpriced):
            hit = [x for x in self.operators if reason in x.priced.unpriced]
            kinds = ", ".join(dict.fromkeys(x.priced.work.op for x in hit))
            notes.append(f"totals are at least: unknown of {sum(x.count for x in hit)} operators ({kinds}): {reason}")
        if self.at_least and self.chip.vector is None:
            where = " and ".join(m.name for m in self.chip.outermost)
            notes.append(f"words of operators are counted where they begin and end, in {where}, each once")
        if folded := sum(x.count for x in self.operators if x.priced.how == "folded"):
            notes.append(f"{folded} batch norms are folded into the layers before them, at no cost")
        return tuple(notes)

    def _of_widths(self) -> tuple[str, ...]:
        """Where widths are from, and operands that are narrower or wider than the MACs."""
        unit, name = self.chip.compute, self.chip.name
        operands = [t.bits for x in self.layers for t in x.result.layer.tensors if t.role != "output"]
        notes = []
        if not self.network.stated and unit.bits != UNSAID:
            notes.append(f"the model states no widths: every tensor has the {unit.bits} b of {name}'s MACs; --bits sets others")
        if min(operands, default=unit.bits) < unit.declared_bits:
            notes.append(
                f"operands of {min(operands):g} b: {name} has MACs of {unit.bits} b and declares no gain from narrower ones; "
                "memories and buses are counted as if they held such words packed, and nobody priced the unpacking"
            )
        if max(operands, default=0) > unit.bits and unit.scaling == "none" and unit.speed == "fixed":
            notes.append(
                f"operands of {max(operands):g} b on MACs of {unit.bits} b: each MAC has the energy and time of {unit.bits} b"
            )
        return tuple(notes)

    def _repr_html_(self) -> str | None:
        """What a notebook shows."""
        return notebook.html(self)

"""What a search returns: the mapping, its cost, and the certificate that says in which space it is the best."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from picojoule.cost.cost import Cost
from picojoule.hardware.chip import Chip
from picojoule.mapping.mapping import Mapping
from picojoule.workload.layer import Layer


@dataclass(frozen=True)
class FrontPoint:
    """One mapping of an energy-latency front."""

    energy_pj: float
    cycles: float
    mapping: Mapping


@dataclass(frozen=True)
class LayerResult:
    """The best mapping found for one layer. `gap`: (value - lower bound) / value of the objective; 0.0 if proved."""

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

    def _repr_html_(self) -> str:
        """What a notebook shows; the page lies further right and is loaded only here."""
        from picojoule.report.pages.page import layer_fragment

        return layer_fragment(self)


@dataclass(frozen=True)
class NetworkLayer:
    """A layer of a network: all places (`names`, `count` of them) where the equal shape occurs, mapped once."""

    names: tuple[str, ...]
    count: int
    result: LayerResult


@dataclass(frozen=True)
class NetworkResult:
    """A mapped network. Totals multiply each distinct layer by its count."""

    model: str
    chip: Chip
    objective: str
    layers: tuple[NetworkLayer, ...]  # in order of first occurrence
    proved: bool
    gap: float
    search_cpu_s: float
    compile_cpu_s: float = 0.0
    certificate: dict[str, Any] = field(default_factory=dict)

    @property
    def energy_pj(self) -> float:
        return sum(x.count * x.result.cost.energy_pj for x in self.layers)

    @property
    def cycles(self) -> float:
        return sum(x.count * x.result.cost.cycles for x in self.layers)

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
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures should know: operands narrower than the chip declares to gain from."""
        unit, operands = self.chip.compute, [t for x in self.layers for t in x.result.layer.tensors if t.role != "output"]
        least = min((t.bits for t in operands), default=unit.bits)
        if least >= unit.declared_bits:
            return ()
        return (
            f"operands of {least} b: {self.chip.name} has MACs of {unit.bits} b and declares no gain from narrower ones; "
            "memories and buses are counted as if they held such words packed, and nobody priced the unpacking",
        )

    def _repr_html_(self) -> str:
        """What a notebook shows; the page lies further right and is loaded only here."""
        from picojoule.report.pages.page import network_fragment

        return network_fragment(self)

"""Published platforms by their roofline: the nominal peak, the nominal bandwidth, and the traffic that no machine can avoid.

A roofline is a bound, not a prediction: latency is the least the published figures allow. Energy is power x that latency, so it
holds for a machine that draws its stated power while it reaches its roof; it is shown with that formula and never as measured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from picojoule.ask import Progress
from picojoule.machines.answer import Answer, Ask, Declined, LayerAnswer, Machine, width_of
from picojoule.published.platform import PRECISIONS, Peak, Platform, Scope, platform, platforms
from picojoule.workload.bits import AtOwnWidth
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network

PREFERRED = ("int8", "fp8", "int16", "fp16/bf16", "fp32")  # of equal width, integers first


def names() -> dict[str, str]:
    """The records from which a roofline can be drawn."""
    return {p.id: f"{p.name}, {p.year}: roofline over published figures" for p in platforms() if not missing(p)}


def machine(name: str) -> Machine:
    return Roofline(platform=platform(name))


def missing(p: Platform) -> tuple[str, ...]:
    """What a record lacks for a roofline."""
    lacks = []
    if not any(width(x.precision) for x in p.peaks):
        lacks.append("a peak at a known precision")
    if p.dram_bytes_per_s is None:
        lacks.append("off-chip bandwidth")
    if p.dram_bytes_per_s == 0 and p.onchip_bytes is None:
        lacks.append("on-chip capacity")
    return tuple(lacks)


def width(precision: str) -> int | None:
    """Bits of an operand; None where the text names several or none."""
    if precision in PRECISIONS:
        return PRECISIONS[precision]
    match = re.fullmatch(r"(?:int|fp|bf)(\d+)", precision)
    return int(match[1]) if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofline:
    """A published platform. Its own width is 16 b where it has such a peak, else 8 b, else 32 b."""

    platform: Platform

    @property
    def name(self) -> str:
        return self.platform.id

    @property
    def native_bits(self) -> int:
        widths = [w for w in (width(p.precision) for p in self.platform.peaks) if w]
        return next((b for b in (16, 8, 32) if b in widths), min(widths))

    @property
    def scope(self) -> Scope:
        return self.platform.scope

    def run(self, network: Network, ask: Ask, progress: Progress | None = None) -> Answer:
        bits, p = width_of(network, ask, self.native_bits), self.platform
        peak, network = self._peak(bits), AtOwnWidth(bits)(network)
        assert p.dram_bytes_per_s is not None  # `missing`
        self._fits(network)
        layers = tuple(_layer(layer, count, peak, p.dram_bytes_per_s) for layer, count in distinct(network))
        latency = sum(x.latency_s for x in layers)
        return Answer(
            machine=p.id, kind="platform, roofline", model=network.name, batch=ask.batch, bits=bits, precision=peak.precision,
            layers=layers, latency_s=latency, energy_pj=None if p.power_w is None else p.power_w.value * latency * 1e12,
            offchip_pj=None, offchip_inside={"board": True, "system": True, "package": False, "chip": False}.get(p.scope),
            offchip_bytes=sum(x.offchip_bytes or 0.0 for x in layers), peak_macs_per_s=peak.macs_per_s,
            area_mm2=p.area_mm2.value if p.area_mm2 else None, technology_nm=p.node_nm, evidence="modelled", scope=self.scope,
            is_bound=True, operators="macs",
            sources=self._sources(peak), notes=self._notes(),
        )  # fmt: skip

    def _peak(self, bits: int) -> Peak:
        """The peak of this width, integers before floats; Declined where there is none, since a wider unit is another figure."""
        fitting = [x for x in self.platform.peaks if width(x.precision) == bits]
        if not fitting:
            known = ", ".join(x.precision for x in self.platform.peaks)
            raise Declined(f"{self.name}: no peak at {bits} b is published", hint=f"published: {known}")
        return min(fitting, key=lambda x: PREFERRED.index(x.precision) if x.precision in PREFERRED else len(PREFERRED))

    def _fits(self, network: Network) -> None:
        """A machine without off-chip memory has to hold all weights."""
        if self.platform.dram_bytes_per_s != 0:
            return
        weights, room = weight_bytes(network), self.platform.onchip_bytes or 0.0
        if weights > room:
            raise Declined(
                f"{self.name}: {weights / 1e6:.3g} MB of weights, and room for {room / 1e6:.3g} MB on chip",
                hint="it has no off-chip memory",
            )

    def _notes(self) -> tuple[str, ...]:
        p, notes = (
            self.platform,
            ["a bound: no kernel reaches the nominal roofs throughout, and operators without MACs are not counted"],
        )
        if p.power_w is None:
            notes.append("power is not disclosed, so no energy")
        if p.confidence != "H":
            notes.append(f"confidence {p.confidence}")
        return tuple(notes)

    def _sources(self, peak: Peak) -> tuple[tuple[str, str], ...]:
        p, gbs = self.platform, (self.platform.dram_bytes_per_s or 0) / 1e9
        return (
            ("energy", f"{p.power_w} W (nominal power of the {p.scope}) x latency" if p.power_w else "power is not disclosed"),
            ("latency", f"sum over layers of the larger of MACs / peak and compulsory bytes / {gbs:g} GB/s"),
            ("off-chip bytes", "compulsory: every tensor of every layer once" if gbs else "none: all stays on chip"),
            ("peak", f"{peak.ops_per_s / 1e12:g} Top/s {peak.precision}, dense: {p.source} (confidence {p.confidence})"),
            ("area", f"{p.area_mm2} mm2: {p.source}" if p.area_mm2 else "not disclosed"),
            ("utilization", "MACs / (latency x peak)"),
        )


def distinct(network: Network) -> list[tuple[Layer, int]]:
    """Distinct layers in order of first occurrence, and how often each occurs: as the mapper lists them."""
    found: dict[object, tuple[Layer, int]] = {}
    for step in network.layers:
        first, n = found.get(step.layer.shape_key, (step.layer, 0))
        found[step.layer.shape_key] = (first, n + step.count)
    return list(found.values())


def weight_bytes(network: Network) -> float:
    """Bytes of all trained weights, shared ones once."""
    total = 0.0
    for step in network.layers:
        if not step.reuses:
            times = 1 if step.shares_weights else step.count
            total += times * sum(step.layer.elements(t) * t.bits for t in step.layer.tensors if t.learned) / 8
    return total


def compulsory_bytes(layer: Layer) -> float:
    """Bytes of every tensor once: what any machine moves that keeps nothing between layers."""
    return sum(layer.elements(t) * t.bits for t in layer.tensors) / 8


def _layer(layer: Layer, count: int, peak: Peak, bytes_per_s: float) -> LayerAnswer:
    moved = compulsory_bytes(layer) if bytes_per_s else 0.0
    compute, memory = layer.macs / peak.macs_per_s, moved / bytes_per_s if bytes_per_s else 0.0
    latency, bound = max((compute, "compute"), (memory, "off-chip memory"))
    return LayerAnswer(
        name=layer.name, count=count, macs=count * layer.macs, latency_s=count * latency, energy_pj=None,
        offchip_bytes=count * moved, utilization=compute / latency, bound_by=bound,
    )  # fmt: skip

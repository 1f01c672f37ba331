"""Chips by the mapper: the presets and any chip's YAML file, at the best mapping of every layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from picojoule.ask import Progress
from picojoule.cost.operators import NetworkOperator
from picojoule.cost.performance import offchip_bytes, offchip_pj, peak_macs_per_s
from picojoule.errors import NoMapping
from picojoule.hardware.chip import Chip
from picojoule.hardware.chipfile.read import chips, load_chip
from picojoule.machines.answer import Answer, Ask, Declined, LayerAnswer, Machine, width_of
from picojoule.published.platform import DATA, Scope, platform, rows
from picojoule.search.network import map_network
from picojoule.search.result import NetworkLayer, NetworkResult, claim
from picojoule.workload.network import Network

NOT_REAL = {  # presets for experiments: their energies are chosen or normalised, so they stand for no hardware
    "eyeriss-256": "energies are relative to a MAC", "simple3": "energies of a mapper's test bench",
    "pin_array16": "energies are chosen", "pin_flat3": "energies are chosen",
}  # fmt: skip


def names() -> dict[str, str]:
    return chips()


def machine(name: str) -> Machine:
    return MappedChip(chip=load_chip(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedChip:
    """A chip whose answer is the best mapping of each layer; modelled. A system's outermost memory is off chip, and inside.

    The outermost memory of a chip or macro is its own buffer or port: what lies beyond is in none of its figures.
    """

    chip: Chip

    @property
    def name(self) -> str:
        return self.chip.name

    @property
    def native_bits(self) -> int:
        return self.chip.compute.bits

    @property
    def scope(self) -> Scope:
        return self.chip.scope  # type: ignore[return-value]  # checked by Chip: "system", "chip" or "macro"

    def run(self, network: Network, ask: Ask, progress: Progress | None = None) -> Answer:
        return answer(self.mapped(network, ask, progress), ask)

    def mapped(self, network: Network, ask: Ask, progress: Progress | None = None) -> NetworkResult:
        """The mapped network itself; Declined where it does not fit."""
        widest = ask.bits or self.native_bits  # what the model states is run, with a note where it is wider than the MACs
        if widest > self.chip.compute.bits and self.chip.compute.speed == "fixed":
            raise Declined(f"{self.name}: its MACs take {self.chip.compute.bits} b, not {widest} b", hint="ask for fewer bits")
        try:
            return map_network(
                network,
                self.chip,
                ask.objective,
                jobs=ask.jobs,
                cache=ask.cache,
                time_limit=ask.time_limit_s,
                space=ask.space,
                operators=ask.operators,
                progress=progress,
            )
        except NoMapping as e:
            raise Declined(e.problem, hint=e.hint) from None


def answer(result: NetworkResult, ask: Ask) -> Answer:
    """The answer that a mapped network gives."""
    chip = result.chip
    layers = (*(_layer(x, chip) for x in result.layers), *(_operator(x, chip) for x in result.operators))
    system = chip.scope == "system"
    dram = sum(x.count * offchip_pj(x.result.cost, chip) for x in result.layers) if system else 0.0
    dram += sum(x.count * offchip_pj(x.priced.cost, chip) for x in result.operators) if system else 0.0
    own, published = result.layers[0].result.cost.area_um2, published_area(chip.name)
    area = own * 1e-6 if own is not None else published[0] if published else None
    bits = width_of(result.network, ask, chip.compute.bits)
    peak = max(peak_macs_per_s(x.result.chip, x.result.layer) for x in result.layers)
    notes = (
        []
        if bits == chip.compute.bits
        else [
            f"{bits} b operands on {chip.compute.bits} b MACs: words shrink, MACs do not"
            if chip.compute.scaling == "none"
            else f"MAC energy scaled to {bits} b"
        ]
    )
    if chip.name in NOT_REAL:
        notes.append(f"{NOT_REAL[chip.name]}: not to be compared with hardware")
    if not result.proved:
        notes.append(f"search stopped: {claim(result.proved, result.gap)}")
    notes += result.of_operators()
    return Answer(
        machine=chip.name, kind="chip, mapped", model=result.model, batch=ask.batch, bits=bits, precision=f"{bits} b",
        layers=layers, latency_s=result.latency_s, energy_pj=result.energy_pj, offchip_pj=dram, offchip_inside=system,
        offchip_bytes=sum(x.offchip_bytes or 0.0 for x in layers) if system else None,
        operators=result.counted, at_least=result.at_least,
        operators_s=result.operators_cycles / chip.clock_hz, operators_pj=result.operators_pj, peak_macs_per_s=peak,
        area_mm2=area, technology_nm=chip.technology_nm, evidence="modelled",
        scope=MappedChip(chip=chip).scope, gap=result.gap, sources=_sources(chip, result, ask), notes=tuple(notes),
    )  # fmt: skip


@cache
def published_area(preset: str) -> tuple[float, str] | None:
    """(mm2, source) of the silicon a preset is modelled on, where a published record is of the very chip."""
    for where, row in rows(DATA / "presets.csv"):
        if row["preset"] == preset:
            record = platform(row["platform"])
            assert record.area_mm2 is not None, where
            return record.area_mm2.value, f"published silicon, {record.area_mm2} mm2 ({row['why']}): {record.source}"
    return None


def _layer(x: NetworkLayer, chip: Chip) -> LayerAnswer:
    cost = x.result.cost
    bytes_ = offchip_bytes(cost, x.result.layer, chip) if chip.scope == "system" else None
    return LayerAnswer(
        name=x.names[0], count=x.count, macs=x.count * cost.macs, latency_s=x.count * cost.latency_s,
        energy_pj=x.count * cost.energy_pj, offchip_bytes=None if bytes_ is None else x.count * bytes_,
        utilization=cost.utilization, bound_by=cost.bound_by,
    )  # fmt: skip


def _operator(x: NetworkOperator, chip: Chip) -> LayerAnswer:
    return LayerAnswer(
        name=x.names[0], count=x.count, macs=0, latency_s=x.cycles / chip.clock_hz, energy_pj=x.energy_pj,
        offchip_bytes=x.count * operator_bytes(x, chip) if chip.scope == "system" else None, utilization=0.0,
        bound_by=x.priced.cost.bound_by,
    )  # fmt: skip


def operator_bytes(x: NetworkOperator, chip: Chip) -> float:
    """Bytes that one occurrence of an operator without MACs reads from and writes to the outermost memory."""
    outermost = {m.name for m in chip.outermost}
    words = sum(c.count for c in x.priced.cost.contributions if c.component in outermost and c.tensor)
    return words * x.priced.work.bits / 8


def _sources(chip: Chip, result: NetworkResult, ask: Ask) -> tuple[tuple[str, str], ...]:
    published = published_area(chip.name) if result.layers[0].result.cost.area_um2 is None else None
    outer = " and ".join(m.name for m in chip.outermost)
    beyond = f"not in the figures of a {chip.scope}: {outer} is part of it"
    proof = claim(result.proved, result.gap)
    return (
        ("energy", f"sum over layers and operators: counts x prices, mapping {proof} for {ask.objective} (space {ask.space}); "
                   f"prices: {chip.source or 'the chip file'}"),
        ("off-chip energy", f"accesses of {outer} x its price: {chip.dram.source or chip.source}"
                            if chip.scope == "system" else beyond),
        ("latency", "sum over layers and other operators of the slowest of compute, lanes and every memory port"),
        ("off-chip bytes", f"words read from and written to {outer}; every layer and operator starts and ends there"
                           if chip.scope == "system" else beyond),
        ("peak", f"{chip.pes:,} MACs x {chip.compute.per_cycle(result.layers[0].result.layer):g} a cycle x "
                 f"{chip.clock_hz / 1e6:g} MHz"),
        ("area", published[1] if published else "memories and MACs of the chip file; not stated where one of them has no area"),
        ("utilization", "MACs done, not skipped / (latency x peak)"),
    )  # fmt: skip

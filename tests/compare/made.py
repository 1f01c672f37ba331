"""Machines made for tests: their answers follow from a few numbers, so that what a ranking must be is plain."""

from __future__ import annotations

from dataclasses import dataclass, field

from picojoule.ask import Progress
from picojoule.compare.bench import Bench
from picojoule.machines.answer import Answer, Ask, Declined, LayerAnswer
from picojoule.published.platform import Scope
from picojoule.workload.layer import gemm
from picojoule.workload.network import Network, Step


def load(batch: int, bits: int | None) -> Network:
    return Network("made", (Step(gemm("g", M=batch, N=10, K=10, bits=bits or 16)),), stated=bits is not None)


@dataclass(kw_only=True)
class Made:
    """Energy = batch x (onchip + dram x bits / 16) + once, seconds = batch x each + wait; declines more than `most_bits`."""

    name: str
    onchip_pj: float = 1.0
    dram_pj: float = 1.0
    once_pj: float = 0.0
    each_s: float = 1e-3
    wait_s: float = 0.0
    most_bits: int = 16
    scope: Scope = "chip"
    gap: float = 0.0
    separable: bool = True
    is_bound: bool = False
    runs: list[tuple[int, int | None, bool]] = field(default_factory=list)

    @property
    def native_bits(self) -> int:
        return min(16, self.most_bits)

    def run(self, network: Network, ask: Ask, progress: Progress | None = None) -> Answer:
        bits = ask.bits or self.native_bits
        if bits > self.most_bits:
            raise Declined(f"{self.name}: too wide")
        self.runs.append((ask.batch, ask.bits, ask.cache))
        dram = ask.batch * self.dram_pj * bits / 16 + self.once_pj
        seconds, energy = ask.batch * self.each_s + self.wait_s, ask.batch * self.onchip_pj + dram
        layer = LayerAnswer(
            name="g",
            count=1,
            macs=network.macs,
            latency_s=seconds,
            energy_pj=energy,
            offchip_bytes=8.0,
            utilization=0.5,
            bound_by="compute",
        )
        return Answer(
            machine=self.name, kind="made", model="made", batch=ask.batch, bits=bits, precision=f"{bits} b", layers=(layer,),
            latency_s=seconds, energy_pj=energy, offchip_pj=dram if self.separable else None, offchip_inside=True,
            offchip_bytes=8.0, peak_macs_per_s=1e9, area_mm2=1.0, technology_nm=28.0, evidence="modelled", scope=self.scope,
            gap=self.gap, is_bound=self.is_bound,
        )  # fmt: skip


def bench(*machines: Made) -> Bench:
    return Bench(machines={m.name: m for m in machines}, load=load, ask=Ask())

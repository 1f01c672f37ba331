"""FPGAs by an analytic model: the engine with the least latency that fits the board, and the DRAM roofline."""

from __future__ import annotations

from dataclasses import dataclass

from picojoule.ask import Progress
from picojoule.machines.answer import Answer, Ask, Declined, LayerAnswer, Machine, width_of
from picojoule.machines.fpga import FPGAS, Fpga, load_fpga, predict_fpga
from picojoule.published.platform import Scope
from picojoule.workload.network import Network


def names() -> dict[str, str]:
    return {f.name: f"{f.description}: matrix-vector engine, analytic" for f in FPGAS.values()}


def machine(name: str) -> Machine:
    return FpgaMachine(fpga=load_fpga(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class FpgaMachine:
    """A board that runs layer after layer on one engine; energy is unknown."""

    fpga: Fpga

    @property
    def name(self) -> str:
        return self.fpga.name

    @property
    def native_bits(self) -> int:
        return 8

    @property
    def scope(self) -> Scope:
        return "board"

    def run(self, network: Network, ask: Ask, progress: Progress | None = None) -> Answer:
        bits = width_of(network, ask, self.native_bits)
        if bits > 32:
            raise Declined(f"{self.name}: no engine for {bits} b operands", hint="ask for fewer bits")
        p = predict_fpga(network, self.fpga, bits=bits)
        layers = tuple(
            LayerAnswer(
                name=x.name, count=x.count, macs=x.count * x.macs, latency_s=x.count * x.seconds, energy_pj=None,
                offchip_bytes=x.count * x.bytes, utilization=x.macs / (x.seconds * p.peak_macs_per_s), bound_by=x.bound,
            )
            for x in p.layers
        )  # fmt: skip
        return Answer(
            machine=self.name, kind="FPGA, analytic", model=p.model, batch=ask.batch, bits=bits, precision=f"int{bits}",
            layers=layers, latency_s=p.latency_s, energy_pj=None, offchip_pj=None, offchip_inside=True, offchip_bytes=p.bytes,
            peak_macs_per_s=p.peak_macs_per_s, area_mm2=None, technology_nm=None, evidence="modelled", scope=self.scope,
            sources=(
                ("latency", "sum over layers of the larger of engine cycles / clock and bytes / DRAM bandwidth"),
                ("energy", "unknown: no counter was read"),
                ("peak", f"{self.fpga.dsp} DSP blocks x MACs each x {self.fpga.clock_hz / 1e6:g} MHz: {self.fpga.source}"),
            ),
            notes=(f"engine of {p.engine.pe} x {p.engine.simd}", "operators without MACs are pipelined and take no time"),
        )  # fmt: skip

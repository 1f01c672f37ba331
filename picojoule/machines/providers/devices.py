"""CPUs and GPUs by their calibrated models: every kernel of the network, element-wise operators fused, launched by a graph."""

from __future__ import annotations

from dataclasses import dataclass

from picojoule.ask import Progress
from picojoule.errors import SpecError
from picojoule.machines.answer import Answer, Ask, Declined, LayerAnswer, Machine, width_of
from picojoule.machines.kernels.device import Device, device_names, load_device
from picojoule.machines.kernels.measurements import DTYPES
from picojoule.machines.kernels.predict import NetworkPrediction, predict_network
from picojoule.published.platform import Scope
from picojoule.workload.network import Network

PREFERRED = ("bf16", "fp16", "int8", "fp8", "fp32", "tf32", "fp64")  # of equal width, the first that a device has


def names() -> dict[str, str]:
    return {n: load_device(n).description for n in device_names()}


def machine(name: str) -> Machine:
    return CalibratedDevice(device=load_device(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedDevice:
    """A CPU or GPU. Latency includes operators without MACs; energy is that of board or package, where a counter was read."""

    device: Device

    @property
    def name(self) -> str:
        return self.device.name

    @property
    def native_bits(self) -> int:
        return 16 if {"bf16", "fp16"} & set(self.device.peaks) else 32

    @property
    def scope(self) -> Scope:
        return "board" if self.device.kind == "gpu" else "package"  # what NVML and RAPL measure

    def run(self, network: Network, ask: Ask, progress: Progress | None = None) -> Answer:
        bits = width_of(network, ask, self.native_bits)
        known = [d for d in PREFERRED if d in self.device.peaks]
        dtype = next((d for d in known if 8 * DTYPES[d] == bits), None)
        if dtype is None and ask.bits is None:  # widths of the model that no unit has run on the next wider ones
            dtype = min((d for d in known if 8 * DTYPES[d] > bits), key=lambda d: DTYPES[d], default=None)
            bits = bits if dtype is None else round(8 * DTYPES[dtype])
        if dtype is None:
            sheet = ", ".join(self.device.peaks)
            raise Declined(f"{self.name}: no units for {bits} b operands", hint=f"its data sheet has {sheet}")
        try:
            return _answer(predict_network(network, self.device, dtype=dtype), ask, bits)
        except SpecError as e:
            raise Declined(f"{self.name}: {e.problem}", hint=e.hint) from None


def _answer(p: NetworkPrediction, ask: Ask, bits: int) -> Answer:
    d, peak, priced = p.device, p.device.peak(p.dtype) / 2, p.device.prices_measured
    counted = [k for k in p.kernels if k.macs or ask.operators == "all"]
    offchip = sum(k.count * k.dram_bytes for k in counted)
    layers = tuple(
        LayerAnswer(
            name=k.name, count=k.count, macs=k.count * k.macs, latency_s=k.count * k.seconds,
            energy_pj=k.count * k.energy_j * 1e12 if priced else None, offchip_bytes=k.count * k.dram_bytes,
            utilization=k.macs / (k.seconds * peak), bound_by=k.bound,
        )
        for k in counted
    )  # fmt: skip
    rest_s = sum(k.count * k.seconds for k in p.kernels if not k.macs)
    rest_pj = sum(k.count * k.energy_j for k in p.kernels if not k.macs) * 1e12
    latency, energy = (
        (p.latency_s, p.energy_j * 1e12) if ask.operators == "all" else (p.latency_s - rest_s, p.energy_j * 1e12 - rest_pj)
    )
    errors = d.calibration.get("hot") if d.calibration else None
    notes = [*p.notes, f"{p.launch} launch, element-wise operators fused"]
    if ask.operators == "macs":
        notes.append("kernels without MACs left out; what is fused into the others is not")
    if errors:
        notes.append(f"single kernels: mean error {errors['mean_error_percent']} % on held-out ones")
    return Answer(
        machine=d.name, kind=f"{d.kind}, {'calibrated model' if d.status == 'calibrated' else 'model over its data sheet'}",
        model=p.model, batch=ask.batch, bits=bits, precision=p.dtype, layers=layers, latency_s=latency,
        energy_pj=energy if priced else None, offchip_pj=d.parameters.dram_pj_per_byte * offchip if priced else None,
        offchip_inside=d.kind == "gpu", offchip_bytes=offchip, peak_macs_per_s=peak, area_mm2=None, technology_nm=None,
        evidence="modelled", scope=CalibratedDevice(device=d).scope, operators=ask.operators,
        operators_s=rest_s if ask.operators == "all" else 0.0,
        operators_pj=(rest_pj if ask.operators == "all" else 0.0) if priced else None,
        sources=(
            ("latency", f"sum of kernels, each launch + steps + max(products, cache, DRAM): {d.source}"),
            ("energy", "static power x time + operations and bytes at fitted prices" if priced else "no counter was read"),
            ("off-chip bytes", "what the last-level cache does not hold, kernel by kernel"),
            ("peak", f"{d.peak(p.dtype) / 1e12:g} Top/s {p.dtype}, dense: data sheet"),
            ("utilization", "MACs / (latency x peak)"),
        ),
        notes=tuple(notes),
    )  # fmt: skip

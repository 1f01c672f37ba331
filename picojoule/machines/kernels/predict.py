"""`predict_network`: a whole network on a real machine, predicted kernel by kernel, with the gaps that launching leaves.

Activations pass through the last-level cache where they fit; weights and cached keys and values come from DRAM once an inference,
unless all of them fit into the cache. `graph`: kernels follow each other `launch_s` apart. `eager`: a host submits one kernel
every `eager_s`, and the machine waits wherever it is faster than that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from picojoule.errors import SpecError
from picojoule.machines.kernels.calls import Launch, launches
from picojoule.machines.kernels.device import Device, load_device
from picojoule.machines.kernels.latency import BOUNDS, estimates, missed
from picojoule.machines.kernels.ways import operations, ways_of
from picojoule.workload.network import Network

LAUNCHES = ("graph", "eager")


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelPrediction:
    """One kernel with its repetitions, `count` x `seconds` each. `start_s`: of the first; `wait_s`: idle before it."""

    name: str
    op: str
    family: str
    count: int
    fused: tuple[str, ...]
    start_s: float
    wait_s: float
    seconds: float
    energy_j: float
    ops: float
    dram_bytes: float
    macs: int
    bound: str
    parts_s: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPrediction:
    """A network on a device: its timeline and totals. `latency_s` is one inference; `energy_j` has static power while waiting."""

    model: str
    device: Device
    dtype: str
    launch: str
    fused: bool
    layout: str
    kernels: tuple[KernelPrediction, ...]
    latency_s: float
    energy_j: float
    weight_bytes: float
    notes: tuple[str, ...]

    @property
    def ops(self) -> float:
        return sum(k.count * k.ops for k in self.kernels)

    @property
    def dram_bytes(self) -> float:
        return sum(k.count * k.dram_bytes for k in self.kernels)

    @property
    def macs(self) -> int:
        return sum(k.count * k.macs for k in self.kernels)

    @property
    def busy_s(self) -> float:
        return sum(k.count * k.seconds for k in self.kernels)


def predict_network(
    network: Network,
    device: Device | str,
    *,
    dtype: str | None = None,
    launch: str = "graph",
    fused: bool = True,
    layout: str = "nhwc",
    streaming: bool = True,
) -> NetworkPrediction:
    """Time and energy of one inference of a network on a machine.

    `dtype`: of every operand; default: bf16, fp16 or fp32, the first that the device has. `fused`, `streaming`, `layout`: see
    `launches`. Error: that of the device's calibration for single kernels; gaps of a host depend on the framework.
    """
    machine = load_device(device) if isinstance(device, str) else device
    if launch not in LAUNCHES:
        raise SpecError(f"unknown launch {launch!r}", where="--launch", hint=f"known: {', '.join(LAUNCHES)}")
    kind = dtype or next((d for d in ("bf16", "fp16", "fp32") if d in machine.peaks), next(iter(machine.peaks)))
    machine.peak(kind)
    kernels = launches(network, kind, fused=fused, layout=layout, streaming=streaming)
    if not kernels:
        raise SpecError(f"{network.name} has nothing to run", hint="give a network with layers")
    w = ways_of([k.shape for k in kernels], machine)
    weights, old = sum(k.count * k.weight_bytes for k in kernels), sum(k.count * k.old_bytes for k in kernels)
    _check_fits(network, machine, kind, weights, old)
    share = np.minimum(1.0, np.array([k.old_bytes for k in kernels])[w.kernel] / np.maximum(w.footprint_bytes, 1.0))
    away = 1.0 / (1.0 + (machine.cache_share * machine.cache_bytes / max(old, 1.0)) ** 10)  # of what the last inference used
    miss = share * away + (1.0 - share) * missed(w, machine, cold=False)
    e = estimates(w, machine, machine.parameters, miss=miss)
    done, rows, idle = _timeline(kernels, e.steady_s, machine, launch)
    out = tuple(
        KernelPrediction(
            name=k.name,
            op=k.op,
            family=k.shape.family,
            count=k.count,
            fused=k.fused,
            start_s=rows[i][0],
            wait_s=rows[i][1],
            seconds=float(e.steady_s[i]),
            energy_j=float(e.energy_j[i]),
            ops=operations(k.shape),
            dram_bytes=float(e.dram_bytes[i]),
            macs=k.macs,
            bound=e.bound(i),
            parts_s=tuple(zip(BOUNDS, map(float, e.parts[i]), strict=True)),
        )
        for i, k in enumerate(kernels)
    )
    energy = sum(k.count * k.energy_j for k in out) + (machine.idle_w or 0.0) * idle
    return NetworkPrediction(
        model=network.name,
        device=machine,
        dtype=kind,
        launch=launch,
        fused=fused,
        layout=layout,
        kernels=out,
        latency_s=done,
        energy_j=energy,
        weight_bytes=weights,
        notes=_notes(network, machine),
    )


def _timeline(
    kernels: tuple[Launch, ...], seconds: np.ndarray, device: Device, launch: str
) -> tuple[float, list[tuple[float, float]], float]:
    """(end, (start, wait before it) of each kernel, time without any) of kernels on one queue."""
    now = idle = 0.0
    submitted = 0
    rows = []
    for k, t in zip(kernels, seconds, strict=True):
        wait = 0.0
        start = None
        for _ in range(k.count):
            submitted += 1
            ready = submitted * device.eager_s if launch == "eager" else 0.0
            pause = max(0.0, ready - now)
            wait += pause
            now += pause
            start = now if start is None else start
            now += float(t)
        rows.append((start or 0.0, wait))
        idle += wait
    return now, rows, idle


def _check_fits(network: Network, device: Device, dtype: str, weight_bytes: float, old_bytes: float) -> None:
    """Refuses a network whose weights and cached keys and values exceed the device's memory: nobody could run it there."""
    if device.dram_bytes is None or old_bytes <= device.dram_bytes:
        return
    cached = old_bytes - weight_bytes
    parts = f"{weight_bytes / 1e9:,.1f} GB of weights" + (f" and {cached / 1e9:,.1f} GB of keys and values" if cached > 0 else "")
    raise SpecError(
        f"{network.name} in {dtype} does not fit the {device.dram_bytes / 1e9:,.0f} GB of {device.name}: {parts}",
        hint="fewer sequences (--batch), a shorter context (--dim context=...), narrower operands, or a larger device",
    )


def _notes(network: Network, device: Device) -> tuple[str, ...]:
    notes = []
    if device.status != "calibrated":
        notes.append(f"{device.name} is not calibrated: data-sheet peaks with sustained shares typical of a {device.kind}")
    if not device.prices_measured:
        notes.append("no energy was measured on it: energies are rules of thumb")
    unknown = [s.layer.name for s in network.vector_ops if not s.layer.known]
    if unknown:
        notes.append(f"operators that are not understood cost their bytes alone: {', '.join(unknown[:5])}")
    return tuple(notes)


def decode_bound_tokens_per_s(weight_bytes: float, dram_bytes_per_s: float, batch: int = 1, cache_bytes: float = 0.0) -> float:
    """Tokens a second if nothing but reading all weights (and each sequence's keys and values) once a token took time.

    batch * bandwidth / (weights + batch * cache). Source: arithmetic; a bound, so no machine is faster.

    >>> round(decode_bound_tokens_per_s(14e9, 3.35e12))
    239
    """
    return batch * dram_bytes_per_s / (weight_bytes + batch * cache_bytes)

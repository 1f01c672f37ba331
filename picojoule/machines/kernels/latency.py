"""Time and energy of kernels on a machine: launch, dependent steps, and the slowest of products, cache and DRAM.

    t = launches * launch_s + steps * latency_s + rearranging + max(products [+ lanes], cache, DRAM + ramp)  (a smooth maximum)

* products: operations of the busiest unit / (rate * efficiency), with whole tiles and waves (`ways.py`); lanes likewise
* cache: bytes / cache_bytes_per_s, or the busiest unit's bytes through its port of 64 B a cycle
* DRAM: bytes that the last-level cache does not hold / dram_bytes_per_s, and three latencies until the stream is at full rate,
  so that small transfers see less bandwidth: bytes / (bytes + 3 * latency * bandwidth) of it
* rearranging: operands brought into another layout before (and the result after), through the cache and the lanes

The fastest of the ways is taken. Energy: static power x time + operations, instructions and bytes at their prices. Where that
asks for more than the power limit, the clock drops by s: time / s, and dynamic energy * s^2 (voltage follows the clock).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from picojoule.machines.kernels.device import CACHE_SHARE, Device, Parameters
from picojoule.machines.kernels.ways import Call, Ways, ways_of

PORT_BYTES = 64.0  # a cycle, from the last-level cache into one unit
SHARPNESS = 8.0  # of the smooth maximum: 9 % above the larger of two equal terms
RAMP_STEPS = 3.0  # latencies until DRAM streams
_CACHE_EDGE = 10.0  # how sharply hits turn into misses around the usable cache
BOUNDS = ("launch", "products", "lanes", "cache", "DRAM", "rearranging")


@dataclass(frozen=True, slots=True)
class Estimates:
    """Predictions of several kernels as columns: seconds, joules, what bounds each, and its share by cause.

    `hot_s` is at the clock that short bursts reach; `steady_s` what the power limit leaves in a long run; `energy_j` belongs to
    the latter. `parts` has one column for each of `BOUNDS`, in seconds, before the maximum.
    """

    hot_s: np.ndarray
    steady_s: np.ndarray
    energy_j: np.ndarray
    parts: np.ndarray
    way: np.ndarray
    dram_bytes: np.ndarray

    def bound(self, i: int) -> str:
        return BOUNDS[int(np.argmax(self.parts[i]))]


def _efficiency(p: Parameters, w: Ways) -> np.ndarray:
    engines = np.array([p.matrix_efficiency, p.integer_efficiency, p.vector_efficiency, p.unaligned_efficiency])
    return np.asarray(engines[w.engine.astype(int)] * np.where(w.scattered > 0, p.gather_efficiency, 1.0))


def missed(w: Ways, device: Device, cold: bool) -> np.ndarray:
    """Share of the footprint that the last-level cache does not hold from one call to the next: 1 / (1 + (usable / bytes)^10)."""
    if cold:
        return np.ones(len(w.kernel))
    usable = device.cache_share * device.cache_bytes / np.maximum(w.footprint_bytes, 1.0)
    return np.asarray(1.0 / (1.0 + usable**_CACHE_EDGE))


def way_parts(w: Ways, device: Device, p: Parameters, cold: bool = False, miss: np.ndarray | None = None) -> np.ndarray:
    """Seconds of every way by cause: float[way, BOUNDS]. `miss`: share of DRAM bytes that no cache holds, of every way."""
    products = w.unit_ops / (w.rate * _efficiency(p, w))
    lanes = w.unit_instructions / (device.vector_rate * p.vector_efficiency)
    cache = np.maximum(w.cache_bytes / p.cache_bytes_per_s, w.unit_cache_bytes / (PORT_BYTES * device.clock_hz))
    miss = missed(w, device, cold) if miss is None else miss
    dram = miss * (w.dram_bytes / p.dram_bytes_per_s + RAMP_STEPS * p.latency_s)
    moved = w.moved_bytes / p.cache_bytes_per_s + w.moved_instructions / (device.vector_rate * p.vector_efficiency)
    fixed = w.launches * p.launch_s + w.steps * p.latency_s + (device.single_s if cold else 0.0)
    return np.stack([fixed, products, lanes, cache, dram, moved], axis=1)


def way_seconds(w: Ways, parts: np.ndarray) -> np.ndarray:
    """Seconds of every way from its parts."""
    fixed, products, lanes, cache, dram, moved = parts.T
    compute = np.where(w.serial > 0, products + lanes, np.maximum(products, lanes))
    return np.asarray(fixed + moved + (compute**SHARPNESS + cache**SHARPNESS + dram**SHARPNESS) ** (1.0 / SHARPNESS))


def seconds(w: Ways, device: Device, p: Parameters, cold: bool = False) -> np.ndarray:
    """Seconds of every kernel in its fastest way, at the clock of short bursts."""
    return np.minimum.reduceat(way_seconds(w, way_parts(w, device, p, cold)), w.first)


def estimates(w: Ways, device: Device, p: Parameters, cold: bool = False, miss: np.ndarray | None = None) -> Estimates:
    """Time, energy and bound of every kernel in its fastest way. `miss`: of every way, instead of what hot or cold calls miss."""
    miss = missed(w, device, cold) if miss is None else miss
    parts = way_parts(w, device, p, cold, miss)
    time = way_seconds(w, parts)
    ends = np.append(w.first[1:], len(time))
    way = np.array([a + int(np.argmin(time[a:b])) for a, b in zip(w.first, ends, strict=True)], dtype=int)
    hot = time[way]
    dynamic, dram_bytes = dynamic_joules(w, p, way, miss)
    static = device.idle_w or 0.0
    slow = slowdown(hot, dynamic, device.power_w, static)
    return Estimates(hot, hot / slow, static * hot / slow + dynamic * slow**2, parts[way], way, dram_bytes)


def dynamic_joules(w: Ways, p: Parameters, way: np.ndarray, miss: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(energy of operations, instructions and bytes at full clock in joules, bytes from DRAM) of the chosen ways."""
    dram_bytes = w.dram_bytes[way] * miss[way]
    pj = p.matrix_pj * w.ops[way] + p.instruction_pj * w.instructions[way]
    pj = pj + p.dram_pj_per_byte * (dram_bytes + CACHE_SHARE * w.cache_bytes[way])
    return pj * 1e-12, dram_bytes


def slowdown(time_s: np.ndarray, dynamic_j: np.ndarray, power_w: float | None, static_w: float) -> np.ndarray:
    """The clock over the full clock that keeps the power limit: at most 1.

    Power at clock s is static + dynamic * s^2 * s / time, since voltage follows the clock; solved for the limit.
    """
    if power_w is None:
        return np.ones_like(time_s)
    return np.asarray(np.minimum(1.0, ((power_w - static_w) * time_s / np.maximum(dynamic_j, 1e-30)) ** (1.0 / 3.0)))


def predict_kernels(calls: Sequence[Call], device: Device, cold: bool = False) -> Estimates:
    """Time, energy and bound of kernels on a device with its own parameters."""
    return estimates(ways_of(calls, device), device, device.parameters, cold)

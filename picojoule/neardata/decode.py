"""Decoding with a language model: units beside the banks of the memory against a GPU under its roofline, and where they cross.

A step of decoding is a matrix-vector product with every weight, so it is bound by bandwidth, which units between the banks have
four times more of. With a batch the GPU reads each weight once for all sequences; the units read it again for each.

    GPU:  time = sum over layers of max(2 MACs / peak, bytes / bandwidth)         energy = bytes x pJ/B + MACs x pJ
    PIM:  time = MAC commands x tCCD_L + rows x (tRP + tRCD), and refresh;        one command feeds every unit 32 B of weights

Both are bounds from above of what a real machine reaches; caches, launches, softmax and normalisation are left out on both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from picojoule.errors import SpecError
from picojoule.workload.network import Network


@dataclass(frozen=True)
class Gpu:
    """A roofline. The energies are those of memory and MACs alone."""

    name: str = "A100 (5 stacks)"
    flops: float = 312e12
    bytes_per_s: float = 1555e9
    pj_per_byte: float = 8 * 3.9
    mac_pj: float = 0.72
    source: str = "A100 data sheet; HBM2 3.9 pJ/b (Accelergy); FP16 0.34 + 0.38 pJ at 7 nm (Jouppi ISCA 2021)"


@dataclass(frozen=True)
class BankPim:
    """Units between the banks of HBM stacks, all working on one command."""

    name: str = "HBM-PIM (5 stacks)"
    units: int = 5 * 128
    lanes: int = 16
    command_bytes: int = 32  # of weights, for each unit
    tccd_s: float = 4e-9
    row_bytes: int = 1024
    row_change_s: float = 28e-9  # tRP + tRCD
    refresh: float = 350 / 3900  # tRFC / tREFI
    pj_per_byte: float = 8 * 1.67
    mac_pj: float = 1.6
    source: str = "PIMSimulator timings (tCCD_L 4, tRP 14, tRCD 14, tRFC 350, tREFI 3900 ns); energies as the preset hbm-pim"


@dataclass(frozen=True)
class Commands:
    """What a product costs in commands, broadcast to all units: MACs, and rows opened."""

    macs: int
    rows: int


@dataclass(frozen=True)
class Step:
    """One decoding step for a batch: seconds and picojoules of both machines."""

    batch: int
    gpu_s: float
    pim_s: float
    gpu_pj: float
    pim_pj: float


def commands(pim: BankPim, weights: int, vectors: int, bits: float = 16) -> Commands:
    """MAC commands and row openings for `vectors` products with a matrix of so many weights, spread evenly over the units."""
    each = ceil(weights / pim.units) * bits / 8  # bytes in the banks of a unit
    return Commands(vectors * ceil(each / pim.command_bytes), vectors * ceil(each / pim.row_bytes))


def step(network: Network, batch: int, gpu: Gpu, pim: BankPim) -> Step:
    """The network is one decoding step of one sequence; weights are shared by the batch, the cache of keys and values is not."""
    gpu_s = pim_s = gpu_pj = pim_pj = 0.0
    for s in network.layers:
        layer, n = s.layer, s.count
        weight = next((t for t in layer.tensors if t.role == "weight"), None)
        if weight is None:
            continue
        learned, elements = weight.learned, layer.elements(weight)
        vectors = layer.macs // elements  # products with each weight, for one sequence
        held = elements * weight.bits / 8 * (1 if learned else batch)
        moved = held + batch * sum(layer.elements(t) * t.bits / 8 for t in layer.tensors if t is not weight)
        gpu_s += n * max(2 * layer.macs * batch / gpu.flops, moved / gpu.bytes_per_s)
        gpu_pj += n * (moved * gpu.pj_per_byte + layer.macs * batch * gpu.mac_pj)
        c = commands(pim, elements, vectors * batch, weight.bits)
        pim_s += n * (c.macs * pim.tccd_s + c.rows * pim.row_change_s) / (1 - pim.refresh)
        pim_pj += n * (layer.macs * batch * (weight.bits / 8 * pim.pj_per_byte + pim.mac_pj) + (moved - held) * gpu.pj_per_byte)
    return Step(batch, gpu_s, pim_s, gpu_pj, pim_pj)


def crossover(network: Network, gpu: Gpu | None = None, pim: BankPim | None = None, most: int = 4096) -> dict[str, int | None]:
    """The smallest batch at which the GPU is as fast, and at which it takes no more energy; None: not up to `most`."""
    g, p = gpu or Gpu(), pim or BankPim()

    def first(better: Callable[[Step], bool]) -> int | None:
        if not better(step(network, most, g, p)):
            return None
        low, high = 0, most
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if better(step(network, middle, g, p)) else (middle, high)
        return high

    if not network.layers:
        raise SpecError(f"network {network.name!r} has no layer of multiply-accumulates", hint="such as llama3-8b --phase decode")
    return {"latency": first(lambda s: s.gpu_s <= s.pim_s), "energy": first(lambda s: s.gpu_pj <= s.pim_pj)}

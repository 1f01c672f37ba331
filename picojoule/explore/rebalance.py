"""A design re-balanced for cheaper memory: PEs against buffer at equal logic area, by search.

One vault of a TETRIS-like stack is the unit: its logic area (PEs with their register files, and the buffer) is kept, and the
split between the two is searched for the memory behind it. Buffer energy follows the two points of the TETRIS set (14 pJ at
133032 B, 28 pJ at 576056 B): E ~ size^0.473. Areas: MAC by the component library and register files (SRAM of 512 B) and
buffer (banks of 64 KiB) by CACTI, all at 45 nm.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log

from picojoule.ask import ROLES, Progress, silent
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory, Port
from picojoule.hardware.components.components import evaluate
from picojoule.search.optimal import best_mapping
from picojoule.workload.network import Network

CLOCK_HZ = 500e6
RF_BYTES = 512
VAULT = (14, 133032)  # PEs along a side, buffer bytes: the published design
_EXPONENT = log(28 / 14) / log(576056 / 133032)
SOURCE = "TETRIS set of the nn_dataflow tests"


@dataclass(frozen=True)
class Behind:
    """The memory behind the vault's logic: pJ per 16-bit access and its bandwidth."""

    name: str
    access_pj: float
    bytes_per_s: float


STACK = Behind("vault of the stack", 80.0, 8e9)
LPDDR = Behind("a sixteenth of LPDDR3", 240.0, 12.8e9 / 16)


@dataclass(frozen=True)
class Design:
    """PEs along a side of the array and bytes of buffer, with what the network costs on it."""

    side: int
    buffer_bytes: int
    energy_pj: float
    cycles: float

    @property
    def pes(self) -> int:
        return self.side**2

    @property
    def edp_js(self) -> float:
        return self.energy_pj * 1e-12 * self.cycles / CLOCK_HZ


def pe_um2() -> float:
    """A MAC and a register file of 512 B, which is an SRAM at that size, at 45 nm."""
    mac = evaluate("mac", {"bits": 16, "technology_nm": 45.0}, {})["area"].value
    return mac + evaluate("sram", {"capacity_bits": 8 * RF_BYTES, "word_bits": 16, "technology_nm": 45.0}, {})["area"].value


def buffer_um2_per_byte() -> float:
    """Buffer area a byte at 45 nm."""
    bank = 64 * 1024
    return evaluate("sram", {"capacity_bits": 8 * bank, "word_bits": 64, "technology_nm": 45.0}, {})["area"].value / bank


def buffer_bytes(side: int) -> int:
    """What is left for the buffer when the array takes its part of the published vault's logic area, in whole KiB."""
    budget = VAULT[0] ** 2 * pe_um2() + VAULT[1] * buffer_um2_per_byte()
    return int((budget - side**2 * pe_um2()) / buffer_um2_per_byte() / 1024) * 1024


def chip(side: int, size_bytes: int, behind: Behind) -> Chip:
    """One vault with this split."""
    port = Port("shared", "readwrite", 8 * behind.bytes_per_s / CLOCK_HZ)
    buffer_pj = 14.0 * (size_bytes / VAULT[1]) ** _EXPONENT
    pj = behind.access_pj
    return Chip(
        f"vault-{side}x{side}", (
            Group((Memory("DRAM", None, 16, pj, pj, ports=(port,), technology="dram", source=SOURCE),)),
            Group((Memory("buffer", 8 * size_bytes, 16, buffer_pj, buffer_pj, (), ROLES, source=f"{SOURCE}, by size"),)),
            FanOut("array", (Axis("X", side), Axis("Y", side)), transfer_pj=4.0, source=SOURCE),
            Group((Memory("RF", 8 * RF_BYTES, 16, 0.6, 0.6, technology="register_file", source=SOURCE),)),
        ), Compute("MAC", 2.0, 16, source=SOURCE), CLOCK_HZ, static_mw=100 / 16)  # fmt: skip


def evaluate_design(network: Network, side: int, behind: Behind, seconds: float) -> Design:
    """The network on the design; `seconds` of CPU time for each distinct layer."""
    size = buffer_bytes(side)
    on, pj, cycles = chip(side, size, behind), 0.0, 0.0
    done: dict[tuple[object, ...], tuple[float, float]] = {}
    for s in network.layers:
        key = s.layer.shape_key
        if key not in done:
            cost = best_mapping(s.layer, on, "edp", time_limit=seconds).cost
            done[key] = (cost.energy_pj, cost.cycles)
        pj, cycles = pj + s.count * done[key][0], cycles + s.count * done[key][1]
    return Design(side, size, pj, cycles)


def sides(step: int = 2) -> list[int]:
    """Arrays that leave at least 4 KiB of buffer within the budget."""
    return [n for n in range(6, 40, step) if buffer_bytes(n) >= 4096]


def rebalance(
    network: Network, behind: Behind, seconds: float = 2.0, candidates: Iterable[int] | None = None, progress: Progress = silent
) -> list[Design]:
    """All designs tried, the best (least energy-delay product) first: a walk over the sides, from the published one downhill."""
    known: dict[int, Design] = {}
    allowed = list(candidates) if candidates is not None else sides()

    def cost(side: int) -> float:
        if side not in known:
            progress(len(known), len(allowed), f"{side}x{side} PEs, {behind.name}")
            known[side] = evaluate_design(network, side, behind, seconds)
        return known[side].edp_js

    at = min(range(len(allowed)), key=lambda i: abs(allowed[i] - VAULT[0]))
    while True:
        near = [i for i in (at - 1, at, at + 1) if 0 <= i < len(allowed)]
        best = min(near, key=lambda i: cost(allowed[i]))
        if best == at:
            return sorted(known.values(), key=lambda d: d.edp_js)
        at = best

"""Cycles of a program on Gemmini: computing, loading, storing and issuing, partly hidden behind one another.

    compute = max(streamed rows, instructions x (issue + issue per lane x array))
    load    = requests x cycles a request + bytes / bandwidth + page walks x cycles a walk
    store   = rows x cycles a row + bytes / bandwidth
    issue   = tiles x cycles a tile
    cycles  = start + (compute^p + load^p + store^p + issue^p)^(1/p)

p is the overlap of double buffering: p = 1, one after another; large p, the slowest hides the rest. Requests and stored rows
are priced for convolutions only, and each kind has its bandwidth: the unroller of matrix products moves whole blocks.

Range: Gemmini's weight-stationary loop unrollers, 8-bit operands, arrays from 4x4 to 64x64. Error on layer shapes that were
not fitted: median 6 to 10 %, mean 11 to 19 % (`pj gemmini`). What is left out: LEFT_OUT.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any

import numpy as np

from picojoule.errors import SpecError
from picojoule.machines.gemmini.program import REACHES, Program

LEFT_OUT = (
    "capacities of scratchpad and accumulator (tiles are taken to fit), bank conflicts, L2 cache and DRAM behind the bus "
    "(a constant bandwidth), the CPU's loop code beyond a constant per tile, and twelve rows whose windows are split over tiles "
    "(4x4, 6x6 and two 7x7 filters) and that take 25 to 130 times their neighbours' cycles"
)


def _physical(low: float, high: float, start: float, unit: str, meaning: str) -> Any:
    return field(metadata={"low": low, "high": high, "start": start, "unit": unit, "meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What the fit may choose, each within bounds that its meaning sets."""

    issue: float = _physical(1, 16, 4, "cycles", "least time between two compute instructions")
    issue_per_lane: float = _physical(0.01, 2, 0.3, "cycles/lane", "the same, growing with the side of the array")
    input_request: float = _physical(0.01, 16, 1, "cycles", "of each burst of inputs (convolutions)")
    weight_request: float = _physical(0.01, 16, 1, "cycles", "of each burst of weights (convolutions)")
    convolution_bandwidth: float = _physical(2, 16, 10, "B/cycle", "of loads of convolutions; the bus has 16 B")
    product_bandwidth: float = _physical(2, 16, 12, "B/cycle", "of loads of matrix products, which are whole blocks")
    page_walk: float = _physical(1, 200, 20, "cycles", "of a translation that missed")
    store_row: float = _physical(0.1, 64, 5, "cycles", "of each stored row (convolutions)")
    store_bandwidth: float = _physical(0.5, 16, 5, "B/cycle", "of stores; the bus has 16 B")
    convolution_tile: float = _physical(20, 2000, 250, "cycles", "to configure and start a tile of a convolution")
    product_tile: float = _physical(20, 2000, 125, "cycles", "to configure and start a tile of a matrix product")
    start: float = _physical(1, 20000, 1000, "cycles", "before and after the layer: fences, first and last transfers")
    overlap: float = _physical(1, 20, 4, "", "p: 1 nothing overlaps; large: the slowest hides the rest")
    reach: int = 256  # pages that translation buffers hold, one of REACHES

    def __post_init__(self) -> None:
        for f in free():
            value = getattr(self, f.name)
            if not f.metadata["low"] * 0.999 <= value <= f.metadata["high"] * 1.001:
                raise SpecError(f"{f.name} = {value:g} is outside {f.metadata['low']:g} to {f.metadata['high']:g}")
        if self.reach not in REACHES:
            raise SpecError(f"a reach of {self.reach} pages", hint=f"known: {', '.join(map(str, REACHES))}")


def free() -> list[Field[float]]:
    """The fields that the fit chooses, with their bounds and meaning."""
    return [f for f in fields(Parameters) if f.metadata]


@dataclass(frozen=True, slots=True)
class Counts:
    """Programs as arrays, one element a program."""

    values: dict[str, np.ndarray]
    page_walks: np.ndarray  # [program, reach]

    @classmethod
    def of(cls, programs: Sequence[Program]) -> Counts:
        names = [f.name for f in fields(Program) if f.name != "page_walks"]
        return cls(
            {n: np.array([float(getattr(p, n)) for p in programs]) for n in names},
            np.array([p.page_walks for p in programs]).reshape(len(programs), len(REACHES)),
        )

    def some(self, chosen: np.ndarray) -> Counts:
        """The programs that a mask or index chooses."""
        return Counts({n: v[chosen] for n, v in self.values.items()}, self.page_walks[chosen])


def phases(counts: Counts, p: Parameters) -> dict[str, np.ndarray]:
    """Cycles of each phase if it ran alone."""
    n = counts.values
    convolution = 1.0 - n["is_product"]
    requests = n["input_requests"] * p.input_request + n["weight_requests"] * p.weight_request
    walks = counts.page_walks[:, REACHES.index(p.reach)]
    per_tile = np.where(convolution > 0, p.convolution_tile, p.product_tile)
    bandwidth = np.where(convolution > 0, p.convolution_bandwidth, p.product_bandwidth)
    return {
        "compute": np.maximum(n["streamed_rows"], n["instructions"] * (p.issue + p.issue_per_lane * n["array"])),
        "load": convolution * requests + (n["input_bytes"] + n["weight_bytes"]) / bandwidth + walks * p.page_walk,
        "store": convolution * n["stored_rows"] * p.store_row + n["stored_bytes"] / p.store_bandwidth,
        "issue": n["tiles"] * per_tile,
    }


def cycles(counts: Counts, p: Parameters) -> np.ndarray:
    """Predicted cycles of each program."""
    alone = np.array(list(phases(counts, p).values()))
    slowest = alone.max(axis=0)
    total: np.ndarray = p.start + slowest * ((alone / slowest) ** p.overlap).sum(axis=0) ** (1.0 / p.overlap)
    return total


def roofline(counts: Counts, bus_bytes_per_cycle: float = 16.0) -> np.ndarray:
    """The slower of streaming and moving bytes over the bus, nothing fitted: what the parameters have to be worth."""
    n = counts.values
    moved = n["input_bytes"] + n["weight_bytes"] + n["stored_bytes"]
    slower: np.ndarray = np.maximum(n["streamed_rows"], moved / bus_bytes_per_cycle)
    return slower

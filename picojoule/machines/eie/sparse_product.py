"""How long a processor takes for a dense layer whose weights have zeros: as a dense product, and as a sparse one (CSR).

Rooflines, so lower bounds of the time: each resource at its data-sheet rate, all of them overlapped.

dense    max(products / peak, bytes / bandwidth), weights once a batch
sparse   max(cycles, bytes / bandwidth): a nonzero takes 4 B of value and 4 B of column index, a row 4 B; a product of CSR loads
         value, index and x[index], so it takes `gather_cycles` however wide the vector unit is; a row whose length the
         processor cannot know ends in one mispredicted branch
order    of a batch: column after column (the matrix is read again for each, from DRAM if it does not fit the cache), or row
         after row (all vectors are in use at once, so x[index] comes from the cache that holds them, a line for each element);
         the better one counts
"""

from __future__ import annotations

from dataclasses import dataclass

from picojoule.errors import SpecError
from picojoule.machines.eie.eie import SparseLayer

VALUE_BYTES, INDEX_BYTES, LINE_BYTES = 4, 4, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """A processor's rates. `caches`: (bytes that all cores or one core see, bytes a cycle and core to the level below it)."""

    name: str
    cores: int
    clock_hz: float
    macs_per_cycle: int  # of one core, dense and vectorised
    bytes_per_s: float  # DRAM
    gather_cycles: float  # of one core for one product with an indexed operand
    row_cycles: float  # of one core at the end of each row
    caches: tuple[tuple[int, float], ...]
    source: str

    @property
    def macs_per_s(self) -> float:
        return self.cores * self.clock_hz * self.macs_per_cycle

    @property
    def last_cache_bytes(self) -> int:
        return self.caches[-1][0]

    def element_cycles(self, vectors_bytes: float) -> float:
        """Cycles of one core for one gathered element of vectors of this size: its line comes from the cache that holds them."""
        for (size, _), (_, rate) in zip(self.caches, ((0, float("inf")), *self.caches), strict=False):
            if vectors_bytes <= size:
                return LINE_BYTES / rate
        return LINE_BYTES / (self.bytes_per_s / self.clock_hz / self.cores)


I7_5930K = Processor(
    name="Core i7-5930K",
    cores=6,
    clock_hz=3.5e9,
    macs_per_cycle=16,
    bytes_per_s=68e9,
    gather_cycles=1.5,
    row_cycles=20,
    caches=((32 << 10, 64.0), (256 << 10, 32.0), (15 << 20, 0.0)),
    source="Intel: 6 cores, 3.5 GHz, two 8-wide FMA a cycle, 68 GB/s, 15 MB; two loads a cycle (three loads a product), 64 B a "
    "cycle from L2 and 32 from L3 (optimisation manual, recalled); branch misses of 15 to 20 cycles (Agner Fog, recalled)",
)
TITAN_X = Processor(
    name="Titan X (Maxwell)",
    cores=24,
    clock_hz=1.075e9,
    macs_per_cycle=128,
    bytes_per_s=336.5e9,
    gather_cycles=1 / 8,
    row_cycles=0,
    caches=((3 << 20, float("inf")),),
    source="NVIDIA: 24 SMs of 128 lanes, 1.075 GHz boost, 336.5 GB/s, 3 MB L2; 192 texture units, one indexed fetch a cycle each",
)


def dense_s(layer: SparseLayer, p: Processor, batch: int = 1) -> float:
    """Seconds for a batch, zeros multiplied like everything else."""
    _check(batch)
    weights = layer.inputs * layer.outputs
    moved = VALUE_BYTES * (weights + batch * (layer.inputs + layer.outputs))
    return max(weights * batch / p.macs_per_s, moved / p.bytes_per_s)


def sparse_s(layer: SparseLayer, p: Processor, batch: int = 1) -> float:
    """Seconds for a batch with the nonzero weights alone; all activations are multiplied, as BLAS libraries do."""
    _check(batch)
    nonzeros = layer.weight_density * layer.inputs * layer.outputs
    matrix = nonzeros * (VALUE_BYTES + INDEX_BYTES) + INDEX_BYTES * (layer.outputs + 1)
    vectors = VALUE_BYTES * (layer.inputs + layer.outputs) * batch
    again = 1 if matrix <= p.last_cache_bytes else batch
    one, all_of_them = VALUE_BYTES * layer.inputs, VALUE_BYTES * layer.inputs * batch
    by_column = max(_cycles(layer, p, batch, nonzeros, one), (matrix * again + vectors) / p.bytes_per_s)
    by_row = max(_cycles(layer, p, batch, nonzeros, all_of_them), (matrix + vectors) / p.bytes_per_s)
    return min(by_column, by_row)


def crossover_density(inputs: int, outputs: int, p: Processor, batch: int) -> float:
    """The weight density below which the sparse product takes less time, by bisection to 1e-5."""
    low, high = 1e-6, 1.0
    while high - low > 1e-5:
        middle = (low + high) / 2
        layer = SparseLayer(name="", inputs=inputs, outputs=outputs, weight_density=middle, activation_density=1.0)
        low, high = (middle, high) if sparse_s(layer, p, batch) < dense_s(layer, p, batch) else (low, middle)
    return low


def _cycles(layer: SparseLayer, p: Processor, batch: int, nonzeros: float, x_bytes: float) -> float:
    """Seconds that the cores compute and gather."""
    each = max(p.gather_cycles, p.element_cycles(x_bytes))
    return batch * (nonzeros * each + layer.outputs * p.row_cycles) / (p.cores * p.clock_hz)


def _check(batch: int) -> None:
    if batch < 1:
        raise SpecError(f"a batch of {batch}", hint="1 or more")

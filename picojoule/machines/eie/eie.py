"""EIE, cycle by cycle at its queues: 64 PEs work through the columns of the nonzero activations of a sparse layer.

Row i of the weights belongs to PE i mod P. One nonzero activation a cycle is broadcast into a queue before each PE, unless one
of them is full. A PE takes the next activation from its queue and works through the entries of that column, one a cycle; a
column without entries takes the cycle in which its pointers are read. Nothing else stalls (operands are prefetched, results
are forwarded). Source: Han et al., EIE, ISCA 2016: 64 PEs, 800 MHz, queues of 8, entries as in `formats.relative_index`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from picojoule.errors import SpecError
from picojoule.formats import relative_index

PES, CLOCK_HZ, QUEUE = 64, 800e6, 8
PE_MW = 9.157  # one PE at 45 nm, all of its parts; EIE paper, Table II


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseLayer:
    """A dense layer with zeros: `outputs` x `inputs` weights. Densities are fractions of nonzeros."""

    name: str
    inputs: int
    outputs: int
    weight_density: float
    activation_density: float

    def __post_init__(self) -> None:
        if min(self.inputs, self.outputs) < 1:
            raise SpecError(f"layer {self.name!r}: {self.outputs} x {self.inputs} weights", hint="sizes are 1 or more")
        for what, d in (("weight", self.weight_density), ("activation", self.activation_density)):
            if not 0 < d <= 1:
                raise SpecError(f"layer {self.name!r}: {what} density {d}", hint="give a fraction above 0, to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What the PEs did for one activation vector. `bound_cycles`: all entries spread evenly over the PEs."""

    cycles: int
    nonzeros: int  # products that count
    padding: int  # entries of zeros, for runs beyond 15
    empty: int  # columns of a PE without an entry
    pes: int

    @property
    def bound_cycles(self) -> float:
        return (self.nonzeros + self.padding) / self.pes

    @property
    def balance(self) -> float:
        """Evenly spread work over the time it took: what the queues could not hide is missing from 1."""
        return self.bound_cycles / self.cycles

    def seconds(self, clock_hz: float = CLOCK_HZ) -> float:
        return self.cycles / clock_hz

    def energy_j(self, clock_hz: float = CLOCK_HZ) -> float:
        """All PEs at their published power for as long as it took."""
        return self.pes * PE_MW * 1e-3 * self.seconds(clock_hz)


def cycles_reference(entries: np.ndarray, queue: int) -> int:
    """Cycles for entries[pe, activation], with queues of so many activations, one cycle after the other."""
    pes, n = entries.shape
    waiting: list[list[int]] = [[] for _ in range(pes)]
    left, sent, cycle = [0] * pes, 0, 0
    while sent < n or any(left) or any(waiting):
        for p in range(pes):
            if left[p] == 0 and waiting[p]:
                left[p] = max(1, int(entries[p, waiting[p].pop(0)]))
        if sent < n and all(len(w) < queue for w in waiting):
            for w in waiting:
                w.append(sent)
            sent += 1
        left = [max(0, x - 1) for x in left]
        cycle += 1
    return cycle


@njit(cache=True)
def cycles(entries: np.ndarray, queue: int) -> int:
    """Twin of cycles_reference by recurrence: activation j is sent when all PEs have taken activation j - queue."""
    pes, n = entries.shape
    taken = np.zeros((pes, queue), np.int64)  # cycle in which each of the last activations was taken
    free = np.zeros(pes, np.int64)  # first cycle in which the PE can take another
    sent = -1
    for j in range(n):
        sent += 1
        if j >= queue:
            for p in range(pes):
                sent = max(sent, taken[p, j % queue])
        for p in range(pes):
            start = max(free[p], sent + 1)
            taken[p, j % queue] = start
            free[p] = start + max(1, entries[p, j])
    last = 0
    for p in range(pes):
        last = max(last, free[p])
    return last


def random_columns(layer: SparseLayer, rng: np.random.Generator) -> np.ndarray:
    """The columns that nonzero activations meet, uint8[outputs, activations]: codes 1 to 15 where a weight is not zero."""
    active = max(1, round(layer.activation_density * layer.inputs))
    dense = rng.random((layer.outputs, active), dtype=np.float32) < layer.weight_density
    return dense.astype(np.uint8)


def run(layer: SparseLayer, *, seed: int = 0, pes: int = PES, queue: int = QUEUE) -> Run:
    """One random matrix and activation vector of the layer's densities, coded as EIE does, through the queues."""
    if queue < 1:
        raise SpecError(f"queues of {queue} activations", hint="1 or more")
    return run_columns(random_columns(layer, np.random.default_rng(seed)), pes=pes, queue=queue)


def run_columns(columns: np.ndarray, *, pes: int = PES, queue: int = QUEUE) -> Run:
    """The columns of codebook indices that the nonzero activations meet, in their order."""
    code = relative_index.encode(columns, pes)
    entries = code.entries_of
    return Run(
        cycles=int(cycles(entries, queue)), nonzeros=code.nonzeros, padding=code.padding, empty=int((entries == 0).sum()), pes=pes
    )

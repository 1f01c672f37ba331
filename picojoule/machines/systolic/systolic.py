"""Cycles of a systolic array that holds one operand of a matrix product still: weights, inputs or outputs.

The array has `rows` x `columns` MACs. A product Z[M,N] = A[M,K] B[K,N] is cut into folds, each as large as the array:

    dataflow   still       down the rows   along the columns   streams   fold
    ws         weights     K               N                   M         ceil(K/rows) * ceil(N/columns)
    is         inputs      K               M                   N         ceil(K/rows) * ceil(M/columns)
    os         outputs     M               N                   K         ceil(M/rows) * ceil(N/columns)

One fold fills (ws, is: `rows` cycles to shift the still operand in), streams, and waits for the skew of rows + columns - 2.
`systolic_walk.py` walks the registers cycle by cycle, with real numbers, and has to give the same cycles.

Stall-free: operands are at the edge of the array when they are due. Ragged folds take as long as full ones, as in hardware
without early exit, because a partial sum travels down all rows.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

from picojoule.errors import SpecError, unknown_name
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network

Dataflow = Literal["ws", "os", "is"]
DATAFLOWS: tuple[str, ...] = get_args(Dataflow)


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """A systolic array: MACs and how its folds follow one another.

    `preload_overlap`: the next fold's still operand is shifted in (and, with `drain`, the last fold's results out) through
    registers of their own while the array streams, so that folds follow one another without a gap.
    `drain`: output stationary only: results leave through the array, `rows` more cycles; without it they are read in place.
    """

    rows: int
    columns: int
    preload_overlap: bool = False
    drain: bool = False

    def __post_init__(self) -> None:
        if min(self.rows, self.columns) < 1:
            raise SpecError(f"an array of {self.rows}x{self.columns}", hint="give at least one row and one column")

    @property
    def macs(self) -> int:
        return self.rows * self.columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """`count` matrix products of M x K by K x N with nothing shared between them."""

    M: int
    N: int
    K: int
    count: int = 1

    def __post_init__(self) -> None:
        if min(self.M, self.N, self.K, self.count) < 1:
            raise SpecError(f"a product of M={self.M}, N={self.N}, K={self.K}, count={self.count}", hint="give 1 or more")

    @property
    def macs(self) -> int:
        return self.M * self.N * self.K * self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Cycles of one layer, by cause; they add up to `cycles`.

    `fill_cycles`: the still operand shifts in and nothing streams; `stream_cycles`: operands enter; `skew_cycles`: the wave
    leaves the far corner; `drain_cycles`: results leave through the array.
    """

    name: str
    product: Product
    dataflow: str
    array: Array
    folds: int
    fill_cycles: int
    stream_cycles: int
    skew_cycles: int
    drain_cycles: int

    @property
    def cycles(self) -> int:
        return self.fill_cycles + self.stream_cycles + self.skew_cycles + self.drain_cycles

    @property
    def utilization(self) -> float:
        """MACs / (cycles x MACs of the array)."""
        return self.product.macs / (self.cycles * self.array.macs)

    @property
    def mapping_efficiency(self) -> float:
        """Occupied MACs of the array, mean over the folds."""
        down, along, _ = _roles(self.product, self.dataflow)
        return down * along * self.product.count / (self.folds * self.array.macs)

    def to_json(self) -> dict[str, Any]:
        p = self.product
        causes = ("fill_cycles", "stream_cycles", "skew_cycles", "drain_cycles")
        return {
            "name": self.name,
            **{"M": p.M, "N": p.N, "K": p.K, "count": p.count, "macs": p.macs},
            **{"folds": self.folds, "cycles": self.cycles, **{c: getattr(self, c) for c in causes}},
            **{"utilization": self.utilization, "mapping_efficiency": self.mapping_efficiency},
        }


def timing(product: Product, array: Array, dataflow: str, name: str = "product") -> Timing:
    """Cycles of the products, one after another, on the array.

    With F folds of T streamed elements each, and S = rows + columns - 2:
    ws, is: F (rows + T + S) one after another; rows + (F - 1) max(T, rows) + T + S overlapped.
    os:     F (T + S + D) one after another; (F - 1) max(T, D) + T + S + D overlapped; D = rows with `drain`, else 0.
    Error: none against a walk of the registers (tests/machines/test_systolic.py); memories are not modelled.

    >>> timing(Product(M=32, N=32, K=32), Array(rows=32, columns=32), "ws").cycles
    126
    """
    if dataflow not in DATAFLOWS:
        raise unknown_name("dataflow", dataflow, DATAFLOWS)
    down, along, stream = _roles(product, dataflow)
    folds = product.count * math.ceil(down / array.rows) * math.ceil(along / array.columns)
    fill = 0 if dataflow == "os" else array.rows
    drain = array.rows if dataflow == "os" and array.drain else 0
    skew = array.rows + array.columns - 2
    if not array.preload_overlap:
        parts = (folds * fill, folds * stream, folds * skew, folds * drain)
    else:  # between two folds at most one of fill and drain is busy: what it takes beyond the streaming is booked on it
        wait = (folds - 1) * max(0, max(fill, drain) - stream)
        parts = (fill + (wait if fill else 0), folds * stream, skew, drain + (wait if drain else 0))
    names = ("fill_cycles", "stream_cycles", "skew_cycles", "drain_cycles")
    return Timing(name=name, product=product, dataflow=dataflow, array=array, folds=folds, **dict(zip(names, parts, strict=True)))


def _roles(product: Product, dataflow: str) -> tuple[int, int, int]:
    """What lies down the rows, along the columns, and streams."""
    return {
        "ws": (product.K, product.N, product.M),
        "is": (product.K, product.M, product.N),
        "os": (product.M, product.N, product.K),
    }[dataflow]


def as_product(layer: Layer) -> Product:
    """The layer as matrix products: M indexes input and output, N weight and output, K is contracted, count indexes all three.

    A convolution becomes M = output pixels, N = filters, K = channels x window (of one group), count = groups.
    """
    operands = [t for t in layer.tensors if t.role != "output"]
    if len(operands) != 2:
        raise SpecError(f"layer {layer.name!r} has one operand", hint="a systolic array multiplies two")
    weight, streamed = sorted(operands, key=lambda t: t.role != "weight")
    indexes = {"M": (True, False, True), "N": (False, True, True), "K": (True, True, False), "count": (True, True, True)}
    sizes = dict.fromkeys(indexes, 1)
    for d, n in layer.dims:
        where = (d in streamed.dims, d in weight.dims, d in layer.output.dims)
        part = next((name for name, of in indexes.items() if of == where), None)
        if part is None:
            raise SpecError(f"layer {layer.name!r}: dimension {d} makes it no matrix product", hint="sum it out first")
        sizes[part] *= n
    return Product(**sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkTiming:
    """The layers of a network on one array; `counts` are repetitions of each."""

    model: str
    array: Array
    dataflow: str
    layers: tuple[Timing, ...]
    counts: tuple[int, ...]

    @property
    def cycles(self) -> int:
        return sum(n * t.cycles for n, t in zip(self.counts, self.layers, strict=True))

    @property
    def macs(self) -> int:
        return sum(n * t.product.macs for n, t in zip(self.counts, self.layers, strict=True))

    @property
    def utilization(self) -> float:
        return self.macs / (self.cycles * self.array.macs)

    def to_json(self) -> dict[str, Any]:
        a = self.array
        return {
            "model": self.model,
            "array": {"rows": a.rows, "columns": a.columns, "preload_overlap": a.preload_overlap, "drain": a.drain},
            "dataflow": self.dataflow,
            "totals": {"cycles": self.cycles, "macs": self.macs, "utilization": self.utilization},
            "layers": [{**t.to_json(), "repeats": n} for n, t in zip(self.counts, self.layers, strict=True)],
        }


def systolic(network: Network, array: Array, dataflow: str = "ws") -> NetworkTiming:
    """Cycles of every MAC layer of the network on a systolic array; other operators take no time here.

    >>> from picojoule import load_model
    >>> systolic(load_model("gemm:M=512,N=33,K=31"), Array(rows=32, columns=32), "ws").cycles
    1212
    """
    steps = network.layers
    if not steps:
        raise SpecError(f"{network.name} has no layer of MACs", hint="choose a network with convolutions or matrix products")
    layers = tuple(timing(as_product(s.layer), array, dataflow, s.layer.name) for s in steps)
    return NetworkTiming(model=network.name, array=array, dataflow=dataflow, layers=layers, counts=tuple(s.count for s in steps))


def array_size(text: str, where: str = "--array") -> tuple[int, int]:
    """`32x16` -> (32, 16): rows, then columns."""
    match = re.fullmatch(r"\s*(\d+)\s*[x×]\s*(\d+)\s*", text)
    if match is None or min(int(match[1]), int(match[2])) < 1:
        raise SpecError(f"{text!r} is no array", where=where, hint="write rows x columns, such as 32x32")
    return int(match[1]), int(match[2])

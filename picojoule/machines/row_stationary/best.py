"""The row-stationary parameters of least energy for a layer on an array: every candidate tried."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from itertools import product

from picojoule.errors import MappingError, NoMapping, unknown_name
from picojoule.hardware.chip import Chip
from picojoule.machines.row_stationary.counts import Prices, prices_of, words
from picojoule.machines.row_stationary.rows import Array, Parameters, RowStationary, Shape, array_of, shape_of
from picojoule.machines.row_stationary.rows import parameters as read_parameters
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network


def candidates(shape: Shape, array: Array) -> Iterator[RowStationary]:
    """Choices that fit: e over the least width for each number of strips, p and m over divisors of M, q of C, n of N; r and t
    over all numbers of sets up to 16, over divisors of the places beyond."""
    s, a = shape, array
    for e in _widths(s, a):
        segments = math.ceil(e / a.columns)
        places = a.rows // s.R * (a.columns // math.ceil(e / segments)) if a.rows >= s.R else 0
        sets = places // segments
        for r, t in product(range(1, sets + 1) if sets <= 16 else _divisors_upto(sets, sets), repeat=2):
            if r * t * segments > places or r > s.C or t > s.M:
                continue
            for p, q in product(_divisors_upto(s.M, a.sum_words), _divisors_upto(s.C, a.input_words // s.S)):
                if p * q * s.S > a.filter_words or q * r > s.C or p * t > s.M:
                    continue
                for n in _divisors_upto(s.N, s.N):
                    yield from _with_sums(s, a, e, p, q, r, t, n)


def _with_sums(s: Shape, a: Array, e: int, p: int, q: int, r: int, t: int, n: int) -> Iterator[RowStationary]:
    """The largest m that the buffer has room for: more partial sums in the buffer never cost more."""
    inputs = n * q * r * s.input_rows(e) * s.W
    room = (a.buffer_words - inputs) // (n * e * s.F)
    most = min(s.M, room)
    m = next((m for m in range(most, 0, -1) if s.M % m == 0 and m % (p * t) == 0), 0)
    if m == 0:
        return
    try:
        yield RowStationary(shape=s, array=a, parameters=Parameters(m=m, n=n, e=e, p=p, q=q, r=r, t=t))
    except MappingError:
        return


def _widths(s: Shape, a: Array) -> list[int]:
    """Set widths: for each number of strips the narrowest, as far as the array has room for a set."""
    most = min(s.E, (a.rows // s.R if a.rows >= s.R else 0) * a.columns)
    return sorted({math.ceil(s.E / k) for k in range(1, s.E + 1)} & set(range(1, most + 1)))


def _divisors_upto(n: int, most: int) -> list[int]:
    return [d for d in range(1, min(n, most) + 1) if n % d == 0]


@cache
def best_parameters(shape: Shape, array: Array, prices: Prices, dram_pj: float) -> RowStationary:
    """The choice of least energy, DRAM included (dense data, `dram_pj` per word); of equals the one with most active PEs.

    Raises NoMapping where nothing fits.
    """
    best: tuple[float, int] | None = None
    found: RowStationary | None = None
    for rs in candidates(shape, array):
        w = words(rs)
        energy = w.dram * dram_pj + w.buffer * prices.buffer_pj + (w.delivered + w.handed_on) * prices.array_pj
        value = (energy, -rs.active_pes)
        if best is None or value < best:
            best, found = value, rs
    if found is None:
        raise NoMapping("no row-stationary parameters fit this array", hint="filters may be as high as the array has rows")
    return found


def best_on(layer: Layer, chip: Chip) -> RowStationary:
    """`best_parameters` for a layer on a chip, at the chip's own prices. Raises SpecError where either is not made for it."""
    shape = shape_of(layer)
    array = array_of(chip, shape.bits)
    dram = (chip.dram.read_pj or 0.0) * chip.dram.accesses_per_word(shape.bits)
    return best_parameters(shape, array, prices_of(chip, array, shape.bits), dram)


def row_stationary(
    network: Network, chip: Chip, *, layer: str | None = None, parameters: str | None = None
) -> tuple[tuple[str, RowStationary], ...]:
    """(layer, row-stationary mapping) of every layer, or of one: with these parameters, or with those of least energy.

    `parameters` is text such as `m=96,n=1,e=7,p=16,q=1,r=1,t=2`. Raises where a layer or a chip is not made for it.
    """
    layers = [s.layer for s in network.layers]
    if layer is not None:
        layers = [x for x in layers if x.name == layer]
        if not layers:
            raise unknown_name("layer", layer, [s.layer.name for s in network.layers], "--layer")
    out = []
    for x in layers:
        if parameters is None:
            out.append((x.name, best_on(x, chip)))
            continue
        shape, chosen = shape_of(x), read_parameters(parameters, "--parameters")
        out.append((x.name, RowStationary(shape=shape, array=array_of(chip, shape.bits), parameters=chosen)))
    return tuple(out)

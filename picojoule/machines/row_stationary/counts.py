"""What a row-stationary pass costs on an array such as Eyeriss': words at every level, cycles, energy, power.

Counting (all words of the layer's width, padding of input rows included: it is stored in the buffer and delivered):

* global buffer: the inputs of a pass are read once per pass over filters; each partial sum is written once per pass over
  channels, and read once per pass over channels (to be added to, the last time to leave for DRAM). Filters come through a
  prefetch buffer of their own and are not counted here.
* DRAM: inputs once per m filters (rows that two strips share twice), filters once per strip and n images, outputs once.
* array: words delivered to each PE, and partial sums handed from PE to PE up a column of R * r.
* scratchpads: four accesses a MAC (input, weight, partial sum read and written).

Latency: a pass first loads its filters and the first windows of its inputs (scratchpads are not double buffered), then
runs n images at the pace of the slowest of compute and the buses. Filters are prefetched from DRAM while the array runs;
input and output maps are not, so that their transfers add to the processing time. Source: the structure in JSSC 2017.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from picojoule.errors import SpecError
from picojoule.hardware.chip import Chip, Memory
from picojoule.machines.row_stationary.rows import Array, RowStationary


@dataclass(frozen=True, slots=True, kw_only=True)
class Buses:
    """Words per cycle into and out of the array, and bits per second of the DRAM link."""

    filter_words: float = 4.0  # 64 b
    input_words: float = 1.0  # 16 b
    sum_words: float = 4.0  # 64 b, in and out each
    link_bits_per_s: float = 64 * 60e6
    clock_hz: float = 200e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparsity:
    """Fractions of zeros, and whether the chip packs maps in DRAM by run-length coding. None: stored as they are."""

    input_zeros: float = 0.0
    output_zeros: float | None = None
    packed_input: bool = False
    packed_output: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Words moved over the layer."""

    buffer_inputs: int
    buffer_sums: int
    dram_inputs: float
    dram_filters: float
    dram_outputs: float
    delivered: int  # into the PEs
    handed_on: int  # partial sums from PE to PE
    macs: int  # padding included

    @property
    def buffer(self) -> int:
        return self.buffer_inputs + self.buffer_sums

    @property
    def dram(self) -> float:
        return self.dram_inputs + self.dram_filters + self.dram_outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """pJ per event and mW that flow all the time (clock network, control, leakage)."""

    mac_pj: float
    input_pj: float  # scratchpads: a read of an input, a read of a weight, a read and a write of a partial sum
    filter_pj: float
    sum_pj: float
    array_pj: float
    buffer_pj: float  # mean of a read and a write
    static_mw: float

    @property
    def gated_pj(self) -> float:
        """What a zero input saves of a MAC: everything but the read of the input itself.

        JSSC 2017 reports that gating saves 45 % of PE power on AlexNet, whose inputs are 57.5 % zeros: 78 % of what a MAC and
        its accesses take per zero, so that more than the multiplier and the filter read must stand still.
        """
        return self.mac_pj + self.filter_pj + self.sum_pj


def prices_of(chip: Chip, array: Array, bits: int = 16) -> Prices:
    """The prices of the chip's components for one word of so many bits; its static power. Raises SpecError without one."""
    chip.check_priced()
    buffer, _, filters, inputs, sums = (chip.memory(n) if i != 1 else None for i, n in enumerate(array.names))
    assert buffer and filters and inputs and sums
    (fanout,) = chip.fanouts

    def read(memory: Memory) -> float:
        return (memory.read_pj or 0.0) * memory.accesses_per_word(bits)

    def both(memory: Memory) -> float:
        return read(memory) + (memory.write_pj or 0.0) * memory.accesses_per_word(bits)

    return Prices(
        mac_pj=chip.compute.mac_pj or 0.0, input_pj=read(inputs), filter_pj=read(filters), sum_pj=both(sums),
        array_pj=(fanout.transfer_pj or 0.0) * (bits / fanout.transfer_bits), buffer_pj=both(buffer) / 2,
        static_mw=chip.static_mw or 0.0,
    )  # fmt: skip


def run_length_bits(zeros: float, word_bits: int = 16) -> float:
    """Bits per element of Eyeriss' run-length code for independent zeros: 64-bit words of three (5-bit run, level) pairs.

    A pair ends at a non-zero or after 31 zeros: with z zeros, a run of zeros brings (1 - z) / (1 - z^32) pairs per element.
    Source: format in JSSC 2017; the closed form is exact for independent zeros, whose codes are longer than those of real,
    clustered maps by up to 10 %.
    """
    if not 0.0 <= zeros <= 1.0:
        raise ValueError(f"a fraction of zeros of {zeros}")
    pairs = 1 / 32 if zeros == 1.0 else (1 - zeros) / (1 - zeros**32)
    return pairs * 64 / 3 * (5 + word_bits) / 21


def words(rs: RowStationary, sparsity: Sparsity = Sparsity()) -> Words:
    """Words moved; those in DRAM in words of the layer's width after packing."""
    s, x = rs.shape, rs.parameters
    rows = sum(s.input_rows(e) for e in rs.strips)
    maps = s.N * s.G * s.C * rows * s.W  # inputs, shared rows of strips once per strip
    filters = s.G * s.M * s.C * s.R * s.S
    fold = math.ceil(s.M / x.m)
    packed_in = run_length_bits(sparsity.input_zeros, s.bits) / s.bits if sparsity.packed_input else 1.0
    zeros_out = sparsity.output_zeros if sparsity.output_zeros is not None else 0.0
    packed_out = run_length_bits(zeros_out, s.bits) / s.bits if sparsity.packed_output else 1.0
    each = rs.passes * x.n  # a PE works through one image after another
    pes = rs.active_pes
    into = pes * (rs.passes * x.p * x.q * s.S + each * x.q * s.W)
    return Words(
        buffer_inputs=maps * rs.filter_passes,
        buffer_sums=2 * rs.channel_passes * s.outputs,
        dram_inputs=s.N * s.G * s.C * rows * s.W * fold * packed_in,
        dram_filters=filters * len(rs.strips) * rs.image_passes,
        dram_outputs=s.outputs * packed_out,
        delivered=into,
        handed_on=s.outputs * rs.channel_passes * s.R * x.r,
        macs=s.macs,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Cycles of one pass and of the layer, and seconds with what DRAM adds."""

    load_cycles: float  # filters and first windows
    image_cycles: float  # the slowest of compute and buses
    bound_by: str
    cycles: float
    processing_s: float
    total_s: float


def latency(rs: RowStationary, buses: Buses, moved: Words) -> Latency:
    """Time of the layer, without anything fitted."""
    s, x = rs.shape, rs.parameters
    load = x.p * x.t * x.q * x.r * s.R * s.S / buses.filter_words
    load += s.input_rows(x.e) * s.S * x.q * x.r / buses.input_words
    sums = x.p * x.t * x.e * s.F / buses.sum_words
    causes = {
        "compute": float(s.F * s.S * x.p * x.q),
        "input bus": s.input_rows(x.e) * s.W * x.q * x.r / buses.input_words,
        "partial-sum bus": sums,
    }
    bound_by = max(causes, key=lambda k: causes[k])
    cycles = rs.passes * (load + x.n * causes[bound_by])
    processing = cycles / buses.clock_hz
    maps_bits = (moved.dram_inputs + moved.dram_outputs) * s.bits
    return Latency(
        load_cycles=load,
        image_cycles=causes[bound_by],
        bound_by=bound_by,
        cycles=cycles,
        processing_s=processing,
        total_s=processing + maps_bits / buses.link_bits_per_s,
    )


def energy_pj(moved: Words, prices: Prices, input_zeros: float, seconds: float) -> dict[str, float]:
    """pJ by part over the layer; DRAM is left out, as in the chip's measured power."""
    ungated = prices.mac_pj + prices.input_pj + prices.filter_pj + prices.sum_pj
    kept = 1 - prices.gated_pj * input_zeros / ungated if ungated else 1.0
    return {
        "MACs and scratchpads": moved.macs * ungated * kept,
        "array": (moved.delivered + moved.handed_on) * prices.array_pj,
        "buffer": moved.buffer * prices.buffer_pj,
        "all the time": prices.static_mw * seconds * 1e9,
    }


def power_mw(moved: Words, prices: Prices, input_zeros: float, seconds: float) -> float:
    """Average power of the chip in mW over these seconds."""
    return sum(energy_pj(moved, prices, input_zeros, seconds).values()) * 1e-9 / seconds


def calibrated(moved: Words, prices: Prices, input_zeros: float, power: float, seconds: float) -> Prices:
    """The prices with the static power that makes one measured layer right (power in mW over seconds); events stay as they are.

    Raises SpecError where the events alone take more than was measured.
    """
    events = power_mw(moved, replace(prices, static_mw=0.0), input_zeros, seconds)
    if events > power:
        raise SpecError(
            f"the events of this layer take {events:.0f} mW, more than the {power:.0f} mW measured",
            hint="check the prices of the chip",
        )
    return replace(prices, static_mw=power - events)

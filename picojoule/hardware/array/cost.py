"""What the parts of a compute-in-memory array cost, and the array as levels of a chip.

Each energy of an array is a list of named parts (`Part`), so that the share of the converters can be told from the rest. Stated
energies are used as they are; what is not stated is modelled from capacitances, conductances and published gates:

    line = cells on it x (wire 0.2 fF/um x cell pitch + one transistor of width 2 F at 1 fF/um) x V^2        a row or a column
    resistive cell = V_read^2 x mean conductance x pulse; capacitive cell = C V^2 x weight                   for an input of one
    full adder = 0.03 pJ / 8 at 45 nm and 0.9 V (Horowitz ISSCC 2014), scaled like logic; a gate = a quarter of it

Error: a model of wires and gates without layout, sense timing and control: a factor of 2 to 3 either way against the published
macros (`pj reproduce`), which is why an array has one `calibration`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, log2

from picojoule.errors import SpecError
from picojoule.hardware.array.converters import isaac_adc, survey_adc_pj, survey_adc_um2
from picojoule.hardware.array.in_memory import Array
from picojoule.hardware.components.technology import COARSEST_NM, FINEST_NM, nominal_voltage, scale_area, scale_energy
from picojoule.hardware.parts import Axis, Compute, FanOut, Group, Memory
from picojoule.quantities.estimate import exactly

WIRE_FF_PER_UM = 0.2
GATE_FF_PER_UM = 1.0  # of transistor width, whatever the node (recalled)
LEVELS = 3  # levels that an array adds to a chip: periphery, the array's rows and columns, cells


@dataclass(frozen=True)
class Part:
    """A part of the array and its energy for one action, calibrated."""

    name: str
    pj: float


@dataclass(frozen=True)
class Prices:
    """Energies of an array for one width of weights and inputs.

    `row`: one input word driven onto one row. `column`: one output word summed by one row group, converted and accumulated.
    `mac`: one multiply-accumulate in the cells.
    """

    row: tuple[Part, ...]
    column: tuple[Part, ...]
    mac: tuple[Part, ...]
    read_sum_pj: float
    write_weight_pj: float | None

    @property
    def row_pj(self) -> float:
        return sum(p.pj for p in self.row)

    @property
    def column_pj(self) -> float:
        return sum(p.pj for p in self.column)

    @property
    def mac_pj(self) -> float:
        return sum(p.pj for p in self.mac)


# Physics ----------------------------------------------------------------------------------------------------------------
def logic_pj(at_45nm_pj: float, technology_nm: float, voltage_v: float) -> float:
    """Energy of logic known at 45 nm and 0.9 V: the law of `scale_energy` where it reaches, else E ~ L V^2 (5 nm, 180 nm)."""
    try:
        return scale_energy(exactly(at_45nm_pj, "pJ", ""), 45, technology_nm, 0.9, voltage_v).value
    except SpecError:
        return at_45nm_pj * technology_nm / 45 * (voltage_v / 0.9) ** 2


def scaled_um2(um2: float, from_nm: float, to_nm: float) -> float:
    """Area at another node by `scale_area`, beyond its table by the square of the feature size."""
    try:
        return scale_area(exactly(um2, "um2", ""), from_nm, to_nm).value
    except SpecError:
        return um2 * (to_nm / from_nm) ** 2


def full_adder_pj(array: Array) -> float:
    """One bit of an adder with random operands: 0.03 pJ / 8 at 45 nm and 0.9 V, scaled."""
    return logic_pj(0.03 / 8, array.technology_nm, array.voltage_v)


def register_bit_pj(array: Array) -> float:
    """One bit written to or read from a register: 0.009 pJ at 40 nm (Aladdin), taken as 0.01 pJ at 45 nm and scaled."""
    return logic_pj(0.009 * 45 / 40, array.technology_nm, array.voltage_v)


def cell_um2(array: Array) -> float:
    """Area of one cell."""
    return array.cell.area_f2 * (array.technology_nm * 1e-3) ** 2


def line_pj(array: Array, cells: int, voltage_v: float) -> float:
    """Energy to charge one row or column line once."""
    gate_ff = GATE_FF_PER_UM * 2 * array.technology_nm * 1e-3
    return cells * (WIRE_FF_PER_UM * math.sqrt(cell_um2(array)) + gate_ff) * voltage_v**2 * 1e-3


def adders_per_mac(array: Array, weight_bits: int) -> float:
    """Full adders of a digital array for each weight and input bit: a tree over the rows, or a chain of full width.

    Tree of R operands of w bits: level l has R / 2^l adders of w + l - 1 bits. Chain: each cell adds at w + log2 R bits.
    """
    levels = ceil(log2(array.inputs_summed)) if array.inputs_summed > 1 else 0
    if array.adders == "chain":
        return weight_bits + levels
    return sum((weight_bits + n - 1) / 2**n for n in range(1, levels + 1))


# Energies -----------------------------------------------------------------------------------------------------------------
@lru_cache(maxsize=4096)
def prices(array: Array, weight_bits: int, input_bits: int) -> Prices:
    """The energies of an array for weights and inputs of these widths, calibration included."""
    array.check_fits(weight_bits)
    bit = register_bit_pj(array)

    def parts(*named: tuple[str, float]) -> tuple[Part, ...]:
        return tuple(Part(name, pj * array.calibration) for name, pj in named if pj)

    slices = array.input_slices(input_bits)
    return Prices(
        row=parts(("input register", input_bits * bit), ("row drivers", slices * _row_slice_pj(array))),
        column=parts(*_column_parts(array, weight_bits, input_bits)),
        mac=parts(*_mac_parts(array, weight_bits, slices)),
        read_sum_pj=array.sum_bits * bit * array.calibration,
        write_weight_pj=_write_pj(array, weight_bits),
    )


def _stated(array: Array, pj: float | None, modelled: Callable[[], float]) -> float:
    """The stated energy, moved to the array's supply, or the modelled one."""
    if pj is None:
        return modelled()
    return pj * (array.voltage_v / array.stated_v) ** 2 if array.stated_v else pj


def _row_slice_pj(array: Array) -> float:
    """One slice on one row: mean pulses x line, and the DAC where it has levels."""
    each = _stated(array, array.row_pj, lambda: line_pj(array, array.columns, array.voltage_v) + _dac_pj(array))
    return each * (1.0 if array.inputs == "pulse_width" else array.pulses * array.input_mean)


def _dac_pj(array: Array) -> float:
    """A DAC: 0.291 pJ for 8 b at 40 nm (BRAHMS, VLSI 2018), halved for each bit less; one bit is the driver alone."""
    if array.inputs != "voltage" or array.dac_bits == 1:
        return 0.0
    return logic_pj(0.291 * 45 / 40, array.technology_nm, array.voltage_v) * 2.0 ** (array.dac_bits - 8)


def _column_parts(array: Array, weight_bits: int, input_bits: int) -> list[tuple[str, float]]:
    slices, columns = array.input_slices(input_bits), array.columns_per_weight(weight_bits)
    conversions = array.conversions(weight_bits, input_bits)
    sums = conversions or slices  # a digital array adds every slice
    read_v = array.cell.read_v or array.voltage_v
    analog = array.adc is not None
    column = _stated(array, array.column_pj, lambda: line_pj(array, array.rows, read_v) if analog else 0.0)
    sample = _stated(array, array.sample_pj, lambda: 0.01 * read_v**2 if analog else 0.0)  # 10 fF
    joined = 1 if array.merge_weight_slices else array.weight_slices(weight_bits)
    integrate = _stated(array, array.integrate_pj, lambda: 0.01 * read_v**2) * array.integrations(input_bits) * joined
    shift_add = _stated(array, array.shift_add_pj, lambda: full_adder_pj(array) * array.sum_bits)
    fixed = _stated(array, array.fixed_pj, float) * slices / array.outputs(weight_bits)
    return [
        ("columns", column * columns * slices), ("sample and hold", sample * columns * slices), ("integration", integrate),
        ("ADC", conversions * adc_pj(array) if analog else 0.0), ("shift and add", shift_add * sums),
        ("output register", array.sum_bits * register_bit_pj(array)), ("fixed", fixed),
    ]  # fmt: skip


def adc_pj(array: Array) -> float:
    """One conversion: a stated one, ISAAC's, or the survey's at the usual supply of the node, times the square of the array's."""
    adc = array.adc
    assert adc is not None
    if adc.kind == "isaac":
        return isaac_adc(adc.bits, array.technology_nm)["convert"].value
    if adc.kind == "stated":
        return _stated(array, adc.convert_pj + (adc.bits + 1) * adc.step_pj, float)
    nominal = survey_adc_pj(adc.bits, max(1e3, adc.rate_hz), max(7.0, array.technology_nm))
    return nominal * (array.voltage_v / _usual_v(array.technology_nm)) ** 2


def _usual_v(technology_nm: float) -> float:
    """The supply that survey converters of the node have; outside the table that of its end."""
    return nominal_voltage(min(max(technology_nm, FINEST_NM), COARSEST_NM))


def _mac_parts(array: Array, weight_bits: int, slices: int) -> list[tuple[str, float]]:
    """The cells of one weight, all slices of one input."""
    cells, name = array.weight_slices(weight_bits), "cells"
    if array.cell.kind == "digital":
        toggles = array.input_mean / 0.5
        adders = adders_per_mac(array, weight_bits) * full_adder_pj(array)
        gates = _stated(array, array.mac_pj, lambda: full_adder_pj(array) / 4) * weight_bits
        return [(name, slices * toggles * gates), ("adders", slices * toggles * adders)]
    pulses = array.pulses * array.input_mean if array.inputs in ("pulse_count", "pulse_width") else array.input_mean
    each = cell_pj(array, array.weight_mean)
    if array.weights == "differential":
        each += cell_pj(array, 0.0)  # the other cell of the pair is off
    return [(name, slices * pulses * cells * each)]


def cell_pj(array: Array, weight: float) -> float:
    """One cell that holds this fraction of its largest value, during one pulse of full input."""
    cell = array.cell
    if array.mac_pj is not None:
        return _stated(array, array.mac_pj, float) * weight
    if cell.kind == "resistive":
        on, off = cell.on_siemens or 0.0, cell.off_siemens or 0.0  # both known, as are voltage and pulse: see Cell
        return (cell.read_v or 0.0) ** 2 * (off + (on - off) * weight) * (cell.pulse_s or 0.0) * 1e12
    volts = cell.read_v or array.voltage_v
    full = line_pj(array, 1, volts) if cell.capacitance_ff is None else cell.capacitance_ff * 1e-3 * volts**2
    return full * weight


def _write_pj(array: Array, weight_bits: int) -> float | None:
    """Writing one weight: stated for each cell; SRAM cells like registers."""
    if array.cell.write_pj is not None:
        return array.cell.write_pj * array.cells_per_weight(weight_bits)
    return None if array.cell.kind == "resistive" else register_bit_pj(array) * array.cells_per_weight(weight_bits)


# Area -----------------------------------------------------------------------------------------------------------------------
def area_parts(array: Array) -> dict[str, float]:
    """um2 by part of one array. Modelled parts: ISAAC's 1 b drivers and shift-adders (32 nm), full adders of 4.5 um2 at 45 nm
    (Horowitz), buffers of 0.128 um2 a bit at 32 nm (ISAAC's input buffer), ADCs by their model."""
    nm, bits = array.technology_nm, array.weight_bits
    row = array.row_um2 if array.row_um2 is not None else scaled_um2(0.166, 32, nm)
    converters = math.ceil(array.columns / array.adc.columns) if array.adc else 0
    column = array.column_um2 if array.column_um2 is not None else scaled_um2(0.04, 32, nm)
    buffers = (array.input_buffer_bits or array.rows * array.input_bits) + _sums_held(array, bits) * array.sum_bits
    out = {
        "cells": array.rows * array.columns * cell_um2(array),
        "ADC": converters * adc_um2(array), "row drivers": array.rows * row, "columns": array.columns * column,
        "shift and add": (converters or array.outputs(bits)) * scaled_um2(60, 32, nm),
        "buffers": buffers * scaled_um2(0.128, 32, nm), "fixed": array.fixed_um2,
    }  # fmt: skip
    if array.cell.kind == "digital":
        lanes = array.inputs_summed * array.outputs(bits)
        out["adders"] = lanes * adders_per_mac(array, bits) * scaled_um2(36 / 8, 45, nm)
    return {name: um2 for name, um2 in out.items() if um2}


def adc_um2(array: Array) -> float:
    """One converter."""
    adc = array.adc
    if adc is None or (adc.kind == "stated" and adc.area_um2 is None):
        return 0.0
    if adc.area_um2 is not None:
        return adc.area_um2
    if adc.kind == "isaac":
        return isaac_adc(adc.bits, array.technology_nm)["area"].value
    return survey_adc_um2(adc.bits, max(1e3, adc.rate_hz), max(7.0, array.technology_nm))


def _sums_held(array: Array, weight_bits: int) -> int:
    return max(array.output_buffer_bits // array.sum_bits, array.outputs(weight_bits))


# Levels of a chip -------------------------------------------------------------------------------------------------------------
@lru_cache(maxsize=4096)
def levels(array: Array, weight_bits: int, input_bits: int, output_bits: int, per_load: float) -> tuple[Group | FanOut, ...]:
    """The array as levels: input and output periphery, rows x columns, cells.

    A read of an input drives a row; a write of an output is a converted column; a MAC happens in the cell.
    """
    p, um2 = prices(array, weight_bits, input_bits), area_parts(array)
    rows, outputs, groups = array.inputs_summed, array.outputs(weight_bits), array.row_groups
    row_um2 = um2.get("row drivers", 0.0)
    cells_um2 = um2.pop("cells")
    others = sum(um2.values()) - row_um2
    inputs = Memory(
        f"{array.name}_rows",
        max(array.input_buffer_bits, rows * groups * input_bits),
        input_bits,
        p.row_pj,
        input_bits * register_bit_pj(array) * array.calibration,
        ("input",),
        area_um2=row_um2,
        technology="array periphery",
        source=_text("drives a row", p.row),
        loads_serve=per_load,
    )
    held = _sums_held(array, weight_bits) * output_bits
    sums = Memory(
        f"{array.name}_columns",
        held,
        output_bits,
        p.read_sum_pj,
        p.column_pj,
        ("output",),
        leakage_mw=array.leakage_mw,
        area_um2=others,
        technology="array periphery",
        source=_text("converts a column", p.column),
        loads_serve=per_load,
    )
    axes = (Axis("rows", rows, reuses=("output",)), Axis("columns", outputs, reuses=("input",)))
    cells = Memory(
        f"{array.name}_cells",
        groups * weight_bits,
        weight_bits,
        0.0,
        p.write_weight_pj,
        ("weight",),
        area_um2=cells_um2 / (rows * outputs),
        technology=array.cell.kind,
        source="weights stay in the cells and multiply in place",
        loads_serve=per_load,
    )
    wires = FanOut(
        array.name, axes, transfer_pj=0.0, source="row and column lines are priced at the periphery", loads_serve=per_load
    )
    return Group((inputs, sums)), wires, Group((cells,))


def compute(array: Array, weight_bits: int, input_bits: int, clock_hz: float) -> Compute:
    """The MACs in the cells: a step of the mapping is one activation of a row group with whole inputs and weights."""
    p = prices(array, weight_bits, input_bits)
    cycles = array.activation_s(weight_bits, input_bits) * clock_hz
    source = _text("multiplies", p.mac)
    return Compute(f"{array.name}_mac", p.mac_pj, weight_bits, "array", 1 / cycles, area_um2=0.0, source=source)


def _text(what: str, parts: tuple[Part, ...]) -> str:
    return f"{what}: " + ", ".join(f"{p.name} {p.pj:.4g} pJ" for p in parts)

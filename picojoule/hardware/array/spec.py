"""Between the array block of a chip file and `in_memory.Array`, both ways."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from picojoule.hardware.array.in_memory import Adc, Array, Cell
from picojoule.hardware.chipfile.blocks import AdcSpec, ArraySpec, CellSpec
from picojoule.hardware.components.technology import nominal_voltage
from picojoule.quantities.units import show

# key in the file -> (field, kind of its unit)
_CELL = {"g_on": ("on_siemens", "conductance"), "g_off": ("off_siemens", "conductance"), "read": ("read_v", "voltage"),
         "pulse": ("pulse_s", "time"), "capacitance": ("capacitance_ff", "capacitance"), "write": ("write_pj", "energy"),
         "endurance": ("endurance_writes", ""), "bits": ("bits", "size")}  # fmt: skip
_ADC = {"rate": ("rate_hz", "frequency"), "model": ("kind", ""), "convert": ("convert_pj", "energy"),
        "step": ("step_pj", "energy"), "step_time": ("step_s", "time"), "area": ("area_um2", "area"),
        "bits": ("bits", "size")}  # fmt: skip
_ARRAY = {"read_time": ("read_s", "time"), "integrate_time": ("integrate_s", "time"), "stated_voltage": ("stated_v", "voltage"),
          "input_buffer": ("input_buffer_bits", "size"), "output_buffer": ("output_buffer_bits", "size"),
          "row_area": ("row_um2", "area"), "column_area": ("column_um2", "area"), "fixed_area": ("fixed_um2", "area"),
          "leakage": ("leakage_mw", "power"),
          **{k: (f"{k}_pj", "energy") for k in ("row", "column", "mac", "sample", "integrate", "shift_add", "fixed")},
          **{k: (k, "size") for k in ("dac_bits", "weight_bits", "input_bits", "sum_bits")}}  # fmt: skip
_FROM_CHIP = ("technology_nm", "voltage_v")


def array_of(spec: ArraySpec, technology_nm: float, voltage_v: float | None) -> Array:
    """The array of the block, at the chip's node and supply."""
    values = _values(spec, _ARRAY)
    values["cell"] = Cell(**_values(spec.cell, _CELL))
    values["adc"] = None if spec.adc is None else Adc(**_values(spec.adc, _ADC))
    return Array(**values, technology_nm=technology_nm, voltage_v=voltage_v or nominal_voltage(technology_nm))


def array_block(array: Array) -> dict[str, Any]:
    """The block of the array; what has its default is left out."""
    block = _block(array, _ARRAY) | {"cell": _block(array.cell, _CELL)}
    if array.adc is not None:
        block["adc"] = _block(array.adc, _ADC)
    return block


def _values(spec: ArraySpec | CellSpec | AdcSpec, table: dict[str, tuple[str, str]]) -> dict[str, Any]:
    return {table.get(key, (key, ""))[0]: getattr(spec, key) for key in type(spec).model_fields}


def _block(part: Array | Cell | Adc, table: dict[str, tuple[str, str]]) -> dict[str, Any]:
    keys = {field: (key, kind) for key, (field, kind) in table.items()}
    out: dict[str, Any] = {}
    for f in fields(part):
        value = getattr(part, f.name)
        if f.name in (*_FROM_CHIP, "cell", "adc") or value is None or value == f.default:
            continue
        key, kind = keys.get(f.name, (f.name, ""))
        out[key] = show(value, kind) if kind else value
    return out

"""Slices, conversions and lossless widths of compute-in-memory arrays, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picojoule.errors import SpecError
from picojoule.hardware.array.in_memory import Adc, Array, Cell

RERAM = Cell(kind="resistive", bits=2, area_f2=16, on_siemens=1 / 2e3, off_siemens=1 / 20e3, read_v=0.2, pulse_s=1e-9)
SRAM = Cell(kind="charge", area_f2=426, capacitance_ff=1.2)
ISAAC = Array(
    name="isaac",
    rows=128,
    columns=128,
    cell=RERAM,
    weights="offset",
    weight_bits=16,
    input_bits=16,
    adc=Adc(bits=8, rate_hz=1.28e9, columns=128, kind="isaac"),
    technology_nm=32,
    read_s=100e-9,
)


def test_isaac_at_16_bits_converts_once_per_mac_and_at_8_bits_a_quarter() -> None:
    assert ISAAC.conversions_per_mac(16, 16) == 1
    assert ISAAC.conversions_per_mac(8, 8) == 0.25
    assert ISAAC.outputs(16) == 16
    assert ISAAC.activation_s(16, 16) == pytest.approx(16 * 100e-9)


def test_raella_converts_0_018_times_per_mac() -> None:
    raella = replace(ISAAC, rows=512, columns=512, cell=replace(RERAM, bits=3), dac_bits=3, inputs="pulse_count", weight_bits=8)
    assert raella.conversions_per_mac(8, 8) == pytest.approx(0.018, abs=0.0005)


@pytest.mark.parametrize(
    ("rows", "v", "w", "bits"), [(128, 1, 2, 9), (128, 1, 1, 8), (128, 2, 2, 11), (256, 1, 1, 9), (512, 3, 3, 15)]
)
def test_the_lossless_rule_of_isaac(rows: int, v: int, w: int, bits: int) -> None:
    inputs = "bit_serial" if v == 1 else "voltage"
    array = replace(ISAAC, rows=rows, dac_bits=v, inputs=inputs, cell=replace(RERAM, bits=w))
    assert array.lossless_adc_bits() == bits


@given(rows=st.integers(1, 3), v=st.integers(1, 2), w=st.integers(1, 2))
def test_lossless_is_the_least_width_that_tells_all_sums_apart(rows: int, v: int, w: int) -> None:
    sums = {
        sum(a * b for a, b in zip(xs, ws, strict=True))
        for xs in product(range(1 << v), repeat=rows)
        for ws in product(range(1 << w), repeat=rows)
    }
    array = replace(ISAAC, rows=rows, dac_bits=v, inputs="bit_serial" if v == 1 else "voltage", cell=replace(RERAM, bits=w))
    least = (max(sums) - min(sums)).bit_length()  # a converter has equal steps
    assert array.lossless_adc_bits() == max(1, least)


def test_differential_weights_take_two_cells_and_no_slice_for_the_sign() -> None:
    columns = replace(ISAAC, weights="differential", weight_bits=4, cell=replace(RERAM, bits=3))
    assert (columns.weight_slices(4), columns.columns_per_weight(4), columns.cells_per_weight(4)) == (1, 2, 2)
    assert (columns.inputs_summed, columns.conversions(4, 8)) == (128, 8)
    assert replace(columns, subtract="digital").conversions(4, 8) == 16
    rows = replace(columns, pair="rows")
    assert (rows.columns_per_weight(4), rows.inputs_summed, rows.cells_per_weight(4)) == (1, 64, 2)
    assert rows.lossless_adc_bits() == (2 * 64 * 7).bit_length()


def test_analog_joining_saves_conversions_and_needs_wider_ones() -> None:
    one_bit = replace(RERAM, bits=1)
    array = replace(ISAAC, weights="twos_complement", weight_bits=4, input_bits=4, cell=one_bit, analog_input_slices=4)
    merged = replace(array, merge_weight_slices=True)
    assert (array.conversions(4, 4), merged.conversions(4, 4)) == (4, 1)
    assert merged.lossless_adc_bits() == (128 * 15 * 15).bit_length()
    assert merged.integrations(4) == 15


def test_more_rows_a_conversion_means_fewer_of_them_and_wider_ones() -> None:
    arrays = [replace(ISAAC, rows=n) for n in (32, 64, 128, 256)]
    each = [a.conversions_per_mac(16, 16) for a in arrays]
    wide = [a.lossless_adc_bits() for a in arrays]
    assert each == sorted(each, reverse=True) and wide == sorted(wide)


def test_counted_pulses_take_time() -> None:
    counted = replace(ISAAC, inputs="pulse_count", dac_bits=4, adc=Adc(bits=4, rate_hz=1e12), input_bits=4)
    assert counted.activation_s(16, 4) == pytest.approx(15 * 100e-9)
    assert replace(counted, inputs="voltage").activation_s(16, 4) == pytest.approx(100e-9)


@pytest.mark.parametrize(("change", "problem"), [
    ({"adc": (8, {"bits": 0})}, "an ADC of 0 bits"),
    ({"columns": 7, "adc": Adc(bits=8, rate_hz=1e9)},
     "array 'isaac': a weight of 16 b takes 8 columns of 2 b cells, and there are 7"),
    ({"cell": {"off_siemens": -1e-6}}, "negative off conductance: -1e-06 S"),
    ({"cell": {"on_siemens": 1e-6}}, "the cell conducts 1e-06 S on and 5e-05 S off"),
    ({"cell": {"bits": 0}}, "a cell of 0 bits"),
    ({"rows_summed": 96}, "array 'isaac': 96 of 128 rows are summed"),
    ({"adc": None}, "array 'isaac': an analog array has no ADC"),
    ({"cell": Cell(kind="digital", area_f2=130)}, "array 'isaac': a digital array has an ADC"),
    ({"weights": "ofset"}, "unknown weights of array 'isaac' 'ofset'"),
    ({"dac_bits": 2}, "array 'isaac': bit-serial inputs with a 2 b DAC"),
    ({"input_mean": 1.5}, "array 'isaac': input_mean is 1.5"),
    ({"rows": 0}, "array 'isaac': rows is 0"),
    ({"calibration": 0.0}, "array 'isaac': calibration is 0"),
    ({"adc": Adc(bits=8, rate_hz=1e9, columns=256)}, "array 'isaac': an ADC for 256 of 128 columns"),
])  # fmt: skip
def test_impossible_arrays_give_one_clear_error(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(SpecError) as caught:
        made = {k: replace(ISAAC.cell, **v) if k == "cell" and isinstance(v, dict) else v for k, v in change.items()}
        if isinstance(made.get("adc"), tuple):
            made["adc"] = replace(ISAAC.adc, **made["adc"][1])  # type: ignore[type-var]
        replace(ISAAC, **made)
    assert caught.value.problem == problem
    assert caught.value.hint


def test_a_resistive_cell_without_a_read_and_a_capacitor_of_nothing_are_refused() -> None:
    with pytest.raises(SpecError, match="a resistive cell needs g_on"):
        Cell(kind="resistive", area_f2=16)
    with pytest.raises(SpecError, match="cell capacitance is 0 fF"):
        Cell(kind="charge", area_f2=16, capacitance_ff=0.0)
    assert SRAM.levels == 2

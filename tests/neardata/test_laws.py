"""What every compute-in-memory array must obey, and the orderings that people quote between analog and digital ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picojoule.cost.model import evaluate
from picojoule.errors import SpecError
from picojoule.hardware.array.cost import area_parts, prices
from picojoule.hardware.chip import Chip
from picojoule.hardware.chipfile.read import chip_from_yaml, chip_to_yaml, load_chip
from picojoule.neardata.macro import at_voltage, calibrated, macros_apart, peak
from picojoule.search.placement import place
from picojoule.workload.layer import Layer, conv

MACRO = """
chip: {name}
technology: 28 nm
voltage: 0.9 V
clock: 100 MHz
scope: macro
inferences_per_load: 1000
levels:
  - memory: {{name: port, word: 8 b, read: 0 pJ, write: 0 pJ, keeps: all}}
  - fanout: {{name: macros, axes: {{m: {count}}}, transfer: 0 pJ}}
  - array: {array}
"""
ANALOG = (
    "{name: a, rows: 1152, columns: 256, cell: {kind: charge, area_f2: 300, capacitance: 1.2 fF}, "
    "adc: {bits: 7 b, rate: 10 MHz}, weight_bits: 4 b, input_bits: 4 b, read_time: 10 ns}"
)
DIGITAL = (
    "{name: d, rows: 64, columns: 32, cell: {kind: digital, area_f2: 200}, weight_bits: 4 b, input_bits: 4 b, read_time: 2 ns}"
)


def macro(name: str, count: int, array: str) -> Chip:
    return chip_from_yaml(MACRO.format(name=name, count=count, array=array))


AIMC, DIMC = macro("large-analog", 4, ANALOG), macro("small-digital", 576, DIGITAL)  # as many cells each


def pj_per_mac(layer: Layer, chip: Chip) -> float:
    return place(layer, chip, "energy").cost.energy_pj / layer.macs


@pytest.mark.parametrize("layer", [
    conv(K=64, C=64, P=28, Q=28, R=3, S=3, bits=4), conv(K=320, C=960, P=7, Q=7, R=1, S=1, bits=4)],
    ids=["convolution", "pointwise"])  # fmt: skip
def test_a_large_analog_array_wins_on_convolutions_and_pointwise_layers(layer: Layer) -> None:
    assert pj_per_mac(layer, AIMC) < pj_per_mac(layer, DIMC)


def test_a_small_digital_array_wins_on_depthwise_layers() -> None:
    layer = conv(K=256, C=256, P=14, Q=14, R=3, S=3, groups=256, bits=4)
    assert pj_per_mac(layer, DIMC) < 0.2 * pj_per_mac(layer, AIMC)


def test_the_digital_array_is_denser() -> None:
    assert DIMC.array is not None and AIMC.array is not None
    assert peak(DIMC.array).tops_per_mm2 > 5 * peak(AIMC.array).tops_per_mm2


def test_more_rows_a_converter_lower_its_energy_per_mac_and_ask_for_more_bits() -> None:
    assert AIMC.array is not None
    arrays = [replace(AIMC.array, rows=n) for n in (64, 128, 256, 512, 1024)]
    adc = [peak(a).parts_pj["ADC"] / peak(a).macs for a in arrays]
    assert adc == sorted(adc, reverse=True) and adc[0] / adc[-1] == pytest.approx(16)
    assert [a.lossless_adc_bits() for a in arrays] == [7, 8, 9, 10, 11]


@pytest.mark.parametrize("name", ["isaac", "neurram", "jia-2020", "sinangil-2021", "colonnade", "prime-like"])
def test_energies_add_up_and_follow_calibration(name: str) -> None:
    array = load_chip(name).array
    assert array is not None
    p, twice = peak(array), peak(replace(array, calibration=2.0))
    assert twice.energy_pj == pytest.approx(2 * p.energy_pj)
    assert p.energy_pj == pytest.approx(sum(p.parts_pj.values()))
    assert all(v > 0 for v in p.parts_pj.values()) and all(v > 0 for v in area_parts(array).values())
    assert sum(p.share(part) for part in p.parts_pj) == pytest.approx(1)
    met = calibrated(array, 0.123, array.weight_bits, array.input_bits)
    assert peak(met).pj_per_mac == pytest.approx(0.123)


@pytest.mark.parametrize("name", ["isaac", "jia-2020", "sinangil-2021"])
def test_energy_follows_the_data_within_its_corners(name: str) -> None:
    array = load_chip(name).array
    assert array is not None
    by_input = [peak(replace(array, input_mean=m)).energy_pj for m in (0.0, 0.25, 0.5, 1.0)]
    by_weight = [peak(replace(array, weight_mean=m)).energy_pj for m in (0.0, 0.5, 1.0)]
    assert by_input == sorted(by_input) and by_input[0] < by_input[-1]
    assert by_weight == sorted(by_weight)
    assert by_input[2] - by_input[0] == pytest.approx((by_input[3] - by_input[0]) / 2)  # bilinear


def test_a_lower_supply_takes_less_energy() -> None:
    for name in ("jia-2020", "sinangil-2021", "colonnade"):
        array = load_chip(name).array
        assert array is not None
        assert peak(at_voltage(array, 0.9 * array.voltage_v)).energy_pj < peak(array).energy_pj


def test_a_full_array_costs_through_the_mapper_what_its_parts_say() -> None:
    chip = load_chip("isaac")
    layer = conv(K=16, C=128, P=4, Q=4, R=1, S=1, bits=16)
    assert chip.array is not None
    p = prices(chip.array, 16, 16)
    cost = place(layer, chip, "energy").cost
    spent = cost.by("component")
    assert spent[("crossbar_mac",)] == pytest.approx(layer.macs * p.mac_pj)
    written = [c for c in cost.contributions if (c.component, c.action) == ("crossbar_columns", "write")]
    assert sum(c.energy_pj for c in written) == pytest.approx(16 * 16 * p.column_pj)  # one sum a pixel and output
    driven = [c for c in cost.contributions if (c.component, c.action) == ("crossbar_rows", "read")]
    assert sum(c.energy_pj for c in driven) == pytest.approx(128 * 16 * p.row_pj)
    assert dict(cost.cycles_by_cause)["compute"] == 16 * 16  # 16 pixels (or copies of them), 16 input bits, one cycle a bit


def test_weights_that_are_not_learned_are_loaded_each_time() -> None:
    chip = load_chip("isaac")
    layer = conv(K=16, C=128, P=4, Q=4, R=1, S=1, bits=16)
    activations = replace(layer, tensors=tuple(replace(t, learned=False) for t in layer.tensors))
    mapping = place(layer, chip, "energy").mapping
    once, always = (evaluate(x, chip, mapping).by("component")[("crossbar_cells",)] for x in (layer, activations))
    assert always == pytest.approx(once * chip.inferences_per_load)


def test_figures_of_different_scope_are_not_compared() -> None:
    scopes = {n: load_chip(n).scope for n in ("jia-2020", "colonnade", "eyeriss", "isaac")}
    macros_apart({n: scopes[n] for n in ("jia-2020", "colonnade")})
    macros_apart({n: scopes[n] for n in ("eyeriss", "isaac")})  # a system and a chip: shown with their scopes, not ranked
    with pytest.raises(SpecError, match="figures of different scope: jia-2020 is a macro, eyeriss is a system"):
        macros_apart({n: scopes[n] for n in ("jia-2020", "eyeriss")})


@pytest.mark.parametrize(("old", "new", "problem"), [
    ("bits: 7 b", "bits: 0 b", "an ADC of 0 bits"),
    ("columns: 256", "columns: 3", "array 'a': a weight of 4 b takes 4 columns of 1 b cells, and there are 3"),
    ("kind: charge", "kind: resistive, g_on: -2 kohm", "g_on: '-2 kohm' is negative"),
    ("kind: charge", "kind: sharge", "unknown cell kind 'sharge'"),
    ("rows: 1152", "rows: 0", "array 'a': rows is 0"),
    ("rows: 1152", "rows: many", "rows: a whole number is needed here, not text 'many'"),
    ("capacitance: 1.2 fF", "capacitance: 1.2", "capacitance: '1.2' has no unit"),
    ("name: a, ", "name: a, colums: 4, ", "unknown key 'colums'"),
])  # fmt: skip
def test_impossible_arrays_in_a_file_give_one_located_error(old: str, new: str, problem: str) -> None:
    with pytest.raises(SpecError) as caught:
        macro("bad", 1, ANALOG.replace(old, new))
    assert caught.value.problem == problem
    assert caught.value.where.startswith("chip.yaml:") and caught.value.hint


def test_an_array_comes_last_and_leaves_no_compute_beside_it() -> None:
    text = MACRO.format(name="bad", count=1, array=ANALOG)
    with pytest.raises(SpecError, match="compute stands beside an array"):
        chip_from_yaml(text + "compute: {mac: 1 pJ}\n")
    with pytest.raises(SpecError, match="an array comes last"):
        chip_from_yaml(text + "  - memory: {name: m, size: 1 KiB, word: 8 b, read: 1 pJ, write: 1 pJ}\n")
    with pytest.raises(SpecError, match="an array needs the chip's technology"):
        chip_from_yaml(text.replace("technology: 28 nm\n", ""))


def test_an_array_survives_a_round_trip() -> None:
    assert chip_from_yaml(chip_to_yaml(AIMC)) == AIMC


def test_wide_weights_that_do_not_fit_are_refused_with_the_reason() -> None:
    with pytest.raises(SpecError, match="a weight of 64 b takes 64 columns of 1 b cells, and there are 32"):
        place(conv(K=2, C=2, P=2, Q=2, R=1, S=1, bits=64), DIMC, "energy")

"""Energies that follow the values of the operands: drawn operands and counted cells, real tensors, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picojoule.cost.model import evaluate
from picojoule.errors import SpecError
from picojoule.hardware.array.cost import prices
from picojoule.hardware.array.in_memory import Array
from picojoule.hardware.array.operand_means import WithStatistics, for_operands, mean_cell, mean_of, mean_slice
from picojoule.hardware.array.slices import cut_inputs, cut_weights, input_range, weight_range
from picojoule.hardware.chipfile.read import load_chip
from picojoule.observed.data_files import load_data
from picojoule.observed.run_onnx import run_onnx
from picojoule.observed.statistics import Tally, statistics
from picojoule.report.to_json import network_json
from picojoule.search.network import map_network
from picojoule.search.placement import place
from picojoule.verification.verify import verify
from picojoule.workload.layer import Layer, conv, gemm
from picojoule.workload.load import load_model
from picojoule.workload.network import Network, Step
from picojoule.workload.plain import layer_from_plain, layer_to_plain
from picojoule.workload.values import Values, read_values
from tests.commands.run import pj
from tests.neardata.arrays import array, every_kind

DRAWS = 40_000


def skewed(low: int, high: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Integers low..high with probabilities that fall away from zero, as those of weights and activations do."""
    integers = np.arange(low, high + 1)
    p = rng.uniform(0.5, 1.5, len(integers)) * np.exp(-4 * np.abs(integers) / max(high, 1))
    return integers, p / p.sum()


def counted_pj(x: np.ndarray, w: np.ndarray, made: Array, bits: int, signed: bool) -> float:
    """Mean energy of x[n] times w[n] in the cells: every cell of the weight during every slice of the input, one by one."""
    driven = np.abs(cut_inputs(x, made, bits, signed).values) / (2**made.dac_bits - 1)  # [slices, n]
    held = cut_weights(w, made, bits).cells / (made.cell.levels - 1)  # [slices, n]
    on, off = made.cell.on_siemens or 0.0, made.cell.off_siemens or 0.0
    if made.weights == "differential" and len(held) == made.weight_slices(bits):  # both cells of each pair
        held = np.concatenate([np.maximum(held, 0), np.maximum(-held, 0)])
    siemens = off + (on - off) * held
    joules = (made.cell.read_v or 0.0) ** 2 * siemens * (made.cell.pulse_s or 0.0) * made.pulses
    return float((driven[:, None] * joules[None]).sum(axis=(0, 1)).mean() * 1e12)


KINDS = [
    k
    for k in every_kind()
    if not k["merge_weight_slices"]
    and k["analog_input_slices"] == 1  # the cells are the same
    and k["cell_bits"] != 4
    and k["dac"] != 2
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("signed", [False, True])
def test_drawn_operands_take_what_the_histograms_say(kind: dict[str, Any], signed: bool) -> None:
    made, bits = array(**kind), 6
    rng = np.random.default_rng(1)
    w, pw = skewed(*weight_range(made, bits), rng)
    x, px = skewed(*input_range(made, bits, signed), rng)
    given = replace(made, input_mean=mean_slice(x, px, made, bits, signed), weight_mean=mean_cell(w, pw, made, bits))
    found = counted_pj(rng.choice(x, DRAWS, p=px), rng.choice(w, DRAWS, p=pw), made, bits, signed)
    assert prices(given, bits, bits).mac_pj == pytest.approx(found, rel=0.01)
    assert abs(prices(made, bits, bits).mac_pj / found - 1) > 0.02  # one half would not have done


def test_counted_pulses_are_as_many_as_the_mean_slice_says() -> None:
    made = replace(array(cell_bits=1, dac=4), inputs="pulse_count")
    rng = np.random.default_rng(2)
    x, p = skewed(0, 255, rng)
    drawn = cut_inputs(rng.choice(x, DRAWS, p=p), made, 8, False).values  # pulses by slice
    mean = mean_slice(x, p, made, 8, False)
    assert made.pulses * mean * made.input_slices(8) == pytest.approx(drawn.sum(axis=0).mean(), rel=0.01)


@pytest.mark.parametrize(("weights", "cell_bits", "w", "mean"), [
    ("twos_complement", 1, -1, 1.0), ("twos_complement", 1, 1, 1 / 8), ("offset", 1, 127, 1.0), ("offset", 1, 0, 1 / 8),
    ("xnor", 1, -128, 0.0), ("differential", 1, -1, 1 / 7), ("differential", 2, 127, (3 * 3 + 1) / (4 * 3)),
    ("offset", 2, 3, (2 + 3) / (4 * 3)),
])  # fmt: skip
def test_single_weights_by_hand(weights: str, cell_bits: int, w: int, mean: float) -> None:
    made = array(weights=weights, cell_bits=cell_bits)
    assert mean_cell(np.array([w]), np.array([1.0]), made, 8) == pytest.approx(mean)


def test_the_two_conversions_of_a_digital_pair_see_the_same_cells() -> None:
    w, p = skewed(-127, 127, np.random.default_rng(3))
    analog, digital = (array(weights="differential", subtract=s) for s in ("analog", "digital"))
    assert mean_cell(w, p, analog, 8) == mean_cell(w, p, digital, 8)


def test_single_inputs_by_hand() -> None:
    one, p = array(), np.array([1.0])
    assert mean_slice(np.array([3]), p, one, 8, False) == 2 / 8
    assert mean_slice(np.array([0]), p, one, 8, True) == 1 / 8  # the offset of signed inputs
    assert mean_slice(np.array([-3]), p, replace(one, signed_magnitude=True), 8, True) == 2 / 7
    assert mean_slice(np.array([0x1F]), p, array(dac=4), 8, False) == (1 + 15) / 30


@cache
def tensors() -> dict[tuple[str, str], np.ndarray]:
    seen: dict[tuple[str, str], list[np.ndarray]] = {}
    run_onnx(
        "digits",
        load_data("digits", limit=100),
        "digits",
        100,
        lambda n, r, x: seen.setdefault((n, r), []).append(x),
        lambda done, of, what: None,
    )
    return {k: np.concatenate([np.ravel(x) for x in xs]).astype(np.float64) for k, xs in seen.items() if k[1] != "output"}


@pytest.mark.parametrize("name", ["isaac", "neurram", "jia-2020", "sinangil-2021", "colonnade"])
@pytest.mark.parametrize("bits", [4, 8])
def test_histograms_of_real_tensors_say_what_their_integers_say(name: str, bits: int) -> None:
    made = load_chip(name).array
    assert made is not None
    for (layer, role), x in tensors().items():
        tally = Tally()
        tally.add(x)
        values = read_values(tally.to_json())
        low, high = weight_range(made, bits) if role == "weight" else input_range(made, bits, bool(x.min() < 0))
        q = np.clip(np.rint(x / (np.abs(x).max() / high)), low, high).astype(np.int64)
        even = np.full(len(q), 1 / len(q))
        exact = mean_cell(q, even, made, bits) if role == "weight" else mean_slice(q, even, made, bits, bool(x.min() < 0))
        pixels = (layer, role) == ("conv1", "input")  # sixteenths, which are not spread over their bins
        assert mean_of(role, values, made, bits) == pytest.approx(exact, rel=0.06 if pixels else 0.01), (layer, role)


def test_quantised_histograms_are_distributions_and_keep_their_zeros() -> None:
    values = Values(least=-0.5, most=1.0, zeros=30, first_edge=-1.0, step=0.25, nonzeros=(0, 0, 20, 0, 0, 10, 0, 40))
    q, p = values.quantised(-128, 127)
    assert p.sum() == pytest.approx(1) and (q.min(), q.max()) == (-63, 127)
    assert p[q == 0] == pytest.approx(0.3)
    assert p[q > 40].sum() == pytest.approx(0.4 + 0.1 * (0.5 * 127 - 40.5) / 31.75)
    all_zero = Values(least=0, most=0, zeros=5, first_edge=0, step=1, nonzeros=())
    assert [v.tolist() for v in all_zero.quantised(-8, 7)] == [[0], [1.0]]
    one_bit = Values(least=-1, most=1, zeros=0, first_edge=-2, step=0.5, nonzeros=(0, 0, 1, 0, 0, 0, 1, 0))
    assert one_bit.quantised(-1, 0)[1].tolist() == [0.5, 0.5]


def known(layer: Layer, values: Values, role: str = "input") -> Layer:
    return replace(layer, tensors=tuple(replace(t, values=values) if t.role == role else t for t in layer.tensors))


SMALL = Values(least=0.0, most=1.0, zeros=90, first_edge=0.0, step=1.0, nonzeros=(10,))
LARGE = replace(SMALL, zeros=0, first_edge=0.9, step=0.2)


def test_a_layer_is_priced_by_its_own_values_and_survives_storage() -> None:
    chip, layer = load_chip("isaac"), conv(K=16, C=32, P=4, Q=4, R=3, S=3, bits=8)
    mapping = place(layer, chip, "energy").mapping
    assert chip.array is not None
    for role in ("input", "weight"):
        own = known(layer, SMALL, role)
        mean = mean_of(role, SMALL, chip.array, 8)
        stated = replace(chip, array=replace(chip.array, **{f"{role}_mean": mean}))
        assert evaluate(own, chip, mapping).energy_pj == pytest.approx(evaluate(layer, stated, mapping).energy_pj)
        assert layer_from_plain(json.loads(json.dumps(layer_to_plain(own)))) == own
        assert chip.at(own).at(own) == chip.at(own) != chip.at(layer)
    assert for_operands(chip.array, layer) is chip.array


def test_layers_that_differ_in_values_alone_are_mapped_apart_and_verified() -> None:
    layers = [known(gemm(n, M=4, N=16, K=64, bits=8), v) for n, v in (("a", SMALL), ("b", LARGE))]
    result = map_network(Network("two", tuple(Step(x) for x in layers)), load_chip("isaac"), "energy", jobs=1, cache=False)
    a, b = (x.result.cost.energy_pj for x in result.layers)
    assert a < b
    assert verify(json.loads(json.dumps(network_json(result))), 1.0)["ok"]


def test_the_command_takes_what_the_statistics_command_prints(tmp_path: Path) -> None:
    file = tmp_path / "statistics.json"
    file.write_text(json.dumps(statistics("digits", "digits", limit=20).to_json()))
    at = ("map", "digits", "--on", "isaac", "--bits", 8, "--objective", "energy", "--jobs", 1, "--json")
    plain, own = (json.loads(pj(*at, *more)[1]) for more in ((), ("--statistics", file)))
    assert own["totals"]["energy_pj"] < plain["totals"]["energy_pj"]
    assert own["totals"]["cycles"] == plain["totals"]["cycles"]
    code, out, err = pj("map", "digits", "--on", "eyeriss", "--statistics", file)
    assert (code, out) == (2, "") and "do not depend on values" in err


@pytest.mark.parametrize(("table", "problem"), [
    ([], "these are no statistics"),
    ({"layers": {}}, "these are no statistics"),
    ({"tensors": {"conv9": {}}}, "unknown layer 'conv9'"),
    ({"tensors": {"conv1": 3}}, "conv1: no histograms by tensor"),
    ({"tensors": {"conv1": {"input": {}}}}, "this is no histogram: no key 'histogram'"),
    ({"tensors": {"conv1": {"input": {"least": 0, "most": 1, "zeros": -1, "histogram":
     {"first_edge": 0, "step": 1, "nonzeros": [1]}}}}}, "a histogram of no elements, or of negative counts"),
    ({"tensors": {"conv1": {"input": {"least": 0, "most": 1, "zeros": 1, "histogram":
     {"first_edge": 0, "step": 0, "nonzeros": [1]}}}}}, "bins of 0, values from 0 to 1"),
    ({"tensors": {"conv1": {"input": {"least": 0, "most": 1, "zeros": 1, "histogram":
     {"first_edge": 5, "step": 1, "nonzeros": [1]}}}}}, "bins from 5 to 6 for values from 0 to 1"),
])  # fmt: skip
def test_tables_of_another_form_give_one_error(table: Any, problem: str) -> None:
    with pytest.raises(SpecError) as caught:
        WithStatistics(load_chip("isaac"), table, "file.json")(load_model("digits"))
    assert caught.value.problem == problem
    assert caught.value.where.startswith("file.json") and caught.value.hint


def test_integers_that_are_too_wide_are_refused_before_memory_is() -> None:
    with pytest.raises(SpecError, match="choose narrower operands"):
        SMALL.quantised(0, 2**32 - 1)

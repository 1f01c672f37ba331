"""Results as JSON: the keys that others rely on, totals that add up, and layers that read back."""

import json

import pytest

from picojoule.errors import PicojouleError
from picojoule.hardware.chipfile.read import chip_from_yaml
from picojoule.mapping.mapping import parse
from picojoule.report.to_json import network_json
from picojoule.workload.plain import layer_from_plain, layer_to_plain
from tests.report import made

VALUE = network_json(made.result())


def test_a_result_has_the_keys_that_others_rely_on() -> None:
    assert {"model", "chip", "objective", "totals", "layers", "vector_ops", "chip_yaml"} <= VALUE.keys()
    totals = {"energy_pj", "cycles", "latency_s", "edp_js", "macs", "proved", "gap", "search_cpu_s", "compile_cpu_s"}
    assert totals <= VALUE["totals"].keys()
    layer = {"name", "count", "energy_pj", "cycles", "utilization", "proved", "gap", "search_cpu_s", "mapping", "certificate"}
    for x in VALUE["layers"]:
        assert layer <= x.keys()
    assert json.loads(json.dumps(VALUE, allow_nan=False)) == VALUE


def test_layers_and_operators_times_their_count_add_up_to_the_totals() -> None:
    for key in ("energy_pj", "cycles", "macs", "latency_s"):
        rows = [*VALUE["layers"], *({"macs": 0, **x} for x in VALUE["vector_ops"])]
        assert sum(x["count"] * x[key] for x in rows) == pytest.approx(VALUE["totals"][key], rel=1e-12)
    assert VALUE["totals"]["edp_js"] == pytest.approx(VALUE["totals"]["energy_pj"] * 1e-12 * VALUE["totals"]["latency_s"])


def test_levels_tensors_and_contributions_add_up_to_a_layers_energy() -> None:
    for x in VALUE["layers"]:
        for parts in (
            x["energy_pj_by_level"].values(),
            x["energy_pj_by_tensor"].values(),
            [c["energy_pj"] for c in x["contributions"]],
        ):
            assert sum(parts) == pytest.approx(x["energy_pj"], rel=1e-12)
        assert max(x["cycles_by_cause"].values()) == x["cycles"]


def test_no_time_of_the_search_stands_in_a_certificate() -> None:
    text = json.dumps([VALUE["certificate"], *(x["certificate"] for x in VALUE["layers"])])
    assert "cpu" not in text and '_s"' not in text


def test_a_stored_result_reads_back_as_equal_chip_layers_and_mappings() -> None:
    stored = json.loads(json.dumps(VALUE))
    chip = chip_from_yaml(stored["chip_yaml"])
    assert chip == made.CHIP
    for x, original in zip(stored["layers"], made.result().layers, strict=True):
        layer = layer_from_plain(x["layer"])
        assert layer == original.result.layer
        assert parse(x["mapping"], layer, chip) == original.result.mapping


def test_operators_without_macs_carry_their_bytes_and_unknown_ones_no_invented_operations() -> None:
    pool, odd = VALUE["vector_ops"]
    assert (pool["ops"], pool["read_bytes"], pool["written_bytes"]) == (1000, 8000, 2000)
    assert odd["known"] is False and odd["ops"] is None and odd["read_bytes"] == 200 and odd["count"] == 3


@pytest.mark.parametrize(
    "damage", [lambda v: v.pop("dims"), lambda v: v["dims"].update(K=0), lambda v: v["tensors"][0].update(role="x")]
)
def test_a_damaged_layer_is_an_error_with_its_place(damage) -> None:
    value = json.loads(json.dumps(layer_to_plain(made.CONV)))
    damage(value)
    with pytest.raises(PicojouleError, match=r"result\.json: layer 0"):
        layer_from_plain(value, "result.json: layer 0")

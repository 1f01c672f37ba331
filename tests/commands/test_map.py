"""`pj map`: the answer, its JSON, the report beside it, and what goes to stderr."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import picojoule
from picojoule.hardware.chipfile.read import chip_from_yaml
from picojoule.mapping.mapping import parse
from picojoule.workload.plain import layer_from_plain
from tests.commands.run import pj
from tests.commands.test_bad_input import CHIP, assert_refused

GEMM = "gemm:M=16,N=12,K=20"


@pytest.fixture(scope="module")
def chip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("chips") / "tiny.yaml"
    path.write_text(CHIP)
    return path


def mapped(*arguments: object) -> dict[str, Any]:
    code, out, err = pj("map", *arguments, "--json")
    assert code == 0, err
    value: dict[str, Any] = json.loads(out)
    return value


def test_map_gives_the_best_mapping_with_its_proof(chip: Path) -> None:
    value = mapped(GEMM, "--on", chip, "--objective", "energy")
    (layer,) = value["layers"]
    assert (value["chip"], value["objective"]) == ("tiny", "energy")
    assert value["totals"]["proved"] and layer["proved"] and layer["gap"] == 0
    assert layer["energy_pj"] == value["totals"]["energy_pj"] > 0
    assert 0 < layer["utilization"] <= 1


def test_a_stored_result_evaluates_to_the_same_cost(chip: Path) -> None:
    value = mapped(GEMM, "--on", chip)
    stored = chip_from_yaml(value["chip_yaml"])
    for x in value["layers"]:
        layer = layer_from_plain(x["layer"])
        cost = picojoule.evaluate(layer, stored, parse(x["mapping"], layer, stored))
        assert (cost.energy_pj, cost.cycles) == (x["energy_pj"], x["cycles"])


def test_objectives_are_what_they_say(chip: Path) -> None:
    energy, latency, edp = (mapped(GEMM, "--on", chip, "--objective", o)["totals"] for o in ("energy", "latency", "edp"))
    assert energy["energy_pj"] == min(t["energy_pj"] for t in (energy, latency, edp))
    assert latency["cycles"] == min(t["cycles"] for t in (energy, latency, edp))
    assert edp["edp_js"] == min(t["edp_js"] for t in (energy, latency, edp))


def test_a_latency_limit_is_kept_or_refused(chip: Path) -> None:
    fastest = mapped(GEMM, "--on", chip, "--objective", "latency")["totals"]
    bound = mapped(GEMM, "--on", chip, "--latency", f"{fastest['latency_s'] * 1.01:.9f}s")["totals"]
    assert bound["latency_s"] <= fastest["latency_s"] * 1.01
    assert_refused(["map", GEMM, "--on", chip, "--latency", "1ns"], "no mapping within")


def test_equal_layers_are_counted_and_mapped_once() -> None:
    value = mapped("lenet5", "--on", "simple3", "--objective", "energy", "--space", "prototype")
    assert [x["name"] for x in value["layers"]] == ["c1", "c3", "c5", "f6", "output"]
    assert {x["op"] for x in value["vector_ops"]} >= {"Tanh", "AveragePool"}
    assert sum(x["count"] * x["macs"] for x in value["layers"]) == value["totals"]["macs"] == 416_520


def test_the_table_has_units_and_the_report_says_where_it_is(chip: Path, tmp_path: Path) -> None:
    page = tmp_path / "deep" / "report.html"
    code, out, _ = pj("map", GEMM, "--on", chip, "--objective", "energy", "--html", page)
    assert code == 0
    assert ("energy [nJ]" in out and "latency [ns]" in out) or "latency [µs]" in out
    assert f"report: {page}" in out
    assert "<script" not in page.read_text(encoding="utf-8") and "Loop nest" in page.read_text(encoding="utf-8")
    code, out, err = pj("map", GEMM, "--on", chip, "--objective", "energy", "--html", page, "--json")
    assert code == 0 and json.loads(out) and f"report: {page}" in err


def test_a_report_that_cannot_be_written_is_refused_before_the_search(chip: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "report.html", tmp_path):
        assert_refused(["map", GEMM, "--on", chip, "--html", place], str(place))


def test_a_layer_that_cannot_fit_names_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(
        CHIP.replace(
            "size: 64 B, word: 16 b, read: 1 pJ, write: 1 pJ, may_keep: all",
            "size: 4 B, word: 16 b, read: 1 pJ, write: 1 pJ, keeps: all",
        )
    )
    assert_refused(["map", GEMM, "--on", path], "gemm", "RF")


def test_a_network_without_macs_is_refused(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 4]) for n in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", [x], [y])
    path = tmp_path / "relu.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
    assert_refused(["map", path, "--on", "simple3"], "multiply")


def test_explain_covers_every_layer_of_a_network(chip: Path) -> None:
    code, out, err = pj("explain", GEMM, "--on", chip, "--objective", "energy", "--json")
    assert code == 0, err
    best = mapped(GEMM, "--on", chip, "--objective", "energy")
    rows = json.loads(out)["layers"][0]["rows"]
    assert sum(r["energy_pj"] for r in rows) == pytest.approx(best["totals"]["energy_pj"], rel=1e-12)

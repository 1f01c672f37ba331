"""Operators without MACs on the command line: inside the totals, left out when asked, explained, refused on devices."""

from __future__ import annotations

import json

import pytest

from tests.commands.run import pj

MAP = ("map", "lenet5", "--space", "prototype", "--jobs", 1, "--json")


def totals(*more: object) -> dict[str, object]:
    code, out, err = pj(*MAP, *more)
    assert code == 0, err
    return dict(json.loads(out)["totals"])


def test_the_totals_hold_operators_unless_they_are_left_out() -> None:
    every, macs = totals("--on", "edge-npu"), totals("--on", "edge-npu", "--operators", "macs")
    assert every["operators"] == "all" and macs["operators"] == "macs"
    assert every["energy_pj"] == macs["energy_pj"] + every["operators_energy_pj"]  # type: ignore[operator]
    assert every["cycles"] == macs["cycles"] + every["operators_cycles"]  # type: ignore[operator]
    assert macs["operators_energy_pj"] == 0 and not every["at_least"] and not macs["at_least"]


def test_a_chip_without_a_vector_unit_says_at_least() -> None:
    code, out, _ = pj("map", "lenet5", "--on", "eyeriss", "--space", "prototype", "--jobs", 1)
    assert code == 0
    assert "lenet5 on eyeriss: at least" in out and "eyeriss declares no vector unit" in out
    assert totals("--on", "eyeriss")["at_least"] is True


def test_explain_shows_where_each_figure_of_an_operator_comes_from() -> None:
    code, out, err = pj("explain", "lenet5", "--on", "nvdla-small-like", "--bits", 8, "--json")
    assert code == 0, err
    pool = next(x for x in json.loads(out)["vector_ops"] if x["op"] == "AveragePool")
    formulas = {(r["component"], r["tensor"], r["action"]): r["formula"] for r in pool["rows"]}
    assert formulas["DRAM", "operand", "read"] == "4,704 elements x 1"
    assert formulas["SDP", "", "multiply"].endswith("scalar operations")
    assert all(r["source"] for r in pool["rows"])
    code, out, _ = pj("explain", "lenet5", "--on", "nvdla-small-like", "--bits", 8, "--operators", "macs")
    assert code == 0 and "AveragePool" not in out


def test_wrong_words_and_devices_are_refused() -> None:
    code, _, err = pj("map", "lenet5", "--on", "eyeriss", "--operators", "mac")
    assert code == 2 and "error: --operators: unknown value 'mac'" in err and "did you mean 'macs'?" in err
    code, _, err = pj("map", "lenet5", "--on", "h100", "--operators", "macs")
    assert code == 2 and "h100 fuses operators into its kernels" in err


def test_compare_counts_the_same_operators_on_chips_and_gpus() -> None:
    def cards(*more: object) -> dict[str, dict[str, object]]:
        code, out, err = pj("compare", "lenet5", "--on", "nvdla-small-like,h100", "--flips", "none", "--jobs", 1, "--json", *more)
        assert code == 0, err
        return {m["machine"]: m for m in json.loads(out)["machines"]}

    every, macs = cards(), cards("--operators", "macs")
    for name in ("nvdla-small-like", "h100"):
        assert (every[name]["operators"], macs[name]["operators"]) == ("all", "macs")
        alone = every[name]["latency_s"] - every[name]["operators_s"]  # type: ignore[operator]
        assert macs[name]["latency_s"] == pytest.approx(alone)
        kinds = [x["macs"] > 0 for x in every[name]["layers"]]  # type: ignore[attr-defined, index]
        assert not all(kinds) and all(x["macs"] > 0 for x in macs[name]["layers"])  # type: ignore[attr-defined, index]


def test_batch_norms_fold_unless_they_are_kept() -> None:
    def norms(*more: object) -> list[dict[str, object]]:
        code, out, err = pj("map", "resnet18", "--on", "eyeriss", "--space", "prototype", "--jobs", 1, "--json", *more)
        assert code == 0, err
        return [x for x in json.loads(out)["vector_ops"] if x["op"] == "BatchNormalization"]

    folded, kept = norms("--objective", "energy"), norms("--objective", "energy", "--keep-batch-norm")
    assert {x["how"] for x in folded} == {"folded"} and all(x["energy_pj"] == 0 for x in folded)
    assert {x["how"] for x in kept} == {"step"} and all(x["energy_pj"] > 0 for x in kept)  # type: ignore[operator]


def test_which_does_not_qualify_a_chip_by_a_lower_bound() -> None:
    code, out, err = pj("which", "lenet5", "--on", "eyeriss,nvdla-like", "--latency", "1s", "--energy", "1mJ", "--json")
    assert code == 0, err
    verdicts = {c["machine"]: c["verdict"] for c in json.loads(out)["candidates"]}
    assert verdicts == {"nvdla-like": "qualifies", "eyeriss": "not ruled out"}
    code, out, _ = pj("which", "lenet5", "--on", "eyeriss,nvdla-like", "--latency", "1s", "--energy", "1mJ")
    assert "not ruled out, operations of some operators being unknown (--operators macs leaves them out): eyeriss" in out
    code, out, _ = pj("which", "lenet5", "--on", "eyeriss", "--latency", "1s", "--energy", "1mJ", "--operators", "macs")
    assert code == 0 and "qualify: eyeriss" in out

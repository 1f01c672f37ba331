"""`pj calibrate`, `pj predict`, `pj devices`: what they print, their JSON, their pages, and their errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from picojoule.machines.kernels.calibrate import H100
from tests.commands.run import pj


def answer(*arguments: object) -> Any:
    code, out, err = pj(*arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_calibrate_shows_errors_parameters_and_promises_and_writes_what_predict_reads(tmp_path: Path) -> None:
    device, page = tmp_path / "mine.yaml", tmp_path / "page.html"
    code, out, err = pj("calibrate", H100, "--write", device, "--html", page)
    assert code == 0 and err == ""
    for text in (
        "mean error [%]",
        "p90 [%]",
        "cold latency",
        "few, not gated",
        "fixed: ",
        "holds: mean error of the hot latency",
    ):
        assert text in out, text
    text = page.read_text(encoding="utf-8")
    assert "<svg" in text and "http://" not in text.replace("http://www.w3.org", "") and "<script" not in text
    assert answer("predict", "lenet5", "--on", device)["status"] == "calibrated"


def test_calibrate_json_holds_every_kernel_and_the_held_out_score() -> None:
    value = answer("calibrate", "h100", "--split", "random", "--seed", 1)
    assert value["hot"]["mean"] <= 0.15 and value["energy"]["mean"] <= 0.2
    assert len(value["predictions"]) == value["kernels"]["in_file"] == 82
    assert value["hot"]["n"] == sum(not p["seen"] for p in value["predictions"]) == value["kernels"]["judged"]
    assert {p["name"] for p in value["parameters"]} >= {"matrix_efficiency", "dram_bytes_per_s"}


def test_predict_prints_kernels_and_totals(tmp_path: Path) -> None:
    code, out, err = pj("predict", "resnet18", "--on", "h100", "--batch", 4, "--html", tmp_path / "p.html")
    assert code == 0 and err == ""
    assert "bound by" in out and "latency" in out and "h100 (calibrated), bf16, graph launch, fused" in out
    assert "Timeline" in (tmp_path / "p.html").read_text(encoding="utf-8")
    value = answer("predict", "resnet18", "--on", "h100", "--launch", "eager", "--dtype", "fp16", "--unfused")
    assert value["totals"]["latency_s"] > value["totals"]["busy_s"] and value["evidence"] == "modelled"
    assert sum(k["count"] for k in value["kernels"]) == value["totals"]["kernels"]


def test_map_on_a_device_answers_as_for_a_chip() -> None:
    value = answer("map", "resnet18", "--on", "h100")
    assert value["chip"] == "h100" and value["totals"]["energy_pj"] > 0 and value["totals"]["edp_js"] > 0
    assert sum(x["count"] * x["macs"] for x in value["layers"]) == value["totals"]["macs"]


def test_devices_are_listed_and_shown() -> None:
    known = {d["name"]: d["status"] for d in answer("devices")["devices"]}
    assert known["h100"] == "calibrated" and known["a100-80gb"] == "data sheet"
    assert answer("devices", "h100")["parameters"]["launch_s"] > 0
    assert "matrix_efficiency" in pj("devices", "h100")[1]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("calibrate", "none.json"), "cannot read it"),
        (("calibrate", "h100", "--split", "odd"), "unknown split 'odd'"),
        (("calibrate", "h100", "--device", "h1000"), "unknown device 'h1000'"),
        (("predict", "lenet5", "--on", "h101"), "unknown device 'h101'"),
        (("predict", "lenet5", "--on", "h100", "--dtype", "fp4"), "no fp4 units"),
        (("devices", "hal9000"), "unknown device 'hal9000'"),
    ],
)
def test_bad_input_ends_with_code_2_and_one_message(arguments: tuple[str, ...], text: str) -> None:
    code, out, err = pj(*arguments)
    assert code == 2 and out == "" and text in err and "Traceback" not in err and "hint: " in err

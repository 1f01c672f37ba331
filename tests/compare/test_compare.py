"""`pj compare` and `compare_network`: cards side by side, whatever stands behind a machine."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import picojoule
from picojoule.compare.limits import Span
from picojoule.compare.which import everything
from picojoule.errors import SpecError
from picojoule.machines.answer import Ask
from tests.commands.run import pj
from tests.conftest import chromium

MACHINES = "eyeriss,tpu-v1,nvdla-small-like,h100_sxm,epyc_7742,tpu_v1,haswell-e5-2699v3,stm32l4r5"
GEMM = "gemm:M=16,N=64,K=64"


def test_one_network_on_eight_machines_in_one_command() -> None:
    code, out, err = pj(
        "compare", "lenet5", "--on", MACHINES, "--jobs", 1, "--flips", "dram,precision", "--operators", "macs", "--json"
    )
    assert code == 0, err
    answer = json.loads(out)
    assert [m["machine"] for m in answer["machines"]] == MACHINES.split(",")
    for m in answer["machines"]:
        assert m["energy_pj"] > 0 and m["latency_s"] > 0 and 0 < m["utilization"] <= 1 + 1e-9
        assert m["inferences_per_s"] == pytest.approx(m["batch"] / m["latency_s"])
        assert {"area_mm2", "offchip_bytes", "precision", "batch", "evidence", "scope", "offchip_inside"} <= m.keys()
        assert sum(x["latency_s"] for x in m["layers"]) == pytest.approx(m["latency_s"])
        assert sum(m["waits_for"].values()) == pytest.approx(1)
        assert m["evidence"] == "modelled" and all(m["sources"].values())
    assert answer["flips"] and all(f["confirmed"] for f in answer["flips"])
    by_hand = {m["machine"]: m for m in answer["machines"]}
    for f in answer["flips"]:
        if f["factor"] == "dram":
            a, b = by_hand[f["better_before"]], by_hand[f["better_after"]]
            assert a["energy_per_inference_pj"] < b["energy_per_inference_pj"]
            assert a["onchip_per_inference_pj"] > b["onchip_per_inference_pj"]


def test_the_table_has_units_and_says_what_is_inside() -> None:
    code, out, _ = pj("compare", GEMM, "--on", "h100_sxm,epyc_7742,tpu_v1", "--flips", "none")
    assert code == 0
    for word in ("energy [", "latency [", "inf/s", "util [%]", "area [mm2]", "off-chip [", "DRAM inside", "waits for", "board"):
        assert word in out


def test_a_batch_is_shared_by_its_inferences() -> None:
    one, four = (picojoule.compare_network("lenet5", ["h100_sxm"], batch=n, flips=()).answers[0] for n in (1, 4))
    assert four.macs == 4 * one.macs and four.batch == 4
    assert four.inferences_per_s == 4 / four.latency_s
    assert four.offchip_bytes_per_inference is not None and one.offchip_bytes is not None
    assert four.offchip_bytes_per_inference < one.offchip_bytes  # weights are read once


def test_a_machine_that_declines_is_listed_with_its_reason() -> None:
    c = picojoule.compare_network(GEMM, ["h100_sxm", "p100_sxm2"], bits=8, flips=())
    assert [a.machine for a in c.answers] == ["h100_sxm"]
    assert c.declined == (("p100_sxm2", "p100_sxm2: no peak at 8 b is published"),)


def test_the_public_name_is_the_function() -> None:
    with pytest.raises(SpecError, match="no machine is named"):
        picojoule.compare_network(GEMM, [])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--on", "eyeris"], ["unknown chip or platform 'eyeris'", "did you mean 'eyeriss'?"]),
        (["--on", "h100_sxm,h100_sxm"], ["'h100_sxm' is named twice"]),
        (["--on", ","], ["no machine is named"]),
        (["--on", "p100_sxm2", "--bits", "8"], ["no machine can run it", "no peak at 8 b"]),
        (["--on", "h100_sxm", "--flips", "colour"], ["unknown factor 'colour'"]),
        (["--on", "h100_sxm", "--batches", "0"], ["--batches", "positive"]),
        (["--on", "h100_sxm", "--batches", ""], ["--batches", "no batch size is given"]),
        (["--on", "eyeriss,colonnade"], ["--on: figures of different scope: eyeriss is a system, colonnade is a macro"]),
        (["--on", "h100_sxm", "--objective", "speed"], ["unknown value 'speed'"]),
    ],
)
def test_bad_input_is_one_error(arguments: list[str], words: list[str]) -> None:
    code, out, err = pj("compare", GEMM, *arguments)
    assert code == 2 and out == "" and err.count("error: ") == 1
    assert all(w in err for w in words), err


def test_the_page_is_self_contained(tmp_path: Path) -> None:
    page = tmp_path / "c.html"
    code, out, _ = pj("compare", GEMM, "--on", "h100_sxm,epyc_7742,tpu_v1", "--flips", "none", "--html", page)
    assert code == 0 and str(page) in out
    text = page.read_text(encoding="utf-8")
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "") and "<script" not in text


def test_a_preset_without_real_energies_says_so() -> None:
    (a,) = picojoule.compare_network(GEMM, ["simple3"], flips=()).answers
    assert any("not to be compared with hardware" in n for n in a.notes)


@pytest.mark.browser
def test_the_page_renders_within_its_width(tmp_path: Path) -> None:
    page, dump = tmp_path / "c.html", "document.title=document.documentElement.scrollWidth"
    code, _, err = pj("compare", GEMM, "--on", "h100_sxm,epyc_7742,tpu_v1,l4", "--flips", "none", "--html", page)
    assert code == 0, err
    measured = page.read_text(encoding="utf-8").replace("</body>", f"<script>{dump}</script></body>")
    (tmp_path / "m.html").write_text(measured, encoding="utf-8")
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--dump-dom",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=1280,2000",
    ]
    run = subprocess.run([str(chromium()), *flags, f"file://{tmp_path / 'm.html'}"], capture_output=True, text=True, timeout=120)
    assert "<title>1280</title>" in run.stdout or "<title>1265</title>" in run.stdout, "wider than the window"


def test_a_macro_is_refused_beside_anything_larger_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_search(*_: object, **__: object) -> None:
        raise AssertionError("searched")

    monkeypatch.setattr("picojoule.machines.providers.chips.map_network", no_search)
    for other in ("eyeriss", "isaac", "h100_sxm", "zcu102"):  # a system, a chip, two boards
        with pytest.raises(SpecError, match="figures of different scope"):
            picojoule.compare_network(GEMM, ["colonnade", other])
        with pytest.raises(SpecError, match="figures of different scope"):
            picojoule.which(GEMM, picojoule.Limits(latency_s=Span(high=1.0)), on=["colonnade", other])
    assert "colonnade" not in everything() and "isaac" in everything()


def test_macros_stand_beside_macros_and_a_chip_beside_a_system_each_with_its_scope() -> None:
    macros = picojoule.compare_network(GEMM, ["colonnade", "sinangil-2021"], flips=(), bits=4).answers
    assert [a.scope for a in macros] == ["macro", "macro"]
    system, chip = picojoule.compare_network(GEMM, ["eyeriss", "isaac"], flips=("dram",), ask=Ask(jobs=1)).answers
    assert (system.scope, system.offchip_inside, chip.scope, chip.offchip_inside) == ("system", True, "chip", False)
    assert system.offchip_bytes is not None and chip.offchip_bytes is None and chip.onchip_pj == chip.energy_pj

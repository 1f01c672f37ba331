"""Figures of a batch and of one inference are named, in the table, on the page and in JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.run import pj


def test_energy_of_a_batch_and_of_an_inference_are_two_figures_with_their_names(tmp_path: Path) -> None:
    page = tmp_path / "b4.html"
    arguments = ("lenet5", "--on", "eyeriss", "--batch", 4, "--space", "prototype", "--objective", "energy")
    code, out, err = pj("map", *arguments, "--html", page)
    assert code == 0, err
    assert "batch of 4: " in out and " per inference, " in out
    text = page.read_text(encoding="utf-8")
    assert "energy of a batch of 4" in text and "energy of one inference" in text and "latency of a batch of 4" in text
    totals = json.loads(pj("map", *arguments, "--json")[1])["totals"]
    assert totals["batch"] == 4 and totals["energy_per_inference_pj"] == totals["energy_pj"] / 4
    assert totals["inferences_per_s"] == pytest.approx(4 / totals["latency_s"])
    (card,) = json.loads(
        pj(
            "compare",
            "lenet5",
            "--on",
            "eyeriss",
            "--batch",
            4,
            "--space",
            "prototype",
            "--objective",
            "energy",
            "--flips",
            "none",
            "--json",
        )[1]
    )["machines"]
    assert card["energy_per_inference_pj"] == pytest.approx(totals["energy_per_inference_pj"])
    one = pj("map", "lenet5", "--on", "eyeriss", "--space", "prototype", "--objective", "energy")[1]
    assert "per inference" not in one


def test_a_stored_batch_is_checked(tmp_path: Path) -> None:
    stored = json.loads(pj("map", "gemm:M=8,N=8,K=8", "--on", "eyeriss", "--json")[1])
    stored["totals"]["energy_per_inference_pj"] /= 2
    path = tmp_path / "r.json"
    path.write_text(json.dumps(stored), encoding="utf-8")
    code, out, _ = pj("verify", path)
    assert code == 1 and "energy_per_inference_pj" in out

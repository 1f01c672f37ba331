"""A judged mapping: node by node the differences add up, and nothing beats the best."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from picojoule.cost.model import evaluate
from picojoule.hardware.chipfile.read import load_chip
from picojoule.interop.judge import compare, differences, judge
from picojoule.interop.timeloop.stats import read_stats
from picojoule.mapping.mapping import parse
from picojoule.workload.layer import gemm
from tests.commands.run import pj
from tests.interop.timeloop_files import ARCH, ERT, MAP, PROBLEM, written

GEMM = "gemm:M=16,N=8,K=8"
POOR = "DRAM{A,B,Z}; k8; GlobalBuffer{A,B,Z}; n8 m16; RegisterFile{A,B,Z}"
BETTER = "DRAM{A,B,Z}; GlobalBuffer{A,B,Z}; n8 m16; RegisterFile{A,B,Z}; k8"
STATS = """Buffer and Arithmetic Levels
=== DRAM ===
    STATS
    -----
    A:
        Utilized instances (max)                 : 1
        Scalar reads (per-instance)              : 128
    Z:
        Utilized instances (max)                 : 1
        Scalar updates (per-instance)            : 128

Networks
Summary Stats
-------------
Cycles: 1024
Energy: 0.07 uJ
"""


def test_differences_add_up_to_the_whole() -> None:
    layer, chip = gemm(M=16, N=8, K=8), load_chip("simple3")
    first, second = (evaluate(layer, chip, parse(t, layer, chip)) for t in (POOR, BETTER))
    rows = differences(first, second)
    assert sum(d.more_pj for d in rows) == pytest.approx(first.energy_pj - second.energy_pj)
    assert [abs(d.more_pj) for d in rows] == sorted((abs(d.more_pj) for d in rows), reverse=True)
    assert rows[0].counts[0] != rows[0].counts[1]


def test_nothing_is_better_than_the_best() -> None:
    layer, chip = gemm(M=16, N=8, K=8), load_chip("simple3")
    for text in (POOR, BETTER):
        found = judge(layer, chip, parse(text, layer, chip), objective="energy")
        assert found.over_best >= 1 and found.best.proved
    again = judge(layer, chip, found.best.mapping, objective="energy")
    assert again.over_best == pytest.approx(1)


def test_statistics_stand_beside_ours_to_the_printed_digits() -> None:
    layer, chip = gemm(M=16, N=8, K=8), load_chip("simple3")
    rows = {c.what: c for c in compare(layer, chip, parse(BETTER, layer, chip), read_stats(STATS, "stats.txt"), "timeloop")}
    assert rows["cycles"].equal and rows["DRAM A reads"].equal and rows["DRAM Z updates"].equal
    assert not rows["energy [uJ]"].equal and rows["energy [uJ]"].theirs == 0.07


def test_the_commands_tell_the_same(tmp_path: Path) -> None:
    arch, problem, mapping, ert = map(str, written(tmp_path, arch=ARCH, prob=PROBLEM, map=MAP, ert=ERT))
    code, out, err = pj("check", mapping, problem, "--on", f"{arch}+{ert}", "--objective", "energy", "--json")
    answer = json.loads(out)
    assert (code, err) == (0, "") or "first look" in err
    assert answer["over_best"] >= 1 and set(answer["costs"]) == {"default", "timeloop", "timeloop-0.4"}
    code, out, _ = pj("diff", POOR, BETTER, GEMM, "--on", "simple3")
    assert code == 0 and "A - B = " in out
    code, out, _ = pj("import", arch, problem, mapping, ert, "--to", "timeloop-0.4", "--out", tmp_path / "new", "--json")
    assert code == 0 and json.loads(out)["lost"] == []
    again = [str(p) for p in sorted((tmp_path / "new").iterdir())]
    code, out, _ = pj("import", *again, "--json")
    assert code == 0 and json.loads(out)["summary"].endswith("a mapping of problem")
    code, out, _ = pj("import", "--check", tmp_path, "--json")
    assert code == 0 and json.loads(out)["refused"] == 0
    code, out, _ = pj("export", BETTER, "--on", "simple3")
    assert code == 2


def test_wrong_use_is_told(tmp_path: Path) -> None:
    for arguments, message in (
        (["import"], "name at least one file"),
        (["import", "nowhere.yaml"], "cannot read it"),
        (["import", "--check", tmp_path / "nowhere"], "this is no folder"),
        (["import", "x.yaml", "--set", "N"], "sets nothing"),
        (["export", "--on", "eyeriss"], "Timeloop files cannot say"),
    ):
        code, _, err = pj(*arguments)
        assert code == 2 and message in " ".join(err.split()), (arguments, err)

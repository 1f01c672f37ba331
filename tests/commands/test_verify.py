"""`pj verify`: a stored result holds, a changed one does not, and each says so in its exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands.run import pj
from tests.commands.test_bad_input import CHIP


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    chip = tmp_path_factory.mktemp("chips") / "tiny.yaml"
    chip.write_text(CHIP)
    code, out, err = pj("map", "gemm:M=8,N=6,K=4", "--on", chip, "--objective", "energy", "--json")
    assert code == 0, err
    value: dict[str, Any] = json.loads(out)
    return value


def test_a_result_is_checked_and_its_bound_proved_again(stored: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(stored))
    code, out, err = pj("verify", path)
    assert code == 0, out + err
    assert "every check holds" in out and "proved again" in out and "FAILS" not in out
    code, out, _ = pj("verify", path, "--json")
    report = json.loads(out)
    assert code == 0 and report["ok"] and report["rechecked"]


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "less energy": lambda r: r["layers"][0].update(energy_pj=r["layers"][0]["energy_pj"] * 0.99),
    "fewer cycles": lambda r: r["totals"].update(cycles=r["totals"]["cycles"] - 1),
    "cheaper chip": lambda r: r.update(chip_yaml=r["chip_yaml"].replace("mac: 1 pJ", "mac: 0.9 pJ")),
    "a mapping that breaks a rule": lambda r: r["layers"][0].update(mapping="DRAM{A,B,Z}; m8 n6"),
    "a worse mapping, said to be the best": lambda r: r["layers"][0].update(mapping="DRAM{A,B,Z}; m8 n6 k4"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_result_fails_with_code_1(change: str, stored: dict[str, Any], tmp_path: Path) -> None:
    value = json.loads(json.dumps(stored))
    CHANGES[change](value)
    assert value != stored
    path = tmp_path / "result.json"
    path.write_text(json.dumps(value))
    code, out, err = pj("verify", path, "--time", "2s")
    assert code == 1, out + err
    assert "FAILS" in out and "the result is wrong" in out

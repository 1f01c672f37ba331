"""Mappings that an even-tile tool's search found cost exactly what it says, under its accounting."""

from __future__ import annotations

import json
from typing import Any

import pytest

from picojoule.cost.model import evaluate
from picojoule.cost.traffic import differences
from tests.golden.even_tile_tool import DATA, found_mapping

REFERENCE = json.loads((DATA / "mapper_reference.json").read_text())
SEARCHES = REFERENCE["searches"]
EXHAUSTIVE = REFERENCE["exhaustive_tiny"]


def architecture(case: dict[str, Any]) -> dict[str, Any]:
    if "arch" not in case:
        return {"architecture": case["architecture"], "energy_per_action_pJ": case["energy_per_action_pJ"]}
    known = REFERENCE["architectures"][case["arch"]]
    return {"architecture": known["arch"], "energy_per_action_pJ": known["energy_per_action_pJ"]}


@pytest.mark.parametrize("case", SEARCHES, ids=[f"{s['layer']}-{s['algorithm']}-{s['cpu_s']}s" for s in SEARCHES])
def test_the_best_mapping_of_a_search_costs_the_same(case: dict[str, Any]) -> None:
    cost = evaluate(*found_mapping(case, architecture(case)), "timeloop")
    assert (cost.energy_pj, cost.cycles) == (case["best_energy_pJ"], case["best_cycles"])
    assert cost.energy_pj * cost.cycles == pytest.approx(case["best_edp"], rel=1e-12)


@pytest.mark.parametrize("case", EXHAUSTIVE, ids=[e["id"] for e in EXHAUSTIVE])
def test_the_optimum_of_an_exhaustive_search_costs_the_same(case: dict[str, Any]) -> None:
    cost = evaluate(*found_mapping(case, architecture(case)), "timeloop")
    assert (cost.energy_pj, cost.cycles) == (case["optimal_energy_pJ"], case["cycles_of_optimum"])


def test_a_bounding_box_hides_the_holes_of_a_strided_tile() -> None:
    """ResNet-50 conv1, stride 2: 14 rows of P at one tap span 27, so that a step of one tap seems to bring 1 row, not 14."""
    case = next(s for s in SEARCHES if s["layer"] == "resnet50_conv1")
    triple = found_mapping(case, architecture(case))
    box = differences(*triple)["bounding_box"]
    groups, channels, columns = 28 * 4 * 8, 3, 13  # Q, K, P of DRAM; C; 4 columns at stride 2 and 7 taps
    change = (27 + 6 * 1 - 7 * 14) * columns * channels * groups
    assert box == {("DRAM", "Inputs", "read"): change, ("GlobalBuffer", "Inputs", "write"): change}
    assert evaluate(*triple).energy_pj / evaluate(*triple, "timeloop").energy_pj == pytest.approx(1.3518, abs=1e-4)

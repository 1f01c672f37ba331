"""Mappings that AccelForge 1.0.467 found on pin_array16 cost what it says, under its accounting.

It calculates in single precision: its figures are right to 1e-7. Energies in J, latencies in s, as it printed them.
"""

from __future__ import annotations

import pytest

from picojoule.cost.explain import explain
from picojoule.cost.model import evaluate
from picojoule.cost.traffic import count, differences
from picojoule.hardware.chipfile.read import load_chip
from picojoule.mapping.mapping import parse
from picojoule.workload.layer import gemm

CHIP = load_chip("pin_array16")
GEMM_1K = "DRAM{A,B,Z}; m4 n4; Buffer{Z}; k8; Buffer{A,B}; Y:n16, X:m16; RF{Z}; k128; RF{A}; n16; RF{B}; m16"
FOUND = {
    (1024, 1024, 1024): (GEMM_1K, 0.0014894811850959552, 0.004194303881376982),
    (1000, 999, 1001): (
        "DRAM{A,B,Z}; m4 n3; Buffer{Z}; k13; Buffer{A,B}; Y:n3, Y:m5, X:n3, X:m5; RF{Z}; k77; RF{A}; n37; RF{B}; m10",
        0.0013562474234822034,
        0.004444439895451069,
    ),
    (1021, 1021, 1021): (
        "DRAM{A,B,Z}; n1021; Buffer{B,Z}; m1021; Buffer{A}; RF{Z}; k1021; RF{A,B}",
        0.07577114257745084,
        1.0643322467803955,
    ),
}


@pytest.mark.parametrize("mnk", FOUND, ids=lambda mnk: "x".join(map(str, mnk)))
def test_the_mapping_it_found_costs_what_it_says(mnk: tuple[int, int, int]) -> None:
    layer = gemm(M=mnk[0], N=mnk[1], K=mnk[2], bits=8)
    text, joules, seconds = FOUND[mnk]
    cost = evaluate(layer, CHIP, parse(text, layer, CHIP), "accelforge")
    assert cost.energy_pj * 1e-12 == pytest.approx(joules, rel=1e-7)
    assert cost.cycles / CHIP.clock_hz == pytest.approx(seconds, rel=1e-7)


def test_it_drains_a_tile_that_stays_because_another_tensor_is_stored_in_between() -> None:
    """k8 leaves each PE's tile of Z in place; Buffer{A,B} stands between k8 and RF{Z}, so the tile goes out and comes back."""
    layer = gemm(M=1024, N=1024, K=1024, bits=8)
    mapping = parse(GEMM_1K, layer, CHIP)
    theirs, ours = evaluate(layer, CHIP, mapping, "accelforge"), evaluate(layer, CHIP, mapping)
    assert (round(theirs.energy_pj, 2), theirs.cycles) == (1_489_481_236.48, 4_194_304)
    assert (round(ours.energy_pj, 2), ours.cycles) == (1_457_772_298.24, 4_194_304)
    parts = {rule: change for rule, change in differences(layer, CHIP, mapping, "accelforge").items() if change}
    seven_times = 7 * 1024 * 1024  # of 8 passes of k8, all but one drain and reload all of Z once more
    moved = {(memory, "Z", action): seven_times for memory in ("Buffer", "RF") for action in ("read", "write")}
    assert parts == {"outer_nodes_end_stays": moved}


def test_nothing_stored_in_between_means_the_same_count() -> None:
    layer = gemm(M=64, N=64, K=64, bits=8)
    mapping = parse("DRAM{A,B,Z}; Buffer{A,B,Z}; m4 n4; k8; X:n16, Y:m16; RF{Z}; k8; RF{A,B}", layer, CHIP)
    assert count(layer, CHIP, mapping, "accelforge") == count(layer, CHIP, mapping)


def test_explain_adds_up_under_its_accounting() -> None:
    layer = gemm(M=1024, N=1024, K=1024, bits=8)
    mapping = parse(GEMM_1K, layer, CHIP)
    rows = explain(layer, CHIP, mapping, "accelforge")
    assert sum(r["energy_pj"] for r in rows) == pytest.approx(evaluate(layer, CHIP, mapping, "accelforge").energy_pj, rel=1e-12)
    assert all(f"{r['count']:,}" in r["formula"] for r in rows if r["action"] != "mac" and "first arrivals" not in r["formula"])

"""A figure that every later change must keep: a 1024^3 matrix product on a 16 x 16 array, beside another tool's."""

import pytest

from picojoule.cost.model import evaluate
from picojoule.cost.traffic import count
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory
from picojoule.mapping.mapping import parse
from picojoule.workload.layer import gemm

KIB = 8 * 1024


def pin_array16() -> Chip:
    """A DRAM, a 128 KiB buffer and 16 x 16 PEs with a 512 B register file each; 8-bit words."""
    return Chip(
        "pin_array16",
        (
            Group((Memory("DRAM", None, 8, 64.0, 64.0, technology="dram"),)),
            Group((Memory("Buffer", 128 * KIB, 8, 2.0, 2.0),)),
            FanOut("array", (Axis("X", 16), Axis("Y", 16))),
            Group((Memory("RF", 512 * 8, 8, 0.16, 0.16, technology="register_file"),)),
        ),
        Compute("MAC", 0.1, bits=8),
        clock_hz=1e9,
    )


MAPPING = "DRAM{A,B,Z}; m4 n4; Buffer{Z}; k8; Buffer{A,B}; Y:n16, X:m16; RF{Z}; k128; RF{A}; n16; RF{B}; m16"
OTHER_TOOL_J = 1.48948124e-3  # AccelForge 1.0.467 reports 1.489481185e-3 J for these loops, its optimum of this problem
ELEMENTS = 1024 * 1024


def test_gemm_1024_costs_what_it_always_did() -> None:
    layer, chip = gemm(M=1024, N=1024, K=1024, bits=8), pin_array16()
    cost = evaluate(layer, chip, parse(MAPPING, layer, chip))
    assert cost.energy_pj * 1e-12 == pytest.approx(1.45777229824e-3, rel=1e-12)
    assert cost.cycles == 4_194_304


def test_gemm_1024_differs_from_the_other_tool_by_the_visits_of_one_node() -> None:
    """k8 leaves Z's tile in the register files (x = 8); the other tool drains and reloads it at each of the 8 passes."""
    layer, chip = gemm(M=1024, N=1024, K=1024, bits=8), pin_array16()
    mapping = parse(MAPPING, layer, chip)
    cost = evaluate(layer, chip, mapping)
    drains = next(f for f in count(layer, chip, mapping).flows if (f.kind, f.inner) == ("drain", "RF"))
    assert drains.inner_words == ELEMENTS
    drain_pj, reload_pj = 0.16 + 2.0, 2.0 + 0.16
    assert cost.energy_pj + 7 * ELEMENTS * (drain_pj + reload_pj) == pytest.approx(OTHER_TOOL_J * 1e12, rel=1e-8)

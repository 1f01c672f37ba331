"""Mappings that other tools print are read as ours; AccelForge's figures then come out under its accounting."""

from __future__ import annotations

from pathlib import Path

import pytest

from picojoule.cost.model import evaluate
from picojoule.errors import MappingError
from picojoule.hardware.chipfile.read import load_chip
from picojoule.interop.nests import from_accelforge, from_zigzag
from picojoule.workload.layer import conv, gemm

CHIPS = Path(__file__).parents[2] / "bench" / "chips"
if not CHIPS.is_dir():
    pytest.skip("the benchmark is not part of this copy", allow_module_level=True)

NVDLA = load_chip(str(CHIPS / "accelforge_nvdla.yaml"))
CONV_NAMES = ({"I": "I", "F": "W", "O": "O"}, {"m": "K", "c": "C", "p": "P", "q": "Q", "r": "R", "s": "S"})
RESNET = conv(K=128, C=128, P=28, Q=28, R=3, S=3, bits=8)
FOUND = (
    "MainMemory reuses O, I, F | MainMemory reserved for O,I,F | for c in [0..2) shape=64 | for m in [0..2) shape=64 | "
    "GlobalBuffer reuses F, I | GlobalBuffer reserved for F | for p in [0..4) shape=7 | GlobalBuffer reserved for I | "
    "for m in [0..2) shape=32 | GlobalBuffer reuses O | GlobalBuffer reserved for O | for r in [0..3) shape=1 | "
    "S-reuse_output for s in [0..3) shape=1 | S-reuse_output for c in [0..64) shape=1 | S-reuse_input for m in [0..32) shape=1 | "
    "Register reuses F | Register reserved for F | for p in [0..7) shape=1 | for q in [0..28) shape=1 | MAC computes conv"
)


def test_a_convolution_of_accelforge_costs_what_it_says() -> None:
    """Inputs are reused above p and reserved below it: its way of a sliding window, credited alike."""
    mapping = from_accelforge(FOUND, RESNET, NVDLA, *CONV_NAMES)
    assert str(mapping) == (
        "MainMemory{O,I,W}; c2 k2; GlobalBuffer{W}; p4; GlobalBuffer{I}; k2; GlobalBuffer{O}; r3; "
        "reuse_output:s3, reuse_output:c64, reuse_input:k32; Register{W}; p7 q28"
    )
    for rules in ("default", "accelforge"):
        cost = evaluate(RESNET, NVDLA, mapping, rules)
        assert cost.energy_pj * 1e-12 == pytest.approx(6.01958237672001e-05, rel=1e-7)
        assert cost.latency_s == pytest.approx(1.8815999283106066e-05, rel=1e-7)


def test_its_single_dram_port_binds_as_it_says() -> None:
    """GEMM 1024^3: 354,986.67 cycles at 38.4 GB/s for reads and writes together, not the 262,144 of the MACs."""
    text = (
        "MainMemory reserved for Z,B,A | for m in [0..4) | for n in [0..8) | GlobalBuffer reserved for Z | for k in [0..8) | "
        "GlobalBuffer reserved for B | for m in [0..2) | GlobalBuffer reserved for A | for n in [0..4) | "
        "S-reuse_output for k in [0..128) | S-reuse_input for n in [0..32) | Register reserved for B | for m in [0..128)"
    )
    layer = gemm(M=1024, N=1024, K=1024, bits=8)
    names = {t: t for t in "ABZ"}, {d: d.upper() for d in "mnk"}
    cost = evaluate(layer, NVDLA, from_accelforge(text, layer, NVDLA, *names))
    assert cost.energy_pj * 1e-12 == pytest.approx(0.0010062470806218259, rel=1e-7)
    assert cost.latency_s == pytest.approx(0.0003549866669345647, rel=1e-7)
    assert cost.bound_by == "MainMemory.shared"


ZIGZAG_DIMS = {"OY": "P", "OX": "Q", "FY": "R", "FX": "S", "K": "K", "C": "C"}
TPU = load_chip(str(CHIPS / "tpu_like.yaml"))
UNROLL = {"D1": ["K, 32"], "D2": ["C, 32"]}
LOOPS = {
    "O": [[["C", 2], ["FY", 3], ["FX", 3]], [["OY", 56], ["OX", 56], ["K", 2]], []],
    "W": [[["C", 2], ["FY", 3], ["FX", 3], ["OY", 56], ["OX", 56], ["K", 2]], []],
    "I": [[["C", 2], ["FY", 3], ["FX", 3], ["OY", 56], ["OX", 56], ["K", 2]], []],
}


def test_a_mapping_of_zigzag_costs_what_it_says_but_for_first_reads() -> None:
    """87,733,503.776 pJ and 112,896 cycles with stalls; the first update of each of 6,422,528 sums reads nothing here."""
    layer = conv(K=64, C=64, P=56, Q=56, R=3, S=3, bits=8).bits_of(output=16)
    spatial = {"W": [[], [["K", 32], ["C", 32]], []]}
    cost = evaluate(layer, TPU, from_zigzag(LOOPS, spatial, layer, TPU, ZIGZAG_DIMS, UNROLL))
    assert cost.energy_pj == pytest.approx(87_733_503.776 - 6_422_528 * 0.021, rel=1e-12)
    assert cost.cycles == 112_896


def test_a_mapping_with_a_node_on_the_wrong_side_of_the_array_is_refused() -> None:
    layer = conv(K=64, C=64, P=56, Q=56, R=3, S=3, bits=8).bits_of(output=16)
    loops = {**LOOPS, "I": [LOOPS["I"][0][:5], [["K", 2]]]}  # inputs change below the weights' tile in the register files
    with pytest.raises(MappingError):
        from_zigzag(loops, {"W": [[["K", 32], ["C", 32]]]}, layer, TPU, ZIGZAG_DIMS, UNROLL)

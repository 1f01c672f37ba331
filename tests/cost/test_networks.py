"""Networks of fan-outs with a bandwidth and hops: cycles and energy by hand, and once more by the verifier."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picojoule.cost.model import evaluate
from picojoule.cost.traffic import count
from picojoule.errors import SpecError
from picojoule.hardware.chip import FanOut, Group
from picojoule.hardware.chipfile.read import chip_from_yaml
from picojoule.mapping.mapping import parse
from picojoule.report.charts.tree import tree_text
from picojoule.verification.recount import costs
from picojoule.workload.layer import gemm

TEXT = """
chip: networked
clock: 1 GHz
levels:
  - memory: {name: DRAM, word: 8 b, read: 100 pJ, write: 100 pJ}
  - fanout: {name: tiles, axes: {T: 2}, transfer: 1 pJ, word: 8 b, bandwidth: 4 b/cycle}
  - memory: {name: buffer, size: 64 B, word: 8 b, read: 4 pJ, write: 4 pJ}
  - fanout: {name: array, axes: {X: 4, Y: 4}, transfer: 1 pJ, word: 8 b, hops: 2.5, bandwidth: 32 b/cycle}
  - peers:
      - {name: wreg, size: 8 b, word: 8 b, read: 0.1 pJ, write: 0.1 pJ, keeps: weight, leakage: 1 mW}
      - {name: ireg, size: 8 b, word: 8 b, read: 0.1 pJ, write: 0.1 pJ, keeps: input, serves: X}
compute: {mac: 1 pJ}
"""
CHIP, LAYER = chip_from_yaml(TEXT), gemm(M=8, N=4, K=4, bits=8)
MAPPING = parse("DRAM{A,B,Z}; T:m2; buffer{A,B,Z}; X:n4, Y:k4; wreg{B}; m4; ireg{A}", LAYER, CHIP)


def test_the_root_of_a_network_passes_what_multicast_and_reduction_leave() -> None:
    causes = dict(evaluate(LAYER, CHIP, MAPPING).cycles_by_cause)
    # into the tiles: 32 of A (16 each), 16 of B for both at once, 32 results out
    assert causes["tiles.network"] == (32 + 16 + 32) * 8 / 4
    # of each of two arrays: 16 of A, 16 of B, and 16 sums that are one for each column of four MACs
    assert causes["array.network"] == (16 + 16 + 16) * 8 / 32
    _, again = costs(LAYER, CHIP, MAPPING, count(LAYER, CHIP, MAPPING))
    assert again == causes


def test_each_hop_takes_the_energy_of_a_link() -> None:
    transfers = {
        (c.component, c.tensor): (c.count, c.pj_each)
        for c in evaluate(LAYER, CHIP, MAPPING).contributions
        if c.action == "transfer"
    }
    assert transfers["array", "B"] == (32, 2.5) and transfers["tiles", "A"] == (32, 1.0)


def test_words_that_a_register_hands_on_along_its_axis_do_not_pass_the_root() -> None:
    """The input register serves X: a row's four MACs are reached from it."""
    own = dict(evaluate(LAYER, CHIP, MAPPING).cycles_by_cause)["array.network"]
    levels = tuple(Group(tuple(replace(m, serves=()) for m in x.memories)) if isinstance(x, Group) else x for x in CHIP.levels)
    assert dict(evaluate(LAYER, replace(CHIP, levels=levels), MAPPING).cycles_by_cause)["array.network"] == own  # multicast


def test_a_network_is_drawn_and_refused_where_zeros_thin_it() -> None:
    assert "1 pJ per 8 b moved a hop; 2.5 hops; 32 b/cycle at its root" in tree_text(CHIP)
    skipping = replace(CHIP.memory("buffer"), skips=(("weight", ("input",)),))
    levels = (*CHIP.levels[:2], Group((skipping,)), *(x for x in CHIP.levels[3:] if isinstance(x, FanOut)))
    with pytest.raises(SpecError, match="fan-out 'tiles' has a bandwidth, and chip 'networked' exploits zeros"):
        replace(CHIP, levels=levels)

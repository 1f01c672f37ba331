"""What zeros save where one transfer serves several places: hand-counted cases beside the walks of tests/mapping."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picojoule.cost.sparsity import exploit
from picojoule.cost.survival import Along, overlapping
from picojoule.cost.traffic import count
from picojoule.hardware.chip import Chip, Group
from picojoule.mapping.mapping import parse
from picojoule.workload.layer import conv
from tests.cost.small_chips import chip, fan


def skipping(plain: Chip, name: str) -> Chip:
    """The chip whose memory leaves out inputs that meet no weight."""
    levels = tuple(
        Group(tuple(replace(m, skips=(("input", ("weight",)),)) if m.name == name else m for m in g.memories))
        if isinstance(g, Group)
        else g
        for g in plain.levels
    )
    return replace(plain, levels=levels)


def test_an_input_that_two_elements_of_the_array_share_is_skipped_only_where_both_weights_are_zero() -> None:
    layer = conv("c", K=1, C=1, P=2, Q=1, R=7, S=1).with_density(weight=4 / 7)
    machine = skipping(chip("Buffer", fan(), "RF"), "Buffer")
    mapping = parse("DRAM{O,W,I}; Buffer{O,W,I}; X:p2, X:r7; RF{W,I}", layer, machine)
    reads = exploit(layer, machine, mapping, count(layer, machine, mapping)).reads["Buffer", "I"]
    one, two = 3 / 7, 3 / 7 * 2 / 6  # three of seven weights are zero: one of them, and two at once
    assert reads.skipped == pytest.approx(2 * one + 6 * two)
    assert reads.kept == pytest.approx(8 - 2 * one - 6 * two)


def test_what_overlapping_windows_use_of_the_filter_with_each_index() -> None:
    p, r = Along(1, 2, 1, ((1, 2),), ()), Along(1, 3, 1, ((1, 3),), ())
    assert overlapping(r, p) == ((((0, 1),), 2), (((0, 2),), 2))  # the ends meet one tap, the two in the middle two
    strided = Along(2, 2, 1, ((1, 2),), ())
    assert overlapping(r, strided) == ((((0, 1),), 4), (((0, 1), (2, 1)), 1))  # index 2 meets taps 2 and 0
    ragged = Along(1, 5, 2, ((2, 2),), ((4, 2),))  # the second pass has one tile, of one tap
    assert sum(n for _, n in overlapping(ragged, p)) == 5 + 2

"""The two rules by which the runs published with Timeloop's 0.4 exercises differ from its later snapshot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picojoule.cost.model import evaluate
from picojoule.cost.traffic import count
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory
from picojoule.mapping.mapping import parse
from picojoule.workload.layer import from_ranks, one
from picojoule.workload.op import Rank

LAYER = from_ranks(
    "conv1d",
    "Conv",
    {"K": 4, "P": 12, "R": 3},
    {"W": ("weight", (one("K"), one("R"))), "I": ("input", (Rank(((1, "P"), (1, "R"))),)), "O": ("output", (one("K"), one("P")))},
    8,
)


def chip(leakage_mw: float = 0.0) -> Chip:
    def memory(name: str, bits: int | None) -> Memory:
        return Memory(name, bits, 8, 1.0, 1.0, leakage_mw=leakage_mw)

    levels = (Group((memory("DRAM", None),)), FanOut("array", (Axis("X", 4),)), Group((memory("RF", 1024),)))
    return Chip("tiny", levels, Compute("MAC", 1.0, 8, leakage_mw=leakage_mw), 1e9)


def fills(text: str, accounting: str) -> int:
    mapping = parse(text, LAYER, chip())
    return count(LAYER, chip(), mapping, accounting).writes()["RF", "I"]


@pytest.mark.parametrize(
    "text, slides, stays",
    [
        ("DRAM{W,I,O}; p3 k4; RF{W,I,O}; p4 r3", 6 + 2 * 4, 3 * 6),  # the tile of 6 stays over k4, then 4 new ones, or all again
        ("DRAM{W,I,O}; k4 p3; RF{W,I,O}; p4 r3", 4 * 14, 4 * 14),  # nothing stays between the steps of the window
    ],
)
def test_a_window_does_not_slide_over_a_loop_outside_one_over_which_it_stays(text: str, slides: int, stays: int) -> None:
    assert fills(text, "timeloop") == fills(text, "default") == slides
    assert fills(text, "timeloop-0.4") == stays


def test_only_memories_in_use_leak() -> None:
    mapping = parse("DRAM{W,I,O}; p12; X:k2; RF{W,I,O}; k2 r3", LAYER, chip())
    leaks = {}
    for rules in ("default", "timeloop", "timeloop-0.4"):
        cost = evaluate(LAYER, chip(2.0), mapping, rules)
        leaks[rules] = {c.component: c.count / cost.cycles for c in cost.contributions if c.action == "leak"}
    assert leaks["default"] == leaks["timeloop"] == {"DRAM": 1, "RF": 4, "MAC": 4}
    assert leaks["timeloop-0.4"] == {"DRAM": 1, "RF": 2}  # and its totals leave out the MACs


def test_the_same_holds_where_zeros_are_skipped() -> None:
    inner = replace(chip(2.0).memory("RF"), skips=(("input", ("weight",)),))
    sparse = replace(chip(2.0), levels=(*chip(2.0).levels[:2], Group((inner,))))
    layer = LAYER.with_density(weight=0.5)
    cost = evaluate(layer, sparse, parse("DRAM{W,I,O}; p12; X:k2; RF{W,I,O}; k2 r3", layer, sparse), "timeloop-0.4")
    assert {c.component: c.count / cost.cycles for c in cost.contributions if c.action == "leak"} == {"DRAM": 1, "RF": 2}

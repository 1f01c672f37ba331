"""Operators without MACs: words and operations written out by hand, with the vector unit outside, inside or nowhere."""

from dataclasses import replace

import pytest

from picojoule.cost.vector import Work, price
from picojoule.hardware.chip import Chip
from picojoule.hardware.chipfile.read import chip_from_yaml

TEXT = """\
chip: tiny
clock: 1 GHz
levels:
  - memory: {name: DRAM, word: 64 b, read: 64 pJ, write: 128 pJ, keeps: all, bandwidth: 16 b/cycle}
  - memory: {name: buffer, size: 1 KiB, word: 32 b, read: 6 pJ, write: 8 pJ, keeps: all,
             bandwidth: {read: 64 b/cycle, write: 32 b/cycle}}
compute: {mac: 1 pJ}
"""
UNIT = """\
vector: {at: buffer, lanes: 4, operands: 16 b, slots: {exp: 3},
         add: 0.5 pJ, multiply: 2 pJ, compare: 0.25 pJ, divide: 8 pJ, sqrt: 9 pJ, exp: 10 pJ}
"""
BARE, CHIP = chip_from_yaml(TEXT), chip_from_yaml(TEXT + UNIT)
OUTSIDE = chip_from_yaml(TEXT + UNIT.replace("at: buffer", "at: DRAM"))
POOL = Work(op="MaxPool", ops=1000, operand=400, parameters=0, result=100, bits=16)
SOFTMAX = Work(op="Softmax", ops=5 * 64, operand=64, parameters=0, result=64, bits=16, passes=3, row=16)


def unit(chip: Chip, **changes: object) -> Chip:
    assert chip.vector is not None
    return replace(chip, vector=replace(chip.vector, **changes))


def energies(work: Work, chip: Chip, how: str = "step") -> dict[tuple[str, str, str], float]:
    return {(c.component, c.tensor, c.action): c.energy_pj for c in price(work, chip, how).cost.contributions}  # type: ignore[arg-type]


def test_without_a_vector_unit_the_words_are_priced_outside_and_the_operations_are_unknown() -> None:
    priced = price(POOL, BARE, "step")
    assert energies(POOL, BARE) == {("DRAM", "operand", "read"): 400 * 64 / 4, ("DRAM", "result", "write"): 100 * 128 / 4}
    assert priced.cost.cycles == (400 + 100) * 16 / 16 and priced.cost.bound_by == "DRAM.shared"
    assert priced.unpriced == ("operations: tiny declares no vector unit",)


def test_a_unit_at_a_buffer_moves_words_through_it() -> None:
    assert energies(POOL, CHIP) == {
        ("DRAM", "operand", "read"): 400 * 64 / 4,
        ("DRAM", "result", "write"): 100 * 128 / 4,
        ("buffer", "operand", "write"): 400 * 8 / 2,
        ("buffer", "operand", "read"): 400 * 6 / 2,
        ("buffer", "result", "write"): 100 * 8 / 2,
        ("buffer", "result", "read"): 100 * 6 / 2,
        ("vector", "", "compare"): 1000 * 0.25,
    }
    causes = dict(price(POOL, CHIP, "step").cost.cycles_by_cause)
    assert causes == {"lanes": 250, "DRAM.shared": 500, "buffer.read": 500 * 16 / 64, "buffer.write": 500 * 16 / 32}
    assert not price(POOL, CHIP, "step").unpriced


def test_a_unit_outside_moves_each_word_once() -> None:
    assert energies(POOL, OUTSIDE) == {
        ("DRAM", "operand", "read"): 400 * 64 / 4,
        ("DRAM", "result", "write"): 100 * 128 / 4,
        ("vector", "", "compare"): 250,
    }


def test_softmax_reads_its_operand_once_a_pass_or_once_where_a_row_fits_the_unit() -> None:
    through = energies(SOFTMAX, CHIP)
    assert through["buffer", "operand", "read"] == 3 * 64 * 6 / 2 and through["DRAM", "operand", "read"] == 64 * 64 / 4
    assert energies(SOFTMAX, OUTSIDE)["DRAM", "operand", "read"] == 3 * 64 * 64 / 4
    for bits, passes in ((255, 3), (256, 1)):
        assert energies(SOFTMAX, unit(OUTSIDE, holds_bits=bits))["DRAM", "operand", "read"] == passes * 64 * 64 / 4
    long = replace(SOFTMAX, row=513)  # 16 b each, and 512 fit the buffer
    assert energies(long, CHIP)["DRAM", "operand", "read"] == 3 * 64 * 64 / 4
    assert energies(long, CHIP)["buffer", "operand", "write"] == 3 * 64 * 8 / 2


def test_operations_are_priced_by_kind_and_functions_take_their_slots() -> None:
    found = energies(SOFTMAX, CHIP)
    kinds = {k: found["vector", "", k] for k in ("compare", "add", "exp", "divide")}
    assert kinds == {"compare": 64 * 0.25, "add": 2 * 64 * 0.5, "exp": 64 * 10, "divide": 64 * 8}
    assert dict(price(SOFTMAX, CHIP, "step").cost.cycles_by_cause)["lanes"] == 64 * (1 + 2 + 3 + 1) / 4


def test_in_the_drain_path_only_the_second_operand_and_the_parameters_move() -> None:
    add = Work(op="Add", ops=100, operand=100, parameters=20, result=100, bits=16)
    assert energies(add, CHIP, "drain") == {
        ("DRAM", "operand", "read"): 100 * 16,
        ("DRAM", "parameters", "read"): 20 * 16,
        ("buffer", "operand", "write"): 100 * 4,
        ("buffer", "operand", "read"): 100 * 3,
        ("buffer", "parameters", "write"): 20 * 4,
        ("buffer", "parameters", "read"): 20 * 3,
        ("vector", "", "add"): 50,
    }


@pytest.mark.parametrize(("how", "rows"), [("folded", 0), ("view", 0), ("move", 2)])
def test_what_folds_or_is_a_view_costs_nothing_and_a_move_its_words(how: str, rows: int) -> None:
    moved = Work(op="Concat", ops=0, operand=30, parameters=0, result=30, bits=16)
    priced = price(moved, CHIP, how)  # type: ignore[arg-type]
    assert len(priced.cost.contributions) == rows and not priced.unpriced
    assert priced.cost.energy_pj == (30 * 16 + 30 * 32 if rows else 0)


def test_unknown_is_said_and_never_zero() -> None:
    odd = Work(op="Frobnicate", ops=0, operand=10, parameters=0, result=10, bits=16, known=False, why="not understood")
    assert price(odd, CHIP, "step").unpriced == ("what Frobnicate computes (not understood)",)
    assert price(SOFTMAX, unit(CHIP, does=("add", "compare", "divide")), "step").unpriced == ("exp: vector has none",)
    known = unit(CHIP, energies=(("add", 0.5), ("compare", 0.25), ("divide", 8.0)))
    assert price(SOFTMAX, known, "step").unpriced == ("energy of exp: vector does not state it",)
    assert price(SOFTMAX, unit(CHIP, lanes=None), "step").unpriced == ("time of operations: the rate of vector is unknown",)


def test_wider_operands_take_the_unit_several_times_and_narrow_ones_gain_where_it_scales() -> None:
    wide = replace(POOL, bits=24)
    assert (
        energies(wide, CHIP)["vector", "", "compare"] == 2 * 250 and price(wide, CHIP, "step").cost.cycles_by_cause[0][1] == 500
    )
    narrow, scaled = replace(SOFTMAX, bits=8), unit(CHIP, scaling="width")
    assert energies(narrow, CHIP)["vector", "", "exp"] == 640
    assert energies(narrow, scaled)["vector", "", "exp"] == 640 / 4 and energies(narrow, scaled)["vector", "", "add"] == 64 / 2


def test_leakage_and_static_power_run_on_while_an_operator_does() -> None:
    leaky = replace(CHIP, static_mw=2.0)
    extra = price(POOL, leaky, "step").cost.energy_pj - price(POOL, CHIP, "step").cost.energy_pj
    assert extra == pytest.approx(500 * 2.0)  # 500 cycles of 1 ns at 2 mW


def test_a_memory_that_words_cannot_bypass_is_passed_on_the_way() -> None:
    middle = "  - memory: {name: middle, size: 1 KiB, word: 16 b, read: 1 pJ, write: 1 pJ, keeps: input, may_keep: output}\n"
    chip = chip_from_yaml(TEXT.replace("  - memory: {name: buffer", middle + "  - memory: {name: buffer") + UNIT)
    found = energies(POOL, chip)
    assert found["middle", "operand", "read"] == found["middle", "operand", "write"] == 400
    assert ("middle", "result", "read") not in found

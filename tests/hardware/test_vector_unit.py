"""The vector unit of a chip: what its block may say, where it sits, what it costs, and what is wrong when it is."""

from dataclasses import replace

import pytest

from picojoule.errors import SpecError
from picojoule.hardware.chipfile.read import chip_from_yaml, chip_to_yaml, chips, load_chip
from picojoule.hardware.components.components import evaluate
from picojoule.hardware.components.logic import operation
from picojoule.hardware.vector_unit import KINDS, VectorUnit

CHIP = """\
chip: small
clock: 1 GHz
technology: 45 nm
levels:
  - memory: {name: DRAM, word: 16 b, read: 100 pJ, write: 100 pJ}
  - memory: {name: weights, size: 1 KiB, word: 16 b, read: 1 pJ, write: 1 pJ, keeps: weight}
  - memory: {name: GLB, size: 1 KiB, word: 16 b, read: 6 pJ, write: 6 pJ, keeps: [input, output]}
  - fanout: {name: array, axes: {X: 4}, transfer: 0 pJ}
  - memory: {name: RF, size: 64 B, word: 16 b, read: 1 pJ, write: 1 pJ}
compute: {mac: 1 pJ}
"""


def unit(block: str) -> VectorUnit:
    found = chip_from_yaml(CHIP + f"vector: {{{block}}}\n").vector
    assert found is not None
    return found


def test_a_chip_without_the_block_has_no_vector_unit_whatever_its_macs_are() -> None:
    assert chip_from_yaml(CHIP).vector is None
    assert chip_from_yaml(CHIP.replace("{mac: 1 pJ}", "{class: mac}")).vector is None


def test_it_sits_at_the_outermost_buffer_for_inputs_and_outputs_unless_it_says_where() -> None:
    assert unit("lanes: 4").at == "GLB"
    assert unit("lanes: 4, at: weights").at == "weights"
    bare = CHIP.replace("keeps: [input, output]", "keeps: weight").replace("keeps: weight}\n", "keeps: input}\n", 1)
    assert chip_from_yaml(bare + "vector: {lanes: 4}\n").vector.at == "DRAM"  # type: ignore[union-attr]


def test_an_energy_for_any_scalar_operation_is_a_unit_whose_rate_nobody_knows() -> None:
    found = chip_from_yaml(CHIP.replace("{mac: 1 pJ}", "{mac: 1 pJ, vector: 0.5 pJ}")).vector
    assert found is not None and found.lanes is None and dict(found.energies) == dict.fromkeys(KINDS, 0.5)


@pytest.mark.parametrize("name", [n for n in chips() if load_chip(n).vector is not None])
def test_units_of_presets_read_back_and_price_what_they_do(name: str) -> None:
    chip = load_chip(name)
    assert chip.vector is not None and chip.vector.lanes and chip.vector.source
    assert chip_from_yaml(chip_to_yaml(chip)) == chip
    assert not chip.vector.missing(chip.vector.does)


def test_stated_energies_stand_before_those_of_the_component_and_keep_their_sources() -> None:
    found = unit("lanes: 4, class: vector_lane, exp: 3 pJ, sources: {exp: measured}")
    assert found.energy_pj("exp", 16) == 3.0 and found.source_of("exp") == "measured"
    assert found.energy_pj("add", 16) == operation("add", "int", 16, 45).value
    assert "component vector_lane" in found.source_of("add")


def test_the_lane_adds_multiplies_and_composes_its_functions_of_both() -> None:
    given = {"bits": 32, "technology_nm": 45.0}
    ints, floats = evaluate("vector_lane", given, {}), evaluate("vector_lane", given, {"format": "float"})
    add, multiply = operation("add", "float", 32, 45).value, operation("multiply", "float", 32, 45).value
    assert (floats["add"].value, floats["multiply"].value) == (add, multiply)
    assert floats["divide"].value == pytest.approx(
        5 * multiply + 2 * add
    )  # two iterations of two products and a sum, and a product
    assert floats["sqrt"].value == pytest.approx(7 * multiply + 2 * add)
    assert floats["exp"].value == pytest.approx(7 * multiply + 7 * add)  # degree 6 and the range reduction
    assert floats["compare"].value == ints["compare"].value == ints["add"].value
    assert ints["exp"].value == pytest.approx(ints["multiply"].value + 2 * ints["add"].value)
    for estimate in (*ints.values(), *floats.values()):
        assert 0 < estimate.low <= estimate.value <= estimate.high


def test_energy_and_time_follow_the_width() -> None:
    found = replace(unit("lanes: 4, add: 1 pJ, multiply: 4 pJ, slots: {multiply: 2}"), bits=8)
    assert [found.energy_pj("add", b) for b in (4, 8, 9, 16)] == [1, 1, 2, 2]
    assert found.lane_cycles("multiply", 16) == 4
    scaled = replace(found, scaling="width")
    assert [scaled.energy_pj("multiply", b) for b in (4, 8, 16)] == [1, 4, 16] and scaled.energy_pj("add", 4) == 0.5
    assert found.energy_pj("exp", 8) is None and found.missing(("add", "exp")) == ("exp",)


BAD = [
    ("lanes: 0", "11:17", "lanes: 0 is not a positive, finite number", "such as 1"),
    ("at: buffer", "11:14", "unknown memory 'buffer'", "known: DRAM, GLB, RF, weights"),
    ("at: RF", "11:9", "vector unit 'vector' sits at 'RF', which exists several times",
     "name a memory outside every fan-out; lanes count all operations a cycle"),
    ("lane: 4", "11:10", "unknown key 'lane'", "did you mean 'lanes'?"),
    ("drain: relu", "11:17", "drain: unknown operator of the drain path 'relu'",
     "did you mean 'residual'? known: activation, residual, scale"),
    ("does: [add, log]", "11:16", "does: unknown kind of operation 'log'", "known: add, compare, divide, exp, multiply, sqrt"),
    ("does: [add, add]", "11:16", "does: 'add' is listed twice", "list each once"),
    ("slots: {expp: 2}", "11:18", "expp: unknown kind of operation 'expp'", "did you mean 'exp'?"),
    ("add: 1", "11:15", "add: '1' has no unit", "write an energy"),
    ("scaling: cubic", "11:19", "scaling: unknown scaling of a vector unit 'cubic'", "known: none, width"),
    ("name: GLB", "11:16", "two components are named 'GLB'", "the first one is at c.yaml:7:20"),
    ("holds: 0 B", "11:17", "holds: '0 B' is zero", "a size above zero"),
]  # fmt: skip


@pytest.mark.parametrize(("block", "place", "problem", "hint"), BAD, ids=[b[0] for b in BAD])
def test_a_fault_of_the_block_is_named_at_its_place(block: str, place: str, problem: str, hint: str) -> None:
    with pytest.raises(SpecError) as caught:
        chip_from_yaml(CHIP + f"vector: {{{block}}}\n", "c.yaml")
    assert (caught.value.where, caught.value.problem) == (f"c.yaml:{place}", problem)
    assert caught.value.hint.startswith(hint)


def test_scalar_operations_have_one_price() -> None:
    twice = CHIP.replace("{mac: 1 pJ}", "{mac: 1 pJ, vector: 0.5 pJ}") + "vector: {lanes: 4}\n"
    with pytest.raises(SpecError, match="the energy of scalar operations stands twice"):
        chip_from_yaml(twice)

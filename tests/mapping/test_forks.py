"""Rules of mappings where a chip forks: homes on the chip, outermost memories side by side, memories that serve axes."""

from __future__ import annotations

import pytest

from picojoule.cost.explain import explain
from picojoule.cost.model import evaluate
from picojoule.cost.traffic import count
from picojoule.errors import MappingError, NoMapping
from picojoule.hardware.chipfile.read import chip_from_yaml
from picojoule.mapping.mapping import Mapping, Node, parse
from picojoule.report.charts.nest import loop_nest
from picojoule.search.layer_price import LayerPricer
from picojoule.search.optimal import best_mapping
from picojoule.workload.layer import conv, gemm

CHIP = chip_from_yaml("""
chip: forked
clock: 1 GHz
levels:
  - memory: {name: DRAM, word: 8 b, read: 100 pJ, write: 100 pJ}
  - memory: {name: buffer, size: 64 B, word: 8 b, read: 4 pJ, write: 4 pJ, may_keep: all}
  - fanout: {name: array, axes: {X: 4, Y: 4}, transfer: 0 pJ}
  - peers:
      - {name: wreg, size: 8 b, word: 8 b, read: 0.1 pJ, write: 0.1 pJ, keeps: weight, leakage: 1 mW}
      - {name: ireg, size: 16 b, word: 8 b, read: 0.1 pJ, write: 0.1 pJ, keeps: input, serves: X, leakage: 1 mW}
      - {name: oreg, size: 32 b, word: 8 b, read: 0.1 pJ, write: 0.1 pJ, keeps: output, serves: Y, leakage: 1 mW}
compute: {mac: 1 pJ}
""")
LAYER = gemm(M=8, N=4, K=4, bits=8)
WEIGHTS_STAY = "DRAM{A,B,Z}; X:n4, Y:k4; wreg{B}; m8; ireg{A}; oreg{Z}"


def test_the_instances_of_a_memory_are_one_for_each_place_along_the_axes_that_it_does_not_serve() -> None:
    assert [CHIP.instances(m) for m in CHIP.memories] == [1, 1, 16, 4, 4]


def test_words_of_a_weight_stationary_array_by_hand() -> None:
    """An input goes to its row once and from there to all MACs at once; a column adds up in one register."""
    mapping = parse(WEIGHTS_STAY, LAYER, CHIP)
    traffic = count(LAYER, CHIP, mapping)
    assert traffic.writes() == {("wreg", "B"): 16, ("ireg", "A"): 32, ("oreg", "Z"): 32, ("DRAM", "Z"): 32}
    assert traffic.reads()["ireg", "A"] == 32 and traffic.reads()["oreg", "Z"] == 32 and traffic.reads()["DRAM", "A"] == 32
    assert traffic.crossings() == {("array", "B"): 16, ("array", "A"): 32 + 128, ("array", "Z"): 32 + 128}


def test_every_number_is_explained_and_adds_up() -> None:
    mapping = parse(WEIGHTS_STAY, LAYER, CHIP)
    rows, cost = explain(LAYER, CHIP, mapping), evaluate(LAYER, CHIP, mapping)
    assert sum(r["energy_pj"] for r in rows) == pytest.approx(cost.energy_pj)
    (leak,) = [r for r in rows if r["component"] == "oreg" and r["action"] == "leak"]
    assert leak["count"] == 4 * cost.cycles


def test_a_dimension_lies_on_served_axes_or_on_others() -> None:
    with pytest.raises(MappingError, match="N is unrolled along Y and along X, which ireg serves together"):
        parse("DRAM{A,B,Z}; m8; X:n2, Y:n2 k4; wreg{B}; ireg{A}; oreg{Z}", LAYER, CHIP)


def test_a_tile_wider_by_the_served_axis_must_fit() -> None:
    with pytest.raises(MappingError, match="oreg holds 32 b and the tiles need 64 b"):
        parse("DRAM{A,B,Z}; k4; X:n4, Y:m4; wreg{B}; ireg{A}; oreg{Z}; m2", LAYER, CHIP)


def test_no_loop_parts_a_sliding_window_from_the_places_that_share_its_register() -> None:
    layer = conv(K=1, C=1, P=4, Q=1, R=2, S=1, bits=8)
    with pytest.raises(MappingError, match=r"a loop over P stands between the unrolled P of array and ireg\{I\}"):
        parse("DRAM{W,I,O}; r2; X:p2; p2; wreg{W}; ireg{I}; oreg{O}", layer, CHIP)


def test_a_home_on_the_chip_is_text_that_parses_back() -> None:
    text = "home buffer{A,Z}; DRAM{B}; X:n4, Y:k4; wreg{B}; m8; ireg{A}; oreg{Z}"
    mapping = parse(text, LAYER, CHIP)
    assert str(mapping) == text and mapping.homes == (("A", "buffer"), ("Z", "buffer"))
    assert parse(str(mapping), LAYER, CHIP) == mapping
    traffic = count(LAYER, CHIP, mapping)
    assert traffic.reads()["buffer", "A"] == 32 and ("DRAM", "A") not in traffic.reads()
    assert ("buffer", "A") not in traffic.writes() and traffic.writes()["buffer", "Z"] == 32
    assert loop_nest(mapping, LAYER, CHIP).startswith("buffer is where A starts\nbuffer is where Z ends\nDRAM holds B")


@pytest.mark.parametrize(
    ("start", "problem"),
    [
        ("home buffer{A}; DRAM{A,B,Z}", "the home of A is buffer, and DRAM keeps it too"),
        ("home buffer{A}; DRAM{B,Z}; buffer{A}", "the home of A is buffer, and buffer keeps it too"),
        ("home wreg{B}; DRAM{A,Z}", "wreg lies below a fan-out and is no home"),
        ("home DRAM{A}; DRAM{B,Z}", "DRAM is an outermost memory"),
        ("home buffer{A}; home buffer{A}; DRAM{B,Z}", "A has two homes"),
        ("home buffer{A}; DRAM{Z}", "DRAM must keep B and has no node for it"),
    ],
)
def test_a_home_that_cannot_be_is_refused(start: str, problem: str) -> None:
    with pytest.raises(MappingError) as caught:
        parse(f"{start}; X:n4, Y:k4; wreg{{B}}; m8; ireg{{A}}; oreg{{Z}}", LAYER, CHIP)
    assert caught.value.problem == problem


def test_the_search_starts_and_ends_where_it_is_told() -> None:
    result = best_mapping(LAYER, CHIP, "energy", homes={"Z": "buffer", "A": "buffer"})
    assert result.proved and result.mapping.homes == (("A", "buffer"), ("Z", "buffer"))
    assert {c.tensor for c in result.cost.contributions if c.component == "DRAM"} == {"B"}
    assert "tensors start and end in DRAM, but for A in buffer, Z in buffer" in result.certificate["borders"]
    assert result.cost.energy_pj < best_mapping(LAYER, CHIP, "energy").cost.energy_pj


def test_whoever_prices_layers_one_at_a_time_says_where_they_start() -> None:
    pricer = LayerPricer(chip=CHIP, objective="energy", cache=False)
    outside, inside = pricer.price(LAYER), pricer.price(LAYER, (("A", "buffer"), ("Z", "buffer")))
    assert inside.proved and inside.mapping.homes and not outside.mapping.homes and pricer.searched == 2
    assert inside.cost.energy_pj == best_mapping(LAYER, CHIP, "energy", homes={"A": "buffer", "Z": "buffer"}).cost.energy_pj
    assert pricer.price(LAYER).cost == outside.cost and pricer.searched == 2


def test_the_fastest_is_found_where_no_bound_says_what_energy_weighs() -> None:
    """With a bound of 0 pJ the slope of cycles was too flat, and 4 cycles of less energy passed for the fastest of 3."""
    chip = chip_from_yaml("""
chip: flat
clock: 1 GHz
levels:
  - memory: {name: DRAM, word: 8 b, read: 64 pJ, write: 80 pJ}
  - fanout: {name: array, axes: {X: 4}, transfer: 0 pJ}
  - memory: {name: shared, size: 70 b, word: 8 b, read: 5.77 pJ, write: 7.5 pJ, may_keep: input, serves: X, double_buffered: true}
compute: {mac: 0.5 pJ}
""")
    layer = conv(K=4, C=2, groups=2, P=3, Q=1, R=1, S=1, bits=8)
    assert best_mapping(layer, chip, "latency").cost.cycles == 3


BESIDE = chip_from_yaml("""
chip: beside
clock: 1 GHz
levels:
  - peers:
      - {name: flash, word: 8 b, read: 80 pJ, write: 1 nJ, keeps: weight, bandwidth: 8 b/cycle}
      - {name: sram, size: 128 B, word: 8 b, read: 2 pJ, write: 2 pJ, keeps: [input, output]}
  - memory: {name: buffer, size: 16 B, word: 8 b, read: 1 pJ, write: 1 pJ}
compute: {mac: 1 pJ}
""")


def test_memories_side_by_side_keep_each_their_own() -> None:
    result = best_mapping(LAYER, BESIDE, "energy")
    assert result.proved and set(result.mapping.entries[:3]) == {Node("sram", "A"), Node("flash", "B"), Node("sram", "Z")}
    assert {(c.component, c.tensor) for c in result.cost.contributions if c.component in ("flash", "sram")} == {
        ("flash", "B"), ("sram", "A"), ("sram", "Z"),
    }  # fmt: skip


def test_what_starts_and_ends_beside_must_fit_there() -> None:
    with pytest.raises(NoMapping, match="sram starts and ends with all of A, Z, 1,536 b, and has room for 1,024 b"):
        best_mapping(gemm(M=16, N=4, K=8, bits=8), BESIDE, "energy")
    with pytest.raises(MappingError, match="sram holds 1,024 b and the tiles need 1,536 b"):
        parse("flash{B}; sram{A,Z}; buffer{A,B,Z}; m16 n4 k8", gemm(M=16, N=4, K=8, bits=8), BESIDE)


def test_a_mapping_without_homes_is_as_it_was() -> None:
    assert Mapping((Node("DRAM", "A"),)) == Mapping((Node("DRAM", "A"),), ())

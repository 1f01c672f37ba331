"""Chips with operand registers along different axes, after ZigZag's examples: read, drawn, counted, mapped and proved."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from picojoule.cost.model import evaluate
from picojoule.cost.traffic import count
from picojoule.errors import MappingError
from picojoule.hardware.chip import Chip, FanOut, Group
from picojoule.hardware.chipfile.read import chip_from_yaml, chip_to_yaml, load_chip
from picojoule.mapping.mapping import Mapping, check, parse
from picojoule.mapping.walk import simulate
from picojoule.mapping.words import Traffic
from picojoule.report.charts.tree import tree_svg, tree_text
from picojoule.search.optimal import best_mapping
from picojoule.workload.layer import Layer, conv, gemm
from tests.oracle.enumerate import SAME, all_mappings
from tests.oracle.random_cases import Features, random_mapping, served_loops
from tests.search.pricing import Pricer

ROOT = Path(__file__).parents[2]
FILES = {
    "gemm_cores": ROOT / "tests/mapping/chips/gemm_cores.yaml",
    "rows_and_columns": ROOT / "tests/mapping/chips/rows_and_columns.yaml",
    "eyeriss_registers": ROOT / "tests/mapping/chips/eyeriss_registers.yaml",
    "tpu_like": ROOT / "bench/chips/tpu_like.yaml",
    "tesla_like": ROOT / "bench/chips/tesla_like.yaml",
}
CHIPS = {name: load_chip(str(path)) for name, path in FILES.items()}
SMALL = {"gemm_cores": gemm(M=4, N=2, K=3, bits=8)}
WINDOW = conv(K=2, C=2, P=2, Q=1, R=2, S=1, bits=8)
PADDED = conv(K=3, C=2, P=5, Q=1, R=3, S=1, pad=(1, 0), bits=8)


def small(chip: Chip, places: int, words: int | None) -> Chip:
    """The chip with short axes, and room for so many words in each on-chip memory (None: for any number)."""

    def part(x: Group | FanOut) -> Group | FanOut:
        if isinstance(x, FanOut):
            return replace(x, axes=tuple(replace(a, size=min(places, a.size)) for a in x.axes))
        room = None if words is None else 16 * words
        return Group(tuple(m if m in chip.outermost else replace(m, capacity_bits=room) for m in x.memories))

    return replace(chip, levels=tuple(map(part, chip.levels)))


@pytest.mark.parametrize("name", FILES)
def test_it_reads_back_and_is_drawn_with_what_each_register_serves(name: str) -> None:
    chip = CHIPS[name]
    assert chip_from_yaml(chip_to_yaml(chip)) == chip
    for m in chip.memories:
        assert m.name in tree_text(chip) and m.name in tree_svg(chip)
        assert not m.serves or f"one for all of {' × '.join(m.serves)}" in tree_text(chip)


@pytest.mark.parametrize("name", FILES)
def test_words_are_those_of_the_walk_on_random_mappings(name: str) -> None:
    chip, rng, left, used = small(CHIPS[name], 4, None), random.Random(name), 120, 0
    layers = [
        SMALL.get(name, WINDOW),
        gemm(M=5, N=3, K=4, bits=8) if name in SMALL else conv(K=3, C=2, P=5, Q=1, R=3, S=1, pad=(1, 0), bits=8),
    ]
    while left:
        layer = rng.choice(layers)
        mapping = random_mapping(rng, Features(bypass=False), layer, chip)
        try:
            check(mapping, layer, chip)
        except MappingError:
            continue
        walked, counted = simulate(layer, chip, mapping), count(layer, chip, mapping)
        assert walked.steps == counted.steps, mapping
        for table in (Traffic.reads, Traffic.writes, Traffic.crossings):
            one, other = table(walked), table(counted)
            assert {k: n for k, n in one.items() if n} == {k: n for k, n in other.items() if n}, mapping
        used += bool(served_loops(chip, mapping))
        left -= 1
    assert used >= 20 or not any(m.serves for m in chip.memories)


@pytest.mark.parametrize("name", ["gemm_cores", "rows_and_columns"])
def test_the_search_finds_the_best_of_all_mappings(name: str) -> None:
    chip, layer = small(CHIPS[name], 2, 5), SMALL.get(name, conv(K=2, C=2, P=2, Q=1, R=1, S=1, bits=8))
    price = Pricer(layer, chip)
    points = [price(m) for m in all_mappings(layer, chip, placements="two")]
    for objective, least in (("energy", min(e for e, _ in points)), ("edp", min(e * c for e, c in points))):
        found = best_mapping(layer, chip, objective, space="perfect")
        value = found.cost.energy_pj * (found.cost.cycles if objective == "edp" else 1)
        assert found.proved and value == pytest.approx(least, rel=SAME)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("gemm_cores", gemm(M=64, N=64, K=64, bits=8)),
        ("rows_and_columns", conv(K=128, C=32, P=14, Q=14, R=1, S=1, bits=8)),
        ("eyeriss_registers", conv(K=8, C=8, P=8, Q=8, R=3, S=3, bits=8)),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_it_is_mapped_with_a_proof(name: str, layer: Layer) -> None:
    result = best_mapping(layer, CHIPS[name], "energy")
    assert result.proved
    assert parse(str(result.mapping), layer, CHIPS[name]) == result.mapping
    if name == "gemm_cores":  # a row of D2 adds up before its register: 64^3 / 8 updates, however the rest is mapped
        assert count(layer, CHIPS[name], result.mapping).writes()["reg_O", "Z"] >= 64**3 // 8


def test_a_chain_that_says_the_same_counts_the_same() -> None:
    """The Tesla-like chip's weight registers lie along two axes: as one array that they serve, or as a chain of two arrays."""
    chain = CHIPS["tesla_like"]
    text = (ROOT / "bench/chips/tesla_like.yaml").read_text(encoding="utf-8")
    start, end = text.index("  - fanout:"), text.index("compute:")
    fork = chip_from_yaml(
        text[:start]
        + """\
  - fanout:
      name: array
      axes: {D1: {size: 32, dims: [K]}, D2: {size: 8, dims: [Q]}, D3: {size: 4, dims: [P]}}
      transfer: 0 pJ
      word: 8 b
  - peers:
      - {name: rf_w, size: 8 b, word: 8 b, read: 0.01 pJ, write: 0.01 pJ, leakage: 0 mW, keeps: weight, serves: [D2, D3],
         bandwidth: {read: 8 b/cycle, write: 8 b/cycle}}
      - {name: rf_o, size: 32 b, word: 16 b, read: 0.022 pJ, write: 0.022 pJ, leakage: 0 mW, keeps: output,
         bandwidth: {read: 32 b/cycle, write: 32 b/cycle}}

"""
        + text[end:]
    )
    layer = conv(K=32, C=3, P=8, Q=8, R=3, S=3, bits=8)
    both = "dram{W,I,O}; p2; l2_a{I,O}; l2_w{W}; c3 r3 s3; l1_i{I}; l1_w{W}; "
    one = parse(both + "D1:k32; rf_w{W}; D2:q8, D3:p4; rf_o{O}", layer, chain)
    other = parse(both + "D1:k32, D2:q8, D3:p4; rf_w{W}; rf_o{O}", layer, fork)
    assert evaluate(layer, chain, one).energy_pj == pytest.approx(evaluate(layer, fork, other).energy_pj)
    assert count(layer, chain, one).reads() == count(layer, fork, other).reads()
    assert dict(evaluate(layer, chain, one).cycles_by_cause) == dict(evaluate(layer, fork, other).cycles_by_cause)
    assert isinstance(other, Mapping)

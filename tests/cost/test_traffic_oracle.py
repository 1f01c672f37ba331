"""The closed-form word count equals the loop walker on random layers, chips and mappings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picojoule.cost.traffic import count
from picojoule.mapping.walk import simulate
from picojoule.mapping.words import Traffic
from tests.oracle.random_cases import KINDS, cases


def counts(t: Traffic) -> dict[tuple[str, str, str], int]:
    """All that must agree, without zeros."""
    tables = {"read": t.reads(), "write": t.writes(), "cross": t.crossings()}
    flat = {(what, *key): n for what, table in tables.items() for key, n in table.items() if n}
    return flat | {("macs", "", ""): t.macs, ("steps", "", ""): t.steps}


def compare(n: int, seed: int, resumes: bool = False, **features: object) -> None:
    for i, (layer, chip, mapping) in enumerate(cases(n, seed, **features)):
        if resumes:
            layer = replace(layer, resumes=True)
        expected, got = counts(simulate(layer, chip, mapping)), counts(count(layer, chip, mapping))
        if expected != got:
            wrong = {k: (expected.get(k, 0), got.get(k, 0)) for k in expected | got if expected.get(k, 0) != got.get(k, 0)}
            pytest.fail(f"case {i} of seed {seed}: walked, counted = {wrong}\n{mapping}\n{layer}\n{chip.levels}")


@pytest.mark.parametrize("kind", KINDS)
def test_the_count_equals_the_walk_on_every_kind_of_layer(kind: str) -> None:
    compare(250, seed=KINDS.index(kind), kinds=(kind,), points=250)


def test_the_count_equals_the_walk_on_perfect_tiles() -> None:
    compare(250, seed=11, ragged=False, padding=False, links=0.0)


def test_the_count_equals_the_walk_on_ragged_sizes_unrolled_on_two_fanouts() -> None:
    compare(250, seed=12, fanouts=2, links=0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_count_equals_the_walk_where_memories_serve_axes_of_an_array(kind: str) -> None:
    compare(60, seed=40 + KINDS.index(kind), kinds=(kind,), points=250, serves=0.7)


def test_the_count_equals_the_walk_where_tensors_start_and_end_on_the_chip_or_side_by_side() -> None:
    compare(250, seed=50, points=250, homes=0.5)
    compare(100, seed=51, points=250, homes=0.5, serves=0.5)


def test_the_count_equals_the_walk_where_sums_go_on_from_what_lies_at_home() -> None:
    compare(150, seed=60, resumes=True, points=250, homes=0.5)
    compare(100, seed=61, resumes=True, points=250, serves=0.5)


@pytest.mark.slow
def test_the_count_equals_the_walk_on_many_cases_with_served_axes() -> None:
    compare(5_000, seed=14, serves=0.6)


@pytest.mark.slow
def test_the_count_equals_the_walk_on_many_cases() -> None:
    compare(20_000, seed=13)

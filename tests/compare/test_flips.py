"""Flips: found where two machines change places, decided only where gaps allow, confirmed by fresh runs, located by batch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picojoule.compare import flips
from picojoule.compare.bench import Condition
from picojoule.compare.flips import FACTORS, Flip, View, confirm, find, locate, order
from picojoule.machines.answer import Answer
from tests.compare.made import Made, bench

BASE = Condition()


def found(*machines: Made, factors: tuple[str, ...] = FACTORS, batches: tuple[int, ...] = (16,)) -> list[Flip]:
    return find(bench(*machines), BASE, batches, (8,), factors)


def test_leaving_dram_out_flips_a_ranking() -> None:
    chip, other = Made(name="a", onchip_pj=5, dram_pj=1), Made(name="b", onchip_pj=2, dram_pj=9)
    (flip,) = found(chip, other, factors=("dram",))
    assert (flip.better, flip.worse, flip.values_before, flip.values_after) == ("a", "b", (6, 11), (5, 2))
    assert found(chip, replace(other, onchip_pj=5.5), factors=("dram",)) == []


def test_a_batch_flips_times_and_is_located_between_neighbouring_powers_of_two() -> None:
    slow_start, steady = Made(name="a", each_s=1e-3, wait_s=10e-3), Made(name="b", each_s=3e-3)
    b = bench(slow_start, steady)
    (flip,) = (f for f in find(b, BASE, (64,), (8,), ("batch",)) if f.before.metric == "time")
    assert (flip.better, flip.worse) == ("b", "a")
    assert locate(b, flip).between == (4, 8)  # n + 10 < 3 n from n = 6 on


def test_precision_flips_energies() -> None:
    flips = found(Made(name="a", onchip_pj=5, dram_pj=4), Made(name="b", onchip_pj=1, dram_pj=10), factors=("precision",))
    assert [(f.better, f.factor, f.values_after) for f in flips] == [("a", "precision", (7, 6))]


def test_nothing_is_ranked_across_scopes_or_within_gaps() -> None:
    a, b = Made(name="a", onchip_pj=5, dram_pj=1), Made(name="b", onchip_pj=2, dram_pj=9)
    assert found(a, replace(b, scope="macro"), factors=("dram",)) == []
    assert found(a, replace(b, is_bound=True), factors=("dram",)) == []
    assert found(replace(a, gap=1.5), replace(b, gap=1.5), factors=("dram",)) == []
    assert found(a, replace(b, separable=False), factors=("dram",)) == []


def test_a_gap_leaves_the_order_open_only_where_it_reaches() -> None:
    view = View(metric="energy", condition=BASE)
    low, high = (bench(Made(name="x", onchip_pj=e, gap=0.1)).answer("x", BASE) for e in (9, 10))
    assert isinstance(low, Answer) and isinstance(high, Answer)
    assert order(low, high, view) == 0
    assert order(low, replace(high, gap=0.0), view) == -1 and order(replace(high, gap=0.0), low, view) == 1


def test_a_flip_is_confirmed_by_fresh_runs_of_all_four_cells() -> None:
    a, b = Made(name="a", onchip_pj=5, dram_pj=4), Made(name="b", onchip_pj=1, dram_pj=10)
    made = bench(a, b)
    (flip,) = find(made, BASE, (16,), (8,), ("precision",))
    assert confirm(made, flip).confirmed
    assert [r for r in a.runs if not r[2]] == [(1, None, False), (1, 8, False)] == [r for r in b.runs if not r[2]]
    b.onchip_pj = 50.0  # a machine that answers something else the second time
    again = bench(a, b)
    again.answers.update({k: v for k, v in made.answers.items() if not k[2]})
    assert confirm(again, flip).confirmed is False


def test_machines_that_decline_do_not_stop_the_others() -> None:
    b = bench(Made(name="a"), Made(name="b", most_bits=8))
    assert set(b.all(Condition(bits=16))) == {"a"} and b.declined(Condition(bits=16)) == {"b": "b: too wide"}


@pytest.mark.parametrize("metric", ["energy", "time"])
def test_orders_are_antisymmetric(metric: str) -> None:
    view = View(metric=metric, condition=BASE)
    x, y = (bench(Made(name=n, onchip_pj=e, each_s=s)).answer(n, BASE) for n, e, s in (("a", 1, 2e-3), ("b", 2, 1e-3)))
    assert isinstance(x, Answer) and isinstance(y, Answer)
    assert order(x, y, view) == -order(y, x, view) != 0
    assert flips.comparable(x, replace(y, scope="macro"), metric) is (metric == "time")

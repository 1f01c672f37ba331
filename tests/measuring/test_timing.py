"""Times rest on the samples that were taken, and percentiles are withheld where there are too few."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picojoule.errors import SpecError
from picojoule.measuring import scenarios
from picojoule.measuring.timing import cold, hot, times
from tests.measuring.clock import Clock


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=80))
def test_statistics_are_ordered_and_lie_within_the_samples(samples: list[float]) -> None:
    t = times(samples)
    assert t.n == len(samples)
    assert t.min <= t.p10 <= t.median <= t.max
    assert t.min * (1 - 1e-12) <= t.mean <= t.max * (1 + 1e-12)
    assert (t.p90 is None) == (len(samples) < 64)


@pytest.mark.parametrize(("n", "p90", "p99"), [(63, False, False), (64, True, False), (661, True, False), (662, True, True)])
def test_a_percentile_needs_as_many_samples_as_early_stopping_asks_for(n: int, p90: bool, p99: bool) -> None:
    t = times([float(i) for i in range(1, n + 1)])
    assert (t.p90 is not None, t.p99 is not None) == (p90, p99)
    if t.p99 is not None:
        assert t.p99 == 656.0  # the smallest sample that 99 % of 662 do not exceed


@pytest.mark.parametrize("bad", [[], [float("nan")], [-1.0], [float("inf")]])
def test_samples_that_are_no_times_are_refused(bad: list[float]) -> None:
    with pytest.raises(SpecError, match="no times"):
        times(bad)


def test_short_calls_are_timed_in_bursts_that_hide_the_clock() -> None:
    clock = Clock()
    t, calls, result = hot(lambda: clock.work(1e-5) or "done", samples=5, clock=clock)
    assert result == "done" and calls * 1e-5 >= 2e-3
    assert t.median == pytest.approx(1e-5) and t.n == 5


def test_a_budget_ends_the_timing_but_three_bursts_are_always_taken() -> None:
    clock = Clock()
    assert hot(lambda: clock.work(10.0), samples=100, budget_s=1.0, clock=clock)[0].n == 3
    assert hot(lambda: clock.work(0.1), samples=100, budget_s=1.0, clock=clock)[0].n in range(9, 13)


def test_cold_times_leave_out_what_displaces_the_caches() -> None:
    clock = Clock()
    t = cold(lambda: clock.work(0.25), lambda: clock.work(100.0), samples=4, budget_s=1e6, clock=clock)
    assert (t.median, t.n) == (0.25, 4)


def test_the_server_counts_latency_from_the_time_a_query_was_due() -> None:
    """A system that stalls for ten seconds once makes every query behind it late, and may not hide them."""
    clock, calls = Clock(), 0

    def run(samples: int) -> None:
        nonlocal calls
        calls += 1
        clock.work(10.0 if calls == 5 else 0.001)

    load = scenarios.server(run, rate_per_s=100.0, queries=1000, seed=1, budget_s=1e9, clock=clock, sleep=clock.sleep)
    assert load.latency is not None and load.latency.n == 1000
    assert load.latency.mean > 4.0  # from the time of issue it would be 0.011 s: one stall in a thousand queries
    assert load.latency.max == pytest.approx(10.0, rel=0.01)


def test_a_server_within_its_capacity_has_the_latency_of_its_service() -> None:
    clock = Clock()
    load = scenarios.server(
        lambda n: clock.work(0.001),
        rate_per_s=1.0,
        queries=700,
        seed=0,
        bound_s=0.01,
        budget_s=1e9,
        clock=clock,
        sleep=clock.sleep,
    )
    assert load.latency is not None and load.latency.median == pytest.approx(0.001) and load.met is True


def test_arrivals_are_poisson_at_the_stated_rate_and_the_same_for_a_seed() -> None:
    def offered(seed: int) -> float:
        clock = Clock()
        load = scenarios.server(
            lambda n: clock.work(1e-9), rate_per_s=50.0, queries=4000, seed=seed, budget_s=1e9, clock=clock, sleep=clock.sleep
        )
        return load.throughput_per_s

    assert offered(3) == offered(3) != offered(4)
    assert offered(3) == pytest.approx(50.0, rel=0.06)


def test_too_few_queries_leave_the_bound_undecided() -> None:
    clock = Clock()
    load = scenarios.server(
        lambda n: clock.work(1.0), rate_per_s=1.0, queries=20, seed=0, bound_s=5.0, budget_s=1e9, clock=clock, sleep=clock.sleep
    )
    assert load.met is None and "quick" in load.note


def test_multi_stream_and_offline_count_samples() -> None:
    clock = Clock()
    multi = scenarios.closed_loop(
        lambda n: clock.work(0.01 * n), name="multi-stream", samples=8, queries=662, budget_s=1e9, clock=clock
    )
    assert multi.throughput_per_s == pytest.approx(100.0) and multi.latency is not None and multi.latency.p99 is not None
    batch = scenarios.offline(lambda n: clock.work(0.01 * n), samples=24576, batch=8, budget_s=1e9, clock=clock)
    assert batch.samples_per_query == 24576 and batch.latency is None and batch.note.startswith("quick")
    assert batch.throughput_per_s == pytest.approx(100.0)


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(SpecError, match="rate"):
        scenarios.server(lambda n: None, rate_per_s=0.0, queries=1, seed=0)

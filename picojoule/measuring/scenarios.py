"""Loads in the manner of MLPerf Inference, in small: how queries arrive, and latency from the time each was due.

Single stream: the next query when the last is done. Multi-stream: eight samples a query. Server: Poisson arrivals. Offline: all
at once. Latency counts from the *scheduled* time, so that a slow system cannot hide the queries that it kept waiting (no
coordinated omission). Source: MLPerf Inference rules, revision of 2026-07.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from picojoule.errors import SpecError
from picojoule.measuring.timing import Clock, Times, times

NAMES = ("single-stream", "multi-stream", "server", "offline")
STREAMS = 8  # samples of a multi-stream query
Run = Callable[[int], Any]  # runs so many samples, and returns when they are done


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What a load gave. `rate_per_s` is the offered rate of the server scenario; throughput is samples a second."""

    name: str
    samples_per_query: int
    queries: int
    duration_s: float
    latency: Times | None  # None for offline, which has no latency
    throughput_per_s: float
    seed: int
    rate_per_s: float | None = None
    met: bool | None = None  # server: did p99 stay within the bound? None where it cannot be said
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        out = {name: getattr(self, name) for name in self.__slots__}
        return {**out, "latency": self.latency.to_json() if self.latency else None}


def closed_loop(
    run: Run, *, name: str, samples: int, queries: int, budget_s: float, clock: Clock = time.perf_counter
) -> Scenario:
    """Queries of so many samples, each issued when the one before is done."""
    taken: list[float] = []
    began = clock()
    while len(taken) < queries and (len(taken) < 3 or clock() - began < budget_s):
        start = clock()
        run(samples)
        taken.append(clock() - start)
    spent = clock() - began
    return Scenario(
        name=name,
        samples_per_query=samples,
        queries=len(taken),
        duration_s=spent,
        latency=times(taken),
        throughput_per_s=samples * len(taken) / spent,
        seed=0,
        note=_short(spent),
    )


def server(
    run: Run,
    *,
    rate_per_s: float,
    queries: int,
    seed: int,
    bound_s: float | None = None,
    budget_s: float = 10.0,
    clock: Clock = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> Scenario:
    """Poisson arrivals at a rate; each query waits its turn, and its latency counts from the time it was due."""
    if rate_per_s <= 0:
        raise SpecError(f"a rate of {rate_per_s:g} queries a second", hint="give a positive rate")
    due = np.cumsum(np.random.default_rng(seed).exponential(1.0 / rate_per_s, queries))
    taken: list[float] = []
    began = clock()
    for at in due:
        if len(taken) >= 3 and at > budget_s:
            break
        wait = began + float(at) - clock()
        if wait > 0:
            sleep(wait)
        run(1)
        taken.append(clock() - began - float(at))
    spent = clock() - began
    latency = times(taken)
    met = None if bound_s is None or latency.p99 is None else latency.p99 <= bound_s
    return Scenario(
        name="server",
        samples_per_query=1,
        queries=len(taken),
        duration_s=spent,
        latency=latency,
        throughput_per_s=len(taken) / spent,
        seed=seed,
        rate_per_s=rate_per_s,
        met=met,
        note=_short(spent),
    )


def offline(run: Run, *, samples: int, batch: int, budget_s: float, clock: Clock = time.perf_counter) -> Scenario:
    """All samples are there at once; they are run in batches, and the rate is what counts."""
    done, began = 0, clock()
    while done < samples and (done < 2 * batch or clock() - began < budget_s):
        run(batch)
        done += batch
    spent = clock() - began
    return Scenario(
        name="offline",
        samples_per_query=done,
        queries=1,
        duration_s=spent,
        latency=None,
        throughput_per_s=done / spent,
        seed=0,
        note=_short(spent),
    )


def _short(spent: float) -> str:
    """MLPerf asks for 600 s; a shorter run says so."""
    return "" if spent >= 600 else f"quick: {spent:.3g} s, where MLPerf asks for 600 s"

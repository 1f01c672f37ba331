"""Taking times: statistics that say how many samples they rest on, calls back to back (hot) and with caches displaced (cold)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from picojoule.errors import SpecError

Clock = Callable[[], float]  # seconds, monotonic

# Queries that MLPerf Inference's early stopping needs before a percentile may be stated at 99 % confidence.
QUERIES_FOR = {50: 1, 90: 64, 99: 662}
BURST_S = 2e-3  # calls are timed together until they take this long, so that the clock's own cost is lost in them


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds of one call, over `n` samples. A percentile that rests on too few samples is None, and prints n/a."""

    n: int
    mean: float
    median: float
    min: float
    max: float
    p10: float
    p90: float | None
    p99: float | None

    def to_json(self) -> dict[str, float | int | None]:
        return {name: getattr(self, name) for name in ("n", "mean", "median", "min", "max", "p10", "p90", "p99")}


@dataclass(frozen=True, slots=True)
class Repeated:
    """`run()` makes `calls` calls, submitted as `mode` says (`eager`: one by one; `graph`), and returns what the last one did."""

    run: Callable[[], Any]
    calls: int
    mode: str

    def each(self, taken: Times) -> Times:
        """The times of one call, from those of a run."""
        per = {f.name: getattr(taken, f.name) for f in fields(taken)}
        return Times(**{name: x if name == "n" or x is None else x / self.calls for name, x in per.items()})


def times(samples: Sequence[float]) -> Times:
    """The statistics of samples in seconds.

    p90 needs 64 samples and p99 662: the binomial early-stopping rule of MLPerf Inference (rules of 2026-07), without which a
    percentile is a guess about a tail that was not seen.
    """
    if not samples or not all(math.isfinite(s) and s >= 0 for s in samples):
        raise SpecError("no times to summarise", hint="take at least one sample")
    ordered = sorted(samples)

    def at(percent: int) -> float | None:
        if len(ordered) < QUERIES_FOR[percent]:
            return None
        return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]

    return Times(
        n=len(ordered),
        mean=math.fsum(ordered) / len(ordered),
        median=_median(ordered),
        min=ordered[0],
        max=ordered[-1],
        p10=ordered[max(0, math.ceil(0.1 * len(ordered)) - 1)],
        p90=at(90),
        p99=at(99),
    )


def _median(ordered: Sequence[float]) -> float:
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def hot(
    call: Callable[[], Any],
    *,
    samples: int = 9,
    budget_s: float = 1.0,
    sync: Callable[[], None] | None = None,
    clock: Clock = time.perf_counter,
) -> tuple[Times, int, Any]:
    """(times of one call, calls of a burst, what the last timed call returned), calls following one another at once.

    Calls are timed in bursts of at least 2 ms; after `budget_s` no further burst begins, but three are always taken. `sync`
    waits for an asynchronous device at both ends of a burst.
    """
    result = _warm(call, sync, clock)
    calls = _burst(call, sync, clock)
    taken: list[float] = []
    began = clock()
    while len(taken) < samples and (len(taken) < 3 or clock() - began < budget_s):
        start = clock()
        for _ in range(calls):
            result = call()
        if sync:
            sync()
        taken.append((clock() - start) / calls)
    return times(taken), calls, result


def cold(
    call: Callable[[], Any],
    displace: Callable[[], Any],
    *,
    samples: int = 9,
    budget_s: float = 1.0,
    sync: Callable[[], None] | None = None,
    clock: Clock = time.perf_counter,
) -> Times:
    """Times of single calls, `displace` pushing the operands out of the caches before each."""
    _warm(call, sync, clock, seconds=0.0)
    taken: list[float] = []
    began = clock()
    while len(taken) < samples and (len(taken) < 3 or clock() - began < budget_s):
        displace()
        if sync:
            sync()
        start = clock()
        call()
        if sync:
            sync()
        taken.append(clock() - start)
    return times(taken)


def _warm(call: Callable[[], Any], sync: Callable[[], None] | None, clock: Clock, seconds: float = 0.05) -> Any:
    """Call until caches, allocators and compilers have settled: twice, and for `seconds`."""
    began, result, n = clock(), None, 0
    while n < 2 or (clock() - began < seconds and n < 1000):
        result, n = call(), n + 1
    if sync:
        sync()
    return result


def _burst(call: Callable[[], Any], sync: Callable[[], None] | None, clock: Clock) -> int:
    """Calls that together take at least `BURST_S`."""
    calls = 1
    while True:
        start = clock()
        for _ in range(calls):
            call()
        if sync:
            sync()
        spent = clock() - start
        if spent >= BURST_S or calls >= 1 << 16:
            return calls
        calls = max(calls + 1, min(8 * calls, math.ceil(1.2 * calls * BURST_S / max(spent, 1e-9))))

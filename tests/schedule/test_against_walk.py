"""What `residence.trace` derives by formula is what walking on real arrays shows, on random networks and schedules.

What differs is on the safe side, and stems from positions that nobody reads: here they take room until they would have been read,
and a load by tile copies them; with gaps between taps, or windows in the padding alone, positions are made a chunk earlier.
"""

from __future__ import annotations

import math
from collections import Counter

import pytest

from picojoule.errors import SpecError
from picojoule.schedule import walk
from picojoule.schedule.residence import Ran, trace
from tests.oracle.random_schedules import Case, cases

CASES = 250
NOT_YET = ("overlap or add up", "is no chunk of")  # refused with a reason


def walked(case: Case) -> Counter[tuple]:
    found: Counter[tuple] = Counter()
    for e in walk.walk(case.graph, case.schedule, "H", 1 << 30).events:
        if isinstance(e, walk.Ran):
            found["ran", e.job, tuple(sorted((d, hi - lo) for d, (lo, hi) in e.box.items())), e.inside, e.held_bits] += 1
        else:
            found["moved", e.tensor, e.elements, e.into] += 1
    return found


def derived(case: Case) -> Counter[tuple]:
    found: Counter[tuple] = Counter()
    for e in trace(case.graph, case.schedule):
        if isinstance(e, Ran):
            found["ran", e.job.name, tuple(sorted(e.ops[0].bounds.items())), e.inside, e.held_bits] += e.times
        else:
            found["moved", e.tensor, e.elements, e.into] += e.times
    return found


def sums(events: Counter[tuple]) -> Counter[tuple]:
    """Points that each job runs over, and elements that are copied."""
    out: Counter[tuple] = Counter()
    for e, n in events.items():
        if e[0] == "ran":
            out["ran", e[1]] += n * math.prod(size for _, size in e[2])
        else:
            out["moved", e[1], e[3]] += n * e[2]
    return out


def peak(events: Counter[tuple]) -> int:
    return max((e[4] for e in events if e[0] == "ran"), default=0)


@pytest.mark.parametrize("seed", range(4))
def test_the_trace_is_what_a_walk_shows(seed: int) -> None:
    equal = compared = 0
    for case in cases(CASES, 1000 + seed):
        try:
            ours = derived(case)
        except SpecError as e:
            assert any(why in e.problem for why in NOT_YET), f"{e}\n{case.schedule}"
            continue
        theirs = walked(case)
        compared += 1
        equal += ours == theirs
        a, b = sums(ours), sums(theirs)
        assert all(a[k] >= n for k, n in b.items()), str(case.schedule)
        if "recompute" not in str(case.schedule):
            assert all(a[k] == b[k] for k in a | b if k[0] == "ran"), str(case.schedule)
        assert peak(ours) >= peak(theirs), str(case.schedule)
    assert compared > 0.7 * CASES
    assert equal > 0.9 * compared

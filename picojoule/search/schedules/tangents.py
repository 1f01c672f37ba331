"""The least energy x latency of all schedules from the best of several weightings, with a bound that says when to stop.

For a slope s the best schedule gives a line that no schedule lies below: E + s L >= m. E x L of whatever lies above all lines is
least where two of them cross (or where one meets a floor of E or L). The slope between the two schedules that gave the crossing
lines is the next one asked; when the crossing is no lower than the best schedule, that is the best.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

from picojoule.search.gaps import REACHED

Place = tuple[float, float]  # (pJ, cycles)


@dataclass(frozen=True, slots=True)
class Tangent:
    """For a slope in pJ per cycle: the schedule found, and what nothing undercuts."""

    slope: float
    place: Place
    least: float


@dataclass(frozen=True, slots=True)
class Tangents:
    """All lines asked, the best of their schedules (by index), and a bound of E x L."""

    lines: tuple[Tangent, ...]
    best: int
    bound: float

    @property
    def value(self) -> float:
        """pJ x cycles of the best."""
        e, c = self.lines[self.best].place
        return e * c


def least_product(
    ask: Callable[[float], Tangent], first: float, slopes: tuple[float, float], floors: Place, most: int = 60
) -> Tangents:
    """Ask slopes between the flattest and the steepest until the bound reaches the best, or no slope is left to ask."""
    lines = [ask(min(max(first, slopes[0]), slopes[1]))]
    while True:
        best = min(range(len(lines)), key=lambda i: lines[i].place[0] * lines[i].place[1])
        value = lines[best].place[0] * lines[best].place[1]
        bound, following = _lowest(lines, floors, slopes)
        asked = any(math.isclose(following, t.slope, rel_tol=1e-9) for t in lines)
        if bound >= value * (1 - REACHED) or asked or len(lines) >= most:
            return Tangents(tuple(lines), best, min(bound, value))
        lines.append(ask(following))


def _lowest(lines: list[Tangent], floors: Place, slopes: tuple[float, float]) -> tuple[float, float]:
    """(least E x L above all lines and floors, the slope to ask next)."""
    floor_pj, floor_cycles = floors
    ordered = sorted(lines, key=lambda t: t.slope)
    found = [(floor_cycles, slopes[1])]
    for t in ordered:
        found.append(((t.least - floor_pj) / t.slope, slopes[0]))
    for a, b in itertools.combinations(ordered, 2):
        if b.slope > a.slope * (1 + 1e-12):
            found.append(((b.least - a.least) / (b.slope - a.slope), _between(a, b)))

    def energy(cycles: float) -> float:
        return max([floor_pj, *(t.least - t.slope * cycles for t in lines)])

    return min((energy(c) * c, slope) for c, slope in found if c >= floor_cycles * (1 - 1e-12))


def _between(a: Tangent, b: Tangent) -> float:
    """The slope of the line through two schedules, which both of them minimise; else one between theirs."""
    (e1, c1), (e2, c2) = a.place, b.place
    if c1 > c2 and e2 > e1:
        slope = (e2 - e1) / (c1 - c2)
        if a.slope < slope < b.slope:
            return slope
    return math.sqrt(a.slope * b.slope)

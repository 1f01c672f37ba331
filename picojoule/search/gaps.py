"""How far an answer may lie above the best: lower bounds and gaps, of a layer and of a network's sums."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

REACHED = 1e-9  # a bound this close below a value, relative to it, is the value: sums come in different orders


def gap(value: float, bound: float) -> float:
    """value / bound - 1: by how much the value may exceed the best; 0 where the bound reaches it, infinite without a bound."""
    if value <= 0.0 or bound >= value * (1.0 - REACHED):
        return 0.0
    return value / bound - 1.0 if bound > 0.0 else math.inf


Line = tuple[float, float]  # (slope in pJ per cycle, bound in pJ): energy + slope x cycles is at least the bound


def product_bound(lines: Sequence[Line], floor_pj: float, floor_cycles: float) -> float:
    """The least E x L of all (E, L) with E + slope x L >= bound for every line, E >= floor_pj and L >= floor_cycles.

    For each L the least E is that of the highest line (or the floor); between two points where another line becomes the highest
    E x L is concave in L, so its least value lies at such a point, at the floor of L, or where a line meets the floor of E.
    """
    places = {floor_cycles} | {(bound - floor_pj) / slope for slope, bound in lines}
    places |= {(b - a) / (t - s) for (s, a), (t, b) in itertools.combinations(lines, 2) if s != t}

    def energy(cycles: float) -> float:
        return max([floor_pj, *(bound - slope * cycles for slope, bound in lines)])

    return max(0.0, min(energy(c) * c for c in places if c >= floor_cycles))

"""What a search is asked for, as the kernels see it, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from picojoule.mapping.mapping import Mapping
from picojoule.search.exact.records import Goal, GoalKind

TOLERANCE = 1e-12


@dataclass(frozen=True)
class Found:
    """A mapping found: its energy and cycles as the search counts them."""

    energy_pj: float
    cycles: float
    mapping: Mapping


def goal(kind: GoalKind, *, limit: float = np.inf, slope: float = 0.0, flat: float = 0.0) -> Goal:
    """A goal for `optimal.solve`, which fills in what the layer and the chip say; `limit` in cycles, slopes in pJ per cycle.

    `limit` is for ENERGY_WITHIN, `slope` for WEIGHTED and (the steepest) for HULL, `flat` (the flattest) for HULL.
    """
    return Goal(
        kind=int(kind),
        best=np.array([np.inf]),
        limit=limit,
        cycles=np.empty(0),
        energy=np.empty(0),
        steep=slope,
        flat=flat,
        leak=0.0,
        base_cycles=0.0,
        least_cycles=0.0,
        rescale=TOLERANCE,
        held=np.array([np.inf, np.inf]),
    )


def stairs_goal(goal: Goal, points: list[tuple[float, float]]) -> Goal:
    """A FRONT goal: below every point (energy, cycles) that is as fast."""
    stairs: list[tuple[float, float]] = []
    for e, c in sorted(points, key=lambda x: (x[1], x[0])):
        if not stairs or e < stairs[-1][0]:
            stairs.append((e, c))
    return goal._replace(energy=np.array([e for e, _ in stairs]), cycles=np.array([c for _, c in stairs]))


def hull_goal(goal: Goal, points: list[tuple[float, float]]) -> Goal:
    """A HULL goal whose hull runs through the lower left of the points (energy, cycles)."""
    hull: list[tuple[float, float]] = []
    for e, c in sorted(points, key=lambda x: (x[1], x[0])):
        if hull and e >= hull[-1][0]:
            continue
        while len(hull) >= 2 and (hull[-1][0] - hull[-2][0]) * (c - hull[-2][1]) >= (e - hull[-2][0]) * (
            hull[-1][1] - hull[-2][1]
        ):
            hull.pop()
        hull.append((e, c))
    return goal._replace(energy=np.array([e for e, _ in hull]), cycles=np.array([c for _, c in hull]))

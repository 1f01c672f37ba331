"""The least product of two sums from tangents: equal to trying every point, with a bound that is never above it."""

from __future__ import annotations

import math
import random

import pytest

from picojoule.search.schedules.tangents import Tangent, least_product


@pytest.mark.parametrize("seed", range(200))
def test_the_least_product_of_random_points(seed: int) -> None:
    rng = random.Random(seed)
    points = [(rng.uniform(1, 50), rng.uniform(1, 50)) for _ in range(rng.randint(1, 30))]

    def ask(slope: float) -> Tangent:
        best = min(points, key=lambda p: (p[0] + slope * p[1], p))
        return Tangent(slope, best, best[0] + slope * best[1])

    floors = min(e for e, _ in points), min(c for _, c in points)
    found = least_product(ask, rng.uniform(0.2, 5), (1e-3, 1e3), floors)
    true = min(e * c for e, c in points)
    assert found.bound <= true * (1 + 1e-9)
    assert math.isclose(found.value, true, rel_tol=1e-9)
    assert math.isclose(found.bound, true, rel_tol=1e-6)


def test_few_slopes_leave_a_bound_below() -> None:
    points = [(10.0, 1.0), (4.0, 3.0), (1.0, 10.0)]

    def ask(slope: float) -> Tangent:
        best = min(points, key=lambda p: p[0] + slope * p[1])
        return Tangent(slope, best, best[0] + slope * best[1])

    found = least_product(ask, 1.0, (0.9, 1.1), (0.5, 0.5))
    assert found.bound < 10.0 <= found.value

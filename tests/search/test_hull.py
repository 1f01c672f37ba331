"""Network objectives from layers' points, against trying every combination."""

from __future__ import annotations

import itertools
import random

import pytest

from picojoule.search.hull import least_edp, least_energy_within, lower_hull, sum_front


def layers_of_points(seed: int) -> tuple[list[list[tuple[float, float]]], list[int]]:
    rng = random.Random(seed)
    layers = [[(rng.uniform(1, 9), rng.uniform(1, 9)) for _ in range(rng.randint(1, 5))] for _ in range(rng.randint(1, 4))]
    return layers, [rng.randint(1, 3) for _ in layers]


def sums(layers, counts):
    for picks in itertools.product(*(range(len(p)) for p in layers)):
        yield (
            sum(n * p[i][0] for p, n, i in zip(layers, counts, picks, strict=True)),
            sum(n * p[i][1] for p, n, i in zip(layers, counts, picks, strict=True)),
        )


def test_the_least_product_of_sums_is_the_least_of_all_combinations():
    for seed in range(200):
        layers, counts = layers_of_points(seed)
        best = least_edp(layers, counts)
        assert best.energy_pj * best.cycles == pytest.approx(min(e * c for e, c in sums(layers, counts)), rel=1e-12)


def test_the_chosen_points_minimise_energy_plus_slope_times_cycles():
    for seed in range(100):
        layers, counts = layers_of_points(seed)
        best = least_edp(layers, counts)
        for points, pick in zip(layers, best.picks, strict=True):
            assert points[pick][0] + best.slope * points[pick][1] <= min(e + best.slope * c for e, c in points) * (1 + 1e-9)


def test_least_energy_within_a_limit_is_the_least_of_all_combinations():
    for seed in range(100):
        layers, _ = layers_of_points(seed)
        ones = [1] * len(layers)
        every = list(sums(layers, ones))
        limit = sorted(c for _, c in every)[len(every) // 2]
        best = least_energy_within(layers, ones, limit)
        assert best is not None
        assert best.energy_pj == pytest.approx(min(e for e, c in every if c <= limit), rel=1e-12)


def test_nothing_is_found_within_an_impossible_limit():
    assert least_energy_within([[(1.0, 5.0)]], [1], 4.0) is None


def test_the_front_of_sums_holds_exactly_the_undominated_sums():
    for seed in range(100):
        layers, counts = layers_of_points(seed)
        every = sorted(set(sums(layers, counts)), key=lambda x: (x[1], x[0]))
        undominated: list[tuple[float, float]] = []
        for e, c in every:
            if not undominated or e < undominated[-1][0]:
                undominated.append((e, c))
        got = [(x.energy_pj, x.cycles) for x in sum_front(layers, counts)]
        assert [pytest.approx(x) for x in undominated] == got


def test_a_hull_is_convex_and_below_every_point():
    for seed in range(50):
        points = layers_of_points(seed)[0][0]
        hull = [points[i] for i in lower_hull(points)]
        slopes = [(a[0] - b[0]) / (b[1] - a[1]) for a, b in itertools.pairwise(hull)]
        assert slopes == sorted(slopes, reverse=True)
        for s in (0.0, 0.3, 1.0, 3.0):
            assert min(e + s * c for e, c in hull) <= min(e + s * c for e, c in points) + 1e-12

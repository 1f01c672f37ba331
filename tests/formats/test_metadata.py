"""What codes are expected to take, against real tensors: within the confidence of samples, and never beyond the worst case."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from picojoule.formats import compressed, relative_index, run_length

SAMPLES, SIGMAS = 40, 5.0
Count = Callable[[np.ndarray], float]


def agree(rng: np.random.Generator, shape: tuple[int, ...], density: float, count: Count, expected: float, worst: float) -> None:
    """The mean over samples lies within 5 standard errors of the expectation; no sample exceeds the worst case."""
    found = []
    for _ in range(SAMPLES):
        x = rng.integers(1, 16, shape) * (rng.random(shape) < density)
        found.append(count(x))
    error = float(np.std(found, ddof=1)) / math.sqrt(SAMPLES)
    assert abs(np.mean(found) - expected) <= SIGMAS * error + 1e-9 * max(1.0, expected), (shape, density)
    assert max(found) <= worst


def test_300_random_cases_of_run_lengths_rows_columns_and_relative_indices() -> None:
    rng = np.random.default_rng(0)
    for case in range(300):
        density = float(rng.choice([0.02, 0.05, 0.1, 0.3, 0.5, 0.8, 1.0]))
        m, n, pes = int(rng.integers(1, 90)), int(rng.integers(1, 6)), int(rng.integers(1, 5))
        if case % 3 == 0:
            agree(
                rng,
                (m, n),
                density,
                lambda x: run_length.encode(x.astype(np.int16)).pairs,
                run_length.expected_pairs(m * n, density),
                run_length.worst_bits(m * n) / 64 * 3,
            )
        elif case % 3 == 1:
            agree(
                rng,
                (m, n),
                density,
                lambda x, p=pes: relative_index.encode(x.astype(np.uint8), p).entries,  # type: ignore[misc]
                relative_index.expected_entries(m, n, pes, density),
                relative_index.worst_entries(m, n),
            )
        else:
            order = "csr" if case % 2 else "csc"
            agree(
                rng,
                (m, n),
                density,
                lambda x, o=order: len(compressed.encode(x, o).indices),  # type: ignore[misc]
                density * m * n,
                m * n,
            )


@pytest.mark.parametrize("density", [0.0, 0.1, 0.5, 1.0])
def test_long_tensors_take_what_the_closed_form_says(density: float) -> None:
    n = 20_000
    assert run_length.expected_pairs(n, density) * 64 / 3 / n == pytest.approx(run_length.expected_bits(density), rel=2e-3)


def test_the_worst_case_is_reached_by_dense_tensors() -> None:
    x = np.ones((7, 30), np.int16)
    assert run_length.encode(x).bits == run_length.worst_bits(210)
    assert relative_index.encode(x.astype(np.uint8), 2).entries == relative_index.worst_entries(7, 30)

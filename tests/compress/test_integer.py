"""One option of each group: equal to trying all of them, and silent."""

from __future__ import annotations

import itertools
import os

import numpy as np
import pytest

from picojoule.compress.shrink import integer
from picojoule.compress.shrink.integer import one_of_each


@pytest.mark.parametrize("seed", range(20))
def test_no_other_choice_within_the_limit_is_cheaper(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 5, 5)
    costs, takes = ([list(rng.random(n)) for n in sizes] for _ in range(2))
    limit = float(rng.uniform(0.5, 3.0))
    allowed = [c for c in itertools.product(*map(range, sizes)) if sum(t[i] for t, i in zip(takes, c, strict=True)) <= limit]
    found = one_of_each(costs, takes, limit)
    if not allowed:
        assert found is None
        return
    assert found is not None
    value, best = (
        sum(r[i] for r, i in zip(costs, c, strict=True))
        for c in (found, min(allowed, key=lambda c: sum(r[i] for r, i in zip(costs, c, strict=True))))
    )
    assert value == pytest.approx(best) and sum(t[i] for t, i in zip(takes, found, strict=True)) <= limit + 1e-6


def test_nothing_that_a_library_prints_meanwhile_reaches_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    with integer._silent():
        os.write(1, b"noise")
    os.write(1, b"said")
    assert capfd.readouterr().out == "said"

"""Integer programming: one option of each group, of least cost, with what all of them take within a limit."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator, Sequence

import numpy as np


def one_of_each(costs: Sequence[Sequence[float]], takes: Sequence[Sequence[float]], limit: float) -> list[int] | None:
    """Which option of each group; None where nothing stays within the limit. A multiple-choice knapsack, exact (HiGHS)."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    group = np.repeat(np.arange(len(costs)), [len(c) for c in costs])
    one = (group[None, :] == np.arange(len(costs))[:, None]).astype(float)
    cost, take = (np.concatenate([np.asarray(x, float) for x in rows]) for rows in (costs, takes))
    limits = [LinearConstraint(one, 1, 1), LinearConstraint(take[None, :], -np.inf, limit)]
    with _silent():
        found = milp(cost, integrality=np.ones(len(cost)), bounds=Bounds(0, 1), constraints=limits)
    if found.x is None:
        return None
    return [int(np.argmax(found.x[group == g])) for g in range(len(costs))]


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """The solver's library prints a line on stdout now and then, whatever it is told, and would spoil what `--json` prints."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        if os.name == "posix":
            ctypes.CDLL(None).fflush(None)  # what the library still holds back
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)

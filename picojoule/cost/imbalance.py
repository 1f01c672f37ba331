"""How much longer the busiest PE works than the average one, where PEs skip different work and wait for one another.

Each PE has, between two moments at which all wait, a window of the loop nest; what it does not skip there is random. With one
operand deciding, the work of a PE is a hypergeometric (or binomial) number and the expected maximum over the PEs with windows
of their own is exact: sum over k of 1 - F(k)^PEs. With two, a PE's work is sum over s of A_s B_s, and PEs of one row share
their A and those of one column their B: the expectation is integrated over fixed draws of A and B.

Range: elements of different PEs count as independent (windows of a convolution overlap), and a window as a sample of the whole.
Error: within 3 % of counting real zeros on random cases (tests/cost/test_imbalance.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

DRAWS = 256
MOST_CELLS = 4_000_000  # of drawn operands; beyond, sums are as good as normal
SEED = 20_170


@dataclass(frozen=True)
class Leader:
    """One operand that decides over work. Its window has `units` tiles of which each survives with probability `p`.

    `population`: units of the whole tensor. `copies`: PEs whose windows of it differ.
    """

    units: int
    p: float
    population: int


def single(leader: Leader, copies: int) -> float:
    """Expected maximum over `copies` PEs / mean, of the surviving units of one leader's window."""
    n, p = leader.units, leader.p
    if copies <= 1 or n < 1 or p <= 0.0 or p >= 1.0:
        return 1.0
    size = max(leader.population, n)
    return _hypergeometric_max(n, round(p * size), size, copies) / (n * p)


@lru_cache(maxsize=1 << 14)
def _hypergeometric_max(n: int, marked: int, size: int, copies: int) -> float:
    """Expected maximum of `copies` independent draws of n out of `size`, `marked` of which count."""
    mean = n * marked / size
    spread = math.sqrt(max(1e-12, mean * (1 - marked / size) * (size - n) / max(1, size - 1)))
    low = max(0, n - (size - marked), math.floor(mean - 12 * spread) - 2)
    high = min(n, marked, math.ceil(mean + 12 * spread) + 2)
    k = np.arange(low, high)
    steps = np.log((marked - k) * (n - k)) - np.log((k + 1.0) * (size - marked - n + k + 1.0))
    log = np.concatenate([[0.0], np.cumsum(steps)])
    p = np.exp(log - log.max())
    below = np.cumsum(p) / p.sum()
    return float(low + np.sum(1.0 - np.minimum(below[:-1], 1.0) ** copies))


@lru_cache(maxsize=1 << 12)
def double(shared: int, a: int, b: int, pa: float, pb: float, grid: tuple[int, int, int]) -> float:
    """Expected maximum / mean of sum over `shared` places of A_s B_s, A_s of a units and B_s of b units.

    `grid`: (groups of PEs that share nothing, rows that share their A, columns that share their B).
    """
    groups, rows, columns = grid
    if groups * rows * columns <= 1 or pa * pb <= 0.0:
        return 1.0
    rng = np.random.default_rng(SEED)
    mean = shared * a * pa * b * pb
    if DRAWS * groups * (rows + columns) * shared <= MOST_CELLS and groups * rows * columns * DRAWS <= MOST_CELLS:
        x = rng.binomial(a, pa, (DRAWS, groups, rows, shared)).astype(np.float32)
        y = rng.binomial(b, pb, (DRAWS, groups, columns, shared)).astype(np.float32)
        return float(np.matmul(x, y.transpose(0, 1, 3, 2)).max(axis=(1, 2, 3)).mean()) / mean
    qa, qb = a * pa * (1 - pa), b * pb * (1 - pb)
    row, column, own = (math.sqrt(shared * v) for v in ((b * pb) ** 2 * qa, (a * pa) ** 2 * qb, qa * qb))
    draws = max(16, min(DRAWS, MOST_CELLS // (groups * rows * columns)))
    work = (row * rng.standard_normal((draws, groups, rows, 1)) + column * rng.standard_normal((draws, groups, 1, columns))
            + own * rng.standard_normal((draws, groups, rows, columns)))
    return min(1.0 / (pa * pb), 1.0 + float(work.max(axis=(1, 2, 3)).mean()) / mean)

"""How much longer the busiest PE works than the average one, where PEs skip different work and wait for one another.

Each PE has, between two moments at which all wait, a window of the loop nest; what it does not skip there is random. With one
operand deciding, the work of a PE is a binomial number and the expected maximum over the PEs with windows of their own is
sum over k of 1 - F(k)^PEs. With two, a PE's work is sum over s of A_s B_s, and PEs of one row share
their A and those of one column their B: the expectation is integrated over fixed draws of A and B.

Range: elements of different PEs count as independent (windows of a convolution overlap). Error: within 3 % of counting real
zeros on random cases (tests/cost/test_imbalance.py); up to 10 % where a whole tensor has few tens of elements.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

DRAWS = (256, 20_000)  # at least and at most
MOST_CELLS = 400_000  # of drawn operands; beyond, sums are as good as normal
SEED = 20_170


@dataclass(frozen=True)
class Leader:
    """One operand that decides over work. Its window has `units` tiles of which each survives with probability `p`."""

    units: int
    p: float


def single(leader: Leader, copies: int) -> float:
    """Expected maximum over `copies` PEs / mean, of the surviving units of one leader's window."""
    n, p = leader.units, leader.p
    if copies <= 1 or n < 1 or p <= 0.0 or p >= 1.0:
        return 1.0
    return max(1.0, _binomial_max(n, p, copies) / (n * p))


@lru_cache(maxsize=1 << 14)
def _binomial_max(n: int, p: float, copies: int) -> float:
    """Expected maximum of `copies` independent numbers of n units that each count with probability p.

    Windows of one tensor share its non-zeros, so that one has more where others have less: that narrows each of them and
    pushes them apart, and their maximum is that of independent windows (exactly so for normal numbers).
    """
    mean, spread = n * p, math.sqrt(n * p * (1 - p))
    low, high = max(0, math.floor(mean - 12 * spread) - 2), min(n, math.ceil(mean + 12 * spread) + 2)
    k = np.arange(low, high)
    steps = np.log((n - k) / (k + 1.0)) + math.log(p / (1 - p))
    log = np.concatenate([[0.0], np.cumsum(steps)])
    weight = np.exp(log - log.max())
    below = np.cumsum(weight) / weight.sum()
    return float(low + np.sum(1.0 - np.minimum(below[:-1], 1.0) ** copies))


@lru_cache(maxsize=1 << 12)
def double(shared: int, a: int, b: int, pa: float, pb: float, grid: tuple[int, int, int]) -> float:
    """Expected maximum / mean of sum over `shared` places of A_s B_s, A_s of a units and B_s of b units.

    `grid`: (groups of PEs that share nothing, rows that share their A, columns that share their B).
    """
    groups, rows, columns = grid
    if groups * rows * columns <= 1 or pa * pb <= 0.0:
        return 1.0
    if shared * a * b == 1:  # in lockstep: some PE has work, or none has
        some = (1 - (1 - pa) ** rows) * (1 - (1 - pb) ** columns)
        return (1 - (1 - some) ** groups) / (pa * pb)
    rng = np.random.default_rng(SEED)
    mean = shared * a * pa * b * pb
    cells = groups * max((rows + columns) * shared, rows * columns)
    if DRAWS[0] * cells <= MOST_CELLS:
        draws = min(DRAWS[1], MOST_CELLS // cells)
        x = rng.binomial(a, pa, (draws, groups, rows, shared)).astype(np.float32)
        y = rng.binomial(b, pb, (draws, groups, columns, shared)).astype(np.float32)
        return max(1.0, float(np.matmul(x, y.transpose(0, 1, 3, 2)).max(axis=(1, 2, 3)).mean()) / mean)  # draws may fall short
    qa, qb = a * pa * (1 - pa), b * pb * (1 - pb)
    row, column, own = (math.sqrt(shared * v) for v in ((b * pb) ** 2 * qa, (a * pa) ** 2 * qb, qa * qb))
    draws = max(16, min(DRAWS[0], MOST_CELLS // (groups * rows * columns)))
    work = (
        row * rng.standard_normal((draws, groups, rows, 1))
        + column * rng.standard_normal((draws, groups, 1, columns))
        + own * rng.standard_normal((draws, groups, rows, columns))
    )
    return min(1.0 / (pa * pb), 1.0 + max(0.0, float(work.max(axis=(1, 2, 3)).mean())) / mean)

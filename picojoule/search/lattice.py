"""The tiles a search may use: per dimension a set of extents, their chains, and the product lattice.

Space of record: per dimension the extents form chains N -> t_1 -> ... -> 1. The outermost loop runs ceil(N / t_1) times
and may be ragged; every loop inside divides exactly. t_1 is a divisor of N, or a divisor of one of a few *roots* that do
not divide N, chosen by `roots` from N alone (so that a bigger array never loses).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from picojoule.workload.layer import Layer


def divisors(n: int) -> list[int]:
    """All divisors of n, ascending."""
    small = [i for i in range(1, int(n**0.5) + 1) if n % i == 0]
    return sorted({*small, *(n // i for i in small)})


@lru_cache(maxsize=4096)
def roots(n: int) -> tuple[int, ...]:
    """Ragged outermost tiles for a bound n: at most three t that do not divide n.

    A candidate is tight, t = ceil(n / passes), and wastes little, t * passes - n <= max(1, n // 50). The ones with most
    divisors are taken, greedily by how many extents each adds; a bound with many divisors of its own takes fewer.
    """
    own = set(divisors(n))
    room = 3 if len(own) <= 4 else 2 if len(own) <= 6 else 1
    slack = max(1, n // 50)
    candidates = {-(-n // p) for p in range(2, n)}
    candidates = {t for t in candidates if t not in own and t * -(-n // t) - n <= slack and t > 1}
    chosen: list[int] = []
    have = set(own)
    for _ in range(room):
        gain = lambda t: (len(set(divisors(t)) - have), -(t * -(-n // t)), t)  # noqa: E731
        best = max(candidates, key=gain, default=None)
        if best is None or not set(divisors(best)) - have:
            break
        chosen.append(best)
        have |= set(divisors(best))
        candidates.discard(best)
    return tuple(sorted(chosen))


def outermost_tiles(n: int, imperfect: bool) -> tuple[int, ...]:
    """Every extent that may lie directly below the outermost loop of a dimension with bound n, ascending."""
    out = set(divisors(n))
    if imperfect:
        for r in roots(n):
            out |= set(divisors(r))
    return tuple(sorted(out))


@dataclass(frozen=True, eq=False)
class Lattice:
    """The product of the dimensions' extents. A tile is an index; a shrink moves to a larger index.

    extents[d]: int64[n_d], descending from the bound.  digits: int16[tile, d].  stride: int64[d].
    moves[d]: int64[m, 2] pairs (from digit, to digit);  waste[d][from]: N' / N of the move from the bound to a digit.
    """

    dims: tuple[str, ...]
    bounds: np.ndarray
    extents: tuple[np.ndarray, ...]
    stride: np.ndarray
    digits: np.ndarray
    move_start: np.ndarray  # int32[d, max digits + 1]: slice of move_to for each digit
    move_to: np.ndarray  # int16[d, max moves]
    waste: np.ndarray  # float64[d, max digits]: passes * extent / bound, the padding of an outermost loop to that digit

    @property
    def size(self) -> int:
        return len(self.digits)


def build_lattice(layer: Layer, imperfect: bool) -> Lattice:
    """The lattice of a layer's tiles."""
    dims = tuple(d for d, _ in layer.dims)
    bounds = np.array([n for _, n in layer.dims], np.int64)
    extents = tuple(np.array(sorted({int(n), *outermost_tiles(int(n), imperfect)}, reverse=True), np.int64) for n in bounds)
    sizes = [len(e) for e in extents]
    stride = np.ones(len(dims), np.int64)
    for d in range(len(dims) - 2, -1, -1):
        stride[d] = stride[d + 1] * sizes[d + 1]
    grids = np.indices(sizes).reshape(len(dims), -1).T.astype(np.int16)
    per_dim = [_moves(e) for e in extents]
    widest = max(sizes)
    longest = max(1, max(sum(len(x) for x in m) for m in per_dim))
    start = np.zeros((len(dims), widest + 1), np.int32)
    to = np.zeros((len(dims), longest), np.int16)
    waste = np.ones((len(dims), widest))
    for d, moves in enumerate(per_dim):
        at = 0
        for i in range(widest):
            start[d, i] = at
            for j in moves[i] if i < sizes[d] else ():
                to[d, at] = j
                at += 1
        start[d, widest] = at
        for i, t in enumerate(extents[d]):
            waste[d, i] = -(-bounds[d] // t) * t / bounds[d]
    return Lattice(dims, bounds, extents, stride, np.ascontiguousarray(grids), start, to, waste)


def _moves(extents: np.ndarray) -> list[list[int]]:
    """Per digit the digits one step further in: covers of divisibility, and from the bound every ragged extent."""
    ext = [int(e) for e in extents]
    out = []
    for i, a in enumerate(ext):
        below = [j for j in range(i + 1, len(ext)) if a % ext[j] == 0]
        covers = [j for j in below if not any(ext[k] % ext[j] == 0 for k in below if k < j)]
        if i == 0:
            covers += [j for j in range(1, len(ext)) if a % ext[j]]
        out.append(covers)
    return out

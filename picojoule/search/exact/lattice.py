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
    """Ragged outermost tiles for a bound n: up to three t that do not divide n, from n alone; none for bounds up to 12.

    Below 1000 a candidate is tight, t = ceil(n / passes), and wastes little: t * passes <= 1.1 n where n has at most 2
    divisors (it is a prime), else 1.04 n. Greedily the one that brings an extent of the size of an array's edge (9 to 16),
    then most new extents, then least padding, as long as all new extents together stay within a budget: 6 for a bound with
    at most 4 divisors, else 2, and there only with one of 9 to 16 among them. From 1000 on candidates pad by at most 1 %,
    the budget makes 22 extents in all, the first of a bound that is no multiple of 16 has the most factors of two, and
    the others bring most new extents.
    """
    if n <= 12:  # kernel heights and such: whole tiles do
        return ()
    own = set(divisors(n))
    big = n >= 1000
    budget = 22 - len(own) if big else 6 if len(own) <= 4 else 2
    have, candidates = set(own), _candidates(n)
    chosen: list[int] = []
    for _ in range(3):
        new = {t: set(divisors(t)) - have for t in candidates}
        fitting = [t for t in candidates if new[t] and len(have | new[t]) - len(own) <= budget and (budget > 2 or _edge(new[t]))]
        if not fitting:
            break
        if big and not chosen and n % 16:
            best = max(fitting, key=lambda t: (t & -t, -(t * -(-n // t)), t))
        elif big:
            best = max(fitting, key=lambda t: (len(new[t]), _edge(new[t]), -(t * -(-n // t)), t))
        else:
            best = max(fitting, key=lambda t: (_edge(new[t]), len(new[t]), -(t * -(-n // t)), t))
        chosen.append(best)
        have |= new[best]
        candidates.discard(best)
    return tuple(sorted(chosen))


def _edge(extents: set[int]) -> bool:
    """Whether an extent has the size of an array's edge."""
    return any(9 <= x <= 16 for x in extents)


def _candidates(n: int) -> set[int]:
    """Extents that do not divide n and pad it little as outermost tiles (see `roots`)."""
    if n >= 1000:  # every tile of at most a hundredth pads by less than itself; larger ones by their number of passes
        found = set(range(2, n // 100 + 1)) | {t for p in range(2, 101) for t in range(-(-n // p), 101 * n // (100 * p) + 1)}
    else:
        percent = 110 if len(divisors(n)) <= 2 else 104
        found = {t for p in range(2, n) if 100 * (t := -(-n // p)) * -(-n // t) <= percent * n}
    return {t for t in found if t > 1 and n % t}


def outermost_tiles(n: int, imperfect: bool) -> tuple[int, ...]:
    """Every extent that may lie directly below the outermost loop of a dimension with bound n, ascending."""
    out = set(divisors(n))
    if imperfect:
        for r in roots(n):
            out |= set(divisors(r))
    return tuple(sorted(out))


def coarse_tiles(n: int) -> tuple[int, ...]:
    """One, the largest divisor up to 16, and the bound."""
    return tuple(sorted({1, max(d for d in divisors(n) if d <= 16), n}))


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
    extent: np.ndarray  # int64[d, max digits]: `extents` as one array, filled up with ones
    waste: np.ndarray  # float64[d, max digits]: passes * extent / bound, the padding of an outermost loop to that digit

    @property
    def size(self) -> int:
        return len(self.digits)


def build_lattice(layer: Layer, imperfect: bool, coarse: bool = False) -> Lattice:
    """The lattice of a layer's tiles; `coarse`: three extents a dimension, for a quick answer where time is short."""
    dims = tuple(d for d, _ in layer.dims)
    bounds = np.array([n for _, n in layer.dims], np.int64)
    tiles = [coarse_tiles(int(n)) if coarse else outermost_tiles(int(n), imperfect) for n in bounds]
    extents = tuple(np.array(sorted({int(n), *x}, reverse=True), np.int64) for n, x in zip(bounds, tiles, strict=True))
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
    padded = np.array([[*e, *[1] * (widest - len(e))] for e in extents], np.int64)
    return Lattice(
        dims=dims,
        bounds=bounds,
        extents=extents,
        stride=stride,
        digits=np.ascontiguousarray(grids),
        move_start=start,
        move_to=to,
        extent=padded,
        waste=waste,
    )


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

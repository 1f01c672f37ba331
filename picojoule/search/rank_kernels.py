"""Compiled words of a two-term rank, summed over all tile positions; beside them the plain meaning, by sets."""

from __future__ import annotations

import numpy as np
from numba import njit


def rank_words_reference(rank, tile, slide, merge, box=False):  # noqa: ANN001, ANN201
    """Elements of a two-term rank moved over all tile positions, by sets. See `rank_words` for the arguments."""
    a, b, n1, n2, off, size = rank
    t1, t2 = tile
    which, step, passes = slide
    s1, d1, s2, d2 = merge

    def elements(p: int, r: int) -> set[int]:
        c1, c2 = min(t1, n1 - p), min(t2, n2 - r)
        values = {off + a * (p + x) + b * (r + y) for x in range(c1) for y in range(c2)}
        if box and values:
            values = set(range(min(values), max(values) + 1))
        return {v for v in values if 0 <= v < size}

    def moved(p: int, r: int) -> set[int]:
        i = (p // t1, r // t2)[which] if which >= 0 else 0
        if which < 0 or (i // step) % passes == 0:
            return elements(p, r)
        return elements(p, r) - (elements(p - step * t1, r) if which == 0 else elements(p, r - step * t2))

    union: dict[tuple, set[int]] = {}
    both = s1 > 1 and s2 > 1
    for p in range(0, n1, t1):
        for r in range(0, n2, t2):
            j1, j2 = ((p // d1) % s1, (r // d2) % s2) if both else (0, 0)
            key = (p - j1 * d1, r - j2 * d2, a * p + b * r) if both else (p, r, 0)
            union.setdefault(key, set()).update(moved(p, r))
    return sum(map(len, union.values()))


@njit(cache=True)
def _mark(mark, stamp, v0, a, b, c1, c2, size, box, lo, put):  # noqa: ANN001, ANN202
    """Stamp the elements of one tile into `mark` (index - lo). put: count new ones, else clear them (returns minus)."""
    n = 0
    if c1 <= 0 or c2 <= 0:
        return 0
    if box:
        last = v0 + a * (c1 - 1) + b * (c2 - 1)
        for v in range(max(v0, 0), min(last, size - 1) + 1):
            k = v - lo
            if 0 <= k < len(mark):
                if put:
                    if mark[k] != stamp:
                        mark[k] = stamp
                        n += 1
                else:
                    mark[k] = stamp
        return n
    for x in range(c1):
        for y in range(c2):
            v = v0 + a * x + b * y
            if 0 <= v < size:
                k = v - lo
                if 0 <= k < len(mark):
                    if put:
                        if mark[k] != stamp:
                            mark[k] = stamp
                            n += 1
                    else:
                        mark[k] = stamp
    return n


@njit(cache=True)
def _moved(mark, kill, stamp, rank, p, r, t1, t2, which, step, passes, box, lo):  # noqa: ANN001, ANN202
    """Newly stamped elements that the tile at (p, r) moves; `kill` is scratch for the tile held just before."""
    a, b, n1, n2, off, size = rank
    c1, c2 = min(t1, n1 - p), min(t2, n2 - r)
    whole = which < 0
    if which == 0:
        whole = (p // t1 // step) % passes == 0
    elif which == 1:
        whole = (r // t2 // step) % passes == 0
    v0 = off + a * p + b * r
    if whole:
        return _mark(mark, stamp, v0, a, b, c1, c2, size, box, lo, True)
    pp, rr = (p - step * t1, r) if which == 0 else (p, r - step * t2)
    _mark(kill, stamp, off + a * pp + b * rr, a, b, min(t1, n1 - pp), min(t2, n2 - rr), size, box, lo, False)
    n = 0
    last = a * (c1 - 1) + b * (c2 - 1)
    if box:
        for v in range(max(v0, 0), min(v0 + last, size - 1) + 1):
            k = v - lo
            if kill[k] != stamp and mark[k] != stamp:
                mark[k] = stamp
                n += 1
        return n
    for x in range(c1):
        for y in range(c2):
            v = v0 + a * x + b * y
            if 0 <= v < size:
                k = v - lo
                if kill[k] != stamp and mark[k] != stamp:
                    mark[k] = stamp
                    n += 1
    return n


@njit(cache=True)
def rank_words(rank, t1, t2, which, step, passes, s1, d1, s2, d2, box):  # noqa: ANN001, ANN201
    """Elements of the rank off + a*p + b*r (0 <= index < size) moved over all tile positions. Twin of the reference.

    rank: (a, b, n1, n2, off, size).  t1, t2: the tile.  which: the dimension (0 or 1) of the sliding run, -1 for none;
    tile i of it is whole where (i // step) % passes == 0, else only what the tile i - step lacks is moved.
    s1, d1, s2, d2: extents unrolled at one fan-out and what lies below it; equal tiles of one instant move once.
    """
    a, b, n1, n2, off, size = rank
    span = a * (t1 - 1) + b * (t2 - 1) + 1
    mark = np.zeros(span, np.int64)
    kill = np.zeros(span, np.int64)
    stamp = 0
    total = 0
    if not (s1 > 1 and s2 > 1):
        for p in range(0, n1, t1):
            for r in range(0, n2, t2):
                stamp += 1
                total += _moved(mark, kill, stamp, rank, p, r, t1, t2, which, step, passes, box, off + a * p + b * r)
        return total
    big, small = a * d1, b * d2
    x, y = big, small
    while y:
        x, y = y, x % y
    along1, along2 = small // x, big // x  # copies (j1 + along1, j2 - along2) hold the same tile
    for p0 in range(0, n1, t1):
        if (p0 // d1) % s1:
            continue
        for r0 in range(0, n2, t2):
            if (r0 // d2) % s2:
                continue
            for j1 in range(s1):
                for j2 in range(s2):
                    if j1 - along1 >= 0 and j2 + along2 < s2:
                        continue  # not the first of its chain
                    stamp += 1
                    i1, i2 = j1, j2
                    while i1 < s1 and i2 >= 0:
                        p, r = p0 + i1 * d1, r0 + i2 * d2
                        if p < n1 and r < n2:
                            total += _moved(mark, kill, stamp, rank, p, r, t1, t2, which, step, passes, box, off + a * p + b * r)
                        i1 += along1
                        i2 -= along2
    return total


@njit(cache=True)
def rank_peak(rank, t1, t2, box):  # noqa: ANN001, ANN201
    """Most valid elements of the rank in one tile of t1 x t2, over its positions."""
    a, b, n1, n2, off, size = rank
    mark = np.zeros(a * (t1 - 1) + b * (t2 - 1) + 1, np.int64)
    kill = np.zeros(1, np.int64)
    best = 0
    stamp = 0
    for p in range(0, n1, t1):
        for r in range(0, n2, t2):
            stamp += 1
            best = max(best, _moved(mark, kill, stamp, rank, p, r, t1, t2, -1, 1, 1, box, off + a * p + b * r))
    return best


@njit(cache=True)
def plain_table(rank, e1, e2, merge, box, out):  # noqa: ANN001, ANN201
    """out[i, j] = rank_words of the tile (e1[i], e2[j]); tiles that do not divide the merged D are left as they are."""
    s1, d1, s2, d2 = merge
    both = s1 > 1 and s2 > 1
    for i in range(len(e1)):
        for j in range(len(e2)):
            if both and (d1 % e1[i] or d2 % e2[j]):
                continue
            out[i, j] = rank_words(rank, e1[i], e2[j], -1, 1, 1, s1, d1, s2, d2, box)


@njit(cache=True)
def slide_table(rank, e1, e2, which, step, merge, box, out):  # noqa: ANN001, ANN201
    """out[x, i, j] = rank_words of the tile (e1[i], e2[j]) under a run along `which` that begins at extent e[x]."""
    s1, d1, s2, d2 = merge
    both = s1 > 1 and s2 > 1
    n = rank[2] if which == 0 else rank[3]
    for i in range(len(e1)):
        for j in range(len(e2)):
            if both and (d1 % e1[i] or d2 % e2[j]):
                continue
            t = e1[i] if which == 0 else e2[j]
            seen_passes, seen = 0, 0.0
            for x in range(out.shape[0]):
                start = e1[x] if which == 0 else e2[x]
                passes = -(-start // (t * step))
                if start < t * step or (start != n and start % (t * step)):
                    continue
                if passes != seen_passes:
                    seen_passes = passes
                    seen = rank_words(rank, e1[i], e2[j], which, step, passes, s1, d1, s2, d2, box)
                out[x, i, j] = seen

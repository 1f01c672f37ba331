"""Compiled words of a two-term rank, summed over all tile positions; beside them the plain meaning, by sets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from picojoule.search.exact.compiled import allocating, inner

Merge = tuple[int, int, int, int]  # one fan-out that unrolls both dimensions of a rank: (S1, D1, S2, D2), D right below it


def rank_words_reference(rank, tile, slide, merges=(), box=False):  # noqa: ANN001, ANN201
    """Elements of a two-term rank moved over all tile positions, by sets. See `rank_words` for the arguments.

    Copies are told apart by where they stand without the merged fan-outs' indices and, fan-out by fan-out, by the index at
    which their offset begins: those alike in all of these move their union once.
    """
    a, b, n1, n2, off, size = rank
    t1, t2 = tile
    which, step, passes = slide

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
    for p in range(0, n1, t1):
        for r in range(0, n2, t2):
            base1, base2, starts = p, r, []
            for s1, d1, s2, d2 in merges:
                j1, j2 = (p // d1) % s1 * d1, (r // d2) % s2 * d2
                base1, base2 = base1 - j1, base2 - j2
                starts.append(a * j1 + b * j2)
            union.setdefault((base1, base2, *starts), set()).update(moved(p, r))
    return sum(map(len, union.values()))


class Merged(NamedTuple):
    """Fan-outs whose copies are served together, as the kernels see them."""

    merges: np.ndarray  # int64[m, 4]: (S1, D1, S2, D2) of each
    copies: np.ndarray  # int64[n, 2]: offsets of the copies that they make, group by group
    groups: np.ndarray  # int64[groups + 1]: where each group begins


def merged(a: int, b: int, merges: tuple[Merge, ...]) -> Merged:
    """Of a rank a*p + b*r. Each fan-out merges the copies whose offset is the same; a group has one such class of each."""
    groups = [np.zeros((1, 2), np.int64)]
    for s1, d1, s2, d2 in merges:
        classes: dict[int, list[tuple[int, int]]] = {}
        for j1 in range(s1):
            for j2 in range(s2):
                classes.setdefault(a * j1 * d1 + b * j2 * d2, []).append((j1 * d1, j2 * d2))
        alike = [np.array(c, np.int64) for c in classes.values()]
        groups = [(g[:, None] + c[None]).reshape(-1, 2) for g in groups for c in alike]
    begins = np.cumsum([0, *map(len, groups)], dtype=np.int64)
    return Merged(np.array(merges, np.int64).reshape(-1, 4), np.concatenate(groups), begins)


@inner
def _mark(mark, stamp, v0, part, rank, box, lo, put):  # noqa: ANN001, ANN202
    """Stamp the elements of one tile, `part` of it valid from v0 on, into `mark` (index - lo). Returns how many are new (put)."""
    a, b, _, _, _, size = rank
    c1, c2 = part
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


@inner
def _moved(scratch, stamp, own, rank, tile, at, slide, box):  # noqa: ANN001, ANN202
    """Newly stamped elements that the tile at `at` moves; `kill` is stamped `own` with what it held just before."""
    a, b, n1, n2, off, size = rank
    mark, kill = scratch
    (p, r), (t1, t2), (which, step, passes) = at, tile, slide
    c1, c2 = min(t1, n1 - p), min(t2, n2 - r)
    whole = which < 0
    if which == 0:
        whole = (p // t1 // step) % passes == 0
    elif which == 1:
        whole = (r // t2 // step) % passes == 0
    v0 = lo = off + a * p + b * r
    if whole:
        return _mark(mark, stamp, v0, (c1, c2), rank, box, lo, True)
    pp, rr = (p - step * t1, r) if which == 0 else (p, r - step * t2)
    _mark(kill, own, off + a * pp + b * rr, (min(t1, n1 - pp), min(t2, n2 - rr)), rank, box, lo, False)
    n = 0
    last = a * (c1 - 1) + b * (c2 - 1)
    if box:
        for v in range(max(v0, 0), min(v0 + last, size - 1) + 1):
            k = v - lo
            if kill[k] != own and mark[k] != stamp:
                mark[k] = stamp
                n += 1
        return n
    for x in range(c1):
        for y in range(c2):
            v = v0 + a * x + b * y
            if 0 <= v < size:
                k = v - lo
                if kill[k] != own and mark[k] != stamp:
                    mark[k] = stamp
                    n += 1
    return n


@inner
def _first(p, d, s):  # noqa: ANN001, ANN202
    """Whether position p stands at index 0 of every merged fan-out (extents s, D d)."""
    for m in range(len(d)):
        if (p // d[m]) % s[m]:
            return False
    return True


@allocating
def rank_words(rank, tile, slide, shared, box):  # noqa: ANN001, ANN201
    """Elements of the rank off + a*p + b*r (0 <= index < size) moved over all tile positions. Twin of the reference.

    rank: (a, b, n1, n2, off, size).  tile: its two extents.  slide: (which, step, passes), which the dimension (0 or 1) of
    the sliding run, -1 for none; tile i of it is whole where (i // step) % passes == 0, else only what the tile i - step
    lacks is moved.  shared: `Merged`, the reference's merges.
    """
    a, b, n1, n2, off, size = rank
    t1, t2 = tile
    merges, copies, groups = shared
    span = a * (t1 - 1) + b * (t2 - 1) + 1
    mark = np.zeros(span, np.int64)
    kill = np.zeros(span, np.int64)
    stamp, own, total = np.int64(0), np.int64(0), np.int64(0)
    for p0 in range(0, n1, t1):
        if not _first(p0, merges[:, 1], merges[:, 0]):
            continue
        for r0 in range(0, n2, t2):
            if not _first(r0, merges[:, 3], merges[:, 2]):
                continue
            for g in range(len(groups) - 1):
                stamp += 1
                for m in range(groups[g], groups[g + 1]):
                    p, r = p0 + copies[m, 0], r0 + copies[m, 1]
                    if p < n1 and r < n2:
                        own += 1  # what one copy held says nothing about its neighbours: a clipped one held less
                        total += _moved((mark, kill), stamp, own, rank, tile, (p, r), slide, box)
    return total


@allocating
def rank_peak(rank, t1, t2, box):  # noqa: ANN001, ANN201
    """Most valid elements of the rank in one tile of t1 x t2, over its positions."""
    a, b, n1, n2, off, size = rank
    mark = np.zeros(a * (t1 - 1) + b * (t2 - 1) + 1, np.int64)
    kill = np.zeros(1, np.int64)
    best, stamp, one = np.int64(0), np.int64(0), np.int64(1)
    still = (np.int64(-1), one, one)
    for p in range(0, n1, t1):
        for r in range(0, n2, t2):
            stamp += 1
            best = max(best, _moved((mark, kill), stamp, stamp, rank, (t1, t2), (p, r), still, box))
    return best


@inner
def _below(t1, t2, merges):  # noqa: ANN001, ANN202
    """Whether the tile may lie below all merged fan-outs."""
    for m in range(len(merges)):
        if merges[m, 1] % t1 or merges[m, 3] % t2:
            return False
    return True


@allocating
def plain_table(rank, e1, e2, shared, box, out):  # noqa: ANN001, ANN201
    """out[i, j] = rank_words of the tile (e1[i], e2[j]); tiles that do not divide a merged D are left as they are."""
    one = np.int64(1)
    still = (np.int64(-1), one, one)
    for i in range(len(e1)):
        for j in range(len(e2)):
            if _below(e1[i], e2[j], shared.merges):
                out[i, j] = rank_words(rank, (e1[i], e2[j]), still, shared, box)


@allocating
def slide_table(rank, e1, e2, which, step, shared, box, out):  # noqa: ANN001, ANN201
    """out[x, i, j] = rank_words of the tile (e1[i], e2[j]) under a run along `which` that begins at extent e[x]."""
    n = rank[2] if which == 0 else rank[3]
    for i in range(len(e1)):
        for j in range(len(e2)):
            if not _below(e1[i], e2[j], shared.merges):
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
                    seen = rank_words(rank, (e1[i], e2[j]), (which, step, passes), shared, box)
                out[x, i, j] = seen

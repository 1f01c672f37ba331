"""Counts of one dimension or one rank: pure functions, integers in and integers out. `traffic.py` multiplies them.

Letters: a rank is `offset + a*p + b*r`; T is a tile extent, S an unrolled extent, D the extent right below a fan-out.
A list of loops is a tuple of (stride, bound), outermost first: index i of a loop moves its dimension by i * stride.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

Loops = tuple[tuple[int, int], ...]


def distinct_sums(a: int, b: int, p: int, r: int) -> int:
    """Distinct values of a*i + b*j over 0 <= i < p, 0 <= j < r: f of an affine rank (with tile extents), and u (below).

    Two pairs collide exactly when they differ by multiples of (b/g, -a/g), g = gcd(a, b); each class keeps its pair
    with the least i or the greatest j, hence p*r - max(0, p - b/g) * max(0, r - a/g).

    >>> distinct_sums(4, 1, 11, 11)  # AlexNet CONV1: 11 outputs at stride 4, 11 taps
    51
    """
    g = math.gcd(a, b)
    return p * r - max(0, p - b // g) * max(0, r - a // g)


def distinct_starts(a: int, b: int, below: tuple[int, int], unrolled: tuple[int, int]) -> int:
    """u of an affine rank: distinct tiles among unrolled[0] x unrolled[1] copies, each `below` long (D_p, D_r)."""
    return distinct_sums(a * below[0], b * below[1], *unrolled)


def tile_size(a: int, b: int, tile: tuple[int, int], box: bool = False) -> int:
    """f of an affine rank without padding: distinct elements of a tile, or the length of its bounding box."""
    return a * (tile[0] - 1) + b * (tile[1] - 1) + 1 if box else distinct_sums(a, b, *tile)


def valid_values(c: int, offset: int, size: int | None, n: int) -> int:
    """How many of the n values of a one-term rank `offset + c*i` are no padding."""
    first = max(0, -(offset // c))
    last = n if size is None else min(n, -((offset - size) // c))
    return max(0, last - first)


def active_positions(n: int, loops: Loops) -> int:
    """Index vectors of the loops whose position, the sum of index * stride, lies below n.

    With the loops of a whole chain this is ceil(n / tile). Loops that are left out count as standing at their index 0.
    """
    if n <= 0:
        return 0
    if not loops:
        return 1
    (stride, bound), rest = loops[0], loops[1:]
    reach = sum(s * (b - 1) for s, b in rest)
    whole = min(bound, max(0, -(-(n - reach) // stride)))  # passes whose every inner position is below n
    last = min(bound, -(-n // stride))  # passes that begin below n
    return whole * math.prod(b for _, b in rest) + sum(active_positions(n - i * stride, rest) for i in range(whole, last))


def positions(loops: Loops) -> Iterator[int]:
    """Every position of the loops, idle ones included."""
    for index in product(*(range(bound) for _, bound in loops)):
        yield sum(i * stride for i, (stride, _) in zip(index, loops, strict=True))


Class = tuple[tuple[int, int], ...]  # copies that share a read, by their offsets along p and r


@dataclass(frozen=True)
class Sharing:
    """What one fan-out unrolls of p and r (its loops), and whether copies may share: by start, or along links.

    Multicast: the tiles of a class start at the same value, and the read is the union of what each asks for.
    `passes_on` (the fan-out has neighbour links): less the union of what the class held just before.
    """

    loops: tuple[Loops, Loops]
    multicast: bool = True
    links: tuple[bool, bool] = (False, False)
    passes_on: bool = False


@dataclass(frozen=True)
class Group:
    """Copies that share one read at the holder: a class of each fan-out, from the outside in, and its `passes_on`.

    Each fan-out merges for itself: a group's copies are all sums of one member of each class.
    """

    classes: tuple[Class, ...] = ()
    passes_on: tuple[bool, ...] = ()

    def furthest(self, axis: int) -> int:
        """The greatest offset of a copy along p (0) or r (1)."""
        return sum(max(m[axis] for m in c) for c in self.classes)


ALONE = (Group(),)


@lru_cache(maxsize=50_000)
def sharing_groups(a: int, b: int, fanouts: tuple[Sharing, ...]) -> tuple[Group, ...]:
    """The copies of a tile, grouped by who shares a read. Each fan-out merges for itself, so groups multiply."""
    passes_on = tuple(f.passes_on for f in fanouts)
    return tuple(Group(classes, passes_on) for classes in product(*(_classes(a, b, f) for f in fanouts)))


def _classes(a: int, b: int, fanout: Sharing) -> list[Class]:
    """Offsets of one fan-out's copies, split into classes that share: same start, or neighbours along a link."""
    copies = [(p, r) for p in positions(fanout.loops[0]) for r in positions(fanout.loops[1])]
    keys: list[dict[object, int]] = []
    if fanout.multicast:
        keys.append({(p, r): a * p + b * r for p, r in copies})
    if fanout.links[0] and fanout.links[1]:
        keys.append(dict.fromkeys(copies, 0))
    elif fanout.links[0]:
        keys.append({(p, r): r for p, r in copies})
    elif fanout.links[1]:
        keys.append({(p, r): p for p, r in copies})
    leader = {c: c for c in copies}

    def find(c: tuple[int, int]) -> tuple[int, int]:
        while leader[c] != c:
            c = leader[c]
        return c

    for key in keys:
        first: dict[int, tuple[int, int]] = {}
        for c in copies:
            leader[find(c)] = find(first.setdefault(key[c], c))
    out: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for c in copies:
        out.setdefault(find(c), []).append(c)
    return [tuple(c) for c in out.values()]


@dataclass(frozen=True)
class Run:
    """The sliding window: temporal loops of `axis` (0: p, 1: r) that advance `step` a time, `length` times in a row."""

    axis: int
    step: int
    length: int


@dataclass(frozen=True)
class AffineRank:
    """`offset + a*p + b*r`, valid in 0 <= index < size, over 0 <= p < n[0] and 0 <= r < n[1]."""

    a: int
    b: int
    n: tuple[int, int]
    offset: int = 0
    size: int | None = None
    box: bool = False  # count the bounding box of a tile, as even-tile tools do

    @property
    def padded(self) -> bool:
        """Whether some index is padding."""
        top = self.offset + self.a * (self.n[0] - 1) + self.b * (self.n[1] - 1)
        return self.offset < 0 or (self.size is not None and top >= self.size)


@lru_cache(maxsize=100_000)
def affine_words(
    rank: AffineRank, tile: tuple[int, int], apart: tuple[Loops, Loops], groups: tuple[Group, ...], run: Run | None = None
) -> int:
    """Elements of the rank requested over all tile positions: `apart` counts each position, a group counts once.

    The loops of p and r above the tile are all in one of `apart` (time, and copies that share nothing), the classes of
    `groups`, and `run`. Ragged tiles are clipped to n, padding is left out.
    """
    x = run.length if run else 1
    ends = tuple(_end(k, tile[k], apart[k], groups, run) for k in (0, 1))
    window = _Window(rank, tile, groups, run)
    if ends == rank.n and not rank.padded:
        visits = math.prod(bound for loops in apart for _, bound in loops)
        return visits * (window.whole_words(False) + (x - 1) * (window.whole_words(True) if x > 1 else 0))
    starts = [sorted(s for s in positions(loops) if s < n) for loops, n in zip(apart, rank.n, strict=True)]
    return sum(
        window.row_words(starts[0], r + i * window.back[1], i * window.back[0], i > 0) for i in range(x) for r in starts[1]
    )


def _end(k: int, tile: int, loops: Loops, groups: Iterable[Group], run: Run | None) -> int:
    """Where the last tile ends if none is clipped."""
    moved = sum(s * (b - 1) for s, b in loops) + max(g.furthest(k) for g in groups)
    return moved + tile + (run.step * (run.length - 1) if run and run.axis == k else 0)


class _Window:
    """Requests of the groups at one position. Sets of elements are bits of an integer, bit 0 = the oldest start."""

    def __init__(self, rank: AffineRank, tile: tuple[int, int], groups: tuple[Group, ...], run: Run | None) -> None:
        self.rank, self.tile, self.groups = rank, tile, groups
        self.back = (0, 0) if run is None else (run.step, 0) if run.axis == 0 else (0, run.step)
        self.lead = rank.a * self.back[0] + rank.b * self.back[1]
        far = tuple(max(g.furthest(k) for g in groups) + tile[k] for k in (0, 1))
        self.far = tuple(far[k] + self.back[k] for k in (0, 1))
        self.reach = rank.a * (far[0] - 1) + rank.b * (far[1] - 1) + 1 + self.lead
        self.known: dict[tuple[int, int, int, int, bool], int] = {}

    def words(self, left_p: int, left_r: int, low: int, high: int, later: bool) -> int:
        """Words of one position: `left` values of p and r to the bounds, valid bits from low to high. `later`: it slides."""
        key = (min(self.far[0], left_p), min(self.far[1], left_r), max(0, low), min(self.reach, high), later)
        if key not in self.known:
            self.known[key] = self._count(*key)
        return self.known[key]

    def whole_words(self, later: bool) -> int:
        """Words of a position where nothing is clipped."""
        return self.words(self.far[0], self.far[1], 0, self.reach, later)

    def row_words(self, starts: list[int], r: int, slid: int, later: bool) -> int:
        """Words over the positions (p + slid, r), p from the sorted `starts`: those in the middle are alike."""
        k, left_r = self.rank, self.rank.n[1] - r
        if left_r <= 0:
            return 0
        base = k.offset + k.a * slid + k.b * r - self.lead  # of p = 0
        first, last = -(base // k.a), k.n[0] - slid - self.far[0]
        if k.size is not None:
            last = min(last, (k.size - self.reach - base) // k.a)
        begin, end = bisect_left(starts, first), bisect_right(starts, last)
        total = (end - begin) * self.words(self.far[0], left_r, 0, self.reach, later) if end > begin else 0
        for p in starts[:begin] + starts[max(begin, end) :]:
            if (left_p := k.n[0] - p - slid) > 0:
                bit = base + k.a * p
                total += self.words(left_p, left_r, -bit, self.reach if k.size is None else k.size - bit, later)
        return total

    def _count(self, left_p: int, left_r: int, low: int, high: int, later: bool) -> int:
        if high <= low:
            return 0
        valid = (1 << high) - (1 << low)
        total = 0
        for g in self.groups:
            asked, _ = self._ask(g, 0, (0, 0), (left_p, left_r), later)
            total += (asked & valid).bit_count()
        return total

    def _ask(self, g: Group, i: int, offset: tuple[int, int], left: tuple[int, int], later: bool) -> tuple[int, int]:
        """What the copies inside fan-out i of the group ask for, and what they held just before."""
        if i == len(g.classes):
            now = self._mask(left[0] - offset[0], left[1] - offset[1], offset, 0)
            if not later:
                return now, 0
            before = self._mask(left[0] - offset[0] + self.back[0], left[1] - offset[1] + self.back[1], offset, self.lead)
            return now & ~before, before
        asked = held = 0
        for p, r in g.classes[i]:
            more, old = self._ask(g, i + 1, (offset[0] + p, offset[1] + r), left, later)
            asked, held = asked | more, held | old
        return (asked & ~held if g.passes_on[i] else asked), held

    def _mask(self, left_p: int, left_r: int, offset: tuple[int, int], earlier: int) -> int:
        """The tile of one copy, with `left` values of p and r before the bounds end."""
        tp, tr = min(self.tile[0], left_p), min(self.tile[1], left_r)
        if tp <= 0 or tr <= 0:
            return 0
        start = self.rank.a * offset[0] + self.rank.b * offset[1] + self.lead - earlier
        return _tile_mask(self.rank.a, self.rank.b, tp, tr, self.rank.box) << start


@lru_cache(maxsize=50_000)
def _tile_mask(a: int, b: int, tp: int, tr: int, box: bool) -> int:
    if box:
        return (1 << (a * (tp - 1) + b * (tr - 1) + 1)) - 1
    row = _repeat(1, a, tp)
    return _repeat(row, b, tr)


def _repeat(mask: int, step: int, times: int) -> int:
    """The union of `times` copies of the mask, each `step` bits further."""
    out, have = mask, 1
    while have < times:
        more = min(have, times - have)
        out |= out << (step * more)
        have += more
    return out

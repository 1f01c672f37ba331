"""The chunks of a loop: which positions each job makes in each of them, and which stay in memory meanwhile.

Positions are along the axis that the loop's class cuts. Going backwards over the consumers of a tensor X in the body, so many of
its positions exist after chunk i (retention; `N_X` in the last chunk):

    E_X(i) = max over consumers c with E_c(i) > 0 of min(N_X, stride * (E_c(i) - 1) + taps + first + 1)

so that chunks partition the positions and no work is done twice. With recompute each chunk makes all that its windows need. While
body job k runs in chunk i, X holds from the least position that a consumer still to come reads to the last one made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import TypeVar, cast

from picojoule.schedule.linked import Cut, Link, Seen
from picojoule.workload.op import Body, Op, Rank

AnyOp = TypeVar("AnyOp", bound=Op)

Span = tuple[int, int]  # from the first position to one beyond the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One pass over the body: by job the positions that it makes, by link and by job the positions held while the job runs."""

    spans: tuple[Span, ...]
    held: tuple[tuple[int, ...], ...]


def chunks(cut: Cut, bounds: Sequence[int], sink: int, tile: int, recompute: bool = False) -> list[Chunk]:
    """All chunks of a loop whose jobs have so many positions each; `tile` positions of job `sink` at a time."""
    made = _recomputed(cut, bounds, sink, tile) if recompute else _retained(cut, bounds, sink, tile)
    loads = _loaded(cut, made, recompute)
    held = [_held(cut, link, made, loads, recompute) for link in cut.links]
    return [Chunk(spans=tuple(spans), held=tuple(h[i] for h in held)) for i, spans in enumerate(made)]


def loads_of(cut: Cut, spans: Sequence[Sequence[Span]], recompute: bool) -> dict[str, list[Span]]:
    """For each tensor that is loaded by tile the positions that each chunk loads."""
    return _loaded(cut, spans, recompute)


def _order(cut: Cut, jobs: int) -> list[list[tuple[int, Link]]]:
    """For each job the links that it makes."""
    out: list[list[tuple[int, Link]]] = [[] for _ in range(jobs)]
    for n, link in enumerate(cut.links):
        if link.maker >= 0:
            out[link.maker].append((n, link))
    return out


def _retained(cut: Cut, bounds: Sequence[int], sink: int, tile: int) -> list[list[Span]]:
    makes, n = _order(cut, len(bounds)), -(-bounds[sink] // tile)
    before, out = [0] * len(bounds), []
    for i in range(n):
        last, ends = i == n - 1, [0] * len(bounds)
        for k in reversed(range(len(bounds))):
            if last:
                ends[k] = bounds[k]
            elif k == sink or not makes[k]:
                ends[k] = min(bounds[k], (i + 1) * tile)
            else:
                needs = [s.end(ends[c]) - link.offset for _, link in makes[k] for c, s in link.readers]
                ends[k] = max([before[k], 0, *(min(bounds[k], x) for x in needs)])
        out.append([(b, e) for b, e in zip(before, ends, strict=True)])
        before = ends
    return out


def _recomputed(cut: Cut, bounds: Sequence[int], sink: int, tile: int) -> list[list[Span]]:
    makes, n = _order(cut, len(bounds)), -(-bounds[sink] // tile)
    out = []
    for i in range(n):
        spans: list[Span] = [(0, 0)] * len(bounds)
        for k in reversed(range(len(bounds))):
            if k == sink or not makes[k]:
                spans[k] = (min(bounds[k], i * tile), min(bounds[k], (i + 1) * tile))
                continue
            needs = [_window(link, s, spans[c]) for _, link in makes[k] for c, s in link.readers if spans[c][0] < spans[c][1]]
            lo = max(0, min((a for a, _ in needs), default=0) - min(link.offset for _, link in makes[k]))
            hi = min(bounds[k], max((b for _, b in needs), default=0) - min(link.offset for _, link in makes[k]))
            spans[k] = (lo, max(lo, hi))
        out.append(spans)
    return out


def _window(link: Link, seen: Seen, span: Span) -> Span:
    """The positions of the tensor that a consumer reads for its positions `span`, padding clipped."""
    return max(0, seen.start(span[0])), min(link.size, seen.end(span[1]))


def _loaded(cut: Cut, made: Sequence[Sequence[Span]], recompute: bool) -> dict[str, list[Span]]:
    out: dict[str, list[Span]] = {}
    for link in (x for x in cut.links if x.maker < 0):
        before, spans = 0, []
        for row in made:
            windows = [_window(link, s, row[c]) for c, s in link.readers if row[c][0] < row[c][1]]
            lo, hi = min((a for a, _ in windows), default=before), max((b for _, b in windows), default=before)
            spans.append((lo, hi) if recompute else (min(before, hi), max(before, hi)))
            before = spans[-1][1]
        out[link.tensor] = spans
    return out


def _held(
    cut: Cut, link: Link, made: Sequence[Sequence[Span]], loads: dict[str, list[Span]], recompute: bool
) -> list[tuple[int, ...]]:
    """Positions that a link's tensor holds, by chunk, while each job of the body runs."""
    jobs = len(made[0])
    later: dict[tuple[int, Seen], float] = dict.fromkeys(link.readers, math.inf)  # first position that a later chunk reads
    out: list[tuple[int, ...]] = []
    for i in reversed(range(len(made))):
        now = loads[link.tensor][i] if link.maker < 0 else made[i][link.maker]
        mine = {(c, s): s.start(made[i][c][0]) - link.offset for c, s in link.readers if made[i][c][0] < made[i][c][1]}
        row = []
        for k in range(jobs):
            exists = now[1] if link.ready <= k else now[0]
            to_come = [mine[c, s] for c, s in mine if c >= k] + ([] if recompute else list(later.values()))
            lo = max(now[0] if recompute else 0, min([exists, *to_come]))
            row.append(max(0, exists - int(lo)) if to_come else 0)
        out.append(tuple(row))
        later |= mine
    return out[::-1]


def restricted(op: AnyOp, dim: str, span: Span) -> AnyOp:
    """The operator for the positions `span` of one of its dimensions: windows that reach beyond a tensor's ends are clipped, so
    that two chunks with equal problems are equal."""
    return cast(AnyOp, _restricted(op, dim, span))


@lru_cache(maxsize=100_000)
def _restricted(op: Op, dim: str, span: Span) -> Op:
    lo, hi = span
    tensors = tuple(replace(t, ranks=tuple(_cut_rank(op, r, dim, lo, hi) for r in t.ranks)) for t in op.tensors)
    dims = tuple((d, hi - lo if d == dim else n) for d, n in op.dims)
    if op.body is Body.MAC:
        return replace(op, dims=dims, tensors=tensors)
    share = Fraction(hi - lo, op.bounds[dim])  # operations and words that are not those of its tensors are alike at all positions
    ops = None if op.ops is None else round(op.ops * share)
    moved = None if op.moved is None else (round(op.moved[0] * share), round(op.moved[1] * share))
    return replace(op, dims=dims, tensors=tensors, ops=ops, moved=moved)


def _cut_rank(op: Op, rank: Rank, dim: str, lo: int, hi: int) -> Rank:
    mine = next((c for c, d in rank.terms if d == dim), 0)
    if not mine or (len(rank.terms) == 1 and rank.size is None):
        return rank
    others = [(c, op.bounds[d]) for c, d in rank.terms if d != dim]
    reach = sum(c * (n - 1) for c, n in others)
    size = rank.size if rank.size is not None else mine * (op.bounds[dim] - 1) + reach + rank.offset + 1
    first = max(0, mine * lo + rank.offset)
    end = min(size, mine * (hi - 1) + reach + rank.offset + 1)
    offset, whole = mine * lo + rank.offset - first, mine * (hi - lo - 1) + reach + 1
    return replace(rank, offset=offset, size=None if offset == 0 and end - first == whole else max(0, end - first))

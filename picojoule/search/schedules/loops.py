"""The loops that are searched: which segments of jobs, over which class, by which tiles, and what each chunk asks.

A segment of jobs that follow each other is looped over one dimension of its last job's result. What the loop makes and alone
reads stays on chip, position by position; weights are read outside by every chunk, or loaded before the loop and held.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from picojoule.errors import SpecError
from picojoule.schedule.chunks import chunks, restricted
from picojoule.schedule.jobs import Job, JobGraph
from picojoule.schedule.linked import Cut, classes
from picojoule.workload.network import Persistence
from picojoule.workload.op import Op

LONGEST = 4  # jobs in a loop
MOST_HELD = 3  # weights of which every choice to hold them is tried; of more all or none
ALL_TILES = 8  # tiles up to here are all tried


@dataclass(frozen=True, slots=True)
class Pass:
    """What some chunks of a loop ask of one of its jobs: its operators, bits that the loop's own tensors hold, how often."""

    job: int  # place in the body
    ops: tuple[Op, ...]
    held_bits: int
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A segment of jobs in a loop: its class, the tensors that it makes and alone reads, and its passes by tile."""

    start: int
    end: int
    dim: str
    cut: Cut
    local: frozenset[str]
    weights: tuple[str, ...]  # parameters that its jobs read and that may be held
    tiles: tuple[int, ...]


def tiles(n: int) -> tuple[int, ...]:
    """Tiles for n positions: what n divided by any number of chunks comes to, and all small ones."""
    return tuple(sorted({-(-n // k) for k in range(2, n + 1)} | set(range(1, min(ALL_TILES, n - 1) + 1))))


@dataclass
class Loops:
    """The loops over the jobs of a graph that are legal."""

    graph: JobGraph
    stays: frozenset[str]  # tensors that may be on chip, whatever their size
    room: float
    longest: int = LONGEST
    _passes: dict[tuple[int, int, str, int], tuple[Pass, ...]] = field(default_factory=dict)

    def from_place(self, start: int) -> Iterator[Loop]:
        """All loops whose first job is at this place."""
        jobs = self.graph.jobs
        if self._repeated(jobs[start]):
            return
        for end in range(start + 2, min(len(jobs), start + self.longest) + 1):
            body = jobs[start:end]
            if self._repeated(body[-1]):
                return
            yield from self._of(start, end, body)

    def _repeated(self, job: Job) -> bool:
        return job.count != 1 or any(s.count != 1 for s in job.steps)

    def _of(self, start: int, end: int, body: tuple[Job, ...]) -> Iterator[Loop]:
        sink, seen = body[-1], set()
        op = sink.steps[0].layer
        results = [t for t in op.results for _ in (0,)]
        for dim in (d for d, n in op.dims if n > 1 and any(d in t.dims for t in results)):
            try:
                cut = classes(self.graph, body, sink.name, dim)
            except SpecError:
                continue
            if not cut.links or not self._ends_together(body, cut):
                continue
            inner = set(range(start, end))
            local = frozenset(x.tensor for x in cut.links if not self._escapes(x.tensor, inner))
            if any(x.tensor not in self.stays for x in cut.links):
                continue
            look = self._look(body, cut)
            if look in seen:  # of two classes that look alike, as rows and columns do, the first
                continue
            seen.add(look)
            learned = {
                t for j in body for t in j.reads if self.graph.tensors[t].persistence is Persistence.PARAMETER and t in self.stays
            }
            weights = tuple(sorted(t for t in learned if self.graph.bits(t) <= self.room))
            yield Loop(start=start, end=end, dim=dim, cut=cut, local=local, weights=weights, tiles=tiles(op.bounds[dim]))

    def _escapes(self, tensor: str, body: set[int]) -> bool:
        return self.graph.lasts(tensor) or bool(set(self.graph.readers[tensor]) - body)

    def _ends_together(self, body: tuple[Job, ...], cut: Cut) -> bool:
        feeding = {x.maker for x in cut.links}
        bounds = [j.steps[0].layer.bounds[cut.dims[i][0]] if cut.dims[i][0] else 0 for i, j in enumerate(body)]
        return len(body) - 1 not in feeding and all(i in feeding or n == bounds[-1] for i, n in enumerate(bounds))

    def _look(self, body: tuple[Job, ...], cut: Cut) -> object:
        ways = tuple((x.tensor, x.size, tuple((i, s.stride, s.first, s.reach) for i, s in x.readers)) for x in cut.links)
        return ways, tuple(j.steps[0].layer.bounds.get(cut.dims[i][0], 0) for i, j in enumerate(body))

    def holdings(self, loop: Loop) -> Iterator[tuple[str, ...]]:
        """Which weights are held: every choice of a few, of many all or none."""
        if len(loop.weights) > MOST_HELD:
            yield from ((), loop.weights)
            return
        yield from itertools.chain.from_iterable(itertools.combinations(loop.weights, n) for n in range(len(loop.weights) + 1))

    def passes(self, loop: Loop, tile: int) -> tuple[Pass, ...]:
        """What the loop's chunks ask, equal ones together."""
        key = (loop.start, loop.end, loop.dim, tile)
        if key not in self._passes:
            self._passes[key] = tuple(self._all_passes(loop, tile))
        return self._passes[key]

    def _all_passes(self, loop: Loop, tile: int) -> Iterator[Pass]:
        body, cut = self.graph.jobs[loop.start : loop.end], loop.cut
        bounds = [j.steps[0].layer.bounds[cut.dims[i][0]] for i, j in enumerate(body)]
        each = [self._bits_each(x.tensor, x.axis) if x.tensor in loop.local else 0.0 for x in cut.links]
        found: dict[tuple[int, tuple[Op, ...], int], int] = {}
        for chunk in chunks(cut, bounds, len(body) - 1, tile):
            for k, job in enumerate(body):
                lo, hi = chunk.spans[k]
                if lo == hi:
                    continue
                held = sum(math.ceil(b * h[k]) for b, h in zip(each, chunk.held, strict=True))
                ops = tuple(
                    restricted(s.layer, cut.dims[k][i], (lo, hi)) if cut.dims[k][i] else s.layer for i, s in enumerate(job.steps)
                )
                found[k, ops, held] = found.get((k, ops, held), 0) + 1
        yield from (Pass(k, ops, held, n) for (k, ops, held), n in found.items())

    def _bits_each(self, tensor: str, axis: int) -> float:
        t = self.graph.tensors[tensor]
        return math.prod(n for i, n in enumerate(t.shape) if i != axis) * t.bits

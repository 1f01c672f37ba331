"""The loops that are searched: which segments of jobs, over which classes, by which tiles, and what their chunks ask.

A segment of jobs that follow each other is looped over one dimension of its last job, of its result or one that it adds up over,
or over two, one loop in the other, or in a third that goes one by one. What the loop makes and alone reads stays on chip, as long
as it is needed; what it reads from outside is read by every chunk, or loaded before the loop and held; of two loops the outer one
may load what the inner one does not cut, and store what the inner one adds up.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from picojoule.errors import SpecError
from picojoule.schedule.jobs import Job, JobGraph
from picojoule.schedule.linked import Cut, classes, seen
from picojoule.schedule.program import For, Load, Run, Store
from picojoule.schedule.residence import Event, events_of
from picojoule.workload.op import Body

LONGEST = 4  # jobs in a loop
MOST_HELD = 4  # tensors of which every choice to hold them is tried; of more none, one or all
ALL_TILES = 8  # tiles up to here are all tried
FEW = (2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32, 64, 128)  # chunks of loops in each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Jobs that follow each other, the tensors that they make and alone read, and those from outside that may be held."""

    start: int
    end: int
    local: frozenset[str]
    lasting: tuple[str, ...]  # what they make for others
    held: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Class:
    """A dimension of the segment's last job over which a loop is legal."""

    dim: str
    cut: Cut
    positions: int

    @property
    def apart(self) -> bool:
        """Whether its chunks neither overlap nor add up, so that a loop may be in them."""
        return not any(self.cut.adding) and not any(x.halo for x in self.cut.links)


def tiles(n: int) -> tuple[int, ...]:
    """Tiles for n positions: what n divided by any number of chunks comes to, and all small ones."""
    return tuple(sorted({-(-n // k) for k in range(2, n + 1)} | set(range(1, min(ALL_TILES, n - 1) + 1))))


def few_tiles(n: int) -> tuple[int, ...]:
    """Tiles for a loop with a loop in it, or in another: what n divided by few chunks comes to, and one."""
    return tuple(sorted({-(-n // k) for k in FEW if k < n} | {1}))


@dataclass
class Loops:
    """The loops over the jobs of a graph that are legal, with `home` as the memory in which tensors stay."""

    graph: JobGraph
    home: str
    stays: frozenset[str]  # tensors that may be on chip, whatever their size
    room: float
    longest: int = LONGEST
    _events: dict[For, tuple[Event, ...]] = field(default_factory=dict)

    def from_place(self, start: int) -> Iterator[tuple[Segment, For]]:
        """All loops whose first job is at this place."""
        jobs = self.graph.jobs
        if self._repeated(jobs[start]):
            return
        for end in range(start + 2, min(len(jobs), start + self.longest) + 1):
            body = jobs[start:end]
            if self._repeated(body[-1]):
                return
            segment = self._segment(start, end, body)
            if segment is not None:
                for loop in self._of(segment, body):
                    yield segment, loop

    def _repeated(self, job: Job) -> bool:
        return job.count != 1 or any(s.count != 1 for s in job.steps)

    def _segment(self, start: int, end: int, body: Sequence[Job]) -> Segment | None:
        inner = set(range(start, end))
        made = [t for j in body for t in j.writes]
        local = frozenset(t for t in made if self.graph.readers[t] and not self._escapes(t, inner))
        if not local or not local <= self.stays:
            return None
        read = {t for j in body for t in j.reads if t not in made and t in self.stays}
        held = tuple(sorted(t for t in read if self.graph.bits(t) <= self.room))
        return Segment(start=start, end=end, local=local, lasting=tuple(t for t in made if t not in local), held=held)

    def _escapes(self, tensor: str, body: set[int]) -> bool:
        return self.graph.lasts(tensor) or bool(set(self.graph.readers[tensor]) - body)

    def _of(self, segment: Segment, body: Sequence[Job]) -> Iterator[For]:
        found = list(self._classes(segment, body))
        runs, last = self._runs(body, segment), body[-1].name
        for c in found:
            yield from (For(last, c.dim, t, runs) for t in tiles(c.positions))
        for outer, inner in itertools.permutations(found, 2):
            if not outer.apart or sum(j.main is not None for j in body) < 2:
                continue  # chunks overlap; or one layer alone with what is applied to its result, which one loop serves
            yield from self._in_each_other(body, segment, outer, inner)
            for most in found:  # three deep: one by one of what stands apart, such as heads
                if most.apart and most not in (outer, inner):
                    for loop in self._in_each_other(body, segment, outer, inner):
                        yield For(body[-1].name, most.dim, 1, (loop,))

    def _in_each_other(self, body: Sequence[Job], segment: Segment, outer: Class, inner: Class) -> Iterator[For]:
        runs = self._runs(body, segment)
        last, drained = body[-1].name, set(segment.lasting)
        here = tuple(replace(r, home=self.home) for r in runs)  # all results in the memory
        held = self._held_between(body, outer, inner)
        for t, u in itertools.product(few_tiles(outer.positions), few_tiles(inner.positions)):
            deep, loads = For(last, inner.dim, u, runs), tuple(Load(x, self.home) for x in held)
            yield For(last, outer.dim, t, (deep,))
            if held:
                yield For(last, outer.dim, t, (*loads, deep))
            if any(inner.cut.adding) and drained <= self.stays:
                sums = For(last, inner.dim, u, here)
                stores = tuple(Store(x) for x in sorted(drained))
                yield For(last, outer.dim, t, (sums, *stores))
                if held:
                    yield For(last, outer.dim, t, (*loads, sums, *stores))

    def _runs(self, body: Sequence[Job], segment: Segment) -> tuple[Run, ...]:
        return tuple(Run(j.name, self.home if set(j.writes) & segment.local else "") for j in body)

    def _held_between(self, body: Sequence[Job], outer: Class, inner: Class) -> tuple[str, ...]:
        """What the outer loop cuts of tensors from outside and the inner one does not: each of its passes would read it again."""
        made = {t for j in body for t in j.writes}
        out = []
        for t in dict.fromkeys(t for j in body for t in j.reads if t not in made and t in self.stays):
            if self._cuts(body, outer.cut, t) and not self._cuts(body, inner.cut, t):
                out.append(t)
        return tuple(out)

    def _cuts(self, body: Sequence[Job], cut: Cut, tensor: str) -> bool:
        for k, j in enumerate(body):
            for s, step in enumerate(j.steps):
                for _, name, indices in seen(self.graph, step, False):
                    if name == tensor and any(x is not None and cut.dims[k][s] in [d for _, d in x.terms] for x in indices):
                        return True
        return False

    def _classes(self, segment: Segment, body: Sequence[Job]) -> Iterator[Class]:
        op, looks = body[-1].steps[0].layer, set()
        for dim, n in op.dims:
            adds = not any(dim in t.dims for t in op.results)
            if n == 1 or (adds and op.body is not Body.MAC):
                continue
            try:
                cut = classes(self.graph, body, body[-1].name, dim)
            except SpecError:
                continue
            if not cut.links or not self._ends_together(body, cut):
                continue
            look = self._look(body, cut)
            if look not in looks:  # of two classes that look alike, as rows and columns do, the first
                looks.add(look)
                yield Class(dim=dim, cut=cut, positions=n)

    def _ends_together(self, body: Sequence[Job], cut: Cut) -> bool:
        feeding = {x.maker for x in cut.links}
        bounds = [j.steps[0].layer.bounds[cut.dims[i][0]] if cut.dims[i][0] else 0 for i, j in enumerate(body)]
        return len(body) - 1 not in feeding and all(i in feeding or n == bounds[-1] for i, n in enumerate(bounds))

    def _look(self, body: Sequence[Job], cut: Cut) -> object:
        ways = tuple((x.tensor, x.size, tuple((i, s.stride, s.first, s.reach) for i, s in x.readers)) for x in cut.links)
        return ways, cut.adding, tuple(j.steps[0].layer.bounds.get(cut.dims[i][0], 0) for i, j in enumerate(body))

    def holdings(self, segment: Segment, loop: For) -> Iterator[tuple[str, ...]]:
        """Which tensors from outside are held whole: every choice of a few, of many none, one or all."""
        inside = {i.tensor for i in loop.body if isinstance(i, Load)}
        may = [t for t in segment.held if t not in inside]
        few = range(len(may) + 1) if len(may) <= MOST_HELD else (0, 1, len(may))
        yield from itertools.chain.from_iterable(itertools.combinations(may, n) for n in few)

    def events(self, loop: For) -> tuple[Event, ...]:
        """What the loop makes the chip do, equal chunks together; room that it takes besides what lies there before."""
        if loop not in self._events:
            try:
                self._events[loop] = events_of(self.graph, loop)
            except SpecError:  # two loops that are legal apart, and not in each other
                self._events[loop] = ()
        return self._events[loop]

    @cached_property
    def count(self) -> int:
        """How many loops there are."""
        return sum(1 for at in range(len(self.graph.jobs)) for _ in self.from_place(at))

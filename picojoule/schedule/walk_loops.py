"""What a loop of a schedule does, told from sets of elements alone: which positions each chunk of each job makes, in what order.

A loop names a dimension of one job, its sink. Dimensions of other jobs belong to the same *class* if a tensor that is made and
read inside, or loaded there by tile, links them: along an axis of the tensor the dimension that reaches the result slides, any
other is a window. Each element of a tensor made inside then has a position: the place of its maker in the class dimension.

Chunk i of the sink is [i * tile, (i + 1) * tile). Every other job makes the positions that the chunk's consumers touch: from
where it stopped to the last one touched (the rest, in the last chunk), or with `recompute` from the first to the last one.
A load brings the indices that are touched and have not come before (with `recompute` all that are touched).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from picojoule.errors import SpecError, unknown_name
from picojoule.schedule.jobs import Job, JobGraph
from picojoule.schedule.program import For, Load, Run
from picojoule.schedule.walk_values import Box, Elements, Ints, idle, results_of
from picojoule.workload.access import AxisIndex, axis_indices
from picojoule.workload.network import Step
from picojoule.workload.op import Op


@dataclass(frozen=True, eq=False)
class Entry:
    """A run or a load at its place in a loop, or in a loop within a loop."""

    item: Run | Load
    loops: tuple[For, ...]  # outermost first
    place: int

    @property
    def job(self) -> str:
        return self.item.job if isinstance(self.item, Run) else ""

    @property
    def tensor(self) -> str:
        return self.item.tensor if isinstance(self.item, Load) else ""


@dataclass(frozen=True, eq=False)
class Visit:
    """One chunk of one entry: the box of each operator of its job, or the elements that are loaded."""

    entry: Entry
    begin: int  # the visit at which the innermost loop around it began
    boxes: tuple[Box, ...] = ()
    loaded: Ints = field(default_factory=lambda: np.zeros(0, np.int64))


def entries_of(loop: For) -> tuple[Entry, ...]:
    """All runs and loads of the loop, in order."""
    found = list(_entries(loop, ()))
    return tuple(Entry(item, loops, i) for i, (item, loops) in enumerate(found))


def _entries(loop: For, outer: tuple[For, ...]) -> Iterator[tuple[Run | Load, tuple[For, ...]]]:
    loops = (*outer, loop)
    if len(loops) > 2:
        raise SpecError(f"{_name(loop)} is a third loop within loops", hint="two, one inside the other, can be walked")
    for item in loop.body:
        if isinstance(item, For):
            yield from _entries(item, loops)
        elif isinstance(item, Run | Load):
            yield item, loops
        else:
            word = type(item).__name__.lower()
            raise SpecError(f"{word} {item.tensor} stands inside {_name(loop)}", hint="put it before or after the loop")


def _name(loop: For) -> str:
    return f"the loop over {loop.job}.{loop.dim}"


def axes_of(elements: Elements, tensor: str) -> int:
    """How many axes the tensor has."""
    return len(elements.graph.network.tensor(tensor).shape)


class Cut:
    """How one loop cuts its jobs and loads."""

    def __init__(self, graph: JobGraph, elements: Elements, loop: For, inside: tuple[Entry, ...]) -> None:
        self.graph, self.elements, self.loop, self.entries = graph, elements, loop, inside
        self.jobs = {e.job: graph.job(e.job) for e in inside if e.job}
        self.steps = [(j, s) for j in self.jobs.values() for s in j.steps if not idle(j, s)]
        for j in self.jobs.values():
            if idle(j, _first(j)):
                raise SpecError(f"{_name(loop)}: {j.name} is a view, which nothing cuts", hint="put it before the loop")
        made = {name for _, s in self.steps for name in s.outputs}
        read = {a.tensor for _, s in self.steps for a in s.accesses if a.operand in {t.name for t in s.layer.operands}}
        self.linking = (made & read) | {e.tensor for e in inside if e.tensor}
        self.sinks = self._sinks()
        self.dims = self._class()  # id of an operator's step -> its dimension of the class
        self.axis = {e.tensor: self._axis(e.tensor) for e in inside if e.tensor}
        self.bound = {name: _first(j).layer.bounds[self.dims[id(_first(j))]] for name, j in self.jobs.items()}
        for name in self.sinks:
            if self.bound[name] != self.bound[loop.job]:
                raise SpecError(
                    f"{_name(loop)} has {self.bound[loop.job]} positions, but {name}, which nothing inside reads, has "
                    f"{self.bound[name]}",
                    hint="jobs that end a loop go along only at the same rate",
                )
        self.position = np.full(elements.total, -1)  # of each element, in its maker's dimension or its tensor's loaded axis
        self.maker = np.full(elements.total, -1)  # place of the entry
        self.follows: dict[int, Ints] = {}  # id of a step -> for each of its positions the one of its job's first operator
        for e in inside:
            self._place(e)

    # -- the class ------------------------------------------------------------------------------------------------------

    def _sinks(self) -> tuple[str, ...]:
        read_by: dict[str, set[str]] = {}
        for j in self.jobs.values():
            for name in j.reads:
                read_by.setdefault(name, set()).add(j.name)
        ends = tuple(j.name for j in self.jobs.values() if not any(read_by.get(w, set()) - {j.name} for w in j.writes))
        if self.loop.job not in self.jobs:
            raise unknown_name("job", self.loop.job, self.jobs, where=_name(self.loop))
        if self.loop.job not in ends:
            raise SpecError(
                f"{_name(self.loop)}: {self.loop.job} is read by another job inside", hint=f"loop over one of {', '.join(ends)}"
            )
        return ends

    def _class(self) -> dict[int, str]:
        first = _first(self.jobs[self.loop.job])
        if self.loop.dim not in first.layer.bounds:
            raise unknown_name("dimension", self.loop.dim, first.layer.bounds, where=self.loop.job)
        found: dict[int, set[str]] = {id(s): set() for _, s in self.steps}
        axes: set[tuple[str, int]] = set()
        fresh = [(first, self.loop.dim)]
        while fresh:
            step, dim = fresh.pop()
            if dim in found[id(step)]:
                continue
            found[id(step)].add(dim)
            for tensor, axis in set(self._axes(step, dim)) - axes:
                axes.add((tensor, axis))
                fresh += self._along(tensor, axis)
        return {id(s): self._only(j, s, found[id(s)]) for j, s in self.steps}

    def _axes(self, step: Step[Op], dim: str) -> Iterator[tuple[str, int]]:
        """The axes of linking tensors that the dimension indexes."""
        for a in step.accesses:
            operand = step.layer.tensor(a.operand)
            if a.tensor not in self.linking or dim not in operand.dims:
                continue
            indices = axis_indices(operand, a, axes_of(self.elements, a.tensor))
            hit = [i for i, x in enumerate(indices) if x is not None and dim in {d for _, d in x.terms}]
            if not hit:
                raise self._uncut(a.tensor, step)
            yield from ((a.tensor, i) for i in hit)

    def _along(self, tensor: str, axis: int) -> Iterator[tuple[Step[Op], str]]:
        """The dimensions that slide along the axis of the tensor."""
        for _, step in self.steps:
            for a in step.accesses:
                if a.tensor == tensor:
                    index = axis_indices(step.layer.tensor(a.operand), a, axes_of(self.elements, tensor))[axis]
                    if index is None:
                        raise self._uncut(tensor, step)
                    if index.terms:
                        yield step, _slides(step, index)

    def _uncut(self, tensor: str, step: Step[Op]) -> SpecError:
        return SpecError(
            f"{_name(self.loop)} cannot cut {tensor}: {step.layer.name} has no affine index along its axis",
            hint="make the tensor whole before the loop",
        )

    def _only(self, job: Job, step: Step[Op], dims: set[str]) -> str:
        of = job.name if step.layer.name == job.name else f"{step.layer.name}, part of {job.name},"
        if not dims:
            raise SpecError(f"{_name(self.loop)}: {of} has no dimension of its class", hint="put it before or after the loop")
        if len(dims) > 1:
            raise SpecError(
                f"{_name(self.loop)}: {of} has several dimensions of its class: {', '.join(sorted(dims))}",
                hint="make one of its operands whole before the loop",
            )
        (dim,) = dims
        if dim in step.layer.whole:
            raise SpecError(f"{_name(self.loop)}: {of} needs dimension {dim} whole", hint="loop over another dimension")
        if any(dim not in t.dims for t in results_of(step)):
            raise SpecError(f"{_name(self.loop)}: {of} sums over dimension {dim}", hint="sums over chunks are not supported yet")
        return dim

    def _axis(self, tensor: str) -> int:
        """The axis along which a tensor is loaded by tile."""
        axes = {axis for _, s in self.steps if id(s) in self.dims for t, axis in self._axes(s, self.dims[id(s)]) if t == tensor}
        if len(axes) != 1:
            raise SpecError(f"{_name(self.loop)} does not cut {tensor}, which is loaded inside", hint="load it before the loop")
        return axes.pop()

    # -- positions ------------------------------------------------------------------------------------------------------

    def _place(self, e: Entry) -> None:
        """The positions of what the entry makes or loads."""
        if e.tensor:
            self.position[self.elements.of(e.tensor)] = self.elements.index(e.tensor, self.axis[e.tensor])
            self.maker[self.elements.of(e.tensor)] = e.place
            return
        job, own = self.jobs[e.job], np.full(self.elements.total, -1)
        for step in job.steps:
            if idle(job, step):
                continue
            dim = self.dims[id(step)]
            axis = 1 + [d for d, _ in step.layer.dims].index(dim)
            follows = np.arange(step.layer.bounds[dim])
            if step is not _first(job):
                follows = np.full(len(follows), -1)
                for t in step.layer.operands:
                    if dim in t.dims:
                        ids = np.moveaxis(self.elements.touched(step, t), axis, 0).reshape(len(follows), -1)
                        follows = np.maximum(follows, np.where(ids >= 0, own[ids], -1).max(axis=1, initial=-1))
            self.follows[id(step)] = follows
            for t in results_of(step):
                ids = self.elements.touched(step, t)
                at = np.broadcast_to(follows.reshape([-1 if i == axis else 1 for i in range(ids.ndim)]), ids.shape)
                own[ids[ids >= 0]] = at[ids >= 0]
        for name in job.writes:
            made = np.flatnonzero(own[self.elements.of(name)] >= 0) + self.elements.of(name).start
            self.position[made], self.maker[made] = own[made], e.place

    def boxes(self, job: Job, low: int, high: int) -> tuple[Box, ...]:
        """The box of each operator where the job makes positions from low up to high."""
        out: list[Box] = []
        for step in job.steps:
            if idle(job, step):
                out.append({})
                continue
            at = np.flatnonzero((self.follows[id(step)] >= low) & (self.follows[id(step)] < high))
            assert len(at) == 0 or at[-1] - at[0] + 1 == len(at), "what follows a box in passing is a box"
            out.append({self.dims[id(step)]: (int(at[0]), int(at[-1]) + 1) if len(at) else (0, 0)})
        return tuple(out)

    def _reads(self, job: Job, low: int, high: int) -> Iterator[Ints]:
        """Elements of linking tensors that the job touches there and does not make itself."""
        own = {name for s in job.steps for name in s.outputs}
        for step, box in zip(job.steps, self.boxes(job, low, high), strict=True):
            if not idle(job, step):
                for t in step.layer.operands:
                    ids = np.unique(self.elements.touched(step, t, box))
                    for name in {a.tensor for a in step.accesses_of(t.name)} & self.linking - own:
                        span = self.elements.of(name)
                        yield ids[(ids >= span.start) & (ids < span.stop)]

    def chunks(self) -> list[dict[int, tuple[int, int] | Ints]]:
        """For each chunk and place what is made there, (from, to), or which indices of the axis are loaded (bool)."""
        n, tile = self.bound[self.loop.job], self.loop.tile
        starts = range(0, n, tile)
        until = dict.fromkeys(self.jobs, 0)
        came = {name: np.zeros(self.graph.network.tensor(name).shape[axis], bool) for name, axis in self.axis.items()}
        out: list[dict[int, tuple[int, int] | Ints]] = []
        for start in starts:
            last, found = start == starts[-1], dict[int, tuple[int, int] | Ints]()
            touched: dict[Entry, list[Ints]] = {}  # by later entries of this chunk
            for e in reversed(self.entries):
                users = (reads for c, reads in touched.items() if e.job or e.loops[-1] in c.loops)
                ids = np.concatenate([np.zeros(0, np.int64), *(x for reads in users for x in reads)])
                at = self.position[ids[self.maker[ids] == e.place]]
                if e.tensor:
                    wanted = np.zeros(len(came[e.tensor]), bool)
                    wanted[at] = True
                    found[e.place] = wanted if self.loop.recompute else wanted & ~came[e.tensor]
                    came[e.tensor] |= wanted
                    continue
                low, high = until[e.job], max(until[e.job], int(at.max(initial=-1)) + 1)
                if e.job in self.sinks:
                    low, high = start, min(n, start + tile)
                elif self.loop.recompute:
                    low, high = (int(at.min()), int(at.max()) + 1) if len(at) else (0, 0)
                elif last:
                    high = self.bound[e.job]
                until[e.job] = high
                found[e.place] = low, high
                touched[e] = list(self._reads(self.jobs[e.job], low, high)) if low < high else []
            out.append(found)
        return out


def _first(job: Job) -> Step[Op]:
    return job.steps[0]


def _slides(step: Step[Op], index: AxisIndex) -> str:
    """Of the dimensions of an index the one that reaches the result; of several the one that takes the largest steps."""
    kept = {d for t in results_of(step) for d in t.dims}
    return max(index.terms, key=lambda term: (term[1] in kept, term[0]))[1]


class Nest:
    """A loop with what stands in it: all its visits, in order."""

    def __init__(self, graph: JobGraph, elements: Elements, loop: For) -> None:
        self.graph, self.elements, self.loop = graph, elements, loop
        self.entries = entries_of(loop)
        names = [e.job for e in self.entries if e.job]
        for a, b in pairwise(sorted(names)):
            if a == b:
                raise SpecError(f"{_name(loop)} runs {a} twice", hint="a job runs once")
        loads = [e.tensor for e in self.entries if e.tensor]
        made = {w for name in names for w in graph.job(name).writes}
        for t in loads:
            if loads.count(t) > 1 or t in made:
                raise SpecError(f"{_name(loop)} loads {t} {'twice' if t not in made else 'and makes it'}", hint="load it once")
        self.loops = tuple(dict.fromkeys(x for e in self.entries for x in e.loops))
        self.cuts = {x: Cut(graph, elements, x, tuple(e for e in self.entries if x in e.loops)) for x in self.loops}
        for e in self.entries:
            for j, inner in ((j, x) for j in graph.jobs if j.name == e.job for x in e.loops[1:]):
                if any(self.cuts[inner].dims.get(id(s)) == self.cuts[loop].dims.get(id(s)) for s in j.steps if not idle(j, s)):
                    raise SpecError(f"{_name(inner)} has the class of the loop around it", hint="loop over another dimension")
        self.chunks = {x: self.cuts[x].chunks() for x in self.loops}
        self._check_recompute()

    def _check_recompute(self) -> None:
        for x in (x for x in self.loops if x.recompute):
            for e in (e for e in self.cuts[x].entries if e.job and e.job not in self.cuts[x].sinks):
                outside = [name for name in self.graph.job(e.job).writes if self.leaves(name, x)]
                if outside or not (isinstance(e.item, Run) and e.item.home):
                    raise SpecError(
                        f"{_name(x)} recomputes, but {e.job} leaves {outside[0] if outside else 'its result outside'}",
                        hint="only what ends a loop may leave it; or keep what was made: no recompute",
                    )

    def leaves(self, tensor: str, loop: For) -> bool:
        """Whether the tensor is needed outside the loop."""
        inside = {self.graph.place(name) for name in self.cuts[loop].jobs}
        users = {*self.graph.readers[tensor], *self.graph.writers[tensor]}
        return self.graph.lasts(tensor) or bool(users - inside) or not set(self.graph.readers[tensor]) & inside

    def visits(self) -> list[Visit]:
        """Every chunk of every entry that is not empty."""
        out: list[Visit] = []
        for i in range(len(self.chunks[self.loop])):
            inner_done: set[For] = set()
            for e in self.entries:
                if len(e.loops) == 1:
                    self._visit(out, e, (i,), len(out))
                elif e.loops[1] not in inner_done:
                    inner, begin = e.loops[1], len(out)
                    inner_done.add(inner)
                    for j in range(len(self.chunks[inner])):
                        for member in self.cuts[inner].entries:
                            self._visit(out, member, (i, j), begin)
        return out

    def _visit(self, out: list[Visit], e: Entry, at: tuple[int, ...], begin: int) -> None:
        parts = [(self.cuts[x], self.chunks[x][i][e.place]) for x, i in zip(e.loops, at, strict=True)]
        if e.tensor:
            span = self.elements.of(e.tensor)
            wanted = np.ones(span.stop - span.start, bool)
            for cut, indices in parts:
                wanted &= np.asarray(indices)[cut.position[span]]
            if wanted.any():
                out.append(Visit(e, begin, loaded=np.flatnonzero(wanted) + span.start))
            return
        job = self.graph.job(e.job)
        boxes: tuple[Box, ...] = ({},) * len(job.steps)
        for cut, bounds in parts:
            low, high = bounds
            if low >= high:
                return
            boxes = tuple({**a, **b} for a, b in zip(boxes, cut.boxes(job, low, high), strict=True))
        out.append(Visit(e, begin, boxes=boxes))

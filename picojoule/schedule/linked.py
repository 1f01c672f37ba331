"""Rank classes: which dimensions of the jobs in a loop belong together, and which of their positions each other's need.

A tensor that one job of the body makes and another reads links the dimension d that the producer writes along an axis with the
dimension p of the consumer that reads it there at `stride * p + (taps of other dimensions) + first`. A loop over the class cuts
all of them at once. Everything is along that one axis; all other dimensions stay whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from picojoule.errors import SpecError
from picojoule.schedule.jobs import Job, JobGraph
from picojoule.workload.access import AxisIndex, axis_indices
from picojoule.workload.network import Step
from picojoule.workload.op import Body, Op


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How one operator's operand or result meets one axis of a tensor: at position `stride * p + t + first` for its dimension
    `dim` at p and taps t from 0 to `reach`."""

    tensor: str
    axis: int
    dim: str
    stride: int
    first: int
    reach: int

    def start(self, p: int) -> int:
        """The first position that p and all later ones read, without padding."""
        return self.stride * p + self.first

    def end(self, p: int) -> int:
        """One beyond the last position that the first p positions of the dimension read; 0 if p is 0."""
        return self.stride * (p - 1) + self.reach + self.first + 1 if p > 0 else 0


def seen(graph: JobGraph, step: Step[Op], result: bool) -> Iterator[tuple[str, str, tuple[AxisIndex | None, ...]]]:
    """(operand, tensor, index along each axis) of what an operator writes (`result`) or reads."""
    for access in step.accesses:
        operand = step.layer.tensor(access.operand)
        if (operand.role == "output") == result:
            axes = len(graph.network.tensor(access.tensor).shape)
            yield access.operand, access.tensor, axis_indices(operand, access, axes)


def views(graph: JobGraph, step: Step[Op], tensor: str, dim: str, result: bool) -> list[Seen]:
    """How the operator meets the tensor along the axes that its dimension `dim` moves along. SpecError where no index says so."""
    out = []
    for _, name, indices in seen(graph, step, result):
        if name != tensor:
            continue
        found = [_seen(step.layer, name, axis, index, dim) for axis, index in enumerate(indices) if index is not None]
        out += [s for s in found if s is not None]
    return out


def _seen(op: Op, tensor: str, axis: int, index: AxisIndex, dim: str) -> Seen | None:
    mine = [c for c, d in index.terms if d == dim]
    if not mine:
        return None
    if mine[0] < 0 or any(c < 0 for c, _ in index.terms):
        return None
    reach = sum(c * (op.bounds[d] - 1) for c, d in index.terms if d != dim)
    return Seen(tensor=tensor, axis=axis, dim=dim, stride=mine[0], first=index.offset, reach=reach)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A class over the jobs of a body: for each job, in order, the dimension of each of its operators that is cut.

    `links`: (tensor, producer's place in the body, how the producer writes it, [(consumer's place, how it reads it)]).
    """

    dims: tuple[tuple[str, ...], ...]  # for each job, for each of its steps
    links: tuple[Link, ...]
    adding: tuple[bool, ...] = ()  # for each job: it adds up over the chunks, and its result is complete after the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A tensor that is made and used inside the body: who makes it (-1: it is loaded by tile) and who reads it, how, and its size
    along the axis that is cut. `ready`: the place of the first job that finds a chunk of it there, or makes it."""

    tensor: str
    axis: int
    size: int
    maker: int
    ready: int
    made: Seen | None
    readers: tuple[tuple[int, Seen], ...]

    @property
    def offset(self) -> int:
        """What the producer's position 0 is along the axis of the tensor."""
        return self.made.first if self.made is not None else 0

    @property
    def halo(self) -> bool:
        """Whether two positions of a consumer read one position of the tensor, so that chunks overlap."""
        return any(s.reach >= s.stride or s.first < 0 for _, s in self.readers)


def classes(
    graph: JobGraph,
    body: Sequence[Job],
    job: str,
    dim: str,
    loaded: Mapping[str, int] | None = None,
    where: str = "",
    inner: Collection[str] = (),
) -> Cut:
    """The class of dimension `dim` of `job` over a body of jobs; SpecError where a loop over it would be illegal.

    `loaded`: tensors that are loaded by tile, each with the place in the body before which that happens; `inner` of them are
    loaded in a loop of the body, which may cut them instead.
    """
    return _Classes(graph, body, loaded or {}, where, frozenset(inner)).of(job, dim)


class _Classes:
    def __init__(
        self, graph: JobGraph, body: Sequence[Job], loaded: Mapping[str, int], where: str, inner: frozenset[str]
    ) -> None:
        self.graph, self.body, self.where, self.inner = graph, body, where, inner
        read = {t for j in body for t in j.reads}
        self.made = {t: i for i, j in enumerate(body) for t in j.writes if t in read}
        self.loaded = loaded
        self.cut: dict[tuple[int, int], str] = {}  # (job, step) -> dimension
        self.axis: dict[str, int] = {}  # tensor -> axis that is cut

    def fail(self, problem: str, hint: str) -> None:
        raise SpecError(problem, where=self.where, hint=hint)

    def of(self, job: str, dim: str) -> Cut:
        at = next((i for i, j in enumerate(self.body) if j.name == job), None)
        if at is None:
            self.fail(f"the loop is over {job}, which is not in it", "name a job of the loop's body")
        assert at is not None
        if dim not in self.body[at].steps[0].layer.bounds:
            known = ", ".join(self.body[at].steps[0].layer.bounds)
            self.fail(f"{job} has no dimension {dim}", f"its dimensions: {known}")
        self._spread(at, 0, dim)
        for i, j in enumerate(self.body):
            if not any((i, s) in self.cut for s in range(len(j.steps))):
                self.fail(f"{j.name} has no dimension of the class of {job}.{dim}", "run it before or after the loop")
        for tensor in self.loaded.keys() - self.axis.keys() - self.inner:
            self.fail(f"{tensor} is not cut by the loop over {job}.{dim}", "load it before the loop")
        dims = tuple(tuple(self.cut.get((i, s), "") for s in range(len(j.steps))) for i, j in enumerate(self.body))
        links, adding = tuple(self._links()), tuple(self._adds(i) for i in range(len(self.body)))
        for i, j in enumerate(self.body):
            if adding[i] and any(t in self.made for t in j.writes):
                self.fail(f"{j.name} adds up over the loop, and others in it read its result", "run those after the loop")
        return Cut(dims=dims, links=links, adding=adding)

    def _adds(self, at: int) -> bool:
        """Whether a dimension that the job adds up over is cut."""
        op = self.body[at].steps[0].layer
        dim = self.cut.get((at, 0), "")
        return bool(dim) and op.body is Body.MAC and not any(dim in t.dims for t in op.results)

    def _spread(self, at: int, step: int, dim: str) -> None:
        """Mark the dimension and everything that hangs on it, through tensors of the body."""
        if (at, step) in self.cut:
            if self.cut[at, step] != dim:
                name = self.body[at].steps[step].layer.name
                self.fail(
                    f"{name} has two dimensions of one class: {self.cut[at, step]} and {dim}",
                    "leave it, or what links them, outside",
                )
            return
        op = self.body[at].steps[step].layer
        if dim in op.whole:
            self.fail(f"{op.name} needs {dim} whole", "loop over another class, or leave it outside of the loop")
        self.cut[at, step] = dim
        for result in (True, False):
            for _, tensor, indices in seen(self.graph, self.body[at].steps[step], result):
                axes = [k for k, x in enumerate(indices) if x is not None and any(d == dim for _, d in x.terms)]
                inner = tensor in self.made or tensor in self.loaded or self._within(at, tensor)
                if inner and len(axes) == 1:
                    self._along(tensor, axes[0])
                elif inner and (None in indices or len(axes) > 1):
                    self.fail(
                        f"no index says which parts of {tensor} a chunk of {op.name} needs", "leave the job outside of the loop"
                    )

    def _within(self, at: int, tensor: str) -> bool:
        """Whether the tensor passes from one operator of the job to the next."""
        steps = self.body[at].steps
        return any(tensor in s.outputs for s in steps) and any(tensor in s.inputs for s in steps)

    def _along(self, tensor: str, axis: int) -> None:
        """Mark the dimensions of all operators of the body that move along the axis of the tensor."""
        if tensor in self.axis:
            if self.axis[tensor] != axis:
                self.fail(f"{tensor} is cut along two axes", "loop over one of them")
            return
        self.axis[tensor] = axis
        for i, j in enumerate(self.body):
            for s, step in enumerate(j.steps):
                for result in (True, False):
                    for _, name, indices in seen(self.graph, step, result):
                        if name != tensor:
                            continue
                        index = indices[axis]
                        if index is None:
                            self.fail(
                                f"no index says which parts of {tensor} {step.layer.name} needs", "leave it outside of the loop"
                            )
                        assert index is not None
                        self._spread(i, s, self._mover(step.layer, tensor, index, result))

    def _mover(self, op: Op, tensor: str, index: AxisIndex, result: bool) -> str:
        """The dimension that moves along the axis: of a sliding window, the one that the result has too."""
        kept = {d for t in op.results for d in t.dims} or {d for _, d in index.terms}
        movers = [d for c, d in index.terms if d in kept and c > 0]
        if len(movers) != 1 or (result and index.terms != ((1, movers[0]),)):
            taps = [d for _, d in index.terms]
            if not result and op.body is Body.MAC and len(taps) == 1 and index.terms[0][0] == 1 and taps[0] not in kept:
                return taps[0]  # adds up over the chunks
            self.fail(f"a chunk of {tensor} is no chunk of {op.name}", "leave the job outside of the loop")
        return movers[0]

    def _links(self) -> Iterator[Link]:
        for tensor, axis in self.axis.items():
            maker = self.made.get(tensor, -1)
            if maker < 0 and tensor not in self.loaded:
                self._check_passes(tensor, axis)
                continue
            made = self._seen_by(maker, tensor, axis, True)[0] if maker >= 0 else None
            readers = [(i, s) for i in range(len(self.body)) for s in self._seen_by(i, tensor, axis, False)]
            size = self.graph.network.tensor(tensor).shape[axis]
            ready = maker if maker >= 0 else self.loaded[tensor]
            yield Link(tensor=tensor, axis=axis, size=size, maker=maker, ready=ready, made=made, readers=tuple(readers))

    def _check_passes(self, tensor: str, axis: int) -> None:
        """What passes inside a job is there at the same position at which it is used: the positions of a job are one thing."""
        for i in range(len(self.body)):
            for s in (*self._seen_by(i, tensor, axis, True), *self._seen_by(i, tensor, axis, False)):
                if (s.stride, s.first, s.reach) != (1, 0, 0):
                    self.fail(f"{tensor} is used elsewhere than it is made, in passing", "leave the job outside of the loop")

    def _seen_by(self, at: int, tensor: str, axis: int, result: bool) -> list[Seen]:
        out = []
        for s, step in enumerate(self.body[at].steps):
            dim = self.cut.get((at, s), "")
            out += [x for x in views(self.graph, step, tensor, dim, result) if x.axis == axis] if dim else []
        return out

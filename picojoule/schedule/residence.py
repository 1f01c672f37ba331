"""What happens when a schedule runs: which job works on what, from where to where, and how much of the on-chip memory is taken.

`trace` checks a schedule against the graph and the memory as it goes, and yields what each item makes the chip do: jobs (equal
chunks of a loop together) and copies. Nothing is priced here. An error names the item with its place in the text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from picojoule.errors import SpecError, nearest
from picojoule.hardware.chip import Chip, FanOut, Memory
from picojoule.schedule.chunks import Span, chunks, loads_of, restricted
from picojoule.schedule.jobs import Job, JobGraph
from picojoule.schedule.linked import Cut, classes, views
from picojoule.schedule.program import For, Free, Item, Load, Run, Schedule, Store
from picojoule.workload.layer import Layer
from picojoule.workload.op import Op

BOTH_WAYS = ("input", "output")  # what a home on chip has to keep: a result is the next job's operand


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A job, `times` over. `ops`: its operators, of a chunk where it runs in a loop; `inside`: the tensors that it reads on chip;
    `kept`: its results stay there; `held_bits`: what is taken of the memory while it runs, before its own mapping takes any."""

    job: Job
    ops: tuple[Op, ...]
    inside: frozenset[str]
    kept: bool
    held_bits: int
    times: int = 1
    finished: bool = True  # whether its result is complete: what is done in passing is done then


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """So many elements of a tensor are copied into the on-chip memory, or out of it, `times` over."""

    tensor: str
    elements: int
    into: bool
    held_bits: int
    times: int = 1


Event = Ran | Moved


def homes(chip: Chip) -> tuple[Memory, ...]:
    """The memories that a schedule may leave activations in: on chip, there once, and for inputs and outputs alike."""
    out = []
    for level in chip.levels[1:]:
        if isinstance(level, FanOut):
            break
        out += [m for m in level.memories if all(m.keeps_role(r) != "never" for r in BOTH_WAYS)]
    return tuple(out)


def trace(graph: JobGraph, schedule: Schedule, where: str = "schedule") -> tuple[Event, ...]:
    """What the chip does, in order; SpecError, located, where the schedule does not suit the graph or the chip."""
    return tuple(_Run(graph, schedule, where).events())


def events_of(graph: JobGraph, loop: For) -> tuple[Event, ...]:
    """What a loop alone makes the chip do where everything that it reads lies outside, and room is no matter."""
    return tuple(_Run(graph, Schedule((loop,)), "loop").of_loop(loop))


@dataclass(frozen=True, slots=True)
class _Slice:
    """What an outer loop leaves of the graph in one of its chunks: spans of dimensions by (job, step), of axes by tensor."""

    dims: tuple[tuple[tuple[str, int], str, Span], ...] = ()
    axes: tuple[tuple[str, int, int], ...] = ()  # (tensor, axis, positions)

    def op(self, job: str, step: int, op: Op) -> Op:
        for (name, at), dim, span in self.dims:
            if (name, at) == (job, step):
                op = restricted(op, dim, span)
        return op

    def shape(self, tensor: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        cut = {axis: n for name, axis, n in self.axes if name == tensor}
        return tuple(cut.get(i, n) for i, n in enumerate(shape))


@dataclass
class _State:
    """Where tensors are valid, as one level of the program sees them."""

    outside: set[str]
    inside: dict[str, int] = field(default_factory=dict)  # on chip -> bits that it takes
    base: int = 0  # bits that are taken by what outer levels keep
    whole: frozenset[str] = frozenset()  # results of which an outer level keeps all, counted there


class _Run:
    def __init__(self, graph: JobGraph, schedule: Schedule, where: str) -> None:
        self.graph, self.schedule, self.where = graph, schedule, where
        self.memory = self._memory()
        self.room = self.memory.usable_bits() if self.memory else 0
        self.number = 0  # of items begun, for places
        self.done: set[str] = set()
        self.item: Item | None = None

    # -- faults -------------------------------------------------------------------------------------------------------

    def _fail(self, problem: str, hint: str) -> SpecError:
        line = next(iter(self.item.lines())) if self.item is not None else ""
        places = self.schedule.places
        at = places[self.number - 1] if 0 < self.number <= len(places) else f"item {self.number}"
        return SpecError(f"{line}: {problem}" if line else problem, where=f"{self.where}:{at}", hint=hint)

    def _memory(self) -> Memory | None:
        named = list(dict.fromkeys(named_homes(self.schedule.items)))
        known = {m.name: m for m in homes(self.graph.chip)}
        for name in named:
            if name not in known:
                may = f"it may be {' or '.join(known)}" if known else f"{self.graph.chip.name} has none that can be"
                raise SpecError(
                    f"{name!r} is no memory that keeps tensors between jobs",
                    where=self.where,
                    hint=f"a home on chip is there once and keeps inputs and outputs: {may}",
                )
        if len(named) > 1:
            raise SpecError(
                f"tensors stay in {' and '.join(named)}", where=self.where, hint="a schedule uses one on-chip memory as a home"
            )
        return known[named[0]] if named else None

    # -- the program --------------------------------------------------------------------------------------------------

    def events(self) -> Iterator[Event]:
        state = _State({t for t in self.graph.tensors if self.graph.given(t)})
        yield from self._items(self.schedule.items, state, _Slice())
        self.item = None
        for j in self.graph.jobs:
            if j.name not in self.done:
                raise self._fail(f"{j.name} never runs", "every job of the network runs once")
        for t in self.graph.tensors:
            if self.graph.lasts(t) and t not in state.outside:
                raise self._fail(f"{t} is a result of the network and never goes outside", f"store {t} at the end")

    def of_loop(self, loop: For) -> Iterator[Event]:
        """The events of one loop; tensors that it does not make lie outside."""
        self.room = None
        made = {t for r in _runs_of(loop.body) for t in self.graph.job(r.job).writes}
        self.number, self.item = 1, loop
        yield from self._loop(loop, _State(set(self.graph.tensors) - made), _Slice())

    def _items(self, items: Sequence[Item], state: _State, part: _Slice) -> Iterator[Event]:
        for item in items:
            self.number, self.item = self.number + 1, item
            if isinstance(item, Run):
                yield self._run(item, state, part)
            elif isinstance(item, Load):
                yield self._load(item, state, part)
            elif isinstance(item, Store):
                yield self._store(item, state, part)
            elif isinstance(item, Free):
                self._free(item, state)
            else:
                yield from self._loop(item, state, part)

    def _job(self, name: str) -> Job:
        try:
            job = self.graph.job(name)
        except SpecError as e:
            raise self._fail(e.problem, e.hint) from None
        if name in self.done:
            raise self._fail(f"{name} has run before", "every job of the network runs once")
        return job

    def _tensor(self, name: str) -> str:
        if name not in self.graph.tensors:
            inside = any(name in s.outputs for j in self.graph.jobs for s in j.steps)
            near = " or ".join(map(repr, nearest(name, self.graph.tensors)))
            hint = (
                "it passes inside a job, and is in no memory" if inside else f"did you mean {near}?" if near else "see pj profile"
            )
            raise self._fail(f"no job leaves or reads a tensor {name!r}", hint)
        return name

    def _bits(self, tensor: str, part: _Slice) -> int:
        t = self.graph.tensors[tensor]
        return math.ceil(math.prod(part.shape(tensor, t.shape)) * t.bits)

    def _check_room(self, held: int) -> int:
        if self.room is not None and held > self.room:
            assert self.memory is not None
            raise self._fail(
                f"{self.memory.name} holds {self.room:,} b and {held:,} b are to be there at once",
                "free or store something before, or take smaller chunks",
            )
        return held

    def _reads(self, job: Job, state: _State) -> frozenset[str]:
        for t in job.reads:
            if t not in state.outside and t not in state.inside:
                gone = (
                    "was freed, or"
                    if t in self.graph.writers and any(self.graph.jobs[w].name in self.done for w in self.graph.writers[t])
                    else "is not made before it, or"
                )
                raise self._fail(
                    f"{job.name} reads {t}, which {gone} is nowhere", "run what makes it first, and keep or store it"
                )
        split = [ts for _, ts in job.operands if len({t in state.inside for t in ts}) > 1]
        for ts in split:
            if any(t not in state.outside for t in ts):
                raise self._fail(
                    f"one operand of {job.name} is {' and '.join(ts)}, and they do not lie in one memory",
                    "store or load one of them",
                )
        apart = {t for ts in split for t in ts}
        return frozenset(t for t in job.reads if t in state.inside and t not in apart)

    def _run(self, item: Run, state: _State, part: _Slice) -> Event:
        job = self._job(item.job)
        inside = self._reads(job, state)
        for t in job.writes:
            if item.home:
                state.inside[t] = 0 if t in state.whole else self._bits(t, part)
                state.outside.discard(t)
            else:
                state.outside.add(t)
                state.inside.pop(t, None)
        self.done.add(job.name)
        held = self._check_room(state.base + sum(state.inside.values()))
        ops = tuple(part.op(job.name, s, step.layer) for s, step in enumerate(job.steps))
        return Ran(job=job, ops=ops, inside=inside, kept=bool(item.home), held_bits=held)

    def _load(self, item: Load, state: _State, part: _Slice) -> Event:
        name = self._tensor(item.tensor)
        if name not in state.outside:
            raise self._fail(f"{name} is not outside", "only what lies outside can be loaded")
        if name in state.inside:
            raise self._fail(f"{name} is in {item.home} already", "drop the load")
        state.inside[name] = self._bits(name, part)
        held = self._check_room(state.base + sum(state.inside.values()))
        t = self.graph.tensors[name]
        return Moved(tensor=name, elements=math.prod(part.shape(name, t.shape)), into=True, held_bits=held)

    def _store(self, item: Store, state: _State, part: _Slice) -> Event:
        name = self._tensor(item.tensor)
        if name not in state.inside:
            raise self._fail(f"{name} is not on chip", "only what is there can be stored")
        if name in state.outside:
            raise self._fail(f"{name} is outside already", "drop the store")
        state.outside.add(name)
        t, held = self.graph.tensors[name], state.base + sum(state.inside.values())
        return Moved(tensor=name, elements=math.prod(part.shape(name, t.shape)), into=False, held_bits=held)

    def _free(self, item: Free, state: _State) -> None:
        name = self._tensor(item.tensor)
        if name not in state.inside:
            raise self._fail(f"{name} is not on chip", "drop it")
        if name not in state.outside and self._needed(name):
            raise self._fail(f"{name} is needed later and is nowhere else", "store it before, or free it later")
        del state.inside[name]

    def _needed(self, tensor: str) -> bool:
        later = (self.graph.jobs[r].name for r in self.graph.readers[tensor])
        return self.graph.lasts(tensor) or any(name not in self.done for name in later)

    # -- loops --------------------------------------------------------------------------------------------------------

    def _loop(self, item: For, state: _State, part: _Slice) -> Iterator[Event]:
        runs = tuple(_runs_of(item.body))
        body = [self._job(r.job) for r in runs]
        if len({j.name for j in body}) < len(body):
            raise self._fail("a job stands twice in the loop", "every job of the network runs once")
        places = {i.tensor: n for i, n in _loads_of(item.body)}
        deeper = {i.tensor for x in item.body if isinstance(x, For) for i, _ in _loads_of(x.body)}
        try:
            cut = classes(self.graph, body, item.job, item.dim, places, inner=deeper)
        except SpecError as e:
            raise self._fail(e.problem, e.hint) from None
        self._check_rates(item, body, cut)
        inner = [self.graph.jobs.index(j) for j in body]
        local = {x.tensor for x in cut.links if x.maker < 0} | {
            t for j in body for t in j.writes if t in {x.tensor for x in cut.links} and not self._escapes(t, set(inner))
        }
        if any(isinstance(i, For) for i in item.body):
            yield from self._outer(item, body, cut, local, state, part)
        else:
            yield from self._windowed(item, runs, body, cut, local, state, part)

    def _escapes(self, tensor: str, body: set[int]) -> bool:
        """Whether what the body makes is needed after the loop."""
        return self.graph.lasts(tensor) or bool(set(self.graph.readers[tensor]) - body)

    def _check_rates(self, item: For, body: Sequence[Job], cut: Cut) -> None:
        """The loop is over the body's sink, and a second sink goes along with it."""
        feeding = {x.maker for x in cut.links}
        at = next(i for i, j in enumerate(body) if j.name == item.job)
        if at in feeding:
            raise self._fail(f"{item.job} is no end of the loop: others in it read its result", "loop over the last of them")
        if body[at].steps[0].layer.bounds[item.dim] <= 0 or cut.dims[at][0] != item.dim:
            raise self._fail(f"{item.job} is not cut along {item.dim}", "name the dimension of its result")
        n = body[at].steps[0].layer.bounds[item.dim]
        for i, j in enumerate(body):
            if i not in feeding and j.steps[0].layer.bounds[cut.dims[i][0]] != n:
                raise self._fail(f"{j.name} and {item.job} both end the loop, at different rates", "leave one of them outside")

    def _positions(self, body: Sequence[Job], cut: Cut, part: _Slice) -> list[int]:
        return [part.op(j.name, 0, j.steps[0].layer).bounds[cut.dims[i][0]] for i, j in enumerate(body)]

    def _windowed(
        self, item: For, runs: Sequence[Run], body: Sequence[Job], cut: Cut, local: set[str], state: _State, part: _Slice
    ) -> Iterator[Event]:
        """A loop of jobs and loads alone: chunks with their windows, equal ones together."""
        kept = self._enter(item, runs, body, local, state, part)
        reads = [self._reads_in_loop(j, runs, i, local, state) for i, j in enumerate(body)]
        at = next(i for i, j in enumerate(body) if j.name == item.job)
        all_chunks = chunks(cut, self._positions(body, cut, part), at, item.tile, item.recompute)
        loads = loads_of(cut, [c.spans for c in all_chunks], item.recompute)
        each = [self._position_bits(x.tensor, x.axis, part) for x in cut.links]
        counted = [n for n, x in enumerate(cut.links) if x.maker < 0 or (x.tensor in local and runs[x.maker].home)]
        looks = [_looks(part, job, cut.dims[k]) for k, job in enumerate(body)]
        found: dict[Any, int] = {}
        first: dict[Any, Event] = {}
        for c, chunk in enumerate(all_chunks):
            for k, job in enumerate(body):
                taken = state.base + kept + sum(math.ceil(each[n] * chunk.held[n][k]) for n in counted)
                for x in (x for x in cut.links if x.maker < 0 and x.ready == k):
                    n = (loads[x.tensor][c][1] - loads[x.tensor][c][0]) * self._elements_each(x.tensor, x.axis, part)
                    if n:
                        copy = (x.tensor, n, taken)
                        found[copy] = found.get(copy, 0) + 1
                        if copy not in first:
                            first[copy] = Moved(tensor=x.tensor, elements=n, into=True, held_bits=self._check_room(taken))
                if chunk.spans[k][0] < chunk.spans[k][1]:
                    adds = bool(cut.adding) and cut.adding[k]
                    finished = not adds or c == len(all_chunks) - 1
                    look = (k, looks[k](chunk.spans[k]), adds and c > 0, finished, taken)
                    found[look] = found.get(look, 0) + 1
                    if look not in first:
                        first[look] = Ran(
                            job=job,
                            ops=self._chunk_ops(job, cut.dims[k], chunk.spans[k], part, adds and c > 0),
                            inside=reads[k],
                            kept=bool(runs[k].home),
                            held_bits=self._check_room(taken),
                            finished=finished,
                        )
        yield from (replace(e, times=found[look]) for look, e in first.items())
        self._leave(runs, body, local, state, part)

    def _chunk_ops(self, job: Job, dims: Sequence[str], span: Span, part: _Slice, resumes: bool) -> tuple[Op, ...]:
        """The operators of a job for the positions of a chunk; `resumes`: the sums go on from those of an earlier one."""
        out = []
        for s, step in enumerate(job.steps):
            op = part.op(job.name, s, step.layer)
            op = restricted(op, dims[s], span) if dims[s] else op
            out.append(replace(op, resumes=True) if resumes and isinstance(op, Layer) else op)
        return tuple(out)

    def _position_bits(self, tensor: str, axis: int, part: _Slice) -> float:
        return self._elements_each(tensor, axis, part) * self.graph.tensors[tensor].bits

    def _elements_each(self, tensor: str, axis: int, part: _Slice) -> int:
        """Elements of a tensor at one position along an axis."""
        shape = part.shape(tensor, self.graph.tensors[tensor].shape)
        return math.prod(n for i, n in enumerate(shape) if i != axis)

    def _enter(self, item: For, runs: Sequence[Run], body: Sequence[Job], local: set[str], state: _State, part: _Slice) -> int:
        """Check what stands in the body; bits of the tensors that stay whole while the loop runs."""
        for i in item.body:
            if isinstance(i, Store | Free):
                self.number, self.item = self.number + 1, i
                raise self._fail("a loop stores and frees nothing", "do it before or after the loop")
            if isinstance(i, Load):
                self.number, self.item = self.number + 1, i
                if self._tensor(i.tensor) not in state.outside:
                    raise self._fail(f"{i.tensor} is not outside", "only what lies outside can be loaded")
                if i.tensor in state.inside:
                    raise self._fail(f"{i.tensor} is in {i.home} already", "drop the load")
            elif isinstance(i, Run):
                self.number, self.item = self.number + 1, i
        made = [
            t for r, j in zip(runs, body, strict=True) for t in j.writes if r.home and t not in local and t not in state.whole
        ]
        whole = {t: self._bits(t, part) for t in made}
        return sum(state.inside.values()) + sum(whole.values())

    def _reads_in_loop(self, job: Job, runs: Sequence[Run], at: int, local: set[str], state: _State) -> frozenset[str]:
        there = _State(set(state.outside), dict(state.inside))
        for r in runs[:at]:
            for t in self.graph.job(r.job).writes:
                (there.inside.setdefault(t, 0) if r.home else there.outside.add(t))
        there.inside |= {t: 0 for t in local if t in state.outside}
        return self._reads(job, there)

    def _leave(self, runs: Sequence[Run], body: Sequence[Job], local: set[str], state: _State, part: _Slice) -> None:
        """What is valid where after the loop."""
        for r, j in zip(runs, body, strict=True):
            self.done.add(j.name)
            for t in j.writes:
                if not r.home:
                    state.outside.add(t)
                elif t not in local:
                    state.inside[t] = 0 if t in state.whole else self._bits(t, part)

    def _outer(self, item: For, body: Sequence[Job], cut: Cut, local: set[str], state: _State, part: _Slice) -> Iterator[Event]:
        """A loop with loops in it: its chunks do not overlap, so that each is a small network of its own."""
        if item.recompute or any(x.halo for x in cut.links) or any(cut.adding):
            raise self._fail("its chunks overlap or add up, and loops are in it", "swap the loops, or write one")
        runs = tuple(_runs_of(item.body))
        drained = self._drained(item, body)
        local |= drained
        homes = {t: r.home for r, j in zip(runs, body, strict=True) for t in j.writes}
        whole = {t: self._bits(t, part) for t, home in homes.items() if home and t not in local}
        at = next(i for i, j in enumerate(body) if j.name == item.job)
        all_chunks = chunks(cut, self._positions(body, cut, part), at, item.tile)
        loads = loads_of(cut, [c.spans for c in all_chunks], False)
        looks = [_looks(part, job, cut.dims[k]) for k, job in enumerate(body)]
        found: dict[Any, int] = {}
        first: dict[Any, int] = {}
        for c, chunk in enumerate(all_chunks):
            kind = tuple(look(span) for look, span in zip(looks, chunk.spans, strict=True))
            found[kind] = found.get(kind, 0) + 1
            first.setdefault(kind, c)
        number, done = self.number, set(self.done)
        for kind, c in first.items():
            self.number, self.done = number, set(done)
            spans = all_chunks[c].spans
            held = {x.tensor: (spans[x.maker] if x.maker >= 0 else loads[x.tensor][c]) for x in cut.links}
            sizes = {t: hi - lo for t, (lo, hi) in held.items()} | self._drained_sizes(drained, body, cut, spans)
            inner = self._slice(body, cut, spans, sizes, part)
            yield from (replace(e, times=e.times * found[kind]) for e in self._chunk(item, body, local, whole, state, inner))
        self._leave(runs, body, local, state, part)
        state.outside |= drained
        for t in whole:
            state.inside[t] = whole[t] if t not in state.whole else 0

    def _drained(self, item: For, body: Sequence[Job]) -> set[str]:
        """Results of a loop that each of its chunks stores, so that a chunk of them is all that it holds."""
        made = {t for j in body for t in j.writes}
        out = set(_stores_of(item.body))
        if strange := sorted(out - made):
            raise self._fail(f"it stores {strange[0]}, which it does not make", "store it before or after the loop")
        return out

    def _axes(self, body: Sequence[Job], cut: Cut) -> dict[str, int]:
        """For each result of the body the axis that the loop cuts."""
        return {t: axis for k, j in enumerate(body) for t, axis, _, _ in self._written(j, cut.dims[k])}

    def _written(self, job: Job, dims: Sequence[str]) -> Iterator[tuple[str, int, int, int]]:
        """(result, axis, stride, reach) of how a job writes along what a loop cuts."""
        for s, step in enumerate(job.steps):
            for t in step.outputs:
                for x in views(self.graph, step, t, dims[s], True) if dims[s] else ():
                    yield t, x.axis, x.stride, x.reach

    def _drained_sizes(self, drained: set[str], body: Sequence[Job], cut: Cut, spans: Sequence[Span]) -> dict[str, int]:
        """Positions of a chunk of what the chunks store."""
        out = {}
        for k, j in enumerate(body):
            for t, _, stride, reach in self._written(j, cut.dims[k]):
                if t in drained:
                    out[t] = stride * (spans[k][1] - spans[k][0] - 1) + reach + 1
        for t in drained - out.keys():
            raise self._fail(f"its chunks are no chunks of {t}", "store it after the loop")
        return out

    def _slice(self, body: Sequence[Job], cut: Cut, spans: Sequence[Span], sizes: dict[str, int], part: _Slice) -> _Slice:
        dims = [((j.name, s), d, spans[k]) for k, j in enumerate(body) for s, d in enumerate(cut.dims[k]) if d]
        axes = [(x.tensor, x.axis, sizes[x.tensor]) for x in cut.links]
        axes += [(t, axis, sizes[t]) for t, axis in self._axes(body, cut).items() if t in sizes and t not in {x[0] for x in axes}]
        return _Slice((*part.dims, *dims), (*part.axes, *axes))

    def _chunk(
        self, item: For, body: Sequence[Job], local: set[str], whole: dict[str, int], state: _State, part: _Slice
    ) -> Iterator[Event]:
        """One chunk of a loop with loops in it: what is made or loaded inside goes once its last reader has run."""
        loaded = {i.tensor for i in item.body if isinstance(i, Load)}
        names, inside = {j.name for j in body}, {self.graph.place(j.name) for j in body}
        base = state.base + sum(state.inside.values()) + sum(whole.values())
        there = _State(set(state.outside), dict.fromkeys(state.inside, 0), base, frozenset(whole) | state.whole)
        for i in item.body:
            if isinstance(i, Free):
                self.number, self.item = self.number + 1, i
                raise self._fail("a loop frees nothing", "what it makes for itself goes once its last reader has run")
            yield from self._items((i,), there, part)
            for t in [t for t in there.inside if t in local or t in loaded]:
                readers = {self.graph.jobs[r].name for r in self.graph.readers[t]} & names
                if readers <= self.done and (t in there.outside or not self._escapes(t, inside)):
                    del there.inside[t]


def _looks(part: _Slice, job: Job, dims: Sequence[str]) -> Callable[[Span], tuple[int, ...]]:
    """What tells two chunks of a job apart: how many positions, and how their windows are clipped."""
    windows = []
    for s, step in enumerate(job.steps):
        op = part.op(job.name, s, step.layer)
        for rank in (r for t in op.tensors for r in t.ranks if dims[s]):
            mine = next((c for c, d in rank.terms if d == dims[s]), 0)
            if mine and (len(rank.terms) > 1 or rank.size is not None):
                reach = sum(c * (op.bounds[d] - 1) for c, d in rank.terms if d != dims[s])
                size = mine * (op.bounds[dims[s]] - 1) + reach + rank.offset + 1 if rank.size is None else rank.size
                windows.append((mine, rank.offset, reach + 1, size))

    def look(span: Span) -> tuple[int, ...]:
        lo, hi = span
        clipped = [n for a, o, w, size in windows for n in (min(0, a * lo + o), max(0, a * (hi - 1) + o + w - size))]
        return (hi - lo, *clipped)

    return look


def _runs_of(items: Sequence[Item]) -> Iterator[Run]:
    for i in items:
        if isinstance(i, Run):
            yield i
        elif isinstance(i, For):
            yield from _runs_of(i.body)


def _stores_of(items: Sequence[Item]) -> Iterator[str]:
    for i in items:
        if isinstance(i, Store):
            yield i.tensor
        elif isinstance(i, For):
            yield from _stores_of(i.body)


def _loads_of(items: Sequence[Item]) -> Iterator[tuple[Load, int]]:
    """The loads of a body, each with the place of the job that comes next."""
    n = 0
    for i in items:
        if isinstance(i, Load):
            yield i, n
        elif isinstance(i, For):
            yield from ((load, n + k) for load, k in _loads_of(i.body))
            n += sum(1 for _ in _runs_of(i.body))
        n += isinstance(i, Run)


def named_homes(items: Sequence[Item]) -> Iterator[str]:
    """The on-chip memories that a program's items name, in order."""
    for i in items:
        if isinstance(i, Run | Load) and i.home:
            yield i.home
        elif isinstance(i, For):
            yield from named_homes(i.body)

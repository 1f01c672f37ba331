"""The oracle of schedules: runs one on real arrays, with an on-chip memory of a given size in which dead elements are poisoned.

It knows no formula for chunks, windows or room: all is told from the sets of elements that jobs touch. Rules:

* A tensor may be valid outside, in the memory, or in both. A job reads each operand in the memory if every tensor that it is put
  together of is there, else outside; results go to the home that the schedule gives. What folds into a job moves nothing.
* A whole tensor takes its bits in the memory from the item that brings it (its first writer, where several make parts) until it
  is freed; nothing is freed by itself. What several jobs write has one home. A cache is written outside.
* In a loop a tensor that is made inside with its home in the memory, and read inside alone, takes room position by position, of
  the classes that cut it: from when it is made until the last time that it is read. So does what is loaded inside, by the indices
  of the axis that the class cuts. A position that nobody reads is computed and takes no room. One made in an inner loop and
  read after it has its room from where that inner loop begins. Any other tensor is whole from before the first chunk.
* A job that reads what is loaded later in the body, or in a loop that has ended, reads it outside.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from picojoule.errors import SpecError
from picojoule.schedule.jobs import Job, JobGraph
from picojoule.schedule.program import For, Free, Item, Load, Run, Schedule, Store
from picojoule.schedule.walk_loops import Nest
from picojoule.schedule.walk_room import Room, sources
from picojoule.schedule.walk_values import POISON, Box, Elements, Ints, compute, given, idle
from picojoule.workload.network import Persistence, Step
from picojoule.workload.op import Op, Tensor


@dataclass(frozen=True)
class Ran:
    """A job, or in a loop a chunk of it: the box of its first operator, and distinct elements of each tensor that it reads."""

    job: str
    box: dict[str, tuple[int, int]]
    reads: dict[str, int]
    inside: frozenset[str]  # the tensors that it reads in the memory
    held_bits: int  # valid in the memory, or kept for what the loop makes, while it runs; its own results included


@dataclass(frozen=True)
class Moved:
    """Elements of a tensor that are copied into the memory, or out of it."""

    tensor: str
    elements: int
    into: bool
    held_bits: int


Event = Ran | Moved


@dataclass(frozen=True)
class Walked:
    """What came out: numbers by tensor (-1 where recomputing never made an element), what happened, and the most bits held."""

    numbers: dict[str, Ints]
    events: tuple[Event, ...]

    @property
    def peak_bits(self) -> int:
        """The most bits that the memory held at a time."""
        return max((e.held_bits for e in self.events), default=0)


def walk(graph: JobGraph, schedule: Schedule, memory: str, size_bits: int, seed: int = 0) -> Walked:
    """Run the schedule with so many bits of on-chip `memory`; SpecError names the item that cannot be done.

    Numbers are those of `walk_values.plain` with the same seed if the schedule is right.
    """
    w = Walk(graph, memory, size_bits, seed)
    for item in schedule.items:
        w.do(item)
    return w.end()


@dataclass
class Walk:
    """The chip and what lies in it."""

    graph: JobGraph
    memory: str
    size_bits: int
    seed: int
    events: list[Event] = field(default_factory=list)
    ran: set[str] = field(default_factory=set)
    out: set[str] = field(default_factory=set)  # tensors that are valid outside (as far as they are made)
    on: set[str] = field(default_factory=set)  # tensors that have room as a whole in the memory
    parts: dict[str, int] = field(default_factory=dict)  # bits of the others there: what loops keep by position

    def __post_init__(self) -> None:
        self.elements = Elements(self.graph)
        self.outside = given(self.graph, self.elements, self.seed)
        self.inside = np.full(self.elements.total, POISON)
        self.made = np.full(self.elements.total, POISON)  # a record of all results, which no job reads
        self.out |= {name for name in self.graph.tensors if self.graph.given(name)}

    # -- items ----------------------------------------------------------------------------------------------------------

    def do(self, item: Item) -> None:
        """One item of the schedule."""
        if isinstance(item, Run):
            job = self._begin(item)
            self._room(job, item)
            self._run(job, item, tuple({} for _ in job.steps), frozenset())
            self.ran.add(job.name)
        elif isinstance(item, For):
            self._loop(item)
        else:
            self._known(item)
            if isinstance(item, Load):
                self._load(item)
            elif isinstance(item, Store):
                self._store(item)
            else:
                self._free(item)

    def end(self) -> Walked:
        """Everything has run, and what has to last is outside."""
        for j in self.graph.jobs:
            if j.name not in self.ran:
                raise SpecError(f"{j.name} never runs", hint="a schedule runs every job of the network")
        for name in self.graph.tensors:
            if self.graph.lasts(name) and name not in self.out:
                raise SpecError(f"{name} has to be outside when the run ends, and is not", hint=f"store {name}")
        numbers = {}
        for name in (w for j in self.graph.jobs for w in j.writes):
            span = self.elements.of(name)
            numbers[name] = (self.outside if self.graph.lasts(name) else self.made)[span].copy()
        return Walked(numbers, tuple(self.events))

    def _begin(self, item: Run) -> Job:
        job = self.graph.job(item.job)
        if job.name in self.ran:
            raise SpecError(f"{job.name} runs twice", hint="a job runs once")
        if item.home not in ("", self.memory):
            raise self._strange(item.home, f"{job.name} -> {item.home}")
        return job

    def _strange(self, home: str, item: str) -> SpecError:
        return SpecError(f"{item}: {home!r} is not the memory that is walked", hint=f"it is {self.memory}")

    def _known(self, item: Load | Store | Free) -> None:
        if item.tensor not in self.graph.tensors:
            raise SpecError(f"{_text(item)}: no job reads or writes {item.tensor}", hint="name a tensor between jobs")

    def _room(self, job: Job, item: Run) -> None:
        """The places of the job's results as a whole."""
        for name in job.writes:
            if item.home and self.graph.tensors[name].persistence is Persistence.CACHE:
                raise SpecError(
                    f"{_text(item)}: {name} is a cache, which is written outside", hint=f"run {job.name} without a home"
                )
            if name in (self.out if item.home else self.on) and len(self.graph.writers[name]) > 1:
                raise SpecError(f"{_text(item)}: another part of {name} went elsewhere", hint="give its parts one home")
            (self.on if item.home else self.out).add(name)
        self._fits(_text(item))

    def _held(self) -> int:
        return sum(self.graph.bits(name) for name in self.on) + sum(self.parts.values())

    def _fits(self, what: str) -> int:
        held = self._held()
        if held > self.size_bits:
            raise SpecError(
                f"{what}: {held} b in {self.memory}, which has {self.size_bits} b", hint="store or free something before"
            )
        return held

    def _whole(self, item: Load | Store | Free) -> None:
        waits = [self.graph.jobs[i].name for i in self.graph.writers[item.tensor] if self.graph.jobs[i].name not in self.ran]
        if waits:
            raise SpecError(f"{_text(item)}: {waits[0]} has not made its part yet", hint=f"run {waits[0]} before")

    def _load(self, item: Load) -> None:
        if item.home != self.memory:
            raise self._strange(item.home, _text(item))
        if item.tensor in self.on:
            raise SpecError(f"{_text(item)}: it is in {self.memory} already", hint="leave it out")
        if item.tensor not in self.out:
            raise SpecError(f"{_text(item)}: it is not outside", hint="its producer runs before, without a home, or it is stored")
        self._whole(item)
        self.on.add(item.tensor)
        held, span = self._fits(_text(item)), self.elements.of(item.tensor)
        self.inside[span] = self.outside[span]
        self.events.append(Moved(item.tensor, span.stop - span.start, True, held))

    def _store(self, item: Store) -> None:
        if item.tensor not in self.on:
            raise SpecError(f"{_text(item)}: it is not in {self.memory}", hint="only what a job or a load put there is stored")
        if item.tensor in self.out:
            raise SpecError(f"{_text(item)}: it is outside already", hint="leave it out")
        self._whole(item)
        self.out.add(item.tensor)
        span = self.elements.of(item.tensor)
        self.outside[span] = self.inside[span]
        self.events.append(Moved(item.tensor, span.stop - span.start, False, self._held()))

    def _free(self, item: Free) -> None:
        if item.tensor not in self.on:
            raise SpecError(f"{_text(item)}: it is not in {self.memory}", hint="leave it out")
        self._whole(item)
        waits = [self.graph.jobs[i].name for i in self.graph.readers[item.tensor] if self.graph.jobs[i].name not in self.ran]
        if item.tensor not in self.out and (waits or self.graph.lasts(item.tensor)):
            why = f"{waits[0]} still reads it" if waits else "it has to outlive the run"
            raise SpecError(f"{_text(item)}: {why}, and it is nowhere else", hint=f"store {item.tensor} before")
        self.on.remove(item.tensor)
        self.inside[self.elements.of(item.tensor)] = POISON

    # -- jobs -----------------------------------------------------------------------------------------------------------

    def _run(self, job: Job, item: Run, boxes: tuple[Box, ...], by_part: frozenset[str]) -> None:
        """The job on these boxes. `by_part`: tensors that the loop keeps in the memory by position."""
        touched: dict[str, list[Ints]] = defaultdict(list)
        inside: set[str] = set()

        def read(step: Step[Op], operand: Tensor, ids: Ints) -> Ints:
            numbers = np.full(len(ids), POISON)
            names = sources(job, step, operand)
            here = bool(names) and all(t in self.on or t in by_part for t in names)
            for a in step.accesses_of(operand.name):
                span = self.elements.of(a.tensor)
                mine = (ids >= span.start) & (ids < span.stop)
                numbers[mine] = (self.inside if here else self.outside)[ids[mine]]
                if a.tensor in names:
                    touched[a.tensor].append(ids[mine])
                    inside.update({a.tensor} if here else ())
                    if (numbers[mine] < 0).any():
                        where = f"in {self.memory}" if here else "outside"
                        raise SpecError(
                            f"{_text(item)}: reads {a.tensor} {where}, where some of it is not", hint="it comes too early"
                        )
            return numbers

        for step in job.steps:
            for operand in step.layer.operands if not idle(job, step) else ():
                self._somewhere(job, item, step, operand, by_part)
        held = self._fits(_text(item))
        for name, (ids, numbers) in compute(self.elements, job, boxes, read).items():
            self.made[ids] = numbers
            (self.inside if name in self.on or name in by_part else self.outside)[ids] = numbers
        reads = {name: len(np.unique(np.concatenate(ids))) for name, ids in touched.items()}
        first = job.steps[0].layer
        box = {d: boxes[0].get(d, (0, n)) for d, n in first.dims}
        self.events.append(Ran(job.name, box, reads, frozenset(inside), held))

    def _somewhere(self, job: Job, item: Run, step: Step[Op], operand: Tensor, by_part: frozenset[str]) -> None:
        names = sources(job, step, operand)
        if all(t in self.on or t in by_part for t in names):
            return
        for t in names:
            if t not in self.out:
                where = f"{t} is in {self.memory} alone, and other parts of the operand are not" if t in self.on | by_part else ""
                raise SpecError(f"{_text(item)}: {where or f'{t} is nowhere'}", hint=f"store {t}, or run what makes it before")

    # -- loops ----------------------------------------------------------------------------------------------------------

    def _loop(self, loop: For) -> None:
        nest = Nest(self.graph, self.elements, loop)
        homes = {e.job: e.item for e in nest.entries if isinstance(e.item, Run)}
        kept: set[str] = set()  # by position
        for item in homes.values():
            job = self._begin(item)
            inner = {name for name in job.writes if item.home and not nest.leaves(name, loop)}
            kept |= inner
            if len(inner) < len(job.writes):
                self._room(_without(job, inner), item)
        for e in nest.entries:
            if isinstance(e.item, Load):
                self._known(e.item)
                self._load_by_tile(e.item)
                kept.add(e.tensor)
        room = Room(self.elements, nest, kept, self.on)
        for n, v in enumerate(room.visits):
            self.parts = room.bits(n)
            if isinstance(v.entry.item, Load):
                self.inside[v.loaded] = self.outside[v.loaded]
                self.events.append(Moved(v.entry.tensor, len(v.loaded), True, self._fits(_text(v.entry.item))))
            else:
                self._run(self.graph.job(v.entry.job), homes[v.entry.job], v.boxes, room.usable(v))
            for s in room.over[n]:
                self.inside[s.ids] = POISON
        self.parts = {}
        self.ran |= homes.keys()

    def _load_by_tile(self, item: Load) -> None:
        if item.home != self.memory:
            raise self._strange(item.home, _text(item))
        if item.tensor in self.on:
            raise SpecError(f"{_text(item)}: it is in {self.memory} already", hint="leave it out")
        if item.tensor not in self.out:
            raise SpecError(f"{_text(item)}: it is not outside", hint="its producer runs before, without a home, or it is stored")
        self._whole(item)


def _without(job: Job, names: set[str]) -> Job:
    return Job(name=job.name, main=job.main, passing=job.passing, reads=job.reads, writes=tuple(set(job.writes) - names))


def _text(item: Run | Load | Store | Free) -> str:
    return next(item.lines())

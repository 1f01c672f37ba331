"""The schedules that are searched, as a graph: positions between jobs, states of the live tensors there, and items as edges.

A state says for each live tensor whether it is valid outside, on chip, or in both. Between two jobs a tensor is loaded only
directly before a job that uses it while a later one does too, and dropped (stored where it is on chip alone, then freed) only
directly after a job that made or used it: no other moves are needed for the best. What is dead is freed at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from picojoule.hardware.chip import Memory
from picojoule.schedule.jobs import Job, JobGraph
from picojoule.schedule.program import For, Free, Item, Load, Run, Store
from picojoule.schedule.residence import Moved, Ran
from picojoule.search.schedules.loops import Loops, Segment
from picojoule.search.schedules.pricing import Place, Question, copied, homeable, passing, question, with_room

OUTSIDE, INSIDE, BOTH = "outside", "inside", "both"
State = tuple[tuple[str, str], ...]  # (tensor, INSIDE or BOTH) of live tensors on chip; all other live ones are outside


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One item of a schedule with the copies around it: from a state before job `start` to one before job `end`.

    `fixed` are pJ and cycles of copies and of operators without MACs; `asked` are layer problems, each so many times.
    """

    start: int
    end: int
    before: State
    after: State
    items: tuple[Item, ...]
    fixed: Place
    asked: tuple[tuple[int, int], ...]  # (number of the question, times)


@dataclass
class Moves:
    """All edges of a graph on a chip with one on-chip home (None: every tensor lies outside), in order of their start."""

    graph: JobGraph
    memory: Memory | None
    loops: bool = False  # whether segments of jobs may run in a loop
    edges: list[list[Edge]] = field(default_factory=list)
    most_states: int = 4000
    cut_short: bool = False  # more states than that: some were left out
    questions: list[Question] = field(default_factory=list)
    shapes: dict[object, int] = field(default_factory=dict, repr=False)  # shape of a layer -> its number
    shape_of: list[int] = field(default_factory=list, repr=False)  # of each question
    _numbers: dict[object, int] = field(default_factory=dict, repr=False)

    def build(self) -> Moves:
        """Fill in the edges, position by position."""
        n = len(self.graph.jobs)
        reached: list[dict[State, None]] = [{} for _ in range(n + 1)]
        reached[0][()] = None
        for at in range(n):
            states = list(reached[at])
            if len(states) > self.most_states:
                self.cut_short, states = True, states[: self.most_states]
            edges = [e for s in states for e in self._from(at, s)]
            self.edges.append(edges)
            for e in edges:
                reached[e.end][e.after] = None
        return self

    @cached_property
    def looped(self) -> Loops:
        """The loops of the graph."""
        assert self.memory is not None
        g, memory = self.graph, self.memory
        return Loops(g, memory.name, frozenset(t for t in g.tensors if homeable(g, g.chip, memory, t)), self.room)

    def loops_at(self, at: int) -> tuple[tuple[Segment, For], ...]:
        """The loops that begin with the job at this place."""
        if not self.loops or self.memory is None:
            return ()
        if at not in self._loops:
            self._loops[at] = tuple(self.looped.from_place(at))
        return self._loops[at]

    @cached_property
    def room(self) -> float:
        """Usable bits of the home."""
        bits = self.memory.usable_bits() if self.memory else 0
        return float("inf") if bits is None else float(bits)

    @cached_property
    def stays(self) -> frozenset[str]:
        """Tensors that may stay on chip."""
        if self.memory is None:
            return frozenset()
        memory, g = self.memory, self.graph
        fit = (t for t in g.tensors if g.bits(t) <= self.room and (g.writers[t] or len(g.readers[t]) > 1))
        return frozenset(t for t in fit if homeable(g, g.chip, memory, t))

    def _needed(self, tensor: str, after: int) -> bool:
        """Whether a job after place `after` reads the tensor."""
        return any(r > after for r in self.graph.readers[tensor])

    def _from(self, at: int, state: State) -> Iterator[Edge]:
        job, there = self.graph.jobs[at], dict(state)
        loadable = [t for t in job.reads if t in self.stays and t not in there and self._needed(t, at)]
        kept = (False, True) if job.writes and all(t in self.stays for t in job.writes) else (False,)
        for loads in _subsets(loadable):
            for keep in kept:
                yield from self._run(at, job, there, loads, keep)
        for segment, loop in self.loops_at(at):
            for held in self.looped.holdings(segment, loop):
                for keep in (False, True):
                    edge = self._loop(segment, loop, held, keep, there)
                    if edge is not None:
                        yield edge

    def _run(self, at: int, job: Job, there: dict[str, str], loads: tuple[str, ...], keep: bool) -> Iterator[Edge]:
        g, name = self.graph, self.memory.name if self.memory else ""
        during = there | dict.fromkeys(loads, BOTH)
        if keep:
            during |= dict.fromkeys(job.writes, INSIDE)
        held = sum(g.bits(t) for t in during)
        if held > self.room:
            return
        inside = frozenset(t for t in job.reads if t in during and t not in job.writes)
        together = self._together(job, inside, during)
        if together is None:
            return
        inside = together
        ops = tuple(s.layer for s in job.steps)
        ran = Ran(job=job, ops=ops, inside=inside, kept=keep, held_bits=held)
        fixed, asked = self.priced(ran)
        for t in loads:
            fixed = _plus(fixed, self.copy(t, True))
        touched = [t for t in during if (t in job.reads or t in job.writes) and self._needed(t, at)]
        first: tuple[Item, ...] = (*(Load(t, name) for t in loads), Run(job.name, name if keep else ""))
        dead = [t for t in during if not self._needed(t, at)]
        for dropped in _subsets(touched):
            after, cost, items = dict(during), fixed, first
            for t in (*dead, *dropped):
                if after[t] == INSIDE and (self._needed(t, at) or g.lasts(t)):
                    cost = _plus(cost, self.copy(t, False))
                    items = (*items, Store(t))
                items = (*items, Free(t))
                del after[t]
            yield Edge(
                start=at,
                end=at + 1,
                before=tuple(sorted(there.items())),
                after=tuple(sorted(after.items())),
                items=items,
                fixed=cost,
                asked=asked,
            )

    def _loop(self, segment: Segment, loop: For, held: tuple[str, ...], keep: bool, there: dict[str, str]) -> Edge | None:
        """A segment in a loop; None where it does not fit. `keep`: what it makes for later jobs stays on chip, whole."""
        g = self.graph
        events = self.looped.events(loop)
        if not events or (keep and not (segment.lasting and all(t in self.stays for t in segment.lasting))):
            return None
        during = there | dict.fromkeys(held, BOTH)
        whole = during | (dict.fromkeys(segment.lasting, INSIDE) if keep else {})
        base = sum(g.bits(t) for t in whole)
        if base + max(e.held_bits for e in events) > self.room:
            return None
        if any(t in there for t in held) or any(isinstance(e, Moved) and e.into and e.tensor in during for e in events):
            return None  # it is there already
        made = {t for j in g.jobs[segment.start : segment.end] for t in j.writes}
        fixed: Place = (0.0, 0.0)
        asked: dict[int, int] = {}
        for e in events:
            if isinstance(e, Moved):
                cost = copied(g, self._home(), e)
                fixed = _plus(fixed, (e.times * cost.energy_pj, e.times * cost.cycles))
                continue
            there_too = {t for t in e.job.reads if t in during or (keep and t in made and t in segment.lasting)}
            inside = e.inside | there_too
            if any(len({t in inside for t in ts}) > 1 for _, ts in e.job.operands):
                return None
            kept = e.kept or (keep and set(e.job.writes) <= set(segment.lasting))
            place, questions = self.priced(replace(e, inside=inside, kept=kept, held_bits=base + e.held_bits))
            fixed = _plus(fixed, place)
            for q, n in questions:
                asked[q] = asked.get(q, 0) + n
        for t in held:
            fixed = _plus(fixed, self.copy(t, True))
        return self._looped_edge(segment, loop, held, keep, there, whole, fixed, asked)

    def _home(self) -> Memory:
        assert self.memory is not None
        return self.memory

    def _looped_edge(
        self,
        segment: Segment,
        loop: For,
        held: tuple[str, ...],
        keep: bool,
        there: dict[str, str],
        whole: dict[str, str],
        fixed: Place,
        asked: dict[int, int],
    ) -> Edge:
        g, last, name = self.graph, segment.end - 1, self._home().name
        made = {j.name: bool(set(j.writes) <= set(segment.lasting)) for j in g.jobs[segment.start : segment.end]}
        final = _kept(loop, {n for n, lasting in made.items() if lasting and keep}, name)
        items: tuple[Item, ...] = (*(Load(t, name) for t in held), final)
        after = dict(whole)
        for t in whole:
            if t in held or not self._needed(t, last):
                if whole[t] == INSIDE and g.lasts(t):
                    fixed, items = _plus(fixed, self.copy(t, False)), (*items, Store(t))
                items = (*items, Free(t))
                del after[t]
        return Edge(
            start=segment.start,
            end=segment.end,
            before=tuple(sorted(there.items())),
            after=tuple(sorted(after.items())),
            items=items,
            fixed=fixed,
            asked=tuple(asked.items()),
        )

    _loops: dict[int, tuple[tuple[Segment, For], ...]] = field(default_factory=dict, repr=False)

    def _together(self, job: Job, inside: frozenset[str], during: dict[str, str]) -> frozenset[str] | None:
        """What is read on chip where an operand is put together of tensors of which some lie outside alone; None: impossible."""
        for _, ts in job.operands:
            if len({t in inside for t in ts}) > 1:
                if any(during.get(t) == INSIDE for t in ts):
                    return None
                inside -= set(ts)
        return inside

    def number(self, q: Question) -> int:
        """The number of a question; equal ones have one."""
        key = (q.key, q.room)
        if key not in self._numbers:
            self._numbers[key] = len(self.questions)
            self.questions.append(q)
            self.shape_of.append(self.shapes.setdefault(q.layer.shape_key, len(self.shapes)))
        return self._numbers[key]

    def priced(self, ran: Ran) -> tuple[Place, tuple[tuple[int, int], ...]]:
        """What a run costs whatever its mapping is, and the layer problem that it asks."""
        key = (ran.job.name, ran.ops, ran.inside, ran.kept, ran.held_bits, ran.times, ran.finished)
        if key not in self._priced:
            chip = self.graph.chip
            if self.memory is not None and self.memory.usable_bits() is not None:
                chip = with_room(chip, self.memory.name, self.room - ran.held_bits)
            parts = passing(self.graph, self.memory, ran, chip)
            counts = [p.step.count for p in ran.job.passing if ran.finished]
            fixed = (
                sum(n * p.cost.energy_pj for p, n in zip(parts, counts, strict=True)) * ran.times,
                sum(n * p.cost.cycles for p, n in zip(parts, counts, strict=True)) * ran.times,
            )
            q = question(self.graph, self.memory, ran)
            self._priced[key] = fixed, () if q is None else ((self.number(q), ran.job.count * ran.times),)
        return self._priced[key]

    _priced: dict[object, tuple[Place, tuple[tuple[int, int], ...]]] = field(default_factory=dict, repr=False)
    _copies: dict[tuple[str, bool], Place] = field(default_factory=dict, repr=False)

    def copy(self, tensor: str, into: bool) -> Place:
        """pJ and cycles of copying a whole tensor."""
        if (tensor, into) not in self._copies:
            assert self.memory is not None
            elements = self.graph.tensors[tensor].elements
            cost = copied(self.graph, self.memory, Moved(tensor=tensor, elements=elements, into=into, held_bits=0))
            self._copies[tensor, into] = (cost.energy_pj, cost.cycles)
        return self._copies[tensor, into]


def _kept(loop: For, jobs: set[str], home: str) -> For:
    """The loop with the results of these jobs left on chip."""
    body = tuple(
        _kept(i, jobs, home) if isinstance(i, For) else replace(i, home=home) if isinstance(i, Run) and i.job in jobs else i
        for i in loop.body
    )
    return replace(loop, body=body)


def _plus(a: Place, b: Place) -> Place:
    return a[0] + b[0], a[1] + b[1]


def _subsets(names: list[str]) -> Iterator[tuple[str, ...]]:
    return itertools.chain.from_iterable(itertools.combinations(names, n) for n in range(len(names) + 1))

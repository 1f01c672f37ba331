"""What one run of a job costs at its best, by where its tensors lie and how much of the on-chip memory is left to it.

The MAC layer is searched (`Task`), with the homes of its tensors and a smaller on-chip memory; what is done in passing is priced
by formula. As a function of the room C that is left, the best of a layer is a step function: an optimum found with room C that
takes c of it is the optimum for every room from c to C, so each search answers a whole range.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from picojoule.cost.copies import copy
from picojoule.cost.cost import Cost
from picojoule.cost.model import leakage, port_cycles
from picojoule.cost.operators import work_of
from picojoule.cost.sparsity import active
from picojoule.cost.vector import NOTHING, OUTSIDE, AtHome, Priced, Work, price
from picojoule.hardware.chip import Chip, Group, Memory, tensor_word_pj
from picojoule.mapping.entries import Node
from picojoule.mapping.footprint import tile_bits
from picojoule.mapping.mapping import Mapping
from picojoule.schedule.jobs import InPassing, Job, JobGraph
from picojoule.schedule.residence import Moved, Ran
from picojoule.search.crew import Crew
from picojoule.search.task import Points, Task
from picojoule.workload.layer import Layer
from picojoule.workload.network import Persistence
from picojoule.workload.op import Op

LEAST_S = 0.05  # CPU seconds that a layer has at least, so that a first answer is found
Homes = tuple[tuple[str, str], ...]
Place = tuple[float, float]  # (pJ, cycles)


@dataclass(frozen=True, slots=True)
class Question:
    """A layer to search: the homes of its tensors, and the bits of the on-chip memory that are left to it (inf: no limit)."""

    layer: Layer
    homes: Homes
    room: float

    @property
    def key(self) -> tuple[object, Homes]:
        """What has one capacity curve."""
        return self.layer.shape_key, self.homes


@dataclass(frozen=True, slots=True)
class Known:
    """An answer, and the rooms for which it is one; without points nothing fits."""

    least: float
    most: float
    points: Points


@dataclass
class LayerCurves:
    """The capacity curves of layers on one chip with one on-chip home, filled as they are asked for."""

    chip: Chip
    memory: Memory | None
    kind: str  # of the tasks: "energy", "latency" or "hull"
    space: str
    crew: Crew
    slopes: tuple[float, float] = (0.0, 0.0)
    time_limit: float | None = None  # CPU seconds of the whole search; what is left of it is shared among layers asked together
    asked: int = 0
    floors: dict[tuple[object, Homes], Place] = field(default_factory=dict)  # pJ and cycles that nothing undercuts in any room
    known: dict[tuple[object, Homes], list[Known]] = field(default_factory=dict)
    looks: dict[tuple[object, Homes], Known] = field(default_factory=dict)
    _compulsory: dict[tuple[object, Homes], Place] = field(default_factory=dict)

    def find(self, q: Question) -> Known | None:
        """The answer, if it is known."""
        return next((k for k in self.known.get(q.key, ()) if k.least <= q.room <= k.most), None)

    def found(self, q: Question) -> Known | None:
        """The answer, or the quick one of a first look, where nothing else is known."""
        return self.find(q) or next((k for k in (self.looks.get(q.key),) if k and k.least <= q.room <= k.most), None)

    def look(self, layer: Layer, points: Points) -> None:
        """Keep a quick answer for a layer whose tensors begin and end outside."""
        least = max((self.taken(layer, m) for m, _ in points.points), default=0)
        self.looks[layer.shape_key, ()] = Known(float(least), math.inf, points)

    def above(self, q: Question) -> Iterable[Known]:
        """Answers for as much room or more: lower bounds."""
        return (k for k in self.known.get(q.key, ()) if k.most >= q.room)

    def ask(self, questions: Sequence[Question], what: str) -> None:
        """Search what is not known yet, in parallel."""
        open_ = {(q.key, q.room): q for q in questions if self.find(q) is None}
        each = None if self.time_limit is None else max(LEAST_S, (self.time_limit - self.crew.cpu_s) / max(1, len(open_)))
        tasks = [replace(self._task(q), time_limit=each) for q in open_.values()]
        self.asked += len(tasks)
        for q, points in zip(open_.values(), self.crew.run(tasks, what) if tasks else (), strict=True):
            least = max((self.taken(q.layer, m) for m, _ in points.points), default=0)
            least = 0 if not points.points else least
            self.known.setdefault(q.key, []).append(Known(float(least), q.room, points))

    def ask_floors(self, questions: Sequence[Question]) -> bool:
        """Find what the layers cost at least, where that was not asked before; whether anything was."""
        open_ = {q.key: q for q in questions if q.key not in self.floors}
        tasks = [Task(q.layer, self.chip, "floor", self.space, homes=q.homes, optional=True) for q in open_.values()]
        for key, points in zip(open_, self.crew.run(tasks, "bounds of layers") if tasks else (), strict=True):
            self.floors[key] = (points.floor_pj, points.floor_cycles) if not points.proved else (math.inf, math.inf)
        return bool(open_)

    def compulsory(self, q: Question) -> Place:
        """pJ and cycles of MACs, and of each tensor's words once at its home and at memories that must keep it: a quick bound."""
        if q.key not in self._compulsory:
            self._compulsory[q.key] = self._least_of(q)
        return self._compulsory[q.key]

    def _least_of(self, q: Question) -> Place:
        chip = self.chip.at(q.layer)
        if active(q.layer, chip):  # zeros may be left out
            return 0.0, 0.0
        homes, energy = dict(q.homes), q.layer.macs * chip.compute.energy_pj(q.layer)
        cycles = q.layer.macs / (chip.pes * chip.compute.per_cycle(q.layer))
        moved: dict[tuple[str, str], float] = {}
        for t in q.layer.tensors:
            home = chip.memory(homes[t.name]) if t.name in homes else chip.home(t.role)
            n, action = q.layer.elements(t), "write" if t.role == "output" else "read"
            energy += n * tensor_word_pj(home, t, action)
            share = 1.0 / home.loads_serve if t.learned and home.loads_serve > 1 else 1.0
            moved[home.name, action] = moved.get((home.name, action), 0.0) + n * t.bits * share
            inner = chip.memories[[m.name for m in chip.memories].index(home.name) + 1 :]
            for m in (m for m in inner if m.keeps_role(t.role) == "must" and chip.level_of(m.name) > chip.level_of(home.name)):
                energy += n * (tensor_word_pj(m, t, "read") + tensor_word_pj(m, t, "write"))
        for name in {name for name, _ in moved}:
            ports = port_cycles(chip.memory(name), moved.get((name, "read"), 0.0), moved.get((name, "write"), 0.0), 1)
            cycles = max([cycles, *(n for _, n in ports)])
        return energy + sum(c.energy_pj for c in leakage(chip, cycles)), cycles

    def _task(self, q: Question) -> Task:
        chip = self.chip if self.memory is None else with_room(self.chip, self.memory.name, q.room)
        slopes = self.slopes if self.kind == "hull" else (0.0, 0.0)
        return Task(q.layer, chip, self.kind, self.space, slopes=slopes, homes=q.homes, optional=True)

    def taken(self, layer: Layer, mapping: Mapping) -> int:
        """Bits of the on-chip memory that the mapping's own tiles take."""
        if self.memory is None:
            return 0
        chip = self.chip.at(layer)
        memory = chip.memory(self.memory.name)
        shared = chip.shared_by(memory)
        return sum(
            tile_bits(layer, layer.tensor(e.tensor), memory, mapping.tile(i, layer, shared))
            for i, e in enumerate(mapping.entries)
            if isinstance(e, Node) and e.memory == memory.name
        )


@lru_cache(maxsize=10_000)
def with_room(chip: Chip, memory: str, room: float) -> Chip:
    """The chip with so many usable bits in a memory; everything else, prices included, as it is."""

    def less(m: Memory) -> Memory:
        if m.name != memory or m.capacity_bits is None or room == m.usable_bits():
            return m
        return replace(m, capacity_bits=max(1, int(room) * (2 if m.double_buffered else 1)))

    levels = tuple(Group(tuple(map(less, lv.memories))) if isinstance(lv, Group) else lv for lv in chip.levels)
    return replace(chip, levels=levels)


def question(graph: JobGraph, memory: Memory | None, ran: Ran) -> Question | None:
    """The layer problem of a run; None where the job has no MAC layer."""
    if ran.job.main is None:
        return None
    layer = ran.ops[0]
    assert isinstance(layer, Layer)
    if memory is None:
        return Question(layer, (), math.inf)
    room = memory.usable_bits()
    left = math.inf if room is None else float(room - ran.held_bits)
    return Question(layer, homes_of(ran, memory.name), left)


def homes_of(ran: Ran, memory: str) -> Homes:
    """The tensors of the layer that start or end on chip, in the layer's order."""
    assert ran.job.main is not None
    there = {name for name, tensors in ran.job.operands if tensors and set(tensors) <= ran.inside}
    if ran.kept:
        there.add(ran.job.main.layer.output.name)
    return tuple((t.name, memory) for t in ran.job.main.layer.tensors if t.name in there)


def passing(graph: JobGraph, memory: Memory | None, ran: Ran, chip: Chip) -> tuple[Priced, ...]:
    """The operators without MACs of a run, priced; `chip` has the room that is left to it."""
    if not ran.finished:
        return ()
    made = {t for s in ran.job.steps for t in s.outputs}
    first = 0 if ran.job.main is None else 1
    out = []
    for p, op in zip(ran.job.passing, ran.ops[first:], strict=True):
        work = p.work if op is p.step.layer else _part(p, op, made)
        home = OUTSIDE if memory is None else _home(p, op, work, ran, memory.name, made)
        out.append(price(work, chip, p.how, home))
    return tuple(out)


def _part(p: InPassing, op: Op, made: set[str]) -> Work:
    """What a chunk of an operator asks for."""
    work = work_of(replace(p.step, layer=op))
    if p.how not in ("drain", "folded"):
        return work
    through = sum(
        op.elements(op.tensor(a.operand)) for a in p.step.accesses if a.tensor in made and op.tensor(a.operand).role != "output"
    )
    return replace(work, operand=max(0, work.operand - through), passes=1, row=1)


def _home(p: InPassing, op: Op, work: Work, ran: Ran, memory: str, made: set[str]) -> AtHome:
    """What of the operator's tensors lies on chip."""
    if p.how in NOTHING:
        return OUTSIDE
    inside = 0
    for a in p.step.accesses:
        t = op.tensor(a.operand)
        if t.role == "output" or t.learned or a.tensor in made or a.tensor not in ran.inside:
            continue
        part = op.elements(t) if len(p.step.accesses_of(a.operand)) == 1 or a.layout is None else math.prod(a.layout.shape)
        inside += part
    whole = op.moved is not None and inside > 0
    return AtHome(memory=memory, operand=work.operand if whole else min(inside, work.operand), result=ran.kept)


def copied(graph: JobGraph, memory: Memory, moved: Moved) -> Cost:
    """One copy of a tensor, or of a part of it."""
    t = graph.tensors[moved.tensor]
    role = "weight" if t.persistence is Persistence.PARAMETER else "input" if moved.into else "output"
    return copy(graph.chip, memory.name, moved.elements, t.bits, role, moved.into, moved.tensor)


def bounded_by_outside(layer: Layer, chip: Chip, memory: Memory) -> bool:
    """Whether a mapping whose tensor begins on chip is, with the tensor copied there first, one whose tensor begins outside.

    Its node at the top of the memory then moves just what the copy does, so that the best from outside is no dearer than copy and
    best from inside. Not where zeros change what words cost, nor where a memory between must keep the tensor too.
    """
    between = [lv for lv in chip.levels[1 : chip.level_of(memory.name)] if isinstance(lv, Group)]
    return not active(layer, chip) and not any(m.keeps for g in between for m in g.memories)


def homeable(graph: JobGraph, chip: Chip, memory: Memory, tensor: str) -> bool:
    """Whether a tensor may stay in the memory: every job that reads or writes it says what it touches there."""
    t = graph.tensors[tensor]
    if t.persistence is Persistence.CACHE and graph.writers[tensor]:
        return False  # it has a part from before the run, outside
    role_ok = all(memory.keeps_role(r) != "never" for r in ("input", "output"))
    jobs: list[Job] = [graph.jobs[i] for i in (*graph.readers[tensor], *graph.writers[tensor])]
    return role_ok and all(_says(j, tensor, memory) for j in jobs)


def _says(job: Job, tensor: str, memory: Memory) -> bool:
    for step in job.steps:
        op = step.layer
        mine = [op.tensor(a.operand) for a in step.accesses if a.tensor == tensor]
        others = [a for a in step.accesses if not op.tensor(a.operand).learned and op.tensor(a.operand).role != "output"]
        if any(memory.keeps_role(t.role) == "never" for t in mine):
            return False
        if mine and op.moved is not None and len({a.tensor for a in others}) > 1:
            return False
    return True

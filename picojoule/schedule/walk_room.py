"""What a loop of a schedule keeps on chip by position, visit by visit: told from what is made and read when, not from windows."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from picojoule.schedule.jobs import Job
from picojoule.schedule.walk_loops import Nest, Visit
from picojoule.schedule.walk_values import Elements, Ints, idle, results_of
from picojoule.workload.network import Step
from picojoule.workload.op import Op, Tensor


@dataclass
class Stay:
    """One position of a tensor on chip, from the visit that makes or loads it to the last that reads it, both included."""

    tensor: str
    ids: Ints
    room: int  # the visit from which on it has its room, `made` or before
    made: int
    last: int = -1  # nobody reads it yet


class Room:
    """The stays of the tensors `kept` by position. `on`: those that are in the memory as a whole while the loop runs."""

    def __init__(self, elements: Elements, nest: Nest, kept: set[str], on: set[str]) -> None:
        self.elements, self.nest, self.kept, self.on = elements, nest, kept, on
        self.visits = nest.visits()
        self.stays = self._stays()
        self.over: dict[int, list[Stay]] = defaultdict(list)  # by the visit after which they are dead
        for s in self.stays:
            self.over[max(s.last, s.made)].append(s)
        self._words = {name: self._count(name) for name in kept}

    def bits(self, n: int) -> dict[str, int]:
        """What each tensor takes during visit n."""
        tensors = self.nest.graph.tensors
        return {name: math.ceil(int(words[n]) * tensors[name].bits) for name, words in self._words.items()}

    def usable(self, v: Visit) -> frozenset[str]:
        """The tensors kept by position that a visit may use: of those that are loaded the ones that its own loops brought."""
        loads = {e.tensor: e for e in self.nest.entries if e.tensor}
        late = {t for t, e in loads.items() if e.place > v.entry.place or e.loops[-1] not in v.entry.loops}
        return frozenset(self.kept - late)

    def _count(self, tensor: str) -> Ints:
        """Elements of the tensor that have room during each visit."""
        change = np.zeros(len(self.visits) + 1, np.int64)
        for s in self.stays:
            if s.tensor == tensor and s.last >= 0:
                change[s.room] += len(s.ids)
                change[s.last + 1] -= len(s.ids)
        return np.cumsum(change)

    def _stays(self) -> list[Stay]:
        position, members, tensor_of = self._positions()
        early = self._outlive_inner()
        now: dict[int, Stay] = {}  # by position
        found: list[Stay] = []
        for n, v in enumerate(self.visits):
            for name, ids in self._read(v):
                for p in np.unique(position[ids[ids >= 0]]).tolist():
                    if p in now and tensor_of[p] == name:
                        now[p].last = n
            made = self._made(v)
            for p in np.unique(position[made[made >= 0]]).tolist():
                if p >= 0:
                    name = tensor_of[p]
                    now[p] = Stay(name, members[p], v.begin if name in early else n, n)
                    found.append(now[p])
        return found

    def _positions(self) -> tuple[Ints, list[Ints], list[str]]:
        """A number for each element by tensor, maker, and place in all classes (-1: not kept); its elements; its tensor."""
        names = sorted(self.kept)
        tensor = np.full(self.elements.total, -1)
        for i, name in enumerate(names):
            tensor[self.elements.of(name)] = i
        cuts = self.nest.cuts.values()
        keys = np.stack([tensor, *(x for cut in cuts for x in (cut.maker, cut.position))])
        mine = np.flatnonzero((tensor >= 0) & (keys[1:] >= 0).any(axis=0))
        position = np.full(self.elements.total, -1)
        if len(mine) == 0:
            return position, [], []
        distinct, number = np.unique(keys[:, mine], axis=1, return_inverse=True)
        position[mine] = number.ravel()
        order = mine[np.argsort(position[mine], kind="stable")]
        members = np.split(order, np.flatnonzero(np.diff(position[order])) + 1)
        return position, members, [names[i] for i in distinct[0]]

    def _outlive_inner(self) -> set[str]:
        """What an inner loop makes and a later item of the outer loop reads: it has its room from where the inner one begins."""
        inner = [(x, self.nest.cuts[x]) for x in self.nest.loops[1:]]
        made = [(w, x) for x, cut in inner for j in cut.jobs.values() for w in j.writes if w in self.kept]
        return {w for w, x in made if self.nest.leaves(w, x)}

    def _read(self, v: Visit) -> list[tuple[str, Ints]]:
        """(tensor, elements of the operand) for each tensor kept by position that the visit reads in the memory."""
        if not v.entry.job:
            return []
        job, usable, found = self.nest.graph.job(v.entry.job), self.usable(v), []
        for step, box in zip(job.steps, v.boxes, strict=True):
            for t in step.layer.operands if not idle(job, step) else ():
                names = sources(job, step, t)
                if all(x in self.on or x in usable for x in names):
                    found += [(x, self.elements.touched(step, t, box)) for x in names if x in usable]
        return found

    def _made(self, v: Visit) -> Ints:
        """Elements that the visit makes or loads, padding (-1) among them."""
        made = [v.loaded]
        if v.entry.job:
            job = self.nest.graph.job(v.entry.job)
            pairs = [(s, box) for s, box in zip(job.steps, v.boxes, strict=True) if not idle(job, s)]
            made += [self.elements.touched(s, t, box).ravel() for s, box in pairs for t in results_of(s)]
        return np.concatenate(made)


def sources(job: Job, step: Step[Op], operand: Tensor) -> tuple[str, ...]:
    """The tensors in memory that an operand is put together of, without what folds away and what the job makes itself."""
    own = {name for s in job.steps for name in s.outputs}
    return tuple(a.tensor for a in step.accesses_of(operand.name) if a.tensor in job.reads and a.tensor not in own)

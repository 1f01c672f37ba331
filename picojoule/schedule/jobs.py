"""What a schedule puts in order: the jobs of a network on a chip, and the tensors that lie in memory between them.

A job is one operator with everything that the chip does in passing: batch norms that fold into it, activations and additions in
the drain path, biases, views. Its result is what leaves at the end of that. What passes from one to the next inside a job lies in
no memory and is no tensor of the schedule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from picojoule.cost.operators import placed
from picojoule.cost.vector import NOTHING, How, Work
from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.chip import Chip
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network, NetworkTensor, Persistence, Step, mac_step
from picojoule.workload.op import Op

LASTING = (Persistence.OUTPUT, Persistence.CACHE)  # what has to be outside when the run ends


@dataclass(frozen=True, slots=True, kw_only=True)
class InPassing:
    """An operator without MACs that a job applies: the way in which it is done, and what it asks for."""

    step: Step[Op]
    how: How
    work: Work


@dataclass(frozen=True, kw_only=True)
class Job:
    """One thing that the chip does from beginning to end. `main` is the MAC layer, None where a vector operator stands alone.

    `reads` are the tensors of the network that it reads, parameters included, each once, and `writes` those that it leaves.
    `count`: so many equal repetitions, which share the tensors.
    """

    name: str
    main: Step[Layer] | None
    passing: tuple[InPassing, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    count: int = 1

    @property
    def steps(self) -> tuple[Step[Op], ...]:
        """Its operators, in order."""
        first: tuple[Step[Any], ...] = () if self.main is None else (self.main,)
        return (*first, *(p.step for p in self.passing))

    @cached_property
    def operands(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """For each operand of the MAC layer the tensors that make it up."""
        if self.main is None:
            return ()
        made = ((t.name, self.main.accesses_of(t.name)) for t in self.main.layer.operands)
        return tuple((name, tuple(dict.fromkeys(a.tensor for a in accesses))) for name, accesses in made)


@dataclass(frozen=True)
class JobGraph:
    """The jobs of a network on one chip, in the order of its steps, which is one in which they can run."""

    network: Network
    chip: Chip
    fold: bool = True
    jobs: tuple[Job, ...] = field(init=False)

    def __post_init__(self) -> None:
        if not self.network.tensors:
            raise SpecError(
                f"network {self.network.name!r} does not say which tensors its layers share",
                hint="schedules need a whole model (ONNX, torch, the zoo), not a list of layers",
            )
        object.__setattr__(self, "jobs", tuple(_jobs(self.network, self.chip, self.fold)))

    def job(self, name: str) -> Job:
        """The job of this name."""
        if name not in self._at:
            raise unknown_name("job", name, self._at)
        return self.jobs[self._at[name]]

    def place(self, name: str) -> int:
        """Where the job stands in the order."""
        return self._at[self.job(name).name]

    @cached_property
    def _at(self) -> dict[str, int]:
        return {j.name: i for i, j in enumerate(self.jobs)}

    @cached_property
    def tensors(self) -> dict[str, NetworkTensor]:
        """The tensors that lie in memory at some time, by name, in the order in which they are first used."""
        return {name: self.network.tensor(name) for j in self.jobs for name in (*j.reads, *j.writes)}

    @cached_property
    def readers(self) -> dict[str, tuple[int, ...]]:
        """For each tensor the places of the jobs that read it."""
        return self._places(lambda j: j.reads)

    @cached_property
    def writers(self) -> dict[str, tuple[int, ...]]:
        """For each tensor the places of the jobs that write it, or a part of it."""
        return self._places(lambda j: j.writes)

    def _places(self, names: Callable[[Job], tuple[str, ...]]) -> dict[str, tuple[int, ...]]:
        found: dict[str, list[int]] = {name: [] for name in self.tensors}
        for i, j in enumerate(self.jobs):
            for name in names(j):
                found[name].append(i)
        return {name: tuple(at) for name, at in found.items()}

    def bits(self, tensor: str) -> int:
        """Bits that the whole tensor takes in a memory."""
        t = self.tensors[tensor]
        return math.ceil(t.elements * t.bits)

    def lasts(self, tensor: str) -> bool:
        """Whether it has to be outside when the run ends."""
        return self.tensors[tensor].persistence in LASTING

    def given(self, tensor: str) -> bool:
        """Whether it is there, outside, before the run begins."""
        return not self.writers[tensor] or self.tensors[tensor].persistence is Persistence.CACHE


def _jobs(network: Network, chip: Chip, fold: bool) -> Iterator[Job]:
    ways = {id(step): InPassing(step=step, how=how, work=work) for step, how, work in placed(network, chip, fold=fold)}
    groups: list[list[Step[Op]]] = []
    made_by: dict[str, int] = {}  # tensor -> group that leaves it
    for step in network.steps:
        way = ways.get(id(step))
        at = len(groups)
        if way is not None and way.how in ("drain", "folded"):
            at = len(groups) - 1
        elif way is not None and not step.outputs:  # works on its operand where that is made
            at = max((made_by[name] for name in step.inputs if name in made_by), default=len(groups))
        if at == len(groups):
            groups.append([])
        groups[at].append(step)
        made_by |= dict.fromkeys(step.outputs, at)
    read_later = _read_by(groups)
    for at, group in enumerate(groups):
        yield _job(network, group, at, ways, read_later)


def _read_by(groups: list[list[Step[Op]]]) -> dict[str, set[int]]:
    """For each tensor the groups that read it."""
    found: dict[str, set[int]] = {}
    for i, group in enumerate(groups):
        for step in group:
            for a in step.accesses:
                if step.layer.tensor(a.operand).role != "output":
                    found.setdefault(a.tensor, set()).add(i)
    return found


def _job(network: Network, group: list[Step[Op]], at: int, ways: dict[int, InPassing], read_by: dict[str, set[int]]) -> Job:
    first = group[0]
    written = [name for s in group for name in s.outputs]
    inner = set(written)
    read = [a.tensor for s in group for a in s.accesses if s.layer.tensor(a.operand).role != "output" and a.tensor not in inner]
    folded = {a.tensor for s in group if (w := ways.get(id(s))) and w.how in NOTHING for a in s.accesses}
    outlive = set(network.outputs)
    leaves = [name for name in written if name == written[-1] or read_by.get(name, set()) - {at} or name in outlive]
    return Job(
        name=first.layer.name,
        main=mac_step(first),
        passing=tuple(ways[id(s)] for s in group if id(s) in ways),
        reads=tuple(dict.fromkeys(n for n in read if n not in folded or not _parameter(network, n))),
        writes=tuple(dict.fromkeys(leaves)),
        count=first.count,
    )


def _parameter(network: Network, name: str) -> bool:
    return network.tensor(name).persistence is Persistence.PARAMETER

"""A chip as the mapper sees it: memories, fan-outs and compute, from DRAM inwards to the MACs.

`Chip.levels` runs from the outside in and alternates freely between memory groups (`Group`: one or more peer memories
that serve the same place) and fan-outs (`FanOut`: what is inside exists several times). Energies are picojoules per
access of one memory word, or per MAC; `None` is "unknown" and is never treated as zero: `Chip.check_priced` refuses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

from picojoule.ask import ROLES
from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.array.in_memory import Array
from picojoule.hardware.parts import OPERANDS, SPEEDS, WAITS, Axis, Compute, Conditions, FanOut, Group, Memory, Port, Stay
from picojoule.hardware.tree import Node, tree
from picojoule.hardware.vector_unit import VectorUnit
from picojoule.workload.layer import Layer, Tensor

__all__ = [
    "OPERANDS",
    "SCOPES",
    "SPEEDS",
    "WAITS",
    "Axis",
    "Chip",
    "Compute",
    "Conditions",
    "FanOut",
    "Group",
    "Memory",
    "Port",
    "Stay",
    "tensor_word_pj",
    "transfer_word_pj",
]
SCOPES = ("system", "chip", "macro")


@dataclass(frozen=True)
class Chip:
    """`levels` from the outside in; the first is a group with one memory that must keep every tensor (DRAM)."""

    name: str
    levels: tuple[Group | FanOut, ...]
    compute: Compute
    clock_hz: float
    technology_nm: float | None = None
    voltage_v: float | None = None
    description: str = ""
    source: str = ""
    static_mw: float | None = None  # power that flows whatever happens (clock tree, control), beyond the leakage above
    array: Array | None = None  # of compute in memory: the innermost levels and `compute` are made from it, see `at`
    scope: str = "system"  # what the figures cover: "system" (with the memory that feeds it), "chip" or "macro"
    inferences_per_load: float = 1.0  # weights that stay where they are serve so many inferences before they are loaded again
    dataflow: str = ""  # the dataflow whose restrictions are part of levels and stays
    stays: tuple[Stay, ...] = ()
    vector: VectorUnit | None = None  # what applies operators without MACs; None: not declared

    def __post_init__(self) -> None:
        if not self.levels or not isinstance(self.levels[0], Group):
            raise SpecError(f"chip {self.name!r} must begin with a memory (DRAM)", hint="put the outermost memory first")
        self._check_outermost(self.levels[0])
        self._check_served()
        self._check_networks()
        for m in self.memories[len(self.levels[0].memories) :]:
            if m.format_of("output").compressed:
                raise SpecError(
                    f"memory {m.name!r} compresses outputs, and partial sums are no final values",
                    hint="only the outermost memory compresses outputs",
                )
        names = [m.name for m in self.memories] + [f.name for f in self.fanouts] + [self.compute.name]
        names += [self.vector.name] if self.vector else []
        for n in names:
            if names.count(n) > 1:
                raise SpecError(f"chip {self.name!r} names two components {n!r}", hint="give each its own name")
        if self.vector is not None and self.instances_above(self.level_of(self.vector.at)) > 1:
            raise SpecError(
                f"vector unit {self.vector.name!r} sits at {self.vector.at!r}, which exists several times",
                hint="name a memory outside every fan-out; lanes count all operations a cycle",
            )
        for s in self.stays:
            if s.memory not in [m.name for m in self.memories]:
                raise unknown_name("memory", s.memory, [m.name for m in self.memories])
        if not self.clock_hz > 0:
            raise SpecError(f"chip {self.name!r}: clock {self.clock_hz} Hz", hint="give a positive clock")
        if self.scope not in SCOPES:
            raise unknown_name("scope", self.scope, SCOPES)
        if not self.inferences_per_load >= 1:
            raise SpecError(f"chip {self.name!r}: {self.inferences_per_load:g} inferences per load", hint="1 or more")

    def _check_outermost(self, outer: Group) -> None:
        """The outermost memory keeps every tensor; where several stand side by side, each tensor has one that keeps it."""
        if {r for m in outer.memories for r in m.keeps} != set(ROLES):
            some = "memory" if len(outer.memories) == 1 else "memories"
            raise SpecError(f"chip {self.name!r}: the outermost {some} must keep every tensor", hint="keeps: all")
        if len(outer.memories) == 1 and outer.memories[0].capacity_bits is not None:
            raise SpecError(f"chip {self.name!r}: the outermost memory must be unbounded", hint="leave out its size")

    def _check_networks(self) -> None:
        """A network with a bandwidth carries words that nothing leaves out: how zeros thin them there is not modelled."""
        for f in self.fanouts:
            if f.bits_per_cycle is not None and self.sparse:
                raise SpecError(
                    f"fan-out {f.name!r} has a bandwidth, and chip {self.name!r} exploits zeros",
                    hint="drop the bandwidth, or skips, gates and formats: both together are not modelled",
                )

    def _check_served(self) -> None:
        """Served axes are axes of the fan-out right above, which no neighbour links cross and no zeros leave out of step."""
        for i, level in enumerate(self.levels):
            for m in (m for m in level.memories if m.serves) if isinstance(level, Group) else ():
                above = self.levels[i - 1] if i else None
                if not isinstance(above, FanOut):
                    raise SpecError(
                        f"memory {m.name!r} serves {m.serves[0]!r} and no fan-out stands right above it",
                        hint="serves: axes of the fan-out that the memory comes right after",
                    )
                for axis in m.serves:
                    if axis not in above.along:
                        raise unknown_name(f"axis of {above.name}", axis, above.along)
                if above.links:
                    raise SpecError(
                        f"memory {m.name!r} serves an axis of {above.name!r}, which has neighbour links",
                        hint="drop one: words that neighbours pass on beside a shared memory are not modelled",
                    )
                if self.sparse:
                    raise SpecError(
                        f"memory {m.name!r} serves the places of an axis together, and chip {self.name!r} exploits zeros",
                        hint="drop serves, or skips, gates and formats: both together are not modelled",
                    )

    @cached_property
    def root(self) -> Node:
        """The chip as a tree from the outside in: it forks where tensors go different ways, and each way ends in the MACs.

        `levels` are the view in which all of them stand at one depth.
        """
        return tree(self.levels, self.compute)

    @cached_property
    def memories(self) -> tuple[Memory, ...]:
        """All memories, from the outside in."""
        return tuple(m for g in self.levels if isinstance(g, Group) for m in g.memories)

    @cached_property
    def fanouts(self) -> tuple[FanOut, ...]:
        return tuple(f for f in self.levels if isinstance(f, FanOut))

    @cached_property
    def sparse(self) -> bool:
        """Whether anything on the chip exploits zeros."""
        saves = any(m.skips or m.gates or any(f.compressed or f.directory for _, f in m.formats) for m in self.memories)
        return saves or bool(self.compute.skips or self.compute.gates)

    def blind(self) -> Chip:
        """The same chip that exploits no zero: nothing compressed, skipped or gated."""

        def plain(g: Group | FanOut) -> Group | FanOut:
            return g if isinstance(g, FanOut) else Group(tuple(replace(m, formats=(), skips=(), gates=()) for m in g.memories))

        return replace(self, levels=tuple(map(plain, self.levels)), compute=replace(self.compute, skips=(), gates=()))

    def gating(self) -> Chip:
        """The same chip that gates whatever it skips: it saves the energy and not the time."""

        def gated(g: Group | FanOut) -> Group | FanOut:
            if isinstance(g, FanOut):
                return g
            return Group(tuple(replace(m, skips=(), gates=_joined(m.gates, m.skips)) for m in g.memories))

        c = self.compute
        gates = (*c.gates, *(x for x in c.skips if x not in c.gates))
        return replace(self, levels=tuple(map(gated, self.levels)), compute=replace(c, skips=(), gates=gates))

    @property
    def outermost(self) -> tuple[Memory, ...]:
        """Where tensors start and end: one memory (DRAM), or several side by side that keep different tensors."""
        group = self.levels[0]
        assert isinstance(group, Group)
        return group.memories

    @property
    def dram(self) -> Memory:
        """The outermost memory; of several side by side the first, so ask `home` where a tensor is at stake."""
        return self.memories[0]

    def home(self, role: str) -> Memory:
        """The outermost memory that keeps tensors of the role."""
        return next(m for m in self.outermost if role in m.keeps)

    @property
    def pes(self) -> int:
        """MAC units: the product of all fan-outs."""
        return math.prod(f.size for f in self.fanouts)

    @property
    def shared_buffer(self) -> Memory:
        """The outermost memory on chip, outside every fan-out, for inputs and outputs alike; without one the outermost memory.

        Vector units sit there unless they say where.
        """
        for level in self.levels[1:]:
            if isinstance(level, FanOut):
                break
            for m in level.memories:
                if all(m.keeps_role(r) != "never" for r in ("input", "output")):
                    return m
        return self.dram

    def memory(self, name: str) -> Memory:
        for m in self.memories:
            if m.name == name:
                return m
        raise unknown_name("memory", name, [m.name for m in self.memories])

    def level_of(self, name: str) -> int:
        """Index into `levels` of the memory or fan-out with this name."""
        for i, lv in enumerate(self.levels):
            names = [lv.name] if isinstance(lv, FanOut) else [m.name for m in lv.memories]
            if name in names:
                return i
        raise unknown_name("component", name, [m.name for m in self.memories] + [f.name for f in self.fanouts])

    def instances_above(self, level: int) -> int:
        """How many places there are for the component at `levels[level]`."""
        return math.prod(f.size for f in self.levels[:level] if isinstance(f, FanOut))

    def instances(self, memory: Memory) -> int:
        """How often the memory exists: once in each place, or once for all places along the axes that it serves."""
        level = self.level_of(memory.name)
        return self.instances_above(level) // math.prod(a.size for f in self.shared_by(memory) for a in f.axes)

    def shared_by(self, memory: Memory) -> tuple[FanOut, ...]:
        """The fan-out below an instance of the memory, though its axes are listed above: along the axes it serves; () if none."""
        if not memory.serves:
            return ()
        above = self.levels[self.level_of(memory.name) - 1]
        assert isinstance(above, FanOut)
        return above.part(memory.serves)

    def passed(self, outer: Memory, inner: Memory | None) -> tuple[FanOut, ...]:
        """The fan-outs between a memory and one further in (None: the MACs), from the outside in, along the axes passed."""
        stop = len(self.levels) if inner is None else self.level_of(inner.name)
        between = [f for f in self.levels[self.level_of(outer.name) : stop] if isinstance(f, FanOut)]
        if inner is not None and inner.serves:  # it stands above the axes that it serves
            between[-1:] = between[-1].part(between[-1].along - set(inner.serves))
        return (*self.shared_by(outer), *between)

    def at(self, layer: Layer) -> Chip:
        """The chip for a layer: an array holds fewer wide weights, and converts more often for them; its energies follow the
        values of the operands where the layer knows them, else the array's own means.

        Chips without an array stay as they are; so does one that is already made for this.
        """
        if self.array is None:
            return self
        from picojoule.hardware.array import cost as array_cost
        from picojoule.hardware.array import operand_means

        for t in layer.tensors:
            if t.number and not t.number.startswith(("int", "uint")):
                raise SpecError(
                    f"array {self.array.name!r} multiplies integers, and {t.name} is {t.number}",
                    hint="choose integer bits, such as --bits 8",
                )
        bits = {t.role: math.ceil(t.bits) for t in layer.tensors}
        weight, given, result = (
            bits.get(r, d)
            for r, d in (("weight", self.array.weight_bits), ("input", self.array.input_bits), ("output", self.array.sum_bits))
        )
        array = operand_means.for_operands(self.array, layer)
        inner = array_cost.levels(array, weight, given, result, self.inferences_per_load)
        made = array_cost.compute(array, weight, given, self.clock_hz)
        if self.levels[-array_cost.LEVELS :] == inner and self.compute == made:
            return self
        return replace(self, levels=(*self.levels[: -array_cost.LEVELS], *inner), compute=made)

    def check_priced(self) -> None:
        """Refuse a chip with an energy that is unknown: unknown is not zero."""
        for m in self.memories:
            for what, pj in (("read", m.read_pj), ("write", m.write_pj)):
                if pj is None:
                    raise SpecError(
                        f"memory {m.name!r} of chip {self.name!r}: the {what} energy is unknown",
                        hint=f"set {what}: ... pJ, or name a component class that models it",
                    )
        for f in self.fanouts:
            if f.transfer_pj is None:
                raise SpecError(
                    f"fan-out {f.name!r} of chip {self.name!r}: the transfer energy is unknown", hint="set transfer: ... pJ"
                )
        if self.compute.mac_pj is None:
            raise SpecError(
                f"compute {self.compute.name!r} of chip {self.name!r}: the MAC energy is unknown", hint="set mac: ... pJ"
            )


def _joined(a: Conditions, b: Conditions) -> Conditions:
    """Both lists of conditions as one: whatever either leaves out."""
    table = dict(a)
    for target, leaders in b:
        table[target] = tuple(dict.fromkeys((*table.get(target, ()), *leaders)))
    return tuple(table.items())


def tensor_word_pj(memory: Memory, tensor: Tensor, action: str) -> float:
    """pJ to read or write one word of the tensor at the memory (several words may share an access)."""
    pj = memory.read_pj if action == "read" else memory.write_pj
    if pj is None:
        raise SpecError(f"memory {memory.name!r}: the {action} energy is unknown", hint=f"set {action}")
    each = pj * memory.accesses_per_word(tensor.bits)
    return each / memory.loads_serve if tensor.learned and memory.loads_serve > 1 else each


def transfer_word_pj(fanout: FanOut, tensor: Tensor) -> float:
    """pJ to move one word of the tensor to or from one inner instance of the fan-out."""
    if fanout.transfer_pj is None:
        raise SpecError(f"fan-out {fanout.name!r}: the transfer energy is unknown", hint="set transfer: ... pJ")
    each = fanout.hops * fanout.transfer_pj * tensor.bits / fanout.transfer_bits
    return each / fanout.loads_serve if tensor.learned and fanout.loads_serve > 1 else each

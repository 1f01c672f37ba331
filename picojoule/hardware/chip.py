"""A chip as the mapper sees it: memories, fan-outs and compute, from DRAM inwards to the MACs.

`Chip.levels` runs from the outside in and alternates freely between memory groups (`Group`: one or more peer memories
that serve the same place) and fan-outs (`FanOut`: what is inside exists several times). Energies are picojoules per
access of one memory word, or per MAC; `None` is "unknown" and is never treated as zero: `Chip.check_priced` refuses.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property

from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.array.in_memory import Array
from picojoule.hardware.components.format_mac import energy_ratio
from picojoule.hardware.compression import DENSE, Format
from picojoule.hardware.vector_unit import VectorUnit
from picojoule.workload.kinds import KINDS, kind
from picojoule.workload.layer import ROLES, Layer, Tensor

SCOPES = ("system", "chip", "macro")
OPERANDS = ("weight", "input")
Conditions = tuple[tuple[str, tuple[str, ...]], ...]  # (tensor whose accesses are left out, tensors that must be zero for it)
WAITS = ("never", "layer", "tile", "step")
SPEEDS = ("fixed", "serial_input", "serial_weight", "composed")


def check_conditions(what: str, conditions: Conditions) -> None:
    """Raise unless every condition names a tensor and operands that decide over it."""
    targets = [t for t, _ in conditions]
    for target, leaders in conditions:
        if target not in ROLES:
            raise unknown_name("tensor role", target, ROLES)
        if targets.count(target) > 1:
            raise SpecError(f"{what}: {target!r} stands twice", hint="list all that decides over it once")
        for leader in leaders:
            if leader not in OPERANDS:
                raise unknown_name("operand", leader, OPERANDS)
        if not leaders or target in leaders:
            raise SpecError(
                f"{what}: {target!r} has to depend on another operand", hint="a format leaves out a tensor's own zeros"
            )


def _joined(a: Conditions, b: Conditions) -> Conditions:
    """Both lists of conditions as one: whatever either leaves out."""
    table = dict(a)
    for target, leaders in b:
        table[target] = tuple(dict.fromkeys((*table.get(target, ()), *leaders)))
    return tuple(table.items())


@dataclass(frozen=True)
class Port:
    """A way in or out of each instance of a memory. `serves` is "read", "write" or "readwrite" (shared by both)."""

    name: str
    serves: str
    bits_per_cycle: float

    def __post_init__(self) -> None:
        if self.serves not in ("read", "write", "readwrite"):
            raise unknown_name("port direction", self.serves, ("read", "write", "readwrite"))
        if not self.bits_per_cycle > 0:
            raise SpecError(f"port {self.name!r}: {self.bits_per_cycle} bits per cycle", hint="give a positive bandwidth")


@dataclass(frozen=True)
class Memory:
    """A storage element. Each instance holds `capacity_bits` (None: unbounded), shared by the tensors it keeps.

    `keeps` are the roles it must keep, `may_keep` those it may keep or let pass (bypass); any other role bypasses it.
    Reads and writes cost pJ per access of a `word_bits` word; floor(word_bits / tensor bits) tensor words share one
    access, and a tensor word wider than the memory word takes ceil(tensor bits / word_bits) accesses.
    """

    name: str
    capacity_bits: int | None
    word_bits: int
    read_pj: float | None
    write_pj: float | None
    keeps: tuple[str, ...] = ROLES
    may_keep: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    double_buffered: bool = False  # True: a tile may use half of the capacity only
    leakage_mw: float | None = None  # of one instance
    area_um2: float | None = None  # of one instance
    technology: str = "sram"  # "dram", "sram", "register_file", ...
    source: str = ""
    sources: tuple[tuple[str, str], ...] = ()  # (number, where it comes from), such as ("read", "CACTI 7, ...")
    loads_serve: float = 1.0  # inferences that one load of learned weights serves (`Chip.inferences_per_load`)
    formats: tuple[tuple[str, Format], ...] = ()  # (role, how it is kept); without one it is kept as it is
    skips: Conditions = ()  # accesses that are left out, and take no time, where all that the operands hold is zero
    gates: Conditions = ()  # accesses that are left out and take their time all the same
    serves: tuple[str, ...] = ()  # axes of the fan-out right above along which one instance serves every place

    def __post_init__(self) -> None:
        check_conditions(f"memory {self.name!r}: skips", self.skips)
        check_conditions(f"memory {self.name!r}: gates", self.gates)
        for r, _ in self.formats:
            if r not in ROLES:
                raise unknown_name("tensor role", r, ROLES)
        for r in self.keeps + self.may_keep:
            if r not in ROLES:
                raise unknown_name("tensor role", r, ROLES)
        if self.capacity_bits is not None and self.capacity_bits < 1:
            raise SpecError(f"memory {self.name!r}: capacity {self.capacity_bits} b", hint="give a positive size")
        if self.word_bits < 1:
            raise SpecError(f"memory {self.name!r}: word of {self.word_bits} b", hint="give at least 1 b")
        for what, pj in (("read", self.read_pj), ("write", self.write_pj)):
            if pj is not None and not (pj >= 0 and math.isfinite(pj)):
                raise SpecError(f"memory {self.name!r}: {what} energy {pj} pJ", hint="energies are finite and not negative")

    def format_of(self, role: str) -> Format:
        """How tensors of the role are kept."""
        return next((f for r, f in self.formats if r == role), DENSE)

    def keeps_role(self, role: str) -> str:
        """ "must", "may" or "never"."""
        return "must" if role in self.keeps else "may" if role in self.may_keep else "never"

    def accesses_per_word(self, bits: float) -> float:
        """Memory accesses for one tensor word of `bits` (a fraction where several share an access).

        What lies beyond whole bits is the word's share of a scale, which is packed apart: 4.25 b in words of 64 b takes
        1/16 + 0.25/64.
        """
        whole = int(bits)
        own = 1.0 / (self.word_bits // whole) if whole <= self.word_bits else float(-(-whole // self.word_bits))
        return own if whole == bits else own + (bits - whole) / self.word_bits

    def usable_bits(self) -> int | None:
        """Capacity that tiles may fill, in bits."""
        if self.capacity_bits is None:
            return None
        return self.capacity_bits // 2 if self.double_buffered else self.capacity_bits


@dataclass(frozen=True)
class Group:
    """Peer memories of one place (the three scratchpads of an Eyeriss PE); a tensor is kept in at most one of them."""

    memories: tuple[Memory, ...]

    def __post_init__(self) -> None:
        for r in ROLES:
            if sum(m.keeps_role(r) == "must" for m in self.memories) > 1:
                raise SpecError(f"two peer memories must keep {r!r}", hint="peers keep different tensors")
            if sum(m.keeps_role(r) != "never" for m in self.memories) > 1:
                raise SpecError(f"two peer memories may keep {r!r}", hint="let one peer keep each tensor")

    def memory_for(self, role: str) -> Memory | None:
        """The peer that may or must keep the role, or None."""
        return next((m for m in self.memories if m.keeps_role(role) != "never"), None)


@dataclass(frozen=True)
class Axis:
    """One axis of a fan-out. `dims`: the dimensions that may be unrolled along it (None: any of the layer).

    `reuses`: roles that must not change along the axis, so that only dimensions irrelevant to them are unrolled.
    `kinds`: the kinds of dimensions (`workload.kinds`) that may be unrolled, whatever their letters (None: any).
    """

    name: str
    size: int
    dims: tuple[str, ...] | None = None
    reuses: tuple[str, ...] = ()
    kinds: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.size < 1:
            raise SpecError(f"axis {self.name!r}: fan-out {self.size}", hint="a fan-out is 1 or more")
        for r in self.reuses:
            if r not in ROLES:
                raise unknown_name("tensor role", r, ROLES)
        for k in self.kinds or ():
            if k not in KINDS:
                raise unknown_name("kind of dimension", k, KINDS)

    def allows(self, layer: Layer, dim: str) -> bool:
        """Whether the dimension may be unrolled along this axis."""
        if self.dims is not None and dim not in self.dims:
            return False
        if self.kinds is not None and kind(layer, dim) not in self.kinds:
            return False
        return not any(dim in t.dims for t in layer.tensors if t.role in self.reuses)


@dataclass(frozen=True)
class FanOut:
    """What is inside exists product(axes) times.

    `multicast`: one read of the memory above serves all equal tiles; `reduction`: partial sums of one element merge on
    the way out. Either may be switched off. `links`: dimensions along which neighbours pass on overlapping inputs.
    `transfer_pj` is the energy of one link of the network for a word of `transfer_bits` that reaches or leaves one inner
    instance over `hops` links on average. `bits_per_cycle`: what passes the network's root, on either way (None: without limit).
    `waits`: when instances that skip different work wait for one another: "never" (no imbalance), at the end of the "layer",
    whenever a loop above the fan-out moves on ("tile"), or at every "step".
    """

    name: str
    axes: tuple[Axis, ...]
    multicast: bool = True
    reduction: bool = True
    links: tuple[str, ...] = ()
    transfer_pj: float | None = 0.0
    transfer_bits: int = 16
    source: str = ""
    sources: tuple[tuple[str, str], ...] = ()
    loads_serve: float = 1.0
    waits: str = "tile"
    bits_per_cycle: float | None = None
    hops: float = 1.0

    def __post_init__(self) -> None:
        if self.waits not in WAITS:
            raise unknown_name("time to wait", self.waits, WAITS)
        if not self.axes:
            raise SpecError(f"fan-out {self.name!r} has no axis", hint="give at least one axis with its size")
        if self.bits_per_cycle is not None and not self.bits_per_cycle > 0:
            raise SpecError(f"fan-out {self.name!r}: {self.bits_per_cycle} bits per cycle", hint="give a positive bandwidth")
        if not (self.hops >= 0 and math.isfinite(self.hops)):
            raise SpecError(f"fan-out {self.name!r}: {self.hops} hops", hint="hops are 0 or more")

    @property
    def size(self) -> int:
        return math.prod(a.size for a in self.axes)

    @cached_property
    def along(self) -> frozenset[str]:
        """The names of its axes."""
        return frozenset(a.name for a in self.axes)

    def part(self, axes: Collection[str]) -> tuple[FanOut, ...]:
        """The fan-out along some of its axes only: what a word passes that need not cross the others; () where none is left."""
        kept = tuple(a for a in self.axes if a.name in axes)
        return (self,) if kept == self.axes else (replace(self, axes=kept),) if kept else ()


@dataclass(frozen=True)
class Compute:
    """The MAC units. `mac_pj` per MAC of `bits` x `bits`; `scaling` names how energy follows the operand widths.

    Operands with a number format change the units: `mac_pj` then goes with the law of `format_mac`, relative to `number`, the
    format that `mac_pj` is for (default: integers of `bits`).
    `skips` and `gates`: operands whose zeros a unit sees; a skipped MAC takes no cycle, a gated one takes its cycle and
    `gated_pj`. `speed`: "fixed"; "serial_input" or "serial_weight" (cycles follow that operand's bits); "composed" (MACs
    per cycle grow by the powers of two that both operands are narrower than `bits`, as in fused multiplier blocks).
    """

    name: str
    mac_pj: float | None
    bits: int = 16
    scaling: str = "none"  # "none" or "quadratic": pj * (weight bits * input bits) / bits^2
    macs_per_cycle: float = 1.0
    leakage_mw: float | None = None
    area_um2: float | None = None
    source: str = ""
    sources: tuple[tuple[str, str], ...] = ()
    number: str = ""  # the number format of the operands that mac_pj is for
    skips: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    gated_pj: float = 0.0
    speed: str = "fixed"
    narrowest: int = 1  # bits below which a "composed" or serial unit gains no more

    @property
    def declared_bits(self) -> int:
        """The narrowest operands that these units declare to gain from (0: any width): their own, unless they scale.

        Nothing says either that a chip whose MACs do not scale can unpack narrower words from its memories.
        """
        return 0 if self.scaling != "none" or self.speed != "fixed" else min(16, self.bits)

    def __post_init__(self) -> None:
        for r in (*self.skips, *self.gates):
            if r not in OPERANDS:
                raise unknown_name("operand", r, OPERANDS)
        if both := set(self.skips) & set(self.gates):
            raise SpecError(
                f"compute {self.name!r} skips and gates {sorted(both)[0]!r}", hint="a zero is either skipped or gated"
            )
        if self.speed not in SPEEDS:
            raise unknown_name("speed", self.speed, SPEEDS)
        if self.mac_pj is not None and not (self.mac_pj >= 0 and math.isfinite(self.mac_pj)):
            raise SpecError(f"compute {self.name!r}: {self.mac_pj} pJ per MAC", hint="energies are finite and not negative")
        if self.scaling not in ("none", "quadratic", "array"):
            raise unknown_name("MAC energy scaling", self.scaling, ("none", "quadratic"))

    def per_cycle(self, layer: Layer) -> float:
        """MACs per cycle of one unit for the operand widths of this layer."""
        if self.speed == "fixed":
            return self.macs_per_cycle
        widths = {t.role: max(self.narrowest, t.bits) for t in layer.tensors if t.role != "output"}
        if self.speed == "composed":
            pieces = [
                2 ** math.floor(math.log2(self.bits / b)) if b <= self.bits else 1 / -(-b // self.bits) for b in widths.values()
            ]
            return self.macs_per_cycle * math.prod(pieces)
        return self.macs_per_cycle * self.bits / widths.get(self.speed.removeprefix("serial_"), self.bits)

    def energy_pj(self, layer: Layer) -> float:
        """pJ of one MAC of this layer; NaN-free: unknown energy raises."""
        if self.mac_pj is None:
            raise SpecError(f"compute {self.name!r}: the energy of a MAC is unknown", hint="set mac_pj")
        if self.scaling == "array":  # made for the layer's widths, see `Chip.at`
            return self.mac_pj
        if any(t.number for t in layer.tensors if t.role != "output"):
            return self.mac_pj * self._format_ratio(layer)
        if self.scaling == "none":
            return self.mac_pj
        operands = [t.bits for t in layer.tensors if t.role != "output"]
        return self.mac_pj * math.prod(operands) / self.bits ** len(operands)

    def _format_ratio(self, layer: Layer) -> float:
        """What a MAC of the layer's number formats takes, relative to one of the chip's own; a width alone is an integer."""
        names = [t.number or f"int{max(2, round(t.bits))}" for t in layer.tensors if t.role != "output"]
        own = self.number or f"int{self.bits}"
        return energy_ratio(names[0], names[-1], (own, own))


@dataclass(frozen=True)
class Stay:
    """For how long a memory keeps its tile of a tensor: what makes a mapping stationary.

    `whole`: kinds of dimensions with no temporal loop above the tile, so that it stays until they are done. `single`: kinds
    along which the tile is one index wide.
    """

    memory: str
    role: str
    whole: tuple[str, ...] = ()
    single: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise unknown_name("tensor role", self.role, ROLES)
        for k in (*self.whole, *self.single):
            if k not in KINDS:
                raise unknown_name("kind of dimension", k, KINDS)


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

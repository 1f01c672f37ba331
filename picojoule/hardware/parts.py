"""The parts of a chip: memories with their ports, groups of peers, fan-outs with their axes, MAC units, and how long tiles stay.

Energies are picojoules per access of one memory word, or per MAC; `None` is "unknown" and is never treated as zero.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property

from picojoule.ask import ROLES
from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.components.format_mac import energy_ratio
from picojoule.hardware.compression import DENSE, Format
from picojoule.workload.kinds import KINDS, kind
from picojoule.workload.layer import Layer

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

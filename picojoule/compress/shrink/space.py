"""What a search may change in a network, unit by unit, each from mild to hard; and the plan of a choice.

weights of L    bits of a layer's weights
inputs of L     bits of an activation, for all layers that read it (it is stored once)
channels of G   channels that a group keeps (layers that share channels change together)
zeros of L      share of a layer's weights that stay; only where the chip makes use of zeros
rank of L       two thinner layers for one; only where they have fewer weights
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

from picojoule.compress.plan import Plan, Storage
from picojoule.errors import unknown_name
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network

if TYPE_CHECKING:
    from picojoule.compress.prune.structured import Structure, Width
    from picojoule.compress.shrink.pricing import Pricer

TECHNIQUES = ("quantise", "channels", "zeros", "rank")
START_BITS = 8
WEIGHT_BITS = (8, 6, 5, 4, 3, 2)
INPUT_BITS = (8, 6, 5, 4, 3, 2)
SHARES = (1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25)  # of the channels
DENSITIES = (1.0, 0.7, 0.5, 0.35, 0.25)
RANKS = (0.75, 0.5, 0.25)  # of the rank at which the two factors have as many weights as the layer
FIELDS = {"weights": "weight_bits", "inputs": "input_bits", "zeros": "density", "rank": "rank"}  # of a layer's plan
KINDS = {"weights": "quantise", "inputs": "quantise", "channels": "channels", "zeros": "zeros", "rank": "rank"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One thing that may change. `layers`: whose; `values` from untouched to most changed."""

    kind: str  # "weights", "inputs", "channels", "zeros", "rank"
    name: str
    layers: tuple[str, ...]
    values: tuple[float | int | None, ...]

    @property
    def technique(self) -> str:
        return KINDS[self.kind]

    @property
    def label(self) -> str:
        return f"{self.kind} of {self.name}"

    def value(self, level: int) -> str:
        """A value as people write it."""
        v = self.values[level]
        if self.kind in ("weights", "inputs"):
            return f"{v} b"
        if self.kind == "channels":
            return f"{v} of {self.values[0]}"
        return "whole" if v is None or v == 1.0 else f"rank {v}" if self.kind == "rank" else f"{100 * float(v):.0f} % kept"

    def put(self, plan: Plan, level: int) -> Plan:
        """The plan with this unit at a level."""
        v = self.values[level]
        if self.kind == "channels":
            return plan if level == 0 else plan.keeping(self.name, int(v or 1))
        for layer in self.layers:
            plan = plan.but(layer, **{FIELDS[self.kind]: v})
        return plan

    def level(self, plan: Plan) -> int:
        """The level at which a plan of the space has this unit."""
        if self.kind == "channels":
            return self.values.index(plan.kept(self.name, int(self.values[0] or 1)))
        return self.values.index(getattr(plan.of(self.layers[0]), FIELDS[self.kind]))


Choice = tuple[int, ...]  # a level for every unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Units of a network. A choice of all zeros is the uniform network of `START_BITS`.

    `shapes`: the layers that a rank may split, and `structure`, which says what channels that go leave of them.
    """

    units: tuple[Unit, ...]
    layers: tuple[str, ...]
    shapes: tuple[Layer, ...] = ()
    structure: Structure | None = None

    @property
    def start(self) -> Choice:
        return (0,) * len(self.units)

    def plan(self, choice: Choice) -> Plan:
        """What a choice makes of the network."""
        plan = Plan.uniform(self.layers, weight_bits=START_BITS, input_bits=START_BITS)
        for unit, level in zip(self.units, choice, strict=True):
            plan = unit.put(plan, level)
        return self._whole_where_two_are_not_thinner(plan)

    def choice(self, plan: Plan) -> Choice:
        """The choice whose plan this is: `space.plan(space.choice(plan)) == plan` for every plan of the space."""
        return tuple(u.level(plan) for u in self.units)

    def _whole_where_two_are_not_thinner(self, plan: Plan) -> Plan:
        """The plan without the ranks that channels which went have made useless: ranks are offered for layers as they are."""
        if self.structure is None or not plan.channels:
            return plan
        widths: Mapping[str, Width] = {}
        for layer in self.shapes:
            rank = plan.of(layer.name).rank
            if rank is not None:
                widths = widths or self.structure.widths(dict(plan.channels))
                out, into = _matrix(layer, widths.get(layer.name)) or (0, 0)
                if not 2 <= rank < min(out, into) or rank * (out + into) >= out * into:
                    plan = plan.but(layer.name, rank=None)
        return plan

    def only(self, techniques: Sequence[str]) -> Space:
        """The same space with the units of these techniques alone."""
        for t in techniques:
            if t not in TECHNIQUES:
                raise unknown_name("technique", t, TECHNIQUES)
        return replace(self, units=tuple(u for u in self.units if u.technique in techniques))

    def everywhere(self, technique: str, level: int) -> Choice:
        """One technique at this level (or its last) in all its units, the others untouched."""
        return tuple(min(level, len(u.values) - 1) if u.technique == technique else 0 for u in self.units)


def space_of(base: Network, structure: Structure | None, pricer: Pricer | None, techniques: Sequence[str] = TECHNIQUES) -> Space:
    """All units of a network of torch modules. Bits and zeros are left out where `pricer`'s chip gains nothing by them."""
    layers = [s.layer for s in base.layers if any(t.learned for t in s.layer.tensors)]
    names = tuple(layer.name for layer in layers)
    units = []
    if pricer is None or pricer.least_bits < START_BITS:
        units += [Unit(kind="weights", name=n, layers=(n,), values=WEIGHT_BITS) for n in names]
        units += [Unit(kind="inputs", name=r[0], layers=r, values=INPUT_BITS) for r in Storage(base).sharing()]
    for group in structure.groups if structure else ():
        values = tuple(dict.fromkeys(max(1, round(group.size * s)) for s in SHARES))
        units.append(Unit(kind="channels", name=group.name, layers=structure.affected(group.name), values=values))  # type: ignore[union-attr]
    start = Space(units=(), layers=names).plan(())
    for layer in layers:
        if pricer is not None and "zeros" in techniques and pricer.uses_zeros(layer.name, start.of(layer.name)):
            units.append(Unit(kind="zeros", name=layer.name, layers=(layer.name,), values=DENSITIES))
        if ranks := _ranks(layer):
            units.append(Unit(kind="rank", name=layer.name, layers=(layer.name,), values=(None, *ranks)))
    return Space(units=tuple(units), layers=names, shapes=tuple(layers), structure=structure).only(techniques)


def _ranks(layer: Layer) -> tuple[int, ...]:
    """Ranks at which the two factors have fewer weights than the layer."""
    matrix = _matrix(layer)
    if matrix is None:
        return ()
    out, into = matrix
    even = out * into / (out + into)  # here r (out + into) = out x into
    return tuple(r for r in dict.fromkeys(int(even * s) for s in RANKS) if 2 <= r < min(out, into))


def _matrix(layer: Layer, width: Width | None = None) -> tuple[int, int] | None:
    """(results, summed): the matrix of a layer's weights, with its channels as `width` leaves them; None for a grouped one."""
    weight = next(t for t in layer.tensors if t.role == "weight")
    made, summed = {"W": ("K", "C"), "B": ("N", "K")}.get(weight.name, ("", ""))
    shape = dict(zip((r.terms[0][1] for r in weight.ranks), layer.shape(weight), strict=True))
    if made not in shape or "G" in shape:
        return None
    if width is not None:
        shape |= {made: width.out, summed: width.into}
    return shape[made], prod(n for d, n in shape.items() if d != made)

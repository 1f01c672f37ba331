"""Single changes of a chip, or of how it is used: the candidates of the bottleneck advice, each with what it costs.

Nothing is free. A memory twice as large has longer lines: its energy per access grows with the square root of its capacity, as in
Horowitz (ISSCC 2014: 8 KiB 10 pJ, 32 KiB 20 pJ, 1 MiB 100 pJ), its leakage and area double. An array twice as large has longer
wires: its transfer energy grows with the square root of its area. Bandwidth costs pins or wires; the energy of a bit stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

from picojoule.hardware.chip import Axis, Chip, FanOut, Group, Memory

GROWN = sqrt(2.0)  # energy per access of a memory, and per transfer of a network, twice as large


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change. `chip` is the chip after it; `batch` and `bits` say how the network is run on it (None: as before).

    `kind`: "bandwidth", "buffer", "PEs", "lanes", "dataflow", "precision" or "batch". `price`: what it costs, in words.
    """

    name: str
    kind: str
    chip: Chip
    price: str
    batch: int | None = None
    bits: int | None = None


def changes(chip: Chip, batch: int, bits: int, *, any_batch: bool = True) -> tuple[Change, ...]:
    """Every single change that this chip offers, in a fixed order. `any_batch` False: the network takes no other batch."""
    out = [*_bandwidths(chip), *_buffers(chip), *_arrays(chip), *_lanes(chip), *_dataflows(chip)]
    if bits % 2 == 0 and bits >= 8:
        price = "accuracy has to be checked" + ("; the MACs stay as they are" if chip.compute.scaling == "none" else "")
        out.append(Change(name=f"{bits // 2} b instead of {bits} b", kind="precision", chip=chip, price=price, bits=bits // 2))
    if any_batch:
        price = "twice the inputs wait for one result; activations of two inputs are held"
        out.append(Change(name=f"batch {2 * batch}", kind="batch", chip=chip, price=price, batch=2 * batch))
    return tuple(out)


def _bandwidths(chip: Chip) -> list[Change]:
    out = []
    for m in chip.memories:
        if m.ports:
            faster = replace(m, ports=tuple(replace(p, bits_per_cycle=2 * p.bits_per_cycle) for p in m.ports))
            price = "twice the pins or channels" if m in chip.outermost and chip.scope == "system" else "twice the wires or banks"
            name, changed = f"{m.name} bandwidth x2", with_memory(chip, m.name, faster)
            out.append(Change(name=name, kind="bandwidth", chip=changed, price=price))
    return out


def _buffers(chip: Chip) -> list[Change]:
    """Every memory that holds more than the words in flight."""
    out = []
    for m in chip.memories:
        if m.capacity_bits is None or m.technology == "register":
            continue
        larger = replace(
            m, capacity_bits=2 * m.capacity_bits, read_pj=_times(m.read_pj, GROWN), write_pj=_times(m.write_pj, GROWN),
            leakage_mw=_times(m.leakage_mw, 2), area_um2=_times(m.area_um2, 2),
        )  # fmt: skip
        price = "twice its area and leakage; energy per access x1.41"
        out.append(Change(name=f"{m.name} size x2", kind="buffer", chip=with_memory(chip, m.name, larger), price=price))
    return out


def _arrays(chip: Chip) -> list[Change]:
    """Every axis twice as long."""
    out = []
    for f in chip.fanouts:
        for axis in f.axes:
            axes = tuple(replace(a, size=2 * a.size) if a is axis else a for a in f.axes)
            wider = replace(f, axes=axes, transfer_pj=_times(f.transfer_pj, GROWN))
            name = f"{f.name} {axis.name} x2 (PEs x2)"
            price = "twice the area and leakage of what is inside; transfer energy x1.41"
            out.append(Change(name=name, kind="PEs", chip=_with_level(chip, f, wider), price=price))
    return out


def _lanes(chip: Chip) -> list[Change]:
    """Twice the lanes of the vector unit, where its rate is known."""
    unit = chip.vector
    if unit is None or unit.lanes is None:
        return []
    wider = replace(chip, vector=replace(unit, lanes=2 * unit.lanes))
    return [Change(name=f"{unit.name} lanes x2", kind="lanes", chip=wider, price="twice the area of the lanes")]


def _dataflows(chip: Chip) -> list[Change]:
    """The array freed of what it may unroll, where it is bound."""
    bound = [f for f in chip.fanouts if any(a.dims is not None or a.reuses for a in f.axes)]
    if not bound:
        return []
    freed = chip
    for f in bound:
        axes = tuple(Axis(a.name, a.size) for a in f.axes)
        freed = _with_level(freed, f, replace(f, axes=axes))
    price = "an interconnect that carries any operand anywhere; its extra energy is not counted"
    return [Change(name="any dimension on any axis", kind="dataflow", chip=freed, price=price)]


def with_memory(chip: Chip, name: str, memory: Memory) -> Chip:
    """The chip with another memory in the place of the one of this name."""

    def swapped(level: Group | FanOut) -> Group | FanOut:
        if isinstance(level, FanOut):
            return level
        return Group(tuple(memory if m.name == name else m for m in level.memories))

    return replace(chip, levels=tuple(map(swapped, chip.levels)))


def _with_level(chip: Chip, old: FanOut, new: FanOut) -> Chip:
    return replace(chip, levels=tuple(new if lv is old else lv for lv in chip.levels))


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor

"""Mappings for chips whose weights stay in their arrays: where they go decides nearly everything, so they are placed first.

A general search would weigh reloading weights against moving sums. On a chip that loads its weights once for many inferences the
weights are laid out over the arrays (contracted dimensions along the rows, those of the output alone along the columns, what is
left over further arrays, and over the depth of the cells), copies of the layer take the arrays that remain, and the rest of the
loops runs over pixels and batch. A handful of such mappings is priced with the true cost; a floor that no mapping can undercut
gives the gap. What does not fit is loaded again, outermost, and paid for as any load is.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil, prod
from typing import Any

from picojoule.cost.cost import Cost
from picojoule.cost.model import evaluate
from picojoule.errors import MappingError, NoMapping
from picojoule.hardware.chip import Axis, Chip, FanOut, Group, tensor_word_pj
from picojoule.mapping.mapping import Loop, Mapping, Node, check
from picojoule.search.gaps import gap as gap_of
from picojoule.workload.layer import Layer

KEYS = {"energy": lambda c: c.energy_pj, "latency": lambda c: (c.cycles, c.energy_pj),
        "edp": lambda c: c.energy_pj * c.cycles, "front": lambda c: c.energy_pj * c.cycles}  # fmt: skip


def keeps_weights(layer: Layer, chip: Chip) -> bool:
    """Whether the layer is placed rather than searched: learned weights on a chip that loads them for many inferences."""
    return chip.array is not None and chip.inferences_per_load > 1 and any(t.learned for t in layer.tensors)


@dataclass(frozen=True)
class Placed:
    """The best of the placements with its cost, the floor of any mapping's cost, and what the certificate says."""

    mapping: Mapping
    cost: Cost
    gap: float
    certificate: dict[str, Any]
    cpu_s: float


def place(layer: Layer, chip: Chip, objective: str) -> Placed:
    """The best placement of the layer's weights for the objective. Raises NoMapping where none fits."""
    began = time.process_time()
    chip = chip.at(layer)
    found, why = [], ""
    for mapping in placements(layer, chip):
        try:
            check(mapping, layer, chip)
        except MappingError as e:
            why = e.problem
            continue
        found.append((mapping, evaluate(layer, chip, mapping)))
    if not found:
        raise NoMapping(f"no placement of layer {layer.name!r} on {chip.name!r}: {why}", hint="enlarge the buffers of the array")
    mapping, cost = min(found, key=lambda x: KEYS[objective](x[1]))
    pj, cycles = floor(layer, chip)
    value, least = {"energy": (cost.energy_pj, pj), "latency": (cost.cycles, cycles)}.get(
        objective, (cost.energy_pj * cost.cycles, pj * cycles)
    )
    gap = gap_of(value, least)
    text = {"objective": objective, "space": "placement", "accounting": "default", "placements": len(found), "proved": False,
            "gap": gap, "value": value, "lower_bound": least,
            "floor_pj": pj, "floor_cycles": cycles, "mapping": str(mapping), "energy_pj": cost.energy_pj,
            "cycles": cost.cycles}  # fmt: skip
    return Placed(mapping, cost, gap, text, time.process_time() - began)


def floor(layer: Layer, chip: Chip) -> tuple[float, float]:
    """(pJ, cycles) that no mapping undercuts: full arrays, every input read and every output written once outside."""
    rows, columns = chip.fanouts[-1].axes
    inputs, sums = (m for m in chip.memories[-3:-1])
    pj = layer.macs * chip.compute.energy_pj(layer)
    for t in layer.tensors:
        if t.role != "weight":
            memory, action, shared = (inputs, "read", columns) if t.role == "input" else (sums, "write", rows)
            pj += layer.macs / shared.size * tensor_word_pj(memory, t, action)
            pj += layer.elements(t) * tensor_word_pj(chip.home(t.role), t, action)
    return pj, layer.macs / chip.pes / chip.compute.macs_per_cycle


# Building one ------------------------------------------------------------------------------------------------------------------
@dataclass
class _Room:
    """An axis of a fan-out with the places still free, and what is unrolled there."""

    fanout: FanOut
    axis: Axis
    left: int
    loops: list[Loop] = field(default_factory=list)


@dataclass
class _Builder:
    """Loops laid down from the inside out; `done` is how far each dimension is covered."""

    layer: Layer
    done: dict[str, int]

    def need(self, dim: str) -> int:
        """Passes that are left over a dimension."""
        return ceil(self.layer.bounds[dim] / self.done[dim])

    def unroll(self, dim: str, most: int, room: _Room) -> None:
        """Unroll up to `most` of a dimension along an axis, in equal passes."""
        n = min(most, self.need(dim), room.left)
        n = ceil(self.need(dim) / ceil(self.need(dim) / n)) if n > 1 else 1
        if n > 1 and room.axis.allows(self.layer, dim):
            room.loops.append(Loop(dim, n, room.fanout.name, room.axis.name))
            room.left //= n
            self.done[dim] *= n

    def loop(self, dim: str, most: int | None = None) -> list[Loop]:
        """A temporal loop over what is left of a dimension (or `most` of it)."""
        n = self.need(dim) if most is None else min(most, self.need(dim))
        self.done[dim] *= n
        return [Loop(dim, n)] if n > 1 else []


def placements(layer: Layer, chip: Chip) -> Iterator[Mapping]:
    """A handful of placements: ways to fill the rows, and which pixels the copies share out."""
    sums, moving = _contracted(layer), _moving(layer)
    orders = [moving, moving[::-1]] if len(moving) > 1 else [moving]
    rows = chip.fanouts[-1].axes[0].size
    for tile, order, copies in itertools.product(_row_tiles(layer, sums, rows), orders, (True, False)):
        yield _build(layer, chip, tile, order, copies)


def _contracted(layer: Layer) -> list[str]:
    return [d for d, _ in layer.dims if d not in layer.output.dims]


def _moving(layer: Layer) -> list[str]:
    """Dimensions that the weights lack: pixels and batch."""
    weights = next(t for t in layer.tensors if t.role == "weight")
    return [d for d, _ in layer.dims if d not in weights.dims]


def _row_tiles(layer: Layer, dims: list[str], rows: int) -> list[dict[str, int]]:
    """How the contracted dimensions may share the rows: the tiles with the fewest row groups, windows whole or channels whole."""
    sizes = [sorted({ceil(layer.bounds[d] / k) for k in range(1, min(layer.bounds[d], 4 * rows) + 1)}) for d in dims]
    found: dict[tuple[int, ...], int] = {}
    for inner in itertools.product(*sizes[1:]):
        rest = rows // prod(inner)
        first = max((s for s in (sizes[0] if sizes else [1]) if s <= rest), default=0)
        if first:
            tile = (first, *inner) if sizes else ()
            found[tile] = prod(ceil(layer.bounds[d] / t) for d, t in zip(dims, tile, strict=True))
    least = min(found.values())
    best = sorted(t for t, n in found.items() if n == least)
    return [dict(zip(dims, t, strict=True)) for t in dict.fromkeys((best[0], best[-1]))]


def _build(layer: Layer, chip: Chip, tile: dict[str, int], moving: list[str], copies: bool) -> Mapping:
    """From the inside out: rows and columns, depth of the cells, other arrays, copies, then the loops over time."""
    names = {t.role: t.name for t in layer.tensors}
    periphery, cells = chip.levels[-3], chip.levels[-1]
    assert isinstance(periphery, Group) and isinstance(cells, Group)
    b = _Builder(layer, dict.fromkeys(layer.bounds, 1))
    array = chip.fanouts[-1]
    rows, columns = (_Room(array, a, a.size) for a in array.axes)
    alone = [d for d, _ in layer.dims if d not in moving and d not in tile and columns.axis.allows(layer, d)]
    held = [d for d in layer.bounds if d not in moving]
    others = [_Room(f, a, a.size) for f in reversed(chip.fanouts[:-1]) for a in f.axes]
    for d, n in tile.items():
        b.unroll(d, n, rows)
    for d in alone:
        b.unroll(d, columns.left, columns)
    depth = (cells.memories[0].capacity_bits or 0) // cells.memories[0].word_bits
    inside: list[Loop] = []
    for d in held:
        loops = b.loop(d, depth)
        depth //= prod(x.bound for x in loops)
        inside += loops
    for d in held:
        for room in others:
            b.unroll(d, room.left, room)
    for d in moving if copies else ():
        for room in others:
            b.unroll(d, room.left, room)
    over_time = [x for d in moving[::-1] for x in b.loop(d)][::-1]
    again = [x for d in held for x in b.loop(d)]
    outer: list[Loop | Node] = [Node(chip.home(r).name, n) for r, n in names.items()]
    outer += [*again, *over_time]
    for level in chip.levels[1:-3]:
        if isinstance(level, FanOut):
            outer += [x for room in others if room.fanout is level for x in room.loops[::-1]]
        else:
            outer += [Node(m.name, names[r]) for m in level.memories for r in m.keeps if r in names]
    outer += [Node(m.name, names[r]) for m, r in zip(periphery.memories, ("input", "output"), strict=True)]
    outer += [*rows.loops[::-1], *columns.loops[::-1], Node(cells.memories[0].name, names["weight"]), *inside]
    return Mapping(tuple(outer))

"""A mapping: loops and storage nodes, from the outside in, as a value that prints, parses and is checked.

Compact text, one mapping a line or wrapped at will (the same text is accepted everywhere a mapping is read):

    DRAM{A,B,Z}; m4 n4; Buffer{Z}; k8; Buffer{A,B}; Y:n16, X:m16; RF{Z}; k128; RF{A}; n16; RF{B}; m16
    home Buffer{A}; DRAM{B,Z}; ...

`Buffer{A,B}` are storage nodes: from here inwards the memory holds the tile of A and of B that the loops below touch.
`m4` is a temporal loop of 4 passes over M, `X:m16` unrolls 16 of M along axis X of the fan-out above the next memory.
The extent of a dimension below its outermost loop is the product of the loops inside; the outermost runs
ceil(N / that) times, so its last pass may be ragged (bounds of inner loops divide exactly).
`home Buffer{A}`: A starts (an output: ends) in the buffer, and not in the outermost memory as all others do; it has no node
there or further out, and what it takes there is no concern of this layer.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property

from picojoule.errors import MappingError, SpecError, unknown_name
from picojoule.hardware.chip import Chip, FanOut, Group, Memory
from picojoule.mapping.dataflow import violations
from picojoule.mapping.entries import Loop, Node
from picojoule.mapping.footprint import tile_bits
from picojoule.workload.layer import Layer, Tensor

__all__ = ["Loop", "Mapping", "Node", "check", "check_homes", "parse"]  # the words of a mapping, together


@dataclass(frozen=True)
class Mapping:
    """`entries` from the outside in. Build with `parse`, check against layer and chip with `check`.

    `homes`: (tensor, on-chip memory) of the tensors that start or end there, and not in the chip's outermost memory.
    """

    entries: tuple[Loop | Node, ...]
    homes: tuple[tuple[str, str], ...] = ()

    def home(self, tensor: Tensor, chip: Chip) -> Memory:
        """The memory in which the tensor starts, or ends."""
        named = dict(self.homes).get(tensor.name) if self.homes else None
        return chip.memory(named) if named else chip.home(tensor.role)

    @cached_property
    def extents_below(self) -> tuple[dict[str, int], ...]:
        """For each entry, the extent of every dimension below it (loops inside multiplied; 1 if no loop)."""
        out: list[dict[str, int]] = []
        now: dict[str, int] = {}
        for e in reversed(self.entries):
            out.append(dict(now))
            if isinstance(e, Loop):
                now[e.dim] = now.get(e.dim, 1) * e.bound
        return tuple(reversed(out))

    @property
    def extents(self) -> dict[str, int]:
        """Dimension -> extent that all loops together make, the idle passes of a ragged one included."""
        first, below = self.entries[:1], dict(self.extents_below[0]) if self.entries else {}
        for e in first:
            if isinstance(e, Loop):
                below[e.dim] = below.get(e.dim, 1) * e.bound
        return below

    def tile(self, i: int, layer: Layer, shared: tuple[FanOut, ...] = ()) -> dict[str, int]:
        """Extents that entry i holds over all the layer's dimensions, clipped to the bounds; see `held`."""
        below = self.held(i, shared)
        return {d: min(n, below.get(d, 1)) for d, n in layer.dims}

    def held(self, i: int, shared: tuple[FanOut, ...] = ()) -> dict[str, int]:
        """Dimension -> extent that one instance of entry i holds: what the loops inside touch, for all places that it serves
        together (`Chip.shared_by`)."""
        out = dict(self.extents_below[i])
        for e in self.entries[:i] if shared else ():
            if isinstance(e, Loop) and any(e.along(f) for f in shared):
                out[e.dim] = out.get(e.dim, 1) * e.bound
        return out

    def spatial_extents(self, fanout: str) -> dict[str, int]:
        """Dimension -> extent unrolled at the fan-out (all axes multiplied)."""
        out: dict[str, int] = {}
        for e in self.entries:
            if isinstance(e, Loop) and e.fanout == fanout:
                out[e.dim] = out.get(e.dim, 1) * e.bound
        return out

    def __str__(self) -> str:
        parts: list[tuple[tuple[str, str], str, list[str]]] = []  # (what pieces of one part have in common, form, pieces)
        for e in self.entries:
            if isinstance(e, Node):
                key, form, piece = ("node", e.memory), e.memory + "{%s}", e.tensor
            elif e.spatial:
                key, form, piece = ("unrolled", e.fanout or ""), "%s", f"{e.axis}:{e.dim.lower()}{e.bound}"
            else:
                key, form, piece = ("loop", ""), "%s", f"{e.dim.lower()}{e.bound}"
            if parts and parts[-1][0] == key:
                parts[-1][2].append(piece)
            else:
                parts.append((key, form, [piece]))
        glue = {"node": ",", "unrolled": ", ", "loop": " "}
        at_home = dict.fromkeys(m for _, m in self.homes)
        starts = [f"home {m}{{{','.join(t for t, x in self.homes if x == m)}}}; " for m in at_home]
        return "".join(starts) + "; ".join(form % glue[key[0]].join(pieces) for key, form, pieces in parts)


_LOOP = re.compile(r"^(?:(?P<axis>\w+):)?(?P<dim>[A-Za-z_]+?)(?P<bound>\d+)$")
_NODE = re.compile(r"^(?P<home>home\s+)?(?P<memory>[\w.-]+)\s*\{(?P<tensors>[^}]*)\}$")


def parse(text: str, layer: Layer, chip: Chip, where: str = "") -> Mapping:
    """Read the compact text for this layer and chip and check it; errors name the piece that is wrong."""
    entries: list[Loop | Node] = []
    homes: list[tuple[str, str]] = []
    level = 0
    line, column0 = 1, 0
    position = 0
    for piece in text.split(";"):
        start = position + len(piece) - len(piece.lstrip())
        line = text.count("\n", 0, start) + 1
        column0 = start - (text.rfind("\n", 0, start) + 1) + 1
        position += len(piece) + 1
        piece = piece.strip()
        if not piece:
            continue
        at = f"{where}:{line}:{column0}" if where else f"mapping:{line}:{column0}"
        node = _NODE.match(piece)
        if node:
            try:
                place = chip.level_of(node["memory"])
            except SpecError as e:
                raise e.located(at) from None
            level = level if node["home"] else place
            if isinstance(chip.levels[place], FanOut):
                raise MappingError(f"{node['memory']!r} is a fan-out and stores nothing", where=at, hint="name a memory")
            for t in (x.strip() for x in node["tensors"].split(",") if x.strip()):
                names = [x.name for x in layer.tensors]
                if t not in names:
                    raise unknown_name("tensor", t, names, at)
                if node["home"]:
                    homes.append((t, node["memory"]))
                else:
                    entries.append(Node(node["memory"], t))
            continue
        for word in piece.replace(",", " ").split():
            m = _LOOP.match(word)
            if not m:
                raise MappingError(
                    f"cannot read {word!r}", where=at, hint="write a loop as m4, unrolled as X:m4, a node as Buffer{A}"
                )
            dim = next((d for d, _ in layer.dims if d.lower() == m["dim"].lower()), None)
            if dim is None:
                raise unknown_name("dimension", m["dim"], [d for d, _ in layer.dims], at)
            bound = int(m["bound"])
            if bound < 1:
                raise MappingError(f"loop {word!r} has no pass", where=at, hint="a loop runs 1 or more times")
            if m["axis"] is None:
                entries.append(Loop(dim, bound))
                continue
            fan = next(
                (f for f in chip.levels[level + 1 :] if isinstance(f, FanOut) and any(a.name == m["axis"] for a in f.axes)), None
            )
            if fan is None:
                known = [a.name for f in chip.levels[level + 1 :] if isinstance(f, FanOut) for a in f.axes]
                raise unknown_name("fan-out axis (below this memory)", m["axis"], known, at)
            entries.append(Loop(dim, bound, fan.name, m["axis"]))
    mapping = Mapping(tuple(e for e in entries if isinstance(e, Node) or e.bound > 1), tuple(homes))
    check(mapping, layer, chip, where or "mapping")
    return mapping


def check(mapping: Mapping, layer: Layer, chip: Chip, where: str = "mapping") -> None:
    """Raise MappingError unless the mapping is in the mapspace of layer and chip, capacities included."""
    chip = chip.at(layer)
    check_homes(mapping.homes, layer, chip, where)
    _check_order(mapping, layer, chip, where)
    _check_bounds(mapping, layer, where)
    _check_fanouts(mapping, layer, chip, where)
    _check_residence(mapping, layer, chip, where)
    _check_served(mapping, layer, chip, where)
    _check_capacity(mapping, layer, chip, where)
    _check_dataflow(mapping, layer, chip, where)


def check_homes(homes: tuple[tuple[str, str], ...], layer: Layer, chip: Chip, where: str = "mapping") -> None:
    """Raise MappingError unless each tensor has one home, in a memory that exists once and may keep it."""
    names = [t for t, _ in homes]
    for name, memory in homes:
        if name not in [t.name for t in layer.tensors]:
            raise unknown_name("tensor", name, [t.name for t in layer.tensors], where)
        if names.count(name) > 1:
            raise MappingError(f"{name} has two homes", where=where, hint="a tensor starts or ends in one memory")
        level, role = chip.level_of(memory), layer.tensor(name).role
        if level == 0:
            raise MappingError(f"{memory} is an outermost memory", where=where, hint=f"write {memory}{{{name}}}, without home")
        if any(isinstance(x, FanOut) for x in chip.levels[:level]):
            raise MappingError(
                f"{memory} lies below a fan-out and is no home", where=where, hint="a home is a memory that exists once"
            )
        if chip.memory(memory).keeps_role(role) == "never":
            raise MappingError(f"{memory} does not keep {role} tensors such as {name}", where=where, hint="choose another home")


def _check_order(mapping: Mapping, layer: Layer, chip: Chip, where: str) -> None:
    level, seen = 0, set()
    for e in mapping.entries:
        name = e.memory if isinstance(e, Node) else e.fanout
        if name is None:
            continue
        at = chip.level_of(name)
        if at < level:
            raise MappingError(
                f"{name} comes after {_level_name(chip, level)}, which lies inside it",
                where=where,
                hint="list nodes and unrolled loops from the outside in",
            )
        level = at
        if isinstance(e, Node):
            if (e.memory, e.tensor) in seen:
                raise MappingError(f"{e.memory} keeps {e.tensor} twice", where=where, hint="one node per tensor and memory")
            seen.add((e.memory, e.tensor))


def _level_name(chip: Chip, level: int) -> str:
    lv = chip.levels[level]
    return lv.name if isinstance(lv, FanOut) else lv.memories[0].name


def _check_bounds(mapping: Mapping, layer: Layer, where: str) -> None:
    for d, n in layer.dims:
        bounds = [e.bound for e in mapping.entries if isinstance(e, Loop) and e.dim == d]
        inner = math.prod(bounds[1:])
        need = -(-n // inner) if bounds else 1
        if (bounds or [1])[0] != need or (not bounds and n > 1):
            got = "x".join(map(str, bounds)) or "no loop"
            raise MappingError(
                f"the loops over {d} ({got}) do not cover its bound {n}",
                where=where,
                hint=f"the outermost loop over {d} must run ceil({n}/{inner}) = {-(-n // inner)} times",
            )


def _check_fanouts(mapping: Mapping, layer: Layer, chip: Chip, where: str) -> None:
    for f in chip.fanouts:
        for a in f.axes:
            loops = [e for e in mapping.entries if isinstance(e, Loop) and e.fanout == f.name and e.axis == a.name]
            used = math.prod(e.bound for e in loops)
            if used > a.size:
                raise MappingError(
                    f"axis {a.name} of {f.name} has {a.size} places and {used} are used",
                    where=where,
                    hint="unroll less along this axis",
                )
            for e in loops:
                if not a.allows(layer, e.dim):
                    raise MappingError(
                        f"{e.dim} may not be unrolled along axis {a.name} of {f.name}",
                        where=where,
                        hint="see the chip: dims and reuses of the axis",
                    )


def _check_residence(mapping: Mapping, layer: Layer, chip: Chip, where: str) -> None:
    nodes = {(e.memory, e.tensor) for e in mapping.entries if isinstance(e, Node)}
    at_home = {t: chip.level_of(m) for t, m in mapping.homes}
    for m in chip.memories:
        for t in layer.tensors:
            kept, rule = (m.name, t.name) in nodes, m.keeps_role(t.role)
            if t.name in at_home and chip.level_of(m.name) <= at_home[t.name]:
                if kept:
                    home = dict(mapping.homes)[t.name]
                    raise MappingError(
                        f"the home of {t.name} is {home}, and {m.name} keeps it too", where=where, hint="drop one of the two"
                    )
                continue
            if kept and rule == "never":
                raise MappingError(f"{m.name} does not keep {t.role} tensors such as {t.name}", where=where, hint="drop the node")
            if not kept and rule == "must":
                raise MappingError(
                    f"{m.name} must keep {t.name} and has no node for it", where=where, hint=f"add {m.name}{{{t.name}}}"
                )
    first = next((i for i, e in enumerate(mapping.entries) if isinstance(e, Loop)), len(mapping.entries))
    early = {(e.memory, e.tensor) for e in mapping.entries[:first] if isinstance(e, Node)}
    for t in layer.tensors:
        home = mapping.home(t, chip).name
        if t.name not in at_home and (home, t.name) not in early:
            raise MappingError(f"{t.name} must start in {home}, above every loop", where=where, hint="begin with its node")


def _check_served(mapping: Mapping, layer: Layer, chip: Chip, where: str) -> None:
    """Where one instance serves an axis: a dimension is unrolled along served axes or along others, not along both; and
    the places it serves touch one block of a sliding window, so that the tile is a box."""
    for m in (m for m in chip.memories if m.serves):
        (shared,) = chip.shared_by(m)
        loops = [(i, e) for i, e in enumerate(mapping.entries) if isinstance(e, Loop) and e.fanout == shared.name]
        inside = {e.dim for _, e in loops if e.axis in shared.along}
        for _, e in loops:
            if e.axis not in shared.along and e.dim in inside:
                served = ", ".join(sorted(shared.along))
                raise MappingError(
                    f"{e.dim} is unrolled along {e.axis} and along {served}, which {m.name} serves together",
                    where=where,
                    hint="unroll it on one side only",
                )
        for at, node in enumerate(mapping.entries):
            if isinstance(node, Node) and node.memory == m.name:
                boxed = _boxed(layer.tensor(node.tensor))
                for d in boxed & inside:
                    first = next(i for i, e in loops if e.dim == d)
                    if any(isinstance(e, Loop) and e.dim == d and not e.spatial for e in mapping.entries[first:at]):
                        raise MappingError(
                            f"a loop over {d} stands between the unrolled {d} of {shared.name} and {m.name}{{{node.tensor}}}",
                            where=where,
                            hint="move it further out, or below the node: the tile is to be one block of the sliding window",
                        )


def _boxed(tensor: Tensor) -> set[str]:
    """Dimensions of sliding windows and of padded ranks: there, which elements a tile has depends on where its pieces lie."""
    return {d for r in tensor.ranks if len(r.terms) > 1 or r.offset or r.size is not None for _, d in r.terms}


def _check_capacity(mapping: Mapping, layer: Layer, chip: Chip, where: str) -> None:
    for group in (g for g in chip.levels if isinstance(g, Group)):
        for m in group.memories:
            room = m.usable_bits()
            if room is None:
                continue
            parts, shared = [], chip.shared_by(m)
            for i, e in enumerate(mapping.entries):
                if isinstance(e, Node) and e.memory == m.name:
                    t = layer.tensor(e.tensor)
                    parts.append((t.name, tile_bits(layer, t, m, mapping.tile(i, layer, shared))))
            need = sum(b for _, b in parts)
            if need > room:
                detail = ", ".join(f"{t} {b:,} b" for t, b in parts)
                raise MappingError(
                    f"{m.name} holds {room:,} b and the tiles need {need:,} b ({detail})",
                    where=where,
                    hint="use smaller tiles, or let a tensor bypass the memory",
                )


def _check_dataflow(mapping: Mapping, layer: Layer, chip: Chip, where: str) -> None:
    found = violations(mapping, layer, chip) if chip.stays else ()
    if found:
        name = chip.dataflow or "dataflow"
        raise MappingError(f"this is not {name}: {found[0]}", where=where, hint="see `stays` of the chip")

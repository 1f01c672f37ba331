"""Random small layers, chips and mappings, seeded, to compare fast counts with the loop walker."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from picojoule.ask import ROLES
from picojoule.errors import MappingError
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory
from picojoule.mapping.footprint import tile_elements
from picojoule.mapping.mapping import Loop, Mapping, Node, check
from picojoule.workload.layer import Layer, Rank, Tensor, conv, gemm

KINDS = ("gemm", "conv1d", "conv2d", "depthwise", "grouped", "sum")


@dataclass(frozen=True)
class Features:
    """What may occur in a case. `points` bounds the walked points of the loop nest."""

    kinds: tuple[str, ...] = KINDS
    padding: bool = True
    ragged: bool = True
    bypass: bool = True
    peers: bool = True
    fanouts: int = 2  # at most
    switches: bool = True  # multicast and reduction may be off
    links: float = 0.15  # share of fan-outs with neighbour links
    serves: float = 0.0  # share of memories right below a fan-out that serve some of its axes together
    homes: float = 0.0  # share of chips with two outermost memories side by side, and of tensors whose home is on the chip
    capacities: bool = True  # half of the memories hold exactly what the mapping needs
    points: int = 500


def cases(n: int, seed: int, **features: object) -> Iterator[tuple[Layer, Chip, Mapping]]:
    """`n` legal triples; the same arguments give the same triples. Keywords are the fields of `Features`."""
    wanted = replace(Features(), **features)  # type: ignore[arg-type]
    rng = random.Random(seed)
    while n:
        case = _case(rng, wanted)
        if case:
            n -= 1
            yield case


def random_layer(rng: random.Random, kind: str, padding: bool = True) -> Layer:
    """A layer of a few points: strides, dilations and holes (stride beyond the kernel) included."""
    few = lambda high: rng.randint(1, high)  # noqa: E731
    if kind == "gemm":
        return gemm(M=few(6), N=few(6), K=rng.randint(2, 6), batch=rng.choice((1, 1, 2)))
    if kind == "sum":  # one operand: sums over a window, as average pooling does
        ranks = (Rank(((1, "C"),)), Rank(((few(3), "P"), (few(2), "R"))))
        tensors = Tensor("I", "input", ranks), Tensor("O", "output", (Rank(((1, "C"),)), Rank(((1, "P"),))))
        return Layer("sum", "Sum", (("C", few(4)), ("P", few(7)), ("R", few(5))), tensors)
    two_d = kind == "conv2d" or rng.random() < 0.2
    high = 4 if two_d else 7
    groups = {"depthwise": few(4), "grouped": 2}.get(kind, 1)
    k, c = (1, 1) if kind == "depthwise" else (few(3), few(3))
    p, q, r, s = rng.randint(2, high), few(high) if two_d else 1, few(high), few(high) if two_d else 1
    stride, dilation = rng.choice((1, 1, 2, 3)), rng.choice((1, 1, 2, 3))
    pad = rng.randint(0, min(2, dilation * (r - 1), dilation * (s - 1) if s > 1 else 2)) if padding and rng.random() < 0.4 else 0
    pads = (pad, pad if s > 1 else 0)
    spans = [(a - 1) * stride + dilation * (b - 1) + 1 - 2 * g for a, b, g in zip((p, q), (r, s), pads, strict=True)]
    if min(spans) < 1:
        pads, size = (0, 0), None
    else:
        size = (spans[0] + rng.choice((0, 0, 0, -1, 1)) if pads[0] and spans[0] > 1 else spans[0], spans[1])
    batch = rng.choice((1, 1, 1, 2))
    return conv(
        K=k * groups,
        C=c * groups,
        P=p,
        Q=q,
        R=r,
        S=s,
        stride=stride,
        dilation=dilation,
        pad=pads,
        size=size,
        batch=batch,
        groups=groups,
    )


def _case(rng: random.Random, f: Features) -> tuple[Layer, Chip, Mapping] | None:
    layer = random_layer(rng, rng.choice(f.kinds), f.padding)
    chip = _random_chip(rng, f)
    if f.serves:
        chip = _with_served_axes(rng, f, chip)
    if f.homes and rng.random() < f.homes:
        chip = beside(rng, chip)
    mapping = random_mapping(rng, f, layer, chip)
    if f.homes:
        mapping = _at_home(rng, f, layer, chip, mapping)
        if chip.levels[0] == Group((chip.dram,)) and not mapping.homes:
            return None
    if math.prod(e.bound for e in mapping.entries if isinstance(e, Loop)) > f.points:
        return None
    if f.serves and not any(served_loops(chip, mapping)):
        return None
    chip = _fitted(rng, f, layer, chip, mapping)
    try:
        check(mapping, layer, chip)
    except MappingError:
        return None
    return layer, chip, mapping


def _random_chip(rng: random.Random, f: Features) -> Chip:
    levels: list[Group | FanOut] = [Group((Memory("DRAM", None, 16, 64.0, 64.0),))]
    kinds = ["group"] * rng.randint(0 if rng.random() < 0.2 else 1, 3) + ["fanout"] * rng.randint(0, f.fanouts)
    rng.shuffle(kinds)
    for i, kind in enumerate(kinds):
        if kind == "fanout":
            levels.append(_random_fanout(rng, f, f"F{i}", f"XY{i}"))
        elif f.peers and rng.random() < 0.3:
            split = rng.sample(ROLES, 3)
            cut = rng.randint(1, 2)
            peers = [_memory(rng, f, f"M{i}{n}", tuple(part)) for n, part in enumerate((split[:cut], split[cut:]))]
            levels.append(Group(tuple(peers)))
        else:
            levels.append(Group((_memory(rng, f, f"M{i}", ROLES),)))
    return Chip("random", tuple(levels), Compute("MAC", 1.0), 1e9)


def _with_served_axes(rng: random.Random, f: Features, chip: Chip) -> Chip:
    """Three axes at every fan-out, and memories right below it that serve some of them."""
    levels: list[Group | FanOut] = []
    for level in chip.levels:
        if isinstance(level, FanOut):
            axes = tuple(Axis(f"{a}{level.name[1:]}", 64) for a in "XYZ")
            levels.append(replace(level, axes=axes, links=()))
            continue
        above = levels[-1] if levels else None
        memories = level.memories
        if isinstance(above, FanOut):
            names = [a.name for a in above.axes]
            some = [tuple(rng.sample(names, rng.randint(1, 3))) if rng.random() < f.serves else () for _ in memories]
            memories = tuple(replace(m, serves=axes) for m, axes in zip(memories, some, strict=True))
        levels.append(Group(memories))
    return replace(chip, levels=tuple(levels))


def beside(rng: random.Random, chip: Chip) -> Chip:
    """The chip with two outermost memories side by side, each of which keeps a part of the roles."""
    split = rng.sample(ROLES, 3)
    cut = rng.randint(1, 2)
    outer = [replace(chip.dram, name=n, keeps=tuple(r)) for n, r in (("DRAM", split[:cut]), ("flash", split[cut:]))]
    return replace(chip, levels=(Group(tuple(outer)), *chip.levels[1:]))


def possible_homes(chip: Chip, layer: Layer) -> list[tuple[str, str]]:
    """(tensor, memory) of every home on the chip that a tensor may have: memories inside the outermost that exist once."""
    first = next((i for i, x in enumerate(chip.levels) if isinstance(x, FanOut)), len(chip.levels))
    inside = [m for x in chip.levels[1:first] if isinstance(x, Group) for m in x.memories]
    return [(t.name, m.name) for t in layer.tensors for m in inside if m.keeps_role(t.role) != "never"]


def _at_home(rng: random.Random, f: Features, layer: Layer, chip: Chip, mapping: Mapping) -> Mapping:
    """The mapping with some tensors at home on the chip: without their nodes there and further out."""
    found = possible_homes(chip, layer)
    homes = []
    for t in layer.tensors:
        some = [m for name, m in found if name == t.name]
        if some and rng.random() < f.homes:
            homes.append((t.name, rng.choice(some)))
    levels = {t: chip.level_of(m) for t, m in homes}
    kept = [e for e in mapping.entries if isinstance(e, Loop) or chip.level_of(e.memory) > levels.get(e.tensor, -1)]
    return Mapping(tuple(kept), tuple(homes))


def served_loops(chip: Chip, mapping: Mapping) -> list[Loop]:
    """The unrolled loops that lie inside a node whose memory serves their axis."""
    shared = [f for e in mapping.entries if isinstance(e, Node) for f in chip.shared_by(chip.memory(e.memory))]
    return [e for e in mapping.entries if isinstance(e, Loop) and e.bound > 1 and any(e.along(f) for f in shared)]


def _memory(rng: random.Random, f: Features, name: str, roles: tuple[str, ...]) -> Memory:
    must = tuple(r for r in roles if not f.bypass or rng.random() < 0.5)
    may = tuple(r for r in roles if r not in must and rng.random() < 0.7)
    return Memory(name, None, 16, 1.0, 1.0, keeps=must, may_keep=may)


def _random_fanout(rng: random.Random, f: Features, name: str, axes: str) -> FanOut:
    sizes = [Axis(f"{a}{axes[2]}", 64) for a in axes[: rng.choice((1, 2))]]
    switches = {s: not (f.switches and rng.random() < 0.12) for s in ("multicast", "reduction")}
    links = tuple(rng.sample("NKCPQRSM", rng.randint(1, 3))) if rng.random() < f.links else ()
    return FanOut(name, tuple(sizes), links=links, **switches)


def random_mapping(rng: random.Random, f: Features, layer: Layer, chip: Chip) -> Mapping:
    """Nodes of each level in any order, every loop at a random place of the order from the outside in."""
    gaps: list[list[Loop | Node]] = []  # nodes fill a gap alone, loops of one gap are shuffled
    places: list[tuple[list, str | None, str | None]] = []

    def gap(fanout: str | None = None, axis: str | None = None) -> None:
        gaps.append([])
        places.append((gaps[-1], fanout, axis))

    for i, level in enumerate(chip.levels):
        if isinstance(level, FanOut):
            for a in level.axes:
                gap(level.name, a.name)
            gap()
            continue
        nodes = [
            Node(m.name, t.name)
            for m in level.memories
            for t in layer.tensors
            if m.keeps_role(t.role) == "must" or (m.keeps_role(t.role) == "may" and rng.random() < 0.6)
        ]
        rng.shuffle(nodes)
        for n in nodes:
            gaps.append([n])
            if i and rng.random() < 0.8:
                gap()
        gap()
    for d, n in layer.dims:
        for bound, (where, fanout, axis) in _chain(rng, f, n, places):
            where.insert(rng.randint(0, len(where)), Loop(d, bound, fanout, axis))
    return Mapping(tuple(e for g in gaps for e in g))


def _chain(rng: random.Random, f: Features, n: int, places: list) -> list:
    """Loops over a dimension, outermost first, each with its place: a chain of factors, the outermost ceil(n / rest)."""
    if n == 1:
        return []
    inner = rng.randint(1, n) if f.ragged and rng.random() < 0.5 else rng.choice([t for t in range(1, n + 1) if n % t == 0])
    bounds = [-(-n // inner)]
    while inner > 1:
        factor = rng.choice([t for t in range(2, inner + 1) if inner % t == 0])
        bounds.append(factor)
        inner //= factor
    bounds = [b for b in bounds if b > 1]
    chosen = sorted(rng.choices(range(len(places)), k=len(bounds)))
    return [(b, places[i]) for b, i in zip(bounds, chosen, strict=True)]


def _fitted(rng: random.Random, f: Features, layer: Layer, chip: Chip, mapping: Mapping) -> Chip:
    """The chip with fan-outs and half of the capacities just big enough for the mapping."""
    levels: list[Group | FanOut] = []
    for level in chip.levels:
        if isinstance(level, FanOut):
            loops = [e for e in mapping.entries if isinstance(e, Loop) and e.fanout == level.name]
            used = {a.name: math.prod(e.bound for e in loops if e.axis == a.name) for a in level.axes}
            levels.append(replace(level, axes=tuple(replace(a, size=used[a.name] + rng.choice((0, 0, 1))) for a in level.axes)))
            continue
        memories = []
        for m in level.memories:
            need = sum(
                tile_elements(layer, layer.tensor(e.tensor), mapping.tile(i, layer, chip.shared_by(m)))
                * layer.tensor(e.tensor).bits
                for i, e in enumerate(mapping.entries)
                if isinstance(e, Node) and e.memory == m.name
            )
            bounded = m not in chip.outermost and f.capacities and need and rng.random() < 0.5
            memories.append(replace(m, capacity_bits=need if bounded else None))
        levels.append(Group(tuple(memories)))
    return replace(chip, levels=tuple(levels))

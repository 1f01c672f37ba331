"""Every mapping of a tiny problem, one by one: the search must find what is best among them.

The space is that of the optimal mapper: storage nodes at any depth, in any order and with any bypass that the memories
allow; per dimension any chain of extents N -> t_1 -> ... -> 1, the first step ceil(N / t_1) passes and all others exact;
any order of temporal loops at any place; at every fan-out any unrolling that its axes allow, in one block. Left out are
only twins of equal cost: adjacent loops of one dimension (one loop does the same), adjacent nodes of one group in another
order, loops beside a fan-out that unrolls nothing, the axis on which a loop is unrolled, and the order of loops below
the last node (nothing is held there: only what lies above and below a fan-out matters).
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field, replace

from picojoule.ask import ROLES
from picojoule.errors import MappingError
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory, Port
from picojoule.mapping.footprint import tile_bits
from picojoule.mapping.mapping import Loop, Mapping, Node, check
from picojoule.workload.layer import Layer, conv, gemm

Evaluate = Callable[[Layer, Chip, Mapping], tuple[float, float]]  # energy and cycles
Roots = Dictionary[str, Iterable[int]]  # dimension -> outermost tiles allowed beside the divisors of its bound
Homes = tuple[tuple[str, str], ...]  # (tensor, on-chip memory) where one starts or ends
SAME = 1e-9  # energies closer than this, relatively, are one energy summed in another order


def all_mappings(
    layer: Layer, chip: Chip, roots: Roots | None = None, placements: str = "all", homes: Homes = ()
) -> Iterator[Mapping]:
    """Every mapping that fits. `roots` adds outermost tiles (and their divisors) to the divisors of the bounds.

    placements="two" keeps only nodes that sit directly below a loop relevant to their tensor or at the top of their
    memory group, which should reach the same optimum.
    """
    first = {d: sorted(set(divisors(n)).union(*(divisors(t) for t in (roots or {}).get(d, ()) if t < n))) for d, n in layer.dims}
    served = any(m.serves for m in chip.memories)
    for kept in _kept(layer, chip, dict(homes)):
        for mapping in _Walk(layer, chip, first, kept, placements == "two", homes).start():
            if not served or _legal(mapping, layer, chip):
                yield mapping


def _legal(mapping: Mapping, layer: Layer, chip: Chip) -> bool:
    try:
        check(mapping, layer, chip)
    except MappingError:
        return False
    return True


def best(
    layer: Layer, chip: Chip, objective: str, evaluate: Evaluate, roots: Roots | None = None, placements: str = "all"
) -> tuple[float, Mapping] | None:
    """The least "energy", "latency" or "edp" and a mapping that has it; None if nothing fits."""
    value = {"energy": lambda e, c: e, "latency": lambda e, c: c, "edp": lambda e, c: e * c}[objective]
    found = ((value(*evaluate(layer, chip, m)), m) for m in all_mappings(layer, chip, roots, placements))
    return min(found, key=lambda x: x[0], default=None)


def front(
    layer: Layer, chip: Chip, evaluate: Evaluate, roots: Roots | None = None, placements: str = "all"
) -> list[tuple[float, float, Mapping]]:
    """The exact front of (energy, cycles): falling energy, rising cycles, no point as good as another in both."""
    least: dict[float, tuple[float, Mapping]] = {}
    for m in all_mappings(layer, chip, roots, placements):
        energy, cycles = evaluate(layer, chip, m)
        if cycles not in least or energy < least[cycles][0]:
            least[cycles] = energy, m
    return thin((energy, cycles, m) for cycles, (energy, m) in least.items())


def thin(points: Iterable[tuple[float, float, Mapping]]) -> list[tuple[float, float, Mapping]]:
    """Points that no other point beats, by rising cycles."""
    out: list[tuple[float, float, Mapping]] = []
    for energy, cycles, m in sorted(points, key=lambda x: (x[1], x[0])):
        if not out or energy < out[-1][0] * (1 - SAME):
            out.append((energy, cycles, m))
    return out


def priced(layer: Layer, chip: Chip, mapping: Mapping) -> tuple[float, float]:
    """Energy in pJ and cycles, by the product's own cost model (whose word count has its own oracle)."""
    from picojoule.cost.model import evaluate

    cost = evaluate(layer, chip, mapping)
    return cost.energy_pj, cost.cycles


def divisors(n: int) -> list[int]:
    return [t for t in range(1, n + 1) if n % t == 0]


def _kept(layer: Layer, chip: Chip, homes: dict[str, str]) -> Iterator[list[list[Node]]]:
    """Per level its nodes in the order of the layer's tensors, for every choice of bypasses."""
    choices = []
    for i, level in enumerate(chip.levels):
        nodes = []
        for t in layer.tensors if isinstance(level, Group) else ():
            if t.name in homes and i <= chip.level_of(homes[t.name]):
                continue
            m = level.memory_for(t.role)  # type: ignore[union-attr]
            if m is not None:
                node = Node(m.name, t.name)
                nodes.append([[node]] if m.keeps_role(t.role) == "must" else [[], [node]])
        choices.append([list(itertools.chain(*picked)) for picked in itertools.product(*nodes)])
    yield from (list(picked) for picked in itertools.product(*choices))


@dataclass
class _Walk:
    """The recursion from the outside in. `tile` are the extents below what has been written so far."""

    layer: Layer
    chip: Chip
    first: dict[str, list[int]]
    kept: list[list[Node]]
    two: bool
    homes: Homes = ()
    entries: list[Loop | Node] = field(default_factory=list)
    tile: dict[str, int] = field(default_factory=dict)
    room: dict[str, int] = field(default_factory=dict)

    def start(self) -> Iterator[Mapping]:
        self.tile = dict(self.layer.bounds)
        self.room = {m.name: b for m in self.chip.memories if (b := m.usable_bits()) is not None}
        self.entries = list(self.kept[0])
        yield from self._go(0, (), False)

    def _go(self, level: int, todo: tuple[Node, ...], silent: bool) -> Iterator[Mapping]:
        """Continue inside `level`, whose nodes `todo` are still to come.

        `silent`: nothing was written since the level began, so that a loop belongs further out.
        """
        later = bool(todo) or any(self.kept[level + 1 :])
        fans = any(isinstance(x, FanOut) for x in self.chip.levels[level + 1 :])
        if not silent and (later or fans):
            yield from self._loops(level, todo, later)
        yield from self._nodes(level, todo)
        if todo:
            return
        if level + 1 == len(self.chip.levels):
            yield from self._finish()
        elif isinstance(self.chip.levels[level + 1], Group):
            yield from self._go(level + 1, tuple(self.kept[level + 1]), True)
        else:
            yield from self._fanout(level + 1)

    def _loops(self, level: int, todo: tuple[Node, ...], ordered: bool) -> Iterator[Mapping]:
        """One more temporal loop; where no node follows, loops come in one order."""
        last = self.entries[-1] if self.entries else None
        dims = [d for d, _ in self.layer.dims]
        if isinstance(last, Loop) and not last.spatial:
            at = dims.index(last.dim)
            dims = [d for i, d in enumerate(dims) if i != at] if ordered else dims[at + 1 :]
        for d in dims:
            before = self.tile[d]
            for t in self._smaller(d, before):
                self.entries.append(Loop(d, -(-before // t)))
                self.tile[d] = t
                yield from self._go(level, todo, False)
                self.entries.pop()
            self.tile[d] = before

    def _smaller(self, dim: str, extent: int) -> list[int]:
        """What may follow this extent in a chain."""
        return [t for t in (self.first[dim] if extent == self.layer.bounds[dim] else divisors(extent)) if t < extent]

    def _nodes(self, level: int, todo: tuple[Node, ...]) -> Iterator[Mapping]:
        order = self.kept[level]
        for node in todo:
            last = self.entries[-1] if self.entries else None
            if last in order and order.index(last) > order.index(node):  # type: ignore[arg-type]
                continue
            if self.two and not self._well_placed(node, level):
                continue
            tensor = self.layer.tensor(node.tensor)
            memory = self.chip.memory(node.memory)
            held = dict(self.tile)
            for e in self.entries:
                if isinstance(e, Loop) and any(e.along(f) for f in self.chip.shared_by(memory)):
                    held[e.dim] *= e.bound
            need = tile_bits(self.layer, tensor, memory, {d: min(n, held[d]) for d, n in self.layer.dims})
            if need > self.room.get(node.memory, need):
                continue
            if node.memory in self.room:
                self.room[node.memory] -= need
            self.entries.append(node)
            yield from self._go(level, tuple(n for n in todo if n != node), False)
            self.entries.pop()
            if node.memory in self.room:
                self.room[node.memory] += need

    def _well_placed(self, node: Node, level: int) -> bool:
        """Directly below a loop relevant to the tensor, or at the top of its memory group.

        A group's top is right below a fan-out; where the next thing outwards is another group's node, it is free.
        """
        own = self.kept[level]
        above = list(itertools.dropwhile(lambda e: e in own, reversed(self.entries)))
        if not above or isinstance(above[0], Node) or above[0].spatial or above[0].dim in self.layer.tensor(node.tensor).dims:
            return True
        border = next((e for e in above if isinstance(e, Node) or e.spatial), None)
        return border is None or (isinstance(border, Node) and border not in own)

    def _finish(self) -> Iterator[Mapping]:
        last = self.entries[-1] if self.entries else None
        if isinstance(last, Loop) and not last.spatial:
            return  # the loops below the last node or fan-out are written here, once
        rest = [Loop(d, t) for d, t in self.tile.items() if t > 1]
        yield Mapping((*self.entries, *rest), self.homes)

    def _fanout(self, level: int) -> Iterator[Mapping]:
        fanout = self.chip.levels[level]
        assert isinstance(fanout, FanOut)
        yield from self._go(level, (), True)
        before = dict(self.tile)
        for tile, loops in self._unrollings(fanout):
            self.tile = dict(tile)
            self.entries += loops
            yield from self._go(level, (), False)
            del self.entries[-len(loops) :]
        self.tile = before

    def _unrollings(self, fanout: FanOut) -> list[tuple[dict[str, int], list[Loop]]]:
        """Every tile below the fan-out, with the extents unrolled, that some split over the axes allows."""
        options = []
        for d, _ in self.layer.dims:
            chains: list[tuple[int, tuple[Loop, ...]]] = [(self.tile[d], ())]
            axes = [a for a in fanout.axes if a.allows(self.layer, d)]
            for picked in itertools.chain(*(itertools.permutations(axes, k + 1) for k in range(len(axes)))):
                ways: list[tuple[int, tuple[Loop, ...]]] = [(self.tile[d], ())]
                for a in picked:
                    ways = [
                        (t, (*loops, Loop(d, -(-t0 // t), fanout.name, a.name)))
                        for t0, loops in ways
                        for t in self._smaller(d, t0)
                        if -(-t0 // t) <= a.size
                    ]
                chains += ways
            options.append(chains)
        found = {}
        for chosen in itertools.product(*options):
            loops = [x for _, chain in chosen for x in chain]
            used = {a.name: math.prod(x.bound for x in loops if x.axis == a.name) for a in fanout.axes}
            if loops and all(used[a.name] <= a.size for a in fanout.axes) and self._on_one_side(fanout, loops):
                key: tuple[object, ...] = tuple((t, math.prod(x.bound for x in chain)) for t, chain in chosen)
                key += tuple(sorted((x.axis or "", x.dim, x.bound) for x in loops)) if self._served(fanout) else ()
                found.setdefault(key, (dict(zip(self.tile, (t for t, _ in chosen), strict=True)), loops))
        return list(found.values())

    def _on_one_side(self, fanout: FanOut, loops: list[Loop]) -> bool:
        """Whether each dimension lies on axes that a memory serves, or on others, never on both."""
        for m in self.chip.memories:
            for f in self.chip.shared_by(m):
                inside = {x.dim for x in loops if x.along(f)}
                if f.name == fanout.name and any(x.dim in inside and not x.along(f) for x in loops):
                    return False
        return True

    def _served(self, fanout: FanOut) -> bool:
        """Whether memories below serve axes of the fan-out, so that it matters along which one a loop is unrolled."""
        return any(f.name == fanout.name for m in self.chip.memories for f in self.chip.shared_by(m))


@dataclass(frozen=True)
class Tiny:
    """What may occur in a tiny problem. `most` bounds the number of its mappings."""

    kinds: tuple[str, ...] = ("gemm", "conv", "depthwise")
    memories: int = 2  # at most, DRAM not counted
    fanouts: int = 1
    peers: bool = True
    bypass: bool = True
    ports: bool = True
    constraints: bool = True  # axes with dims or reuses
    switches: bool = True  # multicast and reduction may be off
    links: bool = True  # neighbour links may be there
    networks: float = 0.0  # share of fan-outs whose network has a bandwidth, and takes several hops
    serves: float = 0.0  # share of memories right below a fan-out that serve one of its axes
    double_buffers: bool = True
    leakage: bool = False
    most: int = 20_000


def tiny_problems(n: int, seed: int, **features: object) -> Iterator[tuple[Layer, Chip]]:
    """`n` problems with at least two mappings each; keywords are the fields of `Tiny`."""
    wanted = replace(Tiny(), **features)  # type: ignore[arg-type]
    rng = random.Random(seed)
    while n:
        layer = _tiny_layer(rng, rng.choice(wanted.kinds))
        chip = tiny_chip(rng, layer, wanted)
        some = sum(1 for _ in itertools.islice(all_mappings(layer, chip), wanted.most + 1))
        if 2 <= some <= wanted.most:
            n -= 1
            yield layer, chip


def tiny_roots(layer: Layer, seed: int) -> dict[str, list[int]]:
    """Up to one ragged outermost tile for each dimension of a tiny layer, to be passed as `roots`."""
    rng = random.Random(seed)
    ragged = {d: [t for t in range(2, n) if n % t] for d, n in layer.dims}
    return {d: [rng.choice(ts)] for d, ts in ragged.items() if ts and rng.random() < 0.7}


def _tiny_layer(rng: random.Random, kind: str) -> Layer:
    of = lambda *n: rng.choice(n)  # noqa: E731
    bits = of(8, 8, 16)
    if kind == "gemm":
        layer = gemm(M=of(2, 3, 4), N=of(1, 2, 3, 4), K=of(2, 3, 4), bits=bits)
    elif kind == "depthwise":
        layer = conv(K=(g := of(2, 3, 4)), C=g, groups=g, P=of(2, 3, 4), Q=1, R=of(2, 3), S=1, stride=of(1, 1, 2), bits=bits)
    else:
        layer = conv(
            K=of(1, 2, 3),
            C=of(1, 1, 2),
            P=of(2, 3, 4, 5),
            Q=1,
            R=of(2, 3),
            S=1,
            stride=of(1, 1, 2),
            dilation=of(1, 1, 2),
            pad=of(0, 0, (1, 0)),
            bits=bits,
        )
    return layer.bits_of(output=16) if rng.random() < 0.3 else layer


def tiny_chip(rng: random.Random, layer: Layer, f: Tiny) -> Chip:
    groups = [_tiny_group(rng, layer, f, i) for i in range(rng.randint(1, f.memories))]
    inside: list[Group | FanOut] = list(groups)
    for i in range(rng.randint(0, f.fanouts)):
        inside.insert(rng.randint(0, len(inside)), tiny_fanout(rng, layer, f, i))
    dram = Memory("DRAM", None, rng.choice((8, 16, 32)), 64.0, rng.choice((64.0, 80.0)), ports=_tiny_ports(rng, f, 16))
    chip = Chip("tiny", (Group((dram,)), *inside), Compute("MAC", 0.5), 1e9)
    chip = _with_networks(rng, f, chip) if f.networks else chip
    return _with_served_axes(rng, f, chip) if f.serves else chip


def _with_networks(rng: random.Random, f: Tiny, chip: Chip) -> Chip:
    """Fan-outs with a bandwidth at the root of their network, and hops, with this probability."""

    def network(x: Group | FanOut) -> Group | FanOut:
        if isinstance(x, Group) or rng.random() > f.networks:
            return x
        return replace(x, bits_per_cycle=rng.choice((4.0, 8.0, 16.0)), hops=rng.choice((0.5, 1.0, 2.0)))

    return replace(chip, levels=tuple(map(network, chip.levels)))


def _with_served_axes(rng: random.Random, f: Tiny, chip: Chip) -> Chip:
    """Memories right below a fan-out serve one of its axes, or both, with this probability; links go."""
    levels: list[Group | FanOut] = []
    for level in chip.levels:
        if isinstance(level, FanOut):
            levels.append(replace(level, links=()))
            continue
        axes = [a.name for a in levels[-1].axes] if levels and isinstance(levels[-1], FanOut) else []
        some = [
            tuple(rng.sample(axes, rng.randint(1, len(axes)))) if axes and rng.random() < f.serves else () for _ in level.memories
        ]
        levels.append(Group(tuple(replace(m, serves=x) for m, x in zip(level.memories, some, strict=True))))
    return replace(chip, levels=tuple(levels))


def _tiny_group(rng: random.Random, layer: Layer, f: Tiny, i: int) -> Group:
    if f.peers and rng.random() < 0.2:
        split = rng.sample(ROLES, 3)
        return Group(tuple(_tiny_memory(rng, layer, f, f"M{i}{x}", tuple(p)) for x, p in (("a", split[:1]), ("b", split[1:]))))
    return Group((_tiny_memory(rng, layer, f, f"M{i}", ROLES),))


def _tiny_memory(rng: random.Random, layer: Layer, f: Tiny, name: str, roles: tuple[str, ...]) -> Memory:
    must = tuple(r for r in roles if not f.bypass or rng.random() < 0.5)
    may = tuple(r for r in roles if r not in must and rng.random() < 0.7)
    least = sum(t.bits for t in layer.tensors if t.role in must)
    most = sum(layer.elements(t) * t.bits for t in layer.tensors if t.role in must + may)
    capacity = max(least, int(rng.uniform(0.1, 0.9) * most), 16)
    double = f.double_buffers and rng.random() < 0.15
    read = round(rng.uniform(0.5, 8.0), 2)
    return Memory(
        name,
        capacity * 2 if double else capacity,
        rng.choice((8, 16, 32)),
        read,
        rng.choice((read, round(read * 1.3, 2))),
        keeps=must,
        may_keep=may,
        ports=_tiny_ports(rng, f, 16),
        double_buffered=double,
        leakage_mw=rng.choice((None, 0.5)) if f.leakage else None,
    )


def _tiny_ports(rng: random.Random, f: Tiny, bits: int) -> tuple[Port, ...]:
    if not f.ports or rng.random() < 0.4:
        return ()
    widths = [bits * rng.choice((0.125, 0.25, 0.5, 1.0, 2.0)) for _ in range(2)]
    shared = (Port("port", "readwrite", widths[0]),)
    return rng.choice((shared, (Port("in", "write", widths[0]), Port("out", "read", widths[1]))))


def tiny_fanout(rng: random.Random, layer: Layer, f: Tiny, i: int) -> FanOut:
    sizes = rng.choice(((2,), (3,), (4,), (2, 2), (2, 3)))
    names = [d for d, _ in layer.dims]
    axes = []
    for a, n in zip("XY", sizes, strict=False):
        dims = tuple(rng.sample(names, rng.randint(1, len(names)))) if f.constraints and rng.random() < 0.3 else None
        reuses = (rng.choice(ROLES),) if f.constraints and rng.random() < 0.2 else ()
        axes.append(Axis(f"{a}{i}", n, dims, reuses))
    on = [not (f.switches and rng.random() < 0.1) for _ in range(2)]
    links = tuple(rng.sample(names, 1)) if f.links and rng.random() < 0.2 else ()
    return FanOut(f"F{i}", tuple(axes), multicast=on[0], reduction=on[1], links=links, transfer_pj=rng.choice((0.0, 0.3)))

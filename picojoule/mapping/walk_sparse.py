"""The oracle of sparse accesses: walks the loops once, then asks of real tensors what each transfer had to do.

`simulate.py` moves the tiles; here every transfer remembers which visits of a node (or which MACs) it served, and every visit
which elements of each operand were used while it lasted. For given zeros a visit is in vain where all elements of an operand
that decides over it are zero, or where the visit of its holder was. Plain and independent of the formulas in `cost/`:
formats are encoded element by element. Neighbour links are not walked.

The first MAC of an element reads no partial sum whether it is left out or not (as in `cost/sparsity.py`).
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from picojoule.errors import SpecError
from picojoule.hardware.chip import Chip, Compute
from picojoule.hardware.compression import TILES, Format, fibres
from picojoule.mapping.mapping import Mapping as LoopNest
from picojoule.mapping.walk import Element, Place, Request, Stage, Walk, all_elements
from picojoule.mapping.words import READS, WRITES, Traffic
from picojoule.workload.layer import Layer, Tensor

Masks = Mapping[str, frozenset[Element]]  # operand -> its elements that are not zero


@dataclass(eq=False)
class Visit:
    """A tile's stay at one instance of a node, or one MAC: `used` elements of each operand in the meantime."""

    stage: Stage
    parent: Visit | None
    used: dict[str, set[Element]] = field(default_factory=lambda: defaultdict(set))
    elements: frozenset[Element] = frozenset()


@dataclass(frozen=True)
class Transfer:
    """Words on their way, at the node, at each fan-out (inner side) and at the holder: (elements or a number, visits served)."""

    stage: Stage
    kind: str
    at: tuple[tuple[str, tuple[tuple[frozenset[Element] | int, tuple[Visit, ...]], ...]], ...]


@dataclass
class Counted:
    """Accesses by (memory, tensor, "read" or "write", "kept", "gated" or "skipped"), crossings, metadata, MACs by fate."""

    words: defaultdict[tuple[str, str, str, str], float] = field(default_factory=lambda: defaultdict(float))
    crossings: defaultdict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    metadata_bits: defaultdict[tuple[str, str, str], float] = field(default_factory=lambda: defaultdict(float))
    macs: Counter[str] = field(default_factory=Counter)
    work: Counter[Place] = field(default_factory=Counter)  # MACs that each PE does not skip


class SparseWalk(Walk):
    """The transfers of a mapping, walked once; `count` says what given zeros make of them."""

    def __init__(self, layer: Layer, chip: Chip, mapping: LoopNest) -> None:
        if any(f.links for f in chip.fanouts):
            raise SpecError("neighbour links are not walked with zeros", hint="use a chip without links")
        super().__init__(layer, chip, mapping, seed=0)
        self.now: dict[tuple[int, Place], Visit] = {}
        self.transfers: list[Transfer] = []
        self.macs_done: list[tuple[Place, dict[str, Visit]]] = []
        self.roots = {n.tensor.name: Visit(n, None) for n in self.nodes if n.holder is None}
        self.traffic: Traffic = self.run()

    # ---- walking ---------------------------------------------------------------------------------------------------
    def _holder_visit(self, stage: Stage, place: Place) -> Visit:
        assert stage.holder is not None
        if stage.holder.holder is None:
            return self.roots[stage.tensor.name]
        return self.now[id(stage.holder), stage.holder_place(place)]

    def _served(self, stage: Stage, kind: str, place: Place) -> Visit:
        if stage.memory == "MAC":
            return self.instant[place][stage.tensor.name]
        if kind == "fill":
            self.now[id(stage), place] = Visit(stage, self._holder_visit(stage, place), elements=stage.tiles[place].words)
        return self.now[id(stage), place]

    def _move(self, stage: Stage, kind: str, requests: list[Request]) -> None:
        super()._move(stage, kind, requests)
        asked = [r for r in requests if stage.memory == "MAC" or place_held(stage, kind, r.place)]
        for r in requests:
            if r not in asked:
                self.now.pop((id(stage), r.place), None)
        members: list[tuple[Request, tuple[Visit, ...]]] = [(r, (self._served(stage, kind, r.place),)) for r in asked]
        at = [("node", tuple((r.words, v) for r, v in members))]
        for hop in reversed(stage.hops):
            at.append((hop.name, tuple((r.words, v) for r, v in members)))
            joined: dict[tuple, list[tuple[Request, tuple[Visit, ...]]]] = defaultdict(list)
            for r, v in members:
                joined[*hop.split(r.place), r.key].append((r, v))
            members = [
                (
                    Request(place, (cls, *key), frozenset().union(*(r.words for r, _ in group))),
                    tuple(itertools.chain.from_iterable(v for _, v in group)),
                )
                for (place, cls, key), group in joined.items()
            ]
        at.append(("holder", tuple((r.words, v) for r, v in members)))
        self.transfers.append(Transfer(stage, kind, tuple(at)))

    def _groups_move(self, stage: Stage, kind: str, words: list[tuple[int, list[Place]]]) -> None:
        """Reloads and accumulations: a number of words for each reduction group, the first of which takes them."""
        visits = [(n, tuple(self._served(stage, kind, p) for p in group)) for n, group in words]
        at = [("node", tuple((n, v[:1]) for n, v in visits))]
        at += [(hop.name, tuple((n, v[:1]) for n, v in visits)) for hop in reversed(stage.hops)]
        at.append(("holder", tuple(visits)))
        self.transfers.append(Transfer(stage, kind, tuple(at)))

    def _begin(self, stage: Stage, now: tuple[int, ...]) -> None:
        before = set(stage.tiles)
        counted = dict(self._opened(stage, now))
        super()._begin(stage, now)
        begun = [p for p in stage.tiles if p not in before]
        for p in begun:
            self.now[id(stage), p] = Visit(stage, self._holder_visit(stage, p), elements=stage.tiles[p].words)
        groups = stage.groups(begun)
        self._groups_move(stage, "reload", [(counted[group[0]], group) for group in groups.values()])

    def _opened(self, stage: Stage, now: tuple[int, ...]) -> Iterable[tuple[Place, int]]:
        """Words that will be reloaded for the first place of each group that begins a visit (before it begins)."""
        begun = [
            (place, index)
            for place, index, empty, idle in stage.visits(now)
            if not empty and not idle and place not in stage.tiles
        ]
        opened: Counter[tuple[int, Element]] = Counter()
        for group in stage.groups([p for p, _ in begun]).values():
            first = group[0]
            above, words = stage.held_above(first), stage.elements(dict(begun)[first])
            n = 0
            for e in words:
                n += bool(above.open[e] + opened[id(above), e]) or e not in above.zero
                opened[id(above), e] += 1
            yield first, n

    def _compute(self, now: tuple[int, ...]) -> int:
        self.instant: dict[Place, dict[str, Visit]] = {}
        stages = list(self.macs.values())
        elements: dict[Place, dict[str, frozenset[Element]]] = defaultdict(dict)
        for stage in stages:
            for place, index, empty, idle in stage.visits(now):
                if not empty and not idle:
                    elements[place][stage.tensor.name] = stage.elements(index)
        whole = {p: e for p, e in elements.items() if len(e) == len(stages)}
        for place, e in whole.items():
            visits = {s.tensor.name: Visit(s, self._holder_visit(s, place), elements=e[s.tensor.name]) for s in stages}
            self.instant[place] = visits
            lasting = [self.now.get((id(n), place[: len(next(iter(n.offsets)))])) for n in self.nodes if n.holder]
            for v in [*visits.values(), *lasting]:
                if v is not None:
                    for t in self.operands:
                        v.used[t.name] |= e[t.name]
            self.macs_done.append((place, visits))
        return super()._compute(now)

    def _update(self, stage: Stage, now: tuple[int, ...], products: dict[Place, int]) -> None:
        words: list[tuple[int, list[Place]]] = []
        taken: set[tuple[int, Element]] = set()
        indices = {place: index for place, index, _, _ in stage.visits(now)}
        for group in stage.groups(list(products)).values():
            tile = stage.held_above(group[0])
            n = 0
            for e in stage.elements(indices[group[0]]):
                n += e not in tile.zero or (id(tile), e) in taken
                taken.add((id(tile), e))
            words.append((n, group))
        super()._update(stage, now, products)
        self._groups_move(stage, "accumulate", words)

    # ---- what given zeros make of it -------------------------------------------------------------------------------
    def count(self, masks: Masks) -> Counted:
        """Accesses, MACs and metadata where only the elements in `masks` are not zero."""
        return _Judge(self, masks).count()


def place_held(stage: Stage, kind: str, place: Place) -> bool:
    """Whether the instance holds a tile (a fill may have emptied it); a drain has one until it is over."""
    return kind != "fill" or place in stage.tiles


class _Judge:
    def __init__(self, walk: SparseWalk, masks: Masks) -> None:
        self.walk, self.masks, self.layer, self.chip = walk, masks, walk.layer, walk.chip
        self.fates: dict[int, tuple[bool, bool, bool]] = {}
        self.alive: dict[tuple[int, str], bool] = {}
        self.roles = {t.role: t.name for t in self.layer.tensors}

    def lives(self, visit: Visit, operand: str) -> bool:
        key = id(visit), operand
        if key not in self.alive:
            self.alive[key] = not visit.used[operand].isdisjoint(self.masks[operand])
        return self.alive[key]

    def fate(self, visit: Visit) -> tuple[bool, bool, bool]:
        """(asked for, not skipped, not gated either)."""
        if id(visit) not in self.fates:
            if visit.parent is None:
                self.fates[id(visit)] = (True, True, True)
            else:
                asked = self.fate(visit.parent)[2]
                assert visit.stage.holder is not None
                memory, role = self.chip.memory(visit.stage.holder.memory), visit.stage.tensor.role
                skipped, gated = (self._in_vain(visit, role, x) for x in (memory.skips, memory.gates))
                self.fates[id(visit)] = (asked, asked and not skipped, asked and not skipped and not gated)
        return self.fates[id(visit)]

    def _in_vain(self, visit: Visit, role: str, stated: Iterable[tuple[str, tuple[str, ...]]]) -> bool:
        return any(
            target == role and any(x in self.roles and not self.lives(visit, self.roles[x]) for x in leaders)
            for target, leaders in stated
        )

    def count(self) -> Counted:
        out = Counted()
        for t in self.walk.transfers:
            self._transfer(out, t)
        for place, visits in self.walk.macs_done:
            taken, kept = self._mac(visits, self.chip.compute)
            out.macs["kept" if kept else "gated" if taken else "skipped"] += 1
            out.work[place] += taken
        return out

    def _mac(self, visits: dict[str, Visit], compute: Compute) -> tuple[bool, bool]:
        """(not skipped, not gated either). A chain of visits is cut by skipping where any of its links is."""
        skipped = gated = False
        for t in self.walk.operands:
            v: Visit | None = visits[t.name]
            zero = not self.lives(visits[t.name], t.name)
            skipped |= zero and t.role in compute.skips
            gated |= zero and t.role in compute.gates
            while v is not None and v.parent is not None:
                assert v.stage.holder is not None
                memory = self.chip.memory(v.stage.holder.memory)
                skipped |= self._in_vain(v, t.role, memory.skips)
                gated |= self._in_vain(v, t.role, memory.gates)
                v = v.parent
        return not skipped, not skipped and not gated

    def _transfer(self, out: Counted, t: Transfer) -> None:
        tensor = t.stage.tensor
        assert t.stage.holder is not None
        for where, parts in t.at:
            side = {"node": "inner", "holder": "outer"}.get(where, where)
            memory = t.stage.holder.memory if side == "outer" else t.stage.memory
            action = "read" if READS.get(t.kind) == side else "write" if WRITES.get(t.kind) == side else ""
            for words, visits in parts:
                fates = [self.fate(v) for v in visits]
                asked, taken, kept = (any(f[i] for f in fates) for i in range(3))
                if side not in ("inner", "outer"):
                    out.crossings[side, tensor.name] += kept * self._data(t, visits, words, t.stage.holder.memory)[0]
                elif action and memory != "MAC":
                    n, bits = self._data(t, visits, words, memory)
                    if side == "inner":
                        asked = taken = kept
                    what = "kept" if kept else "gated" if taken else "skipped" if asked else ""
                    if what:
                        out.words[memory, tensor.name, action, what] += n
                    if kept:
                        out.metadata_bits[memory, tensor.name, action] += bits

    def _data(self, t: Transfer, visits: tuple[Visit, ...], words: frozenset[Element] | int, memory: str) -> tuple[float, float]:
        """(words, metadata bits) of a transfer in a memory's format."""
        if isinstance(words, int):
            return words, 0.0
        tensor = t.stage.tensor
        fmt = self.chip.memory(memory).format_of(tensor.role)
        if tensor.role == "output" or not fmt.compressed:
            return len(words), 0.0
        mask = self.masks[tensor.name]
        if t.kind == "operand":  # a MAC reads through the holder's tile: one element and its share of the metadata
            (v, *_) = visits
            assert v.parent is not None
            tile = v.parent.elements or all_elements(self.layer, tensor)
            n, bits = encode(tensor, fmt, tile, mask)
            spare = n - len(tile & mask)  # stored zeros
            return len(words & mask) + spare * len(words) / len(tile), bits * len(words) / len(tile)
        return encode(tensor, fmt, words, mask)


def encode(tensor: Tensor, fmt: Format, tile: frozenset[Element], mask: frozenset[Element]) -> tuple[int, int]:
    """(data words, metadata bits) of a box of elements in a format, stored fibre by fibre."""
    if not tile:
        return 0, 0
    axes = [sorted({e[i] for e in tile}) for i in range(len(tensor.ranks))]
    array = np.zeros([len(a) for a in axes], bool)
    at = [{x: n for n, x in enumerate(a)} for a in axes]
    for e in tile & mask:
        array[tuple(at[i][x] for i, x in enumerate(e))] = True
    return encode_array(fmt, array, tuple(frozenset(d for _, d in r.terms) for r in tensor.ranks))


def encode_array(fmt: Format, array: np.ndarray, ranks: tuple[frozenset[str], ...]) -> tuple[int, int]:
    """(data words, metadata bits) of an array in a format. Widths that the format leaves open are not encoded here."""
    levels = fibres(fmt, ranks)
    formats = [r for r in fmt.ranks if r.dims != (TILES,)]
    order = [x for level in levels for x in level]
    shapes = [int(np.prod([array.shape[x] for x in level])) for level in levels]
    tree = array.transpose(order).reshape(shapes)
    bits, compressed = 0, False

    def walk(sub: np.ndarray, depth: int) -> int:
        """Stored words below a fibre."""
        nonlocal bits, compressed
        f, s = formats[depth], sub.shape[0]
        children = list(range(s))
        full = [i for i in children if sub[i].any()]
        if f.kind == "offset":
            bits += (s + 1) * (f.bits or 0)
        elif f.kind == "bitmask":
            bits, children, compressed = bits + s, full, True
        elif f.kind == "coordinate":
            bits, children, compressed = bits + len(full) * (f.bits or 0), full, True
        elif f.kind == "run_length":
            compressed, last, stored = True, -1, 0
            for i in full:
                stored += 1 + (i - last - 1) // (1 << (f.bits or 0))
                last = i
            bits += stored * (f.bits or 0)
            return stored
        return len(children) if depth + 1 == len(formats) else sum(walk(sub[i], depth + 1) for i in children)

    words = walk(tree, 0)
    return (words if compressed else array.size), bits

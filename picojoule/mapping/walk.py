"""The oracle of the word count: walks every loop of a mapping with explicit buffers and counts each word that moves.

Slow, plain and independent of the closed formulas in `cost/traffic.py`, which must equal it. Rules:

* Every storage node exists once per instance and holds one tile: the box of its extents at the position of the loops
  above, clipped to the bounds, as a set of elements. Its index is the position in the tensor's own dimensions; a new
  tile is fetched when the index changes. Padding (`Rank.offset`, `Rank.size`) is no element: it moves nowhere.
* Sliding window: when a loop of the node's run advances (see `_run`), only what the tile held just before lacks is
  written; at any other change the whole tile is.
* Ragged passes: every visit is walked and takes a step. A visit whose own tile lies outside the bounds empties the node;
  a visit outside them in other dimensions only leaves an operand as it is. An output tile drains when its index moves
  on, be the next visit idle or not, so that the PEs of a reduction group drain together.
* A memory that serves axes of the fan-out above (`Memory.serves`) exists once for all places along them: its tile is the
  union of the boxes of those places, it is idle or empty when all of them are, and what passes between it and them crosses
  these axes alone, what passes between it and its holder the others.
* Multicast: at one instant one read of the holder serves all instances whose tiles begin at the same index in every
  rank; the read counts the union of what they ask for. Each fan-out merges for itself, innermost first, by the offsets
  its own loops cause, so that overlap between two fan-outs in sequence is not credited. The same for reduction, outwards.
* Outputs: each visit ends with a drain (inner read, one holder write per distinct tile). An element of an instance that
  was not reloaded starts from zero, and the first drain or MAC update into it reads nothing. At every later visit the
  holder is read and the first PE of the reduction group written; the others start from zero. Where a fan-out does not
  reduce, the PEs of a group bring their sums one after the other: each but the first of all is reloaded before it drains.
* MACs: each reads its operands from their innermost holder and updates the innermost holder of the output, merged alike.
* Neighbour links (`FanOut.links`): instances that differ only in their indices along linked dimensions pass on to each
  other what they hold. Together with the instances that multicast serves alike they form a class, and the holder is
  read once for the union of what the class asks for; when a loop of the run advances, less the union of what the class
  held just before (tiles that a ragged pass just emptied included). Written words and crossings count forwarded words too.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from picojoule.errors import SpecError
from picojoule.hardware.chip import Chip, FanOut
from picojoule.mapping.mapping import Loop, Mapping, Node
from picojoule.mapping.words import Flow, Traffic
from picojoule.workload.layer import Layer, Tensor

Key = tuple[str, str, str, str]  # tensor, kind, outer, inner
Element = tuple[int, ...]
Place = tuple[int, ...]  # the indices of the spatial loops above, outermost first: which instance
NOTHING: frozenset[Element] = frozenset()


def simulate(layer: Layer, chip: Chip, mapping: Mapping, seed: int = 0) -> Traffic:
    """All words that the mapping moves, by walking it; AssertionError if the layer's result comes out wrong."""
    if any(len(r.terms) > 1 for r in layer.output.ranks):
        raise SpecError(f"layer {layer.name!r}: an output element belongs to several tiles", hint="lower it to one-term ranks")
    return Walk(layer, chip, mapping, seed).run()


@dataclass
class _Tile:
    """What one instance of a node holds. Outputs also have their partial sums."""

    index: Place
    words: frozenset[Element]
    sums: dict[Element, int] = field(default_factory=dict)
    zero: set[Element] = field(default_factory=set)  # elements that started from zero and received nothing yet
    late: set[Element] = field(default_factory=set)  # elements whose reload waits for another PE's drain
    open: Counter[Element] = field(default_factory=Counter)  # inner groups that hold a partial sum of the element


@dataclass(frozen=True)
class Request:
    """Words that instances below `place` want; `key` tells tiles of one place apart; `old` is what they held before."""

    place: Place
    key: tuple[int, ...]
    words: frozenset[Element]
    old: frozenset[Element] = NOTHING


@dataclass(frozen=True)
class _Hop:
    """A fan-out between a node and its holder, for one tensor: which of its inner instances share a transfer."""

    name: str
    own: tuple[int, ...]  # where its loops stand in a place that all hops further in have left
    classes: dict[Place, int]
    linked: bool

    def split(self, place: Place) -> tuple[Place, int]:
        """The place outside the fan-out, and the class of the instance inside."""
        outside = tuple(x for i, x in enumerate(place) if i not in self.own)
        return outside, self.classes[tuple(place[i] for i in self.own)]

    def merge(self, requests: list[Request]) -> list[Request]:
        classes: dict[tuple[Place, tuple[int, ...]], list[Request]] = defaultdict(list)
        for r in requests:
            outside, found = self.split(r.place)
            classes[outside, (found, *r.key)].append(r)
        merged = []
        for (place, key), members in classes.items():
            words, old = (NOTHING.union(*(getattr(m, x) for m in members)) for x in ("words", "old"))
            merged.append(Request(place, key, words - old if self.linked else words, old))
        return merged


@dataclass
class Stage:
    """A storage node, or the MACs as one tensor sees them (memory "MAC", a box of one point)."""

    layer: Layer
    tensor: Tensor
    memory: str
    box: dict[str, int]
    loops: list[tuple[str, int]]  # the temporal loops above: dimension and extent of one pass
    offsets: dict[Place, tuple[int, ...]]  # instance -> its position in each dimension that spatial loops cause
    run: frozenset[int]  # the temporal loops whose advance slides the tile
    holder: Stage | None
    hops: list[_Hop]  # the fan-outs between the holder and here, outside in
    pieces: list[tuple[int, ...]]  # where the boxes of one instance's tile lie from its index: one for each place it serves
    above: tuple[int, ...]  # where the indices of the holder's own place stand in a place of this stage
    tiles: dict[Place, _Tile] = field(default_factory=dict)
    cache: dict[Place, frozenset[Element]] = field(default_factory=dict)

    @cached_property
    def own(self) -> list[int]:
        """The places of the tensor's dimensions among the layer's."""
        return [i for i, (d, _) in enumerate(self.layer.dims) if d in self.tensor.dims]

    def visits(self, now: tuple[int, ...]) -> Iterator[tuple[Place, Place, bool, bool]]:
        """For each instance: its place, index, whether its own tile is empty, whether it is idle in other dimensions."""
        base = dict.fromkeys(self.layer.bounds, 0)
        for i, (dim, step) in zip(now, self.loops, strict=False):
            base[dim] += i * step
        for place, offset in self.offsets.items():
            at = [b + o for b, o in zip(base.values(), offset, strict=True)]
            empty = idle = True
            for piece in self.pieces:
                outside = [i for i, p in enumerate(piece) if at[i] + p >= self.layer.dims[i][1]]
                empty &= any(i in self.own for i in outside)
                idle &= bool(outside)
            yield place, tuple(at[i] for i in self.own), empty, idle and not empty

    def elements(self, index: Place) -> frozenset[Element]:
        """Distinct valid elements of the tile at this index."""
        if index not in self.cache:
            starts = {tuple(x + piece[i] for x, i in zip(index, self.own, strict=True)) for piece in self.pieces}
            self.cache[index] = NOTHING.union(*map(self._box_at, starts))
        return self.cache[index]

    def _box_at(self, index: Place) -> frozenset[Element]:
        names = [self.layer.dims[i][0] for i in self.own]
        start = dict(zip(names, index, strict=True))
        ranks = []
        for r in self.tensor.ranks:
            values = {r.offset}
            for c, d in r.terms:
                stop = min(start[d] + self.box.get(d, 1), self.layer.bounds[d])
                values = {v + c * i for v in values for i in range(start[d], stop)}
            ranks.append(sorted(v for v in values if v >= 0 and (r.size is None or v < r.size)))
        return frozenset(itertools.product(*ranks))

    def holder_place(self, place: Place) -> Place:
        """The place of the holder's instance that serves this one."""
        return tuple(place[i] for i in self.above)

    def held_above(self, place: Place) -> _Tile:
        """The holder's tile that serves this instance."""
        assert self.holder is not None
        return self.holder.tiles[self.holder_place(place)]

    def groups(self, places: list[Place]) -> dict[tuple[int, ...], list[Place]]:
        """The instances by reduction group: those whose sums become one word on their way to the holder."""
        out: dict[tuple[int, ...], list[Place]] = defaultdict(list)
        for place in places:
            key: Place = ()
            rest = place
            for hop in reversed(self.hops):
                rest, found = hop.split(rest)
                key = (found, *key)
            out[(*rest, *key)].append(place)
        return out


def _run(above: list[tuple[Loop | Node, int | None]], tensor: Tensor) -> frozenset[int]:
    """The run of a node: the temporal loops whose advance slides its tile, by their place among the temporal loops.

    Outwards from the node: skip irrelevant loops up to the first relevant one, of dimension d. If d is in a rank of two
    terms, that loop and those of d outwards of it, up to another temporal loop or a spatial loop of d, are the run.
    """
    run: list[int] = []
    dim: str | None = None
    for e, slot in reversed(above):
        if isinstance(e, Node) or e.bound == 1:
            continue
        if slot is None:
            if dim is not None and e.dim == dim:
                break
        elif (dim is None and e.dim in tensor.dims) or e.dim == dim:
            dim = e.dim
            run.append(slot)
        elif dim is not None:
            break
    sliding = any(len(r.terms) > 1 and dim in [d for _, d in r.terms] for r in tensor.ranks)
    return frozenset(run) if sliding else frozenset()


def _classes(fanout: FanOut, loops: list[tuple[Loop, int]], tensor: Tensor) -> dict[Place, int]:
    """Which inner instances of a fan-out share one transfer of the tensor: place -> class."""
    places = list(itertools.product(*(range(e.bound) for e, _ in loops)))
    output = tensor.role == "output"
    joined: dict[tuple, list[Place]] = defaultdict(list)
    for place in places:
        if fanout.reduction if output else fanout.multicast:
            start = dict.fromkeys(tensor.dims, 0)
            for i, (e, step) in zip(place, loops, strict=True):
                start[e.dim] = start.get(e.dim, 0) + i * step
            joined["start", *(sum(c * start[d] for c, d in r.terms) for r in tensor.ranks)].append(place)
        if fanout.links and not output:
            joined["link", *(i for i, (e, _) in zip(place, loops, strict=True) if e.dim not in fanout.links)].append(place)
    classes = {place: n for n, place in enumerate(places)}
    for _ in places:  # the smallest number spreads through whatever is joined
        for members in joined.values():
            least = min(classes[m] for m in members)
            classes.update(dict.fromkeys(members, least))
    return classes


class Walk:
    """The chip while it runs the mapping."""

    def __init__(self, layer: Layer, chip: Chip, mapping: Mapping, seed: int) -> None:
        self.layer, self.chip, self.mapping = layer, chip, mapping
        self.words: dict[Key, Counter[str]] = defaultdict(Counter)  # " outer", " inner" and fan-outs -> words
        self.nodes: list[Stage] = []
        innermost: dict[str, tuple[Stage, int]] = {}
        for name, memory in mapping.homes:  # stands above everything, as the outermost memory does for the others
            level = chip.level_of(memory)
            innermost[name] = self._stage(0, layer.tensor(name), memory, level, None), level
            self.nodes.append(innermost[name][0])
        for i, e in enumerate(mapping.entries):
            if isinstance(e, Node):
                level = chip.level_of(e.memory)
                stage = self._stage(i, layer.tensor(e.tensor), e.memory, level, innermost.get(e.tensor))
                innermost[e.tensor] = stage, level
                self.nodes.append(stage)
        last = len(mapping.entries)
        self.macs = {t.name: self._stage(last, t, "MAC", len(chip.levels), innermost[t.name]) for t in layer.tensors}
        rng = np.random.default_rng(seed)
        self.operands = [t for t in layer.tensors if t.role != "output"]
        self.values = {t.name: {e: int(rng.integers(-9, 10)) for e in sorted(all_elements(layer, t))} for t in self.operands}

    def _stage(self, i: int, tensor: Tensor, memory: str, level: int, outer: tuple[Stage, int] | None) -> Stage:
        slots = itertools.count()
        extents = self.mapping.extents_below
        together = self._together(memory, level)
        loops = [(e, extents[j].get(e.dim, 1)) for j, e in enumerate(self.mapping.entries[:i]) if isinstance(e, Loop)]
        above = [(e, next(slots) if isinstance(e, Loop) and not e.spatial else None) for e in self.mapping.entries[:i]]
        above = [(e, n) for e, n in above if isinstance(e, Node) or (e.fanout, e.axis) not in together]
        spatial = [(e, step) for e, step in loops if e.spatial and (e.fanout, e.axis) not in together]
        inside = [(e, step) for e, step in loops if (e.fanout, e.axis) in together]
        box = (
            dict.fromkeys(self.layer.bounds, 1) if level == len(self.chip.levels) else extents[i] if outer else self.layer.bounds
        )
        holder, holder_level = outer or (None, level)
        apart = self._together(holder.memory, holder_level) if holder else frozenset()
        left = list(range(len(spatial)))  # loops whose fan-outs are still to be passed on the way out
        hops: list[_Hop] = []
        for f in reversed([f for f in self.chip.levels[: level if holder else 0] if isinstance(f, FanOut)]):
            named = self.chip.level_of(f.name) >= holder_level
            axes = {a.name for a in f.axes if (f.name, a.name) not in together and (named or (f.name, a.name) in apart)}
            own = [x for x in left if spatial[x][0].fanout == f.name and spatial[x][0].axis in axes]
            if axes:
                linked = bool(f.links) and tensor.role != "output"
                classes = _classes(f, [spatial[x] for x in own], tensor)
                hops.insert(0, _Hop(f.name, tuple(left.index(x) for x in own), classes, linked))
            left = [x for x in left if x not in own]
        temporal = [(e.dim, step) for e, step in loops if not e.spatial]
        run, places, pieces = _run(above, tensor), self._offsets(spatial), list(self._offsets(inside).values())
        return Stage(
            layer=self.layer,
            tensor=tensor,
            memory=memory,
            box=box,
            loops=temporal,
            offsets=places,
            run=run,
            holder=holder,
            hops=hops,
            pieces=pieces,
            above=tuple(left),
        )

    def _together(self, memory: str, level: int) -> frozenset[tuple[str | None, str | None]]:
        """(fan-out, axis) of the axes that one instance of the memory serves; those of the fan-out right above it."""
        if level == len(self.chip.levels):
            return frozenset()
        return frozenset((self.chip.levels[level - 1].name, a) for a in self.chip.memory(memory).serves)  # type: ignore[union-attr]

    def _offsets(self, spatial: list[tuple[Loop, int]]) -> dict[Place, tuple[int, ...]]:
        """Indices of the spatial loops -> the position in each dimension that they cause."""
        offsets = {}
        for place in itertools.product(*(range(e.bound) for e, _ in spatial)):
            at = dict.fromkeys(self.layer.bounds, 0)
            for k, (e, step) in zip(place, spatial, strict=True):
                at[e.dim] += k * step
            offsets[place] = tuple(at.values())
        return offsets

    def run(self) -> Traffic:
        for root in (n for n in self.nodes if n.holder is None):
            words = frozenset(all_elements(self.layer, root.tensor))
            output = root.tensor.role == "output"
            fresh = set() if self.layer.resumes else set(words)
            root.tiles[()] = _Tile((0,) * len(root.own), words, dict.fromkeys(words, 0) if output else {}, fresh)
        bounds = [e.bound for e in self.mapping.entries if isinstance(e, Loop) and not e.spatial]
        before, macs = None, 0
        for now in itertools.product(*map(range, bounds)):
            moved = 0 if before is None else next(i for i, (a, b) in enumerate(zip(before, now, strict=True)) if a != b)
            changed = [n for n in self.nodes if n.holder and (before is None or len(n.loops) > moved)]
            for n in (n for n in reversed(changed) if n.tensor.role == "output"):
                self._drain(n, {place: index for place, index, _, _ in n.visits(now)})
            for n in changed:
                if n.tensor.role == "output":
                    self._begin(n, now)
                else:
                    self._fill(n, now, before is not None and moved in n.run)
            macs += self._compute(now)
            before = now
        for n in (n for n in reversed(self.nodes) if n.holder and n.tensor.role == "output"):
            self._drain(n, {})
        self._check_result()
        return Traffic(self._flows(), macs, math.prod(bounds))

    def _count(self, stage: Stage, kind: str, outer: int, inner: int, crossings: dict[str, int]) -> None:
        assert stage.holder is not None
        key = (stage.tensor.name, kind, stage.holder.memory, stage.memory)
        for where, words in [(" outer", outer), (" inner", inner), *crossings.items()]:
            self.words[key][where] += words

    def _move(self, stage: Stage, kind: str, requests: list[Request]) -> None:
        """Count one instant's words from the instances through each fan-out, which merges them, to the holder."""
        inner = sum(len(r.words) for r in requests)
        crossings = {}
        for hop in reversed(stage.hops):
            crossings[hop.name] = sum(len(r.words) for r in requests)
            requests = hop.merge(requests)
        self._count(stage, kind, sum(len(r.words) for r in requests), inner, crossings)

    def _fill(self, stage: Stage, now: tuple[int, ...], slides: bool) -> None:
        requests = []
        for place, index, empty, idle in stage.visits(now):
            held = stage.tiles.get(place)
            old = held.words if held and slides else NOTHING
            if empty:
                stage.tiles.pop(place, None)
                requests.append(Request(place, (), NOTHING, old))
            elif not idle and (held is None or held.index != index):
                words = stage.elements(index)
                assert words <= stage.held_above(place).words, "the holder lacks a word"
                requests.append(Request(place, (), words - old, old))
                stage.tiles[place] = _Tile(index, words)
        self._move(stage, "fill", requests)

    def _begin(self, stage: Stage, now: tuple[int, ...]) -> None:
        """New visits of an output node: sums start from zero or are reloaded into the first PE of each group."""
        begun = []
        for place, index, empty, idle in stage.visits(now):
            if not empty and not idle and place not in stage.tiles:
                words = stage.elements(index)
                stage.tiles[place] = _Tile(index, words, dict.fromkeys(words, 0), set(words))
                begun.append(place)
        reloads = 0
        for group in stage.groups(begun).values():
            first, above = stage.tiles[group[0]], stage.held_above(group[0])
            for e in first.words:
                if above.open[e]:
                    first.late.add(e)
                else:
                    first.sums[e] = above.sums[e]
                if above.open[e] or e not in above.zero:
                    first.zero.discard(e)
                    reloads += 1
                above.open[e] += 1
        self._count(stage, "reload", reloads, reloads, {h.name: reloads for h in stage.hops})

    def _drain(self, stage: Stage, now: dict[Place, Place]) -> None:
        """Visits that end: the index moves on (or the layer is done, where `now` is empty)."""
        ended = [place for place, tile in stage.tiles.items() if now.get(place) != tile.index]
        self._move(stage, "drain", [Request(place, (), stage.tiles[place].words) for place in ended])
        for group in stage.groups(ended).values():
            above = stage.held_above(group[0])
            tiles = [stage.tiles.pop(place) for place in group]
            for e in tiles[0].words:
                late = any(e in t.late for t in tiles)
                above.sums[e] = sum(t.sums[e] for t in tiles) + (above.sums[e] if late else 0)
                above.zero.discard(e)
                above.open[e] -= 1

    def _compute(self, now: tuple[int, ...]) -> int:
        products: dict[Place, int] = {}
        for t in self.operands:
            stage, requests = self.macs[t.name], []
            for place, index, empty, idle in stage.visits(now):
                if empty or idle:
                    continue
                words = stage.elements(index)
                assert words <= stage.held_above(place).words, "a MAC's operand is not there"
                requests.append(Request(place, (), words))
                value = next((self.values[t.name][e] for e in words), 0)
                products[place] = products.get(place, 1) * value
            self._move(stage, "operand", requests)
        self._update(self.macs[self.layer.output.name], now, products)
        return len(products)

    def _update(self, stage: Stage, now: tuple[int, ...], products: dict[Place, int]) -> None:
        words = {place: stage.elements(index) for place, index, _, _ in stage.visits(now) if place in products}
        self._move(stage, "update", [Request(place, (), words[place]) for place in products])
        reads = 0
        for group in stage.groups(list(products)).values():
            tile = stage.held_above(group[0])
            for e in words[group[0]]:
                reads += e not in tile.zero
                tile.zero.discard(e)
                tile.sums[e] += sum(products[place] for place in group)
        self._count(stage, "accumulate", reads, reads, {h.name: reads for h in stage.hops})

    def _check_result(self) -> None:
        root = next(n for n in self.nodes if n.tensor.role == "output" and n.holder is None).tiles[()]
        assert root.sums == direct_result(self.layer, self.values), "the partial sums do not add up to the layer's result"
        assert not root.zero, "an output element was never computed"

    def _flows(self) -> tuple[Flow, ...]:
        flows = []
        for key, words in self.words.items():
            crossings = tuple((where, n) for where, n in words.items() if where not in (" outer", " inner"))
            flows.append(Flow(*key, words[" outer"], words[" inner"], crossings))
        return tuple(flows)


def all_elements(layer: Layer, tensor: Tensor) -> frozenset[Element]:
    """Every valid element of the tensor."""
    origin = (0,) * len(layer.dims)
    whole = Stage(
        layer=layer,
        tensor=tensor,
        memory="",
        box=layer.bounds,
        loops=[],
        offsets={(): origin},
        run=frozenset(),
        holder=None,
        hops=[],
        pieces=[origin],
        above=(),
    )
    return whole.elements((0,) * len(whole.own))


def direct_result(layer: Layer, values: dict[str, dict[Element, int]]) -> dict[Element, int]:
    """The layer's output by one einsum over operands that are spread over their own dimensions (padding is 0)."""
    letters = {d: chr(ord("a") + i) for i, (d, _) in enumerate(layer.dims)}

    def coordinates(t: Tensor) -> tuple[list[str], Iterator[tuple[Place, Element]]]:
        own = [d for d in layer.bounds if d in t.dims]
        points = itertools.product(*(range(layer.bounds[d]) for d in own))
        pairs = ((p, tuple(r.offset + sum(c * p[own.index(d)] for c, d in r.terms) for r in t.ranks)) for p in points)
        return own, pairs

    arrays, names = [], []
    for t in (t for t in layer.tensors if t.role != "output"):
        own, pairs = coordinates(t)
        spread = np.zeros([layer.bounds[d] for d in own], np.int64)
        for point, element in pairs:
            spread[point] = values[t.name].get(element, 0)
        arrays.append(spread)
        names.append("".join(letters[d] for d in own))
    own, pairs = coordinates(layer.output)
    for d in (d for d in own if letters[d] not in "".join(names)):  # the same result along d, whatever the operands
        arrays.append(np.ones(layer.bounds[d], np.int64))
        names.append(letters[d])
    result = np.einsum(f"{','.join(names)}->{''.join(letters[d] for d in own)}", *arrays)
    valid = all_elements(layer, layer.output)
    return {element: int(result[point]) for point, element in pairs if element in valid}

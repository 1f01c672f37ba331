"""The words a mapping moves, in closed form: the only place that counts them.

A tensor's words at a node are a product: for each dimension that does not index it, how often the tile comes back; for
each one-term rank its valid indices; for each affine rank `a*p + b*r` a sum over pairs of tile positions. Words at the
holder, and on the inner side of each fan-out between, are the same product with the copies of that fan-out merged.

`accounting="default"` is the product's own; `"timeloop"` counts as Timeloop does (snapshot 4cf6d4c of 2025-03), `"timeloop-0.4"`
as the runs did whose statistics are published with Timeloop's 0.4 exercises, `"accelforge"` as AccelForge does.
`Rules` says where they differ.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import pairwise

from picojoule.cost.rank_counts import (
    AffineRank,
    Loops,
    Run,
    Sharing,
    active_positions,
    affine_words,
    sharing_groups,
    valid_values,
)
from picojoule.errors import MappingError, SpecError, unknown_name
from picojoule.hardware.chip import Chip, FanOut
from picojoule.mapping.mapping import Loop, Mapping
from picojoule.mapping.words import Flow, Traffic
from picojoule.workload.layer import Layer, Rank, Tensor

MAC = "MAC"


@dataclass(frozen=True)
class Rules:
    """Where accountings differ. The defaults are the product's own rules."""

    bounding_box: bool = False  # a footprint is the bounding box of its indices, not their number
    drain_reads: bool = True  # a drain reads the inner node
    reload_every_copy: bool = False  # a reload writes every copy of a spatially reduced tile, not one
    forward_reads: bool = False  # a word passed on to a neighbour is read out of the memory that passes it on
    outer_nodes_end_stays: bool = False  # a tile stays over no loop above a node (of any tensor) of a memory further out
    stays_end_slides: bool = False  # a tile that stays over a loop does not slide over the loops further out
    idle_leaks: bool = True  # memories that the mapping does not use leak too, and so do the MACs


RULES = {
    "default": Rules(),
    "timeloop": Rules(True, False, True, True),
    "timeloop-0.4": Rules(True, False, True, True, stays_end_slides=True, idle_leaks=False),
    "accelforge": Rules(outer_nodes_end_stays=True),
}


@dataclass(frozen=True)
class LoopAbove:
    """A loop above a place: each pass moves its dimension by `stride` (the extent below the loop)."""

    dim: str
    bound: int
    stride: int
    fanout: str | None
    axis: str | None = None

    def within(self, parts: Collection[FanOut]) -> bool:
        """Whether one of these fan-outs, or parts of them, unrolls it."""
        return self.fanout is not None and any(f.name == self.fanout and self.axis in f.along for f in parts)


@dataclass(frozen=True)
class Place:
    """Where a tensor's tile is held, or the MACs; `level` is its index into the chip's levels (MACs: one past the last)."""

    layer: Layer
    tensor: Tensor
    name: str
    level: int
    loops: tuple[LoopAbove, ...]
    tile: tuple[tuple[str, int], ...]  # extents below, not clipped to the bounds
    keeps: bool  # a node, which keeps its tile while the index stays; False at the MACs
    stays_from: int = 0  # position in `loops` of the outermost one over which the tile may stay
    slides_after_stays: bool = True  # whether a window slides over a loop outside one over which its tile stays

    @cached_property
    def extents(self) -> dict[str, int]:
        return dict(self.tile)

    @cached_property
    def staying(self) -> frozenset[int]:
        """Positions in `loops` of the temporal loops that leave the tile in place; their bounds multiply to x_t."""
        stay: list[int] = []
        for i in reversed(range(self.stays_from, len(self.loops))):
            loop = self.loops[i]
            if not self.keeps or (loop.fanout is None and loop.dim in self.tensor.dims):
                break
            if loop.fanout is None:
                stay.append(i)
        return frozenset(stay)

    @cached_property
    def stays(self) -> int:
        """x_t: for how many visits in a row the tile stays."""
        return math.prod(self.loops[i].bound for i in self.staying)

    @cached_property
    def sliding(self) -> tuple[frozenset[int], str, Run] | None:
        """The run of the sliding window: positions in `loops`, dimension and Run; None where no element is kept."""
        if not self.keeps or self.tensor.role == "output":
            return None
        run: list[int] = []
        dim, rank = "", None
        for i in reversed(range(len(self.loops))):
            loop = self.loops[i]
            if not run:
                if loop.fanout is not None or loop.dim not in self.tensor.dims:
                    if loop.fanout is None and loop.bound > 1 and not self.slides_after_stays:
                        return None
                    continue
                rank = next((r for r in self.tensor.ranks if len(r.terms) == 2 and loop.dim in [d for _, d in r.terms]), None)
                if rank is None:
                    return None
                run, dim = [i], loop.dim
            elif loop.fanout is None and loop.dim == dim:
                run.append(i)
            elif loop.fanout is None or loop.dim == dim:
                break
        if rank is None:
            return None
        axis = [d for _, d in rank.terms].index(dim)
        return frozenset(run), dim, Run(axis, self.loops[run[0]].stride, math.prod(self.loops[i].bound for i in run))

    def loops_of(self, dim: str, without: frozenset[int], fanouts: Collection[FanOut]) -> Loops:
        """(stride, bound) of the loops over a dimension, but for those at positions `without` or in `fanouts`."""
        return tuple(
            (x.stride, x.bound)
            for i, x in enumerate(self.loops)
            if x.dim == dim and i not in without and not (fanouts and x.within(fanouts))
        )

    def unrolled(self, dim: str, fanout: FanOut) -> Loops:
        """(stride, bound) of the loops that unroll a dimension at a fan-out, or at a part of one."""
        return tuple((x.stride, x.bound) for x in self.loops if x.dim == dim and x.within((fanout,)))


def count(layer: Layer, chip: Chip, mapping: Mapping, accounting: str = "default") -> Traffic:
    """All words that a mapping moves, in exact integers, over the whole layer and every instance.

    The mapping must be in the mapspace (`mapping.check`).
    """
    if accounting not in RULES:
        raise unknown_name("accounting", accounting, RULES)
    return count_by(layer, chip, mapping, RULES[accounting])


def count_by(layer: Layer, chip: Chip, mapping: Mapping, rules: Rules) -> Traffic:
    """`count` under any combination of rules."""
    flows: list[Flow] = []
    for tensor in layer.tensors:
        line = places(layer, chip, mapping, tensor, rules)
        flows += output_flows(chip, line, rules) if tensor.role == "output" else operand_flows(chip, line, rules)
    steps = math.prod(e.bound for e in mapping.entries if isinstance(e, Loop) and not e.spatial)
    return Traffic(tuple(flows), layer.macs, steps)


def differences(
    layer: Layer, chip: Chip, mapping: Mapping, accounting: str = "timeloop"
) -> dict[str, dict[tuple[str, str, str], int]]:
    """What each rule of another accounting changes alone: rule -> (memory, tensor, "read" or "write") -> words."""
    out = {}
    base, other = RULES["default"], RULES[accounting]
    before = _by_action(count_by(layer, chip, mapping, base))
    for rule in fields(Rules):
        after = _by_action(count_by(layer, chip, mapping, replace(base, **{rule.name: getattr(other, rule.name)})))
        out[rule.name] = {k: after.get(k, 0) - before.get(k, 0) for k in before | after if after.get(k, 0) != before.get(k, 0)}
    return out


def _by_action(traffic: Traffic) -> dict[tuple[str, str, str], int]:
    tables = (("read", traffic.reads()), ("write", traffic.writes()))
    return {(memory, tensor, action): n for action, table in tables for (memory, tensor), n in table.items()}


def places(layer: Layer, chip: Chip, mapping: Mapping, tensor: Tensor, rules: Rules = RULES["default"]) -> tuple[Place, ...]:
    """The tensor's home and nodes from the outside in, then the MACs."""
    out = []
    if tensor.name in dict(mapping.homes):
        home, whole = mapping.home(tensor, chip), mapping.extents
        tile = tuple((d, whole.get(d, 1)) for d, _ in layer.dims)
        out.append(Place(layer, tensor, home.name, chip.level_of(home.name), (), tile, True))
    above: list[LoopAbove] = []
    passed: list[tuple[int, int]] = []  # (level, loops above) of the nodes so far, whatever they hold
    for i, e in enumerate(mapping.entries):
        if isinstance(e, Loop):
            above.append(LoopAbove(e.dim, e.bound, mapping.extents_below[i].get(e.dim, 1), e.fanout, e.axis))
            continue
        level = chip.level_of(e.memory)
        if e.tensor == tensor.name:
            own = chip.shared_by(chip.memory(e.memory))  # what it serves together lies inside its tile, not above it
            held = mapping.held(i, own)
            tile = tuple((d, held.get(d, 1)) for d, _ in layer.dims)
            end = max((n for at, n in passed if at < level), default=0) if rules.outer_nodes_end_stays else 0
            loops = tuple(x for x in above if not x.within(own)) if own else tuple(above)
            end -= sum(x.within(own) for x in above[:end]) if own else 0
            out.append(
                Place(layer, tensor, e.memory, level, loops, tile, True, end, slides_after_stays=not rules.stays_end_slides)
            )
        passed.append((level, len(above)))
    ones = tuple((d, 1) for d, _ in layer.dims)
    return (*out, Place(layer, tensor, MAC, len(chip.levels), tuple(above), ones, False))


def fanouts_between(chip: Chip, outer: Place, inner: Place) -> tuple[FanOut, ...]:
    """The fan-outs a word passes from the holder to a place, from the outside in, each along the axes that it crosses."""
    return chip.passed(chip.memory(outer.name), chip.memory(inner.name) if inner.keeps else None)


def words(place: Place, merging: tuple[FanOut, ...] = (), box: bool = False, links: bool = True) -> int:
    """Words requested at a place over the layer, the copies unrolled at the `merging` fan-outs served together.

    Without `merging`: words written into all copies. With all fan-outs up to the holder: words read there.
    `links` False: as if no neighbour passed anything on.
    """
    return math.prod(n for _, n in factors(place, merging, box, links))


def factors(
    place: Place, merging: tuple[FanOut, ...] = (), box: bool = False, links: bool = True
) -> list[tuple[tuple[str, ...], int]]:
    """The factors of `words`, each with the dimensions it belongs to: returns of the tile, then indices of each rank."""
    out = place.tensor.role == "output"
    alike = tuple(f for f in merging if (f.reduction if out else f.multicast))
    linked = {f.name: f.links for f in merging if links and f.links and not out}
    found: list[tuple[tuple[str, ...], int]] = []
    for dim, n in place.layer.dims:
        if dim not in place.tensor.dims:
            served = (*alike, *(f for f in merging if dim in linked.get(f.name, ()))) if linked else alike
            found.append(((dim,), active_positions(n, place.loops_of(dim, place.staying, served))))
    for rank in place.tensor.ranks:
        if len(rank.terms) == 1:
            coefficient, dim = rank.terms[0]
            found.append(((dim,), valid_values(coefficient, rank.offset, rank.size, place.layer.bounds[dim])))
        else:
            found.append((tuple(d for _, d in rank.terms), _affine(place, rank, merging, alike, linked, box)))
    return found


def _affine(
    place: Place,
    rank: Rank,
    merging: tuple[FanOut, ...],
    alike: tuple[FanOut, ...],
    linked: dict[str, tuple[str, ...]],
    box: bool,
) -> int:
    """Words of one affine rank: sum over the positions of both its dimensions."""
    (a, p), (b, r) = rank.terms
    fanouts = []
    for f in merging:
        dims = linked.get(f.name, ())
        if f in alike or p in dims or r in dims:
            loops = (place.unrolled(p, f), place.unrolled(r, f))
            fanouts.append((f, Sharing(loops, f in alike, (p in dims, r in dims), bool(dims))))
    run, moved = None, place.staying
    if place.sliding and place.sliding[1] in (p, r):
        moved, run = place.staying | place.sliding[0], place.sliding[2]
    merged = tuple(f for f, _ in fanouts)
    apart = (place.loops_of(p, moved, merged), place.loops_of(r, moved, merged))
    bounds = (place.layer.bounds[p], place.layer.bounds[r])
    groups = sharing_groups(a, b, tuple(s for _, s in fanouts))
    tile = (place.extents[p], place.extents[r])
    return affine_words(AffineRank(a, b, bounds, rank.offset, rank.size, box), tile, apart, groups, run)


def _crossings(place: Place, between: tuple[FanOut, ...], box: bool) -> tuple[tuple[str, int], ...]:
    """Words on the inner side of each fan-out: merged by the fan-outs further in only."""
    return tuple((f.name, words(place, between[i + 1 :], box)) for i, f in enumerate(between))


def operand_flows(chip: Chip, line: tuple[Place, ...], rules: Rules) -> list[Flow]:
    """Fills of an operand's nodes, what neighbours pass on in place of the holder, and the reads of the MACs."""
    flows, box = [], rules.bounding_box
    for holder, place in pairwise(line):
        between = fanouts_between(chip, holder, place)
        read, written = words(place, between, box), words(place, (), box)
        kind = "fill" if place.keeps else "operand"
        flows.append(Flow(place.tensor.name, kind, holder.name, place.name, read, written, _crossings(place, between, box)))
        if place.keeps and any(f.links for f in between):
            passed = words(place, between, box, links=False) - read
            flows.append(Flow(place.tensor.name, "forward", place.name, place.name, passed, passed if rules.forward_reads else 0))
    return flows


def output_flows(chip: Chip, line: tuple[Place, ...], rules: Rules) -> list[Flow]:
    """Drains, reloads, MAC updates and the partial sums they add to, from DRAM inwards.

    `fresh` is z: how often an element starts from zero in the holder, so that its first arrival there reads nothing: at home
    each once, or never where the layer resumes the sums that lie there.
    """
    tensor = line[0].tensor
    if any(len(r.terms) == 2 for r in tensor.ranks):
        raise SpecError(
            f"output {tensor.name!r} has a rank of two dimensions, so that its tiles overlap",
            hint="lower a transposed convolution to sub-pixel convolutions",
        )
    flows, fresh = [], 0 if line[0].layer.resumes else words(line[0])
    for holder, place in pairwise(line):
        between = fanouts_between(chip, holder, place)
        visits, merged = words(place), words(place, between)
        back = merged - fresh  # all but the first arrival of an element bring its partial sum back
        crossed = _crossings(place, between, False)
        if not place.keeps:
            flows.append(Flow(tensor.name, "update", holder.name, MAC, merged, visits, crossed))
            flows.append(Flow(tensor.name, "accumulate", holder.name, MAC, back, back, tuple((f, back) for f, _ in crossed)))
            continue
        loaded = _every_copy(back, visits, merged) if rules.reload_every_copy else back
        flows.append(Flow(tensor.name, "drain", holder.name, place.name, merged, visits if rules.drain_reads else 0, crossed))
        flows.append(Flow(tensor.name, "reload", holder.name, place.name, back, loaded, tuple((f, loaded) for f, _ in crossed)))
        fresh = visits - loaded
    return flows


def _every_copy(reloads: int, visits: int, merged: int) -> int:
    """Words written if each reload reaches every copy of a spatially reduced tile."""
    if reloads and reloads * visits % merged:
        raise MappingError(
            "this mapping has ragged passes, which the timeloop accounting does not define",
            hint='use even tiles, or accounting="default"',
        )
    return reloads * visits // merged if reloads else 0

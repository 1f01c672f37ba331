"""Counts and prices of the second proof: words of a tensor for a node with this tile, and what each line of a tensor costs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from picojoule.cost.rank_counts import AffineRank, Run, Sharing, active_positions, affine_words, sharing_groups, valid_values
from picojoule.hardware.chip import Chip, FanOut, Memory, tensor_word_pj, transfer_word_pj
from picojoule.mapping.footprint import tile_elements
from picojoule.verification.reprove_space import Extents, Tiles, Unrolling, Way, axis_classes, chain_steps, stages_of, unrollings
from picojoule.workload.layer import Layer, Rank, Tensor

Worth = Callable[[float, float], bool]  # (energy in pJ, cycles): would a mapping with these or more beat the claim?
Pattern = tuple[frozenset[str], ...]  # per stage the tensors kept there
Stay = tuple[str, int, Extents]  # (tensor, stage, tile): where loops that leave the tensor's tile in place began
Passed = tuple[tuple[int, int], ...]  # (stage, extent) of fan-outs that unroll one dimension, outermost first
Slide = tuple[int, int, Passed]
Both = tuple[int, int, int, int, int]  # a fan-out that unrolls both dimensions of a rank: (stage, S1, D1, S2, D2)


@dataclass(frozen=True)
class Info:
    """What a label remembers of the loops above it, as far as a tensor still to be placed can profit from it.

    `stay`: (tensor, stage, tile) where a run of loops that leave the tensor's tile in place began.  `slide`: (dimension,
    extent where the run began, (stage, extent) unrolled below it, whether loops that do not index the slider came after).
    `below`: per fan-out and dimension the extent below it, 0 where no count depends on it.
    """

    top: bool = False
    stay: Stay | None = None
    slide: tuple[str, int, Passed, bool] | None = None
    below: tuple[Extents, ...] = ()


class Part(NamedTuple):
    """A fan-out on a tensor's way, by its stage: whole, or along the axes that a memory serves together, or along the others."""

    stage: int
    memory: str = ""  # "": whole
    inside: bool = False  # along the axes that the memory serves

    def takes(self, way: Way, i: int) -> bool:
        """Whether dimension i is unrolled along these axes, if it is at all."""
        return not self.memory or (self.memory in way[self.stage].served[i]) == self.inside


@dataclass(frozen=True)
class Line:
    """A tensor's way from a holder to a node (or the MACs, `stage` = number of stages), in vectors (pJ, bits at each port)."""

    tensor: Tensor
    holder: int
    stage: int
    at_node: tuple[float, ...]
    at_holder: tuple[float, ...]
    crossing: tuple[tuple[Part, float], ...]  # (fan-out, pJ per word), innermost first
    plain: tuple[float, float]  # pJ at the node and at the holder without anything that depends on first visits
    held: Part | None = None  # the axes that the node's memory serves together: it stands above them


@dataclass(frozen=True)
class Floors:
    """Bounds for labels: pJ per least word of each line, and the constants that come with the last stage."""

    per: dict[tuple[str, int], float]
    constant: float
    safe: bool
    elements: int


class Layered:
    """One layer on one chip: counts, lines of a pattern, and the search below given unrollings."""

    def __init__(
        self,
        layer: Layer,
        chip: Chip,
        tiles: Tiles,
        worth: Worth,
        *,
        ports: bool = True,
        runs: bool = True,
        slides: bool = True,
        homes: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.layer, self.chip, self.worth, self.runs, self.slides = layer, chip, worth, runs, slides
        self.dims = [d for d, _ in layer.dims]
        self.bounds = tuple(n for _, n in layer.dims)
        self.stages = stages_of(chip)
        self.steps = {d: chain_steps(n, tiles[d]) for d, n in layer.dims}
        self.known = {d: set(s) for d, s in self.steps.items()}
        self.choices = [unrollings(layer, s.fanout, tiles, s.group) for s in self.stages]
        self.slider = next((t.name for t in layer.tensors if t.role != "output" and any(len(r.terms) == 2 for r in t.ranks)), "")
        affine = [r for t in layer.tensors for r in t.ranks if len(r.terms) == 2]
        self.affine_dims = {d for r in affine for _, d in r.terms}
        self.partner = {d: e for r in affine for (_, d), (_, e) in itertools.permutations(r.terms)}
        self.idle = {t.name: [i for i, d in enumerate(self.dims) if d not in t.dims] for t in layer.tensors}
        self.idler = {d: next((t.name for t in layer.tensors if d not in t.dims), "") for d in self.dims}
        self.ports: list[tuple[Memory | FanOut, str, float]] = [
            (m, serves, w)
            for m in chip.memories
            for serves in ("read", "write", "readwrite")
            if ports and (w := sum(p.bits_per_cycle for p in m.ports if p.serves == serves))
        ]
        self.ports += [(f, "network", f.bits_per_cycle) for f in chip.fanouts if ports and f.bits_per_cycle is not None]
        parts = [(m.leakage_mw, chip.instances(m)) for m in chip.memories]
        parts += [(chip.compute.leakage_mw, chip.pes), (chip.static_mw, 1)]
        self.leak = sum(mw * n for mw, n in parts if mw) * 1e9 / chip.clock_hz
        self.homes = homes
        self.place_of = {m.name: s for s, x in enumerate(self.stages) if x.group for m in x.group.memories}
        self.place_of |= {x.fanout.name: s - 1 for s, x in enumerate(self.stages) if x.fanout}  # where its root is
        self.positions = lru_cache(maxsize=1 << 20)(self._positions)
        self.rank_words = lru_cache(maxsize=1 << 20)(self._rank_words)
        self.footprint = lru_cache(maxsize=1 << 20)(self._footprint)
        self.least = lru_cache(maxsize=1 << 20)(self._least)

    # ---- counts ------------------------------------------------------------------------------------------------------
    def _positions(
        self, i: int, tile: int, spatial: tuple[tuple[int, int, int], ...], merged: frozenset[int], start: tuple[int, int] | None
    ) -> int | float:
        """How often a tile that dimension i does not index comes back. `spatial`: (stage, S, D), D = 0 if no count needs it.

        `start`: (stage, extent) from which on loops leave it in place.
        """
        n = self.bounds[i]
        loops: list[tuple[int, int]] = []
        factor, now = 1.0, n
        for stage, s, below in spatial:
            if start and stage > start[0] and now > start[1]:
                loops.append((start[1], -(-now // start[1])))
                now = start[1]
            if not below:  # whole: shares and copies are factors
                if start and stage > start[0]:
                    factor *= 1 if stage in merged else s
                elif stage in merged:
                    factor /= s
                continue
            above = s * below
            if now > above and not (start and stage > start[0]):
                loops.append((above, -(-now // above)))
            if stage not in merged:
                loops.append((below, s))
            now = below
        last = start[1] if start and now > start[1] else tile
        if not start or now > start[1]:
            loops += [(last, -(-now // last))] if now > last else []
        return active_positions(n, tuple(loops)) * factor

    def _rank_words(self, rank: Rank, tile: tuple[int, int], both: tuple[Both, ...], slide: Slide | None) -> int:
        """Elements of a two-term rank moved, the copies of the merged fan-outs `both`, outermost first, served together.

        `slide`: (which of the two dimensions, extent where the run began, (stage, extent) unrolled below it, outermost first).
        """
        (a, p), (b, q) = rank.terms
        n = (self.layer.bounds[p], self.layer.bounds[q])
        run, apart = None, []
        for k in (0, 1):
            begin, passed = (slide[1], slide[2]) if slide and slide[0] == k else (0, ())
            step = tile[k] * math.prod(s for _, s in passed)
            loops: list[tuple[int, int]] = []
            now = n[k]
            for stage, *x in both:  # each begins where the loops above it end; those below the run follow there
                s, below = x[2 * k], x[2 * k + 1]
                if any(stage == at for at, _ in passed):
                    continue
                if now > s * below:
                    loops.append((s * below, -(-now // (s * below))))
                now = below
            last = begin or tile[k]
            if now > last:
                loops.append((last, -(-now // last)))
            if begin:
                run = Run(k, step, -(-begin // step))
            stride = step
            for at, s in passed:
                stride //= s
                if all(at != stage for stage, *_ in both):
                    loops.append((stride, s))
            apart.append(tuple(loops))
        shared = tuple(Sharing((((x[1], x[0]),), ((x[3], x[2]),))) for _, *x in both)
        groups = sharing_groups(a, b, shared)
        return affine_words(AffineRank(a, b, n, rank.offset, rank.size), tile, (apart[0], apart[1]), groups, run)

    def _footprint(self, tensor: Tensor, tile: Extents) -> int:
        return tensor.stored_bits(tile_elements(self.layer, tensor, dict(zip(self.dims, tile, strict=True))))

    def held(self, stage: int, tensor: Tensor) -> Part | None:
        """The axes that the memory of the tensor at a stage serves together, where it serves any."""
        memory = self.stages[stage].memory(tensor) if 0 <= stage < len(self.stages) else None
        return Part(stage, memory.name, True) if memory and memory.serves else None

    def boxed(self, tensor: Tensor) -> set[int]:
        """Dimensions that no loop may part from a served axis: of sliding windows, and of padded ranks."""
        ranks = [r for r in tensor.ranks if len(r.terms) == 2 or r.offset != 0 or r.size is not None]
        return {self.dims.index(d) for r in ranks for _, d in r.terms}

    def instances(self, memory: Memory | FanOut, way: Way) -> int:
        """Instances of a memory, or of a network's root, in use below these unrollings, which reach down to its stage."""
        at = self.place_of.get(memory.name, -1)
        out = math.prod(math.prod(u.extents) for u in way[: at + 1])
        own = [s for s, served in zip(way[at].extents, way[at].served, strict=True) if memory.name in served] if at >= 0 else []
        return out // math.prod(own)

    def wider(self, tile: Extents, held: Part | None, way: Way) -> Extents:
        """What an instance holds for all places along the axes that it serves, each with this tile."""
        if held is None:
            return tile
        u = way[held.stage]
        return tuple(
            min(n, t * s) if held.takes(way, i) else t
            for i, (t, s, n) in enumerate(zip(tile, u.extents, self.bounds, strict=True))
        )

    def words(
        self, tensor: Tensor, tile: Extents, info: Info, way: Way, parts: frozenset[Part], keeps: bool, held: Part | None = None
    ) -> float:
        """Words requested at a node with this tile, the copies of the merged fan-outs served together.

        `held`: the axes that the node's memory serves: it has the tiles of all places along them, as one.
        """
        out = 1.0
        own = parts if held is None else parts | {held}
        place, tile = tile, self.wider(tile, held, way)
        staying = info.stay if keeps and info.top and info.stay and info.stay[0] == tensor.name else None
        for i in self.idle[tensor.name]:
            spatial = tuple((k, u.extents[i], info.below[k][i]) for k, u in enumerate(way) if u.extents[i] > 1)
            start = (staying[1], staying[2][i]) if staying else None
            merged = frozenset(x.stage for x in own if x.takes(way, i)) if spatial else frozenset()
            out *= self.positions(i, place[i], spatial, merged, start)
        for rank in tensor.ranks:
            if len(rank.terms) == 1:
                ((c, d),) = rank.terms
                out *= valid_values(c, rank.offset, rank.size, self.layer.bounds[d])
                continue
            i, j = (self.dims.index(d) for _, d in rank.terms)
            both = tuple(
                (k, u.extents[i], info.below[k][i], u.extents[j], info.below[k][j])
                for k, u in enumerate(way)
                if u.extents[i] > 1
                and u.extents[j] > 1
                and any(x.stage == k and x.takes(way, i) and x.takes(way, j) for x in parts)
            )
            slide = None
            if keeps and info.slide and tensor.name == self.slider and (info.top or not info.slide[3]):
                d, begin, passed, _ = info.slide
                if held and held.takes(way, self.dims.index(d)):
                    passed = tuple(x for x in passed if x[0] != held.stage)  # inside the node's own tile
                if d in [x for _, x in rank.terms]:
                    slide = ([x for _, x in rank.terms].index(d), begin, passed)
            out *= self.rank_words(rank, (tile[i], tile[j]), both, slide)
        return out

    def _least(self, tensor: Tensor, tile: Extents, start: Extents) -> float:
        """No node at this tile or a smaller one moves fewer words, all copies together; `start` for dimensions not indexed."""
        out = float(math.prod(-(-self.bounds[i] // start[i]) for i in self.idle[tensor.name]))
        for rank in tensor.ranks:
            if len(rank.terms) == 1:
                ((c, d),) = rank.terms
                out *= valid_values(c, rank.offset, rank.size, self.layer.bounds[d])
                continue
            i, j = (self.dims.index(d) for _, d in rank.terms)
            whole = (self.bounds[i], self.bounds[j])
            out *= min(self.rank_words(rank, (whole[0], tile[j]), (), None), self.rank_words(rank, (tile[i], whole[1]), (), None))
        return out

    # ---- prices ------------------------------------------------------------------------------------------------------
    def patterns(self) -> Iterator[Pattern]:
        """Every choice of the tensors that each group keeps."""
        options = []
        for at, s in enumerate(self.stages):
            inside = [t for t in self.layer.tensors if at > self.home(t)]
            rules = [(t.name, m.keeps_role(t.role) if (m := s.memory(t)) else "never") for t in inside]
            must = frozenset(t for t, rule in rules if rule == "must")
            may = [t for t, rule in rules if rule == "may"]
            options.append([must | frozenset(x) for k in range(len(may) + 1) for x in itertools.combinations(may, k)])
        yield from itertools.product(*options)

    def home(self, tensor: Tensor) -> int:
        """The stage whose memory the tensor starts or ends in; -1 for an outermost memory."""
        return next((self.place_of[m] for t, m in self.homes if t == tensor.name), -1)

    def _event(self, stage: int, tensor: Tensor, action: str) -> tuple[float, ...]:
        """(pJ, cycles at each port of one instance) of one word."""
        if stage == len(self.stages):
            return (0.0,) * (1 + len(self.ports))
        memory = self.chip.home(tensor.role) if stage < 0 else self.stages[stage].memory(tensor)
        assert memory is not None
        own = any(p.serves == action for p in memory.ports)
        loads = [
            tensor.bits / w if m.name == memory.name and serves == (action if own else "readwrite") else 0.0
            for m, serves, w in self.ports
        ]
        return (tensor_word_pj(memory, tensor, action), *loads)

    def lines(self, pattern: Pattern) -> tuple[dict[tuple[str, int], Line], tuple[float, ...]]:
        """Lines by (tensor, stage), and the constant vector: MACs, less what outputs save by starting from zero."""
        out: dict[tuple[str, int], Line] = {}
        constant = [0.0] * (1 + len(self.ports))
        constant[0] = self.layer.macs * self.chip.compute.energy_pj(self.layer)
        for t in self.layer.tensors:
            homes = [self.home(t), *(s for s, kept in enumerate(pattern) if t.name in kept), len(self.stages)]
            later = (0.0,) * len(constant)
            for holder, stage in reversed(list(itertools.pairwise(homes))):
                crossing, held = self._way(holder, stage, t), self.held(stage, t)
                read, write = self._event(holder, t, "read"), self._event(holder, t, "write")
                inner_read, inner_write = self._event(stage, t, "read"), self._event(stage, t, "write")
                if t.role != "output":
                    out[t.name, stage] = Line(t, holder, stage, inner_write, read, crossing, (inner_write[0], read[0]), held)
                    continue
                back = plus(read, inner_write)
                back = (back[0] + sum(pj for _, pj in crossing), *back[1:])
                for part, _ in crossing:
                    back = plus(back, self._root(part, holder, t))
                constant = [c - self.layer.elements(t) * x for c, x in zip(constant, back, strict=True)]
                node, hold = plus(inner_read, later, -1), plus(plus(write, back), later)
                out[t.name, stage] = Line(t, holder, stage, node, hold, crossing, (inner_read[0], write[0]), held)
                later = plus(later, back)
        return out, tuple(constant)

    def _way(self, holder: int, stage: int, t: Tensor) -> tuple[tuple[Part, float], ...]:
        """The fan-outs from a place outwards to its holder, along the axes that have to be passed, with their pJ per word."""
        out, held, above = [], self.held(stage, t), self.held(holder, t)
        for s in range(min(stage, len(self.stages) - 1), holder, -1):
            f = self.stages[s].fanout
            if f and not (held and s == stage):
                out.append(Part(s))
            elif f and held and any(held.memory not in x for x in axis_classes(f, self.stages[s].group).values()):
                out.append(Part(s, held.memory, False))
        out += [above] if above else []
        return tuple((x, self._transfer(x.stage, t)) for x in out)

    def _root(self, part: Part, holder: int, t: Tensor) -> tuple[float, ...]:
        """(0 pJ, cycles at each port) of one word that passes the root of a fan-out's network on its way from a holder."""
        f = self.stages[part.stage].fanout
        loads = [t.bits / w if x is f and part.stage > holder else 0.0 for x, _, w in self.ports]
        return (0.0, *loads)

    def _transfer(self, stage: int, t: Tensor) -> float:
        f = self.stages[stage].fanout
        assert f is not None
        return transfer_word_pj(f, t)

    def _merges(self, t: Tensor, stage: int) -> bool:
        f = self.stages[stage].fanout
        return bool(f and (f.reduction if t.role == "output" else f.multicast))

    def price(self, line: Line, tile: Extents, info: Info, way: Way) -> tuple[float, ...]:
        """(pJ, cycles at each port as if it existed once) of all words of a line."""
        keeps = line.stage < len(self.stages)
        merged: frozenset[Part] = frozenset()
        w = self.words(line.tensor, tile, info, way, merged, keeps, line.held)
        out = [x * w for x in line.at_node]
        for part, pj in line.crossing:
            out[0] += pj * w
            if self._merges(line.tensor, part.stage):
                merged |= {part}
                w = self.words(line.tensor, tile, info, way, merged, keeps, line.held)
            out = [x + y * w for x, y in zip(out, self._root(part, line.holder, line.tensor), strict=True)]
        return tuple(o + x * w for o, x in zip(out, line.at_holder, strict=True))

    def copies(self, t: Tensor, u: Unrolling) -> int:
        """The most copies of one word that a fan-out may serve."""
        out = math.prod(u.extents[i] for i in self.idle[t.name])
        for rank in t.ranks:
            if len(rank.terms) == 2:
                out *= min(u.extents[self.dims.index(d)] for _, d in rank.terms)
        return out

    def floors(self, lines: dict[tuple[str, int], Line], constant: tuple[float, ...], way: Way | None) -> Floors:
        """Least pJ per word of every line. `way` None: whatever is unrolled.

        A line of the output may be negative (copies that start from zero). Then all its lines are bounded without first
        visits, and what they save is taken from the constants of lines already placed.
        """
        most = {}
        for k, s in enumerate(self.stages):
            for t in self.layer.tensors:
                options = self.choices[k] if way is None else [way[k]]
                most[t.name, k] = max(self.copies(t, u) for u in options) if s.fanout and self._merges(t, k) else 1
        per, own = {}, {key: self._held_copies(line, way) for key, line in lines.items()}
        for key, line in lines.items():
            total, copies = line.at_node[0] / (own[key] if line.at_node[0] > 0 else 1), own[key]
            for part, pj in line.crossing:
                total += pj / copies
                copies *= most[line.tensor.name, part.stage]
            per[key] = total + line.at_holder[0] / copies
        out = self.layer.output.name
        safe = any(per[k] < 0 for k in per if k[0] == out)
        if safe:
            for key, line in lines.items():
                if key[0] == out:
                    copies = math.prod(most[out, part.stage] for part, _ in line.crossing)
                    per[key] = (line.plain[0] + line.plain[1] / copies) / own[key]
        return Floors(per, constant[0], safe, self.layer.elements(self.layer.output))

    def _held_copies(self, line: Line, way: Way | None) -> int:
        """No fewer than the places whose tiles one word of the node's own may be in: those that its memory serves together."""
        if line.held is None:
            return 1
        options = self.choices[line.held.stage] if way is None else [way[line.held.stage]]
        alike = {
            *self.idle[line.tensor.name],
            *(self.dims.index(d) for r in line.tensor.ranks if len(r.terms) == 2 for _, d in r.terms),
        }
        inside = [[s for i, s in enumerate(u.extents) if i in alike and line.held.memory in u.served[i]] for u in options]
        return max(math.prod(x) for x in inside)

    # ---- the search --------------------------------------------------------------------------------------------------
    def mac_words(self, t: Tensor) -> float:
        return (
            self.least(t, tuple(1 for _ in self.dims), tuple(1 for _ in self.dims))
            if t.name != self.slider
            else self.words(t, tuple(1 for _ in self.dims), Info(), (), frozenset(), False)
        )


def plus(a: tuple[float, ...], b: tuple[float, ...], sign: int = 1) -> tuple[float, ...]:
    """a + sign * b, number by number."""
    return tuple(x + sign * y for x, y in zip(a, b, strict=True))

"""A second proof of a layer's optimum: a plain label-setting programme over dictionaries, slow and simple.

It shares no code with the fast search: prices come from the counts of single dimensions and ranks, labels are tuples, and
nothing is compiled. `reprove` takes what would be better than the claim (`worth`) and looks for it everywhere in the space
(within the borders that the certificate states): bypass pattern by bypass pattern and unrolling by unrolling. Each pair of
them is closed by a simple bound (every line of every tensor at its least), or searched, or, when the time is over, left
open and counted as such.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from picojoule.cost.rank_counts import AffineRank, Run, Sharing, active_positions, affine_words, sharing_groups, valid_values
from picojoule.hardware.chip import Axis, Chip, FanOut, Group, Memory, tensor_word_pj, transfer_word_pj
from picojoule.mapping.footprint import tile_elements
from picojoule.mapping.mapping import Loop, Mapping, Node
from picojoule.workload.kinds import kind
from picojoule.workload.layer import Layer, Rank, Tensor

Worth = Callable[[float, float], bool]  # (energy in pJ, cycles): would a mapping with these or more beat the claim?
Extents = tuple[int, ...]  # one number per dimension of the layer
Pattern = tuple[frozenset[str], ...]  # per stage the tensors kept there
Tiles = dict[str, tuple[int, ...]]  # dimension -> every extent that may lie below its outermost loop
Stay = tuple[str, int, Extents]  # (tensor, stage, tile): where loops that leave the tensor's tile in place began
Passed = tuple[tuple[int, int], ...]  # (stage, extent) of fan-outs that unroll one dimension, outermost first
Slide = tuple[int, int, Passed]
Both = tuple[int, int, int, int, int]  # a fan-out that unrolls both dimensions of a rank: (stage, S1, D1, S2, D2)


@dataclass(frozen=True)
class Stage:
    """A fan-out or none, the memories below it or none, and the loops that may stand there."""

    fanout: FanOut | None
    group: Group | None

    def memory(self, tensor: Tensor) -> Memory | None:
        return self.group.memory_for(tensor.role) if self.group else None


@dataclass(frozen=True)
class Unrolling:
    """What one fan-out unrolls: extents, and the same as loops on its axes. `below`: the tile where N itself is unrolled."""

    extents: Extents
    loops: tuple[Loop, ...]
    below: Extents  # per dimension 0, or the ragged tile below


Way = tuple[Unrolling, ...]  # one per stage


@dataclass
class Outcome:
    """What was rechecked. `pairs` = `bounded` + `searched` + `open`; `better`: a mapping that beats the claim, if found."""

    patterns: int = 0
    pairs: int = 0
    bounded: int = 0
    searched: int = 0
    open: int = 0
    labels: int = 0
    better: Mapping | None = None

    @property
    def complete(self) -> bool:
        return self.open == 0 and self.better is None


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


@dataclass(frozen=True)
class Label:
    energy: float
    loads: tuple[float, ...]
    used: tuple[tuple[str, int], ...]
    covered: int  # product over the dimensions of passes x extent, padding included
    info: Info
    path: tuple  # (path before, what was done)

    def beats(self, other: Label) -> bool:
        return (self.energy <= other.energy and self.covered <= other.covered
                and all(a <= b for a, b in zip(self.loads, other.loads, strict=True))
                and all(dict(other.used).get(m, 0) >= n for m, n in self.used))


@dataclass(frozen=True)
class Line:
    """A tensor's way from a holder to a node (or the MACs, `stage` = number of stages), in vectors (pJ, bits at each port)."""

    tensor: Tensor
    holder: int
    stage: int
    at_node: tuple[float, ...]
    at_holder: tuple[float, ...]
    crossing: tuple[tuple[int, float], ...]  # (stage of the fan-out, pJ per word), innermost first
    plain: tuple[float, float]  # pJ at the node and at the holder without anything that depends on first visits


def stages_of(chip: Chip) -> tuple[Stage, ...]:
    out: list[Stage] = []
    waiting: FanOut | None = None
    for level in chip.levels[1:]:
        if isinstance(level, Group):
            out.append(Stage(waiting, level))
            waiting = None
        else:
            if waiting or not out:
                out.append(Stage(waiting, None))
            waiting = level
    return (*out, Stage(waiting, None)) if waiting or not out else tuple(out)


def divisors(n: int) -> list[int]:
    return [t for t in range(1, n + 1) if n % t == 0]


def chain_steps(n: int, tiles: tuple[int, ...]) -> dict[int, list[int]]:
    """Extent -> the next smaller ones: whole factors, and from the bound every outermost tile."""
    known = sorted({n, *tiles})
    out = {}
    for a in known:
        below = [b for b in known if b < a and a % b == 0]
        near = [b for b in below if not any(c % b == 0 for c in below if c > b)]
        out[a] = near + ([b for b in known if n % b] if a == n else [])
    return out


Option = tuple[int, int, tuple[Loop, ...]]  # extent, ragged tile below or 0, loops


def unrollings(layer: Layer, fanout: FanOut | None, tiles: Tiles) -> list[Unrolling]:
    """Every way to unroll at a fan-out, once per product of extents (and ragged tile), with loops that are legal."""
    dims = [d for d, _ in layer.dims]
    ones = tuple(1 for _ in dims)
    if fanout is None:
        return [Unrolling(ones, (), tuple(0 for _ in dims))]
    options = [list(_one_dimension(layer, fanout, d, n, tiles[d])) for d, n in layer.dims]
    sizes = {a.name: a.size for a in fanout.axes}
    found: dict[tuple[Extents, Extents], Unrolling] = {}

    def go(i: int, chosen: tuple[Option, ...], used: dict[str, int]) -> None:
        if i == len(dims):
            u = Unrolling(tuple(c[0] for c in chosen), tuple(x for c in chosen for x in c[2]), tuple(c[1] for c in chosen))
            found.setdefault((u.extents, u.below), u)
            return
        for option in options[i]:
            now = dict(used)
            for x in option[2]:
                now[x.axis or ""] = now.get(x.axis or "", 1) * x.bound
            if all(n <= sizes[a] for a, n in now.items()):
                go(i + 1, (*chosen, option), now)

    go(0, (), {})
    return list(found.values())


def _one_dimension(layer: Layer, fanout: FanOut, d: str, n: int, tiles: tuple[int, ...]) -> Iterator[Option]:
    """(extent, ragged tile below or 0, loops) over one dimension. A ragged tile: N itself is unrolled, unevenly."""
    yield 1, 0, ()
    known = sorted({n, *tiles})
    axes: list[Axis] = [a for a in fanout.axes if a.allows(layer, d)]
    exact = {a // b for a in known for b in known if b < a and a % b == 0}
    for k in range(1, len(axes) + 1):
        for picked in itertools.permutations(axes, k):
            for bounds in itertools.product(*(range(2, a.size + 1) for a in picked)):
                s = math.prod(bounds)
                loops = tuple(Loop(d, b, fanout.name, a.name) for b, a in zip(bounds, picked, strict=True))
                if s in exact:
                    yield s, 0, loops
                inner = s // bounds[0]
                for t in known:
                    if n % t and t % inner == 0 and -(-n // t) == bounds[0] and t // inner in known:
                        yield s, t // inner, loops


class Layered:
    """One layer on one chip: counts, lines of a pattern, and the search below given unrollings."""

    def __init__(self, layer: Layer, chip: Chip, tiles: Tiles, worth: Worth, *, ports: bool = True,
                 runs: bool = True, slides: bool = True) -> None:
        self.layer, self.chip, self.worth, self.runs, self.slides = layer, chip, worth, runs, slides
        self.dims = [d for d, _ in layer.dims]
        self.bounds = tuple(n for _, n in layer.dims)
        self.stages = stages_of(chip)
        self.steps = {d: chain_steps(n, tiles[d]) for d, n in layer.dims}
        self.known = {d: set(s) for d, s in self.steps.items()}
        self.choices = [unrollings(layer, s.fanout, tiles) for s in self.stages]
        self.slider = next((t.name for t in layer.tensors if t.role != "output" and any(len(r.terms) == 2 for r in t.ranks)), "")
        affine = [r for t in layer.tensors for r in t.ranks if len(r.terms) == 2]
        self.affine_dims = {d for r in affine for _, d in r.terms}
        self.partner = {d: e for r in affine for (_, d), (_, e) in itertools.permutations(r.terms)}
        self.idle = {t.name: [i for i, d in enumerate(self.dims) if d not in t.dims] for t in layer.tensors}
        self.idler = {d: next((t.name for t in layer.tensors if d not in t.dims), "") for d in self.dims}
        self.ports = [(m, serves, w) for m in chip.memories for serves in ("read", "write", "readwrite")
                      if ports and (w := sum(p.bits_per_cycle for p in m.ports if p.serves == serves))]
        parts = [(m.leakage_mw, chip.instances_above(chip.level_of(m.name))) for m in chip.memories]
        parts += [(chip.compute.leakage_mw, chip.pes), (chip.static_mw, 1)]
        self.leak = sum(mw * n for mw, n in parts if mw) * 1e9 / chip.clock_hz
        self.place_of = {m.name: s for s, x in enumerate(self.stages) if x.group for m in x.group.memories}
        self.positions = lru_cache(maxsize=1 << 20)(self._positions)
        self.rank_words = lru_cache(maxsize=1 << 20)(self._rank_words)
        self.footprint = lru_cache(maxsize=1 << 20)(self._footprint)
        self.least = lru_cache(maxsize=1 << 20)(self._least)

    # ---- counts ------------------------------------------------------------------------------------------------------
    def _positions(self, i: int, tile: int, spatial: tuple[tuple[int, int, int], ...], merged: frozenset[int],
                   start: tuple[int, int] | None) -> int | float:
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

    def words(self, tensor: Tensor, tile: Extents, info: Info, way: Way, merged: frozenset[int], keeps: bool) -> float:
        """Words requested at a node with this tile, the copies of the merged fan-outs served together."""
        out = 1.0
        staying = info.stay if keeps and info.top and info.stay and info.stay[0] == tensor.name else None
        for i in self.idle[tensor.name]:
            spatial = tuple((k, u.extents[i], info.below[k][i]) for k, u in enumerate(way) if u.extents[i] > 1)
            start = (staying[1], staying[2][i]) if staying else None
            out *= self.positions(i, tile[i], spatial, merged if spatial else frozenset(), start)
        for rank in tensor.ranks:
            if len(rank.terms) == 1:
                (c, d), = rank.terms
                out *= valid_values(c, rank.offset, rank.size, self.layer.bounds[d])
                continue
            i, j = (self.dims.index(d) for _, d in rank.terms)
            both = tuple((k, u.extents[i], info.below[k][i], u.extents[j], info.below[k][j]) for k, u in enumerate(way)
                         if k in merged and u.extents[i] > 1 and u.extents[j] > 1)
            slide = None
            if keeps and info.slide and tensor.name == self.slider and (info.top or not info.slide[3]):
                d, begin, passed, _ = info.slide
                if d in [x for _, x in rank.terms]:
                    slide = ([x for _, x in rank.terms].index(d), begin, passed)
            out *= self.rank_words(rank, (tile[i], tile[j]), both, slide)
        return out

    def _least(self, tensor: Tensor, tile: Extents, start: Extents) -> float:
        """No node at this tile or a smaller one moves fewer words, all copies together; `start` for dimensions not indexed."""
        out = float(math.prod(-(-self.bounds[i] // start[i]) for i in self.idle[tensor.name]))
        for rank in tensor.ranks:
            if len(rank.terms) == 1:
                (c, d), = rank.terms
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
        for s in self.stages:
            rules = [(t.name, m.keeps_role(t.role) if (m := s.memory(t)) else "never") for t in self.layer.tensors]
            must = frozenset(t for t, rule in rules if rule == "must")
            may = [t for t, rule in rules if rule == "may"]
            options.append([must | frozenset(x) for k in range(len(may) + 1) for x in itertools.combinations(may, k)])
        yield from itertools.product(*options)

    def _event(self, stage: int, tensor: Tensor, action: str) -> tuple[float, ...]:
        """(pJ, cycles at each port of one instance) of one word."""
        if stage == len(self.stages):
            return (0.0,) * (1 + len(self.ports))
        memory = self.chip.dram if stage < 0 else self.stages[stage].memory(tensor)
        assert memory is not None
        own = any(p.serves == action for p in memory.ports)
        loads = [tensor.bits / w if m.name == memory.name and serves == (action if own else "readwrite") else 0.0
                 for m, serves, w in self.ports]
        return (tensor_word_pj(memory, tensor, action), *loads)

    def lines(self, pattern: Pattern) -> tuple[dict[tuple[str, int], Line], tuple[float, ...]]:
        """Lines by (tensor, stage), and the constant vector: MACs, less what outputs save by starting from zero."""
        out: dict[tuple[str, int], Line] = {}
        constant = [0.0] * (1 + len(self.ports))
        constant[0] = self.layer.macs * self.chip.compute.energy_pj(self.layer)
        for t in self.layer.tensors:
            homes = [-1, *(s for s, kept in enumerate(pattern) if t.name in kept), len(self.stages)]
            later = (0.0,) * len(constant)
            for holder, stage in reversed(list(itertools.pairwise(homes))):
                fans = [s for s in range(min(stage, len(self.stages) - 1), holder, -1) if self.stages[s].fanout]
                crossing = tuple((s, self._transfer(s, t)) for s in fans)
                read, write = self._event(holder, t, "read"), self._event(holder, t, "write")
                inner_read, inner_write = self._event(stage, t, "read"), self._event(stage, t, "write")
                if t.role != "output":
                    out[t.name, stage] = Line(t, holder, stage, inner_write, read, crossing, (inner_write[0], read[0]))
                    continue
                back = _plus(read, inner_write)
                back = (back[0] + sum(pj for _, pj in crossing), *back[1:])
                constant = [c - self.layer.elements(t) * x for c, x in zip(constant, back, strict=True)]
                node, hold = _plus(inner_read, later, -1), _plus(_plus(write, back), later)
                out[t.name, stage] = Line(t, holder, stage, node, hold, crossing, (inner_read[0], write[0]))
                later = _plus(later, back)
        return out, tuple(constant)

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
        merged: frozenset[int] = frozenset()
        w = self.words(line.tensor, tile, info, way, merged, keeps)
        out = [x * w for x in line.at_node]
        for s, pj in line.crossing:
            out[0] += pj * w
            if self._merges(line.tensor, s):
                merged |= {s}
                w = self.words(line.tensor, tile, info, way, merged, keeps)
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
        per = {}
        for key, line in lines.items():
            total, copies = line.at_node[0], 1
            for at, pj in line.crossing:
                total += pj / copies
                copies *= most[line.tensor.name, at]
            per[key] = total + line.at_holder[0] / copies
        out = self.layer.output.name
        safe = any(per[k] < 0 for k in per if k[0] == out)
        if safe:
            for key, line in lines.items():
                if key[0] == out:
                    copies = math.prod(most[out, at] for at, _ in line.crossing)
                    per[key] = line.plain[0] + line.plain[1] / copies
        return Floors(per, constant[0], safe, self.layer.elements(self.layer.output))

    # ---- the search --------------------------------------------------------------------------------------------------
    def mac_words(self, t: Tensor) -> float:
        return self.least(t, tuple(1 for _ in self.dims), tuple(1 for _ in self.dims)) if t.name != self.slider else self.words(
            t, tuple(1 for _ in self.dims), Info(), (), frozenset(), False)


def _plus(a: tuple[float, ...], b: tuple[float, ...], sign: int = 1) -> tuple[float, ...]:
    return tuple(x + sign * y for x, y in zip(a, b, strict=True))


Put = Callable[[Extents, frozenset[str], Label], None]


@dataclass(frozen=True)
class Floors:
    """Bounds for labels: pJ per least word of each line, and the constants that come with the last stage."""

    per: dict[tuple[str, int], float]
    constant: float
    safe: bool
    elements: int


@dataclass
class Search:
    """The label-setting programme for one pattern, stage by stage."""

    about: Layered
    pattern: Pattern
    deadline: float
    labels: int = 0
    better: Mapping | None = None
    lines: dict[tuple[str, int], Line] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lines, self.constant = self.about.lines(self.pattern)
        self.macs = {t.name: self.about.mac_words(t) for t in self.about.layer.tensors}

    def simple_bound(self, way: Way | None) -> float:
        """Least energy under these unrollings: every line at its least."""
        floors = self.about.floors(self.lines, self.constant, way)
        return self._rest(floors, -1, frozenset(), self.about.bounds, None)

    def _rest(self, floors: Floors, stage: int, done: frozenset[str], tile: Extents, stay: Stay | None) -> float:
        """Least energy still to come for a label of `stage` with tensors `done` in its group."""
        about, total = self.about, floors.constant
        for (t, s), per in floors.per.items():
            line = self.lines[t, s]
            if s < stage or (s == stage and t in done):
                continue
            if s == len(about.stages):
                total += max(per, 0.0) * self.macs[t]
                continue
            start = stay[2] if stay and stay[0] == t else tile
            total += max(per, 0.0) * about.least(line.tensor, tile, start)
        if floors.safe:  # constants hold -elements * back of all lines; those still to come were bounded without `back`
            for (t, s), line in self.lines.items():
                if line.tensor.role == "output" and not (s < stage or (s == stage and t in done)):
                    total += floors.elements * self._back(line)
        return total

    def _back(self, line: Line) -> float:
        """pJ of bringing one partial sum back: holder read, transfers, and the write into the node."""
        about = self.about
        return (about._event(line.holder, line.tensor, "read")[0] + about._event(line.stage, line.tensor, "write")[0]
                + sum(pj for _, pj in line.crossing))

    def hopeful(self, label: Label, rest: float, k: int, way: Way, spread: float, saved: bool) -> bool:
        """Whether a label of stage k can still end in a mapping worth finding. `saved`: its loads have the constants."""
        about = self.about
        cycles = label.covered / spread / about.chip.compute.per_cycle(about.layer)
        for load, save, (m, _, _) in zip(label.loads, self.constant[1:], about.ports, strict=True):
            at = about.place_of.get(m.name, -1)
            if at <= k:  # further in, loads are not complete enough to say anything
                cycles = max(cycles, (load + (0.0 if saved else save)) / math.prod(math.prod(u.extents) for u in way[: at + 1]))
        return about.worth(label.energy + rest + about.leak * cycles, cycles)

    def begin(self) -> dict[Extents, list[Label]]:
        """Finished labels of the first stage, whatever is unrolled further in; few where energy or cycles are beyond hope."""
        about = self.about
        floors = about.floors(self.lines, self.constant, None)
        spread = math.prod(max(math.prod(u.extents) for u in c) for c in about.choices)
        idle = about.choices[0][0]
        info = Info(below=(tuple(0 for _ in about.dims),))
        first = Label(0.0, tuple(0.0 for _ in about.ports), (), about.layer.macs, info, ())
        if len(about.stages) == 1:
            return self._finish({about.bounds: [first]}, (idle,))
        return self._stage(0, {about.bounds: [first]}, (idle,), floors, spread)

    def below(self, start: dict[Extents, list[Label]], way: Way) -> None:
        """All stages below the first, under these unrollings (way[0] is the first stage's). Sets `better` if there is one."""
        about = self.about
        if len(about.stages) == 1:
            return
        floors = about.floors(self.lines, self.constant, way)
        spread = float(math.prod(math.prod(u.extents) for u in way))
        labels = start
        for k in range(1, len(about.stages)):
            labels = self._enter(k, labels, way)
            if k == len(about.stages) - 1:
                self._finish(labels, way)
                return
            labels = self._stage(k, labels, way[: k + 1], floors, spread)

    def _finish(self, labels: dict[Extents, list[Label]], way: Way) -> dict[Extents, list[Label]]:
        """The last stage: MAC accesses and constants join at once, then its nodes."""
        about = self.about
        floors = about.floors(self.lines, self.constant, way)
        spread = float(math.prod(math.prod(u.extents) for u in way))
        ones = tuple(1 for _ in about.dims)
        last = len(about.stages)
        total: dict[tuple[Extents, ...], tuple[float, ...]] = {}
        charged: dict[Extents, list[Label]] = {}
        for tile, some in labels.items():
            for x in some:
                if x.info.below not in total:
                    fixed = self.constant
                    for t in about.layer.tensors:
                        fixed = _plus(fixed, about.price(self.lines[t.name, last], ones, x.info, way))
                    total[x.info.below] = fixed
                more = total[x.info.below]
                y = Label(x.energy + more[0], _plus(x.loads, more[1:]), x.used, x.covered, x.info, x.path)
                charged.setdefault(tile, []).append(y)
        inner = Floors({k: v for k, v in floors.per.items() if k[1] < last}, 0.0, False, 0)
        if floors.safe:  # everything that outputs save is in the labels now: their lines may be negative
            inner = Floors(inner.per, -math.inf, False, 0)
        return self._stage(last - 1, charged, way, inner, spread, final=True)

    def _enter(self, k: int, above: dict[Extents, list[Label]], way: Way) -> dict[Extents, list[Label]]:
        """Labels below the fan-out of stage k."""
        about, u = self.about, way[k]
        out: dict[Extents, list[Label]] = {}
        for tile, some in above.items():
            inner = []
            for i, d in enumerate(about.dims):
                s, ragged = u.extents[i], u.below[i]
                if ragged:
                    inner.append(ragged if tile[i] == about.bounds[i] else 0)
                else:
                    inner.append(tile[i] // s if tile[i] % s == 0 and tile[i] // s in about.known[d] else 0)
            if 0 in inner:
                continue
            after = tuple(inner)
            matter = tuple(after[i] if u.extents[i] > 1 and self._matters(i, u, after[i]) else 0 for i in range(len(after)))
            for x in some:
                covered = x.covered
                for i, r in enumerate(u.below):
                    if r:
                        covered = covered // about.bounds[i] * (r * u.extents[i])
                slide = x.info.slide
                if slide:
                    passed = u.extents[about.dims.index(slide[0])]
                    slide = (*slide[:2], (*slide[2], (k, passed)), slide[3]) if passed > 1 else slide
                info = Info(True, x.info.stay, slide, (*x.info.below, matter))
                out.setdefault(after, []).append(
                    Label(x.energy, x.loads, (), covered, self._needed(info, k, frozenset()), (x.path, u.loops)))
        return out

    def _matters(self, i: int, u: Unrolling, below: int) -> bool:
        """Whether a count depends on what lies right below this fan-out."""
        about = self.about
        d = about.dims[i]
        other = about.partner.get(d)
        return bool(about.bounds[i] % (below * u.extents[i]) or (other and u.extents[about.dims.index(other)] > 1))

    def _needed(self, info: Info, stage: int, done: frozenset[str]) -> Info:
        """The info without what no tensor still to come can use, so that more labels compare."""
        about = self.about
        stay, slide, top = info.stay, info.slide, info.top
        coming = [t for s in range(stage, len(about.stages)) for t in self.pattern[s] if s > stage or t not in done]
        if stay and stay[0] not in coming:
            stay = None
        if slide and about.slider not in coming:
            slide = None
        return Info(top and bool(stay or (slide and slide[3])), stay, slide, info.below)

    def _stage(self, k: int, start: dict[Extents, list[Label]], way: Way, floors: Floors, spread: float,
               final: bool = False) -> dict[Extents, list[Label]]:
        """All labels of stage k with every tensor of its group placed, from large tiles to small."""
        full = self.pattern[k]
        table: dict[Extents, dict[frozenset[str], list[Label]]] = {}
        queue: list[tuple[tuple[int, ...], Extents]] = []
        out: dict[Extents, list[Label]] = {}

        def put(tile: Extents, done: frozenset[str], x: Label) -> None:
            x = Label(x.energy, x.loads, x.used if done != full else (), x.covered, self._needed(x.info, k, done), x.path)
            if not self.hopeful(x, self._rest(floors, k, done, tile, x.info.stay), k, way, spread, final):
                return
            if tile not in table:
                table[tile] = {}
                heapq.heappush(queue, (tuple(-n for n in tile), tile))
            have = table[tile].setdefault(done, [])
            if any(y.info == x.info and y.beats(x) for y in have):
                return
            have[:] = [y for y in have if not (y.info == x.info and x.beats(y))]
            have.append(x)
            self.labels += 1

        for tile, some in start.items():
            for x in some:
                put(tile, frozenset(), x)
        while queue:
            if time.process_time() > self.deadline:
                raise TimeoutError
            _, tile = heapq.heappop(queue)
            for size in range(len(full) + 1):
                for done in [s for s in table[tile] if len(s) == size]:
                    for x in table[tile][done]:
                        if final and done == full:
                            if self.hopeful(x, 0.0, k, way, spread, True):
                                self.better = self.better or self._mapping(x, tile)
                            continue
                        self._place(k, tile, done, x, way, put)
                        self._shrink(k, tile, done, x, put)
            if full in table[tile]:
                out[tile] = table[tile][full]
            del table[tile]
        return out

    def _place(self, k: int, tile: Extents, done: frozenset[str], x: Label, way: Way, put: Put) -> None:
        about = self.about
        for name in self.pattern[k] - done:
            line = self.lines[name, k]
            memory = about.stages[k].memory(line.tensor)
            assert memory is not None
            room, used = memory.usable_bits(), dict(x.used)
            used[memory.name] = used.get(memory.name, 0) + about.footprint(line.tensor, tile)
            if room is not None and used[memory.name] > room:
                continue
            if about.chip.stays and not self._stays(memory, line.tensor, tile, way):
                continue
            cost = about.price(line, tile, x.info, way)
            put(tile, done | {name}, Label(x.energy + cost[0], _plus(x.loads, cost[1:]), tuple(sorted(used.items())), x.covered,
                                           x.info, (x.path, Node(memory.name, name))))

    def _stays(self, memory: Memory, tensor: Tensor, tile: Extents, way: Way) -> bool:
        """Whether the tile stays as long as the chip's dataflow says: no passes left over `whole`, one wide along `single`."""
        about = self.about
        for s in about.chip.stays:
            if (s.memory, s.role) != (memory.name, tensor.role):
                continue
            for i, d in enumerate(about.dims):
                what = kind(about.layer, d)
                spread = math.prod(u.extents[i] for u in way)
                if (what in s.whole and tile[i] * spread < about.bounds[i]) or (what in s.single and tile[i] > 1):
                    return False
        return True

    def _shrink(self, k: int, tile: Extents, done: frozenset[str], x: Label, put: Put) -> None:
        about = self.about
        for i, d in enumerate(about.dims):
            idler = about.idler[d]
            stay = None
            if about.runs and idler:
                stay = x.info.stay if x.info.stay and x.info.stay[0] == idler else (idler, k, tile)
            slide = x.info.slide if about.slides else None
            for after in about.steps[d][tile[i]]:
                now = slide
                if about.slides and d in about.affine_dims:
                    goes_on = slide and slide[0] == d and not slide[2] and not slide[3]
                    now = slide if goes_on else (d, tile[i], (), False)
                elif slide and d in about.layer.tensor(about.slider).dims:
                    now = None
                elif slide:
                    now = (*slide[:3], True)
                covered = x.covered
                if tile[i] == about.bounds[i]:
                    covered = covered // tile[i] * (-(-tile[i] // after) * after)
                info = Info(False, stay, now, x.info.below)
                put((*tile[:i], after, *tile[i + 1 :]), done,
                    Label(x.energy, x.loads, x.used, covered, info, (x.path, (d, -(-tile[i] // after)))))

    def _mapping(self, x: Label, tile: Extents) -> Mapping:
        steps: list[object] = []
        path = x.path
        while path:
            path, step = path
            steps.append(step)
        entries: list[Loop | Node] = [Node(self.about.chip.dram.name, t.name) for t in self.about.layer.tensors]
        for step in reversed(steps):
            if isinstance(step, Node):
                entries.append(step)
            elif step and isinstance(step, tuple) and isinstance(step[0], Loop):
                entries += step
            elif step:
                entries.append(Loop(step[0], step[1]))  # type: ignore[index]
        entries += [Loop(d, n) for d, n in zip(self.about.dims, tile, strict=True) if n > 1]
        out: list[Loop | Node] = []
        for e in entries:
            last = out[-1] if out else None
            if isinstance(e, Loop) and isinstance(last, Loop) and not e.spatial and not last.spatial and e.dim == last.dim:
                out[-1] = Loop(e.dim, last.bound * e.bound)
            else:
                out.append(e)
        return Mapping(tuple(out))


def reprove(layer: Layer, chip: Chip, tiles: Tiles, worth: Worth, seconds: float, *, ports: bool = True,
            runs: bool = True, slides: bool = True) -> Outcome:
    """Look for any mapping that `worth` says beats the claim, for at most so many CPU seconds."""
    about = Layered(layer, chip, tiles, worth, ports=ports, runs=runs, slides=slides)
    out = Outcome()
    deadline = time.process_time() + seconds
    todo: list[tuple[float, int, Search, list[Way]]] = []
    for pattern in about.patterns():
        search = Search(about, pattern, deadline)
        out.patterns += 1
        left, least = [], math.inf
        for way in itertools.product(*about.choices):
            out.pairs += 1
            if time.process_time() > deadline:
                out.open += 1
                continue
            spread = float(math.prod(math.prod(u.extents) for u in way))
            energy, cycles = search.simple_bound(way), layer.macs / spread / chip.compute.per_cycle(layer)
            if about.worth(energy + about.leak * cycles, cycles):
                left.append(way)
                least = min(least, energy * cycles)
            else:
                out.bounded += 1
        todo.append((least, len(todo), search, left))
    for _, _, search, left in sorted((x for x in todo if x[3]), key=lambda x: x[:2]):
        remaining = len(left)
        try:
            start = search.begin()
            for way in left:
                search.below(start, way)
                out.searched += 1
                remaining -= 1
                if search.better:
                    break
        except TimeoutError:
            pass
        out.open += remaining
        out.labels += search.labels
        if search.better:
            out.better = search.better
            return out
    return out


__all__ = ["Outcome", "chain_steps", "reprove", "unrollings"]

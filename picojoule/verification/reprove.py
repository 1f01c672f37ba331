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
from collections.abc import Callable
from dataclasses import dataclass, field

from picojoule.hardware.chip import Chip, Memory
from picojoule.mapping.mapping import Loop, Mapping, Node
from picojoule.verification.reprove_prices import Floors, Info, Layered, Line, Pattern, Stay, Worth, plus
from picojoule.verification.reprove_space import Extents, Tiles, Unrolling, Way
from picojoule.workload.kinds import kind
from picojoule.workload.layer import Layer, Tensor


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
class Label:
    energy: float
    loads: tuple[float, ...]
    used: tuple[tuple[str, int], ...]
    covered: int  # product over the dimensions of passes x extent, padding included
    info: Info
    path: tuple  # (path before, what was done)

    def beats(self, other: Label) -> bool:
        return (
            self.energy <= other.energy
            and self.covered <= other.covered
            and all(a <= b for a, b in zip(self.loads, other.loads, strict=True))
            and all(dict(other.used).get(m, 0) >= n for m, n in self.used)
        )


Put = Callable[[Extents, frozenset[str], Label], None]


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
        return (
            about._event(line.holder, line.tensor, "read")[0]
            + about._event(line.stage, line.tensor, "write")[0]
            + sum(pj for _, pj in line.crossing)
        )

    def hopeful(self, label: Label, rest: float, k: int, way: Way, spread: float, saved: bool) -> bool:
        """Whether a label of stage k can still end in a mapping worth finding. `saved`: its loads have the constants."""
        about = self.about
        cycles = label.covered / spread / about.chip.compute.per_cycle(about.layer)
        for load, save, (m, _, _) in zip(label.loads, self.constant[1:], about.ports, strict=True):
            at = about.place_of.get(m.name, -1)
            if at <= k:  # further in, loads are not complete enough to say anything
                cycles = max(cycles, (load + (0.0 if saved else save)) / about.instances(m, way))
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
                        fixed = plus(fixed, about.price(self.lines[t.name, last], ones, x.info, way))
                    total[x.info.below] = fixed
                more = total[x.info.below]
                y = Label(x.energy + more[0], plus(x.loads, more[1:]), x.used, x.covered, x.info, x.path)
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
                    Label(x.energy, x.loads, (), covered, self._needed(info, k, frozenset()), (x.path, u.loops))
                )
        return out

    def _matters(self, i: int, u: Unrolling, below: int) -> bool:
        """Whether a count depends on what lies right below this fan-out."""
        about = self.about
        d = about.dims[i]
        if u.served[i]:
            return True  # a node that serves this axis needs to know whether loops part its tile from it
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

    def _stage(
        self, k: int, start: dict[Extents, list[Label]], way: Way, floors: Floors, spread: float, final: bool = False
    ) -> dict[Extents, list[Label]]:
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
            if line.held and self._parted(line, tile, x.info, way):
                continue
            used[memory.name] = used.get(memory.name, 0) + about.footprint(line.tensor, about.wider(tile, line.held, way))
            if room is not None and used[memory.name] > room:
                continue
            if about.chip.stays and not self._stays(memory, line.tensor, tile, way):
                continue
            cost = about.price(line, tile, x.info, way)
            put(
                tile,
                done | {name},
                Label(
                    x.energy + cost[0],
                    plus(x.loads, cost[1:]),
                    tuple(sorted(used.items())),
                    x.covered,
                    x.info,
                    (x.path, Node(memory.name, name)),
                ),
            )

    def _parted(self, line: Line, tile: Extents, info: Info, way: Way) -> bool:
        """Whether loops over a sliding window stand between a served axis that unrolls it and this node."""
        assert line.held is not None
        at = line.held.stage
        inside = [i for i in self.about.boxed(line.tensor) if way[at].extents[i] > 1 and line.held.takes(way, i)]
        return any(tile[i] != info.below[at][i] for i in inside)

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
                put(
                    (*tile[:i], after, *tile[i + 1 :]),
                    done,
                    Label(x.energy, x.loads, x.used, covered, info, (x.path, (d, -(-tile[i] // after)))),
                )

    def _mapping(self, x: Label, tile: Extents) -> Mapping:
        steps: list[object] = []
        path = x.path
        while path:
            path, step = path
            steps.append(step)
        about = self.about
        starts = [t for t in about.layer.tensors if about.home(t) < 0]
        entries: list[Loop | Node] = [Node(about.chip.home(t.role).name, t.name) for t in starts]
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
        return Mapping(tuple(out), about.homes)


def reprove(
    layer: Layer,
    chip: Chip,
    tiles: Tiles,
    worth: Worth,
    seconds: float,
    *,
    ports: bool = True,
    runs: bool = True,
    slides: bool = True,
    homes: tuple[tuple[str, str], ...] = (),
) -> Outcome:
    """Look for any mapping that `worth` says beats the claim, for at most so many CPU seconds."""
    about = Layered(layer, chip, tiles, worth, ports=ports, runs=runs, slides=slides, homes=homes)
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


def floors_of(layer: Layer, chip: Chip, tiles: Tiles, homes: tuple[tuple[str, str], ...] = ()) -> tuple[float, float]:
    """(pJ, cycles) that no mapping of the space undercuts: every line at its least, all MACs busy, each word once outside."""
    about = Layered(layer, chip, tiles, lambda energy, cycles: True, ports=False, homes=homes)
    spread = math.prod(max(math.prod(u.extents) for u in some) for some in about.choices)
    cycles = layer.macs / spread / chip.compute.per_cycle(layer)
    away = {tensor for tensor, _ in homes}
    for memory in chip.outermost:
        bits = {"read": 0.0, "write": 0.0, "readwrite": 0.0}
        for t in (t for t in layer.tensors if t.name not in away and chip.home(t.role) == memory):
            action = "write" if t.role == "output" else "read"
            own = any(p.serves == action for p in memory.ports)
            bits[action if own else "readwrite"] += layer.elements(t) * t.bits
        for serves, moved in bits.items():
            width = sum(p.bits_per_cycle for p in memory.ports if p.serves == serves)
            cycles = max(cycles, moved / width if width else 0.0)
    least = min(Search(about, p, math.inf).simple_bound(None) for p in about.patterns())
    return least + about.leak * cycles, cycles

"""Prices of one stage below given boundaries, as the arrays that the kernels see; and cycles of spatial extents."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from picojoule.search.exact.bank import Bank
from picojoule.search.exact.boundaries import Boundaries, Boundary
from picojoule.search.exact.counts import Counts, Pair
from picojoule.search.exact.prices import Line, Prices
from picojoule.search.exact.problem import Crossed, Pattern, PortKey, Problem
from picojoule.search.exact.rank_kernels import Merge
from picojoule.search.exact.records import Stage
from picojoule.search.exact.served import ServedTiles
from picojoule.search.exact.stays import FORBIDDEN, StayTables

Levels = tuple[tuple[Crossed, ...], ...]  # per merge level of a line the boundaries, or parts, whose copies are served together
Stages = tuple[tuple[int, ...], ...]  # the same for one dimension: those that unroll it


class Scales(NamedTuple):
    """What tiles cost beyond the least price of a dense word: these fields of `Stage`."""

    scaled: bool
    scale: np.ndarray
    scale_port: np.ndarray
    extra: np.ndarray
    extra_port: np.ndarray


ONES = np.ones((1, 1, 1))
NO_SCALES = Scales(False, ONES, ONES[None], ONES[0], ONES)


@dataclass(frozen=True, eq=False)
class Frame:
    """What all stages k of a pattern have in common: arrays of `Stage`, the number of merge levels, those of each tensor."""

    levels: int
    keeps: np.ndarray
    room: np.ndarray
    shared: np.ndarray
    coef: np.ndarray
    counts: np.ndarray
    useful: np.ndarray
    full: int
    foot: np.ndarray
    merged: dict[int, Levels]  # of the tensors kept here
    held: dict[int, tuple[Crossed, ...]]  # the axes that the memory of a tensor kept here serves together, where it does


class StageTables:
    """Makes `Stage` values of one problem; `choices` are the spatial extents of each stage's fan-out."""

    def __init__(self, problem: Problem, ports: tuple[PortKey, ...] = ()) -> None:
        self.problem, self.lattice, self.ports = problem, problem.lattice, ports
        self.boundaries, self.counts = Boundaries(problem), Counts(problem.lattice)
        self.choices = self.boundaries.choices
        self.macs = float(problem.layer.macs)
        self.perfect = all(
            int(n) % int(e) == 0 for n, x in zip(self.lattice.bounds, self.lattice.extents, strict=True) for e in x
        )
        self.stays = StayTables(problem)
        self._mac_words: dict[int, float] = {}
        self._prices: dict[Pattern, Prices] = {}
        self._most_copies: dict[tuple[int, Crossed], float] = {}
        self._all_open: np.ndarray | None = None
        self._levels: dict[tuple[int, tuple[Crossed, ...], tuple[Crossed, ...]], Levels] = {}
        self.served = ServedTiles(problem)
        n = problem.widest
        self._plains, self._slides = Bank(n, n), Bank(n, n, n)
        self._rank_tables: dict[tuple[object, ...], tuple[np.ndarray, np.ndarray]] = {}
        self._run_blocks: dict[tuple[object, ...], np.ndarray] = {}
        self.least_ranks = math.prod([float(problem._least_rank(r).min()) for r in range(len(problem.ranks))], start=1.0)

    def prices(self, pattern: Pattern) -> Prices:
        """The prices of a pattern, made once."""
        if pattern not in self._prices:
            self._prices[pattern] = Prices(self.problem, pattern, self.ports)
        return self._prices[pattern]

    def most_copies(self, t: int, merged: Crossed) -> float:
        """The most copies of a tensor's tile that any spatial extents make at a merged boundary, or at a part of one."""
        if (t, merged) not in self._most_copies:
            self._most_copies[t, merged] = float(self.choice_copies(t, merged).max())
        return self._most_copies[t, merged]

    def choice_copies(self, t: int, merged: Crossed) -> np.ndarray:
        """float64[n]: no fewer than the copies that one word may serve at a merged boundary, for each choice of its stage."""
        if merged.axes is None:
            return self.boundaries.copies(merged.stage)[0][:, t]
        return self.boundaries.part_copies(t, merged.axes, self.choices[merged.stage].axes)

    def all_open(self) -> np.ndarray:
        """`Stage.allow` where nothing is known yet."""
        if self._all_open is None:
            self._all_open = np.full((1 + len(self.problem.tensors), self.lattice.size), np.inf)
        return self._all_open

    def cycles_of(self, spread: float) -> float:
        """Compute cycles when `spread` MAC units work, without padding."""
        taken = self.problem.sparse.mac_shares()[0] if self.problem.sparse is not None else 1.0
        return max(self.macs * taken / spread / self.problem.chip.compute.per_cycle(self.problem.layer), 1e-9)

    def widest_cycles(self) -> float:
        """Compute cycles at the widest spread of all fan-outs."""
        widest = 1.0
        for choice in self.choices:
            widest *= float(np.prod(choice.extents, axis=1).max())
        return self.cycles_of(widest)

    def compulsory_cycles(self) -> float:
        """Cycles that the ports of the tensors' homes need for each tensor once (outputs written once)."""
        pr, worst = self.problem, 0.0
        at = [pr.memory(home, t) for t, home in enumerate(pr.home)]
        for memory in dict.fromkeys(at):
            for serves in ("read", "write", "readwrite"):
                width = sum(p.bits_per_cycle for p in memory.ports if p.serves == serves)
                if not width:
                    continue
                bits = 0.0
                for t in (t for t, home in zip(pr.tensors, at, strict=True) if home == memory):
                    action = "write" if t.role == "output" else "read"
                    own = any(p.serves == action for p in memory.ports)
                    if serves == (action if own else "readwrite"):
                        bits += pr.layer.elements(t) * t.bits * pr.least_load(t)
                worst = max(worst, bits / width)
        return worst

    def least_cycles(self) -> float:
        """No mapping is faster: the widest spread of all fan-outs, and each tensor once through DRAM's ports."""
        return max(self.widest_cycles(), self.compulsory_cycles())

    def levels(self, line: Line, t: int) -> Levels:
        """Per merge level of tensor t's line the stages whose boundaries' copies are served together."""
        key = t, line.merges, line.held
        if key not in self._levels:
            out: list[tuple[Crossed, ...]] = [line.held]
            for m in line.merges:
                f = self.problem.stages[m.stage].fanout
                assert f is not None
                on = f.reduction if self.problem.tensors[t].role == "output" else f.multicast
                out.append((*out[-1], m) if on else out[-1])
            self._levels[key] = tuple(out)
        return self._levels[key]

    def positions(self, d: int, merged: Sequence[Crossed], way: list[Boundary]) -> np.ndarray:
        """float64[n]: positions of each extent along d, the copies of the merged boundaries counted once."""
        pairs = [way[s].pair(d, axes) for s, axes in merged]
        return self.counts.positions(d, tuple([x for x in pairs if x[0] > 1]))

    def merges(self, r: int, merged: Sequence[Crossed], way: list[Boundary]) -> tuple[Merge, ...]:
        """(S1, D1, S2, D2) of each merged boundary that unrolls both dimensions of rank r: those whose copies overlap."""
        _, p, q = self.problem.ranks[r]
        both = [(*way[s].pair(p, axes), *way[s].pair(q, axes)) for s, axes in merged]
        return tuple([x for x in both if x[0] > 1 and x[2] > 1])

    def frame(self, prices: Prices, k: int) -> Frame:
        """What all stages k of a pattern have in common."""
        if k not in prices.frames:
            pr, kept = self.problem, prices.pattern[k]
            tensors = len(pr.tensors)
            levels = 1 + max((len(prices.lines[k, t].merges) for t in range(tensors) if kept[t]), default=0)
            bounded = pr.chip.stays or pr.served_sets(k)  # so that forbidden tiles have no room either
            room = np.full(tensors, FORBIDDEN / 2 if bounded else np.inf)
            shared, coef = np.zeros(tensors, bool), np.zeros((tensors, levels))
            for t in (t for t in range(tensors) if kept[t]):
                memory = pr.memory(k, t)
                if (usable := memory.usable_bits()) is not None:
                    room[t] = usable
                    shared[t] = sum(kept[u] and pr.memory(k, u).name == memory.name for u in range(tensors)) > 1
                line = prices.lines[k, t].coef
                coef[t, : len(line)] = line
            merged = {t: self.levels(prices.lines[k, t], t) for t in range(tensors) if kept[t]}
            counts = np.repeat(pr.counts[:, None], levels, axis=1)
            useful = np.array([any(x[t] for x in prices.pattern[k + 1 :]) for t in range(tensors)])
            full = sum(1 << t for t in range(tensors) if kept[t])
            held = {t: own for t in range(tensors) if kept[t] and (own := prices.lines[k, t].held)}
            prices.frames[k] = Frame(
                levels=levels,
                keeps=np.array(kept),
                room=room,
                shared=shared,
                coef=coef,
                counts=counts,
                useful=useful,
                full=full,
                foot=pr.foot if pr.sparse is None else pr.sparse.foot(k, kept),
                merged=merged,
                held=held,
            )
        found = prices.frames[k]
        assert isinstance(found, Frame)
        return found

    def stage(self, prices: Prices, k: int, way: list[Boundary]) -> Stage:
        """Prices of stage k below the boundaries `way` (one per stage up to k)."""
        pr, lat, frame = self.problem, self.lattice, self.frame(prices, k)
        tensors, last = len(pr.tensors), k == len(pr.stages) - 1
        factor, low = self._words(frame, way)
        port, low_port, tail_port, deeper_port = self._loads(prices, k, way)
        plain, slide = self._rank_indices(frame, k, way)
        tail, deeper = (0.0, np.zeros(tensors)) if last else self.tail(prices, k)
        for t in range(tensors):  # a node that saves more further in than it costs: bounded by as many words as there are MACs
            if low[t] < 0.0:
                tail += low[t] * self.mac_words(t)
        foot = frame.foot
        if pr.chip.stays:
            foot = self.stays.footprints(k, np.prod([b.extents for b in way], axis=0), prices.pattern[k], foot)
        for t, own in frame.held.items():
            foot = self.served.footprints(t, own[0].axes or (), way[k], foot)
        return Stage(
            digits=lat.digits,
            stride=lat.stride,
            extent=lat.extent,
            move_start=lat.move_start,
            move_to=lat.move_to,
            waste=lat.waste,
            keeps=frame.keeps,
            room=frame.room,
            shared=frame.shared,
            foot=foot,
            base=pr.base,
            coef=frame.coef,
            port=port,
            factor=factor,
            slider=pr.slider,
            rank_dims=pr.rank_dims,
            plain=plain,
            plains=self._plains.tables,
            slide=slide,
            slides=self._slides.tables,
            least=pr.least,
            low_coef=np.maximum(low, 0.0),
            owner=pr.owner,
            owner_useful=frame.useful,
            affine=pr.affine,
            full=frame.full,
            last=last,
            perfect=self.perfect,
            tail=float(tail),
            deeper_coef=deeper,
            allow=self.all_open(),
            top_coef=np.zeros(tensors),
            top_most=np.full(tensors, np.inf),
            tail_port=tail_port,
            low_port=low_port,
            deeper_port=deeper_port,
            **self.scales(prices, k, way, frame.levels)._asdict(),
        )

    def _words(self, frame: Frame, way: list[Boundary]) -> tuple[np.ndarray, np.ndarray]:
        """(float64[T, J, D, n] positions of each tensor's tiles, float64[T] least pJ per least word)."""
        factor, low = frame.counts.copy(), np.zeros(len(frame.keeps))
        for t, levels in frame.merged.items():
            for j, (merged, coef) in enumerate(zip(levels, frame.coef[t].tolist(), strict=False)):
                if merged:
                    for d in self.problem.idle[t]:
                        if pairs := [x for s, axes in merged if (x := way[s].pair(d, axes))[0] > 1]:
                            found = self.counts.positions(d, tuple(pairs))
                            factor[t, j, d, : len(found)] = found
                low[t] += coef / self.least_copies(t, merged, frame.held.get(t, ()), coef, way)
        return factor, low

    def copies(self, t: int, merged: Sequence[Crossed], way: list[Boundary]) -> float:
        """The most copies that one word may serve at the merged boundaries."""
        return math.prod([self.copies_at(t, m, way) for m in merged], start=1.0)

    def copies_at(self, t: int, merged: Crossed, way: list[Boundary]) -> float:
        """The same at one merged boundary, or part of one."""
        b = way[merged.stage]
        return b.copies[t] if merged.axes is None else float(self.boundaries.part_copies(t, merged.axes, b.axes[None])[0])

    def least_copies(
        self, t: int, merged: Sequence[Crossed], held: tuple[Crossed, ...], price: float, way: list[Boundary]
    ) -> float:
        """By which a price per word is to be divided for a price per least word (of all copies apart): the most copies
        that one word may serve; what a node saves (a negative price) is most where the copies it holds as one do not agree."""
        return self.copies(t, merged[len(held) :] if held and price < 0.0 else merged, way)

    def _loads(self, prices: Prices, k: int, way: list[Boundary]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Cycles of ports as `Stage` has them: (`port`, `low_port`, `tail_port`, `deeper_port`)."""
        frame, ports, tensors = self.frame(prices, k), len(self.ports), len(self.problem.tensors)
        port, low = np.zeros((ports, tensors, frame.levels)), np.zeros((ports, tensors))
        tail, deeper = np.zeros(ports), np.zeros((ports, tensors))
        if not ports:
            return port, low, tail, deeper
        used = self.used(way)
        for t, levels in frame.merged.items():
            line = prices.lines[k, t]
            port[:, t, : len(line.coef)] = np.array(line.port) / used[:, None]
            for j, merged in enumerate(levels):
                if own := frame.held.get(t, ()):
                    low[:, t] += [x / self.least_copies(t, merged, own, x, way) for x in port[:, t, j].tolist()]
                else:
                    low[:, t] += port[:, t, j] / self.copies(t, merged, way)
        if k < len(self.problem.stages) - 1:
            tail = self.port_floor(prices, k, way)
            deeper = self._deeper_ports(prices, k, used)
        return port, low, np.where((low < 0).any(axis=1) | (deeper < 0).any(axis=1), -np.inf, tail), deeper

    def scales(self, prices: Prices, k: int, way: list[Boundary], levels: int) -> Scales:
        """What tiles cost beyond the least price of a dense word (see `Stage`), where some tensor is compressed."""
        tensors, stages = range(len(self.problem.tensors)), len(self.problem.stages)
        own = [t for t in tensors if (k, t) in prices.scales]
        inner = [t for t in tensors if k == stages - 1 and prices.pattern[k][t] and (stages, t) in prices.scales]
        if not own and not inner:
            return NO_SCALES
        shape, ports = (len(tensors), levels, self.lattice.size), len(self.ports)
        energy, port = np.ones(shape), np.ones((ports, *shape))
        extra, extra_port = np.zeros((len(tensors), self.lattice.size)), np.zeros((ports, len(tensors), self.lattice.size))
        for t in own:
            found = prices.scales[k, t]
            energy[t, : len(found.energy)] = found.energy
            port[:, t, : len(found.energy)] = found.port
        for t in inner:
            found, line, used = prices.scales[stages, t], prices.lines[stages, t], self.used(way)
            for j, words in enumerate(self.mac_words_merged(prices, t, way)):
                extra[t] += line.coef[j] * words * (found.energy[j] - 1.0)
                for x in range(ports):
                    extra_port[x, t] += line.port[x][j] / used[x] * words * (found.port[x, j] - 1.0)
        return Scales(True, energy, port, extra, extra_port)

    def mac_words_merged(self, prices: Prices, t: int, way: list[Boundary]) -> list[float]:
        """Words that the MACs ask of their tensor's innermost holder, per merge level."""
        pr, out = self.problem, []
        for merged in self.levels(prices.lines[len(pr.stages), t], t):
            words = float(pr.base[t])
            for d in pr.idle[t]:
                words *= float(self.positions(d, merged, way)[-1])
            if t == pr.slider:
                for r in range(len(pr.ranks)):
                    words *= float(pr.plain(r, self.merges(r, merged, way))[-1, -1])
            out.append(words)
        return out

    def used(self, way: list[Boundary]) -> np.ndarray:
        """float64[K]: instances in use of each port's memory, below the boundaries known so far."""
        places = [math.prod(b.spread for b in way[: p.stage + 1]) for p in self.ports]
        for i, p in enumerate(self.ports):
            if p.together and p.stage < len(way):
                places[i] /= float(way[p.stage].along(p.together).prod())
        return np.array(places)

    def _rank_indices(self, frame: Frame, k: int, way: list[Boundary]) -> tuple[np.ndarray, np.ndarray]:
        """(int64[J, R], int64[V, J, R, 2]): where the slider's words per tile stand among the tables, and under each run.

        A run that began above the boundary of stage `passed` (the outermost that unrolls its dimension) slides by the copies
        of that boundary and of all further in. What no run can reach, and levels that the slider has not, stay 0.
        """
        pr, ranks = self.problem, len(self.problem.ranks)
        own = frame.held.get(pr.slider, ())
        levels = tuple(x[len(own) :] for x in frame.merged.get(pr.slider, ()))
        wide = own[0].axes if own else None
        key: tuple[object, ...] = (
            k,
            frame.levels,
            levels,
            tuple([b.pairs[d] for b in way for _, p, q in pr.ranks for d in (p, q)]),
        )
        if own or any(m.axes is not None for x in levels for m in x):
            key = (*key, tuple(b.axes.tobytes() for b in way))
        if key in self._rank_tables:
            return self._rank_tables[key]
        plain, slide = np.zeros((frame.levels, ranks), np.int64), np.zeros((k + 1, frame.levels, ranks, 2), np.int64)
        for j, merged in enumerate(levels):
            for r, (_, p, q) in enumerate(pr.ranks):
                merges = self.merges(r, merged, way)
                widened = partial(self.served.widened, r, wide, way[k]) if wide else None
                plain[j, r] = self._plains.index(*_made((r, merges), pr.plain, widened))
                for passed in range(k + 1):
                    for which, d in enumerate((p, q)):
                        if passed and way[passed].pairs[d][0] == 1:
                            continue
                        step = math.prod([b.pairs[d][0] for b in way[passed:]]) if passed else 1
                        if wide and passed:
                            step //= way[k].pair(d, wide)[0]
                        run = r, which, step, merges
                        slide[passed, j, r, which] = self._slides.index(*_made(run, pr.slides, widened))
        self._rank_tables[key] = plain, slide
        return plain, slide

    def port_floor(self, prices: Prices, k: int, way: list[Boundary]) -> np.ndarray:
        """What may still come off each port's load below stage k: what outputs save is counted at the end, and for ports
        further in the spread over instances is not known yet."""
        used = self.used(way)
        return np.array(
            [min(0.0, c / u) if p.stage <= k else -np.inf for p, c, u in zip(self.ports, prices.constant_port, used, strict=True)]
        )

    def tail(self, prices: Prices, k: int) -> tuple[float, np.ndarray]:
        """Least energy still to come below stage k: (constants and MACs at the widest spread, pJ per least word of each
        tensor's next node). Nodes further in than the next one move every word at least once: they go to the first part."""
        if k in prices.tails:
            return prices.tails[k]
        pr, total = self.problem, self._mac_bound(prices)
        deeper = np.zeros(len(pr.tensors))
        for t in range(len(pr.tensors)):
            below = [s for s in range(k + 1, len(pr.stages)) if prices.pattern[s][t]]
            for s in below:
                floor = self._line_floor(prices, s, t)
                if floor < 0:  # it saves more further in than it costs
                    total += floor * self.mac_words(t)
                elif s == below[0]:
                    deeper[t] = floor
                else:
                    total += floor * pr.least[t, 0]
        prices.tails[k] = total, deeper
        return total, deeper

    def _deeper_ports(self, prices: Prices, k: int, used: np.ndarray) -> np.ndarray:
        """float64[K, T]: least load of each port per least word of a tensor's next node below stage k, for ports of stages
        up to k (the spread of those further in is not known yet, and they count as 0)."""
        out = np.zeros((len(self.ports), len(self.problem.tensors)))
        for t in range(len(self.problem.tensors)):
            below = next((s for s in range(k + 1, len(self.problem.stages)) if prices.pattern[s][t]), None)
            if below is None:
                continue
            line = prices.lines[below, t]
            copies = math.prod([self.most_copies(t, m) for m in line.held], start=1.0)
            for j in range(len(line.coef)):
                if j:
                    copies *= self.most_copies(t, line.merges[j - 1])
                for x, port in enumerate(self.ports):
                    if port.stage <= k:
                        out[x, t] += line.port[x][j] / used[x] / (copies if line.port[x][j] > 0 else 1.0)
        return out

    def _line_floor(self, prices: Prices, s: int, t: int) -> float:
        """Least pJ per word of a line over all spatial extents."""
        return float(self.line_floors(prices, s, t, -1).min())

    def line_floors(self, prices: Prices, s: int, t: int, k: int) -> np.ndarray:
        """float64[n]: least pJ per word of a line for each choice of spatial extents of stage k, the other stages' at their
        best for this line alone (k = -1: all of them, one figure)."""
        line, out = prices.lines[s, t], np.zeros(1)
        copies: np.ndarray = np.ones(1)
        for m in line.held:
            copies = copies * self._copies_of(t, m, k)
        for j, c in enumerate(line.coef):
            if j:
                copies = copies * self._copies_of(t, line.merges[j - 1], k)
            out = out + (c / copies if c > 0 else c)
        return out

    def _copies_of(self, t: int, merged: Crossed, k: int) -> np.ndarray | float:
        return self.choice_copies(t, merged) if merged.stage == k else self.most_copies(t, merged)

    def floors(self, prices: Prices, k: int) -> np.ndarray:
        """float64[n]: no mapping of the pattern costs less, for each choice of spatial extents of stage k; the extents of all
        other stages are at their best for each node and constant alone, and every node moves each word once."""
        pr, out_t = self.problem, next(t for t, x in enumerate(self.problem.tensors) if x.role == "output")
        most = {s: self.most_copies(out_t, Crossed(s)) for s in range(len(pr.stages))}
        total = np.full(len(self.choices[k].extents), min(prices.constant_pj(most), prices.constant_pj({})))
        for t in range(len(pr.tensors)):
            for s in (s for s in range(len(pr.stages)) if prices.pattern[s][t]):
                floor = self.line_floors(prices, s, t, k)
                total = total + floor * np.where(floor < 0.0, self.mac_words(t), pr.least[t, 0])
            total = total + self.line_floors(prices, len(pr.stages), t, k) * self.mac_words(t)
        return np.asarray(total)

    def _mac_bound(self, prices: Prices) -> float:
        """Least energy of constants and MAC accesses over all spatial extents."""
        out_t = next(t for t, x in enumerate(self.problem.tensors) if x.role == "output")
        most = {s: self.most_copies(out_t, Crossed(s)) for s, x in enumerate(self.problem.stages) if x.fanout}
        total = min(prices.constant_pj(most), prices.constant_pj({}))
        for t in range(len(self.problem.tensors)):
            total += self._line_floor(prices, len(self.problem.stages), t) * self.mac_words(t)
        return float(total)

    def mac_words(self, t: int) -> float:
        """Operand reads (or updates) of all MACs before any merge; padding is not read."""
        if t in self._mac_words:
            return self._mac_words[t]
        x = self.problem.base[t]
        for d, e in enumerate(self.lattice.extents):
            x *= self.problem.counts[t, d, len(e) - 1]
        if t == self.problem.slider:
            for k in range(len(self.problem.ranks)):
                x *= self.problem.plain(k)[-1, -1]
        self._mac_words[t] = float(x)
        return self._mac_words[t]

    def fixed(self, prices: Prices, way: list[Boundary]) -> np.ndarray:
        """[energy, port loads]: constants and the MACs' operand and output accesses under these boundaries."""
        pr = self.problem
        out_t = next(t for t, x in enumerate(pr.tensors) if x.role == "output")
        copies = {s: b.copies[out_t] for s, b in enumerate(way)}
        total = np.zeros(1 + len(self.ports))
        total[0] = prices.constant_pj(copies)
        used = self.used(way)
        total[1:] = prices.constant_port / used
        for t in range(len(pr.tensors)):
            line = prices.lines[len(pr.stages), t]
            for j, words in enumerate(self.mac_words_merged(prices, t, way)):
                total[0] += line.coef[j] * words
                for x in range(len(self.ports)):
                    total[1 + x] += line.port[x][j] / used[x] * words
        return total

    def run_counts(self, prices: Prices, k: int, way: list[Boundary]) -> np.ndarray:
        """float64[segment, J, D, n, n]: positions along d of the tile that d's owner keeps in place over a run that began
        in a segment at an extent (first n), below the boundary of stage k at an extent (second n)."""
        frame, n = self.frame(prices, k), self.problem.widest
        out = np.ones((max(k, 1), frame.levels, len(self.lattice.dims), n, n))
        for d, t in enumerate(self.problem.owner.tolist()):
            if t in frame.merged and k:
                levels = tuple(
                    tuple(m.stage for m in merged if m.axes is None or way[m.stage].pair(d, m.axes)[0] > 1)
                    for merged in frame.merged[t]
                )
                block = self._run_block(d, levels, tuple([b.pairs[d] for b in way]))
                out[:, : block.shape[1], d, : block.shape[2], : block.shape[2]] = block
        return out

    def _run_block(self, d: int, levels: Stages, pairs: tuple[Pair, ...]) -> np.ndarray:
        """float64[segment, J, n, n] of one dimension; `pairs` of the boundaries from the outside in."""
        key = d, levels, pairs
        if key not in self._run_blocks:
            k, n = len(pairs) - 1, len(self.lattice.extents[d])
            block = np.empty((k, len(levels), n, n))
            for segment in range(k):
                for j, merged in enumerate(levels):
                    after = [s for s in range(segment + 1, k + 1) if s not in merged and pairs[s][0] > 1]
                    before = [pairs[s] for s in range(segment + 1) if s in merged and pairs[s][0] > 1]
                    inside = tuple((pairs[s][0], 0 if s == k else pairs[s][1]) for s in after)
                    block[segment, j] = self.counts.runs(d, inside, tuple(before))
            self._run_blocks[key] = block
        return self._run_blocks[key]


def _made(
    key: tuple[Any, ...], make: Callable[..., np.ndarray], widened: partial[tuple[Hashable, np.ndarray]] | None
) -> tuple[Hashable, Callable[[], np.ndarray]]:
    """(key, maker) of a table for the bank; `widened` takes it at the tiles of a memory that serves an axis."""
    if widened is None:
        return key, partial(make, *key)
    found, table = widened(make(*key))
    return (key, found), lambda: table

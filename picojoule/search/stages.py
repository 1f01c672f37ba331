"""Prices of one stage below given boundaries, as the arrays that the kernels see; and cycles of spatial extents."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from picojoule.search.kernels import Stage
from picojoule.search.problem import PortKey, Prices, Problem
from picojoule.search.rank_kernels import Merge
from picojoule.search.spatial import digits_below, ragged_first, spatial_choices
from picojoule.search.stays import FORBIDDEN, StayTables


@dataclass
class Boundary:
    """Spatial extents and D at the fan-out above a stage. `below[d]` is 0 where no count depends on it."""

    extents: np.ndarray
    below: np.ndarray
    sub: np.ndarray
    axes: np.ndarray
    copies: dict[int, float] = field(default_factory=dict)  # tensor -> most copies of one word (see `StageTables.copies`)

    @cached_property
    def spread(self) -> float:
        """How many instances there are below for each one above."""
        return float(self.extents.prod())


NO_SCALE = np.ones((1, 1, 1))


@dataclass(frozen=True, eq=False)
class Frame:
    """The arrays of `Stage` that hang on the pattern alone, and the number of merge levels."""

    levels: int
    keeps: np.ndarray
    room: np.ndarray
    shared: np.ndarray
    coef: np.ndarray
    useful: np.ndarray
    full: int
    foot: np.ndarray


class StageTables:
    """Makes `Stage` values of one problem; `choices` are the spatial extents of each stage's fan-out."""

    def __init__(self, problem: Problem, ports: tuple[PortKey, ...] = ()) -> None:
        self.problem, self.lattice, self.ports = problem, problem.lattice, ports
        self.choices = [spatial_choices(s.fanout, problem.layer, problem.lattice) for s in problem.stages]
        self.macs = float(problem.layer.macs)
        self.perfect = all(
            int(n) % int(e) == 0 for n, x in zip(self.lattice.bounds, self.lattice.extents, strict=True) for e in x
        )
        self.stays = StayTables(problem)
        self._ragged: dict[tuple[object, ...], np.ndarray] = {}
        self._subdigits: dict[tuple[int, int, bytes], tuple[np.ndarray, np.ndarray]] = {}
        self._mac_words: dict[int, float] = {}
        self._choice_subs: dict[int, np.ndarray] = {}
        self._choice_copies: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def cycles_of(self, spread: float) -> float:
        """Compute cycles when `spread` MAC units work, without padding."""
        taken = self.problem.sparse.mac_shares()[0] if self.problem.sparse is not None else 1.0
        return max(self.macs * taken / spread / self.problem.chip.compute.per_cycle(self.problem.layer), 1e-9)

    def widest_cycles(self) -> float:
        """Compute cycles at the widest spread of all fan-outs."""
        widest = 1.0
        for extents, _ in self.choices:
            widest *= float(np.prod(extents, axis=1).max())
        return self.cycles_of(widest)

    def compulsory_cycles(self) -> float:
        """Cycles that DRAM's ports need for each tensor once (outputs written once)."""
        worst = 0.0
        dram = self.problem.chip.dram
        for serves in ("read", "write", "readwrite"):
            width = sum(p.bits_per_cycle for p in dram.ports if p.serves == serves)
            if not width:
                continue
            bits = 0.0
            for t in self.problem.tensors:
                action = "write" if t.role == "output" else "read"
                own = any(p.serves == action for p in dram.ports)
                if serves == (action if own else "readwrite"):
                    bits += self.problem.layer.elements(t) * t.bits * self.problem.least_load(t)
            worst = max(worst, bits / width)
        return worst

    def least_cycles(self) -> float:
        """No mapping is faster: the widest spread of all fan-outs, and each tensor once through DRAM's ports."""
        return max(self.widest_cycles(), self.compulsory_cycles())

    def positions(self, d: int, merged: list[Boundary]) -> np.ndarray:
        """float64[n]: positions of each extent along d, the copies of the merged boundaries counted once."""
        n = int(self.lattice.bounds[d])
        ext = self.lattice.extents[d]
        out = np.ones(self.problem.widest)
        active = [b for b in merged if b.extents[d] > 1]
        if all(b.below[d] == 0 for b in active):
            out[: len(ext)] = -(-n // ext) / np.prod([b.extents[d] for b in active] or [1])
            return out
        for i, t in enumerate(ext):
            at = np.arange(0, n, int(t))
            keep = np.ones(len(at), bool)
            for b in active:
                inner = int(b.below[d]) or 1
                keep &= (at // inner) % int(b.extents[d]) == 0 if b.below[d] else True
            out[i] = keep.sum()
            for b in active:
                if not b.below[d]:
                    out[i] /= b.extents[d]
        return out

    def merges(self, k: int, merged: list[Boundary]) -> tuple[Merge, ...]:
        """(S1, D1, S2, D2) of each merged boundary that unrolls both dimensions of rank k: those whose copies overlap."""
        _, p, q = self.problem.ranks[k]
        return tuple(
            (int(b.extents[p]), int(b.below[p]), int(b.extents[q]), int(b.below[q]))
            for b in merged
            if b.extents[p] > 1 and b.extents[q] > 1
        )

    def merging(self, prices: Prices, stage: int, t: int, way: list[Boundary]) -> list[list[Boundary]]:
        """Per merge level of a line the boundaries whose copies are served together."""
        line = prices.lines[stage, t]
        out: list[list[Boundary]] = [[]]
        for s in line.merges:
            f = self.problem.stages[s].fanout
            assert f is not None
            on = f.reduction if self.problem.tensors[t].role == "output" else f.multicast
            out.append(out[-1] + ([way[s]] if on else []))
        return out

    def copies(self, t: int, merged: list[Boundary]) -> float:
        """The most copies that one word may serve at the merged boundaries."""
        out = 1.0
        for b in merged:
            if t not in b.copies:
                b.copies[t] = float(self._copies(t, b.extents[None])[0])
            out *= b.copies[t]
        return out

    def _copies(self, t: int, extents: np.ndarray) -> np.ndarray:
        """float64[n]: the most copies that one word of tensor t may serve, for each row of extents."""
        out = extents[:, ~self.problem.relevant[t]].prod(axis=1).astype(float)
        if t == self.problem.slider:
            for _, p, q in self.problem.ranks:
                out *= np.minimum(extents[:, p], extents[:, q])
        return out

    def choice_copies(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """float64[n, T] for the choices of stage k: the most copies that one word of each tensor may serve, and the copies
        along dimensions that do not index it."""
        if k not in self._choice_copies:
            extents = self.choices[k][0]
            tensors = range(len(self.problem.tensors))
            most = np.stack([self._copies(t, extents) for t in tensors], axis=1)
            idle = np.stack([extents[:, ~self.problem.relevant[t]].prod(axis=1) for t in tensors], axis=1)
            self._choice_copies[k] = most, idle
        return self._choice_copies[k]

    def choice_subs(self, k: int) -> np.ndarray:
        """int16[n, D, digits]: digits below each choice of stage k (see `subs`)."""
        if k not in self._choice_subs:
            self._choice_subs[k] = np.stack([self.subs(e, a)[0] for e, a in zip(*self.choices[k], strict=True)])
        return self._choice_subs[k]

    def frame(self, prices: Prices, k: int) -> Frame:
        """What all stages k of a pattern have in common."""
        if k not in prices.frames:
            pr, kept = self.problem, prices.pattern[k]
            tensors = len(pr.tensors)
            levels = 1 + max((len(prices.lines[k, t].merges) for t in range(tensors) if kept[t]), default=0)
            room = np.full(tensors, FORBIDDEN / 2 if pr.chip.stays else np.inf)
            shared, coef = np.zeros(tensors, bool), np.zeros((tensors, levels))
            for t in (t for t in range(tensors) if kept[t]):
                memory = pr.memory(k, t)
                if (usable := memory.usable_bits()) is not None:
                    room[t] = usable
                    shared[t] = sum(kept[u] and pr.memory(k, u).name == memory.name for u in range(tensors)) > 1
                line = prices.lines[k, t].coef
                coef[t, : len(line)] = line
            useful = np.array([any(x[t] for x in prices.pattern[k + 1 :]) for t in range(tensors)])
            full = sum(1 << t for t in range(tensors) if kept[t])
            prices.frames[k] = Frame(levels, np.array(kept), room, shared, coef, useful, full,
                                     pr.foot if pr.sparse is None else pr.sparse.foot(k, kept))
        found = prices.frames[k]
        assert isinstance(found, Frame)
        return found

    def stage(self, prices: Prices, k: int, way: list[Boundary]) -> Stage:
        """Prices of stage k below the boundaries `way` (one per stage up to k)."""
        pr, lat, frame = self.problem, self.lattice, self.frame(prices, k)
        tensors, n, ranks, ports = len(pr.tensors), pr.widest, len(pr.ranks), len(self.ports)
        kept, levels, last = prices.pattern[k], frame.levels, k == len(pr.stages) - 1
        slides = ranks > 0 and pr.slider >= 0 and kept[pr.slider]
        plain = np.ones((levels, max(ranks, 1), n, n))
        slide = np.empty((k + 1, levels, ranks, 2, n, n, n)) if slides else np.ones((1,) * 7)
        port, factor = np.zeros((ports, tensors, levels)), np.repeat(pr.counts[:, None], levels, axis=1)
        low, low_port = np.zeros(tensors), np.zeros((ports, tensors))
        used = self.used(way)
        for t in range(tensors):
            if not kept[t]:
                continue
            line = prices.lines[k, t]
            if ports:
                port[:, t, : len(line.coef)] = np.array(line.port) / used[:, None]
            for j, merged in enumerate(self.merging(prices, k, t, way)):
                if any(b.spread > 1 for b in merged):
                    for d in pr.idle[t]:
                        if any(b.extents[d] > 1 for b in merged):
                            factor[t, j, d] = self.positions(d, merged)
                copies = self.copies(t, merged)
                low[t] += line.coef[j] / copies
                low_port[:, t] += port[:, t, j] / copies
                if t == pr.slider:
                    self._rank_tables(j, merged, way, plain, slide)
        tail, tail_port, deeper, deeper_port = 0.0, np.zeros(ports), np.zeros(tensors), np.zeros_like(low_port)
        if not last:
            tail, deeper = self.tail(prices, k)
            tail_port = self.port_floor(prices, k, way)
            deeper_port = self._deeper_ports(prices, k, used)
        for t in range(tensors):  # a node that saves more further in than it costs: bounded by as many words as there are MACs
            if low[t] < 0.0:
                tail += low[t] * self.mac_words(t)
        tail_port = np.where((low_port < 0).any(axis=1) | (deeper_port < 0).any(axis=1), -np.inf, tail_port)
        return Stage(
            lat.digits,
            lat.stride,
            lat.extent,
            lat.move_start,
            lat.move_to,
            lat.waste,
            frame.keeps,
            frame.room,
            frame.shared,
            self.stays.footprints(k, np.prod([b.extents for b in way], axis=0), kept, frame.foot),
            pr.base,
            frame.coef,
            port,
            factor,
            pr.slider,
            pr.rank_dims,
            plain,
            slide,
            pr.least,
            np.maximum(low, 0.0),
            pr.owner,
            frame.useful,
            pr.affine,
            frame.full,
            last,
            self.perfect,
            float(tail),
            deeper,
            np.zeros((1, 1)),
            np.zeros(tensors),
            np.full(tensors, np.inf),
            tail_port,
            low_port,
            deeper_port,
            *self.scales(prices, k, way, levels),
        )

    def scales(self, prices: Prices, k: int, way: list[Boundary], levels: int
               ) -> tuple[bool, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What tiles cost beyond the least price of a dense word (see `Stage`), where some tensor is compressed."""
        tensors, stages = range(len(self.problem.tensors)), len(self.problem.stages)
        own = [t for t in tensors if (k, t) in prices.scales]
        inner = [t for t in tensors if k == stages - 1 and prices.pattern[k][t] and (stages, t) in prices.scales]
        if not own and not inner:
            return False, NO_SCALE, NO_SCALE[None], NO_SCALE[0], NO_SCALE
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
        return True, energy, port, extra, extra_port

    def mac_words_merged(self, prices: Prices, t: int, way: list[Boundary]) -> list[float]:
        """Words that the MACs ask of their tensor's innermost holder, per merge level."""
        pr, out = self.problem, []
        for merged in self.merging(prices, len(pr.stages), t, way):
            words = float(pr.base[t])
            for d, e in enumerate(self.lattice.extents):
                if not pr.relevant[t, d]:
                    words *= self.positions(d, merged)[len(e) - 1]
            if t == pr.slider:
                for r in range(len(pr.ranks)):
                    words *= pr.plain(r, self.merges(r, merged))[-1, -1]
            out.append(words)
        return out

    def used(self, way: list[Boundary]) -> np.ndarray:
        """float64[K]: instances in use of each port's memory, below the boundaries known so far."""
        return np.array([math.prod(b.spread for b in way[: p.stage + 1]) for p in self.ports])

    def _rank_tables(self, j: int, merged: list[Boundary], way: list[Boundary], plain: np.ndarray, slide: np.ndarray) -> None:
        """Fill merge level j. A run that began above the boundary of stage `passed` (the outermost that unrolls its dimension)
        slides by the copies of that boundary and of all further in. What no run can reach stays as it is."""
        pr = self.problem
        for r, (_, p, q) in enumerate(pr.ranks):
            merges = self.merges(r, merged)
            table = pr.plain(r, merges)
            plain[j, r, : table.shape[0], : table.shape[1]] = table
            for passed in range(slide.shape[0]):
                for which, d in ((0, p), (1, q)):
                    if passed and way[passed].extents[d] == 1:
                        continue
                    step = math.prod(int(b.extents[d]) for b in way[passed:]) if passed else 1
                    runs = pr.slides(r, which, step, merges)
                    x, y, z = runs.shape
                    slide[passed, j, r, which, :x, :y, :z] = runs

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
            line, copies = prices.lines[below, t], 1.0
            for j in range(len(line.coef)):
                if j:
                    f = self.problem.stages[line.merges[j - 1]].fanout
                    copies *= f.size if f else 1
                for x, port in enumerate(self.ports):
                    if port.stage <= k:
                        out[x, t] += line.port[x][j] / used[x] / (copies if line.port[x][j] > 0 else 1.0)
        return out

    def _line_floor(self, prices: Prices, s: int, t: int) -> float:
        """Least pJ per word of a line over all spatial extents."""
        line, copies, out = prices.lines[s, t], 1.0, 0.0
        for j, c in enumerate(line.coef):
            if j:
                f = self.problem.stages[line.merges[j - 1]].fanout
                copies *= f.size if f else 1
            out += c / copies if c > 0 else c
        return out

    def _mac_bound(self, prices: Prices) -> float:
        """Least energy of constants and MAC accesses over all spatial extents."""
        total = prices.constant_pj({s: float(x.fanout.size) for s, x in enumerate(self.problem.stages) if x.fanout})
        total = min(total, prices.constant_pj({}))
        for t in range(len(self.problem.tensors)):
            line, words, copies = prices.lines[len(self.problem.stages), t], self.mac_words(t), 1.0
            for j, c in enumerate(line.coef):
                if j:
                    f = self.problem.stages[line.merges[j - 1]].fanout
                    copies *= f.size if f else 1
                total += c * words / copies
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
        copies = {s: self.copies(out_t, [b]) for s, b in enumerate(way)}
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

    def run_counts(self, prices: Prices, k: int, way: list[Boundary], st: Stage) -> np.ndarray:
        """float64[segment, J, D, n, n]: positions along d of the tile that d's owner keeps in place over a run that began
        in a segment at an extent (first n), below the boundary of stage k at an extent (second n)."""
        pr, lat = self.problem, self.lattice
        levels, n = st.coef.shape[1], pr.widest
        out = np.ones((max(k, 1), levels, len(lat.dims), n, n))
        for d, e in enumerate(lat.extents):
            t = int(pr.owner[d])
            if t < 0 or not prices.pattern[k][t]:
                continue
            bound = int(lat.bounds[d])
            merging = self.merging(prices, k, t, way)
            for segment in range(k):
                for j, merged in enumerate(merging):
                    ids = {id(b) for b in merged}
                    after = [b for s, b in enumerate(way) if s > segment and id(b) not in ids and b.extents[d] > 1]
                    before = [b for s, b in enumerate(way) if s <= segment and id(b) in ids and b.extents[d] > 1]
                    table = np.repeat((-(-bound // e)).astype(float)[:, None], len(e), axis=1)
                    table *= np.prod([b.extents[d] for b in after] or [1]) / np.prod([b.extents[d] for b in before] or [1])
                    if after or before:
                        self._ragged_runs(bound, d, e, after, before, way, table)
                    out[segment, j, d, : len(e), : len(e)] = table
        return out

    def _ragged_runs(
        self,
        bound: int,
        d: int,
        e: np.ndarray,
        after: list[Boundary],
        before: list[Boundary],
        way: list[Boundary],
        table: np.ndarray,
    ) -> None:
        """Correct the rows of `table` whose run begins at an extent that does not divide the bound."""
        inner = tuple((int(b.extents[d]), 0 if b is way[-1] else int(b.below[d])) for b in after)
        outer = tuple((int(b.extents[d]), int(b.below[d])) for b in before if b.below[d])
        key = (d, inner, outer)
        if key not in self._ragged:
            rows = np.full((len(e), len(e)), np.nan)
            for i, start in enumerate(e):
                if bound % int(start):
                    for j, below in enumerate(e):
                        if start % int(below) == 0:
                            rows[i, j] = _active(bound, int(start), int(below), inner, outer)
            self._ragged[key] = rows
        rows = self._ragged[key]
        np.copyto(table, rows, where=~np.isnan(rows))

    def least_ranks(self) -> float:
        """Least words of all two-term ranks of the slider."""
        return float(np.prod([self.problem._least_rank(r).min() for r in range(len(self.problem.ranks))] or [1.0]))

    def subs(self, extents: np.ndarray, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(int16[D, n] digits below, float64[D, n] padding) for spatial extents and their assignment to axes."""
        sub = np.full((len(extents), self.problem.widest), -1, np.int16)
        waste = np.ones((len(extents), self.problem.widest))
        for d, s in enumerate(extents):
            e = self.lattice.extents[d]
            sub[d, : len(e)], waste[d, : len(e)] = self._sub_cache(d, int(s), axes[:, d])
        return sub, waste

    def _sub_cache(self, d: int, s: int, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        key = (d, s, row.tobytes())
        if key not in self._subdigits:
            e = self.lattice.extents[d]
            self._subdigits[key] = digits_below(e, s, ragged_first(e, row) >= 0)
        return self._subdigits[key]


def _active(bound: int, start: int, below: int, inner: tuple[tuple[int, int], ...], outer: tuple[tuple[int, int], ...]) -> int:
    """Positions below the bound of a run that begins at `start`, with the copies of the boundaries inside it (extent, D; D 0:
    `below`), those of merged boundaries outside it standing at their first copy."""
    at = np.arange(0, bound, start)
    for n, inside in outer:
        at = at[(at // inside) % n == 0]
    for n, inside in inner:
        at = (at[:, None] + (inside or below) * np.arange(n)[None, :]).reshape(-1)
    return int(np.count_nonzero(at < bound))

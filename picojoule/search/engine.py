"""The best mapping of one layer, with a proof: the dynamic programme driven over patterns and spatial extents."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from picojoule.errors import NoMapping
from picojoule.mapping.mapping import Loop, Mapping, Node
from picojoule.search import kernels
from picojoule.search.kernels import Goal, Pool, Stage
from picojoule.search.problem import PortKey, Prices, Problem
from picojoule.search.spatial import digits_below, ragged_first, spatial_choices

TOLERANCE = 1e-12


@dataclass(frozen=True)
class Found:
    """A mapping found: its energy and cycles as the search counts them."""

    energy_pj: float
    cycles: float
    mapping: Mapping


@dataclass
class Boundary:
    """Spatial extents and D at the fan-out above a stage. `below[d]` is 0 where no count depends on it."""

    extents: np.ndarray
    below: np.ndarray
    sub: np.ndarray
    axes: np.ndarray


@dataclass
class Progress:
    """Counters for the certificate."""

    opened: int = 0
    closed: int = 0
    patterns: int = 0
    labels: int = 0
    unopened_bound: float = np.inf  # least goal value that something not looked at could still have


class LabelPool:
    """A growing `Pool`; `reset` empties it for a stage with so many masks."""

    def __init__(self, ports: int, size: int = 1 << 16) -> None:
        self.ports, self.size = ports, size
        self.pool: Pool | None = None

    def reset(self, tiles: int, masks: int) -> Pool:
        if self.pool is None or len(self.pool.energy) < self.size:
            self._allocate()
        assert self.pool is not None
        head = np.full((tiles, masks), -1, np.int32)
        self.pool.count[0] = 0
        self.pool = self.pool._replace(head=head)
        return self.pool

    def grow(self) -> None:
        self.size *= 4
        if self.size > 1 << 26:
            raise MemoryError("the search holds too many partial mappings")

    def _allocate(self) -> None:
        n, k = self.size, self.ports
        f8, i4, i2, i1 = np.float64, np.int32, np.int16, np.int8
        self.pool = Pool(
            energy=np.empty(n, f8), used=np.empty(n, f8), waste=np.empty(n, f8), load=np.empty((n, k), f8),
            top_energy=np.empty(n, f8), top_load=np.empty((n, k), f8), tile=np.empty(n, i4), mask=np.empty(n, i1),
            top=np.empty(n, i1), owner=np.empty(n, i1), run=np.empty(n, i4), segment=np.empty(n, i1), sdim=np.empty(n, i1),
            sfrom=np.empty(n, i2), spassed=np.empty(n, i1), rested=np.empty(n, i1), parent=np.empty(n, i4),
            action=np.empty(n, i2), alive=np.zeros(n, i1), next=np.empty(n, i4), head=np.empty((0, 0), i4), count=np.zeros(1, np.int64),
        )


@dataclass
class Options:
    """What the space contains. `runs`: nodes at the top of a group; `slides`: sliding windows credited."""

    runs: bool = True
    slides: bool = True
    deadline: float | None = None


class LayerSearch:
    """Searches one problem for all mappings that a goal wants; `found` collects them."""

    def __init__(self, problem: Problem, options: Options, ports: tuple[PortKey, ...] = ()) -> None:
        self.problem, self.options, self.ports = problem, options, ports
        self.lattice = problem.lattice
        self.progress = Progress()
        self.found: list[Found] = []
        self.choices = [spatial_choices(s.fanout, problem.layer, problem.lattice) for s in problem.stages]
        self.pools = [LabelPool(len(ports)) for _ in problem.stages]
        self.ends = np.empty(1 << 16, np.int32)
        self._subdigits: dict[tuple[int, int, bytes], tuple[np.ndarray, np.ndarray]] = {}
        self._template_key: tuple[object, ...] = ()
        self._template_stage: Stage | None = None
        self.macs = float(problem.layer.macs)
        self.perfect = all(int(n) % int(e) == 0 for n, x in zip(self.lattice.bounds, self.lattice.extents, strict=True) for e in x)

    # ---- cycles -------------------------------------------------------------------------------------------------
    def cycles_of(self, spread: float) -> float:
        """Compute cycles when `spread` MAC units work, without padding."""
        return self.macs / spread / self.problem.chip.compute.macs_per_cycle

    def least_cycles(self) -> float:
        """No mapping is faster: the widest spread of all fan-outs, and each tensor once through DRAM's ports."""
        return max(self.widest_cycles(), self.compulsory_cycles())

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
            bits = 0
            for t in self.problem.tensors:
                action = "write" if t.role == "output" else "read"
                own = any(p.serves == action for p in dram.ports)
                if serves == (action if own else "readwrite"):
                    bits += self.problem.layer.elements(t) * t.bits
            worst = max(worst, bits / width)
        return worst

    # ---- stages -------------------------------------------------------------------------------------------------
    def _positions(self, d: int, merged: list[Boundary]) -> np.ndarray:
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

    def _merge(self, k: int, merged: list[Boundary]) -> tuple[int, int, int, int]:
        """(S1, D1, S2, D2) of the boundary that unrolls both dimensions of rank k, or ones."""
        _, p, q = self.problem.ranks[k]
        for b in merged:
            if b.extents[p] > 1 and b.extents[q] > 1:
                return int(b.extents[p]), int(b.below[p]), int(b.extents[q]), int(b.below[q])
        return (1, 1, 1, 1)

    def _merging(self, prices: Prices, stage: int, t: int, way: list[Boundary]) -> list[list[Boundary]]:
        """Per merge level of a line the boundaries whose copies are served together."""
        line = prices.lines[stage, t]
        out: list[list[Boundary]] = [[]]
        for s in line.merges:
            f = self.problem.stages[s].fanout
            assert f is not None
            on = f.reduction if self.problem.tensors[t].role == "output" else f.multicast
            out.append(out[-1] + ([way[s]] if on else []))
        return out

    def stage(self, prices: Prices, k: int, way: list[Boundary]) -> Stage:
        """Prices of stage k below the boundaries `way` (one per stage up to k)."""
        pr, lat = self.problem, self.lattice
        tensors, dims, n = len(pr.tensors), len(lat.dims), pr.widest
        kept = prices.pattern[k]
        levels = 1 + max((len(prices.lines[k, t].merges) for t in range(tensors) if kept[t]), default=0)
        coef, port = np.zeros((tensors, levels)), np.zeros((len(self.ports), tensors, levels))
        factor = np.repeat(pr.counts[:, None], levels, axis=1)
        ranks = len(pr.ranks)
        plain = np.ones((levels, max(ranks, 1), n, n))
        slide = np.ones((k + 1, levels, max(ranks, 1), 2, n, n, n)) if ranks and pr.slider >= 0 and kept[pr.slider] else np.ones((1,) * 7)
        room, shared = np.full(tensors, np.inf), np.zeros(tensors, bool)
        low = np.zeros(tensors)
        used = [float(np.prod([b.extents.prod() for b in way[: p.stage + 1]])) if p.stage >= 0 else 1.0 for p in self.ports]
        for t in range(tensors):
            if not kept[t]:
                continue
            line, merging = prices.lines[k, t], self._merging(prices, k, t, way)
            memory = pr.memory(k, t)
            usable = memory.usable_bits()
            room[t] = np.inf if usable is None else usable
            shared[t] = usable is not None and sum(kept[u] and pr.memory(k, u).name == memory.name for u in range(tensors)) > 1
            copies = 1.0
            for j in range(len(line.coef)):
                coef[t, j] = line.coef[j]
                for x in range(len(self.ports)):
                    port[x, t, j] = line.port[x][j] / used[x]
                if j:
                    for d in range(dims):
                        if not pr.relevant[t, d] and any(b.extents[d] > 1 for b in merging[j]):
                            factor[t, j, d] = self._positions(d, merging[j])
                copies = self._copies(t, merging[j])
                low[t] += line.coef[j] / copies
                if t == pr.slider:
                    self._rank_tables(j, k, merging[j], way, plain, slide)
        specs = np.array([[p, q] for _, p, q in pr.ranks] or [[0, 0]][:0], np.int64).reshape(-1, 2)
        affine = np.zeros(dims, bool)
        affine[specs.reshape(-1)] = True
        last = k == len(pr.stages) - 1
        useful = np.array([any(prices.pattern[s][t] for s in range(k + 1, len(pr.stages))) for t in range(tensors)])
        tail, tail_port, deeper = 0.0, np.zeros(len(self.ports)), np.zeros(tensors)
        if not last:
            tail, deeper = self._tail(prices, k)
            tail_port = self._port_floor(prices, k, way)
        full = sum(1 << t for t in range(tensors) if kept[t])
        return Stage(lat.digits, lat.stride, lat.extent, lat.move_start, lat.move_to, lat.waste, np.array(kept), room, shared, pr.foot,
                     pr.base, coef, port, factor, pr.slider, specs, plain, slide, pr.least, np.maximum(low, 0.0), pr.owner,
                     useful, affine, full, last, self.perfect, tail, deeper, np.zeros((1, 1)), np.zeros(tensors), np.full(tensors, np.inf), tail_port)

    def _port_floor(self, prices: Prices, k: int, way: list[Boundary]) -> np.ndarray:
        """What may still come off each port's load below stage k: what outputs save is counted at the end, and for ports
        further in the spread over instances is not known yet."""
        used = [float(np.prod([b.extents.prod() for b in way[: p.stage + 1]])) if p.stage >= 0 else 1.0 for p in self.ports]
        return np.array([min(0.0, c / u) if p.stage <= k else -np.inf for p, c, u in zip(self.ports, prices.constant_port, used, strict=True)])

    def _copies(self, t: int, merged: list[Boundary]) -> float:
        """The most copies that one word may serve at the merged boundaries."""
        out = 1.0
        for b in merged:
            out *= float(np.prod([b.extents[d] for d in range(len(b.extents)) if not self.problem.relevant[t, d]]))
            if t == self.problem.slider:
                for _, p, q in self.problem.ranks:
                    out *= min(b.extents[p], b.extents[q])
        return out

    def _rank_tables(self, j: int, k: int, merged: list[Boundary], way: list[Boundary], plain: np.ndarray, slide: np.ndarray) -> None:
        pr = self.problem
        for r, (_, p, q) in enumerate(pr.ranks):
            merge = self._merge(r, merged)
            table = pr.plain(r, merge)
            plain[j, r, : table.shape[0], : table.shape[1]] = table
            for passed in range(slide.shape[0]):
                for which, d in ((0, p), (1, q)):
                    step = int(way[passed].extents[d]) if passed else 1
                    if passed and step == 1:
                        continue
                    runs = pr.slides(r, which, step, merge)
                    a, b, c = runs.shape
                    slide[passed, j, r, which, :a, :b, :c] = runs

    def _tail(self, prices: Prices, k: int) -> tuple[float, np.ndarray]:
        """Least energy still to come below stage k: (constants and MACs at the widest spread, pJ per least word of each
        tensor's next node). Nodes further in than the next one move every word at least once: they go to the first part."""
        pr, total = self.problem, self.mac_bound(prices)
        deeper = np.zeros(len(pr.tensors))
        for t in range(len(pr.tensors)):
            below = [s for s in range(k + 1, len(pr.stages)) if prices.pattern[s][t]]
            for s in below:
                floor = max(0.0, self._line_floor(prices, s, t))
                if s == below[0]:
                    deeper[t] = floor
                else:
                    total += floor * pr.least[t, 0]
        return total, deeper

    def _line_floor(self, prices: Prices, s: int, t: int) -> float:
        """Least pJ per word of a line over all spatial extents."""
        line, copies, out = prices.lines[s, t], 1.0, 0.0
        for j, c in enumerate(line.coef):
            if j:
                f = self.problem.stages[line.merges[j - 1]].fanout
                copies *= f.size if f else 1
            out += c / copies if c > 0 else c
        return out

    def mac_bound(self, prices: Prices) -> float:
        """Least energy of constants and MAC accesses over all spatial extents."""
        total = prices.constant_pj({s: float(x.fanout.size) for s, x in enumerate(self.problem.stages) if x.fanout})
        total = min(total, prices.constant_pj({}))
        for t in range(len(self.problem.tensors)):
            line, words, copies = prices.lines[len(self.problem.stages), t], self._mac_words(t), 1.0
            for j, c in enumerate(line.coef):
                if j:
                    f = self.problem.stages[line.merges[j - 1]].fanout
                    copies *= f.size if f else 1
                total += c * words / copies
        return float(total)

    def _mac_words(self, t: int) -> float:
        """Operand reads (or updates) of all MACs before any merge; padding is not read."""
        x = self.problem.base[t]
        for d, e in enumerate(self.lattice.extents):
            x *= self.problem.counts[t, d, len(e) - 1]
        if t == self.problem.slider:
            for k in range(len(self.problem.ranks)):
                x *= self.problem.plain(k)[-1, -1]
        return float(x)

    def fixed(self, prices: Prices, way: list[Boundary]) -> np.ndarray:
        """[energy, port loads]: constants and the MACs' operand and output accesses under these boundaries."""
        pr = self.problem
        out_t = next(t for t, x in enumerate(pr.tensors) if x.role == "output")
        copies = {s: self._copies(out_t, [b]) for s, b in enumerate(way)}
        total = np.zeros(1 + len(self.ports))
        total[0] = prices.constant_pj(copies)
        used = [float(np.prod([b.extents.prod() for b in way[: p.stage + 1]])) if p.stage >= 0 else 1.0 for p in self.ports]
        total[1:] = prices.constant_port / np.array(used) if used else 0.0
        for t in range(len(pr.tensors)):
            line = prices.lines[len(pr.stages), t]
            for j, merged in enumerate(self._merging(prices, len(pr.stages), t, way)):
                words = pr.base[t]
                for d, e in enumerate(self.lattice.extents):
                    if not pr.relevant[t, d]:
                        words *= self._positions(d, merged)[len(e) - 1]
                if t == pr.slider:
                    for k in range(len(pr.ranks)):
                        words *= pr.plain(k, self._merge(k, merged))[-1, -1]
                total[0] += line.coef[j] * words
                for x in range(len(self.ports)):
                    total[1 + x] += line.port[x][j] / used[x] * words
        return total

    # ---- the search ---------------------------------------------------------------------------------------------
    def run(self, goal: Goal) -> None:
        """Search every pattern, cheapest bound first, for mappings that the goal wants."""
        self.goal = goal
        ready: list[tuple[float, int, Prices]] = []
        for i, pattern in enumerate(self.problem.patterns):
            try:
                self.problem.check_fits(pattern)
            except NoMapping:
                if len(self.problem.patterns) == 1:
                    raise
                continue
            prices = Prices(self.problem, pattern, self.ports)
            ready.append((self._pattern_bound(prices), i, prices))
        if not ready:
            self.problem.check_fits(self.problem.patterns[-1])
        for bound, _, prices in sorted(ready, key=lambda x: x[:2]):
            if kernels.hopeless(self.goal, bound, self.goal.least_cycles):
                continue
            self.progress.patterns += 1
            self._outer_stage(prices)

    def floor(self) -> float:
        """A lower bound of the energy of any mapping in any pattern."""
        bounds = [self._pattern_bound(Prices(self.problem, p, self.ports)) for p in self.problem.patterns]
        return max(min(bounds), 0.0)

    def _pattern_bound(self, prices: Prices) -> float:
        total, deeper = self._tail(prices, -1)
        return total + float(deeper @ self.problem.least[:, 0])

    def _outer_stage(self, prices: Prices) -> None:
        ones = np.ones(len(self.lattice.dims), np.int64)
        sub, _ = self._subs(ones, ones[None])
        way = [Boundary(ones, np.zeros_like(ones), sub, ones[None])]
        fanout = self.problem.stages[0].fanout
        assert fanout is None
        last = len(self.problem.stages) == 1
        st = self.stage(prices, 0, way)
        extra = self.fixed(prices, way) if last else np.zeros(1 + len(self.ports))
        goal = self._with_cycles(self.cycles_of(1.0) if last else self.widest_cycles())
        st = self._allowed(prices, 0, way, st)

        def start(pool: Pool) -> bool:
            n = 0
            for field_, value in (("energy", extra[0]), ("used", 0.0), ("waste", 1.0), ("top_energy", 0.0), ("tile", 0), ("mask", 0),
                                  ("top", 0), ("owner", -1), ("run", 0), ("segment", 0), ("sdim", -1), ("sfrom", 0), ("spassed", 0),
                                  ("rested", 0), ("parent", -1), ("action", -1)):
                getattr(pool, field_)[n] = value
            pool.load[n], pool.top_load[n] = extra[1:], 0.0
            kernels.insert(st, pool, 0)
            return True

        self._advance(prices, 0, way, st, goal, start)

    def _with_cycles(self, cycles: float) -> Goal:
        return self.goal._replace(base_cycles=cycles, held=np.array([np.inf, np.inf]))

    def _advance(self, prices: Prices, k: int, way: list[Boundary], st: Stage, goal: Goal, start: Callable[[Pool], bool]) -> None:
        masks = 1 << len(self.problem.tensors)
        full = sum(1 << t for t, kept in enumerate(prices.pattern[k]) if kept)
        while True:
            pool = self.pools[k].reset(self.lattice.size, full + 1 if full else 1)
            if start(pool):
                found = kernels.advance(st, goal, pool, k, self.options.runs, self.options.slides, self.ends)
                if found >= 0:
                    break
            self.pools[k].grow()
        assert full < masks
        self.progress.labels += int(pool.count[0])
        if st.last:
            self._collect(prices, k, way, pool, goal, found)
        else:
            self._descend(prices, k + 1, way, pool)

    def _subs(self, extents: np.ndarray, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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

    def _descend(self, prices: Prices, k: int, way: list[Boundary], above: Pool) -> None:
        """Enumerate the spatial extents of stage k in the order of their bounds, and search below each."""
        extents, axes = self.choices[k]
        compute = self._choice_cycles(k, way)
        cycles = np.maximum(compute, self.goal.least_cycles)
        bounds = self._bounds(prices, k, way, above, cycles)
        value = self._values(bounds, cycles)
        ids = np.empty(int(above.count[0]), np.int32)
        ids = ids[: kernels.finished(above, ids)]
        order = np.argsort(value, kind="stable")
        for at, s in enumerate(order):
            if not np.isfinite(bounds[s]) or kernels.hopeless(self.goal, bounds[s], cycles[s]):
                self.progress.closed += 1
                continue
            if self.options.deadline is not None and time.process_time() > self.options.deadline:
                self.progress.unopened_bound = min(self.progress.unopened_bound, float(value[order[at:]].min()))
                return
            self.progress.opened += 1
            self._open(prices, k, way, above, ids, extents[s], axes[s], compute[s])

    def _values(self, bounds: np.ndarray, cycles: np.ndarray) -> np.ndarray:
        energy = bounds + self.goal.leak * cycles
        if self.goal.mode == 0:
            return energy * cycles
        if self.goal.mode == 1:
            return np.where(cycles <= self.goal.limit, energy, np.inf)
        if self.goal.mode == 3:
            return energy + self.goal.steep * cycles
        if self.goal.mode == 4:
            return energy
        return energy + 0.5 * (self.goal.steep + self.goal.flat) * cycles

    def _bounds(self, prices: Prices, k: int, way: list[Boundary], above: Pool, cycles: np.ndarray) -> np.ndarray:
        """float64[n]: lower bound of the energy for each choice of spatial extents (infinite where pruned at once)."""
        pr, tensors = self.problem, len(self.problem.tensors)
        extents, axes = self.choices[k]
        size = self.lattice.size
        energy, waste = np.full(size, np.inf), np.full(size, np.inf)
        runs = np.full((tensors, size), np.inf)
        st = self._template(prices, k, way)
        kernels.summarise(st, above, energy, waste, runs)
        tiles = np.flatnonzero(np.isfinite(energy))
        out = np.full(len(extents), np.inf)
        if not len(tiles):
            return out
        best = energy[tiles].min()
        least_fixed = self._tail(prices, k - 1)[0]  # may be negative: what outputs save by starting from zero
        keep = np.array([not kernels.hopeless(self.goal, best + least_fixed, c) for c in cycles])
        if not keep.any():
            return out
        idx = np.flatnonzero(keep)
        low, top, fixed, subs = self._inner(prices, k, way, extents[idx], axes[idx])
        kept = np.array(prices.pattern[k])
        least_run = runs * pr.base[:, None]
        if pr.slider >= 0:
            least_run[pr.slider] *= self._least_ranks()
        result = np.empty(len(idx))
        kernels.bound_spatial(subs, tiles, self.lattice.digits, self.lattice.stride, energy, pr.least, least_run, low, top, kept, fixed, result)
        out[idx] = result
        return out

    def _copies_table(self, extents: np.ndarray) -> np.ndarray:
        """float64[n, T]: the most copies that one word of each tensor may serve."""
        pr = self.problem
        out = np.ones((len(extents), len(pr.tensors)))
        for t in range(len(pr.tensors)):
            out[:, t] = extents[:, ~pr.relevant[t]].prod(axis=1)
            if t == pr.slider:
                for _, p, q in pr.ranks:
                    out[:, t] *= np.minimum(extents[:, p], extents[:, q])
        return out

    def _bound_coefficients(self, prices: Prices, k: int, way: list[Boundary], t: int, copies: np.ndarray, extents: np.ndarray,
                            low: np.ndarray, top: np.ndarray) -> None:
        line = prices.lines[k, t]
        spread = extents[:, ~self.problem.relevant[t]].prod(axis=1)
        earlier = 1.0
        own = bool(line.merges) and line.merges[0] == k
        for j, c in enumerate(line.coef):
            if j >= 2 or (j == 1 and not own):
                earlier *= self._copies(t, [way[line.merges[j - 1]]])
            merged = copies if own and j else 1.0
            low[:, t] += c / (merged * earlier)
            top[:, t] += c * spread / (merged * earlier)
        np.maximum(low[:, t], 0.0, out=low[:, t])
        np.maximum(top[:, t], 0.0, out=top[:, t])

    def _fixed_bounds(self, prices: Prices, k: int, way: list[Boundary], copies: np.ndarray) -> np.ndarray:
        pr = self.problem
        if k < len(pr.stages) - 1:
            total, deeper = self._tail(prices, k)
            return np.full(len(copies), total + float(deeper @ self.problem.least[:, 0]))
        out_t = next(t for t, x in enumerate(pr.tensors) if x.role == "output")
        past = {s: self._copies(out_t, [b]) for s, b in enumerate(way)}
        if prices.first_visits:
            total = np.array([prices.constant_pj({**past, k: c}) for c in copies[:, out_t]])
        else:
            total = np.full(len(copies), prices.constant_pj(past))
        for t in range(len(pr.tensors)):
            line, words = prices.lines[len(pr.stages), t], self._mac_words(t)
            merged = np.ones(len(copies))
            for j, c in enumerate(line.coef):
                if j:
                    s = line.merges[j - 1]
                    merged = merged * (copies[:, t] if s == k else self._copies(t, [way[s]]))
                total = total + c * words / merged
        return total

    def _inner(self, prices: Prices, k: int, way: list[Boundary], extents: np.ndarray, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(low, top, fixed, digits below) of stage k for each choice of spatial extents, for bounds."""
        tensors = len(self.problem.tensors)
        low, top = np.zeros((len(extents), tensors)), np.zeros((len(extents), tensors))
        copies = self._copies_table(extents)
        for t in range(tensors):
            if prices.pattern[k][t]:
                self._bound_coefficients(prices, k, way, t, copies[:, t], extents, low, top)
        fixed = self._fixed_bounds(prices, k, way, copies)
        return low, top, fixed, np.stack([self._subs(e, a)[0] for e, a in zip(extents, axes, strict=True)])

    def _choice_cycles(self, k: int, way: list[Boundary]) -> np.ndarray:
        """Compute cycles, without padding, for each choice of spatial extents of stage k."""
        extents = self.choices[k][0]
        so_far = float(np.prod([b.extents.prod() for b in way]))
        deeper = float(np.prod([e.prod(axis=1).max() for e, _ in self.choices[k + 1 :]] or [1.0]))
        return self.cycles_of(1.0) / (so_far * deeper * extents.prod(axis=1))

    def _allowed(self, prices: Prices, k: int, way: list[Boundary], st: Stage) -> Stage:
        """The stage with the energies beyond which nothing further in can meet the goal."""
        tensors = len(self.problem.tensors)
        allow = np.full((1 + tensors, self.lattice.size), -np.inf)
        if st.last:
            return st
        cycles = self._choice_cycles(k + 1, way)
        limit = np.array([kernels.threshold(self.goal, c) for c in cycles]) - self.goal.leak * cycles
        floor = self._tail(prices, k)[0]
        idx = np.flatnonzero(limit > floor)
        if len(idx):
            low, top, fixed, subs = self._inner(prices, k + 1, way, self.choices[k + 1][0][idx], self.choices[k + 1][1][idx])
            lat = self.lattice
            kept = np.array(prices.pattern[k + 1])
            kernels.allowance(subs, lat.digits, lat.stride, lat.move_start, lat.move_to, self.problem.least, low, fixed, limit[idx], kept, allow)
            most = top.max(axis=0) * (1 + 1e-9) if k + 2 == len(self.problem.stages) else np.full(tensors, np.inf)
            return st._replace(allow=allow, top_coef=top.min(axis=0) * (1 - 1e-9), top_most=most)
        return st._replace(allow=allow)

    def _classes(self, tiles: np.ndarray, extents: np.ndarray, sub: np.ndarray) -> tuple[np.ndarray, list[tuple[int, np.ndarray]]]:
        """(int32[tile] class of the tile above, [(class, D per dimension)]): tiles whose counts depend on D differ."""
        lat = self.lattice
        code = np.zeros(lat.size, np.int64)
        both = {d for _, p, q in self.problem.ranks if extents[p] > 1 and extents[q] > 1 for d in (p, q)}
        inner = np.zeros((len(extents), self.problem.widest), np.int64)
        for d, e in enumerate(lat.extents):
            for i in range(len(e)):
                b = sub[d, i]
                if b >= 0 and extents[d] > 1 and (d in both or lat.bounds[d] % (int(e[b]) * int(extents[d]))):
                    inner[d, i] = e[b]
        radix = 1
        values: list[tuple[int, np.ndarray]] = []
        for d in range(len(extents)):
            distinct = np.unique(inner[d, : len(lat.extents[d])])
            rank_of = np.searchsorted(distinct, inner[d])
            code += radix * rank_of[lat.digits[:, d]]
            values.append((radix, distinct))
            radix *= len(distinct)
        present = np.unique(code[tiles])
        out = []
        for c in present:
            below = np.array([v[(c // r) % len(v)] for r, v in values], np.int64)
            out.append((int(c), below))
        return code.astype(np.int32), out

    def _open(self, prices: Prices, k: int, way: list[Boundary], above: Pool, ids: np.ndarray, extents: np.ndarray, axes: np.ndarray,
              compute: float) -> None:
        """Search below one choice of spatial extents: the labels that may still win, class by class."""
        sub, waste = self._subs(extents, axes)
        last = k == len(self.problem.stages) - 1
        goal = self._with_cycles(compute)
        chosen = self._select(prices, k, way, above, ids, extents, axes, sub, waste, goal)
        if not len(chosen):
            return
        code, classes = self._classes(above.tile[chosen], extents, sub)
        for wanted, below in classes:
            here = [*way, Boundary(extents, below, sub, axes)]
            st = self._allowed(prices, k, here, self.stage(prices, k, here))
            extra = self.fixed(prices, here) if last else np.zeros(1 + len(self.ports))
            runs = self._run_counts(prices, k, here, st)
            goal = self._with_cycles(compute)

            def start(pool: Pool, goal: Goal = goal, st: Stage = st, extra: np.ndarray = extra, runs: np.ndarray = runs, wanted: int = wanted) -> bool:
                n = kernels.enter(st, goal, above, pool, chosen, sub, extents, waste, code, wanted, runs, k, self.options.runs, extra)
                return n >= 0

            self._advance(prices, k, here, st, goal, start)

    def _select(self, prices: Prices, k: int, way: list[Boundary], above: Pool, ids: np.ndarray, extents: np.ndarray, axes: np.ndarray, sub: np.ndarray,
                waste: np.ndarray, goal: Goal) -> np.ndarray:
        """The finished labels of the stage above that may still meet the goal below these extents."""
        low, top, fixed, _ = self._inner(prices, k, way, extents[None], axes[None])
        out = np.empty(len(ids), np.int32)
        n = kernels.select(self._template(prices, k, way), goal, above, ids, sub, waste, low[0], top[0], self._least_ranks(), float(fixed[0]),
                           self._port_floor(prices, k - 1, way), out)
        return out[:n]

    def _template(self, prices: Prices, k: int, way: list[Boundary]) -> Stage:
        """Stage k below an idle boundary: what bounds need, whatever the extents; made once per pattern and boundaries."""
        key = (id(prices), k, tuple(id(b) for b in way))
        if self._template_key != key:
            ones = np.ones(len(self.lattice.dims), np.int64)
            self._template_key = key
            self._template_stage = self.stage(prices, k, [*way, Boundary(ones, np.zeros_like(ones), self._subs(ones, ones[None])[0], ones[None])])
        assert self._template_stage is not None
        return self._template_stage

    def _least_ranks(self) -> float:
        """Least words of all two-term ranks of the slider."""
        return float(np.prod([self.problem._least_rank(r).min() for r in range(len(self.problem.ranks))] or [1.0]))

    def _run_counts(self, prices: Prices, k: int, way: list[Boundary], st: Stage) -> np.ndarray:
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
            merging = self._merging(prices, k, t, way)
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

    def _ragged_runs(self, bound: int, d: int, e: np.ndarray, after: list[Boundary], before: list[Boundary], way: list[Boundary],
                     table: np.ndarray) -> None:
        """Correct the rows of `table` whose run begins at an extent that does not divide the bound."""
        for i, start in enumerate(e):
            if bound % int(start) == 0:
                continue
            for b_digit, inner in enumerate(e):
                if start % int(inner):
                    continue
                at = np.arange(0, bound, int(start))
                for b in before:
                    if b.below[d]:
                        at = at[(at // int(b.below[d])) % int(b.extents[d]) == 0]
                for b in after:
                    step = int(inner) if b is way[-1] else int(b.below[d]) or int(inner)
                    at = (at[:, None] + step * np.arange(int(b.extents[d]))[None, :]).reshape(-1)
                table[i, b_digit] = np.count_nonzero(at < bound)

    # ---- answers ------------------------------------------------------------------------------------------------
    def _collect(self, prices: Prices, k: int, way: list[Boundary], pool: Pool, goal: Goal, found: int) -> None:
        best: list[tuple[float, float, int]] = []
        zero = np.zeros(len(self.ports))
        for i in self.ends[:found]:
            cycles = float(kernels._cycles(goal, pool.waste[i], pool.load[i], zero))
            energy = float(pool.energy[i]) + goal.leak * cycles
            if not any(e <= energy and c <= cycles for e, c, _ in best):
                best = [b for b in best if not (energy <= b[0] and cycles <= b[1])]
                best.append((energy, cycles, int(i)))
        for energy, cycles, i in best:
            self._accept(Found(energy, cycles, self._mapping(prices, k, way, pool, i)))

    def _accept(self, new: Found) -> None:
        self.found.append(new)
        if self.goal.mode == 2:
            self.goal = hull_goal(self.goal, [(f.energy_pj, f.cycles) for f in self.found])
        elif self.goal.mode == 4:
            self.goal = stairs_goal(self.goal, [(f.energy_pj, f.cycles) for f in self.found])

    def _mapping(self, prices: Prices, k: int, way: list[Boundary], pool: Pool, label: int) -> Mapping:
        """Walk the labels back to the start and write the loops and nodes down."""
        steps: list[tuple[int, int, int]] = []  # (stage, action, tile), innermost first
        stage, current, i = k, pool, label
        while i >= 0:
            steps.append((stage, int(current.action[i]), int(current.tile[i])))
            parent = int(current.parent[i])
            if current.action[i] == -1:
                stage -= 1
                if stage < 0:
                    break
                above = self.pools[stage].pool
                assert above is not None
                current = above
            i = parent
        return self._write(prices, way, steps[::-1])

    def _write(self, prices: Prices, way: list[Boundary], steps: list[tuple[int, int, int]]) -> Mapping:
        lat, pr = self.lattice, self.problem
        entries: list[Loop | Node] = [Node(pr.chip.dram.name, t.name) for t in pr.tensors]
        now = [int(e[0]) for e in lat.extents]
        for stage, action, tile in steps:
            if 0 <= action < 16:
                entries.append(Node(pr.memory(stage, action).name, pr.tensors[action].name))
                continue
            after = [int(lat.extents[d][i]) for d, i in enumerate(lat.digits[tile])]
            if action == -1:
                entries += self._unrolled(stage, way[stage])
            else:
                d = action - 16
                entries.append(Loop(lat.dims[d], -(-now[d] // after[d])))
            now = after
        entries += [Loop(lat.dims[d], n) for d, n in enumerate(now) if n > 1]
        return Mapping(tuple(_joined(entries)))

    def _unrolled(self, stage: int, boundary: Boundary) -> list[Loop | Node]:
        f = self.problem.stages[stage].fanout
        if f is None:
            return []
        first, others = [], []
        for a, (axis, row) in enumerate(zip(f.axes, boundary.axes, strict=True)):
            for d, n in enumerate(row):
                if n > 1:
                    outermost = ragged_first(self.lattice.extents[d], boundary.axes[:, d]) == a
                    (first if outermost else others).append(Loop(self.lattice.dims[d], int(n), f.name, axis.name))
        return [*first, *others]


def _joined(entries: list[Loop | Node]) -> list[Loop | Node]:
    """Adjacent temporal loops over one dimension become one; loops of one pass go."""
    out: list[Loop | Node] = []
    for e in entries:
        if isinstance(e, Loop) and e.bound == 1:
            continue
        prior = out[-1] if out else None
        if isinstance(e, Loop) and isinstance(prior, Loop) and not e.spatial and not prior.spatial and e.dim == prior.dim:
            out[-1] = Loop(e.dim, prior.bound * e.bound)
        else:
            out.append(e)
    return out


def goal(mode: int, least_cycles: float, leak: float, best: float = np.inf, limit: float = np.inf, slope: float = 0.0,
         flat: float = 0.0) -> Goal:
    """A goal for `LayerSearch.run`; see `kernels.Goal` for the modes. `slope` is pJ per cycle."""
    return Goal(mode, np.array([best]), limit, np.empty(0), np.empty(0), slope, flat, leak, least_cycles, least_cycles, TOLERANCE,
                np.array([np.inf, np.inf]))


def stairs_goal(goal: Goal, points: list[tuple[float, float]]) -> Goal:
    """A mode-4 goal: below every point (energy, cycles) that is as fast."""
    stairs: list[tuple[float, float]] = []
    for e, c in sorted(points, key=lambda x: (x[1], x[0])):
        if not stairs or e < stairs[-1][0]:
            stairs.append((e, c))
    return goal._replace(energy=np.array([e for e, _ in stairs]), cycles=np.array([c for _, c in stairs]))


def hull_goal(goal: Goal, points: list[tuple[float, float]]) -> Goal:
    """A mode-2 goal whose hull runs through the lower left of the points (energy, cycles)."""
    hull: list[tuple[float, float]] = []
    for e, c in sorted(points, key=lambda x: (x[1], x[0])):
        if hull and e >= hull[-1][0]:
            continue
        while len(hull) >= 2 and (hull[-1][0] - hull[-2][0]) * (c - hull[-2][1]) >= (e - hull[-2][0]) * (hull[-1][1] - hull[-2][1]):
            hull.pop()
        hull.append((e, c))
    return goal._replace(energy=np.array([e for e, _ in hull]), cycles=np.array([c for _, c in hull]))


__all__ = ["Found", "LayerSearch", "Options", "Progress", "goal", "hull_goal", "stairs_goal"]


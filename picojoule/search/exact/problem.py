"""Layer, chip and bypass pattern as what the dynamic programme needs: stages, prices per word, fixed costs.

A *stage* is one memory group (or none) below at most one fan-out. A *pattern* says for every stage which tensors its
group keeps. With the pattern fixed, each node's price is linear in its words at every merge level, and what the outputs
save by starting from zero is a constant per word (see `_output_prices`).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from picojoule.cost.model import MILLIWATT_SECOND_PJ
from picojoule.errors import NoMapping, SpecError
from picojoule.hardware.chip import Chip, FanOut, Group, Memory, tensor_word_pj, transfer_word_pj
from picojoule.mapping.footprint import counted_bits, tile_bits
from picojoule.search.exact.lattice import build_lattice
from picojoule.search.exact.rank_kernels import Merge, Merged, merged, plain_table, rank_peak, slide_table
from picojoule.search.exact.sparse import PLAIN, Form, SparseView, sparse_view
from picojoule.workload.layer import Layer, Rank, Tensor, distinct


@dataclass(frozen=True)
class StageSpec:
    """A fan-out (or None) and the memory group below it (or None)."""

    fanout: FanOut | None
    group: Group | None


def stage_specs(chip: Chip) -> tuple[StageSpec, ...]:
    """The chip below DRAM as stages, from the outside in; loops may stand in every stage."""
    out: list[StageSpec] = []
    waiting: FanOut | None = None
    for level in chip.levels[1:]:
        if isinstance(level, FanOut):
            if waiting is not None or not out:
                out.append(StageSpec(waiting, None))
            waiting = level
        else:
            out.append(StageSpec(waiting, level))
            waiting = None
    if waiting is not None or not out:
        out.append(StageSpec(waiting, None))
    return tuple(out)


Pattern = tuple[tuple[bool, ...], ...]  # [stage][tensor]: kept there?


class Crossed(NamedTuple):
    """A fan-out whose copies are served together: the stage it stands above, and the axes (their places; None: all of them)."""

    stage: int
    axes: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Line:
    """A tensor's way to one of its nodes (or to the MACs): prices per word after merging 0, 1, ... boundaries.

    `coef[j]` pJ per word with the innermost j boundaries merged; `port[k][j]` cycles x instances per word.
    `merges[j]` is the fan-out, or the part of one, that the j-th merge crosses. `held`: the axes that the node's memory serves
    together, whose copies are one at the node already.
    """

    coef: tuple[float, ...]
    port: tuple[tuple[float, ...], ...]
    merges: tuple[Crossed, ...]
    held: tuple[Crossed, ...] = ()


@dataclass(frozen=True)
class PortKey:
    """One kind of port of one memory, or the root of a fan-out's network: its place and what it can move."""

    memory: str
    serves: str
    stage: int  # -1: DRAM
    bits_per_cycle: float
    together: tuple[int, ...] = ()  # the axes (their places) that one instance serves together


class Problem:
    """One layer on one chip under one accounting: everything that does not depend on pattern or spatial extents."""

    def __init__(
        self,
        layer: Layer,
        chip: Chip,
        *,
        imperfect: bool = True,
        accounting: str = "default",
        coarse: bool = False,
        homes: tuple[tuple[str, str], ...] = (),
    ) -> None:
        chip.check_priced()
        if accounting != "default" and any(m.serves for m in chip.memories):
            raise SpecError("memories that serve axes are searched under the default accounting only", hint="leave it out")
        self.layer, self.chip, self.box = layer, chip, accounting == "timeloop"
        self.lattice = build_lattice(layer, imperfect, coarse)
        self.stages = stage_specs(chip)
        self.homes = homes
        self.home = self._home_stages()  # per tensor the stage whose memory it starts or ends in, -1: an outermost one
        self.tensors = layer.tensors
        self.names = [d for d, _ in layer.dims]
        self.relevant = np.array([[d in t.dims for d in self.names] for t in self.tensors])
        self.owner = self._owners()
        self.idle = [[int(d) for d in np.flatnonzero(~x)] for x in self.relevant]  # dimensions that do not index each tensor
        self.slider, self.ranks = self._affine_ranks()
        self.rank_dims = np.array([[p, q] for _, p, q in self.ranks], np.int64).reshape(-1, 2)
        self.affine = np.zeros(len(self.names), bool)  # dimensions of two-term ranks
        self.affine[self.rank_dims.reshape(-1)] = True
        self.base = np.array(
            [float(np.prod([distinct(r, layer.bounds) for r in t.ranks if len(r.terms) == 1] or [1])) for t in self.tensors]
        )
        self.widest = max(len(e) for e in self.lattice.extents)
        self.counts = self._counts()
        self.sparse = sparse_view(self)
        self._tables: dict[tuple, np.ndarray] = {}
        self._least_ranks: dict[int, np.ndarray] = {}

    def _home_stages(self) -> list[int]:
        """Per tensor the stage whose memory is its home; -1 for an outermost memory, which must have room for all it keeps."""
        places = {m.name: s for s, x in enumerate(self.stages) if x.group for m in x.group.memories}
        out = [places[dict(self.homes)[t.name]] if t.name in dict(self.homes) else -1 for t in self.layer.tensors]
        for m in self.chip.outermost:
            kept = [t for t, home in zip(self.layer.tensors, out, strict=True) if home < 0 and t.role in m.keeps]
            need, room = sum(tile_bits(self.layer, t, m, self.layer.bounds) for t in kept), m.usable_bits()
            if room is not None and need > room:
                raise NoMapping(
                    f"layer {self.layer.name!r} does not fit {self.chip.name!r}: {m.name} starts and ends with all of "
                    f"{', '.join(t.name for t in kept)}, {need:,} b, and has room for {room:,} b",
                    hint="enlarge the memory, or use fewer bits",
                )
        return out

    def _owners(self) -> np.ndarray:
        out = np.full(len(self.names), -1, np.int8)
        self.exact_runs = True
        for d in range(len(self.names)):
            idle = [t for t in range(len(self.tensors)) if not self.relevant[t, d]]
            if idle:
                out[d] = idle[0]
            if len(idle) > 1:
                self.exact_runs = False  # a run of this dimension would leave two tensors in place
        return out

    def _affine_ranks(self) -> tuple[int, list[tuple[tuple[int, ...], int, int]]]:
        """The one tensor with two-term ranks, and per rank (a, b, n1, n2, offset, size), dim 1, dim 2."""
        affine = [t for t, x in enumerate(self.tensors) if any(len(r.terms) == 2 for r in x.ranks)]
        if len(affine) > 1 or (affine and self.tensors[affine[0]].role == "output"):
            raise SpecError(
                f"layer {self.layer.name!r}: sliding windows in more than one operand, or in the output, are not mapped",
                hint="rewrite the layer so that one operand has two-term ranks",
            )
        if not affine:
            return -1, []
        out: list[tuple[tuple[int, ...], int, int]] = []
        for r in self.tensors[affine[0]].ranks:
            if len(r.terms) == 2:
                (a, p), (b, q) = r.terms
                n1, n2 = self.layer.bounds[p], self.layer.bounds[q]
                size = r.size if r.size is not None else r.offset + a * (n1 - 1) + b * (n2 - 1) + 1
                out.append(((a, b, n1, n2, r.offset, size), self.names.index(p), self.names.index(q)))
        return affine[0], out

    def _counts(self) -> np.ndarray:
        """float64[tensor, D, n]: tile positions along dimensions that do not index the tensor, 1 along the others."""
        out = np.ones((len(self.tensors), len(self.names), self.widest))
        for t in range(len(self.tensors)):
            for d, e in enumerate(self.lattice.extents):
                if not self.relevant[t, d]:
                    out[t, d, : len(e)] = -(-self.lattice.bounds[d] // e)
        return out

    @cached_property
    def foot(self) -> np.ndarray:
        """int64[tensor, tile]: bits of each tile."""
        out = np.empty((len(self.tensors), self.lattice.size), np.int64)
        for t, x in enumerate(self.tensors):
            elements = np.ones(self.lattice.size, np.int64)
            for r in x.ranks:
                elements *= self._rank_foot(r)
            out[t] = np.ceil(elements * x.bits)
        return out

    def _rank_foot(self, rank: Rank) -> np.ndarray:
        dims = [self.names.index(d) for _, d in rank.terms]
        ext = [self.lattice.extents[d] for d in dims]
        bounds = [int(self.lattice.bounds[d]) for d in dims]
        size = rank.size if rank.size is not None else 1 << 40
        if len(dims) == 1:
            spec = (rank.terms[0][0], 1, bounds[0], 1, rank.offset, size)
            table = np.array([rank_peak(spec, int(e), 1, False) for e in ext[0]], np.int64)
            return table[self.lattice.digits[:, dims[0]]]
        spec = (rank.terms[0][0], rank.terms[1][0], bounds[0], bounds[1], rank.offset, size)
        table = np.array([[rank_peak(spec, int(e), int(f), self.box) for f in ext[1]] for e in ext[0]], np.int64)
        return table[self.lattice.digits[:, dims[0]], self.lattice.digits[:, dims[1]]]

    @cached_property
    def least(self) -> np.ndarray:
        """float64[tensor, tile]: no node of the tensor at this tile or a smaller one moves fewer words (all copies)."""
        dig = self.lattice.digits
        out = np.empty((len(self.tensors), self.lattice.size))
        for t in range(len(self.tensors)):
            x = np.full(self.lattice.size, self.base[t])
            for d in range(len(self.names)):
                if not self.relevant[t, d]:
                    x *= self.counts[t, d][dig[:, d]]
            if t == self.slider:
                for k, (_, p, q) in enumerate(self.ranks):
                    x *= self._least_rank(k)[dig[:, p], dig[:, q]]
            out[t] = x
        return out

    def _least_rank(self, k: int) -> np.ndarray:
        """Least words of rank k over this and all smaller tiles, under any run of either dimension."""
        if k in self._least_ranks:
            return self._least_ranks[k]
        plain = self.plain(k)  # a run along p moves at least the union of its tiles: plain at the whole of p
        table = np.minimum(plain, np.minimum(plain[:1, :], plain[:, :1]))
        table = np.minimum.accumulate(table[::-1], axis=0)[::-1]
        table = np.minimum.accumulate(table[:, ::-1], axis=1)[:, ::-1]
        self._least_ranks[k] = table
        return table

    def plain(self, k: int, merges: tuple[Merge, ...] = ()) -> np.ndarray:
        """float64[n1, n2]: words of rank k per tile, merged over some fan-outs; infinite for tiles that cannot be."""
        key = ("plain", k, merges)
        if key not in self._tables:
            rank, p, q = self.ranks[k]
            e, f = self.lattice.extents[p], self.lattice.extents[q]
            out = np.full((len(e), len(f)), np.inf)
            plain_table(rank, e, f, self._sharing(k, merges), self.box, out)
            self._tables[key] = out
        return self._tables[key]

    def slides(self, k: int, which: int, step: int, merges: tuple[Merge, ...] = ()) -> np.ndarray:
        """float64[x, n1, n2]: words under a run along dimension `which` of the rank; infinite where there is no run."""
        key = ("slide", k, which, step, merges)
        if key not in self._tables:
            rank, p, q = self.ranks[k]
            e, f = self.lattice.extents[p], self.lattice.extents[q]
            out = np.full((len(e) if which == 0 else len(f), len(e), len(f)), np.inf)
            if self.tensors[self.slider].role != "output":
                slide_table(rank, e, f, which, step, self._sharing(k, merges), self.box, out)
            self._tables[key] = out
        return self._tables[key]

    def _sharing(self, k: int, merges: tuple[Merge, ...]) -> Merged:
        """The merged fan-outs of rank k as the kernels see them, and the copies that share."""
        (a, b, *_), _, _ = self.ranks[k]
        return merged(a, b, merges)

    @cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        """Every choice of which tensors each group keeps, as its memories allow."""
        choices = []
        for s, spec in enumerate(self.stages):
            for t, home in zip(self.tensors, self.home, strict=True):
                memory = spec.group.memory_for(t.role) if spec.group and s > home else None
                rule = memory.keeps_role(t.role) if memory else "never"
                choices.append({"must": (True,), "may": (True, False), "never": (False,)}[rule])
        n = len(self.tensors)
        flat = itertools.product(*choices)
        return tuple(tuple(tuple(f[s * n : (s + 1) * n]) for s in range(len(self.stages))) for f in flat)

    def memory(self, stage: int, t: int) -> Memory:
        """The memory of a stage that keeps tensor t; stage -1 is the outermost one."""
        if stage < 0:
            return self.chip.home(self.tensors[t].role)
        group = self.stages[stage].group
        memory = group.memory_for(self.tensors[t].role) if group else None
        assert memory is not None
        return memory

    def served(self, stage: int, memory: Memory) -> tuple[int, ...]:
        """The places of the axes of a stage's fan-out that an instance of its memory serves together."""
        f = self.stages[stage].fanout if stage >= 0 and memory.serves else None
        return tuple(i for i, a in enumerate(f.axes) if a.name in memory.serves) if f else ()

    def held(self, stage: int, t: int) -> tuple[int, ...]:
        """The places of the axes that a stage's memory of tensor t serves together; () at the MACs and outside."""
        return self.served(stage, self.memory(stage, t)) if 0 <= stage < len(self.stages) else ()

    @cached_property
    def boxed(self) -> np.ndarray:
        """bool[tensor, D]: dimensions of sliding windows and of padded ranks, which loops must not part from a served axis."""
        some = [
            [d for r in t.ranks if len(r.terms) > 1 or r.offset or r.size is not None for _, d in r.terms] for t in self.tensors
        ]
        return np.array([[d in x for d in self.names] for x in some])

    def served_sets(self, stage: int) -> list[tuple[int, ...]]:
        """The sets of axes that memories of a stage serve together."""
        group = self.stages[stage].group
        return [x for m in (group.memories if group else ()) if (x := self.served(stage, m))]

    def most_copies(self, merged: Crossed) -> int:
        """Places of a fan-out along the axes of a merge."""
        f = self.stages[merged.stage].fanout
        if f is None:
            return 1
        return f.size if merged.axes is None else math.prod(f.axes[i].size for i in merged.axes)

    def check_fits(self, pattern: Pattern) -> None:
        """Raise NoMapping if not even one element of each tensor that must be kept fits."""
        for s, kept in enumerate(pattern):
            for memory in {self.memory(s, t).name: self.memory(s, t) for t in range(len(kept)) if kept[t]}.values():
                room = memory.usable_bits()
                held = [self.tensors[t] for t in range(len(kept)) if kept[t] and self.memory(s, t).name == memory.name]
                need = sum(counted_bits(self.layer, t, memory.format_of(t.role), tuple(1 for _ in t.ranks)) for t in held)
                if room is not None and need > room:
                    raise NoMapping(
                        f"layer {self.layer.name!r} does not fit {self.chip.name!r}: {memory.name} must keep "
                        f"{', '.join(t.name for t in held)}, one element each needs {need} b, and it has room for {room} b",
                        hint="enlarge the memory, use fewer bits, or let a tensor bypass it (may_keep)",
                    )

    def least_load(self, tensor: Tensor) -> float:
        """Least share of a tensor's dense bits that must pass the ports of its home."""
        if self.sparse is None:
            return 1.0
        t = self.tensors.index(tensor)
        memory = self.memory(self.home[t], t)
        forms = [self.sparse.form(t, memory, True)] + ([] if tensor.role == "output" else [self.sparse.whole_form(t, memory)])
        return self.sparse.share([memory], tensor.role) * min(x.words + x.metadata_bits / tensor.bits for x in forms)

    def leak_pj_per_cycle(self) -> float:
        """Leakage of the whole chip in pJ per cycle."""
        parts = [(m.leakage_mw, self.chip.instances(m)) for m in self.chip.memories]
        parts += [(self.chip.compute.leakage_mw, self.chip.pes), (self.chip.static_mw, 1)]
        return sum(mw * n for mw, n in parts if mw) * MILLIWATT_SECOND_PJ / self.chip.clock_hz

    def ports(self) -> tuple[PortKey, ...]:
        """All kinds of ports with a finite bandwidth."""
        out = []
        places = [(-1, m) for m in self.chip.outermost] + [
            (s, m) for s, x in enumerate(self.stages) if x.group for m in x.group.memories
        ]
        for s, m in places:
            for serves in ("read", "write", "readwrite"):
                width = sum(p.bits_per_cycle for p in m.ports if p.serves == serves)
                if width:
                    out.append(PortKey(m.name, serves, s, width, self.served(s, m)))
        for s, x in enumerate(self.stages):  # the root of a network exists once for each place outside of it
            if x.fanout is not None and x.fanout.bits_per_cycle is not None:
                out.append(PortKey(x.fanout.name, "network", s - 1, x.fanout.bits_per_cycle))
        return tuple(out)


@dataclass(frozen=True)
class Scale:
    """What a tile's words cost over the least price of a line, per merge level."""

    energy: np.ndarray  # float64[J, tile]
    port: np.ndarray  # float64[K, J, tile]


class Prices:
    """Prices of one pattern: per stage and tensor a `Line`, for the MACs too, and the constants."""

    def __init__(self, problem: Problem, pattern: Pattern, ports: tuple[PortKey, ...]) -> None:
        self.problem, self.pattern, self.ports = problem, pattern, ports
        self.lines: dict[tuple[int, int], Line] = {}  # (stage, tensor); stage len(stages) is the MACs
        self.constant = problem.layer.macs * problem.chip.compute.energy_pj(problem.layer)
        self.constant_port = np.zeros(len(ports))
        self.scales: dict[tuple[int, int], Scale] = {}  # (stage, tensor) of the lines whose prices depend on the tile
        self.sparse = problem.sparse
        if self.sparse is not None:
            self.constant = self.sparse.mac_pj()
        self.tails: dict[int, tuple[float, np.ndarray]] = {}  # by stage: see StageTables.tail
        self.frames: dict[int, object] = {}  # by stage: see StageTables.frame
        self.first_visits: list[tuple[tuple[int, ...], float, float]] = []  # even-tile accounting: see _timeloop_output_prices
        for t, x in enumerate(problem.tensors):
            (self._output_prices if x.role == "output" else self._operand_prices)(t)

    def homes(self, t: int) -> list[int]:
        """Stages that keep tensor t, its home first (-1: the outermost memory), then the MACs (number of stages) last."""
        return [self.problem.home[t], *(s for s in range(len(self.pattern)) if self.pattern[s][t]), len(self.pattern)]

    def _port_rate(self, stage: int, t: int, action: str) -> np.ndarray:
        """Cycles (times instances in use) per word of tensor t that the memory of a stage reads or writes, per port."""
        out = np.zeros(len(self.ports))
        if stage >= len(self.pattern):
            return out
        memory = self.problem.memory(stage, t)
        own = any(p.serves == action for p in memory.ports)
        for k, port in enumerate(self.ports):
            if port.memory == memory.name and port.serves == (action if own else "readwrite"):
                out[k] = self.problem.tensors[t].bits / port.bits_per_cycle
        return out

    def _network_rate(self, merged: Crossed, outer: int, t: int) -> np.ndarray:
        """Cycles per word of tensor t that passes the root of a fan-out's network on its way to a holder, per port."""
        out = np.zeros(len(self.ports))
        f = self.problem.stages[merged.stage].fanout
        for k, port in enumerate(self.ports):
            if f is not None and port.serves == "network" and port.memory == f.name and merged.stage > outer:
                out[k] = self.problem.tensors[t].bits / port.bits_per_cycle
        return out

    def _crossing(self, outer: int, inner: int, t: int) -> tuple[tuple[Crossed, ...], list[float]]:
        """Fan-outs between a holder and a place, innermost first, and the transfer energy of each in pJ per word.

        A node whose memory serves some axes of the fan-out above stands above those: its holder is reached over the others.
        """
        stages, last = self.problem.stages, min(inner, len(self.pattern) - 1)
        merges = [Crossed(s) for s in range(last, outer, -1) if stages[s].fanout]
        if own := self.problem.held(inner, t):
            f = stages[inner].fanout
            others = tuple(i for i in range(len(f.axes) if f else 0) if i not in own)
            merges[:1] = [Crossed(inner, others)] if others else []
        if below := self.problem.held(outer, t):
            merges.append(Crossed(outer, below))
        pj = []
        for s, _ in merges:
            fanout = stages[s].fanout
            assert fanout is not None
            pj.append(transfer_word_pj(fanout, self.problem.tensors[t]))
        return tuple(merges), pj

    def _pj(self, stage: int, t: int, action: str) -> float:
        if stage >= len(self.pattern):
            return 0.0
        return tensor_word_pj(self.problem.memory(stage, t), self.problem.tensors[t], action)

    def _line(
        self,
        t: int,
        outer: int,
        inner: int,
        at_node: float,
        at_holder: float,
        node_rate: np.ndarray,
        holder_rate: np.ndarray,
        way: float = 1.0,
    ) -> None:
        """A line with `at_node` per word at the node, `at_holder` at the holder, `way` words on the way between."""
        merges, pj = self._crossing(outer, inner, t)
        coef = [0.0] * (len(merges) + 1)
        coef[0] += at_node
        coef[-1] += at_holder
        for j, x in enumerate(pj):
            coef[j] += x * way
        port = np.zeros((len(self.ports), len(merges) + 1))
        port[:, 0] += node_rate
        port[:, -1] += holder_rate
        for j, m in enumerate(merges):
            port[:, j + 1] += self._network_rate(m, outer, t) * way
        held = self.problem.held(inner, t)
        self.lines[inner, t] = Line(tuple(coef), tuple(map(tuple, port)), merges, (Crossed(inner, held),) if held else ())

    def _operand_prices(self, t: int) -> None:
        if self.sparse is not None:
            self._sparse_operand_prices(t, self.sparse)
            return
        homes = self.homes(t)
        for outer, inner in itertools.pairwise(homes):
            self._line(
                t,
                outer,
                inner,
                self._pj(inner, t, "write"),
                self._pj(outer, t, "read"),
                self._port_rate(inner, t, "write"),
                self._port_rate(outer, t, "read"),
            )

    def _sparse_operand_prices(self, t: int, view: SparseView) -> None:
        """Prices of a dense word: stored words and metadata of the tile that carries it, times what survives at least."""
        homes, role, bits = self.homes(t), self.problem.tensors[t].role, self.problem.tensors[t].bits
        for at, (outer, inner) in enumerate(itertools.pairwise(homes)):
            memories = [self.problem.memory(s, t) for s in homes[: at + 1]]
            share, last = view.share(memories, role), inner == len(self.pattern)
            above, node, codec = view.form(t, memories[-1], not last), PLAIN, 0.0
            if last and outer == homes[0]:
                above = view.whole_form(t, memories[-1])
            if not last:
                node = view.form(t, self.problem.memory(inner, t), False)
                one, other = (m.format_of(role) for m in (memories[-1], self.problem.memory(inner, t)))
                codec = (one.codec_pj + other.codec_pj) * share if one != other else 0.0

            def price(stage: int, action: str, form: Form, share: float = share) -> tuple[float, np.ndarray | None]:
                """(least pJ for each dense word, over it for each tile)."""
                if stage >= len(self.pattern):
                    return 0.0, None
                memory = self.problem.memory(stage, t)
                each = memory.read_pj if action == "read" else memory.write_pj
                word, bit = self._pj(stage, t, action) * share, (each or 0.0) / memory.word_bits * share
                if form.tables is None:
                    return word * form.words + bit * form.metadata_bits, None
                table = word * form.tables[0] + bit * form.tables[1]
                return float(table.min()), table

            def load(form: Form, share: float = share) -> tuple[float, np.ndarray | None]:
                if form.tables is None:
                    return share * (form.words + form.metadata_bits / bits), None
                table = share * (form.tables[0] + form.tables[1] / bits)
                return float(table.min()), table

            at_node, node_table = price(inner, "write", node)
            at_holder, holder_table = price(outer, "read", above)
            (node_load, node_loads), (way, ways) = load(node), load(above)
            merges, _ = self._crossing(outer, inner, t)
            node_rate, holder_rate = self._port_rate(inner, t, "write"), self._port_rate(outer, t, "read")
            self._line(t, outer, inner, at_node + codec, at_holder, node_rate * node_load, holder_rate * way, way)
            if node_table is not None or holder_table is not None:
                self.scales[inner, t] = _scale(
                    len(merges) + 1,
                    self.problem.lattice.size,
                    self._crossing(outer, inner, t)[1],
                    codec,
                    (at_node, node_table),
                    (at_holder, holder_table),
                    (way, ways),
                    ((node_rate, node_load, node_loads), (holder_rate, way, ways)),
                )

    def _output_prices(self, t: int) -> None:
        """Drain, reload, update and accumulate as prices per word.

        With drains d at a node, h of them merged at its holder and z elements that start from zero in the holder:
        reloads = h - z, and the node itself starts z + (d - h) from zero. So a node's d - h is a credit at every output
        node further in and at the MACs: `later` pJ (and port cycles) for each.
        """
        if self.problem.box:
            self._timeloop_output_prices(t)
            return
        homes = self.homes(t)
        words = float(self.problem.layer.elements(self.problem.tensors[t]))
        later, later_rate = 0.0, np.zeros(len(self.ports))
        for outer, inner in reversed(list(itertools.pairwise(homes))):
            merges, pj = self._crossing(outer, inner, t)
            back = self._pj(outer, t, "read") + sum(pj)
            back_rate = self._port_rate(outer, t, "read")
            for m in merges:
                back_rate = back_rate + self._network_rate(m, outer, t)
            share = self._output_share(t, outer)
            drain_read = self._pj(inner, t, "read") * share
            drain_rate = self._port_rate(inner, t, "read") * share
            if inner < len(self.pattern):  # a node: reloads are written into it
                back += self._pj(inner, t, "write")
                back_rate = back_rate + self._port_rate(inner, t, "write")
            back, back_rate = back * share, back_rate * share
            node, holder = drain_read - later, self._pj(outer, t, "write") * share + back + later
            node_rate = drain_rate - later_rate
            holder_rate = self._port_rate(outer, t, "write") * share + back_rate + later_rate
            self._line(t, outer, inner, node, holder, node_rate, holder_rate, share)
            if outer == -1 and self.sparse is not None:
                self._final_outputs(t, words, share, self.sparse)
            self.constant -= words * back
            self.constant_port -= words * back_rate
            later, later_rate = later + back, later_rate + back_rate

    def _output_share(self, t: int, outer: int) -> float:
        """Least share of the outputs' words below the memory of a stage that zeros leave over."""
        if self.sparse is None:
            return 1.0
        homes = self.homes(t)
        memories = [self.problem.memory(s, t) for s in homes[: homes.index(outer) + 1]]
        return self.sparse.share(memories, self.problem.tensors[t].role)

    def _final_outputs(self, t: int, words: float, share: float, view: SparseView) -> None:
        """What compressing the final values saves at the outermost memory, metadata and packing counted."""
        memory, bits = self.problem.memory(-1, t), self.problem.tensors[t].bits
        form = view.form(t, memory, True)
        if form == PLAIN:
            return
        bit = (memory.write_pj or 0.0) / memory.word_bits
        saved = self._pj(-1, t, "write") * (form.words - 1.0) + bit * form.metadata_bits
        self.constant += words * (share * saved + memory.format_of(self.problem.tensors[t].role).codec_pj)
        self.constant_port += words * share * (form.words - 1.0 + form.metadata_bits / bits) * self._port_rate(-1, t, "write")

    def _timeloop_output_prices(self, t: int) -> None:
        """The even-tile accounting: no inner read on a drain, and a reload is written into every copy.

        With z elements that start from zero in the holder and c copies of each tile: reloads = h - z at the holder and
        c (h - z) at the node, which starts c z from zero. What the first visits save depends on c, hence on the spatial
        extents: `first_visits` holds (boundaries crossed, pJ per z at the holder, pJ per z at the node) in order.
        """
        for outer, inner in itertools.pairwise(self.homes(t)):
            merges, pj = self._crossing(outer, inner, t)
            if any(pj):
                raise SpecError("the even-tile accounting prices no transfers", hint="use the default accounting")
            read, into = self._pj(outer, t, "read"), self._pj(inner, t, "write")
            rate = self._port_rate(outer, t, "write") + self._port_rate(outer, t, "read")
            self._line(t, outer, inner, into, self._pj(outer, t, "write") + read, self._port_rate(inner, t, "write"), rate)
            self.first_visits.append((tuple(s for s, _ in merges), read, into))

    def constant_pj(self, copies: dict[int, float]) -> float:
        """pJ that no tile changes; `copies[s]` is how many copies of an output tile the boundary of stage s makes."""
        total, fresh = self.constant, 1.0
        if not self.first_visits:
            return total
        out = next(t for t, x in enumerate(self.problem.tensors) if x.role == "output")
        words = float(self.problem.layer.elements(self.problem.tensors[out]))
        for merges, read, into in self.first_visits:
            total -= words * fresh * read
            for s in merges:
                fresh *= copies.get(s, 1.0)
            total -= words * fresh * into
        return total


Priced = tuple[float, np.ndarray | None]  # the least, and for each tile where that differs


def _scale(
    levels: int,
    tiles: int,
    crossing: list[float],
    codec: float,
    node: Priced,
    holder: Priced,
    way: Priced,
    loads: tuple[tuple[np.ndarray, float, np.ndarray | None], tuple[np.ndarray, float, np.ndarray | None]],
) -> Scale:
    """What each tile costs over the least, per merge level: as `Prices._line` adds the parts up.

    `loads`: (rate of each port, least load, load by tile) at the node and at the holder.
    """
    least, found = np.zeros(levels), np.zeros((levels, tiles))
    energy, port = np.ones((levels, tiles)), np.ones((len(loads[0][0]), levels, tiles))
    parts = [(0, node), (levels - 1, holder)]
    parts += [(j, (pj * way[0], None if way[1] is None else pj * way[1])) for j, pj in enumerate(crossing)]
    for j, (low, table) in parts:
        least[j] += low
        found[j] += low if table is None else table
    least[0] += codec
    found[0] += codec
    for j in range(levels):
        if least[j] > 0.0:
            energy[j] = found[j] / least[j]
    for x in range(len(port)):
        base, real = np.zeros(levels), np.zeros((levels, tiles))
        for j, (rate, low, table) in zip((0, levels - 1), loads, strict=True):
            base[j] += rate[x] * low
            real[j] += rate[x] * (low if table is None else table)
        for j in (0, levels - 1):
            if base[j] > 0.0:
                port[x, j] = real[j] / base[j]
    return Scale(energy, port)

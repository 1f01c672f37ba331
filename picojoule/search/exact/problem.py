"""Layer and chip as what the dynamic programme needs: stages, bypass patterns, homes, counts, footprints, ports.

A *stage* is one memory group (or none) below at most one fan-out. A *pattern* says for every stage which tensors its
group keeps; `prices.py` prices one.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from picojoule.cost.model import MILLIWATT_SECOND_PJ
from picojoule.errors import NoMapping, SpecError
from picojoule.hardware.chip import Chip, FanOut, Group, Memory
from picojoule.mapping.footprint import counted_bits, tile_bits
from picojoule.search.exact.lattice import build_lattice
from picojoule.search.exact.rank_kernels import Merge, Merged, merged, plain_table, rank_peak, slide_table
from picojoule.search.exact.sparse import sparse_view
from picojoule.workload.layer import Layer, Rank, Tensor, distinct

MOST_BITS = 1 << 60  # of a tile: more than any memory has room for, and several still add up within int64


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
        """int64[tensor, tile]: bits of each tile, at most `MOST_BITS`: products of large bounds leave the range of integers, and
        what wraps around would fit any memory."""
        out = np.empty((len(self.tensors), self.lattice.size), np.int64)
        for t, x in enumerate(self.tensors):
            elements, about = np.ones(self.lattice.size, np.int64), np.full(self.lattice.size, float(x.bits))
            for r in x.ranks:
                along = self._rank_foot(r)
                elements, about = elements * along, about * along
            out[t] = np.where(about < MOST_BITS, np.ceil(elements * x.bits), MOST_BITS)
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
                x *= self._least_ranks_of_tiles()
            out[t] = x
        return out

    def _least_ranks_of_tiles(self) -> np.ndarray:
        """float64[tile]: least words of the slider's two-term ranks together: a run slides along one dimension, hence in one
        rank, and the tiles of the others move whole."""
        dig, found = self.lattice.digits, np.full(self.lattice.size, np.inf)
        for slid in range(len(self.ranks)):
            x = np.ones(self.lattice.size)
            for k, (_, p, q) in enumerate(self.ranks):
                x *= (self._least_rank(k) if k == slid else _least_below(self.plain(k)))[dig[:, p], dig[:, q]]
            found = np.minimum(found, x)
        return found

    def _least_rank(self, k: int) -> np.ndarray:
        """Least words of rank k over this and all smaller tiles, under any run of either dimension."""
        if k in self._least_ranks:
            return self._least_ranks[k]
        plain = self.plain(k)  # a run along p moves at least the union of its tiles: plain at the whole of p
        table = np.minimum(plain, np.minimum(plain[:1, :], plain[:, :1]))
        self._least_ranks[k] = _least_below(table)
        return self._least_ranks[k]

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


def _least_below(table: np.ndarray) -> np.ndarray:
    """The least entry at or below each pair of digits: of this tile and all smaller ones."""
    table = np.minimum.accumulate(table[::-1], axis=0)[::-1]
    return np.asarray(np.minimum.accumulate(table[:, ::-1], axis=1)[:, ::-1])

"""What words cost under one bypass pattern: per stage and tensor a line of prices, for the MACs too, and the constants.

With the pattern fixed, each node's price is linear in its words at every merge level, and what the outputs save by starting from
zero is a constant per word (see `_output_prices`).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from picojoule.errors import SpecError
from picojoule.hardware.chip import tensor_word_pj, transfer_word_pj
from picojoule.search.exact.problem import Crossed, Pattern, PortKey, Problem
from picojoule.search.exact.sparse import PLAIN, Form, SparseView


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
        self.floors: list[tuple[np.ndarray, np.ndarray]] | None = None  # see Bounds.pattern_floors
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
        started = 0.0 if self.problem.layer.resumes else words  # from zero at home
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
            self.constant -= started * back
            self.constant_port -= started * back_rate
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
        if self.problem.layer.resumes:
            raise SpecError("the even-tile accounting resumes no sums", hint="use the default accounting")
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

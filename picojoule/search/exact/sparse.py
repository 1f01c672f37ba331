"""Zeros inside the search: what a dense word costs at least, and for each tile how much more.

`cost/sparsity.py` scales each flow of dense words. The search prices those flows, so its prices are scaled in the same way:

* exactly, where the scale depends on the moved tile alone: compressed words and their metadata, the metadata that MACs read
  through the innermost tile, room in the memories;
* by their least value elsewhere: a skipped or gated access survives at least as often as one element of each operand that
  decides over it is not zero. This is exact where single elements decide (at the MACs), and a lower bound where tiles do,
  where a read serves several PEs, where a memory further out left something out, and for cycles where PEs wait.

Every price is then no more than what `evaluate` finds, so that the search's bound holds; mappings are evaluated, and what is
between the two is the reported gap.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from picojoule.cost.sparsity import active, directory_bits
from picojoule.cost.survival import levels_of, spans, tile_stored, whole
from picojoule.hardware.chip import OPERANDS, Memory
from picojoule.hardware.compression import DENSE, Format, Levels, stored
from picojoule.mapping.footprint import counted_bits
from picojoule.workload.density import Density, Uniform
from picojoule.workload.layer import Rank, Tensor

if TYPE_CHECKING:
    from picojoule.search.exact.problem import Problem


@dataclass(frozen=True)
class Form:
    """Stored words and metadata bits for each dense word, least over all tiles; `tables` where they depend on the tile."""

    words: float
    metadata_bits: float
    tables: tuple[np.ndarray, np.ndarray] | None = None  # words[tile], bits[tile]


PLAIN = Form(1.0, 0.0)


class SparseView:
    """What the zeros of one layer do to the prices of one problem."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.layer, self.chip = problem, problem.layer, problem.chip
        self.alive = {t.role: 1.0 - self.layer.zeros(t).empty(tuple(1 for _ in t.ranks)) for t in self.layer.tensors}
        self._forms: dict[tuple[int, Format, bool], Form] = {}
        self._own: dict[int, tuple[list[int], np.ndarray, np.ndarray]] = {}
        self._feet: dict[tuple[int, Format], np.ndarray] = {}

    # ---- survival: least shares ------------------------------------------------------------------------------------
    def share(self, memories: list[Memory], role: str) -> float:
        """Least share of a tensor's words that what these memories state leaves over."""
        leaders = {x for m in memories for target, who in (*m.skips, *m.gates) if target == role for x in who if x in self.alive}
        return math.prod(self.alive[x] for x in leaders)

    def mac_shares(self) -> tuple[float, float]:
        """(least share of MACs that is not skipped, that is neither skipped nor gated)."""
        compute = self.chip.compute
        skip = {x for m in self.chip.memories for target, who in m.skips if target in OPERANDS for x in who} | set(compute.skips)
        gate = {x for m in self.chip.memories for target, who in m.gates if target in OPERANDS for x in who} | set(compute.gates)
        known = set(self.alive)
        return (math.prod(self.alive[x] for x in skip & known), math.prod(self.alive[x] for x in (skip | gate) & known))

    def mac_pj(self) -> float:
        """Least energy of all MACs."""
        taken, kept = self.mac_shares()
        each = self.chip.compute.energy_pj(self.layer)
        gated = min(self.chip.compute.gated_pj, each)
        return self.layer.macs * (kept * each + (taken - kept) * gated)

    # ---- formats: by tile ------------------------------------------------------------------------------------------
    def form(self, t: int, memory: Memory, passes_on: bool) -> Form:
        """A moved tile of tensor t in a memory's format; `passes_on`: to another memory, with its offset in the directory."""
        fmt = memory.format_of(self.layer.tensors[t].role)
        if fmt == DENSE:
            return PLAIN
        key = t, fmt, passes_on and fmt.directory
        if key not in self._forms:
            words, bits = self._tables(t, fmt)
            if key[2]:
                bits = bits + self._directory(t, fmt)
            same = float(np.ptp(words)) <= 1e-12 and float(np.ptp(bits)) <= 1e-12
            self._forms[key] = Form(float(words.min()), float(bits.min()), None if same else (words, bits))
        return self._forms[key]

    def whole_form(self, t: int, memory: Memory) -> Form:
        """The whole tensor as one tile, as MACs read it from the outermost memory."""
        fmt = memory.format_of(self.layer.tensors[t].role)
        if fmt == DENSE:
            return PLAIN
        s = tile_stored(self.layer, self.layer.tensors[t], fmt, self.layer.bounds)
        return Form(s.words, s.metadata_bits)

    def _classes(self, t: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """Per dimension of the tensor and digit: sizes and weights of whole and of ragged tiles."""
        out = []
        for d, e in enumerate(self.problem.lattice.extents):
            n = int(self.problem.lattice.bounds[d])
            rows = [whole(n, int(x), True) for x in e]
            sizes = np.array([[r[0][0][0][1], r[1][0][0][1] if len(r) > 1 else 0] for r in rows])
            weights = np.array([[r[0][1], r[1][1] if len(r) > 1 else 0] for r in rows], float)
            out.append((sizes[:, 0], weights[:, 0], sizes[:, 1], weights[:, 1]))
        return out

    def _tables(self, t: int, fmt: Format) -> tuple[np.ndarray, np.ndarray]:
        """(words[tile], metadata bits[tile]) for each dense word, averaged over whole and ragged tiles."""
        tensor = self.layer.tensors[t]
        own, digits, inverse = self._rows(t)
        classes = self._classes(t)
        words, bits, total = np.zeros(len(digits)), np.zeros(len(digits)), np.zeros(len(digits))
        ragged = [classes[d][3].any() for d in own]
        for pick in itertools.product(*((0, 2) if r else (0,) for r in ragged)):
            sizes = {self.problem.names[d]: classes[d][p][digits[:, i]] for i, (d, p) in enumerate(zip(own, pick, strict=True))}
            weight = np.prod([classes[d][p + 1][digits[:, i]] for i, (d, p) in enumerate(zip(own, pick, strict=True))], axis=0)
            use = np.flatnonzero(weight)
            w, b = self._each(tensor, fmt, {d: s[use] for d, s in sizes.items()})
            words[use] += weight[use] * w
            bits[use] += weight[use] * b
            total += weight
        return (words / total)[inverse], (bits / total)[inverse]

    def _each(self, tensor: Tensor, fmt: Format, sizes: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Words and bits for each dense word of boxes of these sizes; boxes that look alike are encoded once."""
        shape, zeros, levels = self.layer.shape(tensor), self.layer.zeros(tensor), levels_of(tensor, fmt)
        counts = np.stack([np.clip(self._spans(r, sizes), 1, n) for r, n in zip(tensor.ranks, shape, strict=True)], axis=1)
        boxes, at = _distinct(_alike(counts, levels, zeros))
        found = [stored(fmt, levels, tuple(int(x) for x in box), zeros) for box in boxes]
        points = boxes.prod(axis=1)
        words, bits = (np.array([getattr(s, what) for s in found]) / points for what in ("words", "metadata_bits"))
        return words[at], bits[at]

    def _spans(self, rank: Rank, sizes: dict[str, np.ndarray]) -> np.ndarray:
        terms = rank.terms
        if len(terms) == 1:
            return sizes[terms[0][1]]
        pairs, inverse = _distinct(np.stack([sizes[d] for _, d in terms], axis=1))
        table = np.array([spans(rank, tuple(((0, int(n)),) for n in pair)) for pair in pairs])
        return table[inverse]

    def _directory(self, t: int, fmt: Format) -> np.ndarray:
        lattice, tensor = self.problem.lattice, self.layer.tensors[t]
        own, digits, inverse = self._rows(t)
        extents = [{self.problem.names[d]: int(lattice.extents[d][x]) for d, x in zip(own, row, strict=True)} for row in digits]
        return np.array([directory_bits(self.layer, tensor, fmt, e) for e in extents])[inverse]

    # ---- room ------------------------------------------------------------------------------------------------------
    def foot(self, stage: int, kept: tuple[bool, ...]) -> np.ndarray:
        """int64[T, tile]: bits of each tile in the formats of a stage's memories."""
        out = self.problem.foot
        for t, tensor in enumerate(self.layer.tensors):
            fmt = self.problem.memory(stage, t).format_of(tensor.role) if kept[t] else DENSE
            if fmt == DENSE:
                continue
            if out is self.problem.foot:
                out = out.copy()
            if (t, fmt) not in self._feet:
                self._feet[t, fmt] = self._foot(t, tensor, fmt)
            out[t] = self._feet[t, fmt]
        return out

    def _foot(self, t: int, tensor: Tensor, fmt: Format) -> np.ndarray:
        _, _, rows = self._rows(t)
        first = np.empty(rows.max() + 1, np.int64)
        first[rows] = np.arange(len(rows))
        counts = np.stack([self.problem._rank_foot(r)[first] for r in tensor.ranks], axis=1)
        boxes, inverse = _distinct(_alike(counts, levels_of(tensor, fmt), self.layer.zeros(tensor)))
        bits = [counted_bits(self.layer, tensor, fmt, tuple(int(x) for x in box)) for box in boxes]
        return np.array(bits, np.int64)[inverse][rows]

    def _rows(self, t: int) -> tuple[list[int], np.ndarray, np.ndarray]:
        """(dimensions of tensor t, their distinct digits, which of these each tile has)."""
        if t not in self._own:
            own = [d for d, name in enumerate(self.problem.names) if name in self.layer.tensors[t].dims]
            self._own[t] = own, *_distinct(self.problem.lattice.digits[:, own])
        return self._own[t]


def _alike(counts: np.ndarray, levels: Levels, zeros: Density) -> np.ndarray:
    """int[n, ranks] boxes that a format takes as much for as for these elements along each rank."""
    if not isinstance(zeros, Uniform):
        return counts
    out = np.ones_like(counts)  # only the number of elements in each level matters
    for level in levels:
        if level:
            out[:, level[0]] = counts[:, list(level)].prod(axis=1)
    return out


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(distinct rows, which of them each row is) of whole numbers, by one number a row."""
    key = np.zeros(len(rows), np.int64)
    for column in rows.T:
        values, at = np.unique(column, return_inverse=True)
        key = key * len(values) + at.reshape(-1)
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    return rows[first], inverse.reshape(-1)


def sparse_view(problem: Problem) -> SparseView | None:
    """The view of a problem whose chip has zeros to exploit."""
    return SparseView(problem) if active(problem.layer, problem.chip) else None

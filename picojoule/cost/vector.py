"""What one operator without MACs costs on a chip: its words at the memories that they pass, its operations in the vector unit.

Each operator starts and ends in the outermost memory, as each layer does, unless its tensors are at home on chip (`AtHome`): then
they are read and written there, and nothing of them further out. A vector unit at an on-chip memory H works through H:
an operand is read outside and written to H (once where one of its rows fits H, else once a pass), read from H once a pass (once
where a row fits the unit's own storage), and the result is written to H, read there and written outside. In the drain path the
operand passes through and moves no words of its own. Latency: the slowest of the lanes and every port, as in a layer.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from picojoule.cost.cost import Contribution, Cost
from picojoule.cost.model import leakage, port_cycles
from picojoule.hardware.chip import Chip, FanOut, Memory
from picojoule.hardware.vector_unit import VectorUnit
from picojoule.workload.primitives import operations

How = Literal["step", "drain", "in place", "folded", "move", "view"]
HOW: dict[How, str] = {
    "step": "a step of its own: reads its operand and writes its result",
    "drain": "applied to results on their way out of the MACs: the operand that passes through moves no words",
    "in place": "part of its producer on any chip: only its parameters move",
    "folded": "folded into the weights and the bias of the layer before it",
    "move": "words copied, nothing computed",
    "view": "the same words under another shape",
}
NOTHING: tuple[How, ...] = ("folded", "view")  # cost nothing
Words = Counter[tuple[str, str, str]]  # (memory, "operand" | "parameters" | "result", "read" | "write") -> words


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one occurrence of an operator asks for, on any chip. Elements are of `bits`; a row is what one output needs whole.

    `ops` scalar operations; `known` is False where nobody knows what they are. `passes`: how often the operand is read.
    """

    op: str
    ops: int
    operand: int  # elements, without the one that passes through where it is applied in the drain path
    parameters: int
    result: int
    bits: float
    passes: int = 1
    row: int = 1
    known: bool = True
    why: str = ""

    def kinds(self) -> dict[str, float] | None:
        """Operations by kind; None where they are not known."""
        return operations(self.op, self.ops, self.result) if self.known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AtHome:
    """What of an operator's tensors lies in an on-chip memory: so many elements of its operands, and its result or not."""

    memory: str = ""
    operand: int = 0
    result: bool = False


OUTSIDE = AtHome()


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """The cost of one occurrence, and what of it nobody knows: then energy and latency are lower bounds."""

    work: Work
    how: How
    cost: Cost
    unpriced: tuple[str, ...] = ()

    @property
    def read_elements(self) -> int:
        """Elements that it reads for itself, each once: not what passes through on its way out."""
        return 0 if self.how in NOTHING else self.work.operand + self.work.parameters

    @property
    def written_elements(self) -> int:
        """Elements that it writes for itself: not what its producer writes anyway."""
        return self.work.result if self.how in ("step", "move") else 0


def price(work: Work, chip: Chip, how: How, home: AtHome = OUTSIDE) -> Priced:
    """Energy by contribution (pJ), cycles by cause, and the reasons why either is only a lower bound."""
    nothing = how in NOTHING
    words = Counter() if nothing else moved(work, chip, how, home)
    kinds, unpriced = ({}, ()) if nothing else computed(work, chip)
    cycles = _cycles(work, chip, words, kinds)
    rows = (*_word_rows(work, chip, words), *_operation_rows(work, chip, kinds), *leakage(chip, max(n for _, n in cycles)))
    cost = Cost(
        contributions=tuple(r for r in rows if r.count),
        cycles_by_cause=cycles,
        clock_hz=chip.clock_hz,
        macs=0,
        done=0.0,
        peak_macs_per_cycle=chip.pes * chip.compute.macs_per_cycle,
    )
    return Priced(work=work, how=how, cost=cost, unpriced=unpriced)


def computed(work: Work, chip: Chip) -> tuple[dict[str, float], tuple[str, ...]]:
    """(operations by kind that the chip's unit does, what stays unknown)."""
    unit, kinds = chip.vector, work.kinds()
    if kinds is None:
        return {}, (f"what {work.op} computes{f' ({work.why})' if work.why and not work.known else ''}",)
    if not kinds:
        return {}, ()
    if unit is None:
        return {}, (f"operations: {chip.name} declares no vector unit",)
    lacking = [k for k in kinds if k not in unit.does]
    unknown = [k for k in unit.missing(kinds) if k not in lacking]
    reasons = [f"{k}: {unit.name} has none" for k in lacking] + [f"energy of {k}: {unit.name} does not state it" for k in unknown]
    if unit.lanes is None:
        reasons.append(f"time of operations: the rate of {unit.name} is unknown")
    return {k: n for k, n in kinds.items() if k not in lacking}, tuple(reasons)


def moved(work: Work, chip: Chip, how: How, home: AtHome = OUTSIDE) -> Words:
    """Words read and written at each memory."""
    words: Words = Counter()
    unit = chip.vector
    leaving = work.result if how in ("step", "move") else 0  # else its producer writes what passes through
    out, kept = (0, leaving) if home.result else (leaving, 0)
    if unit is None or how == "move":
        _add_outside(words, chip, work.operand - home.operand, work.parameters, out)
        if home.memory:
            _add(words, chip.memory(home.memory), operand_read=home.operand, result_write=kept)
        return words
    at, fits = chip.memory(unit.at), work.row * work.bits <= unit.holds_bits
    room = at.usable_bits()
    inside = 1 if fits else work.passes
    outside = 1 if room is None or work.row * work.bits <= room else inside
    near = bool(home.memory) and chip.level_of(home.memory) >= chip.level_of(at.name)  # the unit reads and writes there itself
    if near:
        _add(words, chip.memory(home.memory), operand_read=inside * home.operand, result_write=kept)
    if at in chip.outermost:
        _add_outside(words, chip, inside * (work.operand - home.operand), work.parameters, out)
        return words
    _add_outside(words, chip, outside * (work.operand - home.operand), work.parameters, out)
    _add_through(words, chip, at, chip.outermost[0], outside * (work.operand - home.operand), work.parameters, out)
    _add(words, at, operand_read=inside * (work.operand - home.operand), parameters_write=work.parameters)
    _add(words, at, parameters_read=work.parameters)
    if home.memory and not near:
        _add(words, chip.memory(home.memory), operand_read=outside * home.operand, result_write=kept)
        _add_through(words, chip, at, chip.memory(home.memory), outside * home.operand, 0, kept)
        _add(words, at, operand_read=inside * home.operand)
    return words


def _add_through(words: Words, chip: Chip, at: Memory, start: Memory, arriving: int, parameters: int, leaving: int) -> None:
    """Words that come from `start` into the unit's memory and leave from there, through memories between that keep them."""
    for m in _between(chip, start, at, "input"):
        _add(words, m, operand_read=arriving, operand_write=arriving, parameters_read=parameters, parameters_write=parameters)
    for m in _between(chip, start, at, "output"):
        _add(words, m, result_read=leaving, result_write=leaving)
    _add(words, at, operand_write=arriving, result_write=leaving, result_read=leaving)


def _add_outside(words: Words, chip: Chip, operand: int, parameters: int, result: int) -> None:
    """Words at the outermost memory, or at those that stand side by side there, each with what it keeps."""
    _add(words, chip.home("input"), operand_read=operand)
    _add(words, chip.home("weight"), parameters_read=parameters)
    _add(words, chip.home("output"), result_write=result)


def _add(words: Words, memory: Memory, **counts: int) -> None:
    for what, n in counts.items():
        tensor, _, action = what.rpartition("_")
        if n:
            words[memory.name, tensor, action] += n


def _between(chip: Chip, start: Memory, at: Memory, role: str) -> list[Memory]:
    """Memories between two that the role cannot bypass."""
    out = []
    for level in chip.levels[chip.level_of(start.name) + 1 : chip.level_of(at.name)]:
        if not isinstance(level, FanOut):
            out += [m for m in level.memories if m.keeps_role(role) == "must"]
    return out


def _word_rows(work: Work, chip: Chip, words: Words) -> list[Contribution]:
    out = []
    for m in chip.memories:
        for (name, tensor, action), n in sorted(words.items()):
            if name == m.name:
                pj = m.read_pj if action == "read" else m.write_pj
                assert pj is not None  # Chip.check_priced
                out.append(Contribution(m.name, tensor, action, n, pj * m.accesses_per_word(work.bits), m.source))
    return out


def _operation_rows(work: Work, chip: Chip, kinds: dict[str, float]) -> list[Contribution]:
    """Operations at their energies; those whose energy is unknown stand among the reasons, not here."""
    unit = chip.vector
    priced = [(k, n, unit.energy_pj(k, work.bits)) for k, n in kinds.items()] if unit is not None else []
    return [
        Contribution(unit.name, "", k, n, pj, unit.source_of(k)) for k, n, pj in priced if pj is not None and unit is not None
    ]


def _cycles(work: Work, chip: Chip, words: Words, kinds: dict[str, float]) -> tuple[tuple[str, float], ...]:
    out = [("lanes", _lane_cycles(chip.vector, work, kinds))]
    for m in chip.memories:
        bits = {
            a: work.bits * sum(n for (name, _, act), n in words.items() if name == m.name and act == a) for a in ("read", "write")
        }
        if any(bits.values()):
            out += port_cycles(m, bits["read"], bits["write"], used=1)
    return tuple(out)


def _lane_cycles(unit: VectorUnit | None, work: Work, kinds: dict[str, float]) -> float:
    if unit is None or unit.lanes is None:
        return 0.0
    return sum(n * unit.lane_cycles(k, work.bits) for k, n in kinds.items()) / unit.lanes


def explain_operator(priced: Priced) -> list[dict[str, Any]]:
    """One row per contribution with the `formula` of its count, as `explain` gives for a layer."""
    work, cost = priced.work, priced.cost
    sizes = {"operand": work.operand, "parameters": work.parameters, "result": work.result}
    rows = []
    for c in cost.contributions:
        if c.action == "leak":
            text = f"{c.count / cost.cycles:,.0f} instances x {cost.cycles:,.0f} cycles"
        elif c.tensor:
            elements = sizes[c.tensor]
            text = f"{elements:,} elements x {c.count / elements:g}"
        else:
            text = f"{c.count / work.ops:.4g} of {work.ops:,} scalar operations"
        rows.append(
            {
                "component": c.component,
                "tensor": c.tensor,
                "action": c.action,
                "count": c.count,
                "pj_each": c.pj_each,
                "energy_pj": c.energy_pj,
                "source": c.source,
                "formula": text,
            }
        )
    return rows

"""Every operator of a network that is no MAC layer, priced: some fold away, some are done as results leave, some are steps.

Directly after a MAC layer with trained weights a batch normalisation folds into it. Where the chip's vector unit applies it in
the drain path, an operator directly after its producer is done as the results leave: they have no other reader, and as many come
out as go in. Everything else is a step of its own. Equal operators (same work, same way) are priced once and stand together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from picojoule.cost.vector import How, Priced, Work, price
from picojoule.hardware.chip import Chip
from picojoule.workload import ops as table
from picojoule.workload.network import Network, Step, mac_step
from picojoule.workload.op import Body, Op
from picojoule.workload.primitives import operations

SCALES = frozenset({"BatchNormalization", "Mul", "Add", "Sub", "Div", "QuantizeLinear", "DequantizeLinear"})
RESIDUALS = frozenset({"Add", "QLinearAdd", "Sum"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOperator:
    """Operators with equal work that are done in one way: all places (`names`, `count` of them), priced once."""

    names: tuple[str, ...]
    count: int
    priced: Priced

    @property
    def energy_pj(self) -> float:
        """Of all occurrences together."""
        return self.count * self.priced.cost.energy_pj

    @property
    def cycles(self) -> float:
        """Of all occurrences together."""
        return self.count * self.priced.cost.cycles


def network_operators(network: Network, chip: Chip, *, fold: bool = True) -> tuple[NetworkOperator, ...]:
    """Every operator without MACs of the network on the chip, in order of first occurrence. `fold`: batch norms into layers."""
    found: dict[tuple[How, Work], tuple[list[str], int]] = {}
    for step, how, work in placed(network, chip, fold=fold):
        names, count = found.setdefault((how, work), ([], 0))
        names.append(step.layer.name)
        found[how, work] = (names, count + step.count)
    return tuple(
        NetworkOperator(names=tuple(names), count=count, priced=price(work, chip, how))
        for (how, work), (names, count) in found.items()
    )


def placed(network: Network, chip: Chip, *, fold: bool = True) -> list[tuple[Step[Op], How, Work]]:
    """Each operator without MACs with the way in which it is done and what it asks for."""
    readers = _readers(network)
    sizes = {t.name: t.elements for t in network.activations}
    leaving: _Leaving | None = None  # the results that are on their way out of the MACs
    out: list[tuple[Step[Op], How, Work]] = []
    for step in network.steps:
        if mac_step(step) is not None:
            learned = any(t.learned for t in step.layer.tensors)
            leaving = _Leaving(step.outputs[0], step.count, learned) if len(step.outputs) == 1 else None
            continue
        work = work_of(step)
        how = _how(step, work, leaving, readers, sizes, chip, fold)
        if how in ("drain", "folded"):
            assert leaving is not None
            work = replace(work, operand=max(0, work.operand - sizes[leaving.name]), passes=1, row=1)
            leaving = replace(leaving, name=step.outputs[0], plain=leaving.plain and how == "folded")
        elif how not in ("view", "in place"):
            leaving = None
        out.append((step, how, work))
    return out


@dataclass(frozen=True, slots=True)
class _Leaving:
    """The activation that leaves the MACs; `plain` while nothing but folded operators was applied to products with weights."""

    name: str
    count: int
    plain: bool


def _readers(network: Network) -> dict[str, int]:
    """How many steps read each activation for a result of their own; what outlives the run has one more."""
    outlive = set(network.outputs)
    names = (t.name for t in network.activations)
    return {name: sum(bool(s.outputs) for s in network.readers(name)) + (name in outlive) for name in names}


def _how(
    step: Step[Op], work: Work, leaving: _Leaving | None, readers: dict[str, int], sizes: dict[str, int], chip: Chip, fold: bool
) -> How:
    op = step.layer
    if not op.results:
        return "in place" if op.ops or op.read_elements or not op.known else "view"
    passes_through = (
        leaving is not None
        and leaving.name in step.inputs
        and readers.get(leaving.name) == 1
        and step.count == leaving.count
        and len(step.outputs) == 1
        and sizes.get(step.outputs[0]) == sizes.get(leaving.name)
        and len({t.bits for t in op.tensors if not t.learned}) == 1
    )
    if passes_through and leaving is not None:
        if fold and leaving.plain and op.op == "BatchNormalization":
            return "folded"
        if drains(op.op, len(step.inputs), work, chip):
            return "drain"
    return "move" if op.body is Body.MOVE else "step"


def drains(op: str, operands: int, work: Work, chip: Chip) -> bool:
    """Whether the chip's vector unit applies the operator to results on their way out."""
    unit = chip.vector
    if unit is None or not work.known or work.ops == 0:
        return False
    kinds = operations(op, work.ops, work.result)
    if kinds is None or not set(kinds) <= set(unit.does):
        return False
    if operands == 1:
        return ("scale" if op in SCALES else "activation" if op in table.PER_ELEMENT else "") in unit.drain
    return op in RESIDUALS and "residual" in unit.drain


def work_of(step: Step[Op]) -> Work:
    """What the operator asks for; trained tensors are parameters, whatever else it reads is the operand."""
    op = step.layer
    learned = sum(op.elements(t) for t in op.operands if t.learned)
    parameters = min(op.read_elements, learned)
    first = next((t for t in op.operands if not t.learned), None)
    row = math.prod(op.bounds[d] for d in op.whole if first is not None and d in first.dims)
    return Work(
        op=op.op,
        ops=op.ops or 0,
        operand=op.read_elements - parameters,
        parameters=parameters,
        result=op.written_elements,
        bits=op.bits,
        passes=op.passes,
        row=row,
        known=op.known,
        why="" if op.known else op.note,
    )

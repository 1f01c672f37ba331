"""What operators without MACs cost if each reads its operands from DRAM and writes its results there, unfused."""

from __future__ import annotations

from dataclasses import dataclass

from picojoule.cost.model import port_cycles
from picojoule.hardware.chip import Chip
from picojoule.workload.op import Op


@dataclass(frozen=True)
class VectorCost:
    """One occurrence. None is unknown: the chip prices no scalar operation, or the operator is not understood."""

    dram_pj: float
    ops_pj: float | None
    dram_cycles: float | None  # None: the chip declares no DRAM bandwidth


def vector_cost(op: Op, chip: Chip) -> VectorCost:
    """DRAM energy = words read and written x their prices; energy of the operations = ops x pJ per scalar operation.

    An upper bound of the DRAM part: what is fused with its neighbours, or held on chip between them, moves less.
    """
    dram = chip.dram
    assert dram.read_pj is not None and dram.write_pj is not None  # Chip.check_priced
    per_word = dram.accesses_per_word(op.bits)
    moved = per_word * (op.read_elements * dram.read_pj + op.written_elements * dram.write_pj)
    pj = chip.compute.vector_pj
    cycles = port_cycles(dram, op.read_elements * op.bits, op.written_elements * op.bits, used=1)
    return VectorCost(moved, None if pj is None or op.ops is None else op.ops * pj, max((c for _, c in cycles), default=None))

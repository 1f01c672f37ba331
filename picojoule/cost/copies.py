"""What it costs to copy a tensor, or a part of it, between the outermost memory and a memory on chip."""

from __future__ import annotations

from picojoule.cost.cost import Contribution, Cost
from picojoule.cost.model import leakage, port_cycles
from picojoule.hardware.chip import Chip, FanOut, Memory


def copy(chip: Chip, memory: str, elements: int, bits: float, role: str, into: bool, name: str = "") -> Cost:
    """Words at both ends and at memories between that cannot be bypassed; the cycles of each port. Elements are stored plain.

    `into` the chip or out of it; `role` of the tensor ("weight", "input", "output") says which memories keep it.
    """
    inner, outer = chip.memory(memory), chip.home(role)
    way = [outer, *_between(chip, inner, role), inner]
    source, target = (way[:-1], way[1:]) if into else (way[1:], way[:-1])
    rows = [*(_row(m, name, "read", elements, bits) for m in source), *(_row(m, name, "write", elements, bits) for m in target)]
    cycles: list[tuple[str, float]] = []
    for m in way:
        cycles += port_cycles(m, elements * bits * (m in source), elements * bits * (m in target), used=1)
    least = tuple(cycles) or (("unlimited", 0.0),)  # no memory of the way states a bandwidth
    return Cost(
        contributions=(*rows, *leakage(chip, max(n for _, n in least))),
        cycles_by_cause=least,
        clock_hz=chip.clock_hz,
        macs=0,
        done=0.0,
        peak_macs_per_cycle=chip.pes * chip.compute.macs_per_cycle,
    )


def _between(chip: Chip, inner: Memory, role: str) -> list[Memory]:
    out: list[Memory] = []
    for level in chip.levels[1 : chip.level_of(inner.name)]:
        if not isinstance(level, FanOut):
            out += [m for m in level.memories if m.keeps_role(role) == "must"]
    return out


def _row(m: Memory, name: str, action: str, elements: int, bits: float) -> Contribution:
    pj = m.read_pj if action == "read" else m.write_pj
    assert pj is not None  # Chip.check_priced
    return Contribution(m.name, name, action, elements, pj * m.accesses_per_word(bits), m.source)

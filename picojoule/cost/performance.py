"""Peak, bytes off the chip and what else is told of a mapped layer's speed: one home for tables, pages and comparisons.

Utilization is `Cost.utilization`: MACs done / (cycles x peak). A skipped MAC takes no unit's time and is not done; the peak is
that of all units at the widths of the layer's operands. So utilization is at most 1 whatever a chip gains from zeros or few bits.
"""

from __future__ import annotations

from picojoule.cost.cost import Cost
from picojoule.hardware.chip import Chip
from picojoule.workload.layer import Layer


def peak_macs_per_cycle(chip: Chip, layer: Layer) -> float:
    """MACs a cycle of all units of the chip at the operand widths of the layer."""
    return chip.pes * chip.compute.per_cycle(layer)


def peak_macs_per_s(chip: Chip, layer: Layer) -> float:
    """The same a second."""
    return peak_macs_per_cycle(chip, layer) * chip.clock_hz


def own_peak_macs_per_s(chip: Chip) -> float:
    """MACs a second of all units at the chip's own operand width."""
    return chip.pes * chip.compute.macs_per_cycle * chip.clock_hz


def offchip_bytes(cost: Cost, layer: Layer, chip: Chip) -> float:
    """Bytes that one occurrence of a layer reads from and writes to the outermost memories, metadata of formats included."""
    outermost, bits = {m.name for m in chip.outermost}, {t.name: t.bits for t in layer.tensors}
    rows = [c for c in cost.contributions if c.component in outermost and c.tensor]
    words = sum(c.count * bits[c.tensor] for c in rows if c.action in ("read", "write"))
    return (words + sum(c.count for c in rows if c.action.startswith("metadata"))) / 8  # metadata is counted in bits


def offchip_pj(cost: Cost, chip: Chip) -> float:
    """Energy of the outermost memories, in pJ."""
    outermost = {m.name for m in chip.outermost}
    return sum(c.energy_pj for c in cost.contributions if c.component in outermost)

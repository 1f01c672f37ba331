"""Figures that follow from layer and chip alone: area, and what no placement of weights in arrays can undercut."""

from __future__ import annotations

from picojoule.hardware.chip import Chip, FanOut, Group, tensor_word_pj
from picojoule.workload.layer import Layer


def area_um2(chip: Chip) -> float | None:
    """Area of all instances of memories and MACs in um2; a DRAM is off chip unless it declares one. None where one is unknown."""
    total, copies = 0.0, 1
    parts: list[tuple[float | None, int]] = []
    for level in chip.levels:
        if isinstance(level, FanOut):
            copies *= level.size
        elif isinstance(level, Group):
            parts += [(m.area_um2, chip.instances(m)) for m in level.memories if m.technology != "dram" or m.area_um2 is not None]
    for area, n in (*parts, (chip.compute.area_um2, copies)):
        if area is None:
            return None
        total += area * n
    return total


def placement_floor(layer: Layer, chip: Chip) -> tuple[float, float]:
    """(pJ, cycles) of a layer whose arrays are always full: inputs and sums shared along a whole side, each word once outside."""
    rows, columns = (a.size for a in chip.fanouts[-1].axes)
    periphery = chip.levels[-3]
    assert isinstance(periphery, Group)
    inputs, sums = periphery.memories
    energy = layer.macs * chip.compute.energy_pj(layer)
    for t in (t for t in layer.tensors if t.role != "weight"):
        memory, action, shared = (inputs, "read", columns) if t.role == "input" else (sums, "write", rows)
        energy += layer.macs / shared * tensor_word_pj(memory, t, action)
        energy += layer.elements(t) * tensor_word_pj(chip.home(t.role), t, action)
    return energy, layer.macs / (chip.pes * chip.compute.macs_per_cycle)

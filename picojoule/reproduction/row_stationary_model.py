"""Energy of whole networks under physical row stationary, for the sweeps: every parameter tried, dense data, DRAM included."""

from __future__ import annotations

from dataclasses import replace

from picojoule.hardware.chip import Chip
from picojoule.machines.row_stationary.best import best_parameters
from picojoule.machines.row_stationary.counts import energy_pj, prices_of, words
from picojoule.machines.row_stationary.rows import array_of, shape_of
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network


def layer_energy_pj(layer: Layer, chip: Chip) -> float:
    """pJ of one layer with its least-energy parameters; no power that flows all the time."""
    array = array_of(chip, shape_of(layer).bits)
    prices, dram = replace(prices_of(chip, array), static_mw=0.0), chip.dram.read_pj or 0.0
    moved = words(best_parameters(shape_of(layer), array, prices, dram))
    return sum(energy_pj(moved, prices, 0.0, 1.0).values()) + moved.dram * dram


def energies_pj(network: Network, chip: Chip) -> dict[str, float]:
    """{layer: pJ of all its occurrences}; equal layers are searched once."""
    found: dict[object, float] = {}
    out: dict[str, float] = {}
    for step in network.layers:
        key = step.layer.shape_key
        if key not in found:
            found[key] = layer_energy_pj(step.layer, chip)
        out[step.layer.name] = out.get(step.layer.name, 0.0) + step.count * found[key]
    return out

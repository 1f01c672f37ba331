"""Results as plain JSON values. Numbers of a layer are for one occurrence; `count` says how often it occurs.

A result holds all that `pj verify` needs: the chip as YAML text, each layer, the mapping as compact text, and the
certificate. Times of the search stand beside the certificate, never in it, so that equal inputs give equal certificates.
"""

from __future__ import annotations

import math
from typing import Any

import picojoule
from picojoule.cost.cost import Cost
from picojoule.cost.vector import vector_cost
from picojoule.hardware.chip import Chip
from picojoule.hardware.chipfile.write import chip_to_yaml
from picojoule.mapping.mapping import Mapping
from picojoule.search.result import LayerResult, NetworkLayer, NetworkResult
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network, Step
from picojoule.workload.op import Op
from picojoule.workload.plain import layer_to_plain

FORMAT = "picojoule-result/1"


def network_json(result: NetworkResult, network: Network | None = None) -> dict[str, Any]:
    """What `pj map --json` prints. `network` adds the operators without MACs."""
    return {
        "format": FORMAT,
        "picojoule": picojoule.__version__,
        "model": result.model,
        "chip": result.chip.name,
        "objective": result.objective,
        "totals": totals_json(result),
        "layers": [_network_layer_json(x) for x in result.layers],
        "vector_ops": [vector_op_json(s, result.chip) for s in network.vector_ops] if network else [],
        "notes": [*(network.notes if network else ()), *result.notes],
        "certificate": result.certificate,
        "chip_yaml": chip_to_yaml(result.chip),
    }


def totals_json(result: NetworkResult) -> dict[str, Any]:
    """Sums over all layers and their counts; `gap` is the objective's distance from its proved bound."""
    return {
        "energy_pj": result.energy_pj,
        "cycles": result.cycles,
        "latency_s": result.latency_s,
        "edp_js": result.edp_js,
        "macs": result.macs,
        "utilization": result.macs / (result.cycles * result.chip.pes) if result.cycles else 0.0,
        "proved": result.proved,
        "gap": result.gap,
        "search_cpu_s": result.search_cpu_s,
        "compile_cpu_s": result.compile_cpu_s,
    }


def layer_json(result: LayerResult) -> dict[str, Any]:
    """One mapped layer: cost, mapping, certificate, and the layer itself."""
    return {
        "name": result.layer.name,
        "op": result.layer.op,
        "objective": result.objective,
        **cost_json(result.cost),
        "proved": result.proved,
        "gap": result.gap,
        "search_cpu_s": result.search_cpu_s,
        "mapping": str(result.mapping),
        "certificate": result.certificate,
        "front": [{"energy_pj": p.energy_pj, "cycles": p.cycles, "mapping": str(p.mapping)} for p in result.front],
        "layer": layer_to_plain(result.layer),
    }


def _network_layer_json(x: NetworkLayer) -> dict[str, Any]:
    return {**layer_json(x.result), "name": x.names[0], "names": list(x.names), "count": x.count}


def cost_json(cost: Cost) -> dict[str, Any]:
    """The cost of one layer: totals, energy by level and by tensor, cycles by cause, and every contribution."""
    return {
        "macs": cost.macs,
        "energy_pj": cost.energy_pj,
        "cycles": cost.cycles,
        "latency_s": cost.latency_s,
        "edp_js": cost.edp_js,
        "utilization": cost.utilization,
        "bound_by": cost.bound_by,
        "area_um2": cost.area_um2,
        "energy_pj_by_level": {k[0]: v for k, v in cost.by("component").items()},
        "energy_pj_by_tensor": {k[0] or "compute": v for k, v in cost.by("tensor").items()},
        "cycles_by_cause": {cause: cycles for cause, cycles in cost.cycles_by_cause if math.isfinite(cycles)},
        "contributions": [
            {
                "component": c.component,
                "tensor": c.tensor,
                "action": c.action,
                "count": c.count,
                "pj_each": c.pj_each,
                "energy_pj": c.energy_pj,
                "source": c.source,
            }
            for c in cost.contributions
        ],
    }


def evaluation_json(layer: Layer, chip: Chip, mapping: Mapping, cost: Cost) -> dict[str, Any]:
    """What `pj evaluate --json` prints: one layer under one mapping."""
    return {"layer": layer.name, "chip": chip.name, "mapping": str(mapping), **cost_json(cost)}


def chip_json(chip: Chip) -> dict[str, Any]:
    """What `pj chips NAME --json` prints; `chip_yaml` is the whole chip, the rest a summary. Sizes in bits, energies in pJ."""
    return {
        "name": chip.name,
        "description": chip.description,
        "source": chip.source,
        "pes": chip.pes,
        "clock_hz": chip.clock_hz,
        "technology_nm": chip.technology_nm,
        "voltage_v": chip.voltage_v,
        "mac_pj": chip.compute.mac_pj,
        "memories": [
            {
                "name": m.name,
                "technology": m.technology,
                "capacity_bits": m.capacity_bits,
                "word_bits": m.word_bits,
                "read_pj": m.read_pj,
                "write_pj": m.write_pj,
                "keeps": list(m.keeps),
                "may_keep": list(m.may_keep),
                "instances": chip.instances(m),
            }
            for m in chip.memories
        ],
        "fanouts": [
            {"name": f.name, "axes": {a.name: a.size for a in f.axes}, "transfer_pj": f.transfer_pj} for f in chip.fanouts
        ],
        "chip_yaml": chip_to_yaml(chip),
    }


def vector_op_json(step: Step[Op], chip: Chip) -> dict[str, Any]:
    """An operator without MACs: its operations (None where unknown), bytes and unfused cost, for one occurrence."""
    op = step.layer
    cost = vector_cost(op, chip)
    return {
        "name": op.name,
        "op": op.op,
        "count": step.count,
        "known": op.known,
        "why": op.note,
        "ops": op.ops,
        "read_bytes": op.read_elements * op.bits / 8,
        "written_bytes": op.written_elements * op.bits / 8,
        "unfused_dram_pj": cost.dram_pj,
        "unfused_dram_s": None if cost.dram_cycles is None else cost.dram_cycles / chip.clock_hz,
        "ops_pj": cost.ops_pj,
    }

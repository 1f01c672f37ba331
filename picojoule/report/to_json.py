"""Results as plain JSON values. Numbers of a layer are for one occurrence; `count` says how often it occurs.

A result holds all that `pj verify` needs: the chip as YAML text, each layer, the mapping as compact text, and the
certificate. Times of the search stand beside the certificate, never in it, so that equal inputs give equal certificates.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from picojoule.cost.cost import Cost
from picojoule.cost.operators import NetworkOperator
from picojoule.hardware.chip import Chip
from picojoule.hardware.chipfile.write import chip_to_yaml
from picojoule.mapping.mapping import Mapping
from picojoule.search.result import LayerResult, NetworkLayer, NetworkResult
from picojoule.version import VERSION
from picojoule.workload.layer import Layer
from picojoule.workload.plain import layer_to_plain

FORMAT = "picojoule-result/1"


def network_json(result: NetworkResult) -> dict[str, Any]:
    """What `pj map --json` prints."""
    return {
        "format": FORMAT,
        "picojoule": VERSION,
        "model": result.model,
        "chip": result.chip.name,
        "objective": result.objective,
        "totals": totals_json(result),
        "layers": [_network_layer_json(x) for x in result.layers],
        "vector_ops": [operator_json(x) for x in result.operators],
        "notes": [*result.network.notes, *result.notes],
        "certificate": result.certificate,
        "chip_yaml": chip_to_yaml(result.chip),
    }


def totals_json(result: NetworkResult) -> dict[str, Any]:
    """Sums over all layers and other operators and their counts; `gap` is the objective's distance from its proved bound.

    `at_least`: operations, their energy or their time are unknown, so that energy and latency are lower bounds.
    """
    return {
        "energy_pj": result.energy_pj,
        "cycles": result.cycles,
        "latency_s": result.latency_s,
        "edp_js": result.edp_js,
        "batch": result.network.batch,
        "energy_per_inference_pj": result.energy_per_inference_pj,
        "inferences_per_s": result.inferences_per_s,
        "operators": result.counted,
        "operators_energy_pj": result.operators_pj,
        "operators_cycles": result.operators_cycles,
        "at_least": result.at_least,
        "macs": result.macs,
        "utilization": result.utilization,
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
        "macs_done": cost.done,
        "peak_macs_per_cycle": cost.peak_macs_per_cycle,
        "bound_by": cost.bound_by,
        "area_um2": cost.area_um2,
        "energy_pj_by_level": {k[0]: v for k, v in cost.by("component").items()},
        "energy_pj_by_tensor": {k[0] or "compute": v for k, v in cost.by("tensor").items()},
        "cycles_by_cause": {cause: cycles for cause, cycles in cost.cycles_by_cause if math.isfinite(cycles)},
        "contributions": contributions_json(cost),
    }


def contributions_json(cost: Cost) -> list[dict[str, Any]]:
    """Every contribution to an energy."""
    return [
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
    ]


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
                "instances": chip.instances_above(chip.level_of(m.name)),
            }
            for m in chip.memories
        ],
        "fanouts": [
            {"name": f.name, "axes": {a.name: a.size for a in f.axes}, "transfer_pj": f.transfer_pj} for f in chip.fanouts
        ],
        "vector": None if chip.vector is None else asdict(chip.vector),
        "chip_yaml": chip_to_yaml(chip),
    }


def operator_json(x: NetworkOperator) -> dict[str, Any]:
    """Equal operators without MACs: what one occurrence asks for and costs; `count` of them are in the totals."""
    work, cost = x.priced.work, x.priced.cost
    return {
        "name": x.names[0],
        "names": list(x.names),
        "op": work.op,
        "count": x.count,
        "how": x.priced.how,
        "known": work.known,
        "why": work.why,
        "ops": work.ops if work.known else None,
        "ops_by_kind": work.kinds(),
        "read_bytes": x.priced.read_elements * work.bits / 8,
        "written_bytes": x.priced.written_elements * work.bits / 8,
        "energy_pj": cost.energy_pj,
        "cycles": cost.cycles,
        "latency_s": cost.latency_s,
        "bound_by": cost.bound_by,
        "at_least": list(x.priced.unpriced),
        "energy_pj_by_level": {k[0]: v for k, v in cost.by("component").items()},
        "cycles_by_cause": dict(cost.cycles_by_cause),
        "contributions": contributions_json(cost),
        "work": asdict(work),
    }

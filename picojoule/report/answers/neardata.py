"""Near-data answers on the terminal and as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from rich.console import RenderableType

from picojoule.neardata.answer import NearData
from picojoule.report import show, tables, units


def shown(answer: NearData, as_json: bool) -> None:
    """Break-even by technology, then layers, then decoding and designs where there are any."""
    if as_json:
        show.json_only(to_json(answer))
        return
    parts: list[RenderableType] = [
        f"{answer.model}: computing beside {answer.far.name} or near the data", "", tables.rows_table(_places(answer)), "",
        "energy near / far; below 1 the computation should move", tables.rows_table(_layers(answer)), ""]  # fmt: skip
    if answer.decode:
        parts += [f"decoding, one step: {answer.gpu.name} against {answer.pim.name}", tables.rows_table(_steps(answer)),
                  f"the GPU is as fast from batch {_batch(answer, 'latency')} on, and takes no more energy from batch "
                  f"{_batch(answer, 'energy')} on", ""]  # fmt: skip
    for memory, designs in answer.designs.items():
        parts += [f"split of one vault's logic area, {memory} behind it; the best first",
                  tables.rows_table([_design(d) for d in designs]), ""]  # fmt: skip
    show.print_parts(*parts)


def to_json(answer: NearData) -> dict[str, Any]:
    """Everything with units in the names; an infinite break-even (near always pays) is null."""
    return {
        "model": answer.model,
        "far": asdict(answer.far),
        "near": [asdict(p) | {"break_even_ops_per_byte": answer.break_even[p.name]} for p in answer.near],
        "layers": [
            {"name": x.name, "count": x.count, "macs": x.macs, "bytes": x.bytes, "ops_per_byte": x.ops_per_byte,
             "energy_pj": x.pj} for x in answer.layers
        ],
        "decode": {"gpu": asdict(answer.gpu), "pim": asdict(answer.pim), "steps": [asdict(s) for s in answer.decode],
                   "crossover_batch": answer.crossover},
        "designs": {m: [asdict(d) | {"pes": d.pes, "edp_js": d.edp_js} for d in ds] for m, ds in answer.designs.items()},
    }  # fmt: skip


def _places(answer: NearData) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [
        {
            "place": answer.far.name,
            "MAC [pJ]": f"{answer.far.mac_pj:.3g}",
            "[pJ/b]": f"{answer.far.pj_per_bit:.3g}",
            "pays below [ops/B]": "-",
        }
    ]
    for p in answer.near:
        edge = answer.break_even[p.name]
        rows.append(
            {
                "place": p.name,
                "MAC [pJ]": f"{p.mac_pj:.3g}",
                "[pJ/b]": f"{p.pj_per_bit:.3g}",
                "pays below [ops/B]": "always" if math.isinf(edge) else f"{edge:.3g}",
            }
        )
    return rows


def _layers(answer: NearData) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for x in answer.layers:
        far = x.pj[answer.far.name]
        rows.append(
            {
                "layer": x.name,
                "count": str(x.count),
                "reuse [ops/B]": f"{x.ops_per_byte:.3g}",
                "far": units.energy(far),
                **{p.name: f"{x.pj[p.name] / far:.2f}" for p in answer.near},
            }
        )
    return rows


def _steps(answer: NearData) -> list[dict[str, object]]:
    return [
        {
            "batch": str(s.batch),
            "GPU": units.seconds(s.gpu_s),
            "PIM": units.seconds(s.pim_s),
            "GPU energy": units.energy(s.gpu_pj),
            "PIM energy": units.energy(s.pim_pj),
        }
        for s in answer.decode
    ]


def _batch(answer: NearData, what: str) -> str:
    batch = answer.crossover[what]
    return "none" if batch is None else str(batch)


def _design(d: Any) -> dict[str, object]:
    return {
        "PEs": f"{d.side}x{d.side}",
        "buffer [KiB]": f"{d.buffer_bytes / 1024:.0f}",
        "energy": units.energy(d.energy_pj),
        "time": units.seconds(d.cycles / 5e8),
        "EDP": units.edp(d.edp_js),
    }

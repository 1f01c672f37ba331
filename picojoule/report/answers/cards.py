"""Metric cards on the terminal: one column a design, and what keeps them from being ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import RenderableType

from picojoule.published.card import HardwareCard, refuse_mixed
from picojoule.report import show, tables, units


def shown(cards: Sequence[HardwareCard], as_json: bool) -> None:
    """The cards side by side."""
    differs = refuse_mixed(list(cards))
    if as_json:
        show.json_only({"cards": [card_json(c) for c in cards], "not_comparable": list(differs)})
        return
    rows = [{"metric": metric, **{_heading(c, cards): _rows(c)[metric] for c in cards}} for metric in _rows(cards[0])]
    parts: list[RenderableType] = [tables.rows_table(rows), ""]
    parts += [f"unknown in {c.design}: {k}, {why}" for c in cards for k, why in c.unknown]
    parts += [f"do not rank them silently: {d}" for d in differs]
    show.print_parts(*parts)


def card_json(c: HardwareCard) -> dict[str, Any]:
    """Every entry, and what follows from them."""
    return {
        **asdict(c),
        "unknown": dict(c.unknown),
        "area_per_multiplier_mm2": c.area_per_multiplier_mm2,
        "onchip_bytes_per_multiplier": c.onchip_bytes_per_multiplier,
        "inferences_per_s": c.inferences_per_s,
        "energy_per_inference_j": c.energy_j,
        "macs_per_s": c.throughput.value,
        "macs_per_s_per_w": c.efficiency.value,
    }


def _heading(c: HardwareCard, cards: Sequence[HardwareCard]) -> str:
    same = [x for x in cards if x.design == c.design]
    return c.design if len(same) == 1 else f"{c.design} ({same.index(c) + 1})"


def _rows(c: HardwareCard) -> dict[str, str]:
    def per(value: float | None, unit: str, digits: int = 3) -> str:
        return "unknown" if value is None else f"{units.figures(value, digits)} {unit}"

    kilo = None if c.onchip_bytes_per_multiplier is None else c.onchip_bytes_per_multiplier / 1e3
    return {
        "process": c.process,
        "evidence": c.evidence + (f": {c.simulation}" if c.simulation else ""),
        "scope of power": f"{c.scope}, DRAM {'inside' if c.dram_inside else 'not inside'}",
        "core area": per(c.area_mm2, "mm2", 4),
        "area per multiplier": per(c.area_per_multiplier_mm2, "mm2"),
        "on-chip storage per multiplier": per(kilo, "kB"),
        "network and layers": f"{c.model}, {c.layers}",
        "accuracy": c.accuracy or "unknown",
        "bits of weights, activations": f"{c.weight_bits}, {c.activation_bits}",
        "batch": str(c.batch),
        "runtime of the batch": units.seconds(c.runtime_s),
        "inferences a second": units.figures(c.inferences_per_s, 3),
        "power": f"{units.figures(c.power_w, 3)} W",
        "energy per inference": units.energy(c.energy_j * 1e12),
        "off-chip access per inference": "unknown" if c.offchip_bytes is None else f"{units.count(c.offchip_bytes)}B",
        "throughput": f"{c.throughput} = {c.throughput.in_ops()}",
        "efficiency": f"{c.efficiency} = {c.efficiency.in_ops()}",
        "inputs tested": "unknown" if c.inputs_tested is None else str(c.inputs_tested),
        "source": c.source,
    }

"""A comparison on the terminal and as JSON: the machines side by side, what each waits for, and where the ranking flips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from picojoule import options
from picojoule.compare.compare import Comparison
from picojoule.compare.flips import Flip
from picojoule.machines.answer import Answer
from picojoule.report import show, tables, units
from picojoule.report.answers.comparison_rows import dram_text, flip_row, waits, waits_text


def shown(c: Comparison, as_json: bool, html: Path | None) -> None:
    """The comparison; the page goes to `html`."""
    if html is not None:
        from picojoule.report.pages.comparison_page import page

        options.write_text(html, page(c))
    if as_json:
        show.json_only(to_json(c))
        return
    show.print_parts(*_parts(c))
    if html is not None:
        show.print_parts(f"page: {html.resolve()}")


def to_json(c: Comparison) -> dict[str, Any]:
    """Every card with its layers and sources, who declined, and the flips with whether a fresh run confirmed them."""
    return {
        "model": c.model,
        "condition": asdict(c.condition),
        "objective": c.ask.objective,
        "space": c.ask.space,
        "machines": [answer_json(a, a.machine in c.undominated) for a in c.answers],
        "declined": [{"machine": n, "reason": why} for n, why in c.declined],
        "flips": [flip_json(f) for f in c.flips],
        "flips_looked_for": list(c.tried),
        "notes": list(c.notes),
    }


def answer_json(a: Answer, undominated: bool = False) -> dict[str, Any]:
    """One card: totals of the batch, figures per inference, limits, layers, sources."""
    return {
        **{k: v for k, v in asdict(a).items() if k not in ("layers", "sources", "notes")},
        "energy_per_inference_pj": a.per_inference_pj,
        "onchip_per_inference_pj": None if a.onchip_pj is None else a.onchip_pj / a.batch,
        "latency_per_inference_s": a.latency_s / a.batch,
        "inferences_per_s": a.inferences_per_s,
        "macs": a.macs,
        "macs_per_s": a.macs_per_s,
        "utilization": a.utilization,
        "power_w": a.power_w,
        "offchip_bytes_per_inference": a.offchip_bytes_per_inference,
        "waits_for": dict(waits(a)),
        "undominated": undominated,
        "layers": [asdict(x) for x in a.layers],
        "sources": dict(a.sources),
        "notes": list(a.notes),
    }


def flip_json(f: Flip) -> dict[str, Any]:
    unit = "s" if f.before.metric == "time" else "pJ"
    return {
        "factor": f.factor,
        "metric": f.before.metric,
        "unit": f"{unit} per inference",
        "before": str(f.before),
        "after": str(f.after),
        "better_before": f.better,
        "better_after": f.worse,
        "before_values": dict(zip((f.better, f.worse), f.values_before, strict=True)),
        "after_values": dict(zip((f.better, f.worse), f.values_after, strict=True)),
        "between_batches": f.between,
        "confirmed": f.confirmed,
    }


def operators_text(a: Answer) -> str:
    """Which operators the figures count."""
    return "MACs only" if a.operators == "macs" else "all, at least" if a.at_least else "all"


def _parts(c: Comparison) -> list[RenderableType]:
    parts: list[RenderableType] = [f"{c.model}, {c.condition}; objective of mapped chips: {c.ask.objective}", ""]
    rows = _rows(c)
    words = ("machine", "kind", "evidence", "scope", "DRAM inside", "operators", "front", "waits for")
    right = tuple(k for k in rows[0] if k not in (*words, "precision"))
    parts += [tables.rows_table([{k: v for k, v in r.items() if k not in words[1:]} for r in rows], right), ""]
    parts += [tables.rows_table([{k: r[k] for k in words} for r in rows]), ""]
    parts += [f"{name} declined: {why}" for name, why in c.declined]
    parts += _flips(c)
    notes = {n for a in c.answers for n in a.notes}
    parts += [f"note: {n} ({', '.join(a.machine for a in c.answers if n in a.notes)})" for n in sorted(notes)]
    parts += [f"note: {n}" for n in c.notes]
    parts.append(
        "Energy and traffic are per inference, latency is of the batch. front: no machine of the same kind and scope "
        "beats it in both energy and time. Energies of different scope are not ranked, nor bounds against predictions. "
        "operators: what all figures count; at least: operations of some are unknown; --operators macs compares MAC layers alone."
    )
    return parts


def _rows(c: Comparison) -> list[dict[str, object]]:
    known = [a.per_inference_pj for a in c.answers if a.per_inference_pj is not None]
    e_div, e_unit = units.unit_for(_middle(known), "energy")
    t_div, t_unit = units.unit_for(_middle([a.latency_s for a in c.answers]), "time")
    m_div, m_unit = units.unit_for(_middle([a.offchip_bytes_per_inference or 0.0 for a in c.answers]), "count")
    return [
        {
            "machine": a.machine,
            "kind": a.kind,
            "precision": a.precision,
            "batch": a.batch,
            f"energy [{e_unit}]": _over(a.per_inference_pj, e_div),
            f"without DRAM [{e_unit}]": _over(None if a.onchip_pj is None else a.onchip_pj / a.batch, e_div),
            f"latency [{t_unit}]": units.figures(a.latency_s / t_div),
            "inf/s": units.figures(a.inferences_per_s),
            "util [%]": units.figures(100 * a.utilization, 3),
            "power [W]": _over(a.power_w, 1.0, 3),
            "area [mm2]": _over(a.area_mm2, 1.0, 3),
            f"off-chip [{m_unit}B]": _over(a.offchip_bytes_per_inference, m_div),
            "evidence": a.evidence,
            "scope": a.scope,
            "DRAM inside": dram_text(a),
            "operators": operators_text(a),
            "front": "*" if a.machine in c.undominated else "",
            "waits for": waits_text(a),
        }
        for a in c.answers
    ]


def _over(value: float | None, divisor: float, digits: int = 4) -> str:
    return "-" if value is None else units.figures(value / divisor, digits)


def _middle(values: Sequence[float]) -> float:
    """The median: machines differ by many powers of ten, and one unit serves them all."""
    known = sorted(v for v in values if v)
    return known[len(known) // 2] if known else 0.0


def _flips(c: Comparison) -> list[RenderableType]:
    if not c.tried:
        return []
    looked = f"ranking flips, looked for under {'; '.join(c.tried)}: {len(c.flips) or 'none'}"
    if not c.flips:
        return [looked, ""]
    return [looked, tables.rows_table([flip_row(f) for f in c.flips]), ""]

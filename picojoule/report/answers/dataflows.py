"""What `pj dataflows` shows: each dataflow's energy by level and by data type, as a table and as bars."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from picojoule import options
from picojoule.explore.dataflows import Compared
from picojoule.hardware.dataflow import DATAFLOWS
from picojoule.report import show, tables
from picojoule.report.charts import plots
from picojoule.report.pages import html

LEVELS = ("DRAM", "GLB", "array", "RF", "MAC")
TYPES = ("weight", "input", "output", "MAC")
UNIT = "pJ are energies of one MAC (1 pJ): prices are normalised. RF are the registers of the PEs."


def shown(model: str, pes: int, done: Sequence[Compared], as_json: bool, page: Path | None) -> None:
    """Tables on the terminal, JSON, and the page where one is wanted."""
    if page is not None:
        options.write_text(page, _page(model, pes, done))
    if as_json:
        show.json_only({"model": model, "pes": pes, "dataflows": [to_json(c) for c in done]})
        return
    rs = next((c for c in done if c.name == "row-stationary" and not c.reason), None)
    rows = [_row(c, LEVELS, "level", rs) for c in done]
    types = [_row(c, TYPES, "type", rs) for c in done]
    left = [x for c in done for x in c.layers if not x.proved]
    of = sum(len(c.layers) for c in done)
    note = f"{len(left)} of {of} layer mappings are not proved best within the time given (gaps in --json)"
    parts: list[RenderableType] = [
        f"{model} on {pes} PEs at equal area", "", "energy per MAC by level [MAC energies]", tables.rows_table(rows), "",
        "energy per MAC by data type [MAC energies]", tables.rows_table(types), "", UNIT, note,
    ]  # fmt: skip
    show.print_parts(*parts)


def _row(c: Compared, keys: Sequence[str], what: str, rs: Compared | None) -> dict[str, object]:
    if c.reason:
        return {"dataflow": c.name, **dict.fromkeys(keys, "-"), "total": "-", "x RS": "-", "busy [%]": "-", "obeyed": c.reason}
    parts = c.by(what)
    ratio = c.energy_pj / rs.energy_pj if rs else None
    return {
        "dataflow": c.title if c.name == "free" else c.name,
        **{k: round(parts.get(k, 0.0) / c.macs, 3) for k in keys},
        "total": round(c.energy_pj / c.macs, 3),
        "x RS": "-" if ratio is None else f"{ratio:.2f}",
        "busy [%]": f"{100 * c.busy:.0f}",
        "obeyed": "yes" if all(x.obeys for x in c.layers) else "NO",
    }


def to_json(c: Compared) -> dict[str, Any]:
    """One dataflow: what it fixes, its chip, energy by level and type, and each layer with its mapping."""
    return {
        "name": c.name,
        "title": c.title,
        "fixes": DATAFLOWS[c.name].fixes,
        "chip": c.chip.description,
        "reason": c.reason,
        "energy_pj": c.energy_pj,
        "macs": c.macs,
        "busy": c.busy,
        "energy_pj_by_level": c.by("level"),
        "energy_pj_by_type": c.by("type"),
        "layers": [
            {"name": x.layer.name, "count": x.count, "energy_pj": x.cost.energy_pj, "cycles": x.cost.cycles, "proved": x.proved,
             "gap": x.gap, "obeys": x.obeys, "mapping": str(x.mapping)}
            for x in c.layers
        ],
    }  # fmt: skip


def _page(model: str, pes: int, done: Sequence[Compared]) -> str:
    css = files("picojoule.report.pages").joinpath("style.css").read_text(encoding="utf-8")
    title = f"Dataflows: {model} on {pes} PEs at equal area"
    good = [c for c in done if not c.reason]
    body = [html.tag("h1", title), html.tag("p", UNIT)]
    for heading, keys, what in (("Energy by level", LEVELS, "level"), ("Energy by data type", TYPES, "type")):
        parts = {c.name: c.by(what) for c in good}
        bars = [
            plots.Bar(c.title if len(c.title) < 37 else c.name, c.title, tuple((k, parts[c.name].get(k, 0.0)) for k in keys))
            for c in good
        ]
        body += [html.tag("h2", heading), plots.stacked_bars(bars, keys, "energy", f"{heading} of each dataflow")]
    rs = next((c for c in good if c.name == "row-stationary"), None)
    head = ["dataflow", "chip", *LEVELS, "total", "x RS", "busy [%]", "obeyed"]
    rows = [[r["dataflow"], c.chip.description, *(r[k] for k in head[2:])] for c in done for r in [_row(c, LEVELS, "level", rs)]]
    body += [html.tag("h2", "Energy per MAC [MAC energies]"), html.table(head, rows, left=(0, 1, len(head) - 1), wrap=(1,))]
    body += [html.tag("h2", "What each fixes")]
    body += [html.tag("h3", DATAFLOWS[c.name].title) + html.tag("p", DATAFLOWS[c.name].fixes) for c in done]
    inside = html.section("page", body)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.text(title)}</title>'
        f'<style>body{{margin:0}}{css}</style></head><body class="pj">{inside}</body></html>\n'
    )

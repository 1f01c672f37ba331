"""What `pj row-stationary` shows."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from rich.console import RenderableType

from picojoule import options
from picojoule.hardware.chip import Chip
from picojoule.machines.row_stationary.counts import Buses, Latency, Words, latency, words
from picojoule.machines.row_stationary.rows import RowStationary
from picojoule.report import show, tables
from picojoule.report.charts import pe_array
from picojoule.report.pages import html

Placed = Sequence[tuple[str, RowStationary]]


def shown(model: str, chip: Chip, placed: Placed, as_json: bool, page: Path | None) -> None:
    """Table, drawing of each layer, and the page where one is wanted."""
    rows = [(name, rs, words(rs), latency(rs, _buses(chip), words(rs))) for name, rs in placed]
    if page is not None:
        options.write_text(page, _page(model, chip, placed))
    if as_json:
        show.json_only({"model": model, "chip": chip.name, "layers": [pe_array.to_json(*row) for row in rows]})
        return
    table = [_row(*row) for row in rows]
    parts: list[RenderableType] = [f"{model} on {chip.name}, row stationary", "", tables.rows_table(table), ""]
    for name, rs in placed:
        parts += [f"{name}: {pe_array.the_sets(rs)}", pe_array.each_pe(rs), "", pe_array.array_text(rs), ""]
    parts.append("`A3:7` is filter row 3 meeting output row 7 in set A; `.` is an idle PE; MB are 1e6 bytes of a dense layer")
    show.print_parts(*parts)


def _row(name: str, rs: RowStationary, moved: Words, time: Latency) -> dict[str, object]:
    bits = rs.shape.bits
    return {
        "layer": name,
        "m n e p q r t": " ".join(str(getattr(rs.parameters, k)) for k in "mnepqrt"),
        "active PEs": rs.active_pes,
        "passes": rs.passes,
        "inputs in buffer [KiB]": round(rs.buffer_input_words * bits / 8192, 1),
        "sums in buffer [KiB]": round(rs.buffer_sum_words * bits / 8192, 1),
        "buffer [MB]": round(moved.buffer * bits / 8e6, 2),
        "DRAM [MB]": round(moved.dram * bits / 8e6, 2),
        "cycles": round(time.cycles),
        "bound by": time.bound_by,
    }


def _buses(chip: Chip) -> Buses:
    """Eyeriss' buses at the chip's clock."""
    return Buses(clock_hz=chip.clock_hz)


def _page(model: str, chip: Chip, placed: Placed) -> str:
    css = files("picojoule.report.pages").joinpath("style.css").read_text(encoding="utf-8")
    title = f"{model} on {chip.name}: row stationary"
    body = [html.tag("h1", title), html.tag("p", chip.description)]
    for name, rs in placed:
        body += [
            html.tag("h2", name),
            html.tag("p", f"{rs.parameters}: {pe_array.the_sets(rs)}."),
            html.tag("p", pe_array.each_pe(rs) + "."),
            pe_array.array_svg(rs, f"{name} on the PE array"),
        ]
    inside = html.section("page", body)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.text(title)}</title>'
        f'<style>body{{margin:0}}{css}</style></head><body class="pj">{inside}</body></html>\n'
    )

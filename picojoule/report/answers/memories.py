"""The memory technologies on the terminal: what an access is made of, and how far sources disagree."""

from __future__ import annotations

from typing import Any

from picojoule.hardware.components.dram import Technology, technologies, technology
from picojoule.quantities.estimate import Estimate, table
from picojoule.report import show, tables


def shown(kind: str | None, row_use: float, as_json: bool) -> None:
    """All technologies in one table, or the facts of one with their sources."""
    chosen = list(technologies().values()) if kind is None else [technology(kind)]
    if as_json:
        show.json_only({"row_use": row_use, "memories": [to_json(t, row_use) for t in chosen]})
    elif kind is None:
        show.print_parts(
            tables.rows_table([_row(t, row_use) for t in chosen]),
            "",
            f"pJ/b at a row use of {row_use:g}; low to high where sources disagree; - is unknown, never zero",
        )
    else:
        show.print_parts(tables.rows_table([_fact(what, e) for what, e in chosen[0].facts]))


def to_json(t: Technology, row_use: float) -> dict[str, Any]:
    """Parts and totals in pJ per bit, and every fact with its range and source."""
    energy = {
        action: {
            "total": _plain(t.pj_per_bit(action, row_use)),
            "parts": {n: _plain(e) for n, e in t.parts(action, row_use).items()},
        }
        for action in ("read", "write")
    }
    return {"kind": t.kind, "pj_per_bit": energy, "facts": {what: _plain(e) for what, e in t.facts}}


def _plain(e: Estimate) -> dict[str, Any]:
    return {"value": e.value, "low": e.low, "high": e.high, "unit": e.unit, "source": e.source, "note": e.note}


def _row(t: Technology, row_use: float) -> dict[str, object]:
    parts = t.parts("read", row_use)
    return {
        "kind": t.kind, "column": _span(parts.get("column")), "I/O": _span(parts.get("I/O")), "TSV": _span(parts.get("TSV")),
        "row": _span(parts.get("row")), "read [pJ/b]": _span(t.pj_per_bit("read", row_use)),
        "write [pJ/b]": _span(t.pj_per_bit("write", row_use)), "background [mW]": _span(t.fact("background")),
        "[GB/s]": _span(t.fact("bandwidth")), "cell [F2]": _span(t.fact("cell")), "endurance": _powers(t.fact("endurance")),
        "others [pJ/b]": _others(t.kind),
    }  # fmt: skip


def _fact(what: str, e: Estimate) -> dict[str, object]:
    return {
        "what": what,
        "value": f"{e.value:.4g}",
        "low": f"{e.low:.4g}",
        "high": f"{e.high:.4g}",
        "unit": e.unit,
        "source": e.source,
        "confidence": e.note or "read",
    }


def _powers(e: Estimate | None) -> str:
    return "-" if e is None else f"{e.low:.0e}" if e.low == e.high else f"{e.low:.0e} to {e.high:.0e}"


def _others(kind: str) -> str:
    """The span of the constants per bit that other sources use for the whole access."""
    figures = [float(r["pj_per_bit"]) for r in table("dram.csv") if r["kind"] == kind]
    return f"{min(figures):.3g} to {max(figures):.3g}" if figures else "-"


def _span(e: Estimate | None) -> str:
    if e is None:
        return "-"
    return f"{e.value:.3g}" if e.low == e.high else f"{e.value:.3g} ({e.low:.3g} to {e.high:.3g})"

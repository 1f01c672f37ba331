"""Experiments on the terminal: reported beside predicted, errors with their sign, what had to hold and whether it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import RenderableType

from picojoule.report import show, tables
from picojoule.reproduction import registry
from picojoule.reproduction.experiment import Reproduction, Row


def listed(as_json: bool) -> None:
    """The experiments that come along."""
    known = [{"name": e.name, "claim": e.claim, "source": e.source, "reason": e.reason} for e in registry.experiments().values()]
    if as_json:
        show.json_only({"experiments": known})
        return
    rows = [{"name": k["name"], "claim": f"NOT REPRODUCIBLE: {k['reason']}" if k["reason"] else k["claim"]} for k in known]
    show.print_parts(tables.rows_table(rows))


def reproduced(done: Sequence[Reproduction], as_json: bool) -> bool:
    """Show what was reproduced. True if nothing differs."""
    if as_json:
        show.json_only({"experiments": [to_json(r) for r in done]})
    else:
        for r in done:
            show.print_parts(*_parts(r))
    return all(r.verdict != "differs" or r.experiment.differs for r in done)


def to_json(r: Reproduction) -> dict[str, Any]:
    """The experiment, its rows with signed errors, its checks and the verdict."""
    e, o = r.experiment, r.outcome
    return {
        "name": e.name,
        "claim": e.claim,
        "source": e.source,
        "calibration": e.calibration,
        "reason": e.reason,
        "verdict": r.verdict,
        "known_to_differ": r.experiment.differs,
        "rows": [{**asdict(row), "error_percent": row.error_percent} for row in o.rows],
        "checks": [asdict(c) for c in o.checks],
        "notes": list(o.notes),
        "tables": o.tables,
    }


def _parts(r: Reproduction) -> list[RenderableType]:
    e, o = r.experiment, r.outcome
    parts: list[RenderableType] = [f"{e.name}: {e.claim}", f"source: {e.source}", f"calibration: {e.calibration}", ""]
    if o.rows:
        parts += [tables.rows_table([_row(row) for row in o.rows], right=("reported", "predicted", "error [%]")), ""]
    for title, rows in o.tables.items():
        parts += [title, tables.rows_table(rows), ""]
    parts += [f"{'holds' if c.holds else 'FAILS'}: {c.what}{f' ({c.detail})' if c.detail else ''}" for c in o.checks]
    parts += [f"note: {n}" for n in o.notes]
    why = e.reason or (e.differs if r.verdict == "differs" else "")
    return [*parts, f"verdict: {r.verdict}{f': {why}' if why else ''}", ""]


def _row(row: Row) -> dict[str, object]:
    error = row.error_percent
    return {
        "group": row.group or "-",
        "what": row.what,
        "unit": row.unit or "-",
        "reported": row.reported,
        "predicted": row.predicted,
        "error [%]": "-" if error is None else f"{error:+.1f}",
        "note": ("composed; " if row.composed else "") + row.note or "-",
    }

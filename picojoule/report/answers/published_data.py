"""`pj platforms`: the published records, their checks, trends as table and as a page with figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from picojoule import options
from picojoule.machines.names import machines
from picojoule.published.consistency import Checked, check
from picojoule.published.platform import Platform
from picojoule.published.trends import Group, efficiency, trend
from picojoule.report import show, tables, units
from picojoule.report.charts import plots, scatter
from picojoule.report.pages import html
from picojoule.report.pages.document import document

FIGURES = ("year", "node", "precision")


def shown(records: Sequence[Platform], by: str | None, checks: bool, as_json: bool, page: Path | None) -> None:
    """The records, or their checks, or a trend."""
    if page is not None:
        options.write_text(page, _page(records))
    if as_json:
        show.json_only(to_json(records, by))
        return
    parts = _checks(records) if checks else _trend(trend(by, records), by) if by else _records(records)
    show.print_parts(*parts)
    if page is not None:
        show.print_parts(f"page: {page.resolve()}")


def to_json(records: Sequence[Platform], by: str | None) -> dict[str, Any]:
    """Records with their checks, and the trend if one was asked for."""
    return {
        "platforms": [{**asdict(p), "ops_per_j": efficiency(p), "checks": [_check_json(c) for c in check(p)]} for p in records],
        "trend": [asdict(g) for g in trend(by, records)] if by else None,
    }


def _check_json(c: Checked) -> dict[str, Any]:
    return {**asdict(c), "difference_percent": c.difference_percent, "verdict": c.verdict}


def others(as_json: bool) -> None:
    """Every machine that `pj compare` knows, by provider."""
    known = machines()
    if as_json:
        show.json_only(known)
        return
    rows = [{"machine": n, "from": p, "about": about} for p, names in known.items() for n, about in names.items()]
    show.print_parts(tables.rows_table(rows))


def _records(records: Sequence[Platform]) -> list[RenderableType]:
    rows = [
        {
            "id": p.id, "name": p.name, "year": str(p.year), "node": p.node or "-", "kind": p.kind,
            "peak": f"{units.count(p.best.ops_per_s)}op/s {p.best.precision}" if p.best else "-",
            "power [W]": str(p.power_w) if p.power_w else "-", "area [mm2]": str(p.area_mm2) if p.area_mm2 else "-",
            "scope": p.scope, "evidence": p.evidence, "conf": p.confidence, "checks": _verdicts(p),
        }
        for p in records
    ]  # fmt: skip
    note = (
        f"{len(records)} records; one MAC is two operations; conf: H read or recomputed, M recalled with a cross-check, L "
        "uncertain; --checks shows what was held against what"
    )
    return [tables.rows_table(rows), "", note]


def _verdicts(p: Platform) -> str:
    return ", ".join(dict.fromkeys(c.verdict for c in check(p)))


def _checks(records: Sequence[Platform]) -> list[RenderableType]:
    checked = [c for p in records for c in check(p)]
    rows = [
        {
            "id": c.id, "what": c.what, "stated": _figure(c.stated, c.unit), "recomputed": _figure(c.recomputed, c.unit),
            "differs [%]": "-" if c.difference_percent is None else f"{c.difference_percent:+.1f}", "verdict": c.verdict,
            "from": c.formula if c.recomputed is not None else f"missing: {c.missing}",
        }
        for c in checked
    ]  # fmt: skip
    counted = {v: sum(c.verdict == v for c in checked) for v in ("agrees", "flagged", "cannot be checked")}
    counts = "; ".join(f"{n} {v}" for v, n in counted.items())
    return [tables.rows_table(rows, ("stated", "recomputed", "differs [%]")), "", counts]


def _figure(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{units.figures(value)} {unit}"


def _trend(groups: Sequence[Group], by: str | None) -> list[RenderableType]:
    rows = [
        {
            by or "": g.key, "records": str(g.count), "median peak": _ops(g.median_ops_per_s, "op/s"),
            "best peak": _ops(g.best_ops_per_s, "op/s"), "median efficiency": _ops(g.median_ops_per_j, "op/J"),
            "best efficiency": _ops(g.best_ops_per_j, "op/J"), "of": g.best or "-", "evidence": ", ".join(g.evidence),
            "scopes": ", ".join(g.scopes),
        }
        for g in groups
    ]  # fmt: skip
    right = ("records", "median peak", "best peak", "median efficiency", "best efficiency")
    return [
        tables.rows_table(rows, right),
        "",
        "Efficiency is nominal peak over nominal power, or what the source states: of no "
        "workload. Macro and system figures are different things; --scope keeps them apart.",
    ]


def _ops(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{units.count(value)}{unit}"


def _page(records: Sequence[Platform]) -> str:
    known = [(p, e) for p in records if (e := efficiency(p)) is not None]
    lead = (
        f"{len(records)} records; {len(known)} state enough for an efficiency: nominal peak over nominal power, or what the "
        "source states itself. These are figures of no workload; hollow: simulated. Figures of macros are not those of systems."
    )
    parts = [html.tag("h1", "Published chips and platforms"), html.tag("p", lead)]
    for by in FIGURES:
        parts += [html.tag("h2", f"By {by}"), _figure_by(by, known), _table(trend(by, records), by)]
    parts += [html.tag("h2", "Checks"), _check_table([c for p in records for c in check(p)])]
    return document("Published chips and platforms - picojoule", parts)


def _figure_by(by: str, known: Sequence[tuple[Platform, float]]) -> str:
    """Efficiency over year or node, coloured by scope; by precision, bars of the median."""
    if by == "precision":
        groups = [g for g in trend(by, [p for p, _ in known]) if g.median_ops_per_j]
        bars = [plots.Bar(f"{g.key} ({g.count})", g.best, (("median efficiency", g.median_ops_per_j or 0.0),)) for g in groups]
        return plots.stacked_bars(bars, ["median efficiency"], "efficiency", "median efficiency by precision")
    points = [(p, e) for p, e in known if by == "year" or p.node_nm is not None]
    if not points:
        return html.tag("p", "No record states both.")
    dots = [_dot(p, e, float(p.year) if by == "year" else p.node_nm or 0.0) for p, e in points]
    xs = [d.x for d in dots]
    x = scatter.years(xs) if by == "year" else scatter.decades(xs, "node [nm]", lambda v: f"{v:g}")
    y = scatter.decades([d.y for d in dots], "operations per joule", units.count)
    return scatter.scatter(dots, x, y, f"efficiency by {by}", height=520)


def _dot(p: Platform, ops_per_j: float, x: float) -> scatter.Dot:
    title = f"{p.name}: {units.count(ops_per_j)}op/J, {p.evidence}, {p.source}"
    return scatter.Dot(
        x=x,
        y=ops_per_j,
        label=p.name.split(" (")[0][:22],
        series=f"scope {p.scope}",
        title=title,
        hollow=p.evidence == "simulated",
    )


def _table(groups: Sequence[Group], by: str) -> str:
    head = [by, "records", "median peak", "best peak", "median efficiency", "best efficiency", "of"]
    rows = [
        (g.key, g.count, _ops(g.median_ops_per_s, "op/s"), _ops(g.best_ops_per_s, "op/s"), _ops(g.median_ops_per_j, "op/J"),
         _ops(g.best_ops_per_j, "op/J"), g.best or "–")
        for g in groups
    ]  # fmt: skip
    return html.table(head, rows, left=(0, 6))


def _check_table(checked: Sequence[Checked]) -> str:
    head = ["id", "what", "stated", "recomputed", "differs", "verdict", "from"]
    rows = [
        (c.id, c.what, _figure(c.stated, c.unit), _figure(c.recomputed, c.unit),
         "–" if c.difference_percent is None else f"{c.difference_percent:+.1f} %", c.verdict,
         c.formula if c.recomputed is not None else f"missing: {c.missing}")
        for c in checked
    ]  # fmt: skip
    return html.table(head, rows, left=(0, 1, 5), wrap=(6,))

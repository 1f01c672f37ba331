"""Predicted cycles of Gemmini beside measured ones: on the terminal, and as a page."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields
from pathlib import Path
from statistics import fmean, median

from rich.console import RenderableType

from picojoule import options
from picojoule.machines.gemmini.fit import Prediction, Report, Score
from picojoule.machines.gemmini.latency import LEFT_OUT, Parameters
from picojoule.report import show, tables
from picojoule.report.charts.agreement import Pair, agreement
from picojoule.report.pages import html
from picojoule.report.pages.document import document

_NUMBERS = ("shapes", "rows", "Spearman", "median error [%]", "mean error [%]", "within 25 % [%]")
_RIGHT = (*_NUMBERS, "line", "value", "from", "to", "measured", "predicted", "error [%]")
_WORST = 8


def shown(report: Report, as_json: bool, with_rows: bool, page_at: Path | None) -> None:
    """The report; the page goes to `page_at`."""
    if page_at is not None:
        options.write_text(page_at, as_page(report))
    if as_json:
        show.json_only(report.to_json(with_rows))
        return
    show.print_parts(*_parts(report, with_rows))
    if page_at is not None:
        show.print_parts(f"report: {page_at.resolve()}")


def _parts(report: Report, with_rows: bool) -> list[RenderableType]:
    parts: list[RenderableType] = [f"{report.source}: {report.how}", ""]
    for title, rows in _tables(report).items():
        parts += [title, tables.rows_table(rows, right=_RIGHT), ""]
    if with_rows:
        parts += ["every row", tables.rows_table([_row(p) for p in report.predictions], right=_RIGHT), ""]
    return [*parts, f"left out: {LEFT_OUT}"]


def _tables(report: Report) -> dict[str, list[dict[str, object]]]:
    """Title -> rows: splits, scores by kind, the parameters, the worst rows."""
    out: dict[str, list[dict[str, object]]] = {}
    if report.splits:
        out["unseen shapes, one line a split"] = [{"split": s.name, **_score(s.unseen)} for s in report.splits]
    if report.score is not None:
        whole = "predicted blind" if not report.splits else "all rows, which were fitted"
        name = "roofline of the same counts, nothing fitted"
        plain = [] if report.roofline is None else [{"rows of": name, **_score(report.roofline)}]
        out["all rows"] = [{"rows of": whole, **_score(report.score)}, *plain, *_by_kind(report)]
    out["parameters"] = [
        {
            "name": f.name,
            "value": f"{getattr(report.parameters, f.name):.4g}",
            "from": f"{f.metadata['low']:g}" if f.metadata else "-",
            "to": f"{f.metadata['high']:g}" if f.metadata else "-",
            "unit": f.metadata.get("unit") or "-",
            "meaning": f.metadata.get("meaning", "pages that the translation buffers hold"),
        }
        for f in fields(Parameters)
    ]
    known = [p for p in report.predictions if p.error_percent is not None]
    if known:
        worst = sorted(known, key=_ratio)[-_WORST:]
        out["farthest off"] = [_row(p) for p in reversed(worst)]
    else:
        out["predictions (no measured cycles in the file)"] = [_row(p) for p in report.predictions[:20]]
    return out


def _score(s: Score) -> dict[str, object]:
    return {
        "shapes": s.shapes,
        "rows": s.rows,
        "Spearman": f"{s.spearman:.3f}",
        "median error [%]": f"{s.median_error_percent:.1f}",
        "mean error [%]": f"{s.mean_error_percent:.1f}",
        "within 25 % [%]": f"{s.within_25_percent:.0f}",
    }


def _by_kind(report: Report) -> list[dict[str, object]]:
    groups: dict[tuple[str, int], list[Prediction]] = defaultdict(list)
    for p in report.predictions:
        if p.error_percent is not None:
            groups["matrix products" if p.program.is_product else "convolutions", p.program.array].append(p)
    rows = []
    for (kind, side), of in sorted(groups.items()):
        errors = [abs(p.error_percent or 0.0) for p in of]
        rows.append(
            {
                "rows of": f"{kind}, {side}x{side}",
                "shapes": len({p.row.shape.size for p in of}),
                "rows": len(of),
                "Spearman": "-",
                "median error [%]": f"{median(errors):.1f}",
                "mean error [%]": f"{fmean(errors):.1f}",
                "within 25 % [%]": f"{100 * fmean(e <= 25 for e in errors):.0f}",
            }
        )
    return rows


def _ratio(p: Prediction) -> float:
    assert p.row.cycles is not None
    return max(p.cycles / p.row.cycles, p.row.cycles / p.cycles)


def _row(p: Prediction) -> dict[str, object]:
    error = p.error_percent
    return {
        "line": p.row.line,
        "layer": str(p.row.shape),
        "array": f"{p.program.array}x{p.program.array}",
        "measured": "-" if p.row.cycles is None else f"{p.row.cycles:,.0f}",
        "predicted": f"{p.cycles:,.0f}",
        "error [%]": "-" if error is None else f"{error:+.1f}",
        "slowest alone": max(p.phases, key=lambda k: p.phases[k]),
        "mapping": str(p.row.mapping),
    }


def as_page(report: Report) -> str:
    """A self-contained page: predicted over measured cycles, the tables, what is left out."""
    known = [p for p in report.predictions if p.row.cycles is not None]
    points = [
        Pair(
            x=p.row.cycles or 0.0,
            y=p.cycles,
            series="matrix products" if p.program.is_product else "convolutions",
            title=f"line {p.row.line}: {p.row.shape}, {p.row.mapping}",
        )
        for p in known
    ]
    body = [html.tag("h1", "Gemmini: predicted beside measured cycles"), html.tag("p", f"{report.source}: {report.how}.")]
    if points:
        body.append(agreement(points, "measured cycles", "predicted cycles", "predicted over measured cycles"))
    for title, rows in _tables(report).items():
        head = list(rows[0])
        left = [i for i, name in enumerate(head) if name not in _RIGHT]
        cells = [[str(r[h]) for h in head] for r in rows]
        wrap = [len(head) - 1] if head[-1] in ("meaning", "mapping") else []
        body += [html.tag("h2", title[0].upper() + title[1:]), html.table(head, cells, left=left, wrap=wrap)]
    body.append(html.tag("p", f"Left out: {LEFT_OUT}."))
    return document("Gemmini: predicted beside measured cycles", body)

"""A calibration on the terminal, as JSON, and as a page: predicted beside measured, with every error that counts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from picojoule import options
from picojoule.machines.kernels.calibrate import Calibration, Prediction, Score
from picojoule.machines.kernels.device import UNITS, device_to_yaml
from picojoule.report import show, tables, units
from picojoule.report.charts import machine_plots, rooflines
from picojoule.report.pages import html
from picojoule.report.pages.document import document

WORST = 8


def shown(c: Calibration, as_json: bool, page: Path | None, yaml: Path | None) -> None:
    """Print a calibration; write its page and its device where a place is given."""
    if page is not None:
        options.write_text(page, calibration_page(c))
    if yaml is not None:
        options.write_text(yaml, device_to_yaml(c.device))
    if as_json:
        show.json_only(to_json(c))
    else:
        show.print_parts(*_parts(c))
    for what, place in (("report", page), ("device", yaml)):
        if place is not None:
            print(f"{what}: {place.resolve()}", file=sys.stderr if as_json else sys.stdout)


def to_json(c: Calibration) -> dict[str, Any]:
    """Everything: scores as shares (0.1 is 10 %), parameters, and each kernel predicted beside measured."""
    held = c.held_out
    return {
        "device": c.device.name,
        "measured_on": c.measurements.device,
        "source": c.measurements.source,
        "split": c.split,
        "judged_on": c.judged_on,
        "kernels": {"in_file": len(c.measurements.kernels), "judged": len(held), "refused": list(c.measurements.refused)},
        "hot": _score([p.error for p in held]),
        "hot_large_groups": _score([p.error for p in held if p.group in c.large]),
        "cold": _score([p.cold_error for p in held]),
        "energy": _score([p.energy_error for p in held]),
        "groups": {g: {**asdict(s), "gated": g in c.large} for g, s in c.groups().items()},
        "splits": [asdict(s) for s in c.repeats],
        "bars": dict(c.passed),
        "parameters": [{**asdict(p), "identifiable": p.identifiable} for p in c.parameters],
        "predictions": [
            {**asdict(p), "error": p.error, "cold_error": p.cold_error, "energy_error": p.energy_error} for p in c.predictions
        ],
        "notes": list(c.measurements.notes),
    }


def _score(errors: Sequence[float | None]) -> dict[str, float] | None:
    s = Score.of(errors)
    return asdict(s) if s else None


def _parts(c: Calibration) -> list[RenderableType]:
    held = c.held_out
    parts: list[RenderableType] = [
        f"{c.measurements.device} as {c.device.name}: {len(c.measurements.kernels)} kernels of {c.measurements.source}",
        f"judged on {len(held)} kernels: {c.judged_on}",
        "",
        tables.rows_table(_summary_rows(c), right=("kernels", "mean error [%]", "median [%]", "p90 [%]", "bias [%]")),
        "",
        tables.rows_table(_parameter_rows(c), right=("value", "default", "lowest", "highest", "spread [%]")),
        "",
        f"the {WORST} kernels that are furthest off",
        tables.rows_table(_worst_rows(held), right=("predicted [µs]", "measured [µs]", "error [%]")),
        "",
    ]
    if c.repeats:
        parts.append("mean error of each split, held-out kernels: " + ", ".join(f"{100 * s.mean:.1f} %" for s in c.repeats))
    words = {True: "holds", False: "FAILS", None: "nothing to judge"}
    parts += [f"{words[ok]}: {what}" for what, ok in c.passed.items()]
    parts += [f"refused: {r}" for r in c.measurements.refused] + [f"note: {n}" for n in c.measurements.notes]
    return parts


def _summary_rows(c: Calibration) -> list[dict[str, object]]:
    held = c.held_out
    lines: list[tuple[str, list[float | None]]] = [
        ("hot latency, all", [p.error for p in held]),
        ("hot, groups of 5 or more", [p.error for p in held if p.group in c.large]),
        ("cold latency", [p.cold_error for p in held]),
        ("energy", [p.energy_error for p in held]),
    ]
    rows = [_row(what, errors) for what, errors in lines]
    for g in c.groups():
        rows.append(_row(f"  {g}{'' if g in c.large else ' (few, not gated)'}", [p.error for p in held if p.group == g]))
    return [r for r in rows if r is not None]


def _row(what: str, errors: Sequence[float | None]) -> dict[str, object] | None:
    s = Score.of(errors)
    if s is None:
        return {"what": what, "kernels": 0, "mean error [%]": "n/a", "median [%]": "n/a", "p90 [%]": "n/a", "bias [%]": "n/a"}
    return {
        "what": what,
        "kernels": s.n,
        "mean error [%]": f"{100 * s.mean:.1f}",
        "median [%]": f"{100 * s.median:.1f}",
        "p90 [%]": f"{100 * s.p90:.1f}",
        "bias [%]": f"{100 * s.bias:+.1f}",
    }


def _parameter_rows(c: Calibration) -> list[dict[str, object]]:
    return [
        {
            "parameter": p.name,
            "unit": UNITS[p.name] or "-",
            "value": f"{p.value:.4g}",
            "default": f"{p.default:.4g}",
            "lowest": f"{p.low:.3g}",
            "highest": f"{p.high:.3g}",
            "spread [%]": "-" if p.spread is None else f"{100 * p.spread:.1f}",
            "": "fitted" if p.identifiable else f"{'fitted' if p.fitted else 'fixed'}: {p.why}",
        }
        for p in c.parameters
    ]


def _worst_rows(held: Sequence[Prediction]) -> list[dict[str, object]]:
    worst = sorted(held, key=lambda p: -abs(p.error))[:WORST]
    return [
        {
            "kernel": p.name,
            "predicted [µs]": f"{1e6 * p.hot_s:.2f}",
            "measured [µs]": f"{1e6 * p.measured_hot_s:.2f}",
            "error [%]": f"{100 * p.error:+.1f}",
            "bound by": p.bound,
        }
        for p in worst
    ]


def calibration_page(c: Calibration) -> str:
    """The calibration as one page: scatter, residuals, roofline, parameters, every kernel."""
    s, e = Score.of([p.error for p in c.held_out]), Score.of([p.energy_error for p in c.held_out])
    tiles = [("held-out kernels", f"{len(c.held_out)}")]
    tiles += [("mean error, hot", units.percent(s.mean)), ("p90", units.percent(s.p90))] if s else []
    tiles += [("mean error, energy", units.percent(e.mean))] if e else []
    summary, parameters = _summary_rows(c), _parameter_rows(c)
    d = c.fitted
    ceilings = [
        (t, d.peaks[t] * d.parameters.matrix_efficiency)
        for t in ("bf16", "fp16", "fp32")
        if t in d.peaks and t not in d.vector_dtypes
    ][:1]
    ceilings += [(t, d.peaks[t] * d.parameters.vector_efficiency) for t in ("fp32",) if t in d.vector_dtypes]
    points = [
        (p.name, p.group.split()[0], p.ops / p.dram_bytes, p.ops / p.measured_hot_s)
        for p in c.predictions
        if p.ops and p.dram_bytes
    ]
    kernels = [
        [
            p.name,
            p.group,
            "fitted" if p.seen else "held out",
            f"{1e6 * p.measured_hot_s:.2f}",
            f"{1e6 * p.hot_s:.2f}",
            f"{100 * p.error:+.1f}",
            "-" if p.cold_error is None else f"{100 * p.cold_error:+.1f}",
            "-" if p.energy_error is None else f"{100 * p.energy_error:+.1f}",
            p.bound,
        ]
        for p in c.predictions
    ]
    head = (
        "kernel",
        "group",
        "part",
        "measured [µs]",
        "predicted [µs]",
        "error [%]",
        "cold error [%]",
        "energy error [%]",
        "bound by",
    )
    body = [
        html.tag("h1", f"{c.measurements.device}: measured beside modelled"),
        html.tag("p", f"{c.measurements.source}; judged on {c.judged_on}", "lead"),
        html.section("tiles", [html.section("tile", [html.tag("b", v), html.tag("span", k)]) for k, v in tiles]),
        html.tag("h2", "Predicted over measured"),
        machine_plots.scatter(c.predictions, "predicted over measured hot latency"),
        html.tag("h2", "Errors by group"),
        machine_plots.residuals(c.predictions, "signed errors by group"),
        html.table(list(summary[0]), [list(r.values()) for r in summary]),
        html.tag("h2", "Roofline: measured rates under the calibrated ceilings"),
        rooflines.machine_roofline(
            points, ceilings, [("DRAM", d.parameters.dram_bytes_per_s), ("cache", d.parameters.cache_bytes_per_s)], "roofline"
        ),
        html.tag("h2", "Parameters"),
        html.table(list(parameters[0]), [list(r.values()) for r in parameters], wrap=(7,)),
        html.tag("h2", "Promises"),
        html.table(
            ("what", "holds"), [(k, {True: "yes", False: "no", None: "nothing to judge"}[v]) for k, v in c.passed.items()]
        ),
        html.tag("h2", "Every kernel"),
        html.table(head, kernels, left=(0, 1, 2)),
    ]
    return document(f"{c.measurements.device} - picojoule", body)

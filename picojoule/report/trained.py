"""Trained nets on the terminal."""

from __future__ import annotations

from typing import Any

from picojoule.report import show, tables


def baseline(done: Any, as_json: bool) -> None:
    """Accuracy seed by seed, and the mean with its interval."""
    if as_json:
        rows = [{**r.to_json(), "percent": r.accuracy.percent, "interval": r.accuracy.interval} for r in done.records]
        show.json_only({
            "net": done.net, "data": done.data, "mean_percent": done.mean_percent,
            "interval_percent": done.interval_percent, "seeds": rows,
        })  # fmt: skip
        return
    table = []
    for r in done.records:
        low, high = r.accuracy.interval
        table.append({
            "seed": r.seed, "accuracy [%]": f"{r.accuracy.percent:.2f}", "95 % of n [%]": f"{low:.2f} to {high:.2f}",
            "test images": f"{r.accuracy.n:,}", "trained on": f"{r.trained_on:,}", "epochs": r.recipe.epochs,
            "CPU [s]": f"{r.cpu_s:.0f}",
        })  # fmt: skip
    half = done.interval_percent
    mean = f"{done.mean_percent:.2f} %" if half is None else f"{done.mean_percent:.2f} ± {half:.2f} % (Student, 95 %, over seeds)"
    show.print_parts(f"{done.net} on {done.data}, fp32", tables.rows_table(table), "", f"mean of {len(done.records)}: {mean}")

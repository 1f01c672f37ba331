"""Trained nets on the terminal: baselines, widths, an encoder's bits."""

from __future__ import annotations

from dataclasses import asdict
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


def quantised(done: Any, as_json: bool) -> None:
    """Line by line, and the points lost on average over the seeds."""
    widths = list(dict.fromkeys(x.bits for x in done.lines))
    if as_json:
        show.json_only({
            "calibration": done.calibration, "granularity": done.granularity,
            "mean_lost_percent": {str(b): done.mean_lost(b) for b in widths},
            "lines": [{**asdict(x), "best": x.best, "lost": x.lost} for x in done.lines],
        })  # fmt: skip
        return
    table = [{
        "seed": x.seed, "bits": f"W{x.bits}A{x.bits}", "fp32 [%]": f"{x.fp32:.2f}", "rounded [%]": f"{x.rounded:.2f}",
        "by onnxruntime [%]": _or(x.onnxruntime), "epochs on": x.epochs or "-", "trained on [%]": _or(x.trained),
        "fp32 trained on [%]": _or(x.trained_on_fp32), "lost [points]": f"{x.lost:+.2f}",
    } for x in done.lines]  # fmt: skip
    first = done.lines[0]
    show.print_parts(
        f"{first.net} on {first.data}, {first.n:,} test images; steps by {done.calibration}, weights per {done.granularity}",
        tables.rows_table(table), "",
        *(f"W{b}A{b}: {done.mean_lost(b):+.2f} points lost against equally trained floats, mean of the seeds" for b in widths),
    )  # fmt: skip


def _or(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def minilm(done: Any, as_json: bool) -> None:
    """What was tried, and the bits of each layer."""
    if as_json:
        show.json_only({**asdict(done), "lost_percent": done.lost_percent})
        return
    tried = [{
        "mean bits": f"{w.mean_bits:.2f}", "deciding part [%]": f"{w.decided.percent:.2f}",
        "test part [%]": "-" if w.tested is None else f"{w.tested.percent:.2f}",
    } for w in done.tried]  # fmt: skip
    layers = [{
        "layer": name, "bits": done.chosen.bits[name], **{f"1 - cosine at {w} b": f"{x:.2e}" for w, x in by.items()},
    } for name, by in done.change.items()]  # fmt: skip
    show.print_parts(
        f"MiniLM-L6, {done.weights:,} weights, frozen, with a logistic regression on {done.trained_on} SpamAssassin messages",
        f"fp32: {done.fp32_decided} to decide by; {done.fp32_tested} to report", "",
        tables.rows_table(tried), "", tables.rows_table(layers), "",
        f"{done.chosen.mean_bits:.2f} bits a weight: {done.chosen.tested}, {done.lost_percent:+.2f} points lost",
    )  # fmt: skip

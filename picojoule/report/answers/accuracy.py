"""Accuracy on arrays, and sensors, on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from picojoule.neardata.sensor import Frame, Sensor
from picojoule.neardata.study import Study
from picojoule.report import show, tables


def accuracy(study: Study, as_json: bool) -> None:
    """The study, setting by setting."""
    from picojoule.neardata.accuracy import front

    best = {id(p) for p in front(study.points)}
    if as_json:
        body = {k: v for k, v in asdict(study).items() if k not in ("array", "points", "tuned")}
        rows = [_json(p, False, id(p) in best) for p in study.points] + [_json(p, True, False) for p in study.tuned]
        show.json_only({**body, "array": study.array.name, "points": rows})
        return
    s = study
    show.print_parts(
        f"{s.net} on {s.data}, {s.epochs} epochs, seed {s.seed}: {s.fp32:.2f} % in fp32, {s.integers:.2f} % as integers of "
        f"{s.weight_bits} b weights and {s.input_bits} b inputs, {s.images} test images",
        f"array {s.array.name} of {s.chip}: {s.array.rows} x {s.array.columns}, {s.array.cell.bits} b cells, "
        f"{s.array.weights} weights, {s.array.inputs} inputs; {s.lossless_adc_bits} ADC bits lose nothing",
        "",
        tables.rows_table(
            [_row(p, "trained", id(p) in best) for p in s.points] + [_row(p, "fine-tuned", False) for p in s.tuned]
        ),
        "",
        "intervals: 95 %, over chips; noise in fractions of the conductance window",
    )


def _row(p: Any, what: str, best: bool) -> dict[str, object]:
    on = ", ".join(f"{k} {v:g}" for k, v in asdict(p.noise).items() if v and not (k == "hours" and v == 1.0)) or "none"
    row: dict[str, object] = {
        "weights": what,
        "ADC [b]": p.adc_bits,
        "noise": on,
        "accuracy": str(p.accuracy),
        "chips": len(p.accuracy.draws),
    }
    if p.energy_pj is not None:
        row |= {"energy [nJ]": f"{p.energy_pj / 1e3:.4g}", "": "on the front" if best else ""}
    return row


def _json(p: Any, tuned: bool, best: bool) -> dict[str, object]:
    return {
        "fine_tuned": tuned,
        "adc_bits": p.adc_bits,
        "noise": asdict(p.noise),
        "accuracy_percent": p.accuracy.mean,
        "interval_percent": p.accuracy.interval,
        "draws_percent": list(p.accuracy.draws),
        "n": p.accuracy.n,
        "energy_pj": p.energy_pj,
        "on_front": best,
    }


def sensor(rows: Sequence[tuple[str, Sensor, Frame]], as_json: bool) -> None:
    """Frames in every mode, beside plain pixels over the first link."""
    if as_json:
        show.json_only({"sensor": [{"what": w, **asdict(s), **asdict(f), "energy_pj": f.energy_pj} for w, s, f in rows]})
        return
    first = rows[0][2]
    table = [
        {
            "sensor and link": what,
            "conversions": f"{f.conversions:,.0f}",
            "sent [B]": f"{f.sent_bytes:,.0f}",
            "ADC [nJ]": f"{f.converters_pj / 1e3:.4g}",
            "columns [nJ]": f"{f.columns_pj / 1e3:.4g}",
            "link [nJ]": f"{f.link_pj / 1e3:.4g}",
            "analog MACs [nJ]": f"{f.analog_pj / 1e3:.4g}",
            "frame [nJ]": f"{f.energy_pj / 1e3:.4g}",
            "of pixels": f"{f.energy_pj / first.energy_pj:.3f}",
        }
        for what, _, f in rows
    ]
    show.print_parts(tables.rows_table(table))

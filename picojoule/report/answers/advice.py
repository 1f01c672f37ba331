"""Bottleneck advice on the terminal and as JSON: what limits each layer, and what every single change gained when it was run."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from picojoule.report import show, tables, units

if TYPE_CHECKING:  # comparing takes many more modules than showing what came of it
    from picojoule.compare.advice import Advice, Limit, Tried


def shown(a: Advice, as_json: bool) -> None:
    """The advice."""
    if as_json:
        show.json_only(to_json(a))
    else:
        show.print_parts(*_parts(a))


def to_json(a: Advice) -> dict[str, Any]:
    """Limits by layer, every change with predicted and obtained gain (fractions of the objective), and if the guess was right."""
    return {
        "model": a.model,
        "chip": a.chip.name,
        "objective": a.objective,
        "batch": a.batch,
        "bits": a.bits,
        "energy_pj": a.base.energy_pj,
        "latency_s": a.base.latency_s,
        "proved": a.base.proved,
        "predicted_best": a.predicted.change.name,
        "best": a.best.change.name,
        "prediction_was_best": a.right,
        "changes": [tried_json(t) for t in a.tried],
        "layers": [
            {
                "name": x.layer, "count": x.count, "latency_share": x.latency_share, "energy_share": x.energy_share,
                "waits_for": x.waits_for, "next_cause": x.next_cause, "slack": x.slack, "spends_on": x.spends_on,
                "spent_share": x.spent_share, "best_change": x.best_change, "best_gain": x.best_gain,
            }
            for x in a.limits
        ],
    }  # fmt: skip


def tried_json(t: Tried) -> dict[str, Any]:
    return {
        "change": t.change.name, "kind": t.change.kind, "price": t.change.price, "predicted_gain": t.predicted_gain,
        "gain": t.gain, "proved": t.proved, "note": t.note, "energy_pj": None if t.result is None else t.result.energy_pj,
        "latency_s": None if t.result is None else t.result.latency_s,
    }  # fmt: skip


def _parts(a: Advice) -> list[RenderableType]:
    goal = {"edp": "energy x delay", "energy": "energy", "latency": "latency"}[a.objective]
    head = (
        f"{a.model} on {a.chip.name}, {a.bits} b, batch {a.batch}: {units.energy(a.base.energy_pj)}, "
        f"{units.seconds(a.base.latency_s)}; what lowers {goal} per inference"
    )
    right = ("time [%]", "energy [%]", "slack", "of it [%]", "gain [%]")
    parts: list[RenderableType] = [head, "", tables.rows_table([_layer(x) for x in a.limits], right), ""]
    parts += [
        "time, energy: the layer's share of the network. slack: how many times longer the layer waits for its limit than it "
        "would for the next one; 1 means that lifting the limit alone gains nothing.",
        "",
        "every single change, run again with the best mapping of each layer:",
        tables.rows_table([_change(t) for t in a.tried], ("predicted [%]", "gain [%]")),
        "",
        _verdict(a),
        "Gains are of the objective, per inference; negative: worse. Predictions come from mappings of a smaller space.",
    ]
    return parts


def _layer(x: Limit) -> dict[str, object]:
    return {
        "layer": x.layer + (f" x{x.count}" if x.count > 1 else ""), "time [%]": f"{100 * x.latency_share:.1f}",
        "energy [%]": f"{100 * x.energy_share:.1f}", "waits for": x.waits_for, "then": x.next_cause or "-",
        "slack": f"{x.slack:.2f}" if isfinite(x.slack) else "-", "spends on": x.spends_on,
        "of it [%]": f"{100 * x.spent_share:.0f}", "best change for it": x.best_change or "none helps",
        "gain [%]": f"{100 * x.best_gain:.1f}",
    }  # fmt: skip


def _change(t: Tried) -> dict[str, object]:
    def percent(g: float | None) -> str:
        return "-" if g is None else f"{100 * g:+.1f}"

    return {
        "change": t.change.name, "kind": t.change.kind, "predicted [%]": percent(t.predicted_gain), "gain [%]": percent(t.gain),
        "proof": "proved" if t.proved else t.note or "-", "what it costs": t.change.price,
    }  # fmt: skip


def _verdict(a: Advice) -> str:
    best, predicted = a.best, a.predicted
    if (best.gain or 0.0) <= 0:
        return "no single change helps"
    text = f"helps most: {best.change.name} ({100 * (best.gain or 0):.1f} %)"
    if a.right:
        return f"{text}, as predicted"
    return f"{text}; predicted was {predicted.change.name}, which gains {100 * (predicted.gain or 0):.1f} %"

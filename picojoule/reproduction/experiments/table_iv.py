"""The survey's Table IV: weights and MACs of AlexNet and GoogLeNet, dense and pruned, as checked cards."""

from __future__ import annotations

from picojoule.ask import Progress
from picojoule.interop.load import load_model
from picojoule.published.model_card import ModelCard, table_iv
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row
from picojoule.workload.profile import profile

TRAINED = "needs the trained networks and images: which activations are zero"
HALF_A_DIGIT = {  # half a unit of the last digit that is printed: 2.3M, 58.6M, 6.0M, 1M
    ("alexnet dense", "CONV weights"): 0.05e6, ("alexnet dense", "FC weights"): 0.05e6,
    ("googlenet dense", "CONV weights"): 0.05e6, ("googlenet dense", "FC weights"): 0.5e6,
}  # fmt: skip


def _run(progress: Progress) -> Outcome:
    cards, rows = table_iv(), []
    for i, card in enumerate(cards):
        progress(i, len(cards), f"{card.model}, {card.variant}")
        rows += _rows(card)
    dense = {c.model: c for c in cards if c.variant == "dense"}
    checks = [
        Check(what=f"{r.what}: {r.group} follow from the shapes and round to what is printed",
              holds=abs(r.predicted - r.reported) <= HALF_A_DIGIT[r.what, r.group], detail=f"{r.error_percent or 0.0:+.2f} %")
        for r in rows
        if r.predicted is not None and r.reported is not None and not r.composed
    ]  # fmt: skip
    checks += [_fewer(c, dense[c.model]) for c in cards if c.variant == "sparse"]
    checks += [_below_dense(c) for c in dense.values()]
    return Outcome(rows=tuple(rows), checks=tuple(checks), tables={"Table IV": [_table_row(c) for c in cards]})


def _rows(c: ModelCard) -> list[Row]:
    what, counted = f"{c.model} {c.variant}", _shapes(c.model) if c.variant == "dense" else {}
    return [
        Row(what=what, group="CONV weights", unit="", reported=c.conv_weights, predicted=counted.get("conv_weights")),
        Row(what=what, group="FC weights", unit="", reported=c.fc_weights, predicted=counted.get("fc_weights")),
        Row(what=what, group="total weights", unit="", reported=c.total_weights, predicted=c.conv_weights + c.fc_weights,
            composed=True),
        Row(what=what, group="CONV non-zero MACs", unit="", reported=c.conv_macs, predicted=None, note=TRAINED),
        Row(what=what, group="total non-zero MACs", unit="", reported=c.total_macs, predicted=c.conv_macs + c.fc_macs,
            composed=True),
    ]  # fmt: skip


def _shapes(model: str) -> dict[str, float]:
    layers = profile(load_model(model)).to_json()["layers"]
    conv = sum(x["weights"] for x in layers if x["op"] == "Conv")
    return {"conv_weights": conv, "fc_weights": sum(x["weights"] for x in layers) - conv}


def _fewer(sparse: ModelCard, dense: ModelCard) -> Check:
    weights, macs = dense.total_weights / sparse.total_weights, dense.total_macs / sparse.total_macs
    loss = sparse.top5_error_percent - dense.top5_error_percent
    return Check(
        what=f"{sparse.model}: pruning removes weights and MACs at about one point of accuracy",
        holds=weights > 2 and macs > 2 and 0 < loss <= 1.05,
        detail=f"weights / {weights:.1f}, MACs / {macs:.1f}, error +{loss:.1f} points",
    )


def _below_dense(card: ModelCard) -> Check:
    """Non-zero MACs cannot exceed the MACs of the shapes."""
    macs = load_model(card.model).macs
    return Check(
        what=f"{card.model}: non-zero MACs lie below all MACs",
        holds=card.total_macs < macs,
        detail=f"{100 * card.total_macs / macs:.0f} % of {macs / 1e6:.0f} M",
    )


def _table_row(c: ModelCard) -> dict[str, object]:
    return {
        "network": c.model, "variant": c.variant, "top-5 error [%]": c.top5_error_percent, "data": c.data,
        "CONV weights [M]": c.conv_weights / 1e6, "CONV MACs [M]": c.conv_macs / 1e6, "FC weights [M]": c.fc_weights / 1e6,
        "FC MACs [M]": c.fc_macs / 1e6, "weights [M]": c.total_weights / 1e6, "MACs [M]": c.total_macs / 1e6,
    }  # fmt: skip


EXPERIMENT = Experiment(
    name="table-iv",
    claim="Table IV: metrics of AlexNet and GoogLeNet, dense and sparse; non-zero counts and accuracy",
    source="Sze, Chen, Yang, Emer, Proc. IEEE 105(12), 2017, Table IV (cell values recalled)",
    run=_run,
)

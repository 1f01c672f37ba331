"""The survey's Table II: weights and MACs of six popular networks, counted again from their shapes."""

from __future__ import annotations

from picojoule.ask import Progress
from picojoule.interop.load import load_model
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row
from picojoule.workload.profile import profile

# printed totals (weights, MACs); the survey rounds them. GoogLeNet's MACs are printed as 1.43 G.
PRINTED = {
    "alexnet": (61e6, 724e6),
    "overfeat-fast": (146e6, 2.8e9),
    "vgg16": (138e6, 15.5e9),
    "googlenet": (7e6, 1.43e9),
    "resnet50-v1": (25.5e6, 3.9e9),
}
ROUNDING_PERCENT = 1.5  # two to three printed digits
GOOGLENET = (
    "GoogLeNet's printed 1.43 G MACs follow if pooling rounds down (1.43156 G); "
    "its shapes, rounded up as in the paper, give 1.58 G"
)


def _run(progress: Progress) -> Outcome:
    rows = []
    for i, (name, (weights, macs)) in enumerate(PRINTED.items()):
        progress(i, len(PRINTED), name)
        network = load_model(name)
        totals = profile(network).to_json()["totals"]
        note = GOOGLENET if name == "googlenet" else ""
        rows.append(Row(what=name, group="weights", unit="", reported=weights, predicted=totals["weights"]))
        rows.append(Row(what=name, group="MACs", unit="", reported=macs, predicted=totals["macs"], note=note))
    checks = [
        Check(
            what=f"{r.what}: {r.group} as printed, within rounding ({ROUNDING_PERCENT:g} %)",
            holds=abs(r.error_percent or 0.0) <= ROUNDING_PERCENT,
            detail=f"{r.error_percent or 0.0:+.2f} %",
        )
        for r in rows
        if not r.note
    ]
    return Outcome(rows=tuple(rows), checks=tuple(checks), notes=(GOOGLENET,))


EXPERIMENT = Experiment(
    name="table-ii",
    claim="Table II: AlexNet has 61 M weights and 724 M MACs, VGG-16 138 M and 15.5 G, ResNet-50 25.5 M and 3.9 G, ...",
    source="Sze, Chen, Yang, Emer, Proc. IEEE 105(12), 2017, Table II and the text beside it",
    run=_run,
)

"""CSC against CSR by the shape of a layer: which vector has to be at hand, and what moves if it does not fit."""

from __future__ import annotations

from picojoule.ask import Progress
from picojoule.formats.compressed import csc_traffic, csr_traffic
from picojoule.interop.load import load_model
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row
from picojoule.workload.layer import Layer

MODELS = ("alexnet", "vgg16", "resnet50")
BUFFER_WORDS = 512  # for the vector at hand, about what a PE has


def _run(progress: Progress) -> Outcome:
    shapes: dict[tuple[int, int], str] = {}
    for i, name in enumerate(MODELS):
        progress(i, len(MODELS), name)
        for step in load_model(name).layers:
            shapes.setdefault(_matrix(step.layer), f"{name} {step.layer.name}")
    rows: list[Row] = []
    usual: list[bool] = []  # M <= C R S: does CSC move no more?
    others: list[bool] = []  # M > C R S: does CSR move less?
    for (outputs, inputs), name in sorted(shapes.items(), key=lambda x: x[0][0] / x[0][1]):
        csr, csc = csr_traffic(outputs, inputs, BUFFER_WORDS).words, csc_traffic(outputs, inputs, BUFFER_WORDS).words
        rows.append(
            Row(
                what=f"{name}: M = {outputs}, C R S = {inputs}",
                group="CSR words / CSC words",
                unit="",
                reported=None,
                predicted=csr / csc,
            )
        )
        if outputs <= inputs:
            usual.append(csc <= csr)
        else:
            others.append(csr < csc)
    wide = csr_traffic(8791, 300, BUFFER_WORDS).words < csc_traffic(8791, 300, BUFFER_WORDS).words
    checks = (
        Check(
            what="CSC moves no more than CSR wherever there are no more outputs than inputs (M <= C R S)",
            holds=all(usual),
            detail=f"{sum(usual)} of {len(usual)} shapes",
        ),
        Check(what="CSR moves less where M is much larger: 8791 x 300 (a decoder of words)", holds=wide),
        Check(
            what="CSC moves no more in most layers of these networks",
            holds=sum(usual) + others.count(False) > 0.8 * len(rows),
            detail=f"{sum(usual) + others.count(False)} of {len(rows)} shapes",
        ),
    )
    return Outcome(
        rows=tuple(rows),
        checks=checks,
        notes=(
            f"Words of the vectors of one product with {BUFFER_WORDS} words at hand; the nonzeros and their indices move once "
            "either way. The survey prints no numbers, so there is no error to state. "
            "CSR moves less where the inputs fit the buffer and the outputs do not: three 1x1 layers of ResNet-50.",
            "Beyond this CSC leaves out the columns of zero activations, as EIE does; CSR cannot.",
        ),
    )


def _matrix(layer: Layer) -> tuple[int, int]:
    """Outputs and inputs of the matrix-vector product that a layer is for one output position."""
    sizes = layer.bounds
    outputs = sizes.get("K", 1) if layer.op == "Conv" else sizes.get("N", 1)
    names = ("C", "R", "S") if layer.op == "Conv" else ("K",)
    inputs = 1
    for name in names:
        inputs *= sizes.get(name, 1)
    return outputs, inputs


EXPERIMENT = Experiment(
    name="csc-csr",
    claim="CSC asks for less bandwidth than CSR unless the filters are significantly more than the weights in a filter",
    source="Sze, Chen, Yang, Emer, Proc. IEEE 105(12), 2017, Section VII-B-2 and Fig. 44",
    run=_run,
)

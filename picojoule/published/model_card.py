"""The metric card of a network (survey Section VIII, Table IV): accuracy, and non-zero weights and MACs by kind of layer."""

from __future__ import annotations

import csv
from dataclasses import dataclass

from picojoule.errors import SpecError
from picojoule.published.platform import DATA

ROUNDING = 0.03  # sums of two- to three-digit figures


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """A trained network. Counts are of values that are not zero; MACs are those with both operands non-zero, per input.

    `total_weights` and `total_macs` are what the source prints; they have to be the sums of the two parts within its rounding.
    """

    model: str
    variant: str  # "dense", "sparse"
    data: str
    top5_error_percent: float
    conv_weights: float
    conv_macs: float
    fc_weights: float
    fc_macs: float
    total_weights: float
    total_macs: float
    bits: int | None
    source: str

    def __post_init__(self) -> None:
        if not self.data.strip() or not self.source.strip():
            raise SpecError(f"card of {self.model}: accuracy needs its data and a source", hint="such as ImageNet, single crop")
        if not 0 <= self.top5_error_percent <= 100:
            raise SpecError(f"card of {self.model}: a top-5 error of {self.top5_error_percent} %", hint="it is from 0 to 100")
        for what, parts, total in (
            ("weights", self.conv_weights + self.fc_weights, self.total_weights),
            ("MACs", self.conv_macs + self.fc_macs, self.total_macs),
        ):
            if abs(parts - total) > ROUNDING * total:
                raise SpecError(
                    f"card of {self.model}, {self.variant}: {what} add up to {parts:.4g}, not to {total:.4g}",
                    hint="the total is that of convolutions and fully-connected layers",
                )
        if self.fc_macs > self.fc_weights * (1 + ROUNDING):
            raise SpecError(
                f"card of {self.model}, {self.variant}: {self.fc_macs:.4g} MACs with {self.fc_weights:.4g} weights",
                hint="a fully-connected layer uses each weight once per input; were operations counted?",
            )


def table_iv() -> tuple[ModelCard, ...]:
    """The four cards of the survey's Table IV."""
    with open(DATA / "table_iv.csv", encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(line for line in f if not line.startswith("#")))
    return tuple(
        ModelCard(
            model=r["model"], variant=r["variant"], data=r["data"], top5_error_percent=float(r["top5_error_percent"]),
            conv_weights=float(r["conv_weights"]), conv_macs=float(r["conv_macs"]), fc_weights=float(r["fc_weights"]),
            fc_macs=float(r["fc_macs"]), total_weights=float(r["total_weights"]), total_macs=float(r["total_macs"]),
            bits=int(r["bits"]) if r["bits"] else None, source=r["source"],
        )
        for r in rows
    )  # fmt: skip

"""Accuracy against bits: linear steps and powers of two, with the right range and with one that is far too wide."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from picojoule.ask import Progress
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row

BITS = (2, 3, 4, 5, 6, 8)
KINDS = ("linear", "log")
WIDER = (1, 4, 16)  # the range over what the inputs need
SURVEY = {"linear": 27.8, "log": 5.0}  # points lost by VGG-16 on ImageNet at 4 b, the survey's Section VII-A


def _run(progress: Progress) -> Outcome:
    progress(0, 3, "a small net on digits")
    case = _Case()
    progress(1, 3, "bits")
    by_bits = {b: {k: case.percent(b, k) for k in KINDS} for b in BITS}
    progress(2, 3, "ranges")
    by_range = {f: {k: case.percent(4, k, wider=f, weights=False) for k in KINDS} for f in WIDER}
    lost = {b: {k: case.fp32 - v for k, v in row.items()} for b, row in by_bits.items()}
    linear, wide = by_bits, by_range[WIDER[-1]]
    rows = [
        Row(what=f"VGG-16 on ImageNet, 4 b, {k}", unit="points lost", reported=v, predicted=None, note="needs ImageNet")
        for k, v in SURVEY.items()
    ]
    rows += [Row(what=f"small net on digits, 4 b, {k}", unit="points lost", reported=None, predicted=lost[4][k]) for k in KINDS]
    rows += [
        Row(
            what=f"the same, inputs only, range {WIDER[-1]} times too wide, {k}",
            unit="points lost",
            reported=None,
            predicted=case.fp32 - wide[k],
        )
        for k in KINDS
    ]
    checks = (
        Check(
            what="at 4 b powers of two lose less than linear steps, as on VGG-16",
            holds=lost[4]["log"] < lost[4]["linear"],
            detail=f"{lost[4]['log']:+.2f} against {lost[4]['linear']:+.2f} points",
        ),
        Check(
            what="8 b linear loses at most half a point", holds=abs(lost[8]["linear"]) <= 0.5, detail=f"{lost[8]['linear']:+.2f}"
        ),
        Check(
            what="more bits never lose a point more (linear)",
            holds=all(linear[b]["linear"] >= linear[a]["linear"] - 1 for a, b in pairwise(BITS)),
        ),
        Check(
            what="beyond 4 b, powers of two gain less than a point: more bits add small values, not finer steps",
            holds=by_bits[8]["log"] - by_bits[4]["log"] < 1,
            detail=f"{by_bits[8]['log'] - by_bits[4]['log']:+.2f}",
        ),
        Check(
            what="values that span a wide range: at 4 b powers of two lose at least 10 points less than linear steps",
            holds=wide["log"] - wide["linear"] >= 10,
            detail=f"{wide['log']:.1f} against {wide['linear']:.1f} %",
        ),
    )
    tables: dict[str, list[dict[str, Any]]] = {
        f"accuracy [%] on {case.n} test digits, {case.fp32:.2f} % in fp32, weights and inputs of every layer":
            [{"bits": b, **{f"{k} [%]": round(v, 2) for k, v in row.items()}} for b, row in by_bits.items()],
        "4 b inputs whose range is wider than they need": [
            {"range": f"{f} x", **{f"{k} [%]": round(v, 2) for k, v in row.items()}} for f, row in by_range.items()],
    }  # fmt: skip
    said = "lose less" if lost[4]["linear"] < lost[4]["log"] else "lose more"
    return Outcome(
        rows=tuple(rows),
        checks=checks,
        tables=tables,
        notes=(
            f"With a range that fits, linear steps {said} than powers of two at 4 b on this net, against VGG-16's order; what "
            "turns the order is the spread of the values, as the second table shows.",
        ),
    )


class _Case:
    """A trained net and its test images."""

    def __init__(self) -> None:
        import torch

        from picojoule.learning.labelled import labelled
        from picojoule.learning.trained import trained

        data = labelled("digits")
        self.module, record = trained("small", data)
        self.fp32, self.n = record.accuracy.percent, record.accuracy.n
        self.images, self.labels = torch.from_numpy(data.test_images), torch.from_numpy(data.test_labels)
        self.given = torch.from_numpy(data.train_images[:512])

    def percent(self, bits: int, kind: Any, wider: int = 1, weights: bool = True) -> float:
        """Accuracy with one step a tensor, nothing cut off, after training."""
        from picojoule.compress.quantise.quantise import Bits, quantised, quantisers
        from picojoule.learning.accuracy import percent_right

        widths = Bits(weights=bits if weights else None, inputs=bits)
        made = quantised(self.module, widths, self.given, granularity="tensor", calibration="max", kind=kind)
        for _, _, q in quantisers(made):
            if q is not None:
                q.calibrated.mul_(wider)
        return percent_right(made, self.images, self.labels)


EXPERIMENT = Experiment(
    name="accuracy-bits",
    claim="at 4 b linear steps lose much and powers of two little (VGG-16: 27.8 and 5 points)",
    differs="the values of a small net span no wide range: it loses nothing to linear steps that fit them; with a range set too "
    "wide, the order is the survey's",
    source="Sze, Chen, Yang, Emer, Proc. IEEE 105(12), 2017, Section VII-A, after Miyashita, Lee, Murmann, arXiv 1603.01025",
    run=_run,
    needs=("torch", "sklearn"),
)

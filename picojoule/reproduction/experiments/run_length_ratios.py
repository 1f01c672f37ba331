"""Eyeriss' run-length code: what it saves by density, in closed form, on random tensors, and on AlexNet's feature maps."""

from __future__ import annotations

import math

import numpy as np

from picojoule.ask import Progress
from picojoule.formats import run_length
from picojoule.observed.statistics import statistics
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row

# input feature maps of AlexNet's CONV2 to CONV5: (words, zeros in %), Eyeriss JSSC 2017, Table V; CONV1's is not compressed
FMAPS = {
    "CONV2": (27 * 27 * 96, 38.7),
    "CONV3": (13 * 13 * 256, 72.5),
    "CONV4": (13 * 13 * 384, 79.3),
    "CONV5": (13 * 13 * 384, 77.6),
}
PUBLISHED_RATIO = 2.1
ELEMENTS = 300_000
ZEROS_PERCENT = (0.0, 10.0, 25.0, 38.7, 50.0, 72.5, 77.6, 79.3, 90.0, 99.0)


def _run(progress: Progress) -> Outcome:
    rng = np.random.default_rng(0)
    table, worst = [], 0.0
    for i, zeros in enumerate(ZEROS_PERCENT):
        progress(i, len(ZEROS_PERCENT), f"{zeros:g} % zeros")
        density = 1 - zeros / 100
        x = (rng.integers(1, 1 << 15, ELEMENTS) * (rng.random(ELEMENTS) < density)).astype(np.int16)
        coded, closed = run_length.encode(x), 16 / run_length.expected_bits(density)
        assert np.array_equal(run_length.decode(coded), x)
        worst = max(worst, abs(coded.ratio / closed - 1))
        table.append(
            {
                "zeros [%]": zeros,
                "ratio, closed form": round(closed, 3),
                "ratio, coded": round(coded.ratio, 3),
                "over entropy [%]": round(100 * (coded.bits / ELEMENTS / _entropy(density) - 1), 1),
            }
        )
    coded_words = sum(n * run_length.expected_bits(1 - zeros / 100) / 16 for n, zeros in FMAPS.values())
    ratio = sum(n for n, _ in FMAPS.values()) / coded_words
    rows = (
        Row(
            what="feature maps of AlexNet, CONV2 to CONV5",
            unit="",
            reported=PUBLISHED_RATIO,
            predicted=ratio,
            group="words / coded words",
            note="from the published share of zeros alone",
        ),
    )
    at = {z: 16 / run_length.expected_bits(1 - z / 100) for z in (25.0, 50.0, 77.6)}
    checks = (
        Check(
            what="coded tensors of independent zeros have the ratio of the closed form within 1 %",
            holds=worst < 0.01,
            detail=f"{100 * worst:.2f} %",
        ),
        Check(what="1.5 at 50 % and 3.35 at 77.6 % zeros", holds=round(at[50.0], 2) == 1.5 and round(at[77.6], 2) == 3.35),
        Check(what="below 25 % zeros the code is longer than the tensor", holds=at[25.0] <= 1.0 + 1e-4),
        Check(what="AlexNet's 2.1 within 10 %", holds=abs(ratio / PUBLISHED_RATIO - 1) < 0.1, detail=f"{ratio:.2f}"),
    )
    return Outcome(
        rows=rows,
        checks=checks,
        tables={f"{ELEMENTS:,} random elements": table, "real tensors": _real()},
        notes=(
            "Over entropy: of a coder that spends the entropy of the zeros and 16 b a nonzero. The papers have 5 "
            "to 10 % on real feature maps, whose zeros are clustered.",
        ),
    )


def _entropy(density: float) -> float:
    """Bits an element of independent zeros and incompressible 16 b nonzeros."""
    h = sum(-p * math.log2(p) for p in (density, 1 - density) if p)
    return h + 16 * density


def _real() -> list[dict[str, float | str]]:
    """Feature maps of the digits network."""
    found = statistics("digits", "digits", limit=100)
    rows: list[dict[str, float | str]] = []
    for name in ("conv1", "conv2", "conv3", "fc1"):
        t = found.layers[name]["output"]
        rows.append(
            {
                "tensor": f"output of {name}, digits",
                "zeros [%]": round(100 * (1 - t.density), 1),
                "ratio, coded": round(t.run_length_ratio, 3),
                "ratio of independent zeros": round(16 / run_length.expected_bits(t.density), 3),
            }
        )
    return rows


EXPERIMENT = Experiment(
    name="run-length-ratios",
    claim="Run-length coding of zeros (5 b runs, 16 b levels, three to a 64 b word) shrinks AlexNet's feature maps 2.1 times",
    source="Chen, Krishna, Emer, Sze, Eyeriss, JSSC 52(1), 2017, Section III-C; the survey, Section VII-B-1",
    run=_run,
)

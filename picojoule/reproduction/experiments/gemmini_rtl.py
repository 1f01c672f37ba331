"""RTL cycles of Gemmini for 1,567 mapped layers, each predicted by a fit that has not seen its shape."""

from __future__ import annotations

from collections import defaultdict
from statistics import median

from picojoule.ask import Progress
from picojoule.machines.gemmini.fit import unseen
from picojoule.machines.gemmini.latency import LEFT_OUT
from picojoule.machines.gemmini.rows import Row as Measured
from picojoule.machines.gemmini.rows import read_rows
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row

FOLDS = 4
LEAST_SPEARMAN, MOST_MEDIAN_PERCENT = 0.95, 20.0


def _run(progress: Progress) -> Outcome:
    rows = read_rows()
    progress(0, 1, f"{FOLDS} fits, each without a quarter of the shapes")
    predicted, scores = unseen(rows, FOLDS)
    of: dict[tuple[int, ...], list[tuple[Measured, float]]] = defaultdict(list)
    for row, cycles in zip(rows, predicted, strict=True):
        of[row.shape.size].append((row, float(cycles)))
    shapes = [
        Row(
            what=str(pairs[0][0].shape),
            group="matrix products" if pairs[0][0].shape.is_product else "convolutions",
            unit="cycles, median of its mappings",
            reported=median(r.cycles or 0.0 for r, _ in pairs),
            predicted=median(c for _, c in pairs),
            note=f"{len(pairs)} rows",
        )
        for _, pairs in sorted(of.items())
    ]
    checks = []
    for k, s in enumerate(scores, 1):
        name = f"fold {k} ({s.shapes} unseen shapes, {s.rows} rows)"
        checks += [
            Check(
                what=f"{name}: Spearman at least {LEAST_SPEARMAN}", holds=s.spearman >= LEAST_SPEARMAN, detail=f"{s.spearman:.3f}"
            ),
            Check(
                what=f"{name}: median error at most {MOST_MEDIAN_PERCENT:g} %",
                holds=s.median_error_percent <= MOST_MEDIAN_PERCENT,
                detail=f"{s.median_error_percent:.1f} %, mean {s.mean_error_percent:.1f} %",
            ),
        ]
    return Outcome(rows=tuple(shapes), checks=tuple(checks), notes=(f"left out: {LEFT_OUT}",))


EXPERIMENT = Experiment(
    name="gemmini-rtl",
    claim="RTL cycles of 1,567 layer/mapping pairs on Gemmini (60 shapes), from 4x4 to 64x64 MACs",
    source="DOSA project (Hong et al., MICRO 2023), FireSim runs, BSD-2-Clause",
    calibration="thirteen physical parameters, fitted in log cycles to three quarters of the shapes; judged on the other quarter",
    run=_run,
)

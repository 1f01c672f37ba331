"""Kernels measured on an H100, predicted by a model that was fitted to the other kernels of the file."""

from __future__ import annotations

from picojoule.ask import Progress
from picojoule.machines.kernels.calibrate import H100, calibrate
from picojoule.machines.kernels.measurements import load_measurements
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row


def _run(progress: Progress) -> Outcome:
    c = calibrate(load_measurements(H100), progress=progress)
    rows = []
    for p in c.held_out:
        few = "" if p.group in c.large else "group of fewer than five kernels"
        rows.append(Row(what=p.name, group="hot latency", unit="s", reported=p.measured_hot_s, predicted=p.hot_s, note=few))
    for p in c.held_out:
        rows.append(Row(what=p.name, group="cold latency", unit="s", reported=p.measured_cold_s, predicted=p.cold_s))
    for p in c.held_out:
        rows.append(Row(what=p.name, group="energy", unit="J", reported=p.measured_energy_j, predicted=p.energy_j))
    checks = [Check(what=what, holds=bool(ok)) for what, ok in c.passed.items() if ok is not None]
    for i, s in enumerate(c.repeats):
        what = f"split {i + 1}: mean error of the held-out kernels at most 15 %"
        checks.append(Check(what=what, holds=s.mean <= 0.15, detail=f"{100 * s.mean:.1f} %, 90th percentile {100 * s.p90:.1f} %"))
    parameters = [
        {"parameter": p.name, "value": p.value, "default": p.default, "how": "fitted" if p.fitted else f"fixed: {p.why}"}
        for p in c.parameters
    ]
    return Outcome(rows=tuple(rows), checks=tuple(checks), notes=c.measurements.notes, tables={"parameters": parameters})


EXPERIMENT = Experiment(
    name="h100-kernels",
    claim="82 GEMM, convolution, attention and memory-bound kernels of one H100: latency hot and cold, energy of the board",
    source="measured with torch 2.11, CUDA 13.0 and cuDNN 9.19 (picojoule/machines/kernels/data/h100_kernels.json)",
    calibration="up to twelve parameters fitted to two thirds of the kernels; only the other third is shown here",
    run=_run,
)

"""SCALE-Sim's stall-free cycles of matrix products and convolutions on systolic arrays, from the closed form."""

from __future__ import annotations

import csv
from importlib.resources import files

from picojoule.ask import Progress
from picojoule.machines.systolic.systolic import Array, as_product, timing
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row
from picojoule.workload.layer import Layer, conv, gemm

OFF_BY_ONE = "SCALE-Sim prints the index of the last busy cycle, counted from 0: one less than the cycles that pass"
ROUNDING = "SCALE-Sim rounds the output of strided convolutions up: one row and one column too many"


def points() -> list[dict[str, str]]:
    """The rows of `systolic_cycles.csv`: shape, array, dataflow and what the tool counted."""
    text = files("picojoule.published").joinpath("data/systolic_cycles.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def layer_of(point: dict[str, str], as_the_tool: bool) -> Layer:
    """The layer of a row; `as_the_tool` rounds the output of a strided convolution as SCALE-Sim does."""
    n = {k: int(v) for k, v in point.items() if v.isdigit()}
    if point["kind"] == "gemm":
        return gemm(point["name"], M=n["M"], N=n["N"], K=n["K"])
    up = n["stride"] - 1 if as_the_tool else 0
    p, q = ((size - window + up) // n["stride"] + 1 for size, window in ((n["H"], n["R"]), (n["W"], n["S"])))
    return conv(point["name"], K=n["K"], C=n["C"], P=p, Q=q, R=n["R"], S=n["S"], stride=n["stride"])


def _run(progress: Progress) -> Outcome:
    rows, efficient, strided = [], True, []
    for point in points():
        array = Array(rows=int(point["rows"]), columns=int(point["columns"]))
        as_tool = timing(as_product(layer_of(point, True)), array, point["dataflow"])
        ours = timing(as_product(layer_of(point, False)), array, point["dataflow"])
        what = f"{point['name']} on {point['rows']}x{point['columns']}"
        note = f"{ROUNDING}; with the right size {ours.cycles:,}" if ours != as_tool else ""
        strided += [what] if note else []
        reported = float(point["cycles"])
        rows.append(
            Row(what=what, unit="cycles", reported=reported, predicted=as_tool.cycles - 1, group=point["dataflow"], note=note)
        )
        efficient &= abs(100 * as_tool.mapping_efficiency - float(point["map_eff_percent"])) < 1e-3
    equal = sum(r.predicted == r.reported for r in rows)
    return Outcome(
        rows=tuple(rows),
        checks=(
            Check(what="all 78 points equal, to the cycle", holds=equal == len(rows) == 78, detail=f"{equal} of {len(rows)}"),
            Check(what="occupied PEs, mean over the folds, as printed (0.001 points)", holds=efficient),
        ),
        notes=(
            f"{OFF_BY_ONE}; `predicted` is our count minus 1, and a walk of the registers confirms ours",
            f"{ROUNDING} ({len(strided)} points); `predicted` follows it so that the points can be compared",
            "its output-stationary folds leave out that results have to leave the array; `pj systolic --drain` counts it",
        ),
    )


EXPERIMENT = Experiment(
    name="systolic-cycles",
    claim="SCALE-Sim v3: 78 matrix products and convolutions on 32x32 and 16x8 arrays, weight, output and input stationary",
    source="runs of SCALE-Sim 3.0.0 (Samajdar et al., ISPASS 2020; Raj et al., 2025), stall-free mode",
    run=_run,
)

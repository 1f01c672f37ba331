"""TPU v1: the roofline over weights, the tiles of its array, and six applications' operations a second.

Blind: layers, weights, operations a weight byte, batch, 34 GB/s, 700 MHz and the 256 x 256 array. A tile of weights (64 KiB) is
fetched, shifted in behind the running one, and used for as many rows as each weight has uses; the slowest of the three sets the
pace. Matrices are taken as square and of the mean size of their application's layers, unless the paper prints a size.
The counters of the paper's Table 3 then say where the two applications that do not meet the bar lose their time.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from picojoule.ask import Progress
from picojoule.machines.systolic.systolic import Array, Product, timing
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row

CLOCK_HZ, SIDE, BYTES_PER_S = 700e6, 256, 34e9
ARRAY = Array(rows=SIDE, columns=SIDE, preload_overlap=True)
PEAK_TOPS = 2 * SIDE**2 * CLOCK_HZ / 1e12  # 91.75, printed as 92
PRINTED_PEAK_TOPS = 92.0
TILE_BYTES = SIDE**2
BAR_PERCENT = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A row of `tpu_v1.csv`: shape of an application, what was measured, and the counters in percent of the cycles."""

    name: str
    matrix_layers: float
    weights: float
    uses: float
    tops: float
    active: float
    useful: float
    stall: float
    shift: float
    other: float
    matrix_side: float | None
    wide: bool


@cache
def applications() -> tuple[Application, ...]:
    """The six applications of the paper."""
    text = files("picojoule.published").joinpath("data/tpu_v1.csv").read_text(encoding="utf-8")
    found = []
    for row in csv.DictReader(line for line in text.splitlines() if not line.startswith("#")):
        name, side, wide = row.pop("name"), row.pop("matrix_side"), row.pop("wide")
        numbers = {k: float(v) for k, v in row.items()}
        found.append(Application(name=name, matrix_side=float(side) if side else None, wide=wide == "1", **numbers))
    return tuple(found)


MET = ("MLP0", "MLP1", "LSTM0", "CNN0")  # the others miss the bar, and the notes say why


def roofline_tops(a: Application) -> float:
    """The lower of the array's peak and what the weight bandwidth feeds, in TOPS (a MAC is two operations)."""
    return min(PEAK_TOPS, 2 * a.uses * BYTES_PER_S / 1e12)


def fetch_cycles(side: int = SIDE) -> float:
    """Cycles to bring one tile of weights from memory."""
    return side**2 / BYTES_PER_S * CLOCK_HZ


def filled(a: Application) -> float:
    """Share of the array that holds weights: square matrices cut into tiles of the array."""
    size = a.matrix_side or math.sqrt(a.weights / a.matrix_layers)
    return (size / (SIDE * math.ceil(size / SIDE))) ** 2


def tiles_tops(a: Application) -> float:
    """TOPS when every tile takes the longest of being fetched, shifted in and used."""
    tiles = 100  # enough that the first fill and the last skew do not matter, as in a running service
    rows = round(a.uses * (2 if a.wide else 1))
    array_cycles = timing(Product(M=rows, N=SIDE, K=SIDE * tiles), ARRAY, "ws").cycles / tiles
    return 2 * filled(a) * TILE_BYTES * a.uses / max(array_cycles, fetch_cycles()) * CLOCK_HZ / 1e12


def counters_tops(a: Application) -> float:
    """TOPS that the counters of Table 3 imply: useful MACs on active cycles, at half speed where activations are wide."""
    return PRINTED_PEAK_TOPS * a.useful / 100 * (0.5 if a.wide else 1.0)


def _run(progress: Progress) -> Outcome:
    rows: list[Row] = []
    for a in applications():
        rows.append(Row(what=a.name, unit="TOPS", group="roofline", reported=a.tops, predicted=roofline_tops(a)))
        note = "" if a.name in MET else "why: see the notes"
        rows.append(Row(what=a.name, unit="TOPS", group="tiles", reported=a.tops, predicted=tiles_tops(a), note=note))
        rows.append(Row(what=a.name, unit="TOPS", group="counters", reported=a.tops, predicted=counters_tops(a), composed=True))
    for side, tiles, printed in ((256, 9, 18.0), (512, 4, 32.0)):
        ours = tiles * fetch_cycles(side) / CLOCK_HZ * 1e6
        what = f"600x600 matrix of LSTM1 in {tiles} tiles of {side}x{side}"
        rows.append(Row(what=what, unit="us", group="one matrix", reported=printed, predicted=ours))
    ridge = PEAK_TOPS * 1e12 / 2 / BYTES_PER_S
    rows.append(Row(what="ridge of the roofline", unit="MAC per weight byte", group="ridge", reported=1350.0, predicted=ridge))
    tables = {"a tile of weights, by the counters": _tile_table()}
    return Outcome(rows=tuple(rows), checks=_checks(rows), notes=_notes(), tables=tables)


def _checks(rows: list[Row]) -> tuple[Check, ...]:
    by = {(r.group, r.what): r for r in rows}

    def within(group: str, name: str, percent: float) -> Check:
        error = by[group, name].error_percent
        assert error is not None
        return Check(what=f"{name}: {group} within {percent:g} %", holds=abs(error) <= percent, detail=f"{error:+.1f} %")

    checks = [within("tiles", n, BAR_PERCENT) for n in MET]
    checks += [within("roofline", n, BAR_PERCENT) for n in MET]
    checks.append(within("counters", "LSTM1", BAR_PERCENT))  # its gap is explained by the paper's own counters
    checks.append(within("ridge", "ridge of the roofline", 1.0))
    checks += [within("one matrix", r.what, 5.0) for r in rows if r.group == "one matrix"]
    for a in applications():
        if a.stall > 50 or a.name == "MLP1":  # the four that wait for weights: what is not idle must be the fetch of a tile
            busy = (1 - a.other / 100) * SIDE / (a.shift / 100)
            off = 100 * (fetch_cycles() / busy - 1)
            what = f"{a.name}: fetching a tile takes the cycles that the counters leave for it, within 5 %"
            detail = f"{fetch_cycles():,.0f} against {busy:,.0f}: {off:+.1f} %"
            checks.append(Check(what=what, holds=abs(off) <= 5, detail=detail))
    return tuple(checks)


def _tile_table() -> list[dict[str, Any]]:
    """Cycles a tile, from Table 3: a shift takes 256 cycles, so a tile takes 256 / (share of shift cycles)."""
    out = []
    for a in applications():
        if a.shift:
            tile = SIDE / (a.shift / 100)
            out.append(
                {
                    "application": a.name,
                    "uses a weight": f"{a.uses:g}",
                    "active [cycles]": f"{tile * a.active / 100:.0f}",
                    "weight stall [cycles]": f"{tile * a.stall / 100:.0f}",
                    "shift [cycles]": SIDE,
                    "not matrix [cycles]": f"{tile * a.other / 100:.0f}",
                    "all [cycles]": f"{tile:.0f}",
                    "fetch, ours [cycles]": f"{fetch_cycles():.0f}",
                }
            )
    return out


def _notes() -> tuple[str, ...]:
    return (
        "composed rows restate the paper's counters (useful MACs x 92 TOPS); they predict nothing",
        "the two LSTMs: the counters' useful MACs say twice the TOPS that were measured, and a tile is active for about twice as "
        "many cycles as it has uses; both follow if activations have 16 bits, at which the array runs at half speed (section 2)",
        _why_lstm1(next(a for a in applications() if a.name == "LSTM1")),
        _why_cnn1(next(a for a in applications() if a.name == "CNN1")),
    )


def _why_lstm1(a: Application) -> str:
    """From the roofline down to what was measured, one loss after the other."""
    rows = SIDE / (a.shift / 100) * a.active / 100 / 2
    at_work = tiles_tops(a) * (1 - a.other / 100)
    return (
        f"LSTM1: {roofline_tops(a):.2f} TOPS by the roofline; its 600x600 matrices fill {100 * filled(a):.0f} % of nine tiles: "
        f"{tiles_tops(a):.2f}; {a.other} % of the cycles do no matrix work and are not hidden behind the fetch: {at_work:.2f}; a "
        f"tile is active for {2 * rows:.0f} cycles, {rows:.0f} rows at half speed and not {a.uses:.0f}: "
        f"{at_work * rows / a.uses:.2f}; measured {a.tops}"
    )


def _why_cnn1(a: Application) -> str:
    """What the counters say, and what stays open."""
    waits = (a.stall + a.shift) / 100
    batch_s = 2 * a.uses * a.weights / (a.tops * 1e12)
    once_s = a.weights / BYTES_PER_S
    return (
        f"CNN1: layers and weights do not tell its shapes. The counters do: the array is active in {a.active} % of the cycles "
        f"(four fully connected layers with 32 uses a weight keep it waiting for weights in {100 * waits:.1f} %) and then holds "
        f"useful weights in {100 * a.useful / a.active:.0f} % of its MACs (shallow layers): {counters_tops(a):.1f} TOPS. The "
        f"measured {a.tops} is lower still; the paper calls its counters and its measured row not perfectly consistent. At "
        f"{a.tops} TOPS a batch takes {1e3 * batch_s:.1f} ms, {1e3 * batch_s * waits:.1f} ms of it fetching weights that take "
        f"{1e3 * once_s:.1f} ms once: they are fetched about {batch_s * waits / once_s:.0f} times, or lie in tiles that are "
        "mostly empty"
    )


EXPERIMENT = Experiment(
    name="tpu-v1",
    claim="TPU v1: six applications at 12.3, 9.7, 3.7, 2.8, 86.0 and 14.1 TOPS, under 92 TOPS and 34 GB/s of weights",
    source="Jouppi et al., ISCA 2017, Tables 1 to 3 and section 7",
    run=_run,
)

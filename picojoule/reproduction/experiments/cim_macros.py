"""Four published compute-in-memory macros: energy over precision, data and supply, with one constant for each chip."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean

from picojoule.ask import Progress
from picojoule.hardware.array.in_memory import Array
from picojoule.interop.load import load_chip
from picojoule.neardata.macro import array_of, at_voltage, calibrated, peak, with_adc_bits
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row


@dataclass(frozen=True)
class Point:
    """One reported figure of a macro: widths, supply, data, and its energy efficiency."""

    weight_bits: int
    input_bits: int
    voltage_v: float
    tops_per_w: float
    label: str
    adc_bits: int | None = None
    input_mean: float | None = None


def _fj(bits: int, volts: float, fj_per_mac: float) -> Point:
    return Point(bits, bits, volts, 2e3 / fj_per_mac, f"{bits} b, {volts:g} V")


# the first point of each chip fixes its constant
NEURRAM = tuple(
    Point(4, i, 1.8, e, f"in {i} b, out {o} b, 1.8 V", adc_bits=o)
    for o, i, e in ((6, 4, 16.0), (3, 1, 43.1), (4, 2, 40.3), (5, 3, 23.1), (8, 6, 8.26), (10, 8, 6.44))
)
SINANGIL = tuple(
    Point(4, 4, v, e, f"output {o}, {v:g} V", input_mean=o / 15)
    for v, o, e in ((0.8, 6, 351.0), (0.8, 0, 610.0), (0.8, 15, 262.0), (1.0, 0, 436.0), (1.0, 6, 321.0), (1.0, 15, 189.0))
)
_COLONNADE_FJ = ((0.6, (292, 17, 104, 990)), (0.7, (725, 43, 261, 2516)), (0.8, (1170, 68, 423, 3995)))  # of 8, 1, 4, 16 b
COLONNADE = tuple(_fj(b, v, e) for v, line in _COLONNADE_FJ for b, e in zip((8, 1, 4, 16), line, strict=True))
JIA = (Point(1, 1, 0.85, 400.0, "1 b, 0.85 V"), Point(1, 1, 1.2, 192.0, "1 b, 1.2 V"))
CHIPS = {"neurram": NEURRAM, "sinangil-2021": SINANGIL, "colonnade": COLONNADE, "jia-2020": JIA}
TOPS = {  # TOPS and TOPS/mm2, of all arrays, at the supply and precision of the first point
    "neurram": ((0.744, None), 48), "sinangil-2021": ((0.3724, 116.0), 1), "colonnade": ((None, None), 1),
    "jia-2020": ((0.874, 0.24), 1),
}  # fmt: skip
OWN_PARTS = ("neurram",)  # chips whose own component energies are part of the model: composed, not predicted
NEURRAM_TOPS = {(3, 1): 2.12, (4, 2): 1.79, (5, 3): 1.17, (8, 6): 0.418, (10, 8): 0.264}
SHARES = {  # percent of the energy, as reported: name, our parts
    "neurram": (("word lines", 34.9, ("input register", "row drivers")), ("cells (pulses)", 18.4, ("cells", "columns")),
                ("neurons", 46.6, ("sample and hold", "integration", "ADC", "shift and add", "output register"))),
    "jia-2020": (("ADC", 15.6, ("ADC",)), ("array and its drivers", 84.4, ("cells", "columns", "row drivers", "input register"))),
    "colonnade": (("cells: gates and adders", 60.0, ("cells", "adders")),),
}  # fmt: skip


def _array(base: Array, p: Point) -> Array:
    array = at_voltage(base, p.voltage_v)
    array = with_adc_bits(array, p.adc_bits) if p.adc_bits else array
    return array if p.input_mean is None else replace(array, input_mean=p.input_mean)


def _run(progress: Progress) -> Outcome:
    rows: list[Row] = []
    checks: list[Check] = []
    for n, (name, points) in enumerate(CHIPS.items()):
        progress(n, len(CHIPS), name)
        base = array_of(load_chip(name))
        first = points[0]
        factor = calibrated(_array(base, first), 2 / first.tops_per_w, first.weight_bits, first.input_bits).calibration
        rows += _efficiency(name, base, points, factor)
        rows += _throughput(name, base)
        rows += _shares(name, base, first)
        same = f"{name}, same supply"
        if any(r.group == same for r in rows):
            checks.append(_bar(rows, same))
    notes = (
        "each constant is fixed at the row `calibration`; `uncalibrated` rows use none",
        "NeuRRAM's column energies (sample, integrate, compare, shift-add) are its own, as the Accelergy library lists them",
        "NeuRRAM: 62.4 fJ of its breakdown at 6 b out, 4 b in are one of two operations of a MAC (16.0 TOPS/W)",
        "Colonnade grows by 4.1 from 0.6 to 0.8 V where C V^2 gives 1.8: its reported supplies come with other frequencies",
        "Jia: no other precision at the same supply is among our facts, so only the other supply is predicted",
    )
    return Outcome(rows=tuple(rows), checks=tuple(checks), notes=notes)


def _efficiency(name: str, base: Array, points: tuple[Point, ...], factor: float) -> list[Row]:
    rows = []
    first = points[0]
    for p in points:
        raw = peak(_array(base, p), p.weight_bits, p.input_bits).tops_per_w
        if p is first:
            group = f"{name}, calibration"
        else:
            group = f"{name}, same supply" if p.voltage_v == first.voltage_v else f"{name}, other supply"
        rows.append(
            Row(
                what=p.label,
                group=group,
                unit="TOPS/W",
                reported=p.tops_per_w,
                predicted=raw / factor,
                composed=p is first or name in OWN_PARTS,
                note=f"constant {factor:.3g}" if p is first else "",
            )
        )
        rows.append(
            Row(
                what=p.label,
                group=f"{name}, uncalibrated",
                unit="TOPS/W",
                reported=p.tops_per_w,
                predicted=raw,
                composed=name in OWN_PARTS,
            )
        )
    return rows


def _throughput(name: str, base: Array) -> list[Row]:
    (tops, density), count = TOPS[name]
    p = peak(base)
    rows = []
    if tops is not None:
        rows.append(
            Row(
                what="peak",
                group=f"{name}, throughput",
                unit="TOPS",
                reported=tops,
                predicted=count * p.tops,
                composed=True,
                note="follows from the reported times",
            )
        )
    if density is not None:
        rows.append(Row(what="peak", group=f"{name}, density", unit="TOPS/mm2", reported=density, predicted=p.tops_per_mm2))
    if name == "neurram":
        rows += [
            Row(
                what=f"in {i} b, out {o} b",
                group="neurram, throughput at other precisions",
                unit="TOPS",
                reported=t,
                predicted=count * peak(with_adc_bits(base, o), 4, i).tops,
            )
            for (o, i), t in NEURRAM_TOPS.items()
        ]
    return rows


def _shares(name: str, base: Array, first: Point) -> list[Row]:
    p = peak(_array(base, first), first.weight_bits, first.input_bits)
    return [
        Row(
            what=what,
            group=f"{name}, share of energy",
            unit="%",
            reported=percent,
            composed=name in OWN_PARTS,
            predicted=100 * sum(p.share(part) for part in parts),
        )
        for what, percent, parts in SHARES.get(name, ())
    ]


def _bar(rows: list[Row], group: str) -> Check:
    """Mean |error| of a group, composed rows included, at most 20 %."""
    mean = fmean(abs(r.error_percent or 0.0) for r in rows if r.group == group)
    return Check(what=f"mean error of {group} at most 20 %", holds=mean <= 20.0, detail=f"{mean:.2f} %")


EXPERIMENT = Experiment(
    name="cim-macros",
    claim="energy efficiency of Jia 2020, Sinangil 2021, NeuRRAM 2022 and Colonnade 2021 over precision, data and supply",
    source="the papers' figures as collected in the CiMLoop tests",
    run=_run,
    calibration="one constant for each chip at its first point; NeuRRAM's step time from its TOPS at that point",
)

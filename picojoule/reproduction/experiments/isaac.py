"""ISAAC's tile: recomposed from its own components, through our array object, and blind with the survey's ADC."""

from __future__ import annotations

from dataclasses import replace

from picojoule.ask import Progress
from picojoule.hardware.array.in_memory import Array
from picojoule.interop.load import load_chip
from picojoule.neardata.macro import array_of, peak
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row

UNITS, ARRAYS = 12, 8  # a tile has 12 units of 8 crossbars
UNIT = {  # Table I, one unit: mW, mm2
    "ADC": (16.0, 0.0096), "DAC": (4.0, 0.00017), "sample and hold": (0.01, 0.00004), "crossbars": (2.4, 0.0002),
    "shift and add": (0.2, 0.00024), "input register": (1.24, 0.0021), "output register": (0.23, 0.00077),
}  # fmt: skip
TILE = {"eDRAM": (20.7, 0.083), "bus": (7.0, 0.090), "router, a quarter": (42 / 4, 0.151 / 4)}
TILE_MW, TILE_MM2, ADC_POWER, ADC_AREA = 330.0, 0.372, 58.0, 31.0
NOTE = "without the tile's sigmoid, pooling and output register, 2.7 mW and 0.005 mm2 together"


def _run(progress: Progress) -> Outcome:
    mw, mm2 = (UNITS * sum(v[k] for v in UNIT.values()) + sum(v[k] for v in TILE.values()) for k in (0, 1))
    array = replace(array_of(load_chip("isaac")), input_mean=1.0, weight_mean=1.0)  # Table I lists maxima
    rows = [
        Row(what="tile power", group="Table I", unit="mW", reported=TILE_MW, predicted=mw, composed=True, note=NOTE),
        Row(what="tile area", group="Table I", unit="mm2", reported=TILE_MM2, predicted=mm2, composed=True, note=NOTE),
        Row(what="ADC share of power", group="Table I", unit="%", reported=ADC_POWER, composed=True,
            predicted=100 * UNITS * UNIT["ADC"][0] / mw),
        Row(what="ADC share of area", group="Table I", unit="%", reported=ADC_AREA, composed=True,
            predicted=100 * UNITS * UNIT["ADC"][1] / mm2),
    ]  # fmt: skip
    assert array.adc is not None
    survey = replace(array, adc=replace(array.adc, kind="survey"))
    for group, chosen, composed in (("array object", array, True), ("array object, survey ADC", survey, False)):
        rows += _through_the_array(group, chosen, composed)
    rows += [
        Row(what="conversions per MAC at 16 bits", unit="", reported=1.0, predicted=array.conversions_per_mac(16, 16)),
        Row(what="lossless ADC bits", unit="b", reported=9.0, predicted=float(array.lossless_adc_bits(16, 16)),
            note="8 after ISAAC's flipped columns"),
    ]  # fmt: skip
    checks = [_within(r, 10.0) for r in rows if r.composed]
    exact = [Check(what=f"{r.what} is {r.reported:g}", holds=r.predicted == r.reported) for r in rows[-2:]]
    return Outcome(
        rows=tuple(rows),
        checks=(*checks, *exact),
        notes=("rows of the survey ADC are predicted blind and not gated: its area is several times ISAAC's",),
    )


def _through_the_array(group: str, array: Array, composed: bool) -> list[Row]:
    """A tile of 96 crossbars by `peak`, with eDRAM, bus and router of Table I around it."""
    p = peak(array, 16, 16)
    count = UNITS * ARRAYS
    mw = count * p.energy_pj / p.seconds * 1e-9 + sum(v[0] for v in TILE.values())
    mm2 = count * sum(p.area_um2.values()) * 1e-6 + sum(v[1] for v in TILE.values())
    adc_mw, adc_mm2 = count * p.parts_pj["ADC"] / p.seconds * 1e-9, count * p.area_um2["ADC"] * 1e-6

    def row(what: str, unit: str, reported: float, predicted: float) -> Row:
        return Row(what=what, group=group, unit=unit, reported=reported, predicted=predicted, composed=composed)

    return [
        row("tile power", "mW", TILE_MW, mw), row("tile area", "mm2", TILE_MM2, mm2),
        row("ADC share of power", "%", ADC_POWER, 100 * adc_mw / mw),
        row("ADC share of area", "%", ADC_AREA, 100 * adc_mm2 / mm2),
    ]  # fmt: skip


def _within(row: Row, percent: float) -> Check:
    error = row.error_percent or 0.0
    return Check(what=f"{row.group}: {row.what} within {percent:g} %", holds=abs(error) <= percent, detail=f"{error:+.1f} %")


EXPERIMENT = Experiment(
    name="isaac",
    claim="an ISAAC tile takes 330 mW and 0.372 mm2; ADCs are 58 % of its power and 31 % of its area",
    source="Shafiee et al., ISCA 2016, Table I (recalled, consistent with the Accelergy library's isaac components)",
    run=_run,
)

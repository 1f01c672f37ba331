"""Analog to digital converters: energy and area from the survey regression, and ISAAC's own table."""

from __future__ import annotations

import math

from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.components.components import component
from picojoule.hardware.components.technology import scale_area, scale_energy
from picojoule.quantities.estimate import Estimate, exactly, table

SURVEY = "ADC survey regression (Murmann survey; Andrulis et al., arXiv 2404.06553)"
ISAAC = "ISAAC's ADC table, 32 nm (8 b: 16 mW for 8 at 1.2 GS/s)"
ADC_MODELS = ("survey", "isaac")
# the regression's published coefficients (model.yaml of the Accelergy ADC plug-in), logarithms natural
_SPEED = (213.7806687348118, -2.8719030399529957)  # FOMS in dB: one, per ln f
_NOISE = (128.3068287398817, 3.2205115109775)  # FOMS in dB: one, per whole bit
_SCALE = (26.0496215686518 - 1.4702022133784405, 1.8800369206815004, -2.8291256050594527)  # ln E: one, per ln T, per ln b
_AREA = (0.9932794744745022, 0.18071538424508238, 0.29912426192653485, 1.3461916439910742)  # ln A: per ln T, ln f, ln E; one
RATE_HZ, NODE_NM, BITS = (1e3, 1e10), (7.0, 180.0), (1.0, 16.0)


def survey_adc_pj(bits: float, rate_hz: float, technology_nm: float) -> float:
    """Energy of one conversion in pJ, leakage included: what the better converters of the survey reach.

    SNDR = 6.0206 b + 1.7609 dB; FOMS = min(213.7807 - 2.8719 ln f, 128.3068 + 3.22051 ceil(b)) dB, by speed or by noise;
    E = 0.5 * 10^((SNDR - FOMS)/10) * exp(26.04962 + 1.880037 ln T - 2.829126 ln b - 1.470202). The published coefficients have
    more digits (below). b is the effective number of bits, at least 4: below, the energy is that of 4. Optimistic by design.

    >>> round(survey_adc_pj(8, 1e8, 32), 3)
    1.714
    """
    b = max(4.0, bits)
    _check(bits, rate_hz, technology_nm)
    sndr_db = 20 * b * math.log10(2) + 10 * math.log10(1.5)
    foms_db = min(_SPEED[0] + _SPEED[1] * math.log(rate_hz), _NOISE[0] + _NOISE[1] * math.ceil(b))
    scale = math.exp(_SCALE[0] + _SCALE[1] * math.log(technology_nm) + _SCALE[2] * math.log(b))
    return float(0.5 * 10 ** ((sndr_db - foms_db) / 10) * scale)


def survey_adc_um2(bits: float, rate_hz: float, technology_nm: float) -> float:
    """Area of one converter in um2: exp(0.993279 ln T + 0.180715 ln f + 0.299124 ln E_pJ + 1.346192).

    Source: as `survey_adc_pj`. Error: ISAAC's table lies some 3 to 5 times below it.
    """
    pj = survey_adc_pj(bits, rate_hz, technology_nm)
    node, rate, energy, one = _AREA
    return math.exp(node * math.log(technology_nm) + rate * math.log(rate_hz) + energy * math.log(pj) + one)


def isaac_adc(bits: int, technology_nm: float) -> dict[str, Estimate]:
    """ISAAC's converter of 4 to 10 bits at 1.2 GS/s: pJ per conversion and um2, scaled from 32 nm like logic."""
    rows = {int(r["bits"]): r for r in table("adc_isaac.csv")}
    if bits not in rows:
        raise SpecError(f"ISAAC's table has no ADC of {bits} b", hint=f"it has {min(rows)} to {max(rows)} b; survey has more")
    pj, um2 = float(rows[bits]["energy_pj"]), float(rows[bits]["area_um2"])
    return {
        "convert": scale_energy(exactly(pj, "pJ", f"{ISAAC}, {bits} b"), 32, technology_nm),
        "area": scale_area(exactly(um2, "um2", f"{ISAAC}, {bits} b"), 32, technology_nm),
    }


@component("adc")
def adc(*, bits: int, rate_hz: float, technology_nm: float, model: str = "survey") -> dict[str, Estimate]:
    """Energy per conversion (`convert`) and area of an ADC by "survey" (`survey_adc_pj`) or "isaac" (`isaac_adc`).

    The survey's range reaches to ISAAC's table where that has the width. Neither includes the driver of the input.
    """
    if model not in ADC_MODELS:
        raise unknown_name("ADC model", model, ADC_MODELS)
    _check(bits, rate_hz, technology_nm)
    if model == "isaac":
        return isaac_adc(bits, technology_nm)
    note = f"{bits} b, {rate_hz / 1e6:g} MS/s, {technology_nm:g} nm"
    out = {
        "convert": exactly(survey_adc_pj(bits, rate_hz, technology_nm), "pJ", SURVEY, note),
        "area": exactly(survey_adc_um2(bits, rate_hz, technology_nm), "um2", SURVEY, note),
    }
    if 4 <= bits <= 10 and technology_nm <= 130:
        other = isaac_adc(bits, technology_nm)
        for key, e in out.items():
            out[key] = e.widened((other[key].value,), f"ISAAC's table gives {other[key].value:.3g} {e.unit}")
    return out


def _check(bits: float, rate_hz: float, technology_nm: float) -> None:
    if not BITS[0] <= bits <= BITS[1]:
        raise SpecError(f"an ADC of {bits:g} b", hint=f"the models cover {BITS[0]:g} to {BITS[1]:g} b")
    if not RATE_HZ[0] <= rate_hz <= RATE_HZ[1]:
        raise SpecError(f"an ADC of {rate_hz:g} conversions per second", hint="the survey covers 1 kS/s to 10 GS/s")
    if not NODE_NM[0] <= technology_nm <= NODE_NM[1]:
        raise SpecError(f"no ADC model for {technology_nm:g} nm", hint=f"it covers {NODE_NM[0]:g} to {NODE_NM[1]:g} nm")

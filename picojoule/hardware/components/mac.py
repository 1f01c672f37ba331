"""MAC units as components: of integers and floats by width, and of number formats."""

from __future__ import annotations

from picojoule.errors import SpecError
from picojoule.formats.names import number_format
from picojoule.hardware.components.components import component
from picojoule.hardware.components.format_mac import mac_cost
from picojoule.hardware.components.logic import FORMATS, area_at_width, operation
from picojoule.hardware.components.technology import scale_energy
from picojoule.quantities.estimate import Estimate, exactly, table


@component("mac")
def mac(
    *, bits: int, technology_nm: float, format: str = "int", accumulate_bits: int | None = None, voltage_v: float | None = None
) -> dict[str, Estimate]:
    """Energy of one multiply-accumulate: a multiplication of `bits` and an addition of `accumulate_bits` (default 32).

    Formula: E_mult(bits) + E_add(accumulate). Sources: see `operation`; whole-MAC figures of Accelergy's exercises (0.32 pJ at
    8 b, 2.2 pJ at 16 b, 45 nm) widen the range. Control, pipeline registers and clock are not included: silicon spends more
    (Eyeriss, 16 b at 65 nm: 2 pJ fitted).
    `format` may also be a number format (`pj formats`), such as mxfp4: then see `format_mac`.
    """
    if format not in FORMATS:
        return _of_number_format(format, bits, technology_nm, accumulate_bits, voltage_v)
    wide = accumulate_bits or max(32, bits)
    product = operation("multiply", format, bits, technology_nm, voltage_v)
    total = operation("add", format, wide, technology_nm, voltage_v)
    energy = Estimate(
        product.value + total.value,
        "pJ",
        f"{product.source}: {bits} b {format} multiply + {wide} b add",
        product.low + total.low,
        product.high + total.high,
        product.note,
    )
    whole = [r for r in table("logic.csv") if r["operation"] == "mac" and r["format"] == format and int(r["bits"]) == bits]
    figures = [exactly(float(r["energy_pj"]), "pJ", r["source"]) for r in whole]
    checks = [scale_energy(f, 45, technology_nm, None, voltage_v).value for f in figures]
    areas = [area_at_width(op, format, n, technology_nm) for op, n in (("multiply", bits), ("add", wide))]
    area = Estimate(
        areas[0].value + areas[1].value,
        "um2",
        areas[0].source,
        areas[0].low + areas[1].low,
        areas[0].high + areas[1].high,
        areas[0].note,
    )
    return {"mac": energy.widened(checks), "area": area}


def _of_number_format(
    format: str, bits: int, technology_nm: float, accumulate_bits: int | None, voltage_v: float | None
) -> dict[str, Estimate]:
    own = number_format(format).element_bits
    if bits != own:
        raise SpecError(f"{format} has elements of {own} b, not {bits} b", hint=f"write `operands: {format}`")
    if accumulate_bits is not None:
        raise SpecError(f"{format} has its own accumulator", hint="leave out accumulate")
    cost = mac_cost(format, format, technology_nm, voltage_v)
    return {"mac": cost.energy, "area": cost.area}

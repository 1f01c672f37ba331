"""Number formats on the terminal: a table of all, or one with its code points, accumulator and MAC, piece by piece."""

from __future__ import annotations

from typing import Any

import numpy as np

from picojoule.formats.accumulate import accumulator, greatest_terms
from picojoule.formats.names import formats, number_format
from picojoule.formats.number import NumberFormat
from picojoule.hardware.components.format_mac import mac_cost
from picojoule.report import show, tables

SHOWN_BITS = 8  # code points are listed up to this width


def listed(technology_nm: float, as_json: bool) -> None:
    """All formats: storage and the MAC of two such operands."""
    known = [about(f, technology_nm) for f in formats().values()]
    if as_json:
        show.json_only({"technology_nm": technology_nm, "formats": known})
        return
    rows = [
        {
            "format": k["name"],
            "bits a value": f"{k['bits']:g}",
            "once a tensor [b]": k["bits_a_tensor"],
            "MAC [pJ]": f"{k['mac_pj']:.3f}",
            "range [pJ]": f"{k['mac_low_pj']:.2g} to {k['mac_high_pj']:.2g}",
            "MAC [um2]": f"{k['mac_um2']:.0f}",
            "what it is": k["about"],
        }
        for k in known
    ]
    show.print_parts(
        tables.rows_table(rows, right=("bits a value", "once a tensor [b]", "MAC [pJ]", "MAC [um2]")),
        "",
        f"MAC: one multiply-accumulate of two such operands at {technology_nm:g} nm, without registers and clock; "
        "range: what sources leave open",
        "more: int2 to int32, uintN, fixedN.F, dfpN, log2_N, codebookN, intN_gG; `pj formats NAME` shows one",
    )


def one(name: str, technology_nm: float, terms: int, as_json: bool) -> None:
    """One format: what it stores, its code points, the accumulator that cannot overflow, and the pieces of a MAC."""
    f = number_format(name)
    answer = about(f, technology_nm) | {"accumulator": _accumulator(f, terms), "code_points": _code_points(f)}
    answer["mac_parts"] = [
        {"what": p.what, "energy_pj": p.energy.value, "area_um2": p.area.value, "source": p.energy.source}
        for p in mac_cost(name, name, technology_nm).parts
    ]
    if as_json:
        show.json_only(answer)
        return
    a = answer["accumulator"]
    parts: list[Any] = [
        f"{name}: {f.about}",
        f"source: {f.source}",
        "",
        f"storage: {f.bits:g} b a value, {f.bits_a_tensor} b once a tensor; 1000 values take {f.storage_bits(1000):,} b",
        f"accumulator: {a['bits']} b for {a['terms']} products: {a['proof']}" if a else "accumulator: that of its entries",
        "",
        f"one MAC at {technology_nm:g} nm: {answer['mac_pj']:.3f} pJ ({answer['mac_low_pj']:.2g} to "
        f"{answer['mac_high_pj']:.2g}), {answer['mac_um2']:.0f} um2",
        tables.rows_table(
            [
                {
                    "part": p["what"],
                    "energy [pJ]": f"{p['energy_pj']:.4f}",
                    "area [um2]": f"{p['area_um2']:.0f}",
                    "source": p["source"],
                }
                for p in answer["mac_parts"]
            ],
            right=("energy [pJ]", "area [um2]"),
        ),
        "",
    ]
    show.print_parts(*parts, *_points_text(f, answer["code_points"]))


def about(f: NumberFormat, technology_nm: float) -> dict[str, Any]:
    """The facts of a format as JSON values."""
    cost = mac_cost(f.name, f.name, technology_nm)
    return {
        "name": f.name,
        "about": f.about,
        "source": f.source,
        "element_bits": f.element_bits,
        "bits": f.bits,
        "block": f.scaling.block,
        "bits_a_block": f.scaling.bits_a_block,
        "bits_a_tensor": f.bits_a_tensor,
        "mac_pj": cost.energy.value,
        "mac_low_pj": cost.energy.low,
        "mac_high_pj": cost.energy.high,
        "mac_um2": cost.area.value,
        "mac_source": cost.energy.source,
    }


def _accumulator(f: NumberFormat, terms: int) -> dict[str, Any] | None:
    if f.learns:
        return None
    own = min(terms, f.scaling.block) if f.scaling.block else terms
    a = accumulator(f, f, own)
    return {
        "bits": a.bits,
        "terms": a.terms,
        "low": a.low,
        "high": a.high,
        "step": str(a.step),
        "proof": a.proof,
        "terms_in_32_bits": greatest_terms(32, f, f),
    }


def _code_points(f: NumberFormat) -> list[list[Any]] | None:
    """[code, value, exact rational]; null for NaN and infinities."""
    if f.learns or f.element_bits > SHOWN_BITS:
        return None
    return [
        [c, v if np.isfinite(v) else None, str(r) if r is not None else str(v)]
        for (c, v), r in zip(f.code_points(), f.exact(), strict=True)
    ]


def _points_text(f: NumberFormat, points: list[list[Any]] | None) -> list[str]:
    if points is None:
        return ["code points: learned from the tensor" if f.learns else f"code points: 2^{f.element_bits}, not listed"]
    width = max(len(p[2]) for p in points) + 2
    across = max(1, 110 // (width + 5))
    cells = [f"{p[0]:>4} {p[2]:<{width}}" for p in points]
    lines = ["".join(cells[i : i + across]).rstrip() for i in range(0, len(cells), across)]
    return ["code points, scale 1 (code value):", *lines]

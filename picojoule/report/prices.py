"""The prices of a chip, each with its source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from picojoule.hardware.chip import Chip, Compute, FanOut, Memory


@dataclass(frozen=True)
class Price:
    """One number of a component as text: `value` has its unit, `source` says where it comes from ("" if nobody said)."""

    component: str
    what: str
    value: str
    per: str
    source: str


def prices(chip: Chip) -> list[Price]:
    """Energies, leakage and areas of all components, from the outside in; an unknown energy reads `unknown`."""
    out: list[Price] = []
    for m in chip.memories:
        out += _rows(
            m,
            chip.source,
            ("read", m.read_pj, "pJ", f"access of {m.word_bits} b"),
            ("write", m.write_pj, "pJ", f"access of {m.word_bits} b"),
            ("leakage", m.leakage_mw, "mW", "instance"),
            ("area", m.area_um2, "µm²", "instance"),
        )
    for f in chip.fanouts:
        out += _rows(f, chip.source, ("transfer", f.transfer_pj, "pJ", f"word of {f.transfer_bits} b in or out of one instance"))
    c = chip.compute
    out += _rows(
        c,
        chip.source,
        ("mac", c.mac_pj, "pJ", f"MAC of {c.bits} b x {c.bits} b ({_scaling(c)})"),
        ("vector", c.vector_pj, "pJ", "scalar operation"),
        ("leakage", c.leakage_mw, "mW", "unit"),
        ("area", c.area_um2, "µm²", "unit"),
    )
    if chip.static_mw is not None:
        out.append(Price(chip.name, "static", f"{chip.static_mw:.4g} mW", "chip, always", chip.source))
    return out


def _rows(part: Memory | FanOut | Compute, otherwise: str, *numbers: tuple[str, float | None, str, str]) -> Iterator[Price]:
    """Numbers that nobody gave are left out, but for the energies of accesses, transfers and MACs."""
    own = dict(part.sources)
    for what, value, unit, per in numbers:
        if value is None and what not in ("read", "write", "transfer", "mac"):
            continue
        shown = "unknown" if value is None else f"{value:.4g} {unit}"
        yield Price(part.name, what, shown, per, own.get(what) or part.source or otherwise)


def _scaling(compute: Compute) -> str:
    return "any width alike" if compute.scaling == "none" else f"{compute.scaling} in the widths"

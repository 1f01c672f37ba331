"""Where each number of a chip comes from."""

from __future__ import annotations

from dataclasses import dataclass

from picojoule.hardware.chip import Chip, Compute, FanOut, Memory
from picojoule.quantities.units import show

UNSTATED = "stated in the chip file, without a source"


@dataclass(frozen=True)
class Number:
    """One number of a chip. `value` is in the base unit of its kind (pJ, mW, um2); None is unknown."""

    component: str
    what: str
    value: float | None
    kind: str
    source: str

    @property
    def shown(self) -> str:
        """The value in four digits with the unit that reads best, or `unknown`."""
        return "unknown" if self.value is None else show(float(f"{self.value:.4g}"), self.kind)


def where_from(chip: Chip) -> tuple[Number, ...]:
    """Every energy, power and area of the chip with its source, from the outside in."""
    out: list[Number] = []
    for m in chip.memories:
        out += _numbers(
            m,
            chip,
            ("read", m.read_pj, "energy"),
            ("write", m.write_pj, "energy"),
            ("leakage", m.leakage_mw, "power"),
            ("area", m.area_um2, "area"),
        )
    for f in chip.fanouts:
        out += _numbers(f, chip, ("transfer", f.transfer_pj, "energy"))
    c = chip.compute
    out += _numbers(c, chip, ("mac", c.mac_pj, "energy"), ("leakage", c.leakage_mw, "power"), ("area", c.area_um2, "area"))
    if (v := chip.vector) is not None:
        shared = v.source or chip.source or UNSTATED
        stated, own = dict(v.energies), dict(v.sources)
        out += [Number(v.name, k, stated.get(k), "energy", own.get(k, shared) if k in stated else "") for k in v.does]
    out.append(Number(chip.name, "static", chip.static_mw, "power", "" if chip.static_mw is None else chip.source or UNSTATED))
    return tuple(out)


def _numbers(part: Memory | FanOut | Compute, chip: Chip, *numbers: tuple[str, float | None, str]) -> list[Number]:
    own = dict(part.sources)
    shared = part.source or chip.source or UNSTATED
    return [Number(part.name, what, value, kind, "" if value is None else own.get(what, shared)) for what, value, kind in numbers]

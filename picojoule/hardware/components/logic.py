"""Components that compute: adders and multipliers by format and width; the law of one operation's energy and area."""

from __future__ import annotations

from dataclasses import dataclass

from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.components.components import component
from picojoule.hardware.components.technology import nominal_voltage, scale_area, scale_energy, scale_voltage
from picojoule.quantities.estimate import Estimate, around, exactly, log_between, table

FORMATS = ("int", "float")
_EXPONENT = {"add": 1, "multiply": 2}  # how energy grows with the width beyond the table: adders linear, multipliers quadratic
_WIDTHS = {"int": (2, 64), "float": (8, 64)}


@component("adder")
def adder(*, bits: int, technology_nm: float, format: str = "int", voltage_v: float | None = None) -> dict[str, Estimate]:
    """Energy of one addition and area. See `operation`; linear in the width beyond the table."""
    energy = operation("add", format, bits, technology_nm, voltage_v)
    return {"mac": energy, "area": area_at_width("add", format, bits, technology_nm)}


@component("multiplier")
def multiplier(*, bits: int, technology_nm: float, format: str = "int", voltage_v: float | None = None) -> dict[str, Estimate]:
    """Energy of one multiplication and area. See `operation`; quadratic in the width beyond the table."""
    energy = operation("multiply", format, bits, technology_nm, voltage_v)
    return {"mac": energy, "area": area_at_width("multiply", format, bits, technology_nm)}


def operation(name: str, format: str, bits: float, technology_nm: float, voltage_v: float | None = None) -> Estimate:
    """pJ of one `add` or `multiply` in `int` or `float` of the width, at the node and voltage (default: nominal).

    At the table's widths exactly the table (Horowitz ISSCC 2014 at 45 nm and 0.9 V; Jouppi ISCA 2021 at 7 nm; both recalled),
    log-log between them, linear (add) or quadratic (multiply) beyond, from 2 b (float: 8 b) to 64 b. Between 45 and 7 nm log-log
    between both sources; above 45 nm, up to 130, Horowitz scaled. Another voltage than the source's: C V^2. The range spans what
    each source gives when scaled by itself (at 7 nm scaled Horowitz is 2 to 6 times lower than Jouppi) and Aladdin's 40 nm table,
    which lies 2 to 6 times above Horowitz.

    >>> operation("multiply", "int", 8, 45, 0.9).value
    0.2
    """
    if format not in FORMATS:
        raise unknown_name("number format", format, FORMATS)
    low, high = _WIDTHS[format]
    if not low <= bits <= high:
        raise SpecError(f"no energy for {bits} b {format}", hint=f"the law covers {low} to {high} b")
    points = {p.node_nm: p for p in (_point(name, format, bits, s) for s in _sources(name, format, "main"))}
    checks = [_point(name, format, bits, s) for s in _sources(name, format, "check")]
    estimate, volts = _at_node(points, technology_nm)
    others = [_moved(p, technology_nm, volts) for p in [*points.values(), *checks]]
    estimate = estimate.widened((e.value for e in others), "recalled")
    return estimate if voltage_v is None else scale_voltage(estimate, volts, voltage_v)


@dataclass(frozen=True)
class _Point:
    """What one source says of one operation, at its own node and voltage."""

    source: str
    node_nm: float
    voltage_v: float
    pj: float

    @property
    def estimate(self) -> Estimate:
        return exactly(self.pj, "pJ", f"{self.source}, {self.node_nm:g} nm")


def _point(name: str, format: str, bits: float, source: str) -> _Point:
    rows = _rows(name, format, source)
    value = _at_width({int(r["bits"]): float(r["energy_pj"]) for r in rows}, bits, _EXPONENT[name])
    return _Point(source, float(rows[0]["node_nm"]), float(rows[0]["voltage_v"]), value)


def _at_node(points: dict[float, _Point], node_nm: float) -> tuple[Estimate, float]:
    """The value at the node and the voltage it is for."""
    pair = around(points, node_nm)
    if pair is None:
        nearest = points[max(points)] if node_nm > max(points) else points[min(points)]
        volts = nominal_voltage(node_nm)  # refuses below 7 nm
        return scale_energy(nearest.estimate, nearest.node_nm, node_nm, nearest.voltage_v, volts), volts
    a, b = points[pair[0]], points[pair[1]]
    if a is b:
        return a.estimate, a.voltage_v
    value = log_between(a.node_nm, a.pj, b.node_nm, b.pj, node_nm)
    volts = log_between(a.node_nm, a.voltage_v, b.node_nm, b.voltage_v, node_nm)
    return exactly(value, "pJ", f"between {b.source}, {b.node_nm:g} nm, and {a.source}, {a.node_nm:g} nm"), volts


def _moved(point: _Point, node_nm: float, volts: float) -> Estimate:
    return scale_energy(point.estimate, point.node_nm, node_nm, point.voltage_v, volts)


def _at_width(points: dict[int, float], bits: float, exponent: int) -> float:
    """Exact at the points, log-log between them, a power law through the nearest one beyond."""
    pair = around(points, bits)
    if pair is None:
        end = min(points, key=lambda b: abs(b - bits))
        return points[end] * (bits / end) ** exponent
    low, high = int(pair[0]), int(pair[1])
    return log_between(low, points[low], high, points[high], bits)


def _sources(name: str, format: str, role: str) -> list[str]:
    rows = [r for r in table("logic.csv") if (r["operation"], r["format"], r["role"]) == (name, format, role)]
    return list(dict.fromkeys(r["source"] for r in rows))


def _rows(name: str, format: str, source: str) -> list[dict[str, str]]:
    return [r for r in table("logic.csv") if (r["operation"], r["format"], r["source"]) == (name, format, source)]


def area_at_width(name: str, format: str, bits: float, technology_nm: float) -> Estimate:
    """um2 of one `add` or `multiply` unit from Horowitz' 45 nm figures, by the same law over the width."""
    points = {int(r["bits"]): float(r["area_um2"]) for r in _rows(name, format, "Horowitz ISSCC 2014")}
    area = exactly(_at_width(points, bits, _EXPONENT[name]), "um2", "Horowitz ISSCC 2014, 45 nm", "recalled")
    return scale_area(area, 45, technology_nm)

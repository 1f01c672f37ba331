"""How energy and area follow node and voltage.

Two laws for the node, because they disagree: the fitted polynomials of Stillmaker and Baas (the value), and switched
capacitance that shrinks with the feature size, E ~ L V^2 (the other end of the range shown). Voltage alone: E ~ C V^2.
"""

from __future__ import annotations

from functools import cache

from picojoule.errors import SpecError
from picojoule.quantities.estimate import Estimate, around, log_between, table

STILLMAKER = "Stillmaker and Baas, Integration 58, 2017"
FINEST_NM, COARSEST_NM = 7.0, 130.0


@cache
def _column(name: str) -> dict[float, float]:
    """Node in nm -> number, for the nodes that have it."""
    return {float(r["node_nm"]): float(r[name]) for r in table("nodes.csv") if r[name]}


def _at(column: dict[float, float], node_nm: float, what: str) -> float:
    """The column at the node, interpolated in log-log between table nodes; refuses outside."""
    pair = around(column, node_nm)
    if pair is None:
        raise SpecError(f"no {what} for {node_nm:g} nm", hint=f"the table covers {min(column):g} to {max(column):g} nm")
    return log_between(pair[0], column[pair[0]], pair[1], column[pair[1]], node_nm)


def nominal_voltage(node_nm: float, device: str = "logic") -> float:
    """Usual supply in V of "logic" (predictive models, 130 to 7 nm, recalled) or CACTI's "itrs-hp" and "itrs-lstp" (90 to 22)."""
    column = {"logic": "nominal_v", "itrs-hp": "cacti_hp_v", "itrs-lstp": "cacti_lstp_v"}[device]
    return _at(_column(column), node_nm, f"{device} supply voltage")


def logic_energy_factor(node_nm: float, voltage_v: float | None = None) -> float:
    """Relative energy of switching logic: a V^2 + b V + c with the node's coefficients; only ratios mean something.

    Source: Stillmaker and Baas 2017. Range: 130 to 7 nm, and from the voltage where the fit turns (0.2 to 0.6 V) up to 1.2 x
    nominal. Between nodes log-log; without a voltage each node is taken at its own nominal one.

    >>> round(logic_energy_factor(7) / logic_energy_factor(45), 4)
    0.0555
    """
    a, b, c = _column("energy_a"), _column("energy_b"), _column("energy_c")
    pair = around(a, node_nm)
    if pair is None:
        raise SpecError(f"no energy scaling for {node_nm:g} nm", hint=f"the law covers {COARSEST_NM:g} to {FINEST_NM:g} nm")
    values = []
    for n in pair:
        v = nominal_voltage(n) if voltage_v is None else voltage_v
        if not -b[n] / (2 * a[n]) < v <= 1.2 * nominal_voltage(n) + 1e-9:
            low = -b[n] / (2 * a[n])
            raise SpecError(
                f"{v:g} V is outside the energy scaling of {n:g} nm",
                hint=f"it covers {low:.2f} to {1.2 * nominal_voltage(n):.2f} V",
            )
        values.append(a[n] * v * v + b[n] * v + c[n])
    return log_between(pair[0], values[0], pair[1], values[1], node_nm)


def scale_energy(
    energy: Estimate, from_nm: float, to_nm: float, from_v: float | None = None, to_v: float | None = None
) -> Estimate:
    """The energy of logic at another node and voltage (default: nominal), value by Stillmaker and Baas.

    The range spans that law and E ~ L V^2; they differ by up to 1.8x between 65 and 16 nm. Wires and memories scale less
    well than logic: at 7 nm published SRAM and multiplier energies lie 2 to 6 times above the scaled ones.
    """
    if from_nm == to_nm and from_v == to_v:
        return energy
    fitted = logic_energy_factor(to_nm, to_v) / logic_energy_factor(from_nm, from_v)
    v0, v1 = from_v or nominal_voltage(from_nm), to_v or nominal_voltage(to_nm)
    plain = to_nm / from_nm * (v1 / v0) ** 2
    note = f"scaled from {from_nm:g} nm, {v0:.3g} V to {to_nm:g} nm, {v1:.3g} V ({STILLMAKER}; range to L V^2)"
    scaled = energy.times(fitted, note)
    return scaled.widened((energy.low * plain, energy.high * plain))


def scale_area(area: Estimate, from_nm: float, to_nm: float) -> Estimate:
    """Area at another node: table of Stillmaker and Baas (two digits); the range reaches to the square of the feature size."""
    if from_nm == to_nm:
        return area
    column = _column("area")
    factor = _at(column, to_nm, "area scaling") / _at(column, from_nm, "area scaling")
    square = (to_nm / from_nm) ** 2
    scaled = area.times(factor, f"area scaled from {from_nm:g} nm ({STILLMAKER}; range to L^2)")
    return scaled.widened((area.low * square, area.high * square))


def scale_voltage(energy: Estimate, from_v: float, to_v: float) -> Estimate:
    """Energy at another supply: E ~ C V^2, from 0.6 to 1.3 times the voltage the number is for.

    Left out: short-circuit currents and leakage, so a few percent near nominal and more towards threshold.
    """
    if not 0.6 <= to_v / from_v <= 1.3:
        raise SpecError(
            f"{to_v:g} V is too far from the {from_v:.3g} V that the numbers are for",
            hint=f"C V^2 holds from {0.6 * from_v:.2f} to {1.3 * from_v:.2f} V",
        )
    return energy if from_v == to_v else energy.times((to_v / from_v) ** 2, f"at {to_v:g} V instead of {from_v:.3g} V (C V^2)")

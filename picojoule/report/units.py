"""Numbers as people read them: SI prefixes for energies and times, binary prefixes for sizes."""

from __future__ import annotations

import math

_ENERGY = ((1e12, "J"), (1e9, "mJ"), (1e6, "µJ"), (1e3, "nJ"), (1.0, "pJ"), (1e-3, "fJ"))
_TIME = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"), (1e-12, "ps"))
_PLAIN = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_EDP = ((1.0, "J·s"), (1e-3, "mJ·s"), (1e-6, "µJ·s"), (1e-9, "nJ·s"), (1e-12, "pJ·s"), (1e-15, "fJ·s"), (1e-18, "aJ·s"))


def energy(pj: float) -> str:
    """`12.3 µJ` from picojoules."""
    return _scaled(pj, _ENERGY)


def seconds(s: float) -> str:
    """`1.23 ms` from seconds."""
    return _scaled(s, _TIME)


def edp(js: float) -> str:
    """`4.56 µJ·s` from joule seconds."""
    return _scaled(js, _EDP)


def count(n: float) -> str:
    """`3.86 G` from a plain count."""
    return _scaled(n, _PLAIN).strip()


def bits(n: float) -> str:
    """`108 KiB` from bits; whole words of less than a byte stay bits."""
    if 0 < n < 8:
        return f"{n:g} b"
    size = n / 8
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.4g} {unit}" if size < 1024 else f"{size:,.0f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")


def percent(x: float) -> str:
    """`12.5 %` from a fraction."""
    return f"{100 * x:.1f} %"


def figures(x: float, digits: int = 4) -> str:
    """A number of a column with `digits` significant figures, thousands separated, never in powers of ten above 1e-4."""
    if x == 0 or not math.isfinite(x):
        return "0" if x == 0 else "unknown"
    if float(x).is_integer() and abs(x) < 1e15:
        return f"{int(x):,}"
    places = digits - 1 - math.floor(math.log10(abs(x)))
    return f"{x:.{digits - 1}e}" if places > digits + 4 else f"{x:,.{max(places, 0)}f}"


def unit_for(largest: float, kind: str) -> tuple[float, str]:
    """One (divisor, unit) for a column whose largest value is `largest`: every row then has the unit of the header."""
    table = {
        "energy": _ENERGY,
        "time": _TIME,
        "edp": _EDP,
        "count": _PLAIN,
        "share": ((0.01, "%"),),
        "efficiency": tuple((d, f"{u}op/J") for d, u in _PLAIN),
    }[kind]
    return next(((d, u) for d, u in table if abs(largest) >= d), table[-1])


def _scaled(x: float, table: tuple[tuple[float, str], ...]) -> str:
    if x == 0:
        return f"0 {table[-1][1] if table is not _ENERGY else 'pJ'}"
    if not math.isfinite(x):
        return "unknown"
    divisor, unit = next(((d, u) for d, u in table if abs(x) >= 0.9995 * d), table[-1])
    return f"{x / divisor:.3g} {unit}"

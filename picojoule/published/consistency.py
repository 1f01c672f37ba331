"""Published figures held against each other: peak = units x rate x clock, and efficiency = peak / power.

A difference above 10 % is flagged, never repaired: some are turbo clocks, some another operating point, some simply disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from picojoule.errors import SpecError, unknown_name
from picojoule.published.platform import DATA, Platform, platforms, rows

FLAG_PERCENT = 10.0
Verdict = Literal["agrees", "flagged", "cannot be checked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Operations that one unit of a platform completes in a cycle. `units` None: the number that leads the platform's units."""

    precision: str
    units: float | None
    ops_per_cycle: float
    clock_hz: float | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One figure of a record beside what its other figures give. `recomputed` None: `missing` says what would be needed."""

    id: str
    name: str
    what: str  # "peak int8", "efficiency"
    unit: str
    stated: float | None
    recomputed: float | None
    formula: str
    missing: str = ""
    note: str = ""

    @property
    def difference_percent(self) -> float | None:
        """By how much the larger exceeds the smaller, in percent; negative where the stated one is the smaller."""
        if self.stated is None or self.recomputed is None:
            return None
        low, high = sorted((self.stated, self.recomputed))
        return (100.0 if self.stated >= self.recomputed else -100.0) * (high / low - 1)

    @property
    def verdict(self) -> Verdict:
        difference = self.difference_percent
        if difference is None:
            return "cannot be checked"
        return "flagged" if abs(difference) > FLAG_PERCENT else "agrees"


@cache
def _rates() -> dict[str, tuple[Rate, ...]]:
    """Platform id -> its rates; checked against the platforms."""
    known: dict[str, Platform] = {p.id: p for p in platforms()}
    out: dict[str, tuple[Rate, ...]] = {}
    for where, r in rows(DATA / "rates.csv"):
        if r["id"] not in known:
            raise unknown_name("platform", r["id"], known, where)
        peaks = [x.precision for x in known[r["id"]].peaks]
        if r["precision"] not in peaks:
            raise unknown_name("precision", r["precision"], peaks, where)
        if not r["source"]:
            raise SpecError("the rate has no source", where=where, hint="say which description it is from")
        rate = Rate(
            precision=r["precision"], units=float(r["units"]) if r["units"] else None, ops_per_cycle=float(r["ops_per_cycle"]),
            clock_hz=float(r["clock_ghz"]) * 1e9 if r["clock_ghz"] else None, source=r["source"],
        )  # fmt: skip
        out[r["id"]] = (*out.get(r["id"], ()), rate)
    return out


def check(p: Platform) -> tuple[Checked, ...]:
    """Every check of one record; at least one, which then says why the peak cannot be recomputed."""
    found = _peak_of_chip(p) if p.dataset == "chips" and p.id not in _rates() else _peaks_of_platform(p)
    return (*found, *_efficiency(p))


def check_all(records: Sequence[Platform] | None = None) -> tuple[Checked, ...]:
    """The checks of every record."""
    return tuple(c for p in (platforms() if records is None else records) for c in check(p))


def _peak_of_chip(p: Platform) -> tuple[Checked, ...]:
    """MACs x 2 operations x clock."""
    stated, clock, macs = p.best, p.clock_hz, p.macs
    missing = [w for w, v in (("peak", stated), ("number of MACs", macs), ("clock", clock)) if not v]
    what = f"peak {stated.precision}" if stated else "peak"
    gops = macs * 2 * clock / 1e9 if macs and clock else None
    formula = f"{macs:,} MACs x 2 x {clock / 1e6:g} MHz" if macs and clock else "MACs x 2 x clock"
    return (
        Checked(id=p.id, name=p.name, what=what, unit="GOPS", stated=stated.ops_per_s / 1e9 if stated else None,
                recomputed=gops if stated else None, formula=formula, missing=", ".join(missing), note=p.note),
    )  # fmt: skip


def _peaks_of_platform(p: Platform) -> tuple[Checked, ...]:
    out = []
    for rate in _rates().get(p.id, ()):
        peak, clock = p.peak(rate.precision), rate.clock_hz or p.clock_hz
        units = rate.units if rate.units is not None else _leading(p.units)
        missing = [w for w, v in (("peak", peak), ("units", units), ("clock", clock)) if not v]
        gops = units * rate.ops_per_cycle * clock / 1e9 if units and clock else None
        formula = f"{units:g} units x {rate.ops_per_cycle:g} x {clock / 1e9:g} GHz" if units and clock else "units x rate x clock"
        out.append(
            Checked(id=p.id, name=p.name, what=f"peak {rate.precision}", unit="GOPS",
                    stated=peak.ops_per_s / 1e9 if peak else None, recomputed=gops, formula=f"{formula} ({rate.source})",
                    missing=", ".join(missing), note=p.note)
        )  # fmt: skip
    if out:
        return tuple(out)
    stated = p.best
    lacks = [w for w, v in (("peak", stated), ("units", _leading(p.units)), ("clock", p.clock_hz)) if not v]
    return (
        Checked(id=p.id, name=p.name, what=f"peak {stated.precision}" if stated else "peak", unit="GOPS",
                stated=stated.ops_per_s / 1e9 if stated else None, recomputed=None, formula="units x rate x clock",
                missing=", ".join([*lacks, "operations per unit and cycle"]), note=p.note),
    )  # fmt: skip


def _efficiency(p: Platform) -> tuple[Checked, ...]:
    """The efficiency a source states beside its peak / its power; where they differ, they are of different operating points."""
    if p.ops_per_s_per_w is None:
        return ()
    peak, power = p.best, p.power_w
    missing = [w for w, v in (("peak", peak), ("power", power)) if not v]
    gops = peak.ops_per_s / 1e9 / power.value if peak and power else None
    return (
        Checked(id=p.id, name=p.name, what="efficiency", unit="GOPS/W", stated=p.ops_per_s_per_w / 1e9, recomputed=gops,
                formula=f"peak / power = {peak.ops_per_s / 1e9:g} GOPS / {power.value:g} W" if peak and power else "peak / power",
                missing=", ".join(missing), note=p.note),
    )  # fmt: skip


def _leading(text: str) -> float | None:
    """The number that `56 SM` or `220 DSP, 53k LUT` begins with."""
    word = text.split()[0] if text.split() else ""
    return float(word) if word.isdigit() else None

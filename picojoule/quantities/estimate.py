"""An estimated number with its unit, its source and the range over which sources disagree."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

DATA = Path(__file__).parents[1] / "hardware" / "components" / "data"


@dataclass(frozen=True)
class Estimate:
    """`value` in `unit`; `low` to `high` is what sources and interpolation leave open, not a confidence interval."""

    value: float
    unit: str
    source: str
    low: float
    high: float
    note: str = ""

    def describe(self) -> str:
        """Source, range and note in one line."""
        low, high = (f"{float(f'{x:.3g}'):.12g}" for x in (self.low, self.high))
        span = "" if self.low == self.high else f"; {low} to {high} {self.unit}"
        return f"{self.source}{span}{'; ' + self.note if self.note else ''}"

    def times(self, factor: float, note: str = "") -> Estimate:
        """The estimate scaled, range included."""
        low, high = self.low * factor, self.high * factor
        return replace(self, value=self.value * factor, low=low, high=high, note=_join(self.note, note))

    def widened(self, others: Iterable[float], note: str = "") -> Estimate:
        """The same value, with a range that includes what other sources say."""
        span = [self.low, self.high, *others]
        return replace(self, low=min(span), high=max(span), note=_join(self.note, note))

    def loosened(self, factor: float, note: str = "") -> Estimate:
        """The range widened by a factor on both sides."""
        return replace(self, low=self.low / factor, high=self.high * factor, note=_join(self.note, note))


def exactly(value: float, unit: str, source: str, note: str = "") -> Estimate:
    """An estimate from one source, without a range of its own."""
    return Estimate(value, unit, source, value, value, note)


def _join(*notes: str) -> str:
    return "; ".join(n for n in notes if n)


@cache
def table(name: str) -> tuple[dict[str, str], ...]:
    """The rows of a data file; lines that begin with # are comments."""
    with open(DATA / name, encoding="utf-8", newline="") as f:
        return tuple(csv.DictReader(line for line in f if not line.startswith("#")))


def log_between(x0: float, y0: float, x1: float, y1: float, x: float) -> float:
    """y at x on the straight line through both points in log-log space; y0 where the points coincide."""
    if x0 == x1 or x == x0:
        return y0
    if x == x1:
        return y1
    t = (math.log(x) - math.log(x0)) / (math.log(x1) - math.log(x0))
    return math.exp((1 - t) * math.log(y0) + t * math.log(y1))


def around(points: Iterable[float], x: float) -> tuple[float, float] | None:
    """The nearest points at or below and at or above x, or None outside the range."""
    points = tuple(points)
    below, above = [p for p in points if p <= x], [p for p in points if p >= x]
    return (max(below), min(above)) if below and above else None

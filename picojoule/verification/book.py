"""What a report of `verify` is made of: statements that were checked, and how much of a bound was proved again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypedDict

SAME = 1e-9  # relative: less apart than this are the same figure


class Check(TypedDict):
    """One statement of the result that was checked."""

    layer: str
    check: str
    ok: bool
    detail: str


class Bound(TypedDict):
    """How much of a layer's lower bound was proved again: pairs of a bypass pattern and an unrolling."""

    layer: str
    rechecked: bool
    pairs: int
    bounded: int
    searched: int
    open: int
    detail: str


class Report(TypedDict):
    """`ok`: no check failed. `rechecked`: every bound that the result claims was proved again in full.

    `unchecked`: place -> why, of every field that nobody checks, such as free text and times.
    """

    ok: bool
    rechecked: bool
    unchecked: dict[str, str]
    checks: list[Check]
    bounds: list[Bound]


@dataclass
class Book:
    """The checks of one layer, or of the network (layer "")."""

    layer: str
    checks: list[Check] = field(default_factory=list)

    def say(self, check: str, ok: bool, detail: str = "") -> bool:
        self.checks.append(Check(layer=self.layer, check=check, ok=ok, detail=detail))
        return ok

    @property
    def ok(self) -> bool:
        return all(c["ok"] for c in self.checks)

    def same(self, check: str, stored: Any, found: float) -> bool:
        """A stored number against the one found here."""
        ok = isinstance(stored, int | float) and not isinstance(stored, bool) and close(float(stored), found)
        return self.say(check, ok, f"{found:.12g}" if ok else f"stored {stored!r}, found {found:.12g}")


def close(a: float, b: float) -> bool:
    return a == b or abs(a - b) <= SAME * max(abs(a), abs(b))

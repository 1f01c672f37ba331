"""What a reader did with every field of a peer's file: taken, filled in, left out with the reason, or not sayable here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["read", "default", "ignored", "refused"]
MEANING: dict[str, str] = {
    "read": "taken as it stands",
    "default": "not in the file; the value here is that tool's own default",
    "ignored": "left out, for the reason given",
    "refused": "a feature that has no counterpart here: the rest is imported without it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One field: where it stands, what became of it, and what it means or why."""

    verdict: Verdict
    where: str  # file:line:column
    field: str
    note: str = ""

    def to_json(self) -> dict[str, str]:
        return {"verdict": self.verdict, "where": self.where, "field": self.field, "note": self.note}

    def __str__(self) -> str:
        return f"{self.where}: {self.verdict}: {self.field}" + (f": {self.note}" if self.note else "")


@dataclass(slots=True)
class Report:
    """Lines in the order in which the fields were met."""

    lines: list[Line] = field(default_factory=list)

    def read(self, where: str, name: str, note: str = "") -> None:
        self.lines.append(Line(verdict="read", where=where, field=name, note=note))

    def default(self, where: str, name: str, note: str) -> None:
        self.lines.append(Line(verdict="default", where=where, field=name, note=note))

    def ignored(self, where: str, name: str, why: str) -> None:
        self.lines.append(Line(verdict="ignored", where=where, field=name, note=why))

    def refused(self, where: str, name: str, note: str) -> None:
        self.lines.append(Line(verdict="refused", where=where, field=name, note=note))

    def of(self, verdict: Verdict) -> list[Line]:
        return [x for x in self.lines if x.verdict == verdict]

    def to_json(self) -> list[dict[str, Any]]:
        return [x.to_json() for x in self.lines]

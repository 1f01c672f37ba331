"""Numbers as publications write them: `~640`, `<=331`, `8x74+416`, `16x70.6+IOD`; the value, and how much it can be trusted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from picojoule.errors import SpecError

Qualifier = Literal["", "about", "at most", "at least"]
_LEAD = re.compile(r"^(~|<=|<|>=|>)?\s*(.*)$")
_TERM = re.compile(r"^(?:(\d+)x)?(\d+(?:\.\d+)?)$")
_RANGE = re.compile(r"^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$")


@dataclass(frozen=True, slots=True)
class Amount:
    """A value in the unit of its column. `qualifier` says which way it may be off; "" is a plain figure."""

    value: float
    qualifier: Qualifier = ""

    def __str__(self) -> str:
        return f"{self.qualifier} {self.value:g}".strip()


def amount(text: str, where: str = "") -> Amount | None:
    """The amount that `text` states; None where it is empty.

    Words after the number (`12.25 core`, `~1600 (4 tiles)`) are remarks. A sum with an unknown part is a lower bound; a range
    `5.5-7` is about its middle. Raises SpecError for what holds no number.

    >>> str(amount("8x74+416")), str(amount("16x70.6+IOD")), str(amount("<=331"))
    ('1008', 'at least 1129.6', 'at most 331')
    """
    if not text.strip():
        return None
    match = _LEAD.match(text.strip())
    assert match is not None  # the pattern takes anything
    sign, rest = match.groups()
    first = rest.split()[0] if rest.split() else ""
    qualifier: Qualifier = {"~": "about", "<=": "at most", "<": "at most", ">=": "at least", ">": "at least"}.get(sign or "", "")  # type: ignore[assignment]
    if span := _RANGE.match(first):
        return Amount((float(span[1]) + float(span[2])) / 2, "about")
    terms = [_TERM.match(t) for t in first.split("+")]
    known = [float(t[2]) * int(t[1] or 1) for t in terms if t]
    if not known:
        raise SpecError(f"{text!r} holds no number", where=where, hint="such as 640, ~640, <=331 or 8x74+416; empty if not known")
    return Amount(sum(known), qualifier or ("" if len(known) == len(terms) else "at least"))

"""Speeds and efficiencies that say whether they count operations or MACs, so that the two never mix."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from picojoule.errors import SpecError
from picojoule.quantities.units import PREFIXES, UNSIGNED

Counts = Literal["ops", "MACs"]
OPS_PER_MAC = 2  # one multiplication and one addition
_RATE = re.compile(rf"^\s*({UNSIGNED})\s*([kMGTP]?)\s*(MACs?|OPS|OPs?|ops?|FLOPS|FLOPs?)(\s*/\s*s)?(\s*/\s*W)?\s*$")


@dataclass(frozen=True, slots=True)
class Rate:
    """So many operations or MACs a second, or a second and watt. Arithmetic between the two kinds is refused; convert first."""

    value: float
    of: Counts
    per_watt: bool = False

    def in_ops(self) -> Rate:
        """The same rate in operations: a MAC is two."""
        return self if self.of == "ops" else Rate(self.value * OPS_PER_MAC, "ops", self.per_watt)

    def in_macs(self) -> Rate:
        """The same rate in MACs."""
        return self if self.of == "MACs" else Rate(self.value / OPS_PER_MAC, "MACs", self.per_watt)

    def __add__(self, other: Rate) -> Rate:
        return Rate(self.value + self._like(other).value, self.of, self.per_watt)

    def __truediv__(self, other: Rate) -> float:
        """The ratio of two rates of one kind."""
        return self.value / self._like(other).value

    def __lt__(self, other: Rate) -> bool:
        return self.value < self._like(other).value

    def _like(self, other: Rate) -> Rate:
        if self.of != other.of:
            raise SpecError(
                f"{self} counts {self.of} and {other} counts {other.of}",
                hint="one MAC is two operations: use in_ops() or in_macs()",
            )
        if self.per_watt != other.per_watt:
            raise SpecError(f"{self} and {other}: one is per watt", hint="divide the other by a power")
        return other

    def __str__(self) -> str:
        prefix = next((p for p in "PTGMk" if self.value >= PREFIXES[p]), "")
        unit = {"ops": "op/s", "MACs": "MAC/s"}[self.of]
        return f"{self.value / PREFIXES[prefix]:.4g} {prefix}{unit}{'/W' if self.per_watt else ''}"


def rate(text: str) -> Rate:
    """`46.2 GOPS`, `23.1 GMAC/s`, `166.2 GOPS/W`, `83.1 GMAC/s/W`; a number without its kind is refused.

    >>> str(rate("23.1 GMAC/s").in_ops())
    '46.2 Gop/s'
    """
    match = _RATE.match(str(text))
    if match is None:
        raise SpecError(f"{str(text)!r} is no rate of operations or MACs", hint="such as 46.2 GOPS, 23.1 GMAC/s or 83.1 GMAC/s/W")
    number, prefix, word, per_s, per_w = match.groups()
    of: Counts = "MACs" if word.startswith("MAC") else "ops"
    if not per_s and not word.isupper():
        raise SpecError(f"{str(text)!r} is a count, not a rate", hint=f"write {number} {prefix}{word}/s")
    value = float(number.replace("_", "")) * PREFIXES[prefix]
    if not math.isfinite(value):
        raise SpecError(f"{str(text)!r} is not finite", hint="such as 46.2 GOPS")
    return Rate(value, of, per_w is not None)

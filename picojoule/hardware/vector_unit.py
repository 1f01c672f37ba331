"""The vector unit of a chip: what applies the operators that are no multiply-accumulates."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from picojoule.errors import SpecError, unknown_name

KINDS = ("add", "multiply", "compare", "divide", "sqrt", "exp")  # of scalar operations, see `workload.primitives`
DRAINS = ("activation", "scale", "residual")  # what may be applied to results on their way out
SCALINGS = ("none", "width")
_POWER = {"add": 1, "compare": 1}  # of the width; whatever multiplies grows with its square

Table = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorUnit:
    """`lanes` scalar operations a cycle (None: unknown) on words of `bits`, read from and written to the memory `at`.

    `energies`: pJ of one operation by kind on operands of `bits`; a kind that is missing is unknown. `does`: the kinds it has.
    `slots`: lane cycles of one operation by kind, 1 where none is given. `drain`: what it applies to results of MACs on their way
    out, so that the operand that passes through moves no words of its own. `holds_bits`: the unit's own storage; a row that fits
    is read once, whatever passes an operator makes over it. `scaling`: "none" (an operand narrower than `bits` takes what a
    whole one takes) or "width" (linear for additions and comparisons, quadratic for all others). Wider operands than `bits` take
    an operation for each begun `bits`, in energy (unless it scales) and in time.
    """

    name: str = "vector"
    at: str
    lanes: float | None
    bits: int = 16
    number: str = ""  # the number format that the energies are for; "" is an integer of `bits`
    energies: Table = ()
    does: tuple[str, ...] = KINDS
    slots: Table = ()
    drain: tuple[str, ...] = ()
    holds_bits: int = 0
    scaling: str = "none"
    source: str = ""
    sources: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        _known("kind of operation", (*self.does, *dict(self.energies), *dict(self.slots)), KINDS)
        _known("operator of the drain path", self.drain, DRAINS)
        if self.scaling not in SCALINGS:
            raise unknown_name("scaling of a vector unit", self.scaling, SCALINGS)
        if self.lanes is not None and not 0 < self.lanes < math.inf:
            raise SpecError(f"vector unit {self.name!r}: {self.lanes} lanes", hint="give a positive number of operations a cycle")
        if not self.does:
            raise SpecError(f"vector unit {self.name!r} does nothing", hint=f"some of {', '.join(KINDS)}, or leave it out: all")
        if self.bits < 1 or self.holds_bits < 0:
            raise SpecError(
                f"vector unit {self.name!r}: operands of {self.bits} b, holds {self.holds_bits} b", hint="1 b or more"
            )
        for what, table in (("pJ", self.energies), ("slots", self.slots)):
            for kind, value in table:
                if not (value >= 0 and math.isfinite(value)) or (what == "slots" and not value):
                    raise SpecError(
                        f"vector unit {self.name!r}: {value} {what} for {kind}", hint="energies are finite and not negative"
                    )

    def energy_pj(self, kind: str, bits: float) -> float | None:
        """pJ of one operation on operands of this width; None where it is unknown or the unit has no such operation."""
        own = dict(self.energies).get(kind)
        if own is None or kind not in self.does:
            return None
        if self.scaling == "width":
            return own * (bits / self.bits) ** _POWER.get(kind, 2)
        return own * self.pieces(bits)

    def lane_cycles(self, kind: str, bits: float) -> float:
        """Cycles that one operation keeps one lane busy."""
        return dict(self.slots).get(kind, 1.0) * self.pieces(bits)

    def pieces(self, bits: float) -> int:
        """Operations of the unit's own width that one on operands of `bits` takes."""
        return max(1, math.ceil(bits / self.bits))

    def missing(self, kinds: Iterable[str]) -> tuple[str, ...]:
        """Those of the kinds whose energy nobody states."""
        return tuple(k for k in kinds if self.energy_pj(k, self.bits) is None)

    def source_of(self, kind: str) -> str:
        """Where the energy of a kind comes from."""
        return dict(self.sources).get(kind, self.source)


def _known(what: str, given: Iterable[str], known: tuple[str, ...]) -> None:
    names = list(given)
    for name in names:
        if name not in known:
            raise unknown_name(what, name, known)

"""The mapping strings of the measured rows: four levels of loops, outermost first.

    mapping = level " - " level " - " level " - " level       L3 (DRAM), L2 (scratchpad), L1 (accumulator), L0 (registers)
    level   = "L" digit "[" tensors "]" { " " factor }         the tensors that the level stores, of W, I and O
    factor  = dimension number [ "X" ]                         a loop of that many trips; X: spread over the array, not in time

Dimensions are those of a convolution: R, S window, P, Q output, C input channels, K filters, N batch; R goes with P (along a
row of the image), S with Q. `N1` stands where a level has no loop. Within a level the loops are printed outermost first, too.
The product of a dimension's factors over all levels is its bound. Spatial factors: C at L1 (rows of the array, where sums are
formed) and K at L2 (columns).

    L3[WIO] K8 Q28 - L2[WI] N1 K4X - L1[O] K2 S7 R7 Q4 P7 C3X - L0[W] P16

tells: for 8 groups of filters, for 28 strips of rows: a tile of 8 filters, 3 channels, 4 x 112 pixels is loaded and computed
with 3 x 4 MACs at a time, weights staying for 16 pixels and more.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from picojoule.errors import SpecError

DIMENSIONS = "RSPQCKN"
LEVELS = (3, 2, 1, 0)
_LEVEL = re.compile(r"L(\d)\[([WIO]+)\]((?: [A-Z]\d+X?)+)")
_FACTOR = re.compile(r"([A-Z])(\d+)(X?)")
_EXAMPLE = "L3[WIO] K8 Q28 - L2[WI] N1 K4X - L1[O] K2 S7 R7 Q4 P7 C3X - L0[W] P16"


@dataclass(frozen=True, slots=True)
class Level:
    """One memory level: the tensors it stores, its loops in time and its factors in space, (dimension, trips) each."""

    number: int
    tensors: str
    loops: tuple[tuple[str, int], ...]
    spread: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        parts = [f"{d}{n}" for d, n in self.loops] or ["N1"]
        return f"L{self.number}[{self.tensors}] {' '.join(parts + [f'{d}{n}X' for d, n in self.spread])}"


@dataclass(frozen=True, slots=True)
class LevelMapping:
    """The four levels, outermost first."""

    levels: tuple[Level, Level, Level, Level]

    def __str__(self) -> str:
        return " - ".join(map(str, self.levels))

    def trips(self, dimension: str, levels: tuple[int, ...] = LEVELS) -> int:
        """Product of the factors of a dimension at these levels, in time and in space."""
        return math.prod(n for v in self.levels if v.number in levels for d, n in (*v.loops, *v.spread) if d == dimension)

    @property
    def lanes(self) -> int:
        """The larger side of the part of the array that is used: rows (spread at L1) or columns (spread at L2)."""
        return max(math.prod(n for _, n in v.spread) for v in self.levels)


def parse(text: str, where: str = "") -> LevelMapping:
    """The mapping that a string states.

    >>> parse("L3[WIO] K8 - L2[WI] N1 K4X - L1[O] C2 C16X - L0[W] P7").trips("K")
    32
    """
    found = []
    for part in text.strip().split(" - "):
        match = _LEVEL.fullmatch(part.strip())
        if match is None:
            raise SpecError(f"{part!r} is no level of a mapping", where=where, hint=f"write it like {_EXAMPLE}")
        factors = [_FACTOR.fullmatch(f) for f in match[3].split()]
        loops: list[tuple[str, int]] = []
        spread: list[tuple[str, int]] = []
        for f in factors:
            assert f is not None  # the level's pattern takes nothing else
            if f[1] not in DIMENSIONS or int(f[2]) < 1:
                hint = f"dimensions are {', '.join(DIMENSIONS)}, trips 1 or more"
                raise SpecError(f"{f[0]!r} is no factor", where=where, hint=hint)
            if int(f[2]) > 1:
                (spread if f[3] else loops).append((f[1], int(f[2])))
        found.append(Level(int(match[1]), match[2], tuple(loops), tuple(spread)))
    if tuple(v.number for v in found) != LEVELS:
        listed = ", ".join(f"L{v.number}" for v in found)
        raise SpecError(f"the levels are {listed}", where=where, hint="four are needed: L3, L2, L1 and L0, in this order")
    return LevelMapping((found[0], found[1], found[2], found[3]))

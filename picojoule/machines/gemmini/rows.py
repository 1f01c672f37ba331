"""Measured rows: a layer's shape, how it was mapped, and the cycles that the hardware took."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from picojoule.errors import SpecError, unknown_name
from picojoule.files import read_text
from picojoule.machines.gemmini.mapping_text import LevelMapping, parse

SHAPE = ("R", "S", "P", "Q", "C", "K", "stride_h", "stride_w")
MEASURED = "rtl_cycles"
PACKAGED = "rtl_cycles.csv"  # 1,567 rows, FireSim runs of the DOSA project; licence beside it


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """A convolution (R = S = Q = 1: a matrix product of P x C by C x K): window, output, channels, filters, strides."""

    R: int
    S: int
    P: int
    Q: int
    C: int
    K: int
    stride_h: int
    stride_w: int

    def __str__(self) -> str:
        stride = f" stride {self.stride_h}" if self.stride_h > 1 else ""
        if self.is_product:
            return f"{self.P}x{self.C} by {self.C}x{self.K}"
        return f"{self.R}x{self.S} {self.C}->{self.K}, {self.P}x{self.Q}{stride}"

    @property
    def macs(self) -> int:
        return self.R * self.S * self.P * self.Q * self.C * self.K

    @property
    def size(self) -> tuple[int, ...]:
        """What counts as one shape when rows are held back: everything but the strides."""
        return (self.R, self.S, self.P, self.Q, self.C, self.K)

    @property
    def is_product(self) -> bool:
        """Whether it runs as a matrix product: one window position and one row of output."""
        return self.R == self.S == self.Q == 1


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file. `cycles` is None where the file does not tell."""

    line: int
    shape: Shape
    mapping: LevelMapping
    cycles: float | None


def read_rows(path: Path | None = None) -> tuple[Row, ...]:
    """The rows of a CSV with the columns R,S,P,Q,C,K,stride_h,stride_w,mapping and, if measured, rtl_cycles.

    Lines that begin with # are remarks. Without a path: the rows that come along. Mistakes name file and line.
    """
    if path is None:
        name, text = PACKAGED, files(__package__).joinpath(f"data/{PACKAGED}").read_text(encoding="utf-8")
    else:
        name, text = str(path), read_text(path, kind="CSV file")
    lines = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip() and not line.startswith("#")]
    if not lines:
        raise SpecError("the file has no rows", where=name, hint=f"its columns are {','.join(SHAPE)},mapping,{MEASURED}")
    head = [c.strip() for c in next(csv.reader([lines[0][1]]))]
    for column in (*SHAPE, "mapping"):
        if column not in head:
            found = unknown_name("column", column, head)
            raise SpecError(f"column {column!r} is missing", where=f"{name}:{lines[0][0]}", hint=found.hint)
    rows = []
    for number, line in lines[1:]:
        at, cells = f"{name}:{number}", next(csv.reader([line]))
        if len(cells) != len(head):
            raise SpecError(f"{len(cells)} cells, but {len(head)} columns", where=at, hint="check the commas")
        rows.append(_row(number, dict(zip(head, (c.strip() for c in cells), strict=True)), at))
    if not rows:
        raise SpecError("the file has a header and no rows", where=name, hint="add at least one row")
    return tuple(rows)


def _row(number: int, cells: dict[str, str], at: str) -> Row:
    shape = Shape(*(_count(cells[c], c, at) for c in SHAPE))
    mapping = parse(cells["mapping"], at)
    for d, bound in {**{d: getattr(shape, d) for d in "RSPQCK"}, "N": 1}.items():
        if mapping.trips(d) < bound:
            covered = f"the mapping covers {mapping.trips(d)} of {d}={bound}"
            raise SpecError(covered, where=at, hint="the factors of a dimension multiply to its bound")
    measured = cells.get(MEASURED, "")
    try:
        cycles = float(measured) if measured else None
    except ValueError:
        cycles = -1.0
    if cycles is not None and not 0 < cycles < float("inf"):
        odd = f"{MEASURED}={measured} is no number of cycles"
        raise SpecError(odd, where=at, hint="give a positive number, or leave it empty")
    return Row(number, shape, mapping, cycles)


def _count(text: str, column: str, at: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise SpecError(f"{column}={text!r}", where=at, hint="give a whole number, 1 or more")
    return value

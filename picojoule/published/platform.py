"""Published chips and platforms: two data files with one record type, checked when they are loaded.

Nothing in them is computed here: an empty cell is None, an estimate keeps its qualifier, each record keeps its source, its
confidence and the kind of evidence. `consistency.py` holds the figures against each other.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from picojoule.errors import SpecError, unknown_name
from picojoule.quantities.amount import Amount, amount

Evidence = Literal["measured", "simulated", "modelled", "vendor"]
Scope = Literal["macro", "chip", "package", "board", "system", "not stated"]

DATA = Path(__file__).parent / "data"
EVIDENCE: tuple[Evidence, ...] = ("measured", "simulated", "modelled", "vendor")
SCOPES: tuple[Scope, ...] = ("macro", "chip", "package", "board", "system", "not stated")
PRECISIONS = {"fp64": 64, "fp32": 32, "tf32": 32, "fp16/bf16": 16, "int16": 16, "fp8": 8, "int8": 8, "fp4": 4}
# What the power of a class covers: TDP of a processor is the package alone, of a GPU or accelerator card the DRAM too.
CLASS_SCOPE: dict[str, Scope] = {
    "cpu": "package", "cpu/soc": "package", "gpu": "board", "gpu/soc": "board", "tpu": "not stated", "npu": "board",
    "asic": "chip", "fpga": "board", "mcu": "package", "ndp": "not stated",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The nominal peak of one precision, dense, in operations a second (one MAC is two)."""

    precision: str
    ops_per_s: float

    @property
    def macs_per_s(self) -> float:
        return self.ops_per_s / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One published chip or platform. None: not disclosed or not known. `scope`: what `power_w` covers.

    `ops_per_s_per_w`: the efficiency that the source itself states, at an operating point of its choice.
    """

    id: str
    name: str
    dataset: str  # "chips" or "platforms"
    kind: str
    year: int
    node: str
    node_nm: float | None
    area_mm2: Amount | None
    power_w: Amount | None
    clock_hz: float | None
    units: str
    macs: int | None  # multipliers, where the record counts them
    peaks: tuple[Peak, ...]
    onchip_bytes: float | None
    dram: str
    dram_bytes_per_s: float | None  # 0: none, everything stays on chip
    ops_per_s_per_w: float | None
    scope: Scope
    evidence: Evidence
    evidence_detail: str
    confidence: str  # H read or recomputed, M recalled with a cross-check, L uncertain
    source: str
    note: str

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise SpecError(f"{self.name!r} has no source", hint="name the document the figures are from")
        if self.confidence not in ("H", "M", "L"):
            raise unknown_name("confidence", self.confidence, ("H", "M", "L"))
        if self.evidence not in EVIDENCE:
            raise unknown_name("evidence", self.evidence, EVIDENCE)
        if self.scope not in SCOPES:
            raise unknown_name("scope", self.scope, SCOPES)
        if not 1980 <= self.year <= 2100:
            raise SpecError(f"{self.name!r}: year {self.year}", hint="give the year of publication")

    def peak(self, precision: str) -> Peak | None:
        return next((p for p in self.peaks if p.precision == precision), None)

    @property
    def best(self) -> Peak | None:
        """The highest peak of any precision."""
        return max(self.peaks, key=lambda p: p.ops_per_s, default=None)


@cache
def platforms() -> tuple[Platform, ...]:
    """All records, chips first, in the order of the files."""
    found = [*_read(DATA / "chips.csv", _chip), *_read(DATA / "platforms.csv", _platform)]
    for p in found:
        if sum(p.id == q.id for q in found) > 1:
            raise SpecError(f"two records have the id {p.id!r}", hint="ids are unique over both files")
    return tuple(found)


def platform(name: str) -> Platform:
    """The record with this id."""
    known = {p.id: p for p in platforms()}
    if name not in known:
        raise unknown_name("platform", name, known)
    return known[name]


def rows(path: Path) -> list[tuple[str, dict[str, str]]]:
    """(file:line, row) of a data file; lines that begin with # are comments."""
    lines = [(i, line) for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(keepends=True), 1) if line[0] != "#"]
    read = csv.DictReader(line for _, line in lines)
    return [(f"{path.name}:{lines[k][0]}", row) for k, row in enumerate(read, 1)]


def _read(path: Path, make: Callable[[dict[str, str], str], Platform]) -> Iterable[Platform]:
    for where, row in rows(path):
        if None in row or None in row.values():
            raise SpecError("the row does not have as many cells as the header", where=where, hint="quote cells that hold commas")
        try:
            yield make(row, where)
        except SpecError as e:
            raise e.located(where) from None


def _chip(r: dict[str, str], where: str) -> Platform:
    peak, clock, macs = _number(r["peak_gops"], where), _number(r["clock_mhz"], where), _number(r["num_macs"], where)
    kilobytes, rate, efficiency = (_number(r[k], where) for k in ("onchip_mem_kb", "offchip_gbps", "gops_per_w"))
    nm = _number(r["technology_nm"], where)
    return Platform(
        id=r["id"], name=r["name"], dataset="chips", kind=r["kind"], year=int(r["year"]), node=f"{nm:g} nm" if nm else "",
        node_nm=nm, area_mm2=amount(r["area_mm2"], where), power_w=amount(r["power_w"], where),
        clock_hz=None if clock is None else clock * 1e6, units=f"{macs:g} MACs" if macs else "",
        macs=None if macs is None else int(macs),
        peaks=(Peak(precision=r["precision"], ops_per_s=peak * 1e9),) if peak else (),
        onchip_bytes=None if kilobytes is None else kilobytes * 1e3, dram="",
        dram_bytes_per_s=None if rate is None else rate * 1e9,
        ops_per_s_per_w=None if efficiency is None else efficiency * 1e9, scope=r["scope"],  # type: ignore[arg-type]
        evidence=r["evidence"], evidence_detail=r["evidence_detail"], confidence=r["confidence"],  # type: ignore[arg-type]
        source=r["source"], note=r["notes"],
    )  # fmt: skip


def _platform(r: dict[str, str], where: str) -> Platform:
    columns = {p: p.replace("/", "_") + ("_tops" if p.startswith("int") else "_tflops") for p in PRECISIONS}
    peaks = {p: _number(r[c], where) for p, c in columns.items()}
    clock, cache_mb, rate = (_number(r[k], where) for k in ("clock_ghz", "llc_mb", "dram_gbs"))
    l2_mb = _number(r["l2_mb"], where)
    known_mb = [x for x in (l2_mb, cache_mb) if x is not None]
    return Platform(
        id=r["id"], name=r["name"], dataset="platforms", kind=r["class"], year=int(r["year"]), node=r["node"],
        node_nm=node_nm(r["node"]), area_mm2=amount(r["die_mm2"], where), power_w=amount(r["tdp_w"], where),
        clock_hz=None if clock is None else clock * 1e9, units=r["units"], macs=None,
        peaks=tuple(Peak(precision=p, ops_per_s=t * 1e12) for p, t in peaks.items() if t),
        onchip_bytes=max(known_mb) * 1e6 if known_mb else None, dram=r["dram"],
        dram_bytes_per_s=None if rate is None else rate * 1e9, ops_per_s_per_w=None,
        scope=CLASS_SCOPE.get(r["class"], "not stated"), evidence="vendor", evidence_detail="nominal figures",
        confidence=r["confidence"], source=r["source"], note=r["note"],
    )  # fmt: skip


def node_nm(text: str) -> float | None:
    """The number in a node's name, in nm; names of recent nodes are names, not lengths. None where there is none.

    >>> node_nm("7nm+14nm IOD"), node_nm("4N"), node_nm("Intel 3"), node_nm("1y nm DRAM")
    (7.0, 4.0, 3.0, None)
    """
    match = re.match(r"^(?:Intel |N)?(\d+)(?!\d*[xyz])(?:nm|N|NP|E|\b)", text)
    return float(match[1]) if match else None


def _number(text: str, where: str) -> float | None:
    """A plain number of 0 or more; None where empty."""
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        raise SpecError(f"{text!r} is no number", where=where, hint="write it without a unit; empty if not known") from None
    if value < 0:
        raise SpecError(f"{text!r} is negative", where=where, hint="figures are 0 or more")
    return value

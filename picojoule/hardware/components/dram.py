"""Memory technologies split into what an access is made of: column, interface, vias, and the row that has to be opened.

    pJ/b = column + I/O + TSV + E_activate / (row bits x row use)        + background power x time, which the chip adds as leakage

`row use` is the fraction of an opened row that is moved before another row of the bank is opened: 1 for long streams, 64 B of
8 KiB for random lines. One constant per bit, as most tools have, hides that term, and with it what a layout of the data can gain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.components.components import component
from picojoule.quantities.estimate import Estimate, table

UNITS = {"column_read": "pJ", "column_write": "pJ", "io": "pJ", "tsv": "pJ", "activate": "nJ", "row": "B", "background": "mW",
         "bandwidth": "GB/s", "cell": "F2", "read": "pJ", "write": "pJ", "endurance": "writes"}  # fmt: skip


@dataclass(frozen=True)
class Technology:
    """A memory technology: its facts by name, each with range and source. What is absent is unknown, not zero."""

    kind: str
    facts: tuple[tuple[str, Estimate], ...]

    def fact(self, what: str) -> Estimate | None:
        return dict(self.facts).get(what)

    @property
    def split(self) -> bool:
        """Whether column and interface are known apart."""
        return self.fact("column_read") is not None

    def parts(self, action: str, row_use: float = 1.0) -> dict[str, Estimate]:
        """pJ per bit of a read or write, by part; technologies that are not split have one part."""
        if not 0 < row_use <= 1:
            raise SpecError(f"row use of {row_use:g}", hint="the fraction of an opened row that is moved, above 0 up to 1")
        whole = self.fact(action)
        if whole is not None:
            return {"all": whole}
        named = {"column": self.fact(f"column_{action}"), "I/O": self.fact("io"), "TSV": self.fact("tsv")}
        out = {name: e for name, e in named.items() if e is not None}
        activate, row = self.fact("activate"), self.fact("row")
        if activate is not None and row is not None:
            out["row"] = activate.times(1000 / (row.value * 8 * row_use), f"a row of {row.value:g} B, {row_use:g} of it used")
        return out

    def pj_per_bit(self, action: str, row_use: float = 1.0) -> Estimate:
        """The sum of the parts, with the sum of their ranges."""
        parts = self.parts(action, row_use)
        text = ", ".join(f"{name} {e.value:.3g}" for name, e in parts.items())
        sources = "; ".join(dict.fromkeys(e.source for e in parts.values()))
        total, low, high = (sum(getattr(e, x) for e in parts.values()) for x in ("value", "low", "high"))
        return Estimate(total, "pJ", f"{self.kind}, pJ/b: {text} ({sources})", low, high)


@cache
def technologies() -> dict[str, Technology]:
    """All technologies by name."""
    facts: dict[str, list[tuple[str, Estimate]]] = {}
    for r in table("memories.csv"):
        note = "" if r["confidence"] == "read" else r["confidence"]
        estimate = Estimate(float(r["value"]), UNITS[r["what"]], r["source"], float(r["low"]), float(r["high"]), note)
        facts.setdefault(r["kind"], []).append((r["what"], estimate))
    return {kind: Technology(kind, tuple(found)) for kind, found in facts.items()}


def technology(kind: str) -> Technology:
    """The technology of this name."""
    known = technologies()
    if kind not in known:
        raise unknown_name("memory technology", kind, known)
    return known[kind]


@component("memory_technology")
def memory_technology(*, kind: str, word_bits: int, row_use: float = 1.0) -> dict[str, Estimate]:
    """Energy per word of DDR3 to HBM3, HMC, eDRAM, ReRAM, PCM and STT-MRAM, split by parts, and background power as leakage.

    Formula and sources: see the module and `pj memories`. Range: what sources leave open; interfaces are recalled figures. Row
    misses follow from `row_use`; refresh is part of the background where that is known. For one constant per bit, use `dram`.
    """
    chosen = technology(kind)
    out = {action: chosen.pj_per_bit(action, row_use).times(word_bits) for action in ("read", "write")}
    background = chosen.fact("background")
    return out if background is None else {**out, "leakage": background}

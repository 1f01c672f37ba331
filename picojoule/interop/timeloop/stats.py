"""Timeloop's `stats.txt`: cycles, energy, and scalar accesses by level and data space, as the run printed them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from picojoule.errors import SpecError

_LEVEL = re.compile(r"^=== (?P<name>\S+) ===$")
_SPACE = re.compile(r"^ {4}(?P<name>\w+):$")
_COUNT = re.compile(
    r"^\s+(?:(?P<fate>Algorithmic|Actual) )?[Ss]calar (?P<what>reads|fills|updates) \(per-instance\)\s*: (?P<n>[\d.]+)"
)
_FIELD = re.compile(r"^\s*(?P<key>[A-Za-z()/ .\-]+?)\s*: (?P<value>[\d.eE+-]+)(?: pJ| uJ)?$")


@dataclass(slots=True, kw_only=True)
class Level:
    """One level: scalar accesses per instance by (data space, what), instances in use, total pJ by data space, leakage pJ."""

    counts: dict[tuple[str, str], float] = field(default_factory=dict)
    instances: dict[str, float] = field(default_factory=dict)
    energy_pj: dict[str, float] = field(default_factory=dict)
    leakage_pj: float = 0.0


@dataclass(slots=True, kw_only=True)
class Stats:
    """What a run printed. `energy_uj` and the pJ are rounded as they are printed."""

    cycles: int
    energy_uj: float
    levels: dict[str, Level]
    computes: int = 0
    energy_text: str = ""
    sparse: bool = False


def is_stats(text: str) -> bool:
    return "Buffer and Arithmetic Levels" in text and "Summary Stats" in text


def read_stats(text: str, where: str) -> Stats:
    """The figures of a run."""
    levels: dict[str, Level] = {}
    summary: dict[str, str] = {}
    level, space, in_summary = None, "", False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(("Networks", "Operational Intensity")):
            level = None
        if line.startswith("Summary Stats"):
            level, in_summary = None, True
        if m := _LEVEL.match(line):
            level, space = (
                (levels.setdefault(m["name"], Level()), "") if not in_summary and m["name"] not in levels else (None, "")
            )
        elif m := _SPACE.match(line):
            space = m["name"]
        elif level is not None and (m := _COUNT.match(line)):
            if m["fate"] != "Actual":
                level.counts[space, m["what"]] = _number(m["n"], where, number)
        elif level is not None and (m := _FIELD.match(line)):
            _level_field(level, space, m["key"].strip(), m["value"], where, number)
        elif m := re.match(r"^(Cycles|Energy|Computes)\s*[:=] (\S+)", line):
            summary.setdefault(m[1], m[2])
    for key in ("Cycles", "Energy"):
        if key not in summary:
            raise SpecError(f"the summary has no {key}", where=where, hint="give the stats.txt of a run that finished")
    cycles = int(_number(summary["Cycles"], where, 1))
    computes = int(_number(summary.get("Computes", "0"), where, 1))
    energy = _number(summary["Energy"], where, 1)
    sparse = "Algorithmic" in text
    return Stats(cycles=cycles, energy_uj=energy, levels=levels, computes=computes, energy_text=summary["Energy"], sparse=sparse)


def _level_field(level: Level, space: str, key: str, value: str, where: str, line: int) -> None:
    if key == "Energy (total)":
        level.energy_pj[space] = _number(value, where, line)
    elif key == "Leakage energy (total)":
        level.leakage_pj = _number(value, where, line)
    elif key == "Utilized instances (max)":
        level.instances[space] = _number(value, where, line)


def _number(text: str, where: str, line: int) -> float:
    try:
        return float(text)
    except ValueError:
        raise SpecError(
            f"{text!r} is no number", where=f"{where}:{line}:1", hint="give the stats.txt as it was printed"
        ) from None

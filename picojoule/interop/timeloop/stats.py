"""Timeloop's `stats.txt`: cycles, energy, and scalar accesses by level and data space, as the run printed them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from picojoule.errors import SpecError
from picojoule.interop.timeloop.mapping import Directives, Nest

_LEVEL = re.compile(r"^=== (?P<name>\S+) ===$")
_SPACE = re.compile(r"^ {4}(?P<name>\w+):$")
_COUNT = re.compile(
    r"^(?:(?P<fate>Algorithmic|Actual) )?[Ss]calar (?P<what>reads|fills|updates) \(per-instance\) ?: (?P<n>[\d.]+)"
)
_LOOP = re.compile(r"^for (?P<dim>\w+) in \[0:(?P<bound>\d+)\)(?: \(Spatial-(?P<axis>[XY])\))?$")
_FIELD = re.compile(r"^(?P<key>[A-Za-z()/ .\-]+?) ?: (?P<value>[\d.eE+-]+)(?: pJ| uJ)?$")


@dataclass(slots=True, kw_only=True)
class Level:
    """One level: scalar accesses per instance by (data space, what), instances in use, total pJ by data space, leakage pJ."""

    counts: dict[tuple[str, str], float] = field(default_factory=dict)
    actual: dict[tuple[str, str], float] = field(default_factory=dict)  # of them, those that zeros left, in sparse runs
    instances: dict[str, float] = field(default_factory=dict)
    energy_pj: dict[str, float] = field(default_factory=dict)
    leakage_pj: float = 0.0


@dataclass(slots=True, kw_only=True)
class Stats:
    """What a run printed. `energy_uj` and the pJ are rounded as they are printed."""

    cycles: int
    energy_uj: float
    levels: dict[str, Level]
    energy_text: str = ""
    sparse: bool = False
    nest: Directives = field(default_factory=Directives)  # what levels keep and their loops; those of fan-outs are not printed


def is_stats(text: str) -> bool:
    return "Buffer and Arithmetic Levels" in text and "Summary Stats" in text


def read_stats(text: str, where: str) -> Stats:
    """The figures of a run."""
    run = _Reader(where)
    for number, line in enumerate(text.splitlines(), 1):
        run.line(number, line)
    for key in ("Cycles", "Energy"):
        if key not in run.summary:
            raise SpecError(f"the summary has no {key}", where=where, hint="give the stats.txt of a run that finished")
    spaces = list(dict.fromkeys(s for kept in run.nest.keep.values() for s in kept))
    stores = {n: where for n, where in run.nest.places.items() if n in run.nest.keep}  # the first level is the MACs
    run.nest.places, run.nest.bypass = stores, {n: [s for s in spaces if s not in run.nest.keep[n]] for n in stores}
    return Stats(
        cycles=int(_number(run.summary["Cycles"], where, 1)),
        energy_uj=_number(run.summary["Energy"], where, 1),
        levels=run.levels,
        energy_text=run.summary["Energy"],
        sparse="Algorithmic" in text,
        nest=run.nest,
    )


class _Reader:
    """Takes a run's report line by line."""

    def __init__(self, where: str) -> None:
        self.where, self.summary, self.levels = where, dict[str, str](), dict[str, Level]()
        self.level: Level | None = None
        self.name, self.space, self.ended, self.nest = "", "", False, Directives(where=where)

    def line(self, number: int, line: str) -> None:
        if len(line) > 500:
            return
        if line.startswith(("Networks", "Operational Intensity", "Summary Stats")):
            self.level, self.ended = None, True
        if m := _LEVEL.match(line):
            self.level, self.space, self.name = None, "", m["name"]
            if not self.ended:
                self.level = self.levels[self.name] = Level()
                self.nest.places[self.name] = f"{self.where}:{number}:1"
        elif self.level is None:
            if m := re.match(r"^(Cycles|Energy)\s*: (\S+)", line):
                self.summary.setdefault(m[1], m[2])
        elif m := _SPACE.match(line):
            self.space = m["name"]
            self.nest.keep.setdefault(self.name, []).append(self.space)
        elif m := _LOOP.match(" ".join(line.split())):
            table = self.nest.spatial if m["axis"] else self.nest.temporal
            loops = table.setdefault(self.name, Nest(bounds={}, order=[], split=None, where=self.nest.places[self.name]))
            loops.bounds[m["dim"]] = int(m["bound"])
            loops.order.insert(0, m["dim"])
        elif m := _COUNT.match(" ".join(line.split())):
            counts = self.level.actual if m["fate"] == "Actual" else self.level.counts
            counts[self.space, m["what"]] = _number(m["n"], self.where, number)
        elif m := _FIELD.match(" ".join(line.split())):
            _level_field(self.level, self.space, m["key"].strip(), m["value"], self.where, number)


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

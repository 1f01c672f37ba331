"""Timeloop's printed loop nests (`*.map.txt`) as directives.

DRAM [ Weights:96 (96) Inputs:18 (18) Outputs:512 (512) ]
---------------------------------------------------------
| for K in [0:16)
|   for P in [0:16) (Spatial-X)
"""

from __future__ import annotations

import re

from picojoule.errors import SpecError, unknown_name
from picojoule.interop.report import Report
from picojoule.interop.timeloop.mapping import Directives, Nest

_LEVEL = re.compile(r"^\s*(?P<name>[\w.]+) \[ ?(?P<kept>[^\]]*)\]\s*$")
_LOOP = re.compile(r"^[|\s]*for (?P<dim>\w+) in \[0:(?P<bound>\d+)(?:,(?P<rest>\d+))?\)(?: \(Spatial-(?P<axis>[XY])\))?\s*$")
_QUIET = re.compile(r"^[\s|\-=]*$")


def is_map_text(text: str) -> bool:
    return bool(re.search(r"^[| \t]*for \w+ in \[0:\d+", text, re.MULTILINE)) and "Buffer and Arithmetic Levels" not in text


def read_map_text(text: str, where: str, report: Report) -> Directives:
    """The directives of a printed nest; it lists levels and loops from the outside in."""
    out = Directives(where=where)
    level = ""
    for number, line in enumerate(text.splitlines(), 1):
        at = f"{where}:{number}:1"
        if m := _LEVEL.match(line):
            level = m["name"]
            if level in out.places:
                raise SpecError(f"level {level!r} stands twice", where=at, hint="once each, from the outside in")
            out.places[level] = at
            out.keep[level] = re.findall(r"([A-Za-z_]\w*):", m["kept"])
            report.read(at, f"mapping.{level}")
        elif m := _LOOP.match(line):
            if not level:
                raise SpecError("a loop stands above every level", where=at, hint="begin with the outermost level")
            if m["rest"] and m["rest"] != m["bound"]:
                raise SpecError("a loop with a remainder", where=at, hint="here the outermost loop alone may be ragged")
            table = out.spatial if m["axis"] else out.temporal
            nest = table.setdefault(level, Nest(bounds={}, order=[], split=0 if m["axis"] else None, where=at))
            if m["dim"] in nest.bounds:
                raise SpecError(f"two loops over {m['dim']} at {level!r}", where=at, hint="one of a kind for each level")
            nest.bounds[m["dim"]] = int(m["bound"])
            nest.order.insert(0, m["dim"])  # innermost first
            if m["axis"] == "X":
                nest.split = (nest.split or 0) + 1
        elif not _QUIET.match(line):
            raise SpecError(
                f"cannot read the line {line.strip()[:60]!r}", where=at, hint="a level `Name [ ... ]` or `for K in [0:4)`"
            )
    for level, names in out.keep.items():
        all_names = list(dict.fromkeys(n for kept in out.keep.values() for n in kept))
        out.bypass[level] = [n for n in all_names if n not in names]
    if not out.places:
        raise unknown_name("mapping", where, ["Name [ Weights:96 ... ]"], where)
    return out

"""Mappings that other tools print, as our `Mapping`."""

from __future__ import annotations

import re
from collections.abc import Mapping as Names

from picojoule.hardware.chip import Chip, FanOut
from picojoule.mapping.mapping import Loop, Mapping, Node, check
from picojoule.workload.layer import Layer

_LOOP = re.compile(r"(?:S-(?P<axis>\w+) )?for (?P<dim>\w+) in \[0\.\.(?P<bound>\d+)\)")
_NODE = re.compile(r"(?P<memory>\w+) reserved for (?P<tensors>[\w,\s]+)")

Entry = Loop | Node


def from_accelforge(text: str, layer: Layer, chip: Chip, tensors: Names[str, str], dims: Names[str, str]) -> Mapping:
    """`DRAM reuses Z, B, A | DRAM reserved for Z,B,A | for m in [0..4) shape=256 | S-Y for n in [0..16) ... | MAC computes gemm`.

    `tensors` and `dims` translate its names. A tile takes its room where it is "reserved", which is where our node stands;
    "reuses" further out means that the loops between bring every element once, as our sliding window does.
    """
    entries: list[Entry] = []
    for piece in (p.strip() for p in text.split("|")):
        if loop := _LOOP.match(piece):
            entries.append(_loop(chip, dims[loop["dim"]], int(loop["bound"]), loop["axis"]))
        elif node := _NODE.match(piece):
            entries += [Node(node["memory"], tensors[t.strip()]) for t in node["tensors"].split(",")]
    return _checked(entries, layer, chip)


def _loop(chip: Chip, dim: str, bound: int, axis: str | None) -> Loop:
    fanout = next((f.name for f in chip.fanouts if axis in [a.name for a in f.axes]), None)
    return Loop(dim, bound, fanout, axis if fanout else None)


def _checked(entries: list[Entry], layer: Layer, chip: Chip) -> Mapping:
    """Without loops of one pass; nodes that no loop parts stand from the outer memory inwards."""
    kept = [e for e in entries if isinstance(e, Node) or e.bound > 1]
    out: list[Entry] = []
    run: list[Node] = []
    for e in [*kept, None]:
        if isinstance(e, Node):
            run.append(e)
            continue
        out += sorted(run, key=lambda n: chip.level_of(n.memory))
        run = []
        if e is not None:
            out.append(e)
    mapping = Mapping(tuple(out))
    check(mapping, layer, chip)
    return mapping


def fanout_of(chip: Chip) -> FanOut:
    """The chip's only fan-out."""
    (fanout,) = chip.fanouts
    return fanout

"""Mappings that other tools print, as our `Mapping`."""

from __future__ import annotations

import re
from collections.abc import Mapping as Names

from picojoule.errors import MappingError
from picojoule.hardware.chip import Chip
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
    return checked(entries, layer, chip)


def _loop(chip: Chip, dim: str, bound: int, axis: str | None) -> Loop:
    fanout = next((f.name for f in chip.fanouts if axis in [a.name for a in f.axes]), None)
    return Loop(dim, bound, fanout, axis if fanout else None)


def checked(entries: list[Entry], layer: Layer, chip: Chip) -> Mapping:
    """Without loops of one pass; nodes that no loop parts stand from the outer memory inwards."""
    kept = [e for e in entries if isinstance(e, Node) or e.bound > 1]
    out: list[Entry] = []
    run: list[Entry] = []  # nodes
    for e in [*kept, None]:
        if isinstance(e, Node):
            run.append(e)
            continue
        out += sorted(run, key=lambda n: chip.level_of(n.memory) if isinstance(n, Node) else 0)
        run = []
        if e is not None:
            out.append(e)
    mapping = Mapping(tuple(out))
    check(mapping, layer, chip)
    return mapping


def from_zigzag(
    loops: Names[str, list[list[tuple[str, int]]]],
    spatial: Names[str, list[list[tuple[str, int]]]],
    layer: Layer,
    chip: Chip,
    dims: Names[str, str],
    unroll: Names[str, list[str]],
) -> Mapping:
    """ZigZag's loops of each operand by memory, innermost memory and loop first: `{"O": [[["C", 2], ...], [], ...], ...}`.

    All operands share one order of loops. The tile that an operand's memory holds is made of the loops of that memory and
    those inside it, so that our node stands above them; what is unrolled stands between the memories outside and inside.
    """
    order = [Loop(dims[d], n) for d, n in (x for level in loops["O"] for x in level)]  # innermost first
    at: dict[int, list[Node]] = {}
    for op, levels in loops.items():
        role = {"I": "input", "W": "weight", "O": "output"}[op]
        tensor = next(t for t in layer.tensors if t.role == role)
        inside = 0
        for memory, level in zip(_memories(chip, role), levels, strict=True):
            inside += len(level)
            at.setdefault(inside, []).append(Node(memory, tensor.name))
    entries: list[Entry] = []
    for i in reversed(range(len(order) + 1)):
        entries += at.get(i, [])
        entries += [order[i - 1]] if i else []
    used = {d: n for levels in spatial.values() for level in levels for d, n in level}
    return checked(_with_unrolled(entries, chip, used, dims, unroll), layer, chip)


def _memories(chip: Chip, role: str) -> list[str]:
    """The memories that keep a role, from the inside out."""
    return [m.name for m in reversed(chip.memories) if m.keeps_role(role) != "never"]


def _with_unrolled(
    entries: list[Entry], chip: Chip, used: Names[str, int], dims: Names[str, str], unroll: Names[str, list[str]]
) -> list[Entry]:
    """The unrolled loops of each fan-out, put right below the last node of a memory outside it."""
    for fanout in chip.fanouts:
        level = chip.level_of(fanout.name)
        last = max(i for i, e in enumerate(entries) if isinstance(e, Node) and chip.level_of(e.memory) < level)
        names = {a.name: unroll[a.name][0].split(",")[0] for a in fanout.axes}
        new: list[Entry] = [Loop(dims[d], used[d], fanout.name, axis) for axis, d in names.items() if used.get(d, 1) > 1]
        inside = [i for i, e in enumerate(entries[:last]) if isinstance(e, Node) and chip.level_of(e.memory) > level]
        if any(isinstance(e, Loop) for e in entries[min(inside, default=last) : last]):
            raise MappingError(f"a node inside {fanout.name} stands above one outside it", hint="no such mapping in our space")
        entries = [*_outer_first(entries[: last + 1], chip, level, new), *entries[last + 1 :]]
    return entries


def _outer_first(entries: list[Entry], chip: Chip, level: int, new: list[Entry]) -> list[Entry]:
    """The entries with the unrolled loops before the nodes of memories inside them."""
    inner = [e for e in entries if isinstance(e, Node) and chip.level_of(e.memory) > level]
    return [*(e for e in entries if e not in inner), *new, *inner]

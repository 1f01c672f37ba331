"""A mapping printed as the loop nest it stands for."""

from __future__ import annotations

from collections.abc import Sequence

from picojoule.hardware.chip import Chip
from picojoule.mapping.footprint import tile_elements
from picojoule.mapping.mapping import Loop, Mapping, Node
from picojoule.report import units
from picojoule.workload.layer import Layer


def loop_nest(mapping: Mapping, layer: Layer, chip: Chip) -> str:
    """The nest from the outside in; unrolled loops stand in one `in parallel` line, storage nodes say what they hold."""
    lines: list[str] = []
    depth = i = 0
    entries = mapping.entries
    for name, memory in mapping.homes:
        lines.append(f"{memory} is where {name} {'ends' if name == layer.output.name else 'starts'}")
    while i < len(entries):
        e, j = entries[i], i + 1
        if isinstance(e, Node):
            while j < len(entries) and isinstance(entries[j], Node) and entries[j].memory == e.memory:  # type: ignore[union-attr]
                j += 1
            held = ", ".join(_held(mapping, k, layer, chip) for k in range(i, j))
            serves = chip.memory(e.memory).serves
            shared = f" (one for all of {' × '.join(serves)})" if serves else ""
            lines.append("  " * depth + f"{e.memory}{shared} holds {held}")
        elif e.spatial:
            while j < len(entries) and _unrolled_at(entries[j], e.fanout):
                j += 1
            lines.append("  " * depth + f"in parallel on {e.fanout}: {_axes(entries[i:j])}")
            depth += 1
        else:
            lines.append("  " * depth + f"for {e.dim.lower()} in 0..{e.bound - 1}")
            depth += 1
        i = j
    operands = " * ".join(t.name for t in layer.tensors if t.role != "output")
    lines.append("  " * depth + f"{chip.compute.name}: {layer.output.name} += {operands}")
    return "\n".join(lines)


def _axes(loops: Sequence[Loop | Node]) -> str:
    """`X: k 4 x r 7, Y: c 3`: what is unrolled along each axis, outermost first."""
    axes: dict[str, list[str]] = {}
    for x in loops:
        assert isinstance(x, Loop) and x.axis is not None
        axes.setdefault(x.axis, []).append(f"{x.dim.lower()} {x.bound}")
    return ", ".join(f"{axis}: {' x '.join(parts)}" for axis, parts in axes.items())


def _unrolled_at(entry: Loop | Node, fanout: str | None) -> bool:
    return isinstance(entry, Loop) and entry.spatial and entry.fanout == fanout


def _held(mapping: Mapping, i: int, layer: Layer, chip: Chip) -> str:
    node = mapping.entries[i]
    assert isinstance(node, Node)
    tensor, tile = layer.tensor(node.tensor), mapping.tile(i, layer, chip.shared_by(chip.memory(node.memory)))
    return f"{tensor.name} ({units.bits(tile_elements(layer, tensor, tile) * tensor.bits)})"

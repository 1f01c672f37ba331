"""Whether a mapping obeys the dataflow of its chip: read off the loops, one by one, without anything of the search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from picojoule.hardware.chip import Chip, Stay
from picojoule.mapping.entries import Loop, Node
from picojoule.workload.kinds import kind
from picojoule.workload.layer import Layer, Tensor

if TYPE_CHECKING:
    from picojoule.mapping.mapping import Mapping


def violations(mapping: Mapping, layer: Layer, chip: Chip) -> tuple[str, ...]:
    """What the mapping does against the chip's dataflow, in words; empty if it obeys."""
    return (*_unrolled(mapping, layer, chip), *(v for s in chip.stays for v in _stay(mapping, layer, s)))


def obeys(mapping: Mapping, layer: Layer, chip: Chip) -> bool:
    """Whether the mapping obeys the dataflow of the chip (see `hardware.dataflow`)."""
    return not violations(mapping, layer, chip)


def _unrolled(mapping: Mapping, layer: Layer, chip: Chip) -> list[str]:
    """Loops on axes that the dataflow keeps for other kinds of dimensions."""
    axes = {(f.name, a.name): a.kinds for f in chip.fanouts for a in f.axes}
    out = []
    for e in mapping.entries:
        if not isinstance(e, Loop) or e.fanout is None:
            continue
        kinds = axes[e.fanout, e.axis or ""]
        if e.bound > 1 and kinds is not None and kind(layer, e.dim) not in kinds:
            out.append(f"{e.dim} ({kind(layer, e.dim)}) is unrolled along {e.axis}")
    return out


def _stay(mapping: Mapping, layer: Layer, stay: Stay) -> list[str]:
    """What moves the tile too early, or makes it too wide."""
    out = []
    for tensor in (t for t in layer.tensors if t.role == stay.role):
        out += _too_early(mapping, layer, stay, tensor) + _too_wide(mapping, layer, stay, tensor)
    return out


def _too_early(mapping: Mapping, layer: Layer, stay: Stay, tensor: Tensor) -> list[str]:
    above: list[Loop] = []
    for e in mapping.entries:
        if e == Node(stay.memory, tensor.name):
            loops = [x for x in above if x.bound > 1 and not x.spatial and kind(layer, x.dim) in stay.whole]
            return [f"{tensor.name} leaves {stay.memory} while {x.dim} ({kind(layer, x.dim)}) goes on" for x in loops]
        if isinstance(e, Loop):
            above.append(e)
    return [f"{stay.memory} does not keep {tensor.name}"]


def _too_wide(mapping: Mapping, layer: Layer, stay: Stay, tensor: Tensor) -> list[str]:
    place = next((i for i, e in enumerate(mapping.entries) if e == Node(stay.memory, tensor.name)), None)
    below = [] if place is None else [e for e in mapping.entries[place:] if isinstance(e, Loop) and e.bound > 1]
    wide = dict.fromkeys(e.dim for e in below if kind(layer, e.dim) in stay.single)
    return [f"the tile of {tensor.name} in {stay.memory} is wider than one {d} ({kind(layer, d)})" for d in wide]


__all__ = ["obeys", "violations"]

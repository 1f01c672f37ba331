"""AccelForge mappings of one einsum as ours: `!Storage`, `!Temporal` and `!Spatial` with tile shapes, `!Compute`."""

from __future__ import annotations

from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.chip import Chip
from picojoule.interop.names import letters
from picojoule.interop.nests import Entry, checked
from picojoule.interop.report import Report
from picojoule.interop.trees import Block, as_block, as_items, as_text, as_texts, as_whole, refuse_leftover
from picojoule.mapping.mapping import Loop, Mapping, Node
from picojoule.workload.layer import Layer


def refuse_fused(block: Block) -> None:
    """Raise where several einsums share loops: a mapping here is for one layer."""
    for tree in as_items(block.need("nodes", what="the mapping"), "nodes"):
        node = as_block(tree, "a node")
        if node.tag in ("Sequential", "Pipeline", "Split", "Nested"):
            raise SpecError(
                f"!{node.tag}: several einsums under common loops (fusion)",
                where=node.where,
                hint="a mapping here is for one layer",
            )
        if node.tag not in ("Storage", "Temporal", "Spatial", "Compute", "Reservation"):
            raise unknown_name("node", f"!{node.tag}", ["!Storage", "!Temporal", "!Spatial", "!Compute"], node.where)


def to_mapping(block: Block, layer: Layer, chip: Chip, report: Report) -> Mapping:
    """The mapping of the layer on the chip, checked. A loop runs as often as its tiles cover what is left of the dimension."""
    left = dict(layer.dims)
    entries: list[Entry] = []
    for tree in as_items(block.need("nodes", what="the mapping"), "nodes"):
        node = as_block(tree, "a node")
        report.read(node.where, f"!{node.tag}")
        if node.tag == "Storage":
            memory = as_text(node.need("component", what="!Storage"), "component")
            chip.memory(memory)
            for name in as_texts(node.need("tensors", what="!Storage"), "tensors"):
                if name not in [t.name for t in layer.tensors]:
                    raise unknown_name("tensor", name, [t.name for t in layer.tensors], node.place("tensors"))
                entries.append(Node(memory, name))
            refuse_leftover(node, "!Storage")
        elif node.tag in ("Temporal", "Spatial"):
            entries += _loop(node, left, chip, layer)
    try:
        return checked(entries, layer, chip)
    except SpecError as e:
        raise e.located(block.where) from None


def _loop(node: Block, left: dict[str, int], chip: Chip, layer: Layer) -> list[Entry]:
    name = as_text(node.need("rank_variable", what=f"!{node.tag}"), "rank_variable")
    tile = as_whole(node.need("tile_shape", what=f"!{node.tag}"), "tile_shape")
    axis = node.get("name", "dimension")
    node.get("component")
    refuse_leftover(node, f"!{node.tag}", ["rank_variable", "tile_shape", "name", "component"])
    dim = next(iter(letters([name]).values()))
    if dim not in left:
        if tile == 1:  # a rank of one index, which a layer does not keep
            return []
        raise unknown_name("rank variable", name, [d for d, _ in layer.dims], node.place("rank_variable"))
    bound, left[dim] = -(-left[dim] // tile), tile
    if node.tag == "Temporal":
        return [Loop(dim, bound)]
    label = as_text(axis, "name") if axis is not None else ""
    fanout = next((f for f in chip.fanouts if label in f.along), None)
    if fanout is None:
        raise unknown_name("axis", label, [a.name for f in chip.fanouts for a in f.axes], node.where)
    return [Loop(dim, bound, fanout.name, label)]

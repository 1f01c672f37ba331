"""ZigZag: hardware (memories from the MACs outwards around an array), workloads of layers, spatial mappings.

A memory that serves all dimensions of the array stands above it; one that serves some of them is shared along those axes; one
that serves none exists at every MAC. Costs are pJ per access of the full width of its ports.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from picojoule.ask import ROLES
from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory, Port
from picojoule.interop.names import letters, roles_of
from picojoule.interop.report import Report
from picojoule.interop.trees import (
    Block,
    Items,
    Scalar,
    Tree,
    as_amount,
    as_block,
    as_items,
    as_number,
    as_switch,
    as_text,
    as_texts,
    as_whole,
    refuse_leftover,
)
from picojoule.workload.layer import Layer, Rank, from_ranks

_ROLE = {"I1": "input", "I2": "weight", "O": "output"}
_DIRECTIONS = ("fh", "fl", "th", "tl")
_OFFCHIP_BITS = 10**9  # an outermost memory of this size is taken for the one off the chip
_IGNORED = {
    "area": "its unit is not stated",
    "latency": "that tool does not use it",
    "mem_type": "chooses an estimator",
    "auto_cost_extraction_type": "chooses an estimator",
}
_MAC_OPERATORS = ("conv", "gemm", "matmul", "qlinearconv", "linear", "fc", "dense")


def is_hardware(root: Tree) -> bool:
    return isinstance(root, Block) and root.has("memories") and root.has("operational_array")


def is_workload(root: Tree) -> bool:
    return _list_with(root, "equation")


def is_mapping(root: Tree) -> bool:
    return _list_with(root, "spatial_mapping", "memory_operand_links", "spatial_mapping_hint")


def _list_with(root: Tree, *keys: str) -> bool:
    return isinstance(root, Items) and any(isinstance(x, Block) and x.has(*keys) for x in root)


def with_offchip(chip: Chip, memory: Memory) -> Chip:
    """The chip of a core with the memory off the chip that another file describes."""
    first = chip.levels[0]
    if not isinstance(first, Group) or first.memories[0].name != OFFCHIP:
        return chip
    return replace(chip, levels=(Group((memory,)), *chip.levels[1:]))


@dataclass(slots=True, kw_only=True)
class _Store:
    memory: Memory
    served: tuple[str, ...]
    where: str


OFFCHIP = "offchip"


def read_hardware(root: Block, report: Report) -> Chip | Memory:
    """The chip of a hardware file, or of one core of Stream; a core without MACs is the memory off the chip."""
    name = as_text(root.need("name", what="the hardware"), "name")
    array = as_block(root.need("operational_array"), "operational_array")
    dims = as_texts(array.need("dimensions", what="the array"), "dimensions")
    sizes = [as_whole(s, "a size of the array", least=0) for s in as_items(array.need("sizes", what="the array"), "sizes")]
    if len(sizes) != len(dims) or not dims or len(set(dims)) != len(dims):
        raise SpecError(
            f"{len(dims)} dimensions of the array and {len(sizes)} sizes", where=array.where, hint="one size for each"
        )
    if (kind := root.get("type")) is not None:
        report.read(kind.where, "type", as_text(kind, "type"))
    compute = _compute(array, report)
    stores = [
        _store(n, as_block(t, f"memory {n!r}"), dims, report)
        for n, t in as_block(root.need("memories"), "memories").entries.items()
    ]
    for key in root.leftover():
        raise unknown_name("key of the hardware", key, ("name", "memories", "operational_array", "type"), root.place(key))
    if not all(sizes):
        if len(stores) != 1 or set(stores[0].memory.keeps) != set(ROLES):
            raise SpecError(
                "a core without MACs", where=array.place("sizes"), hint="only one of one memory for all tensors is read"
            )
        return replace(stores[0].memory, capacity_bits=None, technology="dram")
    report.default(root.where, "clock", "1 GHz: that tool counts cycles alone")
    axes = tuple(Axis(d, n) for d, n in zip(dims, sizes, strict=True))
    try:
        return Chip(_ident(name), _levels(stores, axes, report, root.where), compute, 1e9, source="ZigZag hardware file")
    except SpecError as e:
        raise e.located(root.where) from None


def _compute(array: Block, report: Report) -> Compute:
    energy: float | None = None
    if (imc := array.get("is_imc")) is not None and as_switch(imc, "is_imc"):
        _analog(array, imc.where, report)
    else:
        energy = as_amount(array.need("unit_energy", "multiplier_energy", what="the array"), "unit_energy")
        report.read(array.place("unit_energy", "multiplier_energy"), "operational_array.unit_energy", f"{energy:g} pJ per MAC")
    precision = array.get("input_precision")
    bits = max(as_whole(p, "a precision") for p in as_items(precision, "input_precision")) if precision is not None else 8
    if precision is None:
        report.default(array.where, "input_precision", "8 b")
    if (area := array.get("unit_area", "multiplier_area")) is not None:
        as_amount(area, "unit_area")
        report.ignored(area.where, "operational_array.unit_area", _IGNORED["area"])
    refuse_leftover(array, "operational_array", ["dimensions", "sizes", "unit_energy", "unit_area", "input_precision", "is_imc"])
    return Compute("MAC", energy, bits, source="ZigZag unit_energy" if energy is not None else "")


def _analog(array: Block, where: str, report: Report) -> None:
    """Names what a macro's MACs are made of: that tool prices converters by a 28 nm model of its own, which is not ours."""
    report.refused(
        where, "operational_array.is_imc", "MACs inside a memory: `array:` of a chip describes them, see docs/analog.md"
    )
    report.default(where, "energy of a MAC", "unknown, never 0: that tool prices it by its own 28 nm model")
    for key in (
        "imc_type",
        "bit_serial_precision",
        "adc_resolution",
        "cells_size",
        "cells_area",
        "dac_resolution",
        "adc_unit_area",
    ):
        if (tree := array.get(key)) is not None:
            report.refused(
                tree.where, f"operational_array.{key}", "converters and serial inputs: energy and cycles are those of plain MACs"
            )


def _store(name: str, block: Block, dims: list[str], report: Report) -> _Store:
    size = as_whole(block.need("size", what=f"memory {name!r}"), f"size of {name}")
    read, write = _costs(name, block, report)
    operands = as_texts(block.need("operands", what=f"memory {name!r}"), "operands")
    for o in operands:
        if o not in _ROLE:
            raise unknown_name("operand", o, _ROLE, block.place("operands"))
    served = as_texts(block.need("served_dimensions", what=f"memory {name!r}"), "served_dimensions")
    for d in served:
        if d not in dims:
            raise unknown_name("dimension of the array", d, dims, block.place("served_dimensions"))
    double = block.get("force_double_buffering")
    ports, word = _old_ports(name, block, report) if block.has("r_bw") else _ports(name, block, operands, report)
    for key, why in _IGNORED.items():
        if (tree := block.get(key)) is not None:
            report.ignored(tree.where, f"{name}.{key}", why)
    refuse_leftover(block, f"memory {name!r}", ["size", "r_cost", "w_cost", "operands", "ports", "served_dimensions", *_IGNORED])
    report.read(block.where, name, f"{size} b in accesses of {word} b, {', '.join(operands)}")
    keeps = tuple(r for r in ROLES if r in {_ROLE[o] for o in operands})
    doubled = double is not None and as_switch(double, "force_double_buffering")
    kind = "register_file" if len(served) < len(dims) else "dram" if "dram" in name.lower() else "sram"
    memory = Memory(
        name=_ident(name), capacity_bits=size, word_bits=word, read_pj=read, write_pj=write, keeps=keeps, ports=ports,
        double_buffered=doubled, technology=kind, source="" if read is None else "ZigZag r_cost and w_cost",
    )  # fmt: skip
    return _Store(memory=memory, served=tuple(served), where=block.where)


def _costs(name: str, block: Block, report: Report) -> tuple[float | None, float | None]:
    """pJ of a read and of a write; unknown where they are left to that tool's CACTI."""
    auto = block.get("auto_cost_extraction")
    if auto is not None and as_switch(auto, "auto_cost_extraction"):
        block.asked.update(("r_cost", "w_cost"))
        report.default(auto.where, f"{name}: energies", "unknown, never 0: auto_cost_extraction leaves them to that tool's CACTI")
        return None, None
    read, write = (as_amount(block.need(k, what=f"memory {name!r}"), f"{k} of {name}") for k in ("r_cost", "w_cost"))
    report.read(block.place("r_cost"), f"{name}.r_cost, w_cost", f"{read:g} and {write:g} pJ")
    return read, write


def _old_ports(name: str, block: Block, report: Report) -> tuple[tuple[Port, ...], int]:
    """Ports of older versions: r_bw and w_bw bits per cycle, and how many there are of each kind."""
    widths = [as_whole(block.need(k, what=f"memory {name!r}"), f"{k} of {name}") for k in ("r_bw", "w_bw")]
    out: list[Port] = []
    for key, serves, wide in (
        ("r_port", "read", widths[0]),
        ("w_port", "write", widths[1]),
        ("rw_port", "readwrite", min(widths)),
    ):
        n = as_whole(tree, f"{key} of {name}", least=0) if (tree := block.get(key)) is not None else 0
        if n > 64:
            raise SpecError(f"{n} ports of memory {name!r}", where=block.place(key), hint="a few")
        out += [Port(f"{key}_{i + 1}", serves, wide) for i in range(n)]
    if not out:
        raise SpecError(f"memory {name!r} has no port", where=block.where, hint="r_port, w_port or rw_port")
    for key in ("ports", "min_r_granularity", "min_w_granularity"):
        if (tree := block.get(key)) is not None:
            report.refused(tree.where, f"{name}.{key}", "ports of one operand and partial accesses: words share whole accesses")
    return tuple(out), min(widths)


def _ports(name: str, block: Block, operands: list[str], report: Report) -> tuple[tuple[Port, ...], int]:
    """The ports, and the bits that one access moves."""
    items = as_items(block.need("ports", what=f"memory {name!r}"), "ports")
    out: list[Port] = []
    widths: list[int] = []
    for item in items:
        port = as_block(item, "a port")
        if not port.has("name"):
            raise SpecError(f"a port of {name!r} has no name", where=port.where, hint="name, type, bandwidth_max, allocation")
        kind = as_text(port.need("type", what="a port"), "type")
        ways = {"read": "read", "write": "write", "read_write": "readwrite"}
        if kind not in ways:
            raise unknown_name("type of port", kind, ways, port.place("type"))
        wide = as_whole(port.need("bandwidth_max", what="a port"), "bandwidth_max")
        if (least := port.get("bandwidth_min")) is not None and as_whole(least, "bandwidth_min") < wide:
            report.refused(
                least.where, f"{name}.bandwidth_min", "accesses of less than the full width; here words share whole accesses"
            )
        for entry in as_items(port.need("allocation", what="a port"), "allocation"):
            words = [w.strip() for w in as_text(entry, "an allocation").split(",")]
            if len(words) != 2 or words[0] not in operands or words[1] not in _DIRECTIONS:
                raise SpecError(f"allocation {', '.join(words)!r} of {name!r}", where=entry.where, hint="such as `I1, tl`")
        out.append(Port(as_text(port.need("name"), "name"), ways[kind], wide))
        widths.append(wide)
        refuse_leftover(port, "port", ["name", "type", "bandwidth_min", "bandwidth_max", "allocation"])
    if not out:
        raise SpecError(f"memory {name!r} has no port", where=block.where, hint="list at least one")
    report.refused(
        items[0].where, f"{name}.allocation", "ports of one operand: here ports of one kind share the load of all tensors"
    )
    if len(set(widths)) > 1:
        report.default(items[0].where, f"{name}: width of an access", f"{min(widths)} b, the narrowest of its ports")
    return tuple(out), min(widths)


def _levels(stores: list[_Store], axes: tuple[Axis, ...], report: Report, where: str) -> tuple[Group | FanOut, ...]:
    """From the outside in: memories over the whole array, the array, memories inside it."""
    wide = {a.name for a in axes if a.size > 1}
    over = [s for s in reversed(stores) if wide <= set(s.served)]
    inside = [s for s in reversed(stores) if not wide <= set(s.served)]
    if over and set(over[0].memory.keeps) == set(ROLES) and (over[0].memory.capacity_bits or 0) >= _OFFCHIP_BITS:
        size = over[0].memory.capacity_bits
        report.ignored(over[0].where, f"{over[0].memory.name}.size", f"{size} b: here the outermost memory holds whole tensors")
        over[0].memory = replace(over[0].memory, capacity_bits=None, technology="dram")
        outer: list[Group | FanOut] = []
    else:
        report.default(
            where, "offchip", "the core's own memories are bounded: tensors come from a memory whose prices are unknown"
        )
        outer = [Group((Memory(OFFCHIP, None, 8, None, None, technology="dram"),))]
    levels = [*outer, *(Group((s.memory,)) for s in over)]
    if not wide:
        return tuple(levels)
    report.default(where, "array: transfer energy", "0 pJ: that tool prices no network")
    return (*levels, FanOut("array", axes, transfer_pj=0.0, transfer_bits=8), *_inside(inside, wide))


def _inside(stores: list[_Store], wide: set[str]) -> list[Group]:
    """Groups of peers inside the array: an operand's memories stand one below the other, those of different operands beside."""
    groups: list[list[Memory]] = []
    for s in stores:
        at = next(
            (i for i in range(len(groups)) if not any(set(m.keeps) & set(s.memory.keeps) for g in groups[i:] for m in g)),
            len(groups),
        )
        shared = tuple(d for d in s.served if d in wide)
        if shared and at:
            raise SpecError(
                f"{s.memory.name!r} is shared along {', '.join(shared)} below another memory of the array",
                where=s.where,
                hint="only the outermost memories inside an array may be shared along an axis",
            )
        if at == len(groups):
            groups.append([])
        groups[at].append(replace(s.memory, serves=shared))
    return [Group(tuple(g)) for g in groups]


def unrolled(root: Items, chip: Chip | None, report: Report) -> Chip | None:
    """Reads a mapping file; the chip with the dimensions of its default entry on the axes of the array."""
    axes: dict[str, tuple[str, ...]] = {}
    for item in root:
        entry = as_block(item, "an entry")
        name = as_text(entry.need("name", what="an entry"), "name")
        spatial = entry.get("spatial_mapping")
        found: dict[str, tuple[str, ...]] = {}
        for d, tree in as_block(spatial, "spatial_mapping").entries.items() if spatial is not None else ():
            loops = [_loop(x) for x in as_items(tree, d)]
            found[d] = tuple(letters(dim for dim, _ in loops).values())
        if (links := entry.get("memory_operand_links")) is not None:
            block = as_block(links, "memory_operand_links")
            for key, tree in block.entries.items():
                if as_text(tree, key) not in _ROLE:
                    raise unknown_name("memory operand", as_text(tree, key), _ROLE, tree.where)
            report.read(links.where, f"{name}.memory_operand_links")
        for key in ("temporal_ordering", "spatial_mapping_hint", "core_allocation"):
            if (other := entry.get(key)) is not None:
                report.refused(
                    other.where, f"{name}.{key}", "that tool allocates loops to memories itself: our search chooses both"
                )
        refuse_leftover(entry, f"entry {name!r}")
        if name == "default" and found:
            axes = found
            report.read(entry.where, "default.spatial_mapping", "; ".join(f"{d}: {', '.join(x)}" for d, x in found.items()))
        elif found:
            report.refused(
                entry.where, f"{name}.spatial_mapping", "an unrolling for one kind of operator; that of `default` is taken"
            )
    if chip is None or not axes:
        return chip
    levels = tuple(
        replace(x, axes=tuple(replace(a, dims=axes.get(a.name, a.dims)) for a in x.axes)) if isinstance(x, FanOut) else x
        for x in chip.levels
    )
    return replace(chip, levels=levels)


def _loop(tree: Tree) -> tuple[str, int]:
    words = [w.strip() for w in as_text(tree, "a loop").split(",")] if isinstance(tree, Scalar) else as_texts(tree, "a loop")
    if len(words) == 2 and words[1] in ("*", "all"):
        return words[0], 0
    if len(words) != 2 or not words[1].isdigit() or not int(words[1]):
        raise SpecError(f"cannot read the loop {', '.join(words)!r}", where=tree.where, hint="such as `K, 32`")
    return words[0], int(words[1])


_EQUATION = re.compile(r"^\s*(\w+)((?:\[\w+\])*)\s*\+?=\s*(\w+)((?:\[\w+\])*)\s*(?:\*\s*(\w+)((?:\[\w+\])*))?\s*$")
_RELATION = re.compile(r"^\s*(\w+)\s*=\s*(?:(\d+)\s*\*\s*)?(\w+)\s*\+\s*(?:(\d+)\s*\*\s*)?(\w+)\s*$")


def read_workload(root: Items, report: Report) -> list[Layer]:
    """The layers of a workload."""
    layers = []
    for item in root:
        block = as_block(item, "a layer")
        try:
            layers.append(_layer(block, report))
        except SpecError as e:
            raise e.located(block.where) from None
    return layers


def _layer(block: Block, report: Report) -> Layer:
    number = as_text(block.need("id", what="a layer"), "id")
    operator = as_text(block.need("operator_type", what="a layer"), "operator_type")
    if operator.lower() not in _MAC_OPERATORS:
        raise SpecError(
            f"operators of type {operator!r}", where=block.place("operator_type"), hint=f"read: {', '.join(_MAC_OPERATORS)}"
        )
    equation = as_text(block.need("equation", what="a layer"), "equation")
    m = _EQUATION.match(equation)
    if not m:
        raise SpecError(f"cannot read the equation {equation!r}", where=block.place("equation"), hint="O[k]+=W[k][c]*I[c]")
    dims = as_texts(block.need("loop_dims", what="a layer"), "loop_dims")
    sizes = [as_whole(s, "a loop size") for s in as_items(block.need("loop_sizes", what="a layer"), "loop_sizes")]
    if len(dims) != len(sizes):
        raise SpecError(f"{len(dims)} loop_dims and {len(sizes)} loop_sizes", where=block.where, hint="one size for each")
    ours = letters(d.upper() for d in dims)
    relations = _relations(block, ours)
    indices = {n: re.findall(r"\w+", i) for n, i in ((m[1], m[2]), (m[3], m[4]), (m[5], m[6])) if n}
    roles = roles_of([n for n in indices if n != m[1]], m[1], block.place("equation"))
    tensors = {
        n: (roles[n], tuple(_index(i, ours, relations, block.place("equation")) for i in found)) for n, found in indices.items()
    }
    bits = _precisions(block, roles, report)
    for key in ("operand_source", "constant_operands", "name", "pr_loop_dims", "pr_loop_sizes"):
        if (tree := block.get(key)) is not None and not key.startswith("pr_"):
            report.ignored(
                tree.where, f"layer {number}.{key}", "connections and names between layers: each layer stands alone here"
            )
    refuse_leftover(block, f"layer {number}")
    report.read(block.where, f"layer {number}", equation)
    layer = from_ranks(f"layer{number}", operator, {ours[d.upper()]: n for d, n in zip(dims, sizes, strict=True)}, tensors, bits)
    return replace(layer, name=f"{operator}_{number}")


def _relations(block: Block, ours: dict[str, str]) -> dict[str, Rank]:
    """Index -> rank, from `ix=1*ox+1*fx`, with the input's size and its padding where they are stated."""
    out: dict[str, Rank] = {}
    sizes, pads = _inputs(block)
    for tree in as_items(block.need("dimension_relations", what="a layer"), "dimension_relations"):
        m = _RELATION.match(as_text(tree, "a relation"))
        if not m:
            raise SpecError(f"cannot read the relation {as_text(tree, 'a relation')!r}", where=tree.where, hint="ix=1*ox+1*fx")
        for d in (m[3], m[5]):
            if d.upper() not in ours:
                raise unknown_name("loop dimension", d, ours, tree.where)
        terms = ((int(m[2] or 1), ours[m[3].upper()]), (int(m[4] or 1), ours[m[5].upper()]))
        name = m[1].upper()
        out[name] = Rank(terms, -pads.get(name, 0), sizes.get(name))
    return out


def _inputs(block: Block) -> tuple[dict[str, int], dict[str, int]]:
    names = [n.upper() for n in as_texts(tree, "pr_loop_dims")] if (tree := block.get("pr_loop_dims")) is not None else []
    listed = block.get("pr_loop_sizes")
    sizes = [as_whole(s, "a size") for s in as_items(listed, "pr_loop_sizes")] if listed is not None else []
    padding = block.get("padding")
    pads = [as_items(p, "padding") for p in as_items(padding, "padding")] if padding is not None else []
    for values, what in ((sizes, "pr_loop_sizes"), (pads, "padding")):
        if values and len(values) != len(names):
            raise SpecError(f"{len(names)} pr_loop_dims and {len(values)} {what}", where=block.where, hint="one for each")
    first = {n: as_whole(p[0], "padding", least=0) for n, p in zip(names, pads, strict=False) if p}
    return dict(zip(names, sizes, strict=False)), first


def _index(name: str, ours: dict[str, str], relations: dict[str, Rank], where: str) -> Rank:
    if name.upper() in relations:
        return relations[name.upper()]
    if name.upper() not in ours:
        raise unknown_name("index", name, [*ours, *relations], where)
    return Rank(((1, ours[name.upper()]),))


def _precisions(block: Block, roles: dict[str, str], report: Report) -> dict[str, int]:
    table = as_block(block.need("operand_precision", what="a layer"), "operand_precision")
    bits: dict[str, int] = {}
    for name, role in roles.items():
        bits[role] = as_whole(table.need(name, what="operand_precision"), f"precision of {name}")
    final = table.get("O_final", *(f"{n}_final" for n in roles))
    if final is not None and as_number(final, "O_final") != bits["output"]:
        report.refused(
            final.where, "operand_precision.O_final", f"outputs have one width here: {bits['output']} b, that of partial sums"
        )
    refuse_leftover(table, "operand_precision", [*roles, "O_final"])
    return bits


def _ident(name: str) -> str:
    plain = re.sub(r"[^\w.-]", "_", name)
    return plain if re.match(r"[A-Za-z_]", plain) else f"_{plain}"

"""Architectures of Timeloop 0.2 and 0.3: `subtree` with `local` components; `PE[0..167]` means 168 of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from picojoule.errors import SpecError
from picojoule.interop.report import Report
from picojoule.interop.timeloop.parts import Part, Parts, Places, Spread
from picojoule.interop.trees import Block, Tree, as_block, as_items, as_text, refuse_leftover

_RANGE = re.compile(r"^([^\[\]]+?)\s*(?:\[\s*(\d+)\s*\.\.\s*(\d+)\s*\])?$")
_DEEPEST = 20


def read_subtree(block: Block, report: Report) -> Parts:
    """The parts of an architecture that has a `subtree`."""
    walk = _Walk(report)
    walk.nodes(as_items(block.need("subtree", what="the architecture"), "subtree"), {}, 1, 0)
    name = block.get("name")
    refuse_leftover(block, "architecture", ["version", "subtree", "name"])
    if len(walk.found) < 2:
        raise SpecError("an architecture needs a memory and MACs", where=block.where, hint="list both under `local`")
    levels: list[Places | Spread] = []
    before, mesh = 1, 1
    for part, instances in walk.found:
        if instances != before:
            levels.append(_spread(part, instances, before, mesh))
        mesh = part.whole("mesh_x") or mesh * (instances // before)
        before = instances
        levels.append(Places(parts=[part]))
    last = levels.pop()
    assert isinstance(last, Places)
    title = as_text(name, "name") if name is not None else walk.title or "chip"
    return Parts(name=title, where=block.where, levels=levels, mac=last.parts[0])


@dataclass(slots=True)
class _Walk:
    """Collects components from the outside in, each with its number of instances."""

    report: Report
    found: list[tuple[Part, int]] = field(default_factory=list)
    title: str = ""

    def nodes(self, nodes: list[Tree], inherited: dict[str, Tree], instances: int, depth: int) -> None:
        if len(nodes) != 1 or depth > _DEEPEST:
            where = nodes[1].where if len(nodes) > 1 else ""
            raise SpecError(
                f"a subtree of {len(nodes)} branches",
                where=where,
                hint="architectures with one branch, from the outside in, are read",
            )
        node = as_block(nodes[0], "a node of the subtree")
        name, count = _counted(node)
        self.title = self.title or name
        self.report.read(node.where, name, f"{count} of them" if count > 1 else "")
        attributes = {**inherited, **_attributes(node)}
        if (local := node.get("local")) is not None:
            for item in as_items(local, "local"):
                self.component(as_block(item, "a component"), attributes, instances * count)
        if (below := node.get("subtree")) is not None:
            self.nodes(as_items(below, "subtree"), attributes, instances * count, depth + 1)
        refuse_leftover(node, f"node {name!r}", ["name", "attributes", "local", "subtree"])

    def component(self, block: Block, inherited: dict[str, Tree], instances: int) -> None:
        name, count = _counted(block)
        kind = block.get("class")
        own = _attributes(block)
        meshless = {k: v for k, v in inherited.items() if k not in ("meshX", "meshY")}
        part = Part(
            name=name,
            where=block.where,
            class_=as_text(kind, "class") if kind is not None else "",
            attributes={**meshless, **own},
            own=set(own),
        )
        self.report.read(block.where, name, f"class {part.class_}, {instances * count} in all")
        refuse_leftover(block, f"component {name!r}", ["name", "class", "attributes"])
        if self.found and instances * count < self.found[-1][1]:
            outer, there = self.found[-1]
            raise SpecError(
                f"{name!r} exists {instances * count} times inside {outer.name!r}, which exists {there} times",
                where=block.where,
                hint="instances grow from the outside in: a part shared by several inner ones stands before them",
            )
        if "network" in part.class_.lower() or "wire" in part.class_.lower():
            raise SpecError(f"network {name!r}", where=block.where, hint="describe its energy as `transfer` of a fan-out of ours")
        self.found.append((part, instances * count))


def _counted(block: Block) -> tuple[str, int]:
    tree = block.need("name", what="a node")
    text = as_text(tree, "name")
    m = _RANGE.match(text)
    if not m:
        raise SpecError(f"cannot read the name {text!r}", where=tree.where, hint="such as PE[0..167]")
    if m[2] is None:
        return m[1], 1
    first, last = int(m[2]), int(m[3])
    if last < first or last - first >= 10**9:
        raise SpecError(
            f"the range of {text!r} is empty or far too long", where=tree.where, hint="such as PE[0..167]: 168 of them"
        )
    return m[1], last - first + 1


def _attributes(block: Block) -> dict[str, Tree]:
    found = block.get("attributes")
    return {} if found is None else dict(as_block(found, "attributes").entries)


def _spread(part: Part, instances: int, before: int, mesh_before: int) -> Spread:
    """The fan-out that makes `instances` of `before`; the width of the mesh says how they lie."""
    if instances % before:
        raise SpecError(
            f"{instances} of {part.name!r} below {before} instances", where=part.where, hint="each place has as many below it"
        )
    size, mesh = instances // before, part.whole("mesh_x")
    x = size if mesh is None else mesh // mesh_before
    if (mesh is not None and mesh % mesh_before) or not x or size % x:
        raise SpecError(
            f"meshX {mesh} of {part.name!r} does not fit {size} places", where=part.where_of("mesh_x"), hint="meshX divides them"
        )
    return Spread(name=f"array_{part.name}", where=part.where, x=x, y=size // x)

"""Architectures of Timeloop 0.4: `nodes` in order from the outside in, with tags, `spatial` and constraints in the node."""

from __future__ import annotations

from picojoule.errors import SpecError, unknown_name
from picojoule.interop.report import Report
from picojoule.interop.timeloop.constraints import data_spaces_of, report_temporal, unrolled_dims
from picojoule.interop.timeloop.parts import Part, Parts, Places, Spread
from picojoule.interop.trees import Block, Scalar, Tree, as_block, as_items, as_switch, as_text, as_whole, refuse_leftover

_TAGS = ("Container", "Component", "Parallel", "Hierarchical", "Pipelined", "Nothing")
_COMPUTES = ("mac", "compute", "multiplier", "alu", "fma", "mul")


def read_nodes(block: Block, report: Report) -> Parts:
    """The parts of an architecture that has `nodes`."""
    run = _Nodes(report)
    variables = block.get("variables")
    shared: dict[str, Tree] = dict(as_block(variables, "variables").entries) if variables is not None else {}
    name = block.get("name")
    run.walk(as_items(block.need("nodes", what="the architecture"), "nodes"), shared)
    refuse_leftover(block, "architecture", ["version", "nodes", "variables", "name"])
    last = run.parts.pop() if run.parts else None
    if not isinstance(last, Places) or len(last.parts) != 1:
        raise SpecError("the last node has to be the MACs", where=block.where, hint="end with a !Component of class intmac")
    mac = last.parts[0]
    if not any(w in (mac.class_ + mac.name).lower() for w in _COMPUTES) and mac.tree("depth") is not None:
        raise SpecError(f"the innermost component {mac.name!r} is a storage", where=mac.where, hint="add the MACs below it")
    title = as_text(name, "name") if name is not None else run.title or "chip"
    return Parts(name=title, where=block.where, levels=run.parts, mac=mac, variables=shared)


class _Nodes:
    """Walks nodes from the outside in and collects parts."""

    def __init__(self, report: Report) -> None:
        self.report, self.parts, self.title = report, list[Places | Spread](), ""

    def walk(self, nodes: list[Tree], inherited: dict[str, Tree]) -> None:
        for tree in nodes:
            if isinstance(tree, Scalar) and tree.tag == "Nothing":
                continue
            node = as_block(tree, "a node")
            if node.tag not in _TAGS:
                raise unknown_name("node", f"!{node.tag}", [f"!{t}" for t in _TAGS], node.where)
            if node.tag == "Nothing":
                continue
            if (enabled := node.get("enabled")) is not None and not as_switch(enabled, "enabled"):
                self.report.ignored(node.where, node.tag, "enabled: false")
                continue
            if node.tag in ("Hierarchical", "Pipelined"):
                self.walk(as_items(node.need("nodes", what="the node"), "nodes"), inherited)
                refuse_leftover(node, f"!{node.tag}")
            elif node.tag == "Parallel":
                self.parallel(node, inherited)
            elif node.tag == "Container":
                self.container(node, inherited)
            else:
                part = self.component(node, inherited, spread=True)
                self.parts.append(Places(parts=[part]))

    def attributes(self, node: Block, inherited: dict[str, Tree]) -> dict[str, Tree]:
        found = node.get("attributes")
        return {} if found is None else dict(as_block(found, "attributes").entries)

    def container(self, node: Block, inherited: dict[str, Tree]) -> None:
        name = as_text(node.need("name", what="a container"), "name")
        self.title = self.title or name
        self.report.read(node.where, f"!Container {name}")
        inherited.update(self.attributes(node, inherited))
        self.spread(node, name, name)
        refuse_leftover(node, f"container {name!r}")

    def spread(self, node: Block, name: str, fanout: str) -> None:
        """Adds the fan-out of a node's `spatial`; its constraints become the dimensions that may be unrolled."""
        spatial, x, y = node.get("spatial"), 1, 1
        if spatial is not None:
            block = as_block(spatial, "spatial")
            sizes = {k: as_whole(t, k) for k in ("meshX", "meshY") if (t := block.get(k)) is not None}
            refuse_leftover(block, "spatial", ["meshX", "meshY"])
            x, y = sizes.get("meshX", 1), sizes.get("meshY", 1)
        constraints = node.get("constraints")
        dims: tuple[tuple[str, ...] | None, tuple[str, ...] | None] = (None, None)
        if constraints is not None:
            block = as_block(constraints, "constraints")
            if (tree := block.get("spatial")) is not None:
                dims = unrolled_dims(as_block(tree, "spatial constraints"), name, (x, y), self.report)
            if (tree := block.get("temporal")) is not None and node.tag == "Container":
                report_temporal(as_block(tree, "temporal constraints"), name, self.report)
            if node.tag == "Container":
                if (tree := block.get("dataspace")) is not None:
                    self.report.ignored(tree.where, f"{name}.constraints.dataspace", "a fan-out stores nothing")
                refuse_leftover(block, f"constraints of {name!r}", ["spatial", "temporal", "dataspace"])
        if x * y > 1:
            self.report.read(node.place("spatial"), f"{name}.spatial", f"{x} x {y}")
            self.parts.append(Spread(name=fanout, where=node.where, x=x, y=y, dims_x=dims[0], dims_y=dims[1]))

    def component(self, node: Block, inherited: dict[str, Tree], spread: bool) -> Part:
        name = as_text(node.need("name", what="a component"), "name")
        if spread:
            self.spread(node, name, f"inter_{name}_spatial")
        elif (spatial := node.get("spatial")) is not None:
            raise SpecError(
                f"{name!r} exists several times beside its peers",
                where=spatial.where,
                hint="peers of a !Parallel share one place",
            )
        kind = node.get("class")
        class_ = as_text(kind, "class") if kind is not None else ""
        if (sub := node.get("subclass")) is not None:
            class_ = as_text(sub, "subclass") if class_ in ("", "storage", "compute") else class_
        own = self.attributes(node, inherited)
        part = Part(name=name, where=node.where, class_=class_, attributes={**inherited, **own}, own=set(own))
        self.report.read(node.where, f"!Component {name}", f"class {class_}" if class_ else "")
        if (constraints := node.get("constraints")) is not None:
            block = as_block(constraints, "constraints")
            block.get("spatial")
            if (tree := block.get("dataspace")) is not None:
                part.keep, part.bypass = data_spaces_of(as_block(tree, "dataspace"), name, self.report)
            if (tree := block.get("temporal")) is not None:
                report_temporal(as_block(tree, "temporal constraints"), name, self.report)
            for key in block.leftover():
                self.report.refused(
                    block.place(key), f"{name}.constraints.{key}", "a limit of that tool's search; ours does without"
                )
        sparse = node.get("sparse_optimizations", "sparse-optimizations")
        part.sparse = as_block(sparse, "sparse_optimizations") if sparse is not None else None
        if (actions := node.get("required_actions", "actions")) is not None:
            self.report.ignored(actions.where, f"{name}.required_actions", "asks the estimator for prices; they come from an ERT")
        for key in ("area_scale", "energy_scale", "area_share", "energy_share"):
            if (tree := node.get(key)) is not None:
                self.report.ignored(tree.where, f"{name}.{key}", "scales an estimate; prices come from an ERT")
        refuse_leftover(node, f"component {name!r}")
        return part

    def parallel(self, node: Block, inherited: dict[str, Tree]) -> None:
        self.report.read(node.where, "!Parallel", "peers of one place")
        peers = []
        for tree in as_items(node.need("nodes", what="!Parallel"), "nodes"):
            if isinstance(tree, Scalar) and tree.tag == "Nothing":
                continue
            branch = as_block(tree, "a node")
            if branch.tag != "Component":
                raise SpecError(
                    f"a branch of !Parallel is a !{branch.tag or 'block'}",
                    where=branch.where,
                    hint="branches of one storage each can be read: write deeper ones as an architecture of their own",
                )
            peers.append(self.component(branch, dict(inherited), spread=False))
        refuse_leftover(node, "!Parallel", ["nodes", "name", "constraints"])
        self.parts.append(Places(parts=peers))

"""One Timeloop file: its sections, by name, into what an import collects."""

from __future__ import annotations

from dataclasses import dataclass, field

from picojoule.errors import SpecError, unknown_name
from picojoule.interop.report import Report
from picojoule.interop.timeloop.constraints import data_spaces_of, factors_of, permutation_of
from picojoule.interop.timeloop.mapping import Directives, read_directives
from picojoule.interop.timeloop.nodes import read_nodes
from picojoule.interop.timeloop.parts import Parts, Places
from picojoule.interop.timeloop.prices import Prices, read_art, read_ert
from picojoule.interop.timeloop.stats import Stats
from picojoule.interop.timeloop.subtree import read_subtree
from picojoule.interop.trees import Block, Tree, as_block, as_items, as_text

VERSIONS = ("0.1", "0.2", "0.3", "0.4")
SECTIONS = {
    "architecture": "architecture",
    "problem": "problem",
    "shape": "shape",
    "mapping": "mapping",
    "ERT": "ERT",
    "ART": "ART",
    "ERT_summary": "summary of prices",
    "ART_summary": "summary of areas",
    "compound_components": "component classes",
    "mapper": "search settings",
    "variables": "variables",
    "architecture_constraints": "constraints",
    "mapspace_constraints": "constraints",
    "mapspace": "constraints",
    "constraints": "constraints",
    "sparse_optimizations": "sparse optimisations",
}
_NOTHING = {
    "summary of prices": "the ERT of the same run has the energies that the model uses",
    "summary of areas": "the ART of the same run has the areas",
    "component classes": "recipes of an estimator that is not part of this tool: prices come from an ERT of the same run",
    "search settings": "how that tool searches: the search here is exact and has no such knobs",
}


@dataclass(slots=True)
class Collected:
    """The sections of one or more files."""

    parts: list[Parts] = field(default_factory=list)
    problems: list[tuple[Block, str]] = field(default_factory=list)  # with the name of the file
    shapes: list[Tree] = field(default_factory=list)
    mappings: list[Directives] = field(default_factory=list)
    stats: list[Stats] = field(default_factory=list)
    prices: Prices = field(default_factory=Prices)
    sparse: list[Block] = field(default_factory=list)  # targets of sparse optimisations in a section of their own
    variables: dict[str, Tree] = field(default_factory=dict)  # of a file of their own
    nothing: list[tuple[str, str, str]] = field(default_factory=list)  # (kind, where, why)


def is_timeloop(root: Tree) -> bool:
    if not isinstance(root, Block):
        return False
    names = set(root.entries)
    if "mapping" in names and isinstance(root.entries["mapping"], Block):
        return False  # a block with nodes is AccelForge's
    return bool(names & set(SECTIONS)) or any(_ignored(n) for n in names)


def read_sections(root: Block, into: Collected, report: Report, name: str) -> list[str]:
    """Adds every section of the file; their kinds."""
    kinds = []
    for key, tree in root.entries.items():
        if _ignored(key):
            if isinstance(tree, Block) and tree.has("shape") and not root.has("problem"):
                into.problems.append((tree, name))
                kinds.append("problem")
                report.read(root.place(key), key, "a problem to build on")
            else:
                report.ignored(root.place(key), key, "only what other blocks are merged from")
            continue
        kind = SECTIONS.get(key)
        if kind is None:
            raise unknown_name("section", key, SECTIONS, root.place(key))
        kinds.append(kind)
        _section(key, kind, tree, root, into, report, name)
    return kinds


def _ignored(key: str) -> bool:
    return key.endswith("_ignore") or key.startswith("ignore") or key.endswith("_base")


def _section(key: str, kind: str, tree: Tree, root: Block, into: Collected, report: Report, name: str) -> None:
    if kind == "architecture":
        block = as_block(tree, "architecture")
        _version(block, report)
        if "variables" in root.entries:
            block.entries.setdefault("variables", root.entries["variables"])
        if not block.has("nodes", "subtree"):
            raise SpecError(
                "the architecture has neither nodes nor a subtree", where=block.where, hint="0.4 has nodes, 0.2 a subtree"
            )
        into.parts.append((read_nodes if block.has("nodes") else read_subtree)(block, report))
    elif kind == "problem":
        into.problems.append((as_block(tree, "problem"), name))
    elif kind == "shape":
        into.shapes.append(tree)
    elif kind == "mapping":
        into.mappings.append(read_directives(tree, report))
    elif kind in ("ERT", "ART"):
        (read_ert if kind == "ERT" else read_art)(as_block(tree, kind), report, into.prices)
    elif kind == "variables":
        into.variables |= as_block(tree, "variables").entries
        report.read(root.place(key), key)
    elif kind == "constraints":
        constrain(tree, into, report)
    elif kind in _NOTHING:
        into.nothing.append((kind, root.place(key), _NOTHING[kind]))
        report.ignored(root.place(key), key, _NOTHING[kind])
    else:
        targets = as_block(tree, kind).need("targets", what=kind)
        into.sparse += [as_block(t, "a target") for t in as_items(targets, "targets")]
        report.read(root.place(key), key)


def _version(block: Block, report: Report) -> None:
    tree = block.get("version")
    if tree is None:
        report.default(block.where, "version", "told by its form: nodes are 0.4, a subtree is older")
        return
    version = as_text(tree, "version")
    if version not in VERSIONS:
        raise SpecError(f"version {version!r} of the architecture", where=tree.where, hint=f"read: {', '.join(VERSIONS)}")
    report.read(tree.where, "version", version)


def attach_sparse(into: Collected) -> None:
    """Gives each target of sparse optimisations what its section says."""
    for block in into.sparse if into.parts else ():
        name = as_text(block.need("name", what="a target"), "name")
        parts = [p for x in into.parts for level in x.levels if isinstance(level, Places) for p in level.parts]
        parts += [x.mac for x in into.parts]
        part = next((p for p in parts if p.name == name), None)
        if part is None:
            raise unknown_name("target", name, [p.name for p in parts], block.place("name"))
        part.sparse = block


def constrain(tree: Tree, into: Collected, report: Report) -> None:
    """Constraints of 0.2 and 0.3: what memories keep goes into the architecture; the rest limits that tool's search alone."""
    if isinstance(tree, Block):
        tree = tree.need("targets", what="constraints")
    for item in as_items(tree, "constraints"):
        block = as_block(item, "a constraint")
        kind = as_text(block.need("type", what="a constraint"), "type")
        target = as_text(named, "target") if (named := block.get("target")) is not None else ""
        if kind in ("datatype", "dataspace", "bypass", "bypassing"):
            rest = Block({k: v for k, v in block.entries.items() if k not in ("type", "target")}, block.keys, block.where)
            keep, bypass = data_spaces_of(rest, target, report)
            part = next(
                (p for x in into.parts for level in x.levels if hasattr(level, "parts") for p in level.parts if p.name == target),
                None,
            )
            if part is None:
                known = [p.name for x in into.parts for level in x.levels if hasattr(level, "parts") for p in level.parts]
                raise unknown_name("target", target, known, block.where)
            part.keep, part.bypass = keep, bypass
            continue
        if (factors := block.get("factors")) is not None:
            factors_of(factors)
        if (order := block.get("permutation")) is not None:
            permutation_of(order)
        report.refused(block.where, f"constraint {kind} {target}".strip(), "limits that tool's search: ours is free of it")

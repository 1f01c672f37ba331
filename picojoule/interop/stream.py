"""Stream: systems of several ZigZag cores, and mappings of layers onto them: refused by name, as a chip has one array."""

from __future__ import annotations

from picojoule.errors import SpecError
from picojoule.interop.trees import Block, Tree, as_block


def is_system(root: Tree) -> bool:
    return isinstance(root, Block) and root.has("cores")


def is_mapping(root: Tree) -> bool:
    return isinstance(root, Block) and root.has("layers", "fused_groups") and not root.has("memories", "levels")


def refuse_system(root: Block) -> SpecError:
    """Why a system is not one of our chips."""
    cores = as_block(root.entries["cores"], "cores").entries
    links = "core_connectivity" if root.has("core_connectivity") else "graph"
    return SpecError(
        f"a system of {len(cores)} cores with {links} between them",
        where=root.place("cores"),
        hint="a chip has one array: import the file of one core, such as `pj import cores/tpu_like.yaml`",
    )


def refuse_mapping(root: Block) -> SpecError:
    """Why a mapping onto several cores is none of ours."""
    where = root.place("fused_groups") if root.has("fused_groups") else root.place("layers")
    what = "fused groups of layers, tiled over cores" if root.has("fused_groups") else "layers allocated to cores"
    return SpecError(what, where=where, hint="a mapping is for one layer on one array: `pj map` finds the best one")

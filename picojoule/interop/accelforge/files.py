"""AccelForge files: architectures, workloads, and mappings, which are refused where they fuse several einsums."""

from __future__ import annotations

from picojoule.errors import SpecError, unknown_name
from picojoule.interop.accelforge.arch import read_arch
from picojoule.interop.accelforge.workload import read_workload
from picojoule.interop.imported import Imported
from picojoule.interop.trees import Block, Items, Tree, as_block

_SECTIONS = ("arch", "workload", "renames", "mapping", "mapper", "variables")


def is_accelforge(root: Tree) -> bool:
    return (isinstance(root, Block) and root.has("arch", "workload")) or (
        isinstance(root, Block) and isinstance(root.entries.get("mapping"), Block)
    )


def read_sections(root: Block, out: Imported, name: str) -> str:
    """Reads every section of the file; their kinds."""
    kinds = []
    for key, tree in root.entries.items():
        if key not in _SECTIONS:
            raise unknown_name("section", key, _SECTIONS, root.place(key))
        if key == "arch":
            out.chips.append(read_arch(as_block(tree, "arch"), out.report, name))
            kinds.append("architecture")
        elif key == "workload":
            out.networks.append(read_workload(as_block(tree, "workload"), out.report, name))
            kinds.append("workload")
        elif key == "mapping":
            raise _mapping(as_block(tree, "mapping"))
        else:
            why = (
                "which tensor is the input follows from what other einsums make" if key == "renames" else "settings of that tool"
            )
            out.report.ignored(root.place(key), key, why)
    return ", ".join(kinds) or "settings"


def _mapping(block: Block) -> SpecError:
    nodes = block.entries.get("nodes")
    fused = next((n for n in nodes if isinstance(n, Block) and n.tag == "Sequential"), None) if isinstance(nodes, Items) else None
    if fused is not None:
        return SpecError(
            "!Sequential: several einsums under common loops (fusion)", where=fused.where, hint="a mapping here is for one layer"
        )
    return SpecError(
        "a mapping of that tool, in tile shapes",
        where=block.where,
        hint="write it as DRAM{A,B,Z}; m4; Buffer{A}; ... , see docs/map.md",
    )

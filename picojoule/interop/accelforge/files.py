"""AccelForge files: architectures, workloads, and mappings, which are refused where they fuse several einsums."""

from __future__ import annotations

from picojoule.errors import unknown_name
from picojoule.interop.accelforge.arch import read_arch
from picojoule.interop.accelforge.mapping import refuse_fused
from picojoule.interop.accelforge.workload import read_workload
from picojoule.interop.imported import Imported
from picojoule.interop.trees import Block, Tree, as_block

_SECTIONS = ("arch", "workload", "renames", "mapping", "mapper", "variables")


def is_accelforge(root: Tree) -> bool:
    return (isinstance(root, Block) and root.has("arch", "workload")) or (
        isinstance(root, Block) and isinstance(root.entries.get("mapping"), Block)
    )


def read_sections(root: Block, out: Imported, mappings: list[Block], name: str) -> str:
    """Reads every section of the file; their kinds. Mappings wait for the layer and the chip."""
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
            block = as_block(tree, "mapping")
            refuse_fused(block)
            mappings.append(block)
            kinds.append("mapping")
        else:
            why = (
                "which tensor is the input follows from what other einsums make" if key == "renames" else "settings of that tool"
            )
            out.report.ignored(root.place(key), key, why)
    return ", ".join(kinds) or "settings"

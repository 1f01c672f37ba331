"""What every dialect of Timeloop's architectures comes down to: storages, fan-outs and the MACs, from the outside in."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field

from picojoule.errors import SpecError
from picojoule.interop.expressions import Value
from picojoule.interop.report import Report
from picojoule.interop.trees import Block, Scalar, Tree, as_amount, as_number, as_text, as_whole

TAKEN = {  # attributes that mean the same in every dialect, by their spellings
    "depth": ("depth", "memory_depth", "memory-depth", "data_storage_depth", "data-storage-depth"),
    "entries": ("entries",),
    "size_kb": ("sizeKB",),
    "width": ("width", "memory_width", "memory-width", "data_storage_width", "data-storage-width"),
    "metadata_depth": ("metadata_storage_depth", "metadata-storage-depth"),
    "metadata_width": ("metadata_storage_width", "metadata-storage-width"),
    "metadata_word": ("metadata_datawidth", "metadata_data_width"),
    "datawidth": ("datawidth", "word-bits", "word_bits", "data_width"),
    "block": ("block-size", "block_size"),
    "cluster": ("cluster-size", "cluster_size"),
    "read": ("read_bandwidth", "read-bandwidth"),
    "write": ("write_bandwidth", "write-bandwidth"),
    "shared": ("shared_bandwidth", "shared-bandwidth"),
    "buffers": ("multiple-buffering", "multiple_buffering"),
    "least_use": ("min-utilization", "min_utilization"),
    "mesh_x": ("meshX",),
    "mesh_y": ("meshY",),
    "technology": ("technology",),
    "cycle": ("global_cycle_seconds",),
}
_REFUSED = {
    "read_bandwidth_scale": "bandwidths that differ by tensor",
    "overbooking_proportion": "tiles that do not always fit (overbooking)",
    "power_gated_at": "power gating of idle instances",
}
_SPELLINGS = [s for names in TAKEN.values() for s in names]


@dataclass(slots=True, kw_only=True)
class Part:
    """A storage or the MACs: name, class, attributes (inherited ones too), and its constraints."""

    name: str
    where: str
    class_: str = ""
    attributes: dict[str, Tree] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)  # attributes that stand at the part itself, not at a container
    keep: list[str] | None = None
    bypass: list[str] = field(default_factory=list)
    sparse: Block | None = None

    def tree(self, key: str) -> Tree | None:
        return next((self.attributes[n] for n in TAKEN[key] if n in self.attributes), None)

    def where_of(self, key: str) -> str:
        found = self.tree(key)
        return self.where if found is None else found.where

    @property
    def names(self) -> dict[str, Value]:
        """Attributes as names for arithmetic in other attributes: plain numbers only."""
        out: dict[str, Value] = {}
        for key, tree in self.attributes.items():
            if isinstance(tree, Scalar) and tree.kind in ("int", "float"):
                out[key] = as_number(tree, key)
        return out

    def whole(self, key: str, least: int = 1) -> int | None:
        tree = self.tree(key)
        return None if tree is None else as_whole(tree, f"{key} of {self.name!r}", self.names, least)

    def amount(self, key: str) -> float | None:
        tree = self.tree(key)
        return None if tree is None else as_amount(tree, f"{key} of {self.name!r}", self.names)

    @property
    def is_dram(self) -> bool:
        return (
            "dram" in self.class_.lower()
            or "dram" in self.name.lower()
            or (isinstance(t := self.tree("technology"), Scalar) and t.text.upper() == "DRAM")
        )

    def account(self, report: Report, used: set[str]) -> None:
        """Reports every attribute of its own; a misspelt one is refused, as that tool would take a default in silence."""
        for key in sorted(self.own):
            tree, what = self.attributes[key], f"{self.name}.{key}"
            meaning = next((m for m, names in TAKEN.items() if key in names), None)
            shown = tree.text if isinstance(tree, Scalar) else ""
            if meaning in used:
                report.read(tree.where, what, shown)
            elif key in _REFUSED:
                report.refused(tree.where, what, _REFUSED[key])
            elif meaning is not None:
                report.ignored(tree.where, what, f"says nothing about {self.class_ or 'this part'}")
            elif near := difflib.get_close_matches(key, _SPELLINGS, n=1, cutoff=0.78):
                raise SpecError(
                    f"unknown attribute {key!r} of {self.name!r}: that tool would take a default for {near[0]!r}",
                    where=tree.where,
                    hint=f"write {near[0]}",
                )
            else:
                report.ignored(
                    tree.where, what, f"only the estimator of class {self.class_ or '?'} reads it; prices come from an ERT"
                )


@dataclass(slots=True, kw_only=True)
class Places:
    """Storages that serve the same place: one, or peers that keep different tensors."""

    parts: list[Part]


@dataclass(slots=True, kw_only=True)
class Spread:
    """What is inside exists x * y times; `fixed` are dimensions that a constraint keeps from being unrolled, by axis."""

    name: str
    where: str
    x: int
    y: int
    dims_x: tuple[str, ...] | None = None
    dims_y: tuple[str, ...] | None = None


@dataclass(slots=True, kw_only=True)
class Parts:
    """A whole architecture."""

    name: str
    where: str
    levels: list[Places | Spread]
    mac: Part
    variables: dict[str, Tree] = field(default_factory=dict)


def text_attribute(part: Part, key: str) -> str | None:
    tree = part.tree(key)
    return None if tree is None else as_text(tree, f"{key} of {part.name!r}")

"""Every file of a folder, read alone: imported, or refused with the feature that stands in the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picojoule.errors import PicojouleError, SpecError
from picojoule.interop.expressions import Value
from picojoule.interop.imported import Imported
from picojoule.interop.load import import_files

SUFFIXES = (".yaml", ".yml", ".csv", ".cfg", ".m", ".txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck:
    """What became of one file. `what` says what it gave, or why it was refused and where."""

    file: str
    tool: str
    kind: str
    imported: bool
    what: str
    hint: str = ""

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("file", "tool", "kind", "imported", "what", "hint")}


def check_files(folder: str | Path, names: Mapping[str, Value] | None = None) -> list[FileCheck]:
    """One line for each file below the folder that has a suffix of the known tools."""
    root = Path(folder)
    if not root.is_dir():
        raise SpecError("this is no folder", where=str(folder), hint="name the folder that holds the files")
    files = sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    return [check_file(p, root, names) for p in files]


def check_file(path: Path, root: Path, names: Mapping[str, Value] | None = None) -> FileCheck:
    """The file read alone."""
    shown = str(path.relative_to(root))
    try:
        found = import_files([path], names=names, root=root)
    except PicojouleError as e:
        where = e.where.replace(str(path), shown)
        return FileCheck(
            file=shown, tool="?", kind="?", imported=False, what=f"{where}: {e.problem}" if where else e.problem, hint=e.hint
        )
    tool, kind = found.kinds[str(path)]
    useless = found.nothing and not (found.chips or found.networks or found.mappings or found.waiting)
    if useless:
        what, where, why = found.nothing[0]
        place = where.replace(str(path), shown)
        return FileCheck(file=shown, tool=tool, kind=kind, imported=False, what=f"{place}: {what}", hint=why)
    return FileCheck(file=shown, tool=tool, kind=kind, imported=True, what=summary(found))


def summary(found: Imported) -> str:
    """What an import gave, in words."""
    parts = [f"chip {c.name} ({', '.join(m.name for m in c.memories)}; {c.pes} MACs)" for c in found.chips]
    parts += [f"{len(n.layers)} layer{'s' * (len(n.layers) != 1)}, {n.macs:,} MACs" for n in found.networks]
    parts += [f"a mapping of {p.layer.name}" for p in found.mappings]
    parts += [f"a {a.array.rows}x{a.array.columns} systolic array, {a.dataflow}" for a in found.arrays]
    parts += [f"statistics: {s.cycles:,} cycles, {s.energy_text} uJ" for s in found.stats]
    return "; ".join([*parts, *found.waiting]) or "nothing"

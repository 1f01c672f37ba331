"""Imports on the terminal: what files hold, what became of their fields, and the texts that go into a folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from rich.text import Text

from picojoule.errors import SpecError
from picojoule.hardware.chipfile.write import chip_to_yaml
from picojoule.interop.check import FileCheck, summary
from picojoule.interop.imported import Imported
from picojoule.interop.timeloop.export import Exported, export_timeloop
from picojoule.report import show, tables
from picojoule.workload.einsum import layer_to_text


def texts(found: Imported) -> dict[str, str]:
    """File name -> content: chips as YAML, layers and mappings as text."""
    out: dict[str, str] = {}
    for chip in found.chips:
        out[_free(out, chip.name, ".yaml")] = chip_to_yaml(chip)
    for network in found.networks:
        for step in network.layers:
            out[_free(out, step.layer.name, ".layer.txt")] = layer_to_text(step.layer) + "\n"
    for placed in found.mappings:
        out[_free(out, placed.layer.name, ".mapping.txt")] = f"{placed.mapping}\n"
    return out


def _free(taken: dict[str, str], name: str, suffix: str) -> str:
    plain = re.sub(r"[^\w.-]", "_", name) or "unnamed"
    number, file = 1, plain + suffix
    while file in taken:
        number += 1
        file = f"{plain}-{number}{suffix}"
    return file


def imported(found: Imported, as_json: bool, out: Path | None, fields: bool) -> None:
    """The texts themselves, or where they went; then what was filled in or has no counterpart."""
    files = texts(found)
    if out is not None:
        _write(files, out)
    if as_json:
        show.json_only(to_json(found, files))
        return
    parts: list[Any] = [tables.rows_table([{"file": f, "tool": t, "holds": k} for f, (t, k) in found.kinds.items()]), ""]
    for name, text in files.items():
        parts += [Text(str(out / name))] if out is not None else [Text(f"# {name}"), Text(text)]
    for a in found.arrays:
        parts.append(
            f"systolic array {a.name}: pj systolic LAYER --array {a.array.rows}x{a.array.columns} --dataflow {a.dataflow}"
        )
    parts += [f"run: {s.cycles:,} cycles, {s.energy_text} uJ" for s in found.stats]
    parts += [f"read, and waiting: {w}" for w in found.waiting]
    parts += [Text(f"nothing to import: {where}: {kind}: {why}") for kind, where, why in found.nothing]
    lines = found.report.lines if fields else [x for x in found.report.lines if x.verdict in ("default", "refused")]
    counts = ", ".join(f"{len(found.report.of(v))} {v}" for v in ("read", "default", "ignored", "refused"))
    parts += ["", *(Text(str(x)) for x in lines), f"fields: {counts}" + ("" if fields else " (--fields lists them all)")]
    show.print_parts(*parts)


def to_json(found: Imported, files: dict[str, str]) -> dict[str, Any]:
    return {
        "files": [{"file": f, "tool": t, "holds": k} for f, (t, k) in found.kinds.items()],
        "summary": summary(found),
        "texts": files,
        "arrays": [
            {"name": a.name, "rows": a.array.rows, "columns": a.array.columns, "dataflow": a.dataflow} for a in found.arrays
        ],
        "runs": [{"cycles": s.cycles, "energy_uj": s.energy_uj} for s in found.stats],
        "waiting": found.waiting,
        "nothing": [{"kind": k, "where": w, "why": y} for k, w, y in found.nothing],
        "fields": found.report.to_json(),
    }


def converted(found: Imported) -> Exported:
    """The import as Timeloop 0.4 files; what these cannot say is named."""
    if len(found.chips) != 1:
        raise SpecError(f"{len(found.chips)} architectures", where="--to", hint="give one, with the files that belong to it")
    layer = found.layers[0] if len(found.layers) == 1 else None
    mapping = found.mappings[0].mapping if len(found.mappings) == 1 else None
    return export_timeloop(found.chips[0], layer, mapping, lossy=True)


def exported(done: Exported, out: Path | None, as_json: bool) -> None:
    """The files, or where they went; then what they cannot say."""
    if out is not None:
        _write(done.files, out)
    if as_json:
        show.json_only({"files": done.files, "lost": done.lost})
        return
    parts: list[Any] = []
    for name, text in done.files.items():
        parts += [Text(str(out / name))] if out is not None else [Text(f"# {name}"), Text(text)]
    show.print_parts(*parts, *(Text(f"left out: {x}") for x in done.lost))


def _write(files: dict[str, str], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as e:
        raise SpecError(f"cannot write there: {e.strerror or e}", where=str(folder), hint="give another folder") from None


def checked(rows: list[FileCheck], as_json: bool) -> None:
    """A line for each file, then how many came in."""
    done = sum(r.imported for r in rows)
    if as_json:
        show.json_only({"files": [r.to_json() for r in rows], "imported": done, "refused": len(rows) - done})
        return
    table = [
        {"file": r.file, "tool": r.tool, "kind": r.kind, "": "imported" if r.imported else "refused", "what": r.what}
        for r in rows
    ]
    show.print_parts(tables.rows_table(table), "", f"{done} of {len(rows)} imported, {len(rows) - done} refused by name")

"""`pj import`: other tools' files as ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import picojoule
from picojoule import options
from picojoule.commands.shared import Json, app
from picojoule.report.answers import interop as report


@app.command("import")
def import_(
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE...", help="files of one design, read together")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="write chips, layers and mappings there")] = None,
    check: Annotated[Path | None, typer.Option("--check", metavar="DIR", help="read every file of a folder, each alone")] = None,
    root: Annotated[Path | None, typer.Option("--root", metavar="DIR", help="the folder that includes may reach")] = None,
    value: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="a value that a template needs; may be repeated")
    ] = None,
    fields: Annotated[bool, typer.Option("--fields", help="list every field: read, filled in, left out, refused")] = False,
    to: Annotated[
        str | None, typer.Option("--to", metavar="FORMAT", help="timeloop-0.4: write that tool's files of today, into --out")
    ] = None,
    as_json: Json = False,
) -> None:
    """Chips, layers and mappings in files of Timeloop, AccelForge, ZigZag, Stream, SCALE-Sim and MAESTRO."""
    names = options.values(value or [])
    if check is not None:
        options.nothing(files or None, "FILE...", "--check names the folder")
        report.checked(picojoule.check_files(check, names), as_json)
        return
    found = picojoule.import_files(options.some(files or [], "FILE..."), names=names, root=root)
    if to is not None:
        options.choice(to, ("timeloop-0.4",), "--to")
        report.exported(report.converted(found), out, as_json)
        return
    report.imported(found, as_json, out, fields)

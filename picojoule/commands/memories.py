"""`pj memories`: memory technologies side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from picojoule import options
from picojoule.commands.shared import Json, app
from picojoule.report.answers import memories as report


@app.command()
def memories(
    kind: Annotated[str | None, typer.Argument(metavar="KIND", help="one technology, with its sources; without it all")] = None,
    row_use: Annotated[str, typer.Option("--row-use", metavar="FRACTION", help="of an opened row that is moved: 0.1")] = "1",
    as_json: Json = False,
) -> None:
    """Memory technologies: energy per bit by parts, bandwidth, density, endurance, with sources and ranges."""
    report.shown(kind, options.fraction(row_use, "--row-use"), as_json)

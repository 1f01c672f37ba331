"""`pj formats`: number formats, their code points, and what storage and MACs take."""

from __future__ import annotations

from typing import Annotated

import typer

from picojoule.commands.shared import Json, app
from picojoule.report.answers import formats as shown


@app.command()
def formats(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="a format such as mxfp4, or of a family: int5, log2_4, codebook16")
    ] = None,
    technology: Annotated[float, typer.Option("--technology", metavar="NM", help="node of MAC energy and area in nm")] = 45.0,
    terms: Annotated[int, typer.Option("--terms", metavar="N", help="products that one accumulator sums")] = 1024,
    as_json: Json = False,
) -> None:
    """Number formats: bits a value, MAC energy and area with source; of one, its code points and accumulator."""
    if name is None:
        shown.listed(technology, as_json)
    else:
        shown.one(name, technology, terms, as_json)

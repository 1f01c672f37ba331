"""`pj statistics`: what the numbers of a network look like on real data, and the densities for the cost model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import picojoule
from picojoule import options
from picojoule.commands.shared import Html, Json, app
from picojoule.report import show
from picojoule.report.answers import statistics as shown


@app.command()
def statistics(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="digits, an ONNX file with weights, or module:callable")],
    data: Annotated[str, typer.Option("--data", metavar="DATA", help="digits, an .npz or .npy file, or a folder of .npy files")],
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", help="only the first N samples")] = None,
    scale: Annotated[float, typer.Option("--scale", metavar="X", help="multiply the data, such as 0.00392 for bytes")] = 1.0,
    batch: Annotated[int, typer.Option("--batch", metavar="N", help="samples run together")] = 32,
    save: Annotated[Path | None, typer.Option("--save", metavar="FILE", help="write the densities as JSON")] = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Zeros, range, entropy and run-length ratio of every layer's tensors, from a real run of MODEL on DATA."""
    count, size, place = options.positive(limit, "--limit"), options.positive(batch, "--batch") or 32, options.place_for(save)
    page = options.place_for(html)
    with show.progress() as progress:
        found = picojoule.statistics(model, data, limit=count, scale=scale, batch=size, progress=progress)
    shown.statistics(found, as_json, place, page)

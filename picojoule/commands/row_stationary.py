"""`pj row-stationary`: how rows lie on a PE array."""

from __future__ import annotations

from typing import Annotated

import typer

import picojoule
from picojoule import options
from picojoule.commands.shared import Batch, Html, Json, Model, On, OneLayer, app, read_network
from picojoule.report.answers import row_stationary as report


@app.command("row-stationary")
def row_stationary(
    model: Model,
    on: On,
    layer: OneLayer = None,
    parameters: Annotated[
        str | None, typer.Option("--parameters", metavar="LIST", help="m=96,n=1,e=7,p=16,q=1,r=1,t=2; without it the best")
    ] = None,
    batch: Batch = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Logical sets, folding and what each PE does, layer by layer."""
    page, chip = options.place_for(html), picojoule.load_chip(on)
    placed = picojoule.row_stationary(read_network(model, batch, None, None, False), chip, layer=layer, parameters=parameters)
    report.shown(model, chip, placed, as_json, page)

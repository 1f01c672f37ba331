"""`pj dataflows`: all dataflows on one network, at equal area."""

from __future__ import annotations

from typing import Annotated

import typer

import picojoule
from picojoule import options
from picojoule.commands.shared import Batch, Html, Json, Model, OneLayer, app, read_network
from picojoule.report import show
from picojoule.report.answers import dataflows as report


@app.command()
def dataflows(
    model: Model,
    pes: Annotated[int, typer.Option("--pes", metavar="N", help="processing elements")] = 256,
    batch: Batch = None,
    layer: OneLayer = None,
    only: Annotated[str, typer.Option("--only", metavar="LIST", help="some of ws,is,osa,osb,osc,nlr,rs,free")] = "",
    time: Annotated[str, typer.Option("--time", metavar="TIME", help="CPU time for each search of a layer")] = "10s",
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Every dataflow at equal area: energy by memory level and by data type."""
    seconds, page = options.seconds(time, "--time") or 10.0, options.place_for(html)
    names = [n.strip() for n in only.split(",") if n.strip()]
    network = show.some_layers(read_network(model, batch, None, None, False), layer)
    with show.progress() as progress:
        done = picojoule.dataflows(network, options.positive(pes, "--pes") or 256, names, seconds=seconds, progress=progress)
    report.shown(model, pes, done, as_json, page)

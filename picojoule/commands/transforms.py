"""`pj transforms`: other ways to compute a convolution, counted, predicted and, if asked for, timed."""

from __future__ import annotations

from typing import Annotated

import typer

import picojoule
from picojoule import options
from picojoule.commands.shared import Batch, Json, Model, OneLayer, app, read_network
from picojoule.report import show
from picojoule.report.answers import transformed


@app.command()
def transforms(
    model: Model,
    layer: OneLayer = None,
    batch: Batch = None,
    measure: Annotated[bool, typer.Option("--measure", help="also time every algorithm on this machine, on one thread")] = False,
    budget: Annotated[str, typer.Option("--budget", metavar="TIME", help="of timing, for each algorithm and layer")] = "300ms",
    as_json: Json = False,
) -> None:
    """im2col, Winograd, FFT and direct convolution for each layer: operations, storage, time, and which to pick."""
    network = show.some_layers(read_network(model, batch, None, None, False), layer)
    seconds = options.seconds(budget, "--budget") or 0.3
    with show.progress() as progress:
        rows, left_out = picojoule.transforms(network, measure=measure, budget_s=seconds, progress=progress)
    transformed.transforms(network.name, rows, left_out, as_json)

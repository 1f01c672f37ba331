"""`pj systolic`: cycles of layers on a systolic array."""

from __future__ import annotations

from typing import Annotated

import typer

import picojoule
from picojoule import options
from picojoule.commands.shared import Batch, Dims, Json, OneLayer, Phase, app, read_network
from picojoule.machines.systolic import systolic as model
from picojoule.report import show
from picojoule.report.answers import systolic as report

SystolicLayer = Annotated[str, typer.Argument(metavar="LAYER", help="gemm:M=..,N=..,K=.., conv:K=..,C=.., or a whole MODEL")]


@app.command()
def systolic(
    layer: SystolicLayer,
    array: Annotated[str, typer.Option("--array", metavar="ROWSxCOLUMNS", help="size of the array")] = "32x32",
    dataflow: Annotated[str, typer.Option("--dataflow", metavar="FLOW", help="ws, os or is: what stays still")] = "ws",
    preload_overlap: Annotated[
        bool, typer.Option("--preload-overlap", help="the next fold is shifted in while the array streams")
    ] = False,
    drain: Annotated[bool, typer.Option("--drain", help="os: results leave through the array")] = False,
    only: OneLayer = None,
    batch: Batch = None,
    dim: Dims = None,
    phase: Phase = None,
    as_json: Json = False,
) -> None:
    """Cycles of LAYER on a systolic array, fill, skew and drain included."""
    rows, columns = model.array_size(array)
    shape = model.Array(rows=rows, columns=columns, preload_overlap=preload_overlap, drain=drain)
    network = show.some_layers(read_network(layer, batch, dim, None, False, phase), only)
    flow = options.choice(dataflow, model.DATAFLOWS, "--dataflow")
    report.shown(picojoule.systolic(network, shape, flow), as_json)

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
    array: Annotated[
        str, typer.Option("--array", metavar="ROWSxCOLUMNS", help="size of the array, or a .cfg of SCALE-Sim")
    ] = "32x32",
    dataflow: Annotated[
        str | None, typer.Option("--dataflow", metavar="FLOW", help="ws (default), os or is: what stays still")
    ] = None,
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
    found = picojoule.import_files([array]).arrays if array.endswith(".cfg") else []
    rows, columns = (found[0].array.rows, found[0].array.columns) if found else model.array_size(array)
    shape = model.Array(rows=rows, columns=columns, preload_overlap=preload_overlap, drain=drain)
    network = show.some_layers(read_network(layer, batch, dim, None, False, phase), only)
    own = found[0].dataflow if found else "ws"
    flow = options.choice(dataflow or own, model.DATAFLOWS, "--dataflow")
    report.shown(picojoule.systolic(network, shape, flow), as_json)

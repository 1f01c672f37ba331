"""`pj neardata`: where moving the computation to the memory pays."""

from __future__ import annotations

from typing import Annotated

import typer

import picojoule
from picojoule import options
from picojoule.commands.shared import Batch, Bits, Dims, Json, Model, Phase, Strict, app, read_network
from picojoule.report import show
from picojoule.report.answers import neardata as report


@app.command()
def neardata(
    model: Model,
    memory: Annotated[str, typer.Option("--memory", metavar="KIND", help="off-chip memory it is compared with")] = "LPDDR4",
    designs: Annotated[bool, typer.Option("--designs", help="search PEs against buffer at equal area (minutes)")] = False,
    time_limit: Annotated[str, typer.Option("--time-limit", metavar="TIME", help="CPU time a layer, with --designs")] = "2s",
    batch: Batch = None,
    dim: Dims = None,
    bits: Bits = None,
    strict: Strict = False,
    phase: Phase = None,
    as_json: Json = False,
) -> None:
    """Where computing near or in the memory pays: reuse by technology, decoding, re-balanced designs."""
    seconds = options.seconds(time_limit, "--time-limit") or 2.0
    network = read_network(model, batch, dim, bits, strict, phase)
    with show.progress() as progress:
        answer = picojoule.near_data(network, memory=memory, designs=designs, seconds=seconds, progress=progress)
    report.shown(answer, as_json)

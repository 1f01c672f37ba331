"""`pj calibrate`, `pj predict`, `pj devices` and `pj fpga`: real machines, measured beside modelled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import picojoule
from picojoule import options
from picojoule.commands.shared import Batch, Dims, Html, Json, Model, Phase, Strict, app, read_network
from picojoule.machines.kernels.beside import beside
from picojoule.report import show
from picojoule.report.answers import calibration, prediction
from picojoule.report.answers import fpga as fpga_report

Device = Annotated[str, typer.Option("--on", metavar="DEVICE", help="a device (`pj devices`) or its YAML file")]


@app.command()
def calibrate(
    measurements: Annotated[
        str, typer.Argument(metavar="MEASUREMENTS", help="JSON file of measured kernels, or h100 (comes along)")
    ],
    judge: Annotated[
        str | None, typer.Option("--judge", metavar="FILE", help="judge on the kernels of this file; fit on all others")
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", metavar="DEVICE", help="facts to begin with; default: by its name")
    ] = None,
    split: Annotated[
        str, typer.Option("--split", metavar="HOW", help="hold back a third: random (of each group) or shape")
    ] = "random",
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="of the first split")] = 0,
    write: Annotated[Path | None, typer.Option("--write", metavar="FILE", help="write the calibrated device as YAML")] = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Fit a machine to measured kernels, and say how wrong it is on kernels it has not seen."""
    page, yaml = options.place_for(html), options.place_for(write)
    with show.progress() as progress:
        result = picojoule.calibrate(measurements, judge=judge, device=device, split=split, seed=seed, progress=progress)
    calibration.shown(result, as_json, page, yaml)


@app.command()
def predict(
    model: Model,
    on: Device,
    dtype: Annotated[
        str | None, typer.Option("--dtype", metavar="TYPE", help="of every operand: bf16, fp16, fp32, fp8, int8, ...")
    ] = None,
    launch: Annotated[str, typer.Option("--launch", metavar="HOW", help="graph, or eager: a host submits each kernel")] = "graph",
    unfused: Annotated[bool, typer.Option("--unfused", help="each element-wise operator is a kernel of its own")] = False,
    layout: Annotated[str, typer.Option("--layout", metavar="LAYOUT", help="nhwc (channels last) or nchw")] = "nhwc",
    batch: Batch = None,
    dim: Dims = None,
    strict: Strict = False,
    phase: Phase = None,
    every: Annotated[bool, typer.Option("--all", help="show every kernel")] = False,
    measured: Annotated[str | None, typer.Option("--measured", metavar="FILE", help="what `pj measure --out` stored")] = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Time and energy of MODEL on a CPU or GPU, kernel by kernel."""
    page = options.place_for(html)
    network = read_network(model, batch, dim, None, strict, phase)
    result = picojoule.predict_network(network, on, dtype=dtype, launch=launch, fused=not unfused, layout=layout)
    prediction.shown(result, as_json, page, every, None if measured is None else beside(result, measured))


@app.command()
def devices(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="show this one")] = None, as_json: Json = False
) -> None:
    """The CPUs and GPUs that come along, and whether they are calibrated."""
    prediction.listed(name, as_json)


@app.command()
def fpga(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="as for predict; without it the boards are listed")] = None,
    on: Annotated[str, typer.Option("--on", metavar="BOARD", help="such as zcu102")] = "zcu102",
    bits: Annotated[int, typer.Option("--bits", metavar="N", help="of weights and activations")] = 8,
    batch: Batch = None,
    dim: Dims = None,
    strict: Strict = False,
    phase: Phase = None,
    as_json: Json = False,
) -> None:
    """MODEL on an FPGA: the matrix-vector engine that fits and is fastest, its resources, its layers."""
    if model is None:
        fpga_report.listed(as_json)
        return
    width = options.positive(bits, "--bits") or 8
    network = read_network(model, batch, dim, str(width), strict, phase)
    fpga_report.shown(picojoule.predict_fpga(network, on, bits=width), as_json)

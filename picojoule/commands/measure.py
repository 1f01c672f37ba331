"""`pj measure` and `pj ceilings`: the machine at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import picojoule
from picojoule import options
from picojoule.commands.shared import Batch, Dims, Json, app
from picojoule.errors import SpecError
from picojoule.report import show
from picojoule.report.answers import measured

Device = Annotated[str, typer.Option("--device", metavar="DEVICE", help="cpu or cuda")]
Threads = Annotated[int | None, typer.Option("--threads", metavar="N", help="default: one a core")]


@app.command()
def measure(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="zoo name, module:callable, ONNX file, or a layer such as gemm:M=..")
    ] = None,
    device: Device = "cpu",
    dtype: Annotated[str, typer.Option("--dtype", metavar="TYPE", help="fp32, bf16, fp16 or fp64")] = "fp32",
    batch: Batch = None,
    dim: Dims = None,
    threads: Threads = None,
    channels_last: Annotated[bool, typer.Option("--channels-last", help="images as N, H, W, C in memory")] = False,
    scenario: Annotated[
        list[str] | None, typer.Option("--scenario", help="single-stream, multi-stream, server, offline; may be repeated")
    ] = None,
    rate: Annotated[float | None, typer.Option("--rate", help="queries a second of the server scenario")] = None,
    bound: Annotated[str | None, typer.Option("--bound", metavar="TIME", help="on the server's p99, such as 50ms")] = None,
    clock: Annotated[str, typer.Option("--clock", metavar="CLOCK", help="wall, or cpu: this process, one thread")] = "wall",
    seed: Annotated[int, typer.Option("--seed", help="of operands and arrivals")] = 0,
    budget: Annotated[str, typer.Option("--budget", metavar="TIME", help="time for each kernel and run")] = "1s",
    no_layers: Annotated[bool, typer.Option("--no-layers", help="the network as a whole alone")] = False,
    no_energy: Annotated[bool, typer.Option("--no-energy", help="do not ask for an energy counter")] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="store the measurement as JSON")] = None,
    sweep: Annotated[bool, typer.Option("--sweep", help="the kernels that `pj calibrate` fits a machine's model to")] = False,
    rerun: Annotated[Path | None, typer.Option("--rerun", metavar="FILE", help="measure a stored one again, flag drift")] = None,
    as_json: Json = False,
) -> None:
    """Time and energy of MODEL and of each of its layers, on this machine."""
    place = options.place_for(out)
    if rerun is not None:
        with show.progress() as progress:
            _, drifts = picojoule.remeasure(rerun, progress)
        if not measured.drifted(drifts, as_json):
            raise typer.Exit(1)
        return
    if model is None and not sweep:
        raise SpecError("which model?", where="MODEL", hint="give a model, --sweep, or --rerun FILE")
    settings = picojoule.MeasureSettings(
        device=device,
        dtype=dtype,
        batch=options.positive(batch, "--batch") or 1,
        threads=options.positive(threads, "--threads") or 0,
        channels_last=channels_last,
        seed=seed,
        budget_s=options.seconds(budget, "--budget") or 1.0,
        scenarios=tuple(scenario or ("single-stream",)),
        rate_per_s=rate,
        bound_s=options.seconds(bound, "--bound"),
        energy=not no_energy,
        layers=not no_layers,
        clock=clock,
    )
    if model is None:
        with show.progress() as progress:
            swept = picojoule.sweep(settings, progress)
        measured.swept(swept, as_json, place)
        return
    with show.progress() as progress:
        done = picojoule.measure(model, settings, dims=options.dims(dim or []), progress=progress)
    measured.measured(done, as_json, place)


@app.command()
def ceilings(device: Device = "cpu", threads: Threads = None, as_json: Json = False) -> None:
    """The peak operations and the bandwidth of every memory level of this machine, measured."""
    with show.progress() as progress:
        found, host, share = picojoule.ceilings(device, options.positive(threads, "--threads"), progress)
    measured.ceilings(found, host, share, as_json)

"""`pj accuracy` and `pj sensor`: what analog computing costs in accuracy and saves in energy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import picojoule
from picojoule import options
from picojoule.commands.shared import Json, On, app
from picojoule.report import show
from picojoule.report.answers import accuracy as shown


@app.command()
def accuracy(
    on: On,
    data: Annotated[str, typer.Option("--data", metavar="DATA", help="digits, fashion-mnist, or an .npz file")] = "digits",
    net: Annotated[str | None, typer.Option("--net", metavar="NET", help="as in `pj train`; default: by the images")] = None,
    epochs: Annotated[int, typer.Option("--epochs", metavar="N", help="of training")] = 15,
    weight_bits: Annotated[int | None, typer.Option("--weight-bits", metavar="N")] = None,
    input_bits: Annotated[int | None, typer.Option("--input-bits", metavar="N")] = None,
    adc_bits: Annotated[str | None, typer.Option("--adc-bits", metavar="N,N", help="try these converters")] = None,
    sigma: Annotated[str, typer.Option("--sigma", metavar="S,S", help="errors of programming, of the conductance window")] = "0",
    read_sigma: Annotated[float, typer.Option("--read-sigma", help="noise of a read, of the window and a row")] = 0.0,
    stuck: Annotated[float, typer.Option("--stuck", help="share of cells stuck, half on, half off")] = 0.0,
    drift: Annotated[float, typer.Option("--drift", help="exponent of drift")] = 0.0,
    hours: Annotated[float, typer.Option("--hours", help="since programming")] = 1.0,
    wire_ratio: Annotated[float, typer.Option("--wire-ratio", help="wire between two cells over a cell fully on")] = 0.0,
    clip: Annotated[float, typer.Option("--clip", help="range of the ADC over the largest sum")] = 1.0,
    draws: Annotated[int, typer.Option("--draws", metavar="N", help="chips")] = 5,
    fine_tune: Annotated[int, typer.Option("--fine-tune", metavar="EPOCHS", help="train on with the first noise")] = 0,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", help="test images")] = None,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    energy: Annotated[bool, typer.Option("--energy", help="also map the network, for its energy")] = False,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", metavar="DIR", help="where the data lies")] = None,
    as_json: Json = False,
) -> None:
    """Accuracy of a small network on the array of a compute-in-memory chip, with noise, converters and intervals."""
    noises = [
        {
            "program_sigma": s,
            "read_sigma": read_sigma,
            "stuck_on": stuck / 2,
            "stuck_off": stuck / 2,
            "drift_nu": drift,
            "hours": hours,
            "wire_ratio": wire_ratio,
        }
        for s in options.decimals(sigma, "--sigma")
    ]
    bits = list(options.numbers(adc_bits, "--adc-bits")) if adc_bits else [None]
    with show.progress() as progress:
        done = picojoule.array_accuracy(
            on,
            data,
            net=net,
            epochs=epochs,
            adc_bits=bits,
            noises=noises,
            weight_bits=weight_bits,
            input_bits=input_bits,
            clip=clip,
            draws=options.positive(draws, "--draws") or 1,
            fine_tune_epochs=fine_tune,
            limit=options.positive(limit, "--limit"),
            seed=seed,
            energy=energy,
            data_dir=data_dir,
            progress=progress,
        )
    shown.accuracy(done, as_json)


@app.command()
def sensor(
    rows: Annotated[int, typer.Option("--rows", metavar="N")] = 480,
    columns: Annotated[int, typer.Option("--columns", metavar="N")] = 640,
    bits: Annotated[int, typer.Option("--bits", metavar="N", help="of the pixels' converters")] = 10,
    channels: Annotated[int, typer.Option("--channels", metavar="N")] = 1,
    filters: Annotated[int, typer.Option("--filters", metavar="N", help="of an analog first layer")] = 8,
    kernel: Annotated[int, typer.Option("--kernel", metavar="N")] = 3,
    stride: Annotated[int, typer.Option("--stride", metavar="N")] = 2,
    as_json: Json = False,
) -> None:
    """Energy of a frame: pixels, an analog first layer, or gradients, over a link or through a stack."""
    given = {
        "rows": rows,
        "columns": columns,
        "bits": bits,
        "channels": channels,
        "filters": filters,
        "kernel": kernel,
        "stride": stride,
    }
    shown.sensor(picojoule.sensor_modes(**given), as_json)

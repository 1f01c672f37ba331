"""`pj train`: small nets from scratch, kept for everything that needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import picojoule
from picojoule import options
from picojoule.cli.shared import Json, app
from picojoule.report import show
from picojoule.report import trained as shown


@app.command()
def train(
    net: Annotated[
        str, typer.Argument(metavar="NET", help="small, lenet5, small-resnet, small-mobilenet or tiny-transformer")
    ],
    data: Annotated[str, typer.Option("--data", metavar="DATA", help="digits, fashion-mnist, or an .npz file")] = "digits",
    seeds: Annotated[str, typer.Option("--seeds", metavar="N,N", help="one training each")] = "0",
    epochs: Annotated[int | None, typer.Option("--epochs", metavar="N", help="default: the net's recipe")] = None,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", metavar="DIR", help="where the data lies")] = None,
    as_json: Json = False,
) -> None:
    """Train a small network from scratch; weights and accuracy are kept, and a stopped training goes on where it was."""
    with show.progress() as progress:
        done = picojoule.train(
            net,
            data,
            seeds=options.numbers(seeds, "--seeds", least=0),
            epochs=options.positive(epochs, "--epochs"),
            data_dir=data_dir,
            progress=progress,
        )
    shown.baseline(done, as_json)

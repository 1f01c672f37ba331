"""`pj train`, `pj quantise`, `pj minilm`: small nets from scratch, at any width, and a real encoder's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import picojoule
from picojoule import options
from picojoule.commands.shared import Json, app
from picojoule.report import show
from picojoule.report.answers import trained as shown


@app.command()
def train(
    net: Annotated[str, typer.Argument(metavar="NET", help="small, lenet5, small-resnet, small-mobilenet or tiny-transformer")],
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


@app.command()
def quantise(
    net: Annotated[str, typer.Argument(metavar="NET", help="as in `pj train`")],
    data: Annotated[str, typer.Option("--data", metavar="DATA", help="digits, fashion-mnist, or an .npz file")] = "digits",
    seeds: Annotated[str, typer.Option("--seeds", metavar="N,N", help="nets trained from these")] = "0",
    bits: Annotated[str, typer.Option("--bits", metavar="N,N", help="of weights and inputs of every layer")] = "8,4",
    epochs: Annotated[int, typer.Option("--epochs", metavar="N", help="of training on below 8 b; 0: none")] = 1,
    calibration: Annotated[str, typer.Option("--calibration", metavar="HOW", help="max, percentile or mse")] = "mse",
    granularity: Annotated[str, typer.Option("--granularity", metavar="STEP", help="tensor, channel or group")] = "channel",
    data_dir: Annotated[Path | None, typer.Option("--data-dir", metavar="DIR", help="where the data lies")] = None,
    as_json: Json = False,
) -> None:
    """Accuracy of a trained net at few bits: rounded after training, trained on with rounding, and by onnxruntime."""
    with show.progress() as progress:
        done = picojoule.quantise(
            net, data, seeds=options.numbers(seeds, "--seeds", least=0), bits=options.numbers(bits, "--bits"), epochs=epochs,
            calibration=calibration, granularity=granularity, data_dir=data_dir, progress=progress,
        )  # fmt: skip
    shown.quantised(done, as_json)


@app.command()
def minilm(
    data_dir: Annotated[Path | None, typer.Option("--data-dir", metavar="DIR", help="the SpamAssassin messages")] = None,
    weights_dir: Annotated[Path | None, typer.Option("--weights-dir", metavar="DIR", help="of model.safetensors")] = None,
    means: Annotated[str, typer.Option("--means", metavar="B,B", help="means of weight bits to try")] = "3,3.5,4,5,6",
    loss: Annotated[float, typer.Option("--loss", metavar="POINTS", help="accuracy that may be lost")] = 1.0,
    train: Annotated[int, typer.Option("--train", metavar="N", help="messages for the classifier")] = 800,
    decide: Annotated[int, typer.Option("--decide", metavar="N", help="messages that decide on bits")] = 250,
    test: Annotated[int, typer.Option("--test", metavar="N", help="messages reported on")] = 1000,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    as_json: Json = False,
) -> None:
    """As few weight bits as MiniLM-L6 needs to tell spam, layer by layer, from measured sensitivities."""
    with show.progress() as progress:
        done = picojoule.minilm_bits(
            data_dir, weights_dir, means=options.decimals(means, "--means"), loss_percent=loss, train=train, decide=decide,
            test=test, seed=seed, progress=progress,
        )  # fmt: skip
    shown.minilm(done, as_json)

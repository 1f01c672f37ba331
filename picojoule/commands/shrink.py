"""`pj shrink`: a trained network made cheap on a chip, within a budget of accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import picojoule
from picojoule import options
from picojoule.ask import SINGLE_BEST
from picojoule.commands.shared import Json, On, app
from picojoule.report import show
from picojoule.report.answers import shrink as shown


@app.command()
def shrink(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="small net (`pj train`), or file.py:callable of a trained one")],
    on: On,
    data: Annotated[str, typer.Option("--data", metavar="DATA", help="digits, fashion-mnist, or an .npz file")] = "digits",
    budget: Annotated[str, typer.Option("--budget", metavar="POINTS", help="accuracy that may be lost, in points")] = "1%",
    objective: Annotated[str, typer.Option("--objective", metavar="GOAL", help="energy, latency or edp")] = "energy",
    methods: Annotated[
        str, typer.Option("--methods", metavar="M,M", help="some of quantise, channels, zeros, rank")
    ] = "quantise,channels,zeros,rank",
    search: Annotated[str, typer.Option("--search", metavar="WAY", help="greedy, knapsack or evolutionary")] = "greedy",
    alone: Annotated[bool, typer.Option("--alone", help="also the best of each method by itself")] = False,
    images: Annotated[int | None, typer.Option("--images", metavar="N", help="that a long fine-tuning sees")] = None,
    held_out: Annotated[int | None, typer.Option("--held-out", metavar="N", help="training images that decide")] = None,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="the network (torch, ONNX), its plan, a page")] = None,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", metavar="DIR", help="where the data lies")] = None,
    as_json: Json = False,
) -> None:
    """Bits, channels, zeros and rank of every layer: the cheapest network on CHIP within a budget of accuracy."""
    with show.progress() as progress:
        done = picojoule.shrink(
            model,
            on,
            data,
            budget=options.points(budget, "--budget"),
            objective=options.choice(objective, SINGLE_BEST, "--objective"),
            methods=[m.strip() for m in methods.split(",")],
            search=search,
            alone=alone,
            images=options.positive(images, "--images"),
            held_out=options.positive(held_out, "--held-out"),
            seed=seed,
            out=out,
            data_dir=data_dir,
            progress=progress,
        )
    shown.shrunk(done, as_json, out)

"""`pj reproduce`: published results, ours beside theirs."""

from __future__ import annotations

from typing import Annotated

import typer

from picojoule.commands.shared import Json, app
from picojoule.report import show
from picojoule.report.answers import experiments
from picojoule.reproduction import registry
from picojoule.reproduction.experiment import run


@app.command()
def reproduce(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="an experiment, or all; without it they are listed")] = None,
    slow: Annotated[bool, typer.Option("--slow", help="with all: also those that take minutes")] = False,
    as_json: Json = False,
) -> None:
    """Published results, ours beside theirs, with signed errors; ends with code 1 if one differs."""
    if name is None:
        experiments.listed(as_json)
        return
    chosen = registry.chosen(slow) if name == "all" else (registry.experiment(name),)
    with show.progress() as progress:
        done = [run(e, progress) for e in chosen]
    if not experiments.reproduced(done, as_json):
        raise typer.Exit(1)

"""`pj gemmini`: cycles of mapped layers on Gemmini, predicted beside RTL cycles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import picojoule
from picojoule import options
from picojoule.commands.shared import Html, Json, app
from picojoule.errors import SpecError
from picojoule.report.answers import gemmini as report

_FILE = "CSV with the columns R,S,P,Q,C,K,stride_h,stride_w,mapping,rtl_cycles; default: the measured rows that come along"


@app.command()
def gemmini(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help=_FILE)] = None,
    refit: Annotated[bool, typer.Option("--refit", help="fit to FILE itself, split by shape, not blind")] = False,
    splits: Annotated[int, typer.Option("--splits", metavar="N", help="random splits by layer shape")] = 5,
    held_back: Annotated[float, typer.Option("--held-back", metavar="SHARE", help="share of the shapes to judge on")] = 0.3,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="of the first split")] = 0,
    array: Annotated[int | None, typer.Option("--array", metavar="N", help="side of the array; default: by mapping")] = None,
    rows: Annotated[bool, typer.Option("--rows", help="show every row")] = False,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Gemmini's cycles predicted from shape and mapping, held against its RTL on layer shapes that were not fitted."""
    if not 0.0 < held_back < 1.0:
        raise SpecError(f"{held_back} is no share", where="--held-back", hint="give a number between 0 and 1, such as 0.3")
    options.positive(splits, "--splits")
    options.positive(array, "--array")
    options.place_for(html)
    answer = picojoule.gemmini(file, refit=refit, number=splits, held_back=held_back, seed=seed, array=array)
    report.shown(answer, as_json, rows, html)

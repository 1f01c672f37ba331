"""`pj cards`: metric cards of hardware, checked and side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from picojoule import options
from picojoule.commands.shared import Json, app
from picojoule.files import read_text
from picojoule.published import card_files
from picojoule.published.card import normalised, read_card
from picojoule.report.answers import cards as report


@app.command()
def cards(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="CARD ...", help="YAML files or cards that come along; without any, those")
    ] = None,
    normalise: Annotated[
        str | None, typer.Option("--normalise", metavar="NODE", help="power and area as if at this node, labelled, such as 28nm")
    ] = None,
    as_json: Json = False,
) -> None:
    """Metric cards of hardware: everything a fair comparison needs, or what is missing."""
    known = card_files.cards()
    chosen = [known[f] if f in known else read_card(read_text(Path(f)), f) for f in files or list(known)]
    node = options.nanometres(normalise, "--normalise")
    report.shown([c if node is None else normalised(c, node) for c in chosen], as_json)

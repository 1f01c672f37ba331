"""`pj export`: ours as another tool's files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import picojoule
from picojoule import options
from picojoule.commands.shared import Json, On, OneLayer, app, read_network
from picojoule.report import show
from picojoule.report.answers import interop as report


@app.command()
def export(
    on: On,
    layer: Annotated[str | None, typer.Argument(metavar="LAYER", help="one layer, or a model with --layer")] = None,
    mapping: Annotated[str | None, typer.Argument(metavar="MAPPING", help="compact text, or a file that holds it")] = None,
    one: OneLayer = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="write the files there")] = None,
    bits: Annotated[int | None, typer.Option("--bits", metavar="N", help="width of an element, which Timeloop counts in")] = None,
    lossy: Annotated[bool, typer.Option("--lossy", help="leave out what the files cannot say, and name it")] = False,
    as_json: Json = False,
) -> None:
    """A chip with its prices, a layer and a mapping as Timeloop 0.4 files."""
    chip = picojoule.load_chip(on)
    chosen = None if layer is None else show.one_layer(read_network(layer, None, None, None, False), one)
    written = None
    if mapping is not None and chosen is not None:
        text, where = options.text_or_file(mapping, "MAPPING")
        written = picojoule.parse_mapping(text, chosen, chip, where)
    width = options.positive(bits, "--bits")
    report.exported(picojoule.export_timeloop(chip, chosen, written, element_bits=width, lossy=lossy), out, as_json)

"""`pj check` and `pj diff`: mappings of other tools, judged, and two mappings side by side."""

from __future__ import annotations

from typing import Annotated

import typer

import picojoule
from picojoule import options
from picojoule.ask import ACCOUNTINGS
from picojoule.commands.shared import (
    Accounting,
    Json,
    LayerText,
    MappingText,
    Objective,
    On,
    OneLayer,
    TimeLimit,
    app,
    read_network,
)
from picojoule.report import show
from picojoule.report.answers import judge as report


@app.command()
def check(
    mapping: MappingText,
    layer: LayerText,
    on: On,
    one: OneLayer = None,
    stats: Annotated[str | None, typer.Option("--stats", metavar="FILE", help="that tool's stats.txt, to compare with")] = None,
    objective: Objective = None,
    time_limit: TimeLimit = None,
    as_json: Json = False,
) -> None:
    """MAPPING of LAYER on a chip by each tool's rules, beside the best mapping: how far it is, and which node makes it."""
    chip = picojoule.load_chip(on)
    chosen = show.one_layer(read_network(layer, None, None, None, False), one)
    text, where = options.text_or_file(mapping, "MAPPING")
    written = picojoule.parse_mapping(text, chosen, chip, where)
    run = None if stats is None else picojoule.import_files([stats]).stats
    goal, limit = options.objective(objective, None), options.seconds(time_limit, "--time-limit")
    report.judged(picojoule.judge(chosen, chip, written, run[0] if run else None, goal, limit), as_json)


@app.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="a mapping: compact text, or a file")],
    second: Annotated[str, typer.Argument(metavar="B", help="another mapping of the same layer")],
    layer: LayerText,
    on: On,
    one: OneLayer = None,
    accounting: Accounting = "default",
    as_json: Json = False,
) -> None:
    """Two mappings of LAYER, node by node: words and energy of each, the largest difference first."""
    chip = picojoule.load_chip(on)
    chosen = show.one_layer(read_network(layer, None, None, None, False), one)
    rules = options.choice(accounting, ACCOUNTINGS, "--accounting")
    costs = []
    for name, given in (("A", first), ("B", second)):
        text, where = options.text_or_file(given, name)
        costs.append(picojoule.evaluate(chosen, chip, picojoule.parse_mapping(text, chosen, chip, where), rules))
    report.differs(picojoule.differences(costs[0], costs[1]), costs[0], costs[1], as_json)

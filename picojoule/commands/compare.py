"""`pj compare` and `pj which`: machines side by side, and those that meet limits."""

from __future__ import annotations

from typing import Annotated

import typer

import picojoule
from picojoule import options
from picojoule.ask import COUNTED, SINGLE_BEST, SPACES
from picojoule.commands.shared import (
    Batch,
    Dims,
    Html,
    Jobs,
    Json,
    Model,
    NoCache,
    Operators,
    Phase,
    Space,
    TimeLimit,
    app,
    loader,
)
from picojoule.compare.limits import limits
from picojoule.machines.answer import Ask
from picojoule.report import show
from picojoule.report.answers import comparison, selection

Machines = Annotated[
    str, typer.Option("--on", metavar="A,B,C", help="chips (`pj chips`, or a YAML file) and platforms (`pj platforms`)")
]
Width = Annotated[
    int | None,
    typer.Option("--bits", metavar="N", help="every tensor so wide; default: as the model states, else each machine's own"),
]
Goal = Annotated[str, typer.Option("--objective", metavar="GOAL", help="of mapped chips: edp, energy or latency")]


@app.command()
def compare(
    model: Model,
    on: Machines,
    batch: Batch = None,
    bits: Width = None,
    flips: Annotated[
        str, typer.Option("--flips", metavar="FACTORS", help="what the ranking may flip by: batch,dram,precision, or none")
    ] = "batch,dram,precision",
    batches: Annotated[str, typer.Option("--batches", metavar="N,N", help="batch sizes that flips are looked for at")] = "16",
    objective: Goal = "edp",
    space: Space = "perfect",
    time_limit: TimeLimit = None,
    jobs: Jobs = None,
    dim: Dims = None,
    phase: Phase = None,
    operators: Operators = "all",
    no_cache: NoCache = False,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """MODEL on several machines: metric cards side by side, what limits each, and where the ranking flips."""
    ask = Ask(
        objective=options.choice(objective, SINGLE_BEST, "--objective"),
        space=options.choice(space, SPACES, "--space"),
        time_limit_s=options.seconds(time_limit, "--time-limit"),
        jobs=options.positive(jobs, "--jobs"),
        operators=options.choice(operators, COUNTED, "--operators"),
        cache=not no_cache,
    )
    page = options.place_for(html)
    size, width = options.positive(batch, "--batch") or 1, options.positive(bits, "--bits")
    sizes = options.numbers(batches, "--batches")

    with show.progress() as progress:
        answer = picojoule.compare_network(
            loader(model, dim, phase), options.words(on), batch=size, bits=width, flips=options.words(flips, "none"),
            batches=sizes, ask=ask, progress=progress,
        )  # fmt: skip
    comparison.shown(answer, as_json, page)


@app.command()
def which(
    model: Model,
    on: Annotated[str | None, typer.Option("--on", metavar="A,B,C", help="only these machines; default: all")] = None,
    power: Annotated[str | None, typer.Option("--power", metavar="POWER", help="at most 1W, or a range 1W..2W")] = None,
    latency: Annotated[str | None, typer.Option("--latency", metavar="TIME", help="of a batch: at most 33ms, or a range")] = None,
    energy: Annotated[str | None, typer.Option("--energy", metavar="ENERGY", help="of an inference: at most 10mJ")] = None,
    throughput: Annotated[str | None, typer.Option("--throughput", metavar="RATE", help="at least 30/s, or a range")] = None,
    area: Annotated[str | None, typer.Option("--area", metavar="AREA", help="at most 20mm2, or a range")] = None,
    traffic: Annotated[str | None, typer.Option("--traffic", metavar="SIZE", help="off chip, an inference: at most 5MB")] = None,
    batch: Batch = None,
    bits: Width = None,
    space: Space = "perfect",
    time_limit: TimeLimit = None,
    jobs: Jobs = None,
    dim: Dims = None,
    phase: Phase = None,
    operators: Operators = "all",
    no_cache: NoCache = False,
    as_json: Json = False,
) -> None:
    """The machines that meet limits for MODEL, and what is missing for the others; ends with code 1 if none qualifies."""
    asked = limits(
        {
            "power_w": power,
            "latency_s": latency,
            "energy_j": energy,
            "inferences_per_s": throughput,
            "area_mm2": area,
            "offchip_bytes": traffic,
        }
    )
    ask = Ask(
        space=options.choice(space, SPACES, "--space"),
        time_limit_s=options.seconds(time_limit, "--time-limit"),
        jobs=options.positive(jobs, "--jobs"),
        operators=options.choice(operators, COUNTED, "--operators"),
        cache=not no_cache,
    )
    size, width = options.positive(batch, "--batch") or 1, options.positive(bits, "--bits")

    with show.progress() as progress:
        answer = picojoule.which(
            loader(model, dim, phase),
            asked,
            on=None if on is None else options.words(on),
            batch=size,
            bits=width,
            ask=ask,
            progress=progress,
        )
    selection.shown(answer, as_json)
    if not answer.qualifies:
        raise typer.Exit(1)

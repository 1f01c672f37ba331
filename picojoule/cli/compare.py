"""`pj compare`, `pj which` and `pj platforms`: machines side by side."""

from __future__ import annotations

from typing import Annotated

import typer

import picojoule
from picojoule import options
from picojoule.cli.shared import Batch, Dims, Html, Jobs, Json, Model, NoCache, Phase, Space, TimeLimit, app, read_network
from picojoule.compare.answer import Ask
from picojoule.report import comparison, show
from picojoule.workload.network import Network

Machines = Annotated[
    str, typer.Option("--on", metavar="A,B,C", help="chips (`pj chips`, or a YAML file) and platforms (`pj platforms`)")
]
Width = Annotated[int | None, typer.Option("--bits", metavar="N", help="every tensor so wide; default: each machine's own width")]
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
    no_cache: NoCache = False,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """MODEL on several machines: metric cards side by side, what limits each, and where the ranking flips."""
    ask = Ask(
        objective=options.choice(objective, ("edp", "energy", "latency"), "--objective"),
        space=options.choice(space, options.SPACES, "--space"),
        time_limit_s=options.seconds(time_limit, "--time-limit"),
        jobs=options.positive(jobs, "--jobs"),
        cache=not no_cache,
    )
    page = options.place_for(html)
    size, width = options.positive(batch, "--batch") or 1, options.positive(bits, "--bits")
    sizes = options.numbers(batches, "--batches")

    def load(n: int, b: int) -> Network:
        network: Network = read_network(model, n if n != 1 else None, dim, str(b), False, phase)
        return network

    with show.progress() as progress:
        answer = picojoule.compare_network(
            load, options.words(on), batch=size, bits=width, flips=options.words(flips, "none"), batches=sizes, ask=ask,
            progress=progress,
        )  # fmt: skip
    comparison.shown(answer, as_json, page)

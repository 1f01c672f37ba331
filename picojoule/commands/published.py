"""`pj platforms`: published chips and platforms as data: queries, checks, trends."""

from __future__ import annotations

from typing import Annotated

import typer

from picojoule import options
from picojoule.commands.shared import Html, Json, app
from picojoule.published.trends import BY, query
from picojoule.report.answers import published_data


@app.command()
def platforms(
    years: Annotated[str | None, typer.Option("--years", metavar="A..B", help="published in these years")] = None,
    nodes: Annotated[str | None, typer.Option("--nodes", metavar="A..B", help="in nm, such as 5..16")] = None,
    precision: Annotated[str | None, typer.Option("--precision", metavar="NAME", help="with a peak of it, such as int8")] = None,
    kind: Annotated[str | None, typer.Option("--kind", metavar="KIND", help="cpu, gpu, asic, fpga, mcu, npu, ...")] = None,
    evidence: Annotated[str | None, typer.Option("--evidence", metavar="WORD", help="measured, simulated or vendor")] = None,
    scope: Annotated[str | None, typer.Option("--scope", metavar="WORD", help="macro, chip, package, board or system")] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="WORD", help=f"a trend: {', '.join(BY)}")] = None,
    checks: Annotated[bool, typer.Option("--checks", help="peak against units x rate x clock")] = False,
    comparable: Annotated[bool, typer.Option("--machines", help="every machine that pj compare knows")] = False,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Published chips and platforms: records, checks, trends by year, node and precision."""
    if comparable:
        published_data.others(as_json)
        return
    page = options.place_for(html)
    span, nm = options.span(years, "--years"), options.span(nodes, "--nodes")
    found = query(
        years=None if span is None else (int(span[0]), int(span[1])),
        nodes_nm=nm,
        precision=precision,
        kind=kind,
        evidence=evidence,
        scope=scope,
    )
    published_data.shown(found, None if by is None else options.choice(by, tuple(BY), "--by"), checks, as_json, page)

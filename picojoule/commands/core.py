"""The commands of the main job: profile, map, evaluate, explain, verify, and what comes along."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import picojoule
from picojoule import options
from picojoule.ask import ACCOUNTINGS, COUNTED, FUSE, SPACES
from picojoule.commands.shared import (
    Accounting,
    Batch,
    Bits,
    DataflowName,
    Density,
    Dims,
    Fuse,
    Html,
    Jobs,
    Json,
    Latency,
    LayerText,
    MappingText,
    Model,
    NoCache,
    Objective,
    On,
    OneLayer,
    Operators,
    Phase,
    Space,
    Strict,
    TimeLimit,
    app,
    loader,
    on_chip,
    read_network,
)
from picojoule.errors import PicojouleError
from picojoule.files import read_json
from picojoule.machines.answer import Ask
from picojoule.report import show
from picojoule.report.answers import advice as report_advice
from picojoule.report.answers import prediction
from picojoule.report.answers import schedule as report_schedule


@app.command()
def profile(
    model: Model,
    batch: Batch = None,
    dim: Dims = None,
    bits: Bits = None,
    strict: Strict = False,
    phase: Phase = None,
    as_json: Json = False,
) -> None:
    """MACs, weights, activations and operators of MODEL."""
    show.profile(picojoule.profile(read_network(model, batch, dim, bits, strict, phase)), as_json)


@app.command("map")
def map_(
    model: Model,
    on: On,
    dataflow: DataflowName = None,
    objective: Objective = None,
    latency: Latency = None,
    html: Html = None,
    as_json: Json = False,
    space: Space = "default",
    time_limit: TimeLimit = None,
    jobs: Jobs = None,
    batch: Batch = None,
    dim: Dims = None,
    bits: Bits = None,
    strict: Strict = False,
    phase: Phase = None,
    density: Density = None,
    statistics: Annotated[
        Path | None,
        typer.Option("--statistics", metavar="FILE", help="what `pj statistics --json` printed: values set an array's energies"),
    ] = None,
    operators: Operators = "all",
    fuse: Fuse = "none",
    keep_batch_norm: Annotated[
        bool, typer.Option("--keep-batch-norm", help="batch norms are operators; default: they fold into the layer before")
    ] = False,
    no_cache: NoCache = False,
) -> None:
    """The best mapping of every layer, its cost and its proof; with --fuse the best schedule of the whole network."""
    limit_s, layer_s = options.seconds(latency, "--latency"), options.seconds(time_limit, "--time-limit")
    goal, where = options.objective(objective, limit_s), options.choice(space, SPACES, "--space")
    processes, page = options.positive(jobs, "--jobs"), options.place_for(html)
    counted = options.choice(operators, COUNTED, "--operators")
    fused = options.choice(fuse, FUSE, "--fuse")
    if fused != "none":
        options.nothing(goal if goal == "front" else None, "--objective", "a schedule is the best for energy, latency or edp")
        options.nothing(latency, "--latency", "schedules within a latency are not searched")
        options.nothing(None if counted == "all" else counted, "--operators", "a schedule runs every operator")
    if on in picojoule.devices():  # a CPU or GPU: its library chooses the mapping, and a calibrated model answers
        options.nothing(statistics, "--statistics", f"{on} has no compute-in-memory array")
        options.nothing(None if fused == "none" else fused, "--fuse", f"the libraries of {on} choose what is fused")
        options.nothing(None if counted == "all" else counted, "--operators", f"{on} fuses operators into its kernels")
        network = read_network(model, batch, dim, None, strict, phase)
        prediction.shown(picojoule.predict_network(network, on), as_json, page, every=False)
        return
    chip, network = picojoule.load_chip(on), read_network(model, batch, dim, bits, strict, phase, density)
    if statistics is not None:
        table = read_json(statistics, "write it with `pj statistics MODEL --data DATA --json > FILE`")
        network = picojoule.WithStatistics(chip, table, str(statistics))(network)
    if fused != "none":
        with show.progress() as progress:
            done = picojoule.schedule_network(
                network,
                picojoule.constrained(chip, options.dataflow(dataflow)),
                goal,
                fuse=fused,
                jobs=processes,
                cache=not no_cache,
                time_limit=layer_s,
                space=where,
                fold=not keep_batch_norm,
                progress=progress,
            )
        report_schedule.shown(done, as_json, page)
        return
    with show.progress() as progress:
        result = picojoule.map_network(
            network,
            picojoule.constrained(chip, options.dataflow(dataflow)),
            goal,
            latency_s=limit_s,
            jobs=processes,
            cache=not no_cache,
            time_limit=layer_s,
            space=where,
            operators=counted,
            fold=not keep_batch_norm,
            progress=progress,
        )
    show.mapped(result, as_json, page)


@app.command()
def evaluate(
    layer: LayerText,
    mapping: MappingText,
    on: On,
    one: OneLayer = None,
    accounting: Accounting = "default",
    objective: Objective = None,
    html: Html = None,
    bits: Bits = None,
    density: Density = None,
    as_json: Json = False,
) -> None:
    """The cost of one layer under a hand-written mapping, or of a whole model under a hand-written schedule."""
    chip = picojoule.load_chip(on)
    network = read_network(layer, None, None, bits, False, None, density)
    text, where = options.text_or_file(mapping, "MAPPING")
    if one is None and len(network.layers) > 1 and not options.is_nest(text):
        options.nothing(None if accounting == "default" else accounting, "--accounting", "schedules are counted by our rules")
        goal = options.objective(objective, None)
        with show.progress() as progress:
            program = picojoule.parse_schedule(text, where)
            done = picojoule.evaluate_schedule(network, chip, program, goal, where=where, progress=progress)
        report_schedule.shown(done, as_json, options.place_for(html))
        return
    chosen = show.one_layer(on_chip(network, chip), one)
    written = picojoule.parse_mapping(text, chosen, chip, where)
    cost = picojoule.evaluate(chosen, chip, written, options.choice(accounting, ACCOUNTINGS, "--accounting"))
    show.evaluated(chosen, chip, written, cost, as_json)


@app.command()
def explain(
    model: Model,
    on: On,
    layer: OneLayer = None,
    mapping: Annotated[str | None, typer.Option("--mapping", metavar="MAPPING", help="explain this one, not the best")] = None,
    objective: Objective = None,
    batch: Batch = None,
    dim: Dims = None,
    bits: Bits = None,
    phase: Phase = None,
    operators: Operators = "all",
    advice: Annotated[bool, typer.Option("--advice", help="what limits each layer, what every single change gains")] = False,
    as_json: Json = False,
) -> None:
    """Where each number of the mapped layers comes from; --advice: what limits them, and which change helps most."""
    goal = options.objective(objective, None)
    counted = options.choice(operators, COUNTED, "--operators")
    if advice:
        options.nothing(mapping, "--mapping", "advice is about the best mapping")
        size, width = options.positive(batch, "--batch") or 1, options.one_width(bits)

        whole = loader(model, dim, phase)

        def load(n: int, b: int | None) -> Any:
            return whole(n, b) if layer is None else show.some_layers(whole(n, b), layer)

        with show.progress() as progress:
            ask = Ask(operators=counted)
            given = picojoule.advise(load, picojoule.load_chip(on), goal, batch=size, bits=width, ask=ask, progress=progress)
        report_advice.shown(given, as_json)
        return
    chip = picojoule.load_chip(on)
    network = on_chip(read_network(model, batch, dim, bits, False, phase), chip)
    if mapping is not None:
        chosen = show.one_layer(network, layer)
        text, where = options.text_or_file(mapping, "--mapping")
        others: tuple[Any, ...] = ()
        mapped = [(chosen, picojoule.parse_mapping(text, chosen, chip, where))]
    else:
        with show.progress() as progress:
            some = show.some_layers(network, layer)
            result = picojoule.map_network(some, chip, goal, operators=counted, progress=progress)
        mapped, others = [(x.result.layer, x.result.mapping) for x in result.layers], result.operators
    show.explained(network, chip, [(x, m, picojoule.explain(x, chip, m)) for x, m in mapped], others, as_json)


@app.command()
def verify(
    result: Annotated[str, typer.Argument(metavar="RESULT.json", help="what `pj map --json` printed")],
    time: Annotated[str, typer.Option("--time", metavar="TIME", help="CPU time for proving bounds again")] = "60s",
    as_json: Json = False,
) -> None:
    """Check a stored result with an independent program."""
    seconds = options.seconds(time, "--time") or 60.0
    stored = read_json(Path(result), "write results with `pj map ... --json > result.json`")
    try:
        report = picojoule.verify(stored, seconds)
    except PicojouleError as e:
        raise type(e)(e.problem, where=e.where.replace("result", result, 1), hint=e.hint) from None
    if not show.verified(report, as_json):
        raise typer.Exit(1)


@app.command()
def chips(name: Annotated[str | None, typer.Argument(metavar="NAME")] = None, as_json: Json = False) -> None:
    """The chips that come along, or one drawn as a tree."""
    show.chips(name, as_json)


@app.command()
def models(name: Annotated[str | None, typer.Argument(metavar="NAME")] = None, as_json: Json = False) -> None:
    """The models that come along, or one of them profiled."""
    show.models(name, as_json)


@app.command()
def schema(as_json: Json = False) -> None:
    """The JSON schema of a chip's YAML file, for editors."""
    show.json_only(picojoule.chip_schema())

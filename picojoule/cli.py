"""The command line: one function a command, no logic. Answers go to stdout, progress and errors to stderr."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

import picojoule
from picojoule import options
from picojoule.errors import PicojouleError
from picojoule.report import show

app = typer.Typer(
    name="pj",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_ParserError: type[Exception] = typer.BadParameter.__mro__[2]  # base of all that the parser raises; typer does not export it

Model = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="zoo name (`pj models`), ONNX file, config.json, gemm:M=..,N=..,K=.. or conv:K=..,C=.."),
]
LayerText = Annotated[
    str, typer.Argument(metavar="LAYER", help="one layer, such as gemm:M=64,N=64,K=64, or a model with --layer")
]
MappingText = Annotated[str, typer.Argument(metavar="MAPPING", help="compact text, or a file that holds it")]
On = Annotated[str, typer.Option("--on", metavar="CHIP", help="preset (`pj chips`) or a chip's YAML file")]
Json = Annotated[bool, typer.Option("--json", help="print JSON only")]
Batch = Annotated[int | None, typer.Option("--batch", metavar="N", help="inputs processed together")]
Dims = Annotated[
    list[str] | None, typer.Option("--dim", metavar="NAME=VALUE", help="value of a symbolic dimension; may be repeated")
]
Bits = Annotated[str | None, typer.Option("--bits", metavar="BITS", help="8, or weight=4,input=8,output=16")]
Strict = Annotated[bool, typer.Option("--strict", help="refuse a model with operators that are not understood")]
Phase = Annotated[str | None, typer.Option("--phase", metavar="PHASE", help="prefill or decode, for transformers")]
Accounting = Annotated[
    str, typer.Option("--accounting", metavar="RULES", help="default, or timeloop (bounding boxes, even tiles)")
]
OneLayer = Annotated[str | None, typer.Option("--layer", metavar="NAME", help="only this layer")]
Space = Annotated[str, typer.Option("--space", metavar="SPACE", help="default, perfect (no ragged loops) or prototype")]
TimeLimit = Annotated[
    str | None, typer.Option("--time-limit", metavar="TIME", help="CPU time of the search, such as 60s; then the best so far")
]
Objective = Annotated[str | None, typer.Option("--objective", metavar="GOAL", help="edp (default), energy, latency or front")]
Latency = Annotated[str | None, typer.Option("--latency", metavar="TIME", help="least energy within this latency, such as 33ms")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="write a self-contained HTML report")]
Jobs = Annotated[int | None, typer.Option("--jobs", metavar="N", help="processes; default: one a core")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="search again, even what is stored")]


@app.callback(invoke_without_command=True)
def root(context: typer.Context, version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    """What a neural network inference costs in joules and seconds on a chip, with the provably best mapping."""
    if version:
        print(f"picojoule {picojoule.__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


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
    show.profile(picojoule.profile(_network(model, batch, dim, bits, strict, phase)), as_json)


@app.command("map")
def map_(
    model: Model,
    on: On,
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
    no_cache: NoCache = False,
) -> None:
    """The best mapping of every layer, its cost and its proof."""
    limit_s, layer_s = options.seconds(latency, "--latency"), options.seconds(time_limit, "--time-limit")
    goal, where = options.objective(objective, limit_s), options.choice(space, options.SPACES, "--space")
    processes, page = options.positive(jobs, "--jobs"), options.place_for(html)
    chip, network = picojoule.load_chip(on), _network(model, batch, dim, bits, strict, phase)
    with show.progress() as progress:
        result = picojoule.map_network(
            network,
            chip,
            goal,
            latency_s=limit_s,
            jobs=processes,
            cache=not no_cache,
            time_limit=layer_s,
            space=where,
            progress=progress,
        )
    show.mapped(result, network, as_json, page)


@app.command()
def evaluate(
    layer: LayerText,
    mapping: MappingText,
    on: On,
    one: OneLayer = None,
    accounting: Accounting = "default",
    bits: Bits = None,
    as_json: Json = False,
) -> None:
    """The cost of one layer under a hand-written mapping."""
    chip, chosen = picojoule.load_chip(on), show.one_layer(_network(layer, None, None, bits, False), one)
    text, where = options.text_or_file(mapping, "MAPPING")
    written = picojoule.parse_mapping(text, chosen, chip, where)
    cost = picojoule.evaluate(chosen, chip, written, options.choice(accounting, options.ACCOUNTINGS, "--accounting"))
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
    as_json: Json = False,
) -> None:
    """Where each number of the mapped layers comes from."""
    goal = options.objective(objective, None)
    chip, network = picojoule.load_chip(on), _network(model, batch, dim, bits, False, phase)
    if mapping is not None:
        chosen = show.one_layer(network, layer)
        text, where = options.text_or_file(mapping, "--mapping")
        mapped = [(chosen, picojoule.parse_mapping(text, chosen, chip, where))]
    else:
        with show.progress() as progress:
            result = picojoule.map_network(show.some_layers(network, layer), chip, goal, progress=progress)
        mapped = [(x.result.layer, x.result.mapping) for x in result.layers]
    show.explained(network, chip, [(x, m, picojoule.explain(x, chip, m)) for x, m in mapped], as_json)


@app.command()
def verify(
    result: Annotated[str, typer.Argument(metavar="RESULT.json", help="what `pj map --json` printed")],
    time: Annotated[str, typer.Option("--time", metavar="TIME", help="CPU time for proving bounds again")] = "60s",
    as_json: Json = False,
) -> None:
    """Check a stored result with an independent program."""
    seconds = options.seconds(time, "--time") or 60.0
    stored = options.read_json(Path(result))
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


def _network(
    model: str, batch: int | None, dim: list[str] | None, bits: str | None, strict: bool, phase: str | None = None
) -> Any:
    """The network; only what was given is passed on, so that each reader judges what it can use."""
    given = {"phase": phase} if phase is not None else {}
    size = options.positive(batch, "--batch")
    return picojoule.load_model(model, batch=size, dims=options.dims(dim or []), bits=options.bits(bits), strict=strict, **given)


def main() -> None:
    """Run the command; bad input ends with code 2 and one message, an interrupt with 130."""
    interrupted, code = _remember_interrupts(), None
    try:
        code = app(prog_name="pj", standalone_mode=False)
    except PicojouleError as e:
        code = _fail(str(e))
    except BrokenPipeError:  # `pj ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except _ParserError as e:
        code = _fail(getattr(e, "format_message", e.__str__)() + "\nhint: see `pj --help` and `pj COMMAND --help`")
    except (Exception, KeyboardInterrupt):
        if not interrupted:
            raise
    if interrupted:
        print("interrupted", file=sys.stderr)
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


def _remember_interrupts() -> list[int]:
    """A list that is no longer empty after Ctrl-C: a compiler may turn the interrupt into an error of its own."""
    seen: list[int] = []

    def note(number: int, frame: Any) -> None:
        seen.append(number)
        signal.default_int_handler(number, frame)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, note)
    return seen


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2

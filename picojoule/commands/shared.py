"""What the commands share: the application, the arguments that mean the same everywhere, the model that is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

import picojoule
from picojoule import options
from picojoule.commands.app import app as app
from picojoule.files import read_json
from picojoule.hardware.chip import Chip
from picojoule.workload.bits import AtOwnWidth
from picojoule.workload.network import Network


def _models() -> list[str]:
    return [*picojoule.models()]


def _machines() -> list[str]:
    return [*picojoule.chips(), *picojoule.devices()]


Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        autocompletion=_models,
        help="zoo name (`pj models`), ONNX file, config.json, gemm:M=..,N=..,K=.. or conv:K=..,C=..",
    ),
]
LayerText = Annotated[
    str, typer.Argument(metavar="LAYER", help="one layer, such as gemm:M=64,N=64,K=64, or a model with --layer")
]
MappingText = Annotated[
    str, typer.Argument(metavar="MAPPING", help="compact text, or a file that holds it; for a whole model a schedule")
]
On = Annotated[
    str,
    typer.Option(
        "--on",
        metavar="CHIP",
        autocompletion=_machines,
        help="preset (`pj chips`), a chip's YAML file, or arch.yaml+ERT.yaml of Timeloop",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="print JSON only")]
Batch = Annotated[int | None, typer.Option("--batch", metavar="N", help="inputs processed together")]
Dims = Annotated[
    list[str] | None, typer.Option("--dim", metavar="NAME=VALUE", help="value of a symbolic dimension; may be repeated")
]
Bits = Annotated[
    str | None, typer.Option("--bits", metavar="BITS", help="8, or weight=4,input=8,output=16; number formats too (`pj formats`)")
]
Strict = Annotated[bool, typer.Option("--strict", help="refuse a model with operators that are not understood")]
Phase = Annotated[str | None, typer.Option("--phase", metavar="PHASE", help="prefill or decode, for transformers")]
Accounting = Annotated[
    str, typer.Option("--accounting", metavar="RULES", help="default, timeloop, timeloop-0.4 or accelforge: how tools count")
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
Density = Annotated[
    Path | None, typer.Option("--density", metavar="FILE", help='zeros by layer, JSON: {"layers": {"conv1": {"input": 0.42}}}')
]
DataflowName = Annotated[
    str | None, typer.Option("--dataflow", metavar="FLOW", help="only mappings of this dataflow: ws, is, osa, osb, osc, nlr, rs")
]
Operators = Annotated[
    str, typer.Option("--operators", metavar="WHICH", help="what totals count: all (default), or macs, the MAC layers alone")
]
Fuse = Annotated[
    str,
    typer.Option(
        "--fuse", metavar="KIND", help="none: layer by layer; keep: tensors may stay on chip; loops: and jobs run by tiles"
    ),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="search again, even what is stored")]


def read_network(
    model: str,
    batch: int | None,
    dim: list[str] | None,
    bits: str | None,
    strict: bool,
    phase: str | None = None,
    density: Path | None = None,
) -> Any:
    """The network; only what was given is passed on, so that each reader judges what it can use."""
    given = {"phase": phase} if phase is not None else {}
    size = options.positive(batch, "--batch")
    table = None if density is None else read_json(density, "see docs/sparsity.md for the form of a density file")
    widths = options.bits(bits)
    network = picojoule.load_model(model, batch=size, dims=options.dims(dim or []), bits=widths, strict=strict, **given)
    return network if table is None else picojoule.WithDensities(table, str(density))(network)


def loader(model: str, dim: list[str] | None, phase: str | None) -> Callable[[int, int | None], Network]:
    """How to read MODEL at a batch size and a width (None: what it states), for commands that ask for several."""

    def load(batch: int, bits: int | None) -> Network:
        width = None if bits is None else str(bits)
        network: Network = read_network(model, batch if batch != 1 else None, dim, width, False, phase)
        return network

    return load


def on_chip(network: Network, chip: Chip) -> Network:
    """The network at the width at which the chip runs it."""
    return AtOwnWidth(chip.compute.bits)(network)

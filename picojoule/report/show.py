"""Answers of the commands on the terminal: JSON only, or tables. Each function takes a ready value and prints it."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.text import Text

from picojoule import options
from picojoule.cost.cost import Cost
from picojoule.cost.operators import NetworkOperator
from picojoule.cost.vector import HOW, explain_operator
from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.chip import Chip
from picojoule.mapping.mapping import Mapping
from picojoule.report import tables, to_json
from picojoule.report.charts.nest import loop_nest
from picojoule.report.progress import progress as progress
from picojoule.search.result import NetworkResult
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network
from picojoule.workload.profile import Profile

if TYPE_CHECKING:
    from picojoule.verification.book import Report


def json_only(value: Any) -> None:
    """The value as JSON on stdout; what is not finite becomes null, so that every reader accepts it."""
    print(json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_parts(*parts: RenderableType) -> None:
    """Tables at their full width where the output is no terminal, so that nothing is cut in a pipe or a file."""
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False, soft_wrap=False)
    for part in parts:
        console.print(part)


def one_layer(network: Network, name: str | None) -> Layer:
    """The layer with this name, or the only one there is."""
    layers = {s.layer.name: s.layer for s in network.layers}
    if name is not None and name not in layers:
        raise unknown_name("layer", name, layers, "--layer")
    if name is None and len(layers) != 1:
        raise SpecError(
            f"{network.name} has {len(layers)} layers",
            hint=f"choose one with --layer, such as --layer {next(iter(layers), 'NAME')}",
        )
    chosen = layers[name] if name is not None else next(iter(layers.values()))
    return chosen


def some_layers(network: Network, name: str | None) -> Network:
    """The network with this layer alone, or all of it."""
    if name is None:
        return network
    layer = one_layer(network, name)
    return network.part(lambda s: s.layer is layer)


def profile(answer: Profile, as_json: bool) -> None:
    """What a network asks of any hardware."""
    if as_json:
        json_only(answer.to_json())
    else:
        print_parts(tables.profile_table(answer))


def mapped(result: NetworkResult, as_json: bool, html: Path | None) -> None:
    """A mapped network; the report goes to `html` and its place to stderr, so that stdout stays the answer alone."""
    if html is not None:
        from picojoule.report.pages.page import network_page

        options.write_text(html, network_page(result))
    if as_json:
        json_only(to_json.network_json(result))
    else:
        print_parts(tables.network_table(result))
    if html is not None:
        print(f"report: {html.resolve()}", file=sys.stderr if as_json else sys.stdout)


def evaluated(layer: Layer, chip: Chip, mapping: Mapping, cost: Cost, as_json: bool) -> None:
    if as_json:
        json_only(to_json.evaluation_json(layer, chip, mapping, cost))
    else:
        print_parts(loop_nest(mapping, layer, chip), "", tables.cost_table(layer.name, chip.name, cost))


def explained(
    network: Network,
    chip: Chip,
    layers: list[tuple[Layer, Mapping, list[dict[str, Any]]]],
    others: Sequence[NetworkOperator],
    as_json: bool,
) -> None:
    """Where the numbers of mapped layers and of other operators come from; rows of layers are what `picojoule.explain` gives."""
    if as_json:
        parts = [{"name": layer.name, "mapping": str(mapping), "rows": rows} for layer, mapping, rows in layers]
        rest = [_explained_operator(x) for x in others]
        json_only({"model": network.name, "chip": chip.name, "layers": parts, "vector_ops": rest})
        return
    for layer, mapping, rows in layers:
        print_parts(
            f"{layer.name} on {chip.name}, one occurrence", "", loop_nest(mapping, layer, chip), "", tables.explanation(rows), ""
        )
    for x in others:
        more = f" and {len(x.names) - 1} more" if len(x.names) > 1 else ""
        print_parts(f"{x.names[0]}{more} ({x.priced.work.op}) on {chip.name}, one occurrence: {HOW[x.priced.how]}", "")
        if x.priced.cost.contributions:
            print_parts(tables.operator_explanation(explain_operator(x.priced)), "")
        print_parts(*(f"unknown: {reason}" for reason in x.priced.unpriced), *([""] if x.priced.unpriced else []))


def _explained_operator(x: NetworkOperator) -> dict[str, Any]:
    about = {"names": list(x.names), "op": x.priced.work.op, "how": x.priced.how, "at_least": list(x.priced.unpriced)}
    return {**about, "rows": explain_operator(x.priced)}


def verified(report: Report, as_json: bool) -> bool:
    """The checks of a stored result, layer by layer, and how much of each bound was proved again. True if no check fails."""
    if as_json:
        json_only(report)
        return report["ok"]
    bounds = {b["layer"]: b["detail"] for b in report["bounds"]}
    rows = []
    for layer in dict.fromkeys(c["layer"] for c in report["checks"]):
        checks = [c for c in report["checks"] if c["layer"] == layer]
        hold = f"{sum(c['ok'] for c in checks)} of {len(checks)}"
        rows.append({"layer": layer or "(network)", "checks that hold": hold, "lower bound": bounds.get(layer, "-")})
    failed = [f"FAILS: {c['layer'] or 'network'}: {c['check']}: {c['detail']}" for c in report["checks"] if not c["ok"]]
    verdict = "every check holds" if report["ok"] else "the result is wrong"
    again = "every claimed bound was proved again" if report["rechecked"] else "not every claimed bound was proved again"
    why = list(dict.fromkeys(report["unchecked"].values()))
    free = [f"not checked, {w}: {', '.join(p for p, x in report['unchecked'].items() if x == w)}" for w in why]
    print_parts(tables.rows_table(rows), "", *free, *failed, f"{verdict}; {again}")
    return report["ok"]


def chips(name: str | None, as_json: bool) -> None:
    from picojoule.hardware.chipfile import read as spec
    from picojoule.report.charts import tree

    if name is None:
        known = [{"name": n, "description": about} for n, about in spec.chips().items()]
        json_only({"chips": known}) if as_json else print_parts(tables.rows_table(known))
        return
    chip = spec.load_chip(name)
    if as_json:
        json_only(to_json.chip_json(chip))
    else:
        print_parts(Text(tree.tree_text(chip)))  # [sram] is no markup


def models(name: str | None, as_json: bool) -> None:
    from picojoule.workload.zoo import zoo

    if name is None:
        known = [{"name": n, "description": about} for n, about in zoo.models().items()]
        json_only({"models": known}) if as_json else print_parts(tables.rows_table(known))
        return
    from picojoule.workload import profile as profiles

    profile(profiles.profile(zoo.model(name)), as_json)

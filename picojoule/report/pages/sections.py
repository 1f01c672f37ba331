"""The parts of the page: totals, tables and charts of a mapped network."""

from __future__ import annotations

import json
import math
from typing import NamedTuple

from picojoule.cost.cost import Cost
from picojoule.cost.performance import offchip_bytes, peak_macs_per_s
from picojoule.hardware.chip import Chip
from picojoule.hardware.provenance import where_from
from picojoule.report import operators, units
from picojoule.report.charts import plots, rooflines
from picojoule.report.charts.nest import loop_nest
from picojoule.report.pages import html
from picojoule.search.result import LayerResult, NetworkLayer, NetworkResult, claim, short_claim

STATIC = "static power"  # of the chip as a whole


def tiles(result: NetworkResult) -> str:
    utilization = result.utilization
    per_mac = result.energy_pj / result.macs if result.macs else 0.0
    least, batch = ", at least" if result.at_least else "", result.network.batch
    of_batch = f" of a batch of {batch}" if batch > 1 else ""
    shown = [(units.energy(result.energy_pj), f"energy{of_batch}{least}")] if of_batch else []
    shown += [
        (units.energy(result.energy_per_inference_pj), f"energy of one inference{least}"),
        (units.seconds(result.latency_s), f"latency{of_batch} ({result.cycles:,.0f} cycles)"),
        (units.edp(result.edp_js), "energy x delay"),
        (units.count(result.macs), "MACs"),
        (f"{per_mac:.3g} pJ", "per MAC, all levels"),
        (units.percent(utilization), "of the MACs busy"),
        (
            claim(result.proved, result.gap),
            "of the best for " + result.objective if not result.proved else f"for {result.objective}",
        ),
        (units.seconds(result.search_cpu_s), "CPU time of the search"),
    ]
    return html.section("tiles", [f'<div class="tile"><b>{html.text(v)}</b><span>{html.text(k)}</span></div>' for v, k in shown])


def layer_table(result: NetworkResult) -> str:
    e_div, e_unit = units.unit_for(max((x.count * x.result.cost.energy_pj for x in result.layers), default=0.0), "energy")
    t_div, t_unit = units.unit_for(max((x.count * x.result.cost.latency_s for x in result.layers), default=0.0), "time")
    head = [
        "#",
        "layer",
        "op",
        "count",
        "MACs [M]",
        f"energy [{e_unit}]",
        "pJ/MAC",
        f"latency [{t_unit}]",
        "utilization [%]",
        "bound by",
        "proof",
    ]
    rows = []
    for i, x in enumerate(result.layers, 1):
        c = x.result.cost
        name = html.Raw(f'<a href="#layer-{i}" title="{html.text(", ".join(x.names))}">{html.text(_short(x.names[0]))}</a>')
        rows.append(
            [
                i,
                name,
                x.result.layer.op,
                x.count,
                units.figures(x.count * c.macs / 1e6),
                units.figures(x.count * c.energy_pj / e_div),
                units.figures(c.energy_pj / c.macs, 3),
                units.figures(x.count * c.latency_s / t_div),
                f"{100 * c.utilization:.1f}",
                c.bound_by,
                _badge(x.result),
            ]
        )
    note = "MACs, energy and latency are of all occurrences (count) of a layer together; equal layers are mapped once."
    notes = "".join(html.tag("p", f"Note: {n}.") for n in result.notes)
    return html.tag("h2", "Layers") + html.tag("p", note) + notes + html.table(head, rows, left=(1, 2, 9, 10))


def energy_charts(result: NetworkResult) -> str:
    chip = result.chip
    levels = [m.name for m in chip.memories] + [f.name for f in chip.fanouts] + [chip.compute.name]
    levels += [chip.vector.name] if chip.vector is not None else []
    by_level = [_layer_stack(x, {k: v for (k,), v in x.result.cost.by("component").items()}) for x in result.layers]
    by_level += [Stacked(r.name, r.name, r.by_level) for r in operators.rows(result) if r.energy_pj]
    by_level = [x._replace(parts={STATIC if k == chip.name else k: v for k, v in x.parts.items()}) for x in by_level]
    by_role = [_layer_stack(x, _by_role(x.result)) for x in result.layers]
    return (
        html.tag("h2", "Energy by level")
        + _stack(by_level, levels, "energy of each layer and kind of operator by level")
        + html.tag("h2", "Energy by tensor")
        + _stack(by_role, ["weight", "input", "output", "mac", "leak"], "energy of each layer by tensor")
    )


def _by_role(result: LayerResult) -> dict[str, float]:
    """Energy of one occurrence by the role of the tensor; MACs and leakage have none and stand under their action."""
    roles = {t.name: t.role for t in result.layer.tensors}
    out: dict[str, float] = {}
    for c in result.cost.contributions:
        key = roles.get(c.tensor, c.action)
        out[key] = out.get(key, 0.0) + c.energy_pj
    return out


class Stacked(NamedTuple):
    """A bar before its series have an order: the energy of all occurrences by series, in pJ."""

    label: str
    title: str
    parts: dict[str, float]


def _layer_stack(x: NetworkLayer, each: dict[str, float]) -> Stacked:
    return Stacked(_label(x), ", ".join(x.names), {k: x.count * v for k, v in each.items()})


def _stack(rows: list[Stacked], order: list[str], title: str) -> str:
    """Stacked bars; series in `order`, then any other; series that are zero throughout are left out."""
    seen = dict.fromkeys([*order, *(name for x in rows for name in x.parts)])
    series = [s for s in seen if any(x.parts.get(s, 0.0) > 0 for x in rows)]
    bars = [plots.Bar(x.label, x.title, tuple((s, x.parts.get(s, 0.0)) for s in series)) for x in rows]
    total = sum(b.total for b in bars) or 1.0
    share = {s: sum(dict(b.parts)[s] for b in bars) / total for s in series}
    lead = html.tag("p", "Share of the whole: " + ", ".join(f"{s} {units.percent(v)}" for s, v in share.items()) + ".")
    return lead + plots.stacked_bars(bars, series, "energy", title)


def latency(result: NetworkResult) -> str:
    causes = list(dict.fromkeys(cause for x in result.layers for cause, _ in x.result.cost.cycles_by_cause))
    by_cause: dict[str, float] = {}
    for x in result.layers:
        by_cause[x.result.cost.bound_by] = by_cause.get(x.result.cost.bound_by, 0.0) + x.count * x.result.cost.latency_s
    series = [c for c in causes if c in by_cause]
    bars = [
        plots.Bar(_label(x), ", ".join(x.names), ((x.result.cost.bound_by, x.count * x.result.cost.latency_s),))
        for x in result.layers
    ]
    others = [r for r in operators.rows(result) if r.latency_s]
    series += [c for c in dict.fromkeys(r.bound_by for r in others) if c not in series]
    bars += [plots.Bar(r.name, r.name, ((r.bound_by, r.latency_s),)) for r in others]
    rows = [
        [i, _short(x.names[0]), f"{x.result.cost.cycles:,.0f}", *(_heat(x.result.cost, c) for c in causes)]
        for i, x in enumerate(result.layers, 1)
    ]
    lead = (
        "Compute and every port work at the same time (ideal double buffering): the slowest cause sets the latency of a layer. "
        "Bars are coloured by that cause."
    )
    note = "How many per cent of a layer's cycles each cause alone would need; the binding one is 100 %."
    return (
        html.tag("h2", "Latency by cause")
        + html.tag("p", lead)
        + plots.stacked_bars(bars, series, "time", "latency of each layer and kind of operator by its binding cause")
        + html.tag("p", note)
        + html.table(["#", "layer", "cycles", *(f"{c} [%]" for c in causes)], rows, left=(1,))
    )


def _heat(cost: Cost, cause: str) -> object:
    cycles = dict(cost.cycles_by_cause).get(cause)
    if cycles is None:
        return "-"
    share = cycles / cost.cycles if cost.cycles else 0.0
    weight = "; font-weight: 700" if cause == cost.bound_by else ""
    return html.Raw.styled(f"{100 * share:.1f}", f"background: rgba(230, 159, 0, {0.55 * share:.2f}){weight}")


def roofline(result: NetworkResult) -> str:
    chip = result.chip
    per_cycle = sum(p.bits_per_cycle for m in chip.outermost for p in m.ports)
    bandwidth = per_cycle * chip.clock_hz / 8 if per_cycle and math.isfinite(per_cycle) else None
    outermost = " and ".join(m.name for m in chip.outermost)
    peak = max(peak_macs_per_s(x.result.chip, x.result.layer) for x in result.layers)
    points = roofline_points(result)
    slope = (
        f"The slope is the bandwidth of {outermost}, {units.count(bandwidth)}B/s over all its ports."
        if bandwidth
        else f"This chip declares no bandwidth for {outermost}, so that there is no slope."
    )
    lead = f"Each point is a layer under its best mapping, numbered as in the table above. {slope}"
    return html.tag("h2", "Roofline") + html.tag("p", lead) + rooflines.roofline(points, peak, bandwidth, "roofline")


def roofline_points(result: NetworkResult) -> list[rooflines.Point]:
    """MACs done (not skipped) per byte off the chip and per second, of each layer."""
    out = []
    for i, x in enumerate(result.layers, 1):
        cost = x.result.cost
        moved = offchip_bytes(cost, x.result.layer, x.result.chip)
        if moved and cost.latency_s and cost.done:
            out.append(rooflines.Point(i, x.names[0], cost.done / moved, cost.done / cost.latency_s))
    return out


def network_certificate(result: NetworkResult) -> str:
    """What is claimed of the network as a whole, and its front where there is one."""
    front = result.certificate.get("front", [])
    rows = [(k.replace("_", " "), _value(v)) for k, v in result.certificate.items() if k != "front"]
    out = html.tag("h2", "Certificate of the network") + (html.table([], rows, wrap=(1,)) if rows else "")
    if len(front) > 1:
        points = [(p["energy_pj"], p["cycles"] / result.chip.clock_hz) for p in front]
        out += html.tag("h3", f"Energy-latency front: {len(points)} choices of mappings") + plots.front(
            points, "energy-latency front"
        )
    return out


def layers(result: NetworkResult) -> str:
    out = [html.tag("h2", "Mapping and certificate of each layer"), html.tag("p", "Numbers are of one occurrence.")]
    for i, x in enumerate(result.layers, 1):
        c = x.result.cost
        said = claim(x.result.proved, x.result.gap)
        times = f" x{x.count}" if x.count > 1 else ""
        head = (
            f"{i}: {html.text(_short(x.names[0]))}{times} <span>{html.text(_shape(x.result))} - {units.energy(c.energy_pj)}, "
            f"{c.cycles:,.0f} cycles, {html.text(said)}</span>"
        )
        also = html.tag("p", "Occurs as " + ", ".join(x.names) + ".") if len(x.names) > 1 else ""
        out.append(
            f'<details id="layer-{i}"{" open" if i == 1 else ""}><summary>{head}</summary>{also}{layer_body(x.result)}</details>'
        )
    return "".join(out)


def layer_body(result: LayerResult) -> str:
    """Loop nest, compact text, certificate and cost of one layer."""
    cost = result.cost
    shown = {
        k: v for k, v in result.certificate.items() if k not in ("objective", "mapping", "proved", "gap", "energy_pj", "cycles")
    }
    keys = [("claim", claim(result.proved, result.gap)), ("objective", result.objective), *shown.items()]
    left = [
        html.tag("h3", "Loop nest"),
        html.tag("pre", loop_nest(result.mapping, result.layer, result.chip)),
        html.tag("h3", "The same as compact text, for pj evaluate"),
        html.tag("pre", result.mapping, "flow"),
        html.tag("h3", "Certificate"),
        html.table([], [(k.replace("_", " "), _value(v)) for k, v in keys], wrap=(1,)),
    ]
    divisor, unit = units.unit_for(max((c.energy_pj for c in cost.contributions), default=0.0), "energy")
    rows = [
        (c.component, c.tensor or "-", c.action, f"{c.count:,.0f}", f"{c.pj_each:.4g}", units.figures(c.energy_pj / divisor))
        for c in cost.contributions
        if c.count
    ]
    right = [
        html.tag("h3", "Energy"),
        html.table(["component", "tensor", "action", "count", "pJ each", f"energy [{unit}]"], rows, left=(0, 1, 2)),
        html.tag("h3", "Cycles that each cause alone needs"),
        html.table(["cause", "cycles"], [(cause, f"{n:,.0f}") for cause, n in cost.cycles_by_cause]),
    ]
    return html.section("two", [html.section("", left), html.section("", right)]) + _front(result)


def _value(value: object) -> str:
    """A value of a certificate as a person writes it."""
    if isinstance(value, list):
        return (
            "; ".join(map(_value, value)) if any(isinstance(v, str) for v in value) else ", ".join(map(_value, value)) or "none"
        )
    if isinstance(value, dict):
        return "; ".join(f"{k}: {_value(v)}" for k, v in value.items())
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return value if isinstance(value, str) else json.dumps(value)


def _front(result: LayerResult) -> str:
    """The energy-latency front where the search gave one."""
    if len(result.front) < 2:
        return ""
    points = [(p.energy_pj, p.cycles / result.chip.clock_hz) for p in result.front]
    head = html.tag("h3", f"Energy-latency front: {len(points)} mappings that no other one beats in both")
    return head + plots.front(points, f"energy-latency front of {result.layer.name}")


def provenance(chip: Chip) -> str:
    numbers = [n for n in where_from(chip) if n.value is not None or n.kind == "energy"]
    rows = [(n.component, n.what, n.shown, n.source or "-") for n in numbers]
    lead = (
        "Where each number of the chip comes from. Energies of a read and a write are per access of a memory word, of a transfer "
        "per word that reaches or leaves one instance, of a MAC per MAC. Energies of layers are counts x these; counts come from "
        "the mapping (pj explain shows how)."
    )
    table = html.table(["component", "number", "value", "source"], rows, (0, 1), (3,))
    return html.tag("h2", "Provenance") + html.tag("p", lead) + table


def reading(result: NetworkResult) -> str:
    lines = [
        "Energies add up: the sum over components, or over tensors, is the total of the layer.",
        "Weights and activations start and end in the outermost memory for each layer and operator; nothing is fused across "
        "layers but what the chip applies as results leave its MACs.",
        "Proved best means: no mapping in the stated space (see each certificate) has a lower objective under this cost model.",
        *result.network.notes,
    ]
    return html.tag("h2", "How to read this") + "<ul>" + "".join(f"<li>{html.text(x)}</li>" for x in lines) + "</ul>"


def _badge(result: LayerResult) -> html.Raw:
    css = "ok" if result.proved else "open"
    return html.Raw(f'<span class="{css}">{html.text(short_claim(result.proved, result.gap))}</span>')


def _label(x: NetworkLayer) -> str:
    return _short(x.names[0], 30) + (f" x{x.count}" if x.count > 1 else "")


def _short(name: str, longest: int = 44) -> str:
    return name if len(name) <= longest else "…" + name[-(longest - 1) :]


def _shape(result: LayerResult) -> str:
    return " ".join(f"{d}{n}" for d, n in result.layer.dims)

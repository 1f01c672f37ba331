"""The page of `pj compare --html`: cards, the Pareto plot, limits by machine and layer, flips, and where numbers come from."""

from __future__ import annotations

import math
from collections.abc import Sequence

from picojoule.compare.compare import Comparison
from picojoule.machines.answer import Answer
from picojoule.report import units
from picojoule.report.answers.comparison_rows import dram_text, flip_row, waits, waits_text
from picojoule.report.charts import plots, scatter
from picojoule.report.pages import html
from picojoule.report.pages.document import document

LARGEST_PX, SMALLEST_PX, UNKNOWN_PX = 26.0, 5.0, 5.0


def page(c: Comparison) -> str:
    """The whole document: self-contained, without scripts and without network access."""
    lead = (
        f"{c.condition}. Chips are mapped for {c.ask.objective} in the space {c.ask.space}; platforms are rooflines over "
        "published figures unless their kind says otherwise. Every number leads to its formula or source."
    )
    parts = [
        html.tag("h1", f"{c.model} on {len(c.answers)} machines"),
        html.tag("p", lead),
        _cards(c),
        _pareto(c),
        _limits(c),
        _layers(c),
        _flips(c),
        _sources(c),
        _reading(c),
    ]
    return document(f"{c.model} on {len(c.answers)} machines - picojoule", parts)


def _cards(c: Comparison) -> str:
    head = [
        "machine",
        "precision",
        "energy",
        "without DRAM",
        "latency",
        "inferences/s",
        "utilization",
        "mean power",
        "area",
        "off-chip traffic",
    ]
    rows = [_card(c, i, a) for i, a in enumerate(c.answers)]
    note = (
        "Energy, its part without off-chip memory, and traffic are per inference; latency is of the whole batch. A star: no "
        "machine of the same kind and scope beats it in both energy and time. Energies of different scope are not ranked."
    )
    declined = "".join(html.tag("p", f"{name} declined: {why}") for name, why in c.declined)
    return html.tag("h2", "Cards") + html.tag("p", note) + html.table(head, rows, left=(0, 1)) + declined


def _card(c: Comparison, i: int, a: Answer) -> list[object]:
    inside = {"yes": "DRAM inside", "no": "DRAM not inside", "not stated": "DRAM not stated"}[dram_text(a)]
    star = " ★" if a.machine in c.undominated else ""
    small = f"{a.kind}; {a.evidence}<br>scope {a.scope}, {inside}"
    name = html.Raw(f'<a href="#m{i}"><b>{html.text(a.machine)}</b></a>{star}<br><span class="tiny">{small}</span>')
    without = None if a.onchip_pj is None else a.onchip_pj / a.batch
    moved = a.offchip_bytes_per_inference
    figures = [
        ("energy", None if a.per_inference_pj is None else units.energy(a.per_inference_pj)),
        ("off-chip energy", None if without is None else units.energy(without)),
        ("latency", units.seconds(a.latency_s)),
        ("latency", units.figures(a.inferences_per_s, 3)),
        ("utilization", f"{100 * a.utilization:.3g} %"),
        ("energy", None if a.power_w is None else f"{a.power_w:.3g} W"),
        ("area", None if a.area_mm2 is None else f"{a.area_mm2:,.3g} mm²" if a.area_mm2 < 1000 else f"{a.area_mm2:,.0f} mm²"),
        ("off-chip bytes", None if moved is None else f"{units.count(moved)}B"),
    ]
    return [name, a.precision, *(_linked(i, a, what, shown) for what, shown in figures)]


def _linked(i: int, a: Answer, what: str, shown: str | None) -> html.Raw:
    """The figure as a link to its source further down; unknown is a dash."""
    if shown is None:
        return html.Raw("–")
    title = html.text(dict(a.sources).get(what, "")).replace('"', "&quot;")
    return html.Raw(f'<a class="num" href="#{_anchor(i, what)}" title="{title}">{html.text(shown)}</a>')


def _anchor(i: int, what: str) -> str:
    return f"m{i}-{what.replace(' ', '-')}"


def _pareto(c: Comparison) -> str:
    known = [a for a in c.answers if a.per_inference_pj]
    if not known:
        return html.tag("h2", "Energy against latency") + html.tag("p", "No machine states an energy.")
    areas = [a.area_mm2 for a in known if a.area_mm2]
    dots = {a.machine: _dot(a, max(areas, default=1.0)) for a in known}
    groups: dict[tuple[str, str], list[scatter.Dot]] = {}
    for a in known:
        if a.machine in c.undominated:
            groups.setdefault((a.kind, a.scope), []).append(dots[a.machine])
    x, y = scatter.time_axis([d.x for d in dots.values()]), scatter.energy_axis([d.y for d in dots.values()])
    lines = [g for g in groups.values() if len(g) > 1]
    note = (
        "Down and left is better. The size of a circle grows with silicon area (its diameter with the cube root, so that small "
        "chips stay visible); hollow: area unknown. A dashed line joins what nothing of its kind and scope beats. Colours tell "
        "kind and scope: positions compare only within one colour."
    )
    return (
        html.tag("h2", "Energy against latency")
        + html.tag("p", note)
        + scatter.scatter(list(dots.values()), x, y, "energy against latency", lines=lines)
    )


def _dot(a: Answer, largest: float) -> scatter.Dot:
    assert a.per_inference_pj is not None
    size = UNKNOWN_PX if not a.area_mm2 else max(SMALLEST_PX, LARGEST_PX * (a.area_mm2 / largest) ** (1 / 3))
    seconds = a.latency_s / a.batch
    area = f"{a.area_mm2:.3g} mm²" if a.area_mm2 else "area unknown"
    series = f"{a.kind}; {a.scope}"
    title = f"{a.machine}: {units.energy(a.per_inference_pj)}, {units.seconds(seconds)}, {area}"
    return scatter.Dot(
        x=seconds, y=a.per_inference_pj, label=a.machine, series=series, radius=size, title=title, hollow=not a.area_mm2
    )


def _limits(c: Comparison) -> str:
    causes = list(dict.fromkeys(cause for a in c.answers for cause, _ in waits(a)))
    bars = [plots.Bar(a.machine, waits_text(a, 9), tuple(waits(a))) for a in c.answers]
    note = "Share of the latency by what the layers wait for."
    chart = plots.stacked_bars(bars, causes, "share", "limits by machine")
    return html.tag("h2", "Which limit binds") + html.tag("p", note) + chart


def _layers(c: Comparison) -> str:
    """Per layer and machine: what it waits for, and its share of the latency; operators without MACs stand in one row."""
    names = list(dict.fromkeys(x.name for a in c.answers for x in a.layers if x.macs))
    head = ["layer", *(a.machine for a in c.answers)]
    by_name = [{x.name: x for x in a.layers} for a in c.answers]
    rows = []
    for n in names:
        cells: list[object] = [n]
        for a, layers in zip(c.answers, by_name, strict=True):
            x = layers.get(n)
            cells.append("–" if x is None else _bound(x.bound_by, x.latency_s / a.latency_s, x.utilization))
        rows.append(cells)
    if any(not x.macs for a in c.answers for x in a.layers):
        rows.append(["operators without MACs", *map(_others, c.answers)])
    note = (
        "What each layer waits for; below it, its share of the latency (darker: more) and how much of the peak it uses. "
        "Equal layers stand once."
    )
    table = html.table(head, rows, left=tuple(range(len(head))))
    return html.tag("h2", "Limits by layer") + html.tag("p", note) + f'<div class="narrow">{table}</div>'


def _others(a: Answer) -> object:
    """What operators without MACs wait for most, and their share of the latency."""
    others = [x for x in a.layers if not x.macs]
    if not others:
        return "not counted" if a.operators == "macs" else "–"
    longest = max(others, key=lambda x: x.latency_s)
    return _bound(longest.bound_by, sum(x.latency_s for x in others) / a.latency_s, 0.0)


def _bound(cause: str, share: float, utilization: float) -> html.Raw:
    shade = f"background: rgba(0, 114, 178, {0.6 * math.sqrt(min(share, 1.0)):.2f})"
    tip = f"waits for {cause}; {100 * share:.1f} % of the latency; {units.figures(100 * utilization, 2)} % of the peak"
    small = f'<span class="tiny">{100 * share:.0f} % | {units.figures(100 * utilization, 2)} %</span>'
    short = {"off-chip memory": "off-chip"}.get(cause, cause.split(".")[0])
    return html.Raw.styled(f'<span title="{html.text(tip)}">{html.text(short)}<br>{small}</span>', shade)


def _flips(c: Comparison) -> str:
    head = html.tag("h2", "Where the ranking flips")
    if not c.tried:
        return head + html.tag("p", "Not looked for.")
    looked = html.tag("p", f"Looked for by direct evaluation under {'; '.join(c.tried)}. Values are per inference.")
    if not c.flips:
        return head + looked + html.tag("p", "None found.")
    rows = [flip_row(f) for f in c.flips]
    return head + looked + html.table(list(rows[0]), [list(r.values()) for r in rows], left=tuple(range(len(rows[0]))))


def _sources(c: Comparison) -> str:
    out = [html.tag("h2", "Where the numbers come from")]
    for i, a in enumerate(c.answers):
        rows = [(html.Raw(f'<span id="{_anchor(i, what)}">{html.text(what)}</span>'), source) for what, source in a.sources]
        out.append(f'<h3 id="m{i}">{html.text(a.machine)}</h3>' + html.table(["figure", "formula or source"], rows, (0, 1), (1,)))
        out += [html.tag("p", f"Note: {n}.") for n in a.notes]
    return "".join(out)


def _reading(c: Comparison) -> str:
    lines: Sequence[str] = (
        "Accuracy is not part of this comparison: the network is the same, but another precision has to be checked on data.",
        "Operators without MACs are left out on every machine; every tensor of every layer starts and ends in off-chip memory.",
        "A roofline is a bound that no machine reaches; its energy is nominal power times that bound.",
        *c.notes,
    )
    return html.tag("h2", "How to read this") + "<ul>" + "".join(html.tag("li", x) for x in lines) + "</ul>"

"""One HTML page about a mapped network: self-contained, without scripts and without network access.

`network_page` gives a whole document, `*_fragment` the part that a notebook shows.
"""

from __future__ import annotations

from picojoule.cost.performance import own_peak_macs_per_s
from picojoule.hardware.chip import Chip
from picojoule.report import units
from picojoule.report.charts.tree import tree_svg
from picojoule.report.pages import html, operators, schedule_page, sections
from picojoule.report.pages.document import css, document
from picojoule.search.result import LayerResult, NetworkResult
from picojoule.search.schedules.result import ScheduledNetwork
from picojoule.version import VERSION


def network_page(result: NetworkResult) -> str:
    """The report of `pj map --html`."""
    body = [
        html.tag("h1", f"{result.model} on {result.chip.name}"),
        _lead(result),
        sections.tiles(result),
        sections.layer_table(result),
        sections.energy_charts(result),
        sections.latency(result),
        sections.roofline(result),
        sections.network_certificate(result),
        sections.layers(result),
        operators.section(result),
        _chip(result.chip),
        sections.provenance(result.chip),
        sections.reading(result),
    ]
    return document(f"{result.model} on {result.chip.name} - picojoule", body)


def fragment(result: object) -> str:
    """What a notebook shows of a result of the search."""
    if isinstance(result, LayerResult):
        return layer_fragment(result)
    if isinstance(result, NetworkResult):
        return network_fragment(result)
    if isinstance(result, ScheduledNetwork):
        return _fragment(schedule_page.parts(result))
    raise TypeError(f"a {type(result).__name__} has no page")


def network_fragment(result: NetworkResult) -> str:
    """A mapped network in a notebook: totals, table and energy stacks."""
    return _fragment(
        [
            html.tag("h3", f"{result.model} on {result.chip.name}"),
            sections.tiles(result),
            sections.layer_table(result),
            sections.energy_charts(result),
            operators.section(result),
        ]
    )


def layer_fragment(result: LayerResult) -> str:
    """A mapped layer in a notebook: cost, nest and certificate."""
    return _fragment([html.tag("h3", f"{result.layer.name} on {result.chip.name}"), sections.layer_body(result)])


def chip_fragment(chip: Chip) -> str:
    """A chip in a notebook: drawn as a tree."""
    return _fragment([f'<div class="tree">{tree_svg(chip)}</div>'])


def _fragment(parts: list[str]) -> str:
    return f'<style>{css()}</style><div class="pj">{"".join(parts)}</div>'


def _lead(result: NetworkResult) -> str:
    chip = result.chip
    about = [f"{chip.pes} PEs at {chip.clock_hz / 1e6:g} MHz"]
    if chip.technology_nm:
        about.append(f"{chip.technology_nm:g} nm")
    about.append(f"objective: {result.objective}")
    if "space" in result.certificate:
        about.append(f"space: {result.certificate['space']}")
    about.append("every number is modelled; none is measured")
    return html.tag("p", "; ".join(about) + f". picojoule {VERSION}.")


def _chip(chip: Chip) -> str:
    lead = html.tag("p", chip.description) if chip.description else ""
    source = html.tag("p", f"Source: {chip.source}") if chip.source else ""
    peak = own_peak_macs_per_s(chip)
    size = f"{chip.pes:,} MAC unit{'s' if chip.pes != 1 else ''}, {units.count(peak)}MAC/s at most."
    return html.tag("h2", "The chip") + lead + html.tag("p", size) + f'<div class="tree scroll">{tree_svg(chip)}</div>' + source

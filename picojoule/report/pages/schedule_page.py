"""The page of a scheduled network: what it came to, memory over time, energy item by item, the program and its proof."""

from __future__ import annotations

from picojoule.hardware.chip import Memory
from picojoule.mapping.entries import Node
from picojoule.mapping.footprint import tile_bits
from picojoule.report import units
from picojoule.report.charts.occupancy import Column, occupancy
from picojoule.report.charts.plots import Bar, stacked_bars
from picojoule.report.pages import html
from picojoule.report.pages.document import document
from picojoule.report.schedules import headline, rows
from picojoule.schedule.residence import Ran
from picojoule.search.result import claim
from picojoule.search.schedules.result import Happening, ScheduledNetwork


def schedule_page(done: ScheduledNetwork) -> str:
    """A self-contained page."""
    return document(f"{done.network.name} on {done.chip.name} - picojoule", parts(done))


def parts(done: ScheduledNetwork) -> list[str]:
    """The parts of the page, ready."""
    name = f"{done.network.name} on {done.chip.name}"
    cert = done.certificate
    table = rows(done)
    return [
        html.tag("h1", f"{name}: one schedule"),
        _tiles(done),
        *(html.tag("p", line) for line in headline(done)),
        html.tag("h2", f"What {done.memory or 'the chip'} holds over time"),
        _occupancy(done),
        html.tag("h2", "Energy, item by item"),
        _energy(done),
        html.tag("h2", "The schedule"),
        html.table(list(table[0]), [list(r.values()) for r in table], left=(0, 1)),
        f"<pre>{html.text(done.schedule)}</pre>",
        html.tag("h2", "The proof"),
        html.tag("p", f"{claim(done.proved, done.gap)}: lower bound {cert['lower_bound']:.6g}, value {cert['value']:.6g}."),
        html.table(["what the space leaves out"], [[b] for b in cert["borders"]], left=(0,), wrap=(0,)),
    ]


def _tiles(done: ScheduledNetwork) -> str:
    shown = [
        (units.energy(done.energy_pj), "energy" + (", at least" if done.at_least else "")),
        (units.seconds(done.latency_s), f"latency ({done.cycles:,.0f} cycles)"),
        (units.edp(done.edp_js), "energy x delay"),
        (units.bits(8 * done.outside_bytes), "to and from outside"),
        (units.bits(done.peak_bits), "stay on chip at the peak"),
        (claim(done.proved, done.gap), f"for {done.objective}"),
    ]
    if done.alone is not None:
        shown.insert(1, (units.energy(done.alone[0]), "energy layer by layer"))
        shown.insert(3, (units.seconds(done.alone[1] / done.chip.clock_hz), "latency layer by layer"))
    return html.section("tiles", [f'<div class="tile"><b>{html.text(v)}</b><span>{html.text(k)}</span></div>' for v, k in shown])


def _occupancy(done: ScheduledNetwork) -> str:
    if not done.memory:
        return html.tag("p", "No tensor stays on chip between jobs.")
    memory = done.chip.memory(done.memory)
    columns = [
        Column(
            f"{h.name} x{h.event.times}: {units.bits(h.event.held_bits)} stay, {units.seconds(h.cycles / done.chip.clock_hz)}",
            h.cycles / done.chip.clock_hz,
            h.event.held_bits,
            own_bits(done, h, memory),
        )
        for h in done.happenings
    ]
    return occupancy(columns, memory.usable_bits(), f"what {memory.name} holds over time")


def own_bits(done: ScheduledNetwork, h: Happening, memory: Memory) -> int:
    """Bits of the memory that the tiles of a job's mapping take."""
    if h.mapping is None or h.layer is None:
        return 0
    shared = done.chip.shared_by(memory)
    nodes = [(i, e) for i, e in enumerate(h.mapping.entries) if isinstance(e, Node) and e.memory == memory.name]
    return sum(tile_bits(h.layer, h.layer.tensor(e.tensor), memory, h.mapping.tile(i, h.layer, shared)) for i, e in nodes)


def _energy(done: ScheduledNetwork) -> str:
    series = list(dict.fromkeys(c.component for h in done.happenings for _, cost, _ in h.costs for c in cost.contributions))
    bars = []
    for h in done.happenings:
        parts = dict.fromkeys(series, 0.0)
        for _, cost, n in h.costs:
            for c in cost.contributions:
                parts[c.component] += n * c.energy_pj
        home = f" -> {done.memory}" if isinstance(h.event, Ran) and h.event.kept else ""
        bars.append(Bar(h.name + home, f"{h.name}: {units.energy(h.energy_pj)}", tuple(parts.items())))
    return stacked_bars(bars, series, "energy", "energy of each item by component")

"""A scheduled network: on the terminal, as JSON, and as a page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from picojoule import options
from picojoule.cost.cost import Cost
from picojoule.hardware.chipfile.write import chip_to_yaml
from picojoule.report import show, tables, to_json
from picojoule.report.schedules import headline, rows
from picojoule.schedule.residence import Ran
from picojoule.search.schedules.result import Happening, ScheduledNetwork
from picojoule.version import VERSION
from picojoule.workload.plain import layer_to_plain

FORMAT = "picojoule-schedule/1"


def shown(done: ScheduledNetwork, as_json: bool, page: Path | None) -> None:
    """The schedule item by item, then totals beside those of layer by layer."""
    if page is not None:
        from picojoule.report.pages.schedule_page import schedule_page

        options.write_text(page, schedule_page(done))
    if as_json:
        show.json_only(schedule_json(done))
    else:
        right = ("times", "energy", "latency", "outside", "held")
        show.print_parts(tables.rows_table(rows(done), right=right), "", *headline(done))
    if page is not None:
        print(f"report: {page.resolve()}", file=sys.stderr if as_json else sys.stdout)


def schedule_json(done: ScheduledNetwork) -> dict[str, Any]:
    """What `pj map --fuse ... --json` prints. Costs of a happening are of one time; `times` says how often."""
    return {
        "format": FORMAT,
        "picojoule": VERSION,
        "model": done.network.name,
        "chip": done.chip.name,
        "objective": done.objective,
        "totals": {
            "energy_pj": done.energy_pj,
            "cycles": done.cycles,
            "latency_s": done.latency_s,
            "edp_js": done.edp_js,
            "outside_words": done.outside_words,
            "outside_bytes": done.outside_bytes,
            "peak_bits_on_chip": done.peak_bits,
            "at_least": done.at_least,
            "proved": done.proved,
            "gap": done.gap,
            "layer_by_layer_energy_pj": done.alone[0] if done.alone else None,
            "layer_by_layer_cycles": done.alone[1] if done.alone else None,
            "search_cpu_s": done.search_cpu_s,
        },
        "schedule": str(done.schedule),
        "home": done.memory,
        "items": [_item(done, h) for h in done.happenings],
        "certificate": done.certificate,
        "chip_yaml": chip_to_yaml(done.chip),
    }


def _item(done: ScheduledNetwork, h: Happening) -> dict[str, Any]:
    out: dict[str, Any] = {
        "item": h.name,
        "times": h.event.times,
        "held_bits": h.event.held_bits,
        "energy_pj": h.energy_pj,
        "cycles": h.cycles,
    }
    if isinstance(h.event, Ran):
        out |= {
            "kind": "job",
            "result_in": done.memory if h.event.kept else "",
            "reads_on_chip": sorted(h.event.inside),
            "costs": [_cost(name, c, n) for name, c, n in h.costs if c.contributions],
        }
        if h.mapping is not None and h.layer is not None:
            out |= {"layer": layer_to_plain(h.layer), "mapping": str(h.mapping), "proved": h.proved}
    else:
        out |= {"kind": "load" if h.event.into else "store", "tensor": h.event.tensor, "elements": h.event.elements}
        out |= {"bits": done.graph.tensors[h.event.tensor].bits, "costs": [_cost(name, c, n) for name, c, n in h.costs]}
    return out


def _cost(name: str, cost: Cost, times: int) -> dict[str, Any]:
    """One cost of an item: of one time, with how often it arises."""
    return {
        "name": name,
        "times": times,
        "energy_pj": cost.energy_pj,
        "cycles": cost.cycles,
        "bound_by": cost.bound_by,
        "contributions": to_json.contributions_json(cost),
    }

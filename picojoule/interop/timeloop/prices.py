"""Timeloop's energy and area reference tables (ERT, ART): pJ by component and action, um2 by component."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from picojoule.errors import SpecError
from picojoule.interop.report import Report
from picojoule.interop.trees import Block, as_amount, as_block, as_items, as_text, refuse_leftover

_ACTIONS = ("read", "write", "update", "leak", "compute", "mac_random")


@dataclass(slots=True, kw_only=True)
class Prices:
    """pJ of each action of each component, its place in the file, and um2 of one instance."""

    pj: dict[str, dict[str, float]] = field(default_factory=dict)
    um2: dict[str, float] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    cycle_s: float | None = None  # what leakage is counted for


def component_name(text: str) -> str:
    """`System.Chip.Buffer[1..16]` -> `Buffer`."""
    return re.sub(r"\[.*?\]", "", text).rpartition(".")[2]


def read_ert(block: Block, report: Report, into: Prices) -> None:
    """Adds the prices of an ERT; of several energies of one action the largest counts, as in that tool."""
    _version(block, report)
    for item in as_items(block.need("tables", what="the ERT"), "tables"):
        table = as_block(item, "a table")
        name = component_name(as_text(table.need("name", what="a table"), "name"))
        actions: dict[str, float] = {}
        for entry in as_items(table.need("actions", what=f"table {name!r}"), "actions"):
            action = as_block(entry, "an action")
            kind = as_text(action.need("name", what="an action"), "name")
            energy = as_amount(action.need("energy", what=f"action {kind!r}"), f"energy of {kind}")
            _cycle(action, into)
            refuse_leftover(action, "action", ["name", "energy", "arguments"])
            actions[kind] = max(energy, actions.get(kind, 0.0))
            if kind in _ACTIONS:
                report.read(action.where, f"ERT.{name}.{kind}", f"{energy:g} pJ")
            else:
                report.ignored(action.where, f"ERT.{name}.{kind}", "that tool's model uses no such action")
        for key in table.leftover():
            report.ignored(table.place(key), f"ERT.{name}.{key}", "says how the energy was estimated")
        into.pj[name], into.places[name] = actions, table.where
    _summaries(block, report)


def _cycle(action: Block, into: Prices) -> None:
    arguments = action.get("arguments")
    if isinstance(arguments, Block) and (tree := arguments.get("global_cycle_seconds")) is not None:
        seconds = as_amount(tree, "global_cycle_seconds")
        if not seconds or (into.cycle_s is not None and into.cycle_s != seconds):
            raise SpecError(
                "energies of this table are for different cycle times", where=tree.where, hint="leakage needs one cycle time"
            )
        into.cycle_s = seconds


def read_art(block: Block, report: Report, into: Prices) -> None:
    """Adds the areas of an ART."""
    _version(block, report)
    for item in as_items(block.need("tables", what="the ART"), "tables"):
        table = as_block(item, "a table")
        name = component_name(as_text(table.need("name", what="a table"), "name"))
        into.um2[name] = as_amount(table.need("area", what=f"table {name!r}"), "area")
        report.read(table.where, f"ART.{name}", f"{into.um2[name]:g} um2")
        for key in table.leftover():
            report.ignored(table.place(key), f"ART.{name}.{key}", "says how the area was estimated")
    _summaries(block, report)


def _version(block: Block, report: Report) -> None:
    if (version := block.get("version")) is not None:
        report.read(version.where, "version", as_text(version, "version"))


def _summaries(block: Block, report: Report) -> None:
    for key in block.leftover():
        report.ignored(block.place(key), key, "a summary of the tables")

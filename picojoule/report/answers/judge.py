"""A judged mapping on the terminal: its cost by each tool's rules, the best mapping, and the nodes that make the difference."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from picojoule.cost.cost import Cost
from picojoule.interop.judge import Difference, Judgement, difference_json
from picojoule.report import show, tables

_RIGHT = ("energy [pJ]", "cycles", "EDP [J·s]", "theirs", "ours", "count A", "count B", "A [pJ]", "B [pJ]", "A - B [pJ]")


def judged(j: Judgement, as_json: bool) -> None:
    """The costs, then the statistics beside ours, then the nodes of the largest difference to the best mapping."""
    if as_json:
        show.json_only(j.to_json())
        return
    rows = [{"rules": name, **_figures(c)} for name, c in j.costs]
    rows.append({"rules": "best, default", **_figures(j.best.cost)})
    parts: list[Any] = [tables.rows_table(rows, right=_RIGHT), ""]
    if j.compared:
        equal = sum(c.equal for c in j.compared)
        parts += [f"{equal} of {len(j.compared)} figures of the run equal ours under {j.rules}", *_unequal(j), ""]
    proof = "proved best" if j.best.proved else f"best so far, gap {100 * (j.best.gap or 0):.1f} %"
    parts += [
        f"{j.objective}: {j.over_best:.4f} times the best ({proof})",
        Text(f"it:   {j.mapping}"),
        Text(f"best: {j.best.mapping}"),
        "",
        _nodes([d for d in j.nodes[:8] if d.more_pj]),
    ]
    show.print_parts(*parts)


def _unequal(j: Judgement) -> list[Any]:
    rows = [{"figure": c.what, "theirs": f"{c.theirs:,.6g}", "ours": f"{c.ours:,.6g}"} for c in j.compared if not c.equal]
    return [tables.rows_table(rows, right=_RIGHT)] if rows else []


def _figures(c: Cost) -> dict[str, object]:
    return {"energy [pJ]": f"{c.energy_pj:,.2f}", "cycles": f"{c.cycles:,.0f}", "EDP [J·s]": f"{c.edp_js:.5g}"}


def differs(rows: list[Difference], first: Cost, second: Cost, as_json: bool) -> None:
    """Every line of two costs, the largest difference first, and the totals."""
    if as_json:
        totals = [{"energy_pj": c.energy_pj, "cycles": c.cycles} for c in (first, second)]
        show.json_only({"totals": totals, "nodes": [difference_json(d) for d in rows]})
        return
    total = (
        f"A {first.energy_pj:,.2f} pJ in {first.cycles:,.0f} cycles, B {second.energy_pj:,.2f} pJ in {second.cycles:,.0f} cycles"
    )
    show.print_parts(_nodes(rows), "", f"{total}; A - B = {first.energy_pj - second.energy_pj:,.2f} pJ")


def _nodes(rows: list[Difference]) -> Any:
    return tables.rows_table(
        [
            {
                "component": d.component, "tensor": d.tensor or "-", "action": d.action, "count A": f"{d.counts[0]:,.0f}",
                "count B": f"{d.counts[1]:,.0f}", "A [pJ]": f"{d.pj[0]:,.2f}", "B [pJ]": f"{d.pj[1]:,.2f}",
                "A - B [pJ]": f"{d.more_pj:+,.2f}",
            }
            for d in rows
        ],
        right=_RIGHT,
    )  # fmt: skip

"""The part of the page on operators without MACs: by kind, with energy by level and what no figure holds."""

from __future__ import annotations

from picojoule.report import units
from picojoule.report.operators import Row, not_understood, rows
from picojoule.report.pages import html
from picojoule.search.result import NetworkResult


def section(result: NetworkResult) -> str:
    """A row for each kind of operator; all figures are inside the totals."""
    head = html.tag("h2", "Operators without MACs")
    if result.counted == "macs":
        return head + html.tag("p", "Left out of all totals, as asked for (--operators macs).")
    found = rows(result)
    if not found:
        return head + html.tag("p", "The network has none.")
    return head + html.tag("p", _lead(result)) + _table(result, found) + _unpriced(found)


def _lead(result: NetworkResult) -> str:
    seconds = result.operators_cycles / result.chip.clock_hz
    unit, outer = result.chip.vector, " and ".join(m.name for m in result.chip.outermost)
    where = (
        f"The vector unit {unit.name} reads and writes {unit.at}."
        if unit is not None
        else f"The chip declares no vector unit: words are counted at {outer}, operations are unknown."
    )
    lead = (
        "Pooling, softmax, normalisation, element-wise and data movement, of all occurrences. They are part of the totals above: "
        f"{units.energy(result.operators_pj)} and {units.seconds(seconds)}{', at least' if result.at_least else ''}. {where}"
    )
    strange = [f"{name} ({op})" for name, op, _ in not_understood(result)]
    if strange:
        more = f" and {len(strange) - 8} more" if len(strange) > 8 else ""
        lead += (
            f" Not understood: {', '.join(strange[:8])}{more}. Whatever they compute, multiply-accumulates included, is in no "
            "total here."
        )
    return lead


def _table(result: NetworkResult, found: list[Row]) -> str:
    levels = [x for x in _levels(result) if any(r.by_level.get(x) for r in found)]
    e_div, e_unit = units.unit_for(max(r.energy_pj for r in found), "energy")
    t_div, t_unit = units.unit_for(max(r.latency_s for r in found), "time")
    columns = ["operator", "count", "scalar ops", "reads", "writes", f"energy [{e_unit}]", f"latency [{t_unit}]", "bound by"]
    body = [
        [
            r.name,
            r.count,
            "unknown" if r.ops is None else units.count(r.ops),
            units.bits(r.read_bits),
            units.bits(r.written_bits),
            units.figures(r.energy_pj / e_div),
            units.figures(r.latency_s / t_div),
            r.bound_by,
            *(units.figures(r.by_level.get(x, 0.0) / e_div) for x in levels),
        ]
        for r in found
    ]
    return html.table([*columns, *(f"{x} [{e_unit}]" for x in levels)], body, left=(0, 7))


def _levels(result: NetworkResult) -> list[str]:
    chip = result.chip
    unit = [chip.vector.name] if chip.vector is not None else []
    return [*(m.name for m in chip.memories), *unit, chip.compute.name, chip.name]


def _unpriced(found: list[Row]) -> str:
    reasons = dict.fromkeys((r.op, reason) for r in found for reason in r.unpriced)
    return "".join(html.tag("p", f"Not in any figure, {op}: {reason}.") for op, reason in reasons)

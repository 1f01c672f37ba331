"""Results as rich tables for the terminal; the unit of each column stands in its heading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from picojoule.cost.cost import Cost
from picojoule.report import operators, units
from picojoule.search.result import NetworkResult, claim, short_claim
from picojoule.workload.profile import Profile, VectorProfile


def _table(columns: list[tuple[str, str]]) -> Table:
    """Columns are (heading, "left" or "right")."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading, side in columns:
        table.add_column(Text(heading), justify="right" if side == "right" else "left", no_wrap=True, overflow="ellipsis")
    return table


def network_table(result: NetworkResult) -> Group:
    """One row a distinct layer (all its occurrences together), one a kind of other operator, then the totals in words."""
    others = operators.rows(result)
    energies = [*(x.count * x.result.cost.energy_pj for x in result.layers), *(r.energy_pj for r in others)]
    times = [*(x.count * x.result.cost.latency_s for x in result.layers), *(r.latency_s for r in others)]
    e_div, e_unit = units.unit_for(max(energies, default=0.0), "energy")
    t_div, t_unit = units.unit_for(max(times, default=0.0), "time")
    m_div, m_unit = units.unit_for(max((x.count * x.result.cost.macs for x in result.layers), default=0), "count")
    table = _table(
        [
            ("layer", "left"),
            ("count", "right"),
            (_headed("MACs", m_unit), "right"),
            (f"energy [{e_unit}]", "right"),
            ("[pJ/MAC]", "right"),
            (f"latency [{t_unit}]", "right"),
            ("util [%]", "right"),
            ("bound by", "left"),
            ("proof", "left"),
        ]
    )
    for x in result.layers:
        c = x.result.cost
        cells = (
            Text(_tail(x.names[0])),
            str(x.count),
            units.figures(x.count * c.macs / m_div),
            units.figures(x.count * c.energy_pj / e_div),
            units.figures(c.energy_pj / c.macs, 3),
            units.figures(x.count * c.latency_s / t_div),
            f"{100 * c.utilization:.1f}",
            Text(c.bound_by),
            short_claim(x.result.proved, x.result.gap),
        )
        table.add_row(*cells)
    for r in others:
        figures = (units.figures(r.energy_pj / e_div), "-", units.figures(r.latency_s / t_div), "-")
        table.add_row(*(Text(_tail(r.name)), str(r.count), "-", *figures, Text(r.bound_by), "at least" if r.unpriced else "-"))
    strange = not_understood(operators.not_understood(result))
    return Group(table, Text(), totals(result), *strange)


def totals(result: NetworkResult) -> Text:
    """The totals of a mapped network in one paragraph."""
    per_mac = f", {result.energy_pj / result.macs:.3g} pJ/MAC" if result.macs else ""
    proved = claim(result.proved, result.gap)
    least, batch = "at least " if result.at_least else "", result.network.batch
    of_batch = (
        f"batch of {batch}: {units.energy(result.energy_per_inference_pj)} per inference, "
        f"{units.count(result.inferences_per_s)}inferences/s\n"
        if batch > 1
        else ""
    )
    others = (
        f"of which operators without MACs: {units.energy(result.operators_pj)}, "
        f"{units.seconds(result.operators_cycles / result.chip.clock_hz)}\n"
        if result.operators
        else ""
    )
    return Text(
        f"{result.model} on {result.chip.name}: {least}{units.energy(result.energy_pj)}, {units.seconds(result.latency_s)} "
        f"({result.cycles:,.0f} cycles), EDP {units.edp(result.edp_js)}, {units.count(result.macs)} MACs{per_mac}\n"
        f"{of_batch}{others}objective {result.objective}: {proved}; search {result.search_cpu_s:.1f} s CPU, "
        f"compilation {result.compile_cpu_s:.1f} s CPU" + "".join(f"\nnote: {n}" for n in result.notes)
    )


def not_understood(ops: Iterable[tuple[str, str, str]]) -> list[RenderableType]:
    """A warning that names the operators (name, kind, why) of which only the bytes are known; nothing if there are none."""
    named = [f"{name} ({op}: {why})" if why else f"{name} ({op})" for name, op, why in ops]
    if not named:
        return []
    more = f" and {len(named) - 8} more" if len(named) > 8 else ""
    return [
        Text(
            f"\nNot understood: {', '.join(named[:8])}{more}. Whatever they compute, multiply-accumulates included, is in no "
            "total here; --strict refuses such a model.",
            style="yellow",
        )
    ]


def cost_table(name: str, chip: str, cost: Cost) -> Group:
    """The cost of one layer: every contribution, then cycles by cause, then the totals."""
    divisor, unit = units.unit_for(max((c.energy_pj for c in cost.contributions), default=0.0), "energy")
    energy = _table(
        [
            ("component", "left"),
            ("tensor", "left"),
            ("action", "left"),
            ("count", "right"),
            ("each [pJ]", "right"),
            (f"energy [{unit}]", "right"),
            ("share [%]", "right"),
        ]
    )
    total = cost.energy_pj or 1.0
    for c in cost.contributions:
        energy.add_row(
            Text(c.component),
            Text(c.tensor or "-"),
            c.action,
            f"{c.count:,.0f}",
            f"{c.pj_each:.4g}",
            units.figures(c.energy_pj / divisor),
            f"{100 * c.energy_pj / total:.1f}",
        )
    cycles = _table([("cause", "left"), ("alone needs [cycles]", "right")])
    for cause, n in cost.cycles_by_cause:
        cycles.add_row(Text(cause), f"{n:,.0f}")
    line = Text(
        f"{name} on {chip}: {units.energy(cost.energy_pj)}, {cost.cycles:,.0f} cycles, {units.seconds(cost.latency_s)}, "
        f"EDP {units.edp(cost.edp_js)}, utilization {units.percent(cost.utilization)}, bound by {cost.bound_by}"
    )
    return Group(energy, Text(), cycles, Text(), line)


def rows_table(rows: Sequence[Mapping[str, object]], right: tuple[str, ...] = ()) -> Table:
    """Plain rows under their own keys; the keys in `right` are flush right. Long text wraps in the last column."""
    keys = list(rows[0]) if rows else []
    table = _table([(k, "right" if k in right else "left") for k in keys])
    for column in table.columns[-1:]:
        column.no_wrap = False
    for row in rows:
        table.add_row(*(Text(_plain(row[k])) for k in keys))
    return table


def _plain(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return units.figures(value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _tail(name: str, longest: int = 40) -> str:
    return name if len(name) <= longest else "…" + name[-(longest - 1) :]


def profile_table(p: Profile) -> Group:
    """MAC layers, then the other operators by kind, then the totals and notes in words."""
    macs, m_unit = units.unit_for(max((x.macs for x in p.layers), default=0), "count")
    weights, w_unit = units.unit_for(max((x.weights for x in p.layers), default=0), "count")
    size, s_unit = units.unit_for(max((max(x.input_bytes, x.output_bytes) for x in p.layers), default=0), "count")
    columns = [
        ("layer", "left"),
        ("op", "left"),
        ("count", "right"),
        (_headed("MACs", m_unit), "right"),
        (_headed("weights", w_unit), "right"),
    ]
    columns += [(f"inputs [{s_unit}B]", "right"), (f"outputs [{s_unit}B]", "right"), ("[MAC/B]", "right")]
    layers = _table(columns)
    for x in p.layers:
        numbers = (x.macs / macs, x.weights / weights, x.input_bytes / size, x.output_bytes / size)
        layers.add_row(Text(_tail(x.name)), x.op, str(x.count), *map(units.figures, numbers), units.figures(x.macs_per_byte, 3))
    t = p.totals
    lines = [
        f"{p.model}: {units.count(t.macs)} MACs, {units.count(t.weights)} weights ({units.bits(8 * t.weight_bytes)}), "
        f"peak activations {units.bits(8 * t.peak_activation_bytes)} at {t.peak_at}",
        f"DRAM words: {units.count(t.dram_best_accesses)} at best (everything between layers stays on chip), "
        f"{units.count(t.dram_best_by_layer_accesses)} at best layer by layer, {units.count(t.dram_worst_accesses)} at worst",
        *p.notes,
    ]
    return Group(layers, *_vector_profiles(p), Text(), Text("\n".join(lines)))


def _vector_profiles(p: Profile) -> list[RenderableType]:
    kinds: dict[str, list[VectorProfile]] = {}
    for v in p.vector_ops:
        kinds.setdefault(v.op, []).append(v)
    if not kinds:
        return []
    columns = [("op without MACs", "left"), ("count", "right"), ("scalar ops [M]", "right"), ("moves [MB]", "right")]
    table = _table([*columns, ("share of bytes [%]", "right")])
    for kind, ops in kinds.items():
        scalar = units.figures(sum(v.ops for v in ops) / 1e6) if all(v.known for v in ops) else "unknown"
        moved, share = sum(v.bytes for v in ops), sum(v.share_of_bytes for v in ops)
        table.add_row(Text(kind), str(sum(v.count for v in ops)), scalar, units.figures(moved / 1e6), f"{100 * share:.1f}")
    return [Text(), table, *not_understood((v.name, v.op, v.why) for v in p.vector_ops if not v.known)]


def _headed(what: str, unit: str) -> str:
    return f"{what} [{unit}]" if unit else what


def operator_explanation(rows: Sequence[Mapping[str, Any]]) -> Group:
    """The same for an operator without MACs."""
    return Group(*_explanation(rows), Text(f"in all {units.energy(sum(r['energy_pj'] for r in rows))}"))


def _explanation(rows: Sequence[Mapping[str, Any]]) -> tuple[Table, Table]:
    """(counts with their formulas, prices with their sources)."""
    divisor, unit = units.unit_for(max((r["energy_pj"] for r in rows), default=0.0), "energy")
    columns = [("component", "left"), ("tensor", "left"), ("action", "left"), ("count", "right"), ("each [pJ]", "right")]
    counts = _table([*columns, (f"energy [{unit}]", "right"), ("how the count arises", "left")])
    counts.columns[-1].no_wrap = False
    for r in rows:
        numbers = (units.figures(r["count"]), f"{r['pj_each']:.4g}", units.figures(r["energy_pj"] / divisor))
        counts.add_row(Text(r["component"]), Text(r["tensor"] or "-"), r["action"], *numbers, Text(r["formula"]))
    sources = _table([("price of", "left"), ("source", "left")])
    sources.columns[-1].no_wrap = False
    for (component, action), source in {(r["component"], r["action"]): r["source"] for r in rows}.items():
        sources.add_row(Text(f"{component} {action}"), Text(source))
    return counts, sources


def explanation(rows: Sequence[Mapping[str, Any]]) -> Group:
    """Each count of a layer with its formula, then where each price comes from."""
    counts, sources = _explanation(rows)
    legend = (
        "n: visits of a tile, over time and copies; f: its elements; x: visits for which it stays; "
        "u/s: distinct tiles among the s copies of a fan-out"
    )
    return Group(
        counts,
        Text(legend, style="dim"),
        Text(),
        sources,
        Text(),
        Text(f"in all {units.energy(sum(r['energy_pj'] for r in rows))}"),
    )

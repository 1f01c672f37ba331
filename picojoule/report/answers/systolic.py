"""Cycles on a systolic array, on the terminal."""

from __future__ import annotations

from picojoule.machines.systolic.systolic import NetworkTiming
from picojoule.report import show, tables, units

_RIGHT = ("times", "M", "N", "K", "products", "folds", "fill", "stream", "skew", "drain", "cycles", "util [%]", "occupied [%]")


def shown(timing: NetworkTiming, as_json: bool) -> None:
    """One row a layer (of one occurrence), then the totals."""
    if as_json:
        show.json_only(timing.to_json())
        return
    rows = []
    for times, t in zip(timing.counts, timing.layers, strict=True):
        p = t.product
        rows.append(
            {
                "layer": t.name,
                "times": times,
                "M": p.M,
                "N": p.N,
                "K": p.K,
                "products": p.count,
                "folds": f"{t.folds:,}",
                "fill": f"{t.fill_cycles:,}",
                "stream": f"{t.stream_cycles:,}",
                "skew": f"{t.skew_cycles:,}",
                "drain": f"{t.drain_cycles:,}",
                "cycles": f"{t.cycles:,}",
                "util [%]": f"{100 * t.utilization:.1f}",
                "occupied [%]": f"{100 * t.mapping_efficiency:.1f}",
            }
        )
    a = timing.array
    overlap = ", preload overlapped" if a.preload_overlap else ""
    how = f"{timing.model} on {a.rows}x{a.columns} MACs, {timing.dataflow}{overlap}"
    total = f"in all {timing.cycles:,} cycles for {units.count(timing.macs)} MACs: {100 * timing.utilization:.1f} % of the array"
    bound = "stall-free: memories are not modelled; fill, stream, skew and drain are cycles of one occurrence"
    show.print_parts(how, "", tables.rows_table(rows, right=_RIGHT), "", total, bound)

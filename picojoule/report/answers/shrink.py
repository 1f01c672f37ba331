"""A shrunk network on the terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from picojoule.compress.shrink.shrunk import Row, Shrunk
from picojoule.report import show, tables, units


def shrunk(done: Shrunk, as_json: bool, out: Path | None = None) -> None:
    """Rows side by side, then what was decided; with `out` also the page, beside the network's files."""
    if out is not None:
        from picojoule import options
        from picojoule.report.pages.shrink_page import shrink_page

        options.write_text(out / "report.html", shrink_page(done))
    if as_json:
        show.json_only(done.to_json())
    else:
        show.print_parts(*_parts(done))
    if out is not None:
        print(f"network, plan and report: {out.resolve()}", file=sys.stderr if as_json else sys.stdout)


def rows_of(done: Shrunk) -> list[Row]:
    """The rows that are shown, from what is uniform to what was chosen."""
    return [*done.uniform, done.dense, *done.alone, done.chosen]


def cells(row: Row, done: Shrunk) -> dict[str, Any]:
    """What a row says of a network."""
    p, top = row.price, done.uniform[0].price
    low, high = row.test.interval if row.test else (0.0, 0.0)
    return {
        "network": "chosen" if row is done.chosen else row.name,
        "test accuracy [%]": f"{row.test.percent:.2f}" if row.test else "-",
        "95 % [%]": f"{low:.2f} to {high:.2f}" if row.test else "-",
        "fine-tuned on": f"{row.images:,} images" if row.images else "-",
        "energy": units.energy(p.energy_pj),
        "latency": units.seconds(p.latency_s),
        f"{done.uniform[0].name} energy / this": f"{top.energy_pj / p.energy_pj:.2f}",
        "weights [KiB]": f"{p.weight_bits / 8192:.1f}",
        "MMACs": f"{p.macs / 1e6:.3f}",
        "mappings": "proved best" if p.proved else f"gap {100 * p.gap:.1f} %",
    }


def headline(done: Shrunk) -> str:
    """What it comes to, in one sentence or two."""
    assert done.chosen.test
    lost = done.lost_points
    change = f"{abs(lost):.2f} points {'below' if lost >= 0 else 'above'} the dense network"
    goal = {"edp": "energy-delay product"}.get(done.objective, done.objective)
    text = (
        f"{done.model} on {done.chip.name}: {done.times_below('INT16'):.2f}x less {goal} than INT16 and "
        f"{done.times_below('INT8'):.2f}x less than INT8, {change} ({done.chosen.test.n:,} test images of {done.data}, "
        f"seed {done.seed})."
    )
    return text + (" Interrupted: the best so far." if done.interrupted else "")


def _parts(done: Shrunk) -> list[RenderableType]:
    rows = [cells(r, done) for r in rows_of(done)]
    right = tuple(k for k in rows[0] if k not in ("network", "mappings"))
    taken = [
        {"change": d.unit, "to": d.value, "saves [%]": f"{100 * d.saved_share:.1f}", "loses [mnat]": f"{1000 * d.lost_nats:.1f}",
         "next": d.next_value or "-", "would save [%]": f"{100 * d.next_saves_share:.1f}" if d.next_value else "-",
         "would lose [mnat]": f"{1000 * d.next_loses_nats:.1f}" if d.next_value else "-"}
        for d in sorted(done.decisions, key=lambda d: -d.saved_share)
    ]  # fmt: skip
    notes = [
        f"searched by {done.search} over {', '.join(m for m in done.methods if m not in done.left_out)}; "
        f"{done.trainings} networks fine-tuned, {done.searched} shapes mapped, {done.cpu_s:.0f} s of CPU time"
    ]
    if done.left_out:
        notes.append(f"left out, because {done.chip.name} gains nothing by it or no layer offers it: {', '.join(done.left_out)}")
    return [
        headline(done), "", tables.rows_table(rows, right=right), "",
        "what was decided; saves: what the chosen network would cost more without it; loses: predicted, validation loss", "",
        tables.rows_table(taken, right=("saves [%]", "loses [mnat]", "would save [%]", "would lose [mnat]")), "", *notes,
    ]  # fmt: skip

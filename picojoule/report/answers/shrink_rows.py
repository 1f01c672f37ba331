"""What a row and the headline of a shrunk network say, in the table as on the page."""

from __future__ import annotations

from typing import Any

from picojoule.compress.shrink.shrunk import Row, Shrunk
from picojoule.report import units
from picojoule.search.result import short_claim


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
        "mappings": short_claim(p.proved, p.gap),
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

"""Words of a comparison that the terminal and the page share: what a machine waits for, and where the ranking flips."""

from __future__ import annotations

from picojoule.compare.flips import Flip, View
from picojoule.machines.answer import Answer
from picojoule.report import units


def waits(a: Answer) -> list[tuple[str, float]]:
    """(cause, share of the latency that waits for it), the largest first."""
    shares: dict[str, float] = {}
    for x in (x for x in a.layers if x.latency_s):
        shares[x.bound_by] = shares.get(x.bound_by, 0.0) + x.latency_s / a.latency_s
    return sorted(shares.items(), key=lambda kv: -kv[1])


def waits_text(a: Answer, most: int = 2) -> str:
    """`compute 63 %, DRAM.shared 37 %`."""
    return ", ".join(f"{cause} {100 * share:.0f} %" for cause, share in waits(a)[:most])


def dram_text(a: Answer) -> str:
    return {True: "yes", False: "no", None: "not stated"}[a.offchip_inside]


def flip_row(f: Flip) -> dict[str, object]:
    """A flip as a row: who leads before and after, with the values."""
    return {
        "factor": {"dram": "DRAM energy"}.get(f.factor, f.factor),
        "ranks": "energy" if f.before.metric == "energy" else "time",
        "before": f"{f.better} {value(f.before, f.values_before[0])} < {f.worse} {value(f.before, f.values_before[1])}",
        "after": f"{f.worse} {value(f.after, f.values_after[1])} < {f.better} {value(f.after, f.values_after[0])}",
        "at": f"batch {f.between[0]} to {f.between[1]}" if f.between else difference(f),
        "confirmed": {True: "yes, by a fresh run", False: "NO", None: "not asked"}[f.confirmed],
    }


def difference(f: Flip) -> str:
    """What differs between the two conditions."""
    if f.factor == "dram":
        return "DRAM left out"
    if f.factor == "batch":
        return f"batch {f.before.condition.batch} to {f.after.condition.batch}"
    before, after = f.before.condition.bits, f.after.condition.bits
    return f"{'own precision' if before is None else f'{before} b'} to {after} b"


def value(view: View, number: float) -> str:
    return units.seconds(number) if view.metric == "time" else units.energy(number)

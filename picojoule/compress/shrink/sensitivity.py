"""What each unit of a space loses at each of its levels, measured one unit at a time: the losses that the searches add up.

Bits are tried on the network as it came, without training. That says nothing of channels, zeros and rank (a network without
half of a layer's channels is broken until it has learned again), so those are fine-tuned shortly at one level, and the losses of
the other levels follow the square of the share that is gone. Each technique is then tried everywhere at once, fine-tuned, and its
losses are scaled so that their sum says what that network lost.
"""

from __future__ import annotations

from dataclasses import dataclass

from picojoule.ask import Progress, silent
from picojoule.compress.plan import Plan
from picojoule.compress.shrink.measure import Bench, Effort
from picojoule.compress.shrink.space import Space, Unit

IMAGES = 500  # held-out images that losses without training look at
NATS_PER_POINT = 0.03  # where no network lost enough to tell: a usual ratio near 90 %
SHARED = {"quantise": 3, "channels": 3, "zeros": 2, "rank": 1}  # the level that is tried everywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """Losses by unit and level in nats; `dense` is the equally short-tuned network as it came; `scales` by technique."""

    losses: tuple[tuple[float, ...], ...]
    dense: float
    scales: dict[str, float]
    everywhere: dict[str, Plan]
    nats_per_point: float  # loss that goes with a percentage point of accuracy, from the networks above


def sensitivities(space: Space, bench: Bench, effort: Effort, tell: Progress = silent) -> Sensitivity:
    """Measures all units of the space."""
    untouched = bench.after_training(Plan(), IMAGES)
    dense = bench.tuned(Plan(), effort, "the dense network").loss
    rows = []
    for i, unit in enumerate(space.units):
        tell(i, len(space.units), f"sensitivity: {unit.label}")
        if unit.technique == "quantise":
            values = [bench.after_training(unit.put(Plan(), level), IMAGES) - untouched for level in range(len(unit.values))]
        else:
            probe = len(unit.values) // 2
            lost = bench.tuned(unit.put(Plan(), probe), effort, unit.label).loss - dense
            gone = [_gone(unit, level) for level in range(len(unit.values))]
            values = [max(lost, 1e-4) * (g / gone[probe]) ** 2 for g in gone]
        rows.append(_rising(values))
    return _scaled(space, bench, effort, rows, dense)


def _rising(values: list[float]) -> list[float]:
    """Losses from 0 up: a harder level loses no less; noise of the measurement must not say otherwise."""
    out, most = [], 0.0
    for v in values:
        most = max(most, v - max(0.0, values[0]))
        out.append(most)
    return [v - out[0] for v in out]


def _gone(unit: Unit, level: int) -> float:
    """The share of a unit that is taken out at a level."""
    v, first = unit.values[level], unit.values[0]
    if unit.kind == "rank":
        return 0.0 if v is None else 1.0 - float(v) / (1.34 * float(unit.values[1] or 1))
    return 1.0 - float(v or 0) / float(first or 1)


def _scaled(space: Space, bench: Bench, effort: Effort, rows: list[list[float]], dense: float) -> Sensitivity:
    scales, plans, rates = {}, {}, []
    right = bench.tuned(Plan(), effort).held_out.percent
    for technique in dict.fromkeys(u.technique for u in space.units):
        choice = space.everywhere(technique, SHARED[technique])
        plan = space.plan(choice)
        plan = plan if technique == "quantise" else _without_bits(space, choice)
        tuned = bench.tuned(plan, effort, f"{technique} everywhere")
        lost = tuned.loss - dense
        if (points := right - tuned.held_out.percent) > 0.2 and lost > 0:
            rates.append(lost / points)
        predicted = sum(rows[i][level] for i, level in enumerate(choice))
        scales[technique] = max(lost, 0.002) / max(predicted, 1e-6)
        plans[technique] = plan
    losses = tuple(tuple(scales[u.technique] * v for v in row) for u, row in zip(space.units, rows, strict=True))
    return Sensitivity(
        losses=losses,
        dense=dense,
        scales=scales,
        everywhere=plans,
        nats_per_point=max(0.01, min(0.1, max(rates, default=NATS_PER_POINT))),
    )


def _without_bits(space: Space, choice: tuple[int, ...]) -> Plan:
    plan = Plan()
    for unit, level in zip(space.units, choice, strict=True):
        plan = unit.put(plan, level) if level else plan
    return plan

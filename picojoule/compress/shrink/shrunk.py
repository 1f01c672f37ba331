"""What `shrink` found, as plain values: rows of measured networks, and the decisions behind the chosen one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from picojoule.compress.plan import Plan
from picojoule.compress.shrink.pricing import Price
from picojoule.hardware.chip import Chip
from picojoule.learning.accuracy import Accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A network that was carried out and measured. `images` it was fine-tuned on; `held_out` and `test` may be unknown."""

    name: str
    plan: Plan
    price: Price
    images: int
    held_out: Accuracy | None = None
    test: Accuracy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One unit of the chosen plan: its value, what undoing it would cost and what the next level would save; losses predicted."""

    unit: str
    technique: str
    value: str
    level: int
    saved_share: float  # of the chosen network's price, by this unit
    lost_nats: float
    next_value: str = ""
    next_saves_share: float = 0.0
    next_loses_nats: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """What `shrink` found: the chosen row beside the uniform networks and the equally fine-tuned dense one."""

    model: str
    data: str
    chip: Chip
    objective: str
    budget_points: float
    seed: int
    methods: tuple[str, ...]
    search: str
    chosen: Row
    dense: Row
    uniform: tuple[Row, ...]  # INT16 and INT8 without fine-tuning
    alone: tuple[Row, ...]  # the best that one technique alone finds
    measured: tuple[Row, ...]  # all that were fine-tuned, for the front
    decisions: tuple[Decision, ...]
    left_out: tuple[str, ...]
    way: tuple[tuple[float, float], ...]  # (predicted loss, price) of the search
    trainings: int
    searched: int  # shapes that were mapped
    cpu_s: float
    interrupted: bool = False

    @property
    def lost_points(self) -> float:
        """Percentage points of test accuracy below the dense network: as it came or equally fine-tuned, whichever is better."""
        assert self.chosen.test and self.dense.test and self.uniform[0].test
        return max(self.dense.test.percent, self.uniform[0].test.percent) - self.chosen.test.percent

    def times_below(self, name: str) -> float:
        """How many times the chosen network's energy, latency or energy-delay product (the objective) goes into that of a row."""
        row = next(r for r in (*self.uniform, self.dense, *self.alone) if r.name == name)
        return row.price.value / self.chosen.price.value

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model, "data": self.data, "chip": self.chip.name, "objective": self.objective, "seed": self.seed,
            "budget_points": self.budget_points, "methods": list(self.methods), "search": self.search,
            "lost_points": self.lost_points, "chosen": row_json(self.chosen), "dense": row_json(self.dense),
            "uniform": [row_json(r) for r in self.uniform], "alone": [row_json(r) for r in self.alone],
            "measured": [row_json(r) for r in self.measured], "decisions": [asdict(d) for d in self.decisions],
            "left_out": list(self.left_out), "way": [{"loss_nats": a, "price": b} for a, b in self.way],
            "trainings": self.trainings, "searched": self.searched, "cpu_s": self.cpu_s, "interrupted": self.interrupted,
        }  # fmt: skip


def row_json(row: Row) -> dict[str, Any]:
    """One row with its accuracy (data set, n, interval), fine-tuning, price and certificate."""
    p = row.price
    return {
        "name": row.name, "fine_tuned_on_images": row.images, "held_out": _accuracy(row.held_out), "test": _accuracy(row.test),
        "energy_pj": p.energy_pj, "latency_s": p.latency_s, "proved": p.proved, "gap": p.gap, "macs": p.macs,
        "weight_bits": p.weight_bits, "plan": row.plan.to_json(),
    }  # fmt: skip


def _accuracy(a: Accuracy | None) -> dict[str, Any] | None:
    return None if a is None else {"percent": a.percent, "interval": list(a.interval), "n": a.n, "data": a.data}

"""What a mapping costs: contributions that add up, cycles by cause, and their roll-ups."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass


@dataclass(frozen=True)
class Contribution:
    """`count` actions at `pj_each`. For memories the count is in tensor words; `source` says where pj_each is from."""

    component: str
    tensor: str  # "" for actions that belong to no tensor (MACs, leakage)
    action: str  # "read", "write", "transfer", "mac", "leak"; "gated ...", "skipped ...", "metadata ..." (in bits), "codec"
    count: float
    pj_each: float
    source: str = ""

    @property
    def energy_pj(self) -> float:
        return self.count * self.pj_each


@dataclass(frozen=True)
class Cost:
    """Energy, latency and area of one layer under one mapping. Energies add up to `energy_pj` exactly.

    `done`: of its `macs` those that take a unit's time, all but the skipped ones; `peak_macs_per_cycle`: of all units at the
    widths of the operands.
    """

    contributions: tuple[Contribution, ...]
    cycles_by_cause: tuple[tuple[str, float], ...]  # cause -> cycles it alone would need
    clock_hz: float
    macs: int
    done: float
    peak_macs_per_cycle: float
    area_um2: float | None = None
    imbalance: float = 1.0  # work of the busiest PE / average work, where PEs skip zeros and wait for one another

    @property
    def energy_pj(self) -> float:
        return sum(c.energy_pj for c in self.contributions)

    @property
    def cycles(self) -> float:
        """The slowest cause: everything overlaps (ideal double buffering)."""
        return max(c for _, c in self.cycles_by_cause)

    @property
    def bound_by(self) -> str:
        return max(self.cycles_by_cause, key=lambda c: c[1])[0]

    @property
    def latency_s(self) -> float:
        return self.cycles / self.clock_hz

    @property
    def edp_js(self) -> float:
        return self.energy_pj * 1e-12 * self.latency_s

    @property
    def utilization(self) -> float:
        """Share of the latency that the units would need for what they do, all of them busy: at most 1."""
        return self.busy_cycles / self.cycles

    @property
    def busy_cycles(self) -> float:
        """Cycles that the MACs take at the peak."""
        return self.done / self.peak_macs_per_cycle

    def by(self, *keys: str) -> dict[tuple[str, ...], float]:
        """Energy in pJ rolled up by any of "component", "tensor", "action"."""
        out: dict[tuple[str, ...], float] = defaultdict(float)
        for c in self.contributions:
            out[tuple(getattr(c, k) for k in keys)] += c.energy_pj
        return dict(out)

"""What a search for a schedule returns: the program, what each of its items costs, and the certificate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from picojoule import notebook
from picojoule.cost.cost import Cost
from picojoule.cost.vector import Priced
from picojoule.hardware.chip import Chip
from picojoule.mapping.mapping import Mapping
from picojoule.schedule.jobs import JobGraph
from picojoule.schedule.program import Schedule
from picojoule.schedule.residence import Event, Moved, Ran
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network


@dataclass(frozen=True, kw_only=True)
class Happening:
    """One event of a schedule with its costs, each `times` over: a job's mapping and what it does in passing, or a copy."""

    event: Event
    mapping: Mapping | None
    costs: tuple[tuple[str, Cost, int], ...]  # (name, cost of one, how often)
    passing: tuple[Priced, ...] = ()
    proved: bool = True

    @property
    def name(self) -> str:
        """The job, or what is copied."""
        if isinstance(self.event, Ran):
            return self.event.job.name
        return f"{'load' if self.event.into else 'store'} {self.event.tensor}"

    @property
    def layer(self) -> Layer | None:
        """The MAC layer, of a chunk where the job runs in a loop."""
        first = self.event.ops[0] if isinstance(self.event, Ran) and self.event.job.main is not None else None
        return first if isinstance(first, Layer) else None

    @property
    def energy_pj(self) -> float:
        """Of all times together."""
        return sum(n * c.energy_pj for _, c, n in self.costs)

    @property
    def cycles(self) -> float:
        """Of all times together."""
        return sum(n * c.cycles for _, c, n in self.costs)

    def words(self, memories: set[str]) -> dict[tuple[str, str], float]:
        """(operand or tensor, "read" or "write") -> words at the memories, of all times together."""
        out: dict[tuple[str, str], float] = defaultdict(float)
        for _, cost, n in self.costs:
            for c in cost.contributions:
                if c.component in memories and c.action in ("read", "write"):
                    out[c.tensor, c.action] += n * c.count
        return dict(out)


@dataclass(frozen=True, kw_only=True)
class ScheduledNetwork:
    """A network with the best schedule found, or one that was given. Energies and cycles of all happenings add up to the totals.

    `alone`: (pJ, cycles) of the same network layer by layer, every tensor starting and ending outside.
    """

    graph: JobGraph
    objective: str
    schedule: Schedule
    memory: str  # the on-chip memory that tensors stay in; "" where none does
    happenings: tuple[Happening, ...]
    alone: tuple[float, float] | None
    proved: bool
    gap: float
    certificate: dict[str, Any] = field(default_factory=dict)
    search_cpu_s: float = 0.0
    compile_cpu_s: float = 0.0
    searches: int = 0

    @property
    def network(self) -> Network:
        return self.graph.network

    @property
    def chip(self) -> Chip:
        return self.graph.chip

    @property
    def energy_pj(self) -> float:
        return sum(h.energy_pj for h in self.happenings)

    @property
    def cycles(self) -> float:
        return sum(h.cycles for h in self.happenings)

    @property
    def latency_s(self) -> float:
        return self.cycles / self.chip.clock_hz

    @property
    def edp_js(self) -> float:
        return self.energy_pj * 1e-12 * self.latency_s

    @property
    def value(self) -> float:
        """What the objective minimises: pJ, cycles, or pJ x cycles."""
        return {"energy": self.energy_pj, "latency": self.cycles}.get(self.objective, self.energy_pj * self.cycles)

    @property
    def outside_words(self) -> float:
        """Words that pass the outermost memories, read and written."""
        outer = {m.name for m in self.chip.outermost}
        return sum(n for h in self.happenings for n in h.words(outer).values())

    @property
    def outside_bytes(self) -> float:
        """Bytes that pass the outermost memories."""
        return sum(n * bits for n, bits in self._outside_bits()) / 8

    def _outside_bits(self) -> Iterator[tuple[float, float]]:
        outer = {m.name for m in self.chip.outermost}
        for h in self.happenings:
            for what, cost, n in h.costs:
                widths = self._widths(h, what)
                for c in cost.contributions:
                    if c.component in outer and c.action in ("read", "write"):
                        yield n * c.count, widths.get(c.tensor, widths[""])

    def _widths(self, h: Happening, what: str) -> dict[str, float]:
        if isinstance(h.event, Moved):
            return {"": self.graph.tensors[h.event.tensor].bits}
        op = next(o for o in h.event.ops if o.name == what)
        return {"": op.bits} | {t.name: t.bits for t in op.tensors}

    @property
    def peak_bits(self) -> int:
        """The most bits of the on-chip memory that are taken by tensors that stay."""
        return max((h.event.held_bits for h in self.happenings), default=0)

    @property
    def at_least(self) -> bool:
        """Whether the totals are lower bounds, since operations, their energy or their time are unknown."""
        return any(p.unpriced for h in self.happenings for p in h.passing)

    def by(self, *keys: str) -> dict[tuple[str, ...], float]:
        """Energy in pJ rolled up by any of "component", "tensor", "action"."""
        out: dict[tuple[str, ...], float] = defaultdict(float)
        for h in self.happenings:
            for _, cost, n in h.costs:
                for key, pj in cost.by(*keys).items():
                    out[key] += n * pj
        return dict(out)

    def _repr_html_(self) -> str | None:
        """What a notebook shows."""
        return notebook.html(self)

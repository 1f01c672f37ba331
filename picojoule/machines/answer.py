"""What a machine is asked, and what it answers: energy, latency, utilization, off-chip traffic and area, with evidence and scope.

Every machine of the comparison gives this one value, whatever stands behind it: the mapper, a roofline over published figures,
a calibrated model, a measurement. What is unknown is None and is never treated as zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from picojoule.ask import Progress
from picojoule.errors import PicojouleError, SpecError, unknown_name
from picojoule.published.platform import EVIDENCE, SCOPES, Evidence, Scope
from picojoule.workload.bits import widest
from picojoule.workload.network import Network


class Declined(PicojouleError):
    """A machine that cannot run what it was asked, and why: the others still can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """How a network is to be run. `network` holds its batch and its bits; `effort` only steers searches.

    `bits`: the width of every tensor; None: what the model states, else each machine's own. `cache` False: computed afresh.
    `time_limit_s`: CPU seconds that a search may take; the answer then states its gap. `operators`: "all", or "macs" to leave
    those without MACs out of every figure.
    """

    batch: int = 1
    bits: int | None = None
    objective: str = "edp"
    space: str = "perfect"
    time_limit_s: float | None = None
    operators: str = "all"
    jobs: int | None = None
    cache: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerAnswer:
    """All occurrences of one layer together, or of equal operators without MACs, whose `macs` are 0."""

    name: str
    count: int
    macs: int
    latency_s: float
    energy_pj: float | None
    offchip_bytes: float | None
    utilization: float  # MACs / (MACs that the peak allows in the latency)
    bound_by: str  # what the latency waits for


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One network on one machine. Energy, latency, MACs and bytes are of the whole batch; properties divide them by it.

    `energy_pj` is what `scope` covers; `offchip_pj` is the part of it that off-chip memory takes (None: not separable), so that
    `offchip_inside` says whether DRAM is in the figure at all. `gap`: by how much the searched objective may still be worse than
    the best, as a fraction; 0 where proved, or where nothing was searched. `is_bound`: the latency is a lower bound rather than a
    prediction (a roofline). `operators`: what the figures count, "all" or "macs"; `at_least`: operations of some operators are
    unknown, so that energy and latency are lower bounds; `operators_s` and `operators_pj` are the part of operators without
    MACs (None: not separable). `sources`: figure -> formula or document.
    """

    machine: str
    kind: str  # "chip, mapped", "platform, roofline", ...
    model: str
    batch: int
    bits: int
    precision: str
    layers: tuple[LayerAnswer, ...]
    latency_s: float
    energy_pj: float | None
    offchip_pj: float | None
    offchip_inside: bool | None  # None: the source does not say
    offchip_bytes: float | None
    peak_macs_per_s: float
    area_mm2: float | None
    technology_nm: float | None
    evidence: Evidence
    scope: Scope
    gap: float = 0.0
    is_bound: bool = False
    operators: str = "all"
    at_least: bool = False
    operators_s: float | None = None
    operators_pj: float | None = None
    sources: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.evidence not in EVIDENCE:
            raise unknown_name("evidence", self.evidence, EVIDENCE)
        if self.scope not in SCOPES:
            raise unknown_name("scope", self.scope, SCOPES)
        if not (self.latency_s > 0 and self.peak_macs_per_s > 0 and self.batch >= 1):
            raise SpecError(
                f"{self.machine}: latency {self.latency_s} s, peak {self.peak_macs_per_s} MAC/s, batch {self.batch}",
                hint="all three are positive",
            )
        if self.energy_pj is not None and self.offchip_pj is not None and self.offchip_pj > self.energy_pj * (1 + 1e-9):
            raise SpecError(f"{self.machine}: off-chip memory takes more energy than the whole", hint="it is a part of energy_pj")

    @property
    def macs(self) -> int:
        return sum(x.macs for x in self.layers)

    @property
    def macs_per_s(self) -> float:
        """Delivered MACs a second."""
        return self.macs / self.latency_s

    @property
    def utilization(self) -> float:
        """Share of the peak over the whole latency: the layers' own shares, weighted by their time."""
        return sum(x.latency_s * x.utilization for x in self.layers) / self.latency_s

    @property
    def inferences_per_s(self) -> float:
        return self.batch / self.latency_s

    @property
    def power_w(self) -> float | None:
        """Mean power of what the scope covers."""
        return None if self.energy_pj is None else self.energy_pj * 1e-12 / self.latency_s

    @property
    def onchip_pj(self) -> float | None:
        """Energy without off-chip memory; None where the two cannot be told apart."""
        if self.energy_pj is None or self.offchip_pj is None:
            return None
        return self.energy_pj - self.offchip_pj

    @property
    def per_inference_pj(self) -> float | None:
        return None if self.energy_pj is None else self.energy_pj / self.batch

    @property
    def offchip_bytes_per_inference(self) -> float | None:
        """None where unknown; less than a byte of the batch is none."""
        if self.offchip_bytes is None:
            return None
        return self.offchip_bytes / self.batch if self.offchip_bytes >= 1 else 0.0


class Machine(Protocol):
    """Anything that can answer. `native_bits` is the width it runs at when it is not told one, `scope` what its figures cover."""

    @property
    def name(self) -> str: ...

    @property
    def native_bits(self) -> int: ...

    @property
    def scope(self) -> Scope: ...

    def run(self, network: Network, ask: Ask, progress: Progress | None = None) -> Answer:
        """The answer for this network (its tensors already have the asked batch and widths); raises Declined, with the reason."""
        ...


def width_of(network: Network, ask: Ask, native_bits: int) -> int:
    """Bits that a machine runs a network at: those asked for, else those that the model states (its widest operand), else the
    machine's own."""
    return ask.bits or (widest(network) if network.stated else native_bits)

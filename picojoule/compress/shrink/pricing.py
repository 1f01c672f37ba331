"""What a plan costs on a chip: the best mapping of every layer that it leaves, each distinct shape searched once and kept.

A search asks for thousands of plans that differ in a layer or two, so a price is looked up layer by layer; what is new is mapped,
with its certificate, and kept on disk beside the answers of `pj map`. Nothing is exported and nothing is estimated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from picojoule.ask import SINGLE_BEST, Progress, silent
from picojoule.compress.plan import LayerPlan, Plan, Storage, planned
from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.chip import Chip
from picojoule.search.layer_price import LayerPricer
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network

if TYPE_CHECKING:
    from picojoule.compress.prune.structured import Structure


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPrice:
    """One layer of the base network after the plan: the sum over the layers that take its place. `gap` is 0 where proved."""

    name: str
    energy_pj: float
    cycles: float
    proved: bool
    gap: float
    macs: int
    weight_bits: float  # stored in all

    def __add__(self, other: LayerPrice) -> LayerPrice:
        return LayerPrice(
            name=self.name, energy_pj=self.energy_pj + other.energy_pj, cycles=self.cycles + other.cycles,
            proved=self.proved and other.proved, gap=max(self.gap, other.gap), macs=self.macs + other.macs,
            weight_bits=self.weight_bits + other.weight_bits,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one inference costs under a plan; `proved` where every layer's mapping is proved the best for the objective."""

    layers: tuple[LayerPrice, ...]
    clock_hz: float
    objective: str

    @property
    def energy_pj(self) -> float:
        return sum(x.energy_pj for x in self.layers)

    @property
    def latency_s(self) -> float:
        return sum(x.cycles for x in self.layers) / self.clock_hz

    @property
    def value(self) -> float:
        """What the objective makes small: pJ, s, or pJ s."""
        return {"energy": self.energy_pj, "latency": self.latency_s, "edp": self.energy_pj * self.latency_s}[self.objective]

    @property
    def proved(self) -> bool:
        return all(x.proved for x in self.layers)

    @property
    def gap(self) -> float:
        return max(x.gap for x in self.layers)

    @property
    def macs(self) -> int:
        return sum(x.macs for x in self.layers)

    @property
    def weight_bits(self) -> float:
        """Bits of all weights."""
        return sum(x.weight_bits for x in self.layers)


class Pricer:
    """Prices plans of one network on one chip. Operands narrower than the chip declares count as that wide.

    For "edp" each layer is mapped for its own energy-delay product, which bounds the network's from above; `pj map` solves the
    network's exactly.
    """

    def __init__(
        self,
        base: Network,
        chip: Chip,
        *,
        objective: str = "energy",
        structure: Structure | None = None,
        cache: bool = True,
        tell: Progress = silent,
    ) -> None:
        if objective not in SINGLE_BEST:
            raise unknown_name("objective", objective, SINGLE_BEST)
        if not base.layers:
            raise SpecError("the network has no layer of multiply-accumulates", where=base.name, hint="nothing to price")
        self.base, self.chip, self.objective, self.structure = base, chip, objective, structure
        self.storage, self.least_bits = Storage(base), chip.compute.declared_bits
        self._layers = LayerPricer(
            chip=chip, objective=objective, cache=cache, before=lambda layer, n: tell(n, 0, f"mapping {layer.name}")
        )
        self._prices: dict[object, LayerPrice] = {}
        self._steps = [(s.layer, s.count) for s in base.layers]

    @property
    def searched(self) -> int:
        """Shapes that were mapped and not looked up."""
        return self._layers.searched

    def price(self, plan: Plan) -> Price:
        """The plan's cost; maps the shapes that were not met before."""
        bits = self.storage.widths(plan)
        widths = self.structure.widths(dict(plan.channels)) if self.structure and plan.channels else {}
        layers = []
        for layer, count in self._steps:
            own, (read, written) = self._held(plan.of(layer.name)), bits[layer.name]
            key = (layer.name, own, max(read, self.least_bits), max(written, self.least_bits), widths.get(layer.name))
            if key not in self._prices:
                new = planned(layer, *key[1:])
                self._prices[key] = self._sum(layer.name, new, count)
            layers.append(self._prices[key])
        return Price(layers=tuple(layers), clock_hz=self.chip.clock_hz, objective=self.objective)

    def _held(self, own: LayerPlan) -> LayerPlan:
        """A layer as this chip holds it."""
        least = self.least_bits
        return replace(own, weight_bits=max(own.weight_bits, least), input_bits=max(own.input_bits, least))

    def uses_zeros(self, layer: str, own: LayerPlan) -> bool:
        """Whether the layer gets cheaper on this chip where half of its weights are zero."""
        plan = Plan(layers=((layer, own),))
        return self.price(plan.but(layer, density=0.5)).value < self.price(plan).value * (1 - 1e-6)

    def _sum(self, name: str, layers: tuple[Layer, ...], count: int) -> LayerPrice:
        total: LayerPrice | None = None
        for layer in layers:
            found = self._layers.price(layer)
            weights = sum(layer.elements(t) * t.bits * t.density for t in layer.tensors if t.learned)
            one = LayerPrice(
                name=name,
                energy_pj=count * found.cost.energy_pj,
                cycles=count * found.cost.cycles,
                proved=found.proved,
                gap=found.gap,
                macs=count * layer.macs,
                weight_bits=count * weights,
            )
            total = one if total is None else total + one
        assert total is not None
        return total

"""Bottleneck advice: what limits a network on a chip, and which single change helps most, found by running every one of them.

Each change is first predicted: the best mapping in the smallest space (no sliding windows, no tiles kept in place by loops of the
memory above), some two to eight times cheaper than the search. A prediction is a real mapping, so its gain can be had; the
search that follows can only do better. Then every change is run again with the optimal mapper, and the gains are of those runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from picojoule.ask import SINGLE_BEST, Progress
from picojoule.compare.bench import Loader
from picojoule.compare.compare import loader
from picojoule.cost.cost import Cost
from picojoule.cost.operators import network_operators
from picojoule.errors import PicojouleError, SpecError, unknown_name
from picojoule.explore.changes import Change, changes
from picojoule.hardware.chip import Chip
from picojoule.machines.answer import Ask
from picojoule.machines.providers.chips import MappedChip
from picojoule.search.layer_price import quick_cost
from picojoule.search.result import NetworkLayer, NetworkResult, claim
from picojoule.workload.bits import AtOwnWidth, widest
from picojoule.workload.network import Network

SAME = 1e-6  # gains closer than this are the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a layer waits for and spends on. `slack`: latency / the time that the second slowest cause alone would need."""

    layer: str
    count: int
    latency_share: float  # of the network
    energy_share: float
    waits_for: str
    next_cause: str
    slack: float
    spends_on: str  # the component that takes most energy
    spent_share: float  # of the layer's energy
    best_change: str  # the change after which this layer's own objective is lowest; "" where none helps
    best_gain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A change with its gains: 1 - objective after / before, per inference; negative where it is worse. None: it does not fit."""

    change: Change
    predicted_gain: float | None
    gain: float | None
    result: NetworkResult | None
    proved: bool
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """`tried` in the order of obtained gains, the best first."""

    model: str
    chip: Chip
    objective: str
    batch: int
    bits: int
    base: NetworkResult
    limits: tuple[Limit, ...]
    tried: tuple[Tried, ...]

    @property
    def predicted(self) -> Tried:
        """The change that was predicted to help most."""
        return max((t for t in self.tried if t.predicted_gain is not None), key=lambda t: t.predicted_gain or 0.0)

    @property
    def best(self) -> Tried:
        """The change that did help most."""
        return self.tried[0]

    @property
    def right(self) -> bool:
        """Whether no change gained more than the predicted one."""
        return (self.predicted.gain or 0.0) >= (self.best.gain or 0.0) - SAME


def advise(
    model: str | Loader,
    chip: Chip,
    objective: str = "edp",
    *,
    batch: int = 1,
    bits: int | None = None,
    ask: Ask | None = None,
    progress: Progress | None = None,
) -> Advice:
    """What limits the network on the chip, and what every single change of `changes` gains when it is run again.

    The objective is per inference: "energy" (pJ), "latency" (s) or "edp" (their product over the network). Raises SpecError for
    an unknown objective, and Declined where the network does not run on the chip at all.
    """
    if objective not in SINGLE_BEST:
        raise unknown_name("objective", objective, SINGLE_BEST)
    load = loader(model)
    ask = replace(ask or Ask(), batch=batch, bits=bits, objective=objective)
    base = MappedChip(chip=chip).mapped(load(batch, bits), ask)
    width = bits or widest(base.network)
    candidates = changes(chip, batch, width, any_batch=_takes(load, 2 * batch, bits))
    tell = progress or (lambda done, of, what: None)
    first = first_look(load(batch, bits), chip, objective, ask.space, ask.operators)
    tried = []
    for i, change in enumerate(candidates):
        tell(i, len(candidates), change.name)
        tried.append(_try(load, change, base, first, batch, bits, ask))
    tried.sort(key=lambda t: -(t.gain if t.gain is not None else float("-inf")))
    return Advice(
        model=base.model,
        chip=chip,
        objective=objective,
        batch=batch,
        bits=width,
        base=base,
        limits=tuple(_limits(base, tried, batch)),
        tried=tuple(tried),
    )


def first_look(network: Network, chip: Chip, objective: str, space: str, operators: str = "all") -> float:
    """The objective of the whole network at the best mappings of the smallest space; inf where a layer finds none."""
    seen: dict[object, Cost | None] = {}
    network = AtOwnWidth(chip.compute.bits)(network)
    others = network_operators(network, chip) if operators == "all" else ()
    energy, seconds = sum(x.energy_pj for x in others), sum(x.cycles for x in others) / chip.clock_hz
    for step in network.layers:
        layer = step.layer
        if layer.shape_key not in seen:
            seen[layer.shape_key] = quick_cost(layer, chip, objective, space)
        cost = seen[layer.shape_key]
        if cost is None:
            return float("inf")
        energy, seconds = energy + step.count * cost.energy_pj, seconds + step.count * cost.latency_s
    return _objective(objective, energy, seconds)


def _objective(objective: str, energy_pj: float, seconds: float) -> float:
    return {"energy": energy_pj, "latency": seconds}.get(objective, energy_pj * seconds)


def _per_inference(objective: str, value: float, batch: int) -> float:
    """Energy and time are shared by the batch; so is each factor of their product."""
    return value / (batch**2 if objective == "edp" else batch)


def _takes(load: Loader, batch: int, bits: int | None) -> bool:
    try:
        load(batch, bits)
    except SpecError:
        return False
    return True


def _try(load: Loader, change: Change, base: NetworkResult, first: float, batch: int, bits: int | None, ask: Ask) -> Tried:
    """Predict the change, then run it."""
    after_batch, after_bits = change.batch or batch, change.bits or bits
    network = load(after_batch, after_bits)
    try:
        guess = first_look(network, change.chip, ask.objective, ask.space, ask.operators)
        result = MappedChip(chip=change.chip).mapped(network, replace(ask, batch=after_batch, bits=change.bits or ask.bits))
    except PicojouleError as e:
        return Tried(change=change, predicted_gain=None, gain=None, result=None, proved=False, note=e.problem)
    predicted = 1 - _per_inference(ask.objective, guess, after_batch) / _per_inference(ask.objective, first, batch)
    after = _per_inference(ask.objective, _objective(ask.objective, result.energy_pj, result.latency_s), after_batch)
    before = _per_inference(ask.objective, _objective(ask.objective, base.energy_pj, base.latency_s), batch)
    note = "" if result.proved else f"search stopped: {claim(result.proved, result.gap)}"
    return Tried(change=change, predicted_gain=predicted, gain=1 - after / before, result=result, proved=result.proved, note=note)


def _limits(base: NetworkResult, tried: list[Tried], batch: int) -> list[Limit]:
    out = []
    for i, x in enumerate(base.layers):
        cost = x.result.cost
        causes = sorted(cost.cycles_by_cause, key=lambda c: -c[1])
        component, spent = max(cost.by("component").items(), key=lambda kv: kv[1])
        name, gain = _best_of_layer(i, x, base, tried, batch)
        next_cause, next_cycles = causes[1] if len(causes) > 1 else ("", 0.0)
        out.append(
            Limit(layer=x.names[0], count=x.count, latency_share=x.count * cost.cycles / base.cycles,
                  energy_share=x.count * cost.energy_pj / base.energy_pj, waits_for=causes[0][0], next_cause=next_cause,
                  slack=cost.cycles / next_cycles if next_cycles else float("inf"), spends_on=component[0],
                  spent_share=spent / cost.energy_pj, best_change=name, best_gain=gain)
        )  # fmt: skip
    return out


def _best_of_layer(i: int, x: NetworkLayer, base: NetworkResult, tried: list[Tried], batch: int) -> tuple[str, float]:
    """(change, gain) of the change after which this layer alone has the lowest objective, among the runs of the whole network."""
    before = _objective(base.objective, x.result.cost.energy_pj, x.result.cost.latency_s)
    best, gain = "", 0.0
    for t in tried:
        if t.result is None or len(t.result.layers) != len(base.layers):
            continue
        cost, after_batch = t.result.layers[i].result.cost, t.change.batch or batch
        value = _objective(base.objective, cost.energy_pj, cost.latency_s)
        now = 1 - _per_inference(base.objective, value, after_batch) / _per_inference(base.objective, before, batch)
        if now > gain + SAME:
            best, gain = t.change.name, now
    return best, gain

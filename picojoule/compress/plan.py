"""What is to be changed in a network: bits, channels, zeros and rank; and the network that the changes leave, without an export.

A plan knows no weights, so that it can be priced before it is carried out on the torch module; exporting the changed module
has to give the layers that `WithPlan` says.

Who stores what: an activation is written once and read by all its readers at the same width, so `stored_bits` gives each the
widest that any of them asks for. ReLU, max pooling, folded normalisation, bias and views are done as values are written, so
they pass a width on. Every other operator between layers (a residual sum, a mean) computes: its operands keep `SUM_BITS` or
more, and results of the network `RESULT_BITS`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from picojoule.errors import SpecError, unknown_name
from picojoule.workload.layer import Layer, conv, gemm
from picojoule.workload.network import Network, Step, mac_step
from picojoule.workload.op import Op

if TYPE_CHECKING:
    from picojoule.compress.prune.structured import Structure, Width

BITS = range(2, 17)
SUM_BITS = 8  # of operands of residual sums and means, quantised there too
RESULT_BITS = 16  # of what leaves the network
PASSING = frozenset({"Relu", "MaxPool", "BatchNormalization", "Bias", "Reshape", "Dropout", "Clip", "Identity", "Flatten"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPlan:
    """One layer. `density`: share of its weights that are not zero; `rank`: of the two layers that take its place (None: one)."""

    weight_bits: int = 16
    input_bits: int = 16
    density: float = 1.0
    rank: int | None = None

    def __post_init__(self) -> None:
        for what, bits in (("weights", self.weight_bits), ("inputs", self.input_bits)):
            if bits not in BITS:
                raise SpecError(f"{what} of {bits} b", where="plan", hint=f"{BITS[0]} to {BITS[-1]}; 16 stays as it is")
        if not 0 < self.density <= 1:
            raise SpecError(f"density {self.density}", where="plan", hint="a share above 0, at most 1")
        if self.rank is not None and self.rank < 1:
            raise SpecError(f"rank {self.rank}", where="plan", hint="1 or more")


WHOLE = LayerPlan()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Layers by name; channel groups (`structured.Structure`) with the channels they keep. What is not named stays whole."""

    layers: tuple[tuple[str, LayerPlan], ...] = ()
    channels: tuple[tuple[str, int], ...] = ()
    _by_name: dict[str, LayerPlan] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(sorted((n, p) for n, p in dict(self.layers).items() if p != WHOLE)))
        object.__setattr__(self, "channels", tuple(sorted(dict(self.channels).items())))
        object.__setattr__(self, "_by_name", dict(self.layers))
        for group, kept in self.channels:
            if kept < 1:
                raise SpecError(f"group {group!r} keeps {kept} channels", where="plan", hint="keep at least one")

    @classmethod
    def uniform(cls, layers: Iterable[str], **values: Any) -> Plan:
        """The same for every named layer: `Plan.uniform(names, weight_bits=8, input_bits=8)`."""
        return cls(layers=tuple((name, LayerPlan(**values)) for name in layers))

    def of(self, layer: str) -> LayerPlan:
        return self._by_name.get(layer, WHOLE)

    def kept(self, group: str, size: int) -> int:
        return dict(self.channels).get(group, size)

    def but(self, layer: str, **changes: Any) -> Plan:
        """The same plan with other values for one layer."""
        return replace(self, layers=(*self.layers, (layer, replace(self.of(layer), **changes))))

    def keeping(self, group: str, channels: int) -> Plan:
        """The same plan with so many channels of one group."""
        return replace(self, channels=(*self.channels, (group, channels)))

    @property
    def key(self) -> str:
        """A short digest of what the plan says."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        return {"layers": {name: asdict(p) for name, p in self.layers}, "channels": dict(self.channels)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], where: str = "plan") -> Plan:
        try:
            layers = tuple((str(n), LayerPlan(**p)) for n, p in value["layers"].items())
            return cls(layers=layers, channels=tuple((str(g), int(n)) for g, n in value["channels"].items()))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise SpecError(f"this is no plan: {error}", where=where, hint='write {"layers": {...}, "channels": {...}}') from None

    def checked(self, network: Network) -> Plan:
        """The plan, if the network has the layers that it names."""
        known = [s.layer.name for s in network.layers]
        for name, _ in self.layers:
            if name not in known:
                raise unknown_name("layer", name, known, "plan")
        return self


class Storage:
    """Which activations a network writes, and who reads them: what ties the widths of its layers together."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def widths(self, plan: Plan) -> dict[str, tuple[int, int]]:
        """(input, output) bits of every layer, as they are stored under the plan."""
        found = {}
        for step in self.network.layers:
            read = self._width(self.written(step.inputs[0]), plan) if step.inputs else plan.of(step.layer.name).input_bits
            found[step.layer.name] = (read, self._width(step.outputs[0], plan) if step.outputs else RESULT_BITS)
        return found

    def layer(self, name: str) -> Layer:
        """A MAC layer by name."""
        return next(s.layer for s in self.network.layers if s.layer.name == name)

    def summed(self) -> tuple[str, ...]:
        """The layers whose results an operator that computes reads: those are rounded as they leave the layer."""

        def reach(activation: str) -> bool:
            return any(
                mac_step(s) is None and bool(s.outputs) and (s.layer.op not in PASSING or any(map(reach, s.outputs)))
                for s in self.network.readers(activation)
            )

        return tuple(s.layer.name for s in self.network.layers if s.outputs and reach(s.outputs[0]))

    def written(self, activation: str) -> str:
        """The activation as it was when written, before operators that are done on the way."""
        step = self.network.producer(activation)
        if step is None or step.layer.op not in PASSING or len(step.inputs) != 1:
            return activation
        return self.written(step.inputs[0])

    def sharing(self) -> tuple[tuple[str, ...], ...]:
        """Layers with trained weights in groups that read one activation: whatever it is stored at, they read it so."""
        found: dict[str, list[str]] = {}
        for step in self.network.layers:
            if any(t.learned for t in step.layer.tensors):
                read = self.written(step.inputs[0]) if step.inputs else step.layer.name
                found.setdefault(read, []).append(step.layer.name)
        return tuple(tuple(names) for names in found.values())

    def _width(self, activation: str, plan: Plan) -> int:
        """The widest that any reader asks for."""
        asked = []
        for step in self.network.readers(activation):
            if mac_step(step) is not None:
                asked.append(plan.of(step.layer.name).input_bits)
            elif step.outputs:  # without one it is a view or adds a bias, and reads what the next reader gets
                after = max(self._width(o, plan) for o in step.outputs)
                asked.append(after if step.layer.op in PASSING else max(SUM_BITS, after))
        return max(asked, default=RESULT_BITS)


@dataclass(frozen=True)
class WithPlan:
    """What a plan leaves. `structure` says which layers share channels, where channels go."""

    plan: Plan
    structure: Structure | None = None

    def __call__(self, network: Network, /) -> Network:
        """The MAC layers that the plan leaves of a network, with their widths and densities.

        Only MAC layers are kept, and their inputs and outputs are names: what the other operators amount to needs an export.
        """
        plan, structure, bits = self.plan, self.structure, Storage(network).widths(self.plan)
        if plan.channels and structure is None:
            problem = "channels go, but no structure says which layers share them"
            raise SpecError(problem, where="plan", hint="give structure(module, images)")
        widths = structure.widths(dict(plan.channels)) if structure and plan.channels else {}
        steps: list[Step[Op]] = []
        for step in network.layers:
            name = step.layer.name
            layers = planned(step.layer, plan.of(name), *bits[name], widths.get(name))
            steps.extend(replace(step, layer=x, accesses=step.named()) for x in layers)
        return Network(network.name, tuple(steps), source=network.source, notes=network.notes)


def planned(layer: Layer, own: LayerPlan, read: int, written: int, width: Width | None = None) -> tuple[Layer, ...]:
    """What takes the place of one layer: its channels (`width`), then its bits and zeros, then its factors."""
    if width is not None:
        from picojoule.compress.prune.structured import resized

        layer = resized(layer, width)
    layer = with_widths(layer, own.weight_bits, read, written)
    if own.density < 1:
        layer = layer.with_density("plan", weight=own.density)
    return factors(layer, own)


def with_widths(layer: Layer, weight: int, read: int, written: int) -> Layer:
    """The layer with these bits; a second operand that nobody trained, as in attention, is an activation."""
    trained = any(t.learned for t in layer.tensors)
    return layer.bits_of(weight=weight if trained else read, input=read, output=written)


def factors(layer: Layer, own: LayerPlan) -> tuple[Layer, ...]:
    """The layer, or the two of its rank: the same with `rank` results, then a product (1 x 1) that makes all of them.

    They are called NAME.0 and NAME.1; what lies between them is stored like the input.
    """
    if own.rank is None:
        return (layer,)
    made, bounds = {"W": "K", "B": "N"}.get(next(t.name for t in layer.tensors if t.role == "weight"), ""), layer.bounds
    if not made or bounds.get("G", 1) > 1 or not 2 <= own.rank < bounds.get(made, 1):
        raise SpecError(
            f"layer {layer.name!r} has no two factors of rank {own.rank}",
            where="plan",
            hint="a linear layer or an ungrouped convolution, rank from 2 to less than its results",
        )
    between, rank = own.input_bits, own.rank
    first = replace(layer, name=f"{layer.name}.0", dims=tuple((d, rank if d == made else n) for d, n in layer.dims))
    n = bounds.get("N", 1) if made == "K" else 1
    if made == "K":
        second = conv(f"{layer.name}.1", K=bounds["K"], C=rank, P=bounds.get("P", 1), Q=bounds.get("Q", 1), R=1, S=1, batch=n)
    else:
        second = gemm(f"{layer.name}.1", M=bounds.get("M", 1), N=bounds["N"], K=rank)
    return first.bits_of(output=between), with_widths(second, own.weight_bits, between, round(layer.output.bits))

"""What a network asks of any hardware: MACs, weights, activations, reuse, intensity, peak memory and bounds on DRAM traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from picojoule.workload import ops as table
from picojoule.workload.layer import Layer
from picojoule.workload.network import Lifetime, Network, Step
from picojoule.workload.op import Op


@dataclass(frozen=True)
class LayerProfile:
    """One MAC layer with its repetitions. Counts and bytes are of all `count` repetitions; shared weights count once.

    A step that uses the weights of another one again counts none itself, though it moves their bytes.

    `reuse` is MACs per distinct element of each tensor, of one repetition. Intensities divide by every word moved once.
    DRAM bounds in words: at worst 4 accesses for each MAC (two operands and the partial sum read, the sum written), at
    best every distinct word once (survey section 2.1: AlexNet, 724 M MACs, about 3,000 M at worst and 61 M at best).
    """

    name: str
    op: str
    count: int
    macs: int
    weights: int  # multiplied trained weights, without biases
    input_elements: int  # activations read, the second operand of attention included
    output_elements: int
    weight_bytes: float
    input_bytes: float
    output_bytes: float
    reuse: tuple[tuple[str, float], ...]
    macs_per_byte: float
    ops_per_byte: float
    dram_worst_accesses: int
    dram_best_accesses: int
    dims: tuple[tuple[str, int], ...]
    note: str = ""


@dataclass(frozen=True)
class VectorProfile:
    """One operator without MACs. Its bytes are read and written; `ops` of an unknown operator are not counted."""

    name: str
    op: str
    count: int
    ops: int
    bytes: float
    known: bool
    share_of_bytes: float  # of all bytes that all operators read and write
    share_of_ops: float  # of all operations, a MAC being two
    why: str = ""


@dataclass(frozen=True)
class Totals:
    """Sums over the network. Operations count a MAC as two. Best-case DRAM traffic keeps what lies between layers on chip."""

    macs: int
    weights: int
    weight_bytes: float
    input_elements: int
    output_elements: int
    layer_bytes: float  # every word of every MAC layer once
    macs_per_byte: float
    ops_per_byte: float
    vector_ops: int
    vector_bytes: float
    vector_share_of_ops: float
    vector_share_of_bytes: float
    unknown_operators: int
    unknown_share_of_bytes: float
    peak_activation_bytes: float
    peak_at: str
    dram_worst_accesses: int
    dram_best_accesses: int  # weights, network inputs and network outputs once
    dram_best_by_layer_accesses: int  # every layer on its own: each of its words once


@dataclass(frozen=True)
class Profile:
    """`profile(network)`: totals, MAC layers, and the other operators, in execution order."""

    model: str
    source: str
    totals: Totals
    layers: tuple[LayerProfile, ...]
    vector_ops: tuple[VectorProfile, ...]
    notes: tuple[str, ...] = ()

    @property
    def unknown(self) -> tuple[VectorProfile, ...]:
        """The operators that the reader did not understand."""
        return tuple(v for v in self.vector_ops if not v.known)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON: {"model", "totals": {...}, "layers": [...], "vector_ops": [...], ...}."""
        layers = [asdict(x) | {"reuse": dict(x.reuse), "dims": dict(x.dims)} for x in self.layers]
        return {
            "model": self.model,
            "source": self.source,
            "totals": asdict(self.totals),
            "layers": layers,
            "vector_ops": [asdict(x) for x in self.vector_ops],
            "notes": list(self.notes),
        }


def profile(network: Network) -> Profile:
    """The network's demands, before any hardware: counts are exact, bytes follow from the bits of each tensor."""
    layers = tuple(_layer_profile(s) for s in network.layers)
    vectors = network.vector_ops
    layer_bytes = sum(x.weight_bytes + x.input_bytes + x.output_bytes for x in layers)
    vector_bytes = sum(map(_vector_bytes, vectors))
    macs = sum(x.macs for x in layers)
    all_ops = 2 * macs + sum(s.count * (s.layer.ops or 0) for s in vectors)
    others = tuple(_vector_profile(s, layer_bytes + vector_bytes, all_ops) for s in vectors)
    totals = _totals(network, layers, others, layer_bytes, vector_bytes, all_ops)
    return Profile(network.name, network.source, totals, layers, others, network.notes)


def _totals(
    network: Network,
    layers: tuple[LayerProfile, ...],
    others: tuple[VectorProfile, ...],
    layer_bytes: float,
    vector_bytes: float,
    all_ops: int,
) -> Totals:
    macs, weights = sum(x.macs for x in layers), sum(x.weights for x in layers)
    unknown = [v for v in others if not v.known]
    peak, at = peak_activations(network)
    return Totals(
        macs=macs,
        weights=weights,
        weight_bytes=sum(x.weight_bytes for x in layers),
        input_elements=sum(x.input_elements for x in layers),
        output_elements=sum(x.output_elements for x in layers),
        layer_bytes=layer_bytes,
        macs_per_byte=_ratio(macs, layer_bytes),
        ops_per_byte=_ratio(2 * macs, layer_bytes),
        vector_ops=sum(v.ops for v in others),
        vector_bytes=vector_bytes,
        vector_share_of_ops=_ratio(all_ops - 2 * macs, all_ops),
        vector_share_of_bytes=_ratio(vector_bytes, layer_bytes + vector_bytes),
        unknown_operators=len(unknown),
        unknown_share_of_bytes=sum(v.share_of_bytes for v in unknown),
        peak_activation_bytes=peak,
        peak_at=at,
        dram_worst_accesses=4 * macs,
        dram_best_accesses=weights + _border_elements(network),
        dram_best_by_layer_accesses=sum(x.dram_best_accesses for x in layers),
    )


def _layer_profile(step: Step[Layer]) -> LayerProfile:
    layer = step.layer
    elements = {t.name: layer.elements(t) for t in layer.tensors}
    sets = {t.name: 1 if t.learned and step.shares_weights else step.count for t in layer.tensors}
    amount = {t.name: sets[t.name] * elements[t.name] for t in layer.tensors}
    size = {t.name: amount[t.name] * t.bits / 8 for t in layer.tensors}
    weights = [t.name for t in layer.tensors if t.learned]
    inputs = [t.name for t in layer.tensors if not t.learned and t.role != "output"]
    macs, moved = step.count * layer.macs, sum(size.values())
    return LayerProfile(
        name=layer.name,
        op=layer.op,
        count=step.count,
        macs=macs,
        weights=0 if step.reuses else sum(amount[t] for t in weights),
        input_elements=sum(amount[t] for t in inputs),
        output_elements=amount[layer.output.name],
        weight_bytes=sum(size[t] for t in weights),
        input_bytes=sum(size[t] for t in inputs),
        output_bytes=size[layer.output.name],
        reuse=tuple((t, _ratio(layer.macs, n)) for t, n in elements.items()),
        macs_per_byte=_ratio(macs, moved),
        ops_per_byte=_ratio(2 * macs, moved),
        dram_worst_accesses=4 * macs,
        dram_best_accesses=sum(amount.values()),
        dims=layer.dims,
        note=layer.note,
    )


def _vector_profile(step: Step[Op], all_bytes: float, all_ops: int) -> VectorProfile:
    op = step.layer
    moved, ops = _vector_bytes(step), step.count * (op.ops or 0)
    return VectorProfile(
        name=op.name,
        op=op.op,
        count=step.count,
        ops=ops,
        bytes=moved,
        known=op.known,
        share_of_bytes=_ratio(moved, all_bytes),
        share_of_ops=_ratio(ops, all_ops),
        why=op.note,
    )


def _vector_bytes(step: Step[Op]) -> float:
    op = step.layer
    return step.count * (op.read_elements + op.written_elements) * op.bits / 8


def peak_activations(network: Network) -> tuple[float, str]:
    """Most bytes of activations alive at once in the given order, and the step where: weights are not counted.

    An activation lives from the step that makes it (inputs: from the start) to the last that uses it (outputs: to the
    end). An element-wise operator writes over an operand of the same size that dies there, as any planner does.
    """
    size = {t.name: t.elements * t.bits / 8 for t in network.activations}
    lives = {name: life for name in size if (life := network.lifetime(name)) is not None}
    change: dict[int, float] = {}
    for name, life in lives.items():
        change[life.first] = change.get(life.first, 0.0) + size[name]
        change[life.last + 1] = change.get(life.last + 1, 0.0) - size[name]
    alive, peak, at = change.get(-1, 0.0), change.get(-1, 0.0), "the inputs"
    for i, step in enumerate(network.steps):
        alive += change.get(i, 0.0)
        here = alive - _overwritten(step, i, size, lives)
        if here > peak:
            peak, at = here, step.layer.name
    return peak, at


def _overwritten(step: Step[Op], i: int, size: Mapping[str, float], lives: Mapping[str, Lifetime]) -> float:
    """Bytes of an operand that an element-wise operator may overwrite with its result."""
    in_place = table.PER_ELEMENT.keys() | table.VARIADIC | {"BatchNormalization"}
    if step.layer.op not in in_place or len(step.outputs) != 1:
        return 0.0
    result = size.get(step.outputs[0], 0.0)
    reusable = [x for x in step.inputs if x in lives and lives[x].last == i and lives[x].first < i and size[x] == result]
    return result if reusable else 0.0


def _border_elements(network: Network) -> int:
    """Elements of what is there before the first step or after the last, parameters apart."""
    lives = ((t, network.lifetime(t.name)) for t in network.activations)
    return sum(t.elements for t, life in lives if life is not None and (life.first < 0 or life.last == len(network.steps)))


def _ratio(a: float, b: float) -> float:
    return a / b if b else 0.0

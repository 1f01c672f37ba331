"""One pass over an ONNX graph: what is known of each node, what is folded away, and which steps the others become."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx

from picojoule.errors import SpecError
from picojoule.workload.building.builder import BITS, Builder, Value
from picojoule.workload.network import Network
from picojoule.workload.onnx.facts import Facts, attributes

_WIDTHS = {  # of the types in which quantised models keep their numbers
    "INT2": 2,
    "UINT2": 2,
    "INT4": 4,
    "UINT4": 4,
    "INT8": 8,
    "UINT8": 8,
    "INT16": 16,
    "UINT16": 16,
    "INT32": 32,
    "FLOAT8E4M3FN": 8,
    "FLOAT8E4M3FNUZ": 8,
    "FLOAT8E5M2": 8,
    "FLOAT8E5M2FNUZ": 8,
    "FLOAT4E2M1": 4,
}
_TYPES = dict(onnx.TensorProto.DataType.items())  # older releases of onnx lack the narrowest
INTEGER_BITS = {int(_TYPES[name]): bits for name, bits in _WIDTHS.items() if name in _TYPES}
QUANTISED = ("QLinear", "QuantizeLinear", "DequantizeLinear", "DynamicQuantize", "ConvInteger", "MatMulInteger", "MatMulNBits")
FOLLOWING = frozenset({"Relu", "Clip", "LeakyRelu", "HardSwish", "HardSigmoid", "Sigmoid"})  # fused before a quantiser
NEW_CACHE = "present"  # exporters of decoders call the keys and values so that the next token reads: "present.0.key"

# by `key`: operators whose MACs must be counted
MAC_OPS = frozenset(
    {"Conv", "ConvTranspose", "QLinearConv", "ConvInteger", "DeformConv", "Gemm", "MatMul", "MatMulInteger", "QLinearMatMul"}
    | {"Einsum", "RNN", "LSTM", "GRU", "Attention"}
    | {f"com.microsoft.{x}" for x in ("QGemm", "FusedMatMul", "MatMulNBits", "DynamicQuantizeLSTM", "FusedConv", "FusedGemm")}
    | {"CausalConvWithState"}
    | {f"com.microsoft.{x}" for x in ("Attention", "MultiHeadAttention", "GroupQueryAttention")}
)


def key(node: onnx.NodeProto) -> str:
    """The operator's name, with its domain where that is not the standard's."""
    return node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"


@dataclass
class Reader:
    """One pass over a graph: facts of each node first, then its step."""

    model: onnx.ModelProto
    shapes: Mapping[str, tuple[int, ...]]
    where: str
    lower: Callable[[Reader, onnx.NodeProto], None]  # makes the steps of a node
    values: dict[str, Value] = field(default_factory=dict)  # ONNX activation -> activation of the network
    unresolved: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        name = self.model.graph.name or Path(self.where).stem
        self.build = Builder(Path(self.where).stem, source=f"{Path(self.where).name} (graph {name!r})")
        self.facts = Facts(self.model, self.shapes)
        self.quantised = any(n.op_type.startswith(QUANTISED) for n in self.model.graph.node)
        self.constant_bits: dict[str, int] = {}
        self.narrow = _narrow(self.model.graph) if self.quantised else {}
        self.kept = {x for n in self.model.graph.node for x in _used(n)} | {o.name for o in self.model.graph.output}

    def read(self) -> Network:
        """The network; raises if a MAC operator's shapes stay unknown."""
        for name, shape in self.shapes.items():
            self.values[name] = self.build.input(name, shape, self.bits(name))
        self.walk(self.model.graph)
        if self.unresolved:
            shown = "; ".join(self.unresolved[:6])
            shown += f"; and {len(self.unresolved) - 6} more" if len(self.unresolved) > 6 else ""
            raise SpecError(
                f"shapes of {len(self.unresolved)} operators cannot be found: {shown}",
                where=self.where,
                hint="give symbolic sizes with --dim name=value, or save the file with inferred shapes",
            )
        if self.quantised:
            self.build.notes.append("quantised: integer tensors have the width of their type, all others 16 b")
        results = [self.values[o.name] for o in self.model.graph.output if o.name in self.values]
        self.build.cached(*(v for v in results if v.name.startswith(NEW_CACHE)))
        return self.build.network(*results)

    def walk(self, graph: onnx.GraphProto) -> None:
        """Every node of a graph in order."""
        for node in graph.node:
            if (node.op_type == "If" and self._taken_branch(node)) or (node.op_type == "Loop" and self._unrolled(node)):
                continue
            self.facts.learn(node)
            if self._is_folded(node):
                continue
            wrong = any(x in self.facts.contradicted for x in node.output)
            if self.lost(node) and (key(node) in MAC_OPS or wrong):
                self._refuse(node)
            else:
                self.lower(self, node)

    # -- what handlers ask ----------------------------------------------------------------------------------------

    def lost(self, node: onnx.NodeProto) -> list[str]:
        """Operands of unknown shape, and the first result if its shape is not known."""
        return [x for x in (*node.input, *node.output[:1]) if x and x not in self.values and x not in self.facts.shapes]

    def label(self, node: onnx.NodeProto) -> str:
        """The name of a node's step: its own, or that of its first result."""
        return node.name or next((x for x in node.output if x), node.op_type)

    def shape(self, name: str) -> tuple[int, ...]:
        return self.values[name].shape if name in self.values else self.facts.shapes[name]

    def is_constant(self, name: str) -> bool:
        return name in self.facts.constant

    def bits(self, name: str) -> int:
        """Bits per element: 16, or those of the integer type in a quantised model."""
        if not self.quantised:
            return BITS
        if name in self.constant_bits:
            return self.constant_bits[name]
        return self.narrow.get(name) or INTEGER_BITS.get(self.facts.types.get(name, 0), BITS)

    def activations(self, node: onnx.NodeProto) -> list[Value]:
        """The operands that are computed during the inference."""
        return [self.values[x] for x in node.input if x in self.values]

    def constants(self, node: onnx.NodeProto) -> int:
        """Elements of the operands that are constant."""
        return sum(math.prod(self.facts.shapes[x]) for x in node.input if self.is_constant(x) and x in self.facts.shapes)

    def stored(self, name: str) -> str:
        """The stored weights behind a constant, so that a second use of them is recognised; "" for an activation."""
        return self.facts.origin.get(name, name) if self.is_constant(name) else ""

    def trained(self, node: onnx.NodeProto, name: str) -> Value:
        """A constant operand as a parameter of the network."""
        return self.build.weight(f"{self.label(node)}.weight", self.shape(name), self.bits(name), self.stored(name))

    def operand(self, node: onnx.NodeProto, name: str) -> Value:
        """An operand of a node: a trained parameter, or an activation."""
        return self.trained(node, name) if self.is_constant(name) else self.values[name]

    def result(self, node: onnx.NodeProto, index: int = 0) -> Value:
        """The activation that a node makes."""
        name = node.output[index]
        self.values[name] = self.build.value(name, self.facts.shapes[name], self.bits(name))
        return self.values[name]

    def results(self, node: onnx.NodeProto) -> list[Value]:
        """All activations that a node makes and anything uses."""
        known = [i for i, x in enumerate(node.output) if x in self.facts.shapes and (i == 0 or x in self.kept)]
        return [self.result(node, i) for i in known]

    def unknown(self, node: onnx.NodeProto, why: str) -> None:
        """Keep an operator whose work is not understood: its bytes count, its operations do not, and the profile says so."""
        outputs = self.results(node)
        xs, parameters = self.activations(node), self.constants(node)
        self.build.vector(self.label(node), node.op_type, None, xs, outputs, parameters=parameters, why=why)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _is_folded(self, node: onnx.NodeProto) -> bool:
        """Whether the node only concerns constants, and so is done before the inference."""
        if not all(x in self.facts.constant for x in node.output if x):
            return False
        for x in node.output:
            self.constant_bits[x] = self.bits(node.input[0]) if node.input and node.input[0] else BITS
        return True

    def _refuse(self, node: onnx.NodeProto) -> None:
        """Remember a node whose missing shapes are a reason to refuse the file."""
        why = next((self.facts.reasons[x] for x in (*node.output, *self.lost(node)) if x in self.facts.reasons), "")
        self.unresolved.append(f"{self.label(node)} ({node.op_type}{': ' + why if why else ''})")

    def _taken_branch(self, node: onnx.NodeProto) -> bool:
        """Walk the branch of an If whose condition is constant, as exporters write for optional squeezes."""
        condition = self.facts.values.get(node.input[0])
        if condition is None:
            return False
        branch = attributes(node)["then_branch" if bool(condition.reshape(-1)[0]) else "else_branch"]
        self.facts.add_constants(branch)
        self.kept |= {x for n in branch.node for x in _used(n)} | {o.name for o in branch.output}
        self.walk(branch)
        for outer, inner in zip(node.output, branch.output, strict=True):
            self.facts.alias(outer, inner.name)
            if inner.name in self.values:
                self.values[outer] = self.values[inner.name]
        return True

    def _unrolled(self, node: onnx.NodeProto) -> bool:
        """Walk the body of a Loop as often as it runs, where its trip count is constant and nothing ends it early."""
        body, label = attributes(node)["body"], self.label(node)
        trips, start = (self.facts.values.get(x) if x else None for x in (*node.input[:2], "")[:2])
        if trips is None or (node.input[1] and (start is None or not start.all())) or not _goes_on(body):
            return False
        times = int(trips.reshape(-1)[0])
        if not 0 < times * len(body.node) <= UNROLLED or any(a.HasField("g") for n in body.node for a in n.attribute):
            return False
        self.facts.add_constants(body)
        carried, rows = list(node.input[2:]), list[list[str]]()
        for i in range(times):
            number, condition = f"{label}.{i}.number", f"{label}.{i}.condition"
            self.facts.fixed(number, np.asarray(i, np.int64))
            self.facts.fixed(condition, np.asarray(True))
            names = dict(zip((x.name for x in body.input), (number, condition, *carried), strict=True))
            names |= {x: f"{label}.{i}.{x}" for n in body.node for x in n.output if x}
            self._walk_nodes([_renamed(n, names, f"{label}.{i}.") for n in body.node])
            made = [names.get(o.name, o.name) for o in body.output[1:]]
            carried, stacked = made[: len(carried)], made[len(carried) :]
            rows.append(stacked)
        for outer, inner in zip(node.output, carried, strict=False):
            self.facts.alias(outer, inner)
            if inner in self.values:
                self.values[outer] = self.values[inner]
        axis = f"{label}.axis"
        self.facts.fixed(axis, np.zeros(1, np.int64))
        for outer, parts in zip(node.output[len(carried) :], zip(*rows, strict=True), strict=False):
            if outer:
                high = [f"{x}.row" for x in parts]
                lifted = [onnx.helper.make_node("Unsqueeze", [x, axis], [y], name=y) for x, y in zip(parts, high, strict=True)]
                self._walk_nodes([*lifted, onnx.helper.make_node("Concat", high, [outer], name=f"{label}.rows", axis=0)])
        return True

    def _walk_nodes(self, nodes: list[onnx.NodeProto]) -> None:
        graph = onnx.GraphProto(node=nodes)
        self.kept |= {x for n in nodes for x in _used(n)}
        self.walk(graph)


UNROLLED = 4096  # operators: a loop that runs more of them is reported instead


def _goes_on(body: onnx.GraphProto) -> bool:
    """Whether a body hands on the condition under which it was entered."""
    producers = {x: n for n in body.node for x in n.output}
    name = body.output[0].name
    while name in producers and producers[name].op_type == "Identity":
        name = producers[name].input[0]
    if name in producers and producers[name].op_type == "Constant":
        value = attributes(producers[name]).get("value")
        return value is not None and bool(onnx.numpy_helper.to_array(value).all())
    stated = {t.name: t for t in body.initializer}
    return name == body.input[1].name or (name in stated and bool(onnx.numpy_helper.to_array(stated[name]).all()))


def _renamed(node: onnx.NodeProto, names: Mapping[str, str], prefix: str) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name = prefix + node.name if node.name else ""
    copy.input[:] = [names.get(x, x) for x in node.input]
    copy.output[:] = [names.get(x, x) for x in node.output]
    return copy


def _used(node: onnx.NodeProto) -> set[str]:
    """Names that a node reads, those inside the bodies of control flow included."""
    bodies = [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    inner = {x for g in bodies for n in g.node for x in _used(n)} | {o.name for g in bodies for o in g.output}
    return set(node.input) | inner


def _narrow(graph: onnx.GraphProto) -> dict[str, int]:
    """Bits of tensors that go to a quantiser and nowhere else: their producer writes the integers, as integer hardware does."""
    producers = {x: n for n in graph.node for x in n.output}
    users: dict[str, int] = {}
    for n in graph.node:
        for x in n.input:
            users[x] = users.get(x, 0) + 1
    types = {t.name: t.data_type for t in graph.initializer}
    found: dict[str, int] = {}
    for node in graph.node:
        if node.op_type != "QuantizeLinear":
            continue
        zero = node.input[2] if len(node.input) > 2 else ""
        bits = INTEGER_BITS.get(types.get(zero, onnx.TensorProto.UINT8), 8)
        name = node.input[0]
        while users.get(name) == 1 and name in producers:
            found[name] = bits
            if producers[name].op_type not in FOLLOWING:
                break
            name = producers[name].input[0]
    return found

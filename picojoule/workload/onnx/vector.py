"""The ONNX operators without MACs: how many operations, and which bytes move. What is not understood is reported."""

from __future__ import annotations

import math

import onnx

from picojoule.workload import ops as table
from picojoule.workload.building.builder import Value
from picojoule.workload.building.shapes import Shape
from picojoule.workload.onnx.facts import attributes
from picojoule.workload.onnx.index import index_of
from picojoule.workload.onnx.reader import MAC_OPS, Reader, key

DOMAINS = ("", "ai.onnx", "com.microsoft")
ALIASES = {  # operators of onnxruntime that do what another one does
    "FastGelu": "GeluTanh",
    "BiasGelu": "Gelu",
    "QuickGelu": "QuickGelu",
    "SkipLayerNormalization": "LayerNormalization",
    "SkipSimplifiedLayerNormalization": "SimplifiedLayerNormalization",
    "QLinearAdd": "Add",
    "QLinearMul": "Mul",
    "QLinearSigmoid": "Sigmoid",
    "QLinearLeakyRelu": "LeakyRelu",
    "QLinearGlobalAveragePool": "GlobalAveragePool",
    "QLinearConcat": "Concat",
    "QLinearSoftmax": "Softmax",
}
OTHERS = frozenset({"LRN", "TopK", "Resize", "Upsample", "GridSample", "RoiAlign", "Constant"})
CONTROL = frozenset({"If", "Loop", "Scan", "SequenceMap"})


def is_understood(node: onnx.NodeProto) -> bool:
    """Whether the operator's work is known."""
    op = ALIASES.get(node.op_type, node.op_type)
    counted = (table.PER_ELEMENT, table.NORMALISATION, table.REDUCTION, table.POOLING, table.VARIADIC)
    others = (table.VIEWS, table.MOVES, table.SIZES, table.DATA_DEPENDENT, OTHERS)
    return node.domain in DOMAINS and any(op in known for known in (*counted, *others))


def vector(reader: Reader, node: onnx.NodeProto) -> None:
    """The step of an operator without MACs."""
    op = ALIASES.get(node.op_type, node.op_type)
    if op in CONTROL:
        reader.unknown(node, _body(node))
    elif not is_understood(node):
        domain = f" of domain {node.domain!r}" if node.domain else ""
        reader.unknown(node, f"operator {node.op_type}{domain} is not known")
    elif op in table.DATA_DEPENDENT or reader.lost(node):
        reader.unknown(node, "its size depends on data or on an operator that is not known")
    elif op in table.VIEWS or (op == "Transpose" and _keeps_order(reader, node)):
        x = reader.values[node.input[0]]
        reader.values[node.output[0]] = reader.build.view(x, reader.facts.shapes[node.output[0]], name=reader.label(node), op=op)
    elif op in ("QuantizeLinear", "DequantizeLinear"):
        _quantiser(reader, node)
    else:
        _counted(reader, node, op)


def _counted(reader: Reader, node: onnx.NodeProto, op: str) -> None:
    xs, parameters = reader.activations(node), reader.constants(node)
    outs = reader.results(node)
    size = xs[0].elements if xs else 0
    read: int | None = None
    rows: Value | None = None  # a trained table that rows are taken of
    if op in ("Gather", "GatherElements", "GatherND", "Slice", "Compress"):
        indices = sum(reader.values[x].elements for x in node.input[1:] if x in reader.values)
        read, parameters = outs[0].elements + indices, 0  # only what is taken
        if op == "Gather" and reader.is_constant(node.input[0]):
            rows, read, parameters = reader.trained(node, node.input[0]), indices, outs[0].elements
    elif op in ("ConstantOfShape", "Range", "EyeLike"):
        read, parameters = 0, 0
    elif (op in table.PER_ELEMENT or op in table.VARIADIC) and op == node.op_type and not reader.quantised:
        fixed = [x for x in node.input if x in reader.facts.shapes and reader.is_constant(x)]
        read = sum({x.name: x.elements for x in xs}.values()) + parameters
        xs, parameters = [*xs, *(reader.trained(node, x) for x in fixed)], 0  # constants are operands like any other
    ops = _ops(reader, node, op, xs, outs, size)
    reader.build.vector(
        reader.label(node),
        node.op_type,
        ops,
        xs,
        outs,
        read=read,
        parameters=parameters,
        table=rows,
        index=index_of(reader, node, op),
        like=op,
    )


def _ops(reader: Reader, node: onnx.NodeProto, op: str, xs: list[Value], outs: list[Value], size: int) -> int:
    """Scalar operations of an operator that `ops.py` knows."""
    made = outs[0].elements
    if op in table.VARIADIC:
        return made * max(1, len(node.input) - (op != "Mean"))
    if op in table.PER_ELEMENT:
        return made * (table.PER_ELEMENT[op] + (node.op_type == "BiasGelu"))
    if op in table.NORMALISATION:
        return size * (table.NORMALISATION[op] + node.op_type.startswith("Skip"))
    if op in table.REDUCTION:
        return size * table.REDUCTION[op]
    if op in table.POOLING:
        return made * math.prod(attributes(node).get("kernel_shape", (1,)))
    if op == "LRN":
        return size * table.lrn_ops(attributes(node)["size"])
    if op == "TopK":
        return table.top_k_ops(size, outs[0].shape[attributes(node).get("axis", -1)])
    if op in ("Resize", "Upsample"):
        mode = attributes(node).get("mode", "nearest")
        axes = sum(a != b for a, b in zip(xs[0].shape, outs[0].shape, strict=True))
        return made * axes * table.INTERPOLATION.get(mode, table.INTERPOLATION["linear"])
    if op in ("GridSample", "RoiAlign"):
        return made * 2 * table.INTERPOLATION["linear"]
    return 0


def _quantiser(reader: Reader, node: onnx.NodeProto) -> None:
    """A dequantiser works where its integers are used; a quantiser behind an operator, as that one's results leave it."""
    x, name = reader.values[node.input[0]], node.output[0]
    ops = table.PER_ELEMENT[node.op_type] * x.elements
    if node.op_type == "DequantizeLinear" or node.input[0] in reader.narrow:
        why = "done where the values are used" if node.op_type[0] == "D" else "done as the values leave their producer"
        reader.build.vector(reader.label(node), node.op_type, ops, [x], [], read=0, parameters=reader.constants(node), why=why)
        reader.values[name] = x
    else:
        reader.build.vector(reader.label(node), node.op_type, ops, [x], [reader.result(node)], parameters=reader.constants(node))


def _keeps_order(reader: Reader, node: onnx.NodeProto) -> bool:
    """Whether a transposition only moves axes of size 1, so that the data stay where they are."""
    shape: Shape = reader.shape(node.input[0])
    order = attributes(node).get("perm", list(range(len(shape)))[::-1])
    moved = [axis for axis in order if shape[axis] != 1]
    return moved == sorted(moved)


def _body(node: onnx.NodeProto) -> str:
    """What hides inside control flow, MAC operators above all."""
    bodies = [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    inside = [n for g in bodies for n in g.node]
    macs = sorted({n.op_type for n in inside if key(n) in MAC_OPS})
    found = f"; MACs of its {', '.join(macs)} are not counted" if macs else ""
    return f"control flow with {len(inside)} operators inside{found}"

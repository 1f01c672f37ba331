"""From a network to the kernels that a machine runs: products, convolutions, streaming attention, and what is fused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from picojoule.errors import SpecError
from picojoule.machines.kernels.measurements import DTYPES
from picojoule.machines.kernels.vector_ops import ELEMENTWISE, pooling_instructions, vector_cost
from picojoule.machines.kernels.ways import Shape
from picojoule.workload.layer import Layer, Tensor
from picojoule.workload.network import Network, Step, mac_step
from picojoule.workload.op import Op
from picojoule.workload.ops import POOLING, SIZES, VIEWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One kernel of a network: the step it begins with, the shape that the model sees, repetitions, and what is fused into it.

    `weight_bytes` of trained weights, and `old_bytes` (weights and cached keys and values) that the inference before used last:
    no cache on the chip holds them still unless the old bytes of the whole network fit.
    """

    name: str
    op: str
    shape: Shape
    count: int
    weight_bytes: float
    old_bytes: float
    macs: int = 0  # of one repetition, as the network counts them (scores that a mask hides included)
    fused: tuple[str, ...] = ()


def launches(
    network: Network, dtype: str, *, fused: bool = True, layout: str = "nhwc", streaming: bool = True
) -> tuple[Launch, ...]:
    """The kernels of a network in order, all in one data type.

    `fused`: element-wise operators join the kernel that makes their first operand, and cost what else they read; otherwise each
    is a kernel. `streaming`: the two products and the softmax of attention are one kernel whose scores never leave the unit.
    """
    if layout not in ("nhwc", "nchw"):
        raise SpecError(f"unknown layout {layout!r}", hint="known: nchw, nhwc")
    out: list[Launch] = []
    maker: dict[str, int] = {}  # activation -> index of the kernel that makes it
    steps = list(network.steps)
    i = 0
    while i < len(steps):
        step = steps[i]
        used = 1
        if (mac := mac_step(step)) is not None:
            attention = _attention(network, mac, steps[i : i + 6], dtype) if streaming and step.layer.op == "Attention" else None
            if attention is not None:
                launch, used = attention
            else:
                launch = _product(mac, dtype, layout)
            out.append(launch)
        elif (joined := _joins(step, out, maker, fused, dtype)) is not None:
            index, extra = joined
            before = out[index]
            dims = dict(before.shape.dims)
            dims["extra_bytes"] = dims.get("extra_bytes", 0) + extra
            out[index] = replace(
                before, shape=replace(before.shape, dims=tuple(dims.items())), fused=(*before.fused, step.layer.name)
            )
            maker |= dict.fromkeys(step.outputs, index)
            i += 1
            continue
        else:
            vector = _vector(step, dtype)
            if vector is None:
                i += 1
                continue
            out.append(vector)
        for done in steps[i : i + used]:
            maker |= dict.fromkeys(done.outputs, len(out) - 1)
        i += used
    return tuple(out)


def _product(step: Step[Layer], dtype: str, layout: str) -> Launch:
    """A MAC layer as a convolution where it has a window, else as a product by the roles of its dimensions."""
    layer, width = step.layer, DTYPES[dtype]
    shape = _convolution(layer, dtype, layout) if layer.op.startswith(("Conv", "Depthwise")) else None
    if shape is None:
        shape = Shape(family="gemm", dtype=dtype, dims=tuple(_roles(layer).items()))
    weights = sum(layer.elements(t) for t in layer.tensors if t.learned) * width
    return Launch(
        name=layer.name,
        op=layer.op,
        shape=shape,
        count=step.count,
        weight_bytes=float(weights),
        old_bytes=float(weights),
        macs=layer.macs,
    )


def _roles(layer: Layer) -> dict[str, int]:
    """B, M, N, K of a layer: dimensions in all tensors, in input and output, in weight and output, and those summed over."""
    operands = [t for t in layer.tensors if t.role != "output"]
    a = operands[0]
    b: Tensor | None = operands[1] if len(operands) > 1 else None
    if b is not None and a.role == "weight":
        a, b = b, a
    z = layer.output
    size = {"B": 1, "M": 1, "N": 1, "K": 1}
    for d, n in layer.dims:
        in_a, in_b, in_z = d in a.dims, b is not None and d in b.dims, d in z.dims
        role = "K" if not in_z else "B" if in_a and in_b else "M" if in_a else "N"
        size[role] *= n
    return size


def _convolution(layer: Layer, dtype: str, layout: str) -> Shape | None:
    """The shape of a 2-D convolution; None where the layer has other dimensions than one."""
    n = layer.bounds
    if not set(n) <= {"N", "G", "K", "C", "P", "Q", "R", "S"}:
        return None
    groups = n.get("G", 1)
    image = next(t for t in layer.tensors if t.role == "input")
    stride = max((c for r in image.ranks for c, d in r.terms if d in "PQ"), default=1)
    sizes = [_extent(layer, image, d) for d in "PQ"]
    dims: dict[str, Any] = {
        "N": n.get("N", 1),
        "C": n.get("C", 1) * groups,
        "H": sizes[0],
        "W": sizes[1],
        "K": n.get("K", 1) * groups,
        "R": n.get("R", 1),
        "S": n.get("S", 1),
        "stride": stride,
        "groups": groups,
        "P": n.get("P", 1),
        "Q": n.get("Q", 1),
        "layout": layout,
    }
    return Shape(family="conv", dtype=dtype, dims=tuple(dims.items()))


def _extent(layer: Layer, image: Tensor, d: str) -> int:
    """Height or width of the input: the size of the rank that this output dimension indexes."""
    for rank in image.ranks:
        if any(name == d for _, name in rank.terms):
            reach = 1 + sum(c * (layer.bounds[name] - 1) for c, name in rank.terms)
            return rank.size if rank.size is not None else reach
    return 1


def _attention(network: Network, scores: Step[Layer], steps: list[Step[Op]], dtype: str) -> tuple[Launch, int] | None:
    """Scores, scaling, softmax and weighted sum that follow each other, as one streaming kernel; None if these are not they."""
    first = scores.layer
    names = [s.layer.op for s in steps]
    if "Softmax" not in names:
        return None
    at = names.index("Softmax")
    if at + 1 >= len(steps) or names[at + 1] != "Attention" or any(mac_step(s) for s in steps[1:at]):
        return None
    size = _roles(first)
    heads, rows, keys = size["B"], size["M"], size["N"]
    if (
        first.mask is not None and rows % keys == 0
    ):  # a prompt from its beginning: as many tokens as keys, for each query head of a group
        dims = {"B": heads, "Hq": rows // keys, "Hkv": 1, "Sq": keys, "Sk": keys, "D": size["K"], "causal": True}
    elif rows <= 16:  # one new token (or a few): its group of query heads shares each key
        dims = {"B": heads, "Hq": rows, "Hkv": 1, "Sq": 1, "Sk": keys, "D": size["K"], "causal": False}
    else:
        dims = {"B": heads, "Hq": 1, "Hkv": 1, "Sq": rows, "Sk": keys, "D": size["K"], "causal": False}
    shape = Shape(family="attn", dtype=dtype, dims=tuple(dims.items()))
    fused = tuple(s.layer.name for s in steps[1 : at + 2])
    cached = any(network.producer(x) is None for x in steps[0].inputs)  # keys that no kernel of this inference makes: the cache
    old = 2.0 * heads * keys * size["K"] * DTYPES[dtype] if cached else 0.0
    both = sum(m.layer.macs for s in (steps[0], steps[at + 1]) if (m := mac_step(s)))
    launch = Launch(
        name=first.name,
        op="Attention",
        shape=shape,
        count=steps[0].count,
        weight_bytes=0.0,
        old_bytes=old,
        macs=both,
        fused=fused,
    )
    return launch, at + 2


def _joins(step: Step[Op], out: list[Launch], maker: dict[str, int], fused: bool, dtype: str) -> tuple[int, float] | None:
    """(kernel that takes the operator in, bytes of its other operands); None where it needs a kernel of its own."""
    op = step.layer
    index = next((maker[x] for x in step.inputs if x in maker), None)
    if op.op in VIEWS or op.op in SIZES or (op.read_elements == 0 and op.written_elements == 0):
        return None
    part_of_it = op.op == "Bias" or not step.outputs  # accumulators take it along on any machine
    if index is None or not (part_of_it or (fused and op.op in ELEMENTWISE)):
        return None
    index = max(maker[x] for x in step.inputs if x in maker)
    own = 0 if part_of_it else op.written_elements
    return index, max(0.0, op.read_elements - own) * DTYPES[dtype]


def _vector(step: Step[Op], dtype: str) -> Launch | None:
    """An operator of the lanes as a kernel; None where nothing is moved."""
    op = step.layer
    if op.op in VIEWS or op.op in SIZES or (op.read_elements == 0 and op.written_elements == 0):
        return None
    cost = vector_cost(op.op)
    elements = max(op.written_elements, op.read_elements / (cost.reads if cost and cost.reads else 1.0))
    lanes = pooling_instructions(op.op, op.ops or 0) if op.op in POOLING else elements * (cost.instructions if cost else 4.0)
    dims = {"op": op.op, "read": op.read_elements, "written": op.written_elements, "instructions": lanes}
    shape = Shape(family="vec", dtype=dtype, dims=tuple(dims.items()))
    return Launch(name=op.name, op=op.op, shape=shape, count=step.count, weight_bytes=0.0, old_bytes=0.0)

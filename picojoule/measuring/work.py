"""A layer as a kernel to run: its family, dimensions, operations and compulsory bytes, in the terms of measurement files."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from picojoule.errors import SpecError
from picojoule.machines.kernels.measurements import DTYPES
from picojoule.workload.conv_shape import ConvShape, conv_shape
from picojoule.workload.layer import Layer
from picojoule.workload.op import Op

BYTES = {name: DTYPES[name] for name in ("fp64", "fp32", "bf16", "fp16")}  # of an operand, of the types that are run
UNARY = ("Relu", "Sigmoid", "Tanh", "Gelu", "Silu", "Clip", "HardSwish", "HardSigmoid", "Exp", "Sqrt", "Softmax")
BINARY = ("Add", "Mul", "Sub", "Div", "Sum")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One kernel: `flops` are 2 x MACs (scalar operations of a vector operator), `bytes` each operand and result once."""

    name: str
    family: str  # gemm, conv, vec
    dtype: str
    dims: tuple[tuple[str, Any], ...]
    flops: float
    bytes: float

    @property
    def size(self) -> dict[str, Any]:
        return dict(self.dims)

    @property
    def shape(self) -> ConvShape:
        """The convolution, for the family conv."""
        d = self.size
        return ConvShape(
            N=d["N"],
            C=d["C"],
            H=d["H"],
            W=d["W"],
            K=d["K"],
            R=d["R"],
            S=d["S"],
            groups=d["groups"],
            stride=(d["stride"],) * 2,
            dilation=(d["dilation"],) * 2,
            pad=(d["pad"], d["pad_w"]),
        )


def work(layer: Layer, dtype: str, layout: str = "nchw") -> Work:
    """The kernel that computes a layer; raises SpecError where there is none (so that it is listed, and not run)."""
    if dtype not in BYTES:
        raise SpecError(f"unknown data type {dtype!r}", hint=f"known: {', '.join(BYTES)}")
    if set(layer.bounds) <= set("HMNK") and [t.role for t in layer.tensors].count("weight") == 1 and len(layer.tensors) == 3:
        return _gemm(layer, dtype)
    return _conv(layer.name, conv_shape(layer), dtype, layout)


def _gemm(layer: Layer, dtype: str) -> Work:
    b, m, n, k = (layer.bounds.get(d, 1) for d in "HMNK")
    size = (b * m * k + b * k * n + b * m * n) * BYTES[dtype]
    dims = (("B", b), ("M", m), ("N", n), ("K", k))
    return Work(name=layer.name, family="gemm", dtype=dtype, dims=dims, flops=2.0 * b * m * n * k, bytes=float(size))


def _conv(name: str, s: ConvShape, dtype: str, layout: str) -> Work:
    if s.stride[0] != s.stride[1] or s.dilation[0] != s.dilation[1]:
        raise SpecError(f"layer {name!r} has unequal strides or dilations", hint="only square ones are run alone")
    elements = math.prod(s.input_shape) + math.prod(s.weight_shape) + math.prod(s.output_shape)
    dims: dict[str, Any] = {
        "N": s.N,
        "C": s.C,
        "H": s.H,
        "W": s.W,
        "K": s.K,
        "R": s.R,
        "S": s.S,
        "stride": s.stride[0],
        "dilation": s.dilation[0],
        "groups": s.groups,
        "P": s.P,
        "Q": s.Q,
        "pad": s.pad[0],
        "pad_w": s.pad[1],
        "layout": layout,
    }
    return Work(
        name=name, family="conv", dtype=dtype, dims=tuple(dims.items()), flops=2.0 * s.macs, bytes=float(elements * BYTES[dtype])
    )


def conv_work(shape: ConvShape, dtype: str = "fp32", layout: str = "nchw") -> Work:
    """A convolution that is no layer of a network, such as one of a calibration set."""
    return _conv(f"conv_{shape}".replace(" ", "_"), shape, dtype, layout)


def gemm_work(m: int, n: int, k: int, dtype: str = "fp32", batch: int = 1) -> Work:
    """A matrix product that is no layer of a network."""
    size = batch * (m * k + k * n + m * n) * BYTES[dtype]
    dims = (("B", batch), ("M", m), ("N", n), ("K", k))
    name = f"gemm_{dtype}_{batch}x{m}x{n}x{k}"
    return Work(name=name, family="gemm", dtype=dtype, dims=dims, flops=2.0 * batch * m * n * k, bytes=float(size))


def vector_work(op: Op, dtype: str, layout: str = "nchw") -> Work:
    """The kernel of an element-wise operator or a batch normalisation; raises SpecError, naming the operator, for any other.

    `layout` says how a batch normalisation's images lie in memory, "nchw" or "nhwc".
    """
    elements = op.written_elements
    if op.op in UNARY and op.read_elements == elements:
        operands = 1
    elif op.op in BINARY and op.read_elements == 2 * elements:
        operands = 2
    elif op.op == "BatchNormalization" and (channels := (op.read_elements - elements) // 2) > 0 and not elements % channels:
        size = (2 * elements + 2 * channels) * BYTES[dtype]
        shape = (("op", op.op), ("shape", (channels, elements // channels)), ("layout", layout))
        return Work(name=op.name, family="vec", dtype=dtype, dims=shape, flops=float(op.ops or 0), bytes=float(size))
    else:
        raise SpecError(f"{op.op} ({op.name})", hint="plain element-wise operators and batch normalisation run alone")
    size = (operands + 1) * elements * BYTES[dtype]
    dims = (("op", op.op), ("shape", (elements,)))
    return Work(name=op.name, family="vec", dtype=dtype, dims=dims, flops=float(op.ops or 0), bytes=float(size))


def renamed(one: Work, name: str) -> Work:
    """The same kernel under another name."""
    return replace(one, name=name)

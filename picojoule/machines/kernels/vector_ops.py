"""Operators without matrix products on a real machine: traffic, instructions and dependent steps of one element.

Instructions are those of one lane in a plain compiled kernel (address, load, convert, arithmetic, store), estimated from what
the operator has to do; they decide only where an operator is not bound by its bytes. Source: counting the steps of textbook
kernels; error: a factor of 1.5 either way, which the memory-bound operators do not feel.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorCost:
    """Per element of the input: elements read and written, instructions; per kernel: dependent steps (of `latency_s` each)."""

    reads: float = 1.0
    writes: float = 1.0
    instructions: float = 4.0
    steps: float = 0.5
    written_bytes: float = 0.0  # per element, where the result has another type or comes with indices
    scattered: bool = False  # each lane reads another line, so that the cache delivers whole sectors
    cpu_calls: float = 1.0  # operators that a CPU's framework runs for it, each with the overhead of a call


# A row reduction loads, reduces within a warp and over the warps (some 45 instructions an element with Welford's update or with
# the two exponentials of an online softmax), then writes: each phase waits for the one before.
_ROW = VectorCost(instructions=45, steps=6)
_POOL_TAP = 50  # instructions for one tap of a window: 64-bit index, bounds, load, compare, keep the index

COSTS: dict[str, VectorCost] = {
    "copy": VectorCost(instructions=2),
    "cast": VectorCost(instructions=4),
    "cast_fp8": VectorCost(instructions=8, writes=0, written_bytes=1),
    "fill": VectorCost(reads=0, instructions=2),
    **{
        n: VectorCost()
        for n in ("relu", "neg", "abs", "clip", "scale", "bias", "bias_add", "quantize", "dequantize", "relu6", "dropout")
    },
    **{n: VectorCost(reads=2) for n in ("add", "mul", "sub", "div", "max", "min", "add_relu")},
    **{n: VectorCost(instructions=8) for n in ("exp", "sqrt", "rsqrt", "reciprocal")},
    **{n: VectorCost(instructions=20) for n in ("sigmoid", "silu", "tanh", "log", "hardswish", "hardsigmoid", "pow")},
    **{n: VectorCost(instructions=25) for n in ("gelu", "gelutanh", "erf", "mish", "softplus")},
    **{n: VectorCost(reads=2, instructions=24) for n in ("swiglu", "silu_mul", "gelu_mul", "geglu")},
    **{n: VectorCost(instructions=12) for n in ("rope", "rotary", "rotaryembedding")},
    # A CPU's framework makes a scale and a shift for each channel, in buffers of their own, before the pass: about five calls,
    # chosen with timings of one CPU and PyTorch in view.
    "batchnorm": VectorCost(instructions=7, cpu_calls=5),
    "layernorm": VectorCost(instructions=45, steps=8),
    "groupnorm": VectorCost(instructions=45, steps=8),
    "rmsnorm": VectorCost(instructions=30, steps=5),
    "softmax": _ROW,
    **{n: VectorCost(writes=0, instructions=6, steps=4) for n in ("sum", "mean", "reduce", "argmax", "amax")},
    "globalaveragepool": VectorCost(writes=0, instructions=6, steps=3),
    "avgpool_global": VectorCost(writes=0, instructions=6, steps=3),
    "transpose": VectorCost(instructions=10, scattered=True),
    # a 3x3 window of stride 2, as in ResNet: 9/4 taps for an input element; values and 64-bit indices for a quarter of them
    "maxpool": VectorCost(writes=0.25, written_bytes=2, instructions=9 / 4 * _POOL_TAP),
    "avgpool": VectorCost(writes=0.25, instructions=9 / 4 * _POOL_TAP / 2),
}

ONNX = {  # names of the operators in a network -> names above
    "LayerNormalization": "layernorm", "RMSNormalization": "rmsnorm", "SimplifiedLayerNormalization": "rmsnorm",
    "GroupNormalization": "groupnorm", "InstanceNormalization": "groupnorm", "BatchNormalization": "batchnorm",
    "Softmax": "softmax", "LogSoftmax": "softmax", "Cast": "cast", "GlobalAveragePool": "globalaveragepool",
    "GlobalMaxPool": "globalaveragepool", "Identity": "copy", "Concat": "copy", "Split": "copy", "Slice": "copy",
    "Gather": "copy", "Pad": "copy", "Expand": "copy", "Transpose": "transpose", "Gelu": "gelu", "GeluTanh": "gelutanh",
    "Silu": "silu", "Swish": "silu", "RotaryEmbedding": "rope",
}  # fmt: skip


def vector_cost(op: str) -> VectorCost | None:
    """The cost of an operator by its name in a measurement file or in a network; None where nobody knows it."""
    return COSTS.get(ONNX.get(op, op).lower())


def pooling_instructions(op: str, taps: float) -> float:
    """Lane instructions of a pooling operator with so many window taps in all."""
    return taps * (_POOL_TAP if "max" in op.lower() else _POOL_TAP / 2)


ELEMENTWISE = frozenset(
    {
        "Relu", "Clip", "LeakyRelu", "PRelu", "Sigmoid", "Tanh", "Gelu", "GeluTanh", "Silu", "Swish", "QuickGelu", "HardSigmoid",
        "HardSwish", "Elu", "Mish", "Softplus", "Add", "Sub", "Mul", "Div", "BatchNormalization", "Cast", "QuantizeLinear",
        "DequantizeLinear", "Erf", "Exp", "Sqrt", "Neg", "Abs",
    }
)  # fmt: skip
"""Operators that can be computed on the elements of the producer's result while they are still in registers."""

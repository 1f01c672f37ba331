"""Which scalar operations an operator without MACs consists of: the counts of `ops.py`, split by kind.

Kinds: add (and subtract), multiply, compare (maximum, selection, rounding, sign, logic, conversion), divide (and reciprocal),
sqrt, exp (any transcendental function). Each row is the textbook formula that stands beside the count in `ops.py`; the parts add
up to it, and a test holds them to that.
"""

from __future__ import annotations

from collections.abc import Mapping

Mix = Mapping[str, int]

_COMPARES = (
    *("Abs", "Neg", "Sign", "Ceil", "Floor", "Round", "Not", "Relu", "ThresholdedRelu", "Cast", "CastLike", "BitwiseNot"),
    *("And", "Or", "Xor", "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Where", "IsNaN", "IsInf"),
    *("BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Max", "Min", "MaxPool", "MaxUnpool", "TopK"),
    *("ReduceMax", "ReduceMin", "ArgMax", "ArgMin", "GlobalMaxPool"),
)
_ADDS = ("Add", "Sub", "Sum", "Bias", "ReduceSum", "ReduceMean", "GlobalAveragePool", "CumSum")
_MULTIPLIES = ("Mul", "Square", "ReduceProd", "CumProd", "Bernoulli", "RandomNormalLike", "RandomUniformLike")
_FUNCTIONS = (
    *("Exp", "Log", "Erf", "Tanh", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan"),
    *("Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "Pow"),
)

_SIGMOID = {"exp": 1, "add": 1, "divide": 1}
_LAYER_NORM = {
    "add": 4,
    "multiply": 3,
}  # sum, subtract, square, sum, scale, gain, shift; a root and a quotient a row are left out

MIXES: dict[str, Mix] = {
    **{op: {"compare": 1} for op in _COMPARES},
    **{op: {"add": 1} for op in _ADDS},
    **{op: {"multiply": 1} for op in _MULTIPLIES},
    **{op: {"exp": 1} for op in _FUNCTIONS},
    "Div": {"divide": 1},
    "Mod": {"divide": 1},
    "Reciprocal": {"divide": 1},
    "Sqrt": {"sqrt": 1},
    "Rsqrt": {"sqrt": 1},
    "Clip": {"compare": 2},
    "LeakyRelu": {"compare": 1, "multiply": 1},
    "PRelu": {"compare": 1, "multiply": 1},
    "Shrink": {"compare": 2, "add": 1},
    "Sigmoid": _SIGMOID,
    "Softplus": {"exp": 2, "add": 1},
    "Softsign": {"compare": 1, "add": 1, "divide": 1},
    "Elu": {"exp": 1, "add": 1, "compare": 1},
    "Celu": {"exp": 1, "add": 1, "compare": 1, "divide": 1},
    "Selu": {"exp": 1, "add": 1, "compare": 1, "multiply": 1},
    "Silu": {**_SIGMOID, "multiply": 1},
    "Swish": {**_SIGMOID, "multiply": 1},
    "QuickGelu": {**_SIGMOID, "multiply": 2},
    "HardSigmoid": {"multiply": 1, "add": 1, "compare": 2},
    "HardSwish": {"multiply": 2, "add": 1, "compare": 2},
    "Gelu": {"multiply": 3, "exp": 1, "add": 1},
    "BiasGelu": {"multiply": 3, "exp": 1, "add": 2},
    "GeluTanh": {"multiply": 5, "exp": 1, "add": 2},  # x/2 (1 + tanh(c x (1 + d x^2)))
    "FastGelu": {"multiply": 5, "exp": 1, "add": 2},
    "Mish": {"exp": 3, "add": 1, "multiply": 1},
    "QuantizeLinear": {"divide": 1, "compare": 2, "add": 1},
    "DequantizeLinear": {"add": 1, "multiply": 1},
    "DynamicQuantizeLinear": {"compare": 4, "divide": 1, "add": 1},
    "RotaryEmbedding": {"multiply": 2, "add": 1},
    "BatchNormalization": {"multiply": 1, "add": 1},
    "LayerNormalization": _LAYER_NORM,
    "GroupNormalization": _LAYER_NORM,
    "InstanceNormalization": _LAYER_NORM,
    "SkipLayerNormalization": {"add": 5, "multiply": 3},
    "RMSNormalization": {"multiply": 3, "add": 1},
    "SimplifiedLayerNormalization": {"multiply": 3, "add": 1},
    "SkipSimplifiedLayerNormalization": {"multiply": 3, "add": 2},
    "LpNormalization": {"multiply": 2, "add": 1},
    "MeanVarianceNormalization": {"add": 3, "multiply": 2},
    "Softmax": {"compare": 1, "add": 2, "exp": 1, "divide": 1},
    "LogSoftmax": {"compare": 1, "add": 3, "exp": 1},
    "Hardmax": {"compare": 2},
    "ReduceL1": {"compare": 1, "add": 1},
    "ReduceL2": {"multiply": 1, "add": 1},
    "ReduceSumSquare": {"multiply": 1, "add": 1},
    "GlobalLpPool": {"multiply": 1, "add": 1},
    "ReduceLogSum": {"add": 2},  # the logarithm is one of a result
    "ReduceLogSumExp": {"compare": 1, "add": 2, "exp": 1},
    "LpPool": {"multiply": 1, "add": 1},
    "Gates": {"add": 12, "multiply": 3, "exp": 5, "divide": 3},  # of an LSTM; GRU and RNN have fewer of each, about alike
    **{op: {"multiply": 2, "add": 1} for op in ("Resize", "Upsample", "GridSample", "RoiAlign")},
}


def operations(op: str, ops: int, written: int) -> dict[str, float] | None:
    """The `ops` scalar operations of an operator by kind; None where nobody knows what it consists of.

    `written` elements of the result: a mean multiplies each of them once, a local response normalisation divides it.
    """
    name = op.removeprefix("QLinear")
    if not ops:
        return {}
    if name in ("AveragePool", "Mean"):
        return {"add": ops - written, "multiply": written}
    if name == "LRN":
        once = {"multiply": 2 * written, "exp": written, "divide": written}
        return {"add": ops - sum(once.values()), **once}
    mix = MIXES.get(name)
    if mix is None:
        return None
    whole = sum(mix.values())
    return {kind: ops * n / whole for kind, n in mix.items()}

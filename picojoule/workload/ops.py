"""What operators without MACs do: scalar operations per element, and whether they move data or only look at it.

One op is one primitive scalar operation: add, multiply, divide, compare, select, round, or one transcendental function
(exp, log, sin, erf, tanh, sqrt, power). A composite function costs its textbook formula, written beside it. Names are
those of ONNX; readers of other formats translate to them, so that a network counts the same whatever its format.
"""

from __future__ import annotations

import math

PER_ELEMENT: dict[str, int] = {  # element-wise: ops for each element of the result
    **dict.fromkeys(("Abs", "Neg", "Sign", "Ceil", "Floor", "Round", "Not", "Relu", "ThresholdedRelu", "Cast"), 1),
    **dict.fromkeys(("Exp", "Log", "Sqrt", "Reciprocal", "Erf", "Tanh", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan"), 1),
    **dict.fromkeys(("Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "Rsqrt", "BitwiseNot", "CastLike", "Square"), 1),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Pow", "Mod", "And", "Or", "Xor", "Equal", "Greater", "Less"), 1),
    **dict.fromkeys(("GreaterOrEqual", "LessOrEqual", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Where"), 1),
    **dict.fromkeys(("Bernoulli", "RandomNormalLike", "RandomUniformLike", "IsNaN", "IsInf"), 1),
    "Clip": 2,  # two compares
    "LeakyRelu": 2,  # compare, multiply
    "PRelu": 2,
    "Shrink": 3,
    "Sigmoid": 3,  # exp, add, divide
    "Softplus": 3,  # exp, add, log
    "Softsign": 3,  # absolute, add, divide
    "Elu": 3,  # exp, subtract, select
    "Celu": 4,
    "Selu": 4,
    "Silu": 4,  # sigmoid, multiply
    "Swish": 4,
    "QuickGelu": 5,  # multiply, sigmoid, multiply
    "HardSigmoid": 4,  # multiply, add, two compares
    "HardSwish": 5,  # hard sigmoid, multiply
    "Gelu": 5,  # scale, erf, add, halve, multiply (the tanh form is 8)
    "GeluTanh": 8,
    "Mish": 5,  # softplus, tanh, multiply
    "QuantizeLinear": 4,  # divide, round, add the zero point, saturate
    "DequantizeLinear": 2,  # subtract the zero point, multiply
    "DynamicQuantizeLinear": 6,  # minimum and maximum first
    "RotaryEmbedding": 3,  # two multiplies and an add of each element with its partner
}

NORMALISATION: dict[str, int] = {  # ops for each element of the input
    "BatchNormalization": 2,  # folded to scale and shift
    "LayerNormalization": 7,  # sum, subtract, square, sum, scale by the deviation, gain, shift
    "GroupNormalization": 7,
    "InstanceNormalization": 7,
    "RMSNormalization": 4,  # square, sum, scale by the root, gain
    "SimplifiedLayerNormalization": 4,
    "LpNormalization": 3,
    "MeanVarianceNormalization": 5,
    "Softmax": 5,  # compare, subtract, exp, sum, divide
    "LogSoftmax": 5,
    "Hardmax": 2,
}

REDUCTION: dict[str, int] = {  # ops for each element of the input
    **dict.fromkeys(("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ArgMax", "ArgMin"), 1),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "CumSum", "CumProd"), 1),
    **dict.fromkeys(("ReduceL1", "ReduceL2", "ReduceSumSquare", "GlobalLpPool", "ReduceLogSum"), 2),
    "ReduceLogSumExp": 4,
}

POOLING = frozenset({"MaxPool", "AveragePool", "LpPool", "MaxUnpool", "QLinearAveragePool"})

VARIADIC = frozenset({"Sum", "Max", "Min", "Mean"})  # one op for each further operand (Mean one more)

# the same data under another shape or type
VIEWS = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout", "BitCast"})

MOVES = frozenset(  # data is copied, nothing is computed
    {
        "Transpose",
        "Concat",
        "Split",
        "Slice",
        "Pad",
        "Expand",
        "Tile",
        "Gather",
        "GatherElements",
        "GatherND",
        "Scatter",
        "ScatterElements",
        "ScatterND",
        "DepthToSpace",
        "SpaceToDepth",
        "ReverseSequence",
        "OneHot",
        "Trilu",
        "Range",
        "ConstantOfShape",
        "EyeLike",
        "TensorScatter",
        "SplitToSequence",
        "ConcatFromSequence",
        "Roll",
    }
)

SIZES = frozenset({"Shape", "Size"})  # answered before the inference

DATA_DEPENDENT = frozenset({"NonZero", "NonMaxSuppression", "Unique", "Compress", "StringSplit"})

INTERPOLATION = {"nearest": 0, "linear": 3, "cubic": 7}  # ops for each axis that is interpolated: weighted sum of 2 or 4 points


def lrn_ops(size: int) -> int:
    """Ops for each element of a local response normalisation over `size` channels: squares, sum, scale, add, power, divide."""
    return 1 + (size - 1) + 1 + 1 + 1 + 1


def top_k_ops(elements: int, k: int) -> int:
    """Compares to select k of the elements with a heap: each passes log2(k) levels."""
    return elements * max(1, math.ceil(math.log2(max(2, k))))

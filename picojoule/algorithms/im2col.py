"""im2col: the convolution as one matrix product, at the price of storing overlapping windows several times.

Sze et al. 2017, Section V-A, Figs. 18 and 19 (the relaxed Toeplitz matrix). Implicit GEMM is the same product with the matrix
formed tile by tile in fast memory: the same operations, no extra storage.
"""

from __future__ import annotations

import numpy as np

from picojoule.algorithms.cost import TransformCost
from picojoule.workload.conv_shape import ConvShape, check_operands, padded


def lower(x: np.ndarray, shape: ConvShape) -> np.ndarray:
    """The lowered input, [N, groups, C/groups*R*S, P*Q]: a copy of every pixel for every window that covers it."""
    big, c = padded(x, shape), shape.C // shape.groups
    n, k, rows, columns = big.strides
    windows = np.lib.stride_tricks.as_strided(
        big,
        (shape.N, shape.C, shape.R, shape.S, shape.P, shape.Q),
        (n, k, rows * shape.dilation[0], columns * shape.dilation[1], rows * shape.stride[0], columns * shape.stride[1]),
        writeable=False,
    )
    return windows.reshape(shape.N, shape.groups, c * shape.R * shape.S, shape.P * shape.Q)


def convolve(x: np.ndarray, w: np.ndarray, shape: ConvShape) -> np.ndarray:
    """The convolution by im2col and a matrix product: equal to `shape.direct` bit for bit on integers.

    x: [N, C, H, W].  w: [K, C/groups, R, S].  Returns [N, K, P, Q].
    """
    check_operands(x, w, shape)
    flat = w.reshape(shape.groups, shape.K // shape.groups, -1)
    return (flat @ lower(x, shape)).reshape(shape.output_shape)


def duplication(shape: ConvShape) -> float:
    """Elements of the lowered input over elements of the padded input: R*S/stride^2 far from the border.

    >>> round(duplication(ConvShape(C=3, H=227, W=227, K=96, R=11, S=11, stride=(4, 4))), 2)  # AlexNet CONV1: 121/16 inside
    7.1
    """
    lowered = shape.R * shape.S * shape.P * shape.Q
    return lowered / ((shape.H + 2 * shape.pad[0]) * (shape.W + 2 * shape.pad[1]))


def cost(shape: ConvShape, *, implicit: bool = False) -> TransformCost:
    """Counts of explicit im2col, or of the implicit GEMM, which forms the matrix in fast memory alone."""
    outputs = shape.N * shape.K * shape.P * shape.Q
    lowered = shape.N * shape.C * shape.R * shape.S * shape.P * shape.Q
    operands = shape.N * shape.C * shape.H * shape.W + shape.macs // (shape.N * shape.P * shape.Q) + outputs
    return TransformCost(
        algorithm="implicit GEMM" if implicit else "im2col",
        lossless="any arithmetic in which sums may be reordered: integers, rationals",
        multiplications=shape.macs,
        additions=shape.macs - outputs,
        extra_words=0 if implicit else lowered,
        moved_words=operands + (0 if implicit else 2 * lowered),
        note="padding zeros are multiplied too",
    )

"""Winograd's minimal filtering F(m x m, r x r): fewer multiplications by Cook and Toom's construction.

An output tile of m x m comes from an input tile of n x n, n = m + r - 1, with n^2 products instead of (m*r)^2:
Y = A^T [(G g G^T) * (B^T d B)] A. The matrices follow from n - 1 finite points and the point at infinity, in rational
arithmetic; so the transform is exact on rationals, and on integers by a common denominator. Lavin and Gray, CVPR 2016;
Winograd, "Arithmetic Complexity of Computations", 1980.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np

from picojoule.algorithms.cost import TransformCost
from picojoule.errors import SpecError
from picojoule.workload.conv_shape import ConvShape, check_operands, padded

POINTS = tuple(Fraction(p) for p in ("0", "1", "-1", "2", "-2", "1/2", "-1/2", "4", "-4", "1/4", "-1/4"))
LARGEST_TILE = len(POINTS) + 1
Rows = tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True, slots=True)
class Matrices:
    """F(m, r) in one dimension: A^T is m x n, G is n x r, B^T is n x n."""

    m: int
    r: int
    at: Rows
    g: Rows
    bt: Rows

    @property
    def n(self) -> int:
        """Pixels of an input tile, and products of a tile in one dimension."""
        return self.m + self.r - 1

    def floats(self, dtype: type = np.float64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(A^T, G, B^T) as floating-point arrays."""
        return tuple(np.array([[float(v) for v in row] for row in rows], dtype) for rows in (self.at, self.g, self.bt))  # type: ignore[return-value]

    def integers(self) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], int]:
        """((A^T, G, B^T) scaled to integers, the factor by which a one-dimensional result is then too large)."""
        scaled, factor = [], 1
        for rows in (self.at, self.g, self.bt):
            denominator = math.lcm(*(v.denominator for row in rows for v in row))
            scaled.append(np.array([[int(v * denominator) for v in row] for row in rows], dtype=object))
            factor *= denominator
        return (scaled[0], scaled[1], scaled[2]), factor


@cache
def matrices(m: int, r: int) -> Matrices:
    """The matrices of F(m, r): m outputs of a filter of r taps.

    Rows of G and B^T are balanced by powers of two (row i of G times 2^e, row i of B^T divided by it), which changes no exact
    result and keeps both in the range of fp16.
    """
    n = m + r - 1
    if m < 1 or r < 1:
        raise SpecError(f"F({m},{r}) is no Winograd transform", hint="give m and r of 1 or more, such as F(2,3)")
    if n > LARGEST_TILE:
        raise SpecError(f"F({m},{r}) needs tiles of {n} pixels", hint=f"keep m + r - 1 at most {LARGEST_TILE}")
    points = POINTS[: n - 1]
    at = tuple((*(p**i for p in points), Fraction(i == m - 1)) for i in range(m))
    g, bt = [], []
    for i, p in enumerate(points):
        others = points[:i] + points[i + 1 :]
        norm = math.prod((p - q for q in others), start=Fraction(1))
        g.append([p**j / norm for j in range(r)])
        bt.append([*_polynomial(others), Fraction(0)])
    g.append([Fraction(j == r - 1) for j in range(r)])
    bt.append(_polynomial(points))
    return Matrices(m, r, at, *(_balanced(g, bt)))


def _polynomial(roots: tuple[Fraction, ...]) -> list[Fraction]:
    """Coefficients of the product of (x - root), lowest power first."""
    out = [Fraction(1)]
    for root in roots:
        out = [(out[i - 1] if i else 0) - root * (out[i] if i < len(out) else 0) for i in range(len(out) + 1)]
    return [Fraction(v) for v in out]


def _balanced(g: list[list[Fraction]], bt: list[list[Fraction]]) -> tuple[Rows, Rows]:
    """G and B^T with the size of row i shared out evenly between the two, by a power of two."""
    rows_g, rows_b = [], []
    for row_g, row_b in zip(g, bt, strict=True):
        size_g, size_b = (math.sqrt(sum(float(v) ** 2 for v in row)) for row in (row_g, row_b))
        factor = Fraction(2) ** round(math.log2(size_b / size_g) / 2)
        rows_g.append(tuple(v * factor for v in row_g))
        rows_b.append(tuple(v / factor for v in row_b))
    return tuple(rows_g), tuple(rows_b)


def supports(shape: ConvShape) -> str:
    """Why Winograd does not apply to a shape; empty where it does."""
    if shape.stride != (1, 1) or shape.dilation != (1, 1):
        return "the minimal filtering is that of stride 1 and dilation 1"
    return ""


def convolve(x: np.ndarray, w: np.ndarray, shape: ConvShape, m: int = 2, dtype: type | None = None) -> np.ndarray:
    """The convolution by F(m x m, R x S): bit-exact on integers (any size: Python integers), rounded on floats.

    x: [N, C, H, W].  w: [K, C/groups, R, S].  Returns [N, K, P, Q] in the type of the operands, or in `dtype`. With
    dtype=np.float16 the transformed operands are rounded to fp16 and summed in fp32, as tensor cores do.
    """
    check_operands(x, w, shape)
    if why := supports(shape):
        raise SpecError(f"no Winograd for {shape}: {why}", hint="use im2col")
    rows, columns = matrices(m, shape.R), matrices(m, shape.S)
    exact = np.issubdtype(x.dtype, np.integer)
    kind = object if exact else np.float32 if dtype in (np.float16, np.float32) else x.dtype.type
    (at_r, g_r, bt_r), factor_r = rows.integers() if exact else (rows.floats(kind), 1)
    (at_c, g_c, bt_c), factor_c = columns.integers() if exact else (columns.floats(kind), 1)
    d = _tiles(x, shape, m).astype(kind)  # padded before: numpy's zeros among Python's integers would wrap
    u = g_r @ w.astype(kind) @ g_c.T  # [K, C/G, n_r, n_c]
    v = bt_r @ d @ bt_c.T
    if dtype is np.float16:
        u, v = u.astype(np.float16).astype(np.float32), v.astype(np.float16).astype(np.float32)
    y = at_r @ _products(u, v, shape) @ at_c.T  # [N, K, tiles_p, tiles_q, m, m]
    whole = y.transpose(0, 1, 2, 4, 3, 5).reshape(shape.N, shape.K, y.shape[2] * m, y.shape[3] * m)
    out = whole[:, :, : shape.P, : shape.Q]
    return (out // (factor_r * factor_c)).astype(x.dtype) if exact else out


def _tiles(x: np.ndarray, shape: ConvShape, m: int) -> np.ndarray:
    """Overlapping input tiles of n x n pixels, one every m pixels; the last ones reach into zeros."""
    tiles_p, tiles_q = -(-shape.P // m), -(-shape.Q // m)
    n_r, n_c = m + shape.R - 1, m + shape.S - 1
    big = padded(x, shape, tiles_p * m - shape.P, tiles_q * m - shape.Q)
    windows = np.lib.stride_tricks.sliding_window_view(big, (n_r, n_c), axis=(2, 3))[:, :, ::m, ::m]
    return windows.reshape(shape.N, shape.groups, shape.C // shape.groups, tiles_p, tiles_q, n_r, n_c)


def _products(u: np.ndarray, v: np.ndarray, shape: ConvShape) -> np.ndarray:
    """Sums over channels, one matrix product for each of the n x n positions: [N, K, tiles_p, tiles_q, n_r, n_c]."""
    n, g, c, tp, tq, n_r, n_c = v.shape
    left = u.reshape(g, shape.K // g, c, n_r * n_c).transpose(3, 0, 1, 2)  # [position, G, K/G, C/G]
    right = v.transpose(5, 6, 1, 2, 0, 3, 4).reshape(n_r * n_c, g, c, n * tp * tq)
    out = (left @ right).reshape(n_r, n_c, g, shape.K // g, n, tp, tq)
    return out.transpose(4, 2, 3, 5, 6, 0, 1).reshape(n, shape.K, tp, tq, n_r, n_c)


def additions(rows: Rows) -> int:
    """Additions of a product with the matrix, one column: non-zeros less one, row by row."""
    return sum(max(0, sum(v != 0 for v in row) - 1) for row in rows)


def transform_additions(m: int, r: int) -> tuple[int, int]:
    """(input, output) additions of one r x r tile of one channel, counted densely, shared terms not merged.

    >>> transform_additions(2, 3)
    (32, 24)
    """
    w = matrices(m, r)
    return 2 * w.n * additions(w.bt), (w.n + m) * additions(w.at)


def cost(shape: ConvShape, m: int = 2) -> TransformCost:
    """Counts of F(m x m, R x S); tiles at the border are whole tiles, so that small images lose some of the gain."""
    if why := supports(shape):
        raise SpecError(f"no Winograd for {shape}: {why}", hint="use im2col")
    rows, columns = matrices(m, shape.R), matrices(m, shape.S)
    tiles = shape.N * -(-shape.P // m) * -(-shape.Q // m)
    area, c = rows.n * columns.n, shape.C // shape.groups
    into = columns.n * additions(rows.bt) + rows.n * additions(columns.bt)
    back = columns.n * additions(rows.at) + m * additions(columns.at)
    per_filter = shape.S * additions(rows.g) + rows.n * additions(columns.g)
    transformed = tiles * area * (shape.C + shape.K)
    operands = shape.N * (shape.C * shape.H * shape.W + shape.K * shape.P * shape.Q)
    return TransformCost(
        algorithm=f"Winograd F({m},{shape.R})" if shape.R == shape.S else f"Winograd F({m}x{m},{shape.R}x{shape.S})",
        lossless="integers (by a common denominator), rationals",
        multiplications=tiles * area * c * shape.K,
        additions=tiles * area * (c - 1) * shape.K,
        transform_additions=tiles * (shape.C * into + shape.K * back),
        filter_operations=2 * shape.K * c * per_filter,
        extra_words=transformed + shape.K * c * area,
        moved_words=operands + 2 * transformed + shape.K * c * area,
        keeps_sparsity=False,
        note="multiplications by the constants of the transforms are shifts and small factors, counted as additions",
    )

"""Strassen's matrix product: seven products of half the size instead of eight. Strassen, Numer. Math. 13, 1969."""

from __future__ import annotations

import numpy as np

from picojoule.algorithms.cost import TransformCost
from picojoule.errors import SpecError


def multiply(a: np.ndarray, b: np.ndarray, leaf: int = 1) -> np.ndarray:
    """A @ B by Strassen down to blocks of at most `leaf`, then plainly; bit-exact on integers.

    a: [M, K].  b: [K, N].  Odd sizes are padded with a row or column of zeros at each level.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise SpecError(f"cannot multiply {a.shape} by {b.shape}", hint="give [M, K] and [K, N]")
    return _multiply(a, b, max(1, leaf))


def _multiply(a: np.ndarray, b: np.ndarray, leaf: int) -> np.ndarray:
    (m, k), n = a.shape, b.shape[1]
    if min(m, k, n) <= leaf:
        return a @ b
    a, b = (np.pad(x, ((0, x.shape[0] % 2), (0, x.shape[1] % 2))) for x in (a, b))
    (a11, a12), (a21, a22) = _quarters(a)
    (b11, b12), (b21, b22) = _quarters(b)
    p1 = _multiply(a11 + a22, b11 + b22, leaf)
    p2 = _multiply(a21 + a22, b11, leaf)
    p3 = _multiply(a11, b12 - b22, leaf)
    p4 = _multiply(a22, b21 - b11, leaf)
    p5 = _multiply(a11 + a12, b22, leaf)
    p6 = _multiply(a21 - a11, b11 + b12, leaf)
    p7 = _multiply(a12 - a22, b21 + b22, leaf)
    return np.block([[p1 + p4 - p5 + p7, p3 + p5], [p2 + p4, p1 - p2 + p3 + p6]])[:m, :n]


def _quarters(x: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    i, j = x.shape[0] // 2, x.shape[1] // 2
    return (x[:i, :j], x[:i, j:]), (x[i:, :j], x[i:, j:])


def cost(m: int, k: int, n: int, leaf: int = 1) -> TransformCost:
    """Counted operations of `multiply` on [m, k] by [k, n].

    >>> cost(8, 8, 8).multiplications  # 7^3 instead of 8^3
    343
    """
    if min(m, k, n) < 1:
        raise SpecError(f"{m} x {k} x {n} is no matrix product", hint="sizes are 1 or more")
    multiplications, additions, extra = _counts(m, k, n, max(1, leaf))
    return TransformCost(
        algorithm="Strassen",
        lossless="integers, rationals",
        multiplications=multiplications,
        additions=additions,
        extra_words=extra,
        moved_words=m * k + k * n + m * n + 2 * extra,
        keeps_sparsity=False,
        note=f"plain products below blocks of {leaf}" if leaf > 1 else "",
    )


def _counts(m: int, k: int, n: int, leaf: int) -> tuple[int, int, int]:
    """(multiplications, additions, words of the temporaries alive at once)."""
    if min(m, k, n) <= leaf:
        return m * k * n, m * (k - 1) * n, 0
    a, b, c = -(-m // 2), -(-k // 2), -(-n // 2)
    below = _counts(a, b, c, leaf)
    around = 5 * a * b + 5 * b * c + 8 * a * c  # ten sums of operands, eight of products
    return 7 * below[0], 7 * below[1] + around, below[2] + a * b + b * c + 7 * a * c

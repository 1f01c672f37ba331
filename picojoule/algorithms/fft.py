"""Convolution in the frequency domain: by FFT in floating point, and by a number-theoretic transform exactly on integers.

Overlap-save tiles of n x n pixels; products are complex and summed over channels, filters are transformed once. Mathieu,
Henaff, LeCun 2014; Sze et al. 2017, Fig. 20. The exact twin computes modulo a prime (Pollard 1971), so that no rounding occurs
as long as no result reaches half the prime in size; `convolve_exact` checks that it cannot.
"""

from __future__ import annotations

import math

import numpy as np

from picojoule.algorithms.cost import TransformCost
from picojoule.errors import SpecError
from picojoule.workload.conv_shape import ConvShape, check_operands, padded

PRIME, ROOT = 2013265921, 31  # 15 * 2^27 + 1, and a generator of its multiplicative group


def supports(shape: ConvShape) -> str:
    """Why the FFT does not apply to a shape; empty where it does."""
    return "" if shape.dilation == (1, 1) else "kernels with holes waste the transform"


def tile_for(shape: ConvShape) -> int:
    """The power of two with the fewest operations, from twice the kernel up to the padded image."""
    least = 1 << max(1, (2 * max(shape.R, shape.S) - 2).bit_length())
    most = max(least, 1 << (max(shape.H + 2 * shape.pad[0], shape.W + 2 * shape.pad[1]) - 1).bit_length())
    sizes = [1 << e for e in range(least.bit_length() - 1, most.bit_length())]
    return min(sizes, key=lambda n: cost(shape, n).operations)


def convolve(x: np.ndarray, w: np.ndarray, shape: ConvShape, n: int | None = None) -> np.ndarray:
    """The convolution by real FFTs of n x n tiles and a complex product over channels, in the precision of the operands.

    x: [N, C, H, W] and w: [K, C/groups, R, S], float32 or float64.  Returns [N, K, P, Q].
    """
    import scipy.fft

    n = _checked(x, w, shape, n)
    d = scipy.fft.rfft2(_tiles(x, shape, n))  # [N, G, C/G, tp, tq, n, n/2+1]
    u = np.conj(scipy.fft.rfft2(w, (n, n)))  # correlation: the conjugate spectrum
    y = scipy.fft.irfft2(_products(u, d, shape), (n, n))
    return _assembled(y, shape, n).astype(x.dtype, copy=False)


def convolve_exact(x: np.ndarray, w: np.ndarray, shape: ConvShape, n: int | None = None) -> np.ndarray:
    """The same by a number-theoretic transform: bit-exact on integers.

    Raises SpecError where a result could reach half of 2013265921 in size, so that it would not be unique.
    """
    n = _checked(x, w, shape, n)
    largest = int(np.abs(x).max(initial=0)) * int(np.abs(w).sum(axis=(1, 2, 3)).max(initial=0))
    if 2 * largest >= PRIME:
        raise SpecError(f"results may reach {largest}: the transform modulo {PRIME} would wrap", hint="split the channels")
    d = _ntt2(_tiles(x.astype(np.int64), shape, n) % PRIME, n)
    flipped = np.zeros((*w.shape[:2], n, n), np.int64)
    for r in range(shape.R):
        for s in range(shape.S):
            flipped[:, :, -r % n, -s % n] = w[:, :, r, s]
    y = _ntt2(_modular_products(_ntt2(flipped % PRIME, n), d, shape), n, inverse=True)
    signed = np.where(y > PRIME // 2, y - PRIME, y)
    return _assembled(signed, shape, n).astype(x.dtype)


def _checked(x: np.ndarray, w: np.ndarray, shape: ConvShape, n: int | None) -> int:
    check_operands(x, w, shape)
    if why := supports(shape):
        raise SpecError(f"no FFT for {shape}: {why}", hint="use im2col")
    n = tile_for(shape) if n is None else n
    if n < max(shape.R, shape.S) or n & (n - 1):
        raise SpecError(f"tiles of {n} x {n} do not do", hint=f"take a power of two, {max(shape.R, shape.S)} or more")
    return n


def _grid(shape: ConvShape, n: int) -> tuple[int, int, int, int]:
    """(tiles down, tiles across, valid rows, valid columns of a tile), all at stride 1."""
    rows, columns = n - shape.R + 1, n - shape.S + 1
    full_p, full_q = (shape.P - 1) * shape.stride[0] + 1, (shape.Q - 1) * shape.stride[1] + 1
    return -(-full_p // rows), -(-full_q // columns), rows, columns


def _tiles(x: np.ndarray, shape: ConvShape, n: int) -> np.ndarray:
    tp, tq, rows, columns = _grid(shape, n)
    below = max(0, (tp - 1) * rows + n - shape.H - 2 * shape.pad[0])
    right = max(0, (tq - 1) * columns + n - shape.W - 2 * shape.pad[1])
    big = padded(x, shape, below, right)
    windows = np.lib.stride_tricks.sliding_window_view(big, (n, n), axis=(2, 3))[:, :, ::rows, ::columns][:, :, :tp, :tq]
    return windows.reshape(shape.N, shape.groups, shape.C // shape.groups, tp, tq, n, n)


def _products(u: np.ndarray, d: np.ndarray, shape: ConvShape) -> np.ndarray:
    """Sums over channels as one matrix product for each frequency: [N, K, tp, tq, rows, columns]."""
    n, g, c, tp, tq, fr, fc = d.shape
    left = u.reshape(g, shape.K // g, c, fr * fc).transpose(3, 0, 1, 2)
    right = d.transpose(5, 6, 1, 2, 0, 3, 4).reshape(fr * fc, g, c, n * tp * tq)
    out = (left @ right).reshape(fr, fc, g, shape.K // g, n, tp, tq)
    return out.transpose(4, 2, 3, 5, 6, 0, 1).reshape(n, shape.K, tp, tq, fr, fc)


def _modular_products(u: np.ndarray, d: np.ndarray, shape: ConvShape) -> np.ndarray:
    """`_products` modulo the prime, channel by channel, since a sum of two products would overflow 64 bits."""
    n, g, c, tp, tq, fr, fc = d.shape
    left = u.reshape(1, g, shape.K // g, c, 1, 1, fr, fc)
    out = np.zeros((n, g, shape.K // g, tp, tq, fr, fc), np.int64)
    for i in range(c):
        out = (out + left[:, :, :, i] * d[:, :, i, None] % PRIME) % PRIME
    return out.reshape(n, shape.K, tp, tq, fr, fc)


def _ntt2(x: np.ndarray, n: int, inverse: bool = False) -> np.ndarray:
    """The two-dimensional number-theoretic transform of the last two axes, by its matrix."""
    root = pow(ROOT, (PRIME - 1) // n, PRIME)
    root = pow(root, -1, PRIME) if inverse else root
    powers = np.array([pow(root, i, PRIME) for i in range(n)], np.int64)
    matrix = powers[np.outer(np.arange(n), np.arange(n)) % n]
    for _ in range(2):
        y = np.zeros_like(x)
        for i in range(n):
            y = (y + x[..., i, None] * matrix[i] % PRIME) % PRIME
        x = np.swapaxes(y, -1, -2)
    return x * pow(n * n, -1, PRIME) % PRIME if inverse else x


def _assembled(y: np.ndarray, shape: ConvShape, n: int) -> np.ndarray:
    """The valid part of each tile, side by side, every stride-th pixel of it."""
    tp, tq, rows, columns = _grid(shape, n)
    whole = y[..., :rows, :columns].transpose(0, 1, 2, 4, 3, 5).reshape(shape.N, shape.K, tp * rows, tq * columns)
    full_p, full_q = (shape.P - 1) * shape.stride[0] + 1, (shape.Q - 1) * shape.stride[1] + 1
    return whole[:, :, : full_p : shape.stride[0], : full_q : shape.stride[1]]


def cost(shape: ConvShape, n: int) -> TransformCost:
    """Counts for tiles of n x n: 2.5 n^2 log2(n^2) operations a real 2-D transform, 4 + 2 real operations a complex product.

    A real tile has n * (n/2 + 1) frequencies. Strides save nothing: every pixel is computed and most are dropped.
    """
    tp, tq, _, _ = _grid(shape, n)
    tiles, c = shape.N * tp * tq, shape.C // shape.groups
    frequencies = n * (n // 2 + 1)
    transform = round(2.5 * n * n * math.log2(max(2, n * n)))
    products = tiles * frequencies * shape.K * c
    transforms = tiles * (shape.C + shape.K)
    spectra = 2 * frequencies * (tiles * (shape.C + shape.K) + shape.K * c)
    operands = shape.N * (shape.C * shape.H * shape.W + shape.K * shape.P * shape.Q)
    return TransformCost(
        algorithm=f"FFT {n}x{n}",
        lossless="integers, by a number-theoretic transform; rounded in floating point",
        multiplications=4 * products,
        additions=2 * products + 2 * tiles * frequencies * shape.K * (c - 1),
        transform_multiplications=transforms * transform // 2,
        transform_additions=transforms * (transform - transform // 2),
        filter_operations=shape.K * c * transform,
        extra_words=spectra,
        moved_words=operands + 2 * spectra,
        keeps_sparsity=False,
        note="stride saves nothing" if shape.stride != (1, 1) else "",
    )

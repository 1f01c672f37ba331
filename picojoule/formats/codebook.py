"""Learned codebooks: k-means over the values of a tensor."""

from __future__ import annotations

import numpy as np

from picojoule.errors import SpecError
from picojoule.formats.element import finite


def k_means(x: np.ndarray, entries: int, rounds: int = 100) -> tuple[float, ...]:
    """The entries of a codebook, ascending: Lloyd's rounds from entries spaced evenly over the range, each an FP16 number.

    Source: Han et al., Deep Compression, ICLR 2016 (linear initialisation keeps the rare large weights).
    """
    values = np.sort(finite(x).reshape(-1))
    if not len(values):
        raise SpecError("a codebook of no values", hint="give a tensor with elements")
    sums = np.concatenate([[0.0], np.cumsum(values)])
    centres = np.linspace(values[0], values[-1], entries)
    for _ in range(rounds):
        ends = np.searchsorted(values, (centres[1:] + centres[:-1]) / 2, side="right")
        low, high = np.concatenate([[0], ends]), np.concatenate([ends, [len(values)]])
        count = high - low
        mean = np.where(count > 0, (sums[high] - sums[low]) / np.maximum(count, 1), centres)
        mean = np.maximum.accumulate(mean)
        if np.array_equal(mean, centres):
            break
        centres = mean
    return tuple(np.sort(np.float16(centres).astype(np.float64)).tolist())


def break_even_elements(entries: int, index_bits: int, entry_bits: int = 16, plain_bits: int = 16) -> float:
    """Elements from which n index_bits + entries entry_bits < n plain_bits: the codebook pays.

    >>> round(break_even_elements(256, 8))
    512
    """
    if index_bits >= plain_bits:
        return float("inf")
    return entries * entry_bits / (plain_bits - index_bits)

"""Integers cut into what an array holds and drives: weight slices in cells, input slices in time, and how sums go together again.

For every encoding:  sum_k x_k w_k = sum over slices i, j of a_i b_j sum_k X_i,k W_j,k, plus digital corrections, exactly.

offset: W holds w + 2^(b-1), and 2^(b-1) sum x is taken off. twos_complement: with cells of one bit, the sign bit's column counts
negatively; with wider cells the sign bit is flipped, which makes it an offset. differential: |w| in the cell of its
sign. xnor: bits t stand for s = 2t - 1 = +-1; w = (sum 2^i s_i - 1) / 2, and a column of s is counted through its t, since
sum x s = 2 sum x t - sum x, with sum x known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from picojoule.errors import SpecError
from picojoule.hardware.array.in_memory import Array


@dataclass(frozen=True)
class Weights:
    """Cells for a matrix int[K, N]. `cells` int[slices, K, N]; negative values lie in the second cell of a pair.

    `scale` [slices]: what a slice's sum is multiplied by; negative for the sign bit of two's complement, and for second cells
    that are converted by themselves (they follow the first ones). `offset`: subtract offset * sum of inputs from each output.
    """

    cells: np.ndarray
    scale: np.ndarray
    offset: int


@dataclass(frozen=True)
class Inputs:
    """Slices of inputs int[B, K]. `values` int[slices, B, K], `scale` [slices]; `offset` was added to the inputs beforehand."""

    values: np.ndarray
    scale: np.ndarray
    offset: int


def weight_range(array: Array, bits: int) -> tuple[int, int]:
    """The integers that a weight of so many bits takes: symmetric for pairs of cells."""
    return (-(2 ** (bits - 1)) + (array.weights == "differential"), 2 ** (bits - 1) - 1)


def cut_weights(w: np.ndarray, array: Array, bits: int) -> Weights:
    """The cells that hold the weights. Raises SpecError for integers out of range."""
    low, high = weight_range(array, bits)
    if w.size and (w.min() < low or w.max() > high):
        raise SpecError(f"weights from {w.min()} to {w.max()} as {bits} b {array.weights}", hint=f"they go from {low} to {high}")
    c, n = array.cell.bits, array.weight_slices(bits)
    scale = 2.0 ** (c * np.arange(n))
    if array.weights == "differential":
        sign, size = np.sign(w), np.abs(w)
        cells = np.stack([sign * _digit(size, i, c) for i in range(n)])
        if array.pair == "columns" and array.subtract == "digital":
            return Weights(np.concatenate([np.maximum(cells, 0), np.maximum(-cells, 0)]), np.concatenate([scale, -scale]), 0)
        return Weights(cells, scale, 0)
    if array.weights in ("offset", "xnor") or c > 1:
        return Weights(np.stack([_digit(w + 2 ** (bits - 1), i, c) for i in range(n)]), scale, 2 ** (bits - 1))
    return Weights(np.stack([_digit(w, i, c) for i in range(n)]), scale * np.where(np.arange(n) == n - 1, -1, 1), 0)


def input_range(array: Array, bits: int, signed: bool) -> tuple[int, int]:
    """The integers that an input of so many bits takes."""
    if array.signed_magnitude:
        return 1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def cut_inputs(x: np.ndarray, array: Array, bits: int, signed: bool) -> Inputs:
    """The slices that drive the rows. Signed ones have an offset added; an array of sign and magnitude takes all inputs so."""
    low, high = input_range(array, bits, signed)
    if x.size and (x.min() < low or x.max() > high):
        raise SpecError(f"inputs from {x.min()} to {x.max()} as {bits} b", hint=f"they go from {low} to {high}")
    d = array.dac_bits
    n = array.input_slices(bits)
    scale = 2.0 ** (d * np.arange(n))
    if array.signed_magnitude:
        sign, size = np.sign(x), np.abs(x)
        return Inputs(np.stack([sign * _digit(size, i, d) for i in range(n)]), scale, 0)
    offset = 2 ** (bits - 1) if signed else 0
    return Inputs(np.stack([_digit(x + offset, i, d) for i in range(n)]), scale, offset)


def _digit(x: np.ndarray, i: int, bits: int) -> np.ndarray:
    """Digit i, of so many bits, of non-negative integers (of the two's complement of negative ones)."""
    return (x >> (i * bits)) & ((1 << bits) - 1)


@dataclass(frozen=True, slots=True)
class Readout:
    """What one conversion tells apart: `levels` codes from `low` on, `step` apart, saturating at `top`.

    Steps are powers of two, so that codes go together by shifts and rounding has no bias; sums are integers, so that none is
    finer than one. The top code may saturate: a range of 16 in 16 codes is read up to 15.
    """

    low: float
    high: float
    levels: int

    @property
    def step(self) -> float:
        """Distance of two codes, in units of the least sum."""
        return 2.0 ** max(0, math.ceil(math.log2((self.high - self.low) / self.levels))) if self.high > self.low else 1.0

    @property
    def top(self) -> float:
        """The largest sum that is told from larger ones."""
        return min(self.high, self.low + self.step * (self.levels - 1))

    @property
    def lossless(self) -> bool:
        """Does every integer of the range have a code of its own?"""
        return self.step == 1.0 and self.top == self.high


def readout(array: Array, weight_bits: int, input_bits: int, clip: float = 1.0) -> Readout | None:
    """The range of a conversion over the largest sums that can occur, times `clip` (a narrower range saturates); None: digital.

    A signed range is symmetric. Sums of merged slices (weights or inputs joined in the analog domain) have wider ranges.
    """
    if array.adc is None:
        return None
    if not 0 < clip <= 1:
        raise SpecError(f"an ADC range of {clip:g} of the largest sum", hint="a fraction above 0, up to 1")
    merged = array.weight_slices(weight_bits) if array.merge_weight_slices else 1
    joined = min(array.analog_input_slices, array.input_slices(input_bits))
    x_most = (2**array.dac_bits - 1) * sum(2 ** (array.dac_bits * i) for i in range(joined))
    magnitude = weight_bits - 1 if array.weights == "differential" else weight_bits
    w_bits = magnitude if merged > 1 else min(array.cell.bits, magnitude)
    w_low, w_high = 0, 2**w_bits - 1
    if array.weights == "twos_complement" and array.cell.bits == 1 and merged > 1:
        w_low, w_high = -(2 ** (w_bits - 1)), 2 ** (w_bits - 1) - 1  # the sign bit joins with its negative weight
    if array.weights == "differential" and array.subtract == "analog":
        w_low = -w_high
    most = array.inputs_summed * x_most
    low, high = most * w_low, most * w_high
    if array.signed_magnitude:
        low = min(low, -high)
        high = max(high, -low)
    return Readout(clip * low, clip * high, 2**array.adc.bits)

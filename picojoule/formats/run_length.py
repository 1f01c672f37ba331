"""Eyeriss' run-length coding of zeros, bit by bit: 5 b run, 16 b level, three pairs and one end bit in each 64 b word.

A pair (run, level) stands for `run` zeros followed by the value `level`. A run is 31 zeros at most: longer ones take a pair of
31 zeros and a level of zero, which is itself the 32nd. What remains of the tensor is as long as its shape says, so trailing
zeros are a run whose level is the last value (zero). Source: Chen et al., JSSC 52(1), 2017, Section III-C and Fig. 6.

word   63     62 ... 58  57 ... 42   41 ... 37  36 ... 21   20 ... 16  15 ... 0
       end    run 0      level 0     run 1      level 1     run 2      level 2
(the end bit is 1 in the last word; where its later pairs are empty they are all zeros)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from picojoule.errors import SpecError

RUN_BITS, LEVEL_BITS, PAIRS, WORD_BITS = 5, 16, 3, 64
LONGEST_RUN = (1 << RUN_BITS) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLength:
    """A tensor in 64 b words. `elements` 16 b values were coded."""

    words: np.ndarray  # uint64
    shape: tuple[int, ...]
    pairs: int
    padding_pairs: int  # pairs whose level is zero: runs beyond 31, and trailing zeros

    @property
    def elements(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def bits(self) -> int:
        return WORD_BITS * len(self.words)

    @property
    def metadata_bits(self) -> int:
        """Bits that are no levels: runs, end bits, and what is empty in the last word."""
        return self.bits - LEVEL_BITS * self.pairs

    @property
    def ratio(self) -> float:
        """Bits of the plain tensor over bits of the coded one."""
        return self.elements * LEVEL_BITS / self.bits


def encode_reference(values: np.ndarray) -> tuple[list[int], list[int]]:
    """Runs and levels of a flat array of 16 b patterns, one element after the other."""
    runs, levels, zeros = [], [], 0
    last = len(values) - 1
    for i, v in enumerate(values.tolist()):
        if v == 0 and zeros < LONGEST_RUN and i < last:
            zeros += 1
            continue
        runs.append(zeros)
        levels.append(v)
        zeros = 0
    return runs, levels


@njit(cache=True)
def _pairs(values: np.ndarray, runs: np.ndarray, levels: np.ndarray) -> int:  # twin of encode_reference; how many
    n, zeros = 0, 0
    last = len(values) - 1
    for i in range(len(values)):
        if values[i] == 0 and zeros < LONGEST_RUN and i < last:
            zeros += 1
            continue
        runs[n] = zeros
        levels[n] = values[i]
        n += 1
        zeros = 0
    return n


def encode(tensor: np.ndarray) -> RunLength:
    """The run-length code of a tensor of 16 b elements (any 16 b dtype), row after row.

    >>> encode(np.array([0, 0, 5, 0], np.int16)).pairs
    2
    """
    flat = _patterns(tensor)
    runs, levels = np.empty(len(flat), np.uint64), np.empty(len(flat), np.uint64)
    n = int(_pairs(flat, runs, levels))
    runs, levels = runs[:n], levels[:n]
    words = -(-n // PAIRS)
    pair = np.zeros(words * PAIRS, np.uint64)
    pair[:n] = (runs << np.uint64(LEVEL_BITS)) | levels
    width = RUN_BITS + LEVEL_BITS
    packed = np.zeros(words, np.uint64)
    for i in range(PAIRS):
        packed |= pair[i::PAIRS] << np.uint64((PAIRS - 1 - i) * width)
    if words:
        packed[-1] |= np.uint64(1 << (WORD_BITS - 1))
    return RunLength(words=packed, shape=tensor.shape, pairs=n, padding_pairs=int((levels == 0).sum()))


def decode(code: RunLength, dtype: np.dtype | type = np.int16) -> np.ndarray:
    """The tensor again; a stream that does not end where its shape says is refused."""
    width, n = RUN_BITS + LEVEL_BITS, code.elements
    shifts = np.array([(PAIRS - 1 - i) * width for i in range(PAIRS)], np.uint64)
    pair = (code.words[:, None] >> shifts[None, :]).reshape(-1) & np.uint64((1 << width) - 1)
    ends = np.cumsum((pair >> np.uint64(LEVEL_BITS)).astype(np.int64) + 1)
    used = int(np.searchsorted(ends, n)) + 1 if n else 0
    if n and (
        used > len(ends)
        or ends[used - 1] != n
        or not code.words[-1] >> np.uint64(WORD_BITS - 1)
        or -(-used // PAIRS) != len(code.words)
        or pair[used:].any()
    ):
        raise SpecError(
            f"a run-length stream of {len(code.words)} words does not end after {n} elements",
            hint="give the shape that was coded",
        )
    flat = np.zeros(n, np.uint16)
    flat[ends[:used] - 1] = (pair[:used] & np.uint64((1 << LEVEL_BITS) - 1)).astype(np.uint16)
    return flat.view(dtype).reshape(code.shape)


def expected_bits(density: float) -> float:
    """Expected bits an element of a long tensor whose elements are nonzero independently with probability `density`.

    A pair ends at a nonzero or at the 32nd zero, so it covers (1 - q^32) / (1 - q) elements on average, q = 1 - density, and
    takes 64/3 bits. At 50 % zeros 10.67 b, a ratio of 1.5.

    >>> round(16 / expected_bits(0.5), 3), round(16 / expected_bits(0.224), 2)
    (1.5, 3.35)
    """
    if not 0 <= density <= 1:
        raise SpecError(f"density {density}", hint="give a fraction from 0 to 1")
    q = 1 - density
    covered = LONGEST_RUN + 1 if density == 0 else (1 - q ** (LONGEST_RUN + 1)) / density
    return WORD_BITS / PAIRS / covered


def expected_pairs(elements: int, density: float) -> float:
    """Expected pairs of a tensor of so many independent elements: exact, by the probability of each number of zeros so far.

    A pair ends at a nonzero, at the 32nd zero of a run, and at the last element.
    """
    if not 0 <= density <= 1:
        raise SpecError(f"density {density}", hint="give a fraction from 0 to 1")
    waiting = np.zeros(LONGEST_RUN + 1)  # probability of so many zeros since the last pair
    waiting[0], pairs = 1.0, 0.0
    for _ in range(elements - 1):
        zero = (1 - density) * waiting
        ends = density + zero[LONGEST_RUN]
        pairs += ends
        waiting = np.concatenate([[ends], zero[:LONGEST_RUN]])
    return pairs + (1.0 if elements else 0.0)


def worst_bits(elements: int) -> int:
    """Bits that no tensor of so many elements exceeds: a pair for each of them."""
    return WORD_BITS * -(-elements // PAIRS)


def entropy_bits(tensor: np.ndarray) -> float:
    """Shannon's bound in bits an element for independent elements of the tensor's own distribution."""
    _, counts = np.unique(_patterns(tensor), return_counts=True)
    p = counts / counts.sum()
    return float(-(p * np.log2(p)).sum())


def _patterns(tensor: np.ndarray) -> np.ndarray:
    if tensor.dtype.itemsize != 2:
        raise SpecError(f"run-length coding is for 16 b elements, not {tensor.dtype}", hint="quantise to fixed16 first")
    return np.ascontiguousarray(tensor).reshape(-1).view(np.uint16)

"""How a number format shares scales among elements, and what they cost to store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from picojoule.formats.element import Element, Float, Integer, Log2, finite

Values = np.ndarray

E4M3 = Float(exponent=4, mantissa=3, specials="nan", saturates=True)
FP16 = Float(exponent=5, mantissa=10)
E8M0_LEAST, E8M0_MOST = -127, 127  # of an OCP MX scale, a power of two in 8 bits; 255 is NaN


class Scaling(Protocol):
    """A rule for scales. `block`: elements along the last axis that share one, None: the whole tensor."""

    @property
    def block(self) -> int | None: ...

    @property
    def bits_a_block(self) -> int: ...

    @property
    def bits_a_tensor(self) -> int: ...

    def scales(self, blocks: Values, element: Element) -> tuple[Values, Values, float]:
        """(codes of the scales, their values, scale of the whole tensor) for blocks[..., block]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unscaled:
    """No scale: a value is what its code says."""

    block: int | None = None
    bits_a_block: int = 0
    bits_a_tensor: int = 0

    def scales(self, blocks: Values, element: Element) -> tuple[Values, Values, float]:
        return _ones(blocks)


UNSCALED = Unscaled()


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorScale:
    """One FP32 scale for the tensor. `by`: "max" puts the largest magnitude on the largest code; "mean" is BWN's mean of |x|;
    "ternary" is TWN's mean over |x| > 0.7 mean |x|.

    Sources: Rastegari et al., XNOR-Net, ECCV 2016; Li et al., Ternary Weight Networks, 2016.
    """

    by: str = "max"
    block: int | None = None
    bits_a_block: int = 0
    bits_a_tensor: int = 32

    def scales(self, blocks: Values, element: Element) -> tuple[Values, Values, float]:
        codes, values, _ = _ones(blocks)
        size = np.abs(finite(blocks))
        if not size.any():
            return codes, values, 1.0
        if self.by == "max":
            scale = size.max() / element.largest
        elif self.by == "mean":
            scale = size.mean()
        else:
            scale = size[size > 0.7 * size.mean()].mean()
        return codes, values, float(np.float32(scale)) or 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorPower:
    """One power of two for the tensor, its exponent in 8 bits: dynamic fixed point, and the range of log2 codes.

    The least power with which nothing saturates (log2: the largest magnitude rounds to the largest code).
    """

    block: int | None = None
    bits_a_block: int = 0
    bits_a_tensor: int = 8

    def scales(self, blocks: Values, element: Element) -> tuple[Values, Values, float]:
        codes, values, _ = _ones(blocks)
        high, low = float(finite(blocks).max(initial=0.0)), float(blocks.min(initial=0.0))
        if high == low == 0:
            return codes, values, 1.0
        exponent = int(np.frexp(max(high, -low))[1]) - int(np.frexp(element.largest)[1]) - 1
        while not _holds(element, np.ldexp(high, -exponent), np.ldexp(low, -exponent)):
            exponent += 1
        return codes, values, float(np.ldexp(1.0, exponent))


def _holds(element: Element, high: float, low: float) -> bool:
    """Whether both ends are encoded without saturating."""
    if isinstance(element, Log2):
        m, e = np.frexp(max(high, -low))
        return int(e) - (m * m <= 0.5) <= 0
    if isinstance(element, Integer):
        low, high = np.rint(np.ldexp([low, high], element.fraction))
        return bool(element.low <= low and high <= element.high)
    return max(high, -low) <= element.largest


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPower:
    """OCP MX: a power of two (E8M0, 8 bits) for each block of 32: 2^(floor(log2 max|x|) - exponent of the largest code).

    Elements beyond the largest code saturate. Source: OCP Microscaling Formats v1.0, 2023, Section 6.3 as recalled.
    """

    emax: int
    block: int | None = 32
    bits_a_block: int = 8
    bits_a_tensor: int = 0

    def scales(self, blocks: Values, element: Element) -> tuple[Values, Values, float]:
        most = np.abs(finite(blocks)).max(axis=-1)
        exponent = np.where(most > 0, np.frexp(most)[1] - 1 - self.emax, E8M0_LEAST)
        exponent = np.clip(exponent, E8M0_LEAST, E8M0_MOST)
        return (exponent + 127).astype(np.uint32), np.ldexp(1.0, exponent), 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedE4M3:
    """NVFP4: an FP8 E4M3 scale for each block of 16, and one FP32 scale for the tensor.

    tensor scale = max|x| / (448 x 6); block scale = E4M3(max|block| / 6 / tensor scale). Source: NVIDIA's description of NVFP4,
    2025, as recalled.
    """

    block: int | None = 16
    bits_a_block: int = 8
    bits_a_tensor: int = 32

    def scales(self, blocks: Values, element: Element) -> tuple[Values, Values, float]:
        most = np.abs(finite(blocks)).max(axis=-1)
        tensor = float(np.float32(most.max(initial=0.0) / (E4M3.largest * element.largest))) or 1.0
        codes = E4M3.encode(most / element.largest / tensor)
        return codes, E4M3.decode(codes), tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFP16:
    """Group-wise integers: an FP16 scale for each group, max|group| / largest code (symmetric, as GPTQ-like exports do)."""

    block: int | None = 128
    bits_a_block: int = 16
    bits_a_tensor: int = 0

    def scales(self, blocks: Values, element: Element) -> tuple[Values, Values, float]:
        most = np.abs(finite(blocks)).max(axis=-1)
        codes = replace(FP16, saturates=True).encode(most / element.largest)
        return codes, FP16.decode(codes), 1.0


def _ones(blocks: Values) -> tuple[Values, Values, float]:
    shape = blocks.shape[:-1]
    return np.zeros(shape, np.uint32), np.ones(shape), 1.0

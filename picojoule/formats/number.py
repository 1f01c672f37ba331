"""A number format: an element, a rule for scales, and what a tensor in it takes to store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from picojoule.errors import SpecError
from picojoule.formats.element import Element, Entries, code_points
from picojoule.formats.scaling import UNSCALED, Scaling, TensorScale


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A tensor in a number format. `codes` has the tensor's shape with the last axis cut into blocks and zero-padded."""

    form: NumberFormat
    shape: tuple[int, ...]
    codes: np.ndarray  # uint32[..., blocks, block]
    scale_codes: np.ndarray  # uint32[..., blocks]
    scales: np.ndarray  # float64[..., blocks]
    tensor_scale: float

    @property
    def stored_bits(self) -> int:
        """Bits of elements, scales and codebook; the padding of a last, partly filled block is not stored."""
        n = int(np.prod(self.shape, dtype=np.int64))
        return n * self.form.element_bits + self.scales.size * self.form.scaling.bits_a_block + self.form.bits_a_tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFormat:
    """A way to write the numbers of a tensor in bits. Frozen; `encode` and `decode` are vectorised and bit-exact.

    >>> from picojoule.formats.names import number_format
    >>> f = number_format("mxfp4")
    >>> f.quantise(np.array([1.0, 1.3, -7.0])).tolist()
    [1.0, 1.0, -6.0]
    >>> f.bits
    4.25
    """

    name: str
    about: str
    element: Element
    scaling: Scaling = UNSCALED
    source: str = ""
    codebook_bits: int = 0  # bits of one entry of a codebook
    learns: int = 0  # entries of a codebook that is fitted to the tensor

    @property
    def element_bits(self) -> int:
        return (self.learns - 1).bit_length() if self.learns else self.element.bits

    @property
    def bits(self) -> float:
        """Bits a value takes, block scales included; what a tensor has once (`bits_a_tensor`) is not."""
        block = self.scaling.block
        return self.element_bits if block is None else self.element_bits + self.scaling.bits_a_block / block

    @property
    def bits_a_tensor(self) -> int:
        """Bits stored once a tensor: its scale or codebook."""
        return self.scaling.bits_a_tensor + self.codebook_bits * self.learns

    def storage_bits(self, elements: int) -> int:
        """Bits of a tensor of one row of so many elements: every begun block has its scale.

        >>> from picojoule.formats.names import number_format
        >>> number_format("mxfp4").storage_bits(64)
        272
        """
        block = self.scaling.block
        blocks = 0 if block is None else -(-elements // block)
        return elements * self.element_bits + blocks * self.scaling.bits_a_block + self.bits_a_tensor

    def encode(self, x: np.ndarray) -> Encoded:
        """The tensor in this format; blocks run along its last axis."""
        x = np.asarray(x, np.float64)
        form = self._fitted(x) if self.learns else self
        blocks = _blocks(x, self.scaling.block)
        codes, scales, whole = form.scaling.scales(blocks, form.element)
        by = scales[..., None] * whole
        with np.errstate(divide="ignore", invalid="ignore"):
            elements = np.where(by > 0, blocks / by, 0.0) if np.any(by != 1) else blocks
        return Encoded(
            form=form, shape=x.shape, codes=form.element.encode(elements), scale_codes=codes, scales=scales, tensor_scale=whole
        )

    def decode(self, e: Encoded) -> np.ndarray:
        """The values that the codes stand for, float64."""
        values = e.form.element.decode(e.codes) * e.scales[..., None] * e.tensor_scale
        flat = values.reshape(*e.shape[:-1], -1) if e.shape else values.reshape(-1)
        return flat[..., : e.shape[-1]].reshape(e.shape) if e.shape else flat[0]

    def quantise(self, x: np.ndarray) -> np.ndarray:
        """The nearest tensor that the format can hold, by its own rules."""
        return self.decode(self.encode(x))

    def code_points(self) -> list[tuple[int, float]]:
        """Every code of an element (scale 1) with its value."""
        if self.learns:
            raise SpecError(f"{self.name} learns its values from a tensor", hint="encode one, and see the codebook")
        return list(enumerate(code_points(self.element).tolist()))

    def exact(self) -> list[Fraction | None]:
        """The code points as exact rationals; None for NaN and infinities."""
        return [Fraction(v) if np.isfinite(v) else None for _, v in self.code_points()]

    def _fitted(self, x: np.ndarray) -> NumberFormat:
        from picojoule.formats.codebook import k_means

        return replace(self, element=Entries(table=k_means(x, self.learns)))


def _blocks(x: np.ndarray, block: int | None) -> np.ndarray:
    """The tensor as [..., blocks, block]; without a block one block holds everything of a row."""
    rows = x.reshape(1) if x.ndim == 0 else x
    n = rows.shape[-1]
    size = block or max(n, 1)
    short = -n % size
    if short:
        rows = np.concatenate([rows, np.zeros((*rows.shape[:-1], short))], axis=-1)
    return rows.reshape(*rows.shape[:-1], -1, size)


def linear(name: str, element: Element, about: str, source: str = "") -> NumberFormat:
    """An integer format with one FP32 scale for the tensor."""
    return NumberFormat(name=name, about=about, element=element, scaling=TensorScale(), source=source)

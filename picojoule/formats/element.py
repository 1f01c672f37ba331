"""What the bits of one element mean: a finite set of code points, each an exact rational number.

An element format knows nothing of scales: it rounds numbers to its code points and gives them back. Rounding is to the
nearest, ties to the even code, as IEEE 754 does. Every value here is exact in a Python float (at most 32 significant bits).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from picojoule.errors import SpecError

Codes = np.ndarray  # unsigned integers
Values = np.ndarray  # float64


class Element(Protocol):
    """One element of a number format."""

    @property
    def bits(self) -> int: ...

    @property
    def largest(self) -> float:
        """The largest magnitude that encoding gives."""

    def encode(self, x: Values) -> Codes: ...

    def decode(self, codes: Codes) -> Values: ...


def code_points(element: Element) -> Values:
    """The value of every code from 0 to 2^bits - 1; NaN and infinities where the format has them."""
    return element.decode(np.arange(1 << element.bits, dtype=np.uint32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer:
    """Integers of `width` bits times 2^-fraction: two's complement, or unsigned.

    `symmetric` leaves out the most negative code when encoding, so that the negative of every value exists (and a product of
    two fits in 2N - 1 bits). Values beyond the ends saturate.
    """

    width: int
    fraction: int = 0
    signed: bool = True
    symmetric: bool = True

    def __post_init__(self) -> None:
        if not (1 + self.signed) <= self.width <= 32:
            raise SpecError(f"an integer of {self.width} bits", hint=f"{1 + self.signed} to 32 bits")

    @property
    def bits(self) -> int:
        return self.width

    @property
    def high(self) -> int:
        return (1 << (self.width - self.signed)) - 1

    @property
    def low(self) -> int:
        return 0 if not self.signed else -self.high if self.symmetric else -self.high - 1

    @property
    def largest(self) -> float:
        return float(np.ldexp(float(max(self.high, -self.low)), -self.fraction))

    def encode(self, x: Values) -> Codes:
        whole = np.clip(np.rint(np.ldexp(finite(x), self.fraction)), self.low, self.high).astype(np.int64)
        return (whole & ((1 << self.width) - 1)).astype(np.uint32)

    def decode(self, codes: Codes) -> Values:
        whole = codes.astype(np.int64)
        if self.signed:
            whole = whole - ((whole >> (self.width - 1)) << self.width)
        return np.ldexp(whole.astype(np.float64), -self.fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Float:
    """Sign, exponent and mantissa: (-1)^s 2^(E - bias) 1.M, and for E = 0 the subnormals (-1)^s 2^(1 - bias) 0.M.

    `specials`: "ieee" keeps the highest exponent for infinities and NaN; "nan" keeps only the code with all bits set for NaN
    (OCP FP8 E4M3); "none" uses every code for a number (OCP FP6 and FP4). `saturates`: beyond the largest number encoding gives
    that number (what OCP calls saturating conversion); otherwise infinity, as IEEE 754 does.
    """

    exponent: int
    mantissa: int
    specials: str = "ieee"
    saturates: bool = False

    @property
    def bits(self) -> int:
        return 1 + self.exponent + self.mantissa

    @property
    def bias(self) -> int:
        return (1 << (self.exponent - 1)) - 1

    @property
    def greatest_exponent(self) -> int:
        """The exponent of the largest number."""
        return (1 << self.exponent) - 1 - self.bias - (self.specials == "ieee" or (self.specials == "nan" and self.mantissa == 0))

    @property
    def largest(self) -> float:
        steps = (1 << (self.mantissa + 1)) - 1 - (self.specials == "nan" and self.mantissa > 0)
        return float(np.ldexp(float(steps), self.greatest_exponent - self.mantissa))

    @property
    def least(self) -> float:
        """The smallest positive number: one step of the subnormals."""
        return float(np.ldexp(1.0, 1 - self.bias - self.mantissa))

    def encode(self, x: Values) -> Codes:
        x = np.asarray(x, np.float64)
        if self.specials == "none" or self.saturates:
            x = finite(x, self.specials != "none")
        magnitude = np.abs(np.where(np.isfinite(x), x, 0.0))
        exponent = np.maximum(np.frexp(magnitude)[1] - 1, 1 - self.bias)  # frexp: 0.5 <= m < 1
        exponent = np.where(magnitude == 0, 1 - self.bias, exponent)
        steps = np.rint(np.ldexp(magnitude, self.mantissa - exponent)).astype(np.int64)  # of 2^(exponent - mantissa)
        code = ((exponent + self.bias - 1).astype(np.int64) << self.mantissa) + steps  # a carry moves into the exponent field
        most = self._code(self.largest)
        over = code > most
        code = np.where(over, most if self._clips else self._infinity, code)
        code = np.where(np.isinf(x), most if self._clips else self._infinity, code)
        code = np.where(np.isnan(x), self._nan, code)
        return (code | (np.signbit(x).astype(np.int64) << (self.bits - 1))).astype(np.uint32)

    def decode(self, codes: Codes) -> Values:
        codes = codes.astype(np.int64)
        field = (codes >> self.mantissa) & ((1 << self.exponent) - 1)
        m = codes & ((1 << self.mantissa) - 1)
        steps = np.where(field > 0, m + (1 << self.mantissa), m)
        value = np.ldexp(steps.astype(np.float64), np.maximum(field, 1) - self.bias - self.mantissa)
        top = (1 << self.exponent) - 1
        if self.specials == "ieee":
            value = np.where(field == top, np.where(m == 0, np.inf, np.nan), value)
        elif self.specials == "nan":
            value = np.where((field == top) & (m == (1 << self.mantissa) - 1), np.nan, value)
        return np.where((codes >> (self.bits - 1)) & 1 == 1, -value, value)

    @property
    def _clips(self) -> bool:
        return self.saturates or self.specials != "ieee"

    @property
    def _infinity(self) -> int:
        return ((1 << self.exponent) - 1) << self.mantissa

    @property
    def _nan(self) -> int:
        quiet = (1 << self.mantissa) - 1 if self.specials == "nan" else 1 << max(self.mantissa - 1, 0)
        return self._infinity | quiet

    def _code(self, value: float) -> int:
        """The code of a positive normal number of the format."""
        m, e = np.frexp(value)
        return int(((int(e) - 1 + self.bias - 1) << self.mantissa) + round(float(m) * (1 << (self.mantissa + 1))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Log2:
    """Powers of two: a sign bit and an exponent field k; k = 0 is zero, otherwise (-1)^s 2^(k - 2^(width-1) + 1).

    The largest value is 1. Rounding is in the log domain (the nearest exponent), as LogNet does; what is nearer to no power
    than half a step below the smallest becomes zero.
    Source: Lee, Miyashita et al., LogNet, ICASSP 2017; the survey's Section VII-A-2.
    """

    width: int

    def __post_init__(self) -> None:
        if not 2 <= self.width <= 8:
            raise SpecError(f"powers of two in {self.width} bits", hint="2 to 8 bits, one of them the sign")

    @property
    def bits(self) -> int:
        return self.width

    @property
    def steps(self) -> int:
        """Exponents there are: k runs from 1 to this."""
        return (1 << (self.width - 1)) - 1

    @property
    def largest(self) -> float:
        return 1.0

    def encode(self, x: Values) -> Codes:
        x = finite(x)
        m, e = np.frexp(np.abs(x))
        exponent = np.where(m * m > 0.5, e, e - 1)  # log2 |x| rounded: m = sqrt(1/2) is irrational, so there are no ties
        k = np.clip(exponent + self.steps, 0, self.steps)
        k = np.where(x == 0, 0, k).astype(np.int64)
        return (k | (((x < 0) & (k > 0)).astype(np.int64) << (self.width - 1))).astype(np.uint32)

    def decode(self, codes: Codes) -> Values:
        codes = codes.astype(np.int64)
        k = codes & ((1 << (self.width - 1)) - 1)
        value = np.where(k > 0, np.ldexp(1.0, k - self.steps), 0.0)
        return np.where((codes >> (self.width - 1)) & 1 == 1, -value, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """Binary (-1, +1) in one bit, or ternary (-1, 0, +1) in two.

    Codes are two's complement for ternary; for binary 0 is -1 and 1 is +1 (zero counts as +1). Ternary rounds |x| up from
    one half. The ternary code 2 (of -2) is never written and reads as 0.
    """

    ternary: bool = False

    @property
    def bits(self) -> int:
        return 2 if self.ternary else 1

    @property
    def largest(self) -> float:
        return 1.0

    def encode(self, x: Values) -> Codes:
        x = finite(x)
        if not self.ternary:
            return (x >= 0).astype(np.uint32)
        return np.where(np.abs(x) > 0.5, np.where(x > 0, 1, 3), 0).astype(np.uint32)

    def decode(self, codes: Codes) -> Values:
        table = (0.0, 1.0, 0.0, -1.0) if self.ternary else (-1.0, 1.0)
        return np.array(table)[codes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """Indices into a table of values (a codebook); rounding is to the nearest entry, ties to the lower one."""

    table: tuple[float, ...]  # ascending

    def __post_init__(self) -> None:
        if len(self.table) < 1 or any(b < a for a, b in zip(self.table, self.table[1:], strict=False)):
            raise SpecError("the entries of a codebook do not ascend", hint="sort them")

    @property
    def bits(self) -> int:
        return max(1, (len(self.table) - 1).bit_length())

    @property
    def largest(self) -> float:
        return max(abs(self.table[0]), abs(self.table[-1]))

    def encode(self, x: Values) -> Codes:
        table = np.array(self.table)
        return np.searchsorted((table[1:] + table[:-1]) / 2, finite(x), side="left").astype(np.uint32)

    def decode(self, codes: Codes) -> Values:
        return np.array(self.table)[codes]


def finite(x: Values, nan: bool = False) -> Values:
    """The values as float64; what the format cannot hold is refused (`nan`: NaN and infinities are fine)."""
    x = np.asarray(x, np.float64)
    if nan:
        return x
    if not np.isfinite(x).all():
        raise SpecError("the values hold NaN or infinity, which this number format cannot", hint="clean the data first")
    return x

"""Number formats by their definitions, in exact rational arithmetic, one code at a time. Nothing here uses the product."""

from __future__ import annotations

import math
from fractions import Fraction


def two_to(e: int) -> Fraction:
    return Fraction(2) ** e


def float_value(code: int, exponent: int, mantissa: int, specials: str) -> Fraction | str:
    """The number of a code, or "nan", "inf", "-inf"; the bias is 2^(exponent - 1) - 1."""
    sign = -1 if code >> (exponent + mantissa) & 1 else 1
    e, m = code >> mantissa & (2**exponent - 1), code & (2**mantissa - 1)
    bias, top = 2 ** (exponent - 1) - 1, 2**exponent - 1
    if specials == "ieee" and e == top:
        return "nan" if m else ("inf" if sign > 0 else "-inf")
    if specials == "nan" and e == top and m == 2**mantissa - 1:
        return "nan"
    if e == 0:
        return sign * two_to(1 - bias) * Fraction(m, 2**mantissa)
    return sign * two_to(e - bias) * (1 + Fraction(m, 2**mantissa))


def integer_value(code: int, bits: int, fraction: int, signed: bool) -> Fraction:
    digits = [code >> i & 1 for i in range(bits)]
    whole = sum(d << i for i, d in enumerate(digits))
    if signed:
        whole -= digits[-1] << bits
    return whole * two_to(-fraction)


def log2_value(code: int, bits: int) -> Fraction:
    k, sign = code & (2 ** (bits - 1) - 1), code >> (bits - 1)
    return Fraction(0) if k == 0 else (-1) ** sign * two_to(k - 2 ** (bits - 1) + 1)


def nearest(x: Fraction, points: dict[int, Fraction]) -> set[Fraction]:
    """The values that rounding to nearest, ties to even code, saturating, may give: one of them."""
    scale = math.lcm(x.denominator, *(v.denominator for v in points.values()))  # integers are faster than fractions
    at = int(x * scale)
    away = {c: abs(int(v * scale) - at) for c, v in points.items()}
    least = min(away.values())
    tied = {points[c] for c, n in away.items() if n == least}
    if len(tied) == 1:
        return tied
    return {v for c, v in points.items() if v in tied and c % 2 == 0}

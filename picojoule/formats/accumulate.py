"""How wide an accumulator has to be so that no sum of products can overflow, with the proof in integers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from picojoule.errors import SpecError
from picojoule.formats.element import Element, Float, Integer, Log2, Signs
from picojoule.formats.number import NumberFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The integers of which every code point of an element is a multiple: code point = k x step, low <= k <= high."""

    step: Fraction
    low: int
    high: int

    @property
    def bits(self) -> int:
        """Bits of the two's complement integer k."""
        return _twos_complement(self.low, self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accumulator:
    """A two's complement integer of `bits` that holds any sum of `terms` products exactly, in units of `step`.

    `bits` is the least such number: the extreme sums are `low` and `high` steps, and -2^(bits-1) <= low, high < 2^(bits-1).
    """

    bits: int
    step: Fraction
    terms: int
    low: int
    high: int

    @property
    def proof(self) -> str:
        return (
            f"{self.terms} products lie between {self.low} and {self.high} steps of {_power(self.step)}; "
            f"-2^{self.bits - 1} <= {self.low} and {self.high} < 2^{self.bits - 1}"
        )


def grid(element: Element) -> Grid:
    """The integer grid of an element: fixed point has one, and a float is fixed point from its least to its largest number."""
    if isinstance(element, Integer):
        return Grid(step=Fraction(2) ** -element.fraction, low=element.low, high=element.high)
    if isinstance(element, Float):
        high = int(Fraction(element.largest) / Fraction(element.least))
        return Grid(step=Fraction(element.least), low=-high, high=high)
    if isinstance(element, Log2):
        high = 1 << (element.steps - 1)
        return Grid(step=Fraction(2) ** (1 - element.steps), low=-high, high=high)
    if isinstance(element, Signs):
        return Grid(step=Fraction(1), low=-1, high=1)
    raise SpecError("a codebook has no grid of its own", hint="accumulate in the format of its entries")


def accumulator(a: NumberFormat, b: NumberFormat, terms: int) -> Accumulator:
    """The least accumulator for `terms` products of a code point of `a` and one of `b` (codebooks: of their FP16 entries).

    For two's complement integers of N bits it has 2N + ceil(log2 terms) bits, the survey's 2N + M. Of block formats the products
    of one block are summed so; sums of different blocks have different scales and need a float.

    >>> from picojoule.formats.names import number_format
    >>> accumulator(number_format("fixed8.0"), number_format("fixed8.0"), 1024).bits
    26
    """
    if terms < 1:
        raise SpecError(f"a sum of {terms} products", hint="1 or more")
    return of_grids(grid(a.element), grid(b.element), terms)  # the element of a codebook that is not fitted yet is FP16


def of_grids(ga: Grid, gb: Grid, terms: int) -> Accumulator:
    """The least accumulator for `terms` products of points of two grids."""
    products = [x * y for x in (ga.low, ga.high) for y in (gb.low, gb.high)]
    low, high = terms * min(products), terms * max(products)
    return Accumulator(bits=_twos_complement(low, high), step=ga.step * gb.step, terms=terms, low=low, high=high)


def overflows(accumulate_bits: int, a: NumberFormat, b: NumberFormat, terms: int) -> bool:
    """Whether some sum of `terms` products needs more than `accumulate_bits`."""
    return accumulator(a, b, terms).bits > accumulate_bits


def greatest_terms(accumulate_bits: int, a: NumberFormat, b: NumberFormat) -> int:
    """The most products whose sum can never overflow an accumulator of so many bits; 0 if not even one fits."""
    one = accumulator(a, b, 1)
    most, least = (1 << (accumulate_bits - 1)) - 1, 1 << (accumulate_bits - 1)
    limits = [most // one.high] if one.high > 0 else []
    limits += [least // -one.low] if one.low < 0 else []
    return min(limits)


def _twos_complement(low: int, high: int) -> int:
    return 1 + max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0)


def _power(step: Fraction) -> str:
    exponent = int(np.log2(step.numerator)) if step.denominator == 1 else -round(math.log2(step.denominator))
    return f"2^{exponent}"

"""Accumulators hold every sum, and one bit less does not."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from picojoule.errors import SpecError
from picojoule.formats.accumulate import accumulator, greatest_terms, grid, overflows
from picojoule.formats.element import Integer
from picojoule.formats.names import number_format

FLOATS = ("fp8_e4m3", "fp8_e5m2", "mxfp4", "mxfp6_e2m3")
NAMES = (*FLOATS, "int8", "int4", "fixed8.3", "uint8", "mxint8", "binary", "ternary", "log2_4")


@pytest.mark.parametrize("name", NAMES)
def test_every_code_point_lies_on_the_grid(name: str) -> None:
    element = number_format(name).element
    g = grid(element)
    for _, v in number_format(name).code_points():
        if np.isfinite(v) and not (isinstance(element, Integer) and v / g.step < g.low):
            assert (Fraction(v) / g.step).denominator == 1
            assert g.low <= Fraction(v) / g.step <= g.high


@pytest.mark.parametrize("a", NAMES)
@pytest.mark.parametrize("b", ["int8", "uint8", "fp8_e4m3", "mxfp4", "ternary", "fixed8.3"])
@pytest.mark.parametrize("terms", [1, 27, 1024])
def test_the_worst_sum_fits_and_one_bit_less_overflows(a: str, b: str, terms: int) -> None:
    fa, fb = number_format(a), number_format(b)
    acc = accumulator(fa, fb, terms)
    ga, gb = grid(fa.element), grid(fb.element)
    sums = [terms * x * y for x in (ga.low, ga.high) for y in (gb.low, gb.high)]

    def wraps(value: int, bits: int) -> bool:
        return (value + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1)) != value

    assert not any(wraps(s, acc.bits) for s in sums)
    assert any(wraps(s, acc.bits - 1) for s in sums)
    assert not overflows(acc.bits, fa, fb, terms) and overflows(acc.bits - 1, fa, fb, terms)


@pytest.mark.parametrize("n", [4, 8, 16])
@pytest.mark.parametrize("m", [0, 10, 16])
def test_integers_need_2n_plus_m_bits_as_the_survey_says(n: int, m: int) -> None:
    f = number_format(f"fixed{n}.0")
    assert accumulator(f, f, 2**m).bits == 2 * n + m


def test_the_greatest_number_of_terms_is_the_greatest() -> None:
    for a, b, bits in (("int8", "int8", 32), ("uint8", "int8", 24), ("mxfp4", "mxfp4", 16), ("fixed8.0", "fixed8.0", 20)):
        fa, fb = number_format(a), number_format(b)
        n = greatest_terms(bits, fa, fb)
        assert not overflows(bits, fa, fb, n) and overflows(bits, fa, fb, n + 1)
    assert greatest_terms(8, number_format("fixed8.0"), number_format("fixed8.0")) == 0


def test_random_sums_of_random_codes_are_exact_in_the_accumulator() -> None:
    rng = np.random.default_rng(0)
    a, b = number_format("fp8_e4m3"), number_format("mxfp6_e3m2")
    acc = accumulator(a, b, 500)
    x = [Fraction(v) for v in a.quantise(rng.normal(size=500) * 100).tolist()]
    y = [Fraction(v) for v in b.element.decode(rng.integers(0, 64, 500)).tolist()]
    total = sum((p * q for p, q in zip(x, y, strict=True)), Fraction(0)) / acc.step
    assert total.denominator == 1
    assert -(1 << (acc.bits - 1)) <= total < 1 << (acc.bits - 1)
    assert acc.bits == 1 + math.ceil(math.log2(acc.high + 1))
    assert "500 products lie between" in acc.proof


def test_a_sum_of_no_products_and_a_codebook_are_refused() -> None:
    with pytest.raises(SpecError, match="a sum of 0 products"):
        accumulator(number_format("int8"), number_format("int8"), 0)

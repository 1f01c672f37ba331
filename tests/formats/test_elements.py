"""Every code point of every format up to 8 bits, against exact rational arithmetic and against ml_dtypes."""

from __future__ import annotations

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from picojoule.errors import SpecError
from picojoule.formats.element import Element, Float, Integer, Log2, Signs, code_points
from picojoule.formats.names import number_format
from tests.formats import exact

FLOATS = {
    "fp8_e4m3": (4, 3, "nan", ml_dtypes.float8_e4m3fn),
    "fp8_e5m2": (5, 2, "ieee", ml_dtypes.float8_e5m2),
    "fp6_e3m2": (3, 2, "none", ml_dtypes.float6_e3m2fn),
    "fp6_e2m3": (2, 3, "none", ml_dtypes.float6_e2m3fn),
    "fp4_e2m1": (2, 1, "none", ml_dtypes.float4_e2m1fn),
}
SMALL = (*FLOATS, "mxint8", "int8", "int5", "uint8", "fixed8.3", "ternary", "int2")


def same(value: float, expected: Fraction | str) -> bool:
    return str(value) == expected if isinstance(expected, str) else np.isfinite(value) and Fraction(value) == expected


@pytest.mark.parametrize("name", FLOATS)
def test_every_code_of_a_small_float_is_the_exact_rational_of_its_definition(name: str) -> None:
    e, m, specials, _ = FLOATS[name]
    for code, value in number_format(name).code_points():
        assert same(value, exact.float_value(code, e, m, specials)), (code, value)


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("fraction", [0, 3, 10])
def test_every_code_of_an_integer_is_exact(bits: int, signed: bool, fraction: int) -> None:
    points = code_points(Integer(width=bits, fraction=fraction, signed=signed))
    assert all(Fraction(v) == exact.integer_value(c, bits, fraction, signed) for c, v in enumerate(points.tolist()))


@pytest.mark.parametrize("bits", range(2, 9))
def test_every_code_of_log2_is_exact(bits: int) -> None:
    assert all(Fraction(v) == exact.log2_value(c, bits) for c, v in enumerate(code_points(Log2(width=bits)).tolist()))


def test_binary_and_ternary_have_two_and_three_values() -> None:
    assert code_points(Signs()).tolist() == [-1, 1]
    assert code_points(Signs(ternary=True)).tolist() == [0, 1, 0, -1]


@pytest.mark.parametrize("name", FLOATS)
def test_ml_dtypes_reads_the_same_numbers(name: str) -> None:
    dtype, element = FLOATS[name][3], number_format(name).element
    codes = np.arange(1 << element.bits, dtype=np.uint8)
    np.testing.assert_array_equal(code_points(element), codes.view(dtype).astype(np.float64))


@pytest.mark.parametrize("name", [*FLOATS, "fp16", "bf16"])
def test_ml_dtypes_rounds_the_same_way(name: str) -> None:
    dtype = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16}.get(name) or FLOATS[name][3]
    element = number_format(name).element
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=4000) * 2.0 ** rng.integers(-20, 10, 4000), _between(element)])
    x = x[np.abs(x) <= element.largest].astype(np.float32).astype(np.float64)  # beyond, casts differ in policy
    np.testing.assert_array_equal(element.decode(element.encode(x)), x.astype(np.float32).astype(dtype).astype(np.float64))


def _between(element: Element) -> np.ndarray:
    """Points, midpoints and their neighbours."""
    p = np.unique(code_points(element)[np.isfinite(code_points(element))]) if element.bits <= 8 else np.zeros(1)
    mid = (p[1:] + p[:-1]) / 2
    return np.concatenate([p, mid, np.nextafter(mid, -np.inf), np.nextafter(mid, np.inf)])


@pytest.mark.parametrize("name", SMALL)
def test_encoding_gives_the_nearest_value_and_ties_go_to_the_even_code(name: str) -> None:
    element = number_format(name).element
    assert element.bits <= 8
    points = {c: Fraction(v) for c, v in enumerate(code_points(element).tolist()) if np.isfinite(v)}
    if isinstance(element, Integer):
        points = {c: v for c, v in points.items() if v * 2**element.fraction >= element.low}
    for x in [*_between(element).tolist(), element.largest * 3, -element.largest * 3, *np.random.default_rng(2).normal(size=50)]:
        got = Fraction(element.decode(element.encode(np.array([x])))[0])
        allowed = exact.nearest(Fraction(float(x)), points)
        if isinstance(element, Signs):  # one half goes to zero, whose code is even only in one of its two writings
            allowed |= {Fraction(0)} if abs(x) == 0.5 else set()
        assert got in allowed, (x, got, allowed)


@pytest.mark.parametrize("name", [*FLOATS, "int8", "fixed8.3", "log2_4", "log2_5"])
def test_decoding_and_encoding_again_changes_nothing(name: str) -> None:
    element = number_format(name).element
    points = code_points(element)
    kept = points[np.isfinite(points)]
    if isinstance(element, Integer):
        kept = kept[kept * 2.0**element.fraction >= element.low]
    np.testing.assert_array_equal(element.decode(element.encode(kept)), kept)


def test_log2_rounds_in_the_log_domain() -> None:
    element = Log2(width=4)
    x = np.array([1.0, 0.71, 0.70, 2.0**-6, 2.0**-6.49, 2.0**-6.51, 0.0, -0.3])
    assert element.decode(element.encode(x)).tolist() == [1.0, 1.0, 0.5, 2**-6, 2**-6, 0.0, 0.0, -0.25]


def test_half_precision_overflows_to_infinity_and_fp8_saturates() -> None:
    half, e4m3, e5m2 = (number_format(n).element for n in ("fp16", "fp8_e4m3", "fp8_e5m2"))
    assert half.decode(half.encode(np.array([65519.0, 65520.0, -1e9, np.nan])))[:3].tolist() == [65504.0, np.inf, -np.inf]
    assert e4m3.decode(e4m3.encode(np.array([1e9, -1e9]))).tolist() == [448.0, -448.0]
    assert e5m2.decode(e5m2.encode(np.array([1e9]))).tolist() == [57344.0]
    assert np.isnan(e4m3.decode(e4m3.encode(np.array([np.nan])))[0])


@pytest.mark.parametrize("name", ["fp4_e2m1", "int8", "mxfp4", "nvfp4", "log2_4", "binary", "dfp8"])
def test_what_a_format_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="NaN or infinity"):
        number_format(name).encode(np.array([1.0, np.nan]))


def test_float32_numbers_pass_through_fp32() -> None:
    element = number_format("fp32").element
    assert isinstance(element, Float)
    x = np.random.default_rng(3).normal(size=1000).astype(np.float32)
    np.testing.assert_array_equal(element.encode(x), x.view(np.uint32))

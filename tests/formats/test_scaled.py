"""Formats with scales: their laws, the MX and NVFP4 definitions in exact arithmetic, and what they take to store."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from picojoule.errors import SpecError
from picojoule.formats.codebook import break_even_elements, k_means
from picojoule.formats.names import formats, number_format
from tests.formats import exact

FP4 = {c: exact.float_value(c, 2, 1, "none") for c in range(16)}
TIES = [Fraction(n, 4) for n in (1, 3, 5, 7, 10, 14, 20)]  # midpoints between the magnitudes of FP4
MX = {
    "mxfp4": (FP4, 2),
    "mxfp6_e2m3": ({c: exact.float_value(c, 2, 3, "none") for c in range(64)}, 2),
    "mxfp6_e3m2": ({c: exact.float_value(c, 3, 2, "none") for c in range(64)}, 4),
    "mxfp8_e4m3": ({c: v for c in range(256) if not isinstance(v := exact.float_value(c, 4, 3, "nan"), str)}, 8),
    "mxfp8_e5m2": ({c: v for c in range(256) if not isinstance(v := exact.float_value(c, 5, 2, "ieee"), str)}, 15),
    "mxint8": ({c: v for c in range(256) if (v := exact.integer_value(c, 8, 6, True)) > -2}, 0),
}


@pytest.mark.parametrize("name", MX)
def test_mx_blocks_are_what_the_specification_says(name: str) -> None:
    points, emax = MX[name]
    rng = np.random.default_rng(4)
    for scale in (1.0, 1e-20, 3e4):
        x = rng.normal(size=32) * scale * 2.0 ** rng.integers(-3, 3, 32)
        e = number_format(name).encode(x)
        most = max(abs(Fraction(v)) for v in x.tolist())
        shared = math.floor(math.log2(most)) - emax
        assert int(e.scale_codes[0]) - 127 == shared
        for v, got in zip(x.tolist(), number_format(name).decode(e).tolist(), strict=True):
            allowed = {p * exact.two_to(shared) for p in exact.nearest(Fraction(v) / exact.two_to(shared), points)}
            assert Fraction(got) in allowed


@pytest.mark.parametrize("k", range(-40, 41, 5))
def test_mxint8_does_not_clip_at_powers_of_two(k: int) -> None:
    x = np.array([2.0**k, -(2.0**k), 2.0**k * 1.951171875, 2.0**k * 0.3])
    q = number_format("mxint8").quantise(x)
    assert q[:2].tolist() == x[:2].tolist()
    assert abs(q[2] - x[2]) <= 2.0**k / 128
    assert abs(q[3] - x[3]) <= 2.0**k / 128


def test_a_block_of_zeros_stays_zero() -> None:
    for name in formats():
        if name != "binary":
            assert not number_format(name).quantise(np.zeros((2, 40))).any(), name


def test_nvfp4_is_exact_in_rationals() -> None:
    x = np.random.default_rng(5).normal(size=64)
    f = number_format("nvfp4")
    e = f.encode(x)
    assert e.tensor_scale == np.float32(np.abs(x).max() / (448 * 6))
    got = f.decode(e)
    for i, v in enumerate(got.tolist()):
        code, scale = int(e.codes.reshape(-1)[i]), Fraction(float(e.scales.reshape(-1)[i // 16]))
        element = FP4[code]
        assert isinstance(element, Fraction)
        assert Fraction(v) == element * scale * Fraction(e.tensor_scale)
        exact_quotient = Fraction(float(x[i])) / (scale * Fraction(e.tensor_scale))
        near = exact.nearest(exact_quotient, {c: p for c, p in FP4.items() if isinstance(p, Fraction)})
        assert element in near or min(abs(abs(exact_quotient) - m) for m in TIES) < Fraction(1, 10**12)  # a quotient in float64


def test_bits_of_a_value_with_its_scale() -> None:
    expected = {
        "mxfp4": 4.25,
        "nvfp4": 4.5,
        "mxfp6_e3m2": 6.25,
        "mxfp8_e4m3": 8.25,
        "mxint8": 8.25,
        "int4_g128": 4.125,
        "int8": 8,
        "fp16": 16,
    }
    assert {n: number_format(n).bits for n in expected} == expected


@pytest.mark.parametrize("name", formats())
def test_the_stated_storage_is_that_of_an_encoded_tensor(name: str) -> None:
    f = number_format(name)
    for n in (1, 31, 32, 33, 1000):
        x = np.random.default_rng(n).uniform(0.1, 1, n)
        assert f.encode(x).stored_bits == f.storage_bits(n)
    assert f.encode(np.ones((3, 48))).stored_bits == 3 * f.storage_bits(48) - 2 * f.bits_a_tensor


@pytest.mark.parametrize("name", formats())
def test_quantising_twice_changes_nothing_and_the_shape_stays(name: str) -> None:
    f = number_format(name)
    x = np.random.default_rng(6).normal(size=(2, 3, 37))
    q = f.quantise(x)
    assert q.shape == x.shape
    if name not in ("binary", "ternary", "nvfp4", "codebook16", "codebook256"):  # their scales are found anew
        np.testing.assert_allclose(f.quantise(q), q, rtol=1e-6)


def test_more_bits_are_never_worse_on_average() -> None:
    x = np.random.default_rng(7).normal(size=20_000)

    def error(name: str) -> float:
        return float(((number_format(name).quantise(x) - x) ** 2).mean())

    for family in (("int3", "int4", "int6", "int8"), ("mxfp4", "mxfp6_e2m3"), ("codebook4", "codebook16"), ("dfp4", "dfp8")):
        errors = [error(n) for n in family]
        assert errors == sorted(errors, reverse=True), family
    assert error("codebook16") < error("int4")  # k-means adapts, a linear quantiser cannot


def test_dynamic_fixed_point_finds_the_ranges_of_the_survey() -> None:
    f = number_format("dfp8")
    wide, narrow = f.encode(np.array([127.0, -128.0])), f.encode(np.array([0.124023438, -0.125]))
    assert (wide.tensor_scale, narrow.tensor_scale) == (1.0, 2.0**-10)
    assert f.decode(narrow).tolist() == [127 / 1024, -0.125]


def test_a_codebook_pays_from_the_surveys_break_even() -> None:
    for entries, bits in ((256, 8), (16, 4)):
        n = math.floor(break_even_elements(entries, bits)) + 1
        f = number_format(f"codebook{entries}")
        assert f.storage_bits(n) < 16 * n
        assert f.storage_bits(n - 1) >= 16 * (n - 1)


def test_k_means_finds_separate_clusters() -> None:
    x = np.concatenate([np.full(10, -1.0), np.full(5, 0.25), np.full(7, 2.0)])
    assert k_means(x, 3) == (-1.0, 0.25, 2.0)


def test_unknown_and_impossible_formats_are_one_clear_error() -> None:
    with pytest.raises(SpecError, match=r"unknown number format 'mxfp5'(.|\n)*did you mean"):
        number_format("mxfp5")
    with pytest.raises(SpecError, match="an integer of 60 bits"):
        number_format("int60")
    with pytest.raises(SpecError, match="groups of 0"):
        number_format("int4_g0")

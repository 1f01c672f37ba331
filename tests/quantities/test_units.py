"""Quantities read, print and complain as documented."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picojoule.errors import SpecError
from picojoule.hardware.components import logic, technology
from picojoule.quantities import units
from picojoule.quantities.units import KINDS, parse, show, size_bits


@pytest.mark.parametrize("module", [units, technology, logic])
def test_the_examples_in_docstrings_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "kind", "value"), [
    ("108 KiB", "size", 108 * 1024 * 8), ("16 b", "size", 16), ("16 bits", "size", 16), ("512 B", "size", 4096),
    ("1.5 kB", "size", 12000), ("24 MiB", "size", 24 * 2**23), ("200 MHz", "frequency", 2e8), ("1.05 GHz", "frequency", 1.05e9),
    ("0.9 V", "voltage", 0.9), ("900 mV", "voltage", 0.9), ("2 pJ", "energy", 2), ("0.02e-12 J", "energy", 0.02),
    ("3 nJ", "energy", 3000),
    ("8 pJ/b", "energy_per_bit", 8), ("8 pJ / bit", "energy_per_bit", 8), ("16 pJ/B", "energy_per_bit", 2),
    ("64 b/cycle", "bandwidth", 64), ("8 B/cycle", "bandwidth", 64), ("64 b per cycle", "bandwidth", 64),
    ("25.6 GB/s", "rate", 25.6e9 * 8), ("3.84 Gb/s", "rate", 3.84e9), ("3.84 Gbps", "rate", 3.84e9), ("65 nm", "length", 65),
    ("0.5 mm", "length", 5e5), ("30 mW", "power", 30), ("30 µW", "power", 0.03), ("12.25 mm2", "area", 12.25e6),
    ("12.25 mm²", "area", 12.25e6),
    ("5 ns", "time", 5e-9), ("33 ms", "duration", 0.033), ("1.5 min", "duration", 90),
    ("2h", "duration", 7200), ("0 pJ", "energy", 0), ("1_000 pJ", "energy", 1000), ("108KiB", "size", 108 * 8192),
])  # fmt: skip
def test_a_quantity_reads_as_its_base_unit(text: str, kind: str, value: float) -> None:
    assert parse(text, kind).value == value


@given(st.sampled_from(sorted(KINDS)), st.floats(0, 1e15, allow_subnormal=False))
def test_what_is_shown_reads_back_exactly(kind: str, value: float) -> None:
    assert parse(show(value, kind), kind).value == value


@given(st.integers(1, 2**50))
def test_a_shown_size_reads_back_in_whole_bits(bits: int) -> None:
    assert size_bits(show(bits, "size")) == bits


@pytest.mark.parametrize(("text", "kinds", "problem", "hint"), [
    ("108", ["size"], "'108' has no unit", "write a size with its unit, such as '108 KiB'"),
    ("108 pJ", ["size"], "'108 pJ' is an energy, and a size is needed", "such as '108 KiB'"),
    ("64 b", ["bandwidth", "rate"], "'64 b' is a size, and a bandwidth per cycle or a bandwidth per second is needed",
     "such as '64 b/cycle' or '25.6 GB/s'"),
    ("-2 pJ", ["energy"], "'-2 pJ' is negative", "an energy is 0 or more"),
    ("nan pJ", ["energy"], "'nan pJ' is not finite", "an energy is a finite number, such as '2 pJ'"),
    ("inf", ["energy"], "'inf' is not finite", "write an energy with its unit, such as '2 pJ'"),
    ("1e999 J", ["energy"], "'1e999 J' is not finite", "an energy is a finite number, such as '2 pJ'"),
    ("1e999999999 J", ["energy"], "'1e999999999 J' is not finite", "an energy is a finite number, such as '2 pJ'"),
    ("200 mhz", ["frequency"], "'200 mhz': unknown unit 'mhz'", "did you mean MHz? upper and lower case differ"),
    ("4 KB", ["size"], "'4 KB': KB may mean 1024 or 1000", "write '4 KiB' for 1024 or '4 kB' for 1000"),
    ("3 pKJ", ["energy"], "'3 pKJ': unknown unit 'pKJ'", "did you mean 'pJ'? known: J, aJ, fJ, mJ, nJ, pJ, uJ"),
    ("3 mss", ["duration"], "'3 mss': unknown unit of time 'mss'", "did you mean 'ms'? known: h, min, ms, ns, ps, s, us"),
    ("lots", ["size"], "'lots' is not a size", "write a number and a unit, such as '108 KiB'"),
])  # fmt: skip
def test_a_bad_quantity_says_what_and_how(text: str, kinds: list[str], problem: str, hint: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text, *kinds)
    assert (caught.value.problem, caught.value.hint) == (problem, hint)


def test_a_size_is_whole_bits() -> None:
    with pytest.raises(SpecError, match=r"'0.5 b' is 0.5 b, no whole number of bits"):
        size_bits("0.5 b")

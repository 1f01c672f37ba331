"""Numbers as people read them."""

import pytest

from picojoule.report import units


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (units.energy(12_345), "12.3 nJ"),
        (units.energy(0.5), "500 fJ"),
        (units.energy(999.6), "1 nJ"),
        (units.energy(0), "0 pJ"),
        (units.energy(float("nan")), "unknown"),
        (units.seconds(0.033), "33 ms"),
        (units.seconds(90), "90 s"),
        (units.edp(1.3e-8), "13 nJ·s"),
        (units.count(4_089_184_256), "4.09 G"),
        (units.bits(0), "0 B"),
        (units.bits(4), "4 b"),
        (units.bits(108 * 8192), "108 KiB"),
        (units.bits(2**53 * 8), "8,388,608 GiB"),
        (units.percent(0.5532), "55.3 %"),
    ],
)
def test_quantities_have_three_figures_and_the_unit_that_reads_best(shown: str, expected: str) -> None:
    assert shown == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "0"),
        (57.8013, "57.80"),
        (1234.567, "1,235"),
        (512.0, "512"),
        (0.09654, "0.09654"),
        (1e-7, "1.000e-07"),
        (1_234_567.0, "1,234,567"),
    ],
)
def test_figures_of_a_column_keep_four_significant_digits(number: float, expected: str) -> None:
    assert units.figures(number) == expected


def test_a_column_has_one_unit_that_fits_its_largest_value() -> None:
    assert units.unit_for(5e9, "energy") == (1e9, "mJ")
    assert units.unit_for(0.0, "energy")[1] == "fJ"
    assert units.unit_for(0.5, "count") == (1.0, "")

"""Rates are read with the number grammar of all quantities, and say what they count."""

from __future__ import annotations

import pytest

from picojoule.errors import SpecError
from picojoule.quantities.rates import Rate, rate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("46.2 GOPS", Rate(46.2e9, "ops")),
        ("23.1 GMAC/s", Rate(23.1e9, "MACs")),
        ("83.1 GMAC / s / W", Rate(83.1e9, "MACs", True)),
        ("1e3 MOPS", Rate(1e9, "ops")),
        ("1_000 MOPS", Rate(1e9, "ops")),
    ],
)
def test_a_rate_is_read(text: str, expected: Rate) -> None:
    assert rate(text) == expected


@pytest.mark.parametrize(
    "text", ["", "5", "GOPS", "-1 GOPS", "nan GOPS", ".inf GOPS", "1.2.3 GOPS", "1e999 GOPS", "5 GB/s", "5 Gops"]
)
def test_what_is_no_rate_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(SpecError) as error:
        rate(text)
    assert error.value.hint

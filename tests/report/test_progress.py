"""Without a terminal: no word of a quick answer, a line now and then of a slow one, none after the end."""

from __future__ import annotations

import io
import re
import time

import pytest

from picojoule.report.progress import lines


def test_a_quick_answer_prints_nothing() -> None:
    out = io.StringIO()
    with lines(out) as step:
        step(1, 2, "mapping")
    assert out.getvalue() == ""


def test_a_slow_answer_says_how_far_it_is_and_stops_with_it() -> None:
    out = io.StringIO()
    with pytest.raises(KeyboardInterrupt), lines(out, first_s=0.02, longest_s=0.08) as step:
        step(3, 21, "mapping for edp")
        while out.getvalue().count("\n") < 3:  # how long that takes is the machine's affair
            time.sleep(0.02)
        raise KeyboardInterrupt
    said = out.getvalue().splitlines()
    assert all(re.fullmatch(r"mapping for edp: 3 of 21, \d+ s", line) for line in said)
    time.sleep(0.2)
    assert out.getvalue().splitlines() == said

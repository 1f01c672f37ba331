"""Option values are read from what a user types, and every mistake says what to write instead."""

import pytest

from picojoule import options
from picojoule.ask import OBJECTIVES
from picojoule.compare.limits import limits
from picojoule.errors import PicojouleError


@pytest.mark.parametrize(
    ("text", "expected"), [("33ms", 0.033), ("1.5s", 1.5), ("60 s", 60), ("2e3us", 2e-3), ("7µs", 7e-6), ("1min", 60)]
)
def test_times_are_read_with_their_unit(text: str, expected: float) -> None:
    assert options.seconds(text, "--latency") == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "ms", "33", "33 parsecs", "-1s", "0ms", "nan s", "inf s", "1..2s", "1,5s"])
def test_times_that_cannot_be_meant_are_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(PicojouleError) as error:
        options.seconds(text, "--latency")
    assert error.value.where == "--latency"
    assert error.value.hint


def test_a_misspelt_unit_of_time_gets_the_nearest() -> None:
    with pytest.raises(PicojouleError, match="unknown unit of time 'mss'") as error:
        options.seconds("3mss", "--latency")
    assert "did you mean 'ms'?" in error.value.hint


def test_a_latency_reads_the_same_wherever_it_is_typed() -> None:
    for text in ("33ms", "7µs", "1.5 min", "1e-3 h"):
        assert limits({"latency_s": text}).latency_s.high == options.seconds(text, "--latency")


@pytest.mark.parametrize(("text", "expected"), [("28nm", 28), ("28 nm", 28), ("0.065 um", 65), (None, None)])
def test_a_node_is_a_length(text: str | None, expected: float | None) -> None:
    assert options.nanometres(text, "--normalise") == expected


@pytest.mark.parametrize("text", ["28", "0nm", "-5nm", "28 ns", "nm"])
def test_what_is_no_length_is_no_node(text: str) -> None:
    with pytest.raises(PicojouleError, match="is no node"):
        options.nanometres(text, "--normalise")


def test_bits_are_one_number_or_one_a_role() -> None:
    assert options.bits(None) is None
    assert options.bits("8") == 8
    assert options.bits("weight=4, input=8,output=16") == {"weight": 4, "input": 8, "output": 16}


@pytest.mark.parametrize(
    "text", ["", "eight", "0", "-4", "weight=", "weight=0", "wieght=4", "weight=4,weight=8", "weight=4,", "4.5"]
)
def test_bits_that_cannot_be_meant_are_refused(text: str) -> None:
    with pytest.raises(PicojouleError) as error:
        options.bits(text)
    assert error.value.where == "--bits"


def test_dims_are_named_numbers() -> None:
    assert options.dims(["seq=128", "batch = 2", "past=0"]) == {"seq": 128, "batch": 2, "past": 0}


@pytest.mark.parametrize("pairs", [["seq"], ["=3"], ["seq=x"], ["seq=-1"], ["seq=1", "seq=2"]])
def test_dims_that_cannot_be_meant_are_refused(pairs: list[str]) -> None:
    with pytest.raises(PicojouleError):
        options.dims(pairs)


def test_a_choice_names_the_nearest_known_value() -> None:
    with pytest.raises(PicojouleError) as error:
        options.choice("energyy", OBJECTIVES, "--objective")
    assert str(error.value).startswith("--objective: unknown value 'energyy'")
    assert "did you mean 'energy'?" in str(error.value)

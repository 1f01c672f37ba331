"""A schedule prints, parses back, and says where a text is wrong."""

from __future__ import annotations

import pytest

from picojoule.errors import SpecError
from picojoule.schedule.program import For, Free, Load, Run, Schedule, Store, parse

TEXT = """\
conv1 -> GLB
load conv2.weight -> GLB
for conv2.P by 4 recompute {
  conv2 -> GLB
  for "a b.Q" by 2 {
    "a b"
  }
}
store conv1.relu
free conv1.relu"""
MEANT = Schedule(
    (
        Run("conv1", "GLB"),
        Load("conv2.weight", "GLB"),
        For("conv2", "P", 4, (Run("conv2", "GLB"), For("a b", "Q", 2, (Run("a b"),))), recompute=True),
        Store("conv1.relu"),
        Free("conv1.relu"),
    )
)


def test_text_and_value_are_the_same() -> None:
    assert parse(TEXT) == MEANT
    assert str(MEANT) == TEXT


def test_semicolons_comments_and_white_space_do_not_matter() -> None:
    assert parse(TEXT.replace("\n", " ; ").replace("{ ;", "{").replace("; }", "}")) == MEANT
    assert parse(TEXT.replace("GLB\n", "GLB   # why\n\n")) == MEANT


def test_runs_are_found_in_loops_too() -> None:
    assert [r.job for r in MEANT.runs] == ["conv1", "conv2", "a b"]


@pytest.mark.parametrize("name", ["load", "a;b", "x{1}", 'say "hi"', "back\\slash", "é/1"])
def test_any_name_parses_back(name: str) -> None:
    schedule = Schedule((Run(name, "m"), Store(name)))
    assert parse(str(schedule)) == schedule


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("for x by 3 {a}", "1:5", "names no dimension"),
        ("a\nload x", "2:7", "'->' is missing"),
        ("a b", "1:3", "after the end of an item"),
        ("for a.b by 0 {c}", "1:14", "never ends"),
        ("for a.b by half {c}", "1:12", "no number of positions"),
        ("for a.b by 3 {", "1:15", "not closed"),
        ("}", "1:1", "where an item begins"),
        ("for a.b by 2 { }", "1:14", "is empty"),
        ("a -> ;", "1:6", "the memory is missing"),
        ('a; "abc', "1:4", "cannot read"),
    ],
)
def test_a_wrong_text_is_refused_at_its_place(text: str, where: str, what: str) -> None:
    with pytest.raises(SpecError, match=what) as e:
        parse(text, "mine.txt")
    assert e.value.where == f"mine.txt:{where}"

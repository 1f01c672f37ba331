"""What a hostile or broken file can do: nothing but be refused, at once and with its place."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from picojoule.errors import PicojouleError, SpecError
from picojoule.interop.expressions import evaluate
from picojoule.interop.load import import_files
from picojoule.interop.sources import LARGEST_BYTES, folder_of
from picojoule.interop.templates import render

VALUES = {
    "1024*64*8": 524288,
    "2**10 - 1": 1023,
    "-2**2": -4,
    "8 * 38.4e9": 307.2e9,
    "1 if 3 > 2 else 1/0": None,
    "max(1, ceil(log2(depth)))": 8,
    "width / 3": 64 / 3,
    "7 // 2 % 2": 1,
    "not 0 and 2": 2,
    "1_000": 1000,
}


@pytest.mark.parametrize("text", [t for t, v in VALUES.items() if v is not None])
def test_an_expression_has_the_value_that_arithmetic_gives(text: str) -> None:
    assert evaluate(text, {"depth": 200, "width": 64}) == pytest.approx(VALUES[text])


@pytest.mark.parametrize(
    "text",
    ["9**9**9", "1" * 3000, "(" * 200 + "1", "__import__('os')", "x.y", "1/0", "10**1e9", "()", "2 3", "open", "[1]", "lambda: 1",
     "-" * 1999, "1" + "+1" * 900 + "+", "sqrt(-1)", "log2(0)", "'a'*9", "'a'"],
)  # fmt: skip
def test_a_bad_expression_is_refused_at_once(text: str) -> None:
    begin = time.perf_counter()
    with pytest.raises(SpecError):
        evaluate(text, {}, "a.yaml:1:1")
    assert time.perf_counter() - begin < 1


def test_aliases_cannot_blow_up_memory(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    bomb = tmp_path / "bomb.yaml"
    bomb.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(SpecError, match="an alias repeats a block"):
        import_files([bomb])


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.yaml"
    with huge.open("wb") as f:
        f.truncate(100_000_000)  # sparse: reading it would show zeros, not a complaint about its size
    with pytest.raises(SpecError, match="100,000,000 bytes, and at most"):
        import_files([huge])
    assert LARGEST_BYTES < 100_000_000


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(SpecError, match="no regular file"):
            import_files([path])


def test_includes_stay_below_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("secret: 1", encoding="utf-8")
    below = tmp_path / "below"
    below.mkdir()
    (below / "secret.yaml").symlink_to(tmp_path / "secret.yaml")
    for name in ("../secret.yaml", str(tmp_path / "secret.yaml"), "secret.yaml"):
        file = below / "a.yaml"
        file.write_text("{{include('" + name + "')}}", encoding="utf-8")
        with pytest.raises(SpecError, match="lies outside"):
            import_files([file], root=below)


def test_a_circle_of_includes_ends(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("{{include('a.yaml')}}", encoding="utf-8")
    with pytest.raises(SpecError, match="in a circle"):
        import_files([file], root=tmp_path)


@pytest.mark.parametrize(
    "text",
    ["{% for i in range(100000000) %}x{% endfor %}",
     "{% for i in range(100) %}{% for j in range(100) %}{% for k in range(100) %}abc{% endfor %}{% endfor %}{% endfor %}",
     "{% set a = 1 %", "{% for i in range(2) %}", "{% if 1 %}a", "{% endfor %}", "{{ missing }}", "{{ 1", "{% run x %}"],
)  # fmt: skip
def test_a_bad_template_is_refused_at_once(text: str, tmp_path: Path) -> None:
    begin = time.perf_counter()
    with pytest.raises(PicojouleError):
        file = tmp_path / "t.yaml"
        file.write_text(text, encoding="utf-8")
        import_files([file])
    assert time.perf_counter() - begin < 2


def test_lines_of_a_template_keep_their_place(tmp_path: Path) -> None:
    text = "a: 1\n{% set n = n | default(2) %}\n{% for i in range(n) %}\n- x{{i}}: {{i + 1}}\n{% endfor %}\nlast"
    done = render(text, "t.yaml", tmp_path / "t.yaml", folder_of(tmp_path / "t.yaml"), {})
    rows = done.text.split("\n")
    assert [r for r in rows if r.strip()] == ["a: 1", "- x0: 1", "- x1: 2", "last"]
    assert done.where(rows.index("- x1: 2") + 1, 3) == "t.yaml:4:3"
    assert done.where(rows.index("last") + 1, 1) == "t.yaml:6:1"


N = 900_000
LONG = {
    "lines": "\n" * N,
    "blanks": " " * N,
    "blanks in a configuration": "[architecture_presets]\n" + " " * N,
    "blanks in statistics": "Buffer and Arithmetic Levels\n=== a ===\n" + "    a" + " " * N + "\nSummary Stats\n",
    "letters": "a: " + "b" * N,
    "einsum": "workload: {einsums: [" + "b" * N + "]}",
    "factors": "mapping: [{target: a, type: temporal, factors: " + "b" * N + "}]",
    "templates": "{{" * (N // 2),
    "orders": "{%" * (N // 2),
    "notes": "{#" * (N // 2),
    "nested": "{% if 1 %}" * 20_000,
    "brackets": "[" * N,
    "bars": "|" * N,
    "window": "problem: {shape: cnn-layer, instance: {C: 1, M: 1, K: 1, N: 1, R: 3, S: 3, P: 999999999999, Q: 9}}",
    "rows": "Layer name,H,W,R,S,C,K,stride\nL,999999999,9,3,1,1,1,1,\n",
}


@pytest.mark.parametrize("name", LONG)
def test_no_file_takes_long(name: str, tmp_path: Path) -> None:
    file = tmp_path / "long.yaml"
    file.write_text(LONG[name], encoding="utf-8")
    begin = time.perf_counter()
    with pytest.raises(PicojouleError):
        import_files([file])
    assert time.perf_counter() - begin < 10

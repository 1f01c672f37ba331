"""No function is longer than a page, and no call hides in its order what its arguments mean."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "picojoule"
MOST_LINES, MOST_POSITIONAL = 90, 8


def long_functions(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MOST_LINES:
                yield f"line {node.lineno}: {node.name} has {lines} lines"


def crowded_calls(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            n = sum(not isinstance(a, ast.Starred) for a in node.args)
            if n > MOST_POSITIONAL:
                yield f"line {node.lineno}: {ast.unparse(node.func)} gets {n} positional arguments; name them, or make a record"


@pytest.mark.parametrize("fault", [long_functions, crowded_calls])
def test_no_file_of_the_package_has_one(fault: Callable[[ast.Module], Iterator[str]]) -> None:
    trees = ((p, ast.parse(p.read_text(encoding="utf-8"))) for p in sorted(PACKAGE.rglob("*.py")))
    found = [f"{p.relative_to(PACKAGE)}, {x}" for p, tree in trees for x in fault(tree)]
    assert not found, "\n".join(found)


def test_the_checks_see_what_they_look_for() -> None:
    body = "def f():\n" + "    pass\n" * MOST_LINES + "g(" + ", ".join("abcdefghi") + ")\ng(1, *x, a=1)\n"
    assert list(long_functions(ast.parse(body))) == ["line 1: f has 91 lines"]
    assert list(crowded_calls(ast.parse(body))) == ["line 92: g gets 9 positional arguments; name them, or make a record"]

"""What may be asked stands in one place, and whoever carries it out knows just these words."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from picojoule import ask
from picojoule.cost.traffic import RULES
from picojoule.hardware.parts import OPERANDS
from picojoule.search.optimal import NAMED, SEARCHED

PACKAGE = Path(ask.__file__).parent
NAMES = ("SINGLE_BEST", "OBJECTIVES", "SPACES", "ACCOUNTINGS", "ROLES", "FUSE", "COUNTED", "Progress", "silent")
MODULES = sorted(  # verification/ shares nothing with what it checks
    p for p in PACKAGE.rglob("*.py") if p.name != "ask.py" and "verification" not in p.relative_to(PACKAGE).parts
)
PROGRESS = "Callable[[int, int, str], None]"
LISTS = {frozenset(getattr(ask, n)): n for n in NAMES if n.isupper()}  # in whatever order, but for roles: a text has its own


def test_what_may_be_asked_has_one_home() -> None:
    strange = [f"{p.relative_to(PACKAGE)}, {what}" for p in MODULES for what in _second_homes(p)]
    assert not strange, "take it from picojoule.ask:\n" + "\n".join(strange)


def _second_homes(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in NAMES:
            yield f"line {node.lineno} defines {node.id}"
        elif isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in NAMES:
            yield f"line {node.lineno} defines {node.name}"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("picojoule.") and node.module != "picojoule.ask":
            yield from (f"line {node.lineno} takes {a.name} from {node.module}" for a in node.names if a.name in NAMES)
        elif isinstance(node, ast.Tuple | ast.List) and (name := _list(node)):
            yield f"line {node.lineno} writes {name} out"
        elif isinstance(node, ast.Subscript) and ast.unparse(node) == PROGRESS:
            yield f"line {node.lineno} writes Progress out"


def _list(node: ast.Tuple | ast.List) -> str | None:
    words = tuple(e.value if isinstance(e, ast.Constant) else None for e in node.elts)
    name = LISTS.get(frozenset(words))
    return None if name == "ROLES" and words != ask.ROLES else name


def test_whoever_carries_it_out_knows_just_these_words() -> None:
    assert tuple(NAMED) == ask.SPACES
    assert tuple(RULES) == ask.ACCOUNTINGS
    assert set(SEARCHED) < set(ask.ACCOUNTINGS)
    assert set(ask.SINGLE_BEST) < set(ask.OBJECTIVES)
    assert set(OPERANDS) < set(ask.ROLES)

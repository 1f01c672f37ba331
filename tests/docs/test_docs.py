"""Runs every example in docs/*.md: what a page shows is what a reader gets.

```console blocks: each `$ pj ...` line runs, and the lines below it are its output. ```python blocks: `>>>` examples are
compared, other code runs; all blocks of a page share names and a folder. `...` stands for anything. A block below
`<!-- file: NAME -->` is written to that file.
"""

from __future__ import annotations

import doctest
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

import picojoule
from tests.commands.run import pj

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("*.md"))
_BLOCK = re.compile(r"(?:<!-- file: (?P<file>\S+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
_OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    file: str | None
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(m["language"], m["text"], m["file"], text.count("\n", 0, m.start("text")) + 1) for m in _BLOCK.finditer(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_the_examples_of_a_page_run_and_print_what_it_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in needs(page):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks(page):
        at = f"{page.name}:{block.line}"
        if block.file:
            Path(block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            run_console(block.text, at)
        elif block.language == "python" and ">>>" in block.text:
            run_examples(block.text, names, at)
        elif block.language == "python":
            exec(compile(block.text, at, "exec"), names)


def test_the_reference_has_every_public_name() -> None:
    listed = re.findall(r"^\.\. auto\w+:: (\w+)$", (DOCS / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(set(picojoule.__all__) - {"__version__"})


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*PAGES, DOCS.parent / "README.md", DOCS.parent / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8")):
            assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_page_is_in_the_site() -> None:
    trees = re.findall(r"```{toctree}\n(.*?)```", (DOCS / "index.md").read_text(encoding="utf-8"), re.DOTALL)
    listed = [line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")]
    assert sorted(listed) == sorted(p.stem for p in PAGES if p.stem != "index")


def needs(page: Path) -> list[str]:
    """Optional packages: `<!-- needs: torch, sklearn -->` on the page's first line."""
    found = re.match(r"<!-- needs: (.+?) -->", page.read_text(encoding="utf-8"))
    return [x.strip() for x in found[1].split(",")] if found else []


def run_console(text: str, at: str) -> None:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        while command.endswith("\\"):
            more, _, expected = expected.partition("\n")
            command = command[:-1] + more
        words = shlex.split(command)
        if words[0] != "pj":
            continue  # `make demo` and the like have their own tests
        target = words[words.index(">") + 1] if ">" in words else None
        code, out, err = pj(*(words[1 : words.index(">")] if target else words[1:]))
        assert code == (2 if "error: " in expected else 0), f"{at}: {command}\n{err}"
        if target:
            Path(target).write_text(out, encoding="utf-8")
        elif expected.strip():
            got = "\n".join(line.rstrip() for line in (out + err).splitlines()) + "\n"
            same = doctest.OutputChecker().check_output(expected, got, _OPTIONS)
            assert same, f"{at}: {command}\nexpected:\n{expected}\ngot:\n{got}"


def run_examples(text: str, names: dict[str, object], at: str) -> None:
    test = doctest.DocTestParser().get_doctest(text, names, at, at, 0)
    runner, report = doctest.DocTestRunner(optionflags=_OPTIONS), []
    runner.run(test, out=report.append, clear_globs=False)
    names.update(test.globs)
    assert not runner.failures, "".join(report)


def test_every_page_is_reached_from_the_index() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    for page in PAGES:
        assert page.stem == "index" or f"({page.name})" in index, f"{page.name} is not linked from index.md"


@pytest.mark.parametrize("page", [*PAGES, DOCS.parent / "README.md", DOCS.parent / "ARCHITECTURE.md"], ids=lambda p: p.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"

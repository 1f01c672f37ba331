"""Thousands of broken files: an answer or one of our errors, soon, and never a price or a size that the file does not state."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from picojoule.errors import PicojouleError
from picojoule.interop.load import import_files
from tests.interop import other_files
from tests.interop.timeloop_files import ARCH, ERT, MAP, PROBLEM

SOURCES = {**other_files.FILES, "arch.yaml": ARCH, "problem.yaml": PROBLEM, "map.yaml": MAP, "ert.yaml": ERT}
PIECES = ["0", "-1", "1e400", "inf", ".nan", "''", "[]", "{}", "null", "*a", "&a x", "!Tag x", "\t", "\x00", "é", ":", "-"]
PIECES += ["{{", "}}", "{% for i in range(9) %}", "9" * 40, "a: b", "true", "%", "#", "\n", ",", "(", '"', "'", "2**9999", "|"]
PIECES += [">", "<<: *a"]


def mutated(text: str, rng: random.Random) -> str:
    """The text with a few pieces cut, doubled, swapped or replaced."""
    for _ in range(rng.randint(1, 3)):
        i = rng.randrange(len(text) + 1)
        j = min(len(text), i + rng.choice((1, 2, 5, 20, 80)))
        kind = rng.randrange(5)
        if kind == 0:
            text = text[:i] + text[j:]
        elif kind == 1:
            text = text[:i] + rng.choice(PIECES) + text[i:]
        elif kind == 2:
            text = text[:i] + rng.choice(PIECES) + text[j:]
        elif kind == 3:
            text = text[:j] + text[i:]
        else:
            lines = text.split("\n")
            a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[a], lines[b] = lines[b], lines[a]
            text = "\n".join(lines)
    return text


def judge(path: Path, text: str) -> None:
    """Reads the file; anything but an import or one of our errors fails, and so does a made-up energy."""
    path.write_text(text, encoding="utf-8")
    begin = time.perf_counter()
    try:
        found = import_files([path])
    except PicojouleError as e:
        assert e.problem
    else:
        for chip in found.chips:
            for m in chip.memories:
                if "Dummy" not in text and m.read_pj is not None:
                    assert any(word in text for word in ("energy", "r_cost")), m
                assert m is chip.memories[0] or m.capacity_bits is not None or chip.home(m.keeps[0] if m.keeps else "input") is m
    assert time.perf_counter() - begin < 5


def run(folder: Path, seeds: range) -> None:
    names = sorted(SOURCES)
    for seed in seeds:
        rng = random.Random(seed)
        name = names[seed % len(names)]
        judge(folder / name, mutated(SOURCES[name], rng))


def test_broken_files_are_refused_or_read(tmp_path: Path) -> None:
    run(tmp_path, range(390))


@pytest.mark.slow
def test_ten_thousand_broken_files_are_refused_or_read(tmp_path: Path) -> None:
    run(tmp_path, range(10_000))

"""The little of Jinja that peers' files use: `{{ value }}`, `set`, `for i in range(...)`, `if`, `default(...)`, includes.

Values are numbers and texts, expressions are those of `expressions.py`. The result keeps, for each of its lines, the file
and line it came from, so that later complaints name the place the user wrote. Output and loops are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from picojoule.errors import SpecError
from picojoule.interop.expressions import Value, evaluate_any
from picojoule.interop.sources import LARGEST_BYTES, Folder, safe_text

_PIECE = re.compile(r"\{\{(?P<value>[^{}]*)\}\}|\{%-?(?P<order>[^{}]*?)-?%\}|\{#(?P<note>[^{}]*?)#\}")  # linear: braces end it
_SET = re.compile(r"set\s+(\w+)\s*=\s*(.+)$", re.DOTALL)
_FOR = re.compile(r"for\s+(\w+)\s+in\s+range\((.+)\)$", re.DOTALL)
_DEFAULT = re.compile(r"(.*?)\|\s*default\s*\((.*)\)\s*$", re.DOTALL)
_INCLUDE = re.compile(r"(?:include|include_text|add_to_path)\(\s*(['\"])(.*?)\1\s*\)$", re.DOTALL)
_MOST_PASSES, _DEEPEST = 10_000, 8


@dataclass(slots=True)
class Rendered:
    """Text without templates, and for each of its lines the file and line it came from."""

    text: str
    origins: list[tuple[str, int]]

    def where(self, line: int, column: int) -> str:
        """`file:line:column` of a place in the text (from 1)."""
        file, at = self.origins[min(max(line, 1), len(self.origins)) - 1] if self.origins else ("", line)
        return f"{file}:{at}:{column}"


@dataclass(slots=True)
class _Piece:
    kind: str  # "text", "value", "order"
    text: str
    line: int


def render(text: str, where: str, path: Path, folder: Folder, names: Mapping[str, Value]) -> Rendered:
    """The text with its templates carried out; `names` are values that the caller sets."""
    if "{{" not in text and "{%" not in text and "{#" not in text:
        return Rendered(text, [(where, i + 1) for i in range(text.count("\n") + 1)])
    run = _Run(folder, dict(names))
    try:
        run.file(text, where, path, 0)
    except RecursionError:
        raise SpecError("template blocks are nested too deeply", where=f"{where}:1:1", hint="a few deep") from None
    return Rendered("".join(run.out), run.origins())


@dataclass(slots=True)
class _Run:
    folder: Folder
    names: dict[str, Value]
    out: list[str] = field(default_factory=list)
    places: list[tuple[int, str, int]] = field(default_factory=list)  # (line of the output, file, line) where a source begins
    passes: int = 0
    size: int = 0
    lines: int = 1

    def file(self, text: str, where: str, path: Path, depth: int) -> None:
        if depth > _DEEPEST:
            raise SpecError("files include one another in a circle", where=where, hint=f"at most {_DEEPEST} deep")
        pieces = _pieces(text)
        end = self.block(pieces, 0, where, path, depth, run=True)
        if end < len(pieces):
            raise SpecError(f"{pieces[end].text!r} ends nothing", where=f"{where}:{pieces[end].line}:1", hint="remove it")

    def emit(self, text: str, where: str, line: int) -> None:
        self.size += len(text)
        if self.size > LARGEST_BYTES:
            raise SpecError("the template grows beyond all files that are read", where=f"{where}:{line}:1", hint="fewer passes")
        for i, part in enumerate(text.split("\n")):
            if i:
                self.lines += 1
            self.places.append((self.lines, where, line + i))
            self.out.append(("\n" if i else "") + part)

    def origins(self) -> list[tuple[str, int]]:
        found: dict[int, tuple[str, int]] = {}
        for at, file, line in self.places:
            found.setdefault(at, (file, line))
        return [found.get(i + 1, ("", i + 1)) for i in range(self.lines)]

    def block(self, pieces: list[_Piece], i: int, where: str, path: Path, depth: int, run: bool) -> int:
        """Carries out pieces until one that ends a block; its position."""
        while i < len(pieces):
            p = pieces[i]
            at = f"{where}:{p.line}:1"
            if p.kind == "text":
                if run:
                    self.emit(p.text, where, p.line)
                i += 1
            elif p.kind == "value":
                if run:
                    self.value(p.text.strip(), where, p.line, path, depth)
                i += 1
            elif p.text.split(" ")[0] in ("endfor", "endif", "else", "elif"):
                return i
            elif m := _SET.match(p.text):
                if run:
                    self.names[m[1]] = self.evaluate(m[2], at)
                i += 1
            elif p.text.startswith("for "):
                i = self.loop(pieces, i, where, path, depth, run)
            elif p.text.startswith("if "):
                i = self.branch(pieces, i, where, path, depth, run)
            else:
                raise SpecError(f"the template order {p.text!r} is not known", where=at, hint="known: set, for, if")
        return i

    def loop(self, pieces: list[_Piece], i: int, where: str, path: Path, depth: int, run: bool) -> int:
        at = f"{where}:{pieces[i].line}:1"
        m = _FOR.match(pieces[i].text)
        if not m:
            raise SpecError(f"cannot read {pieces[i].text!r}", where=at, hint="write: for i in range(n)")
        numbers = self.range(m[2], at) if run else range(0)
        end = self.block(pieces, i + 1, where, path, depth, run=False) if not numbers else i + 1
        for number in numbers:
            self.passes += 1
            if self.passes > _MOST_PASSES:
                raise SpecError("the loops of the template run too often", where=at, hint=f"at most {_MOST_PASSES:,} passes")
            self.names[m[1]] = number
            end = self.block(pieces, i + 1, where, path, depth, run=True)
        return self.closed(pieces, end, "endfor", at)

    def range(self, text: str, at: str) -> range:
        bounds: list[int] = []
        for part in text.split(","):
            value = self.evaluate(part, at)
            if not isinstance(value, int):
                raise SpecError(f"range({text}) needs whole numbers", where=at, hint="such as range(4)")
            bounds.append(value)
        if not 1 <= len(bounds) <= 3 or bounds[2:] == [0]:
            raise SpecError(f"range({text}) cannot be read", where=at, hint="such as range(1, 4)")
        return range(*bounds)

    def branch(self, pieces: list[_Piece], i: int, where: str, path: Path, depth: int, run: bool) -> int:
        at = f"{where}:{pieces[i].line}:1"
        done, order = False, pieces[i].text
        while True:
            condition = order.partition(" ")[2] if order != "else" else "1"
            take = run and not done and bool(self.evaluate(condition, at))
            i = self.block(pieces, i + 1, where, path, depth, run=take)
            done = done or take
            if i >= len(pieces) or pieces[i].text.split(" ")[0] not in ("elif", "else"):
                return self.closed(pieces, i, "endif", at)
            order = pieces[i].text

    def closed(self, pieces: list[_Piece], i: int, word: str, at: str) -> int:
        if i >= len(pieces) or pieces[i].text != word:
            raise SpecError(f"a template block has no {word}", where=at, hint=f"add {{% {word} %}}")
        return i + 1

    def value(self, text: str, where: str, line: int, path: Path, depth: int) -> None:
        at = f"{where}:{line}:1"
        if m := _INCLUDE.match(text):
            target = self.folder.include(m[2], path, at)
            self.file(safe_text(target), str(target), target, depth + 1)
            return
        found = self.evaluate(text, at)
        self.emit(repr(found) if isinstance(found, float) else str(found), where, line)

    def evaluate(self, text: str, at: str) -> Value:
        text = text.strip()
        if m := _DEFAULT.match(text):
            name = m[1].strip()
            if re.fullmatch(r"[A-Za-z_]\w*", name):
                return self.names[name] if name in self.names else evaluate_any(m[2], self.names, at)
        unset = [w for w in re.findall(r"[A-Za-z_]\w*", re.sub(r"'[^']*'|\"[^\"]*\"", "", text)) if w.isupper()]
        for word in unset:
            if word not in self.names:
                raise SpecError(
                    f"the template needs a value for {word}", where=at, hint=f"give one: --set {word}=2, or a default in the file"
                )
        return evaluate_any(text, self.names, at)


def _pieces(text: str) -> list[_Piece]:
    out: list[_Piece] = []
    line, position = 1, 0
    for m in _PIECE.finditer(text):
        before = text[position : m.start()]
        if before:
            out.append(_Piece("text", before, line))
        line += before.count("\n")
        if m["value"] is not None:
            out.append(_Piece("value", m["value"], line))
        elif m["order"] is not None:
            out.append(_Piece("order", " ".join(m["order"].split()), line))
        line += m[0].count("\n")
        position = m.end()
    if position < len(text):
        out.append(_Piece("text", text[position:], line))
    return out

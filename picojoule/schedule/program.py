"""A schedule as a value: a network's jobs in order, with what is loaded, stored, freed and looped over; text that parses back.

    conv1 -> GLB; pool1 -> GLB
    for conv2_1.b.P by 4 {
      conv2_1.a -> GLB
      conv2_1.b -> GLB
    }
    store conv2_1.relu; free pool1

A job's name runs the job; `-> GLB` leaves its result in that on-chip memory, and without it the result goes outside. It reads
each tensor on chip where it is there, else outside. `load X -> GLB` copies a tensor from outside into an on-chip memory,
`store X` back out, `free X` ends its stay on chip. `for JOB.DIM by T { ... }` runs its body for chunks of the rank class that
dimension DIM of job JOB belongs to, T positions of that job at a time; what earlier chunks made is kept as long as later ones
need it, or made again with `recompute`. Items end with `;` or with the line; a name with other characters than letters, digits
and ._-/ stands in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from picojoule.errors import SpecError

PLAIN = re.compile(r"[\w./-]+")
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|->|[;{}]|[^\s;{}"]+|\n')
WORDS = ("load", "store", "free", "for", "by", "recompute")


@dataclass(frozen=True, slots=True)
class Run:
    """A job runs; its results stay in the on-chip memory `home`, or go outside ("")."""

    job: str
    home: str = ""

    def lines(self) -> Iterator[str]:
        """Its text."""
        yield _name(self.job) + (f" -> {_name(self.home)}" if self.home else "")


@dataclass(frozen=True, slots=True)
class Load:
    """A tensor, inside a loop the part of it that the chunk needs, is copied from outside into an on-chip memory."""

    tensor: str
    home: str

    def lines(self) -> Iterator[str]:
        """Its text."""
        yield f"load {_name(self.tensor)} -> {_name(self.home)}"


@dataclass(frozen=True, slots=True)
class Store:
    """A tensor that lies on chip is copied to the outside."""

    tensor: str

    def lines(self) -> Iterator[str]:
        """Its text."""
        yield f"store {_name(self.tensor)}"


@dataclass(frozen=True, slots=True)
class Free:
    """A tensor's stay on chip ends."""

    tensor: str

    def lines(self) -> Iterator[str]:
        """Its text."""
        yield f"free {_name(self.tensor)}"


@dataclass(frozen=True, slots=True)
class For:
    """The body runs once a chunk: `tile` positions of dimension `dim` of `job`, and what hangs on them in other jobs."""

    job: str
    dim: str
    tile: int
    body: tuple[Item, ...]
    recompute: bool = False

    def __post_init__(self) -> None:
        if self.tile < 1:
            raise SpecError(f"a loop by {self.tile} never ends", hint="chunks have 1 position or more")
        if not self.body:
            raise SpecError(f"the loop over {self.job}.{self.dim} is empty", hint="put the jobs of the loop between its braces")

    def lines(self) -> Iterator[str]:
        """Its text, with that of its body."""
        yield f"for {_name(f'{self.job}.{self.dim}')} by {self.tile}{' recompute' if self.recompute else ''} {{"
        for item in self.body:
            yield from (f"  {line}" for line in item.lines())
        yield "}"


Item = Run | Load | Store | Free | For


@dataclass(frozen=True)
class Schedule:
    """A small program over the jobs of a network. `places`: line:column of each item of the text that it was read from, in order,
    those in loops after their loop."""

    items: tuple[Item, ...]
    places: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def __str__(self) -> str:
        return "\n".join(line for item in self.items for line in item.lines())

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs of jobs, those in loops included, in order."""
        return tuple(_runs(self.items))


def _runs(items: tuple[Item, ...]) -> Iterator[Run]:
    for item in items:
        if isinstance(item, Run):
            yield item
        elif isinstance(item, For):
            yield from _runs(item.body)


def _name(name: str) -> str:
    return name if PLAIN.fullmatch(name) and name not in WORDS else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parse(text: str, where: str = "schedule") -> Schedule:
    """Read a schedule; errors name line and column. Whether it suits a network and a chip is for `residence.check` to say."""
    reader = _Reader(text, where)
    return Schedule(reader.items(), tuple(reader.places))


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    line: int
    column: int

    @property
    def value(self) -> str:
        return re.sub(r"\\(.)", r"\1", self.text[1:-1]) if self.text.startswith('"') else self.text


class _Reader:
    def __init__(self, text: str, where: str) -> None:
        self.where, self.at = where, 0
        self.places: list[str] = []
        self.tokens: list[_Token] = []
        self.end = _Token("", text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1)
        place = 0
        plain = "\n".join(line if '"' in line else line.split("#")[0].ljust(len(line)) for line in text.split("\n"))
        for m in TOKEN.finditer(plain):
            gap = plain[place : m.start()]
            if gap.strip():
                self._unread(plain, place)
            self.tokens.append(self._token(plain, m.start(), m.group()))
            place = m.end()
        if plain[place:].strip():
            self._unread(plain, place)

    def _unread(self, text: str, place: int) -> None:
        place += len(text[place:]) - len(text[place:].lstrip())
        self._fail(f"cannot read {text[place:].split(chr(10))[0].strip()!r}", self._token(text, place, ""), "close the quotes")

    def _token(self, text: str, start: int, piece: str) -> _Token:
        return _Token(piece, text.count("\n", 0, start) + 1, start - (text.rfind("\n", 0, start) + 1) + 1)

    def _fail(self, problem: str, token: _Token, hint: str) -> None:
        raise SpecError(problem, where=f"{self.where}:{token.line}:{token.column}", hint=hint)

    def _next(self) -> _Token:
        return self.tokens[self.at] if self.at < len(self.tokens) else self.end

    def _take(self, what: str, hint: str) -> _Token:
        token = self._next()
        if token.text in ("", ";", "{", "}", "\n", "->"):
            self._fail(f"{what} is missing", token, hint)
        self.at += 1
        return token

    def _word(self, word: str, hint: str) -> None:
        if self._next().text != word:
            self._fail(f"{word!r} is missing", self._next(), hint)
        self.at += 1

    def items(self, inside: bool = False) -> tuple[Item, ...]:
        out: list[Item] = []
        while True:
            while self._next().text in (";", "\n"):
                self.at += 1
            token = self._next()
            if token.text == "}" and inside:
                self.at += 1
                return tuple(out)
            if token.text == "":
                if inside:
                    self._fail("a loop is not closed", token, "end its body with }")
                return tuple(out)
            if token.text in ("{", "}", "->"):
                self._fail(f"{token.text!r} where an item begins", token, "an item is a job, load, store, free or for")
            self.places.append(f"{token.line}:{token.column}")
            out.append(self._item())
            if self._next().text not in (";", "\n", "}", ""):
                self._fail(f"{self._next().text!r} after the end of an item", self._next(), "end items with ; or a new line")

    def _item(self) -> Item:
        token = self._take("an item", "name a job")
        if token.text == "load":
            name = self._take("the tensor", "write: load TENSOR -> MEMORY").value
            self._word("->", "write: load TENSOR -> MEMORY")
            return Load(name, self._take("the memory", "write: load TENSOR -> MEMORY").value)
        if token.text in ("store", "free"):
            name = self._take("the tensor", f"write: {token.text} TENSOR").value
            return Store(name) if token.text == "store" else Free(name)
        if token.text == "for":
            return self._loop()
        if self._next().text != "->":
            return Run(token.value)
        self.at += 1
        return Run(token.value, self._take("the memory", "write: JOB -> MEMORY").value)

    def _loop(self) -> Item:
        form = "write: for JOB.DIM by TILE { ... }"
        over = self._take("what to loop over", form)
        job, dot, dim = over.value.rpartition(".")
        if not (dot and job and dim):
            self._fail(f"{over.value!r} names no dimension of a job", over, form)
        self._word("by", form)
        tile = self._take("the tile", form)
        if not tile.text.isdecimal():
            self._fail(f"{tile.text!r} is no number of positions", tile, form)
        again = self._next().text == "recompute"
        self.at += again
        brace = self._next()
        self._word("{", form)
        body = self.items(inside=True)
        try:
            return For(job, dim, int(tile.text), body, again)
        except SpecError as e:
            raise e.located(f"{self.where}:{brace.line}:{brace.column}") from None

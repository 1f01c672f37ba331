"""AccelForge's set expressions over the tensors of a layer: `All`, `Nothing`, `input | output`, `~MainMemory.tensors`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from picojoule.errors import SpecError, unknown_name

_TOKEN = re.compile(r"\s*(?:([A-Za-z_][\w.]*)|([~&|()\-]))")


def roles_in(text: str, named: Mapping[str, frozenset[str]], where: str) -> frozenset[str]:
    """The set that the expression means; `named` are the sets that names mean, `All` among them."""
    tokens: list[str] = []
    position = 0
    while text[position:].strip():
        m = _TOKEN.match(text, position)
        if not m:
            raise SpecError(f"cannot read the set {text.strip()!r}", where=where, hint="names with ~ & | - and brackets")
        tokens.append(m[1] or m[2])
        position = m.end()
    if len(tokens) > 200:
        raise SpecError("a set of more than 200 words", where=where, hint="name fewer tensors")
    found, rest = _either(tokens, named, text, where, 0)
    if rest:
        raise SpecError(f"cannot read the set {text.strip()!r}", where=where, hint="names with ~ & | - and brackets")
    return found


_Found = tuple[frozenset[str], list[str]]


def _either(tokens: list[str], named: Mapping[str, frozenset[str]], text: str, where: str, depth: int) -> _Found:
    found, rest = _one(tokens, named, text, where, depth)
    while rest and rest[0] in ("|", "&", "-"):
        other, after = _one(rest[1:], named, text, where, depth)
        found = found | other if rest[0] == "|" else found & other if rest[0] == "&" else found - other
        rest = after
    return found, rest


def _one(tokens: list[str], named: Mapping[str, frozenset[str]], text: str, where: str, depth: int) -> _Found:
    if not tokens or depth > 40:
        raise SpecError(f"the set {text.strip()!r} ends too early", where=where, hint="names with ~ & | - and brackets")
    word, rest = tokens[0], tokens[1:]
    if word == "~":
        found, rest = _one(rest, named, text, where, depth + 1)
        return named["All"] - found, rest
    if word == "(":
        found, rest = _either(rest, named, text, where, depth + 1)
        if not rest or rest[0] != ")":
            raise SpecError(f"a bracket of {text.strip()!r} stays open", where=where, hint="add )")
        return found, rest[1:]
    name = word.removesuffix(".tensors")
    if name not in named:
        raise unknown_name("set", word, named, where)
    return named[name], rest

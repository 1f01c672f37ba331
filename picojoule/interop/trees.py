"""YAML of the peers as trees that know their places: tags, merges and arithmetic texts, but nothing that could run or blow up.

`read_tree` gives a `Block` (keys and values), `Items` (a list) or `Scalar`. A block remembers which keys were asked for, so that
`leftover` can say what nobody read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from picojoule.errors import SpecError, unknown_name
from picojoule.interop.expressions import Number, Value, evaluate
from picojoule.interop.templates import Rendered

_MOST_VALUES = 100_000  # aliases may expand; no real file comes near
_DEEPEST = 60
_LONGEST = 2000  # characters of a text; no real one comes near


@dataclass(slots=True)
class Scalar:
    """One value: its text, and whether it was quoted (then it is no number by itself)."""

    text: str
    where: str
    kind: str  # "int", "float", "bool", "null" or "str"
    tag: str = ""


@dataclass(slots=True)
class Items:
    """A list."""

    values: list[Tree]
    where: str
    tag: str = ""

    def __iter__(self) -> Iterator[Tree]:
        return iter(self.values)


@dataclass(slots=True)
class Block:
    """Keys and values. `tag` is what stood before it, such as "Component"."""

    entries: dict[str, Tree]
    keys: dict[str, str]  # key -> where it stands
    where: str
    tag: str = ""
    asked: set[str] = field(default_factory=set)

    def get(self, *names: str) -> Tree | None:
        """The value of the first of these keys that is there; all of them count as asked for."""
        self.asked.update(names)
        return next((self.entries[n] for n in names if n in self.entries), None)

    def need(self, *names: str, what: str = "") -> Tree:
        found = self.get(*names)
        if found is None:
            raise SpecError(f"{what or 'this block'} has no {names[0]!r}", where=self.where, hint=f"add `{names[0]}: ...`")
        return found

    def has(self, *names: str) -> bool:
        return any(n in self.entries for n in names)

    def leftover(self) -> dict[str, Tree]:
        """What nobody asked for."""
        return {k: v for k, v in self.entries.items() if k not in self.asked}

    def place(self, *names: str) -> str:
        """Where the key stands, or the block."""
        return next((self.keys[n] for n in names if n in self.keys), self.where)


Tree = Scalar | Items | Block


def describe(tree: Tree) -> str:
    if isinstance(tree, Scalar):
        return f"{tree.text[:40]!r}" if tree.kind != "null" else "nothing"
    return "a list" if isinstance(tree, Items) else "a block of keys"


def as_block(tree: Tree, what: str) -> Block:
    if not isinstance(tree, Block):
        raise SpecError(f"{what} is a block of keys, not {describe(tree)}", where=tree.where, hint="write `key: value` lines")
    return tree


def as_items(tree: Tree, what: str) -> list[Tree]:
    if not isinstance(tree, Items):
        raise SpecError(f"{what} is a list, not {describe(tree)}", where=tree.where, hint="write `- ...` lines, or [a, b]")
    return tree.values


def as_text(tree: Tree, what: str) -> str:
    if not isinstance(tree, Scalar) or tree.kind == "null" or not tree.text.strip():
        raise SpecError(f"{what} is text, not {describe(tree)}", where=tree.where, hint="write a word")
    if len(tree.text) > _LONGEST:
        raise SpecError(f"{what} is a text of {len(tree.text):,} characters", where=tree.where, hint=f"at most {_LONGEST:,}")
    return tree.text.strip()


def as_texts(tree: Tree, what: str) -> list[str]:
    """A list of words, or one text of words with blanks or commas between."""
    if isinstance(tree, Scalar):
        return [] if tree.kind == "null" or not tree.text.strip() else as_text(tree, what).replace(",", " ").split()
    return [as_text(x, what) for x in as_items(tree, what)]


def as_number(tree: Tree, what: str, names: Mapping[str, Value] | None = None) -> Number:
    """A finite number, which may be written as arithmetic over `names`."""
    if not isinstance(tree, Scalar) or tree.kind in ("null", "bool"):
        raise SpecError(f"{what} is a number, not {describe(tree)}", where=tree.where, hint="such as 64")
    value = evaluate(tree.text, names, tree.where)
    if not math.isfinite(value):
        raise SpecError(f"{what} is {tree.text}", where=tree.where, hint="give a finite number")
    return value


def as_whole(tree: Tree, what: str, names: Mapping[str, Value] | None = None, least: int = 1) -> int:
    """A whole number of at least `least`."""
    value = as_number(tree, what, names)
    if value != int(value) or value < least:
        raise SpecError(f"{what} is {describe(tree)}", where=tree.where, hint=f"give a whole number, {least} or more")
    return int(value)


def as_amount(tree: Tree, what: str, names: Mapping[str, Value] | None = None) -> float:
    """A number that is not negative."""
    value = as_number(tree, what, names)
    if value < 0:
        raise SpecError(f"{what} is {describe(tree)}", where=tree.where, hint="energies and sizes are not negative")
    return float(value)


def as_switch(tree: Tree, what: str) -> bool:
    if not isinstance(tree, Scalar) or tree.text.lower() not in ("true", "false", "yes", "no", "on", "off"):
        raise SpecError(f"{what} is true or false, not {describe(tree)}", where=tree.where, hint="write True or False")
    return tree.text.lower() in ("true", "yes", "on")


def refuse_leftover(block: Block, what: str, known: list[str] | None = None) -> None:
    """Raise for the first key that nobody read: nothing is dropped in silence."""
    for key in block.leftover():
        raise unknown_name(f"key of {what}", key, known or sorted(block.asked), block.place(key))


Twice = list[tuple[str, str, str]]


def read_tree(rendered: Rendered, twice: Twice | None = None) -> Tree:
    """The tree in the text; faults are located in the file that the user wrote.

    A key given twice in one block is refused, unless a list is given that takes (key, place, place of the first): then the last
    one counts, as it does for most readers of YAML.
    """
    try:
        root = yaml.compose(rendered.text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as e:
        raise _syntax_error(e, rendered) from None
    except RecursionError:
        raise SpecError(
            "brackets or blocks are nested too deeply", where=rendered.where(1, 1), hint=f"at most {_DEEPEST} deep"
        ) from None
    if root is None:
        raise SpecError("the file is empty", where=rendered.where(1, 1), hint="write keys and values")
    builder = _Builder(rendered)
    tree = builder.build(root, 0)
    if twice is not None:
        twice += builder.twice
    elif builder.twice:
        raise given_twice(builder.twice)
    return tree


def given_twice(twice: Twice) -> SpecError:
    key, place, first = twice[0]
    return SpecError(f"key {key!r} is given twice", where=place, hint=f"the first one stands at {first}")


class _Builder:
    def __init__(self, rendered: Rendered) -> None:
        self.rendered, self.count = rendered, 0
        self.twice: Twice = []

    def build(self, node: yaml.Node, depth: int) -> Tree:
        where = self.place(node)
        self.count += 1
        if self.count > _MOST_VALUES or depth > _DEEPEST:
            raise SpecError("an alias repeats a block inside itself, or far too often", where=where, hint="write the block out")
        tag = "" if node.tag.startswith("tag:yaml.org,2002:") else node.tag.lstrip("!")
        if isinstance(node, yaml.MappingNode):
            return self.block(node, where, tag, depth)
        if isinstance(node, yaml.SequenceNode):
            return Items([self.build(x, depth + 1) for x in node.value], where, tag)
        assert isinstance(node, yaml.ScalarNode)
        kind = node.tag.rpartition(":")[2]
        return Scalar(str(node.value), where, kind if kind in ("int", "float", "bool", "null") else "str", tag)

    def place(self, node: yaml.Node) -> str:
        return self.rendered.where(node.start_mark.line + 1, node.start_mark.column + 1)

    def block(self, node: yaml.MappingNode, where: str, tag: str, depth: int) -> Block:
        out = Block({}, {}, where, tag)
        merged: list[tuple[Block, bool]] = []
        for key_node, value_node in node.value:
            place = self.place(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                raise SpecError("a key has to be a plain word", where=place, hint="write `key: value`")
            key = str(key_node.value)
            if key in ("<<", "<<<"):  # `<<<` also merges blocks inside blocks
                sources = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                merged += [(as_block(self.build(s, depth + 1), "what is merged"), key == "<<<") for s in sources]
                continue
            if key in out.entries:
                self.twice.append((key, place, out.keys[key]))
            out.keys[key] = place
            out.entries[key] = self.build(value_node, depth + 1)
        for source, deep in merged:
            _merge(out, source, deep)
        return out


def _merge(into: Block, source: Block, deep: bool) -> None:
    """Adds what the block itself does not say; `deep` does so inside its blocks too."""
    for key, value in source.entries.items():
        own = into.entries.get(key)
        if own is None:
            into.entries[key], into.keys[key] = value, source.keys[key]
        elif deep and isinstance(own, Block) and isinstance(value, Block):
            _merge(own, value, deep)


def _syntax_error(error: yaml.YAMLError, rendered: Rendered) -> SpecError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        position = int(getattr(error, "position", 0))
        line = rendered.text.count("\n", 0, position) + 1
        column = position - rendered.text.rfind("\n", 0, position)
        return SpecError(
            "this character is not allowed in YAML", where=rendered.where(line, column), hint="save the file as UTF-8 text"
        )
    problem = str(getattr(error, "problem", "") or "cannot be read")
    return SpecError(
        f"not valid YAML: {problem}",
        where=rendered.where(mark.line + 1, mark.column + 1),
        hint="check the indentation, colons and brackets of this line and the one above",
    )

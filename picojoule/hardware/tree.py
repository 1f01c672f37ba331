"""A chip as a tree: what a word of each tensor passes on its way from the outermost memory to the MACs.

Where tensors pass the same part they share its branch; where they do not, the tree forks: memories side by side, memories that
some of them bypass, registers along different axes of an array. A fan-out stands on a branch along the axes crossed there: a
register that serves a row stands between the part along which it exists once for each place and the part that it serves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from picojoule.ask import ROLES
from picojoule.hardware.parts import Compute, FanOut, Group, Memory

Part = Memory | FanOut


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A memory or a fan-out, and what lies inside it; `roles`: the tensors that pass."""

    part: Part
    roles: tuple[str, ...]
    inside: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """Ways side by side: each tensor takes one of them."""

    children: tuple[Branch | Compute, ...]


Node = Branch | Fork | Compute


def way(levels: Sequence[Group | FanOut], role: str) -> tuple[Part, ...]:
    """What a word of the role passes from the outside in: memories that must or may keep it, fan-outs along the axes crossed."""
    out: list[Part] = []
    for i, level in enumerate(levels):
        if isinstance(level, Group):
            memory = level.memory_for(role)
            out += [memory] if memory is not None else []
            continue
        below = levels[i + 1] if i + 1 < len(levels) else None
        memory = below.memory_for(role) if isinstance(below, Group) else None
        served = set(memory.serves) if memory is not None else set()
        out += level.part(level.along - served)
        if memory is not None and served:
            out += [memory, *level.part(served)]
    return tuple(dict.fromkeys(out))  # a memory that serves axes was named beside its fan-out


def tree(levels: Sequence[Group | FanOut], compute: Compute) -> Node:
    """The tree of all ways, from the outside in."""
    return _joined({role: way(levels, role) for role in ROLES}, compute)


def _joined(ways: dict[str, tuple[Part, ...]], compute: Compute) -> Node:
    """One branch for those whose next part is the same; a fork where there are several."""
    order = {part: i for i, part in enumerate(dict.fromkeys(w[0] for w in ways.values() if w))}
    ranked = sorted(ways, key=lambda r: order[ways[r][0]] if ways[r] else len(order))
    children: list[Branch | Compute] = []
    for part, group in groupby(ranked, key=lambda r: ways[r][0] if ways[r] else None):
        members = set(group)
        roles = tuple(r for r in ROLES if r in members)
        if part is None:
            children.append(compute)
        else:
            children.append(Branch(part=part, roles=roles, inside=_joined({r: ways[r][1:] for r in roles}, compute)))
    return children[0] if len(children) == 1 else Fork(children=tuple(children))


__all__ = ["Branch", "Fork", "Node", "tree", "way"]

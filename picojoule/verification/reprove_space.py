"""The space of the second proof: the stages of a chip, the tiles of a dimension, the ways to unroll over a fan-out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from picojoule.hardware.chip import Axis, Chip, FanOut, Group, Memory
from picojoule.mapping.mapping import Loop
from picojoule.workload.layer import Layer, Tensor

Extents = tuple[int, ...]  # one number per dimension of the layer
Tiles = dict[str, tuple[int, ...]]  # dimension -> every extent that may lie below its outermost loop


@dataclass(frozen=True)
class Stage:
    """A fan-out or none, the memories below it or none, and the loops that may stand there."""

    fanout: FanOut | None
    group: Group | None

    def memory(self, tensor: Tensor) -> Memory | None:
        return self.group.memory_for(tensor.role) if self.group else None


@dataclass(frozen=True)
class Unrolling:
    """What one fan-out unrolls: extents, and the same as loops on its axes. `below`: the tile where N itself is unrolled."""

    extents: Extents
    loops: tuple[Loop, ...]
    below: Extents  # per dimension 0, or the ragged tile below
    served: tuple[tuple[str, ...], ...]  # per dimension the memories that serve the axes on which it lies


Way = tuple[Unrolling, ...]  # one per stage


def stages_of(chip: Chip) -> tuple[Stage, ...]:
    out: list[Stage] = []
    waiting: FanOut | None = None
    for level in chip.levels[1:]:
        if isinstance(level, Group):
            out.append(Stage(waiting, level))
            waiting = None
        else:
            if waiting or not out:
                out.append(Stage(waiting, None))
            waiting = level
    return (*out, Stage(waiting, None)) if waiting or not out else tuple(out)


def axis_classes(fanout: FanOut | None, group: Group | None) -> dict[str, tuple[str, ...]]:
    """Axis -> the memories of the group that serve it as a whole: axes with the same ones need not be told apart."""
    memories = group.memories if group else ()
    return {a.name: tuple(m.name for m in memories if a.name in m.serves) for a in (fanout.axes if fanout else ())}


def divisors(n: int) -> list[int]:
    small = [t for t in range(1, math.isqrt(n) + 1) if n % t == 0]
    return small + [n // t for t in reversed(small) if t * t < n]


def chain_steps(n: int, tiles: tuple[int, ...]) -> dict[int, list[int]]:
    """Extent -> the next smaller ones: whole factors, and from the bound every outermost tile."""
    known = sorted({n, *tiles})
    out = {}
    for a in known:
        below = [b for b in known if b < a and a % b == 0]
        near = [b for b in below if not any(c % b == 0 for c in below if c > b)]
        out[a] = near + ([b for b in known if n % b] if a == n else [])
    return out


Option = tuple[int, int, tuple[Loop, ...]]  # extent, ragged tile below or 0, loops


def unrollings(layer: Layer, fanout: FanOut | None, tiles: Tiles, group: Group | None = None) -> list[Unrolling]:
    """Every way to unroll at a fan-out, once per product of extents (and ragged tile), with loops that are legal.

    Where memories of the group below serve axes, once for each set of such axes on which a dimension lies (never on two).
    """
    dims = [d for d, _ in layer.dims]
    ones = tuple(1 for _ in dims)
    if fanout is None:
        return [Unrolling(ones, (), tuple(0 for _ in dims), tuple(() for _ in dims))]
    classes = axis_classes(fanout, group)
    options = [list(_one_dimension(layer, fanout, d, n, tiles[d])) for d, n in layer.dims]
    sizes = {a.name: a.size for a in fanout.axes}
    found: dict[tuple[object, ...], Unrolling] = {}
    options = [[o for o in some if len({classes[x.axis or ""] for x in o[2]}) <= 1] for some in options]

    def go(i: int, chosen: tuple[Option, ...], used: dict[str, int]) -> None:
        if i == len(dims):
            served = tuple(classes[c[2][0].axis or ""] if c[2] else () for c in chosen)
            loops = tuple(x for c in chosen for x in c[2])
            u = Unrolling(tuple(c[0] for c in chosen), loops, tuple(c[1] for c in chosen), served)
            found.setdefault((u.extents, u.below, u.served), u)
            return
        for option in options[i]:
            now = dict(used)
            for x in option[2]:
                now[x.axis or ""] = now.get(x.axis or "", 1) * x.bound
            if all(n <= sizes[a] for a, n in now.items()):
                go(i + 1, (*chosen, option), now)

    go(0, (), {})
    return list(found.values())


def _one_dimension(layer: Layer, fanout: FanOut, d: str, n: int, tiles: tuple[int, ...]) -> Iterator[Option]:
    """(extent, ragged tile below or 0, loops) over one dimension. A ragged tile: N itself is unrolled, unevenly."""
    yield 1, 0, ()
    known = sorted({n, *tiles})
    axes: list[Axis] = [a for a in fanout.axes if a.allows(layer, d)]
    exact = {a // b for a in known for b in known if b < a and a % b == 0}
    for k in range(1, len(axes) + 1):
        for picked in itertools.permutations(axes, k):
            for bounds in itertools.product(*(range(2, a.size + 1) for a in picked)):
                s = math.prod(bounds)
                loops = tuple(Loop(d, b, fanout.name, a.name) for b, a in zip(bounds, picked, strict=True))
                if s in exact:
                    yield s, 0, loops
                inner = s // bounds[0]
                for t in known:
                    if n % t and t % inner == 0 and -(-n // t) == bounds[0] and t // inner in known:
                        yield s, t // inner, loops

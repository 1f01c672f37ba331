"""A hill climber over the stated space, to attack proved optima where enumeration does not reach.

It shares nothing with the search but the words of the certificate: legal for `check`, every loop inside the outermost of its
dimension divides exactly, and the tile below the outermost is one of the certificate's. Costs are the model's.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from picojoule.ask import ROLES
from picojoule.cost.model import evaluate
from picojoule.errors import MappingError
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory
from picojoule.hardware.parts import Port
from picojoule.mapping.mapping import Loop, Mapping, Node, check
from picojoule.search.optimal import objective_value
from picojoule.workload.layer import Layer, conv, gemm

Entries = list[Loop | Node]
BOUNDS = (13, 27, 55, 96, 101, 128, 360, 499, 513, 997, 1000, 1010, 1021)


def large_layer(rng: random.Random) -> Layer:
    """A layer whose mappings nobody can list: bounds up to about 1000, most of them awkward."""
    few = lambda *n: rng.choice(n)  # noqa: E731
    bits = few(4, 8, 16)
    if rng.random() < 0.7:
        return gemm(M=few(*BOUNDS), N=few(*BOUNDS), K=few(*BOUNDS), bits=bits)
    return conv(K=few(16, 55, 64), C=few(3, 13, 32), P=few(13, 27, 101), Q=1, R=few(3, 5), S=1, stride=few(1, 2), bits=bits)


def large_chip(rng: random.Random, layer: Layer) -> Chip:
    """One to three groups of on-chip memory and as many fan-outs, in any order."""
    kinds = ["group"] * rng.randint(1, 3) + ["fanout"] * rng.randint(1, 3)
    rng.shuffle(kinds)
    levels: list[Group | FanOut] = [Group((Memory("DRAM", None, 64, 400.0, 400.0, ports=_ports(rng, 64)),))]
    pj, kilobytes = 8.0, 64.0
    for i, kind in enumerate(kinds):
        if kind == "fanout":
            axes = tuple(
                Axis(f"{a}{i}", rng.choice((2, 3, 4, 7, 10, 16)), _dims(rng, layer)) for a in "XY"[: rng.choice((1, 1, 2))]
            )
            levels.append(FanOut(f"F{i}", axes))
            continue
        levels.append(Group(_memories(rng, f"M{i}", pj, kilobytes)))
        pj, kilobytes = pj / 4, kilobytes / 16
    return Chip("attacked", tuple(levels), Compute("MAC", 0.2, leakage_mw=rng.choice((None, 0.01))), 1e9)


def _dims(rng: random.Random, layer: Layer) -> tuple[str, ...] | None:
    names = [d for d, _ in layer.dims]
    return tuple(rng.sample(names, rng.randint(1, len(names)))) if rng.random() < 0.6 else None


def _ports(rng: random.Random, bits: int) -> tuple[Port, ...]:
    return (Port("shared", "readwrite", float(rng.choice((bits // 2, bits, 4 * bits)))),) if rng.random() < 0.4 else ()


def _memories(rng: random.Random, name: str, pj: float, kilobytes: float) -> tuple[Memory, ...]:
    """One memory, or two partitions side by side."""
    roles = rng.sample(ROLES, 3)
    parts = [roles] if rng.random() < 0.7 else [roles[:1], roles[1:]]
    out = []
    for i, part in enumerate(parts):
        bits, must = rng.choice((8, 16, 64)), rng.randint(0, len(part))
        out.append(
            Memory(
                f"{name}{'ab'[i]}",
                int(kilobytes * 8192 * rng.choice((0.5, 1.0, 1.5))),
                bits,
                pj * rng.choice((0.8, 1.0, 1.5)),
                pj * rng.choice((0.8, 1.0, 1.5)),
                keeps=tuple(part[:must]),
                may_keep=tuple(part[must:]),
                ports=_ports(rng, bits),
                double_buffered=rng.random() < 0.3,
                leakage_mw=rng.choice((None, 0.05)),
            )
        )
    return tuple(out)


@dataclass
class Climber:
    """Looks for mappings of less value than a start. `tiles`: the outermost tiles that the certificate states."""

    layer: Layer
    chip: Chip
    objective: str
    tiles: dict[str, list[int]]
    rng: random.Random

    def __post_init__(self) -> None:
        self.bounds = dict(self.layer.dims)

    def value(self, entries: Entries) -> float | None:
        """The objective, or None outside the space."""
        mapping = Mapping(tuple(entries))
        if not self.in_space(mapping):
            return None
        try:
            check(mapping, self.layer, self.chip)
        except MappingError:
            return None
        return objective_value(self.objective, evaluate(self.layer, self.chip, mapping))

    def in_space(self, mapping: Mapping) -> bool:
        """Whether the tile below the outermost loop of every dimension is a stated one."""
        seen: set[str] = set()
        for e, below in zip(mapping.entries, mapping.extents_below, strict=True):
            if isinstance(e, Loop) and e.dim not in seen:
                seen.add(e.dim)
                tile, n = below.get(e.dim, 1), self.bounds[e.dim]
                if tile not in self.tiles[e.dim] or -(-n // tile) != e.bound:
                    return False
        return True

    def climb(self, start: Mapping, steps: int, heat: float) -> tuple[float, Mapping]:
        """The least value met and its mapping. `heat`: by which share a step may be worse at first; it cools to nothing."""
        now = list(start.entries)
        at = self.value(now)
        if at is None:
            raise ValueError(f"the start is outside the stated space: {start}")
        best, found = at, start
        for i in range(steps):
            trial = now
            for _ in range(self.rng.choice((1, 1, 2, 3))):
                trial = self.rng.choice(MOVES)(self, trial)
            new = self.value(trial)
            allowed = heat * (1 - i / steps) * self.rng.random() ** 3
            if new is not None and new <= at * (1 + allowed):
                now, at = trial, new
                if new < best:
                    best, found = new, Mapping(tuple(trial))
        return best, found

    def carry(self, entries: Entries) -> Entries:
        """One entry moved to another place; loops of a fan-out stay beside each other by `check`."""
        out = list(entries)
        e = out.pop(self.rng.randrange(len(out)))
        out.insert(self.rng.randint(0, len(out)), e)
        return out

    def swap(self, entries: Entries) -> Entries:
        out = list(entries)
        i, j = self.rng.randrange(len(out)), self.rng.randrange(len(out))
        out[i], out[j] = out[j], out[i]
        return out

    def toggle(self, entries: Entries) -> Entries:
        """A tensor's node taken away or added."""
        memory = self.rng.choice([m for m in self.chip.memories if m not in self.chip.outermost])
        node = Node(memory.name, self.rng.choice(self.layer.tensors).name)
        if node in entries:
            return [e for e in entries if e != node]
        i = self.rng.randint(0, len(entries))
        return [*entries[:i], node, *entries[i:]]

    def retile(self, entries: Entries) -> Entries:
        """A dimension's loops drawn anew: an outermost tile, then factors at random places, temporal or along an axis."""
        dim, n = self.rng.choice(self.layer.dims)
        out = [e for e in entries if not (isinstance(e, Loop) and e.dim == dim)]
        tile = self.rng.choice([*self.tiles[dim], n])
        bounds = [b for b in (-(-n // tile), *self._factors(tile)) if b > 1]
        places = sorted(self.rng.randint(0, len(out)) for _ in bounds)
        for shift, (i, bound) in enumerate(zip(places, bounds, strict=True)):
            out.insert(i + shift, self._loop(dim, bound))
        return out

    def shift(self, entries: Entries) -> Entries:
        """A factor of one loop given to another of its dimension, or to a new one."""
        loops = [i for i, e in enumerate(entries) if isinstance(e, Loop)]
        if not loops:
            return entries
        out, i = list(entries), self.rng.choice(loops)
        e = out[i]
        assert isinstance(e, Loop)
        factor = self.rng.choice(self._factors(e.bound) or [1])
        out[i] = Loop(e.dim, e.bound // factor, e.fanout, e.axis)
        same = [j for j in loops if j != i and out[j].dim == e.dim]  # type: ignore[union-attr]
        if same and self.rng.random() < 0.7:
            j = self.rng.choice(same)
            x = out[j]
            assert isinstance(x, Loop)
            out[j] = Loop(x.dim, x.bound * factor, x.fanout, x.axis)
        else:
            out.insert(self.rng.randint(0, len(out)), self._loop(e.dim, factor))
        return [x for x in out if isinstance(x, Node) or x.bound > 1]

    def _loop(self, dim: str, bound: int) -> Loop:
        along = [(f.name, a.name) for f in self.chip.fanouts for a in f.axes if bound <= a.size]
        return Loop(dim, bound, *self.rng.choice(along)) if along and self.rng.random() < 0.4 else Loop(dim, bound)

    def _factors(self, n: int) -> list[int]:
        """A random factorisation of n in random order; none of 1."""
        out: list[int] = []
        while n > 1:
            out.append(self.rng.choice([x for x in range(2, n + 1) if n % x == 0]) if n < 2000 else n)
            n //= out[-1]
        return out


MOVES: tuple[Callable[[Climber, Entries], Entries], ...] = (
    Climber.carry, Climber.carry, Climber.swap, Climber.toggle, Climber.retile, Climber.shift, Climber.shift,
)  # fmt: skip

"""Random small problems for the search, seeded: every feature that layers and chips may have, few enough mappings to list."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from picojoule.hardware.chip import Axis, Chip, FanOut
from picojoule.mapping.mapping import Mapping
from picojoule.search.exact.lattice import outermost_tiles
from picojoule.workload.layer import Layer, Rank, Tensor, conv, gemm, one
from tests.oracle.enumerate import Tiny, all_mappings, tiny_chip, tiny_fanout
from tests.oracle.random_cases import beside, possible_homes, served_loops


def wide_roots(n: int) -> tuple[int, ...]:
    """Ragged outermost tiles for small bounds too: every tight one, as a stand-in for `lattice.roots` in tests."""
    return tuple(sorted({t for p in range(2, n) if n % (t := -(-n // p)) and t > 1 and t * -(-n // t) - n <= max(1, n // 50)}))


WINDOWS = ("wide window", "wide padded", "wide sum")  # bounds that may be unrolled twice
KINDS = ("gemm", "batched", "conv", "strided", "padded", "conv2d", "depthwise", "grouped", "sum", "odd")
RAGGED = ("long", "window")  # few dimensions with bounds that no factors suit


@dataclass(frozen=True)
class Wanted:
    """What may occur; `least` and `most` bound the number of mappings listed."""

    kinds: tuple[str, ...] = KINDS
    imperfect: bool = True
    chip: Tiny = field(default_factory=lambda: Tiny(links=False))
    macs_per_cycle: tuple[float, ...] = (1.0,)
    axes: tuple[int, ...] = ()  # sizes of axes, in place of those of the chip
    twice: bool = False  # two fan-outs of two axes each, and a mapping that unrolls both dimensions of a window at both
    homes: float = 0.0  # share of chips with two outermost memories, and of tensors that start or end on the chip
    least: int = 2
    most: int = 600


def problems(n: int, seed: int, wanted: Wanted) -> Iterator[tuple[Layer, Chip, list[Mapping]]]:
    """`n` problems with all their mappings (nodes in the two placements that suffice)."""
    rng = random.Random(seed)
    while n:
        layer = small_layer(rng, rng.choice(wanted.kinds))
        chip = (_twice_unrolling if wanted.twice else tiny_chip)(rng, layer, wanted.chip)
        levels = tuple(_resized(rng, x, wanted.axes) if isinstance(x, FanOut) and wanted.axes else x for x in chip.levels)
        chip = replace(chip, levels=levels, compute=replace(chip.compute, macs_per_cycle=rng.choice(wanted.macs_per_cycle)))
        homes: list[tuple[str, str]] = []
        if wanted.homes:
            chip = beside(rng, chip) if rng.random() < wanted.homes else chip
            for t in layer.tensors:
                some = [x for x in possible_homes(chip, layer) if x[0] == t.name]
                homes += [rng.choice(some)] if some and rng.random() < wanted.homes else []
            if not homes and len(chip.outermost) == 1:
                continue
        roots = {d: outermost_tiles(b, True) for d, b in layer.dims} if wanted.imperfect else None
        found = list(itertools.islice(all_mappings(layer, chip, roots, "two", tuple(homes)), wanted.most + 1))
        if not wanted.least <= len(found) <= wanted.most:
            continue
        if wanted.chip.serves and not any(served_loops(chip, m) for m in found):
            continue
        if not wanted.twice or any(unrolls_twice(layer, chip, m) for m in found):
            n -= 1
            yield layer, chip, found


def unrolls_twice(layer: Layer, chip: Chip, mapping: Mapping) -> bool:
    """Whether two fan-outs each unroll both dimensions of one window."""
    windows = [{d for _, d in r.terms} for t in layer.tensors for r in t.ranks if len(r.terms) == 2]
    unrolled = [set(mapping.spatial_extents(f.name)) for f in chip.fanouts]
    return any(sum(w <= u for u in unrolled) > 1 for w in windows)


def _twice_unrolling(rng: random.Random, layer: Layer, f: Tiny) -> Chip:
    """Memories around two fan-outs, each of which has an axis for either dimension of a window."""
    chip = tiny_chip(rng, layer, replace(f, fanouts=0))
    inside = list(chip.levels[1:])
    for i in range(2):
        fanout = tiny_fanout(rng, layer, f, i)
        some = [a.dims if rng.random() < 0.5 else None for a in fanout.axes]
        axes = tuple(Axis(f"{x}{i}", rng.choice((2, 2, 3)), some[j] if j < len(some) else None) for j, x in enumerate("XY"))
        inside.insert(rng.randint(0, len(inside)), replace(fanout, axes=axes))
    return replace(chip, levels=(chip.levels[0], *inside))


def _resized(rng: random.Random, fanout: FanOut, sizes: tuple[int, ...]) -> FanOut:
    return replace(fanout, axes=tuple(replace(a, size=rng.choice(sizes)) for a in fanout.axes))


def small_layer(rng: random.Random, kind: str) -> Layer:
    of = lambda *n: rng.choice(n)  # noqa: E731
    bits = of(8, 8, 16)
    some = of(2, 3, 4, 5, 7)
    if kind == "gemm":
        layer = gemm(M=of(2, 3, 4, 5, 6, 7), N=of(1, 2, 3, 4, 5), K=of(2, 3, 4, 5), bits=bits)
    elif kind == "batched":  # H indexes every tensor
        layer = gemm(M=of(2, 3, 4), N=of(1, 2, 3), K=of(1, 2, 3), batch=of(2, 3, 5), bits=bits)
    elif kind == "conv":
        layer = conv(K=of(1, 2, 3), C=of(1, 1, 2), P=some, Q=1, R=of(2, 3), S=1, dilation=of(1, 1, 2), bits=bits)
    elif kind == "strided":  # strides beyond the kernel leave holes
        steps, holes = of(2, 3, 4), of(1, 1, 2, 3)
        layer = conv(K=of(1, 2), C=1, P=of(2, 3, 4, 5), Q=1, R=of(2, 3), S=1, stride=steps, dilation=holes, bits=bits)
    elif kind == "padded":
        r, p = of(3, 3, 5), of(3, 4, 5, 7)
        stride = of(1, 1, 2)
        reach = (p - 1) * stride + r
        size = (reach - 2 + of(0, 0, -1, 1), 1)
        layer = conv(K=of(1, 2), C=1, P=p, Q=1, R=r, S=1, stride=stride, pad=(1, 0), size=size, bits=bits)
    elif kind == "conv2d":
        layer = conv(K=of(1, 2), C=1, P=of(2, 3), Q=of(2, 3), R=of(1, 2), S=2, stride=(of(1, 2), 1), bits=bits)
    elif kind == "depthwise":
        layer = conv(K=(g := of(2, 3, 4)), C=g, groups=g, P=of(2, 3, 4, 5), Q=1, R=of(2, 3), S=1, stride=of(1, 1, 2), bits=bits)
    elif kind == "grouped":
        layer = conv(K=of(2, 4), C=of(2, 4), groups=2, P=of(2, 3), Q=1, R=of(1, 2), S=1, batch=of(1, 2), bits=bits)
    elif kind == "sum":  # one operand: a sum over a window, as average pooling does
        rows = Rank(((of(1, 2, 3), "P"), (of(1, 2), "R")))
        tensors = Tensor("I", "input", (one("C"), rows), bits), Tensor("O", "output", (one("C"), one("P")), bits)
        layer = Layer("sum", "Sum", (("C", of(2, 3)), ("P", some), ("R", of(2, 3))), tensors)
    elif kind == "wide sum":
        rows = Rank(((of(1, 2, 3), "P"), (of(1, 2), "R")))
        tensors = Tensor("I", "input", (rows,), bits), Tensor("O", "output", (one("P"),), bits)
        layer = Layer("sum", "Sum", (("P", of(4, 5, 6, 7)), ("R", of(3, 4, 5))), tensors)
    elif kind in ("wide window", "wide padded"):
        pad, p, r, stride = int(kind == "wide padded"), of(3, 4, 4, 5, 6, 7), of(3, 4, 4, 5), of(1, 1, 2, 3)
        size = (max(1, (p - 1) * stride + r - 2 * pad + of(0, 0, -1, 1)), 1) if pad else None
        holes = 1 if pad else of(1, 1, 2, 3)
        layer = conv(K=of(1, 1, 2), C=1, P=p, Q=1, R=r, S=1, stride=stride, dilation=holes, pad=(pad, 0), size=size, bits=bits)
    elif kind == "long":
        layer = gemm(M=of(11, 13, 19, 23, 31), N=1, K=of(1, 2, 3, 5), bits=bits)
    elif kind == "window":
        layer = conv(K=1, C=1, P=of(7, 11, 13), Q=1, R=of(2, 3, 5), S=1, stride=of(1, 2), dilation=of(1, 2), bits=bits)
    else:  # a dimension that indexes one operand alone: it leaves the two other tensors in place
        tensors = (
            Tensor("A", "input", (one("M"), one("K"), one("L")), bits),
            Tensor("B", "weight", (one("K"),), bits),
            Tensor("Z", "output", (one("M"),), bits),
        )
        layer = Layer("odd", "Odd", (("M", of(2, 3, 4)), ("K", of(2, 3)), ("L", of(2, 3))), tensors)
    return layer.bits_of(output=16) if rng.random() < 0.3 else layer

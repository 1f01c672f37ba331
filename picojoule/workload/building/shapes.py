"""From the shapes of an operator to layers of MACs: convolutions of any rank, transposed ones, products, einsums.

Every reader comes through here, so that the same network gives the same layers whichever format it arrives in.
Dimensions are named N, G, K, C (batch, group, output and input channel of a group), Z, P, Q (output depth, row, column),
T, R, S (kernel depth, row, column), and H, M, N, K for products.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

from picojoule.ask import ROLES
from picojoule.errors import SpecError
from picojoule.workload.layer import Layer, Rank, from_ranks, gemm, one

Shape = tuple[int, ...]
Bits = int | Mapping[str, int]  # of every tensor, or by role

OUTPUT_DIMS = {1: "Q", 2: "PQ", 3: "ZPQ"}
KERNEL_DIMS = {1: "S", 2: "RS", 3: "TRS"}


@dataclass(frozen=True)
class Window:
    """A sliding window over the spatial axes. `begin` and `end` pad in front and behind, in elements."""

    kernel: Shape
    stride: Shape
    dilation: Shape
    begin: Shape
    end: Shape

    def __post_init__(self) -> None:
        fields = (self.kernel, self.stride, self.dilation, self.begin, self.end)
        if len({len(f) for f in fields}) != 1:
            raise SpecError(f"a window of {len(self.kernel)} axes has other numbers of strides, dilations or pads")
        if min(self.kernel + self.stride + self.dilation, default=1) < 1:
            raise SpecError(f"kernel {self.kernel}, stride {self.stride} and dilation {self.dilation} must be 1 or more")

    @property
    def taps(self) -> int:
        return math.prod(self.kernel)

    @property
    def reach(self) -> Shape:
        """Elements from the first to the last tap of each axis."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def output(self, size: Sequence[int], ceil: bool = False) -> Shape:
        """Window positions over an input of this size; `ceil` keeps a last window that begins inside input or front pad."""
        found = []
        for h, k, s, b, e in zip(size, self.reach, self.stride, self.begin, self.end, strict=True):
            room = h + b + e - k
            n = (-(-room // s) if ceil else room // s) + 1
            found.append(n - 1 if ceil and (n - 1) * s >= h + b else n)
        if min(found, default=1) < 1:
            problem = f"a window of {_by(self.reach)} does not fit an input of {_by(size)}"
            raise SpecError(problem, hint="check kernel and padding")
        return tuple(found)


def window(
    kernel: int | Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    pad: int | Sequence[int] = 0,
    end: int | Sequence[int] | None = None,
    axes: int = 2,
) -> Window:
    """A window from plain numbers: one for all axes, or one for each. `end` (padding behind) is `pad` unless given."""
    wide = [(x,) * axes if isinstance(x, int) else tuple(x) for x in (kernel, stride, dilation, pad, pad if end is None else end)]
    return Window(*wide)


def same_window(size: Sequence[int], kernel: Shape, stride: Shape, dilation: Shape, *, extra_first: bool = False) -> Window:
    """The window whose output is ceil(size / stride), padded evenly; the odd element goes behind, or first."""
    begin, end = [], []
    for h, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max(0, (-(-h // s) - 1) * s + d * (k - 1) + 1 - h)
        begin.append(total - total // 2 if extra_first else total // 2)
        end.append(total - begin[-1])
    return Window(kernel, stride, dilation, tuple(begin), tuple(end))


def conv_layer(
    name: str,
    op: str,
    image: Sequence[int],
    weight: Sequence[int],
    win: Window,
    *,
    groups: int = 1,
    bits: Bits = 16,
    learned: bool = True,
) -> Layer:
    """A convolution of 1 to 3 spatial axes; image (batch, channels, size...), weight (filters, channels/groups, kernel...)."""
    axes = len(weight) - 2
    _check_conv(name, image, weight[1] * groups, weight[0], groups, axes)
    outs, taps = OUTPUT_DIMS[axes], KERNEL_DIMS[axes]
    extents = win.output(image[2:])
    bounds = {"N": image[0], "G": groups, "K": weight[0] // groups, "C": weight[1]}
    bounds |= dict(zip(outs, extents, strict=True)) | dict(zip(taps, weight[2:], strict=True))
    spatial = tuple(
        Rank(((win.stride[i], outs[i]), (win.dilation[i], taps[i])), -win.begin[i], image[2 + i]) for i in range(axes)
    )
    return _conv_of_ranks(name, op, bounds, spatial, axes, bits, learned)


def conv_transpose_layers(
    name: str,
    op: str,
    image: Sequence[int],
    weight: Sequence[int],
    win: Window,
    output: Sequence[int],
    *,
    groups: int = 1,
    bits: Bits = 16,
    learned: bool = True,
) -> tuple[tuple[tuple[Layer, tuple[Phase, ...]], ...], int]:
    """A transposed convolution as sub-pixel convolutions, one for each phase of the stride, and the outputs without a tap.

    `weight` is (channels, filters/groups, kernel...), `output` the spatial size. Output o takes input i through tap k where
    o = i*stride + k*dilation - pad; the outputs of one residue of o + pad modulo the stride share their taps and form an
    ordinary convolution of stride 1, so every output has one owner. MACs are points of these loop nests, as for any
    convolution: where input times kernel (the scatter form) differs, at cropped or ragged edges, the note says it.
    """
    axes = len(weight) - 2
    _check_conv(name, image, weight[0], weight[1] * groups, groups, axes)
    outs, taps = OUTPUT_DIMS[axes], KERNEL_DIMS[axes]
    spans = zip(image[2:], output, win.kernel, win.stride, win.dilation, win.begin, strict=True)
    per_axis = [_phases(*span) for span in spans]
    phases, layers = list(product(*per_axis)), list[Layer]()
    for combo in phases:
        bounds = {"N": image[0], "G": groups, "K": weight[1], "C": weight[0] // groups}
        bounds |= {d: p.outputs for d, p in zip(outs, combo, strict=True)} | {d: p.taps for d, p in zip(taps, combo, strict=True)}
        spatial = tuple(Rank(((1, outs[i]), (p.step, taps[i])), p.offset, image[2 + i]) for i, p in enumerate(combo))
        layers.append(_conv_of_ranks(f"{name}.phase{len(layers)}", op, bounds, spatial, axes, bits, learned))
    layers = [replace(layers[0], name=name)] if len(layers) == 1 else layers
    scatter = math.prod(image[2:]) * win.taps * image[0] * weight[0] * weight[1]
    if layers and sum(x.macs for x in layers) != scatter:
        layers[0] = replace(layers[0], note=f"input times kernel, edges not cropped: {scatter} MACs")
    covered = math.prod(sum(p.outputs for p in axis) for axis in per_axis)
    bare = image[0] * weight[1] * groups * (math.prod(output) - covered)
    return tuple(zip(layers, phases, strict=True)), bare


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """The outputs of one residue of the stride: how many, how many taps reach them, and input = q + step*j + offset.

    They are outputs start, start + stride, ...; tap j is the kernel's last_tap - j * period.
    """

    outputs: int
    taps: int
    step: int
    offset: int
    start: int
    last_tap: int
    period: int


def _phases(size: int, output: int, kernel: int, stride: int, dilation: int, pad: int) -> list[Phase]:
    shared = math.gcd(dilation, stride)
    period, step = stride // shared, dilation // shared  # taps k, k + period, ... meet the same residue
    found = []
    for residue in range(stride):
        first = next((k for k in range(min(kernel, period)) if (k * dilation - residue) % stride == 0), None)
        start = (residue - pad) % stride  # the first output of this residue
        count = -(-(output - start) // stride) if output > start else 0
        if first is None or not count:
            continue
        taps = -(-(kernel - first) // period)
        offset = (start + pad - first * dilation) // stride - step * (taps - 1)  # taps walked backwards: positive coefficients
        if (count, taps) != (1, 1) or 0 <= offset < size:  # one output whose only tap meets padding has no MAC
            last = first + period * (taps - 1)
            found.append(Phase(outputs=count, taps=taps, step=step, offset=offset, start=start, last_tap=last, period=period))
    return found


def _conv_of_ranks(
    name: str, op: str, bounds: Mapping[str, int], spatial: tuple[Rank, ...], axes: int, bits: Bits, learned: bool
) -> Layer:
    weight = tuple(one(d) for d in "GKC" + KERNEL_DIMS[axes])
    output = tuple(one(d) for d in "NGK" + OUTPUT_DIMS[axes])
    image = tuple(one(d) for d in "NGC") + spatial
    tensors = {"I": ("input", image), "W": ("weight", weight), "O": ("output", output)}
    return from_ranks(name, op, bounds, tensors, bits, learned)


def _check_conv(name: str, image: Sequence[int], channels: int, filters: int, groups: int, axes: int) -> None:
    if axes not in OUTPUT_DIMS:
        raise SpecError(f"layer {name!r} convolves over {axes} axes", hint="1, 2 and 3 spatial axes are supported")
    if len(image) != axes + 2:
        raise SpecError(f"layer {name!r}: input {_by(image)} does not suit a kernel of {axes} axes")
    if image[1] != channels or filters % groups or channels % groups:
        raise SpecError(
            f"layer {name!r}: input {_by(image)} with {groups} groups does not suit weights for {channels} channels",
            hint="input channels are weight channels times groups, and filters divide by groups",
        )


@dataclass(frozen=True)
class Product:
    """A matrix product reduced to four extents: H shared by all, M of the first, N of the second, K summed."""

    H: int
    M: int
    N: int
    K: int

    def swapped(self) -> Product:
        """The transposed product, second operand first."""
        return Product(self.H, self.N, self.M, self.K)

    def layer(self, name: str, op: str, *, bits: Bits = 16, learned: bool = True) -> Layer:
        layer = gemm(name, M=self.M, N=self.N, K=self.K, batch=self.H, op=op, learned=learned)
        return layer.bits_of(**(dict.fromkeys(ROLES, bits) if isinstance(bits, int) else bits))


def matmul(a: Sequence[int], b: Sequence[int], name: str = "matmul") -> Product:
    """The product of numpy's `a @ b`: a batch axis of both operands is part of H, one of a alone of M, of b alone of N."""
    left, right = (1, *a) if len(a) == 1 else tuple(a), (*b, 1) if len(b) == 1 else tuple(b)
    if not a or not b or left[-1] != right[-2]:
        raise SpecError(f"layer {name!r}: {_by(a)} times {_by(b)} is no matrix product", hint="the inner sizes must be equal")
    h, m, n = 1, left[-2], right[-1]
    ranks = max(len(left), len(right)) - 2
    padded = ((1,) * (ranks - len(left) + 2) + left[:-2], (1,) * (ranks - len(right) + 2) + right[:-2])
    for x, y in zip(*padded, strict=True):
        if x != y and 1 not in (x, y):
            raise SpecError(f"layer {name!r}: {_by(a)} and {_by(b)} do not broadcast", hint="batch sizes are equal or 1")
        h, m, n = (h * x, m, n) if x == y else (h, m * x, n * y)
    return Product(h, m, n, left[-1])


def einsum(equation: str, a: Sequence[int], b: Sequence[int], name: str = "einsum") -> Product:
    """The product behind a two-operand einsum: letters of both and the result are H, of one and the result M or N, summed K.

    Refuses a diagonal (a letter twice in one operand) and a letter that only one operand sums over: neither is one product.
    """
    left, right, result = einsum_letters(equation, (len(a), len(b)), name)
    sizes: dict[str, int] = {}
    for letter, n in (*zip(left, a, strict=True), *zip(right, b, strict=True)):
        known = sizes.setdefault(letter, n)
        if known != n and 1 not in (known, n):
            raise SpecError(f"layer {name!r}: {letter} is {known} and {n} in {equation!r}", hint="check the shapes")
        sizes[letter] = max(known, n)
    wide_a = {x for x, n in zip(left, a, strict=True) if n > 1}  # a broadcast axis of 1 is not indexed
    wide_b = {x for x, n in zip(right, b, strict=True) if n > 1}
    if any(len(set(x)) != len(x) for x in (left, right, result)) or (wide_a ^ wide_b) - set(result):
        problem = f"layer {name!r}: einsum {equation!r} is no plain product of two tensors"
        raise SpecError(problem, hint="split it in two operators")
    size = lambda chosen: math.prod(sizes[x] for x in chosen)  # noqa: E731
    kept, both = set(result), wide_a & wide_b
    return Product(size(both & kept), size((wide_a - both) & kept), size((wide_b - both) & kept), size((wide_a | wide_b) - kept))


def einsum_chain(equation: str, shapes: Sequence[Shape], name: str) -> list[tuple[tuple[int, int], str, Shape]]:
    """An einsum of three operands or more as products of two, in the order with the fewest MACs.

    Each step: the places of its two operands among those that are left (its result goes behind them), its own equation, and the
    shape of its result.
    """
    text = equation.replace(" ", "")
    left, arrow, result = text.partition("->")
    parts = left.split(",")
    if "." in text or [len(p) for p in parts] != [len(s) for s in shapes]:
        raise SpecError(f"layer {name!r}: einsum {equation!r} of {len(shapes)} operands is not understood")
    if not arrow:
        result = "".join(sorted(c for c in set(left) - {","} if left.count(c) == 1))
    sizes = {c: n for p, s in zip(parts, shapes, strict=True) for c, n in zip(p, s, strict=True)}
    steps = _cheapest(tuple(parts), result, sizes)[1]
    found = []
    for pair, a, b, made in steps:
        step = f"{a},{b}->{made}"
        einsum(step, [sizes[c] for c in a], [sizes[c] for c in b], name)  # refuses what is no product
        found.append((pair, step, tuple(sizes[c] for c in made)))
    return found


_ChainStep = tuple[tuple[int, int], str, str, str]


def _cheapest(parts: tuple[str, ...], result: str, sizes: Mapping[str, int]) -> tuple[int, tuple[_ChainStep, ...]]:
    """MACs and steps of the cheapest order: every pair is tried first (a handful of operands at most)."""
    best: tuple[int, tuple[_ChainStep, ...]] | None = None
    for i, j in combinations(range(len(parts)), 2):
        rest = tuple(p for k, p in enumerate(parts) if k not in (i, j))
        needed = set(result).union(*rest)
        made = "".join(dict.fromkeys(c for c in parts[i] + parts[j] if c in needed)) if rest else result
        macs = math.prod(sizes[c] for c in set(parts[i] + parts[j]))
        later, steps = _cheapest((*rest, made), result, sizes) if rest else (0, ())
        if best is None or macs + later < best[0]:
            best = macs + later, (((i, j), parts[i], parts[j], made), *steps)
    assert best is not None  # two operands at least
    return best


def einsum_letters(equation: str, ranks: tuple[int, int], name: str) -> tuple[str, str, str]:
    """The letters of both operands and of the result, with `...` spelled out and an implied result made explicit."""
    text = equation.replace(" ", "")
    operands, arrow, result = text.partition("->")
    parts = operands.split(",")
    if len(parts) != 2:
        raise SpecError(f"layer {name!r}: einsum {equation!r} has {len(parts)} operands", hint="two operands are supported")
    free = [c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBA" if c not in text]
    widest = max(r - len(p.replace("...", "")) for p, r in zip(parts, ranks, strict=True))
    dots = "".join(free[: max(0, widest)])
    left, right = (
        p.replace("...", dots[len(dots) - (r - len(p.replace("...", ""))) :]) for p, r in zip(parts, ranks, strict=True)
    )
    if (len(left), len(right)) != ranks:
        raise SpecError(f"layer {name!r}: einsum {equation!r} does not suit operands of {ranks[0]} and {ranks[1]} axes")
    if not arrow:
        once = (c for c in set(left + right) - set(dots) if (left + right).count(c) == 1)
        result = ("..." if "..." in operands else "") + "".join(sorted(once))
    return left, right, result.replace("...", dots)


def _by(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"

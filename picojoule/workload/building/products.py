"""What the operands of MAC layers are in the network: the axes of convolutions, and those behind the extents of a product."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from picojoule.workload.access import Access
from picojoule.workload.building.shapes import KERNEL_DIMS, OUTPUT_DIMS, Phase, Shape, Window, einsum_letters
from picojoule.workload.building.value import Value
from picojoule.workload.layer import Layer

BATCH = "abcdefghij"  # the letters of axes before the last two


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters:
    """The axes of two operands and of their product, a letter each, as an einsum writes them."""

    left: str
    right: str
    result: str

    @classmethod
    def einsum(cls, equation: str, a: Shape, b: Shape, name: str) -> Letters:
        """Those of an einsum of two operands of these shapes."""
        left, right, result = einsum_letters(equation, (len(a), len(b)), name)
        return cls(left=left, right=right, result=result)

    def swapped(self) -> Letters:
        """The second operand first."""
        return Letters(left=self.right, right=self.left, result=self.result)


LINEAR = Letters(left="mk", right="kn", result="mn")  # of matrices


def matmul_letters(a: int, b: int) -> Letters:
    """Those of numpy's `a @ b` for operands of so many axes; an operand of one axis is a vector."""
    batch = BATCH[: max(a, b, 2) - 2]
    left, right = batch[len(batch) - max(a - 2, 0) :], batch[len(batch) - max(b - 2, 0) :]
    m, n = "m" * (a > 1), "n" * (b > 1)
    return Letters(left=f"{left}{m}k", right=f"{right}k{n}", result=batch + m + n)


def product_accesses(
    layer: Layer, letters: Letters, a: Value, b: Sequence[Value], z: Value, behind: str = ""
) -> tuple[Access, ...]:
    """What A, B and Z of a product are. `b` in several parts lie one behind the other along the axis of letter `behind`."""
    size = dict(zip(letters.right, b[0].shape, strict=True))
    if behind:
        size[behind] = sum(v.shape[letters.right.index(behind)] for v in b)
    wide_a = {x for x, n in zip(letters.left, a.shape, strict=True) if n > 1}
    wide_b = {x for x, n in size.items() if n > 1}
    groups = {
        "H": [x for x in letters.result if x in wide_a and x in wide_b],
        "M": [x for x in letters.result if x in wide_a and x not in wide_b],
        "N": [x for x in letters.result if x in wide_b and x not in wide_a],
        "K": [x for x in letters.left if x not in letters.result and x in wide_a | wide_b],
    }
    found, start = [bound(layer, "A", _grouped(a, letters.left, groups, "HMK"), "HMK")], 0
    along = next((extent for extent, group in groups.items() if behind in group), "")
    for part in b:
        found.append(bound(layer, "B", _grouped(part, letters.right, groups, "HKN"), "HKN", {along: start}))
        start += part.shape[letters.right.index(behind)] if behind else 0
    return (*found, bound(layer, "Z", _grouped(z, letters.result, groups, "HMN"), "HMN"))


def _grouped(value: Value, letters: str, groups: Mapping[str, Sequence[str]], extents: str) -> Value:
    """The value with one axis for each extent; axes of one element go along."""
    wanted = [[letters.index(x) for x in groups[e] if x in letters] for e in extents]
    used = [i for axes in wanted for i in axes]
    rest = [i for i in range(len(letters)) if i not in used]
    sizes = [math.prod(value.shape[i] for i in axes) for axes in wanted]
    return value.permuted(*used, *rest).reshaped(sizes)


def bound(layer: Layer, operand: str, value: Value, letters: Sequence[str], at: Mapping[str, int] | None = None) -> Access:
    """The access of a layer's operand by a value with an axis for each entry of `letters`: the dimensions that index it there."""
    axes = [i for i, names in enumerate(letters) if any(d in layer.bounds for d in names)]
    return value.access(layer.tensor(operand), axes, [(at or {}).get(letters[i], 0) for i in axes])


def conv_accesses(
    layer: Layer, image: Value, weight: Value, out: Value, win: Window, groups: int, phase: Sequence[Phase] = ()
) -> tuple[Access, ...]:
    """What I, W and O of a convolution are; of a transposed one, the part of kernel and result that a `phase` works on."""
    axes, filters = len(win.kernel), out.shape[1]
    outs, taps = OUTPUT_DIMS[axes], KERNEL_DIMS[axes]
    x = image.reshaped((image.shape[0], groups, image.shape[1] // groups, *image.shape[2:]))
    z = out.reshaped((out.shape[0], groups, filters // groups, *out.shape[2:]))
    if phase:  # (channels, filters of a group, kernel)
        w = weight.reshaped((groups, weight.shape[0] // groups, *weight.shape[1:])).permuted(0, 2, 1, *range(3, 3 + axes))
    else:
        w = weight.reshaped((groups, filters // groups, *weight.shape[1:]))
    for i, p in enumerate(phase):
        w = w.sliced(3 + i, p.last_tap, p.taps, -p.period)
        z = z.sliced(3 + i, p.start, p.outputs, win.stride[i])
    windows = [a + b for a, b in zip(outs, taps, strict=True)]
    for i, names in enumerate(windows):  # one output of one tap looks at one place, which no rank names
        if not any(d in layer.bounds for d in names):
            at = phase[i].offset if phase else -win.begin[i]
            x = x.sliced(3 + i, at, 1) if 0 <= at < x.shape[3 + i] else x.unordered((*x.shape[: 3 + i], 1, *x.shape[4 + i :]))
    read, written = bound(layer, "I", x, ["N", "G", "C", *windows]), bound(layer, "O", z, ["N", "G", "K", *outs])
    return read, bound(layer, "W", w, ["G", "K", "C", *taps]), written

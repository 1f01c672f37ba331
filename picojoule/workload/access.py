"""Where the operand of an operator lies in a tensor of the network: a shape over another one, without moving anything.

A view of a tensor has axes of its own. Each is a row of digits, as the place of a number system: the digit i of an axis of the
tensor stands for `stride * i` elements along it. So (tokens, heads * size) read as (heads, tokens, size) is

    heads:  Digit(axis=1, stride=size, size=heads)     tokens:  Digit(axis=0, stride=1, size=tokens)     size:  Digit(1, 1, size)

and every index of the tensor stays affine in the digits. A reshape whose cuts do not divide each other has no such form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from picojoule.workload.op import Tensor

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Digit:
    """Part of an axis: `stride * i` elements along it, for i from 0 up to `size`. A negative stride walks backwards."""

    axis: int  # of the tensor
    stride: int
    size: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A view of a tensor: the digits of each axis of the view, outermost first, from the element at `begin` of the tensor."""

    axes: tuple[tuple[Digit, ...], ...]
    begin: Shape  # along each axis of the tensor

    @classmethod
    def of(cls, shape: Sequence[int]) -> Layout:
        """The tensor as it lies."""
        return cls(tuple((Digit(i, 1, n),) if n != 1 else () for i, n in enumerate(shape)), (0,) * len(shape))

    @property
    def shape(self) -> Shape:
        """Elements along each axis of the view."""
        return tuple(math.prod(d.size for d in axis) for axis in self.axes)

    def reshaped(self, shape: Sequence[int]) -> Layout | None:
        """The same elements in the same order under another shape; None where a cut falls inside a digit and divides it not."""
        left = [d for axis in self.axes for d in axis]
        found: list[tuple[Digit, ...]] = []
        for n in reversed(shape):
            axis: list[Digit] = []
            while n != 1:
                if not left:
                    return None
                digit = left.pop()
                if n % digit.size == 0:
                    axis.append(digit)
                    n //= digit.size
                elif digit.size % n == 0:
                    axis.append(replace(digit, size=n))
                    left.append(replace(digit, stride=digit.stride * n, size=digit.size // n))
                    n = 1
                else:
                    return None
            found.append(_merged(axis[::-1]))
        return None if left else replace(self, axes=tuple(found[::-1]))

    def permuted(self, order: Sequence[int]) -> Layout:
        """The view whose axis i is axis `order[i]` of this one."""
        return replace(self, axes=tuple(self.axes[i] for i in order))

    def sliced(self, axis: int, begin: int, size: int, step: int = 1) -> Layout | None:
        """The view of `size` places along one axis, from `begin`; None where these are no places of one digit."""
        digits, places = self.axes[axis], self.shape[axis]
        if (begin, size) == (0, places) and (step == 1 or size == 1):
            return self
        inner = math.prod(d.size for d in digits[1:])
        if not digits or (inner != 1 and (begin % inner or size % inner or step != 1)):
            return None
        outer, begin, size = digits[0], begin // inner, size // inner
        start = list(self.begin)
        start[outer.axis] += outer.stride * begin
        cut = (Digit(outer.axis, outer.stride * step, size),) if size != 1 else ()
        return Layout((*self.axes[:axis], (*cut, *digits[1:]), *self.axes[axis + 1 :]), tuple(start))

    def kept(self, axes: Sequence[int]) -> Layout:
        """The view without the other axes, which have one element."""
        return replace(self, axes=tuple(self.axes[i] for i in axes))


def _merged(digits: Sequence[Digit]) -> tuple[Digit, ...]:
    """Neighbours that count on, as one digit."""
    found: list[Digit] = []
    for d in digits:
        if found and found[-1].axis == d.axis and found[-1].stride == d.stride * d.size:
            found[-1] = Digit(d.axis, d.stride, found[-1].size * d.size)
        else:
            found.append(d)
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One tensor of an operator as (a part of) a tensor of the network: "ranks meet ranks".

    Axis i of `layout` is rank i of the operand. An operand may be put together from several tensors (cached keys, then new ones):
    `at` is where along each rank this part begins. Of repeated steps, `repeats` is the digit along which the repetitions follow
    each other; without it every repetition accesses the same elements. No layout: which elements these are is not said.
    """

    operand: str  # of the operator
    tensor: str  # of the network
    layout: Layout | None = None
    at: Shape = ()  # empty: from the beginning of every rank
    repeats: Digit | None = None


@dataclass(frozen=True, slots=True)
class AxisIndex:
    """The index along one axis of a tensor, in the dimensions of an operator: `offset + sum(coefficient * dim)`."""

    terms: tuple[tuple[int, str], ...]
    offset: int


def axis_indices(operand: Tensor, access: Access, axes: int) -> tuple[AxisIndex | None, ...]:
    """How the operator's dimensions index each of the `axes` of the accessed tensor; None where they do so with remainders.

    So two operators that access one tensor say which of their dimensions are the same: what a producer writes at ((1, "P"),)
    is what its consumer reads at ((2, "P"), (1, "R")). A rank of several digits (tokens of a batch, flattened) has no affine
    index, nor has an axis that holds one of them.
    """
    if access.layout is None:
        return (None,) * axes
    terms: list[list[tuple[int, str]]] = [[] for _ in range(axes)]
    offsets, split = list(access.layout.begin), set[int]()
    for i, (rank, digits) in enumerate(zip(operand.ranks, access.layout.axes, strict=True)):
        if len(digits) > 1:
            split |= {d.axis for d in digits}
        for d in digits if len(digits) == 1 else ():
            start = rank.offset - (access.at[i] if access.at else 0)
            terms[d.axis] += [(d.stride * c, dim) for c, dim in rank.terms]
            offsets[d.axis] += d.stride * start
    return tuple(None if i in split else AxisIndex(tuple(t), o) for i, (t, o) in enumerate(zip(terms, offsets, strict=True)))

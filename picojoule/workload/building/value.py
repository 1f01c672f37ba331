"""What passes between operators while a network is built: a tensor of the network, seen under a shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from picojoule.errors import SpecError
from picojoule.workload.access import Access, Layout
from picojoule.workload.building.shapes import Shape
from picojoule.workload.op import Tensor

BITS = 16  # of every element, unless the model says otherwise


@dataclass(frozen=True)
class Value:
    """A tensor of the network under a shape. A view has the same name; `layout` says how it lies (None: it is not said)."""

    name: str
    shape: Shape
    layout: Layout | None
    bits: int = BITS
    trained: bool = False  # a parameter

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    def reshaped(self, shape: Sequence[int]) -> Value:
        """The same elements in the same order under another shape."""
        return replace(self, shape=tuple(shape), layout=self.layout and self.layout.reshaped(shape))

    def permuted(self, *order: int) -> Value:
        """The same elements with the axes in this order: a matter of addresses."""
        layout = self.layout and self.layout.permuted(order)
        return replace(self, shape=tuple(self.shape[i] for i in order), layout=layout)

    def sliced(self, axis: int, begin: int, size: int, step: int = 1) -> Value:
        """A part along one axis."""
        at = axis % len(self.shape)
        shape = (*self.shape[:at], size, *self.shape[at + 1 :])
        return replace(self, shape=shape, layout=self.layout and self.layout.sliced(at, begin, size, step))

    def unordered(self, shape: Sequence[int]) -> Value:
        """As many elements under this shape as it says, in an order that nobody states."""
        return replace(self, shape=tuple(shape), layout=None)

    def access(self, operand: Tensor, axes: Sequence[int], at: Sequence[int] = ()) -> Access:
        """The access by an operand whose ranks are these axes; all others have one element."""
        layout = self.layout and self.layout.kept(axes)
        begins = tuple(at) if any(at) else ()
        return Access(operand=operand.name, tensor=self.name, layout=layout, at=begins)


def broadcast(xs: Sequence[Value], name: str) -> Shape:
    """The shape that all of them broadcast to. Raises SpecError, naming the operator, where they do not."""
    width = max(len(x.shape) for x in xs)
    shape: list[int] = []
    for sizes in zip(*((1,) * (width - len(x.shape)) + x.shape for x in xs), strict=True):
        wide = {n for n in sizes if n != 1} or {1}
        if len(wide) != 1:
            raise SpecError(f"{name!r}: shapes {', '.join('x'.join(map(str, x.shape)) for x in xs)} do not broadcast")
        shape.append(wide.pop())
    return tuple(shape)

"""What passes between operators while a network is built: an activation, seen under a shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from picojoule.errors import SpecError
from picojoule.workload.building.shapes import Shape

BITS = 16  # of every element, unless the model says otherwise


@dataclass(frozen=True)
class Value:
    """An activation: its name in the network and its shape. A view has another shape under the same name."""

    name: str
    shape: Shape
    bits: int = BITS

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


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

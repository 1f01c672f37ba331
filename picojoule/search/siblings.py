"""Layers of one shape with other zeros: what was found for the first of them is where the search of the others begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from picojoule.workload.layer import Layer


def family(layer: Layer) -> Any:
    """Equal for layers that differ in nothing but the zeros of their tensors."""
    return (layer.dims, tuple(replace(t, density=1.0, zeros=None) for t in layer.tensors))


def elders(layers: Sequence[Layer]) -> list[int | None]:
    """For each layer the first one of its family, None where that is itself."""
    first: dict[Any, int] = {}
    found = [first.setdefault(family(layer), i) for i, layer in enumerate(layers)]
    return [None if f == i else f for i, f in enumerate(found)]

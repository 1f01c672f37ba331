"""Footprints: how many distinct valid elements of a tensor a tile can hold at most."""

from __future__ import annotations

import math
from functools import lru_cache

from picojoule.hardware.chip import Memory
from picojoule.hardware.compression import DENSE, Format, fibres, stored
from picojoule.workload.layer import Layer, Rank, Tensor, distinct


@lru_cache(maxsize=200_000)
def rank_footprint(rank: Rank, bounds: tuple[int, ...], extents: tuple[int, ...]) -> int:
    """Most distinct valid indices of the rank that a tile of `extents` holds at any of its positions.

    A tile position is a multiple of the extents below the bound; ragged tiles are clipped to the bounds.
    """
    best = 0
    ends = rank.size
    axes = [range(0, n, t) for n, t in zip(bounds, extents, strict=True)]
    dims = [d for _, d in rank.terms]
    full = 1
    if ends is None:  # nothing is clipped at the border: the first tile is the fullest
        return distinct(rank, dict(zip(dims, extents, strict=True)))
    full = distinct(Rank(rank.terms), dict(zip(dims, extents, strict=True)))
    for s0 in axes[0]:
        for s1 in axes[1] if len(axes) > 1 else (0,):
            start = dict(zip(dims, (s0, s1), strict=False))
            ext = {d: min(t, n - start[d]) for d, n, t in zip(dims, bounds, extents, strict=True)}
            best = max(best, distinct(rank, ext, start))
            if best == full:
                return best
    return best


def tile_elements(layer: Layer, tensor: Tensor, tile: dict[str, int]) -> int:
    """Elements that a memory must hold for a tile of the tensor (the fullest position counts)."""
    return math.prod(tile_counts(layer, tensor, tile))


def tile_counts(layer: Layer, tensor: Tensor, tile: dict[str, int]) -> tuple[int, ...]:
    """Elements along each rank of the fullest position of a tile."""
    return tuple(
        rank_footprint(r, tuple(layer.bounds[d] for _, d in r.terms), tuple(min(tile[d], layer.bounds[d]) for _, d in r.terms))
        for r in tensor.ranks
    )


def tile_bits(layer: Layer, tensor: Tensor, memory: Memory, tile: dict[str, int]) -> int:
    """Bits that a memory must hold for a tile of the tensor in the memory's own format, metadata included.

    A compressed tile is sized for the most non-zeros that its density allows anywhere, or, where the format says so, for
    as many as are expected on average (rounded up); then some tensors do not fit.
    """
    fmt = memory.format_of(tensor.role)
    return counted_bits(layer, tensor, fmt, tile_counts(layer, tensor, tile))


def counted_bits(layer: Layer, tensor: Tensor, fmt: Format, counts: tuple[int, ...]) -> int:
    """`tile_bits` of a tile with these elements along each rank."""
    if fmt is DENSE or fmt == DENSE:
        return tensor.stored_bits(math.prod(counts))
    kept = stored(
        fmt,
        fibres(fmt, tuple(frozenset(d for _, d in r.terms) for r in tensor.ranks)),
        counts,
        layer.zeros(tensor),
        fmt.sized_for == "worst",
    )
    return math.ceil(kept.bits(tensor.bits) - 1e-9)

"""The space of mappings that a certificate speaks of, by its definition: which outermost tiles, and what it leaves out."""

from __future__ import annotations

import math
from itertools import takewhile

from picojoule.mapping.mapping import Loop, Mapping
from picojoule.verification.reprove_space import divisors

PLACEMENT = "placement"  # weights placed in compute-in-memory arrays, not searched
# space -> ragged tiles, nodes kept in place, sliding windows
SPACES = {"default": (True, True, True), "perfect": (False, True, True), "prototype": (False, False, False)}


def in_the_space(mapping: Mapping, dim: str, tiles: set[int]) -> bool:
    """Whether the outermost loop of a dimension leaves one of the tiles.

    Loops over one dimension that a fan-out unrolls on several axes cut it up all at once: the space says which tile any of
    them leaves outermost, and it does not matter in which order they are written.
    """
    at = [i for i, e in enumerate(mapping.entries) if isinstance(e, Loop) and e.dim == dim]
    if not at:
        return True
    first = mapping.entries[at[0]]
    assert isinstance(first, Loop)
    loops = [e for e in (mapping.entries[i] for i in at) if isinstance(e, Loop)]
    block = list(takewhile(lambda e: e.fanout == first.fanout, loops)) if first.fanout else loops[:1]
    below = mapping.extents_below[at[len(block) - 1]].get(dim, 1)
    inside = math.prod(e.bound for e in block) * below
    return any(inside // e.bound in tiles for e in block)


def borders(homes: tuple[tuple[str, str], ...]) -> list[str]:
    """What the space leaves out, in the words of a certificate; `homes`: (tensor, memory) of what starts or ends on the chip."""
    kept = f", but for {', '.join(f'{tensor} in {memory}' for tensor, memory in homes)}" if homes else ""
    return [
        "nodes of an outer memory above those of an inner one",
        "one node per tensor and memory",
        f"tensors start and end in DRAM{kept}",
        "inner loops divide exactly; outermost tiles are those listed: the ragged ones pad little and need not fill an array",
    ]


def outermost_tiles(n: int, ragged: bool) -> tuple[int, ...]:
    """Extents that may lie below the outermost loop of a dimension, by the definition of the space (see `lattice.roots`)."""
    own = set(divisors(n))
    extents = set(own)
    large = n >= 1000
    budget = 22 - len(own) if large else 6 if len(own) <= 4 else 2
    if large:
        some = {t for passes in range(2, n) for t in range(-(-n // passes), 101 * n // (100 * passes) + 1)}
    else:
        padded = 110 if len(own) <= 2 else 104
        some = {t for passes in range(2, n) if 100 * (t := -(-n // passes)) * -(-n // t) <= padded * n}
    some = {t for t in some if t > 1 and n % t} if ragged and n > 12 else set()
    for turn in range(3):
        ranked = []
        for t in some:
            new = set(divisors(t)) - extents
            edge, pad = any(9 <= x <= 16 for x in new), -t * -(-n // t)
            if not new or len(extents) + len(new) - len(own) > budget or (budget <= 2 and not edge):
                continue
            order: tuple[int, ...] = (edge, len(new), pad, t)
            if large:
                order = (t & -t, pad, t) if turn == 0 and n % 16 else (len(new), edge, pad, t)
            ranked.append((order, t, new))
        if not ranked:
            break
        _, best, new = max(ranked, key=lambda x: x[0])
        extents |= new
        some.discard(best)
    return tuple(sorted(extents))

"""How a memory keeps a sparse tensor: a format for each group of its ranks, and the bits that a tile takes in it.

A tile is a tree of fibres, one level for each format from the outside in. Each format says what it stores for a fibre of
S coordinates, k of them not empty:

    uncompressed   nothing; every coordinate is kept
    offset         S + 1 offsets into what follows; every coordinate is kept (the row pointers of CSR)
    bitmask        S bits; only the coordinates that are not empty are kept
    coordinate     k coordinates; only those are kept
    run_length     k runs of r bits; only those are kept. A run of more than 2^r - 1 zeros stores zeros as if they were
                   values, one for each 2^r zeros; zeros after the last value of a fibre are not stored.

Names for usual combinations are in `NAMED`. Source of the per-rank view: Wu et al., "Sparseloop", MICRO 2022, which counts
no overflow of runs; ours is exact under the density model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from picojoule.errors import SpecError, unknown_name
from picojoule.workload.density import Density, Uniform

KINDS = ("uncompressed", "offset", "bitmask", "coordinate", "run_length")
COMPRESSING = ("bitmask", "coordinate", "run_length")
TILES = "tiles"  # as the dimension of an outermost offset rank: one offset for each tile that the memory passes on


@dataclass(frozen=True)
class RankFormat:
    """The format of one level of fibres. `bits` of each offset, coordinate or run (None: as many as are needed).

    `dims`: the tensor's dimensions that this level flattens (None: one rank of the tensor, and the last level all the rest).
    """

    kind: str
    bits: int | None = None
    dims: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown_name("format", self.kind, KINDS)
        if self.bits is not None and self.bits < 1:
            raise SpecError(f"format {self.kind}: {self.bits} bits", hint="give at least 1 b")
        if self.bits is not None and self.kind in ("uncompressed", "bitmask"):
            raise SpecError(f"format {self.kind} has no width of its own", hint="leave out bits")
        if self.kind == "run_length" and self.bits is None:
            raise SpecError("run_length needs the bits of a run", hint="such as bits: 5 b")


@dataclass(frozen=True)
class Format:
    """How one tensor is kept in one memory. `codec_pj`: energy of packing or unpacking one element where the format changes.

    `sized_for`: "worst", so that every tensor of this density fits its room, or "expected".
    """

    ranks: tuple[RankFormat, ...]
    codec_pj: float = 0.0
    sized_for: str = "worst"
    reverse: bool = False  # fibres begin with the last rank of the tensor (columns before rows)

    def __post_init__(self) -> None:
        if not self.ranks:
            raise SpecError("a format without a rank", hint="give at least one, such as bitmask")
        if self.sized_for not in ("worst", "expected"):
            raise unknown_name("sized_for", self.sized_for, ("worst", "expected"))
        if self.ranks[-1].kind == "offset":
            raise SpecError(
                "format offset stands on the innermost rank, where there is nothing to point to",
                hint="put uncompressed, coordinate, bitmask or run_length below it",
            )
        for i, r in enumerate(self.ranks):
            if r.dims == (TILES,) and (i or r.kind != "offset"):
                raise SpecError("tiles is no rank of the tensor", hint="it goes with an outermost offset")
            if r.kind == "run_length" and i + 1 < len(self.ranks):
                raise SpecError(
                    "format run_length stands on an outer rank, where a stored zero would be an empty fibre",
                    hint="put it on the innermost rank",
                )
        named = [d for r in self.ranks for d in r.dims or ()]
        if len(named) != len(set(named)):
            raise SpecError("a format names a dimension twice", hint="each dimension belongs to one level")

    @property
    def compressed(self) -> bool:
        """Whether any zero is left out."""
        return any(r.kind in COMPRESSING for r in self.ranks)

    @property
    def directory(self) -> bool:
        """Whether there is one offset for each tile that the memory passes on."""
        return self.ranks[0].dims == (TILES,)


DENSE = Format((RankFormat("uncompressed"),))
NAMED = {
    "uncompressed": DENSE,
    "bitmask": Format((RankFormat("bitmask"),)),
    "coo": Format((RankFormat("coordinate"),)),
    "csr": Format((RankFormat("offset"), RankFormat("coordinate"))),
    "csc": Format((RankFormat("offset"), RankFormat("coordinate")), reverse=True),
    "rlc": Format((RankFormat("run_length", 5),)),
}


@dataclass(frozen=True)
class Stored:
    """What a tile takes: `words` of data (stored zeros included) and `metadata_bits`."""

    words: float
    metadata_bits: float

    def bits(self, word_bits: float) -> float:
        return self.words * word_bits + self.metadata_bits


Levels = tuple[tuple[int, ...], ...]  # per format, the ranks of the tensor that it flattens


@lru_cache(maxsize=1 << 12)
def fibres(fmt: Format, ranks: tuple[frozenset[str], ...]) -> Levels:
    """Which ranks of the tensor (each given by its dimensions) belong to which format, from the outside in."""
    left = list(range(len(ranks)))
    if fmt.reverse:
        left.reverse()
    formats = [r for r in fmt.ranks if r.dims != (TILES,)]
    out: list[tuple[int, ...]] = []
    for i, f in enumerate(formats):
        if f.dims is not None:
            taken = tuple(x for x in left if ranks[x] & set(f.dims))
        elif i + 1 == len(formats):
            taken = tuple(left)
        else:
            reserved = {x for g in formats[i + 1 :] for x in left if g.dims and ranks[x] & set(g.dims)}
            taken = tuple(x for x in left if x not in reserved)[:1]
        left = [x for x in left if x not in taken]
        out.append(taken)
    if left:
        out[-1] = (*out[-1], *left)
    return tuple(out)


@lru_cache(maxsize=1 << 18)
def stored(fmt: Format, levels: Levels, tile: tuple[int, ...], zeros: Density, worst: bool = False) -> Stored:
    """Expected (or greatest) data words and metadata bits of a tile with these elements along each rank of its tensor."""
    points = math.prod(tile)
    if not points:
        return Stored(0.0, 0.0)
    most = zeros.most(tile)
    formats = [r for r in fmt.ranks if r.dims != (TILES,)]
    shapes = [math.prod(tile[x] for x in level) for level in levels]
    fibre_count, metadata, coordinates = 1.0, 0.0, 1
    compressed = False
    for i, (f, shape) in enumerate(zip(formats, shapes, strict=True)):
        coordinates *= shape
        inner = _inside(tile, levels[: i + 1])
        full = min(coordinates, most) if worst else coordinates * (1.0 - zeros.empty(inner))
        if f.kind == "offset":
            metadata += fibre_count * (shape + 1) * (f.bits or max(1, math.ceil(math.log2(most + 1)) if most else 1))
            fibre_count *= shape
        elif f.kind == "uncompressed":
            fibre_count *= shape
        else:
            compressed = True
            full = min(full, fibre_count * shape)
            if f.kind == "bitmask":
                metadata += fibre_count * shape
            elif f.kind == "coordinate":
                metadata += full * (f.bits or max(1, math.ceil(math.log2(shape))))
            else:
                assert f.bits is not None
                count = fibre_count if worst else coordinates / shape  # an empty fibre has no run, and counts as none
                full += _overflow(f.bits, shape, count, full, tile, levels[i], zeros, worst)
                metadata += full * f.bits
            fibre_count = full
    return Stored(float(fibre_count) if compressed else float(points), metadata)


def _inside(tile: tuple[int, ...], above: Levels) -> tuple[int, ...]:
    """Elements along each rank of what hangs below one coordinate of the levels so far."""
    fixed = {x for level in above for x in level}
    return tuple(1 if x in fixed else n for x, n in enumerate(tile))


def _overflow(
    bits: int, shape: int, count: float, full: float, tile: tuple[int, ...], level: tuple[int, ...], zeros: Density, worst: bool
) -> float:
    """Zeros that a run-length format stores because a run is longer than 2^bits - 1: one for each 2^bits zeros of a gap.

    Expectation: sum over k >= 1 and places x >= k 2^bits of a fibre of P(x is not zero and the k 2^bits before it are),
    each of which is P(empty) of the gap less P(empty) of the gap and x.
    """
    step = 1 << bits
    if worst:
        return max(0.0, min((count * shape - full) // step, count * (shape // step)))
    total = 0.0
    for gap in range(step, shape, step):
        p = zeros.empty(_run(tile, level, gap, zeros)) - zeros.empty(_run(tile, level, gap + 1, zeros))
        if p <= 1e-15:
            break
        total += (shape - gap) * p
    return total * count


def _run(tile: tuple[int, ...], level: tuple[int, ...], length: int, zeros: Density) -> tuple[int, ...]:
    """A tile of `length` elements in a row along the flattened ranks of a level (the innermost one filled first).

    Only the number of elements matters where zeros are anywhere; elsewhere whole rows of the inner ranks are taken.
    """
    out = [1] * len(tile)
    if isinstance(zeros, Uniform):
        out[level[-1]] = length
        return tuple(out)
    for x in reversed(level):
        out[x] = min(tile[x], length)
        length = -(-length // tile[x])
    return tuple(out)

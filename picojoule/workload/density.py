"""Where the zeros of a tensor are: how many non-zeros a tile has, and how often it has none.

A tile is given by its elements along each rank of the tensor. Probabilities are averages over the positions of the tile
and over the tensors that the model stands for; expectations of counts are exact under them.

    Uniform     n = round(d N) non-zeros, every choice of their places alike (hypergeometric)
    Structured  N:M, at most (here: exactly) n of every m elements along one rank, each choice alike
    Banded      non-zero where |i x columns / rows - j| <= half width: the place decides, nothing is random
    Actual      the non-zeros of one real array

Source of the hypergeometric form: Wu et al., "Sparseloop", MICRO 2022. Error: real activations are clustered, so that
tiles are empty more often than uniform non-zeros say; `Actual` has no such error.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

from picojoule.errors import SpecError

Counts = tuple[int, ...]  # elements of a tile along each rank


@dataclass(frozen=True)
class Density(ABC):
    """A density model for a tensor of the given `shape` (elements along each rank)."""

    shape: Counts

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    @abstractmethod
    def fraction(self) -> float:
        """Non-zeros / elements."""

    @property
    def dense(self) -> bool:
        return self.fraction == 1.0

    @abstractmethod
    def empty(self, tile: Counts) -> float:
        """Probability that a tile of these elements along each rank has no non-zero, averaged over its positions.

        It is at most the fraction of zeros: no tile is empty more often than one element. (The search's bounds rely on it.)
        """

    def most(self, tile: Counts) -> int:
        """Most non-zeros that a tile can have, wherever it lies."""
        return min(math.prod(tile), round(self.fraction * self.size))

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> np.ndarray:
        """One tensor of this kind: bool[shape]."""


@dataclass(frozen=True)
class Uniform(Density):
    """`density` x elements non-zeros (rounded), every choice of their places alike."""

    density: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.density <= 1.0:
            raise SpecError(f"density {self.density}", hint="give a fraction from 0 to 1")

    @property
    def nonzeros(self) -> int:
        return round(self.density * self.size)

    @property
    def fraction(self) -> float:
        return self.nonzeros / self.size if self.size else 1.0

    def empty(self, tile: Counts) -> float:
        return hypergeometric_empty(self.size, self.nonzeros, math.prod(tile))

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        flat = np.zeros(self.size, bool)
        flat[rng.choice(self.size, self.nonzeros, replace=False)] = True
        return flat.reshape(self.shape)


@lru_cache(maxsize=1 << 18)
def hypergeometric_empty(size: int, nonzeros: int, points: int) -> float:
    """C(size - nonzeros, points) / C(size, points): none of `points` elements is among the non-zeros."""
    points = min(points, size)
    if points <= 0:
        return 1.0
    if nonzeros <= 0:
        return 1.0
    if points > size - nonzeros:
        return 0.0
    if points == 1:
        return (size - nonzeros) / size
    log = (
        math.lgamma(size - nonzeros + 1)
        - math.lgamma(size - nonzeros - points + 1)
        - math.lgamma(size + 1)
        + math.lgamma(size - points + 1)
    )
    return min(1.0, math.exp(log))


@dataclass(frozen=True)
class Structured(Density):
    """Exactly `n` of every `m` elements along `rank` are non-zero, each choice alike and each block for itself."""

    n: int = 2
    m: int = 4
    rank: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.n <= self.m:
            raise SpecError(f"{self.n}:{self.m} is no structure", hint="n of every m elements, 1 <= n <= m, such as 2:4")
        if self.shape[self.rank] % self.m:
            raise SpecError(
                f"{self.n}:{self.m} does not divide the {self.shape[self.rank]} elements that it runs along",
                hint=f"the rank needs a multiple of {self.m}",
            )

    @property
    def fraction(self) -> float:
        return self.n / self.m

    def empty(self, tile: Counts) -> float:
        return _structured_empty(self.n, self.m, self.shape[self.rank], tile[self.rank], math.prod(tile) // tile[self.rank])

    def most(self, tile: Counts) -> int:
        along = _structured_most(self.n, self.m, min(tile[self.rank], self.shape[self.rank]))
        return along * (math.prod(tile) // tile[self.rank])

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        moved = [self.shape[i] for i in range(len(self.shape)) if i != self.rank] + [self.shape[self.rank] // self.m, self.m]
        order = np.argsort(rng.random(moved), axis=-1)
        blocks = (order < self.n).reshape(*moved[:-2], self.shape[self.rank])
        return np.moveaxis(blocks, -1, self.rank)


@lru_cache(maxsize=1 << 16)
def _structured_most(n: int, m: int, along: int) -> int:
    """Most non-zeros in a row of so many elements that begins anywhere a tile can begin."""
    best = 0
    for first in {(i * along) % m for i in range(m)}:
        parts = [min(first + along, (b + 1) * m) - max(first, b * m) for b in range(-(-(first + along) // m))]
        best = max(best, sum(min(n, x) for x in parts if x > 0))
    return best


@lru_cache(maxsize=1 << 16)
def _structured_empty(n: int, m: int, length: int, along: int, fibres: int) -> float:
    """Average over the positions of a tile of `along` x `fibres` elements."""
    along = min(along, length)
    starts = range(0, length, along)
    total = 0.0
    for start in starts:
        stop, p = min(start + along, length), 1.0
        for block in range(start // m, -(-stop // m)):
            inside = min(stop, (block + 1) * m) - max(start, block * m)
            p *= math.comb(m - inside, n) / math.comb(m, n)
        total += p**fibres
    return total / len(starts)


@dataclass(frozen=True)
class Banded(Density):
    """Non-zero where the last two ranks lie within `half_width` columns of the diagonal; alike along other ranks."""

    half_width: int = 1

    def __post_init__(self) -> None:
        if len(self.shape) < 2:
            raise SpecError("a band needs two ranks", hint="use a fraction for this tensor")
        if self.half_width < 0:
            raise SpecError(f"a band of half width {self.half_width}", hint="0 (the diagonal alone) or more")

    @property
    def array(self) -> np.ndarray:
        return _band(self.shape[-2], self.shape[-1], self.half_width)

    @property
    def fraction(self) -> float:
        return float(self.array.mean())

    def empty(self, tile: Counts) -> float:
        return _array_tiles(np.packbits(self.array).tobytes(), self.array.shape, tile[-2:])[0]

    def most(self, tile: Counts) -> int:
        return math.prod(tile[:-2]) * _array_tiles(np.packbits(self.array).tobytes(), self.array.shape, tile[-2:])[1]

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        return np.broadcast_to(self.array, self.shape).copy()


@lru_cache(maxsize=64)
def _band(rows: int, columns: int, half_width: int) -> np.ndarray:
    i, j = np.arange(rows)[:, None], np.arange(columns)[None, :]
    return np.abs(i * columns / rows - j) <= half_width


@dataclass(frozen=True)
class Actual(Density):
    """The non-zeros of one array, packed as bits, so that equal arrays are equal values."""

    bits: bytes = b""

    @classmethod
    def of(cls, array: np.ndarray) -> Actual:
        """The model of an array: its shape, and where it is not zero."""
        return cls(tuple(array.shape), np.packbits(np.asarray(array) != 0).tobytes())

    def __post_init__(self) -> None:
        if len(self.bits) != -(-self.size // 8):
            raise SpecError(f"{len(self.bits)} bytes of non-zeros for {self.size} elements", hint="use Actual.of(array)")

    @property
    def array(self) -> np.ndarray:
        return np.unpackbits(np.frombuffer(self.bits, np.uint8), count=self.size).reshape(self.shape).astype(bool)

    @property
    def fraction(self) -> float:
        return _fraction(self.bits, self.size)

    def empty(self, tile: Counts) -> float:
        return _array_tiles(self.bits, self.shape, tile)[0]

    def most(self, tile: Counts) -> int:
        return _array_tiles(self.bits, self.shape, tile)[1]

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        return self.array


@lru_cache(maxsize=256)
def _fraction(bits: bytes, size: int) -> float:
    return float(np.unpackbits(np.frombuffer(bits, np.uint8), count=size).mean())


@lru_cache(maxsize=1 << 14)
def _array_tiles(bits: bytes, shape: Counts, tile: Counts) -> tuple[float, int]:
    """(share of the elements that lie in empty tiles of a grid, most non-zeros of a tile at any place) of one array.

    The grid begins at the first element and is cut off at the far border. Counted by elements, such a piece weighs no more
    than it holds: by tiles, one zero in a corner could make tiles empty more often than single elements are.
    """
    array = np.unpackbits(np.frombuffer(bits, np.uint8), count=math.prod(shape)).reshape(shape)
    empty = _tile_sums(array, tile) == 0
    return float(_tile_sums(np.ones_like(array), tile)[empty].sum() / array.size), int(_sliding_sums(array, tile).max())


def _tile_sums(array: np.ndarray, tile: Counts) -> np.ndarray:
    """Sum over each tile of a grid that begins at the first element; tiles at the far border are smaller."""
    out = array.astype(np.int64)
    for axis, (n, t) in enumerate(zip(array.shape, tile, strict=True)):
        out = np.add.reduceat(out, np.arange(0, n, max(1, min(t, n))), axis=axis)
    return out


def _sliding_sums(array: np.ndarray, tile: Counts) -> np.ndarray:
    """Sum over the tile at each place where it lies inside the array."""
    out = array.astype(np.int64)
    for axis, (n, t) in enumerate(zip(array.shape, tile, strict=True)):
        t = max(1, min(t, n))
        ends = np.insert(np.cumsum(out, axis=axis), 0, 0, axis=axis)
        out = np.take(ends, range(t, n + 1), axis=axis) - np.take(ends, range(n + 1 - t), axis=axis)
    return out


_STRUCTURE = re.compile(r"\s*(\d+)\s*:\s*(\d+)\s*$")
_BAND = re.compile(r"\s*band\s*:\s*(\d+)\s*$")
FORMS = "a fraction from 0 to 1, a structure such as 2:4, or a band such as band:8"


def read_density(value: object, shape: Sequence[int], structured_rank: int | None, where: str = "") -> Density:
    """The density model that a user wrote for a tensor of this shape: 0.42, "2:4" or "band:8".

    `structured_rank`: the rank along which an N:M structure runs (that of the reduction), None where there is none.
    """
    counts = tuple(int(n) for n in shape)
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise SpecError(f"{value!r} is no density", hint=f"write {FORMS}")
        if isinstance(value, str):
            if match := _STRUCTURE.match(value):
                if structured_rank is None:
                    raise SpecError(f"{value} needs a rank that is summed over", hint="give this tensor a fraction")
                return Structured(counts, int(match[1]), int(match[2]), structured_rank)
            if match := _BAND.match(value):
                return Banded(counts, int(match[1]))
            try:
                value = float(value)
            except ValueError:
                raise SpecError(f"{value!r} is no density", hint=f"write {FORMS}") from None
        return Uniform(counts, float(value))
    except SpecError as e:
        raise e.located(where) from None


def grid(shape: Counts, tile: Counts) -> list[tuple[slice, ...]]:
    """The slices of every tile of an array, for tests and for encoders."""
    return [
        tuple(slice(i, i + t) for i, t in zip(at, tile, strict=True))
        for at in product(*(range(0, n, t) for n, t in zip(shape, tile, strict=True)))
    ]

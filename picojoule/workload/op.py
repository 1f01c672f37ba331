"""One operator of a network, of any kind: bounded dimensions, and tensors whose ranks are affine in them.

A rank is `offset + sum(coefficient * dim)`, and an index outside `0 <= index < size` is padding: it is stored and moved nowhere.
What the operator does at each point of its dimensions is its `body`: a multiply-accumulate (`layer.Layer`), a map of elements, a
reduction, a move, or something that no affine index describes (opaque).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from picojoule.ask import ROLES
from picojoule.errors import SpecError, unknown_name
from picojoule.formats.names import number_format
from picojoule.workload.density import Density
from picojoule.workload.values import Values

UNSAID = -1.0  # in place of a density that follows from something else; no tensor keeps it


class Body(StrEnum):
    """What an operator does at each point of its dimensions."""

    MAC = "mac"  # multiplies two operands, adds up: a `Layer`
    MAP = "map"  # makes each element of the result from the elements of the operands at the same index
    REDUCE = "reduce"  # joins many elements to one: pooling, softmax, normalisation (which then map)
    MOVE = "move"  # copies elements to another place, or gives them another shape where they are; computes nothing
    OPAQUE = "opaque"  # has no affine index, or is not understood: a border of fusion, and `note` says why


@dataclass(frozen=True)
class Rank:
    """One index of a tensor: `offset + sum(coefficient * dim)`, valid where `0 <= index < size`."""

    terms: tuple[tuple[int, str], ...]  # (coefficient, dimension)
    offset: int = 0
    size: int | None = None  # None: whatever the dimensions reach (no padding is clipped)

    def __post_init__(self) -> None:
        if not 1 <= len(self.terms) <= 2:
            raise SpecError(f"a rank has one or two terms, not {len(self.terms)}", hint="split the rank")
        if any(c <= 0 for c, _ in self.terms):
            raise SpecError("a rank needs positive coefficients", hint="reverse the dimension")


@dataclass(frozen=True)
class Tensor:
    """An operand or the result of an operator. `bits` per element; `density` is the fraction of non-zeros.

    `bits` may be fractional where elements share scales (MXFP4: 4.25). `number` names the format of the elements; it then says
    how many bits they take, and the MAC units are built for it. Without it elements are integers and the chip's MACs stay.
    `zeros` says where they are, and the density follows; without it they are anywhere, each choice alike (`density.Uniform`), and
    there are none unless `density` says so. `values`: which values the elements take, where that is known; the energy of
    compute-in-memory arrays follows them.
    """

    name: str
    role: str  # "weight", "input" or "output"
    ranks: tuple[Rank, ...]
    bits: float = 16
    density: float = UNSAID
    learned: bool = False  # a trained parameter, so that it counts as a weight of the network
    number: str = ""  # the number format of the elements, such as "fp8_e4m3"
    zeros: Density | None = None
    values: Values | None = None

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise SpecError(f"tensor {self.name!r}: unknown role {self.role!r}", hint=f"known: {', '.join(ROLES)}")
        if self.bits < 1:
            raise SpecError(f"tensor {self.name!r}: {self.bits} bits per element", hint="give at least 1 b")
        if self.number and number_format(self.number).bits != self.bits:
            raise SpecError(
                f"tensor {self.name!r}: {self.bits} bits per element, but {self.number} has {number_format(self.number).bits:g}",
                hint="give one of the two",
            )
        told = 1.0 if self.zeros is None else self.zeros.fraction
        if self.density == UNSAID:
            object.__setattr__(self, "density", told)
        elif self.zeros is not None and self.density != told:
            problem = f"tensor {self.name!r}: density {self.density:g}, but its zeros leave {told:g}"
            raise SpecError(problem, hint="give its zeros alone")
        if not 0.0 <= self.density <= 1.0:
            raise SpecError(f"tensor {self.name!r}: density {self.density}", hint="give a fraction from 0 to 1")
        seen = [d for r in self.ranks for _, d in r.terms]
        if len(seen) != len(set(seen)):
            raise SpecError(f"tensor {self.name!r} uses a dimension twice", hint="a diagonal is not an affine product")

    @cached_property
    def dims(self) -> frozenset[str]:
        """The dimensions that index the tensor (its relevant dimensions)."""
        return frozenset(d for r in self.ranks for _, d in r.terms)

    def stored_bits(self, elements: int) -> int:
        """Bits of a tile of so many elements, a begun bit counted whole."""
        return math.ceil(elements * self.bits)

    def of(self, width: float | str) -> Tensor:
        """The same tensor with elements of this width, or in the number format of this name."""
        if isinstance(width, str):
            return replace(self, bits=number_format(width).bits, number=width)
        return replace(self, bits=width, number="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """Which scores of attention count. A score is hidden from the softmax, but computed by dense kernels as any other.

    causal: a token sees itself and what was before it; the new tokens are the last ones of the keys. window: no further back
    than so many tokens. Without either the mask is an operand of its own, and what it hides is known in the run alone.
    """

    causal: bool = True
    window: int = 0  # 0: all the way back


@dataclass(frozen=True)
class Op:
    """One operator: its name in the network, what it was there, and what its `body` does over `dims` with `tensors`.

    `dims` are (name, bound), and every one indexes at least one tensor. `whole`: dimensions that must be there whole before a
    result can be made (the row of a softmax); any other may be cut into tiles. `passes`: how often the operand is read, where a
    row does not fit the unit. `ops`: scalar operations other than MACs, as `ops.py` counts them; None where they are not known.
    """

    name: str
    op: str  # "Conv", "Softmax", ...: the names of ONNX
    dims: tuple[tuple[str, int], ...]
    tensors: tuple[Tensor, ...]
    note: str = ""  # how its operations were counted, or why they are not
    body: Body = Body.OPAQUE
    whole: tuple[str, ...] = ()
    passes: int = 1
    ops: int | None = None
    moved: tuple[int, int] | None = None  # (elements read, written), where that is not every element of its tensors once
    mask: Mask | None = None  # of the scores that it makes or reads: a product of attention, its scaling, its softmax

    def __post_init__(self) -> None:
        what = f"{'layer' if self.body is Body.MAC else 'operator'} {self.name!r}"
        for d, n in self.dims:
            if not isinstance(n, int) or n < 1:
                raise SpecError(f"{what}: dimension {d} has bound {n!r}", hint="bounds are integers, 1 or more")
        names = [d for d, _ in self.dims]
        if len(names) != len(set(names)):
            raise SpecError(f"{what} names a dimension twice: {', '.join(names)}")
        used = set().union(*(t.dims for t in self.tensors)) if self.tensors else set()
        for extra in (used | set(self.whole)) - set(names):
            raise SpecError(f"{what}: dimension {extra} has no bound", hint=f"known: {', '.join(names)}")
        for idle in set(names) - used:
            raise SpecError(f"{what}: no tensor uses dimension {idle}", hint="drop it, or use it in a rank")
        if self.body is Body.OPAQUE and not self.note:
            raise SpecError(f"{what} is opaque and does not say why", hint="give a note")

    @cached_property
    def bounds(self) -> dict[str, int]:
        return dict(self.dims)

    @property
    def known(self) -> bool:
        """Whether it is understood what the operator computes."""
        return self.ops is not None

    @property
    def bits(self) -> float:
        """Bits of an element that the operator moves: the widest of its tensors."""
        return max((t.bits for t in self.tensors), default=16)

    @property
    def operands(self) -> tuple[Tensor, ...]:
        """The tensors that it reads, parameters included."""
        return tuple(t for t in self.tensors if t.role != "output")

    @property
    def results(self) -> tuple[Tensor, ...]:
        """The tensors that it writes; none where it works on its operand in passing (a bias, a view)."""
        return tuple(t for t in self.tensors if t.role == "output")

    @cached_property
    def read_elements(self) -> int:
        """Elements that it reads from memory if nothing is fused, each once: 0 where it works in passing."""
        return self.moved[0] if self.moved else sum(map(self.elements, self.operands))

    @cached_property
    def written_elements(self) -> int:
        """Elements that it writes to memory if nothing is fused."""
        return self.moved[1] if self.moved else sum(map(self.elements, self.results))

    def of(self, bits: float) -> Op:
        """The same operator with elements of this width in all tensors."""
        return replace(self, tensors=tuple(t.of(bits) for t in self.tensors))

    def tensor(self, name: str) -> Tensor:
        """The tensor of this name."""
        for t in self.tensors:
            if t.name == name:
                return t
        raise unknown_name("tensor", name, [t.name for t in self.tensors])

    def elements(self, tensor: Tensor) -> int:
        """Distinct valid elements of the tensor that the operator touches (padding excluded)."""
        return math.prod(distinct(r, self.bounds) for r in tensor.ranks)

    def shape(self, tensor: Tensor) -> tuple[int, ...]:
        """Distinct valid elements along each rank of the tensor."""
        return self._shapes[tensor.name]

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {t.name: tuple(distinct(r, self.bounds) for r in t.ranks) for t in self.tensors}


def distinct(rank: Rank, extents: Mapping[str, int], start: Mapping[str, int] | None = None) -> int:
    """Distinct valid indices of a rank over a box of the given extents that begins at `start` (default: 0)."""
    at = start or {}
    if len(rank.terms) == 1:  # an arithmetic progression: its valid part is counted without walking it
        (c, d), n = rank.terms[0], extents[rank.terms[0][1]]
        low = rank.offset + c * at.get(d, 0)
        before = max(0, -(low // c)) if low < 0 else 0
        valid = n if rank.size is None else (rank.size - 1 - low) // c + 1
        return max(0, min(n, valid) - before)
    values = {rank.offset}
    for c, d in rank.terms:
        s = at.get(d, 0)
        values = {v + c * (s + i) for v in values for i in range(extents[d])}
    return sum(1 for v in values if v >= 0 and (rank.size is None or v < rank.size))


def one(dim: str) -> Rank:
    """The plain index `dim`."""
    return Rank(((1, dim),))


def counted(
    name: str, op: str, *, ops: int | None, read: int, written: int, bits: float = 16, note: str = "known by its counts alone"
) -> Op:
    """The operator of which no more is known than how many operations it does and how many elements it reads and writes."""
    sizes = {"X": ("input", read), "Z": ("output", written)}
    dims = tuple((name.lower(), n) for name, (_, n) in sizes.items() if n)
    tensors = tuple(Tensor(t, role, (one(t.lower()),), bits) for t, (role, n) in sizes.items() if n)
    return Op(name, op, dims, tensors, note, Body.OPAQUE, tuple(d for d, _ in dims), ops=ops)

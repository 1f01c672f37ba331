"""One layer of multiply-accumulates: an einsum with affine indices, over bounded integer dimensions.

A layer is `dims` (name, bound) and exactly one output and one or two operands; a tensor's ranks are affine in the
dimensions, `offset + sum(coefficient * dim)`, and an index outside `0 <= index < size` is padding: it is stored and
moved nowhere. Convolutions, matrix products and attention are instances; see the constructors at the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from picojoule.errors import SpecError
from picojoule.formats.names import number_format
from picojoule.workload.density import Density, Uniform, read_density
from picojoule.workload.values import Values

ROLES = ("weight", "input", "output")


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
    """An operand or the result of a layer. `bits` per element; `density` is the fraction of non-zeros.

    `bits` may be fractional where elements share scales (MXFP4: 4.25). `number` names the format of the elements; it then says
    how many bits they take, and the MAC units are built for it. Without it elements are integers and the chip's MACs stay.
    `zeros` says where they are; without it they are anywhere, each choice alike (`density.Uniform`). `values`: which values the
    elements take, where that is known; the energy of compute-in-memory arrays follows them.
    """

    name: str
    role: str  # "weight", "input" or "output"
    ranks: tuple[Rank, ...]
    bits: float = 16
    density: float = 1.0
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


@dataclass(frozen=True)
class Layer:
    """A layer of MACs. `dims` are (name, bound), every dimension indexes at least one tensor."""

    name: str
    op: str  # what it was in the network: "Conv", "Gemm", "MatMul", ...
    dims: tuple[tuple[str, int], ...]
    tensors: tuple[Tensor, ...]
    note: str = ""

    def __post_init__(self) -> None:
        for d, n in self.dims:
            if not isinstance(n, int) or n < 1:
                raise SpecError(f"layer {self.name!r}: dimension {d} has bound {n!r}", hint="bounds are integers, 1 or more")
        names = [d for d, _ in self.dims]
        if len(names) != len(set(names)):
            raise SpecError(f"layer {self.name!r} names a dimension twice: {', '.join(names)}")
        used = set().union(*(t.dims for t in self.tensors)) if self.tensors else set()
        for extra in used - set(names):
            raise SpecError(f"layer {self.name!r}: dimension {extra} has no bound", hint=f"known: {', '.join(names)}")
        for idle in set(names) - used:
            raise SpecError(f"layer {self.name!r}: no tensor uses dimension {idle}", hint="drop it, or use it in a rank")
        if sum(t.role == "output" for t in self.tensors) != 1 or not 2 <= len(self.tensors) <= 3:
            raise SpecError(f"layer {self.name!r} needs one output and one or two operands")

    @cached_property
    def bounds(self) -> dict[str, int]:
        return dict(self.dims)

    @property
    def output(self) -> Tensor:
        return next(t for t in self.tensors if t.role == "output")

    def tensor(self, name: str) -> Tensor:
        for t in self.tensors:
            if t.name == name:
                return t
        from picojoule.errors import unknown_name

        raise unknown_name("tensor", name, [t.name for t in self.tensors])

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates, padding included (a MAC is counted for each point of the loop nest)."""
        return math.prod(n for _, n in self.dims)

    def elements(self, tensor: Tensor) -> int:
        """Distinct valid elements of the tensor that the layer touches (padding excluded)."""
        return math.prod(distinct(r, self.bounds) for r in tensor.ranks)

    def bits_of(self, **bits: float | str) -> Layer:
        """The same layer with other elements, by role: `layer.bits_of(weight=4, input=8)`, or `weight="mxfp4"`."""
        return replace(self, tensors=tuple(t.of(bits[t.role]) if t.role in bits else t for t in self.tensors))

    def bounded(self, **bounds: int) -> Layer:
        """The same layer with other bounds: `layer.bounded(K=48)`. Dimensions that become 1 go; one that is 1 already stays so.

        Bounds of windows and of what they slide over are settled together, so that only channels, batch and the like may change.
        """
        windows = {d for t in self.tensors for r in t.ranks if len(r.terms) == 2 or r.size is not None for _, d in r.terms}
        for d, n in bounds.items():
            if d in windows or n < 1 or (n > 1 and d not in self.bounds):
                raise SpecError(f"layer {self.name!r}: dimension {d} cannot become {n}", hint=f"its dimensions: {self.bounds}")
        if any(t.zeros is not None for t in self.tensors):
            raise SpecError(f"layer {self.name!r} has zeros of a fixed shape", hint="set densities after the bounds")
        new = {d: bounds.get(d, n) for d, n in self.dims}
        tensors = {t.name: (t.role, t.ranks) for t in self.tensors}
        plain = from_ranks(self.name, self.op, new, tensors)
        kept = tuple(replace(t, ranks=p.ranks) for t, p in zip(self.tensors, plain.tensors, strict=True))
        return replace(self, dims=plain.dims, tensors=kept)

    def shape(self, tensor: Tensor) -> tuple[int, ...]:
        """Distinct valid elements along each rank of the tensor."""
        return self._shapes[tensor.name]

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {t.name: tuple(distinct(r, self.bounds) for r in t.ranks) for t in self.tensors}

    def zeros(self, tensor: Tensor) -> Density:
        """Where the zeros of the tensor are."""
        return self._zeros[tensor.name]

    @cached_property
    def _zeros(self) -> dict[str, Density]:
        return {t.name: t.zeros if t.zeros is not None else Uniform(self._shapes[t.name], t.density) for t in self.tensors}

    def with_density(self, where: str = "", **densities: object) -> Layer:
        """The same layer with zeros, by role: `layer.with_density(input=0.42, weight="2:4")`, or a `Density`.

        N:M structures run along the rank that is summed over: the channels of a convolution.
        """
        changed = []
        for t in self.tensors:
            value = densities.get(t.role)
            if value is None:
                changed.append(t)
                continue
            model = value if isinstance(value, Density) else read_density(value, self.shape(t), self._summed_rank(t), where)
            if model.shape != self.shape(t):
                raise SpecError(
                    f"a density model of shape {model.shape} for tensor {t.name!r} of shape {self.shape(t)}",
                    where=where,
                    hint="one number for each rank of the tensor",
                )
            plain = isinstance(model, Uniform)
            density = model.density if isinstance(model, Uniform) else model.fraction
            changed.append(replace(t, density=density, zeros=None if plain else model))
        return replace(self, tensors=tuple(changed))

    def _summed_rank(self, tensor: Tensor) -> int | None:
        """The rank of the tensor that is summed over: channels rather than windows, else the one of most elements."""
        shape, windows = self.shape(tensor), {d for t in self.tensors for r in t.ranks if len(r.terms) == 2 for _, d in r.terms}
        summed = [i for i, r in enumerate(tensor.ranks) if len(r.terms) == 1 and r.terms[0][1] not in self.output.dims]
        return max(summed, key=lambda i: (tensor.ranks[i].terms[0][1] not in windows, shape[i])) if summed else None

    @cached_property
    def shape_key(self) -> tuple:
        """Equal for layers that any mapper treats alike: everything but the names of layer and op."""
        return (self.dims, self.tensors)


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


def conv(
    name: str = "conv",
    *,
    K: int,
    C: int,
    P: int,
    Q: int,
    R: int,
    S: int,
    stride: int | tuple[int, int] = 1,
    dilation: int | tuple[int, int] = 1,
    pad: int | tuple[int, int] = 0,
    size: tuple[int, int] | None = None,
    batch: int = 1,
    groups: int = 1,
    bits: int = 16,
    op: str = "Conv",
) -> Layer:
    """A 2-D convolution. K, C are totals over groups; P, Q the output and R, S the kernel height and width.

    The input is H x W = `size`, default (P-1)*stride + dilation*(R-1) + 1 - 2*pad: padding is clipped, so it is stored and
    moved nowhere. Dimensions of bound 1 are kept out. A depthwise layer is groups = K = C.
    """
    (su, sv), (du, dv), (pu, pv) = (x if isinstance(x, tuple) else (x, x) for x in (stride, dilation, pad))
    if K % groups or C % groups:
        raise SpecError(f"layer {name!r}: groups={groups} divides neither K={K} and C={C} evenly", hint="use a common divisor")
    h = size[0] if size else (P - 1) * su + du * (R - 1) + 1 - 2 * pu
    w = size[1] if size else (Q - 1) * sv + dv * (S - 1) + 1 - 2 * pv
    bounds = {"N": batch, "G": groups, "K": K // groups, "C": C // groups, "P": P, "Q": Q, "R": R, "S": S}
    rows, columns = Rank(((su, "P"), (du, "R")), -pu, h), Rank(((sv, "Q"), (dv, "S")), -pv, w)
    ranks_w, ranks_o = tuple(one(d) for d in "GKCRS"), tuple(one(d) for d in "NGKPQ")
    tensors = {"I": ("input", (one("N"), one("G"), one("C"), rows, columns)), "W": ("weight", ranks_w), "O": ("output", ranks_o)}
    return from_ranks(name, op, bounds, tensors, bits)


def gemm(
    name: str = "gemm", *, M: int, N: int, K: int, batch: int = 1, bits: int = 16, op: str = "Gemm", learned: bool = True
) -> Layer:
    """A matrix product Z[m,n] = sum over k of A[m,k] * B[k,n], `batch` of them (dimension H) with nothing shared.

    `learned` says whether B is a trained parameter (False for the two products of attention).
    """
    ranks = {"A": ("input", "HMK"), "B": ("weight", "HKN"), "Z": ("output", "HMN")}
    tensors = {t: (role, tuple(one(d) for d in ds)) for t, (role, ds) in ranks.items()}
    return from_ranks(name, op, {"H": batch, "M": M, "N": N, "K": K}, tensors, bits, learned)


def from_ranks(
    name: str,
    op: str,
    bounds: Mapping[str, int],
    tensors: Mapping[str, tuple[str, tuple[Rank, ...]]],
    bits: int | Mapping[str, int] = 16,
    learned: bool = True,
) -> Layer:
    """The layer of these bounds and {tensor: (role, ranks)}, without its dimensions of bound 1; `bits` may be given by role.

    A rank of unit dimensions alone is one element and goes. `learned` marks the operand of role "weight".
    """
    keep = {d: n for d, n in bounds.items() if n != 1}
    keep = keep or {next(iter(tensors.values()))[1][-1].terms[0][1]: 1}  # a layer of one MAC keeps one dimension
    built = []
    for t, (role, ranks) in tensors.items():
        kept = tuple(r for r in (_without_unit_dims(r, keep) for r in ranks) if r is not None)
        width = bits if isinstance(bits, int) else bits[role]
        built.append(Tensor(t, role, kept, width, learned=learned and role == "weight"))
    return Layer(name, op, tuple(keep.items()), tuple(built))


def _without_unit_dims(rank: Rank, keep: Mapping[str, int]) -> Rank | None:
    """The rank without dimensions of bound 1; a rank of unit dimensions alone is one element and goes."""
    terms = tuple((c, d) for c, d in rank.terms if d in keep)
    return replace(rank, terms=terms) if terms else None

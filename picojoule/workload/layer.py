"""One layer of multiply-accumulates: the operator whose body is a MAC, an einsum with affine indices.

A layer has exactly one output and one or two operands. Convolutions, matrix products and attention are instances; see the
constructors at the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from picojoule.errors import SpecError
from picojoule.workload.density import Density, Uniform, read_density
from picojoule.workload.op import Body, Op, Rank, Tensor, distinct, one

__all__ = ["Layer", "Rank", "Tensor", "conv", "distinct", "from_ranks", "gemm", "one"]  # the words of a layer, together


@dataclass(frozen=True)
class Layer(Op):
    """An operator of MACs. It computes nothing else, and each of its dimensions may be cut into tiles.

    `resumes`: it adds to sums that an earlier part of the same work has left at the output's home, instead of to zero.
    """

    resumes: bool = field(default=False, kw_only=True)

    body: Body = field(default=Body.MAC, init=False, repr=False)
    whole: tuple[str, ...] = field(default=(), init=False, repr=False)
    passes: int = field(default=1, init=False, repr=False)
    ops: int | None = field(default=0, init=False, repr=False)
    moved: tuple[int, int] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if sum(t.role == "output" for t in self.tensors) != 1 or not 2 <= len(self.tensors) <= 3:
            raise SpecError(f"layer {self.name!r} needs one output and one or two operands")

    @property
    def output(self) -> Tensor:
        return next(t for t in self.tensors if t.role == "output")

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates, padding included (a MAC is counted for each point of the loop nest)."""
        return math.prod(n for _, n in self.dims)

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
            uniform = isinstance(model, Uniform)  # a density alone says the same, and exactly
            density = model.density if isinstance(model, Uniform) else model.fraction
            changed.append(replace(t, density=density, zeros=None if uniform else model))
        return replace(self, tensors=tuple(changed))

    def _summed_rank(self, tensor: Tensor) -> int | None:
        """The rank of the tensor that is summed over: channels rather than windows, else the one of most elements."""
        shape, windows = self.shape(tensor), {d for t in self.tensors for r in t.ranks if len(r.terms) == 2 for _, d in r.terms}
        summed = [i for i, r in enumerate(tensor.ranks) if len(r.terms) == 1 and r.terms[0][1] not in self.output.dims]
        return max(summed, key=lambda i: (tensor.ranks[i].terms[0][1] not in windows, shape[i])) if summed else None

    @cached_property
    def shape_key(self) -> tuple:
        """Equal for layers that any mapper treats alike: everything but the names of layer and op."""
        return (self.dims, self.tensors, True) if self.resumes else (self.dims, self.tensors)


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

"""One layer as a chain of smaller ones: its weights as a product of low rank. No activation lies between the parts.

    low_rank  K x r . r x C R S    r filters like the layer's, then 1 x 1; or two linear layers
    spatial   C R x r . r x K S    k x 1, then 1 x k (Jaderberg et al., BMVC 2014)
    tucker    r_out x r_in core    1 x 1, k x k, 1 x 1 (Kim et al., ICLR 2016)
    cp        r outer products     1 x 1, k x 1 and 1 x k depthwise, 1 x 1 (Lebedev et al., ICLR 2015: 4.5x on a CPU)

The first three are exact at full rank, and the best of their rank in the sum of squares (Tucker: a local optimum); `cp` has no
such guarantee: alternating least squares find it. `error` is what the chain misses.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from picojoule.errors import SpecError, unknown_name

Rank = int | tuple[int, int]
SWEEPS = 200  # of alternating least squares
HOOI_SWEEPS = 20


def low_rank(layer: nn.Module, rank: int) -> nn.Sequential:
    """The best weights of this rank (Eckart and Young): `rank` filters like the layer's, then 1 x 1; or two linear layers."""
    weight = _weight(layer)
    rank = _checked(rank, min(len(weight), weight[0].numel()), layer)
    left, right = _split(weight.flatten(1), rank)
    if isinstance(layer, nn.Linear):
        return nn.Sequential(_linear(right), _linear(left, layer.bias))
    return nn.Sequential(convolution(layer, right.view(rank, *weight.shape[1:])), pointwise(left, plain_conv(layer).bias))


def spatial(layer: nn.Module, rank: int) -> nn.Sequential:
    """A column of taps, then a row: `rank` channels between a k x 1 and a 1 x k convolution."""
    conv = plain_conv(layer)
    k, c, r, s = conv.weight.shape
    matrix = conv.weight.detach().permute(1, 2, 0, 3).reshape(c * r, k * s)
    rank = _checked(rank, min(matrix.shape), conv)
    left, right = _split(matrix, rank)
    column = left.view(c, r, rank).permute(2, 0, 1)[..., None].contiguous()
    row = right.view(rank, k, s).permute(1, 0, 2)[:, :, None, :].contiguous()
    return nn.Sequential(convolution(conv, column, axes=(0,)), convolution(conv, row, axes=(1,), bias=conv.bias))


def tucker(layer: nn.Module, ranks: Rank) -> nn.Sequential:
    """1 x 1 into r_in channels, k x k from r_in to r_out, 1 x 1 out of them; `ranks` is (r_out, r_in), or one for both.

    Higher-order orthogonal iteration from the truncated SVDs (De Lathauwer et al., 2000).
    """
    conv = plain_conv(layer)
    w = conv.weight.detach()
    out, into = (ranks, ranks) if isinstance(ranks, int) else ranks
    out, into = _checked(out, len(w), conv), _checked(into, w.shape[1], conv)
    b = leading(w.transpose(0, 1).flatten(1), into)
    for _ in range(HOOI_SWEEPS):
        a = leading(torch.einsum("kcrs,ci->kirs", w, b).flatten(1), out)
        b = leading(torch.einsum("kcrs,ko->cors", w, a).flatten(1), into)
    core = torch.einsum("kcrs,ko,ci->oirs", w, a, b)
    return nn.Sequential(pointwise(b.T.contiguous()), convolution(conv, core), pointwise(a, conv.bias))


def cp(layer: nn.Module, rank: int, seed: int = 0) -> nn.Sequential:
    """1 x 1 into `rank` channels, each filtered alone by a column and a row, 1 x 1 out: a sum of `rank` products of vectors."""
    conv = plain_conv(layer)
    if rank < 1:
        raise SpecError(f"rank {rank}", where=str(conv), hint="1 or more")
    k, c, r, s = _alternating(conv.weight.detach(), rank, seed)
    column, row = r.T.reshape(rank, 1, -1, 1).contiguous(), s.T.reshape(rank, 1, 1, -1).contiguous()
    return nn.Sequential(
        pointwise(c.T.contiguous()),
        convolution(conv, column, axes=(0,), groups=rank),
        convolution(conv, row, axes=(1,), groups=rank),
        pointwise(k, conv.bias),
    )


WAYS: Mapping[str, Callable[[nn.Module, Any], nn.Sequential]] = {
    "low-rank": low_rank, "spatial": spatial, "tucker": tucker, "cp": cp,
}  # fmt: skip


def factorised(module: nn.Module, ranks: Mapping[str, Rank], way: str = "low-rank") -> nn.Module:
    """A copy of the module whose named layers are chains; the parts of `conv1` are called `conv1.0`, `conv1.1`, ..."""
    if way not in WAYS:
        raise unknown_name("way to factorise", way, WAYS)
    return replaced(module, {name: partial(WAYS[way], **{_RANK[way]: rank}) for name, rank in ranks.items()})


_RANK = {"low-rank": "rank", "spatial": "rank", "tucker": "ranks", "cp": "rank"}


def replaced(module: nn.Module, makers: Mapping[str, Callable[[nn.Module], nn.Module]]) -> nn.Module:
    """A copy of the module with other modules in the named places, made from what was there."""
    out = copy.deepcopy(module)
    known = dict(out.named_modules())
    for name, make in makers.items():
        if name not in known or not name:
            raise unknown_name("layer", name, (n for n in known if n))
        owner, _, own = name.rpartition(".")
        try:
            setattr(known[owner], own, make(known[name]).train(known[name].training))
        except SpecError as error:
            raise error.located(name) from None
    return out


def error(layer: nn.Module, chain: nn.Sequential, size: int = 9) -> float:
    """|W - W'| / |W|: what of the layer's answers to unit impulses the chain misses."""
    into = layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels
    assert isinstance(into, int)
    with torch.no_grad():
        if isinstance(layer, nn.Linear):
            x = torch.eye(into)
        else:
            x = torch.zeros(into, into, size, size)
            x[torch.arange(into), torch.arange(into), size // 2, size // 2] = 1
        nothing = torch.zeros_like(x[:1])
        whole, parts = layer(x) - layer(nothing), chain(x) - chain(nothing)
    return float((whole - parts).norm() / whole.norm())


# ---- products ---------------------------------------------------------------------------------------------------
def _split(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """left @ right, the matrix of this rank nearest to `matrix`; both have the same scale, which training wants."""
    u, s, v = torch.linalg.svd(matrix.detach().double(), full_matrices=False)
    root = s[:rank].sqrt()
    return (u[:, :rank] * root).to(matrix.dtype), (root[:, None] * v[:rank]).to(matrix.dtype)


def leading(matrix: Tensor, rank: int) -> Tensor:
    """The first left singular vectors."""
    return torch.linalg.svd(matrix.double(), full_matrices=True)[0][:, :rank].to(matrix.dtype)


def _alternating(w: Tensor, rank: int, seed: int) -> list[Tensor]:
    """Factor matrices, one for each axis, whose outer products add up to `w` in the least-squares sense (a local optimum)."""
    w = w.double()
    draw = torch.Generator().manual_seed(seed)
    factors = [torch.randn(n, rank, generator=draw, dtype=torch.float64) for n in w.shape]
    axes, letters, last = range(w.dim()), "kcrs", float("inf")
    for _ in range(SWEEPS):
        for i in axes:
            others = [f for j, f in enumerate(factors) if j != i]
            gram = torch.ones(rank, rank, dtype=torch.float64)
            for f in others:
                gram = gram * (f.T @ f)
            terms = ",".join(f"{letters[j]}z" for j in axes if j != i)
            right = torch.einsum(f"{letters},{terms}->{letters[i]}z", w, *others)
            factors[i] = right @ torch.linalg.pinv(gram + 1e-12 * torch.eye(rank, dtype=torch.float64) * gram.trace())
        missed = float((w - torch.einsum("kz,cz,rz,sz->kcrs", *factors)).norm())
        if last - missed <= 1e-9 * float(w.norm()):
            break
        last = missed
    sizes = torch.stack([f.norm(dim=0).clamp_min(1e-30) for f in factors])
    even = sizes.prod(0) ** (1 / len(factors))
    return [(f / n * even).float() for f, n in zip(factors, sizes, strict=True)]


# ---- layers of given weights ------------------------------------------------------------------------------------
def _linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    return _filled(nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None), weight, bias)


def pointwise(weight: Tensor, bias: Tensor | None = None) -> nn.Conv2d:
    return _filled(nn.Conv2d(weight.shape[1], weight.shape[0], 1, bias=bias is not None), weight[..., None, None], bias)


def convolution(
    like: Any, weight: Tensor, bias: Tensor | None = None, axes: tuple[int, ...] = (0, 1), groups: int = 1
) -> nn.Conv2d:
    """A convolution of these weights with the stride, padding and dilation that `like` has along `axes`; none along others."""

    def pick(values: tuple[int, ...], plain: int) -> Any:
        return tuple(v if i in axes else plain for i, v in enumerate(values))

    made = nn.Conv2d(
        weight.shape[1] * groups, weight.shape[0], (weight.shape[2], weight.shape[3]), stride=pick(like.stride, 1),
        padding=pick(like.padding, 0), dilation=pick(like.dilation, 1), groups=groups, bias=bias is not None,
    )  # fmt: skip
    return _filled(made, weight, bias)


def _filled(layer: Any, weight: Tensor, bias: Tensor | None) -> Any:
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


def _weight(layer: nn.Module) -> Tensor:
    return layer.weight.detach() if isinstance(layer, nn.Linear) else plain_conv(layer).weight.detach()


def plain_conv(layer: nn.Module) -> nn.Conv2d:
    if not isinstance(layer, nn.Conv2d) or layer.groups != 1 or isinstance(layer.padding, str) or layer.padding_mode != "zeros":
        raise SpecError(f"{layer} is no plain 2-D convolution", hint="one group, padding in numbers, zeros around it")
    return layer


def _checked(rank: int, most: int, layer: nn.Module) -> int:
    if not 1 <= rank <= most:
        raise SpecError(f"rank {rank} of {layer}", hint=f"1 to {most}, where it is exact")
    return rank

"""Layers as chains: exact at full rank, the best of their rank below it, and what exporting says they cost."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from picojoule.errors import SpecError
from picojoule.workload.torch.read import export

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from picojoule.compress.factorise import cp, error, factorised, low_rank, spatial, tucker  # noqa: E402
from picojoule.compress.rewrite import BLOCKS, bottleneck, fire, pair, rewritten, separable  # noqa: E402
from tests.compress import nets  # noqa: E402


def conv(c=4, k=6, kernel=3, seed=0, **more):
    torch.manual_seed(seed)
    return nn.Conv2d(c, k, kernel, **more)


SHAPES = [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "padding": 2, "bias": False}, {"kernel": (3, 5), "padding": (1, 0)}]


@pytest.mark.parametrize("more", SHAPES)
def test_full_rank_is_exact_for_every_stride_padding_and_dilation(more) -> None:
    layer = conv(**more)
    r, s = layer.kernel_size
    x = torch.randn(2, 4, 11, 12)
    with torch.no_grad():
        for chain in (low_rank(layer, 6), spatial(layer, min(4 * r, 6 * s)), tucker(layer, (6, 4))):
            assert torch.allclose(chain(x), layer(x), atol=2e-5), chain
    dense = nn.Linear(5, 3)
    x = torch.randn(4, 5)
    assert torch.allclose(low_rank(dense, 3)(x), dense(x), atol=1e-6)


def test_low_rank_misses_the_singular_values_that_are_left_out() -> None:
    layer = conv(bias=False)
    sizes = np.linalg.svd(layer.weight.detach().numpy().reshape(6, -1), compute_uv=False)
    for rank in (1, 3, 5):
        missed = np.sqrt((sizes[rank:] ** 2).sum() / (sizes**2).sum())
        assert error(layer, low_rank(layer, rank)) == pytest.approx(missed, rel=1e-4)
    dense = nn.Linear(6, 8)
    sizes = np.linalg.svd(dense.weight.detach().numpy(), compute_uv=False)
    assert error(dense, low_rank(dense, 2)) == pytest.approx(np.sqrt((sizes[2:] ** 2).sum() / (sizes**2).sum()), rel=1e-4)


def test_more_rank_never_misses_more_and_tucker_of_one_side_is_low_rank() -> None:
    layer = conv(padding=1, bias=False)
    for way, most in ((low_rank, 6), (spatial, 12), (tucker, 4)):
        missed = [error(layer, way(layer, r)) for r in range(1, most + 1)]
        assert all(b <= a + 1e-5 for a, b in itertools.pairwise(missed))
    assert error(layer, tucker(layer, (2, 4))) == pytest.approx(error(layer, low_rank(layer, 2)), rel=1e-3)


def test_weights_that_have_the_form_are_found_again() -> None:
    torch.manual_seed(1)
    layer = conv(bias=False)
    parts = [torch.randn(n, 2) for n in (6, 4, 3, 3)]
    with torch.no_grad():
        layer.weight.copy_(torch.einsum("kz,cz,rz,sz->kcrs", *parts))
        x = torch.randn(1, 4, 8, 8)
        assert torch.allclose(cp(layer, 2)(x), layer(x), rtol=1e-3, atol=1e-3)
        layer.weight.copy_(torch.randn(6, 4)[:, :, None, None] * torch.randn(1, 4, 3, 3))
        assert torch.allclose(separable(layer)(x), layer(x), atol=1e-4)
        layer.weight.copy_(torch.randn(6, 4, 1, 3) * torch.randn(1, 1, 3, 1))
        assert torch.allclose(pair(layer)(x), layer(x), atol=1e-4)
        assert torch.allclose(bottleneck(conv(), 4)(x), tucker(conv(), 4)(x))


def test_rank_one_of_a_channel_is_the_best_separable_filter() -> None:
    layer = conv(bias=False)
    per_channel = [np.linalg.svd(layer.weight.detach().numpy()[:, c].reshape(6, 9), compute_uv=False) for c in range(4)]
    missed = np.sqrt(sum((s[1:] ** 2).sum() for s in per_channel) / sum((s**2).sum() for s in per_channel))
    assert error(layer, separable(layer)) == pytest.approx(missed, rel=1e-4)


def test_a_fire_block_keeps_wide_filters_and_middle_taps() -> None:
    layer, x = conv(padding=1), torch.randn(2, 4, 6, 7)
    with torch.no_grad():
        made = fire(layer, 4)(x)
        assert torch.allclose(made[:, 3:], layer(x)[:, 3:], atol=1e-5)
        middle = torch.einsum("kc,nchw->nkhw", layer.weight[:3, :, 1, 1], x) + layer.bias[:3, None, None]
        assert torch.allclose(made[:, :3], middle, atol=1e-5)
    with pytest.raises(SpecError, match="no middle tap"):
        fire(conv(padding=0))


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_rewritten_network_runs_trains_and_costs_less(kind) -> None:
    net, x = nets.made(nets.Residual), nets.image(1)
    small = rewritten(net, {"a": kind}, channels=2) if kind in ("fire", "bottleneck", "pair") else rewritten(net, {"a": kind})
    small(x).sum().backward()
    assert small(x).shape == net(x).shape and all(p.grad is not None for p in small.a.parameters())
    assert export(small, (x,), name="net").macs < export(net, (x,), name="net").macs
    assert any(isinstance(m, nn.ReLU) for m in small.a.modules())


def test_parts_are_named_after_the_layer() -> None:
    net, x = nets.made(), nets.image(1)
    small = factorised(net, {"4": 2, "7": 3})
    names = [s.layer.name for s in export(small, (x,), name="net").layers]
    assert names == ["0", "4.0", "4.1", "7.0", "7.1", "9"]


def test_wrong_ranks_layers_and_kinds_are_errors() -> None:
    net = nets.made(nets.Depthwise)
    with pytest.raises(SpecError, match=r"expand: rank 10 of .*\nhint: 1 to 1, where it is exact"):
        factorised(net, {"expand": 10})
    with pytest.raises(SpecError, match=r"depth: .* is no plain 2-D convolution"):
        factorised(net, {"depth": 2})
    with pytest.raises(SpecError, match="unknown layer 'depths'"):
        factorised(net, {"depths": 2})
    with pytest.raises(SpecError, match="unknown compact block 'fires'"):
        rewritten(net, {"project": "fires"})
    with pytest.raises(SpecError, match="unknown way to factorise 'svd'"):
        factorised(net, {"head": 2}, way="svd")

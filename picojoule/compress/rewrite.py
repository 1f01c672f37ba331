"""A convolution as the compact block that takes its place: what the blocks of known networks would make of it.

    separable    depthwise k x k, then 1 x 1                            MobileNet, Howard et al., arXiv 1704.04861
    pair         k x 1, then 1 x k                                      Inception-v3, Szegedy et al., CVPR 2016
    fire         1 x 1 squeeze, then 1 x 1 and k x k side by side       SqueezeNet, Iandola et al., arXiv 1602.07360
    bottleneck   1 x 1 down, k x k, 1 x 1 up                            ResNet, He et al., CVPR 2016

Each block starts as the nearest one to the layer that this file knows how to find, as long as nothing lies between its parts:
separable, pair and bottleneck by low rank, so that a layer which has the form already stays what it was. With `activation` (as
the networks have it) they compute something else and want training, best with the old network as the teacher (`distill`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from picojoule.compress.factorise import convolution, leading, plain_conv, pointwise, replaced, spatial, tucker
from picojoule.errors import SpecError, unknown_name

Activation = Callable[[], nn.Module]


def separable(layer: nn.Module, activation: Activation | None = None) -> nn.Sequential:
    """Every input channel filtered alone, then mixed: the best rank-1 form K x R S of the filters that read each channel."""
    conv = plain_conv(layer)
    k, c, r, s = conv.weight.shape
    u, size, v = torch.linalg.svd(conv.weight.detach().permute(1, 0, 2, 3).reshape(c, k, r * s).double(), full_matrices=False)
    root = size[:, :1].sqrt()
    filters, mix = (root * v[:, 0]).float().view(c, 1, r, s), (root * u[:, :, 0]).T.float()
    return _chain([convolution(conv, filters, groups=c), pointwise(mix, conv.bias)], activation)


def pair(layer: nn.Module, channels: int | None = None, activation: Activation | None = None) -> nn.Sequential:
    """A column of taps, then a row, with `channels` between them (default: as many as the layer makes)."""
    conv = plain_conv(layer)
    most = min(conv.in_channels * conv.kernel_size[0], conv.out_channels * conv.kernel_size[1])
    return _chain(spatial(conv, min(channels or conv.out_channels, most)), activation)


def bottleneck(layer: nn.Module, channels: int | None = None, activation: Activation | None = None) -> nn.Sequential:
    """1 x 1 down to `channels` (default: a quarter of what the layer makes), k x k among them, 1 x 1 up."""
    conv = plain_conv(layer)
    most = min(conv.in_channels, conv.out_channels)
    return _chain(tucker(conv, min(channels or max(1, conv.out_channels // 4), most)), activation)


class Fire(nn.Module):
    """Squeeze by 1 x 1, then half of the filters 1 x 1 and the other half k x k, side by side."""

    def __init__(self, squeeze: nn.Module, activation: nn.Module, one: nn.Module, wide: nn.Module) -> None:
        super().__init__()
        self.squeeze, self.activation, self.one, self.wide = squeeze, activation, one, wide

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.squeeze(x))
        return torch.cat([self.one(x), self.wide(x)], 1)


def fire(layer: nn.Module, channels: int | None = None, activation: Activation | None = None) -> Fire:
    """Squeeze to `channels` (default: an eighth of what the layer makes), then what is left of each filter.

    The first half of the filters keep their middle tap alone.
    """
    conv = plain_conv(layer)
    k, c, r, s = conv.weight.shape
    even = tuple(d * (n // 2) for n, d in zip((r, s), conv.dilation, strict=True))
    if k < 2 or r % 2 == 0 or s % 2 == 0 or tuple(conv.padding) != even:
        raise SpecError(f"{layer} has no middle tap", hint="a fire block needs an odd kernel, padded to the size of its input")
    into = min(channels or max(1, k // 8), c)
    w = conv.weight.detach()
    base = leading(w.transpose(0, 1).flatten(1), into)
    inner = torch.einsum("kcrs,ci->kirs", w, base)
    half = k // 2
    bias = (None, None) if conv.bias is None else (conv.bias[:half], conv.bias[half:])
    one = nn.Conv2d(into, half, 1, stride=(conv.stride[0], conv.stride[1]), bias=bias[0] is not None)
    with torch.no_grad():
        one.weight.copy_(inner[:half, :, r // 2 : r // 2 + 1, s // 2 : s // 2 + 1])
        if bias[0] is not None and one.bias is not None:
            one.bias.copy_(bias[0])
    wide = convolution(conv, inner[half:], bias=bias[1])
    return Fire(pointwise(base.T.contiguous()), activation() if activation else nn.Identity(), one, wide)


BLOCKS: Mapping[str, Callable[..., nn.Module]] = {"separable": separable, "pair": pair, "fire": fire, "bottleneck": bottleneck}


def rewritten(module: nn.Module, blocks: Mapping[str, str], activation: Activation | None = nn.ReLU, **more: Any) -> nn.Module:
    """A copy of the module whose named convolutions are blocks: `rewritten(net, {"conv2": "separable"})`. `more`: `channels`."""
    for kind in blocks.values():
        if kind not in BLOCKS:
            raise unknown_name("compact block", kind, BLOCKS)
    return replaced(module, {n: partial(BLOCKS[kind], activation=activation, **more) for n, kind in blocks.items()})


def _chain(parts: Any, activation: Activation | None) -> nn.Sequential:
    """The parts one after the other, an activation between them where one is given."""
    layers: list[nn.Module] = []
    for part in parts:
        layers += [activation(), part] if layers and activation else [part]
    return nn.Sequential(*layers)

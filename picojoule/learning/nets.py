"""Small classifiers that train from scratch in minutes on one core. Every layer has a name, the same in torch and in the network.

Sizes are chosen, not copied: `small-resnet` has He et al.'s basic blocks (CVPR 2016), `small-mobilenet` the depthwise-separable
blocks of Howard et al. (arXiv 1704.04861), `tiny-transformer` reads patches as tokens (Dosovitskiy et al., ICLR 2021).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from picojoule.errors import SpecError, unknown_name
from picojoule.learning.labelled import Labelled


def _named(**layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(layers))


def small(channels: int, side: int, classes: int) -> nn.Module:
    """Two convolutions and two dense layers: 8x8 digits."""
    return _named(
        conv1=nn.Conv2d(channels, 16, 3, padding=1), relu1=nn.ReLU(),
        conv2=nn.Conv2d(16, 32, 3, padding=1), relu2=nn.ReLU(), pool=nn.MaxPool2d(2), flat=nn.Flatten(),
        fc1=nn.Linear(32 * (side // 2) ** 2, 64), relu3=nn.ReLU(), fc2=nn.Linear(64, classes),
    )  # fmt: skip


def lenet5(channels: int, side: int, classes: int) -> nn.Module:
    """LeNet-5 (LeCun et al., 1998) with ReLU and max pooling, the first convolution padded: 28x28 images."""
    if side < 12:
        raise SpecError(f"lenet5 needs images of 12 x 12 or more, these have {side} x {side}", hint="take `small`")
    return _named(
        conv1=nn.Conv2d(channels, 6, 5, padding=2), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(6, 16, 5), relu2=nn.ReLU(), pool2=nn.MaxPool2d(2), flat=nn.Flatten(),
        fc1=nn.Linear(16 * (side // 2 // 2 - 2) ** 2, 120), relu3=nn.ReLU(),
        fc2=nn.Linear(120, 84), relu4=nn.ReLU(), fc3=nn.Linear(84, classes),
    )  # fmt: skip


class Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.relu2 = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.shortcut = _named(conv=nn.Conv2d(before, after, 1, stride, bias=False), norm=nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        return self.relu2(y + self.shortcut(x))


class Separable(nn.Module):
    """A depthwise 3x3 convolution, then a 1x1 convolution, each with its normalisation and ReLU."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(before, before, 3, stride, 1, groups=before, bias=False)
        self.norm1 = nn.BatchNorm2d(before)
        self.relu1 = nn.ReLU()
        self.pointwise = nn.Conv2d(before, after, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu2(self.norm2(self.pointwise(self.relu1(self.norm1(self.depthwise(x))))))


class ConvNet(nn.Module):
    """A first convolution, blocks, the mean over the image, one dense layer."""

    def __init__(self, first: nn.Conv2d, blocks: list[nn.Module], features: int, classes: int) -> None:
        super().__init__()
        self.conv = first
        self.norm = nn.BatchNorm2d(first.out_channels)
        self.relu = nn.ReLU()
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flat = nn.Flatten()
        self.fc = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.flat(self.pool(self.blocks(self.relu(self.norm(self.conv(x)))))))


def small_resnet(channels: int, side: int, classes: int) -> nn.Module:
    """Three residual blocks of 16, 32 and 64 channels: 2.6 M MACs and 78 k weights at 28x28."""
    first = nn.Conv2d(channels, 16, 5, 2 if side >= 16 else 1, 2, bias=False)
    return ConvNet(first, [Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2)], 64, classes)


def small_mobilenet(channels: int, side: int, classes: int) -> nn.Module:
    """Five depthwise-separable blocks of up to 128 channels: 1.3 M MACs and 45 k weights at 28x28."""
    first = nn.Conv2d(channels, 24, 3, 2 if side >= 16 else 1, 1, bias=False)
    widths = [(24, 48, 1), (48, 64, 2), (64, 96, 1), (96, 128, 2), (128, 128, 1)]
    return ConvNet(first, [Separable(*w) for w in widths], 128, classes)


class Block(nn.Module):
    """Self-attention and two dense layers, each after its normalisation and beside a shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 2 * width)
        self.gelu = nn.GELU()
        self.fc2 = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, width))
        return x + self.fc2(self.gelu(self.fc1(self.norm2(x))))


class TinyTransformer(nn.Module):
    """Patches as tokens, learned positions, blocks, the mean over tokens, one dense layer."""

    def __init__(self, channels: int, side: int, classes: int, width: int = 48, heads: int = 4, depth: int = 2) -> None:
        super().__init__()
        patch = max(2, side // 7)
        self.embed = nn.Conv2d(channels, width, patch, patch)
        self.positions = nn.Parameter(0.02 * torch.randn(1, (side // patch) ** 2, width))
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2) + self.positions
        return self.fc(self.norm(self.blocks(x)).mean(1))


NETS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "small": small,
    "lenet5": lenet5,
    "small-resnet": small_resnet,
    "small-mobilenet": small_mobilenet,
    "tiny-transformer": TinyTransformer,
}


def network(name: str, data: Labelled, seed: int = 0) -> nn.Module:
    """An untrained net for the data's images, initialised by the seed."""
    if name not in NETS:
        raise unknown_name("small network", name, NETS)
    _, channels, height, width = data.train_images.shape
    if height != width:
        raise SpecError(f"the images are {height} x {width}", where=data.name, hint="these nets take square images: pad them")
    torch.manual_seed(seed)
    return NETS[name](channels, height, data.classes)

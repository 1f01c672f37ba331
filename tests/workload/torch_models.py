"""Torch modules for the tests; this file is also read as `torch_models.py:callable`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Bottleneck(nn.Module):
    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(channels, width, 1, bias=False), nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.c = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.na, self.nb, self.nc = nn.BatchNorm2d(width), nn.BatchNorm2d(width), nn.BatchNorm2d(4 * width)
        self.shortcut = nn.Identity()
        if stride != 1 or channels != 4 * width:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.na(self.a(x)))
        y = F.relu(self.nb(self.b(y)))
        return F.relu(self.nc(self.c(y)) + self.shortcut(x))


class ResNet50(nn.Module):
    """ResNet-50 v1.5."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        blocks, channels = [], 64
        for stage, (width, depth) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
            for i in range(depth):
                blocks.append(Bottleneck(channels, width, 2 if stage and i == 0 else 1))
                channels = 4 * width
        self.blocks, self.fc = nn.Sequential(*blocks), nn.Linear(2048, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.norm(self.stem(x))), 3, 2, 1)
        x = F.adaptive_avg_pool2d(self.blocks(x), 1)
        return F.softmax(self.fc(torch.flatten(x, 1)), -1)


class Mixed(nn.Module):
    """One of many operators, small."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.up = nn.Conv2d(4, 8, (3, 5), stride=(1, 2), padding=(1, 2), groups=2), nn.ConvTranspose2d(8, 4, 4, 2, 1)
        self.line, self.fc = nn.Conv1d(4, 6, 3, dilation=2), nn.Linear(6, 16)
        self.norm, self.table = nn.LayerNorm(16), nn.Parameter(torch.zeros(16, 5))

    def forward(self, x: Tensor) -> Tensor:
        y = self.up(F.relu(self.conv(x)))
        y = self.line(y.flatten(2)[:, :, :20]).transpose(1, 2)
        y = self.norm(F.gelu(self.fc(y)))
        scores = torch.softmax(torch.matmul(y, y.transpose(1, 2)), -1)
        return torch.matmul(scores, y) @ self.table


def resnet50() -> tuple[nn.Module, tuple[Tensor, ...]]:
    with torch.device("meta"):
        return ResNet50(), (torch.zeros(1, 3, 224, 224),)


def mixed() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Mixed(), (torch.zeros(2, 4, 8, 12),)


def bare() -> nn.Module:
    return nn.Linear(2, 3)


def number() -> int:
    return 3


def broken() -> nn.Module:
    raise RuntimeError("no weights here")

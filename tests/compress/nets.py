"""Small untrained networks, one for each way in which channels may be tied."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def plain() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.Sigmoid(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 5, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(20, 7),
        nn.ReLU(),
        nn.Linear(7, 4),
    )


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.bn = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.a, self.b = nn.Conv2d(6, 8, 3, padding=1), nn.Conv2d(8, 6, 3, padding=1)
        self.down, self.skip = nn.Conv2d(6, 10, 3, stride=2, padding=1), nn.Conv2d(6, 10, 1, stride=2)
        self.head = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn(self.stem(x)))
        x = F.relu(x + self.b(F.relu(self.a(x))))
        x = F.relu(self.down(x) + self.skip(x))
        return self.head(x.mean((2, 3)))


class Depthwise(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.expand, self.depth = nn.Conv2d(1, 9, 1), nn.Conv2d(9, 9, 3, padding=1, groups=9)
        self.project, self.head = nn.Conv2d(9, 4, 1), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.project(F.relu6(self.depth(F.relu6(self.expand(x))))).mean((2, 3)))


class Concatenated(nn.Module):
    """The expand layers of a fire module, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze, self.one, self.three = nn.Conv2d(1, 4, 1), nn.Conv2d(4, 5, 1), nn.Conv2d(4, 6, 3, padding=1)
        self.up = nn.ConvTranspose2d(11, 3, 2, stride=2)
        self.head = nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x))
        return self.head(self.up(torch.cat([F.relu(self.one(x)), F.relu(self.three(x))], 1))).mean((2, 3))


class Attention(nn.Module):
    """One block over the rows of an image: two heads, whose reshape hides a tie."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.place = nn.Linear(8, 12), nn.Parameter(torch.randn(1, 8, 12))
        self.norm, self.q, self.k, self.v = nn.LayerNorm(12), nn.Linear(12, 12), nn.Linear(12, 12), nn.Linear(12, 12)
        self.out, self.wide, self.back, self.head = nn.Linear(12, 12), nn.Linear(12, 20), nn.Linear(20, 12), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x[:, 0]) + self.place
        y = self.norm(x)
        q, k, v = (m(y).view(len(x), 8, 2, 6).transpose(1, 2) for m in (self.q, self.k, self.v))
        y = (torch.softmax(q @ k.transpose(2, 3), -1) @ v).transpose(1, 2).reshape(len(x), 8, 12)
        x = x + self.out(y)
        return self.head((x + self.back(F.gelu(self.wide(self.norm(x))))).mean(1))


def made(kind: type[nn.Module] | None = None, seed: int = 0) -> nn.Module:
    """A network with weights and running statistics that are not trivial, in evaluation mode."""
    torch.manual_seed(seed)
    module = plain() if kind is None else kind()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean, part.running_var = torch.randn(part.num_features), torch.rand(part.num_features) + 0.5
    return module.eval()


def image(batch: int = 2) -> Tensor:
    return torch.randn(batch, 1, 8, 8, generator=torch.Generator().manual_seed(1))

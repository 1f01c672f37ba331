"""Networks of the zoo as torch modules with random weights, so that they can be run. Their MACs equal the zoo's (tested)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from picojoule.errors import unknown_name
from picojoule.workload.building.transformer import Transformer
from picojoule.workload.zoo import transformers as zoo_transformers


def _conv(
    c: int, k: int, size: int, stride: int = 1, pad: int | None = None, groups: int = 1, act: str = "relu"
) -> nn.Sequential:
    """Convolution, batch normalisation, activation."""
    conv = nn.Conv2d(c, k, size, stride, size // 2 if pad is None else pad, groups=groups, bias=False)
    acts: dict[str, list[nn.Module]] = {"relu": [nn.ReLU()], "relu6": [nn.ReLU6()], "": []}
    return nn.Sequential(conv, nn.BatchNorm2d(k), *acts[act])


class Residual(nn.Module):
    """body(x) + shortcut(x), then ReLU if asked for."""

    def __init__(self, body: nn.Module, shortcut: nn.Module, relu: bool = True) -> None:
        super().__init__()
        self.body, self.shortcut, self.relu = body, shortcut, relu

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x) + self.shortcut(x)
        return F.relu(y) if self.relu else y


def _resnet(depths: Sequence[int], bottleneck: bool, stride_first: bool = False) -> nn.Module:
    layers: list[nn.Module] = [_conv(3, 64, 7, 2, 3), nn.MaxPool2d(3, 2, 1)]
    c = 64
    for stage, (width, depth) in enumerate(zip((64, 128, 256, 512), depths, strict=True)):
        for i in range(depth):
            u = 2 if stage and i == 0 else 1
            k = 4 * width if bottleneck else width
            if bottleneck:
                first, middle = (u, 1) if stride_first else (1, u)
                body = nn.Sequential(_conv(c, width, 1, first), _conv(width, width, 3, middle), _conv(width, k, 1, act=""))
            else:
                body = nn.Sequential(_conv(c, width, 3, u), _conv(width, width, 3, act=""))
            layers.append(Residual(body, nn.Identity() if u == 1 and c == k else _conv(c, k, 1, u, act="")))
            c = k
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 1000), nn.Softmax(-1))


def _classifier(*sizes: int) -> list[nn.Module]:
    out: list[nn.Module] = [nn.Flatten()]
    for i, (a, b) in enumerate(pairwise(sizes)):
        out += [nn.Linear(a, b), nn.ReLU() if i < len(sizes) - 2 else nn.Softmax(-1)]
    return out


def _alexnet() -> nn.Module:
    def block(c: int, k: int, size: int, **more: Any) -> list[nn.Module]:
        return [nn.Conv2d(c, k, size, **more), nn.ReLU()]

    return nn.Sequential(
        *block(3, 96, 11, stride=4),
        nn.LocalResponseNorm(5),
        nn.MaxPool2d(3, 2),
        *block(96, 256, 5, padding=2, groups=2),
        nn.LocalResponseNorm(5),
        nn.MaxPool2d(3, 2),
        *block(256, 384, 3, padding=1),
        *block(384, 384, 3, padding=1, groups=2),
        *block(384, 256, 3, padding=1, groups=2),
        nn.MaxPool2d(3, 2),
        *_classifier(9216, 4096, 4096, 1000),
    )


def _vgg16() -> nn.Module:
    layers: list[nn.Module] = []
    c = 3
    for k, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers += [nn.Conv2d(c, k, 3, padding=1), nn.ReLU()]
            c = k
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, *_classifier(25088, 4096, 4096, 1000))


def _mobilenetv2() -> nn.Module:
    layers: list[nn.Module] = [_conv(3, 32, 3, 2, act="relu6")]
    c = 32
    for t, k, n, s in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(n):
            u, wide = (s if i == 0 else 1), t * c
            widen = [_conv(c, wide, 1, act="relu6")] if t > 1 else []
            body = nn.Sequential(*widen, _conv(wide, wide, 3, u, groups=wide, act="relu6"), _conv(wide, k, 1, act=""))
            layers.append(Residual(body, nn.Identity(), relu=False) if u == 1 and c == k else body)
            c = k
    return nn.Sequential(*layers, _conv(c, 1280, 1, act="relu6"), nn.AdaptiveAvgPool2d(1), *_classifier(1280, 1000))


class Attention(nn.Module):
    """Self-attention of a transformer of the given sizes, through torch's fused kernel."""

    def __init__(self, t: Transformer) -> None:
        super().__init__()
        self.heads, self.kv, self.size, self.causal = t.heads, t.kv_heads, t.head_size, t.causal
        self.qkv = nn.Linear(t.hidden, (t.heads + 2 * t.kv_heads) * t.head_size)
        self.out = nn.Linear(t.heads * t.head_size, t.hidden)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, _ = x.shape
        parts = self.qkv(x).split([h * self.size for h in (self.heads, self.kv, self.kv)], -1)
        q, k, v = (p.view(n, tokens, -1, self.size).transpose(1, 2) for p in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(y.transpose(1, 2).reshape(n, tokens, -1))


class Block(nn.Module):
    """Attention and feed-forward part, normalised in front (decoders, images) or behind (encoders of text)."""

    def __init__(self, t: Transformer) -> None:
        super().__init__()
        self.behind = not t.causal and not t.patches
        self.attend, self.norm1, self.norm2 = Attention(t), nn.LayerNorm(t.hidden), nn.LayerNorm(t.hidden)
        self.feed = nn.Sequential(nn.Linear(t.hidden, t.feedforward), nn.GELU(), nn.Linear(t.feedforward, t.hidden))

    def forward(self, x: Tensor) -> Tensor:
        if self.behind:
            x = self.norm1(x + self.attend(x))
            return self.norm2(x + self.feed(x))
        x = x + self.attend(self.norm1(x))
        return x + self.feed(self.norm2(x))


class Tokens(nn.Module):
    """A transformer over token ids, from its sizes."""

    def __init__(self, t: Transformer, tokens: int) -> None:
        super().__init__()
        self.table, self.places = nn.Embedding(t.vocabulary, t.hidden), nn.Parameter(torch.randn(tokens, t.hidden) * 0.02)
        self.blocks, self.norm, self.t = nn.Sequential(*(Block(t) for _ in range(t.layers))), nn.LayerNorm(t.hidden), t
        self.head = nn.Linear(t.hidden, t.hidden) if t.head == "pooler" else nn.Linear(t.hidden, t.vocabulary, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.table(ids) + self.places[: ids.shape[1]]
        if self.t.head == "pooler":
            return torch.tanh(self.head(self.blocks(self.norm(x))[:, 0]))
        return self.head(self.norm(self.blocks(x)))


class Images(nn.Module):
    """A vision transformer, from its sizes."""

    def __init__(self, t: Transformer) -> None:
        super().__init__()
        assert t.patches
        side = t.patches.image // t.patches.patch
        self.cut = nn.Conv2d(t.patches.channels, t.hidden, t.patches.patch, t.patches.patch)
        self.first, self.places = (nn.Parameter(torch.randn(n, t.hidden) * 0.02) for n in (1, side * side + 1))
        self.blocks, self.norm = nn.Sequential(*(Block(t) for _ in range(t.layers))), nn.LayerNorm(t.hidden)
        self.head = nn.Linear(t.hidden, t.classes)

    def forward(self, x: Tensor) -> Tensor:
        y = self.cut(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.first.expand(len(y), -1, -1), y], 1) + self.places
        return self.head(self.norm(self.blocks(y))[:, 0])


def _image(side: int) -> Callable[[int], Tensor]:
    return lambda batch: torch.randn(batch, 3, side, side)


def _ids(t: Transformer, tokens: int) -> Callable[[int], Tensor]:
    return lambda batch: torch.randint(0, t.vocabulary, (batch, tokens))


_BERT, _GPT2 = zoo_transformers.BERT_BASE, zoo_transformers.GPT2
_MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[int], Tensor]]] = {
    "alexnet": (_alexnet, _image(227)),
    "vgg16": (_vgg16, _image(224)),
    "resnet18": (lambda: _resnet((2, 2, 2, 2), False), _image(224)),
    "resnet50": (lambda: _resnet((3, 4, 6, 3), True), _image(224)),
    "resnet50-v1.5": (lambda: _resnet((3, 4, 6, 3), True), _image(224)),
    "resnet50-v1": (lambda: _resnet((3, 4, 6, 3), True, stride_first=True), _image(224)),
    "mobilenetv2": (_mobilenetv2, _image(224)),
    "vit-b16": (lambda: Images(zoo_transformers.VIT_B16), _image(224)),
    "bert-base": (lambda: Tokens(_BERT, 128), _ids(_BERT, 128)),
    "gpt2": (lambda: Tokens(_GPT2, 1024), _ids(_GPT2, 1024)),
}
NAMES = tuple(_MODELS)


def module(name: str, batch: int = 1, seed: int = 0) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """(module in evaluation mode, example inputs); weights and inputs are random, from the seed."""
    if name not in _MODELS:
        raise unknown_name("runnable network", name, _MODELS)
    torch.manual_seed(seed)
    return _MODELS[name][0]().eval(), inputs(name, batch)


def inputs(name: str, batch: int) -> tuple[Tensor, ...]:
    """Random inputs of a network."""
    return (_MODELS[name][1](batch),)

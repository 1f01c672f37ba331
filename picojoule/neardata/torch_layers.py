"""A trained torch network through a compute-in-memory array: every convolution and dense layer sliced, summed and converted.

`to_array` gives a copy of the module whose layers quantise their inputs, multiply as the array does (`product.py`, here for whole
batches) and scale back. The digital twin, `to_array(..., digital=True)`, does the integer product with the same quantisers.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from picojoule.errors import SpecError
from picojoule.hardware.array.in_memory import Array
from picojoule.hardware.array.slices import input_range, readout, weight_range
from picojoule.neardata.noise import Noise
from picojoule.neardata.product import Loaded, column_integers, joined, load, merged

CHUNK = 1 << 19  # converted sums held at once: 2 MB, so that they stay in the cache
PERCENTILE = 0.9999  # of the inputs, that the calibrated range covers


@dataclass(frozen=True)
class Quantiser:
    """Integers of an input: rint(x / step), cut to the range."""

    step: float
    low: int
    high: int

    def __call__(self, x: Tensor) -> Tensor:
        return torch.clamp(torch.round(x / self.step), self.low, self.high)


class ArrayLayer(nn.Module):
    """A convolution or a dense layer whose product runs through the array. Weights are per output channel, symmetric."""

    def __init__(
        self,
        layer: nn.Conv2d | nn.Linear,
        quantise: Quantiser,
        array: Array,
        *,
        weight_bits: int,
        input_bits: int,
        signed: bool,
        noise: Noise,
        seed: int,
        clip: float,
        digital: bool,
    ) -> None:
        super().__init__()
        self.quantise, self.array, self.noise, self.digital = quantise, array, noise, digital
        self.conv = (layer.kernel_size, layer.stride, layer.padding, layer.dilation) if isinstance(layer, nn.Conv2d) else None
        self.groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
        self.bias = layer.bias.detach().clone() if layer.bias is not None else None
        flat = layer.weight.detach().double().flatten(1)  # [N, K]
        if not torch.isfinite(flat).all():
            raise SpecError("a weight is not finite", hint="train the network before it is loaded")
        most = weight_range(array, weight_bits)[1]
        self.step = flat.abs().amax(1).clamp_min(1e-12) / most  # [N]
        integers = torch.round(flat / self.step[:, None]).long().T.numpy()  # [K, N]
        per_group = np.split(integers, self.groups, axis=1)
        settings: dict[str, Any] = {"weight_bits": weight_bits, "input_bits": input_bits, "signed": signed}
        settings |= {"noise": noise, "clip": clip}
        self.loaded = [load(w, array, seed=seed + i, **settings) for i, w in enumerate(per_group)]
        self.integers = [torch.from_numpy(w.astype(np.float64)) for w in per_group]
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, x: Tensor) -> Tensor:
        x = self.quantise(x)
        if self.conv is None:
            y = self._product(x.flatten(0, -2), 0).view(*x.shape[:-1], -1)
            return self._back(y, -1)
        kernel, stride, pad, dilation = self.conv
        if isinstance(pad, str):
            raise SpecError(f"a convolution with padding {pad!r}", hint="give the padding as numbers")
        rows = F.unfold(x, kernel, dilation, pad, stride)  # [B, C*R*S, P*Q]
        size = [
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(x.shape[2:], kernel, stride, pad, dilation, strict=True)
        ]
        parts = rows.chunk(self.groups, 1)
        ys = [self._product(r.transpose(1, 2).flatten(0, 1), g) for g, r in enumerate(parts)]
        y = torch.cat(ys, 1).view(x.shape[0], -1, self.step.numel()).transpose(1, 2)
        return self._back(y.reshape(x.shape[0], -1, *size), 1)

    def _product(self, x: Tensor, group: int) -> Tensor:
        loaded = self.loaded[group]
        if self.digital or is_exact(loaded):
            return x.double() @ self.integers[group]
        return multiply(x, loaded, self.generator)

    def _back(self, y: Tensor, axis: int) -> Tensor:
        shape = [1] * y.dim()
        shape[axis] = -1
        y = y * (self.step * self.quantise.step).view(shape)
        if self.bias is not None:
            y = y + self.bias.double().view(shape)
        return y.float()


def is_exact(loaded: Loaded) -> bool:
    """Does every conversion give the integer sum? Then the slices need not be computed one by one (tested to be equal)."""
    r = loaded.converter
    return loaded.noise.off and (r is None or (r.lossless and _covers(loaded)))


def _covers(loaded: Loaded) -> bool:
    whole = readout(loaded.array, loaded.weight_bits, loaded.input_bits, 1.0)
    return whole == loaded.converter


def multiply(x: Tensor, loaded: Loaded, generator: torch.Generator | None = None) -> Tensor:
    """`product.multiply` for a batch of integer rows [B, K] in torch: the same slices, groups and conversions."""
    array = loaded.array
    w, w_scale = merged(loaded)
    cells, scale = torch.from_numpy(w).float(), torch.from_numpy(w_scale).float()
    s, _, n = cells.shape
    out = torch.empty(x.shape[0], n, dtype=torch.float64)
    step = max(1, CHUNK // max(1, s * n * array.input_slices(loaded.input_bits)))
    for start in range(0, x.shape[0], step):
        rows = x[start : start + step]
        values, x_scale, offset = _sliced(rows, loaded)
        if array.analog_input_slices > 1:
            wide, wide_scale = joined(values.numpy(), x_scale.numpy(), array.analog_input_slices, array.dac_bits)
            values, x_scale = torch.from_numpy(wide).float(), torch.from_numpy(wide_scale)
        total = torch.zeros(len(rows), n, dtype=torch.float64)
        for k in range(0, x.shape[1], array.inputs_summed):
            part = slice(k, k + array.inputs_summed)
            flat = cells[:, part].permute(1, 0, 2).reshape(-1, s * n)
            sums = values[:, :, part].float() @ flat  # [J, b, S*N]
            sums = _converted(sums, values[:, :, part], cells[:, part], loaded, generator)
            weighed = (sums.view(len(values), len(rows), s, n) * scale.view(1, 1, s, 1)).sum(2).double()
            total += (weighed * x_scale.view(-1, 1, 1)).sum(0)
        out[start : start + step] = total + _corrections(rows, loaded, offset)
    return out


def _sliced(x: Tensor, loaded: Loaded) -> tuple[Tensor, Tensor, int]:
    """(slices [J, B, K], their scales [J], the offset that was added)."""
    array, bits = loaded.array, loaded.input_bits
    n, d, base = array.input_slices(bits), array.dac_bits, 1 << array.dac_bits
    whole = x.to(torch.int32)
    offset = 0
    if array.signed_magnitude:
        sign, size = whole.sign(), whole.abs()
        values = torch.stack([sign * ((size >> (d * i)) % base) for i in range(n)])
    else:
        offset = 1 << (bits - 1) if loaded.signed else 0
        values = torch.stack([((whole + offset) >> (d * i)) % base for i in range(n)])
    return values.float(), torch.tensor([2.0 ** (d * i) for i in range(n)], dtype=torch.float64), offset


def _corrections(x: Tensor, loaded: Loaded, offset: int) -> Tensor:
    """What is subtracted digitally for weights and inputs that were stored and driven with an offset."""
    sums = x.double().sum(1, keepdim=True)
    out = torch.zeros(x.shape[0], loaded.cells.shape[2], dtype=torch.float64)
    if loaded.planned.offset:
        out -= loaded.planned.offset * (sums + offset * x.shape[1])
    if offset:
        out -= offset * torch.from_numpy(column_integers(loaded))
    return out


def _converted(sums: Tensor, x: Tensor, cells: Tensor, loaded: Loaded, generator: torch.Generator | None) -> Tensor:
    """The analog sums after wires, noise of reading and the converter; in place where possible."""
    array, noise, r = loaded.array, loaded.noise, loaded.converter
    if r is None:
        return sums
    x_most, g_most = (1 << array.dac_bits) - 1, (1 << array.cell.bits) - 1
    if noise.wire_ratio:
        loss = torch.stack([torch.cat([_wire_loss(xs / x_most, c / g_most, noise.wire_ratio) for c in cells], 1) for xs in x])
        sums = sums - sums.sign() * loss.float() * (x_most * g_most)
    if noise.read_sigma:
        size = noise.read_sigma * g_most * x_most * array.active_rows**0.5
        sums = sums + size * torch.randn(sums.shape, generator=generator)
    return sums.clamp_(r.low, r.top).div_(r.step).round_().mul_(r.step)


def _wire_loss(x: Tensor, g: Tensor, ratio: float) -> Tensor:
    """`noise.wire_loss` in torch."""
    x, g = x.abs().double(), g.abs().double()
    out = torch.empty(len(x), g.shape[1], dtype=torch.float64)
    step = max(1, (1 << 22) // max(1, g.numel()))
    for i in range(0, len(x), step):
        current = x[i : i + step, :, None] * g[None]
        drop = torch.cumsum(torch.flip(torch.cumsum(torch.flip(current, (1,)), 1), (1,)), 1)
        out[i : i + step] = ratio * (drop * g[None]).sum(1)
    return out


def to_array(
    module: nn.Module,
    array: Array,
    calibration: Tensor,
    *,
    weight_bits: int | None = None,
    input_bits: int | None = None,
    noise: Noise | None = None,
    seed: int = 0,
    clip: float = 1.0,
    digital: bool = False,
) -> nn.Module:
    """A copy of the module in evaluation mode, its layers on the array. `calibration`: real inputs that set the ranges.

    `seed` programs the cells; another seed is another chip. Layers whose inputs are never negative go in unsigned.
    """
    wb, xb = weight_bits or array.weight_bits, input_bits or array.input_bits
    array.check_fits(wb)
    copied = copy.deepcopy(module).eval()
    ranges = _input_ranges(copied, calibration)
    if not ranges:
        raise SpecError("the network has no convolution and no dense layer", hint="those are what an array computes")
    for i, (parent, name, layer) in enumerate(list(_layers(copied))):
        least, most = ranges[layer]
        signed = least < 0
        low, high = input_range(array, xb, signed)
        step = max(most, -least if signed else 0.0, 1e-12) / max(1, high)
        made = ArrayLayer(
            layer,
            Quantiser(step, low, high),
            array,
            weight_bits=wb,
            input_bits=xb,
            signed=signed,
            noise=noise or Noise(),
            seed=1000 * seed + 10 * i,
            clip=clip,
            digital=digital,
        )
        setattr(parent, name, made)
    return copied


def _layers(module: nn.Module) -> Iterator[tuple[nn.Module, str, Any]]:
    """(parent, name, layer) of every convolution and dense layer."""
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d | nn.Linear):
            yield module, name, child
        else:
            yield from _layers(child)


def _input_ranges(module: nn.Module, calibration: Tensor) -> dict[nn.Module, tuple[float, float]]:
    """(least, largest) input of each layer on the calibration data, the outermost 0.01 % cut off."""
    seen: dict[nn.Module, tuple[float, float]] = {}

    def look(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        values = given[0].detach().flatten().float()
        values = values[:: max(1, len(values) // 100_000)]
        most = float(torch.quantile(values.abs(), PERCENTILE))
        seen[layer] = (-most if float(given[0].min()) < 0 else 0.0, most)

    hooks = [layer.register_forward_pre_hook(look) for _, _, layer in _layers(module)]
    with torch.inference_mode():
        module(calibration)
    for hook in hooks:
        hook.remove()
    return seen

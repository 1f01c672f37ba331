"""What computing inside the sensor costs in accuracy: a first layer of few weight levels and noisy outputs, or log-gradients."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from picojoule.errors import SpecError


class AnalogFirst(nn.Module):
    """A convolution with weights of `weight_bits`, outputs converted at `output_bits` over the calibrated range, plus noise.

    `sigma`: standard deviation of the noise of an output, as a fraction of that range, drawn anew for every image.
    """

    def __init__(self, conv: nn.Conv2d, weight_bits: int, output_bits: int, sigma: float, calibration: Tensor, seed: int) -> None:
        super().__init__()
        if weight_bits < 2 or output_bits < 1 or sigma < 0:
            raise SpecError(
                f"weights of {weight_bits} b, outputs of {output_bits} b, noise {sigma:g}", hint="2 b, 1 b, 0 at least"
            )
        self.conv = copy.deepcopy(conv)
        most = 2 ** (weight_bits - 1) - 1
        with torch.no_grad():
            step = self.conv.weight.abs().flatten(1).amax(1).clamp_min(1e-12).view(-1, 1, 1, 1) / most
            self.conv.weight.copy_(torch.round(self.conv.weight / step) * step)
            y = self.conv(calibration)
        self.low, self.high = float(y.min()), float(y.max())
        self.levels, self.sigma = 2**output_bits - 1, sigma
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        span = self.high - self.low
        if self.sigma:
            y = y + self.sigma * span * torch.randn(y.shape, generator=self.generator)
        codes = torch.round((y.clamp(self.low, self.high) - self.low) / span * self.levels)
        return codes / self.levels * span + self.low


def with_analog_first(
    module: nn.Module, calibration: Tensor, *, weight_bits: int = 3, output_bits: int = 6, sigma: float = 0.0, seed: int = 0
) -> nn.Module:
    """A copy of the network whose first convolution is computed in the sensor."""
    copied = copy.deepcopy(module).eval()
    parent, name, conv = _first(copied)
    if isinstance(conv.padding, str):
        raise SpecError(f"a convolution with padding {conv.padding!r}", hint="give the padding as numbers")
    setattr(parent, name, AnalogFirst(conv, weight_bits, output_bits, sigma, calibration, seed))
    return copied


def _first(module: nn.Module) -> tuple[nn.Module, str, Any]:
    for parent in module.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.Conv2d):
                return parent, name, child
    raise SpecError("the network has no convolution", hint="the first one is what a sensor computes")


def log_gradients(images: Tensor, bits: int = 3, floor: float = 0.02) -> Tensor:
    """What a gradient sensor sends: the difference of neighbouring log-intensities, cut to +-1 and to so many bits.

    images [B, C, H, W] from 0 to 1; the result has two channels for each (right, down) and mostly zeros, which need not be sent.
    """
    if bits < 2:
        raise SpecError(f"gradients of {bits} b", hint="2 b or more: a sign and a size")
    logs = torch.log(images + floor)
    right = nn.functional.pad(logs[..., :, 1:] - logs[..., :, :-1], (0, 1))
    down = nn.functional.pad(logs[..., 1:, :] - logs[..., :-1, :], (0, 0, 0, 1))
    most = 2 ** (bits - 1) - 1
    return torch.round(torch.cat([right, down], 1).clamp(-1, 1) * most) / most


def share_sent(gradients: Tensor) -> float:
    """The share of pixels with a gradient that is not zero."""
    return float((gradients != 0).any(1).float().mean())

"""Fine-tuning that knows the array's noise.

Noise-aware: each batch sees weights quantised and disturbed as one chip's would be, and the gradient passes straight through to
the clean ones (Joshi et al., Nature Communications 11, 2020, for PCM). Batches, seeds and epochs are stated; nothing is hidden.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from picojoule.ask import Progress, silent
from picojoule.hardware.array.in_memory import Array
from picojoule.hardware.array.slices import weight_range
from picojoule.learning.labelled import Labelled
from picojoule.learning.train import train
from picojoule.neardata.noise import Noise


def weight_sigma(array: Array, weight_bits: int, noise: Noise) -> float:
    """Standard deviation of a programmed weight in units of its least step, from that of a cell, slices taken together.

    sigma * (2^c - 1) * sqrt(sum of squares of the slices' scales), sqrt(2) times that where a weight is the difference of a pair.
    """
    c, n = array.cell.bits, array.weight_slices(weight_bits)
    slices = math.sqrt(sum(4.0 ** (c * i) for i in range(n)))
    return noise.program_sigma * ((1 << c) - 1) * slices * (math.sqrt(2) if array.weights == "differential" else 1.0)


class _Disturbed(nn.Module):
    """A weight as a chip would hold it: quantised per output channel, noise drawn anew at every use; identity to gradients."""

    def __init__(self, most: int, sigma: float) -> None:
        super().__init__()
        self.most, self.sigma = most, sigma

    def forward(self, w: Tensor) -> Tensor:
        step = w.detach().abs().flatten(1).amax(1).clamp_min(1e-12).view(-1, *[1] * (w.dim() - 1)) / self.most
        held = torch.round(w.detach() / step) * step
        if self.training:
            held = held + self.sigma * step * torch.randn_like(w)
        return w + (held - w).detach()


def fine_tune(
    module: nn.Module,
    data: Labelled,
    array: Array,
    noise: Noise,
    *,
    epochs: int = 10,
    seed: int = 0,
    rate: float = 1e-3,
    weight_bits: int | None = None,
    progress: Progress = silent,
    **more: Any,
) -> nn.Module:
    """A copy of the module, trained on with the array's weight noise in every batch."""
    bits = weight_bits or array.weight_bits
    tuned = copy.deepcopy(module)
    made = _Disturbed(weight_range(array, bits)[1], weight_sigma(array, bits, noise))
    layers = [m for m in tuned.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", copy.deepcopy(made))
    train(tuned, data, epochs=epochs, seed=seed, rate=rate, progress=progress, **more)
    for layer in layers:
        original = layer.parametrizations.weight.original.detach().clone()
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
        with torch.no_grad():
            layer.weight.copy_(original)
    return tuned

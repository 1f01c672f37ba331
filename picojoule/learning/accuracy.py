"""How many of the test images are right, with the interval that says how far so many images can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from picojoule.errors import SpecError

if TYPE_CHECKING:  # reports show accuracies where PyTorch is not installed
    from torch import Tensor, nn

Z95 = 1.959964  # of the normal distribution, two-sided 95 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """`correct` of `n` samples (`of`: what they are) of `data`; in percent, with Wilson's 95 % interval for those not drawn."""

    data: str
    n: int
    correct: int
    of: str = "images"

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.n or self.n < 1:
            raise SpecError(f"{self.correct} of {self.n} {self.of} right", where=self.data, hint="give at least one")

    @property
    def percent(self) -> float:
        return 100.0 * self.correct / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high) in percent. Wilson, JASA 22, 1927: holds for few images and near 0 or 100 % too."""
        n, p = self.n, self.correct / self.n
        middle, scale = p + Z95**2 / (2 * n), 1 + Z95**2 / n
        half = Z95 * math.sqrt(p * (1 - p) / n + (Z95 / (2 * n)) ** 2)
        return 100 * (middle - half) / scale, 100 * (middle + half) / scale

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.percent:.2f} % ({low:.2f} to {high:.2f}) of {self.n:,} {self.of} of {self.data}"


def correct(module: nn.Module, images: Tensor, labels: Tensor, batch: int = 500) -> int:
    """How many images the module puts into their class, in evaluation mode; the module's mode is left as it was."""
    import torch

    from picojoule.learning.threads import one_thread

    was = module.training
    module.eval()
    right = 0
    with torch.inference_mode(), one_thread():
        for i in range(0, len(images), batch):
            right += int((module(images[i : i + batch]).argmax(1) == labels[i : i + batch]).sum())
    module.train(was)
    return right


def accuracy(module: nn.Module, images: Tensor, labels: Tensor, data: str = "given images", batch: int = 500) -> Accuracy:
    """Accuracy of the module on these images."""
    return Accuracy(data=data, n=len(images), correct=correct(module, images, labels, batch))


def percent_right(module: nn.Module, images: Tensor, labels: Tensor, batch: int = 500) -> float:
    """Accuracy in percent."""
    return 100.0 * correct(module, images, labels, batch) / len(images)


def mean_cross_entropy(module: nn.Module, images: Tensor, labels: Tensor, batch: int = 500) -> float:
    """Mean cross-entropy in nats of the module, put into evaluation mode, on these images."""
    import torch
    from torch.nn import functional as F

    from picojoule.learning.threads import one_thread

    module.eval()
    with torch.inference_mode(), one_thread():
        parts = zip(images.split(batch), labels.split(batch), strict=True)
        total = sum(float(F.cross_entropy(module(x), y, reduction="sum")) for x, y in parts)
    return total / len(images)


def interval(values: Sequence[float]) -> float | None:
    """Half the width of Student's 95 % interval of the mean; None for a single value."""
    if len(values) < 2:
        return None
    from scipy.stats import t

    return float(t.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))


def mean_and_interval(values: Sequence[float]) -> str:
    """`91.23 ± 0.30`, the mean of several seeds with Student's 95 % interval; the value alone where there is one."""
    half = interval(values)
    return f"{fmean(values):.2f}" if half is None else f"{fmean(values):.2f} ± {half:.2f}"

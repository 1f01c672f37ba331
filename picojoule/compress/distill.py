"""Distillation: a small network learns from what a large one says, not from the labels alone. Losses for `learning.train.train`.

logits      mean of (z - z_teacher)^2                                       Ba and Caruana, NeurIPS 2014
softened    T^2 KL(softmax(z_teacher / T), softmax(z / T)), with cross-entropy    Hinton, Vinyals, Dean, arXiv 1503.02531
hints       mean of (regressor(features) - teacher's features)^2, with a loss     Romero et al., FitNets, ICLR 2015
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from picojoule.errors import SpecError, unknown_name
from picojoule.learning.train import Loss, cross_entropy


def logits(teacher: nn.Module) -> Loss:
    """Squared difference of the logits."""

    def loss(z: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        return F.mse_loss(z, _said(teacher, images))

    return loss


def softened(teacher: nn.Module, temperature: float = 4.0, weight: float = 0.9) -> Loss:
    """`weight` of the softened divergence, the rest of the labels' cross-entropy. T^2 keeps gradients of one size."""
    if not temperature > 0 or not 0 <= weight <= 1:
        raise SpecError(f"temperature {temperature:g}, weight {weight:g}", where="distil", hint="above 0; a share from 0 to 1")

    def loss(z: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        taught = F.log_softmax(_said(teacher, images) / temperature, 1)
        told = F.kl_div(F.log_softmax(z / temperature, 1), taught, reduction="batchmean", log_target=True)
        return weight * temperature**2 * told + (1 - weight) * F.cross_entropy(z, labels)

    return loss


@contextmanager
def hints(
    student: nn.Module, teacher: nn.Module, layers: tuple[str, str], images: Tensor, weight: float = 1.0,
    rest: Loss = cross_entropy,
) -> Iterator[Loss]:  # fmt: skip
    """A loss that also pulls the student's layer to the teacher's. `layers`: (student's, teacher's).

    Inside the `with`, the student has a regressor (1x1 convolution or dense) from its channels to the teacher's, which trains
    along; afterwards it is gone. `images`: a few inputs, for the shapes.
    """
    sides = [_Watched(module, name) for module, name in zip((student, teacher), layers, strict=True)]
    try:
        with torch.no_grad():
            student(images[:2]), teacher.eval()(images[:2])
        a, b = (side.seen for side in sides)
        if a.dim() != b.dim() or a.shape[2:] != b.shape[2:]:
            raise SpecError(
                f"{layers[0]} gives {tuple(a.shape[1:])}, {layers[1]} {tuple(b.shape[1:])}",
                where="hints",
                hint="take layers of one image size",
            )
        last = a.dim() != 4
        student.hint = nn.Linear(a.shape[-1], b.shape[-1]) if last else nn.Conv2d(a.shape[1], b.shape[1], 1)

        def loss(z: Tensor, given: Tensor, labels: Tensor) -> Tensor:
            _said(teacher, given)
            made: Any = student.hint
            return rest(z, given, labels) + weight * F.mse_loss(made(sides[0].seen), sides[1].seen.detach())

        yield loss
    finally:
        for side in sides:
            side.hook.remove()
        if hasattr(student, "hint"):
            del student.hint


def _said(teacher: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return teacher.eval()(images)


class _Watched:
    """What a layer gave last."""

    def __init__(self, module: nn.Module, name: str) -> None:
        known = dict(module.named_modules())
        if name not in known or not name:
            raise unknown_name("layer", name, [n for n in known if n], "hints")
        self.seen: Tensor = torch.empty(0)
        self.hook = known[name].register_forward_hook(self._look)

    def _look(self, layer: nn.Module, given: Any, result: Tensor) -> None:
        self.seen = result

"""Training of small classifiers: AdamW, a warm-up and a cosine, shifts and mirror images; seeded, and resumable after any epoch.

Each epoch draws its order, shifts and noise from its own seed, so a run that was stopped and went on ends with the same weights.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from picojoule.ask import Progress, silent
from picojoule.errors import SpecError
from picojoule.files import keep
from picojoule.learning.labelled import Labelled
from picojoule.learning.threads import one_thread

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]  # (logits, images, labels) -> scalar


def cross_entropy(logits: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    """The usual loss of a classifier."""
    return F.cross_entropy(logits, labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a net is trained. `warmup` is the share of steps over which the rate rises; `shift` in pixels, either way."""

    epochs: int
    rate: float = 2e-3
    batch: int = 128
    weight_decay: float = 0.0
    warmup: float = 0.0
    shift: int = 0
    mirror: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name} is {getattr(self, name)}", where="recipe", hint="1 or more")
        if not self.rate > 0 or not 0 <= self.warmup < 1 or self.shift < 0:
            raise SpecError(
                f"rate {self.rate}, warm-up {self.warmup}, shift {self.shift}",
                where="recipe",
                hint="a positive rate, a share below 1, no negative shift",
            )


def train(
    module: nn.Module,
    data: Labelled,
    *,
    epochs: int,
    seed: int = 0,
    rate: float = 2e-3,
    batch: int = 128,
    loss: Loss = cross_entropy,
    checkpoint: Path | None = None,
    progress: Progress = silent,
    **more: Any,
) -> nn.Module:
    """The module, trained in place on the training images, in evaluation mode. `more`: what else a `Recipe` says."""
    recipe = Recipe(epochs=epochs, rate=rate, batch=batch, **more)
    return train_by(module, data, recipe, seed=seed, loss=loss, checkpoint=checkpoint, progress=progress)


def train_by(
    module: nn.Module,
    data: Labelled,
    recipe: Recipe,
    *,
    seed: int = 0,
    loss: Loss = cross_entropy,
    checkpoint: Path | None = None,
    progress: Progress = silent,
    limit: int | None = None,
) -> nn.Module:
    """`train` with a recipe. `limit`: only so many training images; `checkpoint`: a file to go on from, written every epoch."""
    images, labels = torch.from_numpy(data.train_images[:limit]), torch.from_numpy(data.train_labels[:limit])
    per_epoch = math.ceil(len(images) / recipe.batch)
    _laid_out(module.train(), torch.channels_last)  # a third less time for small convolutions on a CPU
    optimiser = torch.optim.AdamW(module.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _shape(recipe, per_epoch * recipe.epochs))
    state = {"module": module, "optimiser": optimiser, "schedule": schedule}
    with one_thread():
        for epoch in range(_resumed(checkpoint, state), recipe.epochs):
            progress(epoch, recipe.epochs, "epochs")
            torch.manual_seed(seed * 100_003 + epoch)
            for part in torch.randperm(len(images)).split(recipe.batch):
                optimiser.zero_grad()
                x = augmented(images[part], recipe.shift, recipe.mirror).contiguous(memory_format=torch.channels_last)
                loss(module(x), x, labels[part]).backward()
                optimiser.step()
                schedule.step()
            _keep(checkpoint, state, epoch + 1)
    return _laid_out(module.eval(), torch.contiguous_format)


def _laid_out(module: nn.Module, order: torch.memory_format) -> nn.Module:
    """The module with its convolutions' weights in this order of dimensions."""
    return module.to(memory_format=order)  # type: ignore[call-overload]


def _shape(recipe: Recipe, steps: int) -> Callable[[int], float]:
    """The rate's share of its peak at a step: a line up, then half a cosine down."""
    rising = int(recipe.warmup * steps)

    def share(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))

    return share


def augmented(images: Tensor, shift: int, mirror: bool) -> Tensor:
    """Each image moved by up to `shift` pixels either way, empty where nothing was, and mirrored half of the time."""
    if mirror:
        images = torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images)
    if not shift:
        return images
    n, _, height, width = images.shape
    padded = F.pad(images, (shift,) * 4)
    down, right = torch.randint(0, 2 * shift + 1, (2, n))
    rows = (down[:, None] + torch.arange(height))[:, None, :, None]
    columns = (right[:, None] + torch.arange(width))[:, None, None, :]
    return padded[torch.arange(n)[:, None, None, None], torch.arange(images.shape[1])[None, :, None, None], rows, columns]


def _resumed(checkpoint: Path | None, state: dict[str, Any]) -> int:
    """Epochs already done; 0 where nothing usable was kept."""
    if checkpoint is None or not checkpoint.is_file():
        return 0
    try:
        kept = torch.load(checkpoint, weights_only=True)
        for name, part in state.items():
            part.load_state_dict(kept[name])
        return int(kept["epochs"])
    except Exception:
        raise SpecError("cannot go on from this file", where=str(checkpoint), hint="remove it to start again") from None


def _keep(checkpoint: Path | None, state: dict[str, Any], epochs: int) -> None:
    if checkpoint is not None:
        save(checkpoint, {name: part.state_dict() for name, part in state.items()} | {"epochs": epochs})


def save(path: Path, value: Any) -> None:
    """torch.save that leaves either the old file or the new one, never half of one."""
    content = io.BytesIO()
    torch.save(value, content)
    keep(path, content.getvalue())

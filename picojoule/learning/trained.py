"""Nets trained once: weights and the record of how they came about, kept in the user's cache under what decides them.

A key is net, its tensors' shapes, data (a digest of the training set), recipe and seed. A stopped training goes on from its last
epoch.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from picojoule.ask import Progress, silent
from picojoule.errors import SpecError
from picojoule.files import cache_folder
from picojoule.learning.accuracy import Accuracy, accuracy
from picojoule.learning.labelled import Labelled
from picojoule.learning.nets import network
from picojoule.learning.train import Recipe, save, train_by

FEW = 10_000  # training images below which an epoch is so short that it takes more of them
RECIPES: Mapping[str, Recipe] = {
    "small": Recipe(epochs=15),
    "lenet5": Recipe(epochs=8, rate=4e-3, warmup=0.2, weight_decay=0.01),
    "small-resnet": Recipe(epochs=10, rate=1e-2, warmup=0.3, weight_decay=0.02, mirror=True),
    "small-mobilenet": Recipe(epochs=10, rate=1e-2, warmup=0.3, weight_decay=0.02, mirror=True),
    "tiny-transformer": Recipe(epochs=8, rate=3e-3, warmup=0.2, weight_decay=0.02, shift=1, mirror=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How a net was trained and how well it does on the test images. `cpu_s` sums over all runs it took."""

    net: str
    data: str
    seed: int
    recipe: Recipe
    trained_on: int
    cpu_s: float
    accuracy: Accuracy

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Record:
        return cls(**{**value, "recipe": Recipe(**value["recipe"]), "accuracy": Accuracy(**value["accuracy"])})


def recipe_for(net: str, data: Labelled, epochs: int | None = None) -> Recipe:
    """The net's recipe; small data sets get more epochs in smaller batches and no mirror images (digits have no twins)."""
    recipe = RECIPES.get(net, Recipe(epochs=10))
    if len(data.train_images) < FEW:
        recipe = replace(recipe, epochs=max(15, recipe.epochs), batch=64, mirror=False, shift=0)
    return recipe if epochs is None else replace(recipe, epochs=epochs)


def trained(
    name: str,
    data: Labelled,
    seed: int = 0,
    *,
    recipe: Recipe | None = None,
    epochs: int | None = None,
    progress: Progress = silent,
) -> tuple[nn.Module, Record]:
    """The net of this name trained on the data, in evaluation mode, from the cache where it is there."""
    recipe = recipe or recipe_for(name, data, epochs)
    module = network(name, data, seed)
    weights = cache_folder() / "trained" / f"{name}-{data.name}-{seed}-{_digest(name, module, data, recipe, seed)}.pt"
    known = loaded(weights, module)
    if known is not None:
        return module.eval(), known
    checkpoint, clock = weights.with_suffix(".part"), weights.with_suffix(".seconds")
    spent, since = _seconds(clock), time.process_time()

    def step(done: int, of: int, what: str) -> None:
        if done:
            clock.write_text(f"{spent + time.process_time() - since:.1f}")
        progress(done, of, f"{name} on {data.name}, seed {seed}: {what}")

    train_by(module, data, recipe, seed=seed, checkpoint=checkpoint, progress=step)
    images, labels = torch.from_numpy(data.test_images), torch.from_numpy(data.test_labels)
    record = Record(
        net=name, data=data.name, seed=seed, recipe=recipe, trained_on=len(data.train_images),
        cpu_s=spent + time.process_time() - since, accuracy=accuracy(module, images, labels, data.name),
    )  # fmt: skip
    save(weights, {"weights": module.state_dict(), "record": json.dumps(record.to_json())})
    checkpoint.unlink(missing_ok=True)
    clock.unlink(missing_ok=True)
    return module, record


def _digest(name: str, module: nn.Module, data: Labelled, recipe: Recipe, seed: int) -> str:
    """What decides the weights: the tensors' names and shapes, the recipe, the seed, and the training set."""
    text = repr((name, seed, asdict(recipe), [(k, tuple(v.shape)) for k, v in module.state_dict().items()]))
    digest = hashlib.sha256(text.encode())
    digest.update(data.train_images.tobytes())
    digest.update(data.train_labels.tobytes())
    return digest.hexdigest()[:16]


def loaded(weights: Path, module: nn.Module) -> Record | None:
    """The record of a kept net, its weights put into the module; None where there is none. A damaged file is put aside."""
    if not weights.is_file():
        return None
    try:
        kept = torch.load(weights, weights_only=True)
        module.load_state_dict(kept["weights"])
        return Record.from_json(json.loads(kept["record"]))
    except Exception:
        os.replace(weights, weights.with_suffix(".damaged"))
        return None


def _seconds(clock: Path) -> float:
    try:
        return float(clock.read_text())
    except (OSError, ValueError):
        return 0.0


def check_finite(module: nn.Module, where: str) -> nn.Module:
    """The module, if all its weights are numbers."""
    for name, value in module.state_dict().items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise SpecError(f"{name} holds values that are not finite", where=where, hint="its training diverged: lower the rate")
    return module

"""What is to be shrunk: a trained module, its data, its channel groups and its layers, each checked before anything is spent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from picojoule.ask import Progress, silent
from picojoule.compress.plan import Storage
from picojoule.compress.prune.structured import Structure, structure
from picojoule.compress.shrink.measure import Bench, Effort
from picojoule.errors import SpecError
from picojoule.files import cache_folder
from picojoule.learning.labelled import Labelled, labelled
from picojoule.learning.nets import NETS
from picojoule.learning.trained import check_finite, trained
from picojoule.workload.network import Network
from picojoule.workload.torch.read import export, module_and_inputs

SHORTER, SHORT_IMAGES = 8, 3000  # short fine-tunings see so many times fewer images, these at most


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A trained module and what belongs to it."""

    name: str
    module: nn.Module
    data: Labelled
    network: Network
    structure: Structure
    held_out: int
    seed: int

    def efforts(self, images: int | None) -> tuple[Effort, Effort]:
        """(long, short) fine-tunings; by default about one epoch of a large data set, and ten of a small one."""
        n = len(self.data.train_images) - self.held_out
        long = images or min(40_000, max(n, 12_000))
        return Effort(images=long), Effort(images=max(1, min(SHORT_IMAGES, long // SHORTER)))

    def bench(self, tell: Progress) -> Bench:
        """Where its plans are measured; kept in the user's cache."""
        return Bench(
            self.module,
            self.data,
            Storage(self.network),
            self.structure,
            cache_folder() / "shrink",
            held_out=self.held_out,
            seed=self.seed,
            tell=tell,
        )


def subject(
    model: str,
    data: str,
    data_dir: str | Path | None = None,
    *,
    held_out: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Subject:
    """The subject that a user names. Small nets are trained here, if they are not in the cache."""
    known = labelled(data, data_dir)
    n = held_out or min(5000, len(known.train_images) // 5)
    if model in NETS:
        module, _ = trained(model, known, seed, progress=progress)
        name = model
    else:
        module, _ = module_and_inputs(model)
        name = model.rpartition(":")[2]
    check_finite(module, model)
    images = torch.from_numpy(known.train_images[:2])
    _check_fit(module, images, known, model)
    return Subject(
        name=name, module=module.eval(), data=known, network=export(module, (images[:1],), name=name, source=model),
        structure=structure(module, images), held_out=n, seed=seed,
    )  # fmt: skip


def _check_fit(module: Any, images: torch.Tensor, data: Labelled, where: str) -> None:
    """The module takes the data's images and knows a class for every label."""
    shape = tuple(images.shape[1:])
    try:
        with torch.no_grad():
            logits = module.eval()(images)
    except Exception as error:
        problem = f"it does not take the images of {data.name}, {shape}: {str(error).splitlines()[0]}"
        raise SpecError(problem, where=where, hint="give data of the shape that it was trained on") from None
    if not isinstance(logits, torch.Tensor) or logits.dim() != 2:
        raise SpecError("it gives no [images, classes] of logits", where=where, hint="shrink takes classifiers")
    if logits.shape[1] < data.classes:
        raise SpecError(
            f"it knows {logits.shape[1]} classes, the labels of {data.name} go to {data.classes - 1}",
            where=where,
            hint="give the data that it was trained on",
        )

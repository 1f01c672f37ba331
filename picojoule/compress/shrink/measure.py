"""Accuracy of plans, measured: the changed network is fine-tuned on part of the training images and judged on the rest of them.

It is taught by the network as it came: the loss is the divergence from the class probabilities that the teacher gives the same
images (Hinton et al., arXiv 1503.02531), so that fine-tuning alone neither gains nor loses and labels' noise is not learned
again. The held-out images were part of what the teacher was trained on, which flatters it: losses counted on them are rather
too large.

The test images are used by `test` alone, for what is reported. Everything that is measured is kept in a folder under what
decides it (network, data, plan, effort, seed, our code), so that a stopped run goes on and runs for other chips share it.
"""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from picojoule.ask import Progress, silent
from picojoule.compress.apply import reshaped, rounded
from picojoule.compress.plan import Plan, Storage
from picojoule.compress.prune.structured import Structure
from picojoule.compress.quantise.fold import fold_batchnorm
from picojoule.files import code_digest, keep
from picojoule.learning.accuracy import Accuracy, correct, mean_cross_entropy
from picojoule.learning.labelled import Labelled
from picojoule.learning.train import Recipe, save, train_by

WARMTH = 2.0  # of the softmax: temperature of distillation


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long a changed network is fine-tuned: `images` seen, an epoch holding at most what there are."""

    images: int
    rate: float = 1e-3

    def recipe(self, available: int) -> tuple[Recipe, int]:
        """(recipe, training images of an epoch)."""
        each = min(self.images, available)
        batch = 128 if each >= 4096 else 32
        return Recipe(epochs=max(1, round(self.images / each)), rate=self.rate, batch=batch, warmup=0.1), each


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A fine-tuned network: mean cross-entropy (nats) and accuracy on the held-out training images."""

    loss: float
    held_out: Accuracy
    weights: Path

    def to_json(self) -> dict[str, Any]:
        return {"loss": self.loss, "held_out": asdict(self.held_out), "weights": self.weights.name}


class Bench:
    """One trained network, its data and a folder: fine-tunes plans and measures them, each once."""

    def __init__(
        self,
        module: nn.Module,
        data: Labelled,
        storage: Storage,
        structure: Structure | None,
        folder: Path,
        *,
        held_out: int,
        seed: int = 0,
        tell: Progress = silent,
    ) -> None:
        self.module, self.data, self.storage, self.structure = module, data, storage, structure
        self.fit = data.held_out(held_out, seed)
        self.images, self.labels = torch.from_numpy(self.fit.test_images), torch.from_numpy(self.fit.test_labels)
        self.calibration = torch.from_numpy(self.fit.train_images[:256])
        self.seed, self.tell, self.trainings = seed, tell, 0
        self._teacher: nn.Module | None = None
        self.folder = folder / self._digest(module, held_out)

    def _digest(self, module: nn.Module, held_out: int) -> str:
        digest = hashlib.sha256(repr((self.data.name, held_out, self.seed, code_digest("learning", "compress"))).encode())
        for name, value in module.state_dict().items():
            digest.update(name.encode() + value.numpy().tobytes())
        digest.update(self.data.train_labels.tobytes())
        return digest.hexdigest()[:16]

    # ---- fine-tuning ------------------------------------------------------------------------------------------------
    def tuned(self, plan: Plan, effort: Effort, what: str = "") -> Measured:
        """The plan carried out, fine-tuned and measured; from the folder where it was done before."""
        path = self._path(plan, effort)
        known = self._known(path)
        if known is None:
            module = self._train(plan, effort, what)
            weights = path.with_suffix(".pt")
            save(weights, module.state_dict())
            known = Measured(loss=self.loss(module), weights=weights, held_out=self._judge(module))
            _keep(path, {**known.to_json(), "plan": plan.to_json(), "effort": asdict(effort)})
        return known

    def network(self, plan: Plan, effort: Effort) -> nn.Module:
        """The fine-tuned module of a plan that was tuned."""
        shape = rounded(reshaped(self.module, plan, self.structure), plan, self.storage, self.calibration)
        shape.load_state_dict(torch.load(self._path(plan, effort).with_suffix(".pt"), weights_only=True))
        return shape.eval()

    def _train(self, plan: Plan, effort: Effort, what: str) -> nn.Module:
        """First in floats where shapes change, with a quarter of the effort more; then with everything rounded."""
        wide = tuple((n, replace(p, weight_bits=16, input_bits=16)) for n, p in plan.layers)
        floats = Plan(channels=plan.channels, layers=wide)
        narrow = plan != floats
        changed = floats != Plan()
        if not narrow:
            return self._run(reshaped(self.module, plan, self.structure), effort, what)
        if changed:
            quarter = replace(effort, images=max(1, effort.images // 4))
            self.tuned(floats, quarter, f"{what}, floats")
            module = self.network(floats, quarter)
        else:
            module = self.module
        return self._run(rounded(module, plan, self.storage, self.calibration), effort, what)

    def _run(self, module: nn.Module, effort: Effort, what: str) -> nn.Module:
        module = copy.deepcopy(module)
        if self._teacher is None:
            self._teacher = fold_batchnorm(self.module)
        recipe, each = effort.recipe(len(self.fit.train_images))
        self.trainings += 1
        return train_by(
            module,
            self.fit,
            recipe,
            seed=self.seed,
            limit=each,
            loss=self._distilled,
            progress=lambda done, of, _: self.tell(done, of, f"fine-tuning {what}"),
        )

    def _distilled(self, logits: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        assert self._teacher is not None
        with torch.no_grad():
            taught = F.softmax(self._teacher(images) / WARMTH, 1)
        return WARMTH**2 * F.kl_div(F.log_softmax(logits / WARMTH, 1), taught, reduction="batchmean")

    # ---- judging ------------------------------------------------------------------------------------------------
    def loss(self, module: nn.Module, limit: int | None = None) -> float:
        """Mean cross-entropy on the held-out images (on the first `limit`)."""
        return mean_cross_entropy(module, self.images[:limit], self.labels[:limit])

    def _judge(self, module: nn.Module) -> Accuracy:
        return Accuracy(data=self.fit.name, n=len(self.images), correct=correct(module, self.images, self.labels))

    def after_training(self, plan: Plan, limit: int) -> float:
        """The loss of the plan's bits without any fine-tuning."""
        path = self.folder / f"{plan.key}-untuned-{limit}.json"
        try:
            return float(json.loads(path.read_text())["loss"])
        except (OSError, ValueError, KeyError):
            value = self.loss(rounded(self.module, plan, self.storage, self.calibration), limit)
            _keep(path, {"loss": value, "plan": plan.to_json()})
            return value

    def test(self, plan: Plan, effort: Effort | None) -> Accuracy:
        """Accuracy on the test images of a tuned plan; without an effort, of the plan's bits on the network as it came."""
        path = (self.folder / f"{plan.key}-untuned.json") if effort is None else self._path(plan, effort)
        path = path.with_suffix(".test.json")
        try:
            return Accuracy(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            module = rounded(self.module, plan, self.storage, self.calibration) if effort is None else self.network(plan, effort)
            images, labels = torch.from_numpy(self.data.test_images), torch.from_numpy(self.data.test_labels)
            found = Accuracy(data=self.data.name, n=len(images), correct=correct(module, images, labels))
            _keep(path, asdict(found))
            return found

    def _path(self, plan: Plan, effort: Effort) -> Path:
        return self.folder / f"{plan.key}-{effort.images}-{effort.rate:g}.json"

    @staticmethod
    def _known(path: Path) -> Measured | None:
        try:
            kept = json.loads(path.read_text())
            weights = path.parent / kept["weights"]
            found = Measured(loss=kept["loss"], held_out=Accuracy(**kept["held_out"]), weights=weights)
            return found if weights.is_file() else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _keep(path: Path, value: Any) -> None:
    keep(path, json.dumps(value, indent=1).encode())

"""Distillation: losses are what their papers say, the teacher stays as it is, and hints leave nothing behind."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from picojoule.errors import SpecError
from picojoule.learning.labelled import Labelled, labelled

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from picojoule.compress import distill  # noqa: E402
from picojoule.learning.nets import network  # noqa: E402
from picojoule.learning.train import train  # noqa: E402
from picojoule.learning.trained import trained  # noqa: E402


def few() -> Labelled:
    d = labelled("digits")
    return Labelled("few digits", d.train_images[:300], d.train_labels[:300], d.test_images, d.test_labels)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def test_the_losses_are_those_of_the_papers() -> None:
    data = few()
    teacher, images = network("small", data, 1).eval(), torch.from_numpy(data.train_images[:9])
    labels, z = torch.from_numpy(data.train_labels[:9]), torch.randn(9, 10)
    with torch.no_grad():
        t = teacher(images).numpy().astype(float)
    s = z.numpy().astype(float)
    assert float(distill.logits(teacher)(z, images, labels)) == pytest.approx(((s - t) ** 2).mean(), rel=1e-5)
    p, q = softmax(t / 3), softmax(s / 3)
    told = (p * np.log(p / q)).sum(1).mean()
    plain = -np.log(softmax(s)[np.arange(9), data.train_labels[:9]]).mean()
    got = float(distill.softened(teacher, temperature=3, weight=0.7)(z, images, labels))
    assert got == pytest.approx(0.7 * 9 * told + 0.3 * plain, rel=1e-4)


def test_a_student_without_labels_comes_near_its_teacher() -> None:
    data = labelled("digits")
    teacher = trained("small", data)[0]
    before = copy.deepcopy(teacher.state_dict())
    wrong = Labelled("wrong labels", data.train_images, (data.train_labels + 1) % 10, data.test_images, data.test_labels)
    student = train(network("small", data, 5), wrong, epochs=6, batch=32, loss=distill.logits(teacher))
    images = torch.from_numpy(data.test_images)
    with torch.no_grad():
        same = (student(images).argmax(1) == teacher(images).argmax(1)).float().mean()
    assert same > 0.85, "it learned the teacher's answers, not the labels'"
    assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())


def test_hints_pull_features_together_and_are_gone_afterwards() -> None:
    data = few()
    teacher, student = network("small-resnet", data, 1).eval(), network("small-mobilenet", data, 2)
    names, images = set(student.state_dict()), torch.from_numpy(data.train_images[:50])
    labels = torch.from_numpy(data.train_labels[:50])
    layers = ("blocks.1", "blocks.1")  # 64 channels beside 32, both 4x4

    def apart(loss: Any) -> float:
        with torch.no_grad():
            return float(loss(student.train()(images), images, labels))

    nothing: Any = lambda z, images, labels: torch.zeros(())  # noqa: E731
    with distill.hints(student, teacher, layers, images, rest=nothing) as loss:
        before = apart(loss)
        train(student, data, epochs=6, batch=50, loss=loss)
        assert apart(loss) < 0.5 * before
    assert set(student.state_dict()) == names
    assert not any(m._forward_hooks for net in (student, teacher) for m in net.modules())


def test_wrong_distillation_is_named() -> None:
    data = few()
    teacher, images = network("small-resnet", data), torch.from_numpy(data.train_images[:4])
    for layers, said in ((("conv9", "conv"), "unknown layer 'conv9'"), (("conv", "blocks.2"), "one image size")):
        with pytest.raises(SpecError, match=said), distill.hints(teacher, teacher, layers, images):
            pass
    assert not any(m._forward_hooks for m in teacher.modules())
    with pytest.raises(SpecError, match="temperature 0"):
        distill.softened(teacher, temperature=0)

"""Small nets: the same seed, the same weights, stopped or not; what is kept is what was trained; intervals as in the textbook."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picojoule.errors import SpecError
from picojoule.learning.labelled import Labelled, labelled
from tests.commands.run import pj

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from picojoule.files import cache_folder  # noqa: E402
from picojoule.learning.accuracy import Accuracy, accuracy, percent_right  # noqa: E402
from picojoule.learning.nets import NETS, network  # noqa: E402
from picojoule.learning.train import Recipe, augmented, train, train_by  # noqa: E402
from picojoule.learning.trained import Record, check_finite, recipe_for, trained  # noqa: E402
from picojoule.workload.torch.read import export  # noqa: E402


@cache
def digits() -> Labelled:
    return labelled("digits")


def few() -> Labelled:
    d = digits()
    return Labelled("few digits", d.train_images[:200], d.train_labels[:200], d.test_images[:50], d.test_labels[:50])


def same(a: Any, b: Any) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize("side", [8, 28])
@pytest.mark.parametrize("name", NETS)
def test_every_net_takes_images_of_either_size_and_its_layers_keep_their_names_in_the_network(name: str, side: int) -> None:
    if name == "lenet5" and side == 8:
        with pytest.raises(SpecError, match="12 x 12"):
            NETS[name](1, side, 10)
        return
    module = NETS[name](3, side, 7).eval()
    assert module(torch.zeros(2, 3, side, side)).shape == (2, 7)
    network = export(module, (torch.zeros(1, 3, side, side),), name=name)
    found = {s.layer.name for s in network.layers}
    named = {n for n, m in module.named_modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)}
    assert named <= found


def test_the_small_nets_have_the_sizes_that_are_said() -> None:
    for name, macs, weights in (("small-resnet", 2.6e6, 78e3), ("small-mobilenet", 1.3e6, 45e3)):
        module = NETS[name](1, 28, 10)
        assert export(module, (torch.zeros(1, 1, 28, 28),), name=name).macs == pytest.approx(macs, rel=0.05)
        assert sum(p.numel() for p in module.parameters()) == pytest.approx(weights, rel=0.02)


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    recipe = Recipe(epochs=3, batch=32, shift=1, mirror=True)
    whole = train_by(network("small-resnet", few()), few(), recipe)

    class Stop(Exception):
        pass

    def stop(done: int, of: int, what: str) -> None:
        if done == 2:
            raise Stop

    with pytest.raises(Stop):
        train_by(network("small-resnet", few()), few(), recipe, checkpoint=tmp_path / "c", progress=stop)
    assert same(whole, train_by(network("small-resnet", few()), few(), recipe, checkpoint=tmp_path / "c"))
    assert not same(whole, train_by(network("small-resnet", few()), few(), recipe, seed=1))
    (tmp_path / "c").write_bytes(b"half")
    with pytest.raises(SpecError, match="cannot go on"):
        train_by(network("small-resnet", few()), few(), recipe, checkpoint=tmp_path / "c")


def test_what_is_kept_is_what_was_trained_and_damage_is_noticed() -> None:
    recipe = Recipe(epochs=1, batch=50)
    module, record = trained("small", few(), recipe=recipe)
    again, kept = trained("small", few(), recipe=recipe, progress=lambda *_: pytest.fail("it trained again"))
    assert same(module, again) and kept == record
    assert record.accuracy.percent == percent_right(again, *map(torch.from_numpy, (few().test_images, few().test_labels)))
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record
    for path in (cache_folder() / "trained").glob("small-few digits-0-*.pt"):
        path.write_bytes(b"half")
    assert same(module, trained("small", few(), recipe=recipe)[0])
    moved = replace(few(), train_images=few().train_images * 0.5)
    assert not same(module, trained("small", moved, recipe=recipe)[0]), "other data, other weights"


def test_digits_are_learned() -> None:
    _, record = trained("small", digits())
    assert record.accuracy.percent > 95 and record.trained_on == 1438 and record.cpu_s > 0
    assert not recipe_for("small-resnet", digits()).mirror, "a mirrored 2 is no 2"


def test_a_mirror_image_is_one_and_a_shift_moves_the_image() -> None:
    torch.manual_seed(0)
    images = torch.rand(64, 2, 5, 6)
    mirrored = augmented(images, 0, True)
    kinds = {(torch.equal(a, b), torch.equal(a, b.flip(2))) for a, b in zip(mirrored, images, strict=True)}
    assert kinds == {(True, False), (False, True)}
    places = set()
    for got, image in zip(augmented(images, 1, False), images, strict=True):
        fits = [
            (r, c) for r in (-1, 0, 1) for c in (-1, 0, 1)
            if torch.equal(got[:, max(0, -r) : 5 - max(0, r), max(0, -c) : 6 - max(0, c)],
                           image[:, max(0, r) : 5 - max(0, -r), max(0, c) : 6 - max(0, -c)])
        ]  # fmt: skip
        assert len(fits) == 1
        places.add(fits[0])
    assert len(places) == 9


def test_wilsons_interval_is_the_textbooks() -> None:
    low, high = Accuracy(data="x", n=10, correct=9).interval  # Agresti and Coull, 1998: 0.596 to 0.982
    assert (low, high) == (pytest.approx(59.6, abs=0.1), pytest.approx(98.2, abs=0.1))
    assert Accuracy(data="x", n=5, correct=5).interval[1] == pytest.approx(100)
    with pytest.raises(SpecError):
        Accuracy(data="x", n=5, correct=6)


def test_measuring_leaves_the_module_as_it_was() -> None:
    module = network("small-resnet", few()).train()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    accuracy(module, *map(torch.from_numpy, (few().test_images, few().test_labels)))
    assert module.training and all(torch.equal(before[k], v) for k, v in module.state_dict().items())


def test_held_out_images_come_from_the_training_images_alone() -> None:
    part = few().held_out(40)
    seen = {x.tobytes() for x in few().train_images}
    assert len(part.test_images) == 40 and len(part.train_images) == 160
    assert {x.tobytes() for x in np.concatenate([part.train_images, part.test_images])} == seen
    with pytest.raises(SpecError, match="leave some"):
        few().held_out(200)


def test_weights_that_are_no_numbers_are_refused() -> None:
    module = network("small", digits())
    check_finite(module, "x")
    with torch.no_grad():
        module.fc1.weight[0, 0] = float("nan")
    with pytest.raises(SpecError, match=r"fc1.weight holds values that are not finite"):
        check_finite(module, "x")


def test_a_hook_replaces_the_loss() -> None:
    seen = []

    def loss(logits: Any, images: Any, labels: Any) -> Any:
        seen.append((logits.shape, images.shape, labels.shape))
        return logits.square().mean()

    train(network("small", few()), few(), epochs=1, batch=100, loss=loss)
    assert seen == [((100, 10), (100, 1, 8, 8), (100,))] * 2


def test_the_command_trains_each_seed_and_says_how_well() -> None:
    code, out, err = pj("train", "small", "--data", "digits", "--seeds", "0,1", "--epochs", 1, "--json")
    assert code == 0, err
    value = json.loads(out)
    assert [s["seed"] for s in value["seeds"]] == [0, 1] and value["interval_percent"] > 0
    assert value["mean_percent"] == pytest.approx(np.mean([s["percent"] for s in value["seeds"]]))
    assert "mean of 2" in pj("train", "small", "--seeds", "0,1", "--epochs", 1)[1]


@pytest.mark.parametrize("change, said", [
    ({"train_labels": None}, "train_labels is missing"),
    ({"train_labels": np.zeros(7, int)}, "20 train images and labels of shape (7,)"),
    ({"train_labels": np.full(20, -1)}, "number the classes from 0"),
    ({"train_images": np.full((20, 1, 8, 8), np.nan)}, "not finite"),
    ({"train_images": np.zeros((20, 64))}, "images are [n, channels, h, w]"),
    ({"test_images": np.zeros((5, 3, 8, 8))}, "make them alike"),
    ({"train_images": np.zeros((20, 1, 8, 6)), "test_images": np.zeros((5, 1, 8, 6))}, "pad them"),
])  # fmt: skip
def test_data_that_cannot_be_learned_is_refused_before_anything_is_written(change: Any, said: str, tmp_path: Path) -> None:
    parts = {"train_images": np.zeros((20, 1, 8, 8)), "train_labels": np.arange(20) % 3,
             "test_images": np.zeros((5, 1, 8, 8)), "test_labels": np.arange(5) % 3}  # fmt: skip
    np.savez(tmp_path / "mine.npz", **{k: v for k, v in (parts | change).items() if v is not None})
    code, out, err = pj("train", "small", "--data", tmp_path / "mine.npz")
    assert code == 2 and out == "" and said in err and "Traceback" not in err
    assert not list((cache_folder() / "trained").glob("small-mine*"))


@pytest.mark.parametrize("wrong, said", [
    (("smal",), "did you mean 'small'"),
    (("small", "--data", "cifar"), "unknown data set"),
    (("small", "--seeds", "0,0"), "name each seed once"),
    (("small", "--seeds", "-1"), "no whole number"),
    (("small", "--epochs", "0"), "--epochs"),
    (("lenet5",), "12 x 12"),
])  # fmt: skip
def test_the_command_refuses_what_it_cannot_train(wrong: tuple[str, ...], said: str) -> None:
    code, out, err = pj("train", *wrong)
    assert code == 2 and out == "" and said in err and "Traceback" not in err

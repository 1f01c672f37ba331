"""Shrinking a tiny network to the end: its files, the same again, on after an interrupt, one error for bad input."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

import picojoule as pj
from picojoule.errors import SpecError
from tests.commands.run import pj as command

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
pytest.importorskip("torch_pruning")
pytest.importorskip("sklearn")  # brings the digits

from torch import nn  # noqa: E402

from picojoule.compress.apply import reshaped, rounded  # noqa: E402
from picojoule.compress.plan import Plan, Storage, WithPlan  # noqa: E402
from picojoule.compress.prune.prune import baked  # noqa: E402
from picojoule.compress.prune.structured import structure  # noqa: E402
from picojoule.compress.shrink.carried import carried_out  # noqa: E402
from picojoule.compress.shrink.shrunk import Shrunk  # noqa: E402
from picojoule.compress.shrink.space import space_of  # noqa: E402
from picojoule.learning.labelled import Labelled, labelled  # noqa: E402
from picojoule.learning.nets import network  # noqa: E402
from picojoule.learning.train import train  # noqa: E402
from picojoule.workload.network import Network  # noqa: E402
from picojoule.workload.torch.read import export  # noqa: E402

NET = """
import torch
from torch import nn

def tiny():
    module = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 4))
    module.load_state_dict(torch.load({weights!r}))
    return module, (torch.zeros(1, 1, 4, 4),)

def broken():
    module, images = tiny()
    module[0].weight.data[0, 0, 0, 0] = float("nan")
    return module, images
"""
GIVEN = {"methods": ("quantise", "channels"), "images": 1600, "held_out": 200, "budget": 10.0}


def four_classes() -> Labelled:
    """Bright quarters of 4 x 4 images, with noise."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 1400)
    images = rng.normal(0.4, 0.15, (1400, 1, 4, 4)).astype(np.float32)
    for i, label in enumerate(labels):
        images[i, 0, 2 * (label // 2) : 2 * (label // 2) + 2, 2 * (label % 2) : 2 * (label % 2) + 2] += 0.25
    return Labelled("quarters", images[:1000], labels[:1000], images[1000:], labels[1000:])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained network, its module and its data."""
    folder, data = tmp_path_factory.mktemp("shrink"), four_classes()
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 4))
    train(module, data, epochs=8, rate=5e-3)
    torch.save(module.state_dict(), folder / "weights.pt")
    (folder / "net.py").write_text(NET.format(weights=str(folder / "weights.pt")))
    parts = {f"{p}_{w}": getattr(data, f"{p}_{w}") for p in ("train", "test") for w in ("images", "labels")}
    np.savez(folder / "data.npz", **parts)
    np.savez(folder / "wide.npz", **{**parts, "train_images": np.zeros((1000, 1, 6, 6)), "test_images": np.zeros((400, 1, 6, 6))})
    np.savez(folder / "more.npz", **{**parts, "train_labels": parts["train_labels"] + 3})
    np.savez(folder / "bare.npz", **{n: v for n, v in parts.items() if n != "train_labels"})
    return folder


@pytest.fixture(scope="module")
def done(place: Path) -> Shrunk:
    return pj.shrink(f"{place}/net.py:tiny", "fusion-like", f"{place}/data.npz", out=place / "out", alone=True, **GIVEN)


def test_the_chosen_network_keeps_the_budget_and_costs_less(done: Shrunk) -> None:
    assert done.lost_points <= 10 and done.chosen.held_out.percent >= done.dense.held_out.percent - 10
    assert done.times_below("INT8") > 1.5 and done.times_below("INT16") > 3
    assert done.chosen.price.proved and done.chosen.test.n == 400
    assert {r.name for r in done.alone} == {"quantise alone", "channels alone"}
    for row in done.alone:  # none is at once as good and as cheap
        assert row.held_out.correct < done.chosen.held_out.correct or row.price.energy_pj > done.chosen.price.energy_pj
    assert done.left_out == () and {d.technique for d in done.decisions} == {"quantise", "channels"}


def test_its_files_hold_the_network_that_was_measured(done: Shrunk, place: Path) -> None:
    out, data = place / "out", four_classes()
    assert sorted(p.name for p in out.iterdir()) == ["model.onnx", "plan.json", "result.json", "weights.pt"]
    assert not list(place.glob(".out*"))
    images, labels = torch.from_numpy(data.test_images), torch.from_numpy(data.test_labels)
    module = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 4))
    module.load_state_dict(torch.load(place / "weights.pt"))
    again = carried_out(out, module, torch.from_numpy(data.train_images[:256]))
    right = int((again(images).argmax(1) == labels).sum())
    assert right == done.chosen.test.correct
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(out / "model.onnx"))
    found = session.run(None, {session.get_inputs()[0].name: data.test_images})[0]
    assert abs(int((found.argmax(1) == data.test_labels).sum()) - right) <= 4  # rounding at halves, 1 %


def test_a_second_run_trains_nothing_and_says_the_same(done: Shrunk, place: Path) -> None:
    again = pj.shrink(f"{place}/net.py:tiny", "fusion-like", f"{place}/data.npz", alone=True, **GIVEN)
    assert again.trainings == 0 and again.chosen == done.chosen and again.decisions == done.decisions


def test_a_run_for_another_chip_shares_the_measurements(done: Shrunk, place: Path) -> None:
    other = pj.shrink(f"{place}/net.py:tiny", "stripes-like", f"{place}/data.npz", **GIVEN)
    assert other.trainings < done.trainings / 2 and other.dense.test == done.dense.test


@pytest.mark.parametrize("search", ["knapsack", "evolutionary"])
def test_other_searches_keep_the_budget_too(done: Shrunk, place: Path, search: str) -> None:
    given = {**GIVEN, "methods": ("quantise",), "search": search}
    other = pj.shrink(f"{place}/net.py:tiny", "fusion-like", f"{place}/data.npz", **given)
    assert other.chosen.held_out.percent >= other.dense.held_out.percent - 10 and other.times_below("INT8") > 1.5
    assert [loss for loss, _ in other.way] == sorted(loss for loss, _ in other.way)


def test_an_interrupted_run_gives_what_it_has_and_goes_on_from_there(place: Path) -> None:
    calls: list[str] = []

    def stop(n: int, of: int, what: str) -> None:
        calls.append(what)
        if what.startswith("fine-tuning joint"):
            raise KeyboardInterrupt

    name, data, more = f"{place}/net.py:tiny", f"{place}/data.npz", {**GIVEN, "seed": 3}
    with pytest.raises(KeyboardInterrupt):
        pj.shrink(name, "fusion-like", data, out=place / "nothing", progress=stop, **more)
    assert not (place / "nothing").exists()
    whole, fresh = (pj.shrink(name, "fusion-like", data, **{**more, "seed": seed}) for seed in (3, 5))
    assert whole.trainings < fresh.trainings - 2 and whole.chosen.held_out.percent >= whole.dense.held_out.percent - 10


def test_wrong_data_wrong_weights_and_budgets_are_one_error(place: Path) -> None:
    net, data = f"{place}/net.py:tiny", f"{place}/data.npz"
    for given, match in (
        ((net, "fusion-like", f"{place}/wide.npz"), "does not take the images"),
        ((net, "fusion-like", f"{place}/more.npz"), "knows 4 classes"),
        ((net, "fusion-like", f"{place}/bare.npz"), "train_labels is missing"),
        ((f"{place}/net.py:broken", "fusion-like", data), "not finite"),
        ((net, "fusion-lik", data), "fusion-like"),
    ):
        with pytest.raises(SpecError, match=match):
            pj.shrink(*given, out=place / "bad", **GIVEN)
        assert not (place / "bad").exists()


def test_a_budget_that_cannot_be_met_is_said_and_nothing_is_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("picojoule.compress.shrink.shrink.Shrinking.lost", lambda *_: 0.02)  # whatever is tried
    with pytest.raises(SpecError, match="not even INT8 stays within"):
        given = {**GIVEN, "budget": 0.01, "seed": 4}
        pj.shrink(f"{place}/net.py:tiny", "fusion-like", f"{place}/data.npz", out=place / "bad", **given)
    assert not (place / "bad").exists()


def test_the_command_writes_a_page_and_json(done: Shrunk, place: Path) -> None:
    options = (
        "--data",
        place / "data.npz",
        "--methods",
        "quantise,channels",
        "--images",
        1600,
        "--held-out",
        200,
        "--budget",
        "10%",
    )
    code, out, err = command("shrink", f"{place}/net.py:tiny", "--on", "fusion-like", *options, "--out", place / "page", "--json")
    assert code == 0, err
    value = json.loads(out)
    assert value["chosen"]["test"]["n"] == 400 and value["chosen"]["proved"] and value["dense"]["fine_tuned_on_images"] == 1600
    page = (place / "page" / "report.html").read_text()
    assert "Decisions" in page and "weights of 0" in page
    assert "<script" not in page and "http" not in page.replace("http://www.w3.org", "")
    for wrong in (("--budget", "0%"), ("--methods", "magic"), ("--search", "luck"), ("--out", place / "net.py")):
        code, out, err = command("shrink", f"{place}/net.py:tiny", "--on", "fusion-like", *options, *wrong)
        assert code == 2 and out == "" and err.startswith("error:") and "Traceback" not in err


# ---- the plan and the module that it is carried out on -----------------------------------------------------------
def shapes(network: Network) -> list[tuple[str, int]]:
    return [(s.layer.name, s.layer.macs) for s in network.layers]


@pytest.mark.parametrize("net", ["small-resnet", "small-mobilenet"])
def test_the_network_of_a_plan_is_that_of_the_module_that_is_left(net: str) -> None:
    data = labelled("digits")
    images = torch.from_numpy(data.train_images[:8])
    module = network(net, data).eval()
    base, groups = export(module, (images[:1],), name=net), structure(module, images[:2])
    layer = "blocks.2.conv2" if net == "small-resnet" else "blocks.2.pointwise"
    plan = Plan.uniform([s.layer.name for s in base.layers], weight_bits=4, input_bits=4).but(layer, rank=9, density=0.5)
    for group in groups.groups:
        plan = plan.keeping(group.name, group.size * 5 // 8)
    left = reshaped(module, plan, groups)
    assert shapes(WithPlan(plan, groups)(base)) == shapes(export(baked(left), (images[:1],), name=net))
    kept = left.get_submodule(f"{layer}.0").weight
    assert float((kept != 0).float().mean()) == pytest.approx(0.5, abs=0.01)
    narrow = rounded(left, plan, Storage(base), images)
    assert all(len(torch.unique(m.weight[0])) <= 15 for m in narrow.modules() if isinstance(m, nn.Conv2d | nn.Linear))


@pytest.mark.parametrize("net", ["small", "small-resnet", "small-mobilenet"])
def test_every_choice_has_a_plan_that_can_be_carried_out_and_read_back(net: str) -> None:
    """Channels that go may leave a layer that a rank no longer makes thinner; and what a plan keeps is what is reported."""
    data = labelled("digits")
    module = network(net, data)
    images = torch.from_numpy(data.train_images[:2])
    base, groups = export(module, (images,), name=net), structure(module, images)
    space = space_of(base, groups, None)
    rng = random.Random(1)
    for _ in range(60):
        choice = tuple(rng.randrange(len(u.values)) for u in space.units)
        plan = space.plan(choice)
        WithPlan(plan, groups)(base)
        back = space.choice(plan)
        assert space.plan(back) == plan
        assert all(b in (c, 0) if u.kind == "rank" else b == c for u, b, c in zip(space.units, back, choice, strict=True))

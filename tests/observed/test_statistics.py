"""Statistics of real runs: against numpy on the same tensors, between ways of running, and what cannot be run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from picojoule.errors import SpecError
from picojoule.observed.statistics import Tally, statistics
from picojoule.workload.load import load_model
from picojoule.workload.zoo.trained import DIGITS, digits_images


def test_the_digits_network_has_the_zeros_that_its_layers_compute() -> None:
    found = statistics("digits", "digits")
    model = onnx.load(DIGITS)
    model.graph.output.extend(onnx.ValueInfoProto(name=n) for n in ("x1", "x4", "x10"))
    names = ["x1", "x4", "x10", "logits"]
    values = dict(zip(names, ReferenceEvaluator(model).run(names, digits_images()), strict=True))
    for layer, role, tensor in (
        ("conv1", "output", "x1"),
        ("conv2", "input", "x1"),
        ("conv3", "input", "x4"),
        ("fc2", "input", "x10"),
        ("fc2", "output", "logits"),
    ):
        t, x = found.layers[layer][role], values[tensor]
        assert (t.elements, t.zeros) == (x.size, int((x == 0).sum())), (layer, role)
        assert (t.low, t.high) == (pytest.approx(x.min(), rel=1e-5), pytest.approx(x.max(), rel=1e-5))
    images = digits_images()["image"]
    assert found.layers["conv1"]["input"].zeros == (images == 0).sum()
    assert (found.samples, found.unseen) == (300, ())


def test_its_layers_are_those_of_the_network() -> None:
    found = statistics("digits", "digits", limit=5)
    names = [s.layer.name for s in load_model("digits").layers]
    assert list(found.layers) == names
    assert all(set(r) == {"input", "weight", "output"} for r in found.layers.values())
    table = found.densities()["layers"]
    assert all(0 <= d <= 1 for roles in table.values() for d in roles.values())


def test_without_onnxruntime_the_reference_evaluator_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    first = statistics("digits", "digits", limit=20)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    second = statistics("digits", "digits", limit=20)
    assert "reference" in second.ran_by
    for layer, roles in first.layers.items():
        for role, t in roles.items():
            assert t.density == pytest.approx(second.layers[layer][role].density, abs=1e-3)


def test_a_tally_counts_what_numpy_counts_whatever_the_batches() -> None:
    rng = np.random.default_rng(0)
    x = np.maximum(rng.normal(size=(40, 50)), 0) * 2.0 ** rng.integers(-4, 5, (40, 1))
    whole, parts = Tally(), Tally()
    whole.add(x)
    for row in x:
        parts.add(row)
    assert (whole.elements, whole.zeros) == (parts.elements, parts.zeros) == (2000, int((x == 0).sum()))
    np.testing.assert_array_equal(whole.bins, parts.bins)
    edges = np.linspace(-(2.0**whole.exponent), 2.0**whole.exponent, 257)
    np.testing.assert_array_equal(whole.bins, np.histogram(x[x != 0], edges)[0])
    assert whole.to_json()["mean"] == pytest.approx(x.mean())
    assert whole.to_json()["deviation"] == pytest.approx(x.std())


def test_entropy_of_known_distributions() -> None:
    t = Tally()
    t.add(np.array([0.0] * 8 + [0.5] * 8))
    assert t.entropy_bits == 1
    t = Tally()
    t.add(np.zeros(10))
    assert (t.entropy_bits, t.density) == (0, 0)


def test_a_file_of_fixed_batch_and_a_folder_of_samples(tmp_path: Path) -> None:
    w = np.array([[1.0, -1.0], [0.0, 2.0]], np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "mm"), helper.make_node("Relu", ["y"], ["z"], "act")]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 2])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [2, 2])],
        [numpy_helper.from_array(w, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    for i in range(5):
        np.save(tmp_path / f"{i}.npy", np.array([1.0, -float(i)], np.float32))
    found = statistics(str(tmp_path / "m.onnx"), str(tmp_path))
    assert found.samples == 4  # batches of two, the fifth sample fills none
    assert found.layers["mm"]["weight"].density == 0.75
    assert found.layers["mm"]["output"].zeros == 4  # relu(1), relu(-1 - 2 i)


@pytest.mark.torch
def test_torch_and_onnx_see_the_same_network(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    (tmp_path / "net.py").write_text(
        "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.a, self.b, self.act = nn.Conv2d(1, 4, 3), nn.Linear(144, 6), nn.ReLU(inplace=True)\n"
        "    def forward(self, x):\n        return F.relu(self.b(self.act(self.a(x)).flatten(1)))\n"
        "def make():\n    torch.manual_seed(0)\n    return Net(), (torch.zeros(1, 1, 8, 8),)\n",
        encoding="utf-8",
    )
    images = digits_images()["image"][:40]
    np.save(tmp_path / "x.npy", images)
    found = statistics(f"{tmp_path / 'net.py'}:make", str(tmp_path / "x.npy"), batch=16)
    torch.manual_seed(0)
    a, b = torch.nn.Conv2d(1, 4, 3), torch.nn.Linear(144, 6)
    y = torch.relu(a(torch.tensor(images)))
    z = torch.relu(b(y.flatten(1)))
    assert found.samples == 40
    for layer, role, x in (("a", "output", y), ("b", "input", y), ("b", "output", z)):
        assert found.layers[layer][role].zeros == int((x == 0).sum()), (layer, role)


@pytest.mark.parametrize(
    ("model", "data", "wrong"),
    [
        ("digits", "nowhere.npz", "nowhere.npz: no such file"),
        ("alexnet", "digits", "alexnet: this has no trained weights to run"),
        ("missing.onnx", "digits", "missing.onnx: no such file"),
    ],
)
def test_what_cannot_be_run_is_one_error(model: str, data: str, wrong: str) -> None:
    with pytest.raises(SpecError) as error:
        statistics(model, data)
    assert str(error.value).startswith(wrong)
    assert error.value.hint


def test_wrong_data_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.zeros((10, 64)))
    np.save(tmp_path / "small.npy", np.zeros((10, 1, 7, 8)))
    np.save(tmp_path / "nan.npy", np.full((4, 1, 8, 8), np.nan))
    np.save(tmp_path / "none.npy", np.zeros((0, 1, 8, 8)))
    (tmp_path / "text.npy").write_text("no numbers")
    (tmp_path / "empty").mkdir()
    for name, wrong in (
        ("flat.npy", "nothing for the input 'image' of 4 axes"),
        ("small.npy", "fails"),
        ("nan.npy", "NaN"),
        ("none.npy", "holds no samples"),
        ("text.npy", "no numpy data"),
        ("empty", "holds no .npy files"),
    ):
        with pytest.raises(SpecError, match=wrong):
            statistics("digits", str(tmp_path / name))

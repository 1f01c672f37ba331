"""Torch modules: exact counts by hand, and the same as the ONNX file of the same module."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from picojoule.errors import SpecError
from picojoule.workload.load import load_model
from picojoule.workload.network import Network
from picojoule.workload.profile import profile
from picojoule.workload.zoo import zoo
from tests.workload.graph_laws import check
from tests.workload.graph_runner import run
from tests.workload.test_zoo import assert_ordered

MODELS = Path(__file__).with_name("torch_models.py")

pytestmark = pytest.mark.torch


def network(module: object, *inputs: object) -> Network:
    from picojoule.workload.torch.read import export

    found = export(module, inputs, name="net")
    check(found)
    return found


def macs_of(module: object, *inputs: object) -> int:
    found = network(module, *inputs)
    assert_ordered(found)
    assert not profile(found).unknown
    return found.macs


def test_resnet50_has_the_layers_of_the_zoo() -> None:
    found, own = load_model(f"{MODELS}:resnet50"), zoo.model("resnet50")
    shapes = lambda net: sorted((s.layer.op, s.layer.dims) for s in net.layers)  # noqa: E731
    assert shapes(found) == shapes(own)
    assert (found.macs, found.weights) == (own.macs, own.weights)
    totals, wanted = profile(found).totals, profile(own).totals
    assert (totals.peak_activation_bytes, totals.vector_ops) == (wanted.peak_activation_bytes, wanted.vector_ops)
    assert_ordered(found)


@pytest.mark.filterwarnings("ignore")  # those of torch's own exporter
def test_the_onnx_file_of_a_module_has_the_same_layers(tmp_path: Path) -> None:
    import torch

    pytest.importorskip("onnxscript")
    sys.path.insert(0, str(MODELS.parent))
    try:
        from torch_models import mixed  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    module, inputs = mixed()
    path = tmp_path / "net.onnx"
    torch.onnx.export(module.eval(), inputs, path, dynamo=True, verbose=False)
    one, two = network(module, *inputs), load_model(str(path))
    key = lambda net: sorted((tuple(sorted(s.layer.bounds.values())), s.count) for s in net.layers)  # noqa: E731
    assert key(one) == key(two)
    assert (one.macs, one.weights) == (two.macs, two.weights)
    assert not profile(two).unknown


def test_convolutions() -> None:
    import torch
    from torch import nn

    x = torch.zeros(2, 4, 9, 9)
    assert macs_of(nn.Conv2d(4, 6, 3, padding=1), x) == 2 * 81 * 9 * 24
    assert macs_of(nn.Conv2d(4, 6, 3, padding="same"), x) == 2 * 81 * 9 * 24
    assert macs_of(nn.Conv2d(4, 6, 3, stride=2, groups=2), x) == 2 * 16 * 9 * 12
    assert macs_of(nn.Conv2d(4, 4, 3, dilation=2, groups=4), x) == 2 * 25 * 9 * 4
    assert macs_of(nn.Conv1d(9, 6, 3), x[:, 0]) == 2 * 7 * 3 * 54
    assert macs_of(nn.Conv3d(4, 6, 3), torch.zeros(1, 4, 5, 5, 5)) == 27 * 27 * 24
    assert macs_of(nn.ConvTranspose2d(4, 6, 2, 2), x) == 2 * 81 * 4 * 24
    assert macs_of(nn.ConvTranspose2d(4, 6, 4, 2, 1), x) == 2 * 81 * 16 * 24


def test_products() -> None:
    import torch
    from torch import nn

    class Of(nn.Module):
        def __init__(self, function) -> None:  # noqa: ANN001
            super().__init__()
            self.function = function

        def forward(self, *x):  # noqa: ANN002, ANN202
            return self.function(*x)

    a, b = torch.zeros(2, 3, 4), torch.zeros(2, 4, 5)
    assert macs_of(nn.Linear(4, 7), a) == 6 * 28
    assert macs_of(Of(lambda x, y: x @ y), a, b) == 2 * 60
    assert macs_of(Of(torch.bmm), a, b) == 2 * 60
    assert macs_of(Of(lambda x, y: torch.addmm(x, x, y)), torch.zeros(4, 4), torch.zeros(4, 4)) == 64
    assert macs_of(Of(lambda x, y: torch.einsum("bij,bjk->bik", x, y)), a, b) == 2 * 60
    assert macs_of(Of(lambda x, y: torch.matmul(x.unsqueeze(1), y)), a, torch.zeros(6, 4, 5)) == 2 * 6 * 60


def test_attention_is_counted_whatever_kernel_runs_it() -> None:
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Grouped(nn.Module):
        def forward(self, q, k, v):  # noqa: ANN001, ANN202
            return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)

    q, k = torch.zeros(2, 8, 6, 16), torch.zeros(2, 2, 6, 16)
    assert macs_of(Grouped(), q, k, k) == 2 * 2 * 8 * 6 * 6 * 16
    x = torch.zeros(2, 6, 32)
    assert macs_of(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), x) == 12 * (4 * 32**2 + 2 * 32 * 64) + 2 * 2 * 36 * 32


@pytest.mark.parametrize(("kind", "gates"), [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
def test_recurrent_cells_count_every_step_layer_and_direction(kind: str, gates: int) -> None:
    import torch
    from torch import nn

    module = getattr(nn, kind)(3, 5, num_layers=2, bidirectional=True, batch_first=True)
    found = network(module, torch.zeros(2, 7, 3))
    assert found.weights == 2 * gates * 5 * (3 + 5) + 2 * gates * 5 * (10 + 5)
    assert found.macs == 2 * 7 * found.weights
    assert not profile(found).unknown


def test_a_layer_used_twice_has_one_set_of_weights() -> None:
    import torch
    from torch import nn

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):  # noqa: ANN001, ANN202
            return self.fc(self.fc(x))

    found = network(Twice(), torch.zeros(3, 4))
    assert (found.macs, found.weights) == (2 * 48, 16)


def test_parts_of_one_parameter_are_different_weights() -> None:
    import torch
    from torch import nn

    module = nn.TransformerDecoderLayer(32, 4, 64, batch_first=True)
    found = network(module, torch.zeros(2, 10, 32), torch.zeros(2, 6, 32))
    assert found.weights == 2 * 4 * 32**2 + 2 * 32 * 64
    assert found.macs == 20 * (4 * 32**2 + 2 * 32 * 64) + 20 * 2 * 32**2 + 12 * 2 * 32**2 + 2 * 2 * 32 * (100 + 60)


def test_operators_without_macs_count_as_in_onnx() -> None:
    import torch
    from torch import nn

    module = nn.Sequential(nn.BatchNorm2d(4), nn.SiLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout())
    found = network(module, torch.zeros(1, 4, 6, 6))
    ops = [(s.layer.op, s.layer.ops) for s in found.vector_ops]
    assert ops == [
        ("BatchNormalization", 288),
        ("Silu", 576),
        ("MaxPool", 144),
        ("GlobalAveragePool", 36),
        ("Reshape", 0),
        ("Reshape", 0),
    ]


def test_a_batch_replaces_the_first_axis() -> None:
    assert load_model(f"{MODELS}:mixed", batch=6).macs == 3 * load_model(f"{MODELS}:mixed").macs


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bare", "it returns no example inputs\nhint: return (module, (torch.zeros(1, 3, 224, 224),))"),
        ("number", "it returns a int, not a torch.nn.Module\nhint: write module:callable; the callable returns"),
        ("broken", "calling it fails: RuntimeError: no weights here\nhint: write module:callable"),
        ("mixd", "unknown callable 'mixd'\nhint: did you mean 'mixed'? known: "),
    ],
)
def test_a_callable_that_gives_no_module_is_told_why(name: str, expected: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_model(f"{MODELS}:{name}")
    assert str(caught.value).startswith(f"{MODELS}:{name}: {expected}")


def test_a_module_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(SpecError) as caught:
        load_model("no_such_module_here:net")
    text = "no_such_module_here:net: cannot import 'no_such_module_here': ModuleNotFoundError: No module named"
    assert str(caught.value).startswith(text)


def test_a_branch_on_data_is_explained() -> None:
    import torch
    from torch import nn

    class Branch(nn.Module):
        def forward(self, x):  # noqa: ANN001, ANN202
            return x + 1 if x.sum() > 0 else x - 1

    with pytest.raises(SpecError, match="cannot trace it"):
        network(Branch(), torch.zeros(3))


def test_the_graph_of_a_module_computes_what_the_module_computes() -> None:
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False)
            self.up = nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, bias=False)
            self.linear = nn.Linear(5, 8, bias=False)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            y = F.max_pool2d(self.conv(x), 2, stride=1).relu()
            y = torch.cat([self.up(y)[:, 1:3], x[:, :1, :5, 2:7]], 1).permute(0, 2, 1, 3)
            q = self.linear(y.mean(1)).reshape(2, 3, 2, 4).transpose(1, 2)
            return y * y.softmax(1), F.scaled_dot_product_attention(q, q, q, scale=1.0)

    torch.manual_seed(0)
    module, x = Mixed(), torch.randn(2, 4, 8, 8)
    found = network(module, x)
    weights = {f"p_{name.replace('.', '_')}": p.detach().numpy() for name, p in module.named_parameters()}
    arrays = run(found, {"x": x.numpy(), **weights})
    for name, expected in zip(found.outputs, module(x), strict=True):
        np.testing.assert_allclose(arrays[name], expected.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_learned_queries_look_at_tokens() -> None:
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Pool(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.latent = nn.Parameter(torch.zeros(1, 1, 4, 16))
            self.key, self.value = nn.Linear(32, 16), nn.Linear(32, 16)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.scaled_dot_product_attention(self.latent, self.key(x)[:, None], self.value(x)[:, None])

    assert macs_of(Pool().eval(), torch.zeros(1, 12, 32)) == 2 * 12 * 32 * 16 + 2 * 4 * 12 * 16


def test_a_learned_image_under_given_kernels() -> None:
    import torch
    from torch import nn
    from torch.nn import functional as F

    class FixedImage(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.image = nn.Parameter(torch.zeros(1, 3, 4, 4))

        def forward(self, kernels: torch.Tensor) -> torch.Tensor:
            return F.conv2d(self.image, kernels, padding=1)

    assert macs_of(FixedImage().eval(), torch.zeros(2, 3, 3, 3)) == 4 * 4 * 2 * 3 * 9


def test_an_einsum_of_three_tensors() -> None:
    import torch
    from torch import nn

    class Chain(nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
            return torch.einsum("ij,jk,kl->il", a, b, c)

    assert macs_of(Chain(), torch.zeros(4, 5), torch.zeros(5, 6), torch.zeros(6, 7)) == 4 * 5 * 6 + 4 * 6 * 7


def test_products_under_names_of_their_own() -> None:
    import torch
    from torch import nn

    class Calls(nn.Module):
        def __init__(self, call: object) -> None:
            super().__init__()
            self.call = call

        def forward(self, *xs: torch.Tensor) -> torch.Tensor:
            return self.call(*xs)  # type: ignore[operator, no-any-return]

    dot = Calls(lambda a, b: torch.tensordot(a, b, dims=([1], [0])))
    assert macs_of(dot, torch.zeros(4, 5, 6), torch.zeros(5, 8)) == 4 * 6 * 5 * 8
    chain = Calls(lambda a, b, c: torch.linalg.multi_dot([a, b, c]))
    assert macs_of(chain, torch.zeros(4, 5), torch.zeros(5, 6), torch.zeros(6, 7)) == 4 * 5 * 6 + 4 * 6 * 7
    assert (
        macs_of(chain, torch.zeros(5), torch.zeros(5, 6), torch.zeros(6)) == 5 * 6 + 5
    )  # the matrix and the vector behind it first
    assert macs_of(nn.Bilinear(6, 7, 9).eval(), torch.zeros(10, 6), torch.zeros(10, 7)) == 10 * 9 * 6 * 7 + 10 * 9 * 7


@pytest.mark.parametrize(("kind", "gates"), [("LSTMCell", 4), ("GRUCell", 3), ("RNNCell", 1)])
def test_cells_step_by_step(kind: str, gates: int) -> None:
    import torch
    from torch import nn

    class Unrolled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = getattr(nn, kind)(10, 20)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h, c, out = torch.zeros(3, 20), torch.zeros(3, 20), []
            for t in range(5):
                if kind == "LSTMCell":
                    h, c = self.cell(x[t], (h, c))
                else:
                    h = self.cell(x[t], h)
                out.append(h)
            return torch.stack(out)

    found = network(Unrolled().eval(), torch.zeros(5, 3, 10))
    assert not profile(found).unknown
    assert found.macs == 5 * 3 * gates * 20 * (10 + 20)
    assert found.weights == gates * 20 * (10 + 20)  # once, however many steps


@pytest.mark.parametrize(("layers", "both"), [(1, False), (2, True)])
def test_a_projected_lstm_has_a_third_matrix(layers: int, both: bool) -> None:
    import torch
    from torch import nn

    net = nn.LSTM(3, 8, proj_size=2, num_layers=layers, bidirectional=both, batch_first=True)
    d = 1 + both
    one = sum(d * (32 * (3 if i == 0 else 2 * d) + 32 * 2 + 2 * 8) for i in range(layers))
    found = network(net.eval(), torch.zeros(4, 5, 3))
    assert (found.macs, found.weights) == (5 * 4 * one, one)

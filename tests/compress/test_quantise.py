"""Fake quantisers: what is rounded is what the definition says, the gradient is what LSQ says, and onnxruntime sees the same."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picojoule.errors import SpecError
from picojoule.formats.names import number_format
from picojoule.learning.labelled import labelled

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from torch import nn  # noqa: E402
from torch.nn.utils import parametrize  # noqa: E402

from picojoule.compress.quantise import quantiser  # noqa: E402
from picojoule.compress.quantise.fold import fold_batchnorm  # noqa: E402
from picojoule.compress.quantise.quantise import Bits, mean_weight_bits, plain, quantised, quantisers, rounded  # noqa: E402
from picojoule.compress.quantise.quantiser import Codes, Quantiser, Rows, steps  # noqa: E402
from picojoule.learning.accuracy import percent_right  # noqa: E402
from picojoule.learning.nets import NETS, network  # noqa: E402
from picojoule.learning.train import train  # noqa: E402
from picojoule.learning.trained import trained  # noqa: E402


@cache
def digits() -> Any:
    return labelled("digits")


def held_out(data: Any) -> tuple[Any, Any]:
    return torch.from_numpy(data.test_images), torch.from_numpy(data.test_labels)


def calibration() -> Any:
    return torch.from_numpy(digits().train_images[:256])


@cache
def resnet() -> Any:
    """A net with normalisation that has seen data, so that its statistics are not the initial ones."""
    return train(network("small-resnet", digits()), digits(), epochs=3, batch=64, rate=5e-3)


def values(n: int = 4000, seed: int = 0) -> Any:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=n).astype(np.float32))


@pytest.mark.parametrize("bits", [2, 3, 4, 8, 16])
@pytest.mark.parametrize("signed", [True, False])
def test_linear_codes_are_those_of_the_definition_by_counting(bits: int, signed: bool) -> None:
    x, codes = values(), Codes(bits=bits, signed=signed)
    step = codes.step_of(x.abs().max() * 0.7)
    held = codes(x, step)
    top = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    low = -top if signed else 0
    for a, b in zip(x[:300].tolist(), held[:300].tolist(), strict=True):
        exact = min(max(round(a / float(step)), low), top) * float(step)
        assert b == pytest.approx(exact, abs=1e-5 * top * float(step))
    assert len(torch.unique((held / step).round())) <= top - low + 1


@pytest.mark.parametrize("granularity", ["tensor", "channel", "group"])
@pytest.mark.parametrize("bits", [3, 8])
def test_torchs_own_operator_in_evaluation_gives_what_training_computes(granularity: str, bits: int) -> None:
    w = values(8 * 5 * 3 * 3).reshape(8, 5, 3, 3)
    rows, codes = Rows(granularity, 7), Codes(bits=bits)
    q = Quantiser(codes, steps(rows.of(w), codes, "mse"), rows)
    trains, evaluates = q.train()(w), q.eval()(w)
    off = (trains - evaluates).abs()
    step = float(q.step.detach().max())
    assert off.max() <= step * 1.01 and (off > 1e-5 * step).float().mean() < 1e-3, "a tie may round either way"
    assert torch.equal(q.integers(w).float().abs() <= codes.high, torch.ones_like(w, dtype=torch.bool))


@pytest.mark.parametrize("signed", [True, False])
def test_log_codes_are_the_number_formats(signed: bool) -> None:
    x = values()
    codes = Codes(bits=4, signed=True, kind="log")
    held = codes(x, codes.step_of(x.abs().max()))
    assert np.allclose(held.numpy(), number_format("log2_4").quantise(x.numpy().astype(np.float64)), atol=1e-6)
    unsigned = Codes(bits=4, signed=False, kind="log")
    held = unsigned(x.abs(), unsigned.step_of(x.abs().max()))
    assert len(torch.unique(held)) <= 16 and torch.all(torch.frexp(held[held > 0])[0] == 0.5)


def test_a_finer_granularity_and_a_better_search_never_err_more() -> None:
    w = values(16 * 64).reshape(16, 64) * torch.logspace(-2, 0, 16)[:, None]
    w[3, 5] = 4.0

    def error(granularity: str, how: str) -> float:
        return float((rounded(w, 4, granularity, 16, how) - w).square().sum())

    assert error("group", "mse") < error("channel", "mse") < error("tensor", "mse")
    for granularity in ("tensor", "channel", "group"):
        assert error(granularity, "mse") <= error(granularity, "max")
        assert error(granularity, "mse") <= error(granularity, "percentile") * 1.05, "46 steps are tried, not all"


def test_max_cuts_nothing_off_and_percentile_does() -> None:
    x, codes = values().reshape(1, -1), Codes(bits=8)
    assert float(steps(x, codes, "max")) * codes.high == pytest.approx(float(x.abs().max()))
    assert (x.abs() > steps(x, codes, "percentile") * codes.high).float().mean() == pytest.approx(0.001, rel=0.3)


def test_the_gradient_passes_straight_and_what_is_cut_off_moves_the_step() -> None:
    codes = Codes(bits=3)
    x = torch.tensor([0.2, 0.9, 5.0, -5.0], requires_grad=True)
    step = torch.tensor(0.5, requires_grad=True)
    codes(x, step).sum().backward()
    assert x.grad.tolist() == [1, 1, 0, 0]
    inside = sum(round(v / 0.5) - v / 0.5 for v in (0.2, 0.9))  # LSQ, equation 3
    assert float(step.grad) == pytest.approx(inside + 3 - 3, abs=1e-6)


@pytest.mark.parametrize("shape", [(), (6, 1)])
def test_the_fast_twin_has_the_values_and_gradients_of_the_definition(shape: tuple[int, ...]) -> None:
    x, upstream = values(6 * 50).reshape(6, 50).double(), values(6 * 50, 1).reshape(6, 50).double()
    found = []
    for how in (lambda x, s: Codes(bits=3)(x, s), lambda x, s: quantiser._Linear.apply(x, s, -3, 3)):
        given, step = x.clone().requires_grad_(), torch.full(shape, 0.4, dtype=torch.float64, requires_grad=True)
        held = how(given, step)
        (held * upstream).sum().backward()
        found.append((held.detach(), given.grad, step.grad))
    for a, b in zip(*found, strict=True):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-12)


def test_folding_is_exact() -> None:
    net = copy.deepcopy(resnet()).double()
    folded = fold_batchnorm(net)
    x = torch.from_numpy(digits().test_images[:32]).double()
    with torch.no_grad():
        assert torch.allclose(net(x), folded(x), rtol=1e-12, atol=1e-12)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    assert any(isinstance(m, nn.BatchNorm2d) for m in net.modules()), "the original is left alone"


def test_a_norm_that_others_share_the_layer_of_stays() -> None:
    class Forked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)

        def forward(self, x: Any) -> Any:
            y = self.conv(x)
            return self.norm(y) + y

    net = Forked().eval()
    net.norm.running_var.fill_(3.0)
    folded, x = fold_batchnorm(net), torch.randn(2, 1, 5, 5)
    assert isinstance(folded.norm, nn.BatchNorm2d) and torch.equal(folded(x), net(x))


def test_folding_keeps_a_masks_zeros() -> None:
    class Mask(nn.Module):
        def forward(self, w: Any) -> Any:
            return w * (torch.arange(w.numel()).reshape(w.shape) % 2)

    net = copy.deepcopy(resnet())
    parametrize.register_parametrization(net.blocks[0].conv1, "weight", Mask())
    folded = fold_batchnorm(net)
    with torch.no_grad():
        assert torch.allclose(net(calibration()), folded(calibration()), atol=1e-4)
    assert (folded.blocks[0].conv1.weight == 0).float().mean() >= 0.5
    q = quantised(net, Bits(weights=4, inputs=4), calibration())
    assert (q.blocks[0].conv1.weight == 0).float().mean() >= 0.5


def test_layers_hold_no_more_values_than_their_bits_allow_and_the_rest_stays() -> None:
    bits = {"conv": Bits(weights=3, inputs=8), "blocks.1.conv2": Bits(weights=2), "fc": Bits(inputs=4, outputs=6)}
    net = fold_batchnorm(resnet())
    q = quantised(net, bits, calibration())
    for channel in q.conv.weight:
        assert len(torch.unique(channel)) <= 7
    assert all(len(torch.unique(c)) <= 3 for c in q.blocks[1].conv2.weight)
    assert torch.equal(q.fc.weight, net.fc.weight) and torch.equal(q.blocks[0].conv1.weight, net.blocks[0].conv1.weight)
    seen: dict[str, Any] = {}
    q.fc.register_forward_pre_hook(lambda m, x: seen.update(x=x[0]))
    out = q(calibration())
    assert len(torch.unique(seen["x"])) <= 16 and len(torch.unique(out)) <= 63
    assert {n: (w and w.codes.bits, i and i.codes.bits) for n, w, i in quantisers(q)} == {
        "conv": (3, 8), "blocks.1.conv2": (2, None), "fc": (None, 4)}  # fmt: skip
    assert not next(i for n, _, i in quantisers(q) if n == "fc").codes.signed, "after ReLU and a mean nothing is negative"


def test_sixteen_bits_change_nothing_and_fewer_bits_change_more() -> None:
    """On the calibrating images nothing lies outside the ranges; on others a value may be clipped whatever the width."""
    net = fold_batchnorm(resnet())
    with torch.no_grad():
        for x, least in ((calibration(), 1e-3), (held_out(digits())[0], 1e-2)):
            exact = net(x)
            errors = [
                float((quantised(net, Bits(weights=b, inputs=b), calibration())(x) - exact).norm()) for b in (16, 8, 6, 4, 3)
            ]
            assert errors[0] < least * float(exact.norm()) and errors == sorted(errors)


def test_eight_bits_keep_the_accuracy_and_training_wins_back_what_two_lose() -> None:
    net, (x, y) = trained("small", digits())[0], held_out(digits())
    fp32 = percent_right(net, x, y)
    assert abs(percent_right(quantised(net, Bits(weights=8, inputs=8), calibration()), x, y) - fp32) <= 0.6
    q = quantised(net, Bits(weights=2, inputs=2), calibration())
    before = percent_right(q, x, y)
    train(q, digits(), epochs=2, rate=1e-3, batch=64)
    assert before < fp32 - 5 and percent_right(q, x, y) > before + 0.3 * (fp32 - before)
    assert all(len(torch.unique(c)) <= 3 for c in q.conv1.weight), "still two bits"
    assert any(bool(w.shift.detach().any()) for _, w, _ in quantisers(q)), "steps have learned"


def test_a_plain_copy_computes_with_the_rounded_weights_and_leaves_other_copies_alone() -> None:
    q = quantised(resnet(), Bits(weights=4), calibration())
    other, settled = copy.deepcopy(q), plain(q)
    with torch.no_grad():
        assert torch.equal(settled(calibration()), q(calibration())) and torch.equal(other(calibration()), q(calibration()))
    assert not any(parametrize.is_parametrized(m) for m in settled.modules())


def test_the_mean_counts_every_weight_once() -> None:
    net = NETS["small"](1, 8, 10)
    sizes = {n: p.numel() for n, p in net.named_parameters() if n.endswith("weight")}
    bits = {n: Bits(weights=w) for n, w in zip(("conv1", "conv2", "fc1", "fc2"), (8, 2, 3, 4), strict=True)}
    exact = sum(sizes[f"{n}.weight"] * b.weights for n, b in bits.items()) / sum(sizes.values())
    assert mean_weight_bits(net, bits) == pytest.approx(exact)


@pytest.mark.parametrize("name", ["small-resnet", "tiny-transformer"])
@pytest.mark.parametrize("granularity", ["tensor", "channel", "group"])
@pytest.mark.parametrize("bits", [8, 5, 4])
def test_onnxruntime_computes_the_same_from_the_exported_integers(name: str, granularity: str, bits: int, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from picojoule.compress.quantise import qdq

    torch.manual_seed(0)
    net = resnet() if name == "small-resnet" else NETS[name](1, 8, 10).eval()
    x = held_out(digits())[0][:64] * 0.93 + 0.005 * torch.rand(64, 1, 8, 8)  # pixels of 16 values lie on the edges of codes
    q = quantised(net, Bits(weights=bits, inputs=bits), calibration(), granularity=granularity)
    got = qdq.run(qdq.to_onnx(q, x, tmp_path / "q.onnx"), x)
    with torch.no_grad():
        exact = q(x)
    near = (got - exact).abs().amax(1) < 1e-4 * exact.abs().max()
    assert near.float().mean() > 0.7, "an activation on the edge of two codes may go either way; all others are equal"
    assert (got.argmax(1) == exact.argmax(1)).float().mean() > (0.98 if name == "small-resnet" else 0.8)


def test_a_file_without_quantisers_is_the_float_network(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from picojoule.compress.quantise import qdq

    x = held_out(digits())[0][:16]
    with torch.no_grad():
        assert torch.allclose(qdq.run(qdq.to_onnx(resnet(), x, tmp_path / "f.onnx"), x), resnet()(x), atol=1e-4)


def test_wrong_input_is_named() -> None:
    net = network("small", digits())
    with pytest.raises(SpecError, match="unknown layer 'conv9'"):
        quantised(net, {"conv9": Bits(weights=4)}, calibration())
    with pytest.raises(SpecError, match="codes of 1 bits"):
        quantised(net, Bits(weights=1), calibration())
    with pytest.raises(SpecError, match="unknown calibration 'entropy'"):
        quantised(net, Bits(weights=4), calibration(), calibration="entropy")
    with pytest.raises(SpecError, match="unknown granularity 'row'"):
        quantised(net, Bits(weights=4), calibration(), granularity="row")
    with pytest.raises(SpecError, match="no images"):
        quantised(net, Bits(inputs=4))
    with pytest.raises(SpecError, match="no convolution"):
        quantised(nn.ReLU(), Bits(weights=4), calibration())
    with torch.no_grad():
        net.conv1.weight[0, 0, 0, 0] = float("inf")
    with pytest.raises(SpecError, match="not finite"):
        quantised(net, Bits(weights=4), calibration())


def test_the_command_compares_with_equally_trained_floats_and_keeps_what_it_measured() -> None:
    from tests.commands.run import pj

    arguments = ("quantise", "small", "--data", "digits", "--bits", "8,3", "--epochs", 1, "--json")
    code, out, err = pj(*arguments)
    assert code == 0, err
    eight, three = json.loads(out)["lines"]
    assert eight["trained"] is None and eight["lost"] == pytest.approx(eight["fp32"] - eight["rounded"])
    assert three["lost"] == pytest.approx(three["trained_on_fp32"] - three["trained"]) and three["epochs"] == 1
    if eight["onnxruntime"] is not None:
        assert abs(eight["onnxruntime"] - eight["rounded"]) <= 0.3 and abs(three["onnxruntime"] - three["rounded"]) <= 0.3
    assert pj(*arguments)[1] == out and "W3A3" in pj(*arguments[:-1])[1]
    for wrong, said in ((("--bits", "1"), "codes of 1 bits"), (("--calibration", "best"), "unknown calibration"),
                        (("--epochs", "-1"), "0 or more epochs")):  # fmt: skip
        code, out, err = pj("quantise", "small", *wrong)
        assert code == 2 and out == "" and said in err

"""Networks on arrays: zero noise equals the digital integers, noise costs accuracy, and training that knows it wins some back."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picojoule.errors import SpecError
from picojoule.learning.labelled import labelled
from picojoule.neardata.noise import Noise
from picojoule.neardata.product import load, multiply
from tests.commands.run import pj
from tests.neardata.arrays import array, every_kind

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from picojoule.learning.accuracy import interval, percent_right  # noqa: E402
from picojoule.learning.nets import network  # noqa: E402
from picojoule.learning.train import train  # noqa: E402
from picojoule.neardata import accuracy as measured  # noqa: E402
from picojoule.neardata import analog_first  # noqa: E402
from picojoule.neardata.torch_layers import multiply as torch_multiply  # noqa: E402
from picojoule.neardata.torch_layers import to_array  # noqa: E402
from picojoule.neardata.training import fine_tune  # noqa: E402


@cache
def trained() -> tuple[Any, Any]:
    """(digits, the small network trained on them)."""
    data = labelled("digits")
    return data, train(network("small", data), data, epochs=12)


def wide(**more: Any) -> Any:
    return array(**{"rows": 128, "columns": 128, "rows_summed": None, **more})


def test_the_torch_form_equals_the_plain_one() -> None:
    rng, n = np.random.default_rng(0), 0
    for i, kind in enumerate(every_kind()):
        if i % 7:
            continue
        for bits in (None, 4):
            a = array(bits, **kind)
            w = rng.integers(-100, 101, (40, 6))
            x = rng.integers(-100 if a.signed_magnitude else 0, 101, (9, 40))
            loaded = load(w, a, noise=Noise(program_sigma=0.03, wire_ratio=1e-4))
            got = torch_multiply(torch.from_numpy(x).double(), loaded).numpy()
            plain = multiply(x, loaded)
            off = np.abs(got - plain) > 1e-3 * np.abs(plain).max()  # a sum on the edge of two codes may go either way in fp32
            assert off.mean() < 0.02, kind
            n += 1
    assert n > 80


@pytest.mark.parametrize("weights", ["offset", "twos_complement", "differential", "xnor"])
def test_zero_noise_gives_the_digital_accuracy_and_the_same_outputs(weights: str) -> None:
    data, net = trained()
    images = torch.from_numpy(data.test_images[:16])
    settings = {"weight_bits": 8, "input_bits": 8}
    a = wide(weights=weights, cell_bits=1)
    digital = to_array(net, a, images, **settings, digital=True)
    analog = to_array(net, a, images, **settings)
    with torch.inference_mode():
        assert torch.equal(digital(images), analog(images))
    # the long way, slice by slice, not through the proof that every conversion is exact
    from picojoule.neardata import torch_layers

    real = torch_layers.is_exact
    torch_layers.is_exact = lambda loaded: False
    try:
        with torch.inference_mode():
            assert torch.equal(digital(images), analog(images))
    finally:
        torch_layers.is_exact = real


def test_integers_of_eight_bits_keep_the_accuracy() -> None:
    data, net = trained()
    images, labels = torch.from_numpy(data.test_images), torch.from_numpy(data.test_labels)
    fp32 = percent_right(net, images, labels)
    found = measured.accuracy(net, data, wide(), weight_bits=8, input_bits=8)
    assert fp32 > 93 and abs(found.mean - fp32) < 1.0 and found.interval is None


def test_accuracy_falls_with_noise_and_with_missing_adc_bits() -> None:
    data, net = trained()
    settings = {"weight_bits": 8, "input_bits": 8, "draws": 2, "limit": 120}
    noisy = [measured.accuracy(net, data, wide(), noise=Noise(program_sigma=s), **settings).mean for s in (0.01, 0.1, 0.4)]
    assert noisy[0] > noisy[2] and noisy[1] > noisy[2]
    full = wide().adc.bits
    coarse = [p.accuracy.mean for p in measured.curve(net, data, wide(), adc_bits=(full - 5, full - 3, full), **settings)]
    assert coarse[0] < coarse[1] < coarse[2]


def test_the_same_seed_gives_the_same_curve() -> None:
    data, net = trained()
    settings = {"weight_bits": 8, "input_bits": 8, "draws": 2, "noise": Noise(program_sigma=0.1), "limit": 60}
    assert measured.accuracy(net, data, wide(), **settings) == measured.accuracy(net, data, wide(), **settings)
    assert measured.accuracy(net, data, wide(), **settings) != measured.accuracy(net, data, wide(), **settings, seed=9)


@pytest.mark.slow
def test_noise_aware_training_wins_back_at_least_half_of_the_loss() -> None:
    """The stated setting: 2 b cells, offset weights, 8 b, errors of programming of 0.2 of the window, 8 chips, 25 epochs."""
    data, net = trained()
    noise, settings = Noise(program_sigma=0.2), {"weight_bits": 8, "input_bits": 8, "draws": 8}
    clean = measured.accuracy(net, data, wide(), **settings).mean
    before = measured.accuracy(net, data, wide(), noise=noise, **settings).mean
    tuned = fine_tune(net, data, wide(), noise, epochs=25, weight_bits=8)
    after = measured.accuracy(tuned, data, wide(), noise=noise, **settings).mean
    assert clean - before > 10
    assert after - before > 0.5 * (clean - before)


def test_intervals_are_students() -> None:
    assert interval([1.0]) is None
    assert interval([1.0, 3.0]) == pytest.approx(12.706, rel=1e-3)  # t = 12.706 at one degree of freedom, s/sqrt(2) = 1
    wide_, narrow = interval([90, 92, 94]), interval([90, 92, 94] * 10)
    assert wide_ is not None and narrow is not None and wide_ > 4 * narrow


def test_the_front_has_no_point_that_another_beats() -> None:
    def point(right: float, pj_: float | None) -> measured.Point:
        found = measured.Accuracy(mean=right, interval=None, draws=(right,), n=1)
        return measured.Point(adc_bits=8, noise=Noise(), accuracy=found, energy_pj=pj_)

    points = [point(90, 5), point(91, 5), point(95, 9), point(94, 10), point(99, None)]
    assert measured.front(points) == [points[1], points[2]]


def test_an_analog_first_layer_costs_accuracy_as_its_noise_grows() -> None:
    data, net = trained()
    calibration = torch.from_numpy(data.train_images[:128])
    images, labels = torch.from_numpy(data.test_images), torch.from_numpy(data.test_labels)
    nets = [analog_first.with_analog_first(net, calibration, sigma=s) for s in (0.0, 0.05, 0.5)]
    right = [percent_right(n, images, labels) for n in nets]
    assert right[0] > 85 and right[0] >= right[1] > right[2]
    fine = analog_first.with_analog_first(net, calibration, weight_bits=12, output_bits=14)
    with torch.inference_mode():
        assert torch.allclose(fine(images), net(images), atol=0.05)


def test_gradients_are_mostly_nothing_on_flat_images() -> None:
    flat = torch.full((1, 1, 8, 8), 0.5)
    flat[..., 4:] = 0.9
    g = analog_first.log_gradients(flat)
    assert g.shape == (1, 2, 8, 8) and analog_first.share_sent(g) == 1 / 8
    with pytest.raises(SpecError):
        analog_first.log_gradients(flat, bits=1)


def test_networks_without_products_and_weights_that_are_not_finite_are_refused() -> None:
    x = torch.rand(2, 4)
    with pytest.raises(SpecError, match="no convolution"):
        to_array(torch.nn.Sequential(torch.nn.ReLU()), wide(), x)
    broken = torch.nn.Sequential(torch.nn.Linear(4, 4))
    with torch.no_grad():
        broken[0].weight[0, 0] = float("nan")
    with pytest.raises(SpecError, match="not finite"):
        to_array(broken, wide(), x)


def test_the_command_tells_accuracy_by_setting() -> None:
    code, out, err = pj("accuracy", "--on", "isaac", "--epochs", 2, "--adc-bits", "5,9", "--draws", 1, "--limit", 60, "--json")
    assert code == 0, err
    data = json.loads(out)
    assert [p["adc_bits"] for p in data["points"]] == [5, 9] and data["lossless_adc_bits"] == 9
    assert data["points"][1]["accuracy_percent"] == data["integers"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--on", "eyeriss"), "no compute-in-memory array"),
        (("--on", "isaac", "--adc-bits", "0"), "no positive integer"),
        (("--on", "isaac", "--sigma", "a"), "no list of numbers"),
        (("--on", "isaac", "--sigma", "-1"), "program_sigma"),
        (("--on", "isaac", "--net", "lenet7"), "did you mean 'lenet5'"),
        (("--on", "isaac", "--data", "mnist"), "unknown data set 'mnist'"),
        (("--on", "isaac", "--data", "fashion-mnist", "--data-dir", "nowhere"), "dataset-fashion-mnist"),
    ],
)
def test_bad_input_is_one_clear_error(arguments: tuple[str, ...], message: str) -> None:
    code, out, err = pj("accuracy", *arguments)
    assert (code, out) == (2, "") and message in err


def test_data_of_a_file_is_checked(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    good = {"train_images": rng.random((6, 1, 8, 8)), "train_labels": np.arange(6), "test_images": rng.random((2, 1, 8, 8))}
    np.savez(tmp_path / "a.npz", **good)
    with pytest.raises(SpecError, match="test_labels is missing"):
        labelled(str(tmp_path / "a.npz"))
    np.savez(tmp_path / "b.npz", **good, test_labels=np.arange(3))
    with pytest.raises(SpecError, match="2 test images and labels"):
        labelled(str(tmp_path / "b.npz"))
    np.savez(tmp_path / "c.npz", **good, test_labels=np.arange(2))
    assert labelled(str(tmp_path / "c.npz")).classes == 6

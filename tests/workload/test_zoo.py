"""The zoo against exact counts from its sources."""

from __future__ import annotations

import pytest

from picojoule.errors import SpecError
from picojoule.workload.load import load_model
from picojoule.workload.network import Network
from picojoule.workload.zoo import zoo

COUNTS = {  # multiplied weights, MACs of one inference
    "lenet5": (2_550 + 58_920, 357_600 + 58_920),  # C3 dense
    "lenet-caffe": (430_500, 2_293_000),
    "digits": (22_800, 460_416),
    "alexnet": (60_954_656, 724_406_816),
    "overfeat-fast": (145_909_792, 2_801_403_904),
    "vgg16": (138_344_128, 15_470_264_320),
    "googlenet": (6_990_272, 1_582_671_872),
    "resnet50-v1": (25_502_912, 3_857_973_248),
    "resnet50-v1.5": (25_502_912, 4_087_136_256 + 2_048_000),
    "resnet50": (25_502_912, 4_087_136_256 + 2_048_000),
    "resnet18": (11_678_912, 1_814_073_344),
    # published parameters less biases and two per normalised channel
    "mobilenetv2": (3_504_872 - 2 * 17_056 - 1_000, 300_774_272),
    "squeezenet1.0": (1_248_424 - 3_976, 832_667_936),
    "efficientnet-b0": (5_288_548 - 2 * 21_008 - 9_340 - 1_000, 385_814_752),
    # 12 blocks of 4 x 768^2 + 2 x 768 x 3072 weights, and attention's two products
    "vit-b16": (768**2 + 12 * 7_077_888 + 768_000, 196 * 768**2 + 197 * 12 * 7_077_888 + 24 * 197**2 * 768 + 768_000),
    "bert-base": (12 * 7_077_888 + 768**2, 128 * 12 * 7_077_888 + 24 * 128**2 * 768 + 768**2),
    "gpt2": (12 * 7_077_888 + 768 * 50_257, 1024 * (12 * 7_077_888 + 768 * 50_257) + 24 * 1024**2 * 768),
    "llama3-8b": (
        32 * (2 * 4096**2 + 2 * 4096 * 1024 + 3 * 4096 * 14_336) + 4096 * 128_256,
        1024 * 7_504_658_432 + 64 * 1024**2 * 4096,
    ),
}


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_weights_and_macs_are_exact(name: str) -> None:
    network = zoo.model(name)
    assert (network.weights, network.macs) == COUNTS[name]


def test_every_model_has_a_line_and_a_count_here() -> None:
    assert set(zoo.models()) == set(COUNTS)
    assert all(about and "\n" not in about for about in zoo.models().values())


@pytest.mark.parametrize(
    ("name", "conv", "fc"),
    [("alexnet", 665_784_864, 58_621_952), ("vgg16", 15_346_630_656, 123_633_664), ("overfeat-fast", 2_671_478_784, 129_925_120)],
)
def test_conv_and_fc_are_told_apart(name: str, conv: int, fc: int) -> None:
    by_op: dict[str, int] = {}
    for step in zoo.model(name).layers:
        by_op[step.layer.op] = by_op.get(step.layer.op, 0) + step.layer.macs
    assert by_op == {"Conv": conv, "Gemm": fc}


def test_alexnet_has_the_macs_of_the_eyeriss_paper_layer_by_layer() -> None:
    macs = {s.layer.name: s.layer.macs for s in zoo.model("alexnet").layers}
    assert [macs[f"conv{i}"] for i in range(1, 6)] == [105_415_200, 223_948_800, 149_520_384, 112_140_288, 74_760_192]


@pytest.mark.parametrize("name", sorted(set(COUNTS) - {"llama3-8b", "gpt2"}))
def test_a_batch_multiplies_macs_and_keeps_weights(name: str) -> None:
    one, two = zoo.model(name), load_model(name, batch=2)
    assert (two.weights, two.macs) == (one.weights, 2 * one.macs)


def test_every_step_reads_what_an_earlier_one_made() -> None:
    for name in zoo.models():
        assert_ordered(zoo.model(name))


def assert_ordered(network: Network) -> None:
    sizes = {t.name for t in network.activations}
    later = [set(s.outputs) for s in network.steps]
    made_by_any = set().union(*later)
    seen: set[str] = set()
    for step in network.steps:
        for name in step.inputs:
            assert name in sizes
            assert name in seen or name not in made_by_any, f"{step.layer.name} reads {name} too early"
        seen |= set(step.outputs)
    names = [s.layer.name for s in network.steps]
    assert len(names) == len(set(names))


def test_decode_of_one_token_uses_every_weight_once_and_the_whole_cache() -> None:
    network = load_model("llama3-8b", phase="decode", context=8191)
    assert network.macs == 7_504_658_432 + 32 * 2 * 8192 * 4096
    cached = sum(t.elements for t in network.activations if t.name.endswith("_cache"))
    assert cached == 32 * 2 * 8191 * 8 * 128
    assert load_model("llama3-8b", dims={"context": 8191}) == network


def test_googlenet_says_why_it_differs_from_the_survey() -> None:
    assert any("1.43 G" in note for note in zoo.model("googlenet").notes)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"seq": 2000}, "gpt2: 2000 tokens, but the model has 1024 positions\nhint: give a smaller seq"),
        ({"phase": "train"}, "gpt2: unknown phase 'train'\nhint: known: decode, prefill"),
    ],
)
def test_options_that_a_transformer_cannot_have_are_refused(options: dict, text: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_model("gpt2", **options)
    assert str(caught.value) == text


def test_an_option_that_a_network_does_not_have_is_named() -> None:
    with pytest.raises(SpecError) as caught:
        load_model("alexnet", dims={"seq": 3})
    assert str(caught.value) == "alexnet: unknown dimension 'seq'\nhint: known: batch"

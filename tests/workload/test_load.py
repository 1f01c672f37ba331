"""What a user may type for MODEL, and what wrong input is told."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from picojoule.errors import PicojouleError, SpecError
from picojoule.workload.layer import conv, gemm
from picojoule.workload.load import load_model


def text_of(*args: object, **options: object) -> str:
    with pytest.raises(SpecError) as caught:
        load_model(*args, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_an_inline_gemm_is_the_layer_of_the_constructor() -> None:
    step = load_model("gemm:M=1024,N=512,K=256,bits=8").steps[0]
    assert step.layer == gemm(M=1024, N=512, K=256, bits=8)


def test_an_inline_convolution_may_have_pairs_groups_and_padding() -> None:
    step = load_model("conv:K=64,C=32,P=14,Q=7,R=3,S=3,stride=1x2,pad=1,groups=4,batch=2,dilation=1").steps[0]
    assert step.layer == conv(K=64, C=32, P=14, Q=7, R=3, S=3, stride=(1, 2), pad=1, groups=4, batch=2)


def test_an_inline_convolution_without_pad_reads_its_whole_input() -> None:
    network = load_model("conv:K=128,C=128,P=28,Q=28,R=3,S=3,stride=1,batch=1")
    assert network.macs == 28 * 28 * 9 * 128 * 128
    found = [(t.name, t.elements, t.bits) for t in network.activations]
    assert found == [("input", 30 * 30 * 128, 16), ("output", 28 * 28 * 128, 16)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gemm:M=2,N=3", "gemm:M=2,N=3: gemm lacks K\nhint: write it like gemm:M=1024,N=1024,K=1024,bits=8"),
        ("gemm:M=2,N=3,K=x", "gemm:M=2,N=3,K=x: K=x is no size\nhint: give a whole number, 1 or more"),
        ("gemm:M=0,N=3,K=1", "gemm:M=0,N=3,K=1: M=0 is no size\nhint: give a whole number, 1 or more"),
        ("gemm:M=2,M=3,K=1,N=1", "gemm:M=2,M=3,K=1,N=1: key 'M' is given twice\nhint: give it once"),
        ("gemm:M=2,N=3,K", "gemm:M=2,N=3,K: key 'K' has no value\nhint: write it like gemm:M=1024,N=1024,K=1024,bits=8"),
        (
            "gemm:M=2,N=3,K=4,bit=8",
            "gemm:M=2,N=3,K=4,bit=8: unknown key 'bit'\nhint: did you mean 'bits'? known: K, M, N, batch, bits, density",
        ),
        ("gem:M=2,N=3,K=4", "gem:M=2,N=3,K=4: unknown inline layer 'gem'\nhint: did you mean 'gemm'? known: conv, einsum, gemm"),
        (
            "conv:K=3,C=4,P=5,Q=5,R=1,S=1,groups=2",
            "conv:K=3,C=4,P=5,Q=5,R=1,S=1,groups=2: layer 'conv': groups=2 divides neither K=3 and C=4 evenly\n"
            "hint: use a common divisor",
        ),
    ],
)
def test_a_wrong_inline_layer_is_told_what_is_wrong(text: str, expected: str) -> None:
    assert text_of(text) == expected


def test_an_unknown_model_gets_the_nearest_name_and_the_forms() -> None:
    text = text_of("resnet5")
    assert text.startswith("unknown model 'resnet5'\nhint: did you mean 'resnet50'? known: alexnet, ")
    assert text.endswith("or gemm:... and conv:...")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "net.tflite"
    other.write_bytes(b"xx")
    assert text_of(str(other)).startswith(f"{other}: this is no kind of model that can be read\nhint: MODEL is a zoo name")


def test_bits_by_role_reach_weights_and_activations() -> None:
    network = load_model("alexnet", bits={"weight": 4, "input": 8})
    layer = network.layers[0].layer
    assert [layer.tensor(t).bits for t in "IWO"] == [8, 4, 16]
    assert {t.bits for t in network.activations} == {8}


def test_the_second_operand_of_attention_has_the_bits_of_activations_not_of_weights() -> None:
    network = load_model("bert-base", bits={"weight": 4, "input": 8, "output": 8})
    bits = {(s.layer.op, s.layer.tensor("B").bits) for s in network.layers}
    assert bits == {("Gemm", 4), ("Attention", 8)}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"bits": 0}, "alexnet: 0 is no number of bits\nhint: give a whole number, 1 or more"),
        ({"bits": {"wheight": 3}}, "alexnet: unknown tensor role 'wheight'\nhint: did you mean 'weight'? known: input, output"),
        ({"batch": 0}, "alexnet: batch=0 is no size\nhint: give a whole number, 1 or more"),
        ({"sequence": 3}, "alexnet: unknown option 'sequence'"),
    ],
)
def test_wrong_options_are_refused(options: dict, expected: str) -> None:
    assert text_of("alexnet", **options).startswith(expected)


def test_an_inline_layer_takes_no_batch_beside_it() -> None:
    assert text_of("gemm:M=2,N=2,K=2", batch=4).startswith("gemm:M=2,N=2,K=2: an inline layer takes no batch")


def test_errors_are_of_one_kind() -> None:
    with pytest.raises(PicojouleError):
        load_model("")


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed")
def test_without_torch_the_extra_is_named() -> None:
    assert text_of("json:loads").startswith("json:loads: torch is not installed\nhint: pip install 'picojoule[torch]'")

"""Config files of Hugging Face: counts by closed form, and what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from picojoule.errors import SpecError
from picojoule.workload.huggingface.read import FAMILIES, from_config
from picojoule.workload.load import load_model
from picojoule.workload.network import Network
from tests.workload.graph_laws import check

LLAMA = {
    "model_type": "llama",
    "hidden_size": 2048,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "intermediate_size": 8192,
    "vocab_size": 128_256,
    "hidden_act": "silu",
}
SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96, "vocab_size": 1000}
GPT2 = {"n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 1000, "n_positions": 256}
ATTENTION = 2 * 2 * 10 * 10 * 64  # two products in two layers, 10 tokens
SQUARE = 64 * 64


def read(model_type: str, values: dict, **run: object) -> Network:
    found = from_config(values | {"model_type": model_type}, "config.json", **run)
    check(found)
    return found


def test_llama_of_one_billion_has_its_published_size(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA))
    network = load_model(str(path), seq=128)
    assert network.weights == 16 * (2048 * (2048 + 2 * 512 + 2048) + 3 * 2048 * 8192) + 2048 * 128_256  # 1235.7 M
    assert network.macs == 128 * network.weights + 16 * 2 * 128 * 128 * 2048  # 159.25 G
    assert load_model(str(tmp_path), dims={"seq": 128}) == network


def test_decode_reads_the_cache_and_every_weight() -> None:
    network = from_config(LLAMA, "config.json", phase="decode", context=4095, batch=3)
    assert network.macs == 3 * (network.weights + 16 * 2 * 4096 * 2048)
    cache = sum(t.elements for t in network.activations if t.name.endswith("_cache"))
    assert cache == 3 * 16 * 2 * 4095 * 8 * 64
    assert [s.layer.bounds for s in network.layers if s.layer.name == "layer0.attention.qk"] == [
        {"H": 24, "M": 4, "N": 4096, "K": 64}
    ]


def test_a_sliding_window_bounds_the_cache() -> None:
    network = from_config(LLAMA | {"model_type": "mistral", "sliding_window": 512}, "c", phase="decode", context=4095)
    assert network.macs == network.weights + 16 * 2 * 512 * 2048


MLP, GATED, HEAD = 2 * 64 * 96, 3 * 64 * 96, 64 * 1000
EXPECTED = {
    **dict.fromkeys(
        ("llama", "mistral", "granite", "smollm3", "olmo", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "phi3"),
        2 * (4 * SQUARE + GATED) + HEAD,
    ),
    "stablelm": 2 * (4 * SQUARE + GATED) + HEAD,
    **dict.fromkeys(("starcoder2", "gpt_neox", "phi"), 2 * (4 * SQUARE + MLP) + HEAD),
    **dict.fromkeys(("gpt2", "gpt_neo", "gptj"), 2 * 12 * SQUARE + HEAD),
    "gpt_bigcode": 2 * (2 * SQUARE + 2 * 64 * 16 + 8 * SQUARE) + HEAD,
    "opt": 2 * (4 * SQUARE + MLP) + HEAD,
    "bloom": 2 * 12 * SQUARE + HEAD,
}
EXTRA = {
    "opt": {"ffn_dim": 96, "max_position_embeddings": 128},
    "bloom": {"n_head": 4, "n_layer": 2},
    **dict.fromkeys(("gpt2", "gpt_neo", "gptj", "gpt_bigcode"), GPT2),
}


@pytest.mark.parametrize("kind", sorted(EXPECTED))
def test_decoders_by_closed_form(kind: str) -> None:
    values = EXTRA[kind] if kind.startswith("gpt") and kind in EXTRA else SMALL | EXTRA.get(kind, {})
    network = read(kind, values, seq=10)
    assert network.weights == EXPECTED[kind]
    assert network.macs == 10 * EXPECTED[kind] + ATTENTION


@pytest.mark.parametrize(
    ("kind", "extra", "head", "rows"),
    [
        ("bert", {}, SQUARE, 1),
        ("roberta", {"architectures": ["RobertaForMaskedLM"]}, SQUARE + HEAD, 10),
        ("camembert", {"architectures": ["CamembertForSequenceClassification"], "num_labels": 3}, SQUARE + 64 * 3, 1),
        ("electra", {}, 0, 1),
        ("distilbert", {"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 96}, 0, 1),
    ],
)
def test_encoders_by_closed_form(kind: str, extra: dict, head: int, rows: int) -> None:
    values = (
        (SMALL | {"max_position_embeddings": 128} | extra)
        if kind != "distilbert"
        else {"vocab_size": 1000, "max_position_embeddings": 128, **extra}
    )
    network = read(kind, values, seq=10)
    body = 2 * (4 * SQUARE + MLP)
    assert (network.weights, network.macs) == (body + head, 10 * body + rows * head + ATTENTION)


def test_a_vision_transformer_by_closed_form() -> None:
    values = SMALL | {"image_size": 32, "patch_size": 8, "id2label": {"0": "a", "1": "b", "2": "c"}}
    network = read("vit", values)
    body = 2 * (4 * SQUARE + MLP)
    assert network.weights == 3 * 64 * 64 + body + 64 * 3
    assert network.macs == 16 * 3 * 64 * 64 + 17 * body + 2 * 2 * 17 * 17 * 64 + 64 * 3


def test_every_family_is_tested_here() -> None:
    encoders = {"bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert", "vit", "deit"}
    assert set(FAMILIES) - set(EXPECTED) == encoders


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"model_type": "lama"}, "c: unknown model_type 'lama'\nhint: did you mean 'llama'? known: "),
        ({}, "c: the config names no model_type\nhint: known: "),
        (
            {"model_type": "llama", "hidden_size": 64, "vocab_size": 10},
            "c: the config of this llama lacks num_attention_heads, num_hidden_layers, intermediate_size\nhint: a llama config",
        ),
        (LLAMA | {"hidden_size": "big"}, "c: hidden_size is 'big'\nhint: give a whole number, 1 or more"),
        (LLAMA | {"hidden_act": "sillu"}, "c: unknown activation 'sillu'\nhint: did you mean 'silu'? known: "),
        (LLAMA | {"num_local_experts": 8}, "c: llama is a mixture of experts (num_local_experts=8)\nhint: dense decoders"),
        (
            SMALL | {"model_type": "gpt_neox", "num_attention_heads": 5},
            "c: hidden size 64 does not divide by 5 heads\nhint: give head_dim",
        ),
    ],
)
def test_a_config_that_cannot_be_read_says_why(values: dict, expected: str) -> None:
    with pytest.raises(SpecError) as caught:
        from_config(values, "c")
    assert str(caught.value).startswith(expected)


def test_files_that_are_no_config(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for content, expected in (
        ("{", f"{path}:1:2: this is no JSON: Expecting property name enclosed in double quotes\nhint: the file is damaged"),
        ("[]", f"{path}: this is no JSON object\nhint: name the config.json of a model"),
    ):
        path.write_text(content)
        with pytest.raises(SpecError) as caught:
            load_model(str(path))
        assert str(caught.value).startswith(expected)
    with pytest.raises(SpecError, match="no such file"):
        load_model(str(tmp_path / "other.json"))


def test_an_encoder_has_no_cache() -> None:
    with pytest.raises(SpecError) as caught:
        read("bert", SMALL | {"max_position_embeddings": 128}, phase="decode")
    assert str(caught.value) == "config.json: an encoder has no cache, so no context and no decode\nhint: give seq alone"

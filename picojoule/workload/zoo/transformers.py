"""The transformers of the zoo, by the sizes that their papers and configurations give."""

from __future__ import annotations

from dataclasses import replace

from picojoule.workload.building.transformer import Patches, Transformer, build
from picojoule.workload.network import Network

VIT_B16 = Transformer(
    name="vit-b16",
    layers=12,
    hidden=768,
    heads=12,
    kv_heads=12,
    head_size=64,
    feedforward=3072,
    causal=False,
    patches=Patches(image=224, patch=16),
    head="classes",
    classes=1000,
    source="Dosovitskiy et al., ViT, ICLR 2021, table 1",
)
BERT_BASE = Transformer(
    name="bert-base",
    layers=12,
    hidden=768,
    heads=12,
    kv_heads=12,
    head_size=64,
    feedforward=3072,
    vocabulary=30522,
    causal=False,
    positions=512,
    segments=True,
    head="pooler",
    source="Devlin et al., BERT, NAACL 2019, section 3",
)
GPT2 = Transformer(
    name="gpt2",
    layers=12,
    hidden=768,
    heads=12,
    kv_heads=12,
    head_size=64,
    feedforward=3072,
    vocabulary=50257,
    fused=True,
    activation="GeluTanh",
    positions=1024,
    source="Radford et al., GPT-2, 2019, the smallest model",
)
LLAMA3_8B = Transformer(
    name="llama3-8b",
    layers=32,
    hidden=4096,
    heads=32,
    kv_heads=8,
    head_size=128,
    feedforward=14336,
    vocabulary=128256,
    gated=True,
    rotary=True,
    norm="RMSNormalization",
    activation="Silu",
    bias=(False, False, False),
    source="Grattafiori et al., The Llama 3 herd of models, arXiv 2407.21783, table 3",
)


def vit_b16(batch: int = 1, image: int = 224) -> Network:
    """ViT-B/16 at 224: 86,292,480 weights, 17,563,828,224 MACs, attention's products included."""
    return build(replace(VIT_B16, patches=Patches(image=image, patch=16)), batch=batch)


def bert_base(batch: int = 1, seq: int | None = None) -> Network:
    """BERT-base with pooler: 85,524,480 weights, 11,174,215,680 MACs at 128 tokens (the default)."""
    return build(BERT_BASE, batch=batch, seq=seq)


def gpt2(batch: int = 1, seq: int | None = None, context: int | None = None, phase: str | None = None) -> Network:
    """GPT-2 (124 M) with logits of every token: 123,532,032 weights; prefill of 1024 tokens, or decode."""
    return build(GPT2, batch=batch, seq=seq, context=context, phase=phase)


def llama3_8b(batch: int = 1, seq: int | None = None, context: int | None = None, phase: str | None = None) -> Network:
    """Llama 3 8B with logits of every token: 7,504,658,432 weights; prefill of 1024 tokens, or decode."""
    return build(LLAMA3_8B, batch=batch, seq=seq, context=context, phase=phase)

"""A Hugging Face `config.json` as a network: the sizes are enough, no weights and no `transformers` needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from picojoule.errors import SpecError, unknown_name
from picojoule.workload.building.transformer import Patches, Transformer, build
from picojoule.workload.network import Network

ACTIVATIONS = {
    "gelu": "Gelu",
    "gelu_new": "GeluTanh",
    "gelu_fast": "GeluTanh",
    "gelu_pytorch_tanh": "GeluTanh",
    "quick_gelu": "QuickGelu",
    "relu": "Relu",
    "silu": "Silu",
    "swish": "Silu",
    "tanh": "Tanh",
    "gelu_python": "Gelu",
}
EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")


class Config:
    """The values of a config file; `size` asks for one by any of its names and says what is missing."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self.values, self.where = values, where
        self.kind = str(values.get("model_type", ""))
        self.missing: list[str] = []

    def size(self, *names: str, default: int | None = None) -> int:
        """A whole number of at least 1 under the first of the names that is there."""
        for name in names:
            value = self.values.get(name)
            if value is not None:
                if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                    raise SpecError(f"{name} is {value!r}", where=self.where, hint="give a whole number, 1 or more")
                return value
        if default is None:
            self.missing.append(" or ".join(names))
            return 1
        return default

    def flag(self, name: str, default: bool) -> bool:
        return bool(self.values.get(name, default))

    def activation(self, *names: str, default: str) -> str:
        text = next((str(self.values[n]) for n in names if self.values.get(n)), default)
        if text not in ACTIVATIONS:
            raise unknown_name("activation", text, ACTIVATIONS, where=self.where)
        return ACTIVATIONS[text]

    @property
    def architecture(self) -> str:
        found = self.values.get("architectures") or [""]
        return str(found[0])

    @property
    def labels(self) -> int:
        """Number of classes: of the label table, or the two that are the default."""
        return len(self.values.get("id2label") or ()) or self.size("num_labels", default=2)


def read_hf(
    path: str | Path, *, batch: int = 1, seq: int | None = None, context: int | None = None, phase: str | None = None
) -> Network:
    """The network of a config file: prefill of `seq` tokens (default 1024, encoders 128, or the most positions the model
    has), or decode of one token after `context` cached ones. All elements have 16 b; see `transformer.build`.
    """
    return from_config(load_config(Path(path)), str(path), batch=batch, seq=seq, context=context, phase=phase)


def load_config(path: Path) -> dict[str, Any]:
    """The JSON object of a config file."""
    where = str(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SpecError("no such file", where=where, hint="check the path") from None
    except (UnicodeDecodeError, OSError):
        raise SpecError("cannot be read as text", where=where, hint="name the config.json of a model") from None
    except json.JSONDecodeError as error:
        hint = "the file is damaged, or no config.json"
        raise SpecError(f"this is no JSON: {error.msg}", where=f"{where}:{error.lineno}:{error.colno}", hint=hint) from None
    if not isinstance(values, dict):
        raise SpecError("this is no JSON object", where=where, hint="name the config.json of a model")
    return values


def from_config(values: Mapping[str, Any], where: str, **run: Any) -> Network:
    """The network of the values of a config file."""
    config = Config(values, where)
    if not config.kind:
        raise SpecError("the config names no model_type", where=where, hint=f"known: {', '.join(sorted(FAMILIES))}")
    experts = next((k for k in EXPERTS if isinstance(values.get(k), int) and values[k] > 1), None)
    if experts:
        raise SpecError(
            f"{config.kind} is a mixture of experts ({experts}={values[experts]})",
            where=where,
            hint="dense decoders and encoders are read; export the model to ONNX instead",
        )
    if config.kind not in FAMILIES:
        raise unknown_name("model_type", config.kind, FAMILIES, where=where)
    family = FAMILIES[config.kind](config)
    if config.missing:
        hint = f"a {config.kind} config has these keys; multi-modal models keep them in text_config, which is not read"
        raise SpecError(f"the config of this {config.kind} lacks {', '.join(config.missing)}", where=where, hint=hint)
    if family.hidden % family.heads and not values.get("head_dim"):
        problem = f"hidden size {family.hidden} does not divide by {family.heads} heads"
        raise SpecError(problem, where=where, hint="give head_dim")
    try:
        return build(family, **run)
    except SpecError as error:
        raise SpecError(error.problem, where=where, hint=error.hint) from None


def _llama(c: Config, **more: Any) -> Transformer:
    """Rotary decoders with gated feed-forward parts and grouped queries, the commonest form today."""
    hidden, heads = c.size("hidden_size"), c.size("num_attention_heads")
    each, attention = max(1, hidden // heads), c.flag("attention_bias", False)
    sizes: dict[str, Any] = {
        "name": c.kind,
        "layers": c.size("num_hidden_layers"),
        "hidden": hidden,
        "heads": heads,
        "kv_heads": c.size("num_key_value_heads", default=heads),
        "head_size": c.size("head_dim", default=each),
        "feedforward": c.size("intermediate_size"),
        "vocabulary": c.size("vocab_size"),
        "gated": True,
        "rotary": True,
        "norm": "RMSNormalization",
        "activation": c.activation("hidden_activation", "hidden_act", default="silu"),
        "bias": (attention, attention, c.flag("mlp_bias", False)),
        "window": _window(c),
        "head": _decoder_head(c),
        "source": f"config {c.where}",
    }
    return Transformer(**(sizes | more))


def _window(c: Config) -> int:
    """The sliding window, where all layers have it."""
    by_layer = c.values.get("layer_types") or c.kind in ("gemma2", "gemma3_text")
    used = not by_layer and c.flag("use_sliding_window", c.kind not in ("qwen2", "qwen3"))
    return c.size("sliding_window", default=0) if used and c.values.get("sliding_window") else 0


def _decoder_head(c: Config) -> str:
    """Logits, unless the architecture is the bare stack."""
    bare = c.architecture.endswith("Model") and not c.architecture.endswith(("LMHeadModel", "HeadsModel"))
    return "" if bare else "lm"


def _qwen2(c: Config) -> Transformer:
    return _llama(c, bias=(True, False, False))


def _qwen3(c: Config) -> Transformer:
    return _llama(c, qk_norm=True)


def _starcoder2(c: Config) -> Transformer:
    bias, act = c.flag("use_bias", True), c.activation("hidden_act", default="gelu_pytorch_tanh")
    return _llama(c, gated=False, norm="LayerNormalization", bias=(bias, bias, bias), activation=act)


def _stablelm(c: Config) -> Transformer:
    return _llama(c, norm="LayerNormalization", bias=(c.flag("use_qkv_bias", False), False, False))


def _gpt2(c: Config) -> Transformer:
    """GPT-2 and its relatives, whose sizes have the names n_embd, n_layer, n_head."""
    hidden, heads = c.size("n_embd", "hidden_size"), c.size("n_head", "num_heads", "num_attention_heads")
    rotary, local = c.kind == "gptj", c.kind == "gpt_neo"
    return Transformer(
        name=c.kind,
        layers=c.size("n_layer", "num_layers", "num_hidden_layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=1 if c.kind == "gpt_bigcode" and c.flag("multi_query", True) else heads,
        head_size=max(1, hidden // heads),
        feedforward=c.size("n_inner", "intermediate_size", default=4 * hidden),
        vocabulary=c.size("vocab_size"),
        fused=not rotary and not local,
        activation=c.activation("activation_function", default="gelu_new"),
        bias=(not rotary and not local, not rotary, True),
        rotary=rotary,
        positions=0 if rotary else c.size("n_positions", "max_position_embeddings", "n_ctx"),
        head=_decoder_head(c),
        source=f"config {c.where}",
    )


def _gpt_neox(c: Config) -> Transformer:
    heads, bias = c.size("num_attention_heads"), c.flag("attention_bias", True)
    return _llama(
        c,
        gated=False,
        fused=True,
        norm="LayerNormalization",
        kv_heads=heads,
        bias=(bias, bias, True),
        activation=c.activation("hidden_act", default="gelu"),
    )


def _phi(c: Config) -> Transformer:
    act = c.activation("hidden_act", default="gelu_new")
    return _llama(c, gated=False, norm="LayerNormalization", bias=(True, True, True), activation=act)


def _opt(c: Config) -> Transformer:
    hidden, heads, bias = c.size("hidden_size"), c.size("num_attention_heads"), c.flag("enable_bias", True)
    return Transformer(
        name=c.kind,
        layers=c.size("num_hidden_layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_size=max(1, hidden // heads),
        feedforward=c.size("ffn_dim"),
        vocabulary=c.size("vocab_size"),
        activation=c.activation("activation_function", default="relu"),
        bias=(bias, bias, bias),
        positions=c.size("max_position_embeddings"),
        embedding=c.size("word_embed_proj_dim", default=hidden),
        head=_decoder_head(c),
        source=f"config {c.where}",
    )


def _bloom(c: Config) -> Transformer:
    hidden, heads = c.size("hidden_size", "n_embed"), c.size("n_head", "num_attention_heads")
    return Transformer(
        name=c.kind,
        layers=c.size("n_layer", "num_hidden_layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_size=max(1, hidden // heads),
        feedforward=4 * hidden,
        vocabulary=c.size("vocab_size"),
        fused=True,
        activation="GeluTanh",
        head=_decoder_head(c),
        source=f"config {c.where}",
    )


def _bert(c: Config) -> Transformer:
    """Text encoders that normalise behind each part."""
    hidden, heads = c.size("hidden_size", "dim"), c.size("num_attention_heads", "n_heads")
    distilled = c.kind == "distilbert"
    head = "mlm" if c.architecture.endswith("ForMaskedLM") else ""
    if not head and not distilled and c.kind != "electra":
        head = "classes" if c.architecture.endswith("ForSequenceClassification") else "pooler"
    return Transformer(
        name=c.kind,
        layers=c.size("num_hidden_layers", "n_layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_size=max(1, hidden // heads),
        feedforward=c.size("intermediate_size", "hidden_dim"),
        vocabulary=c.size("vocab_size"),
        causal=False,
        activation=c.activation("hidden_act", "activation", default="gelu"),
        segments=not distilled,
        positions=c.size("max_position_embeddings"),
        embedding=c.size("embedding_size", default=hidden) if c.kind == "electra" else 0,
        head=head,
        classes=c.labels,
        source=f"config {c.where}",
    )


def _vit(c: Config) -> Transformer:
    hidden, heads, bias = c.size("hidden_size"), c.size("num_attention_heads"), c.flag("qkv_bias", True)
    patches = Patches(image=c.size("image_size"), patch=c.size("patch_size"), channels=c.size("num_channels", default=3))
    return Transformer(
        name=c.kind,
        layers=c.size("num_hidden_layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_size=max(1, hidden // heads),
        feedforward=c.size("intermediate_size"),
        causal=False,
        activation=c.activation("hidden_act", default="gelu"),
        bias=(bias, True, True),
        patches=patches,
        head="pooler" if c.architecture.endswith("ViTModel") else "classes",
        classes=c.labels,
        source=f"config {c.where}",
    )


FAMILIES: dict[str, Callable[[Config], Transformer]] = {
    **dict.fromkeys(("llama", "mistral", "granite", "smollm3"), _llama),
    "olmo": lambda c: _llama(c, norm="LayerNormalization"),
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "gemma": lambda c: _llama(c, activation="GeluTanh"),
    "gemma2": lambda c: _llama(c, norms=4),
    "gemma3_text": lambda c: _llama(c, norms=4, qk_norm=True),
    "phi3": lambda c: _llama(c, fused=True),
    "starcoder2": _starcoder2,
    "stablelm": _stablelm,
    **dict.fromkeys(("gpt2", "gpt_neo", "gptj", "gpt_bigcode"), _gpt2),
    "gpt_neox": _gpt_neox,
    "phi": _phi,
    "opt": _opt,
    "bloom": _bloom,
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert"), _bert),
    **dict.fromkeys(("vit", "deit"), _vit),
}

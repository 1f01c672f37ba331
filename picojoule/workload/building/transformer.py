"""Transformers from their sizes alone: decoders with a cache, encoders, vision transformers. No weights are needed."""

from __future__ import annotations

from dataclasses import dataclass

from picojoule.errors import SpecError
from picojoule.workload.building.blocks import attention
from picojoule.workload.building.builder import Builder, Value
from picojoule.workload.building.operators import Index
from picojoule.workload.network import Network, Persistence
from picojoule.workload.op import Mask

PREFILL, DECODE = "prefill", "decode"
TOKENS = {"decoder": 1024, "encoder": 128}  # where nobody says how many


@dataclass(frozen=True, kw_only=True)
class Patches:
    """How a vision transformer cuts its image."""

    image: int
    patch: int
    channels: int = 3


@dataclass(frozen=True, kw_only=True)
class Transformer:
    """The sizes of a transformer. `head` is "lm" (logits of every token), "mlm", "pooler", "classes" or "" (hidden states)."""

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    feedforward: int
    vocabulary: int = 0
    causal: bool = True
    gated: bool = False  # act(gate(x)) * up(x), instead of act(up(x))
    fused: bool = False  # one product for Q, K and V, and one for gate and up
    norm: str = "LayerNormalization"
    norms: int = 2  # in each block: 4 where outputs are normalised too
    qk_norm: bool = False
    activation: str = "Gelu"
    bias: tuple[bool, bool, bool] = (True, True, True)  # of Q, K, V; of the attention's output; of the feed-forward part
    positions: int = 0  # learned positions: that many at most (0: rotary, or none)
    rotary: bool = False
    segments: bool = False  # a table of token types is added
    window: int = 0  # tokens that attention looks back at most (0: all)
    embedding: int = 0  # width of the token table, where a projection follows (0: hidden)
    head: str = "lm"
    classes: int = 0
    patches: Patches | None = None
    source: str = ""


@dataclass(frozen=True)
class Run:
    """One inference: `tokens` new ones for each of `batch` sequences, after `context` that lie in the cache."""

    batch: int
    tokens: int
    context: int


def build(
    t: Transformer, *, batch: int = 1, seq: int | None = None, context: int | None = None, phase: str | None = None
) -> Network:
    """One inference of the transformer: prefill of `seq` tokens, or decode of one (`seq`) after `context` cached tokens."""
    run = _run(t, batch, seq, context, phase)
    b = Builder(t.name, source=t.source)
    kept: list[Value] = []
    x = _image(b, t, run) if t.patches else _tokens(b, t, run)
    for i in range(t.layers):
        x = _block(b, t, run, x, f"layer{i}", kept)
    if t.norms and (t.causal or t.patches):
        x = _norm(b, t, x, "final_norm")
    x = _head(b, t, run, x)
    if t.causal:
        b.notes.append(f"new tokens: {run.tokens}, cached: {run.context}; scores that the causal mask hides are counted")
        if t.head == "lm" and run.tokens > 1:
            b.notes.append("logits of every token are computed, as the model's forward pass does")
    elif not t.patches:
        b.notes.append(f"{run.tokens} tokens")
    return b.network(x, *kept)


def _run(t: Transformer, batch: int, seq: int | None, context: int | None, phase: str | None) -> Run:
    phase = phase or (DECODE if context and seq is None else PREFILL)
    if phase not in (PREFILL, DECODE):
        raise SpecError(f"unknown phase {phase!r}", where=t.name, hint=f"known: {DECODE}, {PREFILL}")
    if t.patches:
        if seq or context or phase == DECODE:
            raise SpecError("a vision transformer takes no seq, context or phase", where=t.name, hint="its image sets the tokens")
        return Run(batch, (t.patches.image // t.patches.patch) ** 2 + 1, 0)
    if not t.causal and (context or phase == DECODE):
        raise SpecError("an encoder has no cache, so no context and no decode", where=t.name, hint="give seq alone")
    most = t.positions or 1 << 62
    if phase == DECODE:
        tokens = seq or 1
        past = context if context is not None else min(TOKENS["decoder"], most) - tokens
    else:
        past = context or 0
        tokens = seq or min(TOKENS["decoder" if t.causal else "encoder"], most - past)
    if past + tokens > most:
        raise SpecError(f"{past + tokens} tokens, but the model has {most} positions", where=t.name, hint="give a smaller seq")
    return Run(batch, tokens, max(0, past))


def _tokens(b: Builder, t: Transformer, run: Run) -> Value:
    """Rows of the token table, positions, and token types."""
    ids = b.input("tokens", (run.batch, run.tokens))
    width = t.embedding or t.hidden
    x = b.move(
        "Gather",
        ids,
        shape=(run.batch, run.tokens, width),
        name="embed",
        parameters=ids.elements * width,  # only the rows that are asked for
        table=b.weight("embed.weight", (t.vocabulary, width)),
        index=Index(axes=(0,), parameter_axes=(0, 1, 2)),
    )
    if width != t.hidden:
        x = b.linear(x, t.hidden, name="embed.project", bias=not t.causal)
    for table in ("positions",) * bool(t.positions) + ("segments",) * t.segments:
        x = b.elementwise("Add", x, name=f"embed.{table}", parameters=run.tokens * t.hidden)
    return x if t.causal or not t.norms else _norm(b, t, x, "embed.norm")


def _image(b: Builder, t: Transformer, run: Run) -> Value:
    """Patches as a strided convolution, the class token in front, positions added."""
    assert t.patches
    p, side = t.patches, t.patches.image // t.patches.patch
    x = b.conv(b.input("image", (run.batch, p.channels, p.image, p.image)), t.hidden, p.patch, stride=p.patch, name="patches")
    x = b.view(x, (run.batch, t.hidden, side * side), name="flatten", op="Flatten")
    order = Index(order=(0, 2, 1))
    x = b.move("Transpose", x, shape=(run.batch, side * side, t.hidden), name="transpose", index=order)
    token, after = b.weight("class_token.weight", (1, 1, t.hidden)), Index(axes=(1,))
    x = b.move("Concat", token, x, shape=(run.batch, run.tokens, t.hidden), name="class_token", index=after)
    return b.elementwise("Add", x, name="positions", parameters=run.tokens * t.hidden)


def _block(b: Builder, t: Transformer, run: Run, x: Value, name: str, kept: list[Value]) -> Value:
    """Attention and feed-forward part with their residual sums. Encoders of text normalise behind, all others in front."""
    behind = not t.causal and not t.patches
    y = _attend(b, t, run, x if behind else _norm(b, t, x, f"{name}.norm1"), name, kept)
    y = _norm(b, t, y, f"{name}.norm1_out") if t.norms == 4 else y
    x = b.elementwise("Add", x, y, name=f"{name}.add1")
    x = _norm(b, t, x, f"{name}.norm1") if behind else x
    y = _feed_forward(b, t, x if behind else _norm(b, t, x, f"{name}.norm2"), name)
    y = _norm(b, t, y, f"{name}.norm2_out") if t.norms == 4 else y
    x = b.elementwise("Add", x, y, name=f"{name}.add2")
    return _norm(b, t, x, f"{name}.norm2") if behind else x


def _attend(b: Builder, t: Transformer, run: Run, x: Value, name: str, kept: list[Value]) -> Value:
    q_size, kv_size = t.heads * t.head_size, t.kv_heads * t.head_size
    if t.fused:
        whole = b.linear(x, q_size + 2 * kv_size, name=f"{name}.qkv", bias=t.bias[0])
        shapes = [(run.batch, run.tokens, n) for n in (q_size, kv_size, kv_size)]
        parts = [b.value(f"{name}.{w}", s) for w, s in zip("qkv", shapes, strict=True)]
        b.vector(f"{name}.split", "Split", 0, [whole], parts, index=Index(axes=(-1,)))
    else:
        widths = (("q", q_size), ("k", kv_size), ("v", kv_size))
        parts = [b.linear(x, n, name=f"{name}.{w}", bias=t.bias[0]) for w, n in widths]
    q, k, v = (_heads(p, n, t.head_size) for p, n in zip(parts, (t.heads, t.kv_heads, t.kv_heads), strict=True))
    if t.qk_norm:
        q = b.normalise("RMSNormalization", q, name=f"{name}.q_norm", parameters=t.head_size)
        k = b.normalise("RMSNormalization", k, name=f"{name}.k_norm", parameters=t.head_size)
    if t.rotary:
        q, k = (b.elementwise("RotaryEmbedding", y, name=f"{name}.{w}_rotary") for w, y in (("q", q), ("k", k)))
    seen = min(run.context, max(0, t.window - run.tokens)) if t.window else run.context
    cached = (run.batch, t.kv_heads, seen, t.head_size)
    past = [b.input(f"{name}.{w}_cache", cached, persistence=Persistence.CACHE) for w in "kv"] if seen else []
    out = b.value(f"{name}.context", (run.batch, run.tokens, q_size))
    mask = Mask(causal=True, window=t.window) if t.causal else None
    attention(b, q, k, v, out, f"{name}.attention", past=past, mask=mask)
    if t.causal:
        b.cached(k, v)
        kept += [k, v, *past]
    return b.linear(out, t.hidden, name=f"{name}.out", bias=t.bias[1])


def _heads(x: Value, heads: int, size: int) -> Value:
    """(batch, tokens, heads * size) read as (batch, heads, tokens, size): a matter of addresses."""
    return x.reshaped((*x.shape[:2], heads, size)).permuted(0, 2, 1, 3)


def _feed_forward(b: Builder, t: Transformer, x: Value, name: str) -> Value:
    bias = t.bias[2]
    if not t.gated:
        y = b.elementwise(t.activation, b.linear(x, t.feedforward, name=f"{name}.up", bias=bias), name=f"{name}.act")
    elif t.fused:
        both = b.linear(x, 2 * t.feedforward, name=f"{name}.gate_up", bias=bias)
        halves = [b.value(f"{name}.{half}", (*x.shape[:-1], t.feedforward)) for half in ("gate", "up")]
        b.vector(f"{name}.chunk", "Split", 0, [both], halves, index=Index(axes=(-1,)))
        y = b.elementwise("Mul", b.elementwise(t.activation, halves[0], name=f"{name}.act"), halves[1], name=f"{name}.mul")
    else:
        gate = b.elementwise(t.activation, b.linear(x, t.feedforward, name=f"{name}.gate", bias=bias), name=f"{name}.act")
        y = b.elementwise("Mul", gate, b.linear(x, t.feedforward, name=f"{name}.up", bias=bias), name=f"{name}.mul")
    return b.linear(y, t.hidden, name=f"{name}.down", bias=bias)


def _norm(b: Builder, t: Transformer, x: Value, name: str) -> Value:
    return b.normalise(t.norm, x, name=name, parameters=x.shape[-1] * (1 if t.norm == "RMSNormalization" else 2))


def _head(b: Builder, t: Transformer, run: Run, x: Value) -> Value:
    """What follows the last block."""
    if t.head == "lm":
        if t.embedding and t.embedding != t.hidden:
            x = b.linear(x, t.embedding, name="project_out", bias=False)
        return b.linear(x, t.vocabulary, name="lm_head", bias=False)
    if t.head == "mlm":
        width = t.embedding or t.hidden
        x = b.elementwise(t.activation, b.linear(x, width, name="transform"), name="transform.act")
        return b.linear(_norm(b, t, x, "transform.norm"), t.vocabulary, name="decoder")
    if not t.head:
        return x
    token = Index(begin=(0, 0, 0))
    first = b.move("Slice", x, shape=(run.batch, 1, t.hidden), name="first_token", read=run.batch * t.hidden, index=token)
    first = first.reshaped((run.batch, t.hidden))
    if t.head == "pooler" or (t.head == "classes" and not t.patches):
        first = b.elementwise("Tanh", b.linear(first, t.hidden, name="pooler"), name="pooler.tanh")
    return b.linear(first, t.classes, name="classifier") if t.head == "classes" else first

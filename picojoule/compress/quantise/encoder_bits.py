"""`minilm_bits`: as few weight bits as a real transformer needs, layer by layer, with the accuracy of a real task.

A frozen MiniLM-L6 turns messages into vectors, a logistic regression tells spam from the rest. Every layer is rounded to each
width alone and the vectors' change is measured; the widths of least total change under a mean follow by integer programming. The
messages are in three parts: one trains the classifier, one decides (changes, and which mean is enough), one is reported on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from picojoule.ask import Progress, silent
from picojoule.compress.shrink.integer import one_of_each
from picojoule.errors import SpecError

WIDTHS = (2, 3, 4, 5, 6)
PROBE, PROBE_TOKENS = 32, 64  # messages of the deciding part on which changes are measured, and how much of each
TABLES = "embeddings."


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """Weight bits of each layer and what they lead to; accuracies are `learning.accuracy.Accuracy`."""

    mean_bits: float
    bits: dict[str, int]
    decided: Any  # on the deciding part
    tested: Any | None  # on the test part; None where it was not measured


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderBits:
    """The chosen widths beside the floats, and all that was tried."""

    trained_on: int
    weights: int
    fp32_decided: Any
    fp32_tested: Any
    chosen: Widths
    tried: tuple[Widths, ...]
    change: dict[str, dict[int, float]]  # 1 - cosine of the vectors with one layer rounded
    seed: int

    @property
    def lost_percent(self) -> float:
        """Points of accuracy lost on the test part."""
        assert self.chosen.tested is not None
        return self.fp32_tested.percent - self.chosen.tested.percent


def minilm_bits(
    data_dir: str | Path | None = None,
    weights_dir: str | Path | None = None,
    *,
    means: Sequence[float] = (3.0, 3.5, 4.0, 5.0, 6.0),
    loss_percent: float = 1.0,
    train: int = 800,
    decide: int = 250,
    test: int = 1000,
    seed: int = 0,
    progress: Progress = silent,
) -> EncoderBits:
    """The least mean of weight bits that loses at most `loss_percent` points on the deciding part. Needs torch, scikit-learn."""
    if min(train, decide, test) < PROBE or not means:
        raise SpecError(f"parts of {train}, {decide} and {test} messages", where="minilm", hint=f"{PROBE} or more each")
    try:
        import sklearn  # noqa: F401

        from picojoule.learning.minilm import encoded, minilm, tokens
    except ImportError:
        problem = "torch or scikit-learn is not installed"
        raise SpecError(problem, where="minilm", hint="pip install 'picojoule[accuracy]'") from None
    from picojoule.learning.messages import spam_assassin

    encoder, words = minilm(weights_dir)
    messages = spam_assassin(data_dir, train + decide + test, seed)
    parts = np.split(np.arange(len(messages)), [train, train + decide])
    batches = [tokens(messages.part(p).texts, words) for p in parts]
    labels = [messages.labels[p] for p in parts]
    judge = _Judge(encoded(encoder, batches[0], progress), labels[0])
    fp32 = [judge(encoded(encoder, batches[i], progress), labels[i]) for i in (1, 2)]
    probe = tokens(messages.part(parts[1][:PROBE]).texts, words, PROBE_TOKENS)
    change = sensitivities(encoder, probe, progress)
    tried: list[Widths] = []
    for mean in sorted(means):
        bits = least_change(_sizes(encoder), change, mean)
        module = _rounded(encoder, bits)
        decided = judge(encoded(module, batches[1], progress), labels[1])
        enough = decided.percent >= fp32[0].percent - loss_percent
        tested = judge(encoded(module, batches[2], progress), labels[2]) if enough else None
        tried.append(Widths(mean_bits=_mean(_sizes(encoder), bits), bits=bits, decided=decided, tested=tested))
        if enough:
            break
    else:
        best = max(w.decided.percent for w in tried)
        lost = fp32[0].percent - best
        problem = f"no mean up to {max(means):g} bits loses at most {loss_percent:g} points: the best loses {lost:.2f}"
        raise SpecError(problem, where="minilm", hint="allow more bits or more loss")
    return EncoderBits(
        trained_on=train, weights=sum(_sizes(encoder).values()), fp32_decided=fp32[0], fp32_tested=fp32[1], chosen=tried[-1],
        tried=tuple(tried), change=change, seed=seed,
    )  # fmt: skip


class _Judge:
    """A logistic regression on the floats' vectors; it is not trained again for rounded ones."""

    def __init__(self, vectors: np.ndarray, labels: np.ndarray) -> None:
        from sklearn.linear_model import LogisticRegression

        self.model = LogisticRegression(C=10.0, max_iter=1000).fit(vectors, labels)

    def __call__(self, vectors: np.ndarray, labels: np.ndarray) -> Any:
        from picojoule.learning.accuracy import Accuracy

        right = int((self.model.predict(vectors) == labels).sum())
        return Accuracy(data="SpamAssassin", n=len(labels), correct=right, of="messages")


def sensitivities(encoder: Any, probe: Any, progress: Progress = silent) -> dict[str, dict[int, float]]:
    """For each layer and width: mean of 1 - cosine between the probe's vectors with this layer rounded, and without."""
    from picojoule.compress.quantise.quantise import layers_of, rounded
    from picojoule.learning.minilm import encoded

    exact, layers = encoded(encoder, probe), layers_of(encoder, tables=True)
    found: dict[str, dict[int, float]] = {}
    for done, (name, layer) in enumerate(layers.items()):
        progress(done, len(layers), "layers rounded alone")
        kept = layer.weight.data
        found[name] = {}
        for width in WIDTHS:
            layer.weight.data = rounded(kept, width)
            found[name][width] = float(np.mean(1 - (encoded(encoder, probe) * exact).sum(1)))
        layer.weight.data = kept
    return found


def least_change(sizes: dict[str, int], change: dict[str, dict[int, float]], mean_bits: float) -> dict[str, int]:
    """A width for each layer, with the least sum of changes at this mean of bits a weight or less."""
    most, weights = max(1e-12, *(c for by in change.values() for c in by.values())), sum(sizes.values())
    costs = [[max(0.0, c) / most for c in change[name].values()] for name in sizes]
    takes = [[size * width / weights for width in change[name]] for name, size in sizes.items()]
    picked = one_of_each(costs, takes, mean_bits)
    if picked is None:
        least = min(w for by in change.values() for w in by)
        raise SpecError(f"no widths have a mean of {mean_bits:g} bits", where="minilm", hint=f"the least width is {least} bits")
    return {name: tuple(change[name])[at] for name, at in zip(sizes, picked, strict=True)}


def _rounded(encoder: Any, bits: dict[str, int]) -> Any:
    import copy

    from picojoule.compress.quantise.quantise import layers_of, rounded

    made = copy.deepcopy(encoder)
    for name, layer in layers_of(made, tables=True).items():
        layer.weight.data = rounded(layer.weight.data, bits[name])
    return made


def _sizes(encoder: Any) -> dict[str, int]:
    from picojoule.compress.quantise.quantise import layers_of

    return {name: layer.weight.numel() for name, layer in layers_of(encoder, tables=True).items()}


def _mean(sizes: dict[str, int], bits: dict[str, int]) -> float:
    return sum(n * bits[name] for name, n in sizes.items()) / sum(sizes.values())

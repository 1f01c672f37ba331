"""Which algorithm is fastest for a layer: a small model of each one's time, from its counted operations and bytes.

    time = start + operations / rate + words of transforms / rate of transforms

with rates that fall for few channels or few pixels. Every constant is a property of a processor and its library: they are fitted
to timings of some shapes (`fit`), and judged on others. Range: fp32, one thread, hot. A prediction is a vector of times, so that
a choice can be explained: the second best and by how much.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from picojoule.algorithms import fft
from picojoule.algorithms.library import ALGORITHMS, Timed, applies
from picojoule.errors import SpecError
from picojoule.workload.conv_shape import ConvShape

# name -> (unit, first guess, least, most) of each algorithm's constants
CONSTANTS: dict[str, dict[str, tuple[str, float, float, float]]] = {
    "direct": {
        "start_us": ("µs", 10.0, 0.1, 200.0),
        "rate_gops": ("GOP/s", 80.0, 1.0, 5000.0),  # with many channels and pixels
        "half_channels": ("channels", 8.0, 0.01, 200.0),  # of the input, at which the rate is half
        "half_filters": ("filters", 8.0, 0.01, 200.0),
        "half_pixels": ("pixels", 4.0, 0.01, 500.0),  # of the output
        "stream_gbs": ("GB/s", 10.0, 1.0, 500.0),  # weights, input and output once
    },
    "im2col": {
        "start_us": ("µs", 10.0, 0.1, 200.0),
        "rate_gops": ("GOP/s", 80.0, 1.0, 5000.0),
        "half_filters": ("filters", 8.0, 0.01, 200.0),
        "half_pixels": ("pixels", 16.0, 0.01, 500.0),
        "stream_gbs": ("GB/s", 5.0, 0.5, 500.0),  # writing and reading the lowered input
    },
    "nnpack": {
        "start_us": ("µs", 20.0, 0.1, 500.0),
        "rate_gops": ("GOP/s", 60.0, 1.0, 5000.0),  # of the products between transformed tiles
        "half_channels": ("channels", 8.0, 0.01, 200.0),
        "tile_gwords": ("Gword/s", 1.0, 0.02, 50.0),  # transforms of input and output tiles
        "filter_gwords": ("Gword/s", 0.5, 0.02, 50.0),  # of filters, which NNPACK transforms at every call
        "point_gops": ("GOP/s", 40.0, 1.0, 5000.0),  # 1x1 filters have a kernel of their own
    },
    "fft": {
        "start_us": ("µs", 200.0, 1.0, 5000.0),
        "rate_gops": ("GOP/s", 10.0, 0.1, 500.0),
        "tile_gwords": ("Gword/s", 0.1, 0.005, 10.0),
        "filter_gwords": ("Gword/s", 0.1, 0.005, 10.0),
    },
}
MARGIN = 0.08  # within which predictions count as equal
Fitted = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Predicted seconds of every algorithm that applies; `best` is the least."""

    shape: ConvShape
    seconds: tuple[tuple[str, float], ...]

    @property
    def best(self) -> str:
        """The least; but the direct form, which needs no storage of its own, unless another one is clearly faster."""
        seconds = dict(self.seconds)
        first = min(seconds, key=seconds.__getitem__)
        return "direct" if seconds.get("direct", math.inf) <= (1 + MARGIN) * seconds[first] else first

    @property
    def because(self) -> str:
        """The choice in a sentence."""
        ordered = sorted(self.seconds, key=lambda pair: pair[1])
        if len(ordered) == 1:
            return f"{ordered[0][0]} is the only one that applies"
        if ordered[0][0] != self.best:
            return f"direct, since {ordered[0][0]} is not predicted to be {100 * MARGIN:g} % faster and needs storage of its own"
        (first, a), (second, b) = ordered[:2]
        return f"{first}: {1e3 * a:.3g} ms predicted, {second} would take {b / a:.2f} times as long"


def choose(shape: ConvShape, constants: Fitted) -> Choice:
    """The predicted times of a shape."""
    seconds = {a: predict(a, shape, constants[a]) for a in ALGORITHMS if a in constants and applies(a, shape)}
    return Choice(shape=shape, seconds=tuple(seconds.items()))


def predict(algorithm: str, shape: ConvShape, c: Mapping[str, float]) -> float:
    """Seconds of one algorithm on a shape, from its constants."""
    return {"direct": _direct, "im2col": _im2col, "nnpack": _nnpack, "fft": _fft}[algorithm](shape, c)


def _half(size: float, half: float) -> float:
    """The share of the full rate that a size reaches: one half at `half`."""
    return size / (size + half)


def _words(shape: ConvShape) -> float:
    return math.prod(shape.input_shape) + math.prod(shape.weight_shape) + math.prod(shape.output_shape)


def _direct(s: ConvShape, c: Mapping[str, float]) -> float:
    rate = c["rate_gops"] * 1e9 * _half(s.C / s.groups, c["half_channels"]) * _half(s.P * s.Q, c["half_pixels"])
    rate *= _half(s.K / s.groups, c["half_filters"])
    return c["start_us"] * 1e-6 + 2 * s.macs / rate + 4 * _words(s) / (c["stream_gbs"] * 1e9)


def _im2col(s: ConvShape, c: Mapping[str, float]) -> float:
    rate = c["rate_gops"] * 1e9 * _half(s.K / s.groups, c["half_filters"]) * _half(s.P * s.Q, c["half_pixels"])
    lowered = 0 if (s.R, s.S, *s.stride, *s.pad) == (1, 1, 1, 1, 0, 0) else 2 * s.N * s.C * s.R * s.S * s.P * s.Q
    return c["start_us"] * 1e-6 + 2 * s.macs / rate + 4 * (lowered + _words(s)) / (c["stream_gbs"] * 1e9)


def _nnpack(s: ConvShape, c: Mapping[str, float]) -> float:
    start = c["start_us"] * 1e-6
    if (s.R, s.S) == (1, 1):
        return start + 2 * s.macs / (c["point_gops"] * 1e9 * _half(s.C, c["half_channels"]))
    return start + min(_tiled(s, n, c) for n in (8, 16) if n > max(s.R, s.S))


def _tiled(s: ConvShape, n: int, c: Mapping[str, float]) -> float:
    """Tiles of n x n: real products for Winograd (3x3 filters, n = 8, one image), complex ones at half the places for FFT."""
    tiles = s.N * math.ceil(s.P / (n - s.R + 1)) * math.ceil(s.Q / (n - s.S + 1))
    real = (s.R, s.S, n, s.N) == (3, 3, 8, 1)
    products = (2 if real else 4) * n * n * s.K * s.C * tiles
    moved = n * n * (s.C + s.K) * tiles / c["tile_gwords"] + n * n * s.C * s.K / c["filter_gwords"]
    return products / (c["rate_gops"] * 1e9 * _half(s.C, c["half_channels"])) + moved * 1e-9


def _fft(s: ConvShape, c: Mapping[str, float]) -> float:
    n = fft.tile_for(s)
    cost = fft.cost(s, n)
    products = cost.multiplications + cost.additions
    tiles = s.N * math.ceil(s.H / max(1, n - s.R + 1)) * math.ceil(s.W / max(1, n - s.S + 1))
    moved = n * n * ((s.C + s.K) * tiles / c["tile_gwords"] + s.C * s.K / c["filter_gwords"])
    return c["start_us"] * 1e-6 + products / (c["rate_gops"] * 1e9) + moved * 1e-9


def fit(timings: Sequence[Timed], starts: int = 4, seed: int = 0) -> dict[str, dict[str, float]]:
    """Constants of every algorithm from timings: least squares of the logarithms, bounded, robust, from several starts."""
    from scipy.optimize import least_squares

    rng, out = np.random.default_rng(seed), {}
    for algorithm, known in CONSTANTS.items():
        rows = [(t.shape, seconds) for t in timings if (seconds := t.time(algorithm)) is not None]
        if len(rows) < 2 * len(known):
            raise SpecError(
                f"{len(rows)} timings of {algorithm} for {len(known)} constants", hint=f"time at least {2 * len(known)} shapes"
            )
        names = list(known)
        low, high = (np.log([known[n][i] for n in names]) for i in (2, 3))

        first = np.log([known[n][1] for n in names])
        guesses = [first, *(np.clip(first + rng.normal(0, 1, len(names)), low + 0.01, high - 0.01) for _ in range(starts - 1))]
        how = {"args": (algorithm, names, rows), "bounds": (low, high), "loss": "soft_l1", "f_scale": 0.1}
        found = [least_squares(_residuals, g, **how) for g in guesses]
        best = min(found, key=lambda r: r.cost)
        out[algorithm] = {n: float(v) for n, v in zip(names, np.exp(best.x), strict=True)}
    return out


def _residuals(p: np.ndarray, algorithm: str, names: Sequence[str], rows: Sequence[tuple[ConvShape, float]]) -> np.ndarray:
    """Logarithm of predicted over measured time, for the logarithms of the constants."""
    constants = dict(zip(names, np.exp(p), strict=True))
    return np.array([math.log(predict(algorithm, s, constants) / measured) for s, measured in rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How often the choice was the fastest measured one, and what the others cost."""

    shapes: int
    right: int
    within_ten_percent: int  # chosen one at most 10 % slower than the fastest
    mean_loss_percent: float
    worst_loss_percent: float


def score(timings: Sequence[Timed], constants: Fitted) -> Score:
    """Judge the choices on timings that the constants were not fitted to."""
    losses, right = [], 0
    for t in timings:
        best = choose(t.shape, constants).best
        chosen = t.time(best)
        if chosen is None:  # predicted best, but not run since it would have taken too long: a plain mistake
            losses.append(math.inf)
            continue
        right += best == t.fastest
        losses.append(100 * (chosen / min(s for _, s in t.seconds) - 1))
    return Score(
        shapes=len(losses),
        right=right,
        within_ten_percent=sum(v <= 10 for v in losses),
        mean_loss_percent=sum(losses) / len(losses),
        worst_loss_percent=max(losses),
    )

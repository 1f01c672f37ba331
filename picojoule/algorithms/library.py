"""Algorithms that can really be called on this processor, and their times: what a selector's prediction is checked against.

direct: oneDNN's convolution (torch's own choice).  im2col: ATen's lowering and a matrix product.  nnpack: Winograd and FFT tiles,
as NNPACK picks them by shape.  fft: this package's overlap-save FFT (scipy) with a batched product.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from picojoule.algorithms import fft
from picojoule.measuring import operands, timing, torch_kernels
from picojoule.workload.conv_shape import ConvShape

ALGORITHMS = ("direct", "im2col", "nnpack", "fft")
_LONG_OPS = 5e8  # the FFT of many channels takes seconds: not worth the wait where the plain products are few


def applies(algorithm: str, shape: ConvShape) -> bool:
    """Can the algorithm run this shape at all?"""
    if algorithm == "nnpack":
        return shape.stride == (1, 1) and shape.dilation == (1, 1) and shape.groups == 1 and max(shape.R, shape.S) <= 16
    if algorithm == "im2col":
        return shape.dilation == (1, 1) and shape.groups == 1
    if algorithm == "fft":
        return shape.dilation == (1, 1)
    return algorithm == "direct"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """Seconds of each algorithm that could be run on a shape (the least of several bursts), and its error against fp64."""

    shape: ConvShape
    seconds: tuple[tuple[str, float], ...]
    errors: tuple[tuple[str, float], ...]

    @property
    def fastest(self) -> str:
        return min(self.seconds, key=lambda pair: pair[1])[0]

    def time(self, algorithm: str) -> float | None:
        return dict(self.seconds).get(algorithm)


def timed(
    shape: ConvShape,
    algorithms: Sequence[str] = ALGORITHMS,
    *,
    budget_s: float = 0.3,
    seed: int = 0,
    clock: timing.Clock = time.process_time,
) -> Timed:
    """Run the algorithms on one thread with random operands; a wrong result gets no time.

    Times are seconds of this process, so that other processes on a shared machine do not count.
    """
    torch = torch_kernels.load_torch("timing convolutions")
    rng = np.random.default_rng(seed)
    x = operands.check_random("input", operands.random(shape.input_shape, rng))
    scale = np.float32((shape.C * shape.R * shape.S) ** -0.5)
    w = operands.check_random("weight", operands.random(shape.weight_shape, rng) * scale)
    tx, tw = torch.from_numpy(x), torch.from_numpy(w)
    settings = {"stride": shape.stride, "padding": shape.pad, "dilation": shape.dilation, "groups": shape.groups}
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds, errors = {}, {}
    try:
        with torch.inference_mode():
            exact = torch.nn.functional.conv2d(tx.double(), tw.double(), **settings).numpy()
            for name in algorithms:
                if not applies(name, shape) or (name == "fft" and _hopeless(shape)):
                    continue
                call = _call(torch, name, shape, x, w, tx, tw)
                taken, _, last = timing.hot(call, samples=9, budget_s=budget_s, clock=clock)
                errors[name] = operands.check_result(f"{name} of {shape}", np.asarray(last), exact, "fp32")
                seconds[name] = taken.min
    finally:
        torch.set_num_threads(before)
    return Timed(shape=shape, seconds=tuple(seconds.items()), errors=tuple(errors.items()))


def _hopeless(shape: ConvShape) -> bool:
    """Would the FFT take long, and need more operations than the plain convolution with its filters transformed anew?"""
    cost = fft.cost(shape, fft.tile_for(shape))
    return cost.operations > _LONG_OPS and cost.operations + cost.filter_operations > 2 * shape.macs


def _call(torch: Any, name: str, shape: ConvShape, x: np.ndarray, w: np.ndarray, tx: Any, tw: Any) -> Callable[[], Any]:
    if name == "direct":
        f = torch.nn.functional.conv2d
        return lambda: f(tx, tw, None, shape.stride, shape.pad, shape.dilation, shape.groups)
    if name == "im2col":
        kernel, stride, pad = [shape.R, shape.S], list(shape.stride), list(shape.pad)
        return lambda: torch.ops.aten.thnn_conv2d(tx, tw, kernel, None, stride, pad)
    if name == "nnpack":
        bias = torch.zeros(shape.K)
        return lambda: torch._nnpack_spatial_convolution(tx, tw, bias, list(shape.pad), [1, 1])
    return lambda: fft.convolve(x, w, shape)

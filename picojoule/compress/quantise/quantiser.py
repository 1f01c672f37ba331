"""Fake quantisers: a tensor rounded to the values that so many bits can hold, still in floats, with a gradient for training.

    linear   step * clamp(round(x / step), low, high), symmetric: -(2^(b-1) - 1) to 2^(b-1) - 1, or 0 to 2^b - 1 without a sign
    log      (-1)^s * step * 2^-k, k = 0, 1, ..., rounded in the log domain, and zero: `formats.element.Log2`, one step a tensor

A step is shared by a tensor, by an output channel, or by a group of weights of one output channel. It is found on real data
(`max`: nothing is cut off; `percentile`: 0.1 % is; `mse`: least squared error), and learned on with the weights: the rounding
passes gradients straight through, what is cut off passes them to the step (Esser et al., LSQ, ICLR 2020).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from picojoule.errors import SpecError, unknown_name

Kind = Literal["linear", "log"]
PERCENTILE = 0.999
CALIBRATIONS = ("max", "percentile", "mse")
GRANULARITIES = ("tensor", "channel", "group")
TRIED = 46  # steps that `mse` tries, from 10 % of what nothing exceeds to all of it
SAMPLE = 200_000  # values that a search for a step looks at
MOST = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """What a tensor is rounded to, apart from its step."""

    bits: int
    signed: bool = True
    kind: Kind = "linear"

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= MOST or (self.kind == "log" and self.bits > 8):
            most = 8 if self.kind == "log" else MOST
            raise SpecError(f"{self.kind} codes of {self.bits} bits", hint=f"2 to {most} bits")

    @property
    def high(self) -> int:
        """The largest integer (linear), or how many powers of two there are (log)."""
        return (1 << (self.bits - self.signed)) - 1

    @property
    def low(self) -> int:
        return -self.high if self.signed else 0

    def __call__(self, x: Tensor, step: Tensor) -> Tensor:
        """x as it is held; the definition, differentiable in x and in the step."""
        return _linear(x, step, self.low, self.high) if self.kind == "linear" else _log(x, step, self.high, self.signed)

    def step_of(self, most: Tensor) -> Tensor:
        """The step with which nothing up to `most` is cut off."""
        most = most.clamp_min(torch.finfo(most.dtype).tiny * 2**20)
        if self.kind == "linear":
            return most / self.high
        return torch.exp2(_nearest_power(most))


def _straight(rounded: Tensor, x: Tensor) -> Tensor:
    """The rounded value with the gradient of x."""
    return x + (rounded - x).detach()


def _linear(x: Tensor, step: Tensor, low: int, high: int) -> Tensor:
    cut = torch.clamp(x / step, low, high)
    return _straight(cut.round(), cut) * step


class _Linear(torch.autograd.Function):
    """Twin of `_linear` with its gradients written out: half the time, a third of the memory."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, low: int, high: int) -> Tensor:
        scaled = x / step
        ctx.save_for_backward(scaled, step)
        ctx.ends = low, high
        return scaled.clamp(low, high).round_().mul_(step)

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (gradient,), (scaled, step) = given, ctx.saved_tensors
        cut = scaled.clamp(*ctx.ends)
        inside = (cut == scaled).to(scaled.dtype)
        by_step = cut.round_().addcmul_(scaled, inside, value=-1)  # round(x / step) - x / step inside, the end outside
        return gradient * inside, by_step.mul_(gradient).sum_to_size(step.shape), None, None


def _nearest_power(x: Tensor) -> Tensor:
    """log2 x, rounded (a step is positive, x as well)."""
    return torch.log2(x).round()


def _log(x: Tensor, step: Tensor, powers: int, signed: bool) -> Tensor:
    size = (x.abs() if signed else x.clamp_min(0)) / step
    k = _nearest_power(size.detach().clamp_min(2.0**-64)).clamp(max=0)
    held = torch.where(k > -powers, torch.exp2(k), torch.zeros_like(k)) * x.detach().sign()
    inside = torch.clamp(x / step, -1.0 if signed else 0.0, 1.0)
    return _straight(held, inside) * step


class Rows:
    """How a tensor is cut into rows, each with its own step: one, one an output channel, or several of `group` weights each."""

    def __init__(self, granularity: str, group: int) -> None:
        if granularity not in GRANULARITIES:
            raise unknown_name("granularity", granularity, GRANULARITIES)
        if group < 1:
            raise SpecError(f"groups of {group} weights", hint="1 or more")
        self.granularity, self.group = granularity, group

    def of(self, x: Tensor) -> Tensor:
        if self.granularity == "tensor":
            return x.reshape(1, -1)
        flat = x.reshape(len(x), -1)
        if self.granularity == "channel":
            return flat
        return F.pad(flat, (0, -flat.shape[1] % self.group)).reshape(-1, self.group)

    def back(self, rows: Tensor, like: Tensor) -> Tensor:
        if self.granularity == "group":
            each = like[0].numel()
            rows = rows.reshape(len(like), -1)[:, :each]
        return rows.reshape(like.shape)


def steps(rows: Tensor, codes: Codes, calibration: str) -> Tensor:
    """A step for each row, [rows, 1]."""
    if calibration not in CALIBRATIONS:
        raise unknown_name("calibration", calibration, CALIBRATIONS)
    rows = rows.detach().float()
    most = rows.abs().amax(1, keepdim=True)
    if calibration == "percentile":
        return codes.step_of(torch.quantile(rows.abs(), PERCENTILE, dim=1, keepdim=True))
    best = codes.step_of(most)
    if calibration == "max":
        return best
    least = (codes(rows, best) - rows).square().sum(1, keepdim=True)
    shares = [2.0**-i for i in range(1, 5)] if codes.kind == "log" else torch.linspace(0.1, 1.0, TRIED).tolist()
    whole = best.clone()
    for share in shares:
        step = whole * share
        error = (codes(rows, step) - rows).square().sum(1, keepdim=True)
        best, least = torch.where(error < least, step, best), torch.minimum(error, least)
    return best


class Quantiser(nn.Module):
    """Rounds what goes through it. `shift` is learned: log of the step over the calibrated one, so that decay pulls it back."""

    calibrated: Tensor

    def __init__(self, codes: Codes, step: Tensor, rows: Rows) -> None:
        super().__init__()
        self.codes, self.rows = codes, rows
        self.register_buffer("calibrated", step.detach().clone())
        self.shift = nn.Parameter(torch.zeros_like(step))

    @property
    def step(self) -> Tensor:
        """[rows, 1]"""
        return self.calibrated * (self.shift.exp() if self.codes.kind == "linear" else torch.ones_like(self.shift))

    def forward(self, x: Tensor) -> Tensor:
        whole = self.rows.granularity == "tensor"
        rows, step = (x, self.step.reshape(())) if whole else (self.rows.of(x), self.step)
        if self.codes.kind == "log":
            held = self.codes(rows, step)
        elif self.training:
            held = _Linear.apply(rows, step, self.codes.low, self.codes.high)
        elif whole:  # the same by torch's own operators, which are faster and exported as they are
            zero = torch.zeros((), dtype=torch.int32)
            held = torch.fake_quantize_per_tensor_affine(rows, step.detach(), zero, self.codes.low, self.codes.high)
        else:
            zero = torch.zeros(len(step), dtype=torch.int32)
            held = torch.fake_quantize_per_channel_affine(rows, step.detach().flatten(), zero, 0, self.codes.low, self.codes.high)
        return held if whole else self.rows.back(held, x)

    def integers(self, x: Tensor) -> Tensor:
        """The codes of a tensor as evaluation rounds it, int32, of its shape."""
        was = self.training
        held = self.eval()(x.detach())
        self.train(was)
        return self.rows.back((self.rows.of(held.detach()) / self.step.detach()).round(), x).int()

    def extra_repr(self) -> str:
        return f"{self.codes.bits} b {self.codes.kind}, {'signed' if self.codes.signed else 'unsigned'}, {len(self.shift)} steps"


def sampled(values: Tensor) -> Tensor:
    """At most `SAMPLE` values, evenly spread."""
    flat = values.detach().flatten()
    return flat[:: max(1, math.ceil(len(flat) / SAMPLE))]

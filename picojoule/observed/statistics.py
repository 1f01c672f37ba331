"""What the numbers of a network look like when it runs on real data: zeros, range, histogram, entropy, run-length ratio.

    statistics("digits", "digits")      the trained network that comes along, on its 300 images
    statistics("model.onnx", "x.npz")   ONNX: onnxruntime if it is installed, else onnx's reference evaluator
    statistics("net.py:make", "x.npy")  torch

`input` is what a MAC layer reads, `output` what it leaves for memory: after the activation function (ReLU, ...) if one follows
directly, because hardware applies it as results leave the accumulators. `densities` is what the cost model reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from picojoule.ask import Progress
from picojoule.errors import SpecError
from picojoule.formats import run_length
from picojoule.formats.names import number_format
from picojoule.observed.data_files import load_data

BINS = 256  # of what is shown, and of the entropy
FINE = 4096  # bins that are kept: 4 or more for each integer of 8 bits, for the largest magnitude fills half the range
ORDER = ("input", "weight", "output")
Record = Callable[[str, str, np.ndarray], None]  # (layer, role, values)


@dataclass
class Tally:
    """Counts of the numbers of one tensor over all batches. Bins cover [-2^k, 2^k), k = `exponent`; k grows with what is seen."""

    elements: int = 0
    zeros: int = 0
    low: float = np.inf
    high: float = -np.inf
    total: float = 0.0
    squares: float = 0.0
    exponent: int = -126
    fine: np.ndarray = field(default_factory=lambda: np.zeros(FINE, np.int64))  # of the nonzeros
    coded_bits: int = 0

    def add(self, x: np.ndarray) -> None:
        """Counts one more batch; NaN and infinities are refused."""
        x = np.asarray(x, np.float64)
        if not np.isfinite(x).all():
            raise SpecError("it computes NaN or infinity", hint="check the data's range and type")
        if not x.size:
            return
        kept = x[x != 0]
        self.elements += x.size
        self.zeros += x.size - kept.size
        self.low, self.high = min(self.low, float(x.min())), max(self.high, float(x.max()))
        self.total, self.squares = self.total + float(x.sum()), self.squares + float((x * x).sum())
        if kept.size:
            self._widen(int(np.frexp(np.abs(kept).max())[1]))
            at = np.floor(np.ldexp(kept, FINE.bit_length() - 2 - self.exponent)).astype(np.int64) + FINE // 2
            self.fine += np.bincount(at, minlength=FINE)
        fixed = number_format("dfp16")
        self.coded_bits += run_length.encode(fixed.encode(x).codes.reshape(x.shape).astype(np.uint16)).bits

    def _widen(self, exponent: int) -> None:
        """Merges pairs of bins until 2^exponent lies inside; the first time the range is just set."""
        if not self.fine.any():
            self.exponent = max(self.exponent, exponent)
        for _ in range(max(0, exponent - self.exponent)):
            half = self.fine.reshape(-1, 2).sum(axis=1)
            self.fine = np.concatenate([np.zeros(FINE // 4, np.int64), half, np.zeros(FINE // 4, np.int64)])
            self.exponent += 1

    @property
    def bins(self) -> np.ndarray:
        """Nonzeros in 256 bins: int64[256]."""
        return self.fine.reshape(BINS, -1).sum(axis=1)

    @property
    def density(self) -> float:
        return 1 - self.zeros / self.elements

    @property
    def entropy_bits(self) -> float:
        """Bits an element of its distribution over zero and the 256 bins: what an ideal code of 8 b values would take."""
        p = np.append(self.bins, self.zeros) / self.elements
        p = p[p > 0]
        return float(max(0.0, -(p * np.log2(p)).sum()))

    @property
    def run_length_ratio(self) -> float:
        """16 b over the bits of Eyeriss' run-length code, the values in 16 b dynamic fixed point."""
        return 16 * self.elements / self.coded_bits

    def to_json(self) -> dict[str, Any]:
        mean = self.total / self.elements
        return {
            "elements": self.elements,
            "zeros": self.zeros,
            "density": self.density,
            "least": self.low,
            "most": self.high,
            "mean": mean,
            "deviation": float(np.sqrt(max(0.0, self.squares / self.elements - mean * mean))),
            "entropy_bits": self.entropy_bits,
            "run_length_ratio": self.run_length_ratio,
            "histogram": self._histogram(),
        }

    def _histogram(self) -> dict[str, Any]:
        """The fine bins from the first to the last that holds anything, as `workload.values` reads them."""
        held = np.flatnonzero(self.fine)
        first, end = (int(held[0]), int(held[-1]) + 1) if held.size else (0, 0)
        step = 2.0 ** (self.exponent + 1) / FINE
        return {"first_edge": step * (first - FINE // 2), "step": step, "nonzeros": self.fine[first:end].tolist()}


@dataclass(frozen=True)
class Statistics:
    """Tallies by layer and role of one run."""

    model: str
    data: str
    samples: int
    ran_by: str
    layers: dict[str, dict[str, Tally]]
    unseen: tuple[str, ...] = ()  # MAC layers whose tensors could not be observed

    def densities(self) -> dict[str, Any]:
        """`{"layers": {name: {role: fraction of nonzeros}}}`, as the cost model reads it."""
        layers = {n: {role: t.density for role, t in roles.items()} for n, roles in self.layers.items()}
        return {"model": self.model, "data": self.data, "layers": layers}

    def to_json(self) -> dict[str, Any]:
        """Everything, histograms included."""
        tensors = {n: {role: t.to_json() for role, t in roles.items()} for n, roles in self.layers.items()}
        return {
            "model": self.model,
            "data": self.data,
            "samples": self.samples,
            "ran_by": self.ran_by,
            "tensors": tensors,
            "unseen": list(self.unseen),
            "densities": self.densities(),
        }


def statistics(
    model: str,
    data: str | Path,
    *,
    limit: int | None = None,
    scale: float = 1.0,
    batch: int = 32,
    progress: Progress | None = None,
) -> Statistics:
    """Runs `model` on `data` and tells what its tensors look like, layer by layer.

    >>> s = statistics("digits", "digits", limit=50)
    >>> round(s.layers["conv2"]["input"].density, 1)
    0.5
    """
    arrays = load_data(data, limit=limit, scale=scale)
    tallies: dict[str, dict[str, Tally]] = {}

    def record(layer: str, role: str, x: np.ndarray) -> None:
        try:
            tallies.setdefault(layer, {}).setdefault(role, Tally()).add(x)
        except SpecError as e:
            raise SpecError(f"{role} of {layer}: {e.problem}", where=str(data), hint=e.hint) from None

    run = _runner(model)
    names, ran_by, samples = run(model, arrays, str(data), batch, record, progress or (lambda done, of, what: None))
    ordered: dict[str, dict[str, Tally]] = {n: {r: t for r in ORDER if (t := tallies[n].get(r))} for n in names if n in tallies}
    return Statistics(str(model), str(data), samples, ran_by, ordered, tuple(n for n in names if n not in tallies))


def _runner(model: str) -> Callable[..., tuple[list[str], str, int]]:
    path = Path(model)
    if model == "digits" or path.suffix.lower() == ".onnx":
        from picojoule.observed.run_onnx import run_onnx

        return run_onnx
    if ":" in model and not path.exists():
        from picojoule.observed.run_torch import run_torch

        return run_torch
    raise SpecError(
        "this has no trained weights to run", where=model, hint="MODEL is digits, an .onnx file, or module:callable for torch"
    )

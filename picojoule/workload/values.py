"""Which values a tensor takes: a histogram of what was seen on real data, and the integers that quantisation makes of it.

`pj statistics MODEL --data DATA --json` prints one for each tensor of each layer. The JSON contract; other keys are ignored:

    {"tensors": {"conv1": {"input": {"zeros": 10, "least": 0.0, "most": 0.97,
                                     "histogram": {"first_edge": -1.0, "step": 0.0078125, "nonzeros": [0, 5, 3]}}}}}

`zeros` counts elements that are exactly zero, `nonzeros` the others by bin: bin i begins at first_edge + i step. Any weights
will do for counts. `least` and `most` are the range of the elements, which sets the step of quantisation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from picojoule.errors import SpecError

MOST_INTEGERS = 1 << 20  # that a histogram is spread over
HINT = "write it with `pj statistics MODEL --data DATA --json > FILE`"


@dataclass(frozen=True, kw_only=True)
class Values:
    """A histogram of the elements of a tensor: zeros apart, the others in bins of equal width."""

    least: float
    most: float
    zeros: float
    first_edge: float
    step: float
    nonzeros: tuple[float, ...] = field(hash=False)  # thousands of numbers; the others tell histograms apart

    def __post_init__(self) -> None:
        numbers = (self.least, self.most, self.zeros, self.first_edge, self.step, *self.nonzeros)
        if not all(math.isfinite(v) for v in numbers):
            raise SpecError("a histogram with a number that is not finite", hint=HINT)
        if min(self.zeros, *self.nonzeros, 0.0) < 0 or not self.zeros + sum(self.nonzeros) > 0:
            raise SpecError("a histogram of no elements, or of negative counts", hint=HINT)
        if not self.step > 0 or self.least > self.most:
            raise SpecError(f"bins of {self.step:g}, values from {self.least:g} to {self.most:g}", hint=HINT)
        first, last = self.first_edge, self.first_edge + self.step * len(self.nonzeros)
        if sum(self.nonzeros) and not (first <= self.most and self.least <= last):
            raise SpecError(f"bins from {first:g} to {last:g} for values from {self.least:g} to {self.most:g}", hint=HINT)

    @property
    def signed(self) -> bool:
        """Whether any element is negative."""
        return self.least < 0

    def quantised(self, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
        """(integers int64[n], their probabilities float64[n], which add up to 1) of rint(x / step), cut to `low` .. `high`.

        step = largest magnitude / largest integer, zero at zero, all elements in range. Elements are taken as spread evenly over
        their bin; error: where they are not, the low digits come out closer to even than they are. Raises SpecError for 2^20
        integers and more.
        """
        if high - low >= MOST_INTEGERS:
            raise SpecError(f"values as integers from {low} to {high}", hint="choose narrower operands, such as --bits 8")
        integers = np.arange(low, high + 1)
        step = max(-self.least, self.most) / (high if high > 0 else max(1, -low))
        edges = np.clip(self.first_edge + self.step * np.arange(len(self.nonzeros) + 1), self.least, self.most)
        below = np.concatenate([[0.0], np.cumsum(self.nonzeros)])
        up_to = np.interp((integers[:-1] + 0.5) * step, edges, below) if step else np.where(integers[:-1] < 0, 0.0, below[-1])
        counts = np.diff(up_to, prepend=0.0, append=below[-1])
        counts[integers == 0] += self.zeros
        kept = counts > 0
        return integers[kept], counts[kept] / counts.sum()


def read_values(value: Any, where: str = "") -> Values:
    """The histogram of one tensor in the form above. Raises SpecError with `where`."""
    try:
        h = value["histogram"]
        return Values(
            least=float(value["least"]),
            most=float(value["most"]),
            zeros=float(value["zeros"]),
            first_edge=float(h["first_edge"]),
            step=float(h["step"]),
            nonzeros=tuple(float(n) for n in h["nonzeros"]),
        )
    except SpecError as e:
        raise e.located(where) from None
    except (KeyError, TypeError, ValueError) as e:
        problem = f"no key {e}" if isinstance(e, KeyError) else str(e)
        raise SpecError(f"this is no histogram: {problem}", where=where, hint=HINT) from None


def values_to_plain(values: Values) -> dict[str, Any]:
    """The form that `read_values` reads."""
    return {
        "least": values.least,
        "most": values.most,
        "zeros": values.zeros,
        "histogram": {"first_edge": values.first_edge, "step": values.step, "nonzeros": list(values.nonzeros)},
    }

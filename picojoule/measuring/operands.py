"""Operands of a timed run, and the check of its result: random data, compared with the same computation in fp64."""

from __future__ import annotations

import numpy as np

from picojoule.errors import SpecError
from picojoule.machines.kernels.measurements import TOLERANCE


class WrongResult(Exception):
    """A kernel whose result is not what fp64 gives: it gets no row of times."""

    def __init__(self, what: str, error: float, tolerance: float) -> None:
        super().__init__(f"{what}: the result is off by {error:.2g} of its largest value, {tolerance:g} is the most")
        self.error, self.tolerance = error, tolerance


def random(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Normally distributed float32 data: constant operands run faster and cooler on real machines, and flatter them."""
    return rng.standard_normal(shape, dtype=np.float32)


def check_random(name: str, array: np.ndarray) -> np.ndarray:
    """The array itself; operands that are all equal (zeros above all) are refused."""
    if array.size > 1 and not np.any(array != array.reshape(-1)[0]):
        raise SpecError(
            f"every element of {name} is {array.reshape(-1)[0]}",
            hint="time with random operands: constant ones switch fewer bits, so that clocks and energy are better than in use",
        )
    return array


def check_result(what: str, got: np.ndarray, exact: np.ndarray, dtype: str) -> float:
    """The relative error of a result against fp64; raises WrongResult where it exceeds the tolerance of the type."""
    if got.shape != exact.shape:
        raise WrongResult(f"{what} gave shape {got.shape} for {exact.shape}", float("inf"), TOLERANCE[dtype])
    scale = float(np.abs(exact).max(initial=0.0)) or 1.0
    difference = np.abs(got.astype(np.float64) - exact)
    error = float(difference.max(initial=0.0)) / scale
    if not np.isfinite(error) or error > TOLERANCE[dtype]:
        raise WrongResult(what, error, TOLERANCE[dtype])
    return error

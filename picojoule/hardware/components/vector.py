"""A component for vector units: the energy of one scalar operation by kind, from those of adders and multipliers."""

from __future__ import annotations

from picojoule.hardware.components.components import component
from picojoule.hardware.components.logic import operation
from picojoule.quantities.estimate import Estimate

# (multiplications, additions) of one function. Integers: one segment of a table that is linear piece by piece, found by a
# comparison. Floats: Newton's iteration from an 8-bit seed doubles the right bits, exp is 2^f by Horner's rule after a range
# reduction of one multiplication and one addition.
_INTEGER = {"divide": (2, 2), "sqrt": (1, 2), "exp": (1, 2)}
_ITERATIONS = ((8, 0), (16, 1), (32, 2), (64, 3))  # (bits, iterations)
_DEGREE = ((8, 2), (16, 3), (32, 6), (64, 11))  # (bits, degree of the polynomial)
_CHOICE = 2.0  # other ways to compute a function take half to twice the operations


@component("vector_lane")
def vector_lane(*, bits: int, technology_nm: float, format: str = "int", voltage_v: float | None = None) -> dict[str, Estimate]:
    """Energy of one `add`, `multiply`, `compare`, `divide`, `sqrt` and `exp` (any transcendental function) in a lane.

    add and multiply: the laws of `operation` at width, node and voltage. compare: an integer addition of that width (floats
    compare as integers do). Functions of integers: a table that is linear piece by piece, one multiplication and two additions
    (as in DianNao's NFU-3, ASPLOS 2014, and NVDLA's look-up tables); a division is such a reciprocal and a multiplication.
    Functions of floats: Newton's iteration for divide and sqrt, a polynomial of degree 3 (16 b) or 6 (32 b) for exp (textbook:
    Muller, Elementary Functions). Seeds and tables are not priced; functions are within a factor of two, by choice of method.
    Registers, control and instruction fetch are not included.
    """
    add = operation("add", format, bits, technology_nm, voltage_v)
    multiply = operation("multiply", format, bits, technology_nm, voltage_v)
    compare = operation("add", "int", bits, technology_nm, voltage_v)
    out = {"add": add, "multiply": multiply, "compare": compare}
    for kind, (products, sums) in _functions(format, bits).items():
        value, low, high = (
            products * m + sums * a for m, a in ((multiply.value, add.value), (multiply.low, add.low), (multiply.high, add.high))
        )
        source = f"{multiply.source}: {products} {bits} b {format} multiplications + {sums} additions"
        out[kind] = Estimate(value, "pJ", source, low, high, multiply.note).loosened(_CHOICE, "operations: our choice of method")
    return out


def _functions(format: str, bits: int) -> dict[str, tuple[int, int]]:
    """(multiplications, additions) of divide, sqrt and exp."""
    if format == "int":
        return _INTEGER
    steps, degree = (next(n for most, n in table if bits <= most) for table in (_ITERATIONS, _DEGREE))
    return {
        "divide": (2 * steps + 1, steps),  # each iteration x (2 - a x); then the numerator
        "sqrt": (3 * steps + 1, steps),  # each iteration y (1.5 - a/2 y^2); then times a
        "exp": (degree + 1, degree + 1),
    }

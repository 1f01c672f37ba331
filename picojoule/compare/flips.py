"""Where a ranking flips: two machines change places when batch, precision, or the DRAM energy that is counted changes.

Found by evaluating both machines under both conditions, decided only where the difference exceeds what the searches leave open,
and confirmed by running all four cells again, past every cache. Energies of different scope are never ranked, nor is a bound
against a prediction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

from picojoule.compare.bench import Bench, Condition
from picojoule.machines.answer import Answer

FACTORS = ("batch", "dram", "precision")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is ranked, and under which condition. `dram` False: energy without off-chip memory."""

    metric: str  # "energy" or "time", per inference
    condition: Condition
    dram: bool = True

    def value(self, a: Answer) -> float | None:
        """pJ or seconds per inference; None where unknown."""
        if self.metric == "time":
            return a.latency_s / a.batch
        pj = a.energy_pj if self.dram else a.onchip_pj
        return None if pj is None else pj / a.batch

    def __str__(self) -> str:
        return str(self.condition) + ("" if self.metric == "time" else ", with DRAM" if self.dram else ", without DRAM")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """`better` leads under `before` and trails under `after`. Values are (better, worse) in pJ or s per inference.

    `confirmed`: the four cells, run again, show the same. `between`: the two neighbouring batch sizes where the order changes.
    """

    factor: str
    before: View
    after: View
    better: str
    worse: str
    values_before: tuple[float, float]
    values_after: tuple[float, float]
    confirmed: bool | None = None
    between: tuple[int, int] | None = None


def comparable(a: Answer, b: Answer, metric: str) -> bool:
    """Predictions with predictions and bounds with bounds, of the same operators; energies only where both cover the same."""
    same = a.scope == b.scope and a.offchip_inside == b.offchip_inside
    alike = a.is_bound == b.is_bound and (a.is_bound or a.operators == b.operators)
    return alike and (metric == "time" or same)


def order(a: Answer, b: Answer, view: View) -> int:
    """-1 if a is lower, 1 if b is; 0 where unknown, of different scope, or closer than the searches' gaps can tell.

    Of a lower bound and a whole figure only the whole one can be known to be lower.
    """
    x, y = view.value(a), view.value(b)
    if x is None or y is None or not comparable(a, b, view.metric):
        return 0
    low_x, low_y = x / (1 + a.gap), y / (1 + b.gap)
    if x < low_y * (1 - 1e-9):
        return 0 if a.at_least and not b.at_least else -1
    if y < low_x * (1 - 1e-9):
        return 0 if b.at_least and not a.at_least else 1
    return 0


def find(bench: Bench, base: Condition, batches: tuple[int, ...], bits: tuple[int, ...], factors: tuple[str, ...]) -> list[Flip]:
    """All flips between the base condition and one that differs in a single factor, in a fixed order."""
    pairs: list[tuple[str, View, View]] = []
    if "dram" in factors:
        pairs.append(("dram", View(metric="energy", condition=base), View(metric="energy", condition=base, dram=False)))
    others = [("batch", replace(base, batch=b)) for b in batches if "batch" in factors and b != base.batch]
    others += [("precision", replace(base, bits=b)) for b in bits if "precision" in factors and b != base.bits]
    for factor, other in others:
        for metric in ("energy", "time"):
            pairs.append((factor, View(metric=metric, condition=base), View(metric=metric, condition=other)))
    return [flip for factor, before, after in pairs for flip in _between(bench, factor, before, after)]


def _between(bench: Bench, factor: str, before: View, after: View) -> list[Flip]:
    first, second = bench.all(before.condition), bench.all(after.condition)
    out = []
    for a, b in combinations([n for n in first if n in second], 2):
        one, two = order(first[a], first[b], before), order(second[a], second[b], after)
        if one * two == -1:
            lead, trail = (a, b) if one < 0 else (b, a)
            out.append(
                Flip(factor=factor, before=before, after=after, better=lead, worse=trail,
                     values_before=_values(before, first[lead], first[trail]),
                     values_after=_values(after, second[lead], second[trail]))
            )  # fmt: skip
    return out


def _values(view: View, a: Answer, b: Answer) -> tuple[float, float]:
    x, y = view.value(a), view.value(b)
    assert x is not None and y is not None  # `order` has seen both
    return x, y


def confirm(bench: Bench, flip: Flip) -> Flip:
    """The flip with what a second, fresh run of its four cells says."""
    orders = []
    for view in (flip.before, flip.after):
        a, b = (bench.answer(n, view.condition, fresh=True) for n in (flip.better, flip.worse))
        orders.append(order(a, b, view) if isinstance(a, Answer) and isinstance(b, Answer) else 0)
    return replace(flip, confirmed=orders == [-1, 1])


def locate(bench: Bench, flip: Flip) -> Flip:
    """A batch flip with the two neighbouring batch sizes, among powers of two, between which the order changes.

    Bisection: it finds one change of order; if the order changed back and forth, there are more.
    """
    low, high = sorted((flip.before.condition.batch, flip.after.condition.batch))
    sizes = [low, *(2**k for k in range(high.bit_length()) if low < 2**k < high), high]
    start, i, j = -1 if low == flip.before.condition.batch else 1, 0, len(sizes) - 1
    while j - i > 1:
        k = (i + j) // 2
        view = replace(flip.before, condition=replace(flip.before.condition, batch=sizes[k]))
        a, b = (bench.answer(n, view.condition) for n in (flip.better, flip.worse))
        here = order(a, b, view) if isinstance(a, Answer) and isinstance(b, Answer) else 0
        i, j = (k, j) if here == start else (i, k)
    return replace(flip, between=(sizes[i], sizes[j]))

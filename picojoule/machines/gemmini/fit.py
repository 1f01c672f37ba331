"""The parameters fitted to measured rows, and how well they predict rows of other layer shapes.

Rows of one shape (strides aside) never stand on both sides of a split: mappings of the same layer are alike, and a model could
learn the layer.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from picojoule.errors import SpecError
from picojoule.machines.gemmini.latency import Counts, Parameters, cycles, free, phases, roofline
from picojoule.machines.gemmini.program import REACHES, Program, program
from picojoule.machines.gemmini.rows import Row, read_rows

LEAST_ROWS, LEAST_SHAPES = 40, 4  # below that a fit of a dozen parameters, or a split by shape, says nothing
_SOFT = 0.1  # log residuals beyond about 10 % count less than squared, so that a few odd rows do not bend the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How predictions meet measurements: rank correlation, and absolute errors in percent of the measured cycles."""

    rows: int
    shapes: int
    spearman: float
    median_error_percent: float
    mean_error_percent: float
    within_25_percent: float  # share of rows, in percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One split by shape: fitted on some shapes, judged on the others."""

    name: str
    fitted: Score
    unseen: Score
    parameters: Parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A row with what the model says: cycles, and the phases that make them up, each as if it ran alone."""

    row: Row
    program: Program
    cycles: float
    phases: dict[str, float]

    @property
    def error_percent(self) -> float | None:
        """(predicted - measured) / measured in percent, signed."""
        return None if self.row.cycles is None else 100.0 * (self.cycles - self.row.cycles) / self.row.cycles


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What `gemmini` found. `parameters` made the `predictions`; `score` is None where the file holds no measured cycles.

    `roofline` scores the same counts with nothing fitted: the slower of streaming and moving bytes.
    """

    source: str
    how: str
    parameters: Parameters
    predictions: tuple[Prediction, ...]
    score: Score | None
    roofline: Score | None
    splits: tuple[Split, ...] = ()

    def to_json(self, with_rows: bool = False) -> dict[str, Any]:
        kinds = Counter(("matrix product" if p.program.is_product else "convolution") for p in self.predictions)
        value: dict[str, Any] = {
            "source": self.source,
            "how": self.how,
            "rows": len(self.predictions),
            "shapes": len({p.row.shape.size for p in self.predictions}),
            "kinds": dict(kinds),
            "parameters": asdict(self.parameters),
            "score": None if self.score is None else asdict(self.score),
            "roofline": None if self.roofline is None else asdict(self.roofline),
            "splits": [asdict(s) for s in self.splits],
        }
        if with_rows:
            value["predictions"] = [
                {
                    **{"line": p.row.line, **asdict(p.row.shape), "mapping": str(p.row.mapping)},
                    **{"rtl_cycles": p.row.cycles, "predicted_cycles": p.cycles, "error_percent": p.error_percent},
                    **{"array": p.program.array, "tiles": p.program.tiles, "phases_cycles": p.phases},
                }
                for p in self.predictions
            ]
        return value


def fit(counts: Counts, measured: np.ndarray) -> Parameters:
    """The parameters of least robust error in log cycles, within their bounds; the reach is chosen among REACHES."""
    from scipy.optimize import least_squares

    chosen = free()
    low, high, begin = (np.log([f.metadata[k] for f in chosen]) for k in ("low", "high", "start"))
    goal = np.log(measured)
    best, least = None, np.inf
    for reach in REACHES:  # each begins where the last one ended

        def made(x: np.ndarray, reach: int = reach) -> Parameters:
            return Parameters(**{f.name: float(v) for f, v in zip(chosen, np.exp(x), strict=True)}, reach=reach)

        found = least_squares(
            lambda x, made=made: np.log(cycles(counts, made(x))) - goal,
            begin, bounds=(low, high), loss="soft_l1", f_scale=_SOFT, ftol=1e-6, max_nfev=200,
        )  # fmt: skip
        begin = np.clip(found.x, low + 1e-6, high - 1e-6)
        if found.cost < least:
            best, least = made(found.x), found.cost
    assert best is not None
    return best


def score(predicted: np.ndarray, rows: Sequence[Row]) -> Score:
    """Rank correlation and errors of predictions of rows that were measured."""
    measured = np.array([r.cycles for r in rows], float)
    error = 100.0 * np.abs(predicted / measured - 1.0)
    return Score(
        rows=len(measured),
        shapes=len({r.shape.size for r in rows}),
        spearman=spearman(predicted, measured),
        median_error_percent=float(np.median(error)),
        mean_error_percent=float(error.mean()),
        within_25_percent=float(100.0 * (error <= 25.0).mean()),
    )


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation; equal values share their mean rank."""
    from scipy.stats import rankdata

    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def splits(rows: Sequence[Row], counts: Counts, number: int, held_back: float, seed: int) -> tuple[Split, ...]:
    """`number` random splits; each holds back the rows of a `held_back` share of the shapes."""
    measured = np.array([r.cycles for r in rows], float)
    shapes = sorted({r.shape.size for r in rows})
    if len(rows) < LEAST_ROWS or len(shapes) < LEAST_SHAPES:
        raise SpecError(
            f"{len(rows)} rows of {len(shapes)} shapes are too few to split",
            hint=f"give {LEAST_ROWS} rows of {LEAST_SHAPES} shapes or more, or leave out --refit to predict them blind",
        )
    away = min(len(shapes) - 2, max(1, round(held_back * len(shapes))))
    made = []
    for k in range(number):
        unseen_shapes = set(random.Random(seed + k).sample(shapes, away))
        unseen = np.array([r.shape.size in unseen_shapes for r in rows])
        parameters = fit(counts.some(~unseen), measured[~unseen])
        predicted = cycles(counts, parameters)
        parts = [score(predicted[m], [r for r, inside in zip(rows, m, strict=True) if inside]) for m in (~unseen, unseen)]
        made.append(Split(name=f"seed {seed + k}", fitted=parts[0], unseen=parts[1], parameters=parameters))
    return tuple(made)


def unseen(rows: Sequence[Row], folds: int = 4, seed: int = 0) -> tuple[np.ndarray, tuple[Score, ...]]:
    """Cycles of every row predicted by a fit that has not seen its shape, and the score of each fold of shapes."""
    counts, _ = _counted(rows, None)
    measured = np.array([r.cycles for r in rows], float)
    shapes = sorted({r.shape.size for r in rows})
    random.Random(seed).shuffle(shapes)
    predicted, scores = np.zeros(len(rows)), []
    for k in range(folds):
        away = set(shapes[k::folds])
        out = np.array([r.shape.size in away for r in rows])
        predicted[out] = cycles(counts.some(out), fit(counts.some(~out), measured[~out]))
        scores.append(score(predicted[out], [r for r in rows if r.shape.size in away]))
    return predicted, tuple(scores)


def gemmini(
    path: Path | None = None,
    *,
    refit: bool = False,
    number: int = 5,
    held_back: float = 0.3,
    seed: int = 0,
    array: int | None = None,
) -> Report:
    """Predicted cycles of the rows of a CSV file, and how they meet the measured ones.

    Without a file, or with `refit`: fitted on the rows of some shapes and judged on the others, `number` times; the
    predictions are of a fit to all rows. With a file: fitted on the rows that come along, without the shapes that are
    predicted, so that every row of the file is predicted blind; if the file shares more than half of the shapes, a quarter of
    them at a time. `array` fixes the side of the array instead of taking it from each mapping.
    """
    rows = read_rows(path)
    counts, programs = _counted(rows, array)
    measured = np.array([np.nan if r.cycles is None else r.cycles for r in rows])
    source = "the measured rows that come along (RTL in FireSim, DOSA project)" if path is None else str(path)
    made: tuple[Split, ...] = ()
    if path is None or refit:
        if np.isnan(measured).any():
            raise SpecError("rows without measured cycles cannot be fitted", where=source, hint="leave out --refit")
        made = splits(rows, counts, number, held_back, seed)
        parameters, how = fit(counts, measured), "parameters fitted to all rows; the splits judge such fits on unseen shapes"
        predicted, alone = cycles(counts, parameters), phases(counts, parameters)
    else:
        predicted, alone, parameters, how = _blind(rows, counts, array)
    known_rows, has = [r for r in rows if r.cycles is not None], ~np.isnan(measured)
    judged, plain = (score(x[has], known_rows) if known_rows else None for x in (predicted, roofline(counts)))
    predictions = tuple(
        Prediction(row=r, program=p, cycles=float(c), phases={n: float(v[i]) for n, v in alone.items()})
        for i, (r, p, c) in enumerate(zip(rows, programs, predicted, strict=True))
    )
    found = {"score": judged, "roofline": plain}
    return Report(source=source, how=how, parameters=parameters, predictions=predictions, splits=made, **found)


def _blind(
    rows: Sequence[Row], counts: Counts, array: int | None, groups: int = 4
) -> tuple[np.ndarray, dict[str, np.ndarray], Parameters, str]:
    """(cycles, phases, parameters of the first fit, how): rows predicted by fits to rows that come along, of other shapes."""
    known = read_rows()
    known_counts, _ = _counted(known, array)
    measured = np.array([r.cycles for r in known], float)
    sizes = {r.shape.size for r in known}
    shared = sorted(sizes & {r.shape.size for r in rows})
    groups = groups if len(shared) > len(sizes) / 2 else 1
    random.Random(0).shuffle(shared)
    predicted = np.zeros(len(rows))
    alone: dict[str, np.ndarray] = {}
    first, told = None, ""
    for k in range(groups):
        away = set(shared[k::groups])
        here = np.array([r.shape.size in away or (k == 0 and r.shape.size not in sizes) for r in rows])
        others = np.array([r.shape.size not in away for r in known])
        parameters = fit(known_counts.some(others), measured[others])
        part = counts.some(here)
        predicted[here] = cycles(part, parameters)
        for name, values in phases(part, parameters).items():
            alone.setdefault(name, np.zeros(len(rows)))[here] = values
        if first is None:
            first, told = parameters, f"{others.sum():,} rows of {len(sizes - away)} other shapes, those that come along"
    assert first is not None
    how = f"blind: fitted to {told}"
    if groups > 1:
        how = f"blind, shapes in {groups} groups: each fitted to the other groups of those that come along (first group's shown)"
    return predicted, alone, first, how


def _counted(rows: Sequence[Row], array: int | None) -> tuple[Counts, list[Program]]:
    programs = [program(r, array) for r in rows]
    return Counts.of(programs), programs

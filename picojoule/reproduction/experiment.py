"""What an experiment is: a published claim, our prediction beside it, and whether the two agree within a stated tolerance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Literal

from picojoule.ask import Progress, silent
from picojoule.errors import SpecError

Verdict = Literal["reproduced", "differs", "not reproducible"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One number of the paper beside ours. `reported` None: it prints none; `predicted` None: we cannot, `note` says why."""

    what: str
    unit: str  # "" for a ratio
    reported: float | None
    predicted: float | None
    group: str = ""  # rows of one group are averaged together
    composed: bool = False  # follows from the paper's own component numbers, so it predicts nothing
    note: str = ""

    @property
    def error_percent(self) -> float | None:
        """(predicted - reported) / reported in percent, with its sign; None where one of the two is missing, or reported is 0."""
        if self.reported is None or self.predicted is None or self.reported == 0:
            return None
        return 100.0 * (self.predicted - self.reported) / abs(self.reported)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that must hold for the claim to count as reproduced: an ordering, or a bar on errors."""

    what: str
    holds: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run of an experiment gave. `tables`: further tables to show, title -> rows (dicts with units in their keys)."""

    rows: tuple[Row, ...] = ()
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A published claim and the function that computes our side of it.

    `run` takes a progress callback and returns an Outcome; nothing in it may be fitted to the reported numbers, except the
    calibration that `calibration` names. `needs` lists optional packages. `reason` is set, and `run` left out, where the claim
    cannot be reproduced; `differs` says why a claim is known to hold less, or not at all, here. `slow` experiments take minutes
    and are left out of `pj reproduce all` unless asked for.
    """

    name: str
    claim: str
    source: str
    run: Callable[[Progress], Outcome] | None = None
    calibration: str = "none: every constant comes from a data sheet, a component model or the layer's shapes"
    needs: tuple[str, ...] = ()
    reason: str = ""
    differs: str = ""
    slow: bool = False

    def __post_init__(self) -> None:
        if (self.run is None) == (not self.reason):
            raise SpecError(f"experiment {self.name!r} has to have either a run or the reason why there is none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """An experiment with the outcome of its run."""

    experiment: Experiment
    outcome: Outcome

    @property
    def verdict(self) -> Verdict:
        if self.experiment.run is None:
            return "not reproducible"
        return "reproduced" if all(c.holds for c in self.outcome.checks) else "differs"


def mean_absolute_error(rows: Iterable[Row], group: str | None = None) -> float:
    """Unweighted mean of |error| in percent over the rows (of one group) that have both numbers; composed rows do not count."""
    errors = [
        abs(r.error_percent)
        for r in rows
        if r.error_percent is not None and not r.composed and (group is None or r.group == group)
    ]
    if not errors:
        raise SpecError(f"no row of group {group!r} has both a reported and a predicted number")
    return fmean(errors)


def bar(rows: Iterable[Row], at_most_percent: float, group: str | None = None) -> Check:
    """The check that the mean absolute error of the rows (of one group) is at most so many percent."""
    mean = mean_absolute_error(rows, group)
    what = f"mean error{f' of {group}' if group else ''} at most {at_most_percent:g} %"
    return Check(what=what, holds=mean <= at_most_percent, detail=f"{mean:.2f} %")


def run(experiment: Experiment, progress: Progress = silent) -> Reproduction:
    """Run one experiment."""
    outcome = experiment.run(progress) if experiment.run is not None else Outcome()
    return Reproduction(experiment=experiment, outcome=outcome)

"""Results that the survey names and that we cannot reproduce, each with the reason: `not_reproducible.csv`."""

from __future__ import annotations

import csv
from importlib.resources import files

from picojoule.reproduction.experiment import Experiment


def _read() -> tuple[Experiment, ...]:
    text = files("picojoule.published").joinpath("data/not_reproducible.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return tuple(Experiment(name=r["name"], claim=r["claim"], source=r["source"], reason=r["reason"]) for r in rows)


EXPERIMENTS = _read()

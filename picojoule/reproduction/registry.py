"""The experiments that come along, found by the files in `experiments/`, and `reproduce`, which runs one of them."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from picojoule.ask import Progress, silent
from picojoule.errors import unknown_name
from picojoule.reproduction import experiments as folder
from picojoule.reproduction.experiment import Experiment, Reproduction, run


@cache
def experiments() -> dict[str, Experiment]:
    """Name -> experiment, in the order of names. A module has one EXPERIMENT, or several EXPERIMENTS."""
    modules = [import_module(f"{folder.__name__}.{m.name}") for m in pkgutil.iter_modules(folder.__path__)]
    found = [e for m in modules for e in (m.EXPERIMENTS if hasattr(m, "EXPERIMENTS") else (m.EXPERIMENT,))]
    return {e.name: e for e in sorted(found, key=lambda e: e.name)}


def experiment(name: str) -> Experiment:
    """The experiment of this name."""
    known = experiments()
    if name not in known:
        raise unknown_name("experiment", name, known)
    return known[name]


def reproduce(name: str, progress: Progress = silent) -> Reproduction:
    """Our prediction beside a published result, with signed errors and a verdict.

    >>> reproduce("table-ii").verdict
    'reproduced'
    """
    return run(experiment(name), progress)


def chosen(slow: bool) -> tuple[Experiment, ...]:
    """All experiments; those that take minutes only if `slow`."""
    return tuple(e for e in experiments().values() if slow or not e.slow)

"""Answers kept on disk, by content: the same layer, chip, objective and space under the same version are searched once."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from picojoule.files import cache_folder, code_digest, keep
from picojoule.version import VERSION

if TYPE_CHECKING:
    from picojoule.search.task import Points, Task


CODE = ("quantities", "formats", "workload", "hardware", "mapping", "cost", "search")  # what searches, counts and prices


class Cache:
    """A folder of pickled answers that this user wrote. Off, unwritable or damaged: nothing is kept and nothing fails."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def _path(self, task: Task) -> Path:
        chip = replace(task.chip, vector=None)  # no layer asks for it
        key: Any = (task.layer.shape_key, chip, task.kind, task.space, task.slopes, tuple(map(str, task.seeds)), task.homes)
        name = hashlib.sha256((VERSION + code_digest(*CODE) + repr(key)).encode()).hexdigest()
        return cache_folder() / name[:2] / f"{name}.pickle"

    def get(self, task: Task) -> Points | None:
        if not self.on:
            return None
        try:
            return pickle.loads(self._path(task).read_bytes())  # noqa: S301 - written by this user's own runs
        except (OSError, pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError):
            return None

    def put(self, task: Task, answer: Points) -> None:
        """Keep an answer that needs no second try: proved, a first look, or a floor."""
        if not self.on or not (answer.proved or task.kind in ("glance", "floor")):
            return
        try:
            keep(self._path(task), pickle.dumps(answer))
        except OSError:
            return

"""The crew of a search: tasks in worker processes, through the cache, within a time limit, with progress."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import replace
from math import prod
from multiprocessing import get_context

from picojoule.ask import Progress
from picojoule.hardware.chip import Chip
from picojoule.search.cache import Cache
from picojoule.search.exact.lattice import outermost_tiles
from picojoule.search.optimal import best_mapping
from picojoule.search.placement import keeps_weights
from picojoule.search.siblings import elders
from picojoule.search.task import Points, Task, work
from picojoule.workload.layer import Layer

WORTH = 1.5  # times the time of the first try that a second one has to have


def _size(layer: Layer) -> int:
    """Tiles of a layer's lattice: what its search takes grows with it."""
    return prod(len(outermost_tiles(n, True)) for _, n in layer.dims)


def _ignore_interrupts() -> None:
    """Workers leave an interrupt to the process that waits for them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Crew:
    """Runs tasks in worker processes (or here, when one job is enough), through the cache; counts CPU seconds."""

    def __init__(self, jobs: int | None, tasks: int, cache: Cache, progress: Progress | None) -> None:
        self.jobs = max(1, min(jobs or os.cpu_count() or 1, tasks))
        self.cache, self.progress = cache, progress
        self.cpu_s, self.compile_cpu_s = 0.0, 0.0
        self.pool: ProcessPoolExecutor | None = None
        self.stopped = False  # by an interrupt

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)

    def run(self, tasks: Sequence[Task], what: str, fallback: Sequence[Points] = ()) -> list[Points]:
        """Answers in the order of the tasks. An interrupt ends the run; what is not answered yet falls back to a first look,
        and later runs answer with their fallback at once. Without a fallback the interrupt goes on."""
        out: list[Points | None] = [self.cache.get(t) for t in tasks]
        todo = [i for i, a in enumerate(out) if a is None]
        todo.sort(key=lambda i: -_size(tasks[i].layer))  # the longest first
        self._tell(len(tasks) - len(todo), len(tasks), what)
        try:
            if todo and not self.stopped:
                if not all(keeps_weights(tasks[i].layer, tasks[i].chip) for i in todo):  # placements need no kernels
                    self._warm()
                self._answer(tasks, todo, out, what)
                self._spend_what_is_left(tasks, todo, out, what)
        except KeyboardInterrupt:
            if not fallback:
                raise
            self.stopped = True
            self._stop()
        return [fallback[i] if a is None else a for i, a in enumerate(out)]

    def _spend_what_is_left(self, tasks: Sequence[Task], todo: list[int], out: list[Points | None], what: str) -> None:
        """What quick layers left of their time goes to those that are still open, from where they stopped, shared evenly."""
        limits = [t.time_limit for i in todo if (t := tasks[i]).time_limit is not None]
        if len(limits) < len(todo) or tasks[todo[0]].kind in ("glance", "floor"):
            return
        left = sum(limits) - sum(a.search_cpu_s for i in todo if (a := out[i]) is not None)
        while still := [
            i for i in todo if (a := out[i]) is not None and not a.proved and not keeps_weights(tasks[i].layer, tasks[i].chip)
        ]:
            each = left / len(still)
            longer = [i for i in still if each > WORTH * (tasks[i].time_limit or 0.0)]
            if not longer:
                return
            again = [
                replace(tasks[i], time_limit=each, seeds=tuple(m for m, _ in a.points)) if (a := out[i]) else tasks[i]
                for i in longer
            ]
            found: list[Points | None] = [None] * len(again)
            self._answer(again, list(range(len(again))), found, what)
            for i, new in zip(longer, found, strict=True):
                old = out[i]
                if new is not None and old is not None:
                    left -= new.search_cpu_s
                    out[i] = new if new.gap <= old.gap else old
            if left <= 0.0 or len(longer) == len(still):
                return

    def first_looks(self, layers: Sequence[Layer], chip: Chip, space: str, limit: float | None) -> list[Points]:
        """A quick answer for each layer; one that differs from an earlier one in its zeros alone begins with that one's."""
        tasks = [Task(x, chip, "glance", space, limit) for x in layers]
        before = elders(layers)
        first = [i for i, e in enumerate(before) if e is None]
        found = dict(zip(first, self.run([tasks[i] for i in first], "first look"), strict=True))
        younger = {i: e for i, e in enumerate(before) if e is not None}
        seeded = [replace(tasks[i], seeds=tuple(m for m, _ in found[e].points)) for i, e in younger.items()]
        found.update(zip(younger, self.run(seeded, "first look") if seeded else (), strict=True))
        return [found[i] for i in range(len(tasks))]

    def _answer(self, tasks: Sequence[Task], todo: list[int], out: list[Points | None], what: str) -> None:
        done = len(tasks) - len(todo)
        if self.jobs == 1 or len(todo) == 1:
            results = ((i, work(tasks[i])) for i in todo)
        else:
            futures: dict[Future[Points], int] = {self._pool().submit(work, tasks[i]): i for i in todo}
            results = ((futures[f], f.result()) for f in as_completed(futures))
        for i, answer in results:
            out[i] = self._finish(tasks[i], answer)
            done += 1
            self._tell(done, len(tasks), what)

    def _stop(self) -> None:
        """End the workers at once: what they were doing is not waited for."""
        if self.pool is not None:
            for process in list((self.pool._processes or {}).values()):
                process.terminate()
            self.pool.shutdown(wait=False, cancel_futures=True)
            self.pool = None

    def _finish(self, task: Task, answer: Points) -> Points:
        self.cpu_s += answer.search_cpu_s
        self.cache.put(task, answer)
        return answer

    def _tell(self, done: int, of: int, what: str) -> None:
        if self.progress:
            self.progress(done, of, what)

    def _warm(self) -> None:
        """Load or compile the kernels once, before workers fork."""
        if self.compile_cpu_s == 0.0:
            from picojoule.search.warm import compile_kernels

            self.compile_cpu_s = compile_kernels(best_mapping)

    def _pool(self) -> ProcessPoolExecutor:
        if self.pool is None:
            method = "fork" if os.name == "posix" and os.uname().sysname == "Linux" else "spawn"
            self.pool = ProcessPoolExecutor(self.jobs, mp_context=get_context(method), initializer=_ignore_interrupts)
        return self.pool

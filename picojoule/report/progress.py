"""Progress on stderr: a bar where that is a terminal, else a line now and then, so that nobody waits in silence."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console

from picojoule.ask import Progress

FIRST_S = 2.0  # of silence before the first line
LONGEST_S = 30.0  # between two lines; the pause doubles until then


@contextmanager
def progress() -> Iterator[Progress]:
    """What it yields is called with (done, of, what); the bar or the lines end with the block."""
    with _bar() if sys.stderr.isatty() else lines(sys.stderr) as step:
        yield step


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def step(done: int, of: int, what: str) -> None:
            bar.update(task, completed=done, total=of, description=what)

        yield step


@contextmanager
def lines(to: TextIO, first_s: float | None = None, longest_s: float = LONGEST_S) -> Iterator[Progress]:
    """`mapping for edp: 3 of 21, 12 s` after `first_s` seconds (or `FIRST_S`), then ever more seldom; a quick answer: none."""
    began, now, over = time.monotonic(), ["reading"], threading.Event()

    def step(done: int, of: int, what: str) -> None:
        now[0] = f"{what}: {done} of {of}"

    def tell() -> None:
        pause = FIRST_S if first_s is None else first_s
        while not over.wait(pause):
            print(f"{now[0]}, {time.monotonic() - began:.0f} s", file=to, flush=True)
            pause = min(2 * pause, longest_s)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield step
    finally:
        over.set()
        teller.join()

"""A clock that moves only when it is told to, so that tests of timing take no time and give the same answer."""

from __future__ import annotations


class Clock:
    """Seconds; `work(t)` is a call that takes t, `sleep` waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def work(self, seconds: float) -> None:
        self.now += seconds

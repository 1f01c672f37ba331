"""What may be asked: the words for objectives, spaces, accountings, tensor roles and totals, and the way to hear of progress.

Each stands here once, with its words in the order in which they are tried and shown. What a word means is said where it is
carried out: spaces in `search/optimal.py`, accountings in `cost/traffic.py`. `verification/` alone keeps lists of its own.
"""

from __future__ import annotations

from collections.abc import Callable

SINGLE_BEST = ("edp", "energy", "latency")  # objectives with one best mapping
OBJECTIVES = (*SINGLE_BEST, "front")  # "front": every mapping that no other beats in both energy and latency
SPACES = ("default", "perfect", "prototype")
ACCOUNTINGS = ("default", "timeloop", "timeloop-0.4", "accelforge")  # whose rules of counting
ROLES = ("weight", "input", "output")
FUSE = ("none", "keep", "loops")  # between layers tensors go outside, may stay on chip, or in part, in loops over layers
COUNTED = ("all", "macs")  # operators in totals and objectives

Progress = Callable[[int, int, str], None]  # called with (done, of, what)


def silent(done: int, of: int, what: str) -> None:
    """No progress shown."""

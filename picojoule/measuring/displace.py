"""Pushing operands out of the caches, so that a call starts cold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from picojoule.measuring.machine import Machine

UNKNOWN_CACHE_BYTES = 64 << 20


def displacer(machine: Machine, where: Any = None) -> tuple[Callable[[], Any], str]:
    """(what displaces the caches, how): reads and writes a buffer of twice the last level's size."""
    if where is not None and where.type == "cuda":
        import torch

        size = 4 * int(torch.cuda.get_device_properties(where).L2_cache_size)
        buffer = torch.ones(size // 4, device=where)
        return lambda: buffer.mul_(1.0), f"read and wrote {size >> 20} MiB on the device"
    last = max((n for _, n in machine.caches), default=UNKNOWN_CACHE_BYTES)
    block = np.ones(2 * last // 8)
    return lambda: np.multiply(block, 1.0, out=block), f"read and wrote {2 * last >> 20} MiB"

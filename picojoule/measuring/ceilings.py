"""The ceilings of this machine, measured: operations a second for each data type, bytes a second from each cache and DRAM."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from picojoule.ask import Progress, silent
from picojoule.measuring import cuda, timing, torch_kernels
from picojoule.measuring.machine import Machine, Others, machine
from picojoule.measuring.work import gemm_work

SIDES = (512, 1024, 2048)  # of square products, one of which reaches the peak


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """`peak` in operations (2 x MACs) a second by data type; `bandwidth` in bytes a second by level, with the bytes swept."""

    peak_ops_per_s: tuple[tuple[str, float], ...]
    bandwidth_bytes_per_s: tuple[tuple[str, float, int], ...]  # (level, rate, bytes of the working set)
    threads: int
    board: str | None = None  # the CUDA device that was measured; None: the processor

    def to_json(self) -> dict[str, Any]:
        return {
            "peak_ops_per_s": dict(self.peak_ops_per_s),
            "bandwidth_bytes_per_s": {level: rate for level, rate, _ in self.bandwidth_bytes_per_s},
            "working_set_bytes": {level: size for level, _, size in self.bandwidth_bytes_per_s},
            "threads": self.threads,
            "board": self.board,
        }


def swept_reference(values: np.ndarray, times: int) -> float:
    """The sum of all values, `times` over: what `_sweep` reads."""
    return float(times * values.sum())


@njit(fastmath=True, cache=True)
def _sweep(values, times):  # twin of swept_reference; fastmath lets the sum be kept in several vector registers
    total = 0.0
    for _ in range(times):
        s = 0.0
        for i in range(len(values)):
            s += values[i]
        total += s
    return total


def read_bandwidth(size: int, *, budget_s: float = 0.3, clock: timing.Clock = time.perf_counter) -> float:
    """Bytes a second of reading a working set of `size` bytes over and over with one thread; the best of the sweeps."""
    values = np.random.default_rng(0).standard_normal(max(64, size // 512 * 64))
    repeat = max(1, (8 << 20) // values.nbytes)
    _sweep(values[:64], 1)
    best, began, n = float("inf"), clock(), 0
    while n < 3 or clock() - began < budget_s:
        start = clock()
        _sweep(values, repeat)
        best, n = min(best, clock() - start), n + 1
    return float(values.nbytes * repeat / best)


def bandwidths(
    machine: Machine, progress: Progress = silent, clock: timing.Clock = time.perf_counter
) -> tuple[tuple[str, float, int], ...]:
    """(level, bytes a second, bytes swept): half of each cache, and four times the last one for DRAM."""
    levels = [(level, size // 2) for level, size in machine.caches] or [("L1", 16 << 10)]
    levels.append(("DRAM", 4 * max((size for _, size in machine.caches), default=32 << 20)))
    out = []
    for i, (level, size) in enumerate(levels):
        progress(i, len(levels), f"reading from {level}")
        out.append((level, read_bandwidth(size, clock=clock), size))
    return tuple(out)


def peaks(
    where: Any, dtypes: tuple[str, ...], progress: Progress = silent, clock: timing.Clock = time.perf_counter
) -> tuple[tuple[str, float], ...]:
    """Operations a second by data type: the best of square matrix products through torch."""
    out, sync = [], torch_kernels.synchroniser(where)
    for i, dtype in enumerate(dtypes):
        progress(i, len(dtypes), f"peak of {dtype}")
        best = 0.0
        for side in SIDES if where.type == "cpu" else (2048, 4096, 8192):
            work = gemm_work(side, side, side, dtype)
            kernel = torch_kernels.kernel(work, where)
            taken, _, _ = timing.hot(kernel.call, samples=5, budget_s=0.5, sync=sync, clock=clock)
            best = max(best, work.flops / taken.min)
        out.append((dtype, best))
    return tuple(out)


def ceilings(
    device: str = "cpu", threads: int | None = None, progress: Progress = silent, clock: timing.Clock = time.perf_counter
) -> tuple[Ceilings, Machine, float | None]:
    """(ceilings of this machine, the machine, how much of it others used meanwhile). Peaks need torch, bandwidths do not.

    Bandwidths of a processor's memories are those of one thread that reads; a CUDA device's are those of its copies.
    """
    host, others = machine(), Others()
    where = torch_kernels.device(device)
    torch = torch_kernels.load_torch()
    before = torch.get_num_threads()
    used = threads or host.cores
    torch.set_num_threads(used)
    try:
        board = None
        if device == "cpu":
            top, rates = peaks(where, ("fp64", "fp32", "bf16"), progress, clock), bandwidths(host, progress, clock)
        else:
            with cuda.true_fp32(torch):
                top = peaks(where, ("fp64", "fp32", "bf16", "fp16"), progress, clock)
            rates, board = cuda.bandwidths(where, torch), str(torch.cuda.get_device_name(where))
    finally:
        torch.set_num_threads(before)
    found = Ceilings(peak_ops_per_s=top, bandwidth_bytes_per_s=rates, threads=used, board=board)
    return found, host, others.share()

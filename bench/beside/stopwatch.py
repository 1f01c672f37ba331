"""CPU seconds of a fresh child process, measured from outside it.

The child stops at marks (`@@mark NAME`, then it waits for a line); there its process clock is read. `whole` is what the
operating system accounts for it and its children at the end. One thread each, so that CPU seconds compare.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Any

ONE_THREAD = {f"{x}_NUM_THREADS": "1" for x in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
MARKS = ("imported", "warm", "searched")


def process_cpu_s(pid: int) -> float:
    """CPU seconds of a running process, all its threads, to the nanosecond (Linux: clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


def timed(command: Sequence[str], problem: dict[str, Any], limit_cpu_s: float = 600.0) -> dict[str, Any]:
    """The child's record with `import_cpu_s`, `warmup_cpu_s`, `search_cpu_s` and `whole_cpu_s`, all measured outside it.

    A child over its limit is ended; its record is then {"gave_up_after_cpu_s": limit}.
    """

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit_cpu_s), int(limit_cpu_s) + 5))

    child = subprocess.Popen(
        [*command, json.dumps(problem)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **ONE_THREAD, "MPLBACKEND": "Agg"},
        preexec_fn=limit,
    )
    assert child.stdin and child.stdout and child.stderr
    errors: list[str] = []
    reader = threading.Thread(target=lambda e=child.stderr: errors.extend(e), daemon=True)
    reader.start()
    clocks: dict[str, float] = {}
    record: dict[str, Any] = {}
    for line in child.stdout:
        if line.startswith("@@mark "):
            clocks[line.split()[1]] = process_cpu_s(child.pid)
            child.stdin.write("\n")
            child.stdin.flush()
        elif line.startswith("@@record "):
            record = json.loads(line.removeprefix("@@record "))
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    whole = usage.ru_utime + usage.ru_stime
    if whole >= limit_cpu_s - 1 and "searched" not in clocks:
        return {"gave_up_after_cpu_s": round(whole)}
    if child.returncode or not record:
        reader.join(5)
        raise RuntimeError(f"{command[1]} ended with {child.returncode}:\n{''.join(errors)[-2000:]}")
    at = [0.0, *(clocks[m] for m in MARKS)]
    spent = {f"{what}_cpu_s": b - a for what, a, b in zip(("import", "warmup", "search"), at, at[1:], strict=False)}
    return {**record, **spent, "whole_cpu_s": whole}

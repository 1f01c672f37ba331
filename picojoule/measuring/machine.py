"""What the machine is and how busy it is: every measurement carries this, since a time without its machine means nothing."""

from __future__ import annotations

import os
import platform
import re
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

SYS, PROC = Path("/sys"), Path("/proc")
BUSY_SHARE = 0.05  # of all cores, used by others while we measured: above it a measurement is marked
_PACKAGES = ("torch", "onnxruntime", "numpy", "numba", "scipy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The host. Caches are bytes of one instance, level -> size; None is what the system does not tell."""

    cpu: str
    cores: int
    memory_bytes: int | None
    caches: tuple[tuple[str, int], ...]
    clock_hz: float | None
    governor: str | None
    system: str
    packages: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "cpu": self.cpu,
            "cores": self.cores,
            "memory_bytes": self.memory_bytes,
            "caches": dict(self.caches),
            "clock_hz": self.clock_hz,
            "governor": self.governor,
            "system": self.system,
            "packages": dict(self.packages),
        }

    def cache_bytes(self, level: str) -> int | None:
        """Size of a cache, such as "L3"."""
        return dict(self.caches).get(level)


def machine(sys: Path = SYS, proc: Path = PROC) -> Machine:
    """The machine that this runs on, as far as the system tells."""
    return Machine(
        cpu=_cpu(proc),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=_memory(proc),
        caches=_caches(sys),
        clock_hz=_clock(proc),
        governor=_text(sys / "devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        packages=tuple((p, v) for p in _PACKAGES if (v := _version(p))),
    )


def _cpu(proc: Path) -> str:
    match = re.search(r"^model name\s*:\s*(.+)$", _text(proc / "cpuinfo") or "", re.MULTILINE)
    return match[1].strip() if match else platform.processor() or "unknown processor"


def _clock(proc: Path) -> float | None:
    """The clock that the system states at this moment."""
    match = re.search(r"^cpu MHz\s*:\s*([\d.]+)", _text(proc / "cpuinfo") or "", re.MULTILINE)
    return float(match[1]) * 1e6 if match else None


def _memory(proc: Path) -> int | None:
    match = re.search(r"^MemTotal:\s*(\d+) kB", _text(proc / "meminfo") or "", re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def _caches(sys: Path) -> tuple[tuple[str, int], ...]:
    """Data caches of the first core."""
    found: dict[str, int] = {}
    for index in sorted((sys / "devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (_text(index / name) for name in ("level", "type", "size"))
        match = re.fullmatch(r"(\d+)([KM]?)", size or "")
        if level and match and kind in ("Data", "Unified"):
            found[f"L{level}"] = int(match[1]) * {"": 1, "K": 1024, "M": 1024**2}[match[2]]
    return tuple(sorted(found.items()))


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


class Others:
    """How much of the machine other processes used between the start and `share()`: 0.0 to 1.0, None where nobody tells.

    Time of all cores that was not idle, less what this process used itself, over the time of all cores.
    """

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self._start = self._now()

    def share(self) -> float | None:
        """The share since the start."""
        start, end = self._start, self._now()
        if start is None or end is None or end[0] <= start[0]:
            return None
        total, busy, own = (e - s for s, e in zip(start, end, strict=True))
        return min(1.0, max(0.0, (busy - own) / total))

    def _now(self) -> tuple[float, float, float] | None:
        """(seconds of all cores, of them not idle, of them ours)."""
        fields = (_text(self._proc / "stat") or "").partition("\n")[0].split()[1:9]
        if len(fields) < 5 or not all(f.isdigit() for f in fields):
            return None
        ticks = [int(f) for f in fields]
        idle, per_s = ticks[3] + ticks[4], os.sysconf("SC_CLK_TCK")
        return sum(ticks) / per_s, (sum(ticks) - idle) / per_s, time.process_time()

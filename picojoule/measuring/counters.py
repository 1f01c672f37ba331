"""Energy counters: RAPL for the processor's package, NVML for an NVIDIA board. No counter reads `unavailable`, never zero.

A counter moves in steps (RAPL about 1 ms, NVML about 100 ms), so a window runs from one step to a later one, for a second or
more. Values are differences of the counter, wrap-around included; nothing is integrated from samples of the power, and no rated
power ever stands in. Sources: Linux powercap documentation; NVML reference, nvmlDeviceGetTotalEnergyConsumption.
"""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from picojoule.measuring.timing import Clock

POWERCAP = Path("/sys/class/powercap")
WINDOW_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Energy of one call, or why there is none. `gross_j` includes what the device would use idle; `idle_w` is that power."""

    status: Literal["measured", "unavailable"]
    gross_j: float | None = None
    source: str = ""
    scope: str = ""  # package, board
    window_s: float | None = None
    counter_steps: int | None = None
    calls: int | None = None
    idle_w: float | None = None
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class Counter(Protocol):
    """A counter of joules that only grows, but for a wrap at `range_j` (None: never)."""

    source: str
    scope: str
    range_j: float | None

    def joules(self) -> float: ...


class Rapl:
    """The package counters of the powercap tree, summed over packages."""

    source, scope = "RAPL (powercap)", "package"

    def __init__(self, zones: list[Path]) -> None:
        self._zones = zones
        self._last = [self._read(z, "energy_uj") for z in zones]
        self._ranges = [self._read(z, "max_energy_range_uj") for z in zones]
        self._total = 0.0
        self.range_j: float | None = None  # wraps are taken out zone by zone

    def joules(self) -> float:
        """Joules since the counter was opened. Read at least once a minute: a zone wraps after about that long at full power."""
        for i, zone in enumerate(self._zones):
            now = self._read(zone, "energy_uj")
            self._total += (now - self._last[i]) % self._ranges[i] if now < self._last[i] else now - self._last[i]
            self._last[i] = now
        return self._total * 1e-6

    @staticmethod
    def _read(zone: Path, name: str) -> int:
        return int((zone / name).read_text())


class Nvml:
    """The board's total energy, in steps of about 100 ms."""

    source, scope = "NVML total energy", "board"
    range_j: float | None = None

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml, self._handle = nvml, handle

    def joules(self) -> float:
        return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) * 1e-3


def cpu_counter(root: Path = POWERCAP) -> Counter | Energy:
    """The processor's counter, or an `unavailable` energy with what to do about it."""
    zones = sorted(z for z in root.glob("*:*") if _name(z).startswith("package")) if root.is_dir() else []
    if not zones:
        what = "this system has no powercap tree with a package counter (usual in virtual machines)"
        return Energy(status="unavailable", remedy=f"{what}: run on the bare machine, with the intel_rapl modules loaded")
    try:
        return Rapl(zones)
    except PermissionError:
        remedy = f"the counter may not be read: as root, chmod a+r {zones[0]}/energy_uj, or grant CAP_DAC_READ_SEARCH"
        return Energy(status="unavailable", remedy=remedy)
    except (OSError, ValueError) as error:
        return Energy(status="unavailable", remedy=f"the counter in {zones[0]} does not read: {error}")


def cuda_counter(index: int = 0, nvml: Any = None) -> Counter | Energy:
    """The board's counter, or an `unavailable` energy with what to do about it."""
    board = _board(index, nvml)
    if isinstance(board, Energy):
        return board
    library, handle = board
    counter = Nvml(library, handle)
    try:
        counter.joules()
    except library.NVMLError as error:
        return Energy(status="unavailable", remedy=f"NVML does not read the board's energy: {error}")
    return counter


def board_facts(index: int = 0, nvml: Any = None) -> dict[str, float | str]:
    """Power limit [W], highest clocks [MHz] and driver of the board; what NVML does not tell is left out."""
    board = _board(index, nvml)
    if isinstance(board, Energy):
        return {}
    library, handle = board
    asked: dict[str, Callable[[], Any]] = {
        "power_limit_w": lambda: library.nvmlDeviceGetEnforcedPowerLimit(handle) * 1e-3,
        "max_sm_mhz": lambda: library.nvmlDeviceGetMaxClockInfo(handle, library.NVML_CLOCK_SM),
        "max_mem_mhz": lambda: library.nvmlDeviceGetMaxClockInfo(handle, library.NVML_CLOCK_MEM),
        "driver": lambda: library.nvmlSystemGetDriverVersion(),
    }
    out = {}
    for name, ask in asked.items():
        with contextlib.suppress(library.NVMLError):
            out[name] = ask()
    return out


def _board(index: int, nvml: Any) -> tuple[Any, Any] | Energy:
    """(NVML, its handle of the board), or why there is none."""
    if nvml is None:
        try:
            nvml = importlib.import_module("pynvml")
        except ImportError:
            return Energy(status="unavailable", remedy="NVML's Python binding is missing: pip install nvidia-ml-py")
    try:
        nvml.nvmlInit()
        return nvml, nvml.nvmlDeviceGetHandleByIndex(index)
    except nvml.NVMLError as error:
        return Energy(status="unavailable", remedy=f"NVML does not read the board's energy: {error}")


def _name(zone: Path) -> str:
    try:
        return (zone / "name").read_text().strip()
    except OSError:
        return ""


def energy_of(
    call: Callable[[], Any],
    counter: Counter | Energy,
    *,
    window_s: float = WINDOW_S,
    sync: Callable[[], None] | None = None,
    idle_w: float | None = None,
    clock: Clock = time.perf_counter,
) -> Energy:
    """Joules of one call, repeated for a window that begins and ends with a step of the counter.

    An unavailable counter is passed on as it is. A counter that does not move within ten windows counts as unavailable.
    """
    if isinstance(counter, Energy):
        return counter
    give_up = clock() + 10 * window_s
    start_j, start_s, _ = _next_step(call, counter, sync, clock, give_up)
    last_j, last_s, calls, steps = start_j, start_s, 0, 0
    pending = 0
    while last_s - start_s < window_s and clock() < give_up:
        now_j, now_s, done = _next_step(call, counter, sync, clock, give_up)
        pending += done
        if now_j > last_j:
            last_j, last_s, calls, steps, pending = now_j, now_s, calls + pending, steps + 1, 0
    if not steps or not calls:
        return Energy(status="unavailable", remedy=f"the {counter.source} counter did not move within {10 * window_s:g} s")
    return Energy(
        status="measured",
        gross_j=(last_j - start_j) / calls,
        source=counter.source,
        scope=counter.scope,
        window_s=last_s - start_s,
        counter_steps=steps,
        calls=calls,
        idle_w=idle_w,
    )


def idle_power_w(
    counter: Counter | Energy,
    *,
    window_s: float = WINDOW_S,
    clock: Clock = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> float | None:
    """Power with nothing of ours running, before the measurement; None without a counter."""
    if isinstance(counter, Energy):
        return None
    idle = energy_of(lambda: sleep(0.01), counter, window_s=window_s, clock=clock)
    if idle.gross_j is None or not idle.window_s or not idle.calls:
        return None
    return idle.gross_j * idle.calls / idle.window_s


def _next_step(
    call: Callable[[], Any], counter: Counter, sync: Callable[[], None] | None, clock: Clock, give_up: float
) -> tuple[float, float, int]:
    """(joules, time, calls made) at the next change of the counter."""
    before, calls = counter.joules(), 0
    while True:
        call()
        if sync:
            sync()
        calls += 1
        now = counter.joules()
        if now > before or clock() >= give_up:
            return now, clock(), calls

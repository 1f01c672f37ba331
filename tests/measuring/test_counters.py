"""Energy is what a counter says, over a window that is stated; without a counter it is unavailable, with a remedy."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from picojoule.measuring import counters
from picojoule.measuring.machine import Others, machine
from tests.measuring.clock import Clock


def zone(root: Path, name: str, energy_uj: int, range_uj: int = 1_000_000) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "name").write_text("package-0\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    (folder / "max_energy_range_uj").write_text(f"{range_uj}\n")
    return folder


def test_a_machine_without_the_tree_says_so_and_what_to_do(tmp_path: Path) -> None:
    energy = counters.cpu_counter(tmp_path / "nothing")
    assert isinstance(energy, counters.Energy)
    assert energy.status == "unavailable" and energy.gross_j is None and "bare machine" in energy.remedy


def test_a_counter_that_may_not_be_read_names_the_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone(tmp_path, "intel-rapl:0", 5)
    real = Path.read_text

    def refused(self: Path, *args: object, **more: object) -> str:
        if self.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return real(self, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "read_text", refused)
    energy = counters.cpu_counter(tmp_path)
    assert isinstance(energy, counters.Energy) and energy.status == "unavailable" and "CAP_DAC_READ_SEARCH" in energy.remedy


def test_a_wrapped_counter_goes_on(tmp_path: Path) -> None:
    folder = zone(tmp_path, "intel-rapl:0", 900_000)
    counter = counters.cpu_counter(tmp_path)
    assert not isinstance(counter, counters.Energy)
    (folder / "energy_uj").write_text("100000\n")  # 900,000 -> 1,000,000 = 0 -> 100,000
    assert counter.joules() == pytest.approx(0.2)


def test_packages_add_up_and_cores_do_not_count_twice(tmp_path: Path) -> None:
    a, b = zone(tmp_path, "intel-rapl:0", 0), zone(tmp_path, "intel-rapl:1", 0)
    core = zone(tmp_path, "intel-rapl:0:0", 0)
    (core / "name").write_text("core\n")
    counter = counters.cpu_counter(tmp_path)
    assert not isinstance(counter, counters.Energy)
    for folder in (a, b, core):
        (folder / "energy_uj").write_text("250000\n")
    assert counter.joules() == pytest.approx(0.5)


class Stepped:
    """A counter of a device that draws `watts`, shown in steps of `step_s`."""

    source, scope = "made", "board"
    range_j: float | None = None

    def __init__(self, clock: Clock, watts: float, step_s: float) -> None:
        self.clock, self.watts, self.step_s = clock, watts, step_s

    def joules(self) -> float:
        return self.watts * self.step_s * int(self.clock() / self.step_s + 1e-9)


@pytest.mark.parametrize("call_s", [0.0013, 0.017, 0.3])
def test_the_window_runs_from_step_to_step_so_that_a_coarse_counter_is_exact(call_s: float) -> None:
    clock = Clock()
    counter = Stepped(clock, watts=40.0, step_s=0.1)
    energy = counters.energy_of(lambda: clock.work(call_s), counter, clock=clock)
    assert energy.status == "measured" and energy.window_s is not None and energy.window_s >= 1.0
    assert energy.counter_steps is not None and energy.counter_steps >= 4 and energy.calls is not None
    # the last step is seen at the end of a call, so at most one call is miscounted
    assert energy.gross_j == pytest.approx(40.0 * call_s, rel=2.0 / energy.calls + 0.02)


def test_a_counter_that_stands_still_is_unavailable_and_never_zero() -> None:
    clock = Clock()
    energy = counters.energy_of(lambda: clock.work(0.01), Stepped(clock, 0.0, 0.1), clock=clock)
    assert energy.status == "unavailable" and energy.gross_j is None and "did not move" in energy.remedy


def test_an_unavailable_counter_is_passed_on() -> None:
    none = counters.Energy(status="unavailable", remedy="because")
    assert counters.energy_of(lambda: None, none) is none
    assert counters.idle_power_w(none) is None


def test_idle_power_is_that_of_doing_nothing() -> None:
    clock = Clock()
    idle = counters.idle_power_w(Stepped(clock, 25.0, 0.01), clock=clock, sleep=clock.sleep)
    assert idle == pytest.approx(25.0, rel=0.02)


def test_no_binding_for_the_board_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    energy = counters.cuda_counter()
    assert isinstance(energy, counters.Energy) and "nvidia-ml-py" in energy.remedy


def test_a_board_that_does_not_tell_says_what_the_library_said() -> None:
    class Library:
        class NVMLError(Exception):
            pass

        def nvmlInit(self) -> None:
            raise self.NVMLError("Insufficient Permissions")

    energy = counters.cuda_counter(nvml=Library())
    assert isinstance(energy, counters.Energy) and "Insufficient Permissions" in energy.remedy


def test_millijoules_of_the_board_become_joules() -> None:
    class Library:
        class NVMLError(Exception):
            pass

        def nvmlInit(self) -> None: ...
        def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
            return index

        def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:
            return 12_345

    counter = counters.cuda_counter(nvml=Library())
    assert not isinstance(counter, counters.Energy) and counter.joules() == pytest.approx(12.345)


def test_what_a_board_does_not_tell_is_left_out() -> None:
    class Library:
        NVML_CLOCK_SM, NVML_CLOCK_MEM = 1, 2

        class NVMLError(Exception):
            pass

        def nvmlInit(self) -> None: ...
        def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
            return index

        def nvmlDeviceGetEnforcedPowerLimit(self, handle: int) -> int:
            return 700_000

        def nvmlDeviceGetMaxClockInfo(self, handle: int, clock: int) -> int:
            if clock == self.NVML_CLOCK_MEM:
                raise self.NVMLError("Not Supported")
            return 1980

        def nvmlSystemGetDriverVersion(self) -> str:
            return "580.1"

    assert counters.board_facts(nvml=Library()) == {"power_limit_w": 700.0, "max_sm_mhz": 1980, "driver": "580.1"}


def test_a_busy_machine_is_noticed(tmp_path: Path) -> None:
    def stat(user: int, idle: int) -> None:
        (tmp_path / "stat").write_text(f"cpu  {user} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\n")

    stat(1000, 1000)
    others = Others(tmp_path)
    stat(1000 + 150_000, 1000 + 50_000)  # three quarters of all time, next to none of it ours
    share = others.share()
    assert share is not None and share == pytest.approx(0.75, abs=0.02)


def test_a_system_that_does_not_tell_gives_no_share(tmp_path: Path) -> None:
    assert Others(tmp_path).share() is None


def test_the_machine_is_described_as_far_as_the_system_tells(tmp_path: Path) -> None:
    cache = tmp_path / "sys/devices/system/cpu/cpu0/cache"
    for index, (level, kind, size) in enumerate((("1", "Data", "32K"), ("1", "Instruction", "64K"), ("3", "Unified", "8M"))):
        (cache / f"index{index}").mkdir(parents=True)
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (cache / f"index{index}" / name).write_text(text)
    (tmp_path / "cpuinfo").write_text("processor: 0\nmodel name\t: Made CPU @ 3 GHz\n")
    (tmp_path / "meminfo").write_text("MemTotal:       1024 kB\n")
    m = machine(tmp_path / "sys", tmp_path)
    assert m.cpu == "Made CPU @ 3 GHz" and m.memory_bytes == 1 << 20 and m.governor is None
    assert dict(m.caches) == {"L1": 32 << 10, "L3": 8 << 20} and m.cache_bytes("L2") is None

"""A real machine as a few physical numbers: facts from its data sheet, and parameters that a calibration finds.

One small YAML file a device (`devices/*.yaml`): `calibrated` from measured kernels, with the residuals of the fit beside it, or
`data sheet` where nobody has measured, with sustained fractions that are typical of its kind and labelled so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from picojoule.errors import SpecError, unknown_name
from picojoule.files import read_text
from picojoule.machines.kernels.measurements import DTYPES

DEVICES = Path(__file__).parent / "devices"
Kind = Literal["gpu", "cpu"]
Status = Literal["calibrated", "data sheet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What a calibration may move: twelve numbers, each with a meaning, a unit and bounds (`BOUNDS`).

    launch_s: from one kernel to the next where the launch itself is hidden (a graph; on a CPU, calling the operator).
    latency_s: one dependent step within a kernel: fill of the pipeline, an epilogue, a reduction over a row.
    *_efficiency: sustained share of the data sheet's rate at the clock that the power limit allows. `matrix`: matrix or SIMD
    units on their native formats; `integer`: int8 through them; `vector`: the scalar lanes of a GPU (fp32, element-wise work);
    `unaligned`: products whose rows do not begin at 16 bytes; `gather`: convolutions whose channels do not lie together (NCHW).
    cache_bytes_per_s, dram_bytes_per_s: sustained bandwidths of the last-level cache and of DRAM.
    matrix_pj: energy of one operation of a 16-bit product on the matrix units. instruction_pj: of one lane's instruction.
    dram_pj_per_byte: DRAM and the way to the units; the last-level cache alone costs `CACHE_SHARE` of that.
    """

    launch_s: float
    latency_s: float
    matrix_efficiency: float
    integer_efficiency: float
    vector_efficiency: float
    unaligned_efficiency: float
    gather_efficiency: float
    cache_bytes_per_s: float
    dram_bytes_per_s: float
    matrix_pj: float
    instruction_pj: float
    dram_pj_per_byte: float

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0:
                raise SpecError(f"{name} is {value!r}", hint="every parameter is a positive number")


NAMES = tuple(f.name for f in fields(Parameters))
ENERGY = ("matrix_pj", "instruction_pj", "dram_pj_per_byte")  # the others set the latency
UNITS = {
    n: "s"
    if n.endswith("_s") and "bytes" not in n
    else "B/s"
    if "bytes_per_s" in n
    else "pJ/B"
    if "byte" in n
    else "pJ"
    if n.endswith("_pj")
    else ""
    for n in NAMES
}
CACHE_SHARE = 0.4  # of dram_pj_per_byte, for a byte that the last-level cache delivers: on-chip wires and tags, no DRAM


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A machine. Rates are dense operations a second (a MAC is two) at the clock of the data sheet.

    `peaks`: rate per data type of the units that run products. `vector_dtypes`: types that run on the lanes of a GPU instead of
    its matrix units. `lanes` per unit (SM or core) issue one instruction a cycle each. `cache_bytes` is the last-level cache,
    of which `cache_share` holds data between two kernels. `idle_w` is drawn without work, `power_w` is the limit.
    `eager_s`: time between two kernels that are submitted one by one. `single_s`: added to a kernel that is timed alone.
    """

    name: str
    description: str
    kind: Kind
    units: int
    clock_hz: float
    lanes: int
    peaks: Mapping[str, float]
    vector_dtypes: tuple[str, ...]
    cache_bytes: float
    dram_peak_bytes_per_s: float
    power_w: float | None
    idle_w: float | None
    parameters: Parameters
    status: Status
    source: str
    aliases: tuple[str, ...] = ()
    dram_bytes: float | None = None
    cache_share: float = 0.75
    eager_s: float = 10e-6
    single_s: float = 2.7e-6
    fixed: Mapping[str, str] = field(default_factory=dict)  # parameter -> why it was not fitted
    calibration: Mapping[str, Any] = field(default_factory=dict)  # data, split, residuals by group; empty without one

    def __post_init__(self) -> None:
        where = f"device {self.name}"
        if self.kind not in ("gpu", "cpu"):
            raise unknown_name("kind", self.kind, ("gpu", "cpu"), where)
        for name in ("units", "clock_hz", "lanes", "cache_bytes", "dram_peak_bytes_per_s"):
            if not getattr(self, name) > 0:
                raise SpecError(f"{name} is {getattr(self, name)!r}", where=where, hint="give a positive number")
        for dtype, rate in self.peaks.items():
            if dtype not in DTYPES:
                raise unknown_name("dtype", dtype, DTYPES, f"{where}: peaks")
            if not rate > 0:
                raise SpecError(f"peak of {dtype} is {rate!r}", where=where, hint="leave out types that the device lacks")
        if not self.peaks:
            raise SpecError("no peak rate", where=where, hint="give operations a second for at least one data type")

    def peak(self, dtype: str) -> float:
        """Dense operations a second in this type; a clear error where the device has no unit for it."""
        if dtype not in self.peaks:
            raise SpecError(f"{self.name} has no {dtype} units in its data sheet", hint=f"known: {', '.join(self.peaks)}")
        return self.peaks[dtype]

    @property
    def prices_measured(self) -> bool:
        """Were its energies fitted to a counter? Otherwise they are rules of thumb."""
        return self.status == "calibrated" and any(n not in self.fixed for n in ENERGY)

    @property
    def vector_rate(self) -> float:
        """Lane instructions a second of one unit, at the data sheet's clock."""
        return self.lanes * self.clock_hz


def bounds(device: Device) -> dict[str, tuple[float, float]]:
    """Physical bounds of every parameter: nothing runs above its data sheet, and nothing sensible far below."""
    gpu = device.kind == "gpu"
    return {
        "launch_s": (0.2e-6, 20e-6) if gpu else (0.1e-6, 200e-6),
        "latency_s": (0.1e-6, 3e-6) if gpu else (0.02e-6, 100e-6),
        "matrix_efficiency": (0.15, 1.0) if gpu else (0.05, 1.6),  # a CPU's data sheet gives its base clock, which turbo exceeds
        "integer_efficiency": (0.05, 1.0) if gpu else (0.02, 1.6),
        "vector_efficiency": (0.2, 1.0) if gpu else (0.05, 1.6),
        "unaligned_efficiency": (0.02, 1.0),
        "gather_efficiency": (0.2, 1.0),
        "cache_bytes_per_s": (0.5 * device.dram_peak_bytes_per_s, 64.0 * device.units * device.clock_hz),
        "dram_bytes_per_s": (0.2 * device.dram_peak_bytes_per_s, device.dram_peak_bytes_per_s),
        "matrix_pj": (0.05, 20.0) if gpu else (0.5, 500.0),
        "instruction_pj": (0.5, 200.0) if gpu else (1.0, 2000.0),
        "dram_pj_per_byte": (10.0, 1000.0),
    }


def typical(device: Device) -> Parameters:
    """Where a fit begins, and what stays where it cannot tell: shares of the data sheet that are usual for the kind.

    GPU: sustained 0.75 of the matrix units' peak (power), int8 through the older instructions 0.5, lanes 0.75, 0.9 of the DRAM
    bandwidth, a last-level cache of 48 B a cycle and SM less contention (0.55); 1 pJ for a 16-bit operation at 4 nm with its
    operands' way. CPU: 0.75 of the base-clock peak. These are rules of thumb, and every device that uses them says so.
    """
    gpu = device.kind == "gpu"
    cache = device.units * device.clock_hz * (26.0 if gpu else 16.0)
    return Parameters(
        launch_s=1.1e-6 if gpu else 3e-6,
        latency_s=0.7e-6 if gpu else 0.2e-6,
        matrix_efficiency=0.75,
        integer_efficiency=0.5,
        vector_efficiency=0.75 if gpu else 0.6,
        unaligned_efficiency=0.13 if gpu else 0.9,
        gather_efficiency=0.75,
        cache_bytes_per_s=max(cache, 1.5 * device.dram_peak_bytes_per_s),
        dram_bytes_per_s=0.9 * device.dram_peak_bytes_per_s if gpu else 0.75 * device.dram_peak_bytes_per_s,
        matrix_pj=1.0 if gpu else 20.0,
        instruction_pj=18.0 if gpu else 100.0,
        dram_pj_per_byte=100.0 if gpu else 150.0,
    )


def devices() -> dict[str, str]:
    """The devices that come along: name and description."""
    return {name: load_device(name).description for name in device_names()}


@cache
def device_names() -> tuple[str, ...]:
    return tuple(sorted(p.stem for p in DEVICES.glob("*.yaml")))


def load_device(name_or_path: str, where: str = "--on") -> Device:
    """The device of this name, or the one in this YAML file."""
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml"):
        return device_from(read_text(path, "give the YAML file that `pj calibrate` wrote", "YAML file"), str(path))
    if name_or_path not in device_names():
        error = unknown_name("device", name_or_path, device_names(), where)
        raise SpecError(error.problem, where=where, hint=f"{error.hint}; or give the path of a .yaml file")
    return _preset(name_or_path)


@cache
def _preset(name: str) -> Device:
    return device_from((DEVICES / f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml")


def find_device(name: str) -> Device | None:
    """The device that a measurement file calls by this name (`NVIDIA H100 80GB HBM3`), or None."""
    low = name.lower()
    for preset in map(load_device, device_names()):
        if low == preset.name or any(a.lower() in low for a in preset.aliases):
            return preset
    return None


def device_from(text: str, where: str) -> Device:
    """The device that a YAML text describes. What it leaves out of `parameters` is typical of its kind."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as e:
        place = getattr(e, "problem_mark", None)
        at = f"{where}:{place.line + 1}:{place.column + 1}" if place else where
        raise SpecError("this is no YAML", where=at, hint="compare with a device that comes along") from None
    if not isinstance(data, dict):
        raise SpecError("keys and values are needed here", where=where, hint="compare with a device that comes along")
    known = {f.name for f in fields(Device)}
    for key in data:
        if key not in known:
            raise unknown_name("key", key, known, where)
    given = data.pop("parameters", None) or {}
    for key in given:
        if key not in NAMES:
            raise unknown_name("parameter", key, NAMES, f"{where}: parameters")
    for name in ("aliases", "vector_dtypes"):
        data[name] = tuple(data.get(name) or ())
    data = {"power_w": None, "idle_w": None, **data}  # unknown where a file leaves them out
    some = Parameters(**dict.fromkeys(NAMES, 1.0))
    try:
        bare = Device(**{"status": "data sheet", **data, "parameters": some})
        return replace(bare, parameters=replace(typical(bare), **{k: float(v) for k, v in given.items()}))
    except TypeError as e:
        missing = str(e).split(": ")[-1]
        raise SpecError(
            f"{missing} missing or of the wrong kind", where=where, hint="compare with a device that comes along"
        ) from None
    except SpecError as e:
        raise e.located(where) from None


def device_to_yaml(device: Device) -> str:
    """The device as YAML text; `device_from` reads it back to an equal value."""
    data = {f.name: getattr(device, f.name) for f in fields(Device)}
    data["parameters"] = {n: float(f"{v:.5g}") for n, v in asdict(device.parameters).items()}
    for name in ("aliases", "vector_dtypes"):
        data[name] = list(data[name])
    for name in ("peaks", "fixed", "calibration"):
        data[name] = dict(data[name])
    if device.status == "data sheet" and device.parameters == typical(device):
        data["parameters"] = {}  # typical of the kind: not worth repeating in a file
    kept = {k: v for k, v in data.items() if v not in (None, [], {})}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=120)

"""Measured kernels of one device as a JSON file: read, checked, and kept as frozen values.

The schema stands in docs/calibrate.md: `{"schema": "gpu-microbench/1", "meta": {...}, "kernels": [...]}`, where a kernel has
a name, a family with its dimensions, a data type, hot and cold latencies in seconds and, where a counter exists, an energy.
It serves GPUs and CPUs alike. What a library called the kernel that it chose is not read at all, so that no model can use it.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picojoule.errors import SpecError, unknown_name
from picojoule.files import parse_json, read_text

SCHEMAS = ("gpu-microbench/1", "microbench/1")
DTYPES = {"fp64": 8, "fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2, "fp8": 1, "int8": 1, "uint8": 1}  # bytes of an operand
FAMILIES: dict[str, tuple[str, ...]] = {  # family -> dimensions that it needs
    "gemm": ("M", "N", "K"),
    "conv": ("N", "C", "H", "W", "K", "R", "S", "P", "Q"),
    "attn": ("B", "Hq", "Hkv", "Sq", "Sk", "D"),
    "vec": ("op", "shape"),
}
SEVERAL = 5  # groups of fewer kernels are shown and not judged
# Largest error against fp64, over the largest result, with which a result counts as right: rounding, room for long sums.
TOLERANCE = {"fp64": 1e-10, "fp32": 1e-4, "tf32": 5e-3, "bf16": 4e-2, "fp16": 1e-2, "fp8": 0.2, "int8": 1e-2, "uint8": 1e-2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One measured kernel. Latencies are medians in seconds of one call; `energy_j` is of one call, board or package.

    `hot_s`: calls back to back with the data of the last call still in the caches; `cold_s`: caches displaced before each call.
    `steady_s`: time of a call within the long window in which the energy was counted (the clock may have dropped by then).
    """

    name: str
    family: str
    dtype: str
    dims: tuple[tuple[str, Any], ...]
    hot_s: float
    cold_s: float | None = None
    energy_j: float | None = None
    steady_s: float | None = None
    hot_mode: str = "graph"
    bytes: float | None = None  # compulsory traffic as the file gives it, for vector operators that nobody here knows

    @property
    def group(self) -> str:
        """Family and data type, such as `gemm bf16`: what errors are averaged over."""
        return f"{self.family} {self.dtype}"

    @property
    def size(self) -> dict[str, Any]:
        return dict(self.dims)

    @property
    def shape_group(self) -> str:
        """Kernels whose shapes are kin (of one sweep, network or operator): a split by shape group holds back all of them."""
        if self.family == "vec":
            return f"vec:{self.size['op']}"
        if self.name.startswith(f"{self.family}_"):
            return f"{self.family}:{self.name.split('_')[1]}:{self.dtype}"
        window = f":{self.size['R']}x{self.size['S']}/{self.size.get('stride', 1)}" if self.family == "conv" else ""
        return f"{self.family}{window}:{self.dtype}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """The kernels of one file that may be used, and why others may not. `notes` tell of odd rows that were kept."""

    device: str
    kernels: tuple[Kernel, ...]
    meta: Mapping[str, Any]
    source: str  # file name and the first digits of its SHA-256
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def groups(self) -> dict[str, int]:
        """How many kernels each group has."""
        return dict(sorted(Counter(k.group for k in self.kernels).items()))

    @property
    def idle_w(self) -> float | None:
        """Power of the idle device, measured before the kernels; None where there was no counter."""
        idle = self.meta.get("idle_before")
        value = idle.get("power_w") if isinstance(idle, Mapping) else None
        return float(value) if isinstance(value, int | float) and value > 0 else None

    @property
    def power_limit_w(self) -> float | None:
        value = self.meta.get("power_limit_w")
        return float(value) if isinstance(value, int | float) and value > 0 else None

    @property
    def host_launch_s(self) -> float | None:
        """Time that a null kernel takes when each call is submitted by itself (eager); None where it was not measured."""
        null = self.meta.get("null")
        value = null.get("eager_per_kernel_s") if isinstance(null, Mapping) else None
        return float(value) if isinstance(value, int | float) and value > 0 else None


def load_measurements(path: str | Path) -> Measurements:
    """The measurements in a file. Rows with a wrong result are refused and named; a file that was timed on zeros is an error."""
    place, hint = Path(path), "measurements are a JSON file"
    text = read_text(place, hint, "JSON file")
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return measurements_from(parse_json(text, str(path), hint), place.name, digest)


def measurements_from(data: Any, where: str, digest: str = "") -> Measurements:
    """The measurements that a parsed file holds; `where` names it in errors."""
    if not isinstance(data, Mapping) or not isinstance(data.get("kernels"), list):
        raise SpecError("no list of kernels", where=where, hint='write {"schema": ..., "meta": {...}, "kernels": [...]}')
    if data.get("schema") not in SCHEMAS:
        raise unknown_name("schema", str(data.get("schema")), SCHEMAS, f"{where}: schema")
    meta = data.get("meta")
    meta = meta if isinstance(meta, Mapping) else {}
    if str(meta.get("data", "random")) not in ("random", "normal", "uniform"):
        raise SpecError(
            f"timed on {meta.get('data')!r} operands",
            where=f"{where}: meta.data",
            hint="measure with random operands: constant ones run faster and cooler than real data",
        )
    busy = meta.get("busy") is True
    kernels, refused, notes = [], [], []
    if busy:
        notes.append("the machine was shared while it measured: the fastest repetitions stand for its latencies, not the medians")
    seen: set[str] = set()
    for i, row in enumerate(data["kernels"]):
        kernel, wrong, odd = _kernel(row, f"{where}: kernels[{i}]", "min" if busy else "median")
        if kernel.name in seen:
            raise SpecError(
                f"kernel {kernel.name!r} stands there twice",
                where=f"{where}: kernels[{i}].name",
                hint="give every measured kernel its own name",
            )
        seen.add(kernel.name)
        if wrong:
            refused.append(wrong)
            continue
        kernels.append(kernel)
        notes += odd
    if not kernels:
        raise SpecError("no kernel that may be used", where=where, hint="; ".join(refused) or "the list is empty")
    device = str(meta.get("device") or "unnamed device")
    source = f"{where} (sha256 {digest})" if digest else where
    return Measurements(
        device=device, kernels=tuple(kernels), meta=dict(meta), source=source, refused=tuple(refused), notes=tuple(notes)
    )


def _kernel(row: Any, where: str, statistic: str) -> tuple[Kernel, str, list[str]]:
    """(kernel, why it is refused or "", what is odd about it)."""
    if not isinstance(row, Mapping):
        raise SpecError("a kernel is needed here", where=where, hint="write an object with name, family, dtype, dims and hot_s")
    for key in ("name", "family", "dtype", "dims", "hot_s"):
        if key not in row:
            raise SpecError(f"{key} is missing", where=where, hint="a kernel needs name, family, dtype, dims and hot_s")
    if row["family"] not in FAMILIES:
        raise unknown_name("family", row["family"], FAMILIES, f"{where}.family")
    if row["dtype"] not in DTYPES:
        raise unknown_name("dtype", row["dtype"], DTYPES, f"{where}.dtype")
    energy = row.get("energy") if isinstance(row.get("energy"), Mapping) else None
    counted = energy is not None and energy.get("source") not in (None, "unavailable") and "energy_per_call_j" in energy
    kernel = Kernel(
        name=str(row["name"]),
        family=row["family"],
        dtype=row["dtype"],
        dims=_dims(row["family"], row["dims"], f"{where}.dims"),
        hot_s=_time(row["hot_s"], f"{where}.hot_s", statistic),
        cold_s=_time(row["cold_s"], f"{where}.cold_s", statistic) if row.get("cold_s") is not None else None,
        energy_j=_positive(energy["energy_per_call_j"], f"{where}.energy.energy_per_call_j") if energy and counted else None,
        steady_s=_positive(energy["time_per_call_s"], f"{where}.energy.time_per_call_s")
        if energy and counted and "time_per_call_s" in energy
        else None,
        hot_mode=str(row.get("hot_mode", "graph")),
        bytes=_positive(row["bytes"], f"{where}.bytes") if row.get("bytes") else None,
    )
    error = row.get("rel_err")
    wrong = ""
    if error is not None:
        limit = TOLERANCE[kernel.dtype]
        if not isinstance(error, int | float) or not math.isfinite(error) or abs(error) > limit:
            wrong = f"{kernel.name}: relative error {error} against fp64, above {limit:g} for {kernel.dtype}"
    return kernel, wrong, _odd(kernel, row)


def _odd(kernel: Kernel, row: Mapping[str, Any]) -> list[str]:
    """What a reader of the file should know about a row that is used all the same."""
    notes = []
    if kernel.cold_s is not None and kernel.cold_s < 0.85 * kernel.hot_s:
        notes.append(f"{kernel.name}: cold ({kernel.cold_s:.3g} s) is faster than hot ({kernel.hot_s:.3g} s)")
    if kernel.cold_s is not None and kernel.cold_s > 2.0 * kernel.hot_s and kernel.hot_s > 20e-6:
        notes.append(f"{kernel.name}: cold ({kernel.cold_s:.3g} s) takes more than twice as long as hot ({kernel.hot_s:.3g} s)")
    spread = row["hot_s"] if isinstance(row["hot_s"], Mapping) else {}
    low, high = spread.get("p10"), spread.get("p90")
    if isinstance(low, int | float) and isinstance(high, int | float) and low > 0 and high / low > 1.25:
        notes.append(f"{kernel.name}: p90 of the hot latency is {high / low:.2f} times its p10")
    return notes


def _dims(family: str, dims: Any, where: str) -> tuple[tuple[str, Any], ...]:
    if not isinstance(dims, Mapping):
        raise SpecError("dimensions are needed here", where=where, hint=f"{family} needs {', '.join(FAMILIES[family])}")
    for name in FAMILIES[family]:
        if name not in dims:
            raise SpecError(f"dimension {name} is missing", where=where, hint=f"{family} needs {', '.join(FAMILIES[family])}")
    out: list[tuple[str, Any]] = []
    for name, value in dims.items():
        if name == "shape":
            if not isinstance(value, list) or not value or any(not _is_count(v) for v in value):
                raise SpecError(f"shape {value!r}", where=f"{where}.shape", hint="a list of positive integers")
            value = tuple(value)
        elif isinstance(value, int) and not isinstance(value, bool) and value < (0 if name.startswith("pad") else 1):
            raise SpecError(f"dimension {name} is {value}", where=f"{where}.{name}", hint="dimensions are positive integers")
        elif name in FAMILIES[family] and name != "op" and not _is_count(value):
            raise SpecError(f"dimension {name} is {value!r}", where=f"{where}.{name}", hint="dimensions are positive integers")
        out.append((name, tuple(value) if isinstance(value, list) else value))
    return tuple(out)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _time(value: Any, where: str, statistic: str) -> float:
    """A latency in seconds: a number, or the median (of a shared machine: the minimum) of an object with percentiles."""
    if not isinstance(value, Mapping):
        return _positive(value, where)
    name = statistic if statistic in value else "median"
    return _positive(value.get(name), f"{where}.{name}")


def _positive(value: Any, where: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value <= 0:
        raise SpecError(f"{value!r} is no positive number", where=where, hint="seconds and joules are positive, finite numbers")
    return float(value)

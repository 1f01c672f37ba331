"""Facts about a machine that a measurement file tells itself: idle power, launch overhead, cores, caches, rates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from picojoule.errors import SpecError
from picojoule.machines.kernels.device import NAMES, Device, Parameters, typical
from picojoule.machines.kernels.measurements import DTYPES, Kernel, Measurements
from picojoule.machines.kernels.ways import operations

HEADROOM = 1.25  # over the fastest kernel of a type, where nobody states the peak of an unknown device


def with_measured_facts(device: Device, measurements: Measurements) -> tuple[Device, dict[str, str]]:
    """(the device with what the file measured in place of the data sheet, parameters that this fixes -> why)."""
    meta, fixed = measurements.meta, {}
    changes: dict[str, Any] = {}
    keys = (
        ("sms", "units"),
        ("threads", "units"),
        ("units", "units"),
        ("l2_bytes", "cache_bytes"),
        ("cache_bytes", "cache_bytes"),
    )
    for key, name in keys:
        if (value := number(meta, key)) is not None and not (key == "threads" and device.kind == "gpu"):
            changes[name] = int(value) if name == "units" else value
    if measurements.power_limit_w is not None:
        changes["power_w"] = measurements.power_limit_w
    if measurements.idle_w is not None:
        changes["idle_w"] = measurements.idle_w
    if measurements.host_launch_s is not None:
        changes["eager_s"] = measurements.host_launch_s
    null = meta.get("null")
    launch = number(null, "graph_per_kernel_s") if isinstance(null, Mapping) else None
    alone = null.get("one_element_kernel_s") if isinstance(null, Mapping) else None
    single = number(alone, "median") if isinstance(alone, Mapping) else number(null, "one_element_kernel_s") if null else None
    if launch is not None and single is not None:
        changes["single_s"] = max(0.0, single - launch)
    device = replace(device, **changes)
    device = replace(device, parameters=typical(device))
    if launch is not None:
        device = replace(device, parameters=replace(device.parameters, launch_s=launch))
        fixed["launch_s"] = "measured: the file's null kernel"
    return device, fixed


def device_from_meta(measurements: Measurements, kernels: Sequence[Kernel]) -> Device:
    """A device that nobody described, from the file's meta; missing peaks are taken from its fastest kernels, and it says so.

    `kernels` are those of the fitted part, so that a held-back kernel tells nothing.
    """
    meta = measurements.meta
    stated_kind = str(meta.get("kind") or meta.get("device_kind") or ("gpu" if number(meta, "sms") or "cuda" in meta else "cpu"))
    kind = "gpu" if stated_kind in ("gpu", "cuda") else "cpu"
    units = int(number(meta, "sms") or number(meta, "units") or number(meta, "threads") or 1)
    clock = number(meta, "clock_hz") or (number(meta, "max_sm_mhz") or number(meta, "max_mhz") or 2000.0) * 1e6
    stated = meta.get("peaks")
    peaks = {d: float(v) for d, v in stated.items() if d in DTYPES and v} if isinstance(stated, Mapping) else {}
    peaks, notes = with_all_peaks(peaks, measurements, kernels)
    stream = max((k.bytes or 0.0) / (k.cold_s or k.hot_s) for k in kernels)
    stream = max(stream, number(meta, "dram_read_bytes_per_s") or 0.0)
    dram = number(meta, "dram_peak_bytes_per_s") or HEADROOM * stream or 2e10
    issued = max(peaks.get("fp32", 0.0) / (2.0 * units * clock), 1.0)  # a lane's multiply-add is two operations a cycle
    lanes = int(number(meta, "lanes") or (128 if kind == "gpu" else 2 ** round(math.log2(issued))))
    device = Device(
        name="".join(c if c.isalnum() else "-" for c in measurements.device.lower()).strip("-"),
        description=f"{measurements.device}, described by its measurements",
        kind="gpu" if kind == "gpu" else "cpu",
        units=units,
        clock_hz=clock,
        lanes=lanes,
        peaks=peaks,
        vector_dtypes=("fp64", "fp32") if kind == "gpu" else (),
        cache_bytes=number(meta, "l2_bytes") or number(meta, "cache_bytes") or max(_caches(meta).values(), default=32e6),
        dram_peak_bytes_per_s=dram,
        power_w=measurements.power_limit_w,
        idle_w=measurements.idle_w,
        parameters=Parameters(**dict.fromkeys(NAMES, 1.0)),
        status="data sheet",
        source="; ".join(notes) or "the file's meta",
        single_s=2.7e-6 if kind == "gpu" else 0.0,
    )
    return replace(device, parameters=typical(device))


def _caches(meta: Mapping[str, Any]) -> dict[str, float]:
    """Cache level -> bytes, as the machine's description lists them."""
    machine = meta.get("machine")
    caches = machine.get("caches") if isinstance(machine, Mapping) else None
    known = caches.items() if isinstance(caches, Mapping) else ()
    return {str(k): float(v) for k, v in known if isinstance(v, int | float) and v > 0}


def with_all_peaks(
    peaks: Mapping[str, float], measurements: Measurements, kernels: Sequence[Kernel]
) -> tuple[dict[str, float], list[str]]:
    """(peaks of every type of the file, what was guessed): `HEADROOM` x the fastest fitted kernel of a type without one."""
    known = dict(peaks)
    guessed: dict[str, float] = {}
    for k in kernels:
        if k.dtype not in known:
            guessed[k.dtype] = max(guessed.get(k.dtype, 0.0), HEADROOM * operations(k) / k.hot_s)
    guessed = {d: v for d, v in guessed.items() if v > 0}
    known |= guessed
    if not known:
        raise SpecError(
            "no kernel with products, so no peak is known", where=measurements.source, hint="give --device DEVICE.yaml"
        )
    for dtype in {k.dtype for k in measurements.kernels} - set(known):
        known[dtype] = max(known.values())  # element-wise kernels alone use the type
    return known, [f"peak of {d} taken as {HEADROOM:g} times its fastest fitted kernel" for d in guessed]


def number(values: Any, key: str) -> float | None:
    """The positive number under this key, or None."""
    value = values.get(key) if isinstance(values, Mapping) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None

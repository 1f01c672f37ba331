"""`calibrate`: a device's parameters from measured kernels, and how wrong the model is on kernels it has not seen.

A fit minimises the logarithm of predicted over measured hot latency with a robust loss (soft L1), within physical bounds and
with a weak pull towards the defaults (a factor of e^0.5 costs as much as a kernel that is 10 % off). Energies are fitted
afterwards on the same kernels. Five splits are fitted, each without the kernels that it is judged on. Which parameters the data
can tell is decided by their agreement over the five fits, never by an error: what fewer than `FEEL` kernels feel, or what differs
by more than 15 % between the fits, stays at its default in all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from picojoule.ask import Progress
from picojoule.errors import SpecError
from picojoule.machines.kernels.device import ENERGY, NAMES, Device, Parameters, bounds, find_device, load_device, typical
from picojoule.machines.kernels.latency import dynamic_joules, estimates, missed, seconds, slowdown
from picojoule.machines.kernels.machine import device_from_meta, with_all_peaks, with_measured_facts
from picojoule.machines.kernels.measurements import SEVERAL, Kernel, Measurements, load_measurements
from picojoule.machines.kernels.ways import Ways, operations, ways_of

AGREE = 0.15  # parameters that the data can tell agree within this share over the splits
FEEL = 2  # kernels that have to feel a parameter: d log(time) / d log(parameter) of at least a tenth
ROBUST = 0.15  # residuals beyond this count linearly
PULL = 0.2  # weight of ln(parameter / default) beside a kernel's ln(predicted / measured)
SPLITS = ("random", "shape")
# Where parameters trade against each other, the one that data sheets and manuals tell best is fixed first.
SHEET_KNOWS = (
    "cache_bytes_per_s",
    "gather_efficiency",
    "unaligned_efficiency",
    "dram_bytes_per_s",
    "integer_efficiency",
    "vector_efficiency",
    "launch_s",
    "matrix_efficiency",
    "latency_s",
    "instruction_pj",
    "dram_pj_per_byte",
    "matrix_pj",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One kernel, predicted beside measured; errors are (predicted - measured) / measured. `seen`: it had a part in the fit."""

    name: str
    group: str
    seen: bool
    hot_s: float
    measured_hot_s: float
    cold_s: float
    measured_cold_s: float | None
    energy_j: float
    measured_energy_j: float | None
    bound: str
    ops: float
    dram_bytes: float

    @property
    def error(self) -> float:
        return self.hot_s / self.measured_hot_s - 1.0

    @property
    def cold_error(self) -> float | None:
        return None if self.measured_cold_s is None else self.cold_s / self.measured_cold_s - 1.0

    @property
    def energy_error(self) -> float | None:
        return None if self.measured_energy_j is None else self.energy_j / self.measured_energy_j - 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Errors of some kernels: their number, mean and median absolute error, 90th percentile, and mean signed error, as shares."""

    n: int
    mean: float
    median: float
    p90: float
    bias: float

    @classmethod
    def of(cls, errors: Sequence[float | None]) -> Score | None:
        known = np.array([e for e in errors if e is not None])
        if not len(known):
            return None
        a = np.abs(known)
        return cls(
            n=len(known),
            mean=float(a.mean()),
            median=float(np.median(a)),
            p90=float(np.quantile(a, 0.9)),
            bias=float(known.mean()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of the fit: value, default and bounds, and spread over the splits (max / min - 1).

    `default` is `typical` of the kind of device: a share of a data sheet's rate at most, never read from one.
    """

    name: str
    value: float
    default: float
    low: float
    high: float
    fitted: bool
    spread: float | None
    why: str

    @property
    def identifiable(self) -> bool:
        """The data tell it: it was fitted, and the splits agree."""
        return self.fitted and not self.why


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The calibrated device, and its predictions beside the measurements.

    `held_out`: predictions of the kernels that had no part in the fit of the first split (or of another file). `repeats`: score
    of the held-out part of each split, each with a fit of its own. `device` carries the fit on all kernels of the file.
    """

    device: Device
    fitted: Device  # fitted without the held-out kernels: what the predictions are from
    parameters: tuple[Parameter, ...]
    predictions: tuple[Prediction, ...]
    repeats: tuple[Score, ...]
    split: str
    measurements: Measurements
    judged_on: str
    large: frozenset[str]  # groups of at least five kernels
    passed: Mapping[str, bool | None]

    @property
    def held_out(self) -> tuple[Prediction, ...]:
        return tuple(p for p in self.predictions if not p.seen)

    def groups(self) -> dict[str, Score]:
        """Score of the held-out kernels of each group, hot."""
        names = sorted({p.group for p in self.held_out})
        scores = {n: Score.of([p.error for p in self.held_out if p.group == n]) for n in names}
        return {n: s for n, s in scores.items() if s is not None}


def calibrate(
    measurements: Measurements,
    device: Device | None = None,
    *,
    split: str = "random",
    seed: int = 0,
    repeats: int = 5,
    judge: Measurements | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """Fit a device to two thirds of the kernels and judge it on the others, or on the kernels of `judge`.

    `device`: facts to begin with; default: the one that comes along under the name in the file, else what the file's meta tells.
    `split`: `random` holds back a third of each group, `shape` whole kinds of shapes. Splits have seeds seed, seed + 1, ...
    """
    if split not in SPLITS:
        raise SpecError(f"unknown split {split!r}", hint=f"known: {', '.join(SPLITS)}")
    kernels = measurements.kernels
    if len(kernels) < 6:
        raise SpecError(
            f"{len(kernels)} kernels are too few to fit and judge", where=measurements.source, hint="measure at least 6"
        )
    step = progress or (lambda done, of, what: None)
    outs = [held_back(kernels, split, seed + i) for i in range(max(2, repeats))]
    step(0, 2, "fitting the splits")
    parts = [_Part([k for k, o in zip(kernels, out, strict=True) if not o], measurements, device) for out in outs]
    fits, free, why = _identify(parts)
    step(1, 2, "fitting all kernels")
    everything = _Part(list(kernels), measurements, device)
    whole = _fitted(everything, everything.fit(free), free, why, measurements.source)
    split_devices = [_fitted(part, p, free, why, measurements.source) for part, p in zip(parts, fits, strict=True)]
    held = [predict(d, kernels, out) for d, out in zip(split_devices, outs, strict=True)]
    scores = tuple(s for ps in held if (s := Score.of([p.error for p in ps if not p.seen])))
    if judge is None:
        fitted, predictions, counted = split_devices[0], held[0], measurements.groups
        judged_on = f"a third of the file, held back ({split} split, seed {seed})"
    else:
        fitted, predictions, counted = whole, predict(whole, judge.kernels, np.ones(len(judge.kernels), bool)), judge.groups
        judged_on = judge.source
    large = frozenset(g for g, n in counted.items() if n >= SEVERAL)
    parameters = _parameters(fitted, fits, free, why)
    return Calibration(
        device=replace(whole, calibration=_summary(measurements, predictions, scores, judged_on)),
        fitted=fitted,
        parameters=parameters,
        predictions=predictions,
        repeats=scores,
        split=split,
        measurements=measurements,
        judged_on=judged_on,
        large=large,
        passed=_bars(predictions, large, parameters, fitted.kind),
    )


H100 = Path(__file__).parent / "data" / "h100_kernels.json"


def calibrate_file(
    path: str | Path,
    *,
    judge: str | Path | None = None,
    device: Device | str | None = None,
    split: str = "random",
    seed: int = 0,
    repeats: int = 5,
    progress: Progress | None = None,
) -> Calibration:
    """`calibrate` of a file of measured kernels; `h100` names the one that comes along. See `calibrate` for the rest."""
    data = load_measurements(H100 if str(path) == "h100" else path)
    other = None if judge is None else load_measurements(H100 if str(judge) == "h100" else judge)
    facts = load_device(device) if isinstance(device, str) else device
    return calibrate(data, facts, split=split, seed=seed, repeats=repeats, judge=other, progress=progress)


def held_back(kernels: Sequence[Kernel], split: str, seed: int) -> np.ndarray:
    """bool[kernel]: a third of each group by lot, or whole shape groups by lot until a third of the kernels is held back."""
    lot = np.random.default_rng(seed)
    out = np.zeros(len(kernels), bool)
    if split == "shape":
        shapes = sorted({k.shape_group for k in kernels})
        for shape in lot.permutation(shapes):
            if 3 * out.sum() < len(kernels):
                out |= np.array([k.shape_group == shape for k in kernels])
        return out
    for group in sorted({k.group for k in kernels}):
        members = lot.permutation([i for i, k in enumerate(kernels) if k.group == group])
        out[members[: round(len(members) / 3)]] = True
    return out


def predict(device: Device, kernels: Sequence[Kernel], unseen: np.ndarray) -> tuple[Prediction, ...]:
    """Predictions of measured kernels on a device; `unseen` marks those that had no part in its fit."""
    w = ways_of(kernels, device)
    hot, cold = estimates(w, device, device.parameters), seconds(w, device, device.parameters, cold=True)
    host = host_bound(kernels, device)
    return tuple(
        Prediction(
            name=k.name,
            group=k.group,
            seen=not unseen[i],
            hot_s=float(max(hot.hot_s[i], host[i])),
            measured_hot_s=k.hot_s,
            cold_s=float(cold[i]),
            measured_cold_s=k.cold_s,
            energy_j=float(hot.energy_j[i]),
            measured_energy_j=k.energy_j,
            bound=hot.bound(i),
            ops=operations(k),
            dram_bytes=float(w.dram_bytes[hot.way[i]]),
        )
        for i, k in enumerate(kernels)
    )


class _Part:
    """The kernels of one part of a file, ready to be fitted: facts of the device, ways, measured latencies and energies."""

    def __init__(self, kernels: Sequence[Kernel], measurements: Measurements, device: Device | None) -> None:
        known = device or find_device(measurements.device)
        self.has_sheet = known is not None
        known = known or device_from_meta(measurements, kernels)
        if missing := {k.dtype for k in measurements.kernels} - set(known.peaks):  # types that its data sheet does not give
            peaks, notes = with_all_peaks(known.peaks, measurements, kernels)
            about = notes or [f"{d} for element-wise kernels alone" for d in sorted(missing)]
            known = replace(known, peaks=peaks, source="; ".join([known.source.split("; fitted to ")[0], *about]))
        self.device, self.measured = with_measured_facts(known, measurements)
        self.meta = measurements.meta
        self.ways = ways_of(kernels, self.device)
        self.hot = np.array([k.hot_s for k in kernels])
        self.host = host_bound(kernels, self.device)
        self.energy = np.array([np.nan if k.energy_j is None else k.energy_j for k in kernels])

    def fit(self, free: Sequence[str]) -> Parameters:
        """Latencies first, then the energies at the model's own latencies."""
        p = _fit_latency(self.ways, self.hot, self.host, self.device, [n for n in free if n not in ENERGY])
        return _fit_energy(self.ways, self.energy, replace(self.device, parameters=p), [n for n in free if n in ENERGY])

    def feels(self, p: Parameters, name: str) -> int:
        """How many kernels feel a parameter: |d log / d log| of their latency (or energy) is at least a tenth."""
        more = replace(p, **{name: getattr(p, name) * 1.05})
        if name in ENERGY:
            e = [estimates(self.ways, self.device, x).energy_j for x in (more, p)]
            known = np.isfinite(self.energy)
        else:
            e = [np.maximum(seconds(self.ways, self.device, x), self.host) for x in (more, p)]
            known = np.ones(len(self.hot), bool)
        return int((np.abs(np.log(e[0] / e[1])[known]) >= 0.1 * np.log(1.05)).sum())


def _identify(parts: Sequence[_Part]) -> tuple[list[Parameters], list[str], dict[str, str]]:
    """(fit of each part, parameters that were free, why the others were not).

    Parameters that too few kernels feel in some part are fixed at once; then, one at a time (`SHEET_KNOWS`), those whose values
    differ by more than `AGREE` between the parts. Only parameters are compared here, never errors on held-back kernels. A device
    without a data sheet has nothing to be fixed to: there the fit's values stand, and those that disagree are not identifiable.
    """
    why = dict(parts[0].measured)
    free = [n for n in NAMES if n not in why]
    while True:
        fits = [part.fit(free) for part in parts]
        dull = [n for n in free if any(part.feels(p, n) < FEEL for part, p in zip(parts, fits, strict=True))]
        if dull:
            why |= dict.fromkeys(dull, f"fewer than {FEEL} kernels feel it: typical of its kind")
            free = [n for n in free if n not in dull]
            continue
        spread = {n: _spread(fits, n) for n in free}
        apart = [n for n in SHEET_KNOWS if spread.get(n, 0.0) > AGREE]
        if not apart:
            return fits, free, why
        if not parts[0].has_sheet:
            told = "{:.0f} % apart over {} splits, so not told by the data; without a data sheet the fit's value stands"
            return fits, free, why | {n: told.format(100 * spread[n], len(parts)) for n in apart}
        why[apart[0]] = (
            f"{100 * spread[apart[0]]:.0f} % apart over {len(parts)} splits, so not told by the data: typical of its kind"
        )
        free.remove(apart[0])


def _spread(fits: Sequence[Parameters], name: str) -> float:
    """Largest over smallest value, less one."""
    values = [getattr(p, name) for p in fits]
    return float(max(values) / min(values) - 1.0)


def _fitted(part: _Part, p: Parameters, free: Sequence[str], why: Mapping[str, str], source: str) -> Device:
    """The device with fitted parameters, and what was fixed."""
    status = "calibrated" if free else part.device.status
    about, sheet = (
        part.device.description.split(": data-sheet")[0].split(": fitted to")[0],
        part.device.source.split("; fitted to ")[0],
    )
    sheet = sheet.split("; idle power estimated")[0] if "idle_before" in part.meta else sheet
    description = f"{about}: fitted to measured kernels" if free else part.device.description
    return replace(
        part.device, parameters=p, status=status, fixed=dict(why), description=description, source=f"{sheet}; fitted to {source}"
    )


def host_bound(kernels: Sequence[Kernel], device: Device) -> np.ndarray:
    """The least seconds between two calls of each kernel: on a GPU, calls submitted one by one are no closer than `eager_s`."""
    return np.array([device.eager_s if k.hot_mode == "eager" and device.kind == "gpu" else 0.0 for k in kernels])


def _fit_latency(w: Ways, hot: np.ndarray, host: np.ndarray, device: Device, free: Sequence[str]) -> Parameters:
    """The free parameters that bring the hot latencies of the kernels closest, in log space."""

    def residuals(p: Parameters) -> np.ndarray:
        return np.asarray(np.log(np.maximum(seconds(w, device, p), host) / hot))

    return _least_squares(residuals, device, free)


def _fit_energy(w: Ways, joules: np.ndarray, device: Device, free: Sequence[str]) -> Parameters:
    """The free prices that bring the energies of the kernels closest; their latencies are the model's own."""
    e = estimates(w, device, device.parameters)
    known = np.isfinite(joules)
    static, miss = device.idle_w or 0.0, missed(w, device, cold=False)

    def residuals(p: Parameters) -> np.ndarray:
        dynamic, _ = dynamic_joules(w, p, e.way, miss)
        s = slowdown(e.hot_s, dynamic, device.power_w, static)
        return np.asarray(np.log((static * e.hot_s / s + dynamic * s**2)[known] / joules[known]))

    return _least_squares(residuals, device, free)


def _least_squares(residuals: Callable[[Parameters], np.ndarray], device: Device, free: Sequence[str]) -> Parameters:
    from scipy.optimize import least_squares

    start = device.parameters
    if not free:
        return start
    limits = bounds(device)
    low, high = (np.log([limits[n][i] for n in free]) for i in (0, 1))
    begin = np.log([getattr(typical(device), n) for n in free])

    def at(x: np.ndarray) -> Parameters:
        return replace(start, **dict(zip(free, map(float, np.exp(x)), strict=True)))

    def cost(x: np.ndarray) -> np.ndarray:
        return np.concatenate([residuals(at(x)), PULL * (x - begin)])

    inside = np.clip(begin, low + 1e-6, high - 1e-6)
    found = least_squares(cost, inside, bounds=(low, high), loss="soft_l1", f_scale=ROBUST, diff_step=1e-3, max_nfev=60)
    return at(found.x)


def _parameters(fitted: Device, fits: Sequence[Parameters], free: Sequence[str], why: Mapping[str, str]) -> tuple[Parameter, ...]:
    """The parameters of a fitted device with their spread over the splits."""
    limits, usual = bounds(fitted), typical(fitted)
    return tuple(
        Parameter(
            name=n,
            value=getattr(fitted.parameters, n),
            default=getattr(usual, n),
            low=limits[n][0],
            high=limits[n][1],
            fitted=n in free,
            spread=_spread(fits, n) if n in free else None,
            why=why.get(n, ""),
        )
        for n in NAMES
    )


def _bars(
    predictions: Sequence[Prediction], large: frozenset[str], parameters: Sequence[Parameter], kind: str
) -> dict[str, bool | None]:
    """Which promises hold on the held-out kernels; None where there is nothing to judge."""
    most = 0.15 if kind == "gpu" else 0.25
    held = [p for p in predictions if not p.seen]
    judged = Score.of([p.error for p in held if p.group in large]) or Score.of([p.error for p in held])
    gemm = Score.of([p.error for p in held if p.group in ("gemm bf16", "gemm fp16")])
    energy = Score.of([p.energy_error for p in held])
    spreads = [p.spread for p in parameters if p.spread is not None and p.identifiable]
    inside = all(p.low <= p.value * (1 + 1e-9) and p.value <= p.high * (1 + 1e-9) for p in parameters)
    return {
        f"mean error of the hot latency at most {100 * most:.0f} %": judged.mean <= most if judged else None,
        "mean error of bf16 and fp16 products at most 12 %": gemm.mean <= 0.12 if gemm else None,
        "mean error of the energy at most 20 %": energy.mean <= 0.20 if energy else None,
        "every parameter within its physical bounds": inside,
        "identifiable parameters agree within 15 % over the splits": max(spreads) <= AGREE if spreads else None,
    }


def _summary(
    measurements: Measurements, predictions: Sequence[Prediction], repeats: Sequence[Score], judged_on: str
) -> dict[str, Any]:
    """What the YAML file keeps of a calibration: data, split, and the residuals of the held-out kernels by group."""
    held = [p for p in predictions if not p.seen]

    def percent(errors: Sequence[float | None]) -> dict[str, Any] | None:
        s = Score.of(errors)
        if s is None:
            return None
        return {
            "kernels": s.n,
            "mean_error_percent": round(100 * s.mean, 1),
            "p90_error_percent": round(100 * s.p90, 1),
            "bias_percent": round(100 * s.bias, 1),
        }

    return {
        "measurements": measurements.source,
        "device": measurements.device,
        "judged_on": judged_on,
        "hot": percent([p.error for p in held]),
        "cold": percent([p.cold_error for p in held]),
        "energy": percent([p.energy_error for p in held]),
        "by_group": {g: percent([p.error for p in held if p.group == g]) for g in sorted({p.group for p in held})},
        "mean_error_percent_over_splits": [round(100 * s.mean, 1) for s in repeats],
    }

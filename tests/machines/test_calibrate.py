"""Calibration: the bars on the H100 file, parameters found again in made data, and what must not help a fit."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from picojoule.errors import SpecError
from picojoule.machines.kernels.calibrate import H100, Calibration, Score, calibrate, held_back
from picojoule.machines.kernels.device import Device, bounds, device_from, device_to_yaml, load_device, typical
from picojoule.machines.kernels.latency import estimates, seconds
from picojoule.machines.kernels.machine import device_from_meta
from picojoule.machines.kernels.measurements import Measurements, load_measurements, measurements_from
from picojoule.machines.kernels.ways import ways_of


@pytest.fixture(scope="module")
def file() -> Measurements:
    return load_measurements(H100)


@pytest.fixture(scope="module")
def result(file: Measurements) -> Calibration:
    return calibrate(file)


def test_the_h100_is_predicted_within_the_bars_on_kernels_that_had_no_part_in_the_fit(result: Calibration) -> None:
    assert all(result.passed.values()), result.passed
    assert len(result.held_out) >= 24
    score = Score.of([p.error for p in result.held_out])
    assert score is not None and score.mean <= 0.15 and score.p90 <= 0.35
    assert max(s.mean for s in result.repeats) <= 0.15, "every split, not the luckiest"


def test_a_split_by_shape_holds_too(file: Measurements) -> None:
    by_shape = calibrate(file, split="shape")
    assert np.mean([s.mean for s in by_shape.repeats]) <= 0.15
    for out in (held_back(file.kernels, "shape", s) for s in range(3)):
        inside = {k.shape_group for k, o in zip(file.kernels, out, strict=True) if o}
        assert not inside & {k.shape_group for k, o in zip(file.kernels, out, strict=True) if not o}


def test_parameters_are_physical_and_those_that_were_fitted_agree(result: Calibration) -> None:
    assert len(result.parameters) == 12
    for p in result.parameters:
        assert p.low <= p.value <= p.high, p.name
        assert p.fitted == (p.spread is not None) == p.identifiable
        assert p.fitted or p.why, f"{p.name} was fixed without a reason"
        assert p.spread is None or p.spread <= 0.15
    assert sum(p.fitted for p in result.parameters) >= 5


def test_held_back_kernels_do_not_move_the_fit(file: Measurements, result: Calibration) -> None:
    out = held_back(file.kernels, "random", 0)
    spoiled = tuple(replace(k, hot_s=10 * k.hot_s, energy_j=None) if o else k for k, o in zip(file.kernels, out, strict=True))
    free = {p.name for p in result.parameters if p.fitted}
    again = calibrate(replace(file, kernels=spoiled))
    same = {p.name for p in again.parameters if p.fitted} == free
    if same:  # the other four splits see the spoiled kernels, and may fix more parameters; the first never does
        assert asdict(again.fitted.parameters) == asdict(result.fitted.parameters)
    assert Score.of([p.error for p in again.held_out]).mean > 0.5  # type: ignore[union-attr]


@pytest.mark.slow
def test_the_same_file_gives_the_same_fit(file: Measurements, result: Calibration) -> None:
    assert calibrate(file).parameters == result.parameters


def made(file: Measurements, device: Device, noise: float, seed: int = 0) -> Measurements:
    """The file's kernels as this device would run them, with noise."""
    lot = np.random.default_rng(seed)
    w = ways_of(file.kernels, device)
    e, cold = estimates(w, device, device.parameters), seconds(w, device, device.parameters, cold=True)
    kernels = tuple(
        replace(k, hot_s=float(h * lot.lognormal(0, noise)), cold_s=float(c), energy_j=float(j * lot.lognormal(0, noise)))
        for k, h, c, j in zip(file.kernels, e.hot_s, cold, e.energy_j, strict=True)
    )
    return replace(file, kernels=kernels)


def test_a_fit_finds_the_parameters_that_made_the_data(file: Measurements) -> None:
    truth = replace(
        load_device("h100").parameters, latency_s=1.3e-6, matrix_efficiency=0.6, vector_efficiency=0.5, dram_bytes_per_s=2.1e12,
        matrix_pj=2.0, dram_pj_per_byte=200.0,
    )  # fmt: skip
    other = replace(load_device("h100"), parameters=truth)
    c = calibrate(made(file, other, noise=0.03))
    for p in c.parameters:
        if p.fitted:
            assert p.value == pytest.approx(getattr(truth, p.name), rel=0.12), p.name
    assert {"latency_s", "matrix_efficiency", "vector_efficiency", "dram_bytes_per_s"} <= {
        p.name for p in c.parameters if p.fitted
    }
    assert Score.of([p.error for p in c.held_out]).mean < 0.05  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_device_that_nobody_described_is_read_from_the_file(file: Measurements) -> None:
    meta = {"device": "Some Other GPU", "sms": 132, "l2_bytes": 52428800, "max_sm_mhz": 1980, "null": file.meta["null"]}
    c = calibrate(replace(file, device="Some Other GPU", meta=meta))
    assert any(p.fitted and not p.identifiable and "without a data sheet" in p.why for p in c.parameters)
    assert c.device.name == "some-other-gpu" and "1.25 times its fastest fitted kernel" in c.device.source
    assert np.mean([s.mean for s in c.repeats]) < 0.2


def test_one_file_fits_and_another_judges(file: Measurements) -> None:
    out = held_back(file.kernels, "random", 3)
    fit = replace(file, kernels=tuple(k for k, o in zip(file.kernels, out, strict=True) if not o))
    judge = replace(file, kernels=tuple(k for k, o in zip(file.kernels, out, strict=True) if o), source="other.json")
    c = calibrate(fit, judge=judge)
    assert c.judged_on == "other.json" and len(c.held_out) == out.sum()
    assert Score.of([p.error for p in c.held_out]).mean <= 0.15  # type: ignore[union-attr]


def test_a_file_without_energy_leaves_the_prices_alone_and_says_so(file: Measurements) -> None:
    c = calibrate(replace(file, kernels=tuple(replace(k, energy_j=None) for k in file.kernels)))
    assert c.passed["mean error of the energy at most 20 %"] is None
    prices = [p for p in c.parameters if p.name.endswith("_pj") or "pj_per" in p.name]
    assert all(not p.fitted and p.why for p in prices)


def test_too_few_kernels_and_wrong_splits_are_errors(file: Measurements) -> None:
    with pytest.raises(SpecError, match="too few"):
        calibrate(replace(file, kernels=file.kernels[:3]))
    with pytest.raises(SpecError, match="unknown split 'by luck'"):
        calibrate(file, split="by luck")


def test_the_packaged_file_knows_no_name_of_a_chosen_kernel() -> None:
    text = H100.read_text(encoding="utf-8")
    assert "launches" not in text and "nvjet" not in text and "cutlass" not in text
    assert len(measurements_from(json.loads(text), "f").kernels) == 82


def test_the_calibrated_h100_that_comes_along_is_what_the_file_gives(result: Calibration) -> None:
    kept, fresh = load_device("h100"), result.device
    for name, value in asdict(kept.parameters).items():
        assert value == pytest.approx(getattr(fresh.parameters, name), rel=1e-3), name
    assert kept.status == "calibrated" and kept.calibration["hot"]["mean_error_percent"] <= 15


def test_a_device_reads_back_what_it_writes(result: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(device_to_yaml(result.device), encoding="utf-8")
    again = load_device(str(path))
    assert device_to_yaml(again) == device_to_yaml(result.device)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("units: 132", "unit: 132"), "unknown key 'unit'"),
        (("units: 132", "units: 0"), "units is 0"),
        (("bf16:", "bf17:"), "unknown dtype 'bf17'"),
        (("matrix_efficiency: ", "matrix_eficiency: "), "unknown parameter 'matrix_eficiency'"),
        (("kind: gpu", "kind: tpu"), "unknown kind 'tpu'"),
    ],
)
def test_faults_in_a_device_file_are_named(change: tuple[str, str], text: str) -> None:
    with pytest.raises(SpecError, match=text):
        device_from(device_to_yaml(load_device("h100")).replace(*change, 1), "mine.yaml")


def test_presets_are_within_bounds_and_their_peaks_follow_from_units_and_clock() -> None:
    from picojoule.machines.kernels.device import device_names

    for name in device_names():
        d = load_device(name)
        for p, (low, high) in bounds(d).items():
            assert low <= getattr(d.parameters, p) <= high, f"{name}: {p}"
        if d.status != "calibrated":
            assert d.parameters == typical(d) and "not measured" in d.description
        lanes = 2 * d.lanes * d.units * d.clock_hz
        assert lanes == pytest.approx(d.peaks["fp32"], rel=0.11) or name == "mi300x", f"{name}: {lanes:g}, {d.peaks['fp32']:g}"


def test_a_cpu_file_is_fitted_by_the_same_command(file: Measurements) -> None:
    from picojoule import load_model
    from picojoule.machines.kernels.calls import launches
    from picojoule.machines.kernels.measurements import Kernel

    truth = load_device("epyc-9654")
    truth = replace(truth, units=2, parameters=replace(truth.parameters, matrix_efficiency=1.1, cache_bytes_per_s=4e10))
    shapes = {k.shape: k.name for k in launches(load_model("mobilenetv2"), "fp32", fused=False, layout="nchw")}
    e = estimates(ways_of(list(shapes), truth), truth, truth.parameters)
    lot = np.random.default_rng(0)
    kernels = tuple(
        Kernel(name=n, family=s.family, dtype=s.dtype, dims=s.dims, hot_s=float(t * lot.lognormal(0, 0.05)))
        for (s, n), t in zip(shapes.items(), e.hot_s, strict=True)
    )
    meta = {"device": "My CPU, 2 threads", "device_kind": "cpu", "threads": 2}
    c = calibrate(replace(file, device="My CPU, 2 threads", meta=meta, kernels=kernels))
    assert c.device.kind == "cpu" and c.device.units == 2
    assert device_to_yaml(device_from(device_to_yaml(c.device), "mine.yaml")) == device_to_yaml(c.device)
    assert np.mean([s.mean for s in c.repeats]) < 0.25
    assert "at most 25 %" in next(iter(c.passed))


def test_a_described_cpu_has_the_lanes_of_its_measured_peak_and_more_bandwidth_than_was_read(file: Measurements) -> None:
    kernels = tuple(replace(k, dtype="fp32") for k in file.kernels[:3])
    meta = {"kind": "cpu", "units": 2, "clock_hz": 2.5e9, "peaks": {"fp32": 2 * 2 * 2.5e9 * 13.0}, "dram_read_bytes_per_s": 1e13}
    device = device_from_meta(replace(file, meta=meta), kernels)
    assert device.lanes == 16, "13 multiply-adds a cycle: two vectors of 8, not quite filled"
    assert device.dram_peak_bytes_per_s == 1.25e13, "a reader reaches less than the peak"
    assert device_from_meta(replace(file, meta=meta | {"lanes": 8, "dram_peak_bytes_per_s": 3e10}), kernels).lanes == 8


def test_a_type_that_the_data_sheet_lacks_is_taken_from_the_file_and_said(file: Measurements) -> None:
    sheet = load_device("h100")
    bare = replace(sheet, peaks={d: v for d, v in sheet.peaks.items() if d != "fp8"})
    c = calibrate(file, bare, repeats=2)
    assert "peak of fp8 taken as 1.25 times its fastest fitted kernel" in c.device.source
    assert Score.of([p.error for p in c.held_out]).mean <= 0.15  # type: ignore[union-attr]


def test_calls_that_a_host_submits_one_by_one_are_no_closer_than_it_can(file: Measurements) -> None:
    from picojoule.machines.kernels.calibrate import predict

    device = load_device("h100")
    eager = tuple(replace(k, hot_mode="eager") for k in file.kernels)
    graph, alone = (predict(device, kernels, np.ones(82, bool)) for kernels in (file.kernels, eager))
    assert all(a.hot_s == max(g.hot_s, device.eager_s) for g, a in zip(graph, alone, strict=True))

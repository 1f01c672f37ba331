"""Files of measured kernels: what is read, what is refused, and that every fault names its place."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from picojoule.errors import SpecError
from picojoule.machines.kernels.measurements import load_measurements, measurements_from

GOOD: dict[str, Any] = {
    "schema": "gpu-microbench/1",
    "meta": {"device": "a device", "data": "random", "idle_before": {"power_w": 100.0}},
    "kernels": [
        {
            "name": "gemm_sq_bf16_a",
            "family": "gemm",
            "dtype": "bf16",
            "dims": {"B": 1, "M": 64, "N": 64, "K": 64},
            "rel_err": 1e-3,
            "hot_s": {"median": 2e-6, "p10": 1.9e-6, "p90": 2.1e-6},
            "cold_s": 3e-6,
            "energy": {"energy_per_call_j": 1e-4, "time_per_call_s": 2e-6, "source": "nvml_total_energy"},
        },
        {"name": "copy_fp16_b", "family": "vec", "dtype": "fp16", "dims": {"op": "copy", "shape": [4096]}, "hot_s": 1e-6},
    ],
}


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    data = copy.deepcopy(GOOD)
    at: Any = data
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return data


def test_a_good_file_is_read_with_its_groups_and_its_idle_power() -> None:
    m = measurements_from(GOOD, "f.json")
    assert m.groups == {"gemm bf16": 1, "vec fp16": 1}
    assert (m.device, m.idle_w, m.power_limit_w) == ("a device", 100.0, None)
    assert m.kernels[0].hot_s == 2e-6 and m.kernels[0].energy_j == 1e-4 and m.kernels[1].energy_j is None


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("schema",), "gpu-microbench/7", "f.json: schema: unknown schema 'gpu-microbench/7'"),
        (("meta", "data"), "zeros", "f.json: meta.data: timed on 'zeros' operands"),
        (("kernels", 0, "family"), "gem", "f.json: kernels[0].family: unknown family 'gem'"),
        (("kernels", 0, "dtype"), "fp17", "f.json: kernels[0].dtype: unknown dtype 'fp17'"),
        (("kernels", 0, "dims"), {"M": 4, "N": 4}, "f.json: kernels[0].dims: dimension K is missing"),
        (("kernels", 0, "dims", "M"), 0, "f.json: kernels[0].dims.M: dimension M is 0"),
        (("kernels", 0, "hot_s", "median"), -1.0, "f.json: kernels[0].hot_s.median: -1.0 is no positive number"),
        (("kernels", 0, "hot_s"), float("nan"), "f.json: kernels[0].hot_s: nan is no positive number"),
        (("kernels", 1, "name"), "gemm_sq_bf16_a", "f.json: kernels[1].name: kernel 'gemm_sq_bf16_a' stands there twice"),
        (("kernels", 1, "dims", "shape"), [], "f.json: kernels[1].dims.shape: shape []"),
        (("kernels",), "none", "f.json: no list of kernels"),
    ],
)
def test_a_fault_names_its_place(path: tuple[Any, ...], value: Any, text: str) -> None:
    with pytest.raises(SpecError) as caught:
        measurements_from(changed(path, value), "f.json")
    assert str(caught.value).startswith(text)
    assert "hint: " in str(caught.value)


def test_a_kernel_with_a_wrong_result_is_refused_and_named() -> None:
    m = measurements_from(changed(("kernels", 0, "rel_err"), 0.5), "f.json")
    assert [k.name for k in m.kernels] == ["copy_fp16_b"]
    assert m.refused == ("gemm_sq_bf16_a: relative error 0.5 against fp64, above 0.04 for bf16",)


def test_a_missing_counter_is_no_energy_rather_than_zero() -> None:
    m = measurements_from(changed(("kernels", 0, "energy"), {"source": "unavailable", "energy_per_call_j": 0.0}), "f.json")
    assert m.kernels[0].energy_j is None


def test_odd_rows_are_kept_and_told() -> None:
    m = measurements_from(changed(("kernels", 0, "cold_s"), 1e-6), "f.json")
    assert len(m.kernels) == 2 and "is faster than hot" in m.notes[0]


def test_the_name_of_the_kernel_that_a_library_chose_changes_nothing() -> None:
    named = changed(("kernels", 0, "launches"), [{"kernel": "nvjet_sm90", "grid": [8, 12, 1]}])
    assert measurements_from(named, "f.json") == measurements_from(GOOD, "f.json")


def test_files_that_are_none_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot read it"):
        load_measurements(tmp_path / "none.json")
    (tmp_path / "cut.json").write_text(json.dumps(GOOD)[:40])
    with pytest.raises(SpecError, match=r"cut.json:1:\d+: this is no JSON"):
        load_measurements(tmp_path / "cut.json")

"""Times on a CUDA device. What needs one is marked `gpu`; the rest runs anywhere torch does."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

import picojoule as pj
from picojoule.measuring import ceilings, counters, cuda, runs, timing
from picojoule.measuring.measure import run_kernel
from picojoule.measuring.timing import Repeated, times
from picojoule.measuring.work import gemm_work
from tests.commands.run import pj as command

torch = pytest.importorskip("torch")


def test_times_of_a_graph_are_shared_by_its_calls() -> None:
    each = Repeated(lambda: None, 4, "graph").each(times([4.0] * 64))
    assert (each.median, each.min, each.p90, each.p99, each.n) == (1.0, 1.0, 1.0, None, 64)


def test_a_call_that_cannot_be_captured_is_made_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cuda:
        @staticmethod
        def synchronize() -> None:
            pass

    class Torch:
        cuda = Cuda

    def refused(*_: Any) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(cuda, "_captured", refused)
    many = cuda.repeated(lambda: 7, Torch)
    assert (many.run(), many.calls, many.mode) == (7, 1, "eager")


@pytest.mark.torch
def test_fp32_settings_are_put_back() -> None:
    def now() -> list[Any]:
        if hasattr(torch.backends.cuda.matmul, "fp32_precision"):
            return [torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision]
        return [torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32]

    before = now()
    with contextlib.suppress(ZeroDivisionError), cuda.true_fp32(torch):
        assert all(x in ("ieee", False) for x in now())
        raise ZeroDivisionError
    assert now() == before


@pytest.mark.gpu
def test_a_small_product_takes_less_time_in_a_graph_than_submitted_by_itself() -> None:
    place = runs.place(pj.MeasureSettings(device="cuda", dtype="fp16", budget_s=0.2, energy=False))
    run = run_kernel(gemm_work(128, 128, 128, "fp16"), place.settings, place)
    eager, _, _ = timing.hot(place.kernel(run.work, 0).call, budget_s=0.2, sync=place.sync)
    assert run.mode == "graph" and run.hot.median < eager.median
    assert run.hot.median < run.cold.median < 1e-3


@pytest.mark.gpu
def test_no_kernel_is_faster_than_the_ceilings() -> None:
    found, _, _ = ceilings.ceilings("cuda")
    peak, rates = dict(found.peak_ops_per_s), {level: rate for level, rate, _ in found.bandwidth_bytes_per_s}
    assert peak["fp64"] <= peak["fp32"] * 1.2 and peak["fp32"] < peak["fp16"] and rates["DRAM"] < rates["L2"]
    place = runs.place(pj.MeasureSettings(device="cuda", dtype="fp16", budget_s=0.3, energy=False))
    run = run_kernel(gemm_work(4096, 4096, 4096, "fp16"), place.settings, place)
    assert 0.4 * peak["fp16"] < run.work.flops / run.hot.median < 1.1 * peak["fp16"]


@pytest.mark.gpu
def test_convolutions_in_fp32_are_not_rounded_to_tf32() -> None:
    x, w = torch.randn(1, 64, 32, 32, device="cuda"), torch.randn(64, 64, 3, 3, device="cuda")
    exact = torch.nn.functional.conv2d(x.double(), w.double())
    with cuda.true_fp32(torch):
        got = torch.nn.functional.conv2d(x, w).double()
    assert float((got - exact).abs().max() / exact.abs().max()) < 3e-6


@pytest.mark.gpu
def test_a_network_is_measured_on_the_device_and_compared_with_its_prediction(tmp_path: Path) -> None:
    file = tmp_path / "resnet18.json"
    code, out, err = command(
        "measure",
        "resnet18",
        "--device",
        "cuda",
        "--dtype",
        "fp16",
        "--channels-last",
        "--budget",
        "0.1s",
        "--no-energy",
        "--out",
        str(file),
    )
    assert code == 0, err
    data = json.loads(file.read_text())
    assert data["network"]["graph_s"]["median"] < data["network"]["hot_s"]["median"] and not data["wrong"]
    assert {k["hot_mode"] for k in data["kernels"]} == {"graph"}
    code, out, err = command("predict", "resnet18", "--on", "h100", "--measured", str(file))
    assert code == 0 and "measured" in out, err


@pytest.mark.gpu
def test_power_while_a_product_repeats_lies_between_idle_and_the_limit() -> None:
    place = runs.place(pj.MeasureSettings(device="cuda", dtype="fp16", budget_s=0.2))
    for side in (256, 8192):
        run = run_kernel(gemm_work(side, side, side, "fp16"), place.settings, place)
        if run.energy.gross_j is None:
            pytest.skip(str(run.energy.remedy))
        assert run.energy.idle_w is not None
        power_w = run.energy.gross_j / run.hot.median
        assert 0.9 * run.energy.idle_w < power_w < 1.1 * float(counters.board_facts()["power_limit_w"])

"""Networks and kernels run for real; wrong results, constant operands and missing parts are told, not hidden."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import picojoule
from picojoule.errors import SpecError
from picojoule.machines.kernels.measurements import measurements_from
from picojoule.measuring import ceilings, measure, onnx_kernels, operands, runs, sweep, torch_kernels
from picojoule.measuring.machine import machine
from picojoule.measuring.measure import Settings
from picojoule.measuring.rerun import Drift, compare, stored
from picojoule.measuring.work import conv_work, gemm_work, vector_work, work
from picojoule.workload.conv_shape import ConvShape
from picojoule.workload.layer import conv, gemm
from picojoule.workload.op import counted
from tests.commands.run import pj

OTHERS = ("alexnet", "resnet50", "resnet50-v1", "vit-b16", "bert-base", "gpt2", "vgg16")
QUICK = Settings(budget_s=0.01, threads=1, energy=False)


@pytest.mark.torch
def test_a_sweep_that_states_no_threads_uses_every_core(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    found = ceilings.Ceilings(peak_ops_per_s=(("fp32", 1e9),), bandwidth_bytes_per_s=(("DRAM", 1e9, 1),), threads=1)
    monkeypatch.setattr(ceilings, "ceilings", lambda *_: (found, machine(), None))
    monkeypatch.setattr(sweep, "kernels", lambda s: [gemm_work(8, 8, 8, s.dtype)])
    done = sweep.sweep(replace(QUICK, threads=0))
    assert done.meta["threads"] == machine().cores and len(done.kernels) == 1


def test_constant_operands_are_refused() -> None:
    for array in (np.zeros(8), np.full((2, 3), 7.0)):
        with pytest.raises(SpecError, match="random operands"):
            operands.check_random("x", array)
    operands.check_random("x", np.array([0.0, 1.0]))


def test_a_wrong_result_is_no_result() -> None:
    exact = np.linspace(-1, 1, 50)
    assert operands.check_result("k", exact * (1 + 1e-6), exact, "fp32") < 2e-6
    for wrong in (exact + 0.01, np.full(50, np.nan), exact[:49]):
        with pytest.raises(operands.WrongResult, match="k"):
            operands.check_result("k", wrong, exact, "fp32")


def test_a_layer_is_the_kernel_it_says() -> None:
    w = work(gemm("g", M=8, N=16, K=32, batch=3), "bf16")
    assert (w.family, w.size, w.flops) == ("gemm", {"B": 3, "M": 8, "N": 16, "K": 32}, 2.0 * 3 * 8 * 16 * 32)
    assert w.bytes == 2 * 3 * (8 * 32 + 32 * 16 + 8 * 16)
    c = work(conv("c", K=8, C=4, P=7, Q=7, R=3, S=3, stride=2, pad=1, size=(14, 14), groups=2), "fp32")
    assert c.shape == ConvShape(C=4, H=14, W=14, K=8, R=3, S=3, stride=(2, 2), pad=(1, 1), groups=2)
    assert c.flops == 2 * c.shape.macs
    norm = vector_work(counted("n", "BatchNormalization", ops=200, read=100 + 2 * 10, written=100), "fp32")
    assert norm.size == {"op": "BatchNormalization", "shape": (10, 10), "layout": "nchw"}
    with pytest.raises(SpecError, match="MaxPool"):
        vector_work(counted("p", "MaxPool", ops=900, read=400, written=100), "fp32")
    with pytest.raises(SpecError, match="unknown data type"):
        work(gemm(M=1, N=1, K=2), "fp4")


def test_kernels_of_onnxruntime_are_right() -> None:
    pytest.importorskip("onnxruntime")
    shape = ConvShape(N=2, C=4, H=9, W=8, K=6, R=3, S=3, stride=(2, 2), pad=(1, 1), groups=2)
    for one in (conv_work(shape), gemm_work(5, 7, 9), gemm_work(5, 7, 9, batch=3)):
        k = onnx_kernels.kernel(one, 1)
        assert operands.check_result(one.name, k.values(k.call()), k.exact(), "fp32") < 1e-5


def test_an_onnx_file_is_run_as_a_whole_and_layer_by_layer(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    place = tmp_path / "small.onnx"
    place.write_bytes(small_onnx())
    m = measure.measure(str(place), QUICK)
    assert m.settings.runtime == "onnxruntime" and m.network is not None
    assert ([k.work.family for k in m.kernels] == ["conv"] and m.left_out == ("1 x Relu",)) or not m.wrong
    assert all(k.error < 1e-5 and k.hot.median > 0 for k in m.kernels)


def small_onnx() -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    w = numpy_helper.from_array(rng.standard_normal((4, 3, 3, 3)).astype(np.float32), "w")
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1]), helper.make_node("Relu", ["y"], ["z"])]
    sides = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", c, 8, 8]) for n, c in (("x", 3), ("z", 4))]
    model = helper.make_model(helper.make_graph(nodes, "g", sides[:1], sides[1:], [w]), ir_version=9)
    model.opset_import[0].version = 17
    return model.SerializeToString()


@pytest.mark.torch
def test_kernels_of_torch_are_right_in_every_family_and_type() -> None:
    torch = pytest.importorskip("torch")
    shape = ConvShape(N=2, C=4, H=9, W=8, K=6, R=3, S=3, stride=(2, 2), pad=(1, 1), dilation=(2, 2))
    vector = [counted("v", op, ops=64, read=64, written=64) for op in ("Relu", "Gelu", "Softmax", "Sqrt")]
    vector += [counted("v", op, ops=64, read=128, written=64) for op in ("Add", "Mul")] + [
        counted("v", "BatchNormalization", ops=64, read=80, written=64)
    ]
    for dtype in ("fp64", "fp32", "bf16"):
        several = [conv_work(shape, dtype, layout) for layout in ("nchw", "nhwc")]
        several += [gemm_work(5, 7, 9, dtype, batch) for batch in (1, 3)]
        for one in (*several, *(vector_work(v, dtype) for v in vector)):
            k = torch_kernels.kernel(one, torch.device("cpu"))
            operands.check_result(one.name, k.values(k.call()), k.exact(), dtype)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2", *(pytest.param(n, marks=pytest.mark.slow) for n in OTHERS)])
def test_a_runnable_network_does_the_macs_of_the_zoo(name: str) -> None:
    torch = pytest.importorskip("torch")
    from picojoule.measuring import torch_zoo
    from picojoule.workload.torch.read import export

    with torch.device("meta"):
        module, inputs = torch_zoo.module(name)
    assert export(module, inputs, name=name).macs == picojoule.load_model(name).macs


@pytest.mark.torch
def test_a_measurement_is_a_file_that_calibration_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    (tmp_path / "nets.py").write_text(
        "import torch\nfrom torch import nn\ndef net():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 1)), (torch.zeros(1, 3, 8, 8),)\n"
    )
    monkeypatch.chdir(tmp_path)
    code, out, err = pj(
        "measure",
        "nets.py:net",
        "--budget",
        "10ms",
        "--threads",
        1,
        "--scenario",
        "offline",
        "--scenario",
        "single-stream",
        "--out",
        "m.json",
        "--json",
    )
    assert code == 0, err
    data = json.loads(out)
    assert data["network"]["energy"]["status"] in ("measured", "unavailable")
    assert [s["name"] for s in data["network"]["scenarios"]] == ["offline", "single-stream"]
    assert {k["family"] for k in data["kernels"]} == {"conv", "vec"}
    assert all("energy" not in k or k["energy"]["energy_per_call_j"] > 0 for k in data["kernels"])
    assert len(measurements_from(data, "m.json").kernels) == len(data["kernels"])
    code, out, err = pj("measure", "--rerun", "m.json", "--json")
    assert code in (0, 1), err  # times of microseconds may well drift
    assert {d["what"] for d in json.loads(out)["drift"]} == {"network", *(k["name"] for k in data["kernels"])}


@pytest.mark.torch
def test_a_kernel_with_a_wrong_result_gets_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    real = torch.nn.functional.linear
    monkeypatch.setattr(torch.nn.functional, "linear", lambda a, w: real(a, w) * 1.01)
    m = measure.measure("gemm:M=16,N=16,K=16", QUICK)
    assert not m.kernels and len(m.wrong) == 1 and "off by" in m.wrong[0]


@pytest.mark.torch
def test_the_whole_network_is_checked_against_fp64() -> None:
    torch = pytest.importorskip("torch")
    place = runs.place(QUICK)
    module = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.Tanh())
    net = runs.TorchNetwork(module, lambda n: (torch.randn(n, 8),), place)
    result = net.call(1)()
    net.check(result)
    with pytest.raises(operands.WrongResult):
        net.check(result + 0.5)
    zeros = runs.TorchNetwork(module, lambda n: (torch.zeros(n, 8),), place)
    with pytest.raises(SpecError, match="random operands"):
        zeros.call(1)


@pytest.mark.torch
def test_measuring_restores_the_number_of_threads() -> None:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    measure.measure("gemm:M=4,N=4,K=4", replace(QUICK, threads=before + 1))
    assert torch.get_num_threads() == before


def test_reading_bandwidth_sums_what_it_reads() -> None:
    values = np.random.default_rng(0).standard_normal(1000)
    assert ceilings._sweep(values, 3) == pytest.approx(ceilings.swept_reference(values, 3))
    assert ceilings.read_bandwidth(16 << 10, budget_s=0.0) > 0


def test_drift_beyond_ten_percent_is_flagged() -> None:
    row = {"name": "a", "hot_s": {"median": 1.0}}
    before = {"network": {"hot_s": {"median": 2.0}}, "kernels": [row, {**row, "name": "gone"}]}
    now = {"network": {"hot_s": {"median": 2.15}}, "kernels": [{"name": "a", "hot_s": {"median": 0.85}}]}
    drifts = {d.what: d for d in compare(before, now)}
    assert not drifts["network"].flagged and drifts["a"].flagged and drifts["gone"].flagged
    assert drifts["a"].percent == pytest.approx(-15.0)
    assert Drift(what="x", before_s=1.0, now_s=1.1001).flagged


def test_only_stored_measurements_can_be_run_again(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"schema": "other"}'):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(SpecError, match=r"no JSON|no measurement"):
            stored(tmp_path / "x.json")


def without(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def missing(module: str, *more: Any) -> Any:
        if module == name:
            raise ImportError(module)
        return real(module, *more)

    monkeypatch.setattr(importlib, "import_module", missing)


def test_without_torch_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    without("torch", monkeypatch)
    for command in (("measure", "gemm:M=4,N=4,K=4"), ("ceilings",)):
        code, out, err = pj(*command)
        assert (code, out) == (2, "") and "picojoule[torch]" in err


def test_without_onnxruntime_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without("onnxruntime", monkeypatch)
    (tmp_path / "small.onnx").write_bytes(small_onnx())
    code, out, err = pj("measure", tmp_path / "small.onnx")
    assert (code, out) == (2, "") and "picojoule[onnxruntime]" in err


@pytest.mark.torch
def test_without_a_gpu_the_error_says_what_is_missing() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    code, out, err = pj("measure", "resnet18", "--device", "cuda")
    assert (code, out) == (2, "") and "no CUDA device" in err and "hint" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet18", "--device", "tpu"), "unknown device 'tpu'"),
        (("resnet18", "--scenario", "sever"), "unknown scenario 'sever'"),
        (("resnet81",), "did you mean 'resnet18'"),
        ((), "which model?"),
        (("resnet18", "--budget", "5"), "has no unit"),
        (("resnet18", "--batch", "0"), "too small"),
        (("--rerun", "missing.json"), "cannot read it"),
        (("gemm:M=4,N=4,K=4", "--dtype", "fp31"), "unknown data type"),
    ],
)
def test_bad_input_is_one_clear_error(arguments: tuple[str, ...], message: str) -> None:
    pytest.importorskip("torch")
    code, out, err = pj("measure", *arguments)
    assert (code, out) == (2, "") and message in err and "Traceback" not in err

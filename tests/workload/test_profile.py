"""The profile: sums, bounds, reuse and peak memory, by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from picojoule.workload.building.builder import Builder
from picojoule.workload.load import load_model
from picojoule.workload.network import Network, NetworkTensor, Step, step_of
from picojoule.workload.op import counted
from picojoule.workload.profile import peak_activations, profile
from picojoule.workload.zoo import zoo


def test_a_gemm_by_hand() -> None:
    found = profile(load_model("gemm:M=4,N=6,K=8,bits=8"))
    layer, totals = found.layers[0], found.totals
    assert (layer.macs, layer.weights, layer.input_elements, layer.output_elements) == (192, 48, 32, 24)
    assert dict(layer.reuse) == {"A": 6.0, "B": 4.0, "Z": 8.0}
    assert layer.macs_per_byte == pytest.approx(192 / 104)
    assert layer.ops_per_byte == pytest.approx(384 / 104)
    assert (totals.dram_worst_accesses, totals.dram_best_accesses) == (4 * 192, 104)
    assert totals.peak_activation_bytes == 32 + 24


def test_alexnet_has_the_dram_bounds_of_the_survey() -> None:
    totals = profile(zoo.model("alexnet")).totals
    assert totals.dram_worst_accesses == 4 * 724_406_816  # "about 3000 M"
    assert totals.dram_best_accesses == 60_954_656 + 3 * 227 * 227 + 1000  # "61 M"


def test_totals_are_the_sums_of_the_layers() -> None:
    for name in ("mobilenetv2", "bert-base"):
        found = profile(zoo.model(name))
        assert found.totals.macs == sum(x.macs for x in found.layers) == zoo.model(name).macs
        assert found.totals.weights == sum(x.weights for x in found.layers) == zoo.model(name).weights
        shares = sum(v.share_of_ops for v in found.vector_ops)
        assert found.totals.vector_share_of_ops == pytest.approx(shares)


def test_json_has_the_keys_that_others_rely_on() -> None:
    plain = json.loads(json.dumps(profile(zoo.model("lenet5")).to_json()))
    assert plain["model"] == "lenet5"
    assert {"macs", "weights"} <= plain["totals"].keys()
    assert plain["layers"][0] | {"name": "c1", "op": "Conv", "macs": 117_600, "weights": 150} == plain["layers"][0]


def test_relu_may_overwrite_its_operand_but_a_pool_may_not() -> None:
    b = Builder("net")
    x = b.input("x", (1, 2, 4, 4))  # 64 bytes
    y = b.conv(x, 8, 3, pad=1, name="conv")  # 256 bytes
    z = b.elementwise("Relu", y, name="relu")
    b.pool("MaxPool", z, 2, stride=2, name="pool")  # 64 bytes
    assert peak_activations(b.network()) == (64 + 256, "conv")


def test_a_residual_branch_stays_alive_until_its_sum() -> None:
    b = Builder("net")
    x = b.input("x", (1, 4, 4, 4))  # 128 bytes
    y = b.conv(x, 8, 3, pad=1, name="wide")  # 256 bytes
    z = b.conv(y, 4, 3, pad=1, name="back")  # 128 bytes
    b.elementwise("Add", x, z, name="add")
    assert peak_activations(b.network()) == (128 + 256 + 128, "back")


def test_outputs_live_to_the_end() -> None:
    b = Builder("net")
    x = b.input("x", (1, 8))
    early = b.linear(x, 100, name="early")
    late = b.linear(b.linear(x, 50, name="a"), 50, name="b")
    assert peak_activations(b.network(early, late))[0] == 2 * (100 + 50 + 50)


def test_repeated_cells_share_their_weights() -> None:
    layer = load_model("gemm:M=1,N=32,K=16").steps[0].layer
    tensors = NetworkTensor(name="x", shape=(10, 16)), NetworkTensor(name="y", shape=(10, 32))
    cell = Network("rnn", (step_of(layer, ("x",), ("y",), count=10, shares_weights=True),), tensors)
    found = profile(cell)
    assert (found.totals.macs, found.totals.weights) == (5120, 512)
    assert found.layers[0].count == 10


def test_unknown_operators_are_reported_with_their_share_of_bytes() -> None:
    gemm = load_model("gemm:M=10,N=10,K=10").steps[0]
    strange = counted("magic", "Magic", ops=None, read=50, written=50, note="operator Magic is not known")
    found = profile(Network("net", (replace(gemm, accesses=()), Step(strange))))
    assert found.totals.unknown_operators == 1
    assert found.totals.unknown_share_of_bytes == pytest.approx(200 / 800)
    assert [v.name for v in found.unknown] == ["magic"]

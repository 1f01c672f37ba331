"""Situations that users met: an operand is a parameter, operands are packed, operators that onnxruntime's optimiser writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from picojoule.errors import SpecError
from picojoule.workload.network import Network
from picojoule.workload.profile import profile
from tests.workload.onnx_models import network, node

MS = "com.microsoft"


def understood(found: Network) -> Network:
    assert not profile(found).unknown
    return found


@pytest.mark.parametrize("fixed", ["q", "k", "v", "k v"])
def test_an_operand_of_attention_is_a_parameter(tmp_path: Path, fixed: str) -> None:
    shapes = {"q": (1, 2, 4, 8), "k": (1, 2, 12, 8), "v": (1, 2, 12, 8)}
    weights = {x: s for x, s in shapes.items() if x in fixed.split()}
    inputs = {x: s for x, s in shapes.items() if x not in weights}
    found = understood(network(tmp_path, [node("Attention", "q k v", "y")], inputs, "y", weights=weights, opset=23))
    assert found.macs == 2 * 2 * 4 * 12 * 8
    assert found.weights == sum(int(np.prod(s)) for s in weights.values())


def test_a_convolution_of_a_learned_image(tmp_path: Path) -> None:
    nodes = [node("Conv", "image kernels", "y", pads=[1, 1, 1, 1])]
    found = understood(network(tmp_path, nodes, {"kernels": (2, 3, 3, 3)}, "y", weights={"image": (1, 3, 4, 4)}))
    assert found.macs == 4 * 4 * 2 * 3 * 9
    assert found.weights == 3 * 4 * 4


@pytest.mark.parametrize(
    ("inputs", "operands"), [({"q": (1, 6, 16), "kv": (1, 9, 2, 2, 8)}, "q kv"), ({"qkv": (1, 9, 2, 3, 8)}, "qkv")]
)
def test_keys_and_values_packed_in_one_operand(tmp_path: Path, inputs: dict[str, Any], operands: str) -> None:
    nodes = [node("MultiHeadAttention", operands, "y", domain=MS, num_heads=2)]
    found = understood(network(tmp_path, nodes, inputs, "y", domains=[MS]))
    queries = 6 if "q" in inputs else 9
    assert found.macs == 2 * queries * 9 * 16
    assert found.tensor("y").shape == (1, queries, 16)


def test_a_convolution_fused_with_its_activation(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x w", "a", pads=[1] * 4),
        node("FusedConv", "a w2 b a", "c", domain=MS, activation="Relu", pads=[1] * 4),
        node("Conv", "c w2", "y", pads=[1] * 4),
    ]
    weights = {"w": (4, 3, 3, 3), "w2": (4, 4, 3, 3), "b": (4,)}
    found = understood(network(tmp_path, nodes, {"x": (1, 3, 8, 8)}, "y", weights=weights, domains=[MS]))
    assert found.macs == 64 * 9 * (3 * 4 + 4 * 4 + 4 * 4)
    assert [s.layer.op for s in found.vector_ops] == ["Bias", "Add", "Relu"]


def test_a_gemm_fused_with_its_activation(tmp_path: Path) -> None:
    nodes = [node("FusedGemm", "x w b", "y", domain=MS, activation="Relu", transB=1)]
    found = understood(network(tmp_path, nodes, {"x": (5, 6)}, "y", weights={"w": (7, 6), "b": (7,)}, domains=[MS]))
    assert found.macs == 5 * 6 * 7


def test_the_quantisers_of_onnxruntime_keep_their_widths(tmp_path: Path) -> None:
    nodes = [
        node("DequantizeLinear", "w s z", "wf", domain=MS),
        node("QuantizeLinear", "x s zu", "xq", domain=MS),
        node("DequantizeLinear", "xq s zu", "xf", domain=MS),
        node("MatMul", "xf wf", "y"),
    ]
    one = np.array(1, np.float32)
    weights = {"w": np.zeros((6, 7), np.int8), "s": one, "z": np.array(0, np.int8), "zu": np.array(0, np.uint16)}
    found = understood(network(tmp_path, nodes, {"x": (5, 6)}, "y", weights=weights, domains=[MS], opset=13))
    (step,) = found.layers
    assert found.macs == 5 * 6 * 7
    assert {t.role: t.bits for t in step.layer.operands} == {"input": 16, "weight": 8}


@pytest.mark.parametrize(
    ("equation", "shapes", "macs"),
    [
        ("ij,jk,kl->il", [(4, 5), (5, 6), (6, 7)], 4 * 5 * 6 + 4 * 6 * 7),
        ("ij,jk,kl", [(40, 5), (5, 6), (6, 2)], 5 * 6 * 2 + 40 * 5 * 2),  # from behind is cheaper
        ("bi,oij,bj->bo", [(3, 4), (5, 4, 6), (3, 6)], 3 * 5 * 4 * 6 + 3 * 5 * 4),
    ],
)
@pytest.mark.parametrize("trained", [False, True])
def test_an_einsum_of_three_in_its_cheapest_order(tmp_path: Path, equation: str, shapes: Any, macs: int, trained: bool) -> None:
    inputs, weights = dict(zip("abc", shapes, strict=True)), {}
    if trained:
        weights["b"] = inputs.pop("b")
    nodes = [node("Einsum", "a b c", "y", equation=equation)]
    assert understood(network(tmp_path, nodes, inputs, "y", weights=weights)).macs == macs


def test_an_einsum_of_three_that_is_no_product_is_reported(tmp_path: Path) -> None:
    nodes = [node("Einsum", "a b c", "y", equation="ii,ij,jk->ik")]
    found = network(tmp_path, nodes, {"a": (2, 2), "b": (2, 3), "c": (3, 4)}, "y")
    assert [v.op for v in profile(found).unknown] == ["Einsum"]


@pytest.mark.parametrize("operands", ["x w", "x w b", "x w - past", "x w b past"])
@pytest.mark.parametrize("kept", ["y", "y state"])
def test_a_causal_convolution_counts_its_taps(tmp_path: Path, operands: str, kept: str) -> None:
    version = onnx.defs.onnx_opset_version()
    try:
        onnx.defs.get_schema("CausalConvWithState", version, "")
    except onnx.defs.SchemaError:
        pytest.skip("this onnx does not know the operator")
    shapes = {"x": (1, 6, 10), "w": (6, 1, 4), "b": (6,), "past": (1, 6, 3)}
    inputs = {x: shapes[x] for x in operands.split() if x != "-"}
    nodes = [node("CausalConvWithState", operands, "y state", activation="silu")]
    for folded in ((), ("w", "b")):
        weights = {x: inputs[x] for x in folded if x in inputs}
        given = {x: s for x, s in inputs.items() if x not in weights}
        found = understood(network(tmp_path, nodes, given, kept, weights=weights, opset=version))
        assert found.macs == 6 * 10 * 4


def test_the_helper_that_finds_a_twin_leaves_others_alone() -> None:
    from picojoule.workload.onnx.contrib import standard

    own = helper.make_node("Conv", ["x", "w"], ["y"])
    assert standard(own) is own


def loop(*, trips: int, ends: bool, stacked: bool) -> tuple[list[onnx.NodeProto], dict[str, Any]]:
    number = helper.make_tensor_value_info("i", onnx.TensorProto.INT64, [])
    cond = helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, [])
    state = helper.make_tensor_value_info("h", onnx.TensorProto.FLOAT, [4, 8])
    nodes = [node("Not" if ends else "Identity", "c", "c2"), node("MatMul", "h w", "h2"), node("Relu", "h2", "row")]
    results = [helper.make_tensor_value_info("c2", onnx.TensorProto.BOOL, []), helper.make_empty_tensor_value_info("h2")]
    results += [helper.make_empty_tensor_value_info("row")] if stacked else []
    body = helper.make_graph(nodes, "body", [number, cond, state], results)
    made = node("Loop", "n go x", "y rows" if stacked else "y", name="loop", body=body)
    return [made], {"n": np.array(trips, np.int64), "go": np.array(True), "w": (8, 8)}


@pytest.mark.parametrize("stacked", [False, True])
def test_a_loop_runs_as_often_as_its_constant_says(tmp_path: Path, stacked: bool) -> None:
    nodes, weights = loop(trips=10, ends=False, stacked=stacked)
    found = understood(network(tmp_path, nodes, {"x": (4, 8)}, "y rows" if stacked else "y", weights=weights))
    assert (found.macs, found.weights) == (10 * 4 * 8 * 8, 64)
    if stacked:
        assert found.tensor("rows").shape == (10, 4, 8)


def test_a_loop_that_may_end_early_is_reported(tmp_path: Path) -> None:
    nodes, weights = loop(trips=10, ends=True, stacked=False)
    found = network(tmp_path, nodes, {"x": (4, 8)}, "y", weights=weights)
    assert [v.op for v in profile(found).unknown] == ["Loop"]


@pytest.mark.parametrize("past", [0, 3])
def test_the_first_token_finds_an_empty_cache(tmp_path: Path, past: int) -> None:
    inputs = dict.fromkeys("qkv", (1, 2, 4, 8)) | dict.fromkeys(("pk", "pv"), (1, 2, "past", 8))
    nodes = [node("Attention", "q k v - pk pv", "y nk nv")]
    found = understood(network(tmp_path, nodes, inputs, "y nk nv", dims={"past": past}, opset=23))
    assert found.macs == 2 * 2 * 4 * (4 + past) * 8


@pytest.mark.parametrize(("op", "operands", "shape"), [("Attention", "x x x", (1, 2, "n", 8)), ("MatMul", "x w", ("n", 2, 8))])
def test_nothing_but_the_cache_is_empty(tmp_path: Path, op: str, operands: str, shape: Any) -> None:
    weights = {"w": (8, 8)} if op == "MatMul" else {}
    with pytest.raises(SpecError, match=r"'y'.* 0"):
        network(tmp_path, [node(op, operands, "y")], {"x": shape}, "y", weights=weights, dims={"n": 0}, opset=23)

"""Every ONNX operator with MACs, on a small case counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from picojoule.workload.layer import Layer, conv
from picojoule.workload.profile import profile
from tests.workload.onnx_models import network, node


def layers(*args: object, **more: object) -> list[Layer]:
    return [s.layer for s in network(*args, **more).layers]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("image", "weight", "attributes", "macs"),
    [
        ((1, 3, 8), (4, 3, 3), {}, 6 * 3 * 4 * 3),
        ((2, 3, 8, 8), (4, 3, 3, 3), {"pads": [1, 1, 1, 1]}, 2 * 64 * 9 * 4 * 3),
        ((1, 3, 8, 8), (4, 3, 1, 5), {"strides": [1, 2]}, 8 * 2 * 5 * 4 * 3),
        ((1, 3, 8, 8), (4, 3, 3, 3), {"pads": [0, 0, 1, 1], "strides": [2, 2]}, 16 * 9 * 4 * 3),
        ((1, 3, 8, 8), (4, 3, 3, 3), {"dilations": [2, 2]}, 16 * 9 * 4 * 3),
        ((1, 6, 8, 8), (4, 3, 3, 3), {"group": 2}, 36 * 9 * 4 * 3),
        ((1, 6, 8, 8), (6, 1, 3, 3), {"group": 6}, 36 * 9 * 6),
        ((1, 3, 7, 7), (4, 3, 3, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, 16 * 9 * 4 * 3),
        ((1, 3, 8, 8), (4, 3, 3, 3), {"auto_pad": "SAME_LOWER"}, 64 * 9 * 4 * 3),
        ((1, 3, 8, 8), (4, 3, 3, 3), {"auto_pad": "VALID"}, 36 * 9 * 4 * 3),
        ((1, 2, 4, 5, 6), (3, 2, 2, 3, 3), {}, 3 * 3 * 4 * 18 * 3 * 2),
    ],
)
def test_convolutions(tmp_path: Path, image, weight, attributes, macs) -> None:
    nodes = [node("Conv", "x w b", "y", name="c", **attributes)]
    found = network(tmp_path, nodes, {"x": image}, "y", weights={"w": weight, "b": weight[:1]})
    assert found.macs == macs
    assert found.weights == np.prod(weight)
    assert profile(found).layers[0].output_elements == found.tensor("y").elements


def test_rows_and_columns_are_not_swapped(tmp_path: Path) -> None:
    nodes = [node("Conv", "x w", "y", name="c", strides=[1, 2], pads=[0, 1, 0, 2])]
    found = layers(tmp_path, nodes, {"x": (1, 3, 8, 9)}, "y", weights={"w": (4, 3, 1, 5)})[0]
    assert found == conv("c", K=4, C=3, P=8, Q=4, R=1, S=5, stride=(1, 2), pad=(0, 1), size=(8, 9))


def test_weights_may_be_constants_of_any_making(tmp_path: Path) -> None:
    nodes = [node("ConstantOfShape", "s", "w"), node("Transpose", "w", "v", perm=[1, 0, 2, 3]), node("Conv", "x v", "y")]
    found = network(tmp_path, nodes, {"x": (1, 3, 4, 4)}, "y", weights={"s": np.array([3, 5, 1, 1])})
    assert (found.macs, found.weights, len(found.steps)) == (16 * 15, 15, 1)


def test_weights_used_twice_count_once(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x w", "a", name="a"), node("MatMul", "a w", "b", name="b")]
    found = network(tmp_path, nodes, {"x": (2, 4)}, "b", weights={"w": (4, 4)})
    assert (found.macs, found.weights) == (64, 16)
    assert [s.reuses for s in found.layers] == ["", "a"]
    assert profile(found).totals.weights == 16


def test_parts_of_one_tensor_are_different_weights(tmp_path: Path) -> None:
    nodes = [
        node("Split", "w", "q k", axis=0, num_outputs=2),
        node("MatMul", "x q", "a"),
        node("MatMul", "x k", "b"),
        node("ConstantOfShape", "s", "c"),
        node("ConstantOfShape", "s", "d"),
        node("MatMul", "a c", "e"),
        node("MatMul", "b d", "f"),
    ]
    found = network(tmp_path, nodes, {"x": (2, 4)}, "e f", weights={"w": (8, 4), "s": np.array([4, 4])})
    assert found.weights == 64


def test_a_convolution_whose_weights_are_computed_has_no_trained_weights(tmp_path: Path) -> None:
    found = network(tmp_path, [node("Conv", "x w", "y")], {"x": (1, 3, 4, 4), "w": (2, 3, 3, 3)}, "y")
    assert (found.macs, found.weights) == (4 * 54, 0)
    assert found.steps[0].inputs == ("x", "w")


@pytest.mark.parametrize(
    ("weight", "attributes", "macs", "count"),
    [
        ((8, 3, 2, 2), {"strides": [2, 2]}, 16 * 4 * 24, 4),
        ((8, 3, 4, 4), {"strides": [2, 2], "pads": [1, 1, 1, 1]}, 16 * 16 * 24, 4),
        ((8, 3, 3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}, 16 * 9 * 24, 4),
        ((8, 3, 3, 3), {}, 36 * 9 * 24, 1),
        ((8, 3, 4, 4), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}, 16 * 16 * 24, 4),
        ((8, 3, 2, 2), {"strides": [2, 2], "group": 2}, 16 * 4 * 24, 4),
    ],
)
def test_transposed_convolutions(tmp_path: Path, weight, attributes, macs, count) -> None:
    nodes = [node("ConvTranspose", "x w", "y", name="up", **attributes)]
    found = network(tmp_path, nodes, {"x": (1, 8, 4, 4)}, "y", weights={"w": weight})
    assert (found.macs, len(found.layers)) == (macs, count)
    assert found.weights == np.prod(weight)
    assert sum(s.layer.elements(s.layer.output) for s in found.layers) == found.activations[-1].elements


@pytest.mark.parametrize(
    ("a", "b", "attributes", "extents"),
    [
        ((2, 3), (3, 4), {}, {"M": 2, "N": 4, "K": 3}),
        ((3, 2), (3, 4), {"transA": 1}, {"M": 2, "N": 4, "K": 3}),
        ((2, 3), (4, 3), {"transB": 1}, {"M": 2, "N": 4, "K": 3}),
    ],
)
def test_gemm(tmp_path: Path, a, b, attributes, extents) -> None:
    found = network(tmp_path, [node("Gemm", "x w c", "y", **attributes)], {"x": a}, "y", weights={"w": b, "c": (4,)})
    assert found.layers[0].layer.bounds == extents
    assert [(v.layer.op, v.layer.ops, v.layer.read_elements) for v in found.vector_ops] == [("Bias", 8, 4)]


@pytest.mark.parametrize(
    ("a", "b", "extents"),
    [
        ((2, 5, 3), (3, 4), {"M": 10, "N": 4, "K": 3}),
        ((7, 2, 3), (7, 3, 4), {"H": 7, "M": 2, "N": 4, "K": 3}),
        ((7, 2, 3), (1, 3, 4), {"M": 14, "N": 4, "K": 3}),
        ((3,), (3, 4), {"N": 4, "K": 3}),
    ],
)
def test_matmul_of_activations(tmp_path: Path, a, b, extents) -> None:
    found = network(tmp_path, [node("MatMul", "x w", "y")], {"x": a, "w": b}, "y")
    assert found.layers[0].layer.bounds == extents
    assert found.weights == 0


def test_a_trained_first_operand_takes_the_place_of_the_weights(tmp_path: Path) -> None:
    found = network(tmp_path, [node("MatMul", "w x", "y")], {"x": (3, 4)}, "y", weights={"w": (2, 3)})
    assert found.layers[0].layer.bounds == {"M": 4, "N": 2, "K": 3}
    assert found.weights == 6


def test_einsum(tmp_path: Path) -> None:
    nodes = [node("Einsum", "x y", "z", equation="bhid,bhjd->bhij")]
    found = network(tmp_path, nodes, {"x": (2, 3, 4, 5), "y": (2, 3, 6, 5)}, "z")
    assert found.layers[0].layer.bounds == {"H": 6, "M": 4, "N": 6, "K": 5}


def test_an_einsum_that_is_no_product_is_reported(tmp_path: Path) -> None:
    found = profile(network(tmp_path, [node("Einsum", "x", "z", equation="ii->")], {"x": (4, 4)}, "z"))
    assert [(v.op, v.why) for v in found.unknown] == [("Einsum", "einsum 'ii->' has 1 operands; two or more are understood")]


def test_convolution_of_integers(tmp_path: Path) -> None:
    nodes = [node("ConvInteger", "x w", "y")]
    more = {"weights": {"w": np.zeros((4, 3, 3, 3), np.int8)}, "types": {"x": TensorProto.UINT8}}
    found = layers(tmp_path, nodes, {"x": (1, 3, 4, 4)}, "y", **more)[0]
    assert [found.tensor(t).bits for t in "IWO"] == [8, 8, 32]
    assert found.macs == 4 * 9 * 12


def test_quantised_convolution(tmp_path: Path) -> None:
    one, zero = np.ones((), np.float32), np.zeros((), np.uint8)
    weights = {"w": np.zeros((4, 3, 3, 3), np.int8), "s": one, "z": zero, "wz": np.zeros((), np.int8), "b": np.zeros(4, np.int32)}
    nodes = [node("QLinearConv", "x s z w s wz s z b", "y", name="c")]
    found = network(tmp_path, nodes, {"x": (1, 3, 4, 4)}, "y", weights=weights, types={"x": TensorProto.UINT8})
    assert [found.layers[0].layer.tensor(t).bits for t in "IWO"] == [8, 8, 8]
    assert [(v.layer.op, v.layer.ops) for v in found.vector_ops] == [("Bias", 16), ("QuantizeLinear", 64)]


def test_quantised_products(tmp_path: Path) -> None:
    one, zero = np.ones((), np.float32), np.zeros((), np.uint8)
    weights = {"w": np.zeros((3, 4), np.uint8), "s": one, "z": zero}
    nodes = [node("QLinearMatMul", "x s z w s z s z", "y"), node("MatMulInteger", "y v", "q")]
    weights["v"] = np.zeros((4, 2), np.uint8)
    found = layers(tmp_path, nodes, {"x": (2, 3)}, "q", weights=weights, types={"x": TensorProto.UINT8})
    assert [[x.tensor(t).bits for t in "ABZ"] for x in found] == [[8, 8, 8], [8, 8, 32]]
    assert [x.macs for x in found] == [24, 16]


def test_quantise_dequantise_pairs_make_an_integer_convolution(tmp_path: Path) -> None:
    one, zero = np.ones((), np.float32), np.zeros((), np.int8)
    nodes = [
        node("QuantizeLinear", "x s z", "xq"),
        node("DequantizeLinear", "xq s z", "xd"),
        node("DequantizeLinear", "wq s z", "wd"),
        node("Conv", "xd wd", "c"),
        node("Relu", "c", "r"),
        node("QuantizeLinear", "r s z", "rq"),
        node("DequantizeLinear", "rq s z", "y"),
    ]
    weights = {"wq": np.zeros((4, 3, 1, 1), np.int8), "s": one, "z": zero}
    found = network(tmp_path, nodes, {"x": (1, 3, 4, 4)}, "y", weights=weights)
    layer = found.layers[0].layer
    assert [layer.tensor(t).bits for t in "IWO"] == [8, 8, 8]
    assert (layer.macs, found.weights) == (16 * 12, 12)
    sizes = {t.name: t.bits for t in found.activations}
    assert sizes == {"x": 16, "xq": 8, "c": 8, "r": 8}


def test_four_bit_weights_of_onnxruntime(tmp_path: Path) -> None:
    nodes = [node("MatMulNBits", "x w s", "y", domain="com.microsoft", K=64, N=32, bits=4, block_size=32)]
    weights = {"w": np.zeros((32, 2, 16), np.uint8), "s": np.zeros(64, np.float32)}
    found = network(tmp_path, nodes, {"x": (1, 5, 64)}, "y", weights=weights, domains=["com.microsoft"])
    layer = found.layers[0].layer
    assert (layer.bounds, layer.tensor("B").bits) == ({"M": 5, "N": 32, "K": 64}, 4)


@pytest.mark.parametrize(("op", "gates"), [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
@pytest.mark.parametrize("directions", [1, 2])
def test_recurrent_cells(tmp_path: Path, op, gates, directions) -> None:
    steps, batch, features, hidden = 7, 2, 3, 5
    side = {"direction": "bidirectional" if directions == 2 else "forward", "hidden_size": hidden}
    rows = gates * hidden
    weights = {"w": (directions, rows, features), "r": (directions, rows, hidden), "b": (directions, 2 * rows)}
    found = network(tmp_path, [node(op, "x w r b", "y h", **side)], {"x": (steps, batch, features)}, "y h", weights=weights)
    assert found.macs == directions * steps * batch * gates * hidden * (features + hidden)
    assert found.weights == directions * gates * hidden * (features + hidden)
    assert {(s.count, s.shares_weights) for s in found.layers} == {(steps, True)}
    assert found.vector_ops[0].layer.read_elements == directions * 2 * gates * hidden


def test_attention_with_fewer_heads_of_keys(tmp_path: Path) -> None:
    inputs = {"q": (1, 8, 5, 16), "k": (1, 2, 7, 16), "v": (1, 2, 7, 16)}
    found = network(tmp_path, [node("Attention", "q k v", "y", name="a")], inputs, "y", opset=23)
    assert [s.layer.bounds for s in found.layers] == [{"H": 2, "M": 20, "N": 7, "K": 16}, {"H": 2, "M": 20, "N": 16, "K": 7}]
    assert found.macs == 2 * 8 * 5 * 7 * 16
    assert [v.layer.op for v in found.vector_ops] == ["Mul", "Softmax"]


def test_attention_of_three_axes_takes_its_heads_from_attributes(tmp_path: Path) -> None:
    inputs = {"q": (1, 5, 32), "k": (1, 7, 32), "v": (1, 7, 32)}
    nodes = [node("Attention", "q k v", "y", q_num_heads=4, kv_num_heads=4)]
    assert network(tmp_path, nodes, inputs, "y", opset=23).macs == 2 * 4 * 5 * 7 * 8


def test_axes_have_their_names(tmp_path: Path) -> None:
    one = layers(tmp_path, [node("Conv", "x w", "y")], {"x": (2, 3, 8)}, "y", weights={"w": (4, 3, 3)})[0]
    three = layers(tmp_path, [node("Conv", "x w", "y")], {"x": (2, 3, 8, 9, 7)}, "y", weights={"w": (4, 3, 2, 3, 4)})[0]
    assert one.bounds == {"N": 2, "K": 4, "C": 3, "Q": 6, "S": 3}
    assert three.bounds == {"N": 2, "K": 4, "C": 3, "Z": 7, "P": 7, "Q": 4, "T": 2, "R": 3, "S": 4}


def test_attention_of_onnxruntime(tmp_path: Path) -> None:
    more = {"weights": {"w": (32, 96), "b": (96,)}, "domains": ["com.microsoft"]}
    nodes = [node("Attention", "x w b", "y", domain="com.microsoft", num_heads=4)]
    found = network(tmp_path, nodes, {"x": (2, 5, 32)}, "y", **more)
    assert found.macs == 2 * 5 * 32 * 96 + 2 * 2 * 4 * 5 * 5 * 8
    assert found.weights == 32 * 96
    assert found.tensor("y").elements == 2 * 5 * 32


def test_multi_head_attention_of_onnxruntime(tmp_path: Path) -> None:
    inputs = {"q": (2, 5, 32), "k": (2, 7, 32), "v": (2, 7, 48)}
    nodes = [node("MultiHeadAttention", "q k v", "y", domain="com.microsoft", num_heads=4)]
    found = network(tmp_path, nodes, inputs, "y", domains=["com.microsoft"])
    assert found.macs == 2 * 4 * 5 * 7 * (8 + 12)


@pytest.mark.parametrize("is_packed", [False, True])
def test_grouped_query_attention_of_onnxruntime_with_its_cache(tmp_path: Path, is_packed) -> None:
    cache = {"pk": (1, 2, 11, 8), "pv": (1, 2, 11, 8)}
    inputs = {"q": (1, 1, 96), **cache} if is_packed else {"q": (1, 1, 64), "k": (1, 1, 16), "v": (1, 1, 16), **cache}
    names = "q - - pk pv" if is_packed else "q k v pk pv"
    nodes = [node("GroupQueryAttention", names, "y", domain="com.microsoft", num_heads=8, kv_num_heads=2, do_rotary=1)]
    found = network(tmp_path, nodes, inputs, "y", domains=["com.microsoft"])
    assert found.macs == 2 * 8 * 12 * 8
    assert found.layers[0].layer.bounds == {"H": 2, "M": 4, "N": 12, "K": 8}


def test_an_operator_of_another_domain_is_not_taken_for_the_standard_one(tmp_path: Path) -> None:
    nodes = [node("Conv", "x w", "y", domain="acme")]
    found = network(tmp_path, nodes, {"x": (1, 3, 4, 4)}, "y", weights={"w": (2, 3, 1, 1)}, domains=["acme"])
    assert [s.layer.known for s in found.steps] == [False]

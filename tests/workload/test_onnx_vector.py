"""Every kind of ONNX operator without MACs, with its ops and bytes by hand; and what is not understood."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from picojoule.errors import SpecError
from picojoule.workload import ops as table
from picojoule.workload.load import load_model
from picojoule.workload.op import Op
from picojoule.workload.profile import profile
from tests.workload.onnx_models import network, node, save

IMAGE = {"x": (1, 4, 6, 6)}  # 144 elements


def only(tmp_path: Path, *args: object, **more: object) -> Op:
    steps = network(tmp_path, *args, **more).steps  # type: ignore[arg-type]
    assert len(steps) == 1
    return steps[0].layer


@pytest.mark.parametrize(
    ("op", "attributes", "ops", "read", "written"),
    [
        ("Relu", {}, 144, 144, 144),
        ("Sigmoid", {}, 3 * 144, 144, 144),
        ("HardSwish", {}, 5 * 144, 144, 144),
        ("Gelu", {}, 5 * 144, 144, 144),
        ("LeakyRelu", {}, 2 * 144, 144, 144),
        ("Softmax", {}, 5 * 144, 144, 144),
        ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}, 4 * 36, 144, 36),
        ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, 9 * 144, 144, 144),
        ("GlobalAveragePool", {}, 144, 144, 4),
        ("ReduceMean", {"keepdims": 0}, 144, 144, 1),
        ("ReduceL2", {"keepdims": 0}, 2 * 144, 144, 1),
        ("ArgMax", {"axis": 1}, 144, 144, 36),
        ("LRN", {"size": 5}, 9 * 144, 144, 144),
        ("Transpose", {"perm": [0, 2, 3, 1]}, 0, 144, 144),
        ("DepthToSpace", {"blocksize": 2}, 0, 144, 144),
        ("Cast", {"to": TensorProto.FLOAT16}, 144, 144, 144),
    ],
)
def test_operators_of_one_operand(tmp_path: Path, op, attributes, ops, read, written) -> None:
    found = only(tmp_path, [node(op, "x", "y", name="n", **attributes)], IMAGE, "y")
    assert (found.op, found.ops, found.read_elements, found.written_elements, found.known) == (op, ops, read, written, True)


def one_operand(op: str) -> bool:
    """Whether ONNX has an operator of this name that takes one float tensor."""
    if not onnx.defs.has(op):
        return False
    schema = onnx.defs.get_schema(op)
    takes_float = any("tensor(float)" in c.allowed_type_strs for c in schema.type_constraints[:1])
    return schema.min_input == schema.max_input == schema.max_output == 1 and takes_float and op not in ("Cast", "Bernoulli")


@pytest.mark.parametrize("op", [x for x in (*table.PER_ELEMENT, *table.NORMALISATION) if one_operand(x)])
def test_every_element_wise_operator_costs_what_the_table_says(tmp_path: Path, op: str) -> None:
    opset = max(21, onnx.defs.get_schema(op).since_version)
    found = only(tmp_path, [node(op, "x", "y")], IMAGE, "y", opset=opset)
    each = table.PER_ELEMENT.get(op) or table.NORMALISATION[op]
    assert (found.ops, found.read_elements, found.written_elements, found.known) == (each * 144, 144, 144, True)


VIEWS = [("Flatten", {}), ("Transpose", {"perm": [1, 0, 2, 3]}), ("Identity", {}), ("Dropout", {})]


@pytest.mark.parametrize(("op", "attributes"), VIEWS)
def test_views_say_that_nothing_moves(tmp_path: Path, op, attributes) -> None:
    found = only(tmp_path, [node(op, "x", "y", **attributes)], IMAGE, "y")
    assert (found.ops, found.read_elements, found.written_elements) == (0, 0, 0)
    assert found.note == "a view: no data moves"


def test_a_view_keeps_the_activation_alive_under_its_own_name(tmp_path: Path) -> None:
    nodes = [node("Relu", "x", "a"), node("Flatten", "a", "b"), node("Softmax", "b", "c")]
    found = network(tmp_path, nodes, IMAGE, "c")
    assert found.steps[2].inputs == ("a",)
    assert [t.name for t in found.activations] == ["x", "a", "c"]


@pytest.mark.parametrize(
    ("op", "inputs", "weights", "ops", "read"),
    [
        ("Add", "x w", {"w": (1, 4, 1, 1)}, 144, 148),
        ("Mul", "x x", {}, 144, 144),
        ("Sum", "x w w", {"w": (1, 4, 6, 6)}, 2 * 144, 3 * 144),
        ("BatchNormalization", "x a b c d", dict.fromkeys("abcd", (4,)), 2 * 144, 144 + 16),
        ("Clip", "x l h", {"l": (), "h": ()}, 2 * 144, 146),
        ("PRelu", "x w", {"w": (4, 1, 1)}, 2 * 144, 148),
        ("LayerNormalization", "x w", {"w": (6,)}, 7 * 144, 150),
        ("InstanceNormalization", "x a b", {"a": (4,), "b": (4,)}, 7 * 144, 152),
        ("MeanVarianceNormalization", "x", {}, 5 * 144, 144),
    ],
)
def test_operators_of_several_operands(tmp_path: Path, op, inputs, weights, ops, read) -> None:
    found = only(tmp_path, [node(op, inputs, "y")], IMAGE, "y", weights=weights)
    assert (found.ops, found.read_elements, found.written_elements) == (ops, read, 144)


def test_group_normalisation(tmp_path: Path) -> None:
    nodes = [node("GroupNormalization", "x a b", "y", num_groups=2)]
    found = only(tmp_path, nodes, IMAGE, "y", weights={"a": (4,), "b": (4,)})
    assert (found.ops, found.read_elements, found.written_elements) == (7 * 144, 152, 144)


def test_concat_and_split_move_everything(tmp_path: Path) -> None:
    nodes = [node("Concat", "x x2", "y", axis=1), node("Split", "y", "a b", axis=1, num_outputs=2)]
    found = network(tmp_path, nodes, IMAGE | {"x2": (1, 2, 6, 6)}, "a b")
    assert [(s.layer.read_elements, s.layer.written_elements) for s in found.steps] == [(216, 216), (216, 216)]


def test_a_table_is_read_row_by_row(tmp_path: Path) -> None:
    more = {"weights": {"t": (1000, 8)}, "types": {"ids": TensorProto.INT64}}
    found = only(tmp_path, [node("Gather", "t ids", "y")], {"ids": (2, 3)}, "y", **more)
    assert (found.ops, found.read_elements, found.written_elements) == (0, 48 + 6, 48)


def test_resizing_counts_the_points_it_blends(tmp_path: Path) -> None:
    scale = {"s": np.array([1, 1, 2, 2], np.float32)}
    linear = only(tmp_path, [node("Resize", "x - s", "y", mode="linear")], IMAGE, "y", weights=scale)
    nearest = only(tmp_path, [node("Resize", "x - s", "y", mode="nearest")], IMAGE, "y", weights=scale)
    assert (linear.ops, nearest.ops) == (576 * 2 * 3, 0)


def test_top_k_is_a_heap(tmp_path: Path) -> None:
    found = only(tmp_path, [node("TopK", "x k", "v i")], {"x": (1, 100)}, "v i", weights={"k": np.array([8])})
    assert (found.ops, found.written_elements) == (300, 16)


def test_shape_arithmetic_is_folded_away(tmp_path: Path) -> None:
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s zero", "n"),
        node("Unsqueeze", "n axis", "n1"),
        node("Concat", "n1 rest", "shape", axis=0),
        node("Reshape", "x shape", "y"),
        node("MatMul", "y w", "z"),
    ]
    weights = {"zero": np.array(0), "axis": np.array([0]), "rest": np.array([-1]), "w": (144, 10)}
    found = network(tmp_path, nodes, {"x": ("N", 4, 6, 6)}, "z", weights=weights, batch=3)
    assert [s.layer.op for s in found.steps] == ["Reshape", "MatMul"]
    assert found.macs == 3 * 144 * 10


def test_a_branch_on_a_shape_is_taken(tmp_path: Path) -> None:
    then = helper.make_graph([node("Squeeze", "x axis", "t")], "then", [], [helper.make_empty_tensor_value_info("t")])
    other = helper.make_graph([node("Identity", "x", "e")], "else", [], [helper.make_empty_tensor_value_info("e")])
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s axis0", "n"),
        node("Equal", "n one", "c"),
        helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other),
        node("MatMul", "y w", "z"),
    ]
    weights = {"axis0": np.array(0), "one": np.array(1), "axis": np.array([0]), "w": (6, 2)}
    found = network(tmp_path, nodes, {"x": (1, 5, 6)}, "z", weights=weights)
    assert [s.layer.op for s in found.steps] == ["Squeeze", "MatMul"]
    assert found.macs == 5 * 6 * 2


def test_local_functions_are_opened(tmp_path: Path) -> None:
    body = [node("MatMul", "a b", "c"), node("Relu", "c", "d")]
    function = helper.make_function("mine", "Dense", ["a", "b"], ["d"], body, [helper.make_opsetid("", 21)])
    found = network(
        tmp_path,
        [node("Dense", "x w", "y", domain="mine")],
        {"x": (2, 3)},
        "y",
        weights={"w": (3, 4)},
        domains=["mine"],
        functions=[function],
    )
    assert [s.layer.op for s in found.steps] == ["MatMul", "Relu"]


def test_an_unknown_operator_is_reported_and_strict_refuses_it(tmp_path: Path) -> None:
    nodes = [node("Wobble", "x", "y", name="w", domain="acme")]
    path = save(tmp_path, nodes, IMAGE, "y", domains=["acme"])
    found = profile(load_model(str(path)))
    assert [(v.name, v.op, v.known, v.bytes) for v in found.vector_ops] == [("w", "Wobble", False, 288.0)]
    assert found.unknown[0].why == "operator Wobble of domain 'acme' is not known"
    assert found.totals.unknown_share_of_bytes == 1.0
    with pytest.raises(SpecError) as caught:
        load_model(str(path), strict=True)
    assert str(caught.value) == (
        "net: 1 operators are not understood: w (Wobble)\nhint: without --strict they are reported with the bytes they move"
    )


def test_a_loop_is_reported_with_the_macs_it_hides(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [node("MatMul", "h w", "h2"), node("Identity", "go", "go2")],
        "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("h", TensorProto.FLOAT, [2, 3])],
        [value("go2", TensorProto.BOOL, []), value("h2", TensorProto.FLOAT, [2, 3])],
    )
    nodes = [helper.make_node("Loop", ["n", "c", "x"], ["y"], name="loop", body=body), node("Relu", "y", "z")]
    types = {"n": TensorProto.INT64, "c": TensorProto.BOOL}
    found = network(tmp_path, nodes, {"n": (), "c": (), "x": (2, 3)}, "z", weights={"w": (3, 3)}, types=types)
    assert [s.layer.known for s in found.steps] == [False, True]
    assert found.steps[0].layer.note == "control flow with 2 operators inside; MACs of its MatMul are not counted"


def test_sizes_that_depend_on_data_are_reported_not_guessed(tmp_path: Path) -> None:
    nodes = [node("NonZero", "x", "i"), node("Cast", "i", "f", to=TensorProto.FLOAT), node("Relu", "x", "y")]
    found = network(tmp_path, nodes, {"x": (4, 4)}, "f y")
    assert [(s.layer.op, s.layer.known) for s in found.steps] == [("NonZero", False), ("Cast", False), ("Relu", True)]


def test_a_product_behind_an_unknown_size_is_refused_by_name(tmp_path: Path) -> None:
    nodes = [node("Wobble", "x", "y", domain="acme"), node("MatMul", "y w", "z", name="product")]
    path = save(tmp_path, nodes, {"x": (2, 3)}, "z", weights={"w": (3, 4)}, domains=["acme"])
    with pytest.raises(SpecError) as caught:
        load_model(str(path))
    assert str(caught.value).startswith(f"{path}: shapes of 1 operators cannot be found: product (MatMul")
    assert "--dim name=value" in str(caught.value)


@pytest.mark.parametrize("name", ["light_resnet50", "light_densenet121"])
def test_nothing_of_a_real_file_is_unknown_or_free(name: str) -> None:
    path = Path(onnx.__file__).parent / "backend/test/data/light" / f"{name}.onnx"
    for step in load_model(str(path)).vector_ops:
        assert step.layer.known
        assert step.layer.ops or step.layer.written_elements or step.layer.note


def test_an_operator_that_the_standard_defines_by_others_is_opened(tmp_path: Path) -> None:
    nodes = [node("MeanVarianceNormalization", "x", "m"), node("SoftmaxCrossEntropyLoss", "m t", "y")]
    found = profile(network(tmp_path, nodes, IMAGE | {"t": (1, 6, 6)}, "y", types={"t": TensorProto.INT64}))
    assert not found.unknown
    assert {"MeanVarianceNormalization", "LogSoftmax"} <= {v.op for v in found.vector_ops}


def test_shape_constants_may_lie_in_a_file_beside_the_model(tmp_path: Path) -> None:
    nodes = [node("Reshape", "x s", "r"), node("MatMul", "r w", "y")]
    weights = {"s": np.array([1, 144]), "w": (144, 200)}
    path = save(tmp_path, nodes, IMAGE, "y", weights=weights)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert load_model(str(path)).macs == 144 * 200


@pytest.mark.slow
def test_every_test_case_of_the_onnx_package_is_read_or_refused_in_words(tmp_path: Path) -> None:
    from onnx.backend.test.case.node import collect_testcases

    read = 0
    for case in collect_testcases(None):
        onnx.save(case.model, tmp_path / "net.onnx")
        try:
            read += profile(load_model(str(tmp_path / "net.onnx"))).totals.macs >= 0
        except SpecError as error:
            assert error.hint, case.name
    assert read > 1500

"""Every operator is one noun: dimensions, tensors with affine ranks, and a body; what must be whole is named."""

from __future__ import annotations

import pytest

from picojoule.errors import SpecError
from picojoule.workload.building.builder import Builder
from picojoule.workload.building.operators import Index
from picojoule.workload.load import load_model
from picojoule.workload.network import Network, mac_step
from picojoule.workload.op import Body, Op, Rank, Tensor, counted, one
from picojoule.workload.zoo.zoo import MODELS


def last(build: Builder) -> Op:
    return build.network().steps[-1].layer


def test_a_mac_layer_is_an_operator_whose_body_is_a_mac() -> None:
    layer = load_model("gemm:M=4,N=3,K=2").layers[0].layer
    assert (layer.body, layer.whole, layer.passes, layer.ops, layer.known) == (Body.MAC, (), 1, 0, True)
    assert (layer.read_elements, layer.written_elements) == (4 * 2 + 2 * 3, 4 * 3)


def test_softmax_needs_its_row_whole_and_reads_it_three_times() -> None:
    b = Builder("n")
    b.normalise("Softmax", b.input("x", (2, 5, 7)), name="s")
    op = last(b)
    assert (op.body, op.whole, op.passes, op.dims) == (Body.REDUCE, ("a2",), 3, (("a0", 2), ("a1", 5), ("a2", 7)))


def test_batch_normalisation_maps_with_two_parameters_a_channel() -> None:
    b = Builder("n")
    b.batch_norm(b.input("x", (2, 5, 7, 7)), name="bn")
    op = last(b)
    assert (op.body, op.whole) == (Body.MAP, ())
    assert op.tensor("P").ranks == (one("a1"), one("table")) and op.bounds["table"] == 2


def test_a_pooling_window_slides_as_that_of_a_convolution() -> None:
    b = Builder("n")
    b.pool("MaxPool", b.input("x", (1, 4, 9, 9)), 3, stride=2, pad=1, name="p")
    op = last(b)
    assert (op.body, op.whole) == (Body.REDUCE, ())
    assert op.tensor("X0").ranks[1:] == (Rank(((2, "a2"), (1, "w0")), -1, 9), Rank(((2, "a3"), (1, "w1")), -1, 9))


def test_pooling_over_everything_needs_every_pixel() -> None:
    b = Builder("n")
    b.global_pool(b.input("x", (1, 4, 9, 8)), name="p")
    assert (last(b).whole, last(b).tensor("Z0").ranks) == (("a2", "a3"), (one("a1"),))


def test_an_operand_that_is_broadcast_is_indexed_by_its_own_axes_alone() -> None:
    b = Builder("n")
    b.elementwise("Mul", b.input("x", (1, 4, 9, 9)), b.input("g", (1, 4, 1, 1)), name="m")
    op = last(b)
    assert (op.body, op.tensor("X1").ranks, op.read_elements) == (Body.MAP, (one("a1"),), 4 * 81 + 4)


def test_a_concatenation_says_which_box_of_the_result_each_operand_is() -> None:
    b = Builder("n")
    b.concat([b.input("x", (1, 1, 9)), b.input("y", (1, 4, 9))], 1, name="c")
    op = last(b)
    assert [t.ranks[0] for t in op.results] == [Rank(((1, "a1p0"),), 0, 5), Rank(((1, "a1p1"),), 1, 5)]
    assert (op.body, op.moved, op.written_elements) == (Body.MOVE, None, 45)


def test_a_move_whose_index_is_not_said_needs_everything_whole() -> None:
    b = Builder("n")
    x = b.input("x", (4, 6))
    b.move("Gather", x, shape=(2, 6), name="g", read=12)
    op = last(b)
    assert (op.body, set(op.whole), op.moved) == (Body.MOVE, set(op.bounds), (12, 12))
    b.move("Transpose", x, shape=(6, 4), name="t", index=Index(order=(1, 0)))
    assert (last(b).whole, last(b).tensor("X0").ranks) == ((), (one("a1"), one("a0")))


def test_a_bias_works_in_passing_and_moves_itself_alone() -> None:
    b = Builder("n")
    b.linear(b.input("x", (2, 3)), 5, name="fc")
    op = last(b)
    assert (op.body, op.results, op.moved) == (Body.MAP, (), (5, 0))
    assert op.tensor("P").ranks == (one("a1"),)


def test_an_opaque_operator_says_why() -> None:
    with pytest.raises(SpecError, match="operator 'x' is opaque and does not say why"):
        Op("x", "Magic", (), ())
    with pytest.raises(SpecError, match="dimension b has no bound"):
        Op("x", "Relu", (("a", 2),), (Tensor("X", "input", (one("a"),)),), body=Body.MAP, whole=("b",))
    unknown = counted("x", "Magic", ops=None, read=5, written=0, note="operator Magic is not known")
    assert (unknown.body, unknown.known, unknown.read_elements, unknown.written_elements) == (Body.OPAQUE, False, 5, 0)


def every_network() -> list[Network]:
    decode = load_model("llama3-8b", phase="decode", context=64)
    return [load_model(name, batch=2) for name in MODELS if name not in ("digits", "llama3-8b")] + [decode]


def test_no_operator_of_the_zoo_is_opaque_and_what_it_moves_are_its_tensors() -> None:
    excused = 0  # embeddings read a few rows of a table; pooling with gaps reads less than everything that is counted
    for network in every_network():
        for step in network.steps:
            op = step.layer
            assert op.body is not Body.OPAQUE and op.known, op
            assert (op.body is Body.MAC) == (mac_step(step) is not None)
            touched = sum(op.elements(t) for t in op.operands), sum(op.elements(t) for t in op.results)
            if op.results and (op.read_elements, op.written_elements) != touched:
                assert op.op in ("Gather", "Slice", "Concat", "MaxPool", "AveragePool"), op
                excused += 1
    assert excused < 40

"""Which way each operator of a network is done: folded, as results leave, in its producer, moved, or a step of its own."""

from dataclasses import replace

import pytest

from picojoule.cost.operators import network_operators, placed
from picojoule.hardware.chip import Chip
from picojoule.hardware.chipfile.read import load_chip
from picojoule.workload.building.blocks import attention
from picojoule.workload.building.builder import Builder, Value
from picojoule.workload.load import load_model
from picojoule.workload.network import Network

FULL, BARE = load_chip("edge-npu"), load_chip("eyeriss")  # drains activation, scale, residual; no vector unit


def start() -> tuple[Builder, Value]:
    b = Builder("net")
    return b, b.input("x", (1, 4, 6, 6))


def ways(network: Network, chip: Chip = FULL, *, fold: bool = True) -> dict[str, str]:
    return {step.layer.name: how for step, how, _ in placed(network, chip, fold=fold)}


def residual() -> Network:
    """conv, norm, relu, conv, norm, add the input, relu."""
    b, x = start()
    y = b.elementwise("Relu", b.batch_norm(b.conv(x, 4, 3, pad=1, name="c1", bias=False), name="n1"), name="r1")
    y = b.batch_norm(b.conv(y, 4, 3, pad=1, name="c2", bias=False), name="n2")
    return b.network(b.elementwise("Relu", b.elementwise("Add", y, x, name="add"), name="r2"))


def test_a_residual_block_leaves_its_convolutions_in_one_go() -> None:
    assert ways(residual()) == {"n1": "folded", "r1": "drain", "n2": "folded", "add": "drain", "r2": "drain"}
    works = {step.layer.name: work for step, _, work in placed(residual(), FULL)}
    assert (works["add"].operand, works["r2"].operand) == (144, 0)  # of the sum only the input of the block moves
    found = {n: x.priced for x in network_operators(residual(), FULL) for n in x.names}
    moved = {n: (p.read_elements, p.written_elements) for n, p in found.items()}
    assert moved == {"n1": (0, 0), "r1": (0, 0), "n2": (0, 0), "add": (144, 0), "r2": (0, 0)}


def test_without_a_drain_path_norms_fold_and_the_rest_are_steps() -> None:
    assert ways(residual(), BARE) == {"n1": "folded", "r1": "step", "n2": "folded", "add": "step", "r2": "step"}


def test_norms_that_are_kept_are_scales_of_the_drain_path_or_steps() -> None:
    assert set(ways(residual(), fold=False).values()) == {"drain"}
    assert set(ways(residual(), BARE, fold=False).values()) == {"step"}


@pytest.mark.parametrize(("drain", "expected"), [(("activation",), "dsd"), (("residual",), "sds"), ((), "sss")])
def test_only_what_the_chip_names_is_drained(drain: tuple[str, ...], expected: str) -> None:
    assert FULL.vector is not None
    chip = replace(FULL, vector=replace(FULL.vector, drain=drain))
    got = ways(residual(), chip)
    first = ["r1", "add", "r2"]
    assert "".join(got[n][0] for n in first if n != "r2") == expected[:2]
    assert got["r2"] == ("drain" if set(drain) >= {"activation", "residual"} else "step")  # the sum before it left already


def test_a_result_with_a_second_reader_is_written_first() -> None:
    b, x = start()
    y = b.conv(x, 4, 1, name="c", bias=False)
    z = b.elementwise("Relu", y, name="r")
    assert ways(b.network(b.elementwise("Add", z, y, name="add")))["r"] == "step"
    b, x = start()
    y = b.conv(x, 4, 1, name="c", bias=False)
    z = b.elementwise("Relu", y, name="r")
    assert ways(b.network(z, y))["r"] == "step"  # it outlives the run


def test_a_norm_behind_anything_else_than_weights_does_not_fold() -> None:
    b, x = start()
    y = b.elementwise("Relu", b.conv(x, 4, 1, name="c", bias=False), name="r")
    assert ways(b.network(b.batch_norm(y, name="n")), BARE)["n"] == "step"
    b, x = start()
    y = b.value("y", x.shape)
    attention(b, x, x, x, y, "a")
    assert ways(b.network(b.batch_norm(y, name="n")), BARE)["n"] == "step"


def test_a_unit_without_the_operations_does_not_drain_them() -> None:
    b, x = start()
    network = b.network(b.elementwise("Tanh", b.conv(x, 4, 1, name="c", bias=False), name="t"))
    assert ways(network, load_chip("nvdla-small-like"))["t"] == "step"
    (only,) = network_operators(network, load_chip("nvdla-small-like"))
    assert only.priced.unpriced == ("exp: SDP has none",)


def test_biases_views_moves_and_pools() -> None:
    b, x = start()
    y = b.conv(x, 4, 1, name="c")
    y = b.pool("MaxPool", y, 2, stride=2, name="p")
    y = b.concat([y, y], 1, name="cat")
    got = ways(b.network(b.view(y, (1, 72), name="v")))
    assert got == {"c.bias": "in place", "p": "step", "cat": "move", "v": "view"}


def test_softmax_of_attention_reads_its_scores_once_for_each_of_three_passes() -> None:
    b = Builder("attention")
    q, k, v = (b.input(n, (1, 2, 8, 4)) for n in "qkv")
    out = b.value("out", (1, 2, 8, 4))
    attention(b, q, k, v, out, "a")
    assert FULL.vector is not None
    chip = replace(FULL, vector=replace(FULL.vector, holds_bits=0))
    (softmax,) = [x for x in network_operators(b.network(out), chip) if x.priced.work.op == "Softmax"]
    work = softmax.priced.work
    assert (work.operand, work.result, work.passes, work.row) == (128, 128, 3, 8)
    reads = {(c.component, c.tensor): c.count for c in softmax.priced.cost.contributions if c.action == "read"}
    assert reads == {("DRAM", "operand"): 128, ("buffer", "operand"): 3 * 128, ("buffer", "result"): 128}


def test_gains_of_a_norm_are_parameters_read_once() -> None:
    b = Builder("norm")
    x = b.input("x", (1, 10, 16))
    network = b.network(b.normalise("LayerNormalization", x, name="n", parameters=32))
    ((_, how, work),) = placed(network, FULL)
    assert (how, work.operand, work.parameters, work.passes, work.row) == ("step", 160, 32, 3, 16)


def test_equal_operators_stand_once_with_all_their_names() -> None:
    found = network_operators(residual(), BARE)
    relu = next(x for x in found if x.priced.work.op == "Relu")
    assert (relu.names, relu.count) == (("r1", "r2"), 2)
    assert sum(x.count for x in found) == 5


NETS = [("resnet50", None), ("mobilenetv2", None), ("bert-base", None), ("llama3-8b", "prefill"), ("llama3-8b", "decode")]
WITH, WITHOUT = ("edge-npu", "nvdla-like", "tpu-v4i-like", "gemmini-like"), ("eyeriss", "simba-like")


@pytest.mark.parametrize(("model", "phase"), NETS)
def test_no_operator_of_a_known_network_is_left_without_figures(model: str, phase: str | None) -> None:
    network = load_model(model, **({"phase": phase} if phase else {}))
    for name in (*WITH, *WITHOUT):
        found = network_operators(network, load_chip(name))
        assert sum(x.count for x in found) == sum(s.count for s in network.vector_ops)
        for x in found:
            nothing = x.priced.how in ("folded", "view")
            in_passing = x.priced.how == "in place" and not x.priced.work.parameters  # scales of attention: only operations
            figures = (x.energy_pj, x.cycles) if name in WITH else (x.energy_pj,)
            unknown = name in WITHOUT and in_passing
            assert all((v == 0) == (nothing or unknown) for v in figures), (name, x)
            assert bool(x.priced.unpriced) == (name in WITHOUT and bool(x.priced.work.ops) and not nothing)

"""A network is a graph whose tensors are those of its operators: laws over the zoo, runs on arrays against onnxruntime."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picojoule.errors import SpecError
from picojoule.workload.access import AxisIndex, Digit, Layout, axis_indices
from picojoule.workload.bits import WithBits
from picojoule.workload.building.blocks import attention, recurrent
from picojoule.workload.building.builder import Builder
from picojoule.workload.building.shapes import window
from picojoule.workload.densities import WithDensities
from picojoule.workload.layer import gemm
from picojoule.workload.load import load_model
from picojoule.workload.network import Lifetime, Network, NetworkTensor, Persistence, Step, mac_step, step_of
from picojoule.workload.op import Mask
from picojoule.workload.profile import profile
from picojoule.workload.transformation import transformed
from picojoule.workload.zoo.zoo import MODELS
from tests.workload.graph_laws import check
from tests.workload.graph_runner import places, run
from tests.workload.onnx_models import node, save

ZOO = [name for name in MODELS if name not in ("digits", "resnet50", "resnet50-v1")]


@cache
def network_of(name: str) -> Network:
    return load_model(name, phase="decode", context=20) if name in ("gpt2", "llama3-8b") else load_model(name, batch=2)


# -- laws ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ZOO)
def test_the_tensors_of_operators_are_those_of_the_network(name: str) -> None:
    network = network_of(name)
    assert check(network) == sum(len(s.accesses) for s in network.steps) - embeddings(network)


def embeddings(network: Network) -> int:
    """Rows of a table that the data ask for: nothing says which."""
    return sum(s.layer.op == "Gather" for s in network.steps)


@pytest.mark.parametrize(
    "text", ["gemm:M=4,N=1,K=3", "conv:K=4,C=6,P=5,Q=5,R=3,S=3,stride=2,pad=1,groups=2", "conv:K=4,C=3,P=5,Q=5,R=1,S=1,stride=2"]
)
def test_an_inline_layer_is_a_graph_of_one_step(text: str) -> None:
    network = load_model(text)
    check(network)
    kept = [(t.name, str(t.persistence)) for t in network.tensors]
    assert kept == [("input", "input"), ("weight", "parameter"), ("output", "output")]


@pytest.mark.parametrize("name", ZOO)
def test_elements_of_the_graph_add_up_to_those_of_the_profile(name: str) -> None:
    network, totals = network_of(name), profile(network_of(name)).totals
    made = [network.tensor(s.outputs[0]) for s in network.layers]
    assert sum(t.elements for t in made) == totals.output_elements
    weights = {a.tensor for s in network.layers for a in s.accesses if s.layer.tensor(a.operand).learned}
    assert sum(network.tensor(w).elements for w in weights) == totals.weights
    assert all(network.tensor(w).persistence is Persistence.PARAMETER for w in weights)
    before = {t.name for t in network.activations if not network.producers(t.name) and network.readers(t.name)}
    border = sum(network.tensor(t).elements for t in before | set(network.outputs))
    assert totals.dram_best_accesses == totals.weights + border


@pytest.mark.parametrize("name", ZOO)
def test_operands_have_the_bits_of_the_tensors_that_they_are(name: str) -> None:
    network = transformed(network_of(name), WithBits({"weight": 4, "input": 8, "output": 8}))
    for step in network.layers:
        for a in step.accesses:
            assert step.layer.tensor(a.operand).bits == network.tensor(a.tensor).bits


# -- views --------------------------------------------------------------------------------------------------------------


@st.composite
def views(draw: st.DrawFn) -> tuple[tuple[int, ...], list[tuple[str, tuple[int, ...]]]]:
    shape = tuple(draw(st.lists(st.sampled_from((1, 2, 3, 4, 6)), min_size=1, max_size=3)))
    return shape, draw(
        st.lists(st.tuples(st.sampled_from(("reshape", "permute", "slice")), st.tuples(*[st.integers(0, 9)] * 3)), max_size=4)
    )


@settings(deadline=None, max_examples=300)
@given(views())
def test_a_view_of_a_view_is_where_numpy_finds_it(case) -> None:
    shape, changes = case
    array = np.arange(np.prod(shape)).reshape(shape)
    seen, layout = array, Layout.of(shape)
    for change, (a, b, c) in changes:
        if change == "reshape":
            n = seen.size
            cuts = [d for d in (2, 3, 4, 6) if n % d == 0]
            new = (cuts[a % len(cuts)], n // cuts[a % len(cuts)]) if cuts else (n,)
            after = layout.reshaped(new)
            seen = seen.reshape(new)
        elif change == "permute":
            orders = list(itertools.permutations(range(seen.ndim)))
            after = layout.permuted(orders[a % len(orders)])
            seen = seen.transpose(orders[a % len(orders)])
        else:
            axis = a % seen.ndim
            begin = b % seen.shape[axis]
            size = 1 + c % (seen.shape[axis] - begin)
            after = layout.sliced(axis, begin, size)
            seen = np.moveaxis(np.moveaxis(seen, axis, 0)[begin : begin + size], 0, axis)
        if after is None:  # not affine: said, and never wrong
            return
        layout = after
    assert layout.shape == seen.shape
    assert np.array_equal(array[places(layout)], seen)


def test_heads_that_lie_in_a_row_of_tokens_are_a_digit_of_it() -> None:
    b = Builder("n")
    x = b.input("x", (5, 12)).reshaped((5, 3, 4)).permuted(1, 0, 2)
    assert [[(d.axis, d.stride, d.size) for d in axis] for axis in x.layout.axes] == [[(1, 4, 3)], [(0, 1, 5)], [(1, 1, 4)]]
    assert Layout.of((6, 4)).reshaped((8, 3)) is None  # the cut falls inside a row


def test_two_operators_that_share_a_tensor_say_which_of_their_dimensions_are_the_same() -> None:
    network = network_of("resnet18")
    made, read = network.producer("pool1"), network.readers("pool1")[0]
    written, seen = (
        axis_indices(s.layer.tensor(a.operand), a, 4) for s in (made, read) for a in s.accesses if a.tensor == "pool1"
    )
    assert [x.terms for x in written] == [((1, f"a{i}"),) for i in range(4)]
    assert seen[1:] == (AxisIndex(((1, "C"),), 0), AxisIndex(((1, "P"), (1, "R")), -1), AxisIndex(((1, "Q"), (1, "S")), -1))
    flat = next(s for s in network_of("bert-base").steps if s.layer.name == "layer0.q")  # 2 sentences of 128 tokens as 256 rows
    assert axis_indices(flat.layer.tensor("A"), flat.accesses_of("A")[0], 3) == (None, None, AxisIndex(((1, "K"),), 0))


def classes(network: Network) -> dict[str, set[str]]:
    """The dimensions that activations link, under one of each class: what one loop over tiles would cut in all of them.

    A producer's dimension is the consumer's free dimension of the index that reads it, or the one that it sums over where it has
    no other; the taps of a window slide along.
    """
    names: dict[str, str] = {}  # dimension -> a dimension of its class, up to itself

    def root(name: str) -> str:
        while names.setdefault(name, name) != name:
            name = names[name]
        return name

    for t in network.activations:
        found: list[list[list[str]]] = []  # of each access, the dimensions that index each axis
        for step in dict.fromkeys((*network.producers(t.name), *network.readers(t.name))):
            for a in step.accesses:
                if a.tensor == t.name:
                    op, indices = step.layer, axis_indices(step.layer.tensor(a.operand), a, len(t.shape))
                    free = {d for z in op.results for d in z.dims}
                    dims = [[d for _, d in i.terms] if i else [] for i in indices]
                    found.append([[f"{op.name}.{d}" for d in ([d for d in ds if d in free] or ds)] for ds in dims])
        for axes in found[1:]:
            for here, there in zip(found[0], axes, strict=True):
                if len(here) == len(there) == 1:
                    names[root(there[0])] = root(here[0])
    out: dict[str, set[str]] = {}
    for name in names:
        out.setdefault(root(name), set()).add(name)
    return out


def test_loops_over_several_operators_find_their_dimensions_in_the_graph() -> None:
    bert = load_model("bert-base", seq=16)
    head = bert.part(lambda s: s.layer.name.startswith("layer0.attention"))
    names = {frozenset(x.removeprefix("layer0.attention.") for x in c) for c in classes(head).values() if len(c) > 1}
    assert {"qk.H", "scale.a1", "softmax.a1", "pv.H"} in names  # heads
    assert {"qk.M", "scale.a2", "softmax.a2", "pv.M"} in names  # rows of queries
    assert {"qk.N", "scale.a3", "softmax.a3", "pv.K"} in names  # keys, which the softmax needs whole
    llama = load_model("llama3-8b", seq=16).part(
        lambda s: s.layer.name.startswith(("layer0.norm2", "layer0.gate", "layer0.up", "layer0.act", "layer0.mul", "layer0.down"))
    )
    hidden = next(c for c in classes(llama).values() if "layer0.gate.N" in c)
    assert hidden == {f"layer0.{x}" for x in ("gate.N", "act.a2", "up.N", "mul.a2", "down.K")}  # down adds up over the loop
    block = network_of("resnet18").part(lambda s: s.layer.name.startswith("conv2_1"))
    rows = next(c for c in classes(block).values() if "conv2_1.a.P" in c)
    assert {"conv2_1.a.P", "conv2_1.a.bn.a2", "conv2_1.a.relu.a2", "conv2_1.b.P", "conv2_1.add.a2", "conv2_1.relu.a2"} <= rows


# -- what networks compute ----------------------------------------------------------------------------------------------

IMAGE = {"x": (2, 4, 7, 6)}
CASES = {
    "conv": ([node("Conv", "x w", "y", pads=[1, 0, 1, 2], strides=[2, 1], dilations=[1, 2])], IMAGE, {"w": (6, 4, 3, 2)}),
    "groups": ([node("Conv", "x w", "y", group=2)], IMAGE, {"w": (6, 2, 1, 1)}),
    "one output": ([node("Conv", "x w", "y", strides=[7, 6])], IMAGE, {"w": (3, 4, 1, 1)}),
    "transposed": ([node("ConvTranspose", "x w", "y", strides=[2, 3], pads=[1, 1, 0, 1], group=2)], IMAGE, {"w": (4, 3, 3, 4)}),
    "gaps": ([node("ConvTranspose", "x w", "y", strides=[3, 2])], IMAGE, {"w": (4, 2, 1, 2)}),
    "gemm": ([node("Gemm", "a w", "y", transA=1, transB=1)], {"a": (3, 5)}, {"w": (4, 3)}),
    "left": ([node("MatMul", "w a", "y")], {"a": (2, 3, 5)}, {"w": (4, 3)}),
    "batches": ([node("MatMul", "a b", "y")], {"a": (2, 1, 3, 5), "b": (4, 5, 2)}, {}),
    "einsum": ([node("Einsum", "a b", "y", equation="bik,jbk->jib")], {"a": (2, 3, 5), "b": (4, 2, 5)}, {}),
    "heads": (
        [
            node("Reshape", "x s", "r"),
            node("Transpose", "r", "q", perm=[0, 2, 1, 3]),
            node("Reshape", "z t", "k"),
            node("MatMul", "q k", "y"),
        ],
        {"x": (2, 6, 8), "z": (2, 8, 6)},
        {"s": np.array([2, 6, 4, 2]), "t": np.array([2, 4, 2, 6])},
    ),
    "moves": (
        [
            node("Slice", "x b e", "c"),
            node("Pad", "c p", "d"),
            node("Split", "d", "e1 e2", axis=1, num_outputs=2),
            node("Concat", "e2 x2 e1", "y", axis=1),
        ],
        {"x": (2, 4, 7, 6), "x2": (2, 1, 8, 6)},
        {"b": np.array([0, 0, 1]), "e": np.array([2, 4, 7]), "p": np.array([0, 0, 1, 0, 0, 0, 1, 0])},
    ),
    "pools": (
        [
            node("MaxPool", "x", "m", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0]),
            node("AveragePool", "m", "a", kernel_shape=[2, 2], pads=[1, 1, 0, 0]),
            node("Relu", "a", "r"),
            node("GlobalAveragePool", "r", "y"),
        ],
        IMAGE,
        {},
    ),
    "maps": (
        [node("Add", "x w", "s"), node("Mul", "s g", "p"), node("Softmax", "p", "y", axis=1)],
        IMAGE | {"g": (2, 4, 1, 1)},
        {"w": (7, 1)},
    ),
    "mean": ([node("ReduceMean", "x a", "y", keepdims=0)], IMAGE, {"a": np.array([1, -1])}),
    "kept": ([node("ReduceMean", "x a", "y", keepdims=1)], IMAGE, {"a": np.array([1])}),
    "same twice": ([node("MatMul", "a w", "h"), node("MatMul", "h w", "y")], {"a": (3, 4)}, {"w": (4, 4)}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_file_computes_what_onnxruntime_computes(tmp_path: Path, case: str) -> None:
    runtime = pytest.importorskip("onnxruntime")
    nodes, inputs, weights = CASES[case]
    rng = np.random.default_rng(0)
    held = {k: w if isinstance(w, np.ndarray) else rng.standard_normal(w).astype(np.float32) for k, w in weights.items()}
    path = save(tmp_path, nodes, inputs, "y", weights=held, opset=18)
    network, fed = load_model(path), {k: rng.standard_normal(shape).astype(np.float32) for k, shape in inputs.items()}
    check(network)
    (expected,) = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(["y"], fed)
    found = run(network, {**held, **fed})["y"]
    np.testing.assert_allclose(np.nan_to_num(found), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("past", "tokens", "flat"), [(0, 3, True), (4, 1, True), (4, 3, False)])
def test_attention_reads_cached_keys_then_new_ones(past: int, tokens: int, flat: bool) -> None:
    b = Builder("n")
    batch, heads, kv_heads, size = 2, 4, 2, 3
    q, k, v = (b.input(n, (batch, h, tokens, size)) for n, h in (("q", heads), ("k", kv_heads), ("v", kv_heads)))
    cached = [b.input(f"{n}_cache", (batch, kv_heads, past, size)) for n in "kv"] if past else []
    out = b.value("out", (batch, tokens, heads * size) if flat else (batch, heads, tokens, size))
    b.cached(*cached)
    attention(b, q, k, v, out, "a", past=cached, mask=Mask(causal=True))
    network, rng = b.network(out), np.random.default_rng(1)
    check(network)
    assert [t.persistence for t in network.tensors if t.name.endswith("_cache")] == [Persistence.CACHE] * len(cached)
    arrays = {
        t.name: rng.standard_normal(t.shape) for t in network.tensors if t.persistence in (Persistence.INPUT, Persistence.CACHE)
    }
    keys, values = (np.concatenate([arrays[f"{n}_cache"], arrays[n]] if past else [arrays[n]], axis=2) for n in "kv")
    group = heads // kv_heads
    scores = np.einsum("bhqs,bhks->bhqk", arrays["q"], keys.repeat(group, axis=1))
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)  # the mask hides nothing in this sum: dense kernels
    expected = np.einsum("bhqk,bhks->bhqs", weights, values.repeat(group, axis=1))
    expected = expected.transpose(0, 2, 1, 3).reshape(out.shape) if flat else expected
    np.testing.assert_allclose(run(network, arrays)["out"], expected)


def test_a_mask_is_a_fact_of_the_product_of_its_scaling_and_of_its_softmax() -> None:
    network = network_of("gpt2")
    masked = [s.layer.name for s in network.steps if s.layer.mask == Mask(causal=True, window=0)]
    assert masked[:3] == [f"layer0.attention.{x}" for x in ("qk", "scale", "softmax")]
    assert len(masked) == 3 * 12
    assert not any(s.layer.mask for s in network_of("bert-base").steps)


# -- producers, readers, lifetimes --------------------------------------------------------------------------------------


def test_a_cache_is_there_before_the_run_and_new_keys_outlive_it() -> None:
    network = network_of("llama3-8b")
    end = len(network.steps)
    assert network.tensor("layer0.k_cache").persistence is network.tensor("layer0.k_rotary").persistence is Persistence.CACHE
    assert network.lifetime("layer0.k_cache") == Lifetime(-1, end)
    assert network.lifetime("layer0.k_rotary") == Lifetime(6, end)
    assert network.lifetime("layer0.q_rotary") == Lifetime(5, 7)
    assert [s.layer.name for s in network.readers("layer0.add1")] == ["layer0.norm2", "layer0.add2"]
    assert network.producer("layer0.add1").layer.name == "layer0.add1"
    assert network.producer("layer0.k_cache") is None


def test_the_cache_of_an_exported_decoder_outlives_the_run(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x w", "k"), node("Concat", "past.0.key k", "present.0.key", axis=1)]
    inputs = {"x": (2, 1, 4), "past.0.key": (2, 6, 3)}
    network = load_model(save(tmp_path, nodes, inputs, "present.0.key", weights={"w": (4, 3)}))
    assert network.tensor("present.0.key").persistence is Persistence.CACHE
    assert network.lifetime("present.0.key") == Lifetime(1, 2)
    assert network.lifetime("past.0.key") == Lifetime(-1, 1)  # the new one holds it


def test_phases_of_a_transposed_convolution_make_parts_of_one_tensor() -> None:
    b = Builder("n")
    x, out = b.input("x", (1, 2, 4, 4)), b.value("y", (1, 3, 8, 8))
    weight = b.weight("w", (2, 3, 2, 2))
    b.conv_window(x, weight, window(2, stride=2), out, name="up", transposed=True)
    network = b.network(out)
    check(network)
    assert len(network.producers("y")) == 4
    touched = np.zeros((1, 3, 8, 8), int)
    for step in network.layers:
        touched[places(step.accesses_of("O")[0].layout)] += 1
    assert (touched == 1).all()  # each element has one owner


@pytest.mark.parametrize("time", [0, 1])
def test_the_repetitions_of_a_cell_read_one_time_step_after_the_other_with_the_same_weights(time: int) -> None:
    b = Builder("n")
    x, out = b.input("x", (7, 2, 5) if time == 0 else (2, 7, 5)), b.value("y", (7, 1, 2, 4))
    recurrent(b, "LSTM", x, [out], name="cell", op="LSTM", steps=7, batch=2, features=5, hidden=4, time=time)
    network = b.network(out)
    check(network)
    first, state = network.layers
    read = first.accesses_of("A")[0]
    assert read.repeats == Digit(time, 1, 7) and read.layout.shape == (2, 5)
    assert (first.count, first.inputs, state.inputs) == (7, ("x",), ("y",))
    assert first.accesses_of("B")[0].repeats is None  # every repetition reads all weights
    assert network.producers("y") == network.layers


def test_a_part_of_a_network_takes_what_it_needs_and_gives_what_others_read() -> None:
    network = network_of("resnet18")
    part = network.part(lambda s: s.layer.name.startswith("conv2_1"))
    check(part)
    ends = {t.name: t.persistence for t in part.activations if t.persistence is not Persistence.ACTIVATION}
    assert ends == {"pool1": Persistence.INPUT, "conv2_1.relu": Persistence.OUTPUT}
    assert network.part(lambda s: True) == network


def test_a_network_with_a_tensor_twice_or_unknown_or_too_early_is_refused() -> None:
    x, y = NetworkTensor(name="x", shape=(2, 3)), NetworkTensor(name="y", shape=(2, 4))
    first, second = step_of(gemm("a", M=2, N=4, K=3), ("x",), ("y",)), step_of(gemm("b", M=2, N=4, K=4), ("y",), ("x",))
    with pytest.raises(SpecError, match="network 'n' names a tensor twice: x"):
        Network("n", (), (x, x))
    with pytest.raises(SpecError, match="a: unknown tensor 'y'"):
        Network("n", (first,), (x,))
    with pytest.raises(SpecError, match="network 'n': a reads x before it is made"):
        Network("n", (first, second), (x, y))
    with pytest.raises(SpecError, match="the operator has no tensor for p, q"):
        step_of(gemm("a", M=2, N=4, K=3).of(8), ("x",), ("y",)) and step_of(network_of("lenet5").steps[1].layer, (), ("p", "q"))


# -- transformations ----------------------------------------------------------------------------------------------------


def test_transformations_are_values_that_follow_each_other() -> None:
    network = network_of("lenet5")
    changes = WithBits(8), WithDensities({"default": {"input": 0.5}})
    after = transformed(network, *changes)
    assert {t.bits for t in after.tensors} == {8}
    assert [after.density(s.inputs[0]) for s in after.layers] == [0.5] * len(after.layers)
    assert after == changes[1](changes[0](network)) and WithBits(8) == WithBits(8)
    assert {t.bits for t in network.tensors} == {16}  # the one that was given stays as it is
    assert [a.producer(t.name) and a.producer(t.name).layer.name for a in (network, after) for t in a.tensors[:4]][:4] == [
        None, None, "c1", None,
    ]  # fmt: skip


def test_what_a_step_reads_and_writes_follows_from_its_accesses() -> None:
    step = network_of("resnet18").steps[0]
    assert mac_step(step) is step and isinstance(step, Step)
    assert (step.inputs, step.outputs) == (("image",), ("conv1",))
    assert [a.tensor for a in step.accesses] == ["image", "conv1.weight", "conv1"]

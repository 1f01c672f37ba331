"""Density models against tensors drawn from them, and the errors of what a user writes."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from picojoule.errors import SpecError
from picojoule.workload.densities import WithDensities
from picojoule.workload.density import Actual, Banded, Density, Structured, Uniform, grid
from picojoule.workload.inline import parse_layer
from picojoule.workload.layer import Tensor, conv, gemm, one
from picojoule.workload.load import load_model
from picojoule.workload.plain import layer_from_plain, layer_to_plain

SHAPE = (8, 12)
MODELS: tuple[Density, ...] = (
    Uniform(SHAPE, 0.1),
    Uniform(SHAPE, 0.5),
    Structured(SHAPE, 2, 4, 1),
    Structured(SHAPE, 1, 4, 0),
    Banded(SHAPE, 2),
    Actual.of(np.random.default_rng(0).random(SHAPE) < 0.2),
)
TILES = ((1, 1), (2, 3), (3, 5), (4, 4), (8, 1), (1, 12), (8, 12))


@pytest.mark.parametrize("model", MODELS, ids=lambda m: f"{type(m).__name__}-{m.fraction:.2f}")
def test_empty_tiles_and_the_fullest_tile_are_those_of_drawn_tensors(model: Density) -> None:
    rng = np.random.default_rng(1)
    draws = [model.sample(rng) for _ in range(300)]
    assert np.mean([d.mean() for d in draws]) == pytest.approx(model.fraction)
    for tile in TILES:
        even = all(n % t == 0 for n, t in zip(SHAPE, tile, strict=True))
        places = grid(SHAPE, tile)
        counts = np.array([[d[at].sum() for at in places] for d in draws])
        assert counts.max() <= model.most(tile)
        if isinstance(model, Actual | Banded):  # exact, each tile weighted by what it holds
            held = [draws[0][at].size for at in places]
            assert model.empty(tile) == pytest.approx(np.average(counts[0] == 0, weights=held))
            continue
        if even or not isinstance(model, Uniform):  # a uniform tile at the border is smaller: `survival.mean` averages sizes
            spread = 4 * math.sqrt(0.25 / counts.size * 12)
            assert np.mean(counts == 0) == pytest.approx(model.empty(tile), abs=spread + (0.02 if not even else 0)), tile


AWKWARD: tuple[Density, ...] = (  # zeros that a grid of 4 and 1 elements meets too often or too seldom
    *MODELS,
    Actual.of(np.array([[1, 1, 1, 1, 0]])),
    Actual.of(np.array([[0, 0, 0, 0, 1]])),
    Banded((5, 7), 0),
)


@pytest.mark.parametrize("model", AWKWARD, ids=lambda m: f"{type(m).__name__}-{m.fraction:.2f}-{m.shape}")
def test_no_tile_is_empty_more_often_than_one_element(model: Density) -> None:
    """What the search takes for granted where it bounds skipped accesses."""
    one = model.empty((1, 1))
    assert one == pytest.approx(1 - model.fraction)
    for tile in itertools.product(*(range(1, n + 1) for n in model.shape)):
        assert model.empty(tile) <= one + 1e-12, tile


@pytest.mark.parametrize("model", [m for m in AWKWARD if isinstance(m, Actual | Banded)], ids=lambda m: str(m.shape))
def test_the_fullest_tile_may_lie_anywhere(model: Density) -> None:
    """A sliding window does not stand on the grid of its own tiles."""
    array = model.sample(np.random.default_rng(0))
    for tile in TILES:
        height, width = (min(t, n) for t, n in zip(tile, model.shape, strict=True))
        places = itertools.product(range(model.shape[0] - height + 1), range(model.shape[1] - width + 1))
        assert model.most(tile) == max(array[i : i + height, j : j + width].sum() for i, j in places)


def test_the_hypergeometric_form_is_exact() -> None:
    n, k = 12, 3
    for points in range(n + 1):
        subsets = list(itertools.combinations(range(n), k))
        exact = sum(min(s) >= points for s in subsets) / len(subsets)
        assert Uniform((n,), k / n).empty((points,)) == pytest.approx(exact)


def test_a_dense_tensor_has_no_empty_tile_at_all() -> None:
    assert Uniform((7, 9), 1.0).empty((1, 1)) == 0.0
    assert Uniform((7, 9), 1.0).dense


def test_structures_run_along_the_summed_rank() -> None:
    layer = conv(K=8, C=16, P=4, Q=4, R=3, S=3).with_density(weight="2:4", input=0.4)
    w = layer.tensor("W")
    assert w.zeros == Structured((8, 16, 3, 3), 2, 4, 1)
    assert (w.density, layer.tensor("I").density, layer.tensor("O").density) == (0.5, 0.4, 1.0)
    assert gemm(M=4, N=8, K=12).with_density(weight="1:4").tensor("B").zeros == Structured((12, 8), 1, 4, 0)


def test_layers_with_zeros_survive_their_plain_form() -> None:
    data = Actual.of(np.arange(32).reshape(4, 8) % 3)
    for densities in ({"weight": "2:4"}, {"input": 0.25}, {"input": "band:1"}, {"input": data}):
        layer = gemm(M=4, N=8, K=8).with_density(**densities)
        assert layer_from_plain(layer_to_plain(layer)) == layer
    assert "zeros" not in str(layer_to_plain(gemm(M=4, N=4, K=4)))


def test_inline_layers_and_density_files() -> None:
    layer = parse_layer("gemm:M=8,N=8,K=8,density=0.25x2:4x0.5")
    assert [t.density for t in layer.tensors] == [0.25, 0.5, 0.5]
    assert [t.density for t in parse_layer("gemm:M=8,N=8,K=8,density=0.25").tensors] == [0.25, 0.25, 1.0]
    network = WithDensities({"default": {"input": 0.5}, "layers": {"conv2": {"weight": 0.3}}})(load_model("alexnet"))
    by_name = {s.layer.name: s.layer for s in network.layers}
    assert [t.density for t in by_name["conv2"].tensors] == [0.5, 0.3, 1.0]
    assert by_name["conv1"].tensors[0].density == 0.5


BAD = [
    ("gemm:M=8,N=8,K=8,density=1.5", "density 1.5", "give a fraction from 0 to 1"),
    ("gemm:M=8,N=8,K=8,density=-0.5", "density -0.5", "give a fraction from 0 to 1"),
    ("gemm:M=8,N=8,K=8,density=nan", "density nan", "give a fraction from 0 to 1"),
    ("gemm:M=8,N=8,K=6,density=1x2:4", "2:4 does not divide the 6 elements that it runs along", "the rank needs a multiple of 4"),
    ("gemm:M=8,N=8,K=8,density=1x5:4", "5:4 is no structure", "n of every m elements, 1 <= n <= m, such as 2:4"),
    (
        "gemm:M=8,N=8,K=8,density=half",
        "'half' is no density",
        "write a fraction from 0 to 1, a structure such as 2:4, or a band such as band:8",
    ),
    ("gemm:M=8,N=8,K=8,density=1x1x1x1", "density=1x1x1x1 is no density", "give input x weight x output, such as 0.4x2:4x0.6"),
]


@pytest.mark.parametrize(("text", "problem", "hint"), BAD)
def test_a_wrong_density_is_one_clear_error(text: str, problem: str, hint: str) -> None:
    with pytest.raises(SpecError) as e:
        parse_layer(text)
    assert (e.value.where, e.value.problem, e.value.hint) == (text, problem, hint)


BAD_TABLES = [
    ([], "these are no densities"),
    ({"layer": {}}, "these are no densities"),
    ({"layers": {"convx": {}}}, "unknown layer 'convx'"),
    ({"layers": {"conv1": {"inputs": 1}}}, "unknown tensor role 'inputs'"),
    ({"layers": {"conv1": 0.5}}, "conv1: 0.5 is no table of densities"),
    ({"layers": {"conv1": {"input": 2}}}, "density 2.0"),
    ({"layers": {}, "defualt": {}}, "unknown key 'defualt'"),
    ({"layers": {"conv1": {"input": True}}}, "True is no density"),
    ({"layers": {"conv1": {"weight": "2:4"}}}, "2:4 does not divide the 3 elements that it runs along"),
]


@pytest.mark.parametrize(("table", "problem"), BAD_TABLES, ids=str)
def test_a_wrong_density_file_is_one_clear_error(table: object, problem: str) -> None:
    with pytest.raises(SpecError) as e:
        WithDensities(table, "d.json")(load_model("alexnet"))
    assert e.value.problem == problem and e.value.where.startswith("d.json")


def test_the_density_of_a_tensor_is_that_of_its_zeros() -> None:
    half = Uniform((8, 8), 0.5)
    tensor = Tensor("W", "weight", (one("K"), one("C")), zeros=half)
    assert (tensor.density, Tensor("W", "weight", ()).density) == (0.5, 1.0)
    with pytest.raises(SpecError, match=r"tensor 'W': density 1, but its zeros leave 0\.5"):
        replace(tensor, density=1.0)
    assert replace(tensor, density=0.25, zeros=None).density == 0.25

"""Channels taken out for real: nothing but their readers changes, and shapes are those of exporting what is left."""

from __future__ import annotations

import random
import sys

import pytest

from picojoule.errors import SpecError
from picojoule.workload.layer import conv, gemm
from picojoule.workload.torch.read import export

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
pytest.importorskip("torch_pruning")

from picojoule.compress.prune.structured import Width, WithChannels, channel_scores, removed, resized, strongest, structure  # noqa: E402
from tests.compress import nets  # noqa: E402

KINDS = [None, nets.Residual, nets.Depthwise, nets.Concatenated, nets.Attention]


def members(found, name):
    return {(u.module, u.side, u.copies) for u in found.by_name[name].uses}


def test_layers_that_meet_in_an_addition_a_depthwise_layer_or_a_concatenation_are_tied() -> None:
    residual = structure(nets.made(nets.Residual), nets.image())
    assert [(g.name, g.size) for g in residual.groups] == [("stem", 6), ("a", 8), ("down", 10)]
    assert members(residual, "stem") == {
        ("stem", "out", 1),
        ("bn", "out", 1),
        ("b", "out", 1),
        ("a", "in", 1),
        ("down", "in", 1),
        ("skip", "in", 1),
    }
    assert residual.affected("a") == ("a", "b")
    depthwise = structure(nets.made(nets.Depthwise), nets.image())
    assert members(depthwise, "expand") == {("expand", "out", 1), ("depth", "out", 1), ("project", "in", 1)}
    assert depthwise.group_of("depth") is depthwise.group_of("expand") and depthwise.group_of("head") is None
    fire = structure(nets.made(nets.Concatenated), nets.image())
    assert fire.by_name["three"].uses[1].channels == tuple((5 + i,) for i in range(6))  # behind the five of `one`
    flat = structure(nets.made(), nets.image())
    assert members(flat, "4") == {("4", "out", 1), ("7", "in", 4)}


def test_a_network_without_channels_is_the_one_whose_readers_ignore_them() -> None:
    x = nets.image()
    net = nets.made(nets.Residual)
    small = removed(net, structure(net, x), {"stem": [0, 2, 5], "down": list(range(1, 10))})
    with torch.no_grad():
        for reader in (net.a, net.down, net.skip):
            reader.weight[:, [1, 3, 4]] = 0
        net.head.weight[:, 0] = 0
        assert torch.allclose(small(x), net(x), atol=1e-6)
        fire = nets.made(nets.Concatenated)
        small = removed(fire, structure(fire, x), {"three": [0, 1, 2, 3, 4]})
        fire.up.weight[10] = 0
        assert torch.allclose(small(x), fire(x), atol=1e-6)
        flat = nets.made()
        small = removed(flat, structure(flat, x), {"4": [0, 1, 3, 4], "0": [1, 2]})
        flat[7].weight[:, 8:12] = 0
        flat[4].weight[:, [0, 3, 4, 5]] = 0
        assert torch.allclose(small(x), flat(x), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_without_an_export_are_those_of_exporting_the_changed_network(kind) -> None:
    net, x = nets.made(kind), nets.image(1)
    found = structure(net, x)
    base = export(net, (x,), name="net")
    rng = random.Random(0)
    for trial in range(3):
        kept = {g.name: rng.randint(1, g.size) for g in found.groups} if trial else {g.name: 1 for g in found.groups}
        small = removed(net, found, strongest(channel_scores(net, found), kept))
        real = export(small, (x,), name="net")
        short = WithChannels(found, kept)(base)
        assert [s.layer for s in short.layers] == [s.layer for s in real.layers]
        assert [(s.inputs, s.count, s.reuses) for s in short.layers] == [(s.inputs, s.count, s.reuses) for s in real.layers]
        assert {n: (w.out, w.into) for n, w in found.widths(kept).items()} == {
            n: (w.out, w.into) for n, w in structure(small, x).layers
        }
    same = removed(net, found, {g.name: range(g.size) for g in found.groups})
    assert torch.equal(same(x), net(x))


def test_names_of_layers_are_those_of_torch() -> None:
    net, x = nets.made(nets.Residual), nets.image(1)
    assert {s.layer.name for s in export(net, (x,), name="net").layers} == set(dict(structure(net, x).layers))


def test_what_would_break_the_network_is_fixed_and_says_why() -> None:
    found = structure(nets.made(nets.Attention), nets.image())
    assert [(g.name, g.exact) for g in found.groups] == [("embed", False), ("wide", True)]  # a layer norm mixes the first ones
    heads, result = found.fixed
    assert heads[0] == "q" and heads[1].startswith("the network does not run without some of them (shape")
    assert result == ("head", "they are the network's result")


class Flipped(torch.nn.Module):
    """Channels reversed between two layers, which the graph takes for an element-wise operator."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = torch.nn.Conv2d(1, 6, 3), torch.nn.Conv2d(6, 2, 3)

    def forward(self, x):
        return self.b(torch.relu(self.a(x)).flip(1)).mean((2, 3))


def test_a_tie_that_the_graph_gets_wrong_is_found_by_trying() -> None:
    found = structure(nets.made(Flipped), nets.image())
    assert found.groups == () and dict(found.fixed)["a"] == "taking some out changes more than their readers: a tie was not seen"


def test_scores_are_the_squared_weights_of_makers_and_readers() -> None:
    net, x = nets.made(), nets.image()
    scores = channel_scores(net, structure(net, x))["4"]
    with torch.no_grad():
        made = torch.stack([(net[4].weight[c] ** 2).sum() for c in range(5)])
        read = torch.stack([sum((net[7].weight[:, 4 * c + i] ** 2).sum() for i in range(4)) for c in range(5)])
    assert torch.allclose(scores, (made / made.mean() + read / read.mean()).sqrt(), rtol=1e-5)
    assert strongest({"g": torch.tensor([1.0, 3.0, 2.0, 3.0])}, {"g": 2}) == {"g": (1, 3)}


def test_a_layer_takes_other_bounds_of_its_channels_only() -> None:
    layer = conv(K=8, C=4, P=6, Q=6, R=3, S=3, pad=1)
    assert resized(layer, Width(out=5, into=1)) == conv(K=5, C=1, P=6, Q=6, R=3, S=3, pad=1)
    assert resized(conv(K=8, C=8, P=6, Q=6, R=3, S=3, groups=8), Width(out=3, into=3, groups=3)) == conv(
        K=3, C=3, P=6, Q=6, R=3, S=3, groups=3
    )
    assert resized(gemm(M=3, N=5, K=7), Width(out=1, into=2)) == gemm(M=3, N=1, K=2)
    with pytest.raises(SpecError, match="dimension P cannot become 4"):
        layer.bounded(P=4)
    with pytest.raises(SpecError, match="dimension G cannot become 2"):
        layer.bounded(G=2)


def test_wrong_groups_and_counts_are_errors() -> None:
    net, x = nets.made(), nets.image()
    found = structure(net, x)
    with pytest.raises(SpecError, match="unknown channel group '5'"):
        found.widths({"5": 2})
    with pytest.raises(SpecError, match="keeps 0 channels of 5"):
        found.widths({"4": 0})
    with pytest.raises(SpecError, match=r"channels 0 to 4, not \[5\]"):
        removed(net, found, {"4": [5]})
    with pytest.raises(SpecError, match="cannot be traced"):
        structure(net, torch.zeros(1, 3, 8, 8))


def test_without_torch_pruning_the_error_says_how_to_get_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    with pytest.raises(SpecError, match="pip install --no-deps torch-pruning"):
        structure(nets.made(), nets.image())

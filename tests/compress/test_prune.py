"""Zeros: the right ones, they stay where they are, and the cost model hears of them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from picojoule.errors import SpecError
from picojoule.workload.densities import WithDensities
from picojoule.workload.torch.read import export

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from picojoule.compress.prune import prune  # noqa: E402
from tests.compress import nets  # noqa: E402


def scored(seed: int = 0) -> dict[str, Any]:
    torch.manual_seed(seed)
    return {"a": torch.rand(3, 4), "b": torch.rand(2, 4, 3, 1)}


def test_a_share_of_each_layer_keeps_what_no_other_choice_beats() -> None:
    scores = {"a": scored()["a"][:2, :3]}
    for n in range(1, 7):
        mask = prune.share_of_each(scores, n / 6)["a"]
        best = max(sum(c) for c in itertools.combinations(scores["a"].flatten().tolist(), n))
        assert int(mask.sum()) == n and float(scores["a"][mask].sum()) == pytest.approx(best)


def test_a_share_of_all_layers_is_one_threshold() -> None:
    scores = scored()
    masks = prune.share_of_all(scores, 0.5)
    kept = torch.cat([scores[n][masks[n]] for n in scores])
    gone = torch.cat([scores[n][~masks[n]] for n in scores])
    assert len(kept) == 18 and kept.min() > gone.max()
    lone = prune.share_of_all({"a": torch.ones(8), "b": torch.full((8,), 0.1)}, 0.25)
    assert int(lone["a"].sum()) == 4 and int(lone["b"].sum()) == 1  # a layer without any weight would cut the network


def test_n_of_m_runs_along_input_channels_and_keeps_the_best() -> None:
    scores = scored()["b"]
    mask = prune.n_of_m({"b": scores}, 2, 4)["b"]
    for k, r in itertools.product(range(2), range(3)):
        block = scores[k, :, r, 0]
        assert int(mask[k, :, r, 0].sum()) == 2
        assert float(block[mask[k, :, r, 0]].sum()) == pytest.approx(float(block.sort().values[2:].sum()))
    assert bool(prune.n_of_m({"odd": torch.rand(2, 3, 3, 3)}, 2, 4)["odd"].all())
    with pytest.raises(SpecError, match="5:4 is no structure"):
        prune.n_of_m({"b": scores}, 5, 4)


def test_saliency_is_half_the_curvature_times_the_square() -> None:
    """A linear classifier: the Hessian of the cross-entropy is known in closed form, and torch's agrees."""
    torch.manual_seed(3)
    net, x = nn.Sequential(nn.Linear(4, 3)), torch.randn(5, 4)
    found = prune.saliencies(net, x, chunk=2)["0"]
    w = net[0].weight.detach()
    p = F.softmax(net(x).detach(), 1)
    closed = torch.einsum("nk,nc->kc", p * (1 - p), x**2) / len(x) * w**2 / 2

    def loss(v):
        return F.cross_entropy(F.linear(x, v.view(3, 4), net[0].bias.detach()), torch.tensor([0, 1, 2, 0, 1]))

    hessian = torch.func.hessian(loss)(w.flatten()).diagonal().view(3, 4)
    assert torch.allclose(found, closed, rtol=1e-4) and torch.allclose(found, hessian * w**2 / 2, rtol=1e-3, atol=1e-7)


def test_saliency_of_a_deep_network_is_the_gauss_newton_diagonal() -> None:
    """J^T (diag p - p p^T) J with the Jacobian of the logits, weight by weight."""
    net, x = nets.made(), nets.image(3)
    found = prune.saliencies(net, x, ["4"])["4"]
    w = net[4].weight.detach()

    def logits(v):
        return torch.func.functional_call(net, {"4.weight": v}, (x,))

    jacobian = torch.func.jacrev(logits)(w).flatten(2)
    p = F.softmax(net(x).detach(), 1)
    middle = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    diagonal = torch.einsum("ncw,ncd,ndw->w", jacobian, middle, jacobian).view_as(w) / len(x)
    assert torch.allclose(found, diagonal * w**2 / 2, rtol=1e-3, atol=1e-9)
    assert not net.training and all(g.grad is None for g in net.parameters())


def test_zeros_stay_zero_while_the_rest_is_trained() -> None:
    net, x = nets.made(), nets.image(6)
    masks = prune.share_of_each(prune.magnitudes(net), 0.3)
    sparse = prune.masked(net, masks)
    before = {n: w.detach().clone() for n, w in prune.weights(sparse).items()}
    optimiser = torch.optim.AdamW(sparse.parameters(), lr=0.05, weight_decay=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        F.cross_entropy(sparse(x), torch.tensor([0, 1, 2, 3, 0, 1])).backward()
        optimiser.step()
    plain = prune.baked(sparse)
    for name, w in prune.weights(plain).items():
        assert bool((w[~masks[name]] == 0).all()) and not torch.equal(w, before[name])
        assert isinstance(w, nn.Parameter) and not hasattr(plain.get_submodule(name), "parametrizations")
    sparse.eval()
    assert torch.equal(plain.eval()(x), sparse(x))
    assert prune.weight_densities(plain)["7"] == pytest.approx(0.3, abs=0.01)
    assert bool((prune.weights(net)["4"] != 0).all())  # the network that was given is left alone


def test_nothing_pruned_changes_nothing() -> None:
    net, x = nets.made(nets.Residual), nets.image()
    whole = prune.baked(prune.masked(net, prune.share_of_each(prune.magnitudes(net), 1.0)))
    assert torch.equal(whole(x), net(x))


def test_a_schedule_ends_at_the_target_and_never_rises() -> None:
    path = [prune.densities_at(i, 5, {"a": 0.1})["a"] for i in range(1, 6)]
    assert path[-1] == 0.1 and path == sorted(path, reverse=True) and path[0] == pytest.approx(0.1 + 0.9 * 0.8**3)


def test_measured_densities_reach_the_layers_that_are_priced() -> None:
    net, x = nets.made(), nets.image(4)
    sparse = prune.masked(net, prune.share_of_each(prune.magnitudes(net), {"4": 0.25}))
    table = prune.measured_densities(sparse, x)
    with torch.no_grad():
        after = net[:4](x)
        hidden = prune.baked(sparse)[:6](x)
    assert table["layers"]["4"]["weight"] == pytest.approx(0.25, abs=0.01)
    assert table["layers"]["4"]["input"] == pytest.approx(float((after != 0).float().mean()))
    assert table["layers"]["4"]["output"] == pytest.approx(float((hidden != 0).float().mean()))
    network = WithDensities(table)(export(net, (x[:1],), name="net"))
    layer = next(s.layer for s in network.layers if s.layer.name == "4")
    assert next(t.density for t in layer.tensors if t.role == "weight") == pytest.approx(0.25, abs=0.01)
    assert not any(m._forward_hooks for m in net.modules())


def test_wrong_shares_layers_and_masks_are_errors() -> None:
    net = nets.made()
    with pytest.raises(SpecError, match="density 0"):
        prune.share_of_each(prune.magnitudes(net), 0.0)
    with pytest.raises(SpecError, match="unknown layer '5'"):
        prune.magnitudes(net, ["5"])
    with pytest.raises(SpecError, match=r"mask of shape \(2,\) for weights of shape \(4, 7\)"):
        prune.masked(net, {"9": torch.ones(2, dtype=torch.bool)})

"""Energy-aware pruning: fits in closed form, thresholds that nothing beats, energies from the chip's best mappings."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import picojoule as pj
from picojoule.errors import SpecError
from picojoule.workload.torch.read import export

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from picojoule.compress.prune import energy, prune  # noqa: E402
from picojoule.learning.accuracy import mean_cross_entropy  # noqa: E402
from tests.compress import nets  # noqa: E402


def layers():
    torch.manual_seed(0)
    x = torch.randn(6, 4, 7, 7) + 0.3
    yield nn.Conv2d(4, 5, 3, stride=2, padding=1), x
    yield nn.Conv2d(4, 6, 3, groups=2, bias=False), x
    yield nn.Conv2d(4, 4, 3, groups=4, dilation=2), x
    yield nn.Linear(7, 3), x


@pytest.mark.parametrize("layer,x", list(layers()))
def test_kept_weights_are_fitted_to_what_the_layer_computed(layer, x) -> None:
    net = nn.Sequential(layer)
    gram, w = energy.input_gram(net, "0", x), layer.weight.detach().clone()
    assert torch.allclose(energy.refitted(w, torch.ones_like(w, dtype=torch.bool), gram), w, atol=1e-5)
    mask = prune.share_of_each(prune.magnitudes(net), 0.5)["0"]
    fitted = energy.refitted(w, mask, gram)
    assert bool((fitted[~mask] == 0).all())
    with torch.no_grad():
        whole = net(x)

        def missed(weight):
            layer.weight.copy_(weight)
            return float((net(x) - whole).square().mean())

        least = missed(fitted)
        assert least < missed(w * mask)
        for seed in range(20):
            step = 1e-2 * torch.randn(w.shape, generator=torch.Generator().manual_seed(seed)) * mask
            assert missed(fitted + step) > least
        i = tuple(int(j) for j in (w.abs() == w.abs().max()).nonzero()[0])
        alone = w.clone()
        alone[i] = 0
        channels = whole.shape[-1] if isinstance(layer, nn.Linear) else whole.shape[1]
        assert missed(alone) * channels == pytest.approx(float(energy.result_error(w, gram)[i]), rel=1e-4)


def curve(name, dense, sparse):
    return energy.Curve(layer=name, densities=(0.1, 0.5, 1.0), energies_pj=(sparse, (dense + sparse) / 2, dense))


def test_one_threshold_per_picojoule_keeps_the_most_for_its_energy() -> None:
    """Against every choice of five weights in two layers, one of which costs seven times as much a weight."""
    torch.manual_seed(1)
    scores = {"a": torch.rand(2, 1), "b": torch.rand(3, 1)}
    found = {"a": curve("a", 28.0, 2.8), "b": curve("b", 6.0, 0.6)}
    price = np.array([14.0] * 2 + [2.0] * 3)
    value = np.concatenate([scores["a"].numpy(), scores["b"].numpy()])[:, 0]
    scaled = energy.per_picojoule(scores, found)
    flat = torch.cat([scaled["a"], scaled["b"]])[:, 0].numpy()
    assert flat == pytest.approx(value / price, rel=1e-5)
    for n in range(1, 6):
        kept = np.argsort(-flat)[:n]
        budget = price[kept].sum()
        for choice in itertools.product([False, True], repeat=5):
            mine = np.array(choice)
            if price[mine].sum() <= budget:
                assert value[mine].sum() <= value[kept].sum() + 1e-6
    free = energy.per_picojoule(scores, {**found, "b": curve("b", 6.0, 6.0)})
    assert bool(torch.isinf(free["b"]).all())  # pruning it saves nothing


def test_a_curve_is_straight_between_its_points_and_orders_layers() -> None:
    c = curve("a", 10.0, 2.0)
    assert (c.at(1.0), c.at(0.5), c.at(0.3), c.at(0.01)) == (10.0, 6.0, 4.0, 2.0)
    assert energy.energy_order({"x": curve("x", 3, 1), "y": curve("y", 9, 8)}) == ("y", "x")
    with pytest.raises(SpecError, match="increasing"):
        energy.Curve(layer="a", densities=(1.0, 0.5), energies_pj=(1.0, 2.0))


def test_layers_lose_weights_in_turn_as_long_as_the_loss_allows() -> None:
    net, x = nets.made(), nets.image(20)
    with torch.no_grad():
        net[9].weight *= 30  # so that the loss feels what is taken out
        y = net(x).argmax(1)
    before = mean_cross_entropy(net, x, y)
    small, masks = energy.layer_by_layer(net, ["7", "4", "0"], x, y, rise=0.001, fit_on=x)
    assert mean_cross_entropy(small, x, y) <= before + 3 * 0.001 and list(masks) == ["7", "4", "0"]
    assert any(float(m.float().mean()) < 1 for m in masks.values())
    for name, w in prune.weights(small, masks).items():
        assert bool((w[~masks[name]] == 0).all())
    _, more = energy.layer_by_layer(net, ["7", "4", "0"], x, y, rise=1.0, fit_on=x)
    assert sum(int(m.sum()) for m in more.values()) < sum(int(m.sum()) for m in masks.values())
    _, none = energy.layer_by_layer(net, ["7"], x, y, rise=-10.0, fit_on=x)
    assert bool(none["7"].all())
    assert F.cross_entropy(net(x), y).item() == pytest.approx(before)  # the network that was given is left alone


def test_zeros_save_energy_where_the_chip_skips_them_and_nowhere_else() -> None:
    net, x = nets.made(), nets.image(4)
    network = export(net[7:], (torch.ones(1, 20),), name="net")  # its two linear layers
    table = {"layers": {n: v for n, v in prune.measured_densities(net, x)["layers"].items() if n in ("7", "9")}}
    sparse = energy.curves(network, pj.load_chip("eie-like"), table, (0.2, 1.0))
    assert set(sparse) == {"7", "9"} and all(c.saved_pj > 0 for c in sparse.values())
    total = energy.layer_energies(network, pj.load_chip("eie-like"), table)
    assert total == pytest.approx({n: c.dense_pj for n, c in sparse.items()})
    dense = energy.curves(network, pj.load_chip("eyeriss"), table, (0.2, 1.0))
    assert all(c.saved_pj == 0 for c in dense.values())

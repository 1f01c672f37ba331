"""Pruning that knows what weights cost on a chip: every layer's energy by its density, and three ways to use it.

    energy_order      layers from the most energy to the least: who may be pruned before errors have piled up
    layer_by_layer    in that order each layer loses weights as long as the loss allows, then is fitted to what it computed before
    per_picojoule     scores by what a weight's removal saves, for one threshold over all layers

The first two are Yang, Chen and Sze, "Designing energy-efficient convolutional neural networks using energy-aware pruning", CVPR
2017; here energies come from the best mapping at each density rather than from a table of accesses, and weights are put back by
no rule of their own: a layer's weights are scored by the error that removing them makes in its results (w^2 x mean input^2), not
by magnitude and then restored. `per_picojoule` is ours: least loss for an energy is one threshold on loss per energy.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from picojoule.ask import Progress, silent
from picojoule.compress.prune.prune import Masks, Scores, share_of_each, weights
from picojoule.errors import SpecError
from picojoule.hardware.chip import Chip
from picojoule.learning.accuracy import mean_cross_entropy
from picojoule.search.network import map_network
from picojoule.workload.densities import WithDensities
from picojoule.workload.network import Network

GRID = (1.0, 0.6, 0.35, 0.2, 0.1, 0.05)
RIDGE = 1e-6  # of the mean diagonal, so that inputs that are always zero do not matter
Table = Mapping[str, Any]


def layer_energies(network: Network, chip: Chip, table: Table, jobs: int | None = 1) -> dict[str, float]:
    """pJ of every MAC layer for one run of the network with these densities, by its mapping of least energy."""
    result = map_network(WithDensities(table)(network), chip, "energy", jobs=jobs, operators="macs")
    return {name: x.result.cost.energy_pj for x in result.layers for name in x.names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Energy of a layer in pJ at increasing densities of its weights, straight between them."""

    layer: str
    densities: tuple[float, ...]
    energies_pj: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.densities) < 2 or list(self.densities) != sorted(set(self.densities)):
            raise SpecError(f"densities {self.densities}", where=self.layer, hint="two or more, increasing")

    def at(self, density: float) -> float:
        """pJ at a density; that of the nearest end outside."""
        return float(np.interp(density, self.densities, self.energies_pj))

    @property
    def dense_pj(self) -> float:
        return self.energies_pj[-1]

    @property
    def saved_pj(self) -> float:
        """From the densest to the sparsest point, for a whole layer's worth of weights: the slope of the chord."""
        return (self.energies_pj[-1] - self.energies_pj[0]) / (self.densities[-1] - self.densities[0])


def curves(
    network: Network, chip: Chip, table: Table, grid: Sequence[float] = GRID, *, jobs: int | None = 1, progress: Progress = silent
) -> dict[str, Curve]:
    """Every layer's energy at the densities of `grid`, other tensors as `table` (measured densities) says."""
    found: dict[float, dict[str, float]] = {}
    for i, d in enumerate(sorted(grid)):
        progress(i, len(grid), f"energies at density {d:g}")
        layers = {name: {**roles, "weight": d} for name, roles in table["layers"].items()}
        found[d] = layer_energies(network, chip, {"layers": layers}, jobs)
    names = next(iter(found.values()))
    return {n: Curve(layer=n, densities=tuple(found), energies_pj=tuple(e[n] for e in found.values())) for n in names}


def energy_order(by_layer: Mapping[str, Curve]) -> tuple[str, ...]:
    """Layers from the most energy to the least, dense."""
    return tuple(sorted(by_layer, key=lambda n: -by_layer[n].dense_pj))


def per_picojoule(scores: Scores, by_layer: Mapping[str, Curve]) -> Scores:
    """Scores (of loss) over the energy that removing one weight of the layer saves.

    If losses add up and energies are straight lines, one threshold on these keeps least loss for its energy. A layer that saves
    nothing keeps all its weights.
    """
    out = {}
    for name, s in scores.items():
        each = by_layer[name].saved_pj / s.numel()
        out[name] = s / each if each > 0 else torch.full_like(s, float("inf"))
    return out


# ---- one layer after the other ----------------------------------------------------------------------------------
def layer_by_layer(
    module: nn.Module,
    order: Iterable[str],
    images: Tensor,
    labels: Tensor,
    *,
    rise: float,
    fit_on: Tensor,
    grid: Sequence[float] = GRID,
    progress: Progress = silent,
) -> tuple[nn.Module, Masks]:
    """(a pruned copy, its masks): each layer in turn takes the least density of `grid` at which the loss rises by `rise` at most.

    The loss is the mean cross-entropy (nats) on `images`; the weights that a layer keeps are fitted (`refitted`) to what it
    computed from `fit_on` before. Nothing is trained: fine-tune the copy with `prune.masked(copy, masks)`.
    """
    made, masks = copy.deepcopy(module).eval(), {}
    names = list(order)
    for i, name in enumerate(names):
        progress(i, len(names), f"pruning {name}")
        allowed = mean_cross_entropy(made, images, labels) + rise
        gram, whole = input_gram(made, name, fit_on), weights(made, [name])[name].detach().clone()
        layer = made.get_submodule(name)
        best = torch.ones_like(whole, dtype=torch.bool), whole
        for d in sorted((d for d in grid if d < 1), reverse=True):
            mask = share_of_each({name: result_error(whole, gram)}, d)[name]
            trial = refitted(whole, mask, gram)
            _set(layer, trial)
            if mean_cross_entropy(made, images, labels) > allowed:
                break
            best = mask, trial
        masks[name] = best[0]
        _set(layer, best[1])
    return made, masks


def input_gram(module: nn.Module, name: str, images: Tensor) -> Tensor:
    """X^T X / n over all places where the layer's weights meet its inputs; [groups, c r s, c r s]."""
    seen: list[Tensor] = []
    layer: Any = module.get_submodule(name)
    hook = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    try:
        with torch.no_grad():
            module(images)
    finally:
        hook.remove()
    x = torch.cat(seen)
    if isinstance(layer, nn.Linear):
        rows = x.reshape(1, -1, x.shape[-1])
    elif isinstance(layer, nn.Conv2d) and not isinstance(layer.padding, str):
        columns = F.unfold(x, layer.kernel_size, layer.dilation, layer.padding, layer.stride)  # n, c r s, places
        rows = columns.view(len(x), layer.groups, -1, columns.shape[-1]).permute(1, 0, 3, 2).flatten(1, 2)
    else:
        raise SpecError(f"{layer} is no dense or 2-D convolution layer", where=name, hint="leave it out of the order")
    rows = rows.double()
    return rows.transpose(1, 2) @ rows / rows.shape[1]


def result_error(weight: Tensor, gram: Tensor) -> Tensor:
    """Mean squared error of the layer's results when a weight alone becomes zero: w^2 x its mean squared input."""
    flat = weight.reshape(len(gram), -1, gram.shape[1])
    return (flat.square() * gram.diagonal(dim1=1, dim2=2)[:, None].to(flat.dtype)).view_as(weight)


def refitted(weight: Tensor, mask: Tensor, gram: Tensor) -> Tensor:
    """The kept weights, chosen so that the layer's results are nearest to those of the whole weights (least squares).

    With S what a filter keeps: w_S = G_SS^-1 (G w)_S, for every filter in closed form (Yang et al., Section 3.3).
    """
    flat, kept = weight.double().reshape(len(gram), -1, gram.shape[1]), mask.reshape(len(gram), -1, gram.shape[1])
    out = torch.zeros_like(flat)
    for g, whole in enumerate(gram):
        ridge = RIDGE * whole.diagonal().mean() * torch.eye(len(whole), dtype=whole.dtype)
        wanted = (whole + ridge) @ flat[g].T
        for k in range(flat.shape[1]):
            s = kept[g, k].nonzero()[:, 0]
            if len(s):
                out[g, k, s] = torch.linalg.solve((whole + ridge)[s[:, None], s], wanted[s, k])
    return out.to(weight.dtype).view_as(weight)


def _set(layer: Any, weight: Tensor) -> None:
    with torch.no_grad():
        layer.weight.copy_(weight)

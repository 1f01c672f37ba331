"""Weights set to zero: which ones, how they stay zero while the rest is trained, and how many are left.

Scores say what each weight is worth, masks what is kept (True). Two scores come along:

    magnitude   |w|                                        Han et al., NeurIPS 2015
    saliency    h w^2 / 2, h the curvature of the loss     "optimal brain damage", LeCun et al., NeurIPS 1989

Masks are a share of each layer, a share of all layers together, or N of every M neighbours along the input channels. A masked
module trains as it stands: its zeros have no gradient. `compress/prune/energy.py` orders layers by what they cost on a chip.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F
from torch.nn.utils import parametrize

from picojoule.compress.prune.structured import MAC_LAYERS
from picojoule.errors import SpecError, unknown_name

Scores = dict[str, Tensor]
Masks = dict[str, Tensor]  # bool, True: kept


# ---- what a weight is worth -------------------------------------------------------------------------------------
def magnitudes(module: nn.Module, layers: Iterable[str] | None = None) -> Scores:
    """|w| of the weights of MAC layers (of the named ones)."""
    return {name: w.detach().abs() for name, w in weights(module, layers).items()}


def saliencies(module: nn.Module, images: Tensor, layers: Iterable[str] | None = None, chunk: int = 16) -> Scores:
    """h w^2 / 2 for every weight: what the mean cross-entropy over the images rises by without it, to second order.

    h is the diagonal of the Gauss-Newton matrix, exactly: the mean over images and the sum over classes c of
    p(c) (d log p(c) / dw)^2. It drops the term with second derivatives of the network, as LeCun's Levenberg-Marquardt form does.
    """
    found = weights(module, layers)
    names = {name: f"{name}.weight" for name in found}
    state = {k: v.detach() for k, v in module.state_dict().items()}
    chosen = {names[n]: w.detach() for n, w in found.items()}
    rest = {k: v for k, v in state.items() if k not in chosen}

    def log_share(tensors: dict[str, Tensor], image: Tensor, of_class: Tensor) -> Tensor:
        return F.log_softmax(functional_call(module, {**rest, **tensors}, (image[None],))[0], 0) @ of_class

    of_classes = vmap(grad(log_share), in_dims=(None, None, 0))
    of_images = vmap(of_classes, in_dims=(None, 0, None))
    curvature = {k: torch.zeros_like(v) for k, v in chosen.items()}
    was = module.training
    module.eval()
    for part in torch.split(images, chunk):
        with torch.no_grad():
            share = F.softmax(module(part), 1)
        gradients = of_images(chosen, part, torch.eye(share.shape[1]))
        for k, g in gradients.items():
            curvature[k] += torch.einsum("nc,nc...->...", share, g.square())
    module.train(was)
    return {n: curvature[k] / len(images) * chosen[k].square() / 2 for n, k in names.items()}


# ---- what is kept -----------------------------------------------------------------------------------------------
def share_of_each(scores: Scores, densities: Mapping[str, float] | float) -> Masks:
    """The best of every layer: `densities` is the share that a layer keeps, or one for all. At least one weight stays."""
    given = dict.fromkeys(scores, densities) if isinstance(densities, float | int) else densities
    for name in given:
        if name not in scores:
            raise unknown_name("layer", name, scores, "pruning")
    return {name: _best(scores[name], _count(d, scores[name].numel(), name)) for name, d in given.items()}


def share_of_all(scores: Scores, density: float) -> Masks:
    """The best of all layers together: one threshold. A layer that would lose everything keeps its best weight."""
    every = torch.cat([s.flatten() for s in scores.values()])
    best = _best(every, _count(density, len(every), "all layers"))
    kept = torch.split(best, [s.numel() for s in scores.values()])
    masks = {}
    for (name, s), mask in zip(scores.items(), kept, strict=True):
        masks[name] = mask.view_as(s) if bool(mask.any()) else _best(s, 1)
    return masks


def n_of_m(scores: Scores, n: int, m: int) -> Masks:
    """The best n of every m neighbours along the input channels, as sparse tensor cores want them.

    Layers whose input channels (of a convolution group) are no multiple of m stay dense.
    """
    if not 0 < n <= m:
        raise SpecError(f"{n}:{m} is no structure", where="pruning", hint="n of every m weights, 1 <= n <= m, such as 2:4")
    masks = {}
    for name, s in scores.items():
        if s.shape[1] % m:
            masks[name] = torch.ones_like(s, dtype=torch.bool)
            continue
        last = s.movedim(1, -1)
        blocks = last.reshape(-1, m)
        kept = torch.zeros_like(blocks, dtype=torch.bool)
        kept.scatter_(1, torch.sort(blocks, dim=1, descending=True, stable=True).indices[:, :n], True)
        masks[name] = kept.view(last.shape).movedim(-1, 1).contiguous()
    return masks


def densities_at(step: int, steps: int, target: Mapping[str, float]) -> dict[str, float]:
    """Densities at step 1 .. `steps` on the way to the target: d + (1 - d) (1 - t)^3, fast first, gentle last.

    Source: Zhu and Gupta, "To prune, or not to prune", arXiv 1710.01878, Eq. 1.
    """
    if not 1 <= step <= steps:
        raise SpecError(f"step {step} of {steps}", where="pruning", hint="steps count from 1")
    left = (1 - step / steps) ** 3
    return {name: d + (1 - d) * left for name, d in target.items()}


# ---- how zeros stay ---------------------------------------------------------------------------------------------
class Kept(nn.Module):
    """A weight whose other elements are zero, in every use and for every gradient."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask


def masked(module: nn.Module, masks: Masks) -> nn.Module:
    """A copy of the module with these weights kept, ready to be trained on; masks that are there already hold as well."""
    out = copy.deepcopy(module)
    own = weights(out, masks)
    for name, mask in masks.items():
        if own[name].shape != mask.shape:
            raise SpecError(f"a mask of shape {tuple(mask.shape)} for weights of shape {tuple(own[name].shape)}", where=name)
        parametrize.register_parametrization(out.get_submodule(name), "weight", Kept(mask))
    return out


def baked(module: nn.Module) -> nn.Module:
    """A copy with plain weights, whose zeros are zeros. What else is done to the weights in every use stays (quantisers)."""
    out = copy.deepcopy(module)
    for part in list(out.modules()):
        held: Any = getattr(part, "parametrizations", None)
        if held is None or "weight" not in held or not any(isinstance(p, Kept) for p in held.weight):
            continue
        value, others = held.weight.original.detach(), [p for p in held.weight if not isinstance(p, Kept)]
        for kept in (p for p in held.weight if isinstance(p, Kept)):
            value = value * kept.mask
        # remove_parametrizations would change the class, which the copy shares with the module it was copied from
        part.__class__ = parametrize.type_before_parametrizations(part)
        del part._modules["parametrizations"]
        part.weight = nn.Parameter(value)
        for p in others:
            parametrize.register_parametrization(part, "weight", p)
    return out


# ---- how many are left ------------------------------------------------------------------------------------------
def weights(module: nn.Module, layers: Iterable[str] | None = None) -> dict[str, Tensor]:
    """The weights of the MAC layers (of the named ones) by the layer's name."""
    found: dict[str, Any] = {n: m.weight for n, m in module.named_modules() if isinstance(m, MAC_LAYERS)}
    if layers is None:
        return found
    for name in layers:
        if name not in found:
            raise unknown_name("layer", name, found, "pruning")
    return {name: found[name] for name in layers}


def weight_densities(module: nn.Module) -> dict[str, float]:
    """Share of the weights of every MAC layer that are not zero."""
    return {name: float((w.detach() != 0).float().mean()) for name, w in weights(module).items()}


def measured_densities(module: nn.Module, images: Tensor) -> dict[str, dict[str, dict[str, float]]]:
    """Share of nonzeros in the weights, inputs and outputs of every MAC layer on these images, as `WithDensities` takes them.

    An output counts after the activation function that follows it directly, as `pj statistics` does.
    """
    from picojoule.observed.run_torch import observed

    seen: dict[str, dict[str, list[int]]] = {}

    def record(layer: str, role: str, values: Any) -> None:
        count = seen.setdefault(layer, {}).setdefault(role, [0, 0])
        count[0] += int((values != 0).sum())
        count[1] += values.size

    observed(baked(module), weights(module), images, record)
    return {"layers": {name: {role: n / of for role, (n, of) in roles.items()} for name, roles in seen.items()}}


def _count(density: float, elements: int, name: str) -> int:
    if not 0 < density <= 1:
        raise SpecError(f"density {density}", where=name, hint="a share above 0, at most 1")
    return max(1, math.floor(density * elements + 0.5))


def _best(scores: Tensor, n: int) -> Tensor:
    """bool like the scores: the n greatest; of equals the first."""
    kept = torch.zeros(scores.numel(), dtype=torch.bool)
    kept[torch.sort(scores.flatten(), descending=True, stable=True).indices[:n]] = True
    return kept.view_as(scores)

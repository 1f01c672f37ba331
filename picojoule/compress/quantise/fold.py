"""Batch normalisation folded into the convolution or dense layer before it: the same function, one layer fewer.

w' = w gamma / sqrt(var + eps),   b' = (b - mean) gamma / sqrt(var + eps) + beta
"""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import torch
from torch import fx, nn
from torch.nn.utils import parametrize

from picojoule.errors import SpecError

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class _Layers(fx.Tracer):
    """Looks into modules down to layers, also where these are parametrised."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (nn.Conv2d, nn.Linear, *NORMS)) or super().is_leaf_module(m, module_qualified_name)


def fold_batchnorm(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode; exact up to rounding. Norms that follow no layer, or a layer that others read too, stay."""
    made = copy.deepcopy(module).eval()
    if not any(isinstance(m, NORMS) for m in made.modules()):
        return made
    try:
        graph = _Layers().trace(made)
    except Exception as error:
        problem = f"torch.fx cannot trace it: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        raise SpecError(problem, where="fold batch-norm", hint="no branches on data in forward, or fold it beforehand") from None
    calls = Counter(n.target for n in graph.nodes if n.op == "call_module")
    for node in graph.nodes:
        if node.op != "call_module" or not isinstance(made.get_submodule(node.target), NORMS):
            continue
        before = node.args[0]
        if before.op != "call_module" or len(before.users) > 1 or calls[before.target] > 1 or calls[node.target] > 1:
            continue
        layer, norm = made.get_submodule(before.target), made.get_submodule(node.target)
        if isinstance(layer, nn.Conv2d | nn.Linear) and norm.running_var is not None:
            _fold(layer, norm)
            parent, _, name = node.target.rpartition(".")
            setattr(made.get_submodule(parent), name, nn.Identity())
    return made


def _fold(layer: Any, norm: Any) -> None:
    """A mask on the weights stays as it is, because scaling a channel keeps its zeros."""
    with torch.no_grad():
        scale = torch.rsqrt(norm.running_var + norm.eps) * (1 if norm.weight is None else norm.weight)
        masked = parametrize.is_parametrized(layer, "weight")
        weight = layer.parametrizations.weight.original if masked else layer.weight
        weight.mul_(scale.reshape(-1, *[1] * (weight.dim() - 1)))
        bias = (0 if layer.bias is None else layer.bias) - norm.running_mean
        layer.bias = nn.Parameter(bias * scale + (0 if norm.bias is None else norm.bias))

"""Channels that can be taken out of a network for real: which layers share them, and what is left of every layer without them.

Layers are tied where their channels meet: both ends of a residual addition, a depthwise layer and the layer before it.
Torch-Pruning (Fang et al., "DepGraph", CVPR 2023) finds the ties; every group is then tried once, because a reshape may hide a
tie from it: a network without two of the channels has to answer what the whole network answers when nobody reads them.

Names of layers are torch's module names, as in the networks that `torch.export` is read into.
"""

from __future__ import annotations

import copy
import importlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn

from picojoule.errors import SpecError, unknown_name
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
MAC_LAYERS = (*CONVOLUTIONS, nn.Linear)
MIXING = (nn.LayerNorm, nn.GroupNorm)  # what they make of a channel depends on the others


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Where a module holds the channels of a group: `channels[i]` are its own indices of the group's channel i.

    `side` is "out" where it makes them (or hands them on), "in" where it reads them. Behind a flattened image of 4 x 4 pixels
    every channel has 16 indices.
    """

    module: str
    side: Literal["out", "in"]
    channels: tuple[tuple[int, ...], ...]

    @property
    def copies(self) -> int:
        return len(self.channels[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelGroup:
    """Channels that come and go together, under the name of the first layer that makes them.

    `exact`: a network without some of them computes what the whole network computes when no layer reads them. Not so where a
    normalisation mixes channels; there the network is another one from the first channel on.
    """

    name: str
    size: int
    uses: tuple[Use, ...]
    exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Width:
    """Channels of a MAC layer: made, read, and the convolution groups they are divided into (depthwise: equal to both)."""

    out: int
    into: int
    groups: int = 1

    @property
    def depthwise(self) -> bool:
        return self.groups > 1 and self.groups == self.out == self.into


@dataclass(frozen=True, kw_only=True)
class Structure:
    """The channel groups of a module, why other channels are fixed, and the widths of all its MAC layers."""

    groups: tuple[ChannelGroup, ...]
    fixed: tuple[tuple[str, str], ...]  # (first layer, reason)
    layers: tuple[tuple[str, Width], ...]

    @cached_property
    def by_name(self) -> dict[str, ChannelGroup]:
        return {g.name: g for g in self.groups}

    def group_of(self, layer: str) -> ChannelGroup | None:
        """The group whose channels a layer makes; None where they are fixed."""
        widths = dict(self.layers)
        if layer not in widths:
            raise unknown_name("layer", layer, widths)
        return next((g for g in self.groups for u in g.uses if u.module == layer and u.side == "out"), None)

    def affected(self, group: str) -> tuple[str, ...]:
        """The MAC layers whose shape changes with a group, in order."""
        touched = {u.module for u in self._group(group).uses}
        return tuple(name for name, _ in self.layers if name in touched)

    def widths(self, kept: Mapping[str, int]) -> dict[str, Width]:
        """What every MAC layer is left with when groups keep so many channels; groups that are not named keep all."""
        found = dict(self.layers)
        for name, n in kept.items():
            group = self._group(name)
            if not 1 <= n <= group.size:
                raise SpecError(f"group {name!r} keeps {n} channels of {group.size}", hint="keep at least one, at most all")
            gone = group.size - n
            for use in (u for u in group.uses if u.module in found):
                old = found[use.module]
                if dict(self.layers)[use.module].depthwise:
                    found[use.module] = Width(out=old.out - gone, into=old.into - gone, groups=old.groups - gone)
                elif use.side == "out":
                    found[use.module] = replace(old, out=old.out - gone * use.copies)
                else:
                    found[use.module] = replace(old, into=old.into - gone * use.copies)
        return found

    def _group(self, name: str) -> ChannelGroup:
        if name not in self.by_name:
            raise unknown_name("channel group", name, self.by_name)
        return self.by_name[name]


def structure(module: nn.Module, example: Tensor) -> Structure:
    """The channel groups of a module that takes images like `example` (its first axis is the batch).

    Raises SpecError where Torch-Pruning is missing or cannot follow the module.
    """
    found, fixed = [], []
    layers = tuple((name, _width(m)) for name, m in module.named_modules() if isinstance(m, MAC_LAYERS))
    sample = torch.randn(example.shape, generator=torch.Generator().manual_seed(0)).to(example.dtype)
    for group in _traced(copy.deepcopy(module).eval(), sample, [name for name, _ in layers]):
        reason = "" if group.size > 1 else "a single channel"
        if not reason:
            reason, exact = _tried(module, group, sample)
            group = replace(group, exact=exact)
        if reason:
            fixed.append((group.name, reason))
        else:
            found.append(group)
    return Structure(groups=tuple(found), fixed=tuple(fixed), layers=layers)


def removed(module: nn.Module, groups: Structure, kept: Mapping[str, Sequence[int]]) -> nn.Module:
    """A copy of the module that has only these channels of the named groups; other groups stay whole."""
    out = copy.deepcopy(module)
    gone: dict[tuple[str, str], set[int]] = {}
    for name, channels in kept.items():
        group = groups._group(name)
        if not channels or not set(channels) <= set(range(group.size)):
            raise SpecError(f"group {name!r} has channels 0 to {group.size - 1}, not {list(channels)}", hint="keep at least one")
        dropped = sorted(set(range(group.size)) - set(channels))
        for use in group.uses:
            lost = (i for c in dropped for i in use.channels[c])
            gone.setdefault((use.module, use.side), set()).update(lost)
    for (part, side), indices in gone.items():
        _cut(out, part, side, sorted(indices))
    return out


def channel_scores(module: nn.Module, groups: Structure) -> dict[str, Tensor]:
    """What each channel of each group weighs: the root of its squared weights in all MAC layers that make or read it.

    Each layer's are in units of its mean, so that wide layers do not outvote small ones (Li et al., ICLR 2017; DepGraph).
    """
    modules = dict(module.named_modules())
    scores = {}
    for group in groups.groups:
        total = torch.zeros(group.size)
        for use in group.uses:
            layer = modules.get(use.module)
            if not isinstance(layer, MAC_LAYERS):
                continue
            assert isinstance(layer.weight, Tensor)
            squares = _squares(layer, layer.weight.detach(), use.side)
            each = torch.stack([squares[list(c)].sum() for c in use.channels])
            total += each / each.mean().clamp_min(1e-30)
        scores[group.name] = total.sqrt()
    return scores


def strongest(scores: Mapping[str, Tensor], kept: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """The channels of the greatest scores, so many of each group, in order; of equals the first."""
    order = {g: torch.sort(scores[g], descending=True, stable=True).indices for g in kept}
    return {g: tuple(sorted(order[g][:n].tolist())) for g, n in kept.items()}


@dataclass(frozen=True)
class WithChannels:
    """Groups of so many channels; groups that are not named keep theirs."""

    groups: Structure
    kept: Mapping[str, int]

    def __call__(self, network: Network, /) -> Network:
        """The MAC layers of exporting the module without the other channels.

        Only MAC layers are kept, and their inputs and outputs are names: what the other operators amount to needs an export.
        """
        widths = self.groups.widths(self.kept)
        steps = []
        for step in network.layers:
            width = widths.get(step.layer.name) or widths.get(step.layer.name.rpartition(".phase")[0])
            layer = step.layer if width is None else resized(step.layer, width)
            steps.append(replace(step, layer=layer, accesses=step.named()))
        return replace(network, steps=tuple(steps), tensors=())


def resized(layer: Layer, width: Width) -> Layer:
    """The layer with another number of channels. Dimensions of bound 1 are left out, as every reader does."""
    names = {t.name for t in layer.tensors}
    if "W" in names:
        bounds = {"G": width.groups, "K": width.out // width.groups, "C": width.into // width.groups}
    elif "B" in names:
        bounds = {"N": width.out, "K": width.into}
    else:
        raise SpecError(f"layer {layer.name!r} has no channels to change", hint="a convolution or a linear layer has")
    return layer.bounded(**bounds)


# ---- finding and trying groups ----------------------------------------------------------------------------------
def _traced(module: nn.Module, example: Tensor, order: list[str]) -> list[ChannelGroup]:
    tp = _torch_pruning()
    names = {id(m): n for n, m in module.named_modules()} | {id(p): n for n, p in module.named_parameters()}
    try:
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = tp.DependencyGraph().build_dependency(module, example_inputs=example, verbose=False)
            raw = list(graph.get_all_groups(root_module_types=[*CONVOLUTIONS, nn.Linear]))
    except Exception as error:
        problem = f"its channels cannot be traced: {type(error).__name__}: {error}"
        raise SpecError(problem, hint="check that it runs on the data") from None
    return sorted((_group(graph, items, names, order) for items in raw), key=lambda g: order.index(g.name))


def _group(graph: Any, items: Any, names: Mapping[int, str], order: list[str]) -> ChannelGroup:
    size = len(items[0].idxs)
    uses: dict[tuple[str, str], list[list[int]]] = {}
    for item in items:
        name = names.get(id(item.dep.target.module))
        if name is None:  # a concatenation, an addition, a reshape: nothing to cut
            continue
        cut = item.dep.target.module
        passes = not isinstance(cut, MAC_LAYERS) or _width(cut).depthwise  # one set of channels, whichever side is named
        side = "out" if passes or graph.is_out_channel_pruning_fn(item.dep.handler) else "in"
        channels = uses.setdefault((name, side), [[] for _ in range(size)])
        for index, root in zip(item.idxs, item.root_idxs, strict=True):
            if index not in channels[root]:
                channels[root].append(index)
    made = tuple(
        Use(module=m, side="out" if s == "out" else "in", channels=tuple(tuple(sorted(c)) for c in channels))
        for (m, s), channels in uses.items()
    )
    first = min((u.module for u in made if u.side == "out" and u.module in order), key=order.index)
    return ChannelGroup(name=first, size=size, uses=made)


def _tried(module: nn.Module, group: ChannelGroup, sample: Tensor) -> tuple[str, bool]:
    """(why the group is fixed, or nothing; whether channels can go without a trace)."""
    if any(len({len(c) for c in u.channels}) != 1 for u in group.uses):
        return "its layers share only some of the channels", False
    gone = {group.size - 1} | ({1} if group.size > 2 else set())
    lone = Structure(groups=(group,), fixed=(), layers=())
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole, unread = copy.deepcopy(module).eval(), copy.deepcopy(module).eval()
        _stop_reading(unread, group, gone)
        try:
            without = removed(module, lone, {group.name: [c for c in range(group.size) if c not in gone]}).eval()(sample)
        except Exception as error:
            return f"the network does not run without some of them ({str(error).splitlines()[0][:80]})", False
        expected = unread(sample)
        if without.shape != whole(sample).shape:
            return "they are the network's result", False
    if torch.allclose(without, expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max().clamp_min(1e-6))):
        return "", True
    mixes = any(isinstance(m, MIXING) for n, m in module.named_modules() if n in {u.module for u in group.uses})
    return ("", False) if mixes else ("taking some out changes more than their readers: a tie was not seen", False)


def _stop_reading(module: nn.Module, group: ChannelGroup, gone: set[int]) -> None:
    modules = dict(module.named_modules())
    for use in group.uses:
        layer = modules.get(use.module)
        if use.side == "in" and isinstance(layer, MAC_LAYERS):
            assert isinstance(layer.weight, Tensor)
            lost = [i for c in gone for i in use.channels[c]]
            groups = layer.groups if isinstance(layer, CONVOLUTIONS) else 1
            if groups == 1:  # the channels of a depthwise layer are read behind it
                layer.weight.index_fill_(0 if getattr(layer, "transposed", False) else 1, torch.tensor(lost), 0.0)


# ---- cutting ----------------------------------------------------------------------------------------------------
def _cut(module: nn.Module, name: str, side: str, lost: list[int]) -> None:
    """Takes channels out of one module or bare parameter, in place."""
    tp = _torch_pruning()
    part: Any = module
    for step in name.split(".") if name else ():
        part = getattr(part, step)
    if isinstance(part, nn.Parameter):
        owner, _, own = name.rpartition(".")
        axis = part.dim() - 1
        rest = [i for i in range(part.shape[axis]) if i not in set(lost)]
        setattr(module.get_submodule(owner), own, nn.Parameter(part.detach().index_select(axis, torch.tensor(rest)).clone()))
        return
    pruner = tp.pruner.function.PrunerBox[tp.ops.module2type(part)]
    (pruner.prune_out_channels if side == "out" else pruner.prune_in_channels)(part, lost)


def _width(layer: Any) -> Width:
    if isinstance(layer, nn.Linear):
        return Width(out=layer.out_features, into=layer.in_features)
    return Width(out=layer.out_channels, into=layer.in_channels, groups=layer.groups)


def _squares(layer: Any, values: Tensor, side: str) -> Tensor:
    """Sums of squares of a layer's weights by its channels of one side."""
    first = (side == "out") != bool(getattr(layer, "transposed", False)) or _width(layer).depthwise
    return values.square().transpose(0, 0 if first else 1).flatten(1).sum(1)


def _torch_pruning() -> Any:
    try:
        return importlib.import_module("torch_pruning")
    except ImportError:
        hint = "pip install --no-deps torch-pruning, or pip install 'picojoule[compress]'"
        raise SpecError("torch-pruning is not installed", hint=hint) from None

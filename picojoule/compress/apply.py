"""A plan carried out on a torch module: channels taken out, layers factorised, weights zeroed, then everything rounded.

The order is that of the plan's network, and every step is trainable as it stands, so that a network is fine-tuned twice: as
`reshaped` in floats, and again as `rounded`.
"""

from __future__ import annotations

from torch import Tensor, nn

from picojoule.compress.factorise import factorised
from picojoule.compress.plan import Plan, Storage
from picojoule.compress.prune.prune import magnitudes, masked, share_of_each
from picojoule.compress.prune.structured import Structure, channel_scores, removed, strongest
from picojoule.compress.quantise.quantise import Bits, quantised


def reshaped(module: nn.Module, plan: Plan, structure: Structure | None) -> nn.Module:
    """A copy with the plan's channels, ranks and zeros, in floats: the strongest channels, best factors, largest weights."""
    made = module
    if plan.channels and structure is not None:
        made = removed(made, structure, strongest(channel_scores(made, structure), dict(plan.channels)))
    ranks = {name: own.rank for name, own in plan.layers if own.rank is not None}
    if ranks:
        made = factorised(made, ranks)
    densities = {part: own.density for name, own in plan.layers if own.density < 1 for part in parts(plan, name)}
    if densities:
        made = masked(made, share_of_each(magnitudes(made, densities), densities))
    return made


def rounded(module: nn.Module, plan: Plan, storage: Storage, images: Tensor) -> nn.Module:
    """A copy of a reshaped module with the plan's bits, ranges set on the images; as it stands where everything has 16 b."""
    bits, summed = storage.widths(plan), set(storage.summed())
    wanted = {}
    for name in (s.layer.name for s in storage.network.layers):
        own, (read, written) = plan.of(name), bits[name]
        if min(own.weight_bits, read) > 15 or not any(t.learned for t in storage.layer(name).tensors):
            continue
        names = parts(plan, name)
        for part in names:
            inputs = read if part == names[0] else own.input_bits
            last = part == names[-1] and name in summed and written < 16
            wanted[part] = Bits(weights=own.weight_bits, inputs=inputs, outputs=written if last else None)
    return quantised(module, wanted, images) if wanted else module


def parts(plan: Plan, layer: str) -> tuple[str, ...]:
    """The layers that take the place of one."""
    return (layer,) if plan.of(layer).rank is None else (f"{layer}.0", f"{layer}.1")

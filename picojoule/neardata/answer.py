"""`near_data`: where computing near or in the memory pays for a network, layer by layer, and up to which batch for decoding."""

from __future__ import annotations

from dataclasses import dataclass

from picojoule.ask import Progress, silent
from picojoule.explore.rebalance import LPDDR, STACK, Design, rebalance
from picojoule.neardata.decode import BankPim, Gpu, Step, crossover, step
from picojoule.neardata.reuse import Place, Reuse, break_even, far_place, near_places, reuse
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network

BATCHES = (1, 2, 4, 8, 16, 64)


@dataclass(frozen=True)
class NearData:
    """The answer. `decode` is empty unless every product with weights is one of a few vectors; `designs` unless asked for."""

    model: str
    far: Place
    near: tuple[Place, ...]
    break_even: dict[str, float]
    layers: tuple[Reuse, ...]
    gpu: Gpu
    pim: BankPim
    decode: tuple[Step, ...]
    crossover: dict[str, int | None]
    designs: dict[str, tuple[Design, ...]]


def near_data(
    network: Network,
    *,
    memory: str = "LPDDR4",
    bits: int | None = None,
    designs: bool = False,
    seconds: float = 2.0,
    progress: Progress = silent,
) -> NearData:
    """Break-even reuse by technology and energies by layer; decoding on bank-level units against a GPU; re-balanced designs.

    `memory` is the off-chip memory of the conventional chip; `bits` the width that MACs are priced for (default: the widest
    weight, up to 16). `designs` searches the split of logic area between PEs and buffer (`seconds` of CPU time a layer).
    """
    layers = [s.layer for s in network.layers]
    width = bits or min(16, max((round(t.bits) for x in layers for t in x.tensors if t.role == "weight"), default=16))
    far, near = far_place(memory, width), near_places(width)
    gpu, pim = Gpu(), BankPim()
    steps: tuple[Step, ...] = ()
    cross: dict[str, int | None] = {}
    if layers and _is_decoding(layers):
        steps, cross = tuple(step(network, b, gpu, pim) for b in BATCHES), crossover(network, gpu, pim)
    found = {b.name: tuple(rebalance(network, b, seconds, progress=progress)) for b in (LPDDR, STACK)} if designs else {}
    edges = {p.name: break_even(far, p) for p in near}
    return NearData(
        model=network.name,
        far=far,
        near=near,
        break_even=edges,
        layers=tuple(reuse(network, far, near)),
        gpu=gpu,
        pim=pim,
        decode=steps,
        crossover=cross,
        designs=found,
    )


def _is_decoding(layers: list[Layer]) -> bool:
    """Whether each learned weight meets one vector."""
    learned = [(x, t) for x in layers for t in x.tensors if t.learned]
    return bool(learned) and all(x.macs == x.elements(t) for x, t in learned)

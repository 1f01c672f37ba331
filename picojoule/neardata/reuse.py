"""At which reuse moving the computation into the memory pays, by technology, and what that says of each layer.

    far  = MACs x E_mac + bytes x E_far          near = MACs x E_mac,near + bytes x E_near          reuse = 2 MACs / bytes
    near pays below the reuse  2 (E_far - E_near) / (E_mac,near - E_mac)          (always, where its MAC costs no more)

Bytes are the compulsory ones: each operand and result once. A process made for memory computes at a higher price, so that little
reuse is needed for moving the data to beat moving the computation; a memory that multiplies in its cells never moves the weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from picojoule.hardware.array.cost import prices
from picojoule.hardware.chipfile.read import load_chip
from picojoule.hardware.components.components import evaluate
from picojoule.hardware.components.dram import technology
from picojoule.neardata.macro import peak
from picojoule.workload.network import Network


@dataclass(frozen=True)
class Place:
    """A place to compute: energy of a MAC there and of a bit that reaches it; whether weights are moved at all."""

    name: str
    mac_pj: float
    pj_per_bit: float
    weights_move: bool
    source: str


@dataclass(frozen=True)
class Reuse:
    """A layer: its MACs, compulsory bytes (all, and without weights) and operations a byte; and energies by place in pJ."""

    name: str
    count: int
    macs: int
    bytes: float
    activation_bytes: float
    pj: dict[str, float]

    @property
    def ops_per_byte(self) -> float:
        return 2 * self.macs / self.bytes


def _mac_pj(bits: int, node_nm: float) -> float:
    return evaluate("mac", {"bits": bits, "technology_nm": node_nm}, {})["mac"].value


def far_place(memory: str, bits: int, node_nm: float = 16.0) -> Place:
    """The conventional chip: MACs at a logic node beside an off-chip memory."""
    e = technology(memory).pj_per_bit("read")
    return Place(f"{memory} + {node_nm:g} nm logic", _mac_pj(bits, node_nm), e.value, True, e.source)


def near_places(bits: int) -> tuple[Place, ...]:
    """Where the computation may move: the logic die of a stack, the banks of HBM, an eDRAM node, crossbars of ReRAM."""
    vault, edram = technology("HMC-vault").pj_per_bit("read"), technology("eDRAM").pj_per_bit("read")
    banks = load_chip("hbm-pim")
    isaac = load_chip("isaac").array
    assert isaac is not None and banks.dram.read_pj is not None
    column = technology("HBM2").parts("read")
    in_bank = column["column"].value + column["row"].value
    cells = peak(isaac, bits, bits).pj_per_mac
    program = prices(isaac, bits, bits).write_weight_pj
    return (
        Place("stack logic die, 28 nm", _mac_pj(bits, 28.0), vault.value, True, vault.source),
        Place(
            "HBM banks, DRAM process",
            2 * _mac_pj(bits, 20.0),
            in_bank,
            True,
            "column and row of HBM2; logic in DRAM costs twice (our choice)",
        ),
        Place("eDRAM node, 28 nm", _mac_pj(bits, 28.0), edram.value, True, edram.source),
        Place(
            "ReRAM crossbars (ISAAC)",
            cells,
            edram.value,
            False,
            f"cells, drivers, ADC; programming takes {program:.3g} pJ a weight, once",
        ),
    )


def break_even(far: Place, near: Place) -> float:
    """Operations a byte below which `near` takes less energy; infinite if its MAC costs no more, 0 if it never pays."""
    dearer, saved = near.mac_pj - far.mac_pj, far.pj_per_bit - (near.pj_per_bit if near.weights_move else 0.0)
    if dearer <= 0:
        return math.inf if saved >= 0 else 0.0
    return max(0.0, 2 * 8 * saved / dearer)


def reuse(network: Network, far: Place, near: tuple[Place, ...]) -> list[Reuse]:
    """Every distinct layer with its energies at each place, for one occurrence."""
    out: dict[tuple[object, ...], Reuse] = {}
    for s in network.layers:
        layer = s.layer
        sizes = {t.role: layer.elements(t) * t.bits / 8 for t in layer.tensors}
        moved, activations = sum(sizes.values()), sum(b for r, b in sizes.items() if r != "weight")
        pj = {p.name: layer.macs * p.mac_pj + 8 * p.pj_per_bit * (moved if p.weights_move else activations) for p in (far, *near)}
        old = out.get(layer.shape_key)
        out[layer.shape_key] = Reuse(
            old.name if old else layer.name, (old.count if old else 0) + s.count, layer.macs, moved, activations, pj
        )
    return list(out.values())

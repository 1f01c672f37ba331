"""Chips for dataflows at equal area: the same PEs and the same storage area, split between PEs and buffer as each needs.

The area law of Chen et al., ISCA 2016: #PE x Area(512 B register file) + Area(#PE x 512 B buffer) is what every dataflow
may spend. A byte of a small register file takes 1.6 times the area of a byte of a large buffer, so that no local reuse gets a
buffer 2.6 times as large, as in the paper. Energies are those of its Table IV, in MACs of 16 bits (MAC 1, register file 1,
array 2, buffer 6, DRAM 200), whatever the sizes, as there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from picojoule.ask import ROLES
from picojoule.errors import SpecError
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory
from picojoule.hardware.dataflow import Dataflow, constrained

BASE_BYTES = 512  # of register file a PE, and of buffer a PE, in the row-stationary split
REGISTER_AREA = 1.6  # area of a byte of register file over that of a byte of buffer
WORD_BITS = 16
SOURCE = "Chen et al., ISCA 2016: Table IV, energies relative to a MAC (here 1 pJ); storage by its equal-area rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Registers of a PE by role, in 16-bit words (`shared`: in one file for all), the rest of the area is buffer."""

    name: str
    words: tuple[tuple[str, int], ...] = ()
    shared: int = 0

    @property
    def bytes_per_pe(self) -> int:
        return 2 * (self.shared + sum(n for _, n in self.words))


SPLITS = {
    "weight-stationary": Split(name="one weight", words=(("weight", 1),)),
    "input-stationary": Split(name="one input", words=(("input", 1),)),
    "output-stationary-a": Split(name="one sum, one input", words=(("input", 1), ("output", 1))),
    "output-stationary-b": Split(name="one sum, one input", words=(("input", 1), ("output", 1))),
    "output-stationary-c": Split(name="one sum", words=(("output", 1),)),
    "no-local-reuse": Split(name="no registers"),
    "row-stationary": Split(name="512 B for all", shared=BASE_BYTES // 2),
}


def buffer_bytes(pes: int, bytes_per_pe: int, ratio: float = REGISTER_AREA) -> int:
    """Bytes of buffer that the area leaves: pes * 512 + ratio * pes * (512 - bytes per PE)."""
    return math.floor(pes * BASE_BYTES + ratio * pes * (BASE_BYTES - bytes_per_pe)) // 2 * 2


def split_chip(split: Split, pes: int, ratio: float = REGISTER_AREA) -> Chip:
    """The chip with this split, free to map."""
    if pes < 1:
        raise SpecError(f"{pes} PEs", where="--pes", hint="give 1 or more, such as 256")
    size = buffer_bytes(pes, split.bytes_per_pe, ratio)
    if size < BASE_BYTES:
        raise SpecError(f"registers of {split.bytes_per_pe} B a PE leave no buffer", hint="give the PEs less")
    rows = next(r for r in range(math.isqrt(pes), 0, -1) if pes % r == 0)
    dram = Memory("DRAM", None, WORD_BITS, 200.0, 200.0, technology="dram", source=SOURCE)
    buffer = Memory("GLB", size * 8, WORD_BITS, 6.0, 6.0, keeps=(), may_keep=ROLES, source=SOURCE)
    array = FanOut("array", (Axis("X", pes // rows), Axis("Y", rows)), transfer_pj=2.0, transfer_bits=WORD_BITS, source=SOURCE)
    levels: list[Group | FanOut] = [Group((dram,)), Group((buffer,)), array]
    if split.shared:
        levels.append(Group((_register("RF", split.shared, ROLES),)))
    elif split.words:
        levels.append(Group(tuple(_register(f"{role}_register", n, (role,)) for role, n in split.words)))
    name = f"equal-area-{pes}-{split.bytes_per_pe}B"
    about = f"{pes} PEs, {split.name} in each, {size / 1024:.0f} KiB buffer; equal area, normalised energies 1/1/2/6/200"
    return Chip(name, tuple(levels), Compute("MAC", 1.0, WORD_BITS, source=SOURCE), 200e6, 65.0, description=about, source=SOURCE)


def _register(name: str, words: int, roles: tuple[str, ...]) -> Memory:
    bits = words * WORD_BITS
    return Memory(name, bits, WORD_BITS, 1.0, 1.0, keeps=(), may_keep=roles, technology="register_file", source=SOURCE)


def equal_area_chip(flow: Dataflow, pes: int, ratio: float = REGISTER_AREA) -> Chip:
    """The chip that the paper gives a dataflow, narrowed to it."""
    chip = split_chip(SPLITS[flow.name], pes, ratio)
    return replace(constrained(chip, flow), name=f"{flow.name}-{pes}")

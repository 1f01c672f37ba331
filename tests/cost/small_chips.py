"""Chips for tests: written as names from the outside in, a tuple of axes being a fan-out."""

from __future__ import annotations

from dataclasses import replace

from picojoule.ask import ROLES
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory


def chip(*levels: str | FanOut, macs: float = 1.0, **pj: float) -> Chip:
    """A DRAM, then unbounded memories that may keep anything and fan-outs. `pj` gives read and write energy by memory."""
    built: list[Group | FanOut] = [Group((Memory("DRAM", None, 16, pj.get("DRAM", 1.0), pj.get("DRAM", 1.0)),))]
    for level in levels:
        if isinstance(level, FanOut):
            built.append(level)
            continue
        price = pj.get(level, 1.0)
        built.append(Group((Memory(level, None, 16, price, price, keeps=(), may_keep=ROLES, source=f"price of {level}"),)))
    return Chip("small", tuple(built), Compute("MAC", macs), clock_hz=1e9)


def fan(name: str = "F", axes: str = "XY", **about: object) -> FanOut:
    """A fan-out whose axes have 64 places each."""
    return replace(FanOut(name, tuple(Axis(a, 64) for a in axes)), **about)  # type: ignore[arg-type]

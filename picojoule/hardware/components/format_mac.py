"""What a multiply-accumulate costs in a number format: composed of multiplications, additions, shifts and look-ups with sources.

multiplication   integer x integer: E_int(sqrt(a b)), the table's law of the width (nearly quadratic)
                 float x float: between FP16 (11 significant bits) and FP32 (24) log-log in the significant bits, and on below
                 power of two x value: a shift of the value, or the addition of exponents where the value is a float
                 sign x value: one gate a bit (a conditional negation)
                 codebook: a look-up in a register file, then as FP16 (with an integer operand: as a 16 b integer)
addition         integers: an integer adder of product bits + 16 (the survey's 2N + M with its greatest M)
                 floats: an FP32 adder
                 block formats: inside a block the exact integer accumulator, after it one FP32 addition and one for the scales
Left out: conversion of operands, registers, clock and control, as in the component `mac`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from picojoule.formats.accumulate import grid, of_grids
from picojoule.formats.element import Float, Integer, Log2, Signs
from picojoule.formats.names import number_format
from picojoule.formats.number import NumberFormat
from picojoule.formats.scaling import SharedE4M3, SharedPower
from picojoule.hardware.components.logic import area_at_width, operation
from picojoule.hardware.components.technology import scale_area, scale_energy
from picojoule.quantities.estimate import Estimate, exactly

ALADDIN = "Aladdin (1 ns), 40 nm"
SHIFTER_PJ, SHIFTER_UM2 = 0.417, 250.0  # 32 b: five stages of 32 multiplexers
BITWISE_PJ, BITWISE_UM2 = 0.0181, 50.4  # 32 b
REGISTER_PJ, REGISTER_UM2 = 0.009, 5.98  # one bit
GREATEST_M = 16  # the survey: accumulators grow by M = 10 to 16 bits
WIDEST = 64  # bits of an integer unit
REFERENCE_NM = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One piece of a MAC unit: pJ of its use in one MAC and its area in um2."""

    what: str
    energy: Estimate
    area: Estimate

    def shared(self, by: int) -> Part:
        """The piece used once in so many MACs (its area is that of a unit shared by as many)."""
        return Part(what=f"{self.what} / {by}", energy=self.energy.times(1 / by), area=self.area.times(1 / by))


@dataclass(frozen=True, slots=True, kw_only=True)
class MacCost:
    """A MAC of two formats, piece by piece."""

    parts: tuple[Part, ...]

    @property
    def energy(self) -> Estimate:
        return _sum([p.energy for p in self.parts], "pJ", " + ".join(p.what for p in self.parts))

    @property
    def area(self) -> Estimate:
        return _sum([p.area for p in self.parts], "um2", "")


def _sum(estimates: list[Estimate], unit: str, note: str) -> Estimate:
    sources = "; ".join(dict.fromkeys(e.source for e in estimates))
    return Estimate(
        sum(e.value for e in estimates), unit, sources, sum(e.low for e in estimates), sum(e.high for e in estimates), note
    )


@cache
def mac_cost(weight: str, activation: str, technology_nm: float = REFERENCE_NM, voltage_v: float | None = None) -> MacCost:
    """Energy (pJ) and area (um2) of one MAC of a number in format `weight` and one in format `activation`.

    Sources: Horowitz ISSCC 2014 and Jouppi ISCA 2021 for adders and multipliers, Aladdin's 40 nm table for shifters, gates and
    registers (it lies 2 to 6 times above Horowitz, so formats that shift are not flattered). Range: that of `operation`.
    Check: bf16 at 7 nm 0.20 pJ a multiplication, where Jouppi has 0.21 (not used).

    >>> round(mac_cost("int8", "int8").energy.value, 3)
    0.3
    """
    a, b = number_format(weight), number_format(activation)
    at = _At(technology_nm, voltage_v)
    return MacCost(parts=(*_look_ups(a, b, at), *_product_and_sum(a, b, at)))


def energy_ratio(weight: str, activation: str, reference: tuple[str, str]) -> float:
    """How much more a MAC of two formats takes than one of the two reference formats, at 45 nm and nominal voltage."""
    return mac_cost(weight, activation).energy.value / mac_cost(*reference).energy.value


@dataclass(frozen=True)
class _At:
    """Prices at a node and voltage."""

    nm: float
    v: float | None

    def integer(self, name: str, bits: float) -> Part:
        bits = max(bits, 2)
        verb = "multiply" if name == "multiply" else "add"
        return Part(
            what=f"{bits:.3g} b integer {verb}",
            energy=operation(name, "int", bits, self.nm, self.v),
            area=area_at_width(name, "int", bits, self.nm),
        )

    def float_add(self) -> Part:
        return Part(
            what="FP32 add",
            energy=operation("add", "float", 32, self.nm, self.v),
            area=area_at_width("add", "float", 32, self.nm),
        )

    def float_multiply(self, significant: float) -> Part:
        """By the significant bits: FP16 has 11, FP32 24."""
        half, single = (operation("multiply", "float", n, self.nm, self.v) for n in (16, 32))
        energy = _power_law(half, single, significant)
        areas = [area_at_width("multiply", "float", n, self.nm) for n in (16, 32)]
        return Part(
            what=f"{significant:.3g} significant bits float multiply",
            energy=energy,
            area=_power_law(areas[0], areas[1], significant),
        )

    def shift(self, bits: float, positions: int) -> Part:
        """A barrel shifter: bits x log2 positions multiplexers."""
        stages = bits * math.log2(max(positions, 2)) / (32 * 5)
        return self._aladdin(f"{bits:.3g} b shift", SHIFTER_PJ * stages, SHIFTER_UM2 * stages)

    def gates(self, bits: float) -> Part:
        return self._aladdin(f"{bits:.3g} gates", BITWISE_PJ * bits / 32, BITWISE_UM2 * bits / 32)

    def look_up(self, entries: int, bits: int) -> Part:
        """A table in registers: one entry is read, all of them are there."""
        return self._aladdin(f"look-up in {entries} x {bits} b", REGISTER_PJ * bits, REGISTER_UM2 * entries * bits)

    def _aladdin(self, what: str, pj: float, um2: float) -> Part:
        energy = scale_energy(exactly(pj, "pJ", ALADDIN), 40, self.nm, None, self.v)
        return Part(what=what, energy=energy, area=scale_area(exactly(um2, "um2", ALADDIN), 40, self.nm))


def _power_law(half: Estimate, single: Estimate, significant: float) -> Estimate:
    exponent = math.log(single.value / half.value) / math.log(24 / 11)
    return half.times((significant / 11) ** exponent, f"x (significant bits / 11)^{exponent:.2f}")


def _look_ups(a: NumberFormat, b: NumberFormat, at: _At) -> tuple[Part, ...]:
    return tuple(at.look_up(f.learns, f.codebook_bits) for f in (a, b) if f.learns)


def _product_and_sum(a: NumberFormat, b: NumberFormat, at: _At) -> tuple[Part, ...]:
    ea, eb = (_operand(f, other) for f, other in ((a, b), (b, a)))
    block = min((f.scaling.block for f in (a, b) if f.scaling.block), default=None)
    if block is not None:
        return min(_ways_in_a_block(a, b, block, at), key=lambda parts: sum(p.energy.value for p in parts))
    if isinstance(ea, Float) or isinstance(eb, Float):
        return (*_multiply(ea, eb, at), at.float_add())
    return (*_multiply(ea, eb, at), at.integer("add", min(_product_bits(ea, eb) + GREATEST_M, WIDEST)))


def _operand(f: NumberFormat, other: NumberFormat) -> Integer | Float | Log2 | Signs:
    """What the multiplier sees: a codebook gives FP16, or 16 b integers beside an integer."""
    if f.learns:
        return Integer(width=16) if isinstance(other.element, Integer) else Float(exponent=5, mantissa=10)
    assert isinstance(f.element, Integer | Float | Log2 | Signs)
    return f.element


def _multiply(a: Integer | Float | Log2 | Signs, b: Integer | Float | Log2 | Signs, at: _At) -> tuple[Part, ...]:
    if isinstance(a, Signs) or isinstance(b, Signs):
        other = max(a, b, key=lambda e: (not isinstance(e, Signs), e.bits))
        return (at.gates(1 if isinstance(other, Float | Log2) else other.bits),)
    if isinstance(a, Log2) and isinstance(b, Log2):
        return (at.integer("add", max(a.bits, b.bits)), at.shift(_product_bits(a, b), a.steps + b.steps))
    if isinstance(a, Log2) or isinstance(b, Log2):
        power, other = (a, b) if isinstance(a, Log2) else (b, a)
        if isinstance(other, Float):
            return (at.integer("add", other.exponent),)
        return (at.shift(_product_bits(a, b), power.steps if isinstance(power, Log2) else 2),)
    if isinstance(a, Integer) and isinstance(b, Integer):
        return (at.integer("multiply", math.sqrt(a.width * b.width)),)
    return (at.float_multiply(math.sqrt(_significant(a) * _significant(b))),)


def _significant(e: Integer | Float) -> int:
    return e.mantissa + 1 if isinstance(e, Float) else e.width


def _product_bits(a: Integer | Float | Log2 | Signs, b: Integer | Float | Log2 | Signs) -> int:
    return grid(a).bits + grid(b).bits


def _ways_in_a_block(a: NumberFormat, b: NumberFormat, block: int, at: _At) -> list[tuple[Part, ...]]:
    """Each product scaled and added as a float; or exact integer sums of a block, the products of floats expanded to fixed
    point, or multiplied as they are and shifted into place. The cheapest is what one would build."""
    ea, eb = _operand(a, b), _operand(b, a)
    floats = isinstance(ea, Float) or isinstance(eb, Float)
    ways = [(*_multiply(ea, eb, at), at.float_add())] if floats else []
    total = of_grids(grid(ea), grid(eb), block).bits
    if total > WIDEST:
        return ways
    after = (at.integer("add", total), at.float_add().shared(block), *(p.shared(block) for p in _scales(a, b, at)))
    if floats and not isinstance(ea, Signs | Log2) and not isinstance(eb, Signs | Log2):
        ways.append((at.integer("multiply", math.sqrt(grid(ea).bits * grid(eb).bits)), *after))
    product = _multiply(ea, eb, at)
    ways.append((*product, at.shift(total, total), *after) if floats else (*product, *after))
    return ways


def _scales(a: NumberFormat, b: NumberFormat, at: _At) -> tuple[Part, ...]:
    """The scales of two blocks multiplied: exponents are added, significands multiplied."""
    kinds = [f.scaling for f in (a, b) if f.scaling.block]
    if all(isinstance(k, SharedPower) for k in kinds):
        return (at.integer("add", 8),)
    return (at.float_multiply(4 if all(isinstance(k, SharedE4M3) for k in kinds) else 11),)

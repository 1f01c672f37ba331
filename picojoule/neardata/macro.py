"""What an array does at its best, as macros are published: TOPS, TOPS/W, TOPS/mm2, and the shares people argue about.

Peak figures are of one array, fully used, without buffers, network and memory around it. They say nothing about a network on a
system, which is why a chip carries its `scope` and why `macros_apart` refuses to set the two side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from picojoule.errors import SpecError
from picojoule.hardware.array.cost import area_parts, prices
from picojoule.hardware.array.in_memory import Array
from picojoule.hardware.chip import Chip

OPS_PER_MAC = 2


@dataclass(frozen=True)
class Peak:
    """A fully used array at one width of weights and inputs. Energies in pJ of one activation of one row group, by part."""

    weight_bits: int
    input_bits: int
    macs: int
    seconds: float
    parts_pj: dict[str, float]
    area_um2: dict[str, float]
    conversions_per_mac: float

    @property
    def energy_pj(self) -> float:
        return sum(self.parts_pj.values())

    @property
    def pj_per_mac(self) -> float:
        return self.energy_pj / self.macs

    @property
    def tops(self) -> float:
        """10^12 operations a second, two for each MAC."""
        return OPS_PER_MAC * self.macs / self.seconds / 1e12

    @property
    def tops_per_w(self) -> float:
        return OPS_PER_MAC * self.macs / self.energy_pj

    @property
    def tops_per_mm2(self) -> float:
        return self.tops / (sum(self.area_um2.values()) / 1e6)

    def share(self, part: str) -> float:
        """Fraction of the energy that a part takes."""
        return self.parts_pj.get(part, 0.0) / self.energy_pj


def peak(array: Array, weight_bits: int | None = None, input_bits: int | None = None) -> Peak:
    """The array with every row and column in use, at the widths it is drawn for unless others are given."""
    w, i = weight_bits or array.weight_bits, input_bits or array.input_bits
    p = prices(array, w, i)
    rows, outputs = array.inputs_summed, array.outputs(w)
    parts: dict[str, float] = {}
    for group, count in ((p.row, rows), (p.column, outputs), (p.mac, rows * outputs)):
        for part in group:
            parts[part.name] = parts.get(part.name, 0.0) + part.pj * count
    area = area_parts(replace(array, weight_bits=w, input_bits=i))
    return Peak(w, i, rows * outputs, array.activation_s(w, i), parts, area, array.conversions_per_mac(w, i))


def array_of(chip: Chip) -> Array:
    """The chip's array; refuses a chip without one."""
    if chip.array is None:
        raise SpecError(f"chip {chip.name!r} has no compute-in-memory array", hint="such as isaac, neurram, jia-2020, colonnade")
    return chip.array


def macros_apart(scopes: Mapping[str, str]) -> None:
    """SpecError where a macro stands beside something larger. `scopes`: machine -> what its figures cover ("macro", "chip", ...).

    `pj compare` asks this before it runs anything; what is larger than a macro may stand side by side, with its scope shown.
    """
    if "macro" in scopes.values() and len(set(scopes.values())) > 1:
        text = ", ".join(f"{name} is a {scope}" for name, scope in scopes.items())
        raise SpecError(
            f"figures of different scope: {text}",
            hint="a macro's figures leave out what feeds it: compare macros with macros, the others apart",
        )


def calibrated(array: Array, pj_per_mac: float, weight_bits: int, input_bits: int) -> Array:
    """The array with the one constant that makes it meet a measured energy per MAC at one precision and its own voltage."""
    raw = peak(replace(array, calibration=1.0), weight_bits, input_bits).pj_per_mac
    return replace(array, calibration=pj_per_mac / raw)


def at_voltage(array: Array, voltage_v: float) -> Array:
    """The array at another supply: lines and cells by the square of it, logic by its law, stated energies by the square."""
    cell = (
        replace(array.cell, read_v=array.cell.read_v and array.cell.read_v * voltage_v / array.voltage_v)
        if array.cell.kind == "charge"
        else array.cell
    )
    return replace(array, voltage_v=voltage_v, cell=cell)


def with_adc_bits(array: Array, bits: int) -> Array:
    """The array with converters of another resolution."""
    if array.adc is None:
        raise SpecError(f"array {array.name!r} has no ADC", hint="a digital array sums exactly")
    return replace(array, adc=replace(array.adc, bits=bits))

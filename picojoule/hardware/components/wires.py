"""Components that carry: wires and routers."""

from __future__ import annotations

from picojoule.errors import SpecError
from picojoule.hardware.components.components import component
from picojoule.hardware.components.technology import nominal_voltage, scale_energy
from picojoule.quantities.estimate import Estimate, exactly

_KECKLER = "Keckler et al., IEEE Micro 31(5), 2011: 310 pJ for 256 b over 10 mm at 40 nm, 0.9 V"
_KECKLER_PJ = 310 / 256 / 10  # per bit and mm
_WIRE_PF_PER_MM = 0.2
_EYERISS_PJ = 4 / 16 / 1.0  # per bit and mm: 4 pJ per 16 b over 1 to 2 mm at 1 V


@component("wire")
def wire(*, length_mm: float, word_bits: int, technology_nm: float, voltage_v: float | None = None) -> dict[str, Estimate]:
    """Energy of moving one word over a repeated wire: 0.121 pJ per bit and mm x (V / 0.9 V)^2.

    Source: Keckler et al. 2011. Wire capacitance a mm hardly changes with the node, so only the voltage scales; range 130 to
    7 nm, 0.05 to 50 mm. Range shown: from bare wire, C V^2 / 4 a bit at 0.2 pF/mm and random data (recalled), to the array of
    the Eyeriss chip fit (4 pJ per 16 b over 1 to 2 mm at 1 V, taken as 1 mm), which includes drivers and bus control.
    """
    if not 0.05 <= length_mm <= 50:
        raise SpecError(f"no wire energy for {length_mm:g} mm", hint="the law covers 0.05 to 50 mm")
    volts = voltage_v if voltage_v is not None else nominal_voltage(technology_nm)
    bit_mm = word_bits * length_mm
    energy = exactly(_KECKLER_PJ * (volts / 0.9) ** 2 * bit_mm, "pJ", _KECKLER, f"{length_mm:g} mm at {volts:.3g} V")
    return {"transfer": energy.widened((_WIRE_PF_PER_MM * volts**2 / 4 * bit_mm, _EYERISS_PJ * volts**2 * bit_mm))}


@component("router")
def router(*, word_bits: int, technology_nm: float, hops: int = 1, voltage_v: float | None = None) -> dict[str, Estimate]:
    """Energy of moving one word through `hops` routers: 0.081 pJ per bit and hop at 32 nm, scaled like logic.

    Source: ISAAC's router as in the Accelergy library (20.74 pJ for 256 b, 32 nm), read. The range reaches to TETRIS' 40 pJ per
    hop of 16 b (nn_dataflow tests), which includes the link and is 30 times higher.
    """
    bits = word_bits * hops
    energy = exactly(20.74 / 256 * bits, "pJ", "ISAAC router in the Accelergy library, 32 nm")
    scaled = scale_energy(energy, 32, technology_nm, None, voltage_v)
    return {"transfer": scaled.widened((40 / 16 * bits,), "TETRIS books 40 pJ per hop of 16 b")}

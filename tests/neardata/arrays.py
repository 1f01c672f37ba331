"""Small arrays of every kind for the tests."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from picojoule.hardware.array.in_memory import WEIGHT_ENCODINGS, Adc, Array, Cell

CELL = {"kind": "resistive", "area_f2": 4.0, "on_siemens": 1e-4, "off_siemens": 1e-6, "read_v": 0.2, "pulse_s": 1e-9}


def array(adc_bits: int | None = None, cell_bits: int = 2, dac: int = 1, **more: object) -> Array:
    """32 x 64 cells, 16 rows at once; without `adc_bits`, as many as lose nothing."""
    given = {
        "name": "made",
        "rows": 32,
        "columns": 64,
        "rows_summed": 16,
        "weight_bits": 8,
        "input_bits": 8,
        "weights": "offset",
        "cell": Cell(bits=cell_bits, **CELL),
        "inputs": "bit_serial" if dac == 1 else "voltage",
        "dac_bits": dac,
        **more,
    }
    wide = Array(**given, adc=Adc(bits=20, rate_hz=1e9))
    bits = adc_bits or wide.lossless_adc_bits(wide.weight_bits, wide.input_bits)
    return Array(**given, adc=Adc(bits=bits, rate_hz=1e9))


def every_kind() -> Iterator[dict[str, object]]:
    """Keyword arguments of `array` for every way to encode weights and inputs."""
    pairs = (("columns", "analog"), ("columns", "digital"), ("rows", "analog"))
    for weights, cell_bits, dac, magnitude, merge, joined in itertools.product(
        WEIGHT_ENCODINGS, (1, 2, 4), (1, 2, 4), (False, True), (False, True), (1, 2)
    ):
        for pair, subtract in pairs if weights == "differential" else pairs[:1]:
            yield {
                "weights": weights,
                "cell_bits": cell_bits,
                "dac": dac,
                "signed_magnitude": magnitude,
                "merge_weight_slices": merge,
                "analog_input_slices": joined,
                "pair": pair,
                "subtract": subtract,
            }

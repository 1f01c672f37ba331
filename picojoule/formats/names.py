"""The number formats by name: a fixed list, and families with a width such as `int5`, `log2_4` or `codebook16`."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from picojoule.errors import SpecError, unknown_name
from picojoule.formats.element import Float, Integer, Log2, Signs
from picojoule.formats.number import NumberFormat, linear
from picojoule.formats.scaling import E4M3, FP16, SharedE4M3, SharedFP16, SharedPower, TensorPower, TensorScale

IEEE, OCP8 = "IEEE 754-2019", "OCP 8-bit Floating Point Specification v1.0, 2023"
OCP_MX = "OCP Microscaling Formats (MX) Specification v1.0, 2023"
SURVEY = "Sze, Chen, Yang, Emer, Proc. IEEE 105(12), 2017, Section VII-A"
BF16 = Float(exponent=8, mantissa=7)
FP32 = Float(exponent=8, mantissa=23)
E5M2 = Float(exponent=5, mantissa=2, saturates=True)
E3M2 = Float(exponent=3, mantissa=2, specials="none")
E2M3 = Float(exponent=2, mantissa=3, specials="none")
E2M1 = Float(exponent=2, mantissa=1, specials="none")
MXINT8 = Integer(width=8, fraction=6)


def _mx(name: str, element: Float | Integer, about: str) -> NumberFormat:
    emax = element.greatest_exponent if isinstance(element, Float) else 0
    about = f"{about}, blocks of 32 share a power of two"
    return NumberFormat(name=name, about=about, element=element, scaling=SharedPower(emax=emax), source=OCP_MX)


def _float(name: str, element: Float, about: str, source: str) -> NumberFormat:
    return NumberFormat(name=name, about=about, element=element, source=source)


_FIXED: dict[str, NumberFormat] = {
    f.name: f
    for f in (
        _float("fp32", FP32, "single precision", IEEE),
        _float("fp16", FP16, "half precision: 5 bits of exponent, 10 of mantissa", IEEE),
        _float("bf16", BF16, "the upper half of single precision: 8 bits of exponent, 7 of mantissa", "Google Brain, 2018"),
        _float("fp8_e4m3", E4M3, "FP8 for weights and activations: to 448, NaN but no infinity", OCP8),
        _float("fp8_e5m2", E5M2, "FP8 for gradients: to 57344, with NaN and infinity", OCP8),
        _float("fp6_e3m2", E3M2, "FP6 to 28", OCP_MX),
        _float("fp6_e2m3", E2M3, "FP6 to 7.5", OCP_MX),
        _float("fp4_e2m1", E2M1, "FP4: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives", OCP_MX),
        _mx("mxfp8_e4m3", E4M3, "FP8 E4M3"),
        _mx("mxfp8_e5m2", E5M2, "FP8 E5M2"),
        _mx("mxfp6_e3m2", E3M2, "FP6 E3M2"),
        _mx("mxfp6_e2m3", E2M3, "FP6 E2M3"),
        _mx("mxfp4", E2M1, "FP4 E2M1"),
        _mx("mxint8", MXINT8, "8-bit integers times 2^-6"),
        NumberFormat(
            name="nvfp4",
            about="FP4 E2M1, blocks of 16 share an FP8 E4M3 scale, the tensor an FP32 one",
            element=E2M1,
            scaling=SharedE4M3(),
            source="NVIDIA Blackwell documentation, 2025",
        ),
        NumberFormat(
            name="binary",
            about="-1 and +1 times the mean magnitude",
            element=Signs(),
            scaling=TensorScale(by="mean"),
            source="Rastegari et al., XNOR-Net, ECCV 2016",
        ),
        NumberFormat(
            name="ternary",
            about="-1, 0 and +1 times a scale",
            element=Signs(ternary=True),
            scaling=TensorScale(by="ternary"),
            source="Li et al., Ternary Weight Networks, 2016",
        ),
    )
}


def _integer(width: str) -> NumberFormat:
    return linear(f"int{width}", Integer(width=int(width)), "integers with one FP32 scale a tensor, symmetric", SURVEY)


def _unsigned(width: str) -> NumberFormat:
    return linear(f"uint{width}", Integer(width=int(width), signed=False), "unsigned integers, one FP32 scale a tensor", SURVEY)


def _fixed_point(width: str, fraction: str) -> NumberFormat:
    element = Integer(width=int(width), fraction=int(fraction), symmetric=False)
    about = f"fixed point: two's complement times 2^-{fraction}, no scale"
    return NumberFormat(name=f"fixed{width}.{fraction}", about=about, element=element, source=SURVEY)


def _dynamic(width: str) -> NumberFormat:
    element = Integer(width=int(width), symmetric=False)
    about = "dynamic fixed point: a power of two for the tensor, so that nothing overflows"
    return NumberFormat(name=f"dfp{width}", about=about, element=element, scaling=TensorPower(), source=SURVEY)


def _log2(width: str) -> NumberFormat:
    about = "powers of two and zero below the largest magnitude: a multiplication is a shift"
    return NumberFormat(
        name=f"log2_{width}",
        about=about,
        element=Log2(width=int(width)),
        scaling=TensorPower(),
        source="Lee, Miyashita et al., LogNet, ICASSP 2017",
    )


def _codebook(entries: str) -> NumberFormat:
    n = int(entries)
    if not 2 <= n <= 65536:
        raise SpecError(f"a codebook of {n} entries", hint="2 to 65536 entries")
    about = f"indices into {n} FP16 values fitted by k-means"
    return NumberFormat(
        name=f"codebook{n}",
        about=about,
        element=FP16,
        codebook_bits=16,
        learns=n,
        source="Han et al., Deep Compression, ICLR 2016",
    )


def _grouped(width: str, group: str) -> NumberFormat:
    about = f"integers, groups of {group} share an FP16 scale, symmetric"
    if int(group) < 1:
        raise SpecError(f"groups of {group}", hint="1 or more elements share a scale")
    return NumberFormat(
        name=f"int{width}_g{group}",
        about=about,
        element=Integer(width=int(width)),
        scaling=SharedFP16(block=int(group)),
        source="Frantar et al., GPTQ, ICLR 2023 (group-wise variant)",
    )


_FAMILIES: tuple[tuple[str, str, Callable[..., NumberFormat]], ...] = (
    (r"int(\d+)_g(\d+)", "int4_g128", _grouped),
    (r"uint(\d+)", "uint8", _unsigned),
    (r"int(\d+)", "int8", _integer),
    (r"fixed(\d+)\.(\d+)", "fixed16.8", _fixed_point),
    (r"dfp(\d+)", "dfp8", _dynamic),
    (r"log2_(\d+)", "log2_4", _log2),
    (r"codebook(\d+)", "codebook16", _codebook),
)
_SHOWN = ("int16", "int8", "int4", "int4_g128", "uint8", "fixed16.8", "dfp8", "log2_4", "codebook256", "codebook16")


@cache
def number_format(name: str) -> NumberFormat:
    """The number format of this name; an unknown one is an error with the nearest name.

    >>> number_format("nvfp4").bits
    4.5
    """
    if name in _FIXED:
        return _FIXED[name]
    for pattern, _, make in _FAMILIES:
        if match := re.fullmatch(pattern, name):
            try:
                return make(*match.groups())
            except SpecError as e:
                raise e.located(f"number format {name!r}") from None
    raise unknown_name("number format", name, (*_FIXED, *(example for _, example, _ in _FAMILIES)))


def is_format_name(text: str) -> bool:
    """Whether the text is meant as the name of a number format, not as a number of bits."""
    return not text.strip().lstrip("+-").replace(".", "", 1).isdigit()


def formats() -> dict[str, NumberFormat]:
    """The formats of the fixed list, and of each family one or two members."""
    return _FIXED | {name: number_format(name) for name in _SHOWN}

"""Quantities with units: `108 KiB`, `16 b`, `200 MHz`, `0.9 V`, `2 pJ`, `8 pJ/b`, `64 b/cycle`, `25.6 GB/s`, `65 nm`.

Each kind of quantity has one base unit, in which the rest of the code counts: bits, pJ, Hz, V, mW, um2, nm, seconds,
bits per cycle, bits per second, pJ per bit. A number without a unit is refused, and so is a unit of another kind.
`b` is a bit and `B` a byte; KiB is 1024 bytes and kB 1000, so the ambiguous KB is refused.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from picojoule.errors import SpecError, unknown_name

_SI = {"a": -18, "f": -15, "p": -12, "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15}
PREFIXES = {p: float(10**power) for p, power in _SI.items() if power >= 0}  # those of large numbers
UNSIGNED = r"(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"  # how a number is written before a unit, without its sign


def _si(symbol: str, prefixes: str, base: int = 0) -> dict[str, Fraction]:
    """Units of `symbol` with SI prefixes; `base` is the power of ten of the base unit (pJ: -12). "1" means no prefix."""
    wanted = ["" if p == "1" else p for p in prefixes]
    return {p + symbol: Fraction(10) ** (_SI[p] - base) for p in wanted}


_SIZES = {
    "b": Fraction(1), "kb": Fraction(10**3), "Mb": Fraction(10**6), "Gb": Fraction(10**9), "Tb": Fraction(10**12),
    "Kib": Fraction(2**10), "Mib": Fraction(2**20), "Gib": Fraction(2**30),
    "B": Fraction(8), "kB": Fraction(8 * 10**3), "MB": Fraction(8 * 10**6), "GB": Fraction(8 * 10**9), "TB": Fraction(8 * 10**12),
    "KiB": Fraction(8 * 2**10), "MiB": Fraction(8 * 2**20), "GiB": Fraction(8 * 2**30), "TiB": Fraction(8 * 2**40),
}  # fmt: skip
_ENERGIES = _si("J", "afpnum1", -12)


@dataclass(frozen=True)
class Kind:
    """A kind of quantity: how it is called, its units with their size in the base unit, and an example to show."""

    name: str
    noun: str
    base: str
    example: str
    units: tuple[tuple[str, Fraction], ...]

    @property
    def scales(self) -> dict[str, Fraction]:
        return dict(self.units)


def _kind(name: str, noun: str, base: str, example: str, units: dict[str, Fraction]) -> Kind:
    return Kind(name, noun, base, example, tuple(units.items()))


KINDS = {
    k.name: k
    for k in (
        _kind("size", "a size", "b", "108 KiB", _SIZES),
        _kind("energy", "an energy", "pJ", "2 pJ", _ENERGIES),
        _kind("energy_per_bit", "an energy per bit", "pJ/b", "8 pJ/b",
              {**{f"{u}/b": s for u, s in _ENERGIES.items()}, **{f"{u}/B": s / 8 for u, s in _ENERGIES.items()}}),
        _kind("frequency", "a frequency", "Hz", "200 MHz", _si("Hz", "1kMG")),
        _kind("voltage", "a voltage", "V", "0.9 V", _si("V", "m1")),
        _kind("power", "a power", "mW", "30 mW", _si("W", "pnum1k", -3)),
        _kind("area", "an area", "um2", "12.25 mm2",
              {"nm2": Fraction(1, 10**6), "um2": Fraction(1), "mm2": Fraction(10**6), "cm2": Fraction(10**8)}),
        _kind("length", "a length", "nm", "65 nm", _si("m", "num", -9)),
        _kind("capacitance", "a capacitance", "fF", "1.2 fF", _si("F", "afpnu", -15)),
        _kind("resistance", "a resistance", "ohm", "20 kohm", _si("ohm", "m1kMG")),
        _kind("conductance", "a conductance", "S", "50 uS", _si("S", "pnum1")),
        _kind("time", "a time", "s", "5 ns", _si("s", "pnum1")),
        _kind("duration", "a time", "s", "33 ms", {**_si("s", "pnum1"), "min": Fraction(60), "h": Fraction(3600)}),
        _kind("bandwidth", "a bandwidth per cycle", "b/cycle", "64 b/cycle", {f"{u}/cycle": s for u, s in _SIZES.items()}),
        _kind("rate", "a bandwidth per second", "b/s", "25.6 GB/s", {f"{u}/s": s for u, s in _SIZES.items()}),
    )
}  # fmt: skip

_NUMBER = re.compile(rf"^\s*([+-]?{UNSIGNED}|[+-]?\.?(?:inf|nan|infinity))\s*(.*?)\s*$", re.I)
_SPELLINGS = {"bit": "b", "bits": "b", "byte": "B", "bytes": "B", "Gbps": "Gb/s", "Mbps": "Mb/s"}


@dataclass(frozen=True)
class Quantity:
    """A number in the base unit of its kind."""

    value: float
    kind: str


def parse(text: object, *kinds: str) -> Quantity:
    """The quantity written in `text`, which must be of one of the kinds; value in the base unit, correctly rounded.

    >>> parse("108 KiB", "size").value
    884736.0
    >>> parse("3.84 Gb/s", "bandwidth", "rate")
    Quantity(value=3840000000.0, kind='rate')
    """
    wanted = [KINDS[k] for k in kinds]
    needed = " or ".join(k.noun for k in wanted)
    match = None if isinstance(text, bool) else _NUMBER.match(str(text))
    if not match:
        raise SpecError(f"{str(text)!r} is not {needed}", hint=f"write a number and a unit, such as {_examples(wanted)}")
    number, unit = match.groups()
    if not unit:
        _refuse_bare(str(text).strip(), number, wanted, needed)
    unit = _spelt(unit)
    for kind in wanted:
        if unit in kind.scales:
            return Quantity(_scaled(number, unit, kind), kind.name)
    raise _wrong_unit(str(text).strip(), number, unit, wanted, needed)


def size_bits(text: object) -> int:
    """A size in whole bits."""
    bits = parse(text, "size").value
    if bits != int(bits):
        raise SpecError(f"{str(text)!r} is {bits:g} b, no whole number of bits", hint="round it to whole bits")
    return int(bits)


def show(value: float, kind: str) -> str:
    """The value, given in the base unit, with the unit that reads best. `parse` gives back exactly the same value.

    >>> show(884736, "size"), show(0.02, "energy"), show(2e8, "frequency")
    ('108 KiB', '0.02 pJ', '200 MHz')
    """
    if not math.isfinite(value):
        raise SpecError(f"{value} is no quantity", hint="quantities are finite")
    return _show_size(value) if kind == "size" and value == int(value) else _show_scaled(value, KINDS[kind])


def _show_size(bits: float) -> str:
    """The largest binary unit that holds the size in few digits; bits for what is no whole number of bytes."""
    whole = int(bits)
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        scaled = Fraction(whole) / _SIZES[unit]
        if scaled >= 1 and (scaled * 4).denominator == 1:
            return f"{float(scaled):g} {unit}" if scaled < 10**5 else f"{int(whole)} b"
    return f"{whole // 8} B" if whole % 8 == 0 and whole >= 128 else f"{whole} b"


def _show_scaled(value: float, kind: Kind) -> str:
    """The largest unit that leaves 1 to 1000 and reads back exactly; the base unit below 1 of it."""
    ladder = [] if "/" in kind.base else sorted(kind.units, key=lambda p: -p[1])
    for unit, scale in [*ladder, (kind.base, Fraction(1))]:
        number = f"{float(Fraction(value) / scale):.12g}"
        if (1 <= float(number) < 1000 or unit == kind.base) and _reads_back(number, unit, kind, value):
            return f"{number} {unit}"
    return f"{float(value)!r} {kind.base}"


def _reads_back(number: str, unit: str, kind: Kind, value: float) -> bool:
    return _scaled(number, unit, kind) == value


def _spelt(unit: str) -> str:
    """The unit as the tables spell it: micro signs, squares, `bits`, blanks around the slash."""
    unit = re.sub(r"\s*/\s*", "/", unit.replace("µ", "u").replace("μ", "u").replace("²", "2").replace("^2", "2"))
    unit = re.sub(r"\s+per\s+", "/", unit)
    return "/".join(_SPELLINGS.get(part, part) for part in _SPELLINGS.get(unit, unit).split("/"))


def _scaled(number: str, unit: str, kind: Kind) -> float:
    """number x unit in the base unit, rounded once; refuses what is negative or not finite."""
    text = f"{number} {unit}"
    try:
        exact = Decimal(number.replace("_", ""))
        finite = exact.is_finite() and abs(exact.adjusted()) < 400  # beyond any float, and slow as a fraction
        value = float(Fraction(exact) * kind.scales[unit]) if finite or exact.is_zero() else math.inf
    except (InvalidOperation, OverflowError):
        value = math.inf
    if not math.isfinite(value):
        raise SpecError(f"{text!r} is not finite", hint=f"{kind.noun} is a finite number, such as {kind.example!r}")
    if value < 0:
        raise SpecError(f"{text!r} is negative", hint=f"{kind.noun} is 0 or more")
    return value


def _refuse_bare(text: str, number: str, wanted: list[Kind], needed: str) -> None:
    if number.lstrip("+-.")[0].isalpha():
        raise SpecError(f"{text!r} is not finite", hint=f"write {needed} with its unit, such as {_examples(wanted)}")
    unit = wanted[0].example.split(" ", 1)[1]
    raise SpecError(f"{text!r} has no unit", hint=f"write {needed} with its unit, such as '{text} {unit}'")


def _wrong_unit(text: str, number: str, unit: str, wanted: list[Kind], needed: str) -> SpecError:
    """Says which other kind the unit is of, or which unit may be meant."""
    for other in KINDS.values():
        if unit in other.scales:
            return SpecError(f"{text!r} is {other.noun}, and {needed} is needed", hint=f"such as {_examples(wanted)}")
    head, slash, tail = unit.partition("/")
    if head in ("KB", "Kb"):
        i, k = head[0] + "i" + head[1], "k" + head[1]
        return SpecError(
            f"{text!r}: {head} may mean 1024 or 1000",
            hint=f"write '{number} {i}{slash}{tail}' for 1024 or '{number} {k}{slash}{tail}' for 1000",
        )
    known = [u for k in wanted for u in k.scales]
    same = [u for u in known if u.lower() == unit.lower()]
    if same:
        return SpecError(
            f"{text!r}: unknown unit {unit!r}", hint=f"did you mean {' or '.join(same)}? upper and lower case differ"
        )
    error = unknown_name("unit of time" if {k.noun for k in wanted} == {"a time"} else "unit", unit, known)
    return SpecError(f"{text!r}: {error.problem}", hint=error.hint)


def _examples(wanted: list[Kind]) -> str:
    return " or ".join(repr(k.example) for k in wanted)

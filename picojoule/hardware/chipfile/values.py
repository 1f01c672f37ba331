"""The kinds of values that a chip file's keys may have: how each is read, and its part of the JSON schema."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from picojoule.ask import ROLES
from picojoule.errors import SpecError, unknown_name
from picojoule.formats.names import is_format_name, number_format
from picojoule.hardware.chip import OPERANDS, SCOPES, SPEEDS, WAITS
from picojoule.hardware.compression import KINDS as FORMATS
from picojoule.hardware.compression import NAMED
from picojoule.hardware.vector_unit import DRAINS
from picojoule.hardware.vector_unit import KINDS as OPERATIONS
from picojoule.hardware.vector_unit import SCALINGS as UNIT_SCALINGS
from picojoule.quantities.located_yaml import describe
from picojoule.quantities.units import KINDS, Quantity, parse, size_bits
from picojoule.workload import kinds

ALIASES = {"I": "input", "W": "weight", "O": "output", "inputs": "input", "weights": "weight", "outputs": "output"}


def _scalar(value: object, kinds: tuple[str, ...]) -> object:
    """Refuses lists and blocks where a quantity belongs."""
    if isinstance(value, list | dict):
        needed = " or ".join(KINDS[k].noun for k in kinds)
        raise SpecError(f"{needed} is needed here, not {describe(value)}", hint=f"such as {KINDS[kinds[0]].example!r}")
    return value


def _plain(kind: str, *, positive: bool = False) -> Callable[[object], float]:
    def read(value: object) -> float:
        number = parse(_scalar(value, (kind,)), kind).value
        if positive and not number:
            raise SpecError(f"{str(value)!r} is zero", hint=f"{KINDS[kind].noun} above zero, such as {KINDS[kind].example!r}")
        return number

    return read


def _known(*kinds: str) -> Callable[[object], Quantity | None]:
    """Reads a quantity that may be `unknown`, which is None and never zero."""

    def read(value: object) -> Quantity | None:
        return None if value == "unknown" else parse(_scalar(value, kinds), *kinds)

    return read


def _rate(value: object) -> Quantity | None:
    if value == "unlimited":
        return None
    quantity = parse(_scalar(value, ("bandwidth", "rate")), "bandwidth", "rate")
    if not quantity.value:
        raise SpecError(f"{str(value)!r} is zero", hint="give a positive bandwidth, or `unlimited`")
    return quantity


def _size(value: object) -> int:
    bits = size_bits(_scalar(value, ("size",)))
    if bits < 1:
        raise SpecError(f"{str(value)!r} is zero", hint="a size above zero, such as '108 KiB'; leave it out for a bypass")
    return bits


def _operands(value: object) -> tuple[int, str]:
    """(bits, "") of a width, or (bits of an element, name) of a number format."""
    if isinstance(value, str) and is_format_name(value.split()[0] if value.split() else value):
        found = number_format(value)
        return found.element_bits, found.name
    return _size(value), ""


def _roles(value: object) -> tuple[str, ...]:
    if value == "all":
        return ROLES
    if value == "none":
        return ()
    if not isinstance(value, str | list) or (isinstance(value, list) and not all(isinstance(v, str) for v in value)):
        raise SpecError(f"tensors are needed here, not {describe(value)}", hint="all, none, or a list such as [input, weight]")
    given = [ALIASES.get(v, v) for v in ([value] if isinstance(value, str) else value)]
    for role, written in zip(given, [value] if isinstance(value, str) else value, strict=True):
        if role not in ROLES:
            raise unknown_name("tensor", str(written), (*ROLES, "all", "none"))
        if given.count(role) > 1:
            raise SpecError(f"{role!r} is listed twice", hint="list each tensor once")
    return tuple(given)


def _name(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_][\w.-]*", value):
        raise SpecError(
            f"a name is needed here, not {describe(value)}", hint="letters, digits, '_', '.' and '-', such as global_buffer"
        )
    return value


def _dims(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, str) or not re.fullmatch(r"[A-Za-z_]+", item):
            raise SpecError(f"dimensions are needed here, not {describe(item)}", hint="letters, such as [K, C]")
    return tuple(items)


def _axis_names(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, str):
            raise SpecError(f"axes are needed here, not {describe(item)}", hint="names of axes, such as [X]")
        if items.count(item) > 1:
            raise SpecError(f"axis {item!r} is listed twice", hint="list each axis once")
    return tuple(items)


def _kinds(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    for item in items:
        if item not in kinds.KINDS:
            raise unknown_name("kind of dimension", str(item), kinds.KINDS)
    return tuple(items)


def _fanout(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise SpecError(f"a whole number of instances is needed here, not {describe(value)}", hint="such as 16")
    if value < 1:
        raise SpecError(f"a fan-out of {value}", hint="a fan-out is 1 or more")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise SpecError(f"text is needed here, not {describe(value)}", hint="put it in quotes")
    return " ".join(value.split())


def _word(kind: str, known: tuple[str, ...]) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in known:
            raise unknown_name(kind, str(value), known)
        return str(value)

    return read


def _words(kind: str, known: tuple[str, ...]) -> Callable[[object], tuple[str, ...]]:
    """Reads one word or a list of words, each once."""

    def read(value: object) -> tuple[str, ...]:
        items = value if isinstance(value, list) else [value]
        for item in items:
            if item not in known:
                raise unknown_name(kind, str(item), known)
            if items.count(item) > 1:
                raise SpecError(f"{item!r} is listed twice", hint="list each once")
        return tuple(items)

    return read


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SpecError(f"a number is needed here, not {describe(value)}", hint="such as 0.5")
    return float(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise SpecError(f"a whole number is needed here, not {describe(value)}", hint="such as 128")
    return value


def _bits(value: object) -> int:
    return size_bits(_scalar(value, ("size",)))


def _role(value: object) -> str:
    (role,) = _roles(value) if isinstance(value, str) and value not in ("all", "none") else ("",)
    if not role:
        raise unknown_name("tensor", str(value), ROLES)
    return role


def _leaders(value: object) -> tuple[str, ...]:
    given = _roles(value)
    for role in given:
        if role not in OPERANDS:
            raise unknown_name("operand", role, OPERANDS)
    return given


def _positive(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SpecError(f"a number is needed here, not {describe(value)}", hint="such as 1")
    if not 0 < value < float("inf"):
        raise SpecError(f"{value} is not a positive, finite number", hint="such as 1")
    return float(value)


def _schema(*kinds: str, also: str = "") -> WithJsonSchema:
    examples = [KINDS[k].example for k in kinds] + ([also] if also else [])
    return WithJsonSchema({"type": "string", "examples": examples})


_ROLE_NAMES = [*ROLES, *ALIASES]
_ROLES_SCHEMA = WithJsonSchema(
    {"anyOf": [{"enum": ["all", "none", *_ROLE_NAMES]}, {"type": "array", "items": {"enum": _ROLE_NAMES}, "uniqueItems": True}]}
)
_DIMS_SCHEMA = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})

Name = Annotated[str, BeforeValidator(_name), WithJsonSchema({"type": "string", "pattern": r"^[A-Za-z_][\w.-]*$"})]
Text = Annotated[str, BeforeValidator(_text)]
Size = Annotated[int, BeforeValidator(_size), _schema("size")]
AccessEnergy = Annotated[
    Quantity | None, BeforeValidator(_known("energy", "energy_per_bit")), _schema("energy", "energy_per_bit", also="unknown")
]
Power = Annotated[Quantity | None, BeforeValidator(_known("power")), _schema("power", also="unknown")]
Area = Annotated[Quantity | None, BeforeValidator(_known("area")), _schema("area", also="unknown")]
Operands = Annotated[tuple[int, str], BeforeValidator(_operands), _schema("size", also="fp8_e4m3")]
Rate = Annotated[Quantity | None, BeforeValidator(_rate), _schema("bandwidth", "rate", also="unlimited")]
Role = Annotated[str, BeforeValidator(_role), WithJsonSchema({"enum": _ROLE_NAMES})]
Leaders = Annotated[tuple[str, ...], BeforeValidator(_leaders), _ROLES_SCHEMA]
Roles = Annotated[tuple[str, ...], BeforeValidator(_roles), _ROLES_SCHEMA]
Dims = Annotated[tuple[str, ...], BeforeValidator(_dims), _DIMS_SCHEMA]
AxisNames = Annotated[tuple[str, ...], BeforeValidator(_axis_names), _DIMS_SCHEMA]
Kinds = Annotated[
    tuple[str, ...],
    BeforeValidator(_kinds),
    WithJsonSchema({"type": "array", "items": {"enum": list(kinds.KINDS)}, "uniqueItems": True}),
]
Places = Annotated[int, BeforeValidator(_fanout), WithJsonSchema({"type": "integer", "minimum": 1})]
_DIRECTIONS, _SCALINGS = ("read", "write", "readwrite"), ("none", "quadratic")
Direction = Annotated[str, BeforeValidator(_word("port direction", _DIRECTIONS)), WithJsonSchema({"enum": list(_DIRECTIONS)})]
Scaling = Annotated[str, BeforeValidator(_word("MAC energy scaling", _SCALINGS)), WithJsonSchema({"enum": list(_SCALINGS)})]
FormatKind = Annotated[str, BeforeValidator(_word("format", FORMATS)), WithJsonSchema({"enum": list(FORMATS)})]
NamedFormat = Annotated[str, BeforeValidator(_word("format", tuple(NAMED))), WithJsonSchema({"enum": list(NAMED)})]
_SIZED = ("worst", "expected")
Sized = Annotated[str, BeforeValidator(_word("sized_for", _SIZED)), WithJsonSchema({"enum": list(_SIZED)})]
Waits = Annotated[str, BeforeValidator(_word("time to wait", WAITS)), WithJsonSchema({"enum": list(WAITS)})]
Speed = Annotated[str, BeforeValidator(_word("speed", SPEEDS)), WithJsonSchema({"enum": list(SPEEDS)})]
Counted = Annotated[str, BeforeValidator(_word("kind of operation", OPERATIONS)), WithJsonSchema({"enum": list(OPERATIONS)})]
UnitScaling = Annotated[
    str, BeforeValidator(_word("scaling of a vector unit", UNIT_SCALINGS)), WithJsonSchema({"enum": list(UNIT_SCALINGS)})
]
OperationKinds = Annotated[
    tuple[str, ...],
    BeforeValidator(_words("kind of operation", OPERATIONS)),
    WithJsonSchema({"type": "array", "items": {"enum": list(OPERATIONS)}, "uniqueItems": True, "minItems": 1}),
]
Drained = Annotated[
    tuple[str, ...],
    BeforeValidator(_words("operator of the drain path", DRAINS)),
    WithJsonSchema({"type": "array", "items": {"enum": list(DRAINS)}, "uniqueItems": True}),
]
PerCycle = Annotated[float, BeforeValidator(_positive), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})]


def _hops(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise SpecError(f"a number of hops is needed here, not {describe(value)}", hint="such as 2.5, the mean over all places")
    return float(value)


Hops = Annotated[float, BeforeValidator(_hops), WithJsonSchema({"type": "number", "minimum": 0})]


def _as(kind: str, *, positive: bool = False) -> Any:
    return BeforeValidator(_plain(kind, positive=positive))


def _siemens(value: object) -> float:
    """A conductance, written as such or as a resistance."""
    quantity = parse(_scalar(value, ("resistance", "conductance")), "resistance", "conductance")
    if quantity.kind == "conductance":
        return quantity.value
    if not quantity.value:
        raise SpecError(f"{str(value)!r} conducts without bound", hint="such as 2 kohm")
    return 1 / quantity.value


Energy = Annotated[float, _as("energy"), _schema("energy")]
Seconds = Annotated[float, _as("time"), _schema("time")]
Volts = Annotated[float, _as("voltage"), _schema("voltage")]
SquareMicrons = Annotated[float, _as("area"), _schema("area")]
Siemens = Annotated[float, BeforeValidator(_siemens), _schema("resistance", "conductance")]
Femtofarads = Annotated[float, _as("capacitance"), _schema("capacitance")]
Hertz = Annotated[float, _as("frequency", positive=True), _schema("frequency")]
Number = Annotated[float, BeforeValidator(_number), WithJsonSchema({"type": "number"})]
Count = Annotated[int, BeforeValidator(_count), WithJsonSchema({"type": "integer"})]
Bits = Annotated[int, BeforeValidator(_bits), _schema("size")]
Milliwatts = Annotated[float, _as("power"), _schema("power")]
Length = Annotated[float | None, _as("length", positive=True), _schema("length")]
Supply = Annotated[float | None, _as("voltage", positive=True), _schema("voltage")]
Scope = Annotated[str, BeforeValidator(_word("scope", SCOPES)), WithJsonSchema({"enum": list(SCOPES)})]

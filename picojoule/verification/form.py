"""The form of a stored result: which fields it has, of which kind each is, and which of them nobody can check.

`pj verify` reads no field before its form is known to be right, so that a damaged file is answered with its first fault and
never with an error of Python's. Fields that say what was asked, free text, times and the search's own account of its effort
cannot be wrong by themselves: `unchecked` names those that a result has, so that a reader knows not to rely on them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

ASKED = "what was asked: the result is checked for it, not it"
TEXT = "free text"
TIME = "a time that was measured"
EFFORT = "the search's own account of its effort"
OPERATORS = "checked by their own rules, as far as the totals count them"
FLOOR = "a floor that was not found again"
LINES = "bounds of a search that was stopped, not proved again"
SLOPES = "the slopes of a search for hulls, and no layer has one"
UNKNOWN = "not known to this version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form(ABC):
    """A value of a stored result. `why`: why nobody checks it ("" where it is checked, by other means than its form)."""

    why: str = ""

    @abstractmethod
    def faults(self, value: Any, at: str) -> Iterator[str]:
        """What is wrong with the value that stands at this place."""

    def unchecked(self, value: Any, at: str) -> Iterator[tuple[str, str]]:
        """(place, why) of every field in a value of the right form that is not checked; places of rows are alike."""
        if self.why:
            yield at, self.why


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Form):
    """A finite number; `whole`: an integer; `none`: or null; `endless`: or infinity."""

    least: float = -math.inf
    most: float = 1e300
    whole: bool = False
    none: bool = False
    endless: bool = False

    def faults(self, value: Any, at: str) -> Iterator[str]:
        if (value is None and self.none) or (self.endless and isinstance(value, float) and value == math.inf):
            return
        kinds = int if self.whole else (int, float)
        if not isinstance(value, kinds) or isinstance(value, bool):
            yield f"{at}: {_shown(value)} is no {'integer' if self.whole else 'number'}"
        elif not self.least <= value <= self.most:
            yield f"{at}: {_shown(value)} does not lie from {self.least:g} to {self.most:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Form):
    def faults(self, value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield f"{at}: {_shown(value)} is no text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth(Form):
    def faults(self, value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, bool):
            yield f"{at}: {_shown(value)} is neither true nor false"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anything(Form):
    """A block that another reader takes apart, with errors of its own."""

    def faults(self, value: Any, at: str) -> Iterator[str]:
        return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows(Form):
    """A list of values alike."""

    of: Form
    least: int = 0
    most: float = math.inf

    def faults(self, value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{at}: {_shown(value)} is no list"
            return
        if not self.least <= len(value) <= self.most:
            yield f"{at}: {len(value)} entries, and not from {self.least} to {self.most:g}"
        for i, x in enumerate(value):
            yield from self.of.faults(x, f"{at}[{i}]")

    def unchecked(self, value: Any, at: str) -> Iterator[tuple[str, str]]:
        if self.why:
            yield at, self.why
            return
        for x in value:
            yield from self.of.unchecked(x, f"{at}[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair(Form):
    """A list of two."""

    first: Form
    second: Form

    def faults(self, value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, list) or len(value) != 2:
            yield f"{at}: {_shown(value)} is no pair"
            return
        yield from self.first.faults(value[0], f"{at}[0]")
        yield from self.second.faults(value[1], f"{at}[1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Form):
    """Names with values alike."""

    of: Form

    def faults(self, value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{at}: {_shown(value)} is no block of names"
            return
        for k, x in value.items():
            yield from self.of.faults(x, f"{at}.{k}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(Form):
    """Fields of their own forms. `perhaps` may be absent; a field that is in neither is not known, and not checked."""

    fields: dict[str, Form]
    perhaps: dict[str, Form] = field(default_factory=dict)

    def faults(self, value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{at or 'result'}: {_shown(value)} is no block of fields"
            return
        for key, form in {**self.fields, **self.perhaps}.items():
            place = f"{at}.{key}" if at else key
            if key in value:
                yield from form.faults(value[key], place)
            elif key in self.fields:
                yield f"{place} is missing"

    def unchecked(self, value: Any, at: str) -> Iterator[tuple[str, str]]:
        if self.why:
            yield at, self.why
            return
        known = {**self.fields, **self.perhaps}
        for key, x in value.items():
            place = f"{at}.{key}" if at else key
            yield from known[key].unchecked(x, place) if key in known else iter([(place, UNKNOWN)])


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


MANY = 1e15  # whole numbers beyond are not exact as floating-point ones
_NUMBER, _SIZE = Number(), Number(least=0.0)
_GAP = Number(least=0.0, none=True, endless=True)  # null in JSON where nothing is known to bound the value
_COUNT, _SOME = Number(least=0, most=MANY, whole=True), Number(least=1, most=MANY, whole=True)
_POINT = Record(fields={"energy_pj": _NUMBER, "cycles": _SIZE, "mapping": Text()})
_CONTRIBUTION = Record(
    fields={"component": Text(), "tensor": Text(), "action": Text(), "count": _NUMBER, "pj_each": _NUMBER, "energy_pj": _NUMBER},
    perhaps={"source": Text(why=TEXT)},
)
_COST: dict[str, Form] = {
    "macs": Number(least=0, whole=True),
    "energy_pj": _NUMBER,
    "cycles": _SIZE,
    "latency_s": _SIZE,
    "edp_js": _NUMBER,
    "utilization": _SIZE,
    "macs_done": _SIZE,
    "peak_macs_per_cycle": _SIZE,
    "bound_by": Text(),
    "area_um2": Number(least=0.0, none=True),
    "energy_pj_by_level": Table(of=_NUMBER),
    "energy_pj_by_tensor": Table(of=_NUMBER),
    "cycles_by_cause": Table(of=_SIZE),
    "contributions": Rows(of=_CONTRIBUTION),
}
_CLAIM: dict[str, Form] = {
    "objective": Text(),
    "space": Text(),
    "accounting": Text(),
    "proved": Truth(),
    "gap": _GAP,
    "energy_pj": _NUMBER,
    "cycles": _SIZE,
    "value": _SIZE,
    "lower_bound": _SIZE,
    "mapping": Text(),
}
_RANK = Record(
    fields={
        "terms": Rows(of=Pair(first=_SOME, second=Text())),
        "offset": Number(least=-MANY, most=MANY, whole=True),
        "size": Number(least=0, most=MANY, whole=True, none=True),
    }
)
_TENSOR = Record(
    fields={
        "name": Text(),
        "role": Text(),
        "bits": Number(least=0.0, most=MANY),
        "density": _SIZE,
        "learned": Truth(),
        "ranks": Rows(of=_RANK),
    },
    perhaps={"number": Text(), "zeros": Anything(), "values": Anything()},
)
_SHAPE = Record(
    fields={"name": Text(), "op": Text(), "dims": Table(of=_SOME), "tensors": Rows(of=_TENSOR, least=1)},
    perhaps={"note": Text()},
    why=ASKED,
)
PLACED = Record(
    fields={**_CLAIM, "placements": Number(least=1, most=MANY, whole=True, why=EFFORT), "floor_pj": _SIZE, "floor_cycles": _SIZE}
)
SEARCHED = Record(
    fields={
        **_CLAIM,
        "outermost_tiles": Table(of=Rows(of=_COUNT)),
        "borders": Rows(of=Text()),
        "patterns": Number(least=0, most=MANY, whole=True, why=EFFORT),
        "spatial_opened": Number(least=0, most=MANY, whole=True, why=EFFORT),
        "spatial_closed": Number(least=0, most=MANY, whole=True, why=EFFORT),
        "ports_in_labels": Rows(of=Text(), why=EFFORT),
        "tolerance": _SIZE,
        "outside_the_proof": Rows(of=Text()),
    },
    perhaps={
        "slopes_pj_per_cycle": Rows(of=_SIZE, least=2, most=2),
        "hull": Rows(of=_POINT, least=1),
        "lines": Rows(of=Pair(first=_SIZE, second=_SIZE), most=3),
        "latency_cycles": _SIZE,
    },
)
_LAYER: dict[str, Form] = {
    "name": Text(),
    "op": Text(),
    "objective": Text(),
    **_COST,
    "proved": Truth(),
    "gap": _GAP,
    "search_cpu_s": Number(why=TIME),
    "mapping": Text(),
    "certificate": Anything(),  # of one of two forms: see `faults`
    "front": Rows(of=_POINT, least=1),
    "layer": _SHAPE,
}
ALONE = Record(fields={**_LAYER, "chip_yaml": Text(why=ASKED)}, perhaps={"format": Text(), "picojoule": Text(why=TEXT)})
ONE_OF_MANY = Record(
    fields={**_LAYER, "names": Rows(of=Text(), least=1, why=TEXT), "count": Number(least=1, most=MANY, whole=True)}
)
_NETWORK_CLAIM = Record(
    fields={
        "objective": Text(),
        "space": Text(),
        "layers": _SOME,
        "proved": Truth(),
        "gap": _GAP,
        "value": _SIZE,
        "lower_bound": _SIZE,
    },
    perhaps={
        "slope_pj_per_cycle": _SIZE,
        "slopes": Rows(of=_SIZE, least=2, most=2),
        "energy_pj": _NUMBER,
        "cycles": _SIZE,
        "floor_pj": _SIZE,
        "floor_cycles": _SIZE,
        "front": Rows(of=Record(fields={"energy_pj": _NUMBER, "cycles": _SIZE, "picks": Rows(of=_COUNT)}), least=1),
        "latency_limit_cycles": Number(least=0.0, why=ASKED),
        "copies_alike": Truth(),
        "interrupted": Truth(why=EFFORT),
        "operators": Record(fields={"energy_pj": _NUMBER, "cycles": _SIZE, "inside": Text(why=TEXT)}),
    },
)
_TOTALS = Record(
    fields={
        "energy_pj": _NUMBER,
        "cycles": _SIZE,
        "latency_s": _SIZE,
        "edp_js": _NUMBER,
        "macs": Number(least=0, whole=True),
        "utilization": _SIZE,
        "proved": Truth(),
        "gap": _GAP,
        "search_cpu_s": Number(why=TIME),
        "compile_cpu_s": Number(why=TIME),
        "batch": Number(least=1, most=MANY, whole=True, why=ASKED),
        "energy_per_inference_pj": _NUMBER,
        "inferences_per_s": _SIZE,
        "operators": Text(),
        "operators_energy_pj": _NUMBER,
        "operators_cycles": _SIZE,
        "at_least": Truth(),
    }
)
NETWORK = Record(
    fields={
        "format": Text(),
        "picojoule": Text(why=TEXT),
        "model": Text(why=TEXT),
        "chip": Text(),
        "objective": Text(),
        "totals": _TOTALS,
        "layers": Rows(of=ONE_OF_MANY, least=1),
        "certificate": _NETWORK_CLAIM,
        "vector_ops": Anything(why=OPERATORS),
        "notes": Rows(of=Text(), why=TEXT),
        "chip_yaml": Text(why=ASKED),
    }
)


def faults(result: dict[str, Any]) -> list[str]:
    """What is wrong with the form of a result, place by place; empty where every field can be read."""
    form = NETWORK if "layers" in result else ALONE
    found = list(form.faults(result, ""))
    if not found:
        for at, entry in _entries(result):
            found += _claim(entry["certificate"]).faults(entry["certificate"], f"{at}certificate")
    return found


def unchecked(result: dict[str, Any]) -> dict[str, str]:
    """Place -> why, of every field of a result of the right form that is not checked. Rows share a place: `layers[].name`."""
    form = NETWORK if "layers" in result else ALONE
    out = dict(form.unchecked(result, ""))
    for at, entry in _entries(result):
        at = "layers[]." if at else ""
        out.update(_claim(entry["certificate"]).unchecked(entry["certificate"], f"{at}certificate"))
    return out


def _entries(result: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(where, entry) of each layer."""
    return [(f"layers[{i}].", x) for i, x in enumerate(result["layers"])] if "layers" in result else [("", result)]


def _claim(certificate: Any) -> Record:
    return PLACED if isinstance(certificate, dict) and certificate.get("space") == "placement" else SEARCHED

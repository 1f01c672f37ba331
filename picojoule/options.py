"""Values of command line options, read from the text a user types; every mistake names the option and what to write."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from picojoule.ask import OBJECTIVES, ROLES
from picojoule.errors import SpecError, unknown_name
from picojoule.files import read_text
from picojoule.formats.names import is_format_name, number_format
from picojoule.quantities.units import parse


def seconds(text: str | None, option: str) -> float | None:
    """`33ms` -> 0.033. The unit is written: s, ms, us, ns, min or h."""
    if text is None:
        return None
    try:
        value = parse(text, "duration").value
    except SpecError as e:
        raise e.located(option) from None
    if value <= 0:
        raise SpecError(f"{text!r} is no time", where=option, hint="write a positive number with its unit, such as 33ms or 1.5s")
    return value


def choice(text: str, known: Sequence[str], option: str) -> str:
    """The text itself if it is one of `known`."""
    if text not in known:
        raise unknown_name("value", text, known, option)
    return text


def dataflow(text: str | None) -> str:
    """The dataflow; without one the mapping is free."""
    return "free" if text is None else text


def objective(text: str | None, latency_s: float | None) -> str:
    """The objective; without one it is edp, or energy where a latency bounds it."""
    if text is None:
        return "edp" if latency_s is None else "energy"
    goal = choice(text, OBJECTIVES, "--objective")
    if latency_s is not None and goal != "energy":
        raise SpecError(
            f"a latency limit does not go with {goal!r}",
            where="--latency",
            hint="it asks for the least energy: leave out --objective",
        )
    return goal


def bits(text: str | None) -> int | str | dict[str, int | str] | None:
    """`8` -> 8; `weight=4,input=8,output=16` -> one width a role; number formats go by name: `mxfp4`, `weight=int4_g128`."""
    if text is None:
        return None
    if "=" not in text:
        return _width(text)
    out: dict[str, int | str] = {}
    for part in text.split(","):
        role, _, number = (x.strip() for x in part.partition("="))
        if role not in ROLES:
            raise unknown_name("tensor role", role, ROLES, "--bits")
        if role in out:
            raise SpecError(f"{role!r} is given twice", where="--bits", hint="give each role once")
        out[role] = _width(number)
    return out


def one_width(text: str | None) -> int | None:
    """`8` -> 8: one width for every tensor."""
    given = bits(text)
    if isinstance(given, dict | str):
        raise SpecError(f"{text!r}: one width for every tensor is needed", where="--bits", hint="such as --bits 8")
    return given


def nothing(value: object, option: str, why: str) -> None:
    """An option that does not go with the others."""
    if value is not None:
        raise SpecError(f"it does not go with the other options: {why}", where=option, hint="leave it out")


def dims(pairs: Iterable[str]) -> dict[str, int]:
    """`seq=128`, any number of times -> {"seq": 128}."""
    out: dict[str, int] = {}
    for pair in pairs:
        name, sign, number = (x.strip() for x in pair.partition("="))
        if not sign or not name:
            raise SpecError(f"{pair!r} is no dimension", where="--dim", hint="write name=value, such as --dim seq=128")
        if name in out:
            raise SpecError(f"{name!r} is given twice", where="--dim", hint="give each dimension once")
        out[name] = _number(number, "--dim", 0)  # 0: a cache that is empty at the first token
    return out


def values(pairs: Iterable[str]) -> dict[str, int | float | str]:
    """`N=2`, any number of times -> {"N": 2}: numbers where they are numbers, else text."""
    out: dict[str, int | float | str] = {}
    for pair in pairs:
        name, sign, value = (x.strip() for x in pair.partition("="))
        if not sign or not name.isidentifier() or not value:
            raise SpecError(f"{pair!r} sets nothing", where="--set", hint="write NAME=VALUE, such as --set N_EINSUMS=2")
        try:
            number = float(value)
            out[name] = int(value) if value.lstrip("+-").isdigit() else number
        except ValueError:
            out[name] = value
    return out


def some(items: Sequence[str], option: str) -> list[str]:
    """The items, of which there is at least one."""
    if not items:
        raise SpecError("nothing is given", where=option, hint="name at least one file")
    return list(items)


def decimals(text: str, option: str) -> list[float]:
    """`0,0.05,0.1` -> [0.0, 0.05, 0.1]."""
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(math.isfinite(v) for v in found):
        raise SpecError(f"{text!r} is no list of numbers", where=option, hint="write them with commas between, such as 0,0.05")
    return found


def positive(number: int | None, option: str) -> int | None:
    """The number itself if it is 1 or more."""
    if number is not None and number < 1:
        raise SpecError(f"{number} is too small", where=option, hint="give 1 or more")
    return number


def span(text: str | None, option: str) -> tuple[float, float] | None:
    """`5..16` -> (5, 16); one number is both ends."""
    if text is None:
        return None
    ends = text.split("..")
    try:
        low, high = float(ends[0]), float(ends[-1])
    except ValueError:
        low = high = math.nan
    if len(ends) > 2 or not (math.isfinite(low) and math.isfinite(high)):
        raise SpecError(f"{text!r} is no range", where=option, hint="such as 2016..2020, or one number")
    return low, high


def nanometres(text: str | None, option: str) -> float | None:
    """`28nm` or `28 nm` -> 28."""
    if text is None:
        return None
    try:
        value = parse(text, "length").value
    except SpecError:
        value = 0.0
    if value <= 0:
        raise SpecError(f"{text!r} is no node", where=option, hint="such as 28nm")
    return value


def fraction(text: str, option: str) -> float:
    """A number above 0, up to 1."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1:
        raise SpecError(f"{text!r} is no fraction", where=option, hint="write a number above 0, up to 1, such as 0.25")
    return number


def points(text: str, option: str) -> float:
    """`1%` or `1` -> 1.0: percentage points of accuracy."""
    try:
        value = float(text.strip().removesuffix("%"))
    except ValueError:
        value = math.nan
    if not 0 < value < 100:
        raise SpecError(f"{text!r} is no loss of accuracy", where=option, hint="write points above 0, such as 1% or 0.5")
    return value


def words(text: str, nothing: str = "") -> tuple[str, ...]:
    """`a, b` -> ("a", "b"); the word `nothing` stands for an empty list."""
    found = tuple(w.strip() for w in text.split(",") if w.strip())
    return () if nothing and found == (nothing,) else found


def numbers(text: str, option: str, least: int = 1) -> tuple[int, ...]:
    """`4,16` -> (4, 16): whole numbers, `least` or more."""
    return tuple(_number(w, option, least) for w in words(text))


def is_nest(text: str) -> bool:
    """Whether a text begins as the mapping of a layer does, `DRAM{A,B,Z}; ...`, and not as a schedule of jobs."""
    return re.match(r"\s*(home\s+)?[\w.-]+\s*\{", text) is not None


def text_or_file(text: str, what: str) -> tuple[str, str]:
    """(content, where): the argument itself, or what the file of that name holds: a mapping, or a schedule."""
    path = Path(text)
    try:
        is_file, is_folder = path.is_file(), path.is_dir()
    except OSError:  # a long text is no path
        is_file = is_folder = False
    if is_folder:
        raise SpecError(f"{text} is a folder", where=what, hint="name a file, or write the text itself")
    if is_file:
        return read_text(path), str(path)
    if not re.search(r"[{;]|->", text):
        hint = "name an existing file, or write it out, such as 'DRAM{A,B,Z}; m4; Buffer{A}; ...'"
        raise SpecError(f"{text!r} is neither a file nor a mapping", where=what, hint=hint)
    return text, what


def place_for(path: Path | None) -> Path | None:
    """The path, if a file can be written there; its folder is made. Asked before a long search, not after it."""
    if path is None:
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise SpecError(f"cannot write there: {e.strerror}", where=str(path), hint="choose another place") from None
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        what = "this is a folder" if path.is_dir() else "its folder is read-only"
        raise SpecError(f"cannot write there: {what}", where=str(path), hint="name a file, such as report.html")
    return path


def write_text(path: Path, text: str) -> None:
    """Write a file; a place that cannot be written is an error of the input."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as e:
        raise SpecError(f"cannot write it: {e.strerror}", where=str(path), hint="choose another place") from None


def _width(text: str) -> int | str:
    """A number of bits, or the name of a number format."""
    if not is_format_name(text):
        return _positive(text, "--bits")
    try:
        return number_format(text).name
    except SpecError as e:
        raise e.located("--bits") from None


def _positive(text: str, option: str) -> int:
    return _number(text, option, 1)


def _number(text: str, option: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        kind = "positive integer" if least else "whole number"
        raise SpecError(f"{text!r} is no {kind}", where=option, hint=f"write a whole number, {least} or more")
    return number

"""The errors a user may see: what is wrong in the user's words, where it is, and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PicojouleError(ValueError):
    """Base of every error caused by the input. Anything else that escapes is a bug of ours.

    `problem` says what is wrong, `where` is `file:line:column` (or what stands in for it), `hint` what to do next.
    """

    def __init__(self, problem: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(f"{where}: {problem}" if where else problem)
        self.problem, self.where, self.hint = problem, where, hint

    def located(self, where: str) -> PicojouleError:
        """The same error with its place, unless it already has one."""
        return self if self.where else type(self)(self.problem, where=where, hint=self.hint)

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\nhint: {self.hint}" if self.hint else text


class SpecError(PicojouleError):
    """A chip, layer, network, constraint or option that cannot be what was meant."""


class MappingError(PicojouleError):
    """A mapping that breaks a rule of the mapspace, or does not fit the chip."""


class NoMapping(PicojouleError):
    """No mapping of a layer fits a chip; names tensor, memory, need and capacity."""


def unknown_name(kind: str, name: str, known: Iterable[str], where: str = "") -> SpecError:
    """`eyeriss.yaml:14:11: unknown tensor 'Ouputs'`, with the closest known name as the hint."""
    names = sorted(set(known))
    near = nearest(name, names)
    guess = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return SpecError(f"unknown {kind} {name!r}", where=where, hint=f"{guess}known: {', '.join(names)}")


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Which of the names was probably meant: the likeliest, up to three that begin alike, or none."""
    names = sorted(set(names))
    begun = [n for n in names if name and n.startswith(str(name))]  # `fp8` is the beginning of what was meant,
    forgot = [n for n in begun if len(n) == len(str(name)) + 1]  # `eyeris` lacks one letter
    return forgot or begun[:3] or difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)

"""Names of the peers as ours: roles of tensors, and dimensions without digits (ours are letters, as a bound follows them)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from picojoule.errors import SpecError
from picojoule.workload.layer import Layer

ROLE_WORDS = {
    "weight": ("weight", "weights", "filter", "filters", "kernel", "w", "i2"),
    "input": ("input", "inputs", "ifmap", "activation", "activations", "iact", "i", "i1", "a"),
    "output": ("output", "outputs", "ofmap", "psum", "psums", "o", "z"),
}


def usual_role(name: str) -> str | None:
    """The role that a tensor of this name usually has; None where the name does not tell. `B` is the second operand: weight."""
    word = name.lower()
    if word == "b":
        return "weight"
    return next((role for role, words in ROLE_WORDS.items() if word in words), None)


def roles_of(operands: list[str], output: str, where: str) -> dict[str, str]:
    """Role by tensor: the operands by their usual names, else the first is the input and the second the weight."""
    if not 1 <= len(operands) <= 2:
        raise SpecError(
            f"{len(operands)} operands make {output!r}",
            where=where,
            hint="a layer multiplies one or two operands: write it as several layers",
        )
    found = {name: usual_role(name) for name in operands}
    if sorted(filter(None, found.values())) == sorted({"input", "weight"} & set(found.values())) and None not in found.values():
        return {**{n: r or "" for n, r in found.items()}, output: "output"}
    return {**dict(zip(operands, ("input", "weight"), strict=False)), output: "output"}


_WIDEST = 4_000_000  # values of an index that adds up two dimensions; they are counted one by one


def refuse_huge(layer: Layer, where: str = "") -> None:
    """Raise where a sliding window runs over so many places that counting them would take long."""
    for t in layer.tensors:
        for r in t.ranks:
            reach = sum(c * layer.bounds[d] for c, d in r.terms)
            if len(r.terms) > 1 and reach > _WIDEST:
                raise SpecError(
                    f"layer {layer.name!r}: an index of {t.name} reaches {reach:,}",
                    where=where,
                    hint=f"sums of two dimensions up to {_WIDEST:,} are counted",
                )


def letters(names: Iterable[str]) -> dict[str, str]:
    """Dimension of the file -> name of ours, without digits: `D0` becomes `DA`, `n12` becomes `NBC`."""
    out: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"\d", lambda m: "ABCDEFGHIJ"[int(m[0])], name).upper()
        plain = re.sub(r"[^A-Z_]", "_", plain) or "_"
        while plain in out.values():
            plain += "_"
        out[name] = plain
    return out

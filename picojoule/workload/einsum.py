"""A layer as one line of text, whatever its indices: `einsum:O[K,P]=I[2P+R]*W[K,R],K=32,P=16,R=3,bits=8`.

The result stands left; of the operands the first is the input and the second the weight. A rank adds up one or two
dimensions with their coefficients and an offset; `2P+R-1<16` has elements 0 to 15 only, and the rest is padding. `bits=8x4x16`
are those of input, weight and output.
"""

from __future__ import annotations

import re

from picojoule.errors import SpecError
from picojoule.workload.layer import Layer, Rank, from_ranks

_TENSOR = re.compile(r"\s*([A-Za-z_]\w*)\s*\[([^\[\]]*)\]\s*")
_TERM = re.compile(r"([+-]?)\s*(\d*)\s*\*?\s*([A-Za-z_]*)\s*")
_EXAMPLE = "write it like einsum:O[K,P]=I[2P+R]*W[K,R],K=32,P=16,R=3,bits=8"


def layer_to_text(layer: Layer) -> str:
    """The layer as `einsum:...`; names of layer and operator are not part of it. Raises where the text cannot say all."""
    operands = sorted(layer.operands, key=lambda t: t.role != "input")
    if [t.role for t in operands] not in (["input"], ["input", "weight"]) or any(t.number or t.zeros for t in layer.tensors):
        raise SpecError(
            f"layer {layer.name!r} has no text: formats, zeros and roles beyond input and weight", hint="keep it in Python"
        )
    left = _tensor(layer.output.name, layer.output.ranks)
    right = "*".join(_tensor(t.name, t.ranks) for t in operands)
    sizes = ",".join(f"{d}={n}" for d, n in layer.dims)
    widths = [f"{t.bits:g}" for t in (*operands, layer.output)]
    return f"einsum:{left}={right},{sizes},bits={widths[0] if len(set(widths)) == 1 else 'x'.join(widths)}"


def _tensor(name: str, ranks: tuple[Rank, ...]) -> str:
    return f"{name}[{','.join(map(_rank, ranks))}]"


def _rank(rank: Rank) -> str:
    text = "+".join((str(c) if c != 1 else "") + d for c, d in rank.terms)
    text += f"{rank.offset:+d}" if rank.offset else ""
    return text if rank.size is None else f"{text}<{rank.size}"


def parse_einsum(text: str) -> Layer:
    """The layer of `einsum:...`; mistakes name the piece."""
    body = text.partition(":")[2]
    left, equals, rest = body.partition("=")
    made = _TENSOR.fullmatch(left)
    if not equals or not made:
        raise SpecError("no result stands left of `=`", where=text, hint=_EXAMPLE)
    operands, rest = _operands(rest, text)
    sizes: dict[str, int] = {}
    bits: list[int] = []
    for part in filter(None, (p.strip() for p in rest.split(","))):
        key, sign, value = (x.strip() for x in part.partition("="))
        numbers = value.split("x") if key == "bits" else [value]
        if not sign or not all(n.isdigit() and int(n) for n in numbers) or key in sizes or (key == "bits" and bits):
            raise SpecError(f"cannot read {part!r}", where=text, hint=_EXAMPLE)
        if key == "bits":
            bits = [int(n) for n in numbers]
        else:
            sizes[key.upper()] = int(value)
    roles = [("input", *operands[0]), *([("weight", *operands[1])] if len(operands) > 1 else []), ("output", made[1], made[2])]
    if len(bits) not in (0, 1, len(roles)):
        raise SpecError(f"{len(bits)} widths for {len(roles)} tensors", where=text, hint="one for all, or bits=8x4x16")
    widths = (bits or [16]) * (len(roles) if len(bits) < 2 else 1)
    tensors = {name: (role, tuple(_parse_rank(r, text) for r in inside.split(",") if r.strip())) for role, name, inside in roles}
    if len(tensors) != len(roles):
        raise SpecError("two tensors have one name", where=text, hint="give each its own name")
    used = [d for _, ranks in tensors.values() for r in ranks for _, d in r.terms]
    for d in dict.fromkeys(used):
        if d not in sizes:
            raise SpecError(f"dimension {d} has no size", where=text, hint=f"add {d}=...")
    order = {d: sizes[d] for d in sizes}
    try:
        return from_ranks("einsum", "Einsum", order, tensors, {role: w for (role, _, _), w in zip(roles, widths, strict=True)})
    except SpecError as e:
        raise e.located(text) from None


def _operands(rest: str, text: str) -> tuple[list[tuple[str, str]], str]:
    """(name, ranks) of the operands, and what follows them."""
    found: list[tuple[str, str]] = []
    while True:
        m = _TENSOR.match(rest)
        if not m:
            raise SpecError(f"no tensor where {rest[:20]!r} stands", where=text, hint=_EXAMPLE)
        found.append((m[1], m[2]))
        rest = rest[m.end() :]
        if not rest.startswith("*"):
            break
        rest = rest[1:]
    if len(found) > 2:
        raise SpecError(f"{len(found)} operands", where=text, hint="a layer multiplies one or two")
    return found, rest


def _parse_rank(piece: str, text: str) -> Rank:
    body, less, size = piece.partition("<")
    terms: list[tuple[int, str]] = []
    offset, position, body = 0, 0, body.strip()
    while position < len(body):
        m = _TERM.match(body, position)
        if not m or not m[0] or not (m[2] or m[3]) or (position and not m[1]) or (m[3] and m[1] == "-"):
            raise SpecError(f"cannot read the rank {piece.strip()!r}", where=text, hint="such as 2P+R, or 2P+R-1<56")
        if m[3]:
            terms.append((int(m[2] or 1), m[3].upper()))
        else:
            offset += int(m[1] + m[2])
        position = m.end()
    if less and not size.strip().isdigit():
        raise SpecError(f"cannot read the rank {piece.strip()!r}", where=text, hint="such as 2P+R-1<56")
    try:
        return Rank(tuple(terms), offset, int(size) if less else None)
    except SpecError as e:
        raise e.located(text) from None

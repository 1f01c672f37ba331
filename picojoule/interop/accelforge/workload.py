"""AccelForge workloads: cascades of einsums as networks of layers that share their tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from picojoule.errors import SpecError, unknown_name
from picojoule.interop.names import letters, refuse_huge
from picojoule.interop.report import Report
from picojoule.interop.trees import Block, Scalar, Tree, as_block, as_items, as_switch, as_text, as_whole, refuse_leftover
from picojoule.workload.access import Access
from picojoule.workload.layer import Layer, Rank, from_ranks
from picojoule.workload.network import Network, NetworkTensor, Persistence, Step
from picojoule.workload.op import Op

_BOUND = re.compile(r"^\s*0\s*<=\s*(\w+)\s*<\s*(\d+)\s*$")
_TERM = re.compile(r"^\s*(?:(\d+)\s*\*\s*)?([A-Za-z_]\w*)\s*$")
_STRING = re.compile(r"([A-Za-z_]\w*)\s*(?:\((\w+)\))?\s*\[([^\]]*)\]")


@dataclass(slots=True, kw_only=True)
class _Einsum:
    name: str
    where: str
    tensors: dict[str, list[tuple[str, list[tuple[int, str]]]]]  # tensor -> (rank, terms)
    output: str
    renames: dict[str, str] = field(default_factory=dict)  # role -> tensor
    bounds: dict[str, int] = field(default_factory=dict)


def read_workload(block: Block, report: Report, name: str) -> Network:
    """The network of a workload."""
    sizes = _sizes(block.get("rank_sizes"))
    shapes = _shapes(block.get("iteration_space_shape"))
    bits = _bits(block.get("bits_per_value"))
    if (tree := block.get("persistent_tensors")) is not None:
        report.ignored(tree.where, "persistent_tensors", "weights are trained parameters here")
    listed = [_einsum(x, report) for x in as_items(block.need("einsums", what="the workload"), "einsums")]
    einsums = [e for e in listed if e is not None]
    for key in block.leftover():
        raise unknown_name("key of the workload", key, sorted(block.asked), block.place(key))
    if not einsums:
        raise SpecError("there are no einsums", where=block.where, hint="list at least one")
    if bits is None:
        report.default(block.where, "bits_per_value", "8 b")
    made = {e.output for e in einsums}
    layers = [_layer(e, sizes, shapes, bits or {"All": 8}, made) for e in einsums]
    for e in einsums:
        report.read(e.where, e.name, ", ".join(e.tensors))
    return _network(name, einsums, layers)


def _network(name: str, einsums: list[_Einsum], layers: list[Layer]) -> Network:
    steps: list[Step[Op]] = []
    tensors: dict[str, NetworkTensor] = {}
    made, read = {e.output for e in einsums}, {t for e in einsums for t in e.tensors if t != e.output}
    for layer in layers:
        refuse_huge(layer)
        steps.append(Step(layer, tuple(Access(operand=t.name, tensor=t.name) for t in layer.tensors)))
        for t in layer.tensors:
            if t.name not in tensors:
                kept = Persistence.ACTIVATION if t.name in made and t.name in read else Persistence.OUTPUT
                if t.name not in made:
                    kept = Persistence.PARAMETER if t.learned else Persistence.INPUT
                tensors[t.name] = NetworkTensor(name=t.name, shape=layer.shape(t), bits=t.bits, persistence=kept)
    return Network(name, tuple(steps), tuple(tensors.values()), source="AccelForge workload")


def _sizes(tree: Tree | None) -> dict[str, int]:
    return {} if tree is None else {k: as_whole(v, f"size of {k}") for k, v in as_block(tree, "rank_sizes").entries.items()}


def _shapes(tree: Tree | None) -> dict[str, int]:
    """Rank variable -> bound, from `m: 0 <= m < 128` or from a list of such texts."""
    if tree is None:
        return {}
    items = list(tree.entries.values()) if isinstance(tree, Block) else as_items(tree, "iteration_space_shape")
    out: dict[str, int] = {}
    for item in items:
        m = _BOUND.match(as_text(item, "a bound"))
        if not m or not int(m[2]):
            raise SpecError(f"cannot read the bound {as_text(item, 'a bound')!r}", where=item.where, hint="such as 0 <= m < 128")
        out[m[1]] = int(m[2])
    return out


def _bits(tree: Tree | None) -> dict[str, int] | None:
    return None if tree is None else {k: as_whole(v, f"bits of {k}") for k, v in as_block(tree, "bits_per_value").entries.items()}


def _einsum(tree: Tree, report: Report) -> _Einsum | None:
    if isinstance(tree, Scalar):
        return _from_text(tree)
    block = as_block(tree, "an einsum")
    if block.has("einsum") and not block.has("tensor_accesses"):
        found = _from_text(block.need("einsum"))
        name_tree = block.get("name")
        found.name = as_text(name_tree, "name") if name_tree is not None else found.name
    else:
        name = as_text(block.need("name", what="an einsum"), "name")
        found = _Einsum(name=name, where=block.where, tensors={}, output="")
        for item in as_items(block.need("tensor_accesses", what=f"einsum {name!r}"), "tensor_accesses"):
            _access(as_block(item, "a tensor access"), found, report)
    if (copy := block.get("is_copy_operation")) is not None and as_switch(copy, "is_copy_operation"):
        report.ignored(copy.where, found.name, "copies a tensor and computes nothing: its copy is an input here")
        return None
    if (renames := block.get("renames")) is not None:
        found.renames |= {k: as_text(v, k) for k, v in as_block(renames, "renames").entries.items()}
    found.bounds = _shapes(block.get("iteration_space_shape"))
    refuse_leftover(block, f"einsum {found.name!r}")
    if not found.output:
        raise SpecError(f"no tensor of einsum {found.name!r} is its output", where=block.where, hint="mark one with output: True")
    return found


def _access(block: Block, into: _Einsum, report: Report) -> None:
    name = as_text(block.need("name", what="a tensor access"), "name")
    if name in into.tensors:
        raise SpecError(f"tensor {name!r} is accessed twice by {into.name!r}", where=block.where, hint="a diagonal is no layer")
    projection = block.need("projection", what=f"access of {name!r}")
    ranks: list[tuple[str, list[tuple[int, str]]]] = []
    if isinstance(projection, Block):
        ranks = [(rank, _terms(tree)) for rank, tree in projection.entries.items()]
    else:
        ranks = [(as_text(t, "a rank").upper(), _terms(t)) for t in as_items(projection, "projection")]
    into.tensors[name] = ranks
    if (out := block.get("output")) is not None and as_switch(out, "output"):
        if into.output:
            raise SpecError(f"einsum {into.name!r} has two outputs", where=block.where, hint="one layer makes one tensor")
        into.output = name
    if (bits := block.get("bits_per_value")) is not None:
        report.refused(bits.where, f"{name}.bits_per_value", "widths by access: those of the workload are taken")
    refuse_leftover(block, f"access of {name!r}", ["name", "projection", "output"])


def _terms(tree: Tree) -> list[tuple[int, str]]:
    text = as_text(tree, "an index")
    out = []
    for part in text.split("+"):
        m = _TERM.match(part)
        if not m:
            raise SpecError(f"cannot read the index {text!r}", where=tree.where, hint="such as 2*p + r")
        out.append((int(m[1] or 1), m[2]))
    return out


def _from_text(tree: Tree) -> _Einsum:
    """`Y[m] = A[k] * B[k, m]`; a rank may be named as in `h: 2*p+r`."""
    text = as_text(tree, "an einsum")
    m = re.search(r"(?<=\])\s*=", text)
    left, sign, right = (text[: m.start()], "=", text[m.end() :]) if m else (text, "", "")
    found = [_STRING.findall(side) for side in (left, right)]
    if not sign or len(found[0]) != 1 or not found[1] or _STRING.sub("", right).replace("*", "").strip():
        raise SpecError(f"cannot read the einsum {text!r}", where=tree.where, hint="such as Y[m] = A[k] * B[k, m]")
    einsum = _Einsum(name=found[0][0][0], where=tree.where, tensors={}, output=found[0][0][0])
    for name, role, inside in (*found[0], *found[1]):
        if role:
            einsum.renames[role] = name
        ranks: list[tuple[str, list[tuple[int, str]]]] = []
        for piece in filter(None, (p.strip() for p in inside.split(","))):
            rank, colon, index = piece.partition(":" if ":" in piece else "=")
            ranks.append((rank.strip().upper(), _terms(Scalar(index if colon else piece, tree.where, "str"))))
        if name in einsum.tensors:
            raise SpecError(f"tensor {name!r} stands twice", where=tree.where, hint="a diagonal is no layer")
        einsum.tensors[name] = ranks
    return einsum


def _roles(e: _Einsum, made: set[str]) -> dict[str, str]:
    """Role of each tensor: as renamed, else what another einsum makes is the input, and the rest are weights."""
    operands = [t for t in e.tensors if t != e.output]
    named = {t: r for r, t in e.renames.items() if r in ("input", "weight") and t in operands}
    if not 1 <= len(operands) <= 2:
        raise SpecError(
            f"einsum {e.name!r} multiplies {len(operands)} tensors", where=e.where, hint="a layer multiplies one or two"
        )
    for t in operands:
        named.setdefault(t, "input" if t in made and "input" not in named.values() else "")
    free = [r for r in ("input", "weight") if r not in named.values()]
    for t in operands:
        named[t] = named[t] or (free.pop(0) if len(operands) == 2 or "input" in free else "weight")
    return {**named, e.output: "output"}


def _layer(e: _Einsum, sizes: Mapping[str, int], shapes: Mapping[str, int], bits: Mapping[str, int], made: set[str]) -> Layer:
    variables = dict.fromkeys(v for ranks in e.tensors.values() for _, terms in ranks for _, v in terms)
    bounds = {v: e.bounds.get(v, shapes.get(v, sizes.get(v.upper(), 0))) for v in variables}
    for v, n in bounds.items():
        if not n:
            raise SpecError(
                f"rank variable {v!r} of einsum {e.name!r} has no bound", where=e.where, hint=f"rank_sizes: {{{v.upper()}: ...}}"
            )
    ours, roles = letters(variables), _roles(e, made)
    tensors = {}
    for name, ranks in e.tensors.items():
        built = []
        for rank, terms in ranks:
            reach = sum(c * (bounds[v] - 1) for c, v in terms) + 1
            size = sizes.get(rank)
            clipped = size if size is not None and size < reach else None  # an index out of range is left out
            if len(terms) > 2:
                raise SpecError(f"an index of {name!r} adds up {len(terms)} variables", where=e.where, hint="one or two")
            built.append(Rank(tuple((c, ours[v]) for c, v in terms), 0, clipped))
        tensors[name] = (roles[name], tuple(built))
    width = {role: bits.get(name, bits.get(role, bits.get("All", 0))) for name, role in roles.items()}
    for role, n in width.items():
        if not n:
            raise SpecError(
                f"bits_per_value says nothing of the {role} of {e.name!r}", where=e.where, hint="bits_per_value: {All: 8}"
            )
    try:
        return from_ranks(e.name, "Einsum", {ours[v]: n for v, n in bounds.items()}, tensors, width)
    except SpecError as fault:
        raise fault.located(e.where) from None

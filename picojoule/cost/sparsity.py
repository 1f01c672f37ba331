"""What zeros save: from the dense traffic of a mapping to the accesses, cycles and metadata of a chip that exploits them.

A function of traffic and nothing else: `traffic.py` counts dense words, and here each flow is scaled by expectations over
the tensors that the layer's densities stand for (`survival.py`).

* A compressed tensor moves no zeros. What passes from a memory to another is one tile of the inner one, in the outer memory's
  format on the way and at the outer memory, and in its own at the inner one; MACs read through the tile of the innermost.
  Metadata moves with it. Outputs are compressed when they are final, in the outermost memory only.
* `skips` and `gates` of a memory: accesses to a tensor are left out while the tiles of its operands that are used with it are
  all zero. A read that serves several places goes out if any of them needs it. What a memory left out is missing further in.
* A MAC is left out where one of its operands is. Gating saves energy and no cycle; skipping saves both. Gated accesses still
  take their time at a port. The first MAC of an element reads no partial sum, also where it is left out and a later one
  finds the zero there.
* PEs that skip different work wait for one another as the fan-out says (`imbalance.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field, replace
from itertools import pairwise

from picojoule.cost.imbalance import Leader, double, single
from picojoule.cost.survival import Along, Classes, Runs, counts_of, overlapping, survival, tile_stored, together, whole
from picojoule.cost.traffic import RULES, LoopAbove, Place, fanouts_between, places
from picojoule.hardware.chip import OPERANDS, Chip, FanOut, Memory
from picojoule.hardware.compression import DENSE, Format, Stored
from picojoule.mapping.mapping import Loop, Mapping
from picojoule.mapping.words import READS, WRITES, Flow, Traffic
from picojoule.workload.density import Structured
from picojoule.workload.layer import Layer, Tensor

Extents = dict[str, int]
PLAIN = Stored(1.0, 0.0)
Used = tuple[tuple[str, Classes], ...]


@dataclass(frozen=True)
class Condition:
    """Accesses are left out where what is used of the leader is zero. `depth`: how far in it was stated."""

    leader: str
    used: Used  # by dimension, in all copies that one transfer serves
    apart: Used  # the same without copies that differ in both operands; there are `copies` such
    copies: int
    skip: bool
    depth: int


@dataclass
class Accesses:
    """Expected accesses, in tensor words; `metadata_bits` moved with the kept ones."""

    kept: float = 0.0
    gated: float = 0.0
    skipped: float = 0.0
    metadata_bits: float = 0.0

    def add(self, kept: float, gated: float, skipped: float, metadata_bits: float) -> None:
        self.kept += kept
        self.gated += gated
        self.skipped += skipped
        self.metadata_bits += metadata_bits


@dataclass
class SparseTraffic:
    """`reads` and `writes` by (memory, tensor), `crossings` by (fan-out, tensor); MACs; steps that are not skipped."""

    reads: dict[tuple[str, str], Accesses] = field(default_factory=dict)
    writes: dict[tuple[str, str], Accesses] = field(default_factory=dict)
    crossings: dict[tuple[str, str], Accesses] = field(default_factory=dict)
    codecs: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)  # (memory, tensor) -> (elements, pJ each)
    macs: Accesses = field(default_factory=Accesses)
    steps: float = 0.0
    imbalance: float = 1.0


def active(layer: Layer, chip: Chip) -> bool:
    """Whether the chip keeps a tensor of the layer in another form, or has zeros to skip or to gate."""
    if not chip.sparse:
        return False
    roles = {t.role: t for t in layer.tensors}
    if any(r in roles and f != DENSE for m in chip.memories for r, f in m.formats):
        return True
    leaders = {x for m in chip.memories for target, who in (*m.skips, *m.gates) if target in roles for x in who}
    leaders |= set(chip.compute.skips) | set(chip.compute.gates)
    return any(not layer.zeros(t).dense for t in layer.tensors if t.role in leaders)


def exploit(layer: Layer, chip: Chip, mapping: Mapping, traffic: Traffic, accounting: str = "default") -> SparseTraffic:
    """The expected accesses of a mapping whose dense traffic is given."""
    out = SparseTraffic()
    flows = {(f.tensor, f.kind, f.outer, f.inner): f for f in traffic.flows}
    for tensor in layer.tensors:
        line = places(layer, chip, mapping, tensor, RULES[accounting])
        for i, (holder, place) in enumerate(pairwise(line)):
            _pair(
                out,
                layer,
                chip,
                line,
                i,
                [
                    f
                    for (t, _, outer, inner), f in flows.items()
                    if t == tensor.name and inner == place.name and outer in (holder.name, inner)
                ],
            )
    skip, everything = mac_conditions(layer, chip, mapping, accounting)
    kept, taken = (combined(layer, x) for x in (everything, skip))
    out.macs.add(traffic.macs * kept, traffic.macs * (taken - kept), traffic.macs * (1.0 - taken), 0.0)
    out.imbalance = imbalance(layer, chip, mapping, skip)
    out.steps = max(1.0, traffic.steps * taken * out.imbalance)  # where all is zero, finding that out takes a cycle
    return out


def _pair(out: SparseTraffic, layer: Layer, chip: Chip, line: tuple[Place, ...], i: int, flows: list[Flow]) -> None:
    """Scale the flows between a holder and what it serves."""
    holder, place = line[i], line[i + 1]
    tensor, between = place.tensor, fanouts_between(chip, holder, place)
    above = chip.memory(holder.name).format_of(tensor.role)
    node = chip.memory(place.name).format_of(tensor.role) if place.keeps else DENSE
    moved = place if place.keeps else holder
    at_holder = moved_form(layer, tensor, above, moved.extents)
    if above.directory and place.keeps:
        more = directory_bits(layer, tensor, above, place.extents)
        at_holder = replace(at_holder, metadata_bits=at_holder.metadata_bits + more)
    at_node = moved_form(layer, tensor, node, moved.extents)
    final = tensor.role == "output"
    for f in flows:
        read, write = f.kind in READS and READS[f.kind], f.kind in WRITES and WRITES[f.kind]
        for side, action in ((read, "read"), (write, "write")):
            if not side:
                continue
            outer = side == "outer"
            words = f.outer_words if outer else f.inner_words
            fate = _fate(layer, chip, line, i, between if outer else ())
            fate = fate if outer else (fate[2],) * 3  # what is left out at the holder is not asked for here
            form = at_holder if outer else at_node
            if final and outer:
                form = _final(layer, tensor, form, f, words, action)
            table = out.reads if action == "read" else out.writes
            name = f.outer if outer else f.inner
            _add(table.setdefault((name, tensor.name), Accesses()), words, form, fate)
        for k, (name, words) in enumerate(f.crossings):
            kept = _fate(layer, chip, line, i, between[k + 1 :])[2]
            _add(
                out.crossings.setdefault((name, tensor.name), Accesses()),
                words,
                PLAIN if final else at_holder,
                (kept, kept, kept),
            )
        _codec(out, layer, chip, line, i, f, above, node)


def _final(layer: Layer, tensor: Tensor, form: Stored, f: Flow, words: int, action: str) -> Stored:
    """Outputs at their outermost memory: each element's last arrival is final and packed, what came before it is not."""
    if form == PLAIN:
        return form
    if action == "read" or not words:
        return PLAIN
    share = min(1.0, layer.elements(tensor) / words)
    return Stored(1.0 - share + share * form.words, share * form.metadata_bits)


def _codec(
    out: SparseTraffic, layer: Layer, chip: Chip, line: tuple[Place, ...], i: int, f: Flow, above: Format, node: Format
) -> None:
    """Elements packed or unpacked where a tensor changes its format between two memories."""
    place, tensor = line[i + 1], line[i + 1].tensor
    if above == node or not (above.codec_pj or node.codec_pj):
        return
    if tensor.role == "output":
        if f.kind in ("drain", "update") and above.codec_pj:
            _count_codec(out, f.outer, tensor, float(min(layer.elements(tensor), f.outer_words)), above.codec_pj)
    elif place.keeps and f.kind == "fill":
        elements = f.inner_words * _fate(layer, chip, line, i, ())[2]
        for name, fmt in ((f.outer, above), (f.inner, node)):
            if fmt.codec_pj:
                _count_codec(out, name, tensor, elements, fmt.codec_pj)


def _count_codec(out: SparseTraffic, memory: str, tensor: Tensor, elements: float, pj: float) -> None:
    before = out.codecs.get((memory, tensor.name), (0.0, pj))[0]
    out.codecs[memory, tensor.name] = (before + elements, pj)


def _add(to: Accesses, words: float, form: Stored, fate: tuple[float, float, float]) -> None:
    """Add dense words in a form, by their fate."""
    asked, taken, kept = fate
    data = words * form.words
    to.add(data * kept, data * (taken - kept), data * (asked - taken), words * form.metadata_bits * kept)


def moved_form(layer: Layer, tensor: Tensor, fmt: Format, extents: Dictionary[str, int]) -> Stored:
    """Stored words and metadata bits for each dense word of a moved tile."""
    return PLAIN if fmt == DENSE else tile_stored(layer, tensor, fmt, extents)


def directory_bits(layer: Layer, tensor: Tensor, fmt: Format, extents: Dictionary[str, int]) -> float:
    """Bits for each dense word of the offsets to the tiles that a memory passes on: tiles + 1 offsets for all of them."""
    tiles = math.prod(-(-n // min(n, extents.get(d, 1))) for d, n in layer.dims if d in tensor.dims)
    bits = fmt.ranks[0].bits or max(1, math.ceil(math.log2(layer.elements(tensor) + 1)))
    return bits * (tiles + 1) / layer.elements(tensor)


def _fate(layer: Layer, chip: Chip, line: tuple[Place, ...], i: int, merging: tuple[FanOut, ...]) -> tuple[float, float, float]:
    """Shares of the accesses between line[i] and line[i + 1]: those that memories further out left over, those that line[i]
    does not skip, and those that it does not gate either."""
    found = conditions(layer, chip, line, i, merging)
    outer = [c for c in found if c.depth < i]
    own = [c for c in found if c.depth == i]
    if not own:
        left = combined(layer, outer)
        return left, left, left
    shares = (outer, [*outer, *(c for c in own if c.skip)], found)
    return tuple(combined(layer, x) for x in shares)  # type: ignore[return-value]


def conditions(
    layer: Layer, chip: Chip, line: tuple[Place, ...], i: int, merging: tuple[FanOut, ...] = (), macs: bool = False
) -> list[Condition]:
    """What leaves out accesses between line[i] and line[i + 1], the copies of the merging fan-outs served together.

    `macs`: of the MACs that read through line[i], so that boxes count by the MACs in them.
    """
    role, out = line[0].tensor.role, []
    known = [t.role for t in line[0].layer.tensors]
    for k in range(i + 1):
        memory = chip.memory(line[k].name)
        for skip, stated in ((True, memory.skips), (False, memory.gates)):
            for target, leaders in stated:
                if target == role:
                    merged = merging if k == i else ()
                    used, apart, copies = used_with(line[k + 1], merged)
                    if macs:
                        used = by_points(line[0].tensor, used)
                    elif k < i:
                        used = apart = by_visits(line[k + 1], line[i + 1], used)
                    shared = windows_used(line[k + 1], merged)
                    for x in leaders:
                        if x in known:
                            both = (used, apart) if x == role else (with_windows(used, shared), with_windows(apart, shared))
                            out.append(Condition(x, *both, copies, skip, k))
    return out


def windows_used(place: Place, merging: tuple[FanOut, ...]) -> dict[str, Classes]:
    """What is used with one word along the reduction dimensions of windows whose copies at merging fan-outs overlap."""
    alike = {f.name for f in merging if f.multicast}
    bounds, out = dict(place.layer.dims), {}
    for rank in place.tensor.ranks if alike else ():
        if len(rank.terms) != 2:
            continue
        terms = []
        for coefficient, d in rank.terms:
            loops = [x for x in place.loops if x.dim == d]
            inside, outside = (tuple((x.stride, x.bound) for x in loops if (x.fanout in alike) == here) for here in (True, False))
            terms.append(Along(coefficient, bounds[d], place.extents[d], inside, outside))
        if not all(t.inside for t in terms):
            continue
        for (_, d), own, other in zip(rank.terms, terms, reversed(terms), strict=True):
            if d not in place.layer.output.dims:
                out[d] = overlapping(own, other)
    return out


def with_windows(used: Used, shared: Dictionary[str, Classes]) -> Used:
    """What is used, with the windows' dimensions as they are shared."""
    return tuple((d, shared.get(d, classes)) for d, classes in used)


def used_with(place: Place, merging: tuple[FanOut, ...] = ()) -> tuple[Used, Used, int]:
    """What is used along each dimension while a tile stays at a place, in all copies that one transfer serves; the same
    for one of the copies that differ in both operands; and how many of those there are."""
    alike = {f.name for f in merging if (f.reduction if place.tensor.role == "output" else f.multicast)}
    operands = [t.dims for t in place.layer.tensors if t.role != "output"]
    used, apart, copies = [], [], 1
    for d, n in place.layer.dims:
        if d in place.tensor.dims:
            used.append((d, whole(n, place.extents[d], True)))
            apart.append(used[-1])
            continue
        loops = [(j, x) for j, x in enumerate(place.loops) if x.dim == d]
        merged = {j for j, x in loops if x.fanout in alike}
        stay = {j for j, _ in loops if j in place.staying}
        used.append((d, _together(n, place.extents[d], loops, stay | merged)))
        both = bool(merged) and all(d in dims for dims in operands)
        apart.append((d, _together(n, place.extents[d], loops, stay)) if both else used[-1])
        copies *= math.prod(x.bound for j, x in loops if j in merged) if both else 1
    return tuple(used), tuple(apart), copies


def _together(bound: int, extent: int, loops: list[tuple[int, LoopAbove]], inside: set[int]) -> Classes:
    joined, others = (tuple((x.stride, x.bound) for j, x in loops if (j in inside) == here) for here in (True, False))
    return together(bound, extent, joined, others)


def combined(layer: Layer, found: list[Condition]) -> float:
    """Share of accesses that no condition leaves out: of several on one leader the innermost decides.

    Copies that differ in both operands (along a dimension that is summed over) need something each for itself.
    """
    deciding = innermost(layer, found)
    copies = min((c.copies for c in deciding.values()), default=1)
    each = copies > 1 and len(deciding) > 1
    groups: dict[Used, list[str]] = {}
    for c in deciding.values():
        groups.setdefault(c.apart if each else c.used, []).append(c.leader)
    share = math.prod(survival(layer, tuple(sorted(who)), dict(used)) for used, who in groups.items())
    return 1.0 - (1.0 - share) ** copies if each else share


def innermost(layer: Layer, found: list[Condition]) -> dict[str, Condition]:
    """The condition on each leader that looks at the least of it, and so leaves out all that the others do."""
    last: dict[str, Condition] = {}
    for c in found:
        if c.leader not in last or _points(layer, c) < _points(layer, last[c.leader]):
            last[c.leader] = c
    return last


def _points(layer: Layer, c: Condition) -> int:
    """Elements of the leader in the largest box of a condition."""
    return math.prod(_largest(layer, next(t for t in layer.tensors if t.role == c.leader), dict(c.used)))


def _largest(layer: Layer, t: Tensor, used: Dictionary[str, Classes]) -> tuple[int, ...]:
    box: dict[str, Runs] = {
        d: max((runs for runs, _ in classes), key=lambda r: sum(n for _, n in r)) for d, classes in used.items()
    }
    return counts_of(t, box, layer.shape(t))


def mac_conditions(
    layer: Layer, chip: Chip, mapping: Mapping, accounting: str = "default"
) -> tuple[list[Condition], list[Condition]]:
    """(what skips MACs, what skips or gates them)."""
    ones = tuple((d, whole(n, 1, True)) for d, n in layer.dims)
    roles = {t.role for t in layer.tensors}
    out = [Condition(x, ones, ones, 1, True, 99) for x in chip.compute.skips if x in roles]
    out += [Condition(x, ones, ones, 1, False, 99) for x in chip.compute.gates if x in roles]
    for tensor in layer.tensors:
        if tensor.role in OPERANDS:
            line = places(layer, chip, mapping, tensor, RULES[accounting])
            out += [replace(c, copies=1) for c in conditions(layer, chip, line, len(line) - 2, macs=True)]
    return [c for c in out if c.skip], out


def by_visits(outer: Place, inner: Place, used: Used) -> Used:
    """The boxes of the outer place weighted by the inner one's visits in them, along dimensions that do not index the tensor.

    There is one visit a box where the inner tile stays over all loops in it; elsewhere visits are taken to be as many as points.
    Error: loops over parts of a box, with a ragged last box, are neither.
    """

    def ends(place: Place, d: str) -> set[int]:
        return {j for j, x in enumerate(place.loops) if x.dim == d and j not in place.staying}

    once = {d for d, _ in used if ends(inner, d) <= ends(outer, d)}
    shared = by_points(outer.tensor, used)
    return tuple((d, own if d in once else points) for (d, own), (_, points) in zip(used, shared, strict=True))


def by_points(tensor: Tensor, used: Used) -> Used:
    """The same boxes weighted by the MACs in them, not by a tensor's visits."""
    return tuple(
        (d, classes if d in tensor.dims else tuple((runs, w * sum(n for _, n in runs)) for runs, w in classes))
        for d, classes in used
    )


# ---- load imbalance ---------------------------------------------------------------------------------------------------
def imbalance(layer: Layer, chip: Chip, mapping: Mapping, skip: list[Condition]) -> float:
    """Work of the busiest PE / average work, between two moments at which the PEs wait for one another."""
    last = innermost(layer, skip)
    deciding = [(t, last[t.role]) for t in layer.tensors if t.role in last and not layer.zeros(t).dense]
    waiting = [f for f in chip.fanouts if f.waits != "never" and math.prod(mapping.spatial_extents(f.name).values()) > 1]
    if not deciding or not waiting:
        return 1.0
    box = _window(layer, mapping, waiting)
    spread: Extents = {}
    for f in waiting:
        for d, n in mapping.spatial_extents(f.name).items():
            spread[d] = spread.get(d, 1) * n
    leaders = [(t, _leader(layer, t, c, box)) for t, c in deciding if not isinstance(layer.zeros(t), Structured)]
    if not leaders:
        return 1.0
    if len(leaders) == 1:
        t, leader = leaders[0]
        return single(leader, math.prod(n for d, n in spread.items() if d in t.dims))
    (ta, a), (tb, b) = leaders
    both = ta.dims & tb.dims
    grid = tuple(
        math.prod(n for d, n in spread.items() if pick(d))
        for pick in (lambda d: d in both, lambda d: d in ta.dims - both, lambda d: d in tb.dims - both)
    )
    shared = max(1, min(a.units, b.units, math.prod(box.get(d, 1) for d in both)))
    return double(shared, max(1, round(a.units / shared)), max(1, round(b.units / shared)), a.p, b.p, grid)


def _leader(layer: Layer, t: Tensor, c: Condition, box: Extents) -> Leader:
    shape = layer.shape(t)
    unit = _points(layer, c)
    inside = math.prod(counts_of(t, {d: ((0, n),) for d, n in box.items()}, shape))
    p = survival(layer, (t.role,), dict(c.used))
    return Leader(max(1, inside // unit), p)


def _window(layer: Layer, mapping: Mapping, waiting: list[FanOut]) -> Extents:
    """Extents of one PE's part of the loop nest between two waits: of the fan-out that waits most often."""
    if any(f.waits == "step" for f in waiting):
        return {d: 1 for d, _ in layer.dims}
    tiles = [f.name for f in waiting if f.waits == "tile"]
    at = max((i for i, e in enumerate(mapping.entries) if isinstance(e, Loop) and e.fanout in tiles), default=-1)
    out = {d: 1 for d, _ in layer.dims}
    for e in mapping.entries[at + 1 :]:
        if isinstance(e, Loop) and not e.spatial:
            out[e.dim] *= e.bound
    return {d: min(n, out[d]) for d, n in layer.dims}


def port_bits(layer: Layer, memory: Memory, table: Dictionary[tuple[str, str], Accesses]) -> float:
    """Bits that pass a memory's ports: what is not skipped, and its metadata."""
    return sum((a.kept + a.gated) * layer.tensor(t).bits + a.metadata_bits for (m, t), a in table.items() if m == memory.name)

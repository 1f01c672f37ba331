"""Operators without MACs as dimensions and tensors: how each result is indexed from the operands, and what must be whole.

The axes of the result (of the operand, where it is reduced) are the dimensions `a0`, `a1`, ...; those of bound 1 are kept out.
Where an operator's index is not known here, every tensor has dimensions of its own and all of them must be whole: nothing is
assumed about which element makes which.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from picojoule.workload import ops as table
from picojoule.workload.access import Access
from picojoule.workload.building.shapes import Shape, Window
from picojoule.workload.building.value import BITS, Value
from picojoule.workload.op import Body, Op, Rank, Tensor, one

PASSES = {  # reads of the operand where a row does not fit the unit; a running maximum or mean saves none of them
    **dict.fromkeys(("Softmax", "LogSoftmax"), 3),  # the maximum, the sum of exponentials, the quotients
    **dict.fromkeys(("LayerNormalization", "GroupNormalization", "InstanceNormalization", "MeanVarianceNormalization"), 3),
    **dict.fromkeys(("RMSNormalization", "SimplifiedLayerNormalization", "LpNormalization", "Hardmax"), 2),
    "DynamicQuantizeLinear": 2,  # the range, then the integers
    **{"SkipLayerNormalization": 3, "SkipSimplifiedLayerNormalization": 2, "QLinearSoftmax": 3},  # as the plain ones
}
BY_CHANNEL = frozenset({"GroupNormalization", "InstanceNormalization"})  # whole are pixels, and the channels of a group
PAIRED = frozenset({"RotaryEmbedding"})  # an element-wise operator that pairs elements of the last axis
IN_ORDER = frozenset({"Transpose", "Concat", "Split", "Slice", "Pad", "Expand", "Gather"})  # moves whose index is affine
NO_INDEX = {  # understood, but no affine index leads from the result to the operand
    **dict.fromkeys(("Resize", "Upsample", "GridSample", "RoiAlign"), "interpolation: no affine index"),
    "MaxUnpool": "it writes where the data say",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """How an operator indexes its operands, where its name and the shapes do not say it. Axes are those of its first operand."""

    axes: tuple[int, ...] | None = None  # reduced or normalised over; joined or cut along; None: by the operator's habit
    window: Window | None = None  # of pooling, over the last axes
    size: int = 1  # channels of a local response normalisation
    order: tuple[int, ...] | None = None  # of a transposition: axis of the operand for each axis of the result
    begin: tuple[int, ...] | None = None  # of a slice (or, negative, of padding): where each axis begins
    step: tuple[int, ...] | None = None  # of a slice
    parameter_axes: tuple[int, ...] | None = None  # of the result, which index the parameters; the rest of them is one dimension


PLAIN = Index()


@dataclass
class Sketch:
    """The dimensions and tensors of an operator, and what these are in the network, while they are collected."""

    dims: dict[str, int] = field(default_factory=dict)
    tensors: list[Tensor] = field(default_factory=list)
    accesses: list[Access] = field(default_factory=list)  # of all tensors but the parameters
    body: Body = Body.MAP
    whole: tuple[str, ...] = ()

    def dim(self, name: str, bound: int, *, of: int = 1) -> str:
        """A dimension; one of bound 1 is kept out, unless it stands for a place on an axis `of` more elements."""
        if (bound, of) != (1, 1):
            self.dims[name] = bound
        return name

    def add(self, role: str, value: Value, ranks: Sequence[Rank | None]) -> None:
        """A tensor by the rank of each axis; ranks of unit dimensions go, as axes without a rank (None) do."""
        kept, axes = [], []
        for axis, r in enumerate(ranks):
            terms = tuple((c, d) for c, d in r.terms if d in self.dims) if r is not None else ()
            if r is not None and terms:
                kept.append(Rank(terms, r.offset, r.size))
                axes.append(axis)
        made = role == "output"
        name = f"{'Z' if made else 'X'}{sum((t.role == 'output') == made for t in self.tensors)}"
        self.tensors.append(Tensor(name, "weight" if value.trained else role, tuple(kept), value.bits, learned=value.trained))
        self.accesses.append(value.access(self.tensors[-1], axes))


def operator(
    name: str,
    kind: str,
    ops: int | None,
    reads: Sequence[Value],
    writes: Sequence[Value],
    *,
    parameters: int = 0,
    moved: tuple[int, int],
    index: Index = PLAIN,
    note: str = "",
) -> tuple[Op, tuple[Access, ...]]:
    """(the operator, what its tensors are in the network, but for its parameters "P"). `ops` None: it is not understood."""
    held = list({(v.name, v.layout or v.shape): v for v in reads if v.elements}.values())
    sketch = _sketch(kind, held, [v for v in writes if v.elements], index, known=ops is not None)
    if sketch.body is Body.OPAQUE:
        note = note or NO_INDEX.get(kind, "")
    if parameters:
        shape = next((v.shape for v in (*writes, *reads)), ())
        axes = [a % len(shape) for a in index.parameter_axes or () if shape]
        _parameters(sketch, parameters, axes, max((v.bits for v in (*writes, *reads)), default=BITS))
    op = Op(
        name=name,
        op=kind,
        dims=tuple(sketch.dims.items()),
        tensors=tuple(sketch.tensors),
        note=note,
        body=sketch.body,
        whole=sketch.whole,
        passes=PASSES.get(kind, 1),
        ops=ops,
    )
    if (op.read_elements, op.written_elements) != moved:
        op = replace(op, moved=moved)
    return op, tuple(sketch.accesses)


def _sketch(kind: str, reads: list[Value], writes: Sequence[Value], index: Index, known: bool) -> Sketch:
    """Dimensions and tensors without the parameters."""
    if not known or kind in NO_INDEX:
        return _apart(reads, writes, Body.OPAQUE)
    if kind in table.VIEWS or not (reads or writes):
        return _apart(reads, writes, Body.MOVE, whole=False)
    if kind in table.NORMALISATION or kind in PASSES:
        return _normalised(kind, reads, writes, index)
    if kind in table.REDUCTION and reads and writes:
        return _reduced(reads, writes, index)
    if kind in table.POOLING and index.window is not None:
        return _pooled(reads[0], writes, index.window)
    if kind == "LRN":
        return _across_channels(reads[0], writes[0], index.size)
    if kind == "TopK":
        return _selected(reads, writes, index)
    if kind in IN_ORDER:
        return _moved(kind, reads, writes, index) or _apart(reads, writes, Body.MOVE)
    if kind in table.MOVES or kind in table.SIZES or kind in table.DATA_DEPENDENT:
        return _apart(reads, writes, Body.MOVE)
    if kind in table.POOLING or kind in table.REDUCTION:
        return _apart(reads, writes, Body.REDUCE)
    return _mapped(kind, reads, writes) or _apart(reads, writes, Body.MAP)


def _apart(reads: Sequence[Value], writes: Sequence[Value], body: Body, *, whole: bool = True) -> Sketch:
    """Every tensor with dimensions of its own, all of which must be whole: which element makes which is not said."""
    s = Sketch(body=body)
    for role, values, letter in (("input", reads, "x"), ("output", writes, "z")):
        for i, v in enumerate(values):
            s.add(role, v, [one(s.dim(f"{letter}{i}a{axis}", n)) for axis, n in enumerate(v.shape)])
    s.whole = tuple(s.dims) if whole else ()
    return s


def _mapped(kind: str, reads: Sequence[Value], writes: Sequence[Value]) -> Sketch | None:
    """Element by element, operands broadcast; None where the shapes do not allow it."""
    shape = writes[0].shape if writes else max((v.shape for v in reads), key=math.prod)
    s = Sketch()
    for axis, n in enumerate(shape):
        s.dim(f"a{axis}", n)
    for role, values in (("input", reads), ("output", writes)):
        for v in values:
            if (ranks := _broadcast_ranks(v.shape, shape)) is None:
                return None
            s.add(role, v, ranks)
    s.whole = tuple(d for d in (f"a{len(shape) - 1}",) if kind in PAIRED and d in s.dims)
    return _used(s)


def _broadcast_ranks(own: Shape, shape: Shape) -> list[Rank | None] | None:
    """The ranks of an operand of shape `own` in an operator over `shape`, aligned at the last axis as numpy does."""
    skip = len(shape) - len(own)
    if skip < 0 or any(n not in (1, shape[skip + i]) for i, n in enumerate(own)):
        return None
    return [one(f"a{skip + i}") if n != 1 else None for i, n in enumerate(own)]


def _used(s: Sketch) -> Sketch:
    """Without the dimensions that no tensor uses."""
    used = {d for t in s.tensors for d in t.dims}
    s.dims = {d: n for d, n in s.dims.items() if d in used}
    s.whole = tuple(d for d in s.whole if d in used)
    return s


def _normalised(kind: str, reads: Sequence[Value], writes: Sequence[Value], index: Index) -> Sketch:
    """Rows are joined to a mean, a maximum or a sum, and mapped with it: a row must be whole. Batch normalisation only maps."""
    s = _mapped(kind, reads, writes)
    if s is None:
        return _apart(reads, writes, Body.REDUCE)
    if kind == "BatchNormalization":
        return s
    width = len(reads[0].shape)
    axes = index.axes
    if axes is None:  # the pixels and channels of an image, a row, or everything
        axes = tuple(range(1 if kind == "GroupNormalization" else 2, width)) if kind in BY_CHANNEL else (width - 1,)
        axes = tuple(range(width)) if kind == "DynamicQuantizeLinear" else axes
    s.body, s.whole = Body.REDUCE, tuple(d for d in (f"a{a % width}" for a in axes) if d in s.dims)
    return s


def _reduced(reads: Sequence[Value], writes: Sequence[Value], index: Index) -> Sketch:
    """The first operand, axis by axis; results lack the reduced axes, or keep them with one element."""
    x, s = reads[0], Sketch(body=Body.REDUCE)
    axes = None if index.axes is None else {a % len(x.shape) for a in index.axes if len(x.shape)}
    kept = _kept_axes(x.shape, writes[0].shape, axes)
    if kept is None or len(reads) > 1 or any(w.shape != writes[0].shape for w in writes):
        return _apart(reads, writes, Body.REDUCE)
    names = [s.dim(f"a{i}", n) for i, n in enumerate(x.shape)]
    s.add("input", x, [one(d) for d in names])
    for w in writes:
        places = range(len(names)) if len(w.shape) == len(names) else kept  # a reduced axis of one element has no rank
        s.add("output", w, [one(names[i]) if i in kept else None for i in places])
    gone = [d for i, d in enumerate(names) if i not in kept] if axes is None else [names[i] for i in sorted(axes)]
    s.whole = tuple(d for d in gone if d in s.dims)
    return s


def _kept_axes(shape: Shape, result: Shape, axes: set[int] | None) -> list[int] | None:
    """The axes of the operand that a reduction keeps, in order; None where the result does not tell."""
    if len(result) == len(shape):  # also a running sum, which keeps all
        kept = [i for i, (a, b) in enumerate(zip(shape, result, strict=True)) if a == b]
        return kept if all(n == 1 for i, n in enumerate(result) if i not in kept) else None
    if axes is not None:
        kept = [i for i in range(len(shape)) if i not in axes]
        return kept if tuple(shape[i] for i in kept) == result else None
    return [] if math.prod(result) == 1 else None


def _pooled(x: Value, writes: Sequence[Value], win: Window) -> Sketch:
    """A window that slides over the last axes."""
    s, z = Sketch(body=Body.REDUCE), writes[0]
    lead = len(x.shape) - len(win.kernel)
    names = [s.dim(f"a{i}", n) for i, n in enumerate(z.shape)]
    taps = [s.dim(f"w{i}", n) for i, n in enumerate(win.kernel)]
    ranks: list[Rank] = [one(d) for d in names[:lead]]
    for i, tap in enumerate(taps):
        terms = ((win.stride[i], names[lead + i]), (win.dilation[i], tap))
        ranks.append(Rank(terms, -win.begin[i], x.shape[lead + i]))
    s.add("input", x, ranks)
    for w in writes:
        s.add("output", w, [one(d) for d in names])
    return s


def _across_channels(x: Value, z: Value, size: int) -> Sketch:
    """A window over the channels, clipped at both ends."""
    s = Sketch(body=Body.REDUCE)
    names = [s.dim(f"a{i}", n) for i, n in enumerate(x.shape)]
    tap = s.dim("w1", size)
    ranks = [one(d) for d in names]
    ranks[1] = Rank(((1, names[1]), (1, tap)), -(size // 2), x.shape[1])
    s.add("input", x, ranks)
    s.add("output", z, [one(d) for d in names])
    return s


def _selected(reads: Sequence[Value], writes: Sequence[Value], index: Index) -> Sketch:
    """The largest elements along an axis, which must be whole; results have an axis of their own in its place."""
    x, s = reads[0], Sketch(body=Body.REDUCE)
    at = (index.axes or (-1,))[0] % len(x.shape)
    names = [s.dim(f"a{i}", n) for i, n in enumerate(x.shape)]
    s.add("input", x, [one(d) for d in names])
    taken = s.dim("k", writes[0].shape[at])
    for w in writes:
        s.add("output", w, [one(taken if i == at else d) for i, d in enumerate(names)])
    s.whole = tuple(d for d in (names[at], taken) if d in s.dims)
    return s


def _moved(kind: str, reads: Sequence[Value], writes: Sequence[Value], index: Index) -> Sketch | None:
    """A move whose index is affine; None where what is known of it does not say the index."""
    if kind == "Expand":
        s = _mapped(kind, reads[:1], writes)
        if s is not None:
            s.body = Body.MOVE
        return s
    if kind == "Gather":
        return _rows(reads, writes) if index.axes == (0,) else None
    if len(reads) == 1 and len(writes) == 1 and kind == "Transpose" and index.order is not None:
        return _transposed(reads[0], writes[0], index.order)
    if len(reads) == 1 and len(writes) == 1 and kind in ("Slice", "Pad") and index.begin is not None:
        return _sliced(reads[0], writes[0], index.begin, index.step)
    if kind in ("Concat", "Split") and index.axes is not None and len(index.axes) == 1:
        return _joined(reads, writes, index.axes[0]) if kind == "Concat" else _cut(reads[0], writes, index.axes[0])
    return None


def _rows(reads: Sequence[Value], writes: Sequence[Value]) -> Sketch | None:
    """Rows of a trained table, one for each index: the table's row hangs on data, its column is the last axis of the result."""
    if len(reads) != 1 or len(writes) != 1 or writes[0].shape[:-1] != reads[0].shape:
        return None
    s = Sketch(body=Body.MOVE)
    names = [s.dim(f"a{i}", n) for i, n in enumerate(writes[0].shape)]
    s.add("input", reads[0], [one(d) for d in names[:-1]])
    s.add("output", writes[0], [one(d) for d in names])
    return s


def _transposed(x: Value, z: Value, order: Sequence[int]) -> Sketch:
    s = Sketch(body=Body.MOVE)
    names = [s.dim(f"a{i}", n) for i, n in enumerate(z.shape)]
    s.add("input", x, [one(names[order.index(i)]) for i in range(len(x.shape))])
    s.add("output", z, [one(d) for d in names])
    return s


def _sliced(x: Value, z: Value, begin: Sequence[int], step: Sequence[int] | None) -> Sketch | None:
    if len(x.shape) != len(z.shape) or any(n < 1 for n in step or ()):
        return None
    s = Sketch(body=Body.MOVE)
    names = [s.dim(f"a{i}", n, of=x.shape[i]) for i, n in enumerate(z.shape)]
    steps = step or (1,) * len(names)
    s.add("input", x, [Rank(((steps[i], d),), begin[i], x.shape[i]) for i, d in enumerate(names)])
    s.add("output", z, [one(d) for d in names])
    return s


def _joined(reads: Sequence[Value], writes: Sequence[Value], axis: int) -> Sketch | None:
    """Each operand is one box of the result, which thus has a tensor for each; an axis of one element is repeated."""
    z, at = writes[0], axis % len(writes[0].shape)
    alike = all(len(x.shape) == len(z.shape) for x in reads) and all(
        n in (1, z.shape[j]) for x in reads for j, n in enumerate(x.shape) if j != at
    )
    if len(writes) != 1 or not alike or sum(x.shape[at] for x in reads) != z.shape[at]:
        return None
    s, begin = Sketch(body=Body.MOVE), 0
    for i, x in enumerate(reads):
        box = (*z.shape[:at], x.shape[at], *z.shape[at + 1 :])
        names = [s.dim(f"a{j}" if j != at else f"a{at}p{i}", n, of=z.shape[j]) for j, n in enumerate(box)]
        s.add("input", x, [one(d) if n == x.shape[j] else None for j, (d, n) in enumerate(zip(names, box, strict=True))])
        s.add("output", z, [Rank(((1, d),), begin, z.shape[at]) if j == at else one(d) for j, d in enumerate(names)])
        begin += x.shape[at]
    return s


def _cut(x: Value, writes: Sequence[Value], axis: int) -> Sketch | None:
    """Each result is one box of the operand, which thus has a tensor for each."""
    at = axis % len(x.shape)
    around = (*x.shape[:at], *x.shape[at + 1 :])
    if any((*z.shape[:at], *z.shape[at + 1 :]) != around for z in writes) or sum(z.shape[at] for z in writes) != x.shape[at]:
        return None
    s, begin = Sketch(body=Body.MOVE), 0
    for i, z in enumerate(writes):
        names = [s.dim(f"a{j}" if j != at else f"a{at}p{i}", n, of=x.shape[j]) for j, n in enumerate(z.shape)]
        s.add("input", x, [Rank(((1, d),), begin, x.shape[at]) if j == at else one(d) for j, d in enumerate(names)])
        s.add("output", z, [one(d) for d in names])
        begin += z.shape[at]
    return s


def _parameters(s: Sketch, elements: int, axes: Sequence[int], bits: int) -> None:
    """Biases, gains, tables: indexed by the axes that are named, and by one dimension of their own for the rest."""
    ranks = [one(d) for d in (f"a{a}" for a in axes) if d in s.dims]
    each = math.prod(s.dims[r.terms[0][1]] for r in ranks)
    if elements % each:
        ranks, each = [], 1
    if elements != each:
        ranks.append(one(s.dim("table", elements // each)))
    s.tensors.append(Tensor("P", "weight", tuple(ranks), bits, learned=True))

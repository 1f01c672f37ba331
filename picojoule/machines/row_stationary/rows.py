"""Row stationary on a real array: logical sets of R x E PEs, folded and replicated, and what each PE then does.

The physical mapping of Eyeriss (Chen et al., ISCA 2016 and JSSC 2017) as a value. A *processing pass* works on n images,
e output rows, p * t filters and q * r channels. In it, a logical set of R x e PEs makes e output rows of p filters from q
channels: PE (i, j) slides p * q filter rows i over the input rows that output row j needs. Sets wider than the array are
folded into segments of whole columns; r sets share filters and add up over channels, t sets share channels and differ in
filters. The global buffer holds the partial sums of m filters until all channels are done.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

from picojoule.ask import ROLES
from picojoule.errors import MappingError, SpecError, unknown_name
from picojoule.hardware.chip import Chip, FanOut, Group
from picojoule.mapping.mapping import Loop, Mapping, Node
from picojoule.workload.kinds import kind
from picojoule.workload.layer import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A layer in the letters of the Eyeriss papers; M and C per group. E rows and F columns of outputs, R x S filters."""

    N: int
    G: int
    M: int
    C: int
    E: int
    F: int
    R: int
    S: int
    U: int  # stride along the rows
    V: int  # along the columns
    bits: int

    @property
    def W(self) -> int:
        """Input columns, padding included."""
        return (self.F - 1) * self.V + self.S

    def input_rows(self, e: int) -> int:
        """Input rows, padding included, that e output rows need."""
        return (e - 1) * self.U + self.R

    @property
    def outputs(self) -> int:
        return self.N * self.G * self.M * self.E * self.F

    @property
    def macs(self) -> int:
        return self.outputs * self.C * self.R * self.S


def shape_of(layer: Layer) -> Shape:
    """The layer's shape by the kinds of its dimensions; a matrix product has one row and one column."""
    letters = {
        "batch": "N",
        "group": "G",
        "out-channel": "M",
        "in-channel": "C",
        "row": "E",
        "column": "F",
        "filter-row": "R",
        "filter-column": "S",
    }
    sizes = dict.fromkeys(letters.values(), 1)
    for d, n in layer.dims:
        k = kind(layer, d)
        if k not in letters:
            raise SpecError(
                f"layer {layer.name!r}: row stationary knows no dimension such as {d} ({k})",
                hint="convolutions and matrix products are mapped",
            )
        sizes[letters[k]] *= n
    steps = {"row": 1, "column": 1}
    for t in layer.tensors:
        for r in (r for r in t.ranks if t.role == "input"):
            for c, d in r.terms:
                if kind(layer, d) in steps:
                    steps[kind(layer, d)] = c
    return Shape(**sizes, U=steps["row"], V=steps["column"], bits=math.ceil(max(t.bits for t in layer.tensors)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """What row stationary needs of a chip: the array, words per scratchpad of a PE, words of the global buffer."""

    rows: int
    columns: int
    filter_words: int
    input_words: int
    sum_words: int
    buffer_words: int
    shared: bool = False  # one register file for all three: `filter_words`
    names: tuple[str, str, str, str, str]  # buffer, fan-out, filter, input and sum memory
    axes: tuple[str, str]  # of rows, of columns


def array_of(chip: Chip, bits: int = 16) -> Array:
    """The array of a chip with a buffer, one two-dimensional fan-out, and a memory for each tensor in the PEs."""
    fan = [i for i, level in enumerate(chip.levels) if isinstance(level, FanOut)]
    hint = "row stationary needs one fan-out of two axes below a buffer, and PEs that keep weights, inputs and outputs"
    if len(fan) != 1 or len(chip.fanouts[0].axes) != 2:
        raise SpecError(f"chip {chip.name!r} has no single two-dimensional PE array", hint=hint)
    inside = [g for g in chip.levels[fan[0] + 1 :] if isinstance(g, Group)]
    outside = [g for g in chip.levels[1 : fan[0]] if isinstance(g, Group)]
    homes = {r: next((m for g in inside if (m := g.memory_for(r))), None) for r in ROLES}
    buffer = next((m for g in outside if (m := g.memory_for("output")) and m.keeps_role("input") != "never"), None)
    if buffer is None or any(m is None for m in homes.values()):
        raise SpecError(f"chip {chip.name!r} is not laid out for row stationary", hint=hint)
    w, i, o = (m for m in homes.values() if m is not None)
    words = {m.name: (m.usable_bits() or 0) // bits for m in (w, i, o, buffer)}
    columns, rows = chip.fanouts[0].axes
    return Array(
        rows=rows.size, columns=columns.size, filter_words=words[w.name], input_words=words[i.name], sum_words=words[o.name],
        buffer_words=words[buffer.name], shared=w.name == i.name == o.name,
        names=(buffer.name, chip.fanouts[0].name, w.name, i.name, o.name),
        axes=(rows.name, columns.name),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The seven mapping parameters of Eyeriss (JSSC 2017, Table III)."""

    m: int  # filters whose partial sums the buffer holds
    n: int  # images of a pass
    e: int  # width of a logical set: output rows of a pass
    p: int  # filters that a PE interleaves
    q: int  # channels that a PE interleaves
    r: int  # sets over channels
    t: int  # sets over filters

    def __post_init__(self) -> None:
        for f in fields(self):
            if getattr(self, f.name) < 1:
                raise MappingError(f"{f.name}={getattr(self, f.name)}", hint="every parameter is 1 or more")

    def __str__(self) -> str:
        return " ".join(f"{k}{v}" for k, v in asdict(self).items())


def parameters(text: str, where: str = "parameters") -> Parameters:
    """Reads `m=96,n=1,e=7,p=16,q=1,r=1,t=2`."""
    known, found = [f.name for f in fields(Parameters)], {}
    for part in text.replace(" ", ",").split(","):
        if not part:
            continue
        name, _, number = part.partition("=")
        if name not in known:
            raise unknown_name("parameter", name, known, where)
        if not number.isdigit():
            raise SpecError(f"{name}={number!r} is no whole number", where=where, hint="write m=96,n=1,e=7,p=16,q=1,r=1,t=2")
        found[name] = int(number)
    if missing := [k for k in known if k not in found]:
        raise SpecError(f"{', '.join(missing)} missing", where=where, hint="write m=96,n=1,e=7,p=16,q=1,r=1,t=2")
    return Parameters(**found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one PE does in a pass: this filter row for this output row of the set (`channel_set`, `filter_set`)."""

    row: int
    column: int
    filter_row: int
    output_row: int
    channel_set: int
    filter_set: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RowStationary:
    """One layer's shape on an array with these parameters; valid once constructed (fits spads, buffer and array)."""

    shape: Shape
    array: Array
    parameters: Parameters

    def __post_init__(self) -> None:
        s, a, x = self.shape, self.array, self.parameters
        self._fits("filter scratchpad (p*q*S words)", x.p * x.q * s.S, a.filter_words)
        self._fits("input scratchpad (q*S words)", x.q * s.S, a.input_words)
        self._fits("partial-sum scratchpad (p words)", x.p, a.sum_words)
        if a.shared:
            self._fits("registers of a PE (p*q*S + q*S + p words)", x.p * x.q * s.S + x.q * s.S + x.p, a.filter_words)
        self._fits("global buffer (words)", self.buffer_input_words + self.buffer_sum_words, a.buffer_words)
        self._fits("array rows (R)", s.R, a.rows)
        self._fits("array (logical sets, folded)", x.r * x.t * self.segments, self.places)
        for name, value, most in (("e", x.e, s.E), ("m", x.m, s.M), ("n", x.n, s.N), ("p*t", x.p * x.t, x.m)):
            if value > most:
                raise MappingError(f"{name} = {value} and the layer has {most}", hint="use smaller parameters")

    @staticmethod
    def _fits(what: str, need: int, room: int) -> None:
        if need > room:
            raise MappingError(f"{what}: {need:,} needed, {room:,} there", hint="use smaller parameters")

    # ---- the array ---------------------------------------------------------------------------------------------------
    @property
    def segments(self) -> int:
        """Pieces that a logical set is folded into: e columns at most as wide as the array."""
        return math.ceil(self.parameters.e / self.array.columns)

    @property
    def width(self) -> int:
        """Columns of a segment (the last may be narrower)."""
        return math.ceil(self.parameters.e / self.segments)

    @property
    def places(self) -> int:
        """Segments that the array has room for: bands of R rows, and side by side in each."""
        return self.array.rows // self.shape.R * (self.array.columns // self.width)

    @property
    def active_pes(self) -> int:
        """R * e * r * t."""
        x = self.parameters
        return self.shape.R * x.e * x.r * x.t

    def works(self) -> Iterator[Work]:
        """What each active PE does, segment by segment: side by side first, then the next band of R rows."""
        s, a, x = self.shape, self.array, self.parameters
        side = a.columns // self.width
        place = 0
        for t in range(x.t):
            for r in range(x.r):
                for g in range(self.segments):
                    band, slot = divmod(place, side)
                    place += 1
                    for j in range(min(self.width, x.e - g * self.width)):
                        for i in range(s.R):
                            yield Work(
                                row=band * s.R + i,
                                column=slot * self.width + j,
                                filter_row=i,
                                output_row=g * self.width + j,
                                channel_set=r,
                                filter_set=t,
                            )

    # ---- the buffer --------------------------------------------------------------------------------------------------
    @property
    def buffer_input_words(self) -> int:
        """n * q * r * ((e-1)*U + R) * H, with the padded width as H."""
        x = self.parameters
        return x.n * x.q * x.r * self.shape.input_rows(x.e) * self.shape.W

    @property
    def buffer_sum_words(self) -> int:
        """n * m * e * E, with the output's width as the second E."""
        x = self.parameters
        return x.n * x.m * x.e * self.shape.F

    # ---- passes ------------------------------------------------------------------------------------------------------
    @property
    def strips(self) -> tuple[int, ...]:
        """Output rows of each strip; the last may be narrower."""
        e, rows = self.parameters.e, self.shape.E
        return (e,) * (rows // e) + ((rows % e,) if rows % e else ())

    @property
    def channel_passes(self) -> int:
        return math.ceil(self.shape.C / (self.parameters.q * self.parameters.r))

    @property
    def filter_passes(self) -> int:
        """Passes over filters, p * t at a time, within each group of m."""
        s, x = self.shape, self.parameters
        whole, rest = divmod(s.M, x.m)
        return whole * math.ceil(x.m / (x.p * x.t)) + math.ceil(rest / (x.p * x.t))

    @property
    def image_passes(self) -> int:
        return math.ceil(self.shape.N / self.parameters.n)

    @property
    def passes(self) -> int:
        return self.image_passes * self.shape.G * len(self.strips) * self.channel_passes * self.filter_passes

    def mapping(self, layer: Layer) -> Mapping:
        """The same as a loop nest in the mapspace of the chip; needs q*r, p*t, m and n to divide C, m, M and N."""
        return _nest(self, layer)


def _nest(rs: RowStationary, layer: Layer) -> Mapping:
    s, a, x = rs.shape, rs.array, rs.parameters
    dims = {kind(layer, d): d for d, _ in layer.dims}
    if len(dims) != len(layer.dims):
        raise MappingError("two dimensions of one kind", hint="row stationary nests are written for plain convolutions")
    for what, inner, whole in (("q*r", x.q * x.r, s.C), ("p*t", x.p * x.t, x.m), ("m", x.m, s.M), ("n", x.n, s.N)):
        if whole % inner:
            raise MappingError(f"{what} = {inner} does not divide {whole}", hint="only whole passes are written as a nest")
    names = {t.role: t.name for t in layer.tensors}
    buffer, fan, filters, inputs, sums = a.names
    entries: list[Loop | Node] = [Node("DRAM", t.name) for t in layer.tensors]

    def loop(what: str, bound: int, axis: str | None = None) -> None:
        if what in dims and bound > 1:
            entries.append(Loop(dims[what], bound, fan if axis else None, axis))

    rows, columns = a.axes
    loop("group", s.G)
    loop("batch", s.N // x.n)
    loop("out-channel", s.M // x.m)
    loop("row", len(rs.strips))
    entries.append(Node(buffer, names["output"]))
    loop("in-channel", s.C // (x.q * x.r))
    entries.append(Node(buffer, names["input"]))
    loop("out-channel", x.m // (x.p * x.t))
    across = a.columns // rs.width  # sets side by side
    t_across = math.gcd(x.t, across)
    r_across = math.gcd(x.r, across // t_across)
    loop("row", math.ceil(x.e / rs.segments), columns)
    loop("row", rs.segments, rows)
    loop("out-channel", t_across, columns)
    loop("in-channel", r_across, columns)
    loop("out-channel", x.t // t_across, rows)
    loop("in-channel", x.r // r_across, rows)
    loop("filter-row", s.R, rows)
    entries.append(Node(filters, names["weight"]))
    loop("batch", x.n)
    loop("column", s.F)
    entries += [Node(inputs, names["input"]), Node(sums, names["output"])]
    loop("in-channel", x.q)
    loop("out-channel", x.p)
    loop("filter-column", s.S)
    return Mapping(tuple(entries))

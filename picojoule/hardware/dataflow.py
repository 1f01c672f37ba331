"""Dataflows: what a chip lets its mappings do, as a value. A dataflow narrows any chip to a part of its one mapspace.

A dataflow says three things: which kinds of dimensions may be unrolled over the PEs, which tensors the PEs must (or may
not) hold, and for how long (`Stay`). Nothing else changes: the search, the verifier and `mapping.check` see a chip with
fewer mappings. The names and meanings are those of the survey's Section V (and of Chen et al., ISCA 2016).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from picojoule.ask import ROLES
from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.chip import Chip, FanOut, Group, Memory, Stay

WINDOW = ("row", "column")
FILTER = ("filter-row", "filter-column")
OF_WEIGHTS = ("out-channel", "in-channel", "group", *FILTER)
OF_INPUTS = ("batch", "in-channel", "group", *WINDOW, "filter-row", "filter-column")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataflow:
    """A named restriction. `holds` are the roles that the PEs must hold; `only`: they hold nothing else.

    `unrolls` are the kinds of dimensions (see `workload.kinds`) that may be spread over the PEs, None: any.
    `stays` maps a role to (kinds with no temporal loop above its tile in the PE, kinds of extent 1 in that tile).
    """

    name: str
    short: str
    title: str
    fixes: str  # one paragraph: what it fixes
    unrolls: tuple[str, ...] | None = None
    holds: tuple[str, ...] = ()
    only: bool = False
    stays: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = ()


_OUTPUT_STAYS = (("output", ("in-channel", *FILTER), ()),)
_ALL = (
    Dataflow(
        name="weight-stationary", short="ws", title="weight stationary",
        fixes="Each PE keeps its weights until they have met every input that needs them: above the PE's weight tile there is "
        "no loop over the batch or over rows and columns of the output. Different PEs hold different weights, so only filters, "
        "channels and filter taps are spread over the array; inputs are broadcast and partial sums move.",
        unrolls=OF_WEIGHTS, holds=("weight",), stays=(("weight", ("batch", *WINDOW), ()),),
    ),
    Dataflow(
        name="input-stationary", short="is", title="input stationary",
        fixes="Each PE keeps its inputs until every filter has used them: above the PE's input tile there is no loop over "
        "filters or filter taps. Different PEs hold different inputs; weights are broadcast and partial sums move. Inputs on the "
        "rim of a tile's window are held by each tile that needs them.",
        unrolls=OF_INPUTS, holds=("input",), stays=(("input", ("out-channel", *FILTER), ()),),
    ),
    Dataflow(
        name="output-stationary-a", short="osa", title="output stationary A (one output channel, many pixels)",
        fixes="Each PE keeps its partial sums until they are complete: above the PE's output tile there is no loop over input "
        "channels or filter taps. The array works on pixels of one output channel at a time, so only rows and columns of the "
        "output are spread over the PEs; weights are broadcast (ShiDianNao's choice, made for convolutions).",
        unrolls=WINDOW, holds=("output",), stays=_OUTPUT_STAYS,
    ),
    Dataflow(
        name="output-stationary-b", short="osb", title="output stationary B (many output channels, many pixels)",
        fixes="Each PE keeps its partial sums until they are complete, as in A. The array works on several pixels of several "
        "output channels, so rows, columns and filters are spread over the PEs (Gupta et al.'s choice).",
        unrolls=("out-channel", "group", *WINDOW), holds=("output",), stays=_OUTPUT_STAYS,
    ),
    Dataflow(
        name="output-stationary-c", short="osc", title="output stationary C (many output channels, one pixel)",
        fixes="Each PE keeps its partial sums until they are complete, as in A. The array works on one pixel of many output "
        "channels, so only filters are spread over the PEs; inputs are broadcast (Peemen et al.'s choice, made for fully "
        "connected layers).",
        unrolls=("out-channel", "group"), holds=("output",), stays=_OUTPUT_STAYS,
    ),
    Dataflow(
        name="no-local-reuse", short="nlr", title="no local reuse",
        fixes="The PEs hold nothing: every operand of every MAC comes from the buffer outside the array and every partial sum "
        "goes back there, so that all storage may be one large buffer. Input channels and filters are spread over the array: "
        "inputs are multicast along the one, partial sums added up along the other (DianNao's choice).",
        unrolls=("in-channel", "out-channel", "group"), only=True,
    ),
    Dataflow(
        name="row-stationary", short="rs", title="row stationary",
        fixes="Each PE works on rows: it keeps filter rows while whole input rows slide past, so above the PE's weight tile "
        "there is no loop over output columns and in it one filter row and one output row; sums over the columns of a filter row "
        "stay in the PE, and all filter rows are spread over the array, where sums run across them. Output rows, filters, "
        "channels and images are spread over the rest of the array (logical sets of R x E PEs); columns never are.",
        unrolls=("row", "filter-row", "out-channel", "in-channel", "group", "batch"), holds=ROLES,
        stays=(("weight", ("column", "filter-row"), ("row", "filter-row")),
               ("input", ("filter-column", "filter-row"), ("row", "filter-row")),
               ("output", ("filter-column", "filter-row"), ("row",))),
    ),
    Dataflow(name="free", short="free", title="free", fixes="Nothing: any mapping that the chip allows."),
)  # fmt: skip

DATAFLOWS: dict[str, Dataflow] = {d.name: d for d in _ALL}


def dataflow(name: str) -> Dataflow:
    """The dataflow of this name, or of its abbreviation (ws, is, osa, osb, osc, nlr, rs, free)."""
    found = DATAFLOWS.get(name) or next((d for d in _ALL if d.short == name.lower()), None)
    if found is None:
        raise unknown_name("dataflow", name, [*DATAFLOWS, *(d.short for d in _ALL)])
    return found


def constrained(chip: Chip, flow: Dataflow | str) -> Chip:
    """The chip with only the mappings of the dataflow. Applied twice it changes nothing more.

    Raises SpecError where the PEs have no memory for a tensor that the dataflow holds there.
    """
    flow = dataflow(flow) if isinstance(flow, str) else flow
    if flow.name == "free":
        return chip
    homes = {role: _pe_memory(chip, role, flow) for role in flow.holds}
    first = next((i for i, level in enumerate(chip.levels) if isinstance(level, FanOut)), len(chip.levels))
    levels = tuple(
        _narrowed(level, flow) if isinstance(level, FanOut) else _holding(level, flow, homes, i > first)
        for i, level in enumerate(chip.levels)
    )
    stays = tuple(Stay(homes[role], role, whole, single) for role, whole, single in flow.stays)
    return replace(chip, levels=levels, stays=tuple(dict.fromkeys((*chip.stays, *stays))), dataflow=flow.name)


def _pe_memory(chip: Chip, role: str, flow: Dataflow) -> str:
    """The innermost memory below a fan-out that can keep the role."""
    found, below = "", False
    for level in chip.levels:
        if isinstance(level, FanOut):
            below = True
        elif below and (m := level.memory_for(role)) is not None:
            found = m.name
    if not found:
        raise SpecError(
            f"chip {chip.name!r} cannot be {flow.title}: its PEs have no memory that keeps {role}s",
            hint="choose another dataflow, or give the PEs a memory with that tensor in keeps or may_keep",
        )
    return found


def _narrowed(fanout: FanOut, flow: Dataflow) -> FanOut:
    """The fan-out with the dataflow's kinds only."""
    if flow.unrolls is None:
        return fanout
    both = (tuple(k for k in flow.unrolls if a.kinds is None or k in a.kinds) for a in fanout.axes)
    return replace(fanout, axes=tuple(replace(a, kinds=k) for a, k in zip(fanout.axes, both, strict=True)))


def _holding(group: Group, flow: Dataflow, homes: dict[str, str], inside: bool) -> Group:
    """The memories with what they must keep; inside the array nothing else where the dataflow says so."""

    def changed(m: Memory) -> Memory:
        must = tuple(r for r in ROLES if homes.get(r) == m.name and r not in m.keeps)
        keeps, may = (*m.keeps, *must), tuple(r for r in m.may_keep if r not in must)
        if inside and flow.only:
            keeps, may = tuple(r for r in keeps if r in flow.holds), tuple(r for r in may if r in flow.holds)
        return m if (keeps, may) == (m.keeps, m.may_keep) else replace(m, keeps=keeps, may_keep=may)

    return Group(tuple(changed(m) for m in group.memories))

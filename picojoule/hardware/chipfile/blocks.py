"""What a chip file may say: the keys, their kinds and their meaning. Used at the YAML border only.

Unknown keys, numbers without unit and units of the wrong kind are errors. The descriptions become the hover texts of
editors through `chip_schema`. What leaves this module goes on as plain frozen values (`chip.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from picojoule.errors import SpecError
from picojoule.hardware.chipfile.values import (
    AccessEnergy,
    Area,
    AxisNames,
    Bits,
    Count,
    Counted,
    Dims,
    Direction,
    Drained,
    Energy,
    Femtofarads,
    FormatKind,
    Hertz,
    Hops,
    Kinds,
    Leaders,
    Length,
    Milliwatts,
    Name,
    NamedFormat,
    Number,
    Operands,
    OperationKinds,
    PerCycle,
    Places,
    Power,
    Rate,
    Role,
    Roles,
    Scaling,
    Scope,
    Seconds,
    Siemens,
    Size,
    Sized,
    Speed,
    SquareMicrons,
    Supply,
    Text,
    UnitScaling,
    Volts,
    Waits,
)
from picojoule.hardware.compression import KINDS as FORMATS
from picojoule.hardware.compression import NAMED


def _or_short(short: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Tells the JSON schema that the block may be written short, as one value."""

    def change(schema: dict[str, Any]) -> None:
        long = dict(schema)
        schema.clear()
        schema["anyOf"] = [short, long]

    return change


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ComponentSpec(BaseModel):
    """A component of the library, by name, with its parameters: `{name: sram, device: itrs-lstp}`, or just its name."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, json_schema_extra=_or_short({"type": "string"}))
    name: Name = Field(description="Component of the library, such as sram, register_file, dram, mac, wire.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class BandwidthSpec(_Block):
    """Bandwidths of each instance: `64 b/cycle` for one port that reads and writes share, or one for each direction."""

    model_config = ConfigDict(
        json_schema_extra=_or_short({"type": "string", "examples": ["64 b/cycle", "25.6 GB/s", "unlimited"]})
    )
    read: Rate = Field(None, description="Read bandwidth, such as `64 b/cycle` or `25.6 GB/s`; unlimited if left out.")
    write: Rate = Field(None, description="Write bandwidth; unlimited if left out.")
    shared: Rate = Field(None, description="Bandwidth that reads and writes share.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {"shared": value}


class PortSpec(_Block):
    """A port with a name of its own, where `bandwidth` does not suffice."""

    name: Name = Field(description="Name of the port.")
    serves: Direction = Field(description="read, write or readwrite.")
    rate: Rate = Field(description="Bandwidth, such as `64 b/cycle`.")


class RankFormatSpec(_Block):
    """The format of one level of fibres: its kind, or a block."""

    model_config = ConfigDict(json_schema_extra=_or_short({"enum": list(FORMATS)}))
    format: FormatKind = Field(description="uncompressed, offset, bitmask, coordinate or run_length.")
    bits: Size | None = Field(None, description="Width of each offset, coordinate or run; as many as needed if left out.")
    dims: Dims | None = Field(None, description="Dimensions that this level flattens; `tiles` for one offset a tile.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {"format": value}


class FormatSpec(_Block):
    """How a memory keeps a tensor: a usual format by name, or its ranks from the outside in."""

    model_config = ConfigDict(json_schema_extra=_or_short({"enum": list(NAMED)}))
    name: NamedFormat | None = Field(None, description="uncompressed, bitmask, coo, csr, csc or rlc (runs of 5 b).")
    ranks: list[RankFormatSpec] = Field([], description="Formats of the ranks, from the outside in.")
    codec: AccessEnergy = Field(None, description="Energy of packing or unpacking one element. Left out: 0 pJ.")
    sized_for: Sized = Field("worst", description="worst: room for the most non-zeros; expected: for the average, may overflow.")
    columns_first: bool = Field(False, description="true: ranks begin with the last one of the tensor.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {"name": value}

    @model_validator(mode="after")
    def _one(self) -> FormatSpec:
        if (self.name is None) == (not self.ranks):
            raise SpecError("a format has a name or ranks", hint="such as `bitmask`, or `ranks: [offset, coordinate]`")
        return self


class MemorySpec(_Block):
    """A storage element; everything is per instance, energies per access of one word."""

    name: Name = Field(description="Name, unique in the chip.")
    type: Text | None = Field(None, description="What it is made of, for reports: dram, sram, register_file, ...")
    size: Size | None = Field(
        None, description="Capacity shared by the tensors it keeps; left out for the outermost memory, and only there."
    )
    word: Size = Field(description="Bits that one access reads or writes; several narrower tensor words share an access.")
    read: AccessEnergy = Field(None, description="Energy of reading one word, `2 pJ`, or per bit, `8 pJ/b`. Left out: unknown.")
    write: AccessEnergy = Field(None, description="Energy of writing one word, or per bit. Left out: unknown, never zero.")
    keeps: Roles | None = Field(
        None,
        description="Tensors it must keep: all, none, or a list of input, weight, output. "
        "Default: all, or none where may_keep is given.",
    )
    may_keep: Roles = Field((), description="Tensors it may keep or let pass, as the mapper finds best.")
    bandwidth: BandwidthSpec | None = Field(None, description="Bandwidths of each instance; unlimited if left out.")
    ports: list[PortSpec] = Field([], description="Named ports, instead of bandwidth.")
    formats: dict[Role, FormatSpec] = Field(
        {}, description="How tensors are kept, such as `{input: rlc, weight: csr}`; uncompressed if left out."
    )
    skips: dict[Role, Leaders] = Field(
        {}, description="Accesses left out, time included, while operands are zero: `{weight: input}`."
    )
    gates: dict[Role, Leaders] = Field({}, description="Accesses left out while operands are zero; their time passes.")
    serves: AxisNames = Field(
        (),
        description="Axes of the fan-out right above along which one instance serves every place; "
        "left out: every place has an instance of its own.",
    )
    double_buffered: bool = Field(False, description="true: tiles fill half of the size, and the next ones arrive meanwhile.")
    leakage: Power = Field(None, description="Leakage power of one instance, such as `3 mW`. Left out: unknown.")
    area: Area = Field(None, description="Area of one instance, such as `0.4 mm2`. Left out: unknown.")
    class_: ComponentSpec | None = Field(
        None, alias="class", description="Component of the library that supplies the numbers which this block leaves out."
    )
    source: Text = Field("", description="Where the numbers come from.")
    sources: dict[str, Text] = Field({}, description="Where single numbers come from, by key.")


class AxisSpec(_Block):
    """One axis of a fan-out: `16`, or a block with restrictions."""

    model_config = ConfigDict(json_schema_extra=_or_short({"type": "integer", "minimum": 1}))
    size: Places = Field(description="Instances along the axis.")
    dims: Dims | None = Field(None, description="Dimensions that may be unrolled along the axis; any if left out.")
    reuses: Roles = Field((), description="Tensors that must not change along the axis.")
    kinds: Kinds | None = Field(
        None, description="Kinds of dimensions that may be unrolled along the axis, such as [row, out-channel]; any if left out."
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {"size": value}


class FanOutSpec(_Block):
    """What follows exists several times: once for each place of the axes."""

    name: Name = Field(description="Name, unique in the chip.")
    axes: dict[Name, AxisSpec] = Field(description="Axes with their sizes: `{X: 14, Y: 12}`.", min_length=1)
    multicast: bool = Field(True, description="One read above serves all places that need the same tile.")
    reduction: bool = Field(True, description="Partial sums of one output merge on the way out.")
    links: Dims = Field((), description="Dimensions along which neighbours pass on overlapping inputs.")
    transfer: AccessEnergy = Field(
        None,
        description="Energy of the network for each word that reaches or leaves one place. "
        "Left out: unknown; write `0 pJ` for a free network.",
    )
    word: Size = Field(16, description="Bits of the word that `transfer` is for.")
    hops: Hops = Field(1.0, description="Links that a word passes on average; `transfer` is the energy of one of them.")
    bandwidth: Rate = Field(None, description="What passes the root of the network, such as `64 b/cycle`; unlimited if left out.")
    waits: Waits = Field(
        "tile",
        description="When places that skip different work wait for one another: never, layer (at its "
        "end), tile (when a loop above moves on), step.",
    )
    class_: ComponentSpec | None = Field(None, alias="class", description="Component of the library, such as wire.")
    source: Text = Field("", description="Where the numbers come from.")
    sources: dict[str, Text] = Field({}, description="Where single numbers come from, by key.")


class ComputeSpec(_Block):
    """The MAC units: one in each innermost place."""

    name: Name = Field("MAC", description="Name, unique in the chip.")
    mac: AccessEnergy = Field(None, description="Energy of one multiply-accumulate. Left out: unknown.")
    operands: Operands = Field((16, ""), description="Operand width that the energy is for, or the operands' number format.")
    scaling: Scaling = Field("none", description="none, or quadratic: energy follows the product of the operand widths.")
    per_cycle: PerCycle = Field(1.0, description="MACs per cycle of each unit.")
    skips: Leaders = Field((), description="Operands whose zeros take no cycle and no energy.")
    gates: Leaders = Field((), description="Operands whose zeros cost `gated` instead of the MAC; the cycle passes.")
    gated: AccessEnergy = Field(None, description="Energy of a gated MAC. Left out: 0 pJ.")
    speed: Speed = Field(
        "fixed",
        description="fixed; serial_input or serial_weight (cycles follow its bits); composed (narrow operands share a unit).",
    )
    narrowest: Size = Field(1, description="Bits below which operands make a unit no faster.")
    vector: AccessEnergy = Field(
        None,
        description="Energy of any scalar operation of operators without MACs, where no more is known than that; else `vector:`.",
    )
    leakage: Power = Field(None, description="Leakage power of one unit.")
    area: Area = Field(None, description="Area of one unit.")
    class_: ComponentSpec | None = Field(None, alias="class", description="Component of the library, such as mac.")
    source: Text = Field("", description="Where the numbers come from.")
    sources: dict[str, Text] = Field({}, description="Where single numbers come from, by key.")


class VectorSpec(_Block):
    """The vector unit: applies operators that are no multiply-accumulates. Energies are of one scalar operation."""

    name: Name = Field("vector", description="Name, unique in the chip.")
    at: Name | None = Field(
        None, description="Memory that it reads and writes; the outermost one on chip for inputs and outputs if left out."
    )
    lanes: PerCycle | None = Field(None, description="Scalar operations a cycle, of all lanes. Left out: unknown.")
    operands: Operands = Field((16, ""), description="Width or number format of the operands that energies are for.")
    does: OperationKinds | None = Field(None, description="Kinds of operations that it has; all if left out.")
    slots: dict[Counted, PerCycle] = Field({}, description="Lane cycles of one operation by kind: `{exp: 4}`; 1 if left out.")
    drain: Drained = Field((), description="What it applies to results on their way out: activation, scale, residual.")
    holds: Size | None = Field(None, description="Its own storage: a row that fits is read once for all passes. Left out: none.")
    scaling: UnitScaling = Field("none", description="none, or width: energies follow the width of the operands.")
    add: AccessEnergy = Field(None, description="Energy of an addition or subtraction. Left out: unknown.")
    multiply: AccessEnergy = Field(None, description="Energy of a multiplication. Left out: unknown.")
    compare: AccessEnergy = Field(None, description="Energy of a comparison, selection or rounding. Left out: unknown.")
    divide: AccessEnergy = Field(None, description="Energy of a division or reciprocal. Left out: unknown.")
    sqrt: AccessEnergy = Field(None, description="Energy of a square root. Left out: unknown.")
    exp: AccessEnergy = Field(None, description="Energy of a transcendental function. Left out: unknown.")
    class_: ComponentSpec | None = Field(None, alias="class", description="Component of the library, such as vector_lane.")
    source: Text = Field("", description="Where the numbers come from.")
    sources: dict[str, Text] = Field({}, description="Where single numbers come from, by key.")


class CellSpec(_Block):
    """A cell of a compute-in-memory array; see `in_memory.Cell`."""

    kind: Text = Field(description="resistive (ReRAM, PCM), charge (SRAM with capacitors) or digital (SRAM with adders).")
    bits: Bits = Field(1, description="Bits held in one cell.")
    area_f2: Number = Field(description="Cell area in squares of the feature size.")
    g_on: Siemens | None = Field(None, description="Conductance or resistance of the largest value, such as `2 kohm` or `25 uS`.")
    g_off: Siemens | None = Field(None, description="Conductance or resistance of zero.")
    read: Volts | None = Field(None, description="Read voltage; the supply if left out.")
    pulse: Seconds | None = Field(None, description="How long a cell conducts in one pulse.")
    capacitance: Femtofarads | None = Field(None, description="Charge cells: what one multiplication switches.")
    write: Energy | None = Field(None, description="Energy of writing one cell. Left out: unknown, for SRAM that of a register.")
    endurance: Number | None = Field(None, description="Writes that a cell survives.")


class AdcSpec(_Block):
    """The converters of an array; see `in_memory.Adc`."""

    bits: Bits = Field(description="Resolution.")
    rate: Hertz = Field(description="Conversions per second of one converter, such as `1.2 GHz`.")
    columns: Count = Field(1, description="Columns that share a converter.")
    model: Text = Field("survey", description="survey (regression), isaac (its table) or stated.")
    convert: Energy = Field(0.0, description="stated: energy of a conversion.")
    step: Energy = Field(0.0, description="stated: energy of each of the bits + 1 comparisons.")
    step_time: Seconds = Field(0.0, description="Time of each comparison, beside 1 / rate.")
    area: SquareMicrons | None = Field(None, description="Area of one converter; by the model if left out.")


class ArraySpec(_Block):
    """A compute-in-memory array; see `in_memory.Array`. Energies that are left out are modelled."""

    name: Name = Field(description="Name, unique in the chip.")
    rows: Count = Field(description="Physical rows.")
    columns: Count = Field(description="Physical columns.")
    cell: CellSpec = Field(description="The storage cell.")
    weights: Text = Field("twos_complement", description="offset, twos_complement, differential or xnor.")
    inputs: Text = Field("bit_serial", description="bit_serial, voltage, pulse_count or pulse_width.")
    dac_bits: Bits = Field(1, description="Input bits that go in at once.")
    signed_magnitude: bool = Field(False, description="true: inputs go in as sign and magnitude.")
    rows_summed: Count | None = Field(None, description="Rows on at once; all if left out.")
    pair: Text = Field("columns", description="Differential weights: the pair lies in rows or in columns.")
    subtract: Text = Field("analog", description="Differential columns: subtracted in analog, or digital after two conversions.")
    merge_weight_slices: bool = Field(False, description="true: the columns of a weight are joined before the conversion.")
    analog_input_slices: Count = Field(1, description="Input slices that are integrated before a conversion.")
    adc: AdcSpec | None = Field(None, description="Converters; left out for a digital array.")
    adders: Text = Field("tree", description="Digital arrays: tree over the rows, or chain at full width.")
    weight_bits: Bits = Field(8, description="Widths that the chip is drawn for; layers bring their own.")
    input_bits: Bits = Field(8, description="Widths that the chip is drawn for; layers bring their own.")
    read_time: Seconds = Field(1e-9, description="Time of one pulse, columns settled.")
    integrate_time: Seconds = Field(0.0, description="Time of one analog integration.")
    pipelined: bool = Field(True, description="Conversions overlap with the next read.")
    input_mean: Number = Field(0.5, description="Mean input slice, as a fraction of its largest value.")
    weight_mean: Number = Field(0.5, description="Mean cell value, as a fraction of its largest value.")
    input_buffer: Bits = Field(0, description="Input buffer beside the array; one word a row if left out.")
    output_buffer: Bits = Field(0, description="Sums held beside the array; one a column if left out.")
    sum_bits: Bits = Field(24, description="Width of the accumulators.")
    row: Energy | None = Field(None, description="One pulse on one row: driver, DAC and wire.")
    column: Energy | None = Field(None, description="One column during one slice.")
    mac: Energy | None = Field(None, description="One cell at full input and weight, one pulse (digital: one gate).")
    sample: Energy | None = Field(None, description="Sample and hold of one column and slice.")
    integrate: Energy | None = Field(None, description="One analog integration.")
    shift_add: Energy | None = Field(None, description="Shift and add of one conversion.")
    fixed: Energy = Field(0.0, description="One row group during one slice, whatever the data.")
    stated_voltage: Volts | None = Field(None, description="Supply that stated energies are for; they follow its square.")
    row_area: SquareMicrons | None = Field(None, description="Driver of one row.")
    column_area: SquareMicrons | None = Field(None, description="Sample and hold of one column.")
    fixed_area: SquareMicrons = Field(0.0, description="Everything else of one array.")
    calibration: Number = Field(1.0, description="All energies of the array times this.")
    leakage: Milliwatts | None = Field(None, description="Leakage of one array.")


class StaySpec(_Block):
    """For how long a memory keeps its tile of a tensor."""

    memory: Name = Field(description="The memory that keeps the tile.")
    tensor: Role = Field(description="input, weight or output.")
    whole: Kinds = Field((), description="Kinds of dimensions with no temporal loop above the tile, which stays till then.")
    single: Kinds = Field((), description="Kinds of dimensions along which the tile is one index wide.")


class LevelSpec(_Block):
    """One step inwards: a memory, several peers side by side, or a fan-out."""

    memory: MemorySpec | None = Field(None, description="A memory that may keep any tensor.")
    peers: list[MemorySpec] | None = Field(None, description="Memories side by side that keep different tensors.", min_length=1)
    fanout: FanOutSpec | None = Field(None, description="What follows exists several times.")
    array: ArraySpec | None = Field(None, description="A compute-in-memory array, as the innermost level.")

    @model_validator(mode="after")
    def _one(self) -> LevelSpec:
        if sum(x is not None for x in (self.memory, self.peers, self.fanout, self.array)) != 1:
            raise SpecError("a level is one of memory, peers, fanout and array", hint="begin each with its own dash")
        return self


class ChipSpec(_Block):
    """A chip, from DRAM inwards to the MAC units."""

    chip: Name = Field(description="Name of the chip.")
    description: Text = Field("", description="One line that says what it is.")
    source: Text = Field("", description="Where the structure and the numbers come from.")
    technology: Length = Field(None, description="Technology node, such as `65 nm`.")
    voltage: Supply = Field(None, description="Supply voltage, such as `0.9 V`.")
    clock: Hertz = Field(description="Clock of the MAC units, such as `200 MHz`.")
    static: Power = Field(None, description="Power that flows whatever happens, beyond the leakage of the parts.")
    levels: list[LevelSpec] = Field(description="From the outside in; the first is the DRAM.", min_length=1)
    scope: Scope = Field("system", description="What the figures cover: system (with the memory that feeds it), chip or macro.")
    inferences_per_load: PerCycle = Field(1.0, description="Weights that stay where they are: inferences that one load serves.")
    compute: ComputeSpec | None = Field(None, description="The MAC units in the innermost places.")
    vector: VectorSpec | None = Field(None, description="The vector unit, for operators without MACs.")
    dataflow: Text = Field("", description="Restricts the mappings: weight-stationary, row-stationary, ... (`pj dataflows`).")
    stays: list[StaySpec] = Field([], description="For how long memories keep their tiles: a dataflow of your own.")

    @model_validator(mode="after")
    def _computes_once(self) -> ChipSpec:
        arrays = [level.array is not None for level in self.levels]
        if any(arrays[:-1]):
            raise SpecError("an array comes last", hint="it holds the weights and multiplies: nothing lies further in")
        if arrays[-1] and self.compute is not None:
            raise SpecError("compute stands beside an array", hint="leave it out: the array multiplies")
        if not arrays[-1] and self.compute is None:
            raise SpecError("the chip needs 'compute'", hint="compute: The MAC units in the innermost places.")
        return self

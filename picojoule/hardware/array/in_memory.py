"""A compute-in-memory array: cells that hold weights and multiply in place, rows that drive inputs, columns that sum.

`Array` is the one description from which energy, latency and area follow (`array_cost.py`) and from which the accuracy of a
network can be simulated. Terms: a weight of b bits is cut into *weight slices* of `cell.bits`, each in a column of its own; an
input into *input slices* of `dac_bits`, one after the other in time; a *conversion* digitises one column's sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from picojoule.errors import SpecError, unknown_name

CELL_KINDS = ("resistive", "charge", "digital")
WEIGHT_ENCODINGS = ("offset", "twos_complement", "differential", "xnor")
INPUT_ENCODINGS = ("bit_serial", "voltage", "pulse_count", "pulse_width")
PAIRS = ("rows", "columns")
ADC_KINDS = ("survey", "isaac", "stated")
ADDERS = ("tree", "chain")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One storage cell, with what it does during a read.

    resistive (ReRAM, PCM, STT-MRAM): conductances between `off_siemens` and `on_siemens` siemens, read at `read_v` for `pulse_s`.
    charge (SRAM with a capacitor or a discharging bit line): `capacitance_ff` switched by `read_v` (default: the supply); without
    it the cell's own piece of the bit line, fully discharged: an upper bound for cells that discharge it a little.
    digital (SRAM with a gate and adders): no analog value.
    """

    kind: str
    bits: int = 1  # held in one cell
    area_f2: float  # cell area in squares of the feature size
    on_siemens: float | None = None
    off_siemens: float | None = None
    read_v: float | None = None
    pulse_s: float | None = None
    capacitance_ff: float | None = None
    write_pj: float | None = None  # of one cell; None: unknown
    endurance_writes: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in CELL_KINDS:
            raise unknown_name("cell kind", self.kind, CELL_KINDS)
        if self.bits < 1:
            raise SpecError(f"a cell of {self.bits} bits", hint="a cell holds 1 bit or more")
        if self.kind == "digital" and self.bits != 1:
            raise SpecError(f"a digital cell of {self.bits} bits", hint="a digital cell holds 1 bit")
        _positive("cell area", self.area_f2, "F2")
        for what, value in (("on conductance", self.on_siemens), ("off conductance", self.off_siemens)):
            if value is not None and not (value >= 0 and math.isfinite(value)):
                raise SpecError(f"negative {what}: {value:g} S", hint="conductances are zero or more; write resistances as kohm")
        if self.kind == "resistive":
            needs = (("g_on", self.on_siemens), ("g_off", self.off_siemens), ("read", self.read_v), ("pulse", self.pulse_s))
            for what, value in needs:
                if value is None:
                    raise SpecError(
                        f"a resistive cell needs {what}", hint="such as g_on: 6 kohm, g_off: 900 kohm, read: 0.5 V, pulse: 2 ns"
                    )
            if not (self.on_siemens or 0) > (self.off_siemens or 0):
                raise SpecError(
                    f"the cell conducts {self.on_siemens:g} S on and {self.off_siemens:g} S off",
                    hint="on conducts better than off",
                )
        if self.capacitance_ff is not None:
            _positive("cell capacitance", self.capacitance_ff, "fF")

    @property
    def levels(self) -> int:
        """Distinct values of one cell."""
        return 1 << self.bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Adc:
    """The converters at the columns. `columns`: how many physical columns share one.

    kind "survey" and "isaac": models of `converters.py`; "stated": `convert_pj` and, for each of the bits + 1 comparisons,
    `step_pj`, with the area of one converter. A conversion takes 1 / `rate_hz`, and `step_s` for each comparison.
    """

    bits: int
    rate_hz: float
    columns: int = 1
    kind: str = "survey"
    convert_pj: float = 0.0
    step_pj: float = 0.0
    step_s: float = 0.0
    area_um2: float | None = None

    def __post_init__(self) -> None:
        if self.bits < 1:
            raise SpecError(f"an ADC of {self.bits} bits", hint="an ADC has 1 bit or more; leave `adc` out for a digital array")
        if self.columns < 1:
            raise SpecError(f"an ADC for {self.columns} columns", hint="one or more columns share an ADC")
        _positive("ADC rate", self.rate_hz, "Hz")
        if self.kind not in ADC_KINDS:
            raise unknown_name("ADC model", self.kind, ADC_KINDS)

    @property
    def convert_s(self) -> float:
        """Seconds of one conversion."""
        return 1 / self.rate_hz + (self.bits + 1) * self.step_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """A compute-in-memory array and its periphery. Energies that are None are modelled (`array_cost.py`), never zero.

    weights: "offset" (w - min, the offset subtracted digitally), "twos_complement" (slices, the top one signed), "differential"
    (magnitude in one of two cells, side by side in `pair` rows or columns), "xnor" (bits are +1 and -1).
    inputs: "bit_serial" (dac_bits = 1), "voltage" (levels), "pulse_count", "pulse_width", all of `dac_bits` a slice.
    """

    name: str
    rows: int
    columns: int
    cell: Cell
    weights: str = "twos_complement"
    inputs: str = "bit_serial"
    dac_bits: int = 1
    signed_magnitude: bool = False  # inputs go in as sign and magnitude, so that the sign takes no slice
    rows_summed: int | None = None  # rows on at once; None: all
    pair: str = "columns"  # of differential weights
    subtract: str = "analog"  # of differential columns: before the conversion, or "digital" after two
    merge_weight_slices: bool = False  # binary-weighted columns are joined in the analog domain before the conversion
    analog_input_slices: int = 1  # input slices weighted and integrated in the analog domain before a conversion
    adc: Adc | None = None  # None: a digital array
    adders: str = "tree"  # of a digital array: "tree", or "chain" from cell to cell at full width
    technology_nm: float = 65.0
    voltage_v: float = 1.0
    weight_bits: int = 8  # what the chip is drawn for; `Chip.at` takes a layer's own
    input_bits: int = 8
    read_s: float = 1e-9  # of one pulse on the rows, columns settled
    integrate_s: float = 0.0  # of one analog integration
    pipelined: bool = True  # conversions overlap with the next read
    input_mean: float = 0.5  # mean input slice, as a fraction of its largest value
    weight_mean: float = 0.5  # mean cell value, as a fraction of its largest value
    input_buffer_bits: int = 0  # beside each array; 0: one input word a row
    output_buffer_bits: int = 0  # 0: one sum a column
    sum_bits: int = 24  # accumulators
    row_pj: float | None = None  # one pulse on one row: driver, DAC and wire
    column_pj: float | None = None  # one column during one slice: precharge and bit line
    mac_pj: float | None = None  # one cell at full input and full weight, one pulse
    sample_pj: float | None = None  # sample and hold of one column and slice
    integrate_pj: float | None = None  # one analog integration
    shift_add_pj: float | None = None  # one conversion's shift and add
    fixed_pj: float = 0.0  # one row group during one slice, whatever the data: timing, references
    stated_v: float | None = None  # the supply that stated energies are for; they follow the square of the supply
    row_um2: float | None = None
    column_um2: float | None = None
    fixed_um2: float = 0.0
    calibration: float = 1.0  # all energies of the array times this; 1: uncalibrated
    leakage_mw: float | None = None

    def __post_init__(self) -> None:
        at = f"array {self.name!r}"
        for what, known in (
            ("weights", WEIGHT_ENCODINGS),
            ("inputs", INPUT_ENCODINGS),
            ("pair", PAIRS),
            ("adders", ADDERS),
            ("subtract", ("analog", "digital")),
        ):
            if getattr(self, what) not in known:
                raise unknown_name(f"{what} of {at}", getattr(self, what), known)
        for what in ("rows", "columns", "dac_bits", "analog_input_slices", "weight_bits", "input_bits", "sum_bits"):
            if getattr(self, what) < 1:
                raise SpecError(f"{at}: {what} is {getattr(self, what)}", hint="one or more")
        for what in ("technology_nm", "voltage_v", "read_s", "calibration"):
            _positive(f"{at}: {what}", getattr(self, what), "")
        for what in ("input_mean", "weight_mean"):
            if not 0 <= getattr(self, what) <= 1:
                raise SpecError(f"{at}: {what} is {getattr(self, what)}", hint="a fraction of the largest value, 0 to 1")
        if self.inputs == "bit_serial" and self.dac_bits != 1:
            raise SpecError(
                f"{at}: bit-serial inputs with a {self.dac_bits} b DAC", hint="bit_serial is 1 b a slice; choose voltage"
            )
        if not 1 <= self.active_rows <= self.rows or self.rows % self.active_rows:
            raise SpecError(f"{at}: {self.rows_summed} of {self.rows} rows are summed", hint="a whole fraction of the rows")
        if (self.adc is None) != (self.cell.kind == "digital"):
            raise SpecError(
                f"{at}: " + ("an analog array has no ADC" if self.adc is None else "a digital array has an ADC"),
                hint="cells of kind digital need none, all others need one",
            )
        if self.adc is not None and self.adc.columns > self.columns:
            raise SpecError(f"{at}: an ADC for {self.adc.columns} of {self.columns} columns", hint="share it among fewer columns")
        if self.weights == "differential" and self.pair == "rows" and (self.rows < 2 or self.active_rows % 2):
            raise SpecError(f"{at}: pairs of rows in {self.active_rows} rows", hint="an even number of rows")
        self.check_fits(self.weight_bits)

    def check_fits(self, weight_bits: int) -> None:
        """Refuse weights that need more columns than there are."""
        needed = self.columns_per_weight(weight_bits)
        if needed > self.columns:
            raise SpecError(
                f"array {self.name!r}: a weight of {weight_bits} b takes {needed} columns of {self.cell.bits} b cells"
                f", and there are {self.columns}",
                hint="more columns, or more bits a cell",
            )

    # Slices ---------------------------------------------------------------------------------------------------------
    @property
    def active_rows(self) -> int:
        """Physical rows on at once."""
        return self.rows if self.rows_summed is None else self.rows_summed

    @property
    def inputs_summed(self) -> int:
        """Inputs that one column sums at once: pairs of rows hold one."""
        return self.active_rows // (2 if self.weights == "differential" and self.pair == "rows" else 1)

    @property
    def row_groups(self) -> int:
        """Groups of rows that take turns."""
        return self.rows // self.active_rows

    def weight_slices(self, weight_bits: int) -> int:
        """Cells that hold one weight, pairs counted once."""
        magnitude = weight_bits - 1 if self.weights == "differential" else weight_bits
        return max(1, -(-magnitude // self.cell.bits))

    def columns_per_weight(self, weight_bits: int) -> int:
        """Physical columns that one weight takes."""
        return self.weight_slices(weight_bits) * (2 if self.weights == "differential" and self.pair == "columns" else 1)

    def cells_per_weight(self, weight_bits: int) -> int:
        """Cells that one weight takes, pairs included."""
        return self.weight_slices(weight_bits) * (2 if self.weights == "differential" else 1)

    def input_slices(self, input_bits: int) -> int:
        """Slices of one input, one after the other."""
        return max(1, -(-(input_bits - self.signed_magnitude) // self.dac_bits))

    def outputs(self, weight_bits: int) -> int:
        """Outputs that the array sums side by side."""
        return self.columns // self.columns_per_weight(weight_bits)

    def conversions(self, weight_bits: int, input_bits: int) -> int:
        """Conversions for one output of one row group, all slices of input and weight."""
        if self.adc is None:
            return 0
        slices = 1 if self.merge_weight_slices else self.weight_slices(weight_bits)
        twice = 2 if self.weights == "differential" and self.pair == "columns" and self.subtract == "digital" else 1
        return -(-self.input_slices(input_bits) // self.analog_input_slices) * slices * twice

    def conversions_per_mac(self, weight_bits: int, input_bits: int) -> float:
        """Conversions for each multiply-accumulate of a full array."""
        return self.conversions(weight_bits, input_bits) / self.inputs_summed

    def lossless_adc_bits(self, weight_bits: int | None = None, input_bits: int | None = None) -> int:
        """ADC bits that lose nothing: log2 of the distinct sums of one conversion, rounded up.

        A sum of R products of an input of v bits and a weight of w bits takes R (2^v - 1)(2^w - 1) + 1 values, twice as many less
        one if it is signed. ISAAC's rule, log2 R + v + w less 1 where v or w is 1, gives the same for powers of two: 128 rows,
        v = 1, w = 2 are 9 bits. v and w include what is merged in the analog domain.
        """
        bits = weight_bits or self.weight_bits
        merged = self.weight_slices(bits) if self.merge_weight_slices else 1
        w = min(self.cell.bits * merged, max(1, bits - (self.weights == "differential")))
        joined = min(self.analog_input_slices, self.input_slices(input_bits or self.input_bits))
        v = self.dac_bits * joined
        most = self.inputs_summed * ((1 << v) - 1) * ((1 << w) - 1)
        signed = self.signed_magnitude or (self.weights == "differential" and self.subtract == "analog")
        levels = 2 * most + 1 if signed else most + 1
        return max(1, (levels - 1).bit_length())

    # Time -----------------------------------------------------------------------------------------------------------
    @property
    def pulses(self) -> int:
        """Pulses of one slice: one, or up to 2^dac_bits - 1 where pulses are counted."""
        return (1 << self.dac_bits) - 1 if self.inputs in ("pulse_count", "pulse_width") else 1

    def integrations(self, input_bits: int) -> int:
        """Analog integrations of one input: the slice of weight 2^k is integrated 2^k times, in each group of slices anew."""
        n, group = self.input_slices(input_bits), self.analog_input_slices
        whole, rest = divmod(n, group)
        return whole * ((1 << group) - 1) + ((1 << rest) - 1 if rest else 0) if group > 1 else 0

    def activation_s(self, weight_bits: int, input_bits: int) -> float:
        """Seconds of one row group for whole inputs and weights: reads and conversions overlap where `pipelined`."""
        reads = self.input_slices(input_bits) * self.pulses * self.read_s + self.integrations(input_bits) * self.integrate_s
        if self.adc is None:
            return reads
        slices = -(-self.input_slices(input_bits) // self.analog_input_slices)
        merged = self.weight_slices(weight_bits) if self.merge_weight_slices else 1
        busy = slices * self.adc.columns * self.adc.convert_s / merged
        return max(reads, busy) if self.pipelined else reads + busy


def _positive(what: str, value: float | None, unit: str) -> None:
    if value is None or not (value > 0 and math.isfinite(value)):
        shown = "unknown" if value is None else f"{value:g} {unit}".strip()
        raise SpecError(f"{what} is {shown}", hint="a finite number above zero")

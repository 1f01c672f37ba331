"""Energy and area by bit width: the survey's ratios between operations, and what narrow formats save on a chip."""

from __future__ import annotations

import math

from picojoule.ask import Progress
from picojoule.cost.model import evaluate
from picojoule.hardware.components.format_mac import mac_cost
from picojoule.hardware.components.logic import area_at_width, operation
from picojoule.interop.load import load_chip, load_model, parse_mapping
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row

# (operation, (format, bits), over (format, bits), energy ratio, area ratio), the survey's Section VII-A and Fig. 39
RATIOS = (
    ("add", ("int", 32), ("int", 8), 3.3, 3.8),
    ("add", ("float", 32), ("int", 8), 30.0, 116.0),
    ("multiply", ("int", 32), ("int", 8), 15.5, 12.4),
    ("multiply", ("float", 32), ("int", 8), 18.5, 27.5),
)
FORMATS = ("fp32", "int16", "fp16", "bf16", "int8", "fp8_e4m3", "mxfp8_e4m3", "mxfp6_e2m3", "int4", "nvfp4", "mxfp4", "binary")
BF16_PJ = 0.21  # Jouppi, ISCA 2021, 7 nm
LAYER, MAPPING, CHIP = "gemm:M=256,N=256,K=256", "DRAM{A,B,Z}; m4 n4 k2; GlobalBuffer{A,B,Z}; X:m16 Y:n16; m4 n4 k128", "simple3"


def _run(progress: Progress) -> Outcome:
    progress(0, 2, "operations")
    rows = [row for what in RATIOS for row in _rows(*what)]
    bf16 = mac_cost("bf16", "bf16", 7).parts[0].energy.value
    rows.append(
        Row(
            what="multiply: bf16 at 7 nm",
            group="energy",
            unit="pJ",
            reported=BF16_PJ,
            predicted=bf16,
            note="Jouppi, ISCA 2021; our law goes through FP16 and FP32 only",
        )
    )
    progress(1, 2, "formats on a chip")
    table = [_on_chip(name) for name in FORMATS]
    at = {str(r["format"]): r for r in table}
    memory = {n: float(at[n]["memories [uJ]"]) for n in at}
    checks = (
        *(
            Check(
                what=f"{r.what}: {r.group} as printed, within rounding",
                holds=abs(r.error_percent or 0) < 2.0,
                detail=f"{r.error_percent or 0:+.1f} %",
            )
            for r in rows
            if r.composed
        ),
        Check(
            what="a bf16 multiplication at 7 nm within 10 % of Jouppi's, which is not in the law",
            holds=abs(bf16 / BF16_PJ - 1) < 0.1,
            detail=f"{100 * (bf16 / BF16_PJ - 1):+.1f} %",
        ),
        Check(
            what="an integer adder's energy grows with the width to the power 0.8 to 1.2 (8 to 32 b)",
            holds=0.8 < _exponent("add") < 1.2,
            detail=f"{_exponent('add'):.2f}",
        ),
        Check(
            what="an integer multiplier's to the power 1.8 to 2.2",
            holds=1.8 < _exponent("multiply") < 2.2,
            detail=f"{_exponent('multiply'):.2f}",
        ),
        Check(
            what="a memory's energy follows the bits: 16 to 8 b halves it", holds=abs(memory["int16"] / memory["int8"] - 2) < 0.01
        ),
        Check(what="float or fixed of the same width: the memories take the same", holds=memory["int16"] == memory["fp16"]),
    )
    return Outcome(
        rows=tuple(rows),
        checks=checks,
        tables={f"{LAYER} on {CHIP}, one mapping": table},
        notes=(
            "The ratios are those of the table that our law goes through, so their rows are composed and predict nothing; the "
            "table of formats does: widths between the table's, block formats, and what a chip makes of them.",
        ),
    )


def _rows(name: str, wide: tuple[str, int], narrow: tuple[str, int], energy: float, area: float) -> list[Row]:
    pj = [operation(name, f, n, 45, 0.9).value for f, n in (wide, narrow)]
    um2 = [area_at_width(name, f, n, 45).value for f, n in (wide, narrow)]
    what = f"{name}: {wide[1]} b {wide[0]} over {narrow[1]} b {narrow[0]}"
    return [
        Row(what=what, group="energy", unit="", reported=energy, predicted=pj[0] / pj[1], composed=True),
        Row(what=what, group="area", unit="", reported=area, predicted=um2[0] / um2[1], composed=True),
    ]


def _exponent(name: str) -> float:
    """Slope over the width in log-log, 8 to 32 b integers."""
    return math.log(operation(name, "int", 32, 45, 0.9).value / operation(name, "int", 8, 45, 0.9).value) / math.log(4)


def _on_chip(name: str) -> dict[str, float | str]:
    """One product in a format on a small chip, by one mapping."""
    layer, chip = load_model(LAYER, bits=name).layers[0].layer, load_chip(CHIP)
    cost = evaluate(layer, chip, parse_mapping(MAPPING, layer, chip, name))
    macs = sum(c.energy_pj for c in cost.contributions if c.component == chip.compute.name)
    unit = mac_cost(name, name)
    return {
        "format": name,
        "bits a value": layer.tensors[0].bits,
        "MAC [pJ at 45 nm]": round(unit.energy.value, 3),
        "MAC [um2 at 45 nm]": round(unit.area.value),
        "memories [uJ]": (cost.energy_pj - macs) / 1e6,
        "MACs [uJ]": macs / 1e6,
    }


EXPERIMENT = Experiment(
    name="bit-width",
    claim="8 b integers take 3.3 (add) and 15.5 times (multiply) less energy than 32 b ones, 30 and 18.5 times less than floats",
    source="Sze, Chen, Yang, Emer, Proc. IEEE 105(12), 2017, Section VII-A, after Horowitz, ISSCC 2014",
    run=_run,
)

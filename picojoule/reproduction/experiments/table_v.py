"""The survey's Table V: the metric card of Eyeriss on AlexNet, its figures put together again from the chip's own tables."""

from __future__ import annotations

import csv

from picojoule.ask import Progress
from picojoule.hardware.chipfile.read import load_chip
from picojoule.published.card import HardwareCard
from picojoule.published.card_files import card
from picojoule.published.platform import DATA
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row
from picojoule.workload.load import load_model

ROUNDING_PERCENT = 1.0


def _run(progress: Progress) -> Outcome:
    c = card("eyeriss")
    layers = _layers()
    total_ms = sum(ms for _, ms, _ in layers)
    power = sum(mw * ms for mw, ms, _ in layers) / total_ms
    traffic = sum(mb for _, _, mb in layers) / c.batch
    network = load_model("alexnet")
    macs = sum(s.count * s.layer.macs for s in network.layers if s.layer.op == "Conv")
    chip = load_chip("eyeriss")
    rows = (
        Row(what="core area per multiplier", unit="mm2", reported=0.073, predicted=c.area_per_multiplier_mm2, composed=True),
        Row(
            what="on-chip storage per multiplier",
            unit="kB",
            reported=1.14,
            predicted=(c.onchip_bytes_per_multiplier or 0) / 1e3,
            composed=True,
        ),
        Row(what="multipliers", unit="", reported=168, predicted=float(chip.pes), note="of the preset eyeriss"),
        Row(what="MACs of the convolutions", unit="", reported=2.66e9 / 4, predicted=float(macs), note="from the shapes"),
        Row(
            what="runtime of the batch",
            unit="ms",
            reported=c.runtime_s * 1e3,
            predicted=total_ms,
            composed=True,
            note="sum over layers",
        ),
        Row(what="power", unit="mW", reported=c.power_w * 1e3, predicted=power, composed=True, note="mean over time"),
        Row(what="off-chip access per image", unit="MB", reported=(c.offchip_bytes or 0) / 1e6, predicted=traffic, composed=True),
        Row(what="frames a second", unit="1/s", reported=34.7, predicted=c.inferences_per_s, composed=True),
        Row(what="throughput", unit="GMAC/s", reported=23.1, predicted=c.throughput.value / 1e9, composed=True),
        Row(what="efficiency", unit="GMAC/s/W", reported=83.1, predicted=c.efficiency.value / 1e9, composed=True),
    )
    checks = tuple(
        Check(what=f"{r.what}: follows within {ROUNDING_PERCENT:g} %", holds=abs(r.error_percent or 0) <= ROUNDING_PERCENT,
              detail=f"{r.error_percent or 0:+.2f} %")
        for r in rows
    )  # fmt: skip
    notes = (
        "115.3 ms are for the batch of 4 and for the convolutions alone, and the power leaves DRAM out: at 460 pJ a 16-bit word "
        f"DRAM adds {460e-12 * (c.offchip_bytes or 0) / 2 * 1e3:.2f} mJ to the {c.energy_j * 1e3:.2f} mJ of the chip per image.",
        "192 kB counts 0.5 kB of registers a PE; the chip's own paper counts 181.5 kB of SRAM.",
    )
    return Outcome(rows=rows, checks=checks, notes=notes, tables={"Table V": table(c)})


def _layers() -> list[tuple[float, float, float]]:
    """(mW, ms, MB) of each layer, for the batch."""
    with open(DATA / "eyeriss_alexnet.csv", encoding="utf-8", newline="") as f:
        rows = csv.DictReader(line for line in f if not line.startswith("#"))
        return [(float(r["power_mw"]), float(r["total_ms"]), float(r["dram_mb"])) for r in rows]


def table(c: HardwareCard) -> list[dict[str, object]]:
    """Metric and value, as the survey prints them."""
    shown = {
        "process": c.process, "core area per multiplier [mm2]": c.area_per_multiplier_mm2,
        "on-chip storage per multiplier [kB]": (c.onchip_bytes_per_multiplier or 0) / 1e3, "measured or simulated": c.evidence,
        "scope of the power": f"{c.scope}, DRAM {'inside' if c.dram_inside else 'not inside'}", "network": c.model,
        "accuracy": c.accuracy, "supported layers": c.layers, "bits per weight": c.weight_bits,
        "bits per activation": c.activation_bits, "batch": c.batch, "runtime [ms]": c.runtime_s * 1e3,
        "power [mW]": c.power_w * 1e3,
        "off-chip access per image [MB]": (c.offchip_bytes or 0) / 1e6, "images tested": c.inputs_tested,
    }  # fmt: skip
    return [{"metric": k, "value": v} for k, v in shown.items()]


EXPERIMENT = Experiment(
    name="table-v",
    claim="Table V: Eyeriss on AlexNet: 0.073 mm2 and 1.14 kB a multiplier, 115.3 ms for 4 images, 278 mW, 3.85 MB an image",
    source="Sze, Chen, Yang, Emer, Proc. IEEE 105(12), 2017, Table V; layers: Chen et al., JSSC 2017",
    run=_run,
)

"""DaDianNao against DianNao: what it brings to keep all weights in embedded DRAM beside the multipliers."""

from __future__ import annotations

from dataclasses import dataclass

from picojoule.ask import Progress
from picojoule.cost.cost import Cost
from picojoule.hardware.chip import Chip
from picojoule.interop.load import load_chip, load_model
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row
from picojoule.search.optimal import best_mapping

OFF_CHIP = "DRAM"
LAYERS = {  # a fully connected layer uses each weight once, the matrix product of a convolution many times
    "AlexNet FC7, batch 1": "gemm:M=1,N=4096,K=4096",
    "AlexNet FC8, batch 1": "gemm:M=1,N=1000,K=4096",
    "AlexNet CONV3, as its matrix product": "gemm:M=169,N=384,K=2304",
}
REPORTED = {"diannao": (452.0, 0.485), "dadiannao": (5585.0, 15.97)}  # GOPS, W: of the layouts, without any DRAM
DDR3_OVER_EDRAM = 321.0


@dataclass(frozen=True, slots=True)
class Pair:
    """The best mappings of one layer on both chips."""

    small: Cost
    large: Cost

    @property
    def energy(self) -> float:
        return self.small.energy_pj / self.large.energy_pj

    @property
    def time(self) -> float:
        return self.small.latency_s / self.large.latency_s


def off_chip_share(cost: Cost) -> float:
    """Share of the energy that external DRAM takes."""
    return sum(c.energy_pj for c in cost.contributions if c.component == OFF_CHIP) / cost.energy_pj


def on_chip_w(cost: Cost) -> float:
    """Power of everything but external DRAM."""
    return (1 - off_chip_share(cost)) * cost.energy_pj * 1e-12 / cost.latency_s


def _best(text: str, chip: Chip) -> Cost:
    layer = load_model(text).layers[0].layer
    return best_mapping(layer, chip, objective="edp").cost


def _run(progress: Progress) -> Outcome:
    small, large = load_chip("diannao"), load_chip("dadiannao")
    pairs = {}
    for i, (name, text) in enumerate(LAYERS.items()):
        progress(i, len(LAYERS), name)
        pairs[name] = Pair(_best(text, small), _best(text, large))
    rows = [_peak(small, *REPORTED["diannao"]), _peak(large, *REPORTED["dadiannao"])]
    rows.append(Row(
        what="256 b from DDR3 over 256 b from eDRAM", unit="", group="memory", reported=DDR3_OVER_EDRAM, composed=True,
        predicted=_pj_per_bit(small) / _pj_per_bit(large),
    ))  # fmt: skip
    for name, p in pairs.items():
        rows.append(Row(what=f"{name}: DianNao / DaDianNao", unit="", group="energy", reported=None, predicted=p.energy))
        rows.append(Row(what=f"{name}: DianNao / DaDianNao", unit="", group="time", reported=None, predicted=p.time))
    busy = pairs["AlexNet CONV3, as its matrix product"]
    note = "busy with CONV3; ours from component models, theirs from a layout"
    for name, cost in (("diannao", busy.small), ("dadiannao", busy.large)):
        watts = REPORTED[name][1]
        rows.append(Row(what=f"{name} alone", unit="W", group="power", reported=watts, predicted=on_chip_w(cost), note=note))
    return Outcome(rows=tuple(rows), checks=_checks(small, large, pairs), notes=_NOTES)


def _pj_per_bit(chip: Chip) -> float:
    outer = chip.memories[0]
    assert outer.read_pj is not None  # both presets state it
    return outer.read_pj / outer.word_bits


def _peak(chip: Chip, gops: float, watts: float) -> Row:
    peak = 2 * chip.pes * chip.clock_hz / 1e9
    return Row(what=f"{chip.name}: peak", unit="GOPS", group="peak", reported=gops, predicted=peak, note="2 x MACs x clock")


def _checks(small: Chip, large: Chip, pairs: dict[str, Pair]) -> tuple[Check, ...]:
    more = large.pes * large.clock_hz / (small.pes * small.clock_hz)
    checks = []
    for name, p in pairs.items():
        share = off_chip_share(p.small)
        if "FC" in name:
            checks += [
                Check(what=f"{name}: DRAM takes over 90 % of DianNao's energy", holds=share > 0.9, detail=f"{100 * share:.1f} %"),
                Check(what=f"{name}: at least ten times less energy", holds=p.energy >= 10, detail=f"{p.energy:.1f} times"),
                Check(
                    what=f"{name}: faster by more than the {more:.1f} times more MAC/s",
                    holds=p.time > more,
                    detail=f"{p.time:.0f} times",
                ),
            ]
        else:
            checks += [
                Check(what=f"{name}: not faster than the MACs allow", holds=p.time <= more * 1.001, detail=f"{p.time:.1f} times"),
                Check(
                    what=f"{name}: less than a tenth of FC7's gain in energy",
                    holds=10 * p.energy < pairs["AlexNet FC7, batch 1"].energy,
                    detail=f"{p.energy:.1f} times",
                ),
            ]
    return tuple(checks)


_NOTES = (
    "the papers print no ratio between the two chips; the checks are what the survey concludes: eDRAM removes the cost of "
    "weights that are used once, and brings little where they are reused",
    "DaDianNao is taken alone, with its weights loaded; layers above 32 MiB of weights need several chips (not modelled)",
    "peaks: the papers count the operations of their pipelines (452 and 5,585 GOPS); 2 x MACs x clock is 11 % more and 11 % less",
)

EXPERIMENT = Experiment(
    name="dadiannao",
    claim="weights in eDRAM beside 4,096 multipliers (DaDianNao) against weights in DDR3 beside 256 (DianNao)",
    source="Chen et al., ASPLOS 2014 and MICRO 2014; Sze et al. 2017, section VI-A: eDRAM 321 times more efficient than DDR3",
    run=_run,
)

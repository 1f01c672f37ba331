"""Gating saves energy and no time, skipping saves both: Eyeriss and Cnvlutin on AlexNet's zeros."""

from __future__ import annotations

import math

from picojoule.ask import Progress
from picojoule.cost.cost import Cost
from picojoule.cost.model import evaluate
from picojoule.hardware.chip import Chip
from picojoule.interop.load import load_chip, load_model
from picojoule.mapping.mapping import Mapping
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row
from picojoule.search.optimal import best_mapping
from picojoule.workload.layer import Layer

ZEROS = {"conv1": 0.0001, "conv2": 0.387, "conv3": 0.725, "conv4": 0.793, "conv5": 0.776}  # of inputs, as the chip measured
PE = ("filter_spad", "ifmap_spad", "psum_spad", "MAC")  # what stands in a PE of Eyeriss


def alexnet() -> dict[str, Layer]:
    """AlexNet's convolutions with the zeros that Eyeriss met in their inputs."""
    layers = {s.layer.name: s.layer for s in load_model("alexnet").layers}
    return {name: layers[name].with_density(input=1 - zeros) for name, zeros in ZEROS.items()}


def pe_pj(cost: Cost) -> float:
    return math.fsum(c.energy_pj for c in cost.contributions if c.component in PE)


def switched_pj(cost: Cost) -> float:
    """Energy without what leaks while time passes."""
    return math.fsum(c.energy_pj for c in cost.contributions if c.action != "leak")


def _run(progress: Progress) -> Outcome:
    gated, skipping = load_chip("eyeriss-gated"), load_chip("cnvlutin-like")
    sums = {"PE energy, blind": 0.0, "PE energy, gated": 0.0, "cycles, blind": 0.0, "cycles, skipping": 0.0}
    table, same_time, saves_energy, saves_both, less_or_equal = [], True, True, True, True
    for i, (name, layer) in enumerate(alexnet().items()):
        progress(i, len(ZEROS), name)
        eyeriss = _twice(layer, gated)
        cnvlutin = _twice(layer, skipping)
        as_gates = evaluate(layer, skipping.gating(), cnvlutin[2])
        sums["PE energy, blind"] += pe_pj(eyeriss[0])
        sums["PE energy, gated"] += pe_pj(eyeriss[1])
        sums["cycles, blind"] += dict(cnvlutin[0].cycles_by_cause)["compute"]
        sums["cycles, skipping"] += dict(cnvlutin[1].cycles_by_cause)["compute"]
        dense, sparse = (dict(c.cycles_by_cause)["compute"] for c in cnvlutin[:2])
        same_time &= dict(as_gates.cycles_by_cause)["compute"] == dense
        less_or_equal &= math.isclose(switched_pj(as_gates), switched_pj(cnvlutin[1]), rel_tol=1e-9)
        if ZEROS[name] > 0.1:  # conv1 has none to exploit, and its offsets cost energy all the same
            saves_energy &= as_gates.energy_pj < cnvlutin[0].energy_pj
            saves_both &= sparse < dense and cnvlutin[1].energy_pj < cnvlutin[0].energy_pj
        table.append(
            {
                "layer": name,
                "zero inputs [%]": 100 * ZEROS[name],
                "energy, blind [uJ]": cnvlutin[0].energy_pj / 1e6,
                "energy, gating [uJ]": as_gates.energy_pj / 1e6,
                "energy, skipping [uJ]": cnvlutin[1].energy_pj / 1e6,
                "cycles, blind": dense,
                "cycles, gating": dict(as_gates.cycles_by_cause)["compute"],
                "cycles, skipping": sparse,
                "busiest PE / average": cnvlutin[1].imbalance,
            }
        )
    rows = (
        Row(
            what="PE energy that zero gating saves",
            unit="%",
            reported=45.0,
            predicted=100 * (1 - sums["PE energy, gated"] / sums["PE energy, blind"]),
            note="reported: power of a PE; predicted: AlexNet's convolutions, a gated access or MAC costs nothing",
        ),
        Row(
            what="speed-up of skipping zero inputs",
            unit="x",
            reported=1.37,
            predicted=sums["cycles, blind"] / sums["cycles, skipping"],
            note="reported: mean over six networks with their own zeros; predicted: AlexNet with the zeros that Eyeriss met",
        ),
    )
    checks = (
        Check(what="gating leaves the cycles as they are", holds=same_time),
        Check(what="gating saves energy on every layer with zeros", holds=saves_energy),
        Check(what="skipping saves energy and cycles on every layer with zeros", holds=saves_both),
        Check(what="but for what leaks meanwhile, both save the same energy", holds=less_or_equal),
    )
    return Outcome(rows=rows, checks=checks, tables={"a zero-skipping chip, made blind and made gating": table})


def _twice(layer: Layer, chip: Chip) -> tuple[Cost, Cost, Mapping]:
    """Costs of the blind chip's best mapping, without and with what the chip does about zeros, and the mapping."""
    blind = chip.blind()
    found = best_mapping(layer, blind, "edp", space="prototype")  # any good mapping does: both sides use it
    return found.cost, evaluate(layer, chip, found.mapping), found.mapping


EXPERIMENT = Experiment(
    name="gating-skipping",
    claim="Zero gating saves 45 % of PE power and no time (Eyeriss); skipping zero inputs is 1.37 times as fast (Cnvlutin)",
    source="Sze et al., Proc. IEEE 2017, Section VII-B; Chen et al., JSSC 2017 (AlexNet's zeros); Albericio et al., ISCA 2016",
    run=_run,
    slow=True,
)

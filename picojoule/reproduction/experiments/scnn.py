"""SCNN against the same engine without sparsity, on AlexNet's convolutions."""

from __future__ import annotations

from picojoule.ask import Progress
from picojoule.interop.load import load_chip
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row
from picojoule.reproduction.experiments.gating_skipping import ZEROS, alexnet
from picojoule.search.optimal import best_mapping

WEIGHTS = {"conv1": 0.84, "conv2": 0.38, "conv3": 0.35, "conv4": 0.37, "conv5": 0.37}  # left by pruning (Han et al., NIPS 2015)


def _run(progress: Progress) -> Outcome:
    chip = load_chip("scnn-like")
    blind = chip.blind()
    energy, cycles, table = [0.0, 0.0], [0.0, 0.0], []
    faster: dict[str, float] = {}
    for i, (name, layer) in enumerate(alexnet().items()):
        progress(i, len(WEIGHTS), name)
        layer = layer.with_density(weight=WEIGHTS[name])
        dense, sparse = (best_mapping(layer, c, "edp") for c in (blind, chip))
        for k, r in enumerate((dense, sparse)):
            energy[k] += r.cost.energy_pj
            cycles[k] += r.cost.cycles
        faster[name] = dense.cost.cycles / sparse.cost.cycles
        table.append(
            {
                "layer": name,
                "weights kept [%]": 100 * WEIGHTS[name],
                "speed-up": faster[name],
                "energy saved by": dense.cost.energy_pj / sparse.cost.energy_pj,
                "busiest PE / average": sparse.cost.imbalance,
                "gap of the search [%]": 100 * sparse.gap,
            }
        )
    note = "reported: AlexNet, GoogLeNet and VGG-16 with their own zeros; predicted: AlexNet's convolutions"
    rows = (
        Row(what="speed-up over the dense engine", unit="x", reported=2.7, predicted=cycles[0] / cycles[1], note=note),
        Row(what="energy of the dense engine / SCNN's", unit="x", reported=2.3, predicted=energy[0] / energy[1], note=note),
    )
    checks = (
        Check(what="sparse is faster and takes less energy", holds=energy[1] < energy[0] and cycles[1] < cycles[0]),
        Check(
            what="no layer gains more than its share of non-zero products allows",
            holds=all(x <= 1.001 / (WEIGHTS[n] * (1 - ZEROS[n])) for n, x in faster.items()),
        ),
    )
    notes = (
        "SCNN loses time where fewer non-zeros than multipliers come together (fragmentation of the 4 x 4 product) and "
        "where accumulator banks conflict; neither is modelled, so the predicted speed-up is an upper end.",
    )
    return Outcome(rows=rows, checks=checks, notes=notes, tables={"layer by layer": table})


EXPERIMENT = Experiment(
    name="scnn",
    claim="SCNN is 2.7 times as fast as an equally provisioned dense engine and takes 2.3 times less energy",
    source="Parashar et al., ISCA 2017, cited in Sze et al. 2017; zeros: Chen et al., JSSC 2017; weights: Han et al., NIPS 2015",
    run=_run,
    slow=True,
)

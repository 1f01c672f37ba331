"""ISCA 2016, Section VII: a larger batch helps the fully connected layers, convolutions hardly."""

from __future__ import annotations

from picojoule.ask import Progress
from picojoule.interop.load import load_chip, load_model
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row
from picojoule.reproduction.row_stationary_model import energies_pj

BATCHES = (1, 4, 16)
DRAM_PER_MAC_FC6 = 7.78 / 0.60 / 200  # at N=16, from the reference table of Fig. 10


def _run(progress: Progress) -> Outcome:
    chip = load_chip("eyeriss-256")
    rows: list[Row] = []
    conv: dict[int, float] = {}
    fc: dict[int, float] = {}
    for i, n in enumerate(BATCHES):
        progress(i, len(BATCHES), f"batch {n}")
        network = load_model("alexnet", batch=n)
        pj = energies_pj(network, chip)
        macs = {s.layer.name: s.layer.macs for s in network.layers}
        for group, found in (("CONV", conv), ("FC", fc)):
            names = [k for k in pj if k.startswith(group.lower())]
            found[n] = sum(pj[k] for k in names) / sum(macs[k] for k in names)
            rows.append(
                Row(what=f"batch {n}", group=f"{group}: energy per MAC", unit="MAC energies", reported=None, predicted=found[n])
            )
    last, first = BATCHES[-1], BATCHES[0]
    weights = 1 / last  # fc6 reads each weight once for the batch; inputs and outputs add 16 * (9216 + 4096) words
    ours = weights + (9216 + 4096) / (9216 * 4096)
    rows.append(Row(what="fc6, batch 16", group="DRAM words per MAC", unit="", reported=DRAM_PER_MAC_FC6, predicted=ours))
    checks = (
        Check(
            what="FC: energy per MAC falls with the batch, by more than half from 1 to 16",
            holds=fc[last] < 0.5 * fc[first],
            detail=f"{fc[first]:.1f} to {fc[last]:.1f}",
        ),
        Check(
            what="CONV: it changes by less than a tenth from 4 to 16",
            holds=abs(conv[last] / conv[4] - 1) < 0.1,
            detail=f"{conv[4]:.2f} to {conv[last]:.2f}",
        ),
    )
    return Outcome(rows=tuple(rows), checks=checks)


EXPERIMENT = Experiment(
    name="batch-sweep",
    claim="Under row stationary the batch sets the energy of the fully connected layers, and hardly that of convolutions",
    source="Chen, Emer, Sze, ISCA 2016, Section VII",
    run=_run,
    calibration="none: Table IV of ISCA 2016",
    slow=True,
)

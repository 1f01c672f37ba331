"""ISCA 2016, Section VI: row stationary at equal area, more or fewer registers in the PEs; 512 B was the best of the sweep."""

from __future__ import annotations

from picojoule.ask import Progress
from picojoule.explore.equal_area import Split, buffer_bytes, split_chip
from picojoule.interop.load import load_model
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row
from picojoule.reproduction.row_stationary_model import energies_pj

BYTES = (128, 256, 384, 512, 640, 768)
CLOSE = 0.03


def _run(progress: Progress) -> Outcome:
    network = load_model("alexnet", batch=16)
    total = {}
    for i, b in enumerate(BYTES):
        progress(i, len(BYTES), f"{b} B a PE")
        total[b] = sum(energies_pj(network, split_chip(Split(name=f"{b} B for all", shared=b // 2), 256)).values())
    best = min(total, key=lambda b: total[b])
    rows = [
        Row(
            what=f"{b} B a PE, {buffer_bytes(256, b) / 1024:.0f} KiB buffer: energy over the best",
            unit="",
            reported=None,
            predicted=e / total[best],
        )
        for b, e in total.items()
    ]
    over = total[512] / total[best] - 1
    checks = (
        Check(
            what=f"512 B is within {100 * CLOSE:g} % of the best of the sweep",
            holds=over <= CLOSE,
            detail=f"{100 * over:+.1f} %, best {best} B",
        ),
        Check(what="too few and too many registers cost more", holds=total[128] > total[512] and total[768] > total[512]),
    )
    note = f"the optimum is flat: {best} B is the best here; a register access costs the same at any size, as in the paper"
    return Outcome(rows=tuple(rows), checks=checks, notes=(note,))


EXPERIMENT = Experiment(
    name="buffer-sweep",
    claim="Row stationary at equal area takes least energy with 512 B of registers in each PE (AlexNet, 256 PEs, N=16)",
    source="Chen, Emer, Sze, ISCA 2016, Section VI (set-up of the comparison)",
    run=_run,
    calibration="none: Table IV of ISCA 2016 and its equal-area rule",
    slow=True,
)

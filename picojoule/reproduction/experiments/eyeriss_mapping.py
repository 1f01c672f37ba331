"""JSSC 2017, Table III: how row stationary lies on Eyeriss' 12 x 14 PEs, from the seven mapping parameters."""

from __future__ import annotations

from picojoule.ask import Progress
from picojoule.reproduction import eyeriss
from picojoule.reproduction import eyeriss_model as ours
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row


def _run(progress: Progress) -> Outcome:
    rows, checks = [], []
    for i, chip in enumerate(eyeriss.ALEXNET):
        progress(i, len(eyeriss.ALEXNET), chip.layer)
        rs = ours.alexnet(chip.layer)
        placed = {(w.row, w.column) for w in rs.works()}
        inputs, sums = (round(2 * n / 1024, 1) for n in (rs.buffer_input_words, rs.buffer_sum_words))
        said = eyeriss.ALLOCATIONS_KIB[chip.layer]
        rows += [
            Row(what=chip.layer, group="active PEs", unit="", reported=chip.active_pes, predicted=len(placed)),
            Row(what=chip.layer, group="buffer for inputs", unit="KiB", reported=said[0], predicted=inputs),
            Row(what=chip.layer, group="buffer for partial sums", unit="KiB", reported=said[1], predicted=sums),
        ]
        inside = all(0 <= r < rs.array.rows and 0 <= c < rs.array.columns for r, c in placed)
        exact = len(placed) == chip.active_pes and (inputs, sums) == said and inside
        checks.append(
            Check(
                what=f"{chip.layer}: active PEs and buffer allocations exactly as printed",
                holds=exact,
                detail=f"{len(placed)} PEs, {inputs} + {sums} KiB",
            )
        )
    return Outcome(
        rows=tuple(rows),
        checks=tuple(checks),
        notes=("PEs are placed one by one: sets wider than 14 columns are folded, r and t sets replicated.",),
    )


EXPERIMENT = Experiment(
    name="eyeriss-mapping",
    claim="AlexNet's CONV layers use 154, 135, 156, 156 and 156 of Eyeriss' 168 PEs, and these shares of the global buffer",
    source=eyeriss.SOURCE,
    run=_run,
)

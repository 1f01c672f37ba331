"""A shrunk network on the terminal."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import RenderableType

from picojoule import options
from picojoule.compress.shrink.shrunk import Shrunk
from picojoule.report import show, tables
from picojoule.report.answers.shrink_rows import cells, headline, rows_of
from picojoule.report.pages.shrink_page import shrink_page


def shrunk(done: Shrunk, as_json: bool, out: Path | None = None) -> None:
    """Rows side by side, then what was decided; with `out` also the page, beside the network's files."""
    if out is not None:
        options.write_text(out / "report.html", shrink_page(done))
    if as_json:
        show.json_only(done.to_json())
    else:
        show.print_parts(*_parts(done))
    if out is not None:
        print(f"network, plan and report: {out.resolve()}", file=sys.stderr if as_json else sys.stdout)


def _parts(done: Shrunk) -> list[RenderableType]:
    rows = [cells(r, done) for r in rows_of(done)]
    right = tuple(k for k in rows[0] if k not in ("network", "mappings"))
    taken = [
        {"change": d.unit, "to": d.value, "saves [%]": f"{100 * d.saved_share:.1f}", "loses [mnat]": f"{1000 * d.lost_nats:.1f}",
         "next": d.next_value or "-", "would save [%]": f"{100 * d.next_saves_share:.1f}" if d.next_value else "-",
         "would lose [mnat]": f"{1000 * d.next_loses_nats:.1f}" if d.next_value else "-"}
        for d in sorted(done.decisions, key=lambda d: -d.saved_share)
    ]  # fmt: skip
    notes = [
        f"searched by {done.search} over {', '.join(m for m in done.methods if m not in done.left_out)}; "
        f"{done.trainings} networks fine-tuned, {done.searched} shapes mapped, {done.cpu_s:.0f} s of CPU time"
    ]
    if done.left_out:
        notes.append(f"left out, because {done.chip.name} gains nothing by it or no layer offers it: {', '.join(done.left_out)}")
    return [
        headline(done), "", tables.rows_table(rows, right=right), "",
        "what was decided; saves: what the chosen network would cost more without it; loses: predicted, validation loss", "",
        tables.rows_table(taken, right=("saves [%]", "loses [mnat]", "would save [%]", "would lose [mnat]")), "", *notes,
    ]  # fmt: skip

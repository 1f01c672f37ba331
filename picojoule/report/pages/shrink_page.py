"""The page of a shrunk network: what it came to, the front, where the energy went, and every decision with its reason."""

from __future__ import annotations

from picojoule.compress.shrink.shrunk import Decision, Row, Shrunk
from picojoule.report import units
from picojoule.report.answers.shrink_rows import cells, headline, rows_of
from picojoule.report.charts import plots, scatter
from picojoule.report.pages import html
from picojoule.report.pages.document import document


def shrink_page(done: Shrunk) -> str:
    """A self-contained page."""
    head = list(cells(done.chosen, done))
    rows = [[cells(r, done)[k] for k in head] for r in rows_of(done)]
    body = [
        html.tag("h1", f"{done.model} shrunk for {done.chip.name}"), html.tag("p", headline(done)),
        html.tag("p", f"Objective {done.objective}, budget {done.budget_points:g} percentage points, search {done.search} over "
                      f"{', '.join(done.methods)}, seed {done.seed}. {done.trainings} networks fine-tuned, {done.searched} layer "
                      f"shapes mapped anew, {done.cpu_s:.0f} s of CPU time."),
        html.table(head, rows, left=(0, 2, len(head) - 1)),
        html.tag("p", "Every accuracy is measured on the test images, which no decision has seen; its interval is Wilson's for so"
                      " many images. The dense network was fine-tuned as long as the chosen one. INT16 and INT8 are the uniform "
                      "networks without fine-tuning. Every energy is that of the best mappings of all layers that are left."),
        html.tag("h2", "Accuracy against energy"), _front(done),
        html.tag("p", "Held-out training images decide; a hollow point was fine-tuned shortly, a full one long. These images were"
                      " seen when the network was first trained, so that all their accuracies lie above those of the test."),
        html.tag("h2", "Where the energy goes"), _bars(done),
        html.tag("h2", "Decisions"), *_decisions(done),
    ]  # fmt: skip
    return document(f"{done.model} shrunk for {done.chip.name} - picojoule", body)


def _front(done: Shrunk) -> str:
    rows = [r for r in done.measured if r.held_out]
    longest = max(r.images for r in rows)
    divisor, unit = units.unit_for(max(r.price.energy_pj for r in rows), "energy")
    dots = [_dot(r, done, divisor, longest) for r in rows]
    x = scatter.decades([d.x for d in dots], f"energy of an inference [{unit}]", lambda v: f"{v:g}")
    low, high = min(d.y for d in dots), max(d.y for d in dots)
    step = next(s for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0) if (high - low) / s <= 8)
    first, last = int(low / step) * step, (int(high / step) + 1) * step
    ticks = tuple(first + i * step for i in range(round((last - first) / step) + 1))
    y = scatter.Axis(low=first, high=last, ticks=ticks, title="held-out accuracy [%]", log=False, show=lambda v: f"{v:.1f}")
    return scatter.scatter(dots, x, y, "accuracy against energy")


def _dot(row: Row, done: Shrunk, divisor: float, longest: int) -> scatter.Dot:
    assert row.held_out
    chosen = row.plan == done.chosen.plan and row.images == done.chosen.images
    series = "chosen" if chosen else row.name.removesuffix(", on the way")
    title = (
        f"{series}: {row.held_out.percent:.2f} % of {row.held_out.n:,}, {units.energy(row.price.energy_pj)}, "
        f"{units.seconds(row.price.latency_s)}, fine-tuned on {row.images:,} images"
    )
    return scatter.Dot(
        x=row.price.energy_pj / divisor,
        y=row.held_out.percent,
        label="chosen" if chosen else "",
        series=series,
        radius=7.0 if chosen else 5.0,
        title=title,
        hollow=row.images < longest,
    )


def _bars(done: Shrunk) -> str:
    """Each layer under INT8 and as chosen."""
    int8 = done.uniform[-1].price
    bars = []
    for before, after in zip(int8.layers, done.chosen.price.layers, strict=True):
        for name, layer in (("INT8", before), ("chosen", after)):
            share = f"{layer.macs:,} MACs, {layer.weight_bits / 8192:.2f} KiB of weights"
            bars.append(
                plots.Bar(
                    label=before.name if name == "INT8" else "",
                    title=f"{before.name}, {name}: {share}",
                    parts=((name, layer.energy_pj),),
                )
            )
    return plots.stacked_bars(bars, ("INT8", "chosen"), "energy", "energy by layer, INT8 and chosen")


def _decisions(done: Shrunk) -> list[str]:
    rows = [
        (d.unit, d.value, f"{100 * d.saved_share:.1f}", f"{1000 * d.lost_nats:.1f}", html.Raw(html.text(reason(d))))
        for d in sorted(done.decisions, key=lambda d: -d.saved_share)
    ]
    out = [
        html.tag("p", "Saves: what the chosen network would cost more if this one change were undone, in percent of its own "
                      "price. Loses: the predicted rise of the validation loss, in thousandths of a nat, of this change alone."),
        html.table(("change", "to", "saves [%]", "loses [mnat]", "why no further"), rows, left=(0, 1, 4), wrap=(4,)),
    ]  # fmt: skip
    if done.left_out:
        out.append(
            html.tag(
                "p",
                f"Not tried: {', '.join(done.left_out)}. On {done.chip.name} they save nothing, or no layer of "
                "this network offers them.",
            )
        )
    return out


def reason(d: Decision) -> str:
    """Why a change went no further."""
    if not d.next_value:
        return "the hardest value that is tried"
    if d.next_saves_share <= 1e-6:
        return f"{d.next_value} would save nothing on this chip"
    rate = d.next_saves_share / max(d.next_loses_nats, 1e-6) / 10
    return (
        f"{d.next_value} would save {100 * d.next_saves_share:.1f} % and lose {1000 * d.next_loses_nats:.1f} mnat "
        f"({rate:.2g} % a mnat): others saved more for what they lose"
    )

"""A peer's result beside ours: its counts, cycles and energy as its statistics print them, and how far it is from the best."""

from __future__ import annotations

from picojoule.mapping.words import Traffic


def counted(traffic: Traffic) -> dict[tuple[str, str, str], int]:
    """(memory, tensor, "reads", "fills" or "updates") -> words over all instances, as Timeloop prints them."""
    out = {(memory, tensor, "reads"): n for (memory, tensor), n in traffic.reads().items()}
    for f in traffic.flows:
        for kinds, memory, words, what in (
            (("fill", "reload"), f.inner, f.inner_words, "fills"),
            (("drain", "update"), f.outer, f.outer_words, "updates"),
        ):
            if f.kind in kinds:
                out[memory, f.tensor, what] = out.get((memory, f.tensor, what), 0) + words
    return out

"""Words moved by a mapping: the common result of the analytical count (`cost/traffic.py`) and of the loop walker."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Flow:
    """Words of one tensor between a holder and what it serves, over the whole layer and all instances (exact integers).

    kind       outer memory          inner memory (or "MAC")
    fill       reads `outer_words`   writes `inner_words`      an operand's new tile
    operand    reads `outer_words`   "MAC"                     operands of the MACs (inner_words = MACs)
    drain      writes `outer_words`  reads `inner_words`       an output tile's visit ends
    reload     reads `outer_words`   writes `inner_words`      partial sums come back
    update     writes `outer_words`  "MAC"                     MAC results into the innermost holder
    accumulate reads `outer_words`   "MAC"                     partial sums read to be added to
    forward    (the node itself)     reads `inner_words`       `outer_words` of a fill come from neighbours over links
    """

    tensor: str
    kind: str
    outer: str
    inner: str
    outer_words: int
    inner_words: int
    crossings: tuple[tuple[str, int], ...] = ()  # (fan-out, words on its inner side)


READS = {"fill": "outer", "operand": "outer", "drain": "inner", "reload": "outer", "accumulate": "outer", "forward": "inner"}
WRITES = {"fill": "inner", "drain": "outer", "reload": "inner", "update": "outer"}


@dataclass(frozen=True)
class Traffic:
    """All flows of a layer, its real MACs and its `steps` (idle visits of ragged passes included)."""

    flows: tuple[Flow, ...]
    macs: int
    steps: int
    notes: tuple[str, ...] = field(default=())

    def reads(self) -> dict[tuple[str, str], int]:
        """(memory, tensor) -> tensor words read, over all instances."""
        return self._sum(READS)

    def writes(self) -> dict[tuple[str, str], int]:
        """(memory, tensor) -> tensor words written, over all instances."""
        return self._sum(WRITES)

    def crossings(self) -> dict[tuple[str, str], int]:
        """(fan-out, tensor) -> words on the fan-out's inner side."""
        out: dict[tuple[str, str], int] = {}
        for f in self.flows:
            for fanout, words in f.crossings:
                out[fanout, f.tensor] = out.get((fanout, f.tensor), 0) + words
        return out

    def _sum(self, side: dict[str, str]) -> dict[tuple[str, str], int]:
        out: dict[tuple[str, str], int] = {}
        for f in self.flows:
            if f.kind not in side:
                continue
            memory, words = (f.outer, f.outer_words) if side[f.kind] == "outer" else (f.inner, f.inner_words)
            out[memory, f.tensor] = out.get((memory, f.tensor), 0) + words
        return out

"""Operators without MACs as rows: one for each kind and way in which it is done, equal ones folded, all occurrences together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from picojoule.cost.operators import NetworkOperator
from picojoule.search.result import NetworkResult

SHORT = {"step": "", "drain": ", as results leave", "in place": ", in its producer", "folded": ", folded", "move": "", "view": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """All operators of one kind that are done in one way. `ops` None: unknown; `unpriced` says what no figure holds."""

    op: str
    how: str
    count: int
    ops: int | None
    read_bits: float
    written_bits: float
    energy_pj: float
    latency_s: float
    bound_by: str
    by_level: dict[str, float]
    unpriced: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.op}{SHORT[self.how]}"


def rows(result: NetworkResult) -> list[Row]:
    """The operators in the totals of a result, in order of first occurrence."""
    kinds: dict[tuple[str, str], list[NetworkOperator]] = {}
    for x in result.operators:
        kinds.setdefault((x.priced.work.op, x.priced.how), []).append(x)
    return [_row(op, how, xs, result.chip.clock_hz) for (op, how), xs in kinds.items()]


def _row(op: str, how: str, xs: list[NetworkOperator], clock_hz: float) -> Row:
    causes: dict[str, float] = {}
    levels: dict[str, float] = {}
    for x in xs:
        causes[x.priced.cost.bound_by] = causes.get(x.priced.cost.bound_by, 0.0) + x.cycles
        for (level,), pj in x.priced.cost.by("component").items():
            levels[level] = levels.get(level, 0.0) + x.count * pj
    works = [(x.count, x.priced.work) for x in xs]
    cycles = sum(x.cycles for x in xs)
    return Row(
        op=op,
        how=how,
        count=sum(n for n, _ in works),
        ops=sum(n * w.ops for n, w in works) if all(w.known for _, w in works) else None,
        read_bits=sum(x.count * x.priced.read_elements * x.priced.work.bits for x in xs),
        written_bits=sum(x.count * x.priced.written_elements * x.priced.work.bits for x in xs),
        energy_pj=sum(x.energy_pj for x in xs),
        latency_s=cycles / clock_hz,
        bound_by=max(causes, key=lambda c: causes[c]) if cycles else "-",
        by_level=levels,
        unpriced=tuple(dict.fromkeys(reason for x in xs for reason in x.priced.unpriced)),
    )


def not_understood(result: NetworkResult) -> Iterable[tuple[str, str, str]]:
    """(name, kind, why) of the operators of which only the bytes are known."""
    for x in result.operators:
        if not x.priced.work.known:
            yield from ((name, x.priced.work.op, x.priced.work.why) for name in x.names)

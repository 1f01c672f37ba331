"""Queries over the published records, and how efficiency and speed develop by year, node and precision."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from picojoule.errors import SpecError, unknown_name
from picojoule.published.platform import EVIDENCE, PRECISIONS, Platform, platforms

BY: dict[str, Callable[[Platform], str]] = {
    "year": lambda p: str(p.year),
    "node": lambda p: "not stated" if p.node_nm is None else f"{p.node_nm:g} nm",
    "precision": lambda p: "not stated" if p.best is None else p.best.precision,
    "kind": lambda p: p.kind.split("-")[0].split("/")[0],
    "evidence": lambda p: p.evidence,
    "scope": lambda p: p.scope,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Records that share a year, node, ... `best_*` and `median_*`: over those that state the figures; None where none does.

    Efficiency is peak / power of one record, so both are of its own choosing; `scopes` shows where macros and systems share a
    group.
    """

    key: str
    count: int
    scopes: tuple[str, ...]
    evidence: tuple[str, ...]
    median_ops_per_s: float | None
    best_ops_per_s: float | None
    median_ops_per_j: float | None
    best_ops_per_j: float | None
    best: str  # the record of the best efficiency


def efficiency(p: Platform) -> float | None:
    """Operations per joule: the peak over the power of the record, or else what its source states itself; else None."""
    if p.best is not None and p.power_w is not None:
        return p.best.ops_per_s / p.power_w.value
    return p.ops_per_s_per_w


def query(
    *,
    years: tuple[int, int] | None = None,
    nodes_nm: tuple[float, float] | None = None,
    precision: str | None = None,
    kind: str | None = None,
    evidence: str | None = None,
    scope: str | None = None,
    records: Sequence[Platform] | None = None,
) -> tuple[Platform, ...]:
    """The records within the years and nodes (both ends included) and of the precision, kind, evidence and scope.

    `kind` matches the beginning ("asic", "gpu"); `precision` any of a record's peaks. A record that does not state a node matches
    no range of nodes. Raises SpecError for an unknown word, or a range that is empty.
    """
    known = tuple(platforms() if records is None else records)
    for what, span in (("years", years), ("nodes", nodes_nm)):
        if span is not None and span[0] > span[1]:
            raise SpecError(f"{what} {span[0]:g} to {span[1]:g} is empty", hint="the smaller number first")
    if precision is not None and not any(precision == x.precision for p in known for x in p.peaks):
        raise unknown_name("precision", precision, {*PRECISIONS, *(x.precision for p in known for x in p.peaks)})
    if kind is not None and not any(p.kind.startswith(kind) for p in known):
        raise unknown_name("kind", kind, {BY["kind"](p) for p in known})
    if evidence is not None and evidence not in EVIDENCE:
        raise unknown_name("evidence", evidence, EVIDENCE)
    if scope is not None and not any(p.scope == scope for p in known):
        raise unknown_name("scope", scope, {p.scope for p in known})
    return tuple(
        p for p in known
        if (years is None or years[0] <= p.year <= years[1])
        and (nodes_nm is None or (p.node_nm is not None and nodes_nm[0] <= p.node_nm <= nodes_nm[1]))
        and (precision is None or p.peak(precision) is not None)
        and (kind is None or p.kind.startswith(kind))
        and (evidence is None or p.evidence == evidence)
        and (scope is None or p.scope == scope)
    )  # fmt: skip


def trend(by: str, records: Sequence[Platform] | None = None) -> tuple[Group, ...]:
    """The records grouped by "year", "node", "precision", "kind", "evidence" or "scope", in the order of the key."""
    if by not in BY:
        raise unknown_name("grouping", by, BY)
    groups: dict[str, list[Platform]] = {}
    for p in platforms() if records is None else records:
        groups.setdefault(BY[by](p), []).append(p)
    return tuple(_group(k, groups[k]) for k in sorted(groups, key=_in_order))


def _in_order(key: str) -> tuple[float, str]:
    """Keys that begin with a number by that number, the others behind them by name."""
    match = re.match(r"\d+(\.\d+)?", key)
    return (float(match[0]) if match else float("inf"), key)


def _group(key: str, members: Sequence[Platform]) -> Group:
    speeds = [p.best.ops_per_s for p in members if p.best]
    known = [(e, p.name) for p in members if (e := efficiency(p)) is not None]
    best = max(known, default=None)
    return Group(
        key=key, count=len(members), scopes=tuple(sorted({p.scope for p in members})),
        evidence=tuple(sorted({p.evidence for p in members})), median_ops_per_s=median(speeds) if speeds else None,
        best_ops_per_s=max(speeds, default=None), median_ops_per_j=median(e for e, _ in known) if known else None,
        best_ops_per_j=best[0] if best else None, best=best[1] if best else "",
    )  # fmt: skip

"""Networks from layers' fronts: the best sum of energies against the sum of latencies, exactly.

(sum E)(sum L) is quasi-concave, so its least value over all choices of one point per layer lies at a vertex of the lower
convex hull of the sums: every layer minimises E + slope * L for one common slope. Only the layers' hulls matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]  # (energy in pJ, cycles)


def lower_hull(points: Sequence[Point]) -> list[int]:
    """Indices of the vertices of the lower left convex hull, fastest first."""
    order = sorted(range(len(points)), key=lambda i: (points[i][1], points[i][0]))
    hull: list[int] = []
    for i in order:
        e, c = points[i]
        if hull and e >= points[hull[-1]][0]:
            continue
        while len(hull) >= 2:
            (e1, c1), (e2, c2) = points[hull[-2]], points[hull[-1]]
            if (e2 - e1) * (c - c1) < (e - e1) * (c2 - c1):
                break
            hull.pop()
        hull.append(i)
    return hull


@dataclass(frozen=True)
class Choice:
    """One point per layer (indices), the sums, and the common slope (pJ per cycle) that it minimises."""

    picks: tuple[int, ...]
    energy_pj: float
    cycles: float
    slope: float


def least_edp(layers: Sequence[Sequence[Point]], counts: Sequence[int]) -> Choice:
    """The choice of one point per layer with the least (sum of count * E) * (sum of count * L)."""
    hulls = [lower_hull(p) for p in layers]
    at = [0] * len(layers)
    edges = []  # (slope of the edge, layer, position reached)
    for k, hull in enumerate(hulls):
        for j in range(1, len(hull)):
            (e1, c1), (e2, c2) = layers[k][hull[j - 1]], layers[k][hull[j]]
            edges.append(((e1 - e2) / (c2 - c1), k, j))
    best: Choice | None = None
    slope = float("inf")
    for following in [*sorted(edges, key=lambda x: (-x[0], x[1], x[2])), None]:
        e = sum(n * layers[k][hulls[k][at[k]]][0] for k, n in enumerate(counts))
        c = sum(n * layers[k][hulls[k][at[k]]][1] for k, n in enumerate(counts))
        low = following[0] if following else 0.0
        if best is None or e * c < best.energy_pj * best.cycles:
            ratio = e / c
            best = Choice(tuple(hulls[k][at[k]] for k in range(len(layers))), e, c, min(max(ratio, low), slope))
        if following:
            slope, at[following[1]] = following[0], following[2]
    assert best is not None
    return best


def least_energy_within(layers: Sequence[Sequence[Point]], counts: Sequence[int], limit: float) -> Choice | None:
    """The choice of least energy whose cycles sum to at most `limit`, or None; exact, over whole fronts.

    Repetitions of a layer may choose differently; the reported pick is the one of its last copy only if all agree, so
    `counts` greater than one are expanded by the caller.
    """
    if any(n != 1 for n in counts):
        raise ValueError("expand repeated layers first")
    fastest = [min(c for _, c in p) for p in layers]
    tails = [sum(fastest[k + 1 :]) for k in range(len(layers))]
    states: list[tuple[float, float, tuple[int, ...]]] = [(0.0, 0.0, ())]
    for k, points in enumerate(layers):
        grown = [
            (e + pe, c + pc, (*picks, i))
            for e, c, picks in states
            for i, (pe, pc) in enumerate(points)
            if c + pc + tails[k] <= limit
        ]
        grown.sort(key=lambda s: (s[1], s[0], s[2]))
        states = []
        for s in grown:
            if not states or s[0] < states[-1][0]:
                states.append(s)
    if not states:
        return None
    e, c, picks = states[-1]
    return Choice(picks, e, c, 0.0)


def sum_front(layers: Sequence[Sequence[Point]], counts: Sequence[int], most: int = 20_000) -> list[Choice]:
    """The undominated sums over one point per layer (all copies of a layer alike). Raises if more than `most` arise."""
    states: list[tuple[float, float, tuple[int, ...]]] = [(0.0, 0.0, ())]
    for points, n in zip(layers, counts, strict=True):
        grown = [(e + n * pe, c + n * pc, (*picks, i)) for e, c, picks in states for i, (pe, pc) in enumerate(points)]
        grown.sort(key=lambda s: (s[1], s[0], s[2]))
        states = []
        for s in grown:
            if not states or s[0] < states[-1][0]:
                states.append(s)
        if len(states) > most:
            raise OverflowError(f"the network's front has more than {most:,} points")
    return [Choice(p, e, c, 0.0) for e, c, p in states]

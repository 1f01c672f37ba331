"""What the certificate of a network claims, from its layers alone: the picks are the best of their points, and none lies outside.

Every layer brings the points that it may choose from, priced again, and its own proof that no mapping lies below them. The
claim of the network is then arithmetic over these points, done here once more by definition. Only an energy-delay product needs
more: hulls reach from one slope to another, and beyond them floors of energy and cycles must leave no room (`beyond_the_slopes`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from picojoule.verification.book import SAME, close

SPACES = ("default", "perfect", "prototype")
OBJECTIVES = ("energy", "latency", "edp", "front")
Point = tuple[float, float]  # pJ, cycles
Say = Callable[[str, bool, str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One layer of the network: how often it stands there, what was chosen and from what, and its certificate."""

    count: int
    chosen: Point
    points: tuple[Point, ...]
    certificate: dict[str, Any]


def check_claim(say: Say, result: dict[str, Any], parts: Sequence[Part], fixed: Point) -> None:
    """Every field of the network's certificate; `fixed` (pJ, cycles) of operators without MACs is inside each sum."""
    claim, totals = result["certificate"], result["totals"]
    objective = claim["objective"]
    if not say("certificate: objective", objective == result["objective"] and objective in OBJECTIVES, objective):
        return
    say("certificate: layers", claim["layers"] == len(parts), f"{len(parts)}")
    spaces = {p.certificate["space"] for p in parts} - {"placement"}
    say("certificate: space", spaces <= {claim["space"]} and claim["space"] in SPACES, claim["space"])
    total = _sum([p.chosen for p in parts], parts, fixed)
    same = claim["proved"] == totals["proved"] and claim["gap"] == totals["gap"]
    say("certificate: proved and gap", same, "those of the totals")
    say("certificate: proved", not claim["proved"] or all(p.certificate["proved"] for p in parts), "only if every layer is")
    if "operators" in claim:
        held = claim["operators"]
        ok = close(held["energy_pj"], fixed[0]) and close(held["cycles"], fixed[1])
        say("certificate: operators", ok, f"{fixed[0]:.12g} pJ, {fixed[1]:.12g} cycles")
    else:
        say("certificate: operators", fixed == (0.0, 0.0), "none" if fixed == (0.0, 0.0) else "missing")
    kind = "within" if "latency_limit_cycles" in claim else objective
    wanted = {"within": {"latency_limit_cycles", "copies_alike"}, "front": {"front"}, "edp": set(_PRODUCT)}.get(kind, set())
    present = wanted | {"front", "latency_limit_cycles", "copies_alike", *_PRODUCT} & set(claim)
    if not say(
        "certificate: fields",
        present == wanted and wanted <= set(claim),
        f"those of {kind}: {', '.join(sorted(wanted)) or 'none'}",
    ):
        return
    _check_bound(say, claim, parts, fixed, total)
    asked = {"within": "front"}.get(kind, kind)
    own = {p.certificate["objective"] for p in parts if not ("hull" in p.certificate and kind != "edp")}
    say("certificate: objectives of the layers", own == {asked}, asked)
    {"edp": _product, "front": _front, "within": _within}.get(kind, _apart)(say, claim, parts, fixed, total)


def gap_read(stored: float | None) -> float:
    """A stored gap: JSON knows no infinity, so that null stands for it."""
    return math.inf if stored is None else stored


def gap_between(value: float, bound: float) -> float:
    """By how much, relative to the best, a value may exceed it: value / bound - 1."""
    if bound >= value * (1 - SAME):
        return 0.0
    return value / bound - 1 if bound > 0 else math.inf


def _check_bound(say: Say, claim: dict[str, Any], parts: Sequence[Part], fixed: Point, total: Point) -> None:
    """Value, lower bound and gap: the bound is what the layers' own bounds add up to."""
    objective, bound = claim["objective"], claim["lower_bound"]
    value = {"energy": total[0], "latency": total[1]}.get(objective, math.prod(total))
    say("certificate: value", close(claim["value"], value), f"{value:.12g}")
    known = value if claim["proved"] else _known(claim, parts, fixed)
    say("certificate: lower_bound", close(bound, known), f"{known:.12g} from the layers' bounds")
    gap = gap_between(value, bound)
    say("certificate: gap", abs(gap_read(claim["gap"]) - gap) <= SAME * (1 + gap) or gap_read(claim["gap"]) == gap, f"{gap:.6g}")


def _known(claim: dict[str, Any], parts: Sequence[Part], fixed: Point) -> float:
    """The least that the objective may be, by what the layers' certificates say."""
    objective = claim["objective"]
    if objective == "front":
        return 0.0
    if objective in ("energy", "latency"):
        own = [p.count * _own_bound(p, objective) for p in parts]
        return math.fsum([fixed[0 if objective == "energy" else 1], *own])
    floors = claim.get("floor_pj", 0.0), claim.get("floor_cycles", 0.0)
    if not all("hull" in p.certificate and (p.certificate["proved"] or p.certificate["lines"]) for p in parts):
        return math.prod(floors)
    flat, steep = claim["slopes"][0], claim["slopes"][-1]
    lines = []
    for i, s in enumerate((flat, (flat + steep) / 2, steep)):
        least = [p.certificate["lines"][i][1] if "lines" in p.certificate else min(e + s * c for e, c in p.points) for p in parts]
        lines.append((s, fixed[0] + s * fixed[1] + math.fsum(p.count * x for p, x in zip(parts, least, strict=True))))
    return _least_product(lines, floors)


def _own_bound(p: Part, objective: str) -> float:
    """A layer's bound of the energy or the cycles; a front that is proved has its point of least energy."""
    if p.certificate["objective"] == "front" and p.certificate["proved"]:
        return min(e for e, _ in p.points)
    return float(p.certificate["lower_bound"])


def _least_product(lines: Sequence[tuple[float, float]], floors: Point) -> float:
    """Least E x L where E + slope x L is at least each line's bound, and neither is below its floor: at a corner of that region,
    since (bound - slope x L) x L is concave along each edge."""
    edges = [*lines, (0.0, floors[0])]
    corners = {floors[1]}
    for (s, a), (t, b) in itertools.combinations(edges, 2):
        if s != t:
            corners.add((a - b) / (s - t))
    return min(max(b - s * c for s, b in edges) * c for c in corners if c >= floors[1])


_PRODUCT = ("slope_pj_per_cycle", "slopes", "energy_pj", "cycles", "floor_pj", "floor_cycles")


def _sum(points: Sequence[Point], parts: Sequence[Part], fixed: Point) -> Point:
    pairs = list(zip(parts, points, strict=True))
    return math.fsum([*(p.count * e for p, (e, _) in pairs), fixed[0]]), math.fsum(
        [*(p.count * c for p, (_, c) in pairs), fixed[1]]
    )


def _apart(say: Say, claim: dict[str, Any], parts: Sequence[Part], fixed: Point, total: Point) -> None:
    """Energy or latency alone: what each layer proves for itself is all there is to say."""


def _product(say: Say, claim: dict[str, Any], parts: Sequence[Part], fixed: Point, total: Point) -> None:
    """(sum E)(sum L) is quasi-concave: its least value over one point a layer lies where all minimise E + slope x L."""
    say("certificate: energy_pj and cycles", close(claim["energy_pj"], total[0]) and close(claim["cycles"], total[1]), "the sums")
    least = min(math.prod(x) for x in _vertices(parts, fixed))
    ok = math.prod(total) <= least * (1 + SAME)
    say("picks", ok, "the least product" if ok else f"{math.prod(total):.12g} pJ x cycles, others give {least:.12g}")
    flat, steep = claim["slopes"][0], claim["slopes"][-1]
    hulls = [p.certificate.get("slopes_pj_per_cycle") for p in parts if "hull" in p.certificate]
    say("certificate: slopes", 0 < flat <= steep and all(h == claim["slopes"] for h in hulls), "those of the layers' hulls")
    low, high = _common_slopes(parts)
    slope = min(max(total[0] / total[1], low), high)
    common = low <= high * (1 + SAME) and close(claim["slope_pj_per_cycle"], slope)
    say("certificate: slope_pj_per_cycle", common, f"{slope:.12g}, at which every layer minimises energy + slope x cycles")
    floors = claim["floor_pj"], claim["floor_cycles"]
    say("certificate: floors", all(f <= t * (1 + SAME) for f, t in zip(floors, total, strict=True)), "below what was found")
    if claim["proved"]:
        wide = beyond_the_slopes(floors, (flat, steep), parts, fixed, total)
        say("certificate: range of slopes", wide, "no better product beyond the slopes, if the floors hold")


def beyond_the_slopes(floors: Point, slopes: tuple[float, float], parts: Sequence[Part], fixed: Point, total: Point) -> bool:
    """Whether no choice whose ratio E / L lies outside the slopes has a smaller product, given floors of E and L.

    Below: E < flat L and E + flat L >= M give L > M / (2 flat), so that the product exceeds floor_E M / (2 flat). Above:
    E > steep L and E + steep L >= M give E > M / 2, so that it exceeds floor_L M / 2.
    """
    value = math.prod(total) * (1 - SAME)
    flat, steep = slopes
    low, high = (fixed[0] + s * fixed[1] + sum(p.count * min(e + s * c for e, c in p.points) for p in parts) for s in slopes)
    return floors[0] * low / (2 * flat) >= value and floors[1] * high / 2 >= value


def _vertices(parts: Sequence[Part], fixed: Point) -> list[Point]:
    """Sums of the points that minimise E + slope x L in every layer, for every slope: each vertex of the hull of all sums."""
    order = sorted({0.0, *(s for p in parts for s in _turns(p.points))})
    between = [(a + b) / 2 for a, b in itertools.pairwise(order)]
    out = []
    for s in (*between, order[-1] * 2 + 1.0):
        out.append(_sum([min(p.points, key=lambda x: (x[0] + s * x[1], x)) for p in parts], parts, fixed))
    return out


def _common_slopes(parts: Sequence[Part]) -> Point:
    """The least and the greatest slope (pJ per cycle) at which every choice minimises E + slope x L of its layer."""
    low, high = 0.0, math.inf
    for p in parts:
        energy, cycles = p.chosen
        for e, c in p.points:
            if c > cycles:
                low = max(low, (energy - e) / (c - cycles))
            elif c < cycles:
                high = min(high, (e - energy) / (cycles - c))
    return low, high


def _turns(points: Sequence[Point]) -> list[float]:
    """The slopes (pJ per cycle) at which another point of a layer becomes the least in E + slope x L."""
    now = min(points)  # at slope 0: the least energy
    out = []
    while faster := [x for x in points if x[1] < now[1]]:
        slope, now = min(((e - now[0]) / (now[1] - c), (e, c)) for e, c in faster)
        out.append(slope)
    return out


def _undominated(parts: Sequence[Part], fixed: Point) -> list[Point]:
    """Every sum over one point a layer that no other sum is at least as good as, fastest first."""
    sums = [fixed]
    for p in parts:
        grown = sorted({(c + p.count * n, e + p.count * m) for e, c in sums for m, n in p.points})
        sums = []
        for c, e in grown:
            if not sums or e < sums[-1][0]:
                sums.append((e, c))
    return sums


def _front(say: Say, claim: dict[str, Any], parts: Sequence[Part], fixed: Point, total: Point) -> None:
    """The whole front of the sums, and on it the point of least product."""
    found, stored = _undominated(parts, fixed), claim["front"]
    pairs = [(x["energy_pj"], x["cycles"]) for x in stored]
    right = all(any(a <= e * (1 + SAME) and b <= c * (1 + SAME) for a, b in pairs) for e, c in found)
    right = right and all(a[0] > b[0] and a[1] < b[1] for a, b in itertools.pairwise(pairs))
    for x in stored:
        picks = x["picks"]
        fits = len(picks) == len(parts) and all(i < len(p.points) for i, p in zip(picks, parts, strict=True))
        e, c = _sum([p.points[i] for i, p in zip(picks, parts, strict=True)], parts, fixed) if fits else (math.nan, math.nan)
        right = right and close(x["energy_pj"], e) and close(x["cycles"], c)
        right = right and any(close(e, a) and close(c, b) for a, b in found)
    say("certificate: front", right, f"{len(found)} sums of the layers' points that no other beats")
    least = min(math.prod(x) for x in found)
    say("picks", math.prod(total) <= least * (1 + SAME), "the least product of the front")


def _within(say: Say, claim: dict[str, Any], parts: Sequence[Part], fixed: Point, total: Point) -> None:
    """Least energy among the sums that are fast enough."""
    limit = claim["latency_limit_cycles"]
    say("certificate: copies_alike", claim["copies_alike"] is True, "all copies of a layer take one mapping")
    least = min((e for e, c in _undominated(parts, fixed) if c <= limit * (1 + SAME)), default=math.inf)
    ok = total[1] <= limit * (1 + SAME) and total[0] <= least * (1 + SAME)
    say("picks", ok, f"the least energy within {limit:g} cycles")

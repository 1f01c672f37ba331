"""`pj verify`: an independent, slow and simple check of what `pj map --json` printed.

Chip, layer and mapping are read again from the text of the result. Words are counted again (small layers also by walking
every loop), priced here and added up; every total and every claim of the certificate is recomputed by its definition. Then
the bound is proved again by a second program (`reprove.py`), for as long as the budget lasts. The report says of each layer
which part of the bound was rechecked; it never claims more than that. Nothing of the fast search is used.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from picojoule.cost.model import evaluate as price
from picojoule.cost.sparsity import active
from picojoule.cost.traffic import RULES, count
from picojoule.errors import PicojouleError, SpecError
from picojoule.hardware.chip import Chip
from picojoule.hardware.chipfile.read import chip_from_yaml
from picojoule.mapping.mapping import Loop, Mapping, parse
from picojoule.mapping.walk import simulate
from picojoule.mapping.words import Traffic
from picojoule.verification.book import SAME, Book, Bound, Check, Report, close
from picojoule.verification.floors import area_um2, placement_floor
from picojoule.verification.form import FLOOR, LINES, SLOPES, faults, unchecked
from picojoule.verification.network_claim import Part, Point, beyond_the_slopes, check_claim, gap_between, gap_read
from picojoule.verification.operators import check_operators
from picojoule.verification.recount import costs, done_macs, worth_of
from picojoule.verification.reprove import Outcome, floors_of, reprove
from picojoule.verification.reprove_space import Tiles, stages_of, unrollings
from picojoule.verification.schedule import is_schedule, verify_schedule
from picojoule.verification.space import PLACEMENT, SPACES, borders, in_the_space, outermost_tiles
from picojoule.workload.layer import Layer
from picojoule.workload.plain import layer_from_plain

WALKED = 20_000  # points of the loop nest that a walk may take
HOW = "write results with `pj map ... --json`"
OBJECTIVES = ("energy", "latency", "edp", "front")
FORMAT = "picojoule-result/1"
TOLERANCE = 1e-12  # by less than this, relatively, the search takes no mapping for better
OUTSIDE = (
    "zeros are priced under the default accounting only",
    "neighbour links are not credited in the search",
    "a dimension leaves two tensors in place at once",
)


def verify(result: Any, seconds: float = 60.0) -> Report:
    """Check a stored result, of a network or of one layer. `seconds`: CPU time for proving bounds again.

    A value that is no result raises SpecError; a result that is wrong gives a report whose checks say so.
    """
    if is_schedule(result):
        return verify_schedule(result)
    if not isinstance(result, dict) or "chip_yaml" not in result:
        raise SpecError("this is no stored result: it has no chip_yaml", where="result", hint=HOW)
    if "layers" not in result and "layer" not in result:
        raise SpecError("this result has no layers", where="result", hint=HOW)
    chip = _chip(str(result["chip_yaml"]))
    book = Book("")
    if wrong := faults(result):
        others = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        book.say("form", False, f"{wrong[0]}{others}")
        return Report(ok=False, rechecked=False, unchecked={}, checks=book.checks, bounds=[])
    book.say("format", result.get("format", FORMAT) == FORMAT, FORMAT)
    whole = "layers" in result
    layers = [_Layer(entry, chip) for entry in (result["layers"] if whole else [result])]
    for layer in layers:
        layer.check()
    fixed = _network(book, result, layers, chip) if whole else (0.0, 0.0)
    bounds: list[Bound] = []
    free = unchecked(result)
    if all(b.ok for b in (book, *(x.book for x in layers))):  # what is wrong anyway needs no proof
        bounds, left = _bounds(layers, seconds)
        if whole and "slopes" in result["certificate"]:
            floors = _floors(layers, fixed, left)
            free |= _not_found_again(result["certificate"], floors, layers, {b["layer"] for b in bounds if b["rechecked"]})
            if result["certificate"]["proved"]:
                bounds.insert(0, _network_bound(result, layers, fixed, floors))
    checks = [*(c for x in layers for c in x.book.checks), *book.checks]
    for b in bounds:
        checks.append(Check(layer=b["layer"], check="lower bound", ok=not b["detail"].startswith("wrong"), detail=b["detail"]))
    ok = all(c["ok"] for c in checks)
    again = ok and all(b["rechecked"] for b in bounds)
    return Report(ok=ok, rechecked=again, unchecked=free, checks=checks, bounds=bounds)


@lru_cache(maxsize=8)
def _chip(text: str) -> Chip:
    return chip_from_yaml(text, "result: chip_yaml")


def _bounds(layers: Sequence[_Layer], seconds: float) -> tuple[list[Bound], float]:
    """What becomes of every layer's bound that is claimed, and the time left: small layers first, the time shared evenly."""
    claims = [x for x in layers if x.claims]
    found: dict[int, Bound] = {}
    left = seconds
    for i, x in enumerate(sorted(claims, key=lambda y: y.size)):
        found[id(x)], used = x.bound(left / (len(claims) - i))
        left = max(0.0, left - used)
    return [found[id(x)] for x in claims], left


def _floors(layers: Sequence[_Layer], fixed: Point, seconds: float) -> Point | None:
    """(pJ, cycles) that no choice of mappings undercuts, found here; None where a layer has none or the time is over."""
    deadline, found = time.process_time() + seconds, [fixed]
    for x in layers:
        floor = x.floor() if time.process_time() < deadline else None
        if floor is None:
            return None
        found.append((x.entry["count"] * floor[0], x.entry["count"] * floor[1]))
    return math.fsum(pj for pj, _ in found), math.fsum(cycles for _, cycles in found)


def _not_found_again(
    claim: dict[str, Any], floors: Point | None, layers: Sequence[_Layer], rechecked: set[str]
) -> dict[str, str]:
    """Place -> why, of what the certificate of a network says and nobody confirmed."""
    stored = {"floor_pj": claim["floor_pj"], "floor_cycles": claim["floor_cycles"]}
    own = floors or (-1.0, -1.0)
    out = {f"certificate.{k}": FLOOR for (k, v), f in zip(stored.items(), own, strict=True) if v > f * (1 + SAME)}
    if any("lines" in x.certificate and x.name not in rechecked for x in layers):
        out |= {"layers[].certificate.lines": LINES}
    if not any("hull" in x.certificate for x in layers):
        out |= {"certificate.slopes": SLOPES}
    return out


def _network_bound(result: dict[str, Any], layers: Sequence[_Layer], fixed: Point, floors: Point | None) -> Bound:
    """Whether no choice beyond the slopes of the hulls has a smaller product, by the floors found here."""
    total = result["totals"]["energy_pj"], result["totals"]["cycles"]
    flat, steep = result["certificate"]["slopes"]
    closed = floors is not None and beyond_the_slopes(floors, (flat, steep), [x.part() for x in layers], fixed, total)
    said = f"no better product beyond {flat:.3g} to {steep:.3g} pJ per cycle"
    if floors is None:
        detail = f"not rechecked, for want of time or of a floor: {said}"
    elif closed:
        detail = f"proved again: {said}"
    else:
        detail = f"not rechecked, since the floors found here are too low: {said}"
    return Bound(layer="", rechecked=closed, pairs=0, bounded=0, searched=0, open=0, detail=detail)


class _Layer:
    """One layer of a result."""

    def __init__(self, entry: dict[str, Any], chip: Chip) -> None:
        self.entry, self.chip = entry, chip
        self.name: str = entry["name"]
        self.book = Book(self.name)
        self.certificate: dict[str, Any] = entry["certificate"]
        self.accounting: str = self.certificate["accounting"]
        self.energy, self.cycles, self.busy_cycles, self.size = 0.0, 0.0, 0.0, 0
        self.layer: Layer | None = None
        self.points: list[tuple[float, float]] = []
        self.claims = False
        self.homes: tuple[tuple[str, str], ...] = ()

    def check(self) -> None:
        """Everything but the bound."""
        say = self.book.say
        try:
            self.layer = layer_from_plain(self.entry["layer"], f"result: {self.name}")
            self.chip = self.chip.at(self.layer)
            mapping = self._mapping(self.entry["mapping"])
            self.homes = mapping.homes
        except PicojouleError as e:
            say("mapping", False, e.problem)
            return
        say("mapping", True, "legal and within every capacity")
        named = (self.layer.name, self.layer.op) == (self.name, self.entry["op"])
        say("name and op", named, "those of the layer")
        if self.certificate.get("space") != PLACEMENT:
            tiles = self._tiles()
            strange = [d for d, n in self.layer.dims if not in_the_space(mapping, d, {n, *tiles[d]})]
            say("mapping: in the space", not strange, f"ragged tiles of {', '.join(strange)}" if strange else "")
        if not say("accounting", self.accounting in RULES, self.accounting):
            return
        traffic = count(self.layer, self.chip, mapping, self.accounting)
        self._walk(mapping, traffic)
        self._costs(mapping, traffic)
        self._certificate()
        self.size = math.prod(len(t) for t in self._tiles().values())

    def _mapping(self, text: Any) -> Mapping:
        assert self.layer is not None
        return parse(str(text), self.layer, self.chip, f"result: {self.name}")

    def _walk(self, mapping: Mapping, traffic: Traffic) -> None:
        """Small layers: the count against a walk of every loop."""
        assert self.layer is not None
        points = math.prod(e.bound for e in mapping.entries if isinstance(e, Loop))
        if points <= WALKED and self.accounting == "default":
            walked = simulate(self.layer, self.chip, mapping)
            one, other = ((t.reads(), t.writes(), t.crossings()) for t in (walked, traffic))
            same = walked.steps == traffic.steps and all(_nonzero(a) == _nonzero(b) for a, b in zip(one, other, strict=True))
            self.book.say("words", same, f"counted, and walked over {points:,} points")

    def _costs(self, mapping: Mapping, traffic: Traffic) -> None:
        """Every figure of the cost: priced here from the words moved, and row by row as the cost model does."""
        book, entry, layer, chip = self.book, self.entry, self.layer, self.chip
        assert layer is not None
        parts, causes = costs(layer, chip, mapping, traffic, self.accounting)
        self.energy, self.cycles = math.fsum(parts.values()), max(causes.values())
        done, peak = done_macs(layer, chip, mapping, self.accounting), chip.pes * chip.compute.per_cycle(layer)
        self.busy_cycles = done / peak
        seconds = self.cycles / chip.clock_hz
        found = {
            "energy_pj": self.energy,
            "cycles": self.cycles,
            "macs": layer.macs,
            "latency_s": seconds,
            "edp_js": self.energy * 1e-12 * seconds,
            "utilization": self.busy_cycles / self.cycles,
            "macs_done": done,
            "peak_macs_per_cycle": peak,
        }
        for key, value in found.items():
            book.same(key, entry[key], float(value))
        area = area_um2(chip)
        book.say(
            "area_um2",
            entry["area_um2"] == area or (None not in (area, entry["area_um2"]) and close(entry["area_um2"], area or 0.0)),
            f"{area}",
        )
        rows = [(c.component, c.tensor, c.action) for c in price(layer, chip, mapping, self.accounting).contributions]
        self._contributions(rows, parts)
        for key, at in (("energy_pj_by_level", 0), ("energy_pj_by_tensor", 1)):
            sums = dict.fromkeys((r[at] or ("compute" if at else "") for r in rows), 0.0)
            for part, pj in parts.items():
                name = part[at] or ("compute" if at else "")
                if pj or name in sums:
                    sums[name] = sums.get(name, 0.0) + pj
            self._table(key, entry[key], sums)
        self._table("cycles_by_cause", entry["cycles_by_cause"], {k: v for k, v in causes.items() if math.isfinite(v)})
        book.say("bound_by", close(causes.get(entry["bound_by"], -1.0), self.cycles), entry["bound_by"])

    def _contributions(self, rows: list[tuple[str, str, str]], parts: dict[tuple[str, str, str], float]) -> None:
        """The stored rows are these, none is missing or there twice, each is count x pJ, and each has the energy found here."""
        stored = self.entry["contributions"]
        same = sorted((c["component"], c["tensor"], c["action"]) for c in stored) == sorted(rows)
        each = all(close(c["count"] * c["pj_each"], c["energy_pj"]) for c in stored)
        right = all(close(c["energy_pj"], parts.get((c["component"], c["tensor"], c["action"]), 0.0)) for c in stored)
        self.book.say("contributions", same and each and right, f"{len(rows)} that add up")

    def _table(self, key: str, stored: dict[str, float], found: dict[str, float]) -> None:
        """A stored table of sums: these names, with these values."""
        ok = set(stored) == set(found) and all(close(float(stored[k]), v) for k, v in found.items())
        self.book.say(key, ok, "adds up" if ok else f"found {found}")

    def _certificate(self) -> None:
        """The certificate's claims against each other and against their definitions."""
        c, book, entry, layer = self.certificate, self.book, self.entry, self.layer
        assert layer is not None
        objective, space = c["objective"], c["space"]
        known = objective in OBJECTIVES and (space in SPACES or space == PLACEMENT)
        if not book.say("certificate: objective and space", known, f"{objective} in {space}"):
            return
        if "count" not in entry:  # alone: else a network may ask its layers for more than its own objective
            book.say("objective", entry["objective"] == objective, objective)
        book.same("certificate: energy_pj", c["energy_pj"], self.energy)
        book.same("certificate: cycles", c["cycles"], self.cycles)
        book.say("certificate: mapping", c["mapping"] == entry["mapping"], "the one of the result")
        if "latency_cycles" in c:  # of one layer alone: in a network, the least of all mappings is asked for
            asked = c["latency_cycles"] is not None and objective == "energy" and "count" not in entry
            kept = asked and self.cycles <= c["latency_cycles"] * (1 + SAME)
            book.say("certificate: latency_cycles", kept, "a limit of one layer's energy, and kept")
        same = entry["proved"] == c["proved"] and entry["gap"] == c["gap"]
        book.say("proved and gap", same, "as the certificate says")
        if space == PLACEMENT:
            self._points()
            self._placement()
            return
        tiles = {d: list(t) for d, t in self._tiles().items()}
        book.say("certificate: outermost_tiles", c["outermost_tiles"] == tiles, "by their definition")
        book.say("certificate: borders", c["borders"] == borders(self.homes), "those of the space")
        book.say("certificate: tolerance", c["tolerance"] == TOLERANCE, f"{TOLERANCE:g}")
        self._points()
        if not self.points:
            return
        self._proof_claims()
        self._spatial()

    def _points(self) -> None:
        """Fronts and hulls: every point costs what it says, none beats another, and the mapping is one of them."""
        c, front = self.certificate, self.entry["front"]
        hull = c.get("hull")
        beside = {k for k in ("hull", "slopes_pj_per_cycle", "lines") if k in c}
        wanted = {"hull", "slopes_pj_per_cycle"} | (set() if c["proved"] else {"lines"})
        self.book.say("certificate: hull", beside in (set(), wanted), "beside its slopes, and lines where it is not proved")
        if hull is not None:
            self.book.say("front", front == hull, "the points of the hull")
        try:
            found = [self._price(r["mapping"]) for r in front]
        except PicojouleError as e:
            self.book.say("front", False, e.problem)
            return
        right = all(close(e, r["energy_pj"]) and close(n, r["cycles"]) for (e, n), r in zip(found, front, strict=True))
        falls = all(a[0] > b[0] and a[1] < b[1] for a, b in pairwise(found))
        mine = any(r["mapping"] == self.entry["mapping"] for r in front)
        several = hull is not None or c["objective"] == "front"
        self.book.say("front", right and falls and mine and (several or len(front) == 1), f"{len(front)} points, priced again")
        self.points = found

    def floor(self) -> Point | None:
        """(pJ, cycles) that no mapping undercuts; None for what the second proof does not know."""
        assert self.layer is not None
        if self.certificate["space"] == PLACEMENT:
            return placement_floor(self.layer, self.chip)
        return None if active(self.layer, self.chip) else floors_of(self.layer, self.chip, self._tiles(), self.homes)

    def part(self) -> Part:
        """What the network may choose from, and what it chose."""
        points = tuple(self.points)
        return Part(count=self.entry["count"], chosen=(self.energy, self.cycles), points=points, certificate=self.certificate)

    def _placement(self) -> None:
        """A handful of constructed mappings: no proof, and a gap to a floor that is found here again."""
        c = self.certificate
        assert self.layer is not None
        floor = placement_floor(self.layer, self.chip)
        self.book.same("certificate: floor_pj", c["floor_pj"], floor[0])
        self.book.same("certificate: floor_cycles", c["floor_cycles"], floor[1])
        value, bound = worth_of(c["objective"], self.energy, self.cycles), worth_of(c["objective"], *floor)
        self.book.same("certificate: value", c["value"], value)
        self.book.same("certificate: lower_bound", c["lower_bound"], bound)
        self.book.same("certificate: gap", c["gap"], gap_between(value, bound))
        self.book.say("certificate: proved", not c["proved"], "a placement claims no proof")

    def _price(self, text: Any) -> tuple[float, float]:
        assert self.layer is not None
        mapping = self._mapping(text)
        traffic = count(self.layer, self.chip, mapping, self.accounting)
        parts, causes = costs(self.layer, self.chip, mapping, traffic, self.accounting)
        return math.fsum(parts.values()), max(causes.values())

    def _proof_claims(self) -> None:
        """proved, gap, value and lower bound among themselves; what no proof covers is admitted."""
        c, book = self.certificate, self.book
        proved, gap, value = c["proved"], gap_read(c["gap"]), c["value"]
        objective = str(c["objective"])
        several = objective == "front" or "hull" in c
        values = [worth_of(objective, e, n) for e, n in (self.points if several else [(self.energy, self.cycles)])]
        book.say("certificate: value", any(close(value, v) for v in values), f"{value!r}")
        book.same("certificate: lower_bound", c["lower_bound"], value / (1 + gap))
        fair = gap <= SAME if proved else True
        book.say("certificate: gap", fair, f"{gap!r}, proved {proved}")
        outside = self._outside()
        if "lines" in c:
            flat, steep = c.get("slopes_pj_per_cycle", (0.0, 0.0))
            below = all(b <= min(e + s * n for e, n in self.points) * (1 + SAME) for s, b in c["lines"])
            at = [s for s, _ in c["lines"]] == ([] if outside else [flat, (flat + steep) / 2, steep])
            book.say("certificate: lines", below and at, "at the slopes of the hull, below its points")
        admitted = c["outside_the_proof"] == outside and not (outside and proved)
        book.say(
            "certificate: outside_the_proof", admitted, "nothing" if not outside else f"{'; '.join(outside)}, and so not proved"
        )
        if not outside and not proved:
            book.say("certificate: unproved", gap > SAME, "a gap is open" if gap > SAME else "without a gap it would be proved")
        self.claims = bool(proved) or (math.isfinite(gap) and objective != "front")

    def _outside(self) -> list[str]:
        """What chip or layer has that the search does not cover, in the words of the certificate."""
        assert self.layer is not None
        twice = any(sum(d not in t.dims for t in self.layer.tensors) > 1 for d, _ in self.layer.dims)
        other = self.accounting != "default" and active(self.layer, self.chip)
        held = (other, any(f.links for f in self.chip.fanouts), twice)
        return [text for text, here in zip(OUTSIDE, held, strict=True) if here]

    def _spatial(self) -> None:
        """Opened and closed unrollings: all of them, where the chip has one fan-out between two places for loops."""
        c, stages = self.certificate, stages_of(self.chip)
        opened, closed, patterns = (int(c[k]) for k in ("spatial_opened", "spatial_closed", "patterns"))
        known = {f"{m.name}.{p.serves}" for m in self.chip.memories for p in m.ports}
        known |= {f"{f.name}.network" for f in self.chip.fanouts if f.bits_per_cycle is not None}
        ports = c["ports_in_labels"]
        self.book.say("certificate: ports_in_labels", set(ports) <= known and len(set(ports)) == len(ports), "ports of the chip")
        if len(stages) == 2 and c["proved"]:
            assert self.layer is not None
            n = len(unrollings(self.layer, stages[1].fanout, self._tiles(), stages[1].group))
            said = f"{opened} opened and {closed} closed; {n} for each of {patterns} patterns"
            self.book.say("certificate: unrollings", opened + closed == n * patterns, said)

    def _has_ports(self) -> bool:
        """Whether anything on the chip moves at most so many bits a cycle."""
        return any(m.ports for m in self.chip.memories) or any(f.bits_per_cycle is not None for f in self.chip.fanouts)

    def _tiles(self) -> Tiles:
        assert self.layer is not None
        ragged = SPACES.get(self.certificate["space"], (True,))[0]
        return {d: outermost_tiles(n, ragged) for d, n in self.layer.dims}

    # ---- the bound -----------------------------------------------------------------------------------------------
    def bound(self, seconds: float) -> tuple[Bound, float]:
        """Prove the lower bound again, and say how far that went. Returns it with the seconds used."""
        assert self.layer is not None
        c = self.certificate
        if active(self.layer, self.chip):
            said = "not rechecked: the second proof knows dense words only; cost and mapping were checked"
            return self._said(Outcome(), said, False), 0.0
        if self.accounting != "default":
            return self._said(Outcome(), "not rechecked: the second proof knows the default accounting only", False), 0.0
        _, runs, slides = SPACES[str(c["space"])]
        began = time.process_time()
        worth, what = self._worth()
        first = bool(c.get("ports_in_labels"))  # where the fast search needed ports, so will this one
        out = reprove(
            self.layer, self.chip, self._tiles(), worth, seconds, ports=first, runs=runs, slides=slides, homes=self.homes
        )
        if out.better is not None and not first and self._has_ports():  # perhaps a port forbids it
            left = max(0.0, seconds - (time.process_time() - began))
            out = reprove(self.layer, self.chip, self._tiles(), worth, left, runs=runs, slides=slides, homes=self.homes)
        used = time.process_time() - began
        if out.better is not None:
            energy, cycles = self._price(str(out.better))
            if worth(energy, cycles):
                return self._said(out, f"wrong: {out.better} costs {energy:.12g} pJ and {cycles:.12g} cycles", False), used
            return self._said(out, "not rechecked: the second proof found a mapping that costs more than it thought", False), used
        if out.complete:
            return self._said(out, f"proved again: {what}", True), used
        return self._said(out, f"rechecked in part, the time was over: {what}", False), used

    def _said(self, out: Outcome, detail: str, rechecked: bool) -> Bound:
        counts = {"pairs": out.pairs, "bounded": out.bounded, "searched": out.searched, "open": out.open}
        return Bound(layer=self.name, rechecked=rechecked, detail=detail, **counts)  # type: ignore[typeddict-item]

    def _worth(self) -> tuple[Callable[[float, float], bool], str]:
        """What would contradict the certificate, and what is proved if nothing does."""
        c = self.certificate
        objective, limit = str(c["objective"]), (1 - SAME)
        if "lines" in c:
            lines, product = [(s, b * limit) for s, b in c["lines"]], c["lower_bound"] * limit
            said = f"no mapping below {len(lines)} lines of energy + slope x cycles, nor below {product:.9g} pJ x cycles"
            return lambda e, n: e * n < product or any(e + s * n < b for s, b in lines), said
        if "hull" in c:
            flat, steep = (float(x) for x in c["slopes_pj_per_cycle"])
            slopes = [s for s in {flat, steep, *_edges(self.points)} if flat <= s <= steep]
            least = [(s, min(e + s * n for e, n in self.points) * limit) for s in slopes]
            said = f"no mapping below the hull for {flat:.3g} to {steep:.3g} pJ per cycle"
            return lambda e, n: any(e + s * n < m for s, m in least), said
        if objective == "front":
            stairs = sorted((n, e) for e, n in self.points)
            return lambda e, n: not any(n >= c * limit and e >= p * limit for c, p in stairs), "no mapping below the front"
        bound = float(c["lower_bound"]) * limit
        within = float(c.get("latency_cycles", math.inf)) * (1 + SAME)
        unit = {"energy": "pJ", "latency": "cycles"}.get(objective, "pJ x cycles")
        return lambda e, n: n <= within and worth_of(objective, e, n) < bound, f"no mapping below {bound:.9g} {unit}"


def _edges(points: Sequence[tuple[float, float]]) -> list[float]:
    """Slopes between neighbouring points (energy, cycles), in pJ per cycle."""
    order = sorted(points, key=lambda x: x[1])
    return [(a[0] - b[0]) / (b[1] - a[1]) for a, b in pairwise(order) if b[1] > a[1]]


def _nonzero(table: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    return {k: n for k, n in table.items() if n}


def _network(book: Book, result: dict[str, Any], rows: Sequence[_Layer], chip: Chip) -> Point:
    """Totals over all layers and their counts, and the network's own certificate. Returns (pJ, cycles) without the layers'."""
    counts, totals = [x.entry["count"] for x in rows], result["totals"]
    fixed = check_operators(result, chip, book.say)
    energy = math.fsum([*(n * x.energy for n, x in zip(counts, rows, strict=True)), fixed[0]])
    cycles = math.fsum([*(n * x.cycles for n, x in zip(counts, rows, strict=True)), fixed[1]])
    macs = sum(n * x.layer.macs for n, x in zip(counts, rows, strict=True) if x.layer)
    found = {
        "energy_pj": energy,
        "cycles": cycles,
        "latency_s": cycles / chip.clock_hz,
        "edp_js": energy * 1e-12 * cycles / chip.clock_hz,
        "macs": macs,
        "energy_per_inference_pj": energy / totals["batch"],
        "inferences_per_s": totals["batch"] * chip.clock_hz / cycles if cycles else 0.0,
        "utilization": math.fsum(n * x.busy_cycles for n, x in zip(counts, rows, strict=True)) / cycles if cycles else 0.0,
    }
    for key, value in found.items():
        book.same(f"totals: {key}", totals[key], float(value))
    for x, n in zip(rows, counts, strict=True):
        names = x.entry["names"]
        book.say(f"count of {x.name}", n >= len(names) and names[0] == x.name, f"{n}")
        book.say(f"objective of {x.name}", x.entry["objective"] == result["objective"], result["objective"])
    book.say("chip", result["chip"] == chip.name, chip.name)
    if all(x.book.ok for x in rows):  # else a layer's own checks say what is wrong
        check_claim(book.say, result, [x.part() for x in rows], fixed)
    return fixed

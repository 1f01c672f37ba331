"""`pj verify`: an independent, slow and simple check of what `pj map --json` printed.

Chip, layer and mapping are read again from the text of the result. Words are counted again (small layers also by walking
every loop), priced here and added up; every total and every claim of the certificate is recomputed by its definition. Then
the bound is proved again by a second program (`reprove.py`), for as long as the budget lasts. The report says of each layer
which part of the bound was rechecked; it never claims more than that. Nothing of the fast search is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Any, TypedDict

from picojoule.cost.model import evaluate as price
from picojoule.cost.sparsity import active
from picojoule.cost.traffic import ACCOUNTINGS, count
from picojoule.errors import PicojouleError, SpecError
from picojoule.hardware.chip import Axis, Chip, FanOut, Group, tensor_word_pj, transfer_word_pj
from picojoule.hardware.chipfile.read import chip_from_yaml
from picojoule.mapping.mapping import Loop, Mapping, parse
from picojoule.mapping.walk import simulate
from picojoule.mapping.words import Traffic
from picojoule.verification.operators import check_operators
from picojoule.verification.reprove import Outcome, reprove
from picojoule.verification.reprove_space import Tiles, stages_of, unrollings
from picojoule.workload.layer import Layer
from picojoule.workload.plain import layer_from_plain

SAME = 1e-9
WALKED = 20_000  # points of the loop nest that a walk may take
# space -> ragged tiles, nodes kept in place, sliding windows
PLACEMENT = "placement"  # weights placed in compute-in-memory arrays, not searched
SPACES = {"default": (True, True, True), "perfect": (False, True, True), "prototype": (False, False, False)}
HOW = "write results with `pj map ... --json`"
OBJECTIVES = ("energy", "latency", "edp", "front")


class Check(TypedDict):
    """One statement of the result that was checked."""

    layer: str
    check: str
    ok: bool
    detail: str


class Bound(TypedDict):
    """How much of a layer's lower bound was proved again: pairs of a bypass pattern and an unrolling."""

    layer: str
    rechecked: bool
    pairs: int
    bounded: int
    searched: int
    open: int
    detail: str


class Report(TypedDict):
    """`ok`: no check failed. `rechecked`: every bound that the result claims was proved again in full."""

    ok: bool
    rechecked: bool
    checks: list[Check]
    bounds: list[Bound]


@dataclass
class Book:
    """The checks of one layer, or of the network (layer "")."""

    layer: str
    checks: list[Check] = field(default_factory=list)

    def say(self, check: str, ok: bool, detail: str = "") -> bool:
        self.checks.append(Check(layer=self.layer, check=check, ok=ok, detail=detail))
        return ok

    def same(self, check: str, stored: Any, found: float) -> bool:
        """A stored number against the one found here."""
        ok = isinstance(stored, int | float) and not isinstance(stored, bool) and close(float(stored), found)
        return self.say(check, ok, f"{found:.12g}" if ok else f"stored {stored!r}, found {found:.12g}")


def close(a: float, b: float) -> bool:
    return a == b or abs(a - b) <= SAME * max(abs(a), abs(b))


def verify(result: Any, seconds: float = 60.0) -> Report:
    """Check a stored result, of a network or of one layer. `seconds`: CPU time for proving bounds again.

    A value that is no result raises SpecError; a result that is wrong gives a report whose checks say so.
    """
    if not isinstance(result, dict) or "chip_yaml" not in result:
        raise SpecError("this is no stored result: it has no chip_yaml", where="result", hint=HOW)
    if "layers" not in result and "layer" not in result:
        raise SpecError("this result has no layers", where="result", hint=HOW)
    chip = chip_from_yaml(str(result["chip_yaml"]), "result: chip_yaml")
    whole = "layers" in result
    stored = list(result["layers"]) if whole else [result]
    book = Book("")
    checks, bounds, checked = book.checks, [], []
    for entry in stored:
        layer = _Layer(entry, chip)
        layer.check()
        checked.append(layer)
        checks += layer.book.checks
    if whole:
        _network(book, result, checked, chip)
    claims = [x for x in checked if x.claims]
    left = seconds
    for i, x in enumerate(sorted(claims, key=lambda y: y.size)):
        bound, used = x.bound(left / (len(claims) - i))
        left = max(0.0, left - used)
        bounds.append(bound)
    order = [x.name for x in checked]
    bounds.sort(key=lambda b: order.index(b["layer"]))
    wrong = [b for b in bounds if b["detail"].startswith("wrong")]
    checks += [Check(layer=b["layer"], check="lower bound", ok=False, detail=b["detail"]) for b in wrong]
    checks += [Check(layer=b["layer"], check="lower bound", ok=True, detail=b["detail"]) for b in bounds if b not in wrong]
    ok = all(c["ok"] for c in checks)
    return Report(ok=ok, rechecked=ok and all(b["rechecked"] for b in bounds), checks=checks, bounds=bounds)


class _Layer:
    """One layer of a result."""

    def __init__(self, entry: Any, chip: Chip) -> None:
        if not isinstance(entry, dict):
            raise SpecError("a layer of the result is no mapping of keys to values", where="result", hint=HOW)
        self.entry, self.chip = entry, chip
        self.name = str(entry.get("name", "layer"))
        self.book = Book(self.name)
        self.certificate: dict[str, Any] = entry["certificate"] if isinstance(entry.get("certificate"), dict) else {}
        self.accounting = str(self.certificate.get("accounting", "default"))
        self.energy, self.cycles, self.size = 0.0, 0.0, 0
        self.layer: Layer | None = None
        self.points: list[tuple[float, float]] = []
        self.claims = False
        self.homes: tuple[tuple[str, str], ...] = ()

    def check(self) -> None:
        """Everything but the bound."""
        say = self.book.say
        try:
            self.layer = layer_from_plain(self.entry.get("layer"), f"result: {self.name}")
            self.chip = self.chip.at(self.layer)
            mapping = self._mapping(self.entry.get("mapping"))
            self.homes = mapping.homes
        except PicojouleError as e:
            say("mapping", False, e.problem)
            return
        say("mapping", True, "legal and within every capacity")
        if self.certificate.get("space") != PLACEMENT:
            tiles = self._tiles()
            strange = [d for d, n in self.layer.dims if not self._outermost(mapping, d) <= {n, *tiles[d]}]
            say("mapping: in the space", not strange, f"ragged tiles of {', '.join(strange)}" if strange else "")
        if not say("accounting", self.accounting in ACCOUNTINGS, self.accounting):
            return
        traffic = count(self.layer, self.chip, mapping, self.accounting)
        self._walk(mapping, traffic)
        self._costs(mapping, traffic)
        self._certificate()
        self.size = math.prod(len(t) for t in self._tiles().values())

    @staticmethod
    def _outermost(mapping: Mapping, dim: str) -> set[int]:
        """The extent below the outermost loop of a dimension, if it has a loop."""
        found = [
            below.get(dim, 1)
            for e, below in zip(mapping.entries, mapping.extents_below, strict=True)
            if isinstance(e, Loop) and e.dim == dim
        ]
        return set(found[:1])

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
        book, entry, layer, chip = self.book, self.entry, self.layer, self.chip
        assert layer is not None
        parts, causes = costs(layer, chip, mapping, traffic, self.accounting)
        self.energy, self.cycles = math.fsum(parts.values()), max(causes.values())
        book.same("energy_pj", entry.get("energy_pj"), self.energy)
        book.same("cycles", entry.get("cycles"), self.cycles)
        seconds = self.cycles / chip.clock_hz
        others = {
            "macs": layer.macs,
            "latency_s": seconds,
            "edp_js": self.energy * 1e-12 * seconds,
            "utilization": layer.macs / (self.cycles * chip.pes),
        }
        for key, found in others.items():
            if key in entry:
                book.same(key, entry[key], float(found))
        for key, at in (("energy_pj_by_level", 0), ("energy_pj_by_tensor", 1)):
            if key in entry:
                sums: dict[str, float] = {}
                for part, pj in parts.items():
                    sums[part[at] or "compute"] = sums.get(part[at] or "compute", 0.0) + pj
                self._table(key, entry[key], sums)
        if "cycles_by_cause" in entry:
            self._table("cycles_by_cause", entry["cycles_by_cause"], causes)
        if "contributions" in entry:
            rows = {(str(c["component"]), str(c["tensor"]), str(c["action"])): c for c in entry["contributions"]}
            each = all(close(float(c["count"]) * float(c["pj_each"]), float(c["energy_pj"])) for c in rows.values())
            whole = all(close(float(rows[k]["energy_pj"]), v) if k in rows else v == 0.0 for k, v in parts.items())
            none = all(k in parts or float(c["energy_pj"]) == 0.0 for k, c in rows.items())
            book.say("contributions", each and whole and none, f"{len(rows)} that add up")
        if "bound_by" in entry:
            book.say("bound_by", close(causes.get(str(entry["bound_by"]), -1.0), self.cycles), str(entry["bound_by"]))

    def _table(self, key: str, stored: Any, found: dict[str, float]) -> None:
        """A stored table of sums; zeros may be left out."""
        ok = isinstance(stored, dict) and all(close(float(stored.get(k, 0.0)), found.get(k, 0.0)) for k in {*found, *stored})
        self.book.say(key, ok, "adds up" if ok else f"found {found}")

    def _certificate(self) -> None:
        """The certificate's claims against each other and against their definitions."""
        c, book, entry, layer = self.certificate, self.book, self.entry, self.layer
        assert layer is not None
        if not book.say("certificate", bool(c), "" if c else "missing"):
            return
        objective, space = c.get("objective"), c.get("space")
        known = objective in OBJECTIVES and (space in SPACES or space == PLACEMENT)
        if not book.say("certificate: objective and space", known, f"{objective} in {space}"):
            return
        if "objective" in entry and "hull" not in c:
            book.say("objective", entry["objective"] == objective, str(objective))
        book.same("certificate: energy_pj", c.get("energy_pj"), self.energy)
        book.same("certificate: cycles", c.get("cycles"), self.cycles)
        book.say("certificate: mapping", c.get("mapping") == entry.get("mapping"), "the one of the result")
        if space == PLACEMENT:  # a handful of constructed mappings: no claim but the cost
            book.say("certificate: proved", not c.get("proved"), "a placement claims no proof")
            return
        tiles = {d: list(t) for d, t in self._tiles().items()}
        book.say("certificate: outermost_tiles", c.get("outermost_tiles") == tiles, "by their definition")
        self._points()
        self._proof_claims()
        self._spatial()

    def _points(self) -> None:
        """Fronts and hulls: every point costs what it says, none beats another, and the mapping is one of them."""
        stored = (("front", self.entry.get("front") or ()), ("hull", self.certificate.get("hull") or ()))
        self.points = [(self.energy, self.cycles)]
        for key, rows in ((k, r) for k, r in stored if r):
            try:
                found = [self._price(r.get("mapping")) for r in rows]
            except PicojouleError as e:
                self.book.say(key, False, e.problem)
                continue
            right = all(close(e, r["energy_pj"]) and close(c, r["cycles"]) for (e, c), r in zip(found, rows, strict=True))
            falls = all(a[0] > b[0] * (1 - SAME) and a[1] <= b[1] * (1 + SAME) for a, b in pairwise(found))
            mine = any(close(e, self.energy) and close(c, self.cycles) for e, c in found)
            self.book.say(key, right and falls and mine, f"{len(rows)} points, priced again")
            if key == "hull" or self.certificate.get("objective") == "front":
                self.points = found

    def _price(self, text: Any) -> tuple[float, float]:
        assert self.layer is not None
        mapping = self._mapping(text)
        traffic = count(self.layer, self.chip, mapping, self.accounting)
        parts, causes = costs(self.layer, self.chip, mapping, traffic, self.accounting)
        return math.fsum(parts.values()), max(causes.values())

    def _proof_claims(self) -> None:
        """proved, gap, value and lower bound among themselves; what no proof covers is admitted."""
        c, book, entry = self.certificate, self.book, self.entry
        proved, gap, value = c.get("proved"), c.get("gap"), c.get("value")
        numbers = all(isinstance(x, int | float) for x in (gap, value, c.get("lower_bound"))) and isinstance(proved, bool)
        if not book.say("certificate: proved, gap, value, lower_bound", numbers, "present" if numbers else "missing"):
            return
        assert isinstance(gap, int | float) and isinstance(value, int | float)
        objective = str(c["objective"])
        several = objective == "front" or "hull" in c
        values = [worth_of(objective, e, n) for e, n in (self.points if several else [(self.energy, self.cycles)])]
        book.say("certificate: value", any(close(float(value), v) for v in values), f"{value!r}")
        book.same("certificate: lower_bound", c.get("lower_bound"), float(value) / (1 + float(gap)))
        fair = gap >= 0.0 and (gap <= SAME if proved else True)
        book.say("certificate: gap", fair, f"{gap!r}, proved {proved}")
        same = entry.get("proved", proved) == proved and close(float(entry.get("gap", gap)), float(gap))
        book.say("proved", same, "as the certificate says")
        outside = self._outside()
        admitted = bool(c.get("outside_the_proof")) == outside and not (outside and proved)
        book.say("certificate: outside_the_proof", admitted, "nothing" if not outside else "and so not proved")
        if not outside and not proved:
            book.say("certificate: unproved", gap > SAME, "a gap is open" if gap > SAME else "without a gap it would be proved")
        self.claims = bool(proved) or (math.isfinite(gap) and objective in ("energy", "edp") and "hull" not in c)

    def _outside(self) -> bool:
        """Whether chip or layer has something that the search does not cover."""
        assert self.layer is not None
        twice = any(sum(d not in t.dims for t in self.layer.tensors) > 1 for d, _ in self.layer.dims)
        other = self.accounting != "default" and active(self.layer, self.chip)
        return twice or other or any(f.links for f in self.chip.fanouts)

    def _spatial(self) -> None:
        """Opened and closed unrollings: all of them, where the chip has one fan-out between two places for loops."""
        c, stages = self.certificate, stages_of(self.chip)
        opened, closed, patterns = (c.get(k) for k in ("spatial_opened", "spatial_closed", "patterns"))
        whole = all(isinstance(x, int) and x >= 0 for x in (opened, closed, patterns))
        if not self.book.say("certificate: counts", whole, "present" if whole else "missing"):
            return
        if len(stages) == 2 and c.get("proved"):
            assert self.layer is not None and isinstance(opened, int) and isinstance(closed, int) and isinstance(patterns, int)
            n = len(unrollings(self.layer, stages[1].fanout, self._tiles(), stages[1].group))
            said = f"{opened} opened and {closed} closed; {n} for each of {patterns} patterns"
            self.book.say("certificate: unrollings", opened + closed == n * patterns, said)

    def _tiles(self) -> Tiles:
        assert self.layer is not None
        ragged = SPACES.get(str(self.certificate.get("space")), (True,))[0]
        return {d: outermost_tiles(n, ragged) for d, n in self.layer.dims}

    # ---- the bound -----------------------------------------------------------------------------------------------
    def bound(self, seconds: float) -> tuple[Bound, float]:
        """Prove the lower bound again, and say how far that went. Returns it with the seconds used."""
        import time

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
        if out.better is not None and not first and any(m.ports for m in self.chip.memories):  # perhaps a port forbids it
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
        if "hull" in c:
            flat, steep = (float(x) for x in c["slopes_pj_per_cycle"])
            slopes = [s for s in {flat, steep, *_edges(self.points)} if flat <= s <= steep]
            least = [(s, min(e + s * n for e, n in self.points) * limit) for s in slopes]
            said = f"no mapping below the hull for {flat:.3g} to {steep:.3g} pJ per cycle"
            return lambda e, n: any(e + s * n < m for s, m in least), said
        if objective == "front":
            stairs = sorted((n, e) for e, n in self.points)
            return lambda e, n: not any(n >= c * limit and e >= p * limit for c, p in stairs), "no mapping below the front"
        bound = float(c["value"]) / (1 + float(c["gap"])) * limit
        within = float(c.get("latency_cycles") or math.inf) * (1 + SAME)
        unit = {"energy": "pJ", "latency": "cycles"}.get(objective, "pJ x cycles")
        return lambda e, n: n <= within and worth_of(objective, e, n) < bound, f"no mapping below {bound:.9g} {unit}"


def _edges(points: Sequence[tuple[float, float]]) -> list[float]:
    """Slopes between neighbouring points (energy, cycles), in pJ per cycle."""
    order = sorted(points, key=lambda x: x[1])
    return [(a[0] - b[0]) / (b[1] - a[1]) for a, b in pairwise(order) if b[1] > a[1]]


def worth_of(objective: str, energy: float, cycles: float) -> float:
    """The number that an objective minimises."""
    return {"energy": energy, "latency": cycles}.get(objective, energy * cycles)


def costs(
    layer: Layer, chip: Chip, mapping: Mapping, traffic: Traffic, accounting: str = "default"
) -> tuple[dict[tuple[str, str, str], float], dict[str, float]]:
    """pJ by (component, tensor, action), and cycles by cause, from the words moved."""
    if active(layer, chip):  # zeros: the expectations of the cost model, evaluated again
        again = price(layer, chip, mapping, accounting)
        return {(c.component, c.tensor, c.action): c.energy_pj for c in again.contributions}, dict(again.cycles_by_cause)
    pj: dict[tuple[str, str, str], float] = {}
    bits: dict[tuple[str, str], float] = {}
    for action, table in (("read", traffic.reads()), ("write", traffic.writes())):
        for (name, tensor), n in table.items():
            t = layer.tensor(tensor)
            pj[name, tensor, action] = n * tensor_word_pj(chip.memory(name), t, action)
            bits[name, action] = bits.get((name, action), 0.0) + n * t.bits
    for (name, tensor), n in traffic.crossings().items():
        f = next(f for f in chip.fanouts if f.name == name)
        pj[name, tensor, "transfer"] = n * transfer_word_pj(f, layer.tensor(tensor))
    pj[chip.compute.name, "", "mac"] = layer.macs * chip.compute.energy_pj(layer)
    causes = {"compute": traffic.steps / chip.compute.per_cycle(layer)}
    used, exist = 1, 1
    leaks: list[tuple[str, float | None, int]] = []
    unrolled: dict[str, int] = {}  # along each axis of the last fan-out
    sizes: dict[str, int] = {}
    for level in chip.levels:
        if isinstance(level, FanOut):
            sizes = {a.name: a.size for a in level.axes}
            loops = [e for e in mapping.entries if isinstance(e, Loop) and e.fanout == level.name]
            unrolled = {a: math.prod(e.bound for e in loops if e.axis == a) for a in sizes}
            if level.bits_per_cycle is not None:
                load = sum(n * layer.tensor(t).bits for t, n in _through(chip, level, traffic))
                causes[f"{level.name}.network"] = load / level.bits_per_cycle / used
            used, exist = used * math.prod(unrolled.values()), exist * level.size
        elif isinstance(level, Group):
            for m in level.memories:
                leaks.append((m.name, m.leakage_mw, exist // math.prod(sizes[a] for a in m.serves)))
                own_places = used // math.prod(unrolled[a] for a in m.serves)
                for kind in dict.fromkeys(p.serves for p in m.ports):
                    ports = [p for p in m.ports if p.serves == kind]
                    load = 0.0
                    for action in ("read", "write"):
                        own = any(p.serves == action for p in m.ports)
                        load += bits.get((m.name, action), 0.0) if kind == (action if own else "readwrite") else 0.0
                    causes[f"{m.name}.{'+'.join(p.name for p in ports)}"] = (
                        load / sum(p.bits_per_cycle for p in ports) / own_places
                    )
    leaks += [(chip.name, chip.static_mw, 1), (chip.compute.name, chip.compute.leakage_mw, exist)]
    for name, mw, n in leaks:
        if mw:
            pj[name, "", "leak"] = mw * 1e9 / chip.clock_hz * n * max(causes.values())
    return pj, causes


def _through(chip: Chip, fanout: FanOut, traffic: Traffic) -> list[tuple[str, int]]:
    """(tensor, words) of each flow that passes the root of a fan-out's network, merged by it and all further in."""
    order = [f.name for f in chip.fanouts]
    out = []
    for x in traffic.flows:
        words = sorted(x.crossings, key=lambda c: order.index(c[0]))
        names = [name for name, _ in words]
        if fanout.name in names and fanout.name not in [f.name for f in chip.shared_by(chip.memory(x.outer))]:
            at = names.index(fanout.name)
            out.append((x.tensor, x.outer_words if at == 0 else words[at - 1][1]))
    return out


def _nonzero(table: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    return {k: n for k, n in table.items() if n}


def outermost_tiles(n: int, ragged: bool) -> tuple[int, ...]:
    """Extents that may lie below the outermost loop of a dimension, by the definition of the space (see `lattice.roots`)."""
    own = _divisors(n)
    extents = set(own)
    large = n >= 1000
    budget = 22 - len(own) if large else 6 if len(own) <= 4 else 2
    if large:
        some = {t for passes in range(2, n) for t in range(-(-n // passes), 101 * n // (100 * passes) + 1)}
    else:
        padded = 110 if len(own) <= 2 else 104
        some = {t for passes in range(2, n) if 100 * (t := -(-n // passes)) * -(-n // t) <= padded * n}
    some = {t for t in some if t > 1 and n % t} if ragged and n > 12 else set()
    for turn in range(3):
        ranked = []
        for t in some:
            new = _divisors(t) - extents
            edge, pad = any(9 <= x <= 16 for x in new), -t * -(-n // t)
            if not new or len(extents) + len(new) - len(own) > budget or (budget <= 2 and not edge):
                continue
            order: tuple[int, ...] = (edge, len(new), pad, t)
            if large:
                order = (t & -t, pad, t) if turn == 0 and n % 16 else (len(new), edge, pad, t)
            ranked.append((order, t, new))
        if not ranked:
            break
        _, best, new = max(ranked, key=lambda x: x[0])
        extents |= new
        some.discard(best)
    return tuple(sorted(extents))


def _divisors(n: int) -> set[int]:
    return {x for i in range(1, math.isqrt(n) + 1) if n % i == 0 for x in (i, n // i)}


def unrolled_extents(layer: Layer, axes: Sequence[Axis], tiles: Tiles) -> set[tuple[int, ...]]:
    """Every choice of extents per dimension that axes of a fan-out have room for, idle included."""
    allowed = []
    for d, n in layer.dims:
        known = sorted({n, *tiles[d]})
        whole = {a // b for a in known for b in known if a % b == 0}
        allowed.append(whole | {-(-n // t) * (t // b) for t in known if n % t for b in known if t % b == 0})
    out = {tuple(1 for _ in layer.dims)}
    for axis in axes:
        rows = {tuple(1 for _ in layer.dims)}
        for i, (d, _) in enumerate(layer.dims):
            fits = [s for s in allowed[i] if s <= axis.size] if axis.allows(layer, d) else [1]
            rows = {(*r[:i], s, *r[i + 1 :]) for r, s in product(rows, fits) if math.prod(r) * s <= axis.size}
        out = {tuple(a * b for a, b in zip(r, q, strict=True)) for r, q in product(out, rows)}
    return {r for r in out if all(s in ok for s, ok in zip(r, allowed, strict=True))}


def _network(book: Book, result: dict[str, Any], layers: Iterable[_Layer], chip: Chip) -> None:
    """Totals over all layers and their counts, and what the network's certificate repeats."""
    rows = list(layers)
    counts = [int(x.entry.get("count", 1)) for x in rows]
    others = check_operators(result, chip, book.say)
    energy = math.fsum([*(n * x.energy for n, x in zip(counts, rows, strict=True)), others[0]])
    cycles = math.fsum([*(n * x.cycles for n, x in zip(counts, rows, strict=True)), others[1]])
    macs = sum(n * x.layer.macs for n, x in zip(counts, rows, strict=True) if x.layer)
    totals = result.get("totals", {})
    found = {
        "energy_pj": energy,
        "cycles": cycles,
        "latency_s": cycles / chip.clock_hz,
        "edp_js": energy * 1e-12 * cycles / chip.clock_hz,
        "macs": macs,
        "utilization": macs / (cycles * chip.pes) if cycles else 0.0,
    }
    for key, value in found.items():
        book.same(f"totals: {key}", totals.get(key), float(value))
    for x, n in zip(rows, counts, strict=True):
        names = x.entry.get("names")
        if names is not None:
            book.say(f"count of {x.name}", n >= len(names) >= 1, f"{n}")
    proved = all(bool(x.certificate.get("proved")) for x in rows)
    about = result.get("certificate", {})
    book.say("totals: proved", not totals.get("proved") or proved, "only if every layer is")
    book.say("chip", result.get("chip", chip.name) == chip.name, chip.name)
    if about:
        objective = result.get("objective")
        book.say("certificate: objective", about.get("objective", objective) == objective, str(objective))
        book.say("certificate: proved", about.get("proved") == totals.get("proved"), str(totals.get("proved")))
        for key, value in (("energy_pj", energy), ("cycles", cycles)):
            if key in about:
                book.same(f"certificate: {key}", about[key], value)
    if "gap" in about:
        book.say("totals: gap", totals.get("gap") == about["gap"], "as the certificate says")


__all__ = ["Bound", "Check", "Report", "costs", "outermost_tiles", "verify"]

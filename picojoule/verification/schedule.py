"""The check of a stored schedule: every item priced again in the room that it had, all sums, and what the certificate claims.

Each layer's mapping is read again against the chip with the room that its item left, its words are counted and priced; copies are
priced from their elements; the sums of all items are the totals. That no other schedule is better is not proved again here.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from picojoule.cost.model import port_cycles
from picojoule.cost.traffic import count
from picojoule.errors import PicojouleError
from picojoule.hardware.chip import Chip, Group
from picojoule.hardware.chipfile.read import chip_from_yaml
from picojoule.mapping.mapping import parse
from picojoule.schedule.program import parse as parse_schedule
from picojoule.verification.book import Book, Report
from picojoule.verification.recount import costs, worth_of
from picojoule.workload.plain import layer_from_plain

FORMAT = "picojoule-schedule/1"
OBJECTIVES = ("energy", "latency", "edp")
NOT_PROVED = "that no schedule is better is not proved again"


def verify_schedule(result: dict[str, Any]) -> Report:
    """Check what `pj map --fuse ... --json` printed; a damaged one is answered with its first fault."""
    book = Book("")
    try:
        chip = chip_from_yaml(str(result["chip_yaml"]), "result: chip_yaml")
        books = _checked(result, chip, book)
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError, OverflowError) as e:
        if isinstance(e, PicojouleError):
            book.say("form", False, str(e).splitlines()[0])
        else:
            book.say("form", False, f"a field is missing or of another kind: {e}")
        books = []
    checks = [*(c for b in books for c in b.checks), *book.checks]
    unchecked = {"certificate.lower_bound": NOT_PROVED, "items.passing": "operators without MACs: their rows add up, no more"}
    return Report(ok=all(c["ok"] for c in checks), rechecked=False, unchecked=unchecked, checks=checks, bounds=[])


def _checked(result: dict[str, Any], chip: Chip, book: Book) -> list[Book]:
    book.say("format", result["format"] == FORMAT, FORMAT)
    objective, cert, totals = result["objective"], result["certificate"], result["totals"]
    book.say("objective", objective in OBJECTIVES and cert["objective"] == objective, str(objective))
    schedule = parse_schedule(result["schedule"], "result: schedule")
    book.say("certificate: schedule", cert["schedule"] == result["schedule"], "the same program")
    ran = [item["item"] for item in result["items"] if item["kind"] == "job"]
    book.say("every run of the schedule has its item", {r.job for r in schedule.runs} == set(ran), f"{len(set(ran))} jobs")
    books = [_item(item, chip, result["home"]) for item in result["items"]]
    energy = math.fsum(item["energy_pj"] for item in result["items"])
    cycles = math.fsum(item["cycles"] for item in result["items"])
    value = worth_of(objective, energy, cycles)
    for what, stored, found in (
        ("total energy", totals["energy_pj"], energy),
        ("total cycles", totals["cycles"], cycles),
        ("total latency", totals["latency_s"], cycles / chip.clock_hz),
        ("energy x delay", totals["edp_js"], energy * 1e-12 * cycles / chip.clock_hz),
        ("certificate: energy", cert["energy_pj"], energy),
        ("certificate: cycles", cert["cycles"], cycles),
        ("certificate: value", cert["value"], value),
        ("peak on chip", totals["peak_bits_on_chip"], max(item["held_bits"] for item in result["items"])),
    ):
        book.same(what, stored, found)
    bound, gap = float(cert["lower_bound"]), cert["gap"]
    book.say("lower bound", bound <= value * (1 + 1e-9), f"{bound:.6g} is not above {value:.6g}")
    claimed = value / bound - 1 if 0 < bound < value * (1 - 1e-9) else 0.0 if bound >= value * (1 - 1e-9) else math.inf
    told = math.inf if gap is None else float(gap)
    book.say("gap", math.isclose(told, claimed, rel_tol=1e-6, abs_tol=1e-9), f"{claimed:.6g}")
    book.say("proved", bool(cert["proved"]) == (claimed == 0.0) == bool(totals["proved"]), f"gap {claimed:.6g}")
    return books


def _item(item: dict[str, Any], chip: Chip, home: str) -> Book:
    book = Book(str(item["item"]))
    room = chip.memory(home).usable_bits() if home else None
    held = int(item["held_bits"])
    book.say("room", held >= 0 and (room is None or held <= room), f"{held:,} b of {room if room is not None else 'any'}")
    energy = math.fsum(c["times"] * c["energy_pj"] for c in item["costs"])
    cycles = math.fsum(c["times"] * c["cycles"] for c in item["costs"])
    book.same("energy of all costs", item["energy_pj"], energy)
    book.same("cycles of all costs", item["cycles"], cycles)
    for c in item["costs"]:
        rows = math.fsum(r["count"] * r["pj_each"] for r in c["contributions"])
        book.same(f"{c['name']}: rows add up", c["energy_pj"], rows)
    if item["kind"] == "job" and "mapping" in item:
        _layer(book, item, chip, home, held)
    elif item["kind"] in ("load", "store"):
        _copy(book, item, chip, home)
    return book


def _layer(book: Book, item: dict[str, Any], chip: Chip, home: str, held: int) -> None:
    """The layer's mapping in the room that is left, counted and priced again."""
    layer = layer_from_plain(item["layer"], "result: layer")
    own = _less(chip.at(layer), home, held) if home else chip.at(layer)
    mapping = parse(item["mapping"], layer, own, "result: mapping")
    there = {t for t, _ in mapping.homes}
    output = layer.output.name
    book.say("result's home", (output in there) == bool(item["result_in"]), item["result_in"] or "outside")
    pj, causes = costs(layer, own, mapping, count(layer, own, mapping))
    stored = next(c for c in item["costs"] if c["name"] == layer.name)
    book.same("energy of the mapping", stored["energy_pj"], math.fsum(pj.values()))
    book.same("cycles of the mapping", stored["cycles"], max(causes.values()))


def _copy(book: Book, item: dict[str, Any], chip: Chip, home: str) -> None:
    inner, (stored,) = chip.memory(home), item["costs"]
    outer = {m.name for m in chip.outermost}
    rows = {(r["component"], r["action"]): r["count"] for r in stored["contributions"] if r["tensor"]}
    into = item["kind"] == "load"
    read = [n for (m, a), n in rows.items() if a == "read" and (m in outer) == into and (m in outer or m == home)]
    written = [n for (m, a), n in rows.items() if a == "write" and (m in outer) != into and (m in outer or m == home)]
    book.say("each element once", read == written == [item["elements"]], f"{item['elements']} elements")
    bits = item["elements"] * item["bits"]
    least = max((n for _, n in port_cycles(inner, bits * (not into), bits * into, 1)), default=0.0)
    book.say("cycles of the copy", stored["cycles"] >= least * (1 - 1e-9), f"at least {least:.6g}")


def _less(chip: Chip, memory: str, held: int) -> Chip:
    """The chip with so many bits less of a memory."""
    levels = []
    for level in chip.levels:
        if isinstance(level, Group) and any(m.name == memory for m in level.memories):
            rooms = [
                m
                if m.name != memory or m.capacity_bits is None
                else replace(m, capacity_bits=max(1, m.capacity_bits - held * (2 if m.double_buffered else 1)))
                for m in level.memories
            ]
            level = Group(tuple(rooms))
        levels.append(level)
    return replace(chip, levels=tuple(levels))


def is_schedule(result: Any) -> bool:
    """Whether a stored result is one of a schedule."""
    return isinstance(result, dict) and str(result.get("format", "")).startswith("picojoule-schedule/")

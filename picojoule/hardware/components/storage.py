"""Components that store: SRAM from CACTI runs, small register files, DRAM by kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache

from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.components.components import component
from picojoule.hardware.components.technology import nominal_voltage, scale_area, scale_energy, scale_voltage
from picojoule.quantities.estimate import Estimate, around, exactly, log_between, table
from picojoule.quantities.units import show

CACTI = "CACTI 7 (as in hwcomponents-cacti 1.0.40)"
DEVICES = ("itrs-hp", "itrs-lstp")
_COLUMNS = {
    "read": ("read_pj", "pJ", 1.0),
    "write": ("write_pj", "pJ", 1.0),
    "leakage": ("leakage_mw", "mW", 1.0),
    "area": ("area_mm2", "um2", 1e6),
}
LEFT_OUT_P90 = {  # 90 % of left-out table points lie within this factor when interpolated over capacity, width or node
    "read": (1.22, 1.61, 1.14), "write": (1.13, 1.29, 1.11), "leakage": (1.07, 1.07, 3.3), "area": (1.11, 1.41, 1.08),
}  # fmt: skip
Point = tuple[float, float, float]  # capacity in bytes, width in bits, node in nm


@cache
def sram_table(device: str) -> dict[Point, dict[str, float]]:
    """The CACTI runs of a device type: (capacity bytes, width bits, node nm) -> read and write pJ, leakage mW, area um2."""
    if device not in DEVICES:
        raise unknown_name("SRAM device type", device, DEVICES)
    rows = [r for r in table("cacti_sram.csv") if r["device"] == device]
    return {
        (float(r["capacity_bytes"]), float(r["width_bits"]), float(r["tech_nm"])): {
            key: float(r[column]) * factor for key, (column, _, factor) in _COLUMNS.items()
        }
        for r in rows
    }


@component("sram")
def sram(
    *,
    capacity_bits: int,
    word_bits: int,
    technology_nm: float,
    voltage_v: float | None = None,
    device: str = "itrs-lstp",
    banks: int = 1,
    lanes: int = 1,
    scaled_from_nm: float | None = None,
) -> dict[str, Estimate]:
    """SRAM with one read-write port: energy per word, leakage and area, interpolated between CACTI 7 runs.

    Log-log in capacity, width and node. Range: 256 B to 4 MiB a bank (1 KiB at 256 b, 2 KiB at 512 b), 16 to 512 b, 90 to
    22 nm; refused outside. `banks` share the capacity and one of them answers; `lanes` share the word and all answer.
    The wires that join banks are not counted. Below 22 nm, `scaled_from: 22 nm` scales like logic, which is optimistic for SRAM.
    Error against CACTI when a run is left out (a wider gap than in use): read energy 8 % mean and 21 % at the 90th percentile
    over capacity, 23 % and 61 % over width, 6 % and 13 % over node; leakage over node 72 % mean. CACTI itself is a model:
    at 45 nm and 64 b it reads 0.5 to 0.95 of Horowitz (ISSCC 2014);
    at 45 and 7 nm the range includes such published figures (banks of 8 KiB to 1 MiB).
    """
    if capacity_bits % (8 * banks * lanes) or word_bits % lanes:
        raise SpecError(
            f"{show(capacity_bits, 'size')} of {word_bits} b words do not split into {banks} banks of {lanes} lanes",
            hint="choose banks and lanes that divide both",
        )
    node = scaled_from_nm or technology_nm
    point = (capacity_bits / 8 / banks / lanes, word_bits / lanes, node)
    out = {key: _sram_number(device, point, key) for key in _COLUMNS}
    out = {key: e.times(lanes if key in ("read", "write") else lanes * banks) for key, e in out.items()}
    out = _moved(out, device, node, technology_nm, voltage_v)
    return _with_published(out, capacity_bits / 8 / banks, word_bits, technology_nm)


def _moved(out: dict[str, Estimate], device: str, node: float, to_nm: float, voltage_v: float | None) -> dict[str, Estimate]:
    """The numbers at the wanted node and voltage. Leakage is left at the table's voltage and unknown at scaled nodes."""
    table_v = nominal_voltage(node, device)
    if to_nm == node:
        if voltage_v is not None:
            out |= {k: scale_voltage(out[k], table_v, voltage_v) for k in ("read", "write")}
        return out
    scaled = {k: scale_energy(out[k], node, to_nm, table_v, voltage_v) for k in ("read", "write")}
    return {**scaled, "area": scale_area(out["area"], node, to_nm)}


def _sram_number(device: str, point: Point, key: str) -> Estimate:
    """One number of the table at a point; the range is the left-out error of the axes that are interpolated."""
    value = interpolate_sram(sram_table(device), point, key)
    unit = _COLUMNS[key][1]
    capacity, width, node = point
    estimate = exactly(value, unit, f"{CACTI}, {device}, {show(capacity * 8, 'size')}, {width:g} b, {node:g} nm")
    points = sram_table(device)
    off = [capacity not in {p[0] for p in points}, width not in {p[1] for p in points}, node not in {p[2] for p in points}]
    factor = math.prod(f for f, o in zip(LEFT_OUT_P90[key], off, strict=True) if o)
    return estimate.loosened(factor, "interpolated") if factor > 1 else estimate


def interpolate_sram(points: dict[Point, dict[str, float]], point: Point, key: str) -> float:
    """Log-log interpolation over node, then width, then capacity, between the nearest runs on each axis; refuses outside."""
    capacity, width, node = point
    nodes = _around({p[2] for p in points}, node, "nm", "node")
    widths = _around({p[1] for p in points}, width, "b", "width")
    return _through(nodes, node, lambda n: _through(widths, width, lambda w: _over_capacity(points, capacity, w, n, key)))


def _over_capacity(points: dict[Point, dict[str, float]], capacity: float, width: float, node: float, key: str) -> float:
    known = {p[0] for p in points if p[1:] == (width, node)}
    pair = around(known, capacity)
    if pair is None:
        low, high = (show(x * 8, "size") for x in (min(known), max(known)))
        raise SpecError(
            f"no SRAM data for {show(capacity * 8, 'size')} at {width:g} b words",
            hint=f"the CACTI table covers {low} to {high} a bank; `banks` splits a larger one, registers are smaller",
        )
    return _through(pair, capacity, lambda c: points[c, width, node][key])


def _through(pair: tuple[float, float], x: float, y: Callable[[float], float]) -> float:
    return log_between(pair[0], y(pair[0]), pair[1], y(pair[1]), x) if pair[0] != pair[1] else y(pair[0])


def _around(known: Iterable[float], x: float, unit: str, what: str) -> tuple[float, float]:
    known = sorted(known)
    pair = around(known, x)
    if pair is None:
        more = "; `lanes` splits a wider word" if what == "width" else "; `scaled_from: 22 nm` goes below"
        raise SpecError(
            f"no SRAM data for a {what} of {x:g} {unit}",
            hint=f"the CACTI table covers {known[0]:g} to {known[-1]:g} {unit}{more}",
        )
    return pair


_PUBLISHED = {  # pJ of a 64-bit read by bytes, recalled
    45.0: ("Horowitz ISSCC 2014", {8192.0: 10.0, 32768.0: 20.0, 1048576.0: 100.0}),
    7.0: ("Jouppi ISCA 2021", {8192.0: 7.5, 32768.0: 8.5, 1048576.0: 14.0}),
}


def _with_published(out: dict[str, Estimate], bank_bytes: float, word_bits: float, node: float) -> dict[str, Estimate]:
    """Adds published read energies at 45 and 7 nm, linear in the word width, to the range where they apply."""
    source, known = _PUBLISHED.get(node, ("", {}))
    pair = around(known, bank_bytes)
    if pair is None:
        return out
    other = log_between(pair[0], known[pair[0]], pair[1], known[pair[1]], bank_bytes) * word_bits / 64
    return {**out, "read": out["read"].widened((other,), f"{source} (recalled) gives {other:.3g} pJ")}


@component("register_file")
def register_file(
    *, capacity_bits: int, word_bits: int, technology_nm: float, voltage_v: float | None = None
) -> dict[str, Estimate]:
    """Small storage of 12 to 192 words beside a MAC: energy per word and area.

    Energy: log-log in the number of words between the three points of Accelergy's eyeriss_like table at 65 nm (12, 16 and
    192 words of 16 b), linear in the word width, then scaled like logic. Range 12 to 192 words, 4 to 64 b. Sources disagree:
    the fit to the Eyeriss chip books 1 pJ per 16-bit access at any of its scratchpads, which the range includes. Area: 5.98
    um2 a bit at 40 nm (Aladdin, 1 ns), cells only. Leakage: unknown.
    """
    words = capacity_bits / word_bits
    rows = {float(r["entries"]): r for r in table("registers.csv")}
    pair = around(rows, words)
    if pair is None or not 4 <= word_bits <= 64:
        raise SpecError(
            f"no register file data for {words:g} words of {word_bits} b",
            hint="the table covers 12 to 192 words of 4 to 64 b; `sram` begins at 256 B",
        )
    out: dict[str, Estimate] = {}
    for key in ("read", "write"):
        points = {n: float(r[f"{key}_pj"]) for n, r in rows.items()}
        value = _through(pair, words, points.__getitem__) * word_bits / 16
        estimate = exactly(value, "pJ", "Accelergy eyeriss_like reference table, 65 nm, 16 b", "linear in the word width")
        estimate = estimate.widened((word_bits / 16,), "Eyeriss chip fit: 1 pJ per 16 b")
        out[key] = scale_energy(estimate, 65, technology_nm, None, voltage_v)
    area = exactly(5.98 * capacity_bits, "um2", "Aladdin register bit, 40 nm, 1 ns")
    return {**out, "area": scale_area(area, 40, technology_nm)}


@component("register")
def register(*, capacity_bits: int, word_bits: int, technology_nm: float, voltage_v: float | None = None) -> dict[str, Estimate]:
    """One to eight words in flip-flops, without decoder: 0.009 pJ per bit accessed and 5.98 um2 per bit at 40 nm (Aladdin, 1 ns).

    Energy is linear in the word width and scaled like logic; range 1 to 8 words of 1 to 64 b, 130 to 7 nm. A point without a
    stated error; the clock of an idle register is not included. Leakage: unknown.
    """
    words = capacity_bits / word_bits
    if not (1 <= words <= 8 and word_bits <= 64):
        raise SpecError(
            f"no register data for {words:g} words of {word_bits} b",
            hint="it covers 1 to 8 words of up to 64 b; `register_file` begins at 12 words",
        )
    bit = exactly(0.009 * word_bits, "pJ", "Aladdin register bit, 40 nm, 1 ns")
    energy = scale_energy(bit, 40, technology_nm, None, voltage_v)
    area = exactly(5.98 * capacity_bits, "um2", "Aladdin register bit, 40 nm, 1 ns")
    return {"read": energy, "write": energy, "area": scale_area(area, 40, technology_nm)}


@component("dram")
def dram(*, kind: str, word_bits: int) -> dict[str, Estimate]:
    """DRAM of a kind (DDR3, DDR4, LPDDR3, LPDDR4, GDDR5, HBM1 to HBM4, HMC, generic): energy per word = pJ per bit x bits.

    Source: one row a kind in data/dram.csv, interface included; the range spans the other rows, of which those from data-sheet
    currents leave the interface out. Row misses, refresh and background power are not modelled; reads and writes cost the same.
    Kinds without a row (DDR5, LPDDR5, GDDR6, HBM3E) are refused rather than guessed.
    """
    rows = [r for r in table("dram.csv") if r["kind"] == kind]
    if not rows:
        raise unknown_name("DRAM kind", kind, {r["kind"] for r in table("dram.csv")})
    main = next(r for r in rows if r["role"] == "main")
    note = "recalled" if main["confidence"] == "recalled" else ""
    per_bit = exactly(float(main["pj_per_bit"]), "pJ", f"{kind}, {main['pj_per_bit']} pJ/b: {main['source']}", note)
    energy = per_bit.widened(float(r["pj_per_bit"]) for r in rows).times(word_bits)
    return {"read": energy, "write": energy}

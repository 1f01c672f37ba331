"""Measurements on the terminal: the machine first, then the network, its layers, and what was not measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from picojoule import options
from picojoule.measuring.ceilings import Ceilings
from picojoule.measuring.counters import Energy
from picojoule.measuring.machine import Machine
from picojoule.measuring.measure import KernelRun, Measurement
from picojoule.measuring.rerun import DRIFT_PERCENT, Drift
from picojoule.measuring.sweep import Sweep
from picojoule.report import show, tables


def _ms(seconds: float | None) -> str:
    return "n/a" if seconds is None else f"{1e3 * seconds:.4g}"


def _joules(energy: Energy, calls: int = 1) -> str:
    if energy.gross_j is None:
        return "unavailable"
    return f"{1e3 * energy.gross_j / calls:.4g}"


def measured(m: Measurement, as_json: bool, out: Path | None) -> None:
    """What was measured; `out` gets the whole of it as JSON."""
    if out is not None:
        options.write_text(out, json.dumps(m.to_json(), indent=1) + "\n")
    if as_json:
        show.json_only(m.to_json())
        return
    s = m.settings
    how = f"batch {s.batch}, {s.dtype}, {s.runtime}, {s.threads} threads, seed {s.seed}, random operands"
    show.print_parts(f"{m.model} on {m.device_name}: {how}")
    if m.busy and m.others_share is not None:
        used = f"{100 * m.others_share:.0f} % of the machine"
        show.print_parts(f"WARNING: other processes used {used} meanwhile: times are in doubt")
    show.print_parts("", *_network(m), *_kernels(m))
    notes = [*m.notes, *(f"not run by itself: {w}" for w in m.left_out), *(f"WRONG RESULT, no times: {w}" for w in m.wrong)]
    show.print_parts(*(f"note: {n}" for n in notes))
    if out is not None:
        show.print_parts(f"stored: {out.resolve()}")


def swept(s: Sweep, as_json: bool, out: Path | None) -> None:
    """The kernels of a calibration sweep; `out` gets the file for `pj calibrate`."""
    text = json.dumps(s.to_json(), indent=1) + "\n"
    if out is not None:
        options.write_text(out, text)
    if as_json:
        show.json_only(s.to_json())
        return
    show.print_parts(f"calibration sweep on {s.meta['device']}: {len(s.kernels)} kernels, {s.settings.dtype}", "")
    if s.meta["busy"]:
        show.print_parts(f"WARNING: other processes used {100 * s.meta['others_share']:.0f} % of the machine meanwhile")
    show.print_parts(_table(s.kernels), *(f"WRONG RESULT, no times: {w}" for w in s.wrong))
    if out is not None:
        show.print_parts(f"stored: {out.resolve()}; next: pj calibrate {out}")


def _network(m: Measurement) -> list[Any]:
    n = m.network
    if n is None:
        return []
    rows: list[dict[str, object]] = []
    for what, t in (("hot, calls back to back", n.eager), ("cold, caches displaced", n.cold), ("CUDA graph", n.graph)):
        if t is not None:
            rows.append(_times(what, t, m.settings.batch / t.median))
    for load in n.scenarios:
        what = load.name if load.rate_per_s is None else f"{load.name} at {load.rate_per_s:.4g} queries/s"
        rows.append(_times(what, load.latency, load.throughput_per_s, load.queries))
    parts: list[Any] = ["the whole network", tables.rows_table(rows), ""]
    e = n.energy
    if e.gross_j is None:
        parts.append(f"energy: unavailable ({e.remedy})")
    else:
        idle = f", of which {1e3 * e.idle_w * (n.graph or n.eager).median:.4g} mJ idle" if e.idle_w else ""
        how = f"{e.source}, {e.scope}, window {e.window_s:.3g} s, {e.counter_steps} counter steps, {e.calls} calls"
        parts.append(f"energy: {1e3 * e.gross_j:.4g} mJ an inference of the batch{idle} ({how})")
    parts.append(f"peak memory: {n.peak_memory_bytes / 2**20:.0f} MiB ({n.peak_memory_of})")
    parts += [f"{load.name}: {load.note}" for load in n.scenarios if load.note]
    return [*parts, ""]


def _times(what: str, t: Any, throughput: float, n: int | None = None) -> dict[str, object]:
    return {
        "run": what,
        "n": n if t is None else t.n,
        "p50 [ms]": _ms(t and t.median),
        "p90 [ms]": _ms(t and t.p90),
        "p99 [ms]": _ms(t and t.p99),
        "mean [ms]": _ms(t and t.mean),
        "min [ms]": _ms(t and t.min),
        "throughput [samples/s]": f"{throughput:.4g}",
    }


def _kernels(m: Measurement) -> list[Any]:
    if not m.kernels:
        return []
    total = sum(k.count * k.hot.median for k in m.kernels)
    say = f"layers by themselves, one occurrence each; together, as often as they occur, {1e3 * total:.4g} ms"
    return [say, _table(m.kernels), ""]


def _table(kernels: Sequence[KernelRun]) -> Any:
    rows = [
        {
            "layer": k.work.name,
            "family": k.work.family,
            "times": k.count,
            "hot [ms]": _ms(k.hot.median),
            "cold [ms]": _ms(k.cold.median),
            "[GOP/s]": f"{k.work.flops / k.hot.median / 1e9:.4g}",
            "[GB/s]": f"{k.work.bytes / k.hot.median / 1e9:.4g}",
            "error against fp64": f"{k.error:.1e}",
            "energy [mJ]": _joules(k.energy),
        }
        for k in kernels
    ]
    return tables.rows_table(rows)


def drifted(drifts: Sequence[Drift], as_json: bool) -> bool:
    """Times then and now. True if none moved by more than 10 %."""
    fine = not any(d.flagged for d in drifts)
    if as_json:
        rows = [{**asdict(d), "percent": d.percent, "flagged": d.flagged} for d in drifts]
        show.json_only({"ok": fine, "drift": rows})
        return fine
    table = [
        {
            "what": d.what,
            "then [ms]": _ms(d.before_s),
            "now [ms]": _ms(d.now_s),
            "change [%]": "-" if d.percent is None else f"{d.percent:+.1f}",
            "": "DRIFTED" if d.flagged else "",
        }
        for d in drifts
    ]
    n = sum(d.flagged for d in drifts)
    moved = f"{n} of {len(drifts)} moved by more than {DRIFT_PERCENT:g} %"
    verdict = f"every time is within {DRIFT_PERCENT:g} %" if fine else moved
    show.print_parts(tables.rows_table(table), "", verdict)
    return fine


def ceilings(found: Ceilings, machine: Machine, others_share: float | None, as_json: bool) -> None:
    """Peaks and bandwidths of this machine."""
    if as_json:
        show.json_only({"machine": machine.to_json(), "others_share": others_share, **found.to_json()})
        return
    how = "square ones" if found.board else f"square ones, {found.threads} threads"
    rows = [{"ceiling": f"{dtype} products", "rate": f"{v / 1e9:.4g} GOP/s", "how": how} for dtype, v in found.peak_ops_per_s]
    what, by = ("copies", "reads and writes") if found.board else ("reads", "1 thread")
    rows += [
        {"ceiling": f"{level} {what}", "rate": f"{v / 1e9:.4g} GB/s", "how": f"{size / 1024:g} KiB over and over, {by}"}
        for level, v, size in found.bandwidth_bytes_per_s
    ]
    busy = "" if others_share is None else f"; other processes used {100 * others_share:.0f} % of it meanwhile"
    board = f"{found.board} in " if found.board else ""
    show.print_parts(f"{board}{machine.cpu}, {machine.cores} cores, {machine.system}{busy}", "", tables.rows_table(rows))

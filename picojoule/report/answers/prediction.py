"""A network predicted on a real machine: the table of its kernels, JSON, and a page with timeline and roofline."""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from picojoule import options
from picojoule.machines.kernels.device import Device, devices, load_device
from picojoule.report import show, tables, units
from picojoule.report.charts import machine_plots, rooflines
from picojoule.report.pages import html
from picojoule.report.pages.document import document

if TYPE_CHECKING:
    from picojoule.machines.kernels.beside import Beside
    from picojoule.machines.kernels.predict import NetworkPrediction


def shown(p: NetworkPrediction, as_json: bool, page: Path | None, every: bool, measured: Beside | None = None) -> None:
    """Print a prediction; the longest kernels, or every one. `measured`: the same network, measured."""
    if page is not None:
        options.write_text(page, prediction_page(p))
    if as_json:
        show.json_only(to_json(p) | ({} if measured is None else {"measured": _measured_json(measured)}))
    else:
        show.print_parts(*_parts(p, every), *([] if measured is None else _measured_parts(measured)))
    if page is not None:
        print(f"report: {page.resolve()}", file=sys.stderr if as_json else sys.stdout)


def _measured_json(m: Beside) -> dict[str, Any]:
    pairs = [{**asdict(x), "error": x.error} for x in m.layers]
    whole = None if m.network is None else {**asdict(m.network), "error": m.network.error}
    return {"source": m.source, "network": whole, "layers": pairs, "mean_error": m.mean_error}


def _measured_parts(m: Beside) -> list[RenderableType]:
    rows = [
        {"layer": x.name, "predicted [µs]": f"{1e6 * x.predicted_s:.1f}", "measured [µs]": f"{1e6 * x.measured_s:.1f}",
         "error [%]": f"{100 * x.error:+.1f}"}
        for x in ([m.network] if m.network else []) + list(m.layers)
    ]  # fmt: skip
    parts: list[RenderableType] = ["", f"beside {m.source}, one occurrence each; the first row is the whole network"]
    parts.append(tables.rows_table(rows, right=("predicted [µs]", "measured [µs]", "error [%]")))
    return [*parts, *([f"mean error of {len(m.layers)} layers: {100 * m.mean_error:.1f} %"] if m.mean_error is not None else [])]


def to_json(p: NetworkPrediction) -> dict[str, Any]:
    """Totals and every kernel; times in seconds, energies in joules. What `pj map --json` promises for chips is there too."""
    return {
        "model": p.model,
        "device": p.device.name,
        "chip": p.device.name,
        "objective": "latency",
        "status": p.device.status,
        "evidence": "modelled",
        "dtype": p.dtype,
        "launch": p.launch,
        "fused": p.fused,
        "layout": p.layout,
        "totals": {
            "energy_pj": p.energy_j * 1e12,
            "edp_js": p.energy_j * p.latency_s,
            "macs": p.macs,
            "proved": False,
            "latency_s": p.latency_s,
            "busy_s": p.busy_s,
            "energy_j": p.energy_j,
            "mean_power_w": p.energy_j / p.latency_s,
            "ops": p.ops,
            "ops_per_s": p.ops / p.latency_s,
            "dram_bytes": p.dram_bytes,
            "weight_bytes": p.weight_bytes,
            "kernels": sum(k.count for k in p.kernels),
        },
        "kernels": [{**asdict(k), "parts_s": dict(k.parts_s)} for k in p.kernels],
        "layers": [
            {
                "name": k.name,
                "count": k.count,
                "macs": k.macs,
                "energy_pj": k.energy_j * 1e12,
                "latency_s": k.seconds,
                "utilization": k.macs / (k.seconds * p.device.peak(p.dtype) / 2),
                "bound_by": k.bound,
            }
            for k in p.kernels
            if k.macs
        ],
        "notes": list(p.notes),
    }


def _parts(p: NetworkPrediction, every: bool) -> list[RenderableType]:
    chosen = list(p.kernels) if every else sorted(p.kernels, key=lambda k: -k.count * k.seconds)[:20]
    rows = [_row(p, k) for k in chosen]
    by_bound: dict[str, float] = defaultdict(float)
    for k in p.kernels:
        by_bound[k.bound] += k.count * k.seconds
    waits = p.latency_s - p.busy_s
    shares = [f"{b} {units.percent(t / p.latency_s)}" for b, t in sorted(by_bound.items(), key=lambda x: -x[1])]
    shares += [f"waiting for launches {units.percent(waits / p.latency_s)}"] if waits > 0 else []
    return [
        f"{p.model} on {p.device.name} ({p.device.status}), {p.dtype}, {p.launch} launch, {'' if p.fused else 'not '}fused",
        "",
        tables.rows_table(rows, right=("start [µs]", "time [µs]", "share [%]", "energy [mJ]", "TOP/s", "DRAM [MB]")),
        *([f"the 20 longest of {len(p.kernels)} kernels; --all shows every one"] if len(chosen) < len(p.kernels) else []),
        "",
        f"latency {units.seconds(p.latency_s)}, energy {units.energy(p.energy_j * 1e12)}, "
        f"mean power {p.energy_j / p.latency_s:.0f} W, "
        f"{units.count(p.ops / p.latency_s)}OP/s, DRAM {p.dram_bytes / 1e6:,.1f} MB",
        f"bound by: {', '.join(shares)}",
        *(f"note: {n}" for n in p.notes),
    ]


def _row(p: NetworkPrediction, k: Any) -> dict[str, object]:
    total = k.count * k.seconds
    return {
        "kernel": k.name,
        "kind": k.family,
        "start [µs]": f"{1e6 * k.start_s:.1f}",
        "time [µs]": f"{1e6 * total:.2f}",
        "share [%]": f"{100 * total / p.latency_s:.1f}",
        "energy [mJ]": f"{1e3 * k.count * k.energy_j:.3f}",
        "TOP/s": f"{k.ops / k.seconds / 1e12:.1f}" if k.ops else "-",
        "DRAM [MB]": f"{k.count * k.dram_bytes / 1e6:.2f}",
        "bound by": k.bound,
        "with": ", ".join(f.removeprefix(k.name).lstrip(".") for f in k.fused) or "-",
    }


def prediction_page(p: NetworkPrediction) -> str:
    """Timeline, roofline and all kernels on one page."""
    d = p.device
    tiles = [
        ("latency", units.seconds(p.latency_s)),
        ("energy", units.energy(p.energy_j * 1e12)),
        ("mean power", f"{p.energy_j / p.latency_s:.0f} W"),
        ("operations a second", units.count(p.ops / p.latency_s)),
        ("DRAM traffic", f"{p.dram_bytes / 1e6:,.1f} MB"),
        ("kernels", f"{sum(k.count for k in p.kernels)}"),
    ]
    rows = [_row(p, k) for k in p.kernels]
    points = [(k.name, k.family, k.ops / k.dram_bytes, k.ops / k.seconds) for k in p.kernels if k.ops and k.dram_bytes]
    share = d.parameters.vector_efficiency if p.dtype in d.vector_dtypes else d.parameters.matrix_efficiency
    ceilings = [(p.dtype, d.peak(p.dtype) * share)]
    body = [
        html.tag("h1", f"{p.model} on {d.name}"),
        html.tag(
            "p",
            f"{d.description}. {p.dtype}, {p.launch} launch, element-wise operators {'' if p.fused else 'not '}fused. "
            f"Modelled; {d.status}: {d.source}",
            "lead",
        ),
        html.section("tiles", [html.section("tile", [html.tag("b", v), html.tag("span", k)]) for k, v in tiles]),
        html.tag("h2", "Timeline"),
        machine_plots.timeline(p, "kernels over time"),
        html.tag("h2", "Roofline"),
        rooflines.machine_roofline(points, ceilings, [("DRAM", d.parameters.dram_bytes_per_s)], "roofline"),
        html.tag("h2", "Kernels"),
        html.table(list(rows[0]), [list(r.values()) for r in rows], left=(0, 1, 8, 9)),
        *(html.tag("p", n) for n in p.notes),
    ]
    return document(f"{p.model} on {d.name} - picojoule", body)


def listed(name: str | None, as_json: bool) -> None:
    """The devices that come along, or one of them."""
    if name is None:
        known = [{"name": n, "status": load_device(n).status, "description": about} for n, about in devices().items()]
        show.json_only({"devices": known}) if as_json else show.print_parts(tables.rows_table(known))
        return
    device = load_device(name, "NAME")
    if as_json:
        show.json_only(device_json(device))
    else:
        from picojoule.machines.kernels.device import device_to_yaml

        show.print_parts(device_to_yaml(device))


def device_json(device: Device) -> dict[str, Any]:
    """A device with its parameters, their sources and its calibration."""
    value = {f: getattr(device, f) for f in Device.__dataclass_fields__}
    return {**value, "parameters": asdict(device.parameters), "peaks": dict(device.peaks)}

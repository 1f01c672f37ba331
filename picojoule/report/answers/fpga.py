"""A network on an FPGA: the engine that was chosen, and its layers."""

from __future__ import annotations

from dataclasses import asdict

from picojoule.machines.fpga import FPGAS, FpgaPrediction
from picojoule.report import show, tables, units


def shown(p: FpgaPrediction, as_json: bool) -> None:
    """Print the design and every layer."""
    e, f = p.engine, p.fpga
    if as_json:
        totals = {"latency_s": p.latency_s, "macs": p.macs, "bytes": p.bytes, "peak_macs_per_s": p.peak_macs_per_s}
        show.json_only(
            {"model": p.model, "fpga": f.name, "evidence": "modelled", "engine": asdict(e), "totals": totals,
             "layers": [asdict(x) for x in p.layers]}
        )  # fmt: skip
        return
    rows = [
        {"layer": x.name, "times": x.count, "cycles": x.cycles, "time [ms]": f"{1e3 * x.count * x.seconds:.3f}",
         "DRAM [MB]": f"{x.count * x.bytes / 1e6:.2f}", "utilization [%]": f"{100 * x.utilization:.0f}", "bound by": x.bound}
        for x in p.layers
    ]  # fmt: skip
    show.print_parts(
        f"{p.model} on {f.description}: an engine of {e.pe} x {e.simd}, {e.weight_bits} b weights, {e.input_bits} b inputs",
        f"{e.dsp:,} of {f.dsp:,} DSP blocks, {e.bram18:,} of {2 * f.bram36:,} block RAMs of 18 Kib, "
        f"{e.luts:,.0f} of {f.luts:,} LUTs (±30 %)",
        "",
        tables.rows_table(rows, right=("times", "cycles", "time [ms]", "DRAM [MB]", "utilization [%]")),
        "",
        f"latency {units.seconds(p.latency_s)}, {units.count(p.macs / p.latency_s)}MAC/s "
        f"of {units.count(p.peak_macs_per_s)}MAC/s, "
        f"DRAM {p.bytes / 1e6:,.1f} MB; energy: unknown, no counter was read",
    )


def listed(as_json: bool) -> None:
    """The boards that come along."""
    known = [{"name": f.name, "description": f.description, "source": f.source} for f in FPGAS.values()]
    show.json_only({"fpgas": known}) if as_json else show.print_parts(tables.rows_table(known))

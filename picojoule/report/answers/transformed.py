"""Kernel transforms on the terminal: counts, predicted and measured times, the choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from picojoule.algorithms.compare import Compared
from picojoule.report import show, tables


def transforms(name: str, rows: Sequence[Compared], left_out: Sequence[str], as_json: bool) -> None:
    """The algorithms of every convolution."""
    if as_json:
        show.json_only({"model": name, "layers": [_json(r) for r in rows], "left_out": list(left_out)})
        return
    for r in rows:
        table = [
            {
                "algorithm": c.algorithm,
                "multiplications [M]": f"{c.multiplications / 1e6:.4g}",
                "saves": f"{r.shape.macs / c.multiplications:.2f}x",
                "all operations [M]": f"{c.operations / 1e6:.4g}",
                "extra words [k]": f"{c.extra_words / 1e3:.4g}",
                "moved words [k]": f"{c.moved_words / 1e3:.4g}",
                "zeros stay": "yes" if c.keeps_sparsity else "no",
                "bit-exact on": c.lossless,
            }
            for c in r.costs
        ]
        show.print_parts(f"{r.name}: {r.shape}{f', {r.count} times' if r.count > 1 else ''}", tables.rows_table(table), "")
    show.print_parts("time on this package's reference processor (fp32, one thread), predicted; pick:")
    show.print_parts(tables.rows_table([_times(r) for r in rows]))
    losses = [r.loss_percent for r in rows if r.loss_percent is not None]
    if losses:
        best = sum(v == 0 for v in losses)
        mean = sum(losses) / len(losses)
        show.print_parts(f"the pick was the fastest measured one on {best} of {len(losses)} layers; mean loss {mean:.1f} %")
    show.print_parts(*(f"note: {w}" for w in left_out))


def _times(r: Compared) -> dict[str, object]:
    predicted = dict(r.choice.seconds)
    out: dict[str, object] = {"layer": r.name, "pick": r.choice.best}
    for algorithm in ("direct", "im2col", "nnpack", "fft"):
        out[f"{algorithm} [ms]"] = f"{1e3 * predicted[algorithm]:.3g}" if algorithm in predicted else "-"
    if r.measured is not None:
        out["measured [ms]"] = ", ".join(f"{a} {1e3 * s:.3g}" for a, s in r.measured.seconds)
        out["loss [%]"] = "-" if r.loss_percent is None else f"{r.loss_percent:.1f}"
    out["because"] = r.choice.because
    return out


def _json(r: Compared) -> dict[str, object]:
    return {
        "name": r.name,
        "count": r.count,
        "shape": asdict(r.shape),
        "costs": [asdict(c) for c in r.costs],
        "pick": r.choice.best,
        "predicted_s": dict(r.choice.seconds),
        "because": r.choice.because,
        "measured_s": dict(r.measured.seconds) if r.measured else None,
        "error_against_fp64": dict(r.measured.errors) if r.measured else None,
        "loss_percent": r.loss_percent,
    }

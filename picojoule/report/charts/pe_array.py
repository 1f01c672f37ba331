"""The PE array under row stationary, drawn: which filter row meets which output row in each PE, for a terminal or a page."""

from __future__ import annotations

from html import escape
from typing import Any

from picojoule.machines.row_stationary.counts import Latency, Words
from picojoule.machines.row_stationary.rows import RowStationary, Work
from picojoule.report.charts.plots import COLOURS

_CELL_W, _CELL_H, _LEFT, _TOP = 62, 36, 34, 26


def set_name(work: Work, rs: RowStationary) -> str:
    """A, B, ... for the r x t logical sets; one set needs no name."""
    x = rs.parameters
    return "" if x.r * x.t == 1 else chr(ord("A") + work.filter_set * x.r + work.channel_set)


def _grid(rs: RowStationary) -> dict[tuple[int, int], Work]:
    return {(w.row, w.column): w for w in rs.works()}


def array_text(rs: RowStationary) -> str:
    """One row of text per row of PEs: `A3:7` is filter row 3 for output row 7 in set A, `.` is idle."""
    grid = _grid(rs)

    def cell(at: tuple[int, int]) -> str:
        w = grid.get(at)
        return f"{set_name(w, rs)}{w.filter_row}:{w.output_row}" if w else "."

    cells = [[cell((r, c)) for c in range(rs.array.columns)] for r in range(rs.array.rows)]
    wide = max(len(c) for row in cells for c in row)
    return "\n".join(" ".join(c.ljust(wide) for c in row).rstrip() for row in cells)


def each_pe(rs: RowStationary) -> str:
    """What a PE does in one pass, in words."""
    s, x = rs.shape, rs.parameters
    return (
        f"each PE keeps {x.p} filters x {x.q} channels x {s.S} weights ({x.p * x.q * s.S} words) of its filter row, slides them "
        f"over an input row of {s.W} through a window of {x.q} x {s.S} ({x.q * s.S} words), and sums into {x.p} partial sums: "
        f"{s.F * x.p * x.q * s.S:,} MACs for each of {x.n} image{'s' if x.n > 1 else ''}"
    )


def the_sets(rs: RowStationary) -> str:
    """How the logical sets lie on the array, in words."""
    s, x = rs.shape, rs.parameters
    fold = f", each folded into {rs.segments} segments" if rs.segments > 1 else ""
    return (
        f"{x.r * x.t} logical set{'s' if x.r * x.t > 1 else ''} of {s.R} x {x.e} PEs (filter rows x output rows){fold}: "
        f"{x.r} over channels, {x.t} over filters; {rs.active_pes} of {rs.array.rows * rs.array.columns} PEs active; "
        f"{rs.passes:,} passes"
    )


def array_svg(rs: RowStationary, title: str) -> str:
    """The array as a grid; colours tell the sets apart, a tool tip says what each PE does."""
    grid, s, x = _grid(rs), rs.shape, rs.parameters
    width, height = _LEFT + rs.array.columns * _CELL_W + 4, _TOP + rs.array.rows * _CELL_H + 4
    label = escape(title, quote=True)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{label}" '
        f'style="max-width:{width}px;width:100%;font-family:system-ui,sans-serif;font-size:11px">'
    ]
    out += [_label(_LEFT + (c + 0.5) * _CELL_W, _TOP - 8, str(c)) for c in range(rs.array.columns)]
    out += [_label(_LEFT - 14, _TOP + (r + 0.6) * _CELL_H, str(r)) for r in range(rs.array.rows)]
    for r in range(rs.array.rows):
        for c in range(rs.array.columns):
            w = grid.get((r, c))
            left, top = _LEFT + c * _CELL_W, _TOP + r * _CELL_H
            fill = COLOURS[(w.filter_set * x.r + w.channel_set) % len(COLOURS)] if w else "#f2f2f2"
            said = "idle"
            if w:
                first = f"filters {w.filter_set * x.p} to {w.filter_set * x.p + x.p - 1}, channels {w.channel_set * x.q} to "
                said = (
                    f"set {set_name(w, rs) or 'A'}: filter row {w.filter_row} of {s.R}, output row {w.output_row}, "
                    f"input row {w.output_row * s.U + w.filter_row}; {first}{w.channel_set * x.q + x.q - 1} of the pass"
                )
            colour = f'fill="{fill}" fill-opacity="{0.28 if w else 1}" stroke="{fill if w else "#cccccc"}"'
            box = f'x="{left}" y="{top}" width="{_CELL_W - 3}" height="{_CELL_H - 3}" rx="3"'
            out.append(f"<g><title>PE ({r}, {c}): {said}</title><rect {box} {colour}/>")
            if w:
                out.append(_label(left + _CELL_W / 2 - 1, top + 14, f"{set_name(w, rs)} f-row {w.filter_row}".strip()))
                out.append(_label(left + _CELL_W / 2 - 1, top + 27, f"out {w.output_row}"))
            out.append("</g>")
    return "".join(out) + "</svg>"


def _label(x: float, y: float, text: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="middle" fill="#1f2933">{escape(text)}</text>'


def to_json(name: str, rs: RowStationary, moved: Words, time: Latency) -> dict[str, Any]:
    """Parameters, array, buffer, traffic and latency of one layer."""
    x = rs.parameters
    return {
        "name": name,
        "parameters": {k: getattr(x, k) for k in "mnepqrt"},
        "active_pes": rs.active_pes,
        "pes": rs.array.rows * rs.array.columns,
        "segments": rs.segments,
        "passes": rs.passes,
        "spad_words": {"filter": x.p * x.q * rs.shape.S, "input": x.q * rs.shape.S, "sum": x.p},
        "buffer_words": {"input": rs.buffer_input_words, "sum": rs.buffer_sum_words},
        "words": {"buffer": moved.buffer, "dram": moved.dram, "delivered": moved.delivered, "handed_on": moved.handed_on},
        "cycles": time.cycles,
        "bound_by": time.bound_by,
        "array": [[w.row, w.column, w.filter_row, w.output_row, w.channel_set, w.filter_set] for w in rs.works()],
    }

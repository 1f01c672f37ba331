"""SCALE-Sim: configurations (`.cfg`) as systolic arrays and chips, topologies (`.csv`) as layers.

A convolution there has no padding: its output is floor((input - filter) / stride) + 1. The tool itself takes ceil, one row and
column too many where the stride does not divide; `Topology.as_the_tool` has those layers, so that its cycles can be compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory, Port
from picojoule.interop.names import refuse_huge
from picojoule.interop.report import Report
from picojoule.machines.systolic.systolic import DATAFLOWS, Array, as_product, timing
from picojoule.workload.layer import Layer, conv, gemm

ELEMENT_BITS = 8  # the tool counts words of one byte
OFF_BY_ONE = 1  # it prints the index of the last busy cycle, counted from 0
_LINE = re.compile(r"^([\w ]+?) ?[:=] ?(.*)$")
_SECTION = re.compile(r"^\s*\[\s*(\w+)\s*\]\s*$")
_IGNORED = {
    "ifmapoffset": "addresses of traces",
    "filteroffset": "addresses of traces",
    "ofmapoffset": "addresses of traces",
    "readrequestbuffer": "queues of the DRAM interface, for stalls",
    "writerequestbuffer": "queues of the DRAM interface, for stalls",
    "memorybanks": "banks of the DRAM, for stalls",
    "onchipmemorybanks": "banks, for stalls of a data layout",
    "onchipmemorybankports": "banks, for stalls of a data layout",
    "useramulatortrace": "another simulator's traces",
    "topology": "a file name of that tool's runs",
    "run_name": "",
}
_PLACES = {  # dataflow -> kinds of dimensions down the rows and along the columns
    "ws": (("in-channel", "filter-row", "filter-column"), ("out-channel",)),
    "os": (("batch", "row", "column"), ("out-channel",)),
    "is": (("in-channel", "filter-row", "filter-column"), ("batch", "row", "column")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A configuration: the array, its dataflow, and the chip around it, whose energies the tool does not know."""

    name: str
    array: Array
    dataflow: str
    chip: Chip


def is_config(text: str) -> bool:
    return bool(re.search(r"^[ \t]*\[[ \t]*architecture_presets[ \t]*\]", text, re.MULTILINE | re.IGNORECASE))


def read_config(text: str, where: str, report: Report) -> Config:
    """The configuration in a `.cfg`."""
    values = _Values(where, report)
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        line = re.split(r"\s[#;]", line)[0]
        if not line.strip() or line.lstrip().startswith(("#", ";")):
            continue
        if m := _SECTION.match(line):
            section = m[1].lower()
        elif (m := _LINE.match(" ".join(line.split()))) and section:
            values.add(section, m[1], m[2], f"{where}:{number}:{len(line) - len(line.lstrip()) + 1}")
        else:
            raise SpecError(
                f"cannot read {line.strip()[:40]!r}", where=f"{where}:{number}:1", hint="write [section] or Key : value"
            )
    return _config(values)


@dataclass(slots=True)
class _Values:
    where: str
    report: Report
    found: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)  # (section, key) -> (text, place)

    def add(self, section: str, key: str, text: str, place: str) -> None:
        plain = key.replace(" ", "").lower()
        if (section, plain) in self.found:
            raise SpecError(f"{key!r} is given twice", where=place, hint=f"the first one: {self.found[section, plain][1]}")
        self.found[section, plain] = (text, place)

    def text(self, section: str, key: str, default: str | None = None) -> tuple[str, str]:
        found = self.found.pop((section, key.lower()), None)
        if found is None:
            if default is None:
                raise SpecError(f"[{section}] has no {key}", where=f"{self.where}:1:1", hint=f"add `{key} : ...`")
            self.report.default(f"{self.where}:1:1", f"{section}.{key}", default)
            return default, self.where
        self.report.read(found[1], f"{section}.{key}", found[0])
        return found

    def whole(self, key: str, least: int = 1) -> int:
        text, place = self.text("architecture_presets", key)
        if not text.isdigit() or not least <= int(text) < 10**9:
            raise SpecError(f"{key} is {text!r}", where=place, hint="a whole number")
        return int(text)


def _config(v: _Values) -> Config:
    name = v.text("general", "run_name", "scalesim")[0] or "scalesim"
    array = Array(rows=v.whole("ArrayHeight"), columns=v.whole("ArrayWidth"))
    sizes = {role: v.whole(f"{word}SramSzkB") for role, word in (("input", "Ifmap"), ("weight", "Filter"), ("output", "Ofmap"))}
    flow, place = v.text("architecture_presets", "Dataflow")
    if flow not in DATAFLOWS:
        raise unknown_name("dataflow", flow, DATAFLOWS, place)
    bandwidth, at = v.text("architecture_presets", "Bandwidth", "unlimited")
    words = bandwidth.replace(",", " ").split()
    if bandwidth != "unlimited" and (not words or not all(w.isdigit() and int(w) for w in words)):
        raise SpecError(f"Bandwidth is {bandwidth!r}", where=at, hint="words per cycle")
    mode, at_mode = v.text("run_presets", "InterfaceBandwidth", "CALC")
    if mode.upper() not in ("CALC", "USER"):
        raise unknown_name("InterfaceBandwidth", mode, ("CALC", "USER"), at_mode)
    if mode.upper() == "CALC" and bandwidth != "unlimited":
        v.report.ignored(at, "architecture_presets.Bandwidth", "InterfaceBandwidth CALC: the tool takes as much as it needs")
    port = (
        (Port("shared", "readwrite", int(words[0]) * ELEMENT_BITS),)
        if mode.upper() == "USER" and bandwidth != "unlimited"
        else ()
    )
    _others(v)
    chip = _chip(name, array, flow, sizes, port)
    v.report.default(f"{v.where}:1:1", "energies", "unknown, never 0: that tool models cycles alone")
    v.report.default(f"{v.where}:1:1", "clock", "1 GHz: that tool counts cycles alone")
    return Config(name=name, array=array, dataflow=flow, chip=chip)


def _others(v: _Values) -> None:
    """Sparsity that is switched on is refused; what shapes stalls of DRAM and banks is named and left out."""
    sparse = v.found.get(("sparsity", "sparsitysupport"), ("false", ""))
    if sparse[0].lower() == "true":
        raise SpecError(
            "SparsitySupport: weights are kept in blocks with their zeros left out, and the array skips them",
            where=sparse[1],
            hint="set it to false, and give densities to a chip of ours that skips zeros (docs/sparsity.md)",
        )
    for (section, key), (_, place) in v.found.items():
        if section == "architecture_presets" and key not in _IGNORED:
            raise unknown_name(
                "key of [architecture_presets]", key, ("ArrayHeight", "ArrayWidth", "Dataflow", "Bandwidth"), place
            )
        if section not in ("architecture_presets", "general", "layout", "sparsity", "run_presets", "network_presets"):
            raise unknown_name("section", section, ("general", "architecture_presets", "run_presets"), place)
        why = _IGNORED.get(key, "switched off" if section == "sparsity" else "shapes stalls, which are not modelled here")
        v.report.ignored(place, f"{section}.{key}", why)


def _chip(name: str, array: Array, flow: str, sizes: dict[str, int], port: tuple[Port, ...]) -> Chip:
    rows, columns = _PLACES[flow]
    names = {"input": "ifmap_sram", "weight": "filter_sram", "output": "ofmap_sram"}
    peers = tuple(
        Memory(names[role], kb * 8192, ELEMENT_BITS, None, None, keeps=(role,), double_buffered=True)
        for role, kb in sizes.items()
    )
    axes = tuple(Axis(n, s, kinds=k) for n, s, k in (("rows", array.rows, rows), ("columns", array.columns, columns)) if s > 1)
    levels: list[Group | FanOut] = [
        Group((Memory("DRAM", None, ELEMENT_BITS, None, None, ports=port, technology="dram"),)),
        Group(peers),
        *([FanOut("array", axes, transfer_pj=None, transfer_bits=ELEMENT_BITS)] if axes else []),
    ]
    plain = re.sub(r"[^\w.-]", "_", name)
    plain = plain if re.match(r"[A-Za-z_]", plain) else f"_{plain}"
    return Chip(plain, tuple(levels), Compute("MAC", None, ELEMENT_BITS), 1e9, source="SCALE-Sim configuration, no prices")


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """The layers of a topology, and those that the tool itself runs (its rounding of strided outputs)."""

    layers: tuple[Layer, ...]
    as_the_tool: tuple[Layer, ...]


def is_topology(text: str) -> bool:
    """A header line with commas whose first cell is a layer, or rows of a name and whole numbers."""
    first = text.lstrip().partition("\n")[0].lower()
    return first.count(",") >= 3 and first.split(",")[0].strip().replace(" ", "").replace("_", "") in (
        "layer",
        "layername",
        "name",
    )


def read_topology(text: str, where: str, report: Report) -> Topology:
    """The layers of a CSV: convolutions of 8 or 9 columns, matrix products of 4; the columns tell which."""
    ours: list[Layer] = []
    theirs: list[Layer] = []
    width = 0
    for number, line in enumerate(text.splitlines(), 1):
        cells = [c.strip() for c in line.split(",")]
        while cells and not cells[-1]:
            cells.pop()
        if not cells or number == 1:
            continue
        at = f"{where}:{number}:1"
        width = width or len(cells)
        if len(cells) != width:
            raise SpecError(f"a row of {len(cells)} cells, others have {width}", where=at, hint="convolutions have 8, products 4")
        if len(cells) not in (4, 5, 8, 9):
            raise SpecError(f"a row of {len(cells)} cells", where=at, hint="convolutions have 8 or 9, matrix products 4 or 5")
        a, b = (_conv_row if len(cells) > 5 else _gemm_row)(cells, at, report)
        ours.append(a)
        theirs.append(b)
    if not ours:
        raise SpecError("there are no layers", where=f"{where}:1:1", hint="a header line, then one line a layer")
    return Topology(layers=tuple(ours), as_the_tool=tuple(theirs))


def _numbers(cells: list[str], at: str) -> list[int]:
    out = []
    for cell in cells:
        if not cell.isdigit() or not 1 <= int(cell) < 10**9:
            raise SpecError(f"{cell!r} is no size", where=at, hint="whole numbers, 1 or more")
        out.append(int(cell))
    return out


def _sparsity(cell: str, layer: Layer, at: str, report: Report) -> Layer:
    m = re.fullmatch(r"(\d+):(\d+)", cell)
    if not m or not 1 <= int(m[1]) <= int(m[2]):
        raise SpecError(f"{cell!r} is no stride and no sparsity", where=at, hint="such as 2, or 2:4")
    report.read(at, f"{layer.name}.sparsity", cell)
    return layer if m[1] == m[2] else layer.with_density(at, weight=cell)


def _gemm_row(cells: list[str], at: str, report: Report) -> tuple[Layer, Layer]:
    m, n, k = _numbers(cells[1:4], at)
    layer = gemm(cells[0], M=m, N=n, K=k, bits=ELEMENT_BITS)
    report.read(at, cells[0], f"M={m} N={n} K={k}")
    layer = _sparsity(cells[4], layer, at, report) if len(cells) == 5 else layer
    return layer, layer


def _conv_row(cells: list[str], at: str, report: Report) -> tuple[Layer, Layer]:
    h, w, r, s, c, k, stride = _numbers(cells[1:8], at)
    across = _numbers(cells[8:9], at)[0] if len(cells) == 9 and cells[8].isdigit() else stride
    if r > h or s > w:
        raise SpecError(
            f"a filter of {r}x{s} on an input of {h}x{w}", where=at, hint="that tool knows no padding: give the padded input"
        )
    made = []
    for up in (False, True):
        p, q = ((size - window + (step - 1 if up else 0)) // step + 1 for size, window, step in ((h, r, stride), (w, s, across)))
        layer = conv(cells[0], K=k, C=c, P=p, Q=q, R=r, S=s, stride=(stride, across), bits=ELEMENT_BITS)
        refuse_huge(layer, at)
        made.append(_sparsity(cells[8], layer, at, report) if len(cells) == 9 and not cells[8].isdigit() else layer)
    note = "" if made[0] == made[1] else "; that tool rounds its output up, one row and column too many"
    report.read(at, cells[0], f"{k} filters of {c}x{r}x{s}{note}")
    return made[0], made[1]


def cycles_of(layer: Layer, array: Array, dataflow: str) -> int:
    """Cycles as the tool prints them (stall-free): one less than pass, as it counts from 0. Give a layer of `as_the_tool`."""
    return timing(as_product(layer), array, dataflow).cycles - OFF_BY_ONE

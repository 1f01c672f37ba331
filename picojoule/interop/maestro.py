"""MAESTRO: networks of layers (`Network NAME { Layer NAME { ... } }`) and hardware (`num_pes: 256`).

Y and X are sizes of the input, R and S of the filter. Dataflows are read and checked, and have no counterpart yet: they spread
clusters over PEs without saying in which memory a tile lies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from picojoule.ask import ROLES
from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory, Port
from picojoule.interop.report import Report
from picojoule.workload.layer import Layer, conv, gemm

_TOKEN = re.compile(r"\s*(?://[^\n]*|/\*.*?\*/|([A-Za-z_][\w.\-]*'?|\d+|[{}():,;]))", re.DOTALL)
_HARDWARE = re.compile(r"^\s*(\w+)\s*:\s*(\S+?)\s*;?\s*$")
_DIMS = {"CONV": "NGKCRSYX", "DSCONV": "NKCRSYX", "GEMM": "MNK", "BMM": "BMNK"}
_MAPS = ("TemporalMap", "SpatialMap")
_KEYS = ("num_pes", "l1_size_cstr", "l2_size_cstr", "noc_bw_cstr", "offchip_bw_cstr")
ELEMENT_BITS = 8


def is_network(text: str) -> bool:
    bare = re.sub(r"//[^\n]*", "", text)
    return bool(re.match(r"\s*(Constant\s+\w+\s+\d+\s*;\s*)*Network\s+[\w.\-]+\s*\{", bare))


def is_hardware(text: str) -> bool:
    return bool(re.search(r"^[ \t]*num_pes[ \t]*:", text, re.MULTILINE)) and "{" not in text


def read_hardware(text: str, where: str, report: Report) -> Chip:
    """The chip of a hardware file: DRAM, a shared L2, PEs with an L1 each. Sizes are in elements, taken as bytes."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("//")[0]
        if not line.strip():
            continue
        m, at = _HARDWARE.match(line), f"{where}:{number}:1"
        if not m:
            raise SpecError(f"cannot read {line.strip()[:40]!r}", where=at, hint="write key: value")
        if m[1] not in _KEYS:
            raise unknown_name("key", m[1], _KEYS, at)
        if not m[2].isdigit() or not 1 <= int(m[2]) < 10**12 or m[1] in found:
            raise SpecError(f"{m[1]} is {m[2]!r}, or given twice", where=at, hint="a whole number, 1 or more, once")
        found[m[1]] = int(m[2])
        report.read(at, m[1], m[2])
    for key in _KEYS[:3]:
        if key not in found:
            raise SpecError(f"there is no {key}", where=f"{where}:1:1", hint=f"add `{key}: ...`")
    report.default(f"{where}:1:1", "elements", f"{ELEMENT_BITS} b: that tool counts elements")
    report.default(f"{where}:1:1", "energies, clock", "energies unknown, never 0; 1 GHz: the file states neither")

    def port(key: str) -> tuple[Port, ...]:
        return (Port("shared", "readwrite", found[key] * ELEMENT_BITS),) if key in found else ()

    b = ELEMENT_BITS
    any_role = ROLES
    levels: tuple[Group | FanOut, ...] = (
        Group((Memory("DRAM", None, b, None, None, ports=port("offchip_bw_cstr"), technology="dram"),)),
        Group((Memory("L2", found["l2_size_cstr"] * b, b, None, None, (), any_role, port("noc_bw_cstr")),)),
        FanOut("pes", (Axis("X", found["num_pes"]),), transfer_pj=None, transfer_bits=b),
        Group((Memory("L1", found["l1_size_cstr"] * b, b, None, None, (), any_role),)),
    )  # fmt: skip
    return Chip("maestro", levels, Compute("MAC", None, b), 1e9, source="MAESTRO hardware file, no prices")


def read_network(text: str, where: str, report: Report) -> tuple[str, list[Layer]]:
    """The name and the layers of a network."""
    return _Parser(text, where, report).network()


@dataclass(slots=True)
class _Parser:
    text: str
    where: str
    report: Report
    tokens: list[tuple[str, int]] = field(default_factory=list)
    at: int = 0
    constants: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        position = 0
        while self.text[position:].strip():
            m = _TOKEN.match(self.text, position)
            if not m:
                self.tokens.append(("", position))
                self.at = len(self.tokens) - 1
                raise self.fault(f"{self.text[position:].split()[0][:20]!r} is not understood")
            if m[1]:
                self.tokens.append((m[1], m.start(1)))
            position = m.end()

    def place(self) -> str:
        position = self.tokens[min(self.at, len(self.tokens) - 1)][1] if self.tokens else 0
        line = self.text.count("\n", 0, position) + 1
        return f"{self.where}:{line}:{position - self.text.rfind(chr(10), 0, position)}"

    def fault(
        self, problem: str, hint: str = "Network NAME { Layer NAME { Type: CONV; Dimensions { K: 64, ... } } }"
    ) -> SpecError:
        return SpecError(problem, where=self.place(), hint=hint)

    def peek(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        if self.at >= len(self.tokens):
            raise self.fault("the file ends too early")
        self.at += 1
        return self.tokens[self.at - 1][0]

    def need(self, word: str) -> None:
        if self.peek() != word:
            raise self.fault(f"{word!r} is needed, not {self.peek()!r}")
        self.at += 1

    def skip(self, word: str) -> None:
        if self.peek() == word:
            self.at += 1

    def number(self) -> int:
        word = self.peek()
        if word in self.constants:
            self.at += 1
            return self.constants[word]
        if not word.isdigit() or not 1 <= int(word) < 10**9:
            raise self.fault(f"{word!r} is no size", f"a whole number, or a constant: {', '.join(self.constants) or 'none'}")
        self.at += 1
        return int(word)

    def network(self) -> tuple[str, list[Layer]]:
        while self.peek() == "Constant":
            self.at += 1
            name = self.take()
            self.constants[name] = self.number()
            self.skip(";")
        self.need("Network")
        title = self.take()
        self.need("{")
        layers = []
        while self.peek() == "Layer":
            layers.append(self.layer())
        self.need("}")
        if self.at < len(self.tokens):
            raise self.fault(f"{self.peek()!r} stands after the network")
        if not layers:
            raise self.fault("the network has no layer")
        return title, layers

    def layer(self) -> Layer:
        where = self.place()
        self.need("Layer")
        name, kind = self.take(), ""
        stride: dict[str, int] = {}
        dims: dict[str, int] = {}
        self.need("{")
        while self.peek() != "}":
            key, at = self.take(), self.place()
            if key == "Type":
                self.need(":")
                kind = self.take()
                if kind not in _DIMS:
                    raise SpecError(f"layers of type {kind!r}", where=at, hint=f"read: {', '.join(_DIMS)}")
            elif key in ("Stride", "Dimensions"):
                (stride if key == "Stride" else dims).update(self.sizes())
            elif key == "Dataflow":
                steps = self.dataflow()
                self.report.refused(
                    at, f"{name}.Dataflow", f"{steps} directives: no mapping without the memories; the layer is imported"
                )
            else:
                self.at -= 1
                raise unknown_name("key of a layer", key, ("Type", "Stride", "Dimensions", "Dataflow"), self.place())
            self.skip(";")
        self.need("}")
        return self.made(name, kind, dims, stride, where)

    def sizes(self) -> dict[str, int]:
        """`{ K: 64, C 3 }`: the colon may be missing."""
        out: dict[str, int] = {}
        self.need("{")
        while self.peek() != "}":
            name = self.take()
            if name in out or not name.isalpha():
                self.at -= 1
                raise self.fault(f"dimension {name!r} is given twice, or no name")
            self.skip(":")
            out[name] = self.number()
            self.skip(",")
        self.need("}")
        return out

    def dataflow(self) -> int:
        """Reads the directives; their number."""
        steps = 0
        self.need("{")
        while self.peek() != "}":
            word = self.take()
            self.need("(")
            self.amount()
            self.need(",")
            if word == "Cluster":
                if self.take() not in ("P", "L"):
                    self.at -= 1
                    raise self.fault("a cluster is P or L")
            elif word in _MAPS:
                self.amount()
            else:
                raise unknown_name("directive", word, (*_MAPS, "Cluster"), self.place())
            self.need(")")
            if word != "Cluster" and self.take().rstrip("'") not in "NGBKCRSYXMPQ":
                self.at -= 1
                raise self.fault(f"{self.peek()!r} is no dimension")
            self.skip(";")
            steps += 1
        self.need("}")
        return steps

    def amount(self) -> None:
        if self.peek() == "Sz":
            self.at += 1
            self.need("(")
            self.take()
            self.need(")")
        else:
            self.number()

    def made(self, name: str, kind: str, dims: dict[str, int], stride: dict[str, int], where: str) -> Layer:
        if not kind:
            raise SpecError(f"layer {name!r} has no Type", where=where, hint="add `Type: CONV`")
        for d in dims:
            if d not in _DIMS[kind]:
                raise unknown_name("dimension", d, _DIMS[kind], where)
        for d in _DIMS[kind]:
            if d not in dims and not (kind.endswith("CONV") and d in "NG") and not (d == "K" and kind == "DSCONV"):
                raise SpecError(
                    f"layer {name!r} has no dimension {d}", where=where, hint=f"a {kind} has {', '.join(_DIMS[kind])}"
                )
        for axis in stride:
            if axis not in ("X", "Y"):
                raise unknown_name("stride", axis, ("X", "Y"), where)
        self.report.read(where, name, kind)
        if kind in ("GEMM", "BMM"):
            return gemm(name, M=dims["M"], N=dims["N"], K=dims["K"], batch=dims.get("B", 1), bits=ELEMENT_BITS)
        return self.conv(name, kind, dims, (stride.get("Y", 1), stride.get("X", 1)), where)

    def conv(self, name: str, kind: str, d: dict[str, int], stride: tuple[int, int], where: str) -> Layer:
        if d["R"] > d["Y"] or d["S"] > d["X"]:
            raise SpecError(
                f"layer {name!r}: a filter of {d['R']}x{d['S']} on an input of {d['Y']}x{d['X']}",
                where=where,
                hint="that tool knows no padding: Y and X are those of the padded input",
            )
        p, q = (d["Y"] - d["R"]) // stride[0] + 1, (d["X"] - d["S"]) // stride[1] + 1
        groups = d["C"] if kind == "DSCONV" else d.get("G", 1)
        k = d.get("K", 1) * groups
        c = d["C"] if kind == "DSCONV" else d["C"] * groups
        return conv(
            name, K=k, C=c, P=p, Q=q, R=d["R"], S=d["S"], stride=stride, batch=d.get("N", 1), groups=groups, bits=ELEMENT_BITS
        )

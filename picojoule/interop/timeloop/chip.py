"""Parts of a Timeloop architecture as a chip, in the words that the tool counts.

Timeloop counts words and knows no widths of tensors: an element takes one word of whatever memory holds it. Here a tensor has a
width, so that every memory's words are counted in elements of one width, that of the outermost memory: capacity = words x that
width, access = block x that width. Where all memories have that `datawidth` these are the bits of the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from picojoule.ask import ROLES
from picojoule.errors import SpecError
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory, Port
from picojoule.interop.names import usual_role
from picojoule.interop.report import Report
from picojoule.interop.timeloop.parts import Part, Parts, Places, Spread, text_attribute
from picojoule.interop.timeloop.prices import Prices
from picojoule.interop.timeloop.sparse import operands_of, saves_of
from picojoule.interop.trees import as_text

_DEFAULT_WORD = 16
_DEFAULT_CYCLE_S = 1e-9
_USED = {
    "datawidth",
    "width",
    "depth",
    "entries",
    "size_kb",
    "block",
    "read",
    "write",
    "shared",
    "buffers",
    "cycle",
    "technology",
}
_USED |= {"cluster", "least_use", "mesh_x", "mesh_y", "metadata_depth", "metadata_width", "metadata_word"}


def build_chip(
    parts: Parts, prices: Prices, roles: Mapping[str, str], report: Report, ranks: Mapping[str, int] | None = None
) -> Chip:
    """The chip; `roles` and numbers of `ranks` are those of the data spaces of the problem, where one is known.

    What has no price stays unknown.
    """
    return _Maker(parts, prices, dict(roles), report, dict(ranks or {})).chip()


def word_bits_of(parts: Parts) -> int:
    """Bits of an element: the word of the outermost memory."""
    first = next(p for level in parts.levels if isinstance(level, Places) for p in level.parts)
    return first.whole("datawidth") or _DEFAULT_WORD


@dataclass(slots=True)
class _Maker:
    parts: Parts
    prices: Prices
    roles: dict[str, str]
    report: Report
    ranks: dict[str, int]
    element: int = 0
    cycle_s: float = _DEFAULT_CYCLE_S

    def chip(self) -> Chip:
        parts = self.parts
        if not parts.levels or not isinstance(parts.levels[0], Places):
            raise SpecError("the architecture begins with a fan-out", where=parts.where, hint="put the outermost memory first")
        self.element = word_bits_of(parts)
        self.cycle_s = self._cycle()
        try:
            levels = tuple(self._level(i, x) for i, x in enumerate(parts.levels))
            compute = self._compute()
            chip = Chip(
                _ident(parts.name), levels, compute, _frequency_hz(self.cycle_s), self._technology(),
                source="Timeloop architecture" + (", prices of its ERT" if self.prices.pj else ", no prices"),
            )  # fmt: skip
        except SpecError as e:
            raise e.located(parts.where) from None
        self._prices_used(chip)
        return chip

    def _prices_used(self, chip: Chip) -> None:
        known = {m.name for m in chip.memories} | {chip.compute.name}
        for name in self.prices.pj:
            if name not in known:
                near = ", ".join(sorted(known))
                raise SpecError(
                    f"the ERT prices {name!r}, which the architecture does not have",
                    where=self.prices.places[name],
                    hint=f"components: {near}; that tool would take built-in energies in silence",
                )

    def _everything(self) -> list[Part]:
        return [*(p for x in self.parts.levels if isinstance(x, Places) for p in x.parts), self.parts.mac]

    def _cycle(self) -> float:
        part = next((p for p in self._everything() if p.tree("cycle") is not None), None)
        stated = None
        if part is not None:
            stated = part.amount("cycle")
        elif (tree := self.parts.variables.get("global_cycle_seconds")) is not None:
            self.parts.mac.attributes.setdefault("global_cycle_seconds", tree)
            stated = self.parts.mac.amount("cycle")
        if stated is not None:
            if not 0 < stated < 1:
                raise SpecError(f"a cycle of {stated:g} s", where=self.parts.where, hint="such as global_cycle_seconds: 1e-9")
            self.report.read(self.parts.where, "global_cycle_seconds", f"{stated:g} s: {1 / stated:g} Hz")
            return stated
        if self.prices.cycle_s is not None:
            self.report.read(self.parts.where, "global_cycle_seconds", f"{self.prices.cycle_s:g} s, as the ERT states")
            return self.prices.cycle_s
        self.report.default(self.parts.where, "global_cycle_seconds", "1e-09 s")
        return _DEFAULT_CYCLE_S

    def _technology(self) -> float | None:
        text = next((t for p in self._everything() if (t := text_attribute(p, "technology"))), None)
        if text is None and (tree := self.parts.variables.get("technology")) is not None:
            text = as_text(tree, "technology")
        m = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:nm)?", text or "")
        return float(m[1]) if m else None

    def _level(self, i: int, level: Places | Spread) -> Group | FanOut:
        if isinstance(level, Places):
            return Group(tuple(self._memory(p, level, outermost=i == 0) for p in level.parts))
        self.report.default(
            level.where, f"{level.name}: transfer energy", "0 pJ: that tool prices no network unless one is described"
        )
        sizes = [("X", level.x, level.dims_x), ("Y", level.y, level.dims_y)]
        axes = tuple(Axis(n, size, dims) for n, size, dims in sizes if size > 1)
        return FanOut(_ident(level.name), axes, transfer_pj=0.0, transfer_bits=self.element)

    def _role(self, name: str, where: str) -> str:
        role = self.roles.get(name) or usual_role(name)
        if role is None:
            raise SpecError(
                f"which tensor {name!r} is cannot be told from the architecture alone",
                where=where,
                hint="import the problem together with it: pj import arch.yaml problem.yaml",
            )
        return role

    def _keeps(self, part: Part, level: Places, outermost: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Roles that it must and may keep; of peers each tensor has one."""
        keep = tuple(self._role(n, part.where) for n in part.keep or ())
        never = {self._role(n, part.where) for n in part.bypass}
        if outermost:
            if never and len(level.parts) == 1:
                raise SpecError(
                    f"{part.name!r} is the outermost memory and bypasses a tensor", where=part.where, hint="drop bypass"
                )
            if len(level.parts) == 1:
                return ROLES, ()
        others = {self._role(n, p.where) for p in level.parts if p is not part for n in p.keep or ()}
        may = tuple(r for r in ROLES if r not in keep and r not in never and r not in others)
        if len(level.parts) > 1 and may:
            if part.keep is not None:
                return keep, ()
            raise SpecError(
                f"{part.name!r} stands beside its peers and does not say what it keeps",
                where=part.where,
                hint="constraints: {dataspace: {keep: [Inputs]}}",
            )
        return tuple(r for r in ROLES if r in keep), may

    def _memory(self, part: Part, level: Places, outermost: bool) -> Memory:
        part.account(self.report, _USED)
        block, words = self._block(part), self._words(part)
        if outermost and len(level.parts) == 1:
            if words is not None:
                self.report.ignored(
                    part.where,
                    f"{part.name}.size",
                    f"{words:,} words: here the outermost memory holds whole tensors, whatever they need",
                )
            words = None
        elif words is None:
            raise SpecError(
                f"memory {part.name!r} has no size", where=part.where, hint="give depth and width, or entries, or sizeKB"
            )
        if (cluster := part.whole("cluster")) not in (None, 1):
            raise SpecError(
                f"{part.name!r} is a cluster of {cluster}", where=part.where_of("cluster"), hint="cluster-size 1 is read"
            )
        if least := part.amount("least_use"):
            self.report.refused(
                part.where_of("least_use"), f"{part.name}.min_utilization", f"{least:g}: our search has no such limit"
            )
        buffers = part.amount("buffers")
        if buffers not in (None, 1.0, 2.0):
            raise SpecError(
                f"{part.name!r} has {buffers:g} buffers",
                where=part.where_of("buffers"),
                hint="single and double buffering are read",
            )
        keeps, may = self._keeps(part, level, outermost)
        read, write, leak = self._prices(part)
        formats, skips, gates = saves_of(part, self._role, self.report, self.ranks) if part.sparse is not None else ((), (), ())
        small = re.search("reg|spad|rf", part.class_ or part.name, re.I)
        return Memory(
            name=_ident(part.name),
            capacity_bits=None if words is None else words * self.element + self._metadata_bits(part),
            word_bits=block * self.element,
            read_pj=read,
            write_pj=write,
            keeps=keeps,
            may_keep=may,
            ports=self._ports(part),
            double_buffered=buffers == 2.0,
            leakage_mw=leak,
            area_um2=self.prices.um2.get(part.name),
            technology="dram" if part.is_dram else "register_file" if small else "sram",
            source="Timeloop ERT" if read is not None else "",
            formats=formats,
            skips=skips,
            gates=gates,
        )

    def _metadata_bits(self, part: Part) -> int:
        """Bits of a store for metadata, which here is part of the memory."""
        depth, width = part.whole("metadata_depth", least=0) or 0, part.whole("metadata_width") or 0
        if depth * width:
            self.report.read(
                part.where_of("metadata_depth"),
                f"{part.name}: store of metadata",
                f"{depth * width:,} b, part of the memory here",
            )
        return depth * width

    def _datawidth(self, part: Part) -> int:
        stated = part.whole("datawidth")
        if stated is None:
            self.report.default(part.where, f"{part.name}.datawidth", f"{_DEFAULT_WORD} bits")
            return _DEFAULT_WORD
        if stated != self.element:
            self.report.read(
                part.where_of("datawidth"),
                f"{part.name}.datawidth",
                f"{stated} bits: one element a word, as everywhere there; counted in elements of {self.element} b",
            )
        return stated

    def _block(self, part: Part) -> int:
        """Words of one access."""
        datawidth, width, block = self._datawidth(part), part.whole("width"), part.whole("block")
        if width is None:
            if block is None:
                self.report.default(part.where, f"{part.name}.width", "one word")
            return block or 1
        if width % datawidth:
            raise SpecError(
                f"width {width} of {part.name!r} is no whole number of {datawidth}-bit words",
                where=part.where_of("width"),
                hint=f"choose a width that {datawidth} divides",
            )
        if block is not None and block != width // datawidth:
            raise SpecError(
                f"{part.name!r} states a block of {block} words and a width of {width // datawidth}",
                where=part.where_of("block"),
                hint="leave one out",
            )
        return width // datawidth

    def _words(self, part: Part) -> int | None:
        """Words that it holds."""
        datawidth = part.whole("datawidth") or _DEFAULT_WORD
        depth, entries, kilobytes = part.whole("depth"), part.whole("entries"), part.amount("size_kb")
        if (depth is not None) + (entries is not None) + (kilobytes is not None) > 1:
            raise SpecError(f"{part.name!r} states its size twice", where=part.where, hint="keep depth, entries or sizeKB")
        if depth is not None:
            width = part.whole("width")
            return depth * (width // datawidth if width is not None else part.whole("block") or 1)
        if kilobytes is not None:
            words = kilobytes * 1024 * 8 / datawidth
            if words != int(words) or words < 1:
                raise SpecError(
                    f"{kilobytes:g} KiB are no whole number of words", where=part.where_of("size_kb"), hint="such as 108"
                )
            return int(words)
        return entries

    def _ports(self, part: Part) -> tuple[Port, ...]:
        """Bandwidths in words per cycle, of each instance."""
        out = []
        for key, serves in (("read", "read"), ("write", "write"), ("shared", "readwrite")):
            words = part.amount(key)
            if words is not None and not words:
                raise SpecError(
                    f"{key} bandwidth of {part.name!r} is 0", where=part.where_of(key), hint="a positive bandwidth, or none"
                )
            if words is not None:
                out.append(Port(key, serves, words * self.element))
        if len(out) == 3:
            raise SpecError(
                f"{part.name!r} has a shared bandwidth beside its own for reads and writes",
                where=part.where_of("shared"),
                hint="keep the shared one, or the two",
            )
        return tuple(out)

    def _prices(self, part: Part) -> tuple[float | None, float | None, float | None]:
        """pJ to read and to write, and mW of leakage; unknown without an ERT."""
        found = self.prices.pj.get(part.name)
        if found is None:
            why = "the ERT has no table of this name" if self.prices.pj else "give the ERT of the same run"
            self.report.default(part.where, f"{part.name}: energies", f"unknown, never 0: {why}")
            return None, None, None
        read, write, update = found.get("read"), found.get("write"), found.get("update")
        if update is not None and write is not None and update != write:
            raise SpecError(
                f"an update of {part.name!r} takes {update:g} pJ and a write {write:g} pJ",
                where=self.prices.places[part.name],
                hint="a memory has one price of a write here: set both alike",
            )
        leak = found.get("leak")
        milliwatts = None if leak is None else self._leakage_mw(leak)
        return read, write if write is not None else update, milliwatts

    def _leakage_mw(self, cycle_pj: float) -> float:
        """mW of what leaks in a cycle (1 mW for 1 s is 1e9 pJ), without the noise of the last digits."""
        return float(f"{cycle_pj / self.cycle_s / 1e9:.12g}")

    def _compute(self) -> Compute:
        part = self.parts.mac
        found = self.prices.pj.get(part.name, {})
        energy = found.get("compute", found.get("mac_random"))
        if energy is None:
            self.report.default(part.where, f"{part.name}: energy of a MAC", "unknown, never 0: give the ERT of the same run")
        leak = found.get("leak")
        bits = part.whole("datawidth") or self.element
        for key in ("multiplier_width", "multiplier-width"):
            if (tree := part.attributes.get(key)) is not None:
                part.attributes.setdefault("datawidth", tree)
                bits = part.whole("datawidth") or bits
        part.account(self.report, {"datawidth", "cycle", "technology", "mesh_x", "mesh_y"})
        skips, gates = operands_of(part, self.report) if part.sparse is not None else ((), ())
        return Compute(
            _ident(part.name),
            energy,
            bits,
            leakage_mw=None if leak is None else self._leakage_mw(leak),
            area_um2=self.prices.um2.get(part.name),
            skips=skips,
            gates=gates,
            source="Timeloop ERT" if energy is not None else "",
        )


def _frequency_hz(cycle_s: float) -> float:
    """The clock of a cycle time: the number of twelve digits that has it, where there is one."""
    short = float(f"{1 / cycle_s:.12g}")
    return short if 1 / short == cycle_s else float(1 / Decimal(repr(cycle_s)))


def _ident(name: str) -> str:
    """A name that our texts can hold."""
    plain = re.sub(r"[^\w.-]", "_", name)
    return plain if re.match(r"[A-Za-z_]", plain) else f"_{plain}"

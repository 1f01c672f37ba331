"""Chips as YAML files: `load_chip`, `chip_from_yaml`, `chip_to_yaml`, and the presets that come along (`chips`).

    chip: tiny
    clock: 1 GHz
    levels:
      - memory: {name: DRAM, word: 16 b, read: 8 pJ/b, write: 8 pJ/b, keeps: all}
      - fanout: {name: array, axes: {X: 4, Y: 4}, transfer: 0 pJ}
      - memory: {name: RF, size: 512 B, word: 16 b, read: 1 pJ, write: 1 pJ}
    compute: {mac: 1 pJ}

Every fault is reported as `file:line:column: what is wrong`, with a hint. What the file leaves out is unknown, unless a
component of the library (`class:`) supplies it; each number keeps its source (`where_from`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path as FilePath

from pydantic import ValidationError

from picojoule.ask import ROLES
from picojoule.errors import PicojouleError, SpecError, unknown_name
from picojoule.files import read_text
from picojoule.hardware.array import cost as array_cost
from picojoule.hardware.array.in_memory import Array
from picojoule.hardware.array.spec import array_of
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory, Port, Stay
from picojoule.hardware.chipfile import faults
from picojoule.hardware.chipfile.blocks import (
    ChipSpec,
    ComponentSpec,
    ComputeSpec,
    FanOutSpec,
    FormatSpec,
    MemorySpec,
    VectorSpec,
)
from picojoule.hardware.chipfile.write import chip_to_yaml
from picojoule.hardware.components.components import evaluate
from picojoule.hardware.compression import NAMED, Format, RankFormat
from picojoule.hardware.dataflow import constrained
from picojoule.hardware.provenance import UNSTATED
from picojoule.hardware.vector_unit import KINDS, VectorUnit
from picojoule.quantities.located_yaml import Document, Path, read
from picojoule.quantities.units import Quantity

__all__ = ["chip_from_yaml", "chip_to_yaml", "chips", "load_chip"]

PRESETS = FilePath(__file__).parents[1] / "presets"


def load_chip(name_or_path: str) -> Chip:
    """The preset of this name, or the chip in this YAML file."""
    path = FilePath(name_or_path)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return _from_file(path)
    if name_or_path not in preset_names():
        error = unknown_name("chip", name_or_path, preset_names())
        raise SpecError(error.problem, hint=f"{error.hint}; or give the path of a .yaml file")
    return _preset(name_or_path)


def chips() -> dict[str, str]:
    """The presets: name and description in one line."""
    return {name: _preset(name).description for name in preset_names()}


@cache
def preset_names() -> tuple[str, ...]:
    return tuple(sorted(p.stem for p in PRESETS.glob("*.yaml")))


@cache
def _preset(name: str) -> Chip:
    return chip_from_yaml((PRESETS / f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml")


def _from_file(path: FilePath) -> Chip:
    text = read_text(path, f"give an existing file, or a preset: {', '.join(preset_names())}", "YAML file")
    return chip_from_yaml(text, str(path))


def chip_from_yaml(text: str, where: str = "chip.yaml") -> Chip:
    """The chip that the YAML text describes; `where` names the text in errors."""
    document = read(text, where)
    try:
        spec = ChipSpec.model_validate(document.data)
    except ValidationError as e:
        raise faults.first_fault(e, document) from None
    return _Reader(document, spec).chip()


@dataclass(frozen=True)
class _Reader:
    """Turns the checked blocks into values; what only shows here (names, peers, components) is located as well."""

    document: Document
    spec: ChipSpec

    def chip(self) -> Chip:
        spec = self.spec
        self._names_differ()
        with self._at(("levels", 0)):
            array = self._array()
            levels = tuple(self._level(i) for i in range(len(spec.levels) - (array is not None)))
            if array is not None:
                widths = (array.weight_bits, array.input_bits)
                levels += array_cost.levels(array, *widths, array.sum_bits, spec.inferences_per_load)
                compute = array_cost.compute(array, *widths, spec.clock)
            else:
                assert spec.compute is not None
                compute = self._compute(spec.compute, ("compute",))
            chip = Chip(
                name=spec.chip,
                levels=levels,
                compute=compute,
                clock_hz=spec.clock,
                technology_nm=spec.technology,
                voltage_v=spec.voltage,
                description=spec.description,
                source=spec.source,
                static_mw=_value(spec.static),
                array=array,
                scope=spec.scope,
                inferences_per_load=spec.inferences_per_load,
            )
        return self._restricted(self._with_vector_unit(chip))

    def _array(self) -> Array | None:
        """The compute-in-memory array, which is the last level where there is one."""
        path, block = ("levels", len(self.spec.levels) - 1, "array"), self.spec.levels[-1].array
        if block is None:
            return None
        if self.spec.technology is None:
            raise SpecError(
                "an array needs the chip's technology", where=self.document.at(path), hint="such as `technology: 65 nm`"
            )
        with self._at(path):
            return array_of(block, self.spec.technology, self.spec.voltage)

    def _with_vector_unit(self, chip: Chip) -> Chip:
        """The chip with its vector unit; `vector` of `compute` is one whose rate and kinds nobody knows."""
        v, c = self.spec.vector, self.spec.compute
        if v is not None and c is not None and c.vector is not None:
            raise SpecError(
                "the energy of scalar operations stands twice",
                where=self.document.at_key(("compute", "vector")),
                hint="keep `vector:`",
            )
        if v is None and (c is None or c.vector is None):
            return chip
        with self._at(("vector",) if v is not None else ("compute", "vector")):
            if v is not None:
                return replace(chip, vector=self._vector(v, chip))
            assert c is not None
            pj = _value(c.vector, c.operands[0])
            stated = tuple((k, pj) for k in KINDS if pj is not None)
            unit = VectorUnit(
                at=chip.shared_buffer.name, lanes=None, bits=c.operands[0], energies=stated, source=chip.compute.source
            )
            return replace(chip, vector=unit)

    def _vector(self, v: VectorSpec, chip: Chip) -> VectorUnit:
        path, (bits, number) = ("vector",), v.operands
        if v.at is not None:
            with self._at((*path, "at")):
                chip.memory(v.at)
        if not number and v.class_ and (v.class_.model_extra or {}).get("format") == "float":
            number = {16: "fp16", 32: "fp32"}.get(bits, "")
        stated = {k: _value(getattr(v, k), bits) for k in KINDS}
        numbers = self._numbers(v.class_, {"bits": bits}, path, stated, v)
        does = v.does if v.does is not None else KINDS
        return VectorUnit(
            name=v.name,
            at=v.at or chip.shared_buffer.name,
            lanes=v.lanes,
            bits=bits,
            number=number,
            energies=tuple((k, pj) for k, pj in numbers.items() if pj is not None and k in does),
            does=does,
            slots=tuple(v.slots.items()),
            drain=v.drain,
            holds_bits=v.holds or 0,
            scaling=v.scaling,
            source=numbers.source,
            sources=tuple((k, s) for k, s in numbers.sources if k in does),
        )

    def _restricted(self, chip: Chip) -> Chip:
        """The chip with the stays and the dataflow that the file names."""
        stays = []
        for i, s in enumerate(self.spec.stays):
            with self._at(("stays", i)):
                chip.memory(s.memory)
                stays.append(Stay(s.memory, s.tensor, s.whole, s.single))
        chip = replace(chip, stays=tuple(stays))
        if not self.spec.dataflow:
            return chip
        with self._at(("dataflow",)):
            return constrained(chip, self.spec.dataflow)

    def _level(self, i: int) -> Group | FanOut:
        level, path = self.spec.levels[i], ("levels", i)
        if level.fanout is not None:
            return self._fanout(level.fanout, (*path, "fanout"))
        if level.memory is not None:
            return Group((self._memory(level.memory, (*path, "memory"), outermost=i == 0),))
        peers = tuple(self._memory(m, (*path, "peers", j), outermost=i == 0) for j, m in enumerate(level.peers or []))
        with self._at((*path, "peers")):
            return Group(peers)

    def _memory(self, m: MemorySpec, path: Path, outermost: bool = False) -> Memory:
        if m.size is None and not outermost:
            raise SpecError(f"memory {m.name!r} has no size", where=self.document.at(path), hint="such as `size: 108 KiB`")
        keeps = m.keeps if m.keeps is not None else () if m.may_keep else ROLES
        if both := set(keeps) & set(m.may_keep):
            raise SpecError(
                f"{sorted(both)[0]!r} stands in keeps and in may_keep",
                where=self.document.at((*path, "may_keep")),
                hint="keeps is must, may_keep leaves it to the mapper",
            )
        given = {"capacity_bits": m.size, "word_bits": m.word}
        numbers = self._numbers(
            m.class_,
            given,
            path,
            {
                "read": _value(m.read, m.word),
                "write": _value(m.write, m.word),
                "leakage": _value(m.leakage),
                "area": _value(m.area),
            },
            m,
        )
        kind = m.type or (m.class_.name if m.class_ else "dram" if outermost and m.size is None else "sram")
        self._serves_axes_above(m, path)
        with self._at(path):
            return Memory(
                name=m.name,
                capacity_bits=m.size,
                word_bits=m.word,
                read_pj=numbers["read"],
                write_pj=numbers["write"],
                keeps=keeps,
                may_keep=m.may_keep,
                ports=self._ports(m, path),
                double_buffered=m.double_buffered,
                leakage_mw=numbers["leakage"],
                area_um2=numbers["area"],
                technology=kind,
                source=numbers.source,
                sources=numbers.sources,
                loads_serve=self._loads_serve(path),
                formats=self._formats(m, path),
                skips=tuple(m.skips.items()),
                gates=tuple(m.gates.items()),
                serves=m.serves,
            )

    def _serves_axes_above(self, m: MemorySpec, path: Path) -> None:
        """Locate a served axis that the fan-out right above does not have (`Chip` checks it for all)."""
        i = int(path[1])
        above = self.spec.levels[i - 1].fanout if i else None
        for axis in m.serves if above else ():
            assert above is not None
            if axis not in above.axes:
                raise unknown_name(f"axis of {above.name}", axis, above.axes, self.document.at((*path, "serves")))
        if m.serves and above is None:
            raise SpecError(
                f"memory {m.name!r} serves {m.serves[0]!r} and no fan-out stands right above it",
                where=self.document.at((*path, "serves")),
                hint="serves: axes of the fan-out that the memory comes right after",
            )

    def _formats(self, m: MemorySpec, path: Path) -> tuple[tuple[str, Format], ...]:
        out = []
        for i, (role, f) in enumerate(m.formats.items()):
            with self._at((*path, "formats", list(self._written(path, "formats"))[i])):
                if not (m.keeps is None or role in m.keeps or role in m.may_keep):
                    raise SpecError(
                        f"memory {m.name!r} never keeps {role!r}, whose format it states", hint="keep it, or drop the format"
                    )
                out.append((role, _format(f, m.word)))
        return tuple(out)

    def _written(self, path: Path, key: str) -> dict[str, object]:
        """The block under a key as the file has it."""
        block: object = self.document.data
        for step in (*path, key):
            block = block[step]  # type: ignore[index]
        assert isinstance(block, dict)
        return block

    def _loads_serve(self, path: Path) -> float:
        """Only what lies outside the innermost memory of weights is passed once a load: the MACs read that one each time."""
        if self.spec.levels[-1].array is not None:
            return self.spec.inferences_per_load

        def may_hold(m: MemorySpec) -> bool:
            return "weight" in m.may_keep or "weight" in (m.keeps if m.keeps is not None else () if m.may_keep else ROLES)

        memories = [(i, m) for i, x in enumerate(self.spec.levels) for m in (x.memory, *(x.peers or ())) if m is not None]
        innermost = max((i for i, m in memories if may_hold(m)), default=0)
        return self.spec.inferences_per_load if int(path[1]) < innermost else 1.0

    def _ports(self, m: MemorySpec, path: Path) -> tuple[Port, ...]:
        band = m.bandwidth
        named = (
            []
            if band is None
            else [("read", "read", band.read), ("write", "write", band.write), ("shared", "readwrite", band.shared)]
        )
        if m.ports and band is not None:
            raise SpecError(
                "bandwidth and ports say the same twice", where=self.document.at_key((*path, "ports")), hint="keep one"
            )
        if band is not None and band.shared and (band.read or band.write):
            raise SpecError(
                "shared excludes read and write",
                where=self.document.at((*path, "bandwidth")),
                hint="give shared alone, or read and write",
            )
        named += [(p.name, p.serves, p.rate) for p in m.ports]
        with self._at((*path, "ports") if m.ports else (*path, "bandwidth")):
            return tuple(Port(name, serves, self._per_cycle(q)) for name, serves, q in named if q is not None)

    def _per_cycle(self, rate: Quantity) -> float:
        """Bits per cycle of the chip's clock."""
        return rate.value if rate.kind == "bandwidth" else rate.value / self.spec.clock

    def _fanout(self, f: FanOutSpec, path: Path) -> FanOut:
        axes = tuple(Axis(n, a.size, a.dims, a.reuses, a.kinds) for n, a in f.axes.items())
        numbers = self._numbers(f.class_, {"word_bits": f.word}, path, {"transfer": _value(f.transfer, f.word)}, f)
        with self._at(path):
            return FanOut(
                name=f.name,
                axes=axes,
                multicast=f.multicast,
                reduction=f.reduction,
                links=f.links,
                transfer_pj=numbers["transfer"],
                transfer_bits=f.word,
                source=numbers.source,
                sources=numbers.sources,
                loads_serve=self._loads_serve(path),
                waits=f.waits,
                bits_per_cycle=None if f.bandwidth is None else self._per_cycle(f.bandwidth),
                hops=f.hops,
            )

    def _compute(self, c: ComputeSpec, path: Path) -> Compute:
        bits, number = c.operands
        if not number and c.class_ and (c.class_.model_extra or {}).get("format") == "float":
            number = {16: "fp16", 32: "fp32"}.get(bits, "")
        numbers = self._numbers(
            c.class_,
            {"bits": bits} | ({"format": number} if number else {}),
            path,
            {"mac": _value(c.mac, bits), "leakage": _value(c.leakage), "area": _value(c.area)},
            c,
        )
        with self._at(path):
            return Compute(
                name=c.name,
                mac_pj=numbers["mac"],
                bits=bits,
                scaling=c.scaling,
                macs_per_cycle=c.per_cycle,
                leakage_mw=numbers["leakage"],
                area_um2=numbers["area"],
                source=numbers.source,
                sources=numbers.sources,
                number=number,
                skips=c.skips,
                gates=c.gates,
                gated_pj=_value(c.gated, bits) or 0.0,
                speed=c.speed,
                narrowest=c.narrowest,
            )

    def _numbers(
        self,
        component: ComponentSpec | None,
        given: Mapping[str, int | str | None],
        path: Path,
        stated: dict[str, float | None],
        block: MemorySpec | FanOutSpec | ComputeSpec | VectorSpec,
    ) -> _Numbers:
        """The stated numbers, and those of the component for what the block leaves out; each with its source.

        A block without `source` has that of its component, or else that of the chip.
        """
        for key in block.sources:
            if key not in stated:
                raise unknown_name("number", key, stated, self.document.at_key((*path, "sources", key)))
        written, values, origin = block.model_fields_set, dict(stated), dict(block.sources)
        source = block.source if "source" in written else self.spec.source
        if component is not None:
            context = {**given, "technology_nm": self.spec.technology, "voltage_v": self.spec.voltage}
            with self._at((*path, "class")):
                estimates = evaluate(component.name, context, component.model_extra or {})
            taken = [key for key in stated if key in estimates and key not in written]
            values |= {key: estimates[key].value for key in taken}
            if "source" not in written and taken:
                origin |= {key: source or UNSTATED for key in stated if key in written and key not in origin}
                source = f"component {component.name}: {estimates[taken[0]].source}"
            origin |= {key: f"component {component.name}: {estimates[key].describe()}" for key in taken}
        return _Numbers(values, source, tuple((k, origin[k]) for k in stated if k in origin))

    def _names_differ(self) -> None:
        seen: dict[str, str] = {}
        for name, path in self._named():
            if name in seen:
                raise SpecError(
                    f"two components are named {name!r}",
                    where=self.document.at((*path, "name")),
                    hint=f"the first one is at {seen[name]}; give each its own name",
                )
            seen[name] = self.document.at((*path, "name"))

    def _named(self) -> Iterator[tuple[str, Path]]:
        for i, level in enumerate(self.spec.levels):
            if level.memory is not None:
                yield level.memory.name, ("levels", i, "memory")
            if level.fanout is not None:
                yield level.fanout.name, ("levels", i, "fanout")
            for j, peer in enumerate(level.peers or []):
                yield peer.name, ("levels", i, "peers", j)
            if level.array is not None:
                yield level.array.name, ("levels", i, "array")
        if self.spec.compute is not None:
            yield self.spec.compute.name, ("compute",)
        if self.spec.vector is not None:
            yield self.spec.vector.name, ("vector",)

    @contextmanager
    def _at(self, path: Path) -> Iterator[None]:
        """Gives every complaint from inside the place of this block, unless it has one."""
        try:
            yield
        except PicojouleError as e:
            raise e.located(self.document.at(path)) from None


class _Numbers(dict[str, float | None]):
    """The numbers of one component, their common source, and the source of each that has one of its own."""

    def __init__(self, values: dict[str, float | None], source: str, sources: tuple[tuple[str, str], ...]) -> None:
        super().__init__(values)
        self.source, self.sources = source, sources


def _value(quantity: Quantity | None, word_bits: int = 1) -> float | None:
    """The number in base units; energies per bit become energies per word."""
    if quantity is None:
        return None
    return quantity.value * word_bits if quantity.kind == "energy_per_bit" else quantity.value


def _format(f: FormatSpec, word_bits: int) -> Format:
    ranks = NAMED[f.name].ranks if f.name else tuple(RankFormat(r.format, r.bits, r.dims) for r in f.ranks)
    reverse = NAMED[f.name].reverse if f.name else f.columns_first
    return Format(ranks, _value(f.codec, word_bits) or 0.0, f.sized_for, reverse)

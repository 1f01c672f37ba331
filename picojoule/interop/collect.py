"""Collects what the files of one import say, tool by tool, and puts it together at the end."""

from __future__ import annotations

import math
import re
from pathlib import Path

from picojoule.errors import PicojouleError, SpecError
from picojoule.hardware.chip import Chip, Memory
from picojoule.interop import maestro, scalesim, stream, zigzag
from picojoule.interop.accelforge import files as accelforge
from picojoule.interop.accelforge.mapping import to_mapping as accelforge_mapping
from picojoule.interop.expressions import Value
from picojoule.interop.imported import Imported, Placed, Systolic, network_of
from picojoule.interop.report import Report
from picojoule.interop.sources import Folder, safe_text
from picojoule.interop.templates import Rendered, render
from picojoule.interop.timeloop.chip import build_chip, word_bits_of
from picojoule.interop.timeloop.files import Collected, attach_sparse, is_timeloop, read_sections
from picojoule.interop.timeloop.mapping import Directives, to_mapping
from picojoule.interop.timeloop.maptext import is_map_text, read_map_text
from picojoule.interop.timeloop.parts import Parts
from picojoule.interop.timeloop.problem import read_problem, read_shape
from picojoule.interop.timeloop.stats import is_stats, read_stats
from picojoule.interop.trees import Block, Items, Tree, Twice, given_twice, read_tree
from picojoule.mapping.mapping import Mapping
from picojoule.workload.layer import Layer

_OURS = {"chip", "levels"}
_TAGS = re.compile(r"^ *- !(?:Component|Container|Parallel|Hierarchical|Memory|Compute|Fanout)\b", re.MULTILINE)


class Collector:
    """Reads files one by one (`file`), then gives what they hold together (`finished`)."""

    def __init__(self, names: dict[str, Value]) -> None:
        self.names, self.out, self.timeloop = names, Imported(), Collected()
        self.unrollings: list[Items] = []
        self.offchip: list[Memory] = []
        self.tiled: list[Block] = []  # AccelForge's mappings

    def is_foreign(self, path: Path, folder: Folder) -> bool:
        """Whether a YAML file is another tool's."""
        text = safe_text(path)
        if "{%" in text or "{{" in text or _TAGS.search(text):
            return True
        root = read_tree(render(text, str(path), path, folder, self.names))
        return not (isinstance(root, Block) and set(root.entries) & _OURS)

    def file(self, path: Path, folder: Folder) -> None:
        """Reads one file of any tool."""
        where, text = str(path), safe_text(path)
        tool, kind = self._text_file(text, where)
        if not tool:
            twice: Twice = []
            root = read_tree(render(text, where, path, folder, self.names), twice)
            tool, kind = self._tree(root, where, twice)
        self.out.kinds[where] = (tool, kind)

    def _text_file(self, text: str, where: str) -> tuple[str, str]:
        """Files that are no YAML."""
        if is_stats(text):
            self.out.stats.append(read_stats(text, where))
            return "timeloop", "statistics of a run"
        if scalesim.is_config(text):
            config = scalesim.read_config(text, where, self.out.report)
            self.out.chips.append(config.chip)
            self.out.arrays.append(Systolic(name=config.name, array=config.array, dataflow=config.dataflow))
            return "scalesim", "configuration"
        if scalesim.is_topology(text):
            topology = scalesim.read_topology(text, where, self.out.report)
            self.out.networks.append(network_of(Path(where).stem, list(topology.layers), "SCALE-Sim topology"))
            self.out.as_the_tool += topology.as_the_tool
            return "scalesim", "topology"
        if maestro.is_hardware(text):
            self.out.chips.append(maestro.read_hardware(text, where, self.out.report))
            return "maestro", "hardware"
        if maestro.is_network(text):
            name, layers = maestro.read_network(text, where, self.out.report)
            self.out.networks.append(network_of(name, layers, "MAESTRO network"))
            return "maestro", "network"
        if is_map_text(text):
            self.timeloop.mappings.append(read_map_text(text, where, self.out.report))
            return "timeloop", "mapping"
        return "", ""

    def _tree(self, root: Tree, where: str, twice: Twice) -> tuple[str, str]:
        if zigzag.is_hardware(root):  # one of its own files gives a key twice; the last one counts there
            for key, place, first in twice:
                self.out.report.ignored(first, key, f"given again at {place}, which counts there")
            assert isinstance(root, Block)
            made = zigzag.read_hardware(root, self.out.report)
            (self.out.chips if isinstance(made, Chip) else self.offchip).append(made)  # type: ignore[arg-type]
            return ("stream" if root.has("type") else "zigzag"), "hardware"
        if twice:
            raise given_twice(twice)
        if zigzag.is_workload(root):
            assert isinstance(root, Items)
            layers = zigzag.read_workload(root, self.out.report)
            self.out.networks.append(network_of(Path(where).stem, layers, "ZigZag workload"))
            return "zigzag", "workload"
        if zigzag.is_mapping(root):
            assert isinstance(root, Items)
            zigzag.unrolled(root, None, Report())  # faults show at once
            self.unrollings.append(root)
            return "zigzag", "mapping"
        if stream.is_system(root):
            assert isinstance(root, Block)
            raise stream.refuse_system(root)
        if stream.is_mapping(root):
            assert isinstance(root, Block)
            raise stream.refuse_mapping(root)
        if accelforge.is_accelforge(root):
            assert isinstance(root, Block)
            return "accelforge", accelforge.read_sections(root, self.out, self.tiled, Path(where).stem)
        if is_timeloop(root):
            assert isinstance(root, Block)
            kinds = read_sections(root, self.timeloop, self.out.report, Path(where).stem)
            return "timeloop", ", ".join(dict.fromkeys(kinds))
        shown = ", ".join(list(root.entries)[:6]) if isinstance(root, Block) else "a list" if isinstance(root, Items) else "text"
        raise SpecError(
            f"no tool's file that is known here: {shown}",
            where=root.where,
            hint="read: Timeloop, AccelForge, ZigZag, Stream, SCALE-Sim and MAESTRO; see docs/interop.md",
        )

    def finished(self) -> Imported:
        """Everything put together."""
        self._finish_timeloop()
        for memory in self.offchip:
            self.out.chips = [zigzag.with_offchip(c, memory) for c in self.out.chips]
            if not self.out.chips:
                self.out.waiting.append("a memory off the chip, which needs a core beside it")
        for root in self.unrollings:
            chip = self.out.chips[0] if len(self.out.chips) == 1 else None
            made = zigzag.unrolled(root, chip, self.out.report)
            if made is None:
                self.out.waiting.append("a spatial mapping, which needs the hardware beside it")
            else:
                self.out.chips = [made]
        for block in self.tiled:
            if len(self.out.chips) == 1 and len(self.out.layers) == 1:
                layer, chip = self.out.layers[0], self.out.chips[0]
                mapping = accelforge_mapping(block, layer, chip, self.out.report)
                self.out.mappings.append(Placed(layer=layer, chip=chip, mapping=mapping))
            else:
                self.out.waiting.append("a mapping, which needs one architecture and one einsum beside it")
        return self.out

    def _finish_timeloop(self) -> None:
        t, out = self.timeloop, self.out
        bits = word_bits_of(t.parts[0]) if t.parts else 8
        shapes = [read_shape(s, out.report) for s in t.shapes]
        for block, name in t.problems:
            if not t.parts and not block.has("instance_bits"):
                out.report.default(
                    block.where, "bits of an element", "8 b: that tool counts words; give --bits, or the architecture"
                )
            layer, shape = read_problem(block, out.report, bits, name)
            shapes.append(shape)
            if layer is not None:
                out.networks.append(network_of(layer.name, [layer], "Timeloop problem"))
        roles = {name: role for s in shapes for name, role in s.roles.items()}
        attach_sparse(t)
        if t.sparse and not t.parts:
            out.waiting.append("sparse optimisations, which need the architecture beside them")
        ranks = {x.name: len(x.ranks) for s in shapes for x in s.spaces}
        for parts in t.parts:
            parts.variables = {**t.variables, **parts.variables}
            chip = build_chip(parts, t.prices, roles, out.report, ranks)
            for network in out.networks:
                _fits_outermost(parts, [s.layer for s in network.layers])
            out.chips.append(chip)
        for directives in t.mappings:
            if len(out.chips) == 1 and len(out.layers) == 1:
                out.mappings.append(
                    Placed(layer=out.layers[0], chip=out.chips[0], mapping=to_mapping(directives, out.layers[0], out.chips[0]))
                )
            else:
                out.waiting.append("a mapping, which needs one architecture and one problem beside it")
        if not t.parts and (t.prices.pj or t.prices.um2):
            out.waiting.append("prices, which need the architecture beside them")
        if shapes and not out.networks:
            out.waiting.append("a shape, which needs an instance")
        out.nothing += t.nothing

    def mapping_text(self, text: str, where: str, layer: Layer, chip: Chip) -> Mapping | None:
        """The mapping in a text of another tool; None where it is none."""
        if "!Storage" in text:
            self._tree(read_tree(Rendered(text, [(where, i + 1) for i in range(text.count("\n") + 1)])), where, [])
            return accelforge_mapping(self.tiled[0], layer, chip, self.out.report) if self.tiled else None
        directives = self._directives(text, where)
        return None if directives is None else to_mapping(directives, layer, chip)

    def _directives(self, text: str, where: str) -> Directives | None:
        if is_stats(text):
            return read_stats(text, where).nest
        if is_map_text(text):
            return read_map_text(text, where, self.out.report)
        try:
            root = read_tree(Rendered(text, [(where, i + 1) for i in range(text.count("\n") + 1)]))
        except PicojouleError:
            if "target:" in text:
                raise
            return None
        if not is_timeloop(root):
            return None
        assert isinstance(root, Block)
        read_sections(root, self.timeloop, self.out.report, where)
        if len(self.timeloop.mappings) != 1:
            raise SpecError("this holds no mapping", where=where, hint="give the file with `mapping:`")
        return self.timeloop.mappings[0]


def _fits_outermost(parts: Parts, layers: list[Layer]) -> None:
    """The outermost memory of that tool has a size; here it holds whole tensors, so that a layer has to fit."""
    first = parts.levels[0]
    if not hasattr(first, "parts") or len(first.parts) != 1 or first.parts[0].tree("depth") is None:
        return
    part = first.parts[0]
    width, datawidth = part.whole("width"), part.whole("datawidth") or 16
    words = (part.whole("depth") or 0) * (width // datawidth if width else 1)
    for layer in layers:
        need = sum(math.prod(layer.shape(t)) for t in layer.tensors)
        if need > words:
            raise SpecError(
                f"{part.name!r} holds {words:,} words and the tensors of {layer.name!r} need {need:,}",
                where=part.where_of("depth"),
                hint="here the outermost memory is unbounded: leave out its depth",
            )

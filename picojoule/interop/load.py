"""Peers' files where ours are expected: `import_files`, and `load_chip`, `load_model`, `parse_mapping` that take them.

`import_files` reads any number of files of one design together: an architecture gets its prices from the ERT beside it, a mapping
meets the layer and the chip of the same call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from picojoule.errors import PicojouleError, SpecError
from picojoule.hardware.chip import Chip
from picojoule.hardware.chipfile import read as chipfile
from picojoule.interop.collect import Collector
from picojoule.interop.expressions import Value
from picojoule.interop.imported import Imported
from picojoule.interop.sources import folder_of
from picojoule.mapping import mapping as compact
from picojoule.workload import load as ours
from picojoule.workload.bits import WithBits
from picojoule.workload.densities import WithDensities
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network

_YAML = (".yaml", ".yml")


def import_files(
    paths: Iterable[str | Path], *, names: Mapping[str, Value] | None = None, root: str | Path | None = None
) -> Imported:
    """Chips, networks and mappings in the peers' files, read together, and the report of every field.

    `names` are values for templates that need some; `root` is the folder that includes may reach.
    """
    run = Collector(dict(names or {}))
    for path in map(Path, paths):
        run.file(path, folder_of(path, Path(root) if root is not None else None))
    return run.finished()


def load_chip(name_or_path: str) -> Chip:
    """The preset of this name, the chip in this YAML file, or the chip in an architecture file of another tool.

    Files that belong together have a plus between: `arch.yaml+ERT.yaml`.
    """
    path = Path(name_or_path)
    parts = [] if path.is_file() else _joined(name_or_path)
    if len(parts) > 1:
        return _one_chip(import_files(parts), name_or_path)
    if path.suffix in _YAML and path.is_file() and _foreign(path):
        return _one_chip(import_files([path]), name_or_path)
    return chipfile.load_chip(name_or_path)


def load_model(text: str | Path, **options: Any) -> Network:
    """The network that `text` names, as `picojoule.workload.load.load_model` says, or the one in a file of another tool."""
    path = Path(str(text))
    if path.suffix.lower() in (*_YAML, ".csv", ".m") and path.is_file():
        found = import_files([path])
        if not found.networks:
            raise SpecError("this file holds no layers", where=str(text), hint=f"it holds {_held(found)}")
        network = found.networks[0]
        given = {k: v for k, v in options.items() if v is not None and v != {} and v is not False}
        bits, densities = given.pop("bits", None), given.pop("densities", None)
        if given:
            raise SpecError(f"a file of layers takes no {', '.join(given)}", where=str(text), hint="its sizes stand in it")
        network = network if bits is None else WithBits(bits)(network)
        return network if densities is None else WithDensities(densities, "densities")(network)
    return ours.load_model(text, **options)


def parse_mapping(text: str, layer: Layer, chip: Chip, where: str = "") -> compact.Mapping:
    """The mapping of the compact text, or of another tool's mapping file, for this layer and chip; checked."""
    if "\n" in text.strip() or "target:" in text:
        run = Collector({})
        found = run.mapping_text(text, where or "mapping", layer, chip)
        if found is not None:
            return found
    return compact.parse(text, layer, chip, where)


def _joined(text: str) -> list[Path]:
    """The files of `a.yaml+b.yaml`, whose names may have a plus themselves; [] where some part is no file."""
    pieces, files = text.split("+"), list[Path]()
    begin = 0
    for end in range(1, len(pieces) + 1):
        path = Path("+".join(pieces[begin:end]))
        if path.is_file():
            files.append(path)
            begin = end
    return files if begin == len(pieces) else []


def _one_chip(found: Imported, where: str) -> Chip:
    if len(found.chips) != 1:
        raise SpecError(
            f"{len(found.chips)} chips stand here", where=where, hint=f"it holds {_held(found)}; name one architecture"
        )
    return found.chips[0]


def _held(found: Imported) -> str:
    return ", ".join(kind for _, kind in found.kinds.values()) or "nothing"


def _foreign(path: Path) -> bool:
    """Whether the file is one of another tool; what cannot be read is left to our own reader and its errors."""
    try:
        return Collector({}).is_foreign(path, folder_of(path))
    except PicojouleError:
        return False

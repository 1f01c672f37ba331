"""Reading peers' files safely: regular files of bounded size, as text, and includes that stay below one folder."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass, field
from pathlib import Path

from picojoule.errors import SpecError
from picojoule.files import read_text

LARGEST_BYTES = 1_000_000  # the largest real file is 27 kB; a larger one is refused before it is read


def safe_text(path: Path) -> str:
    """The text of a regular file of at most `LARGEST_BYTES`; anything else is refused before it is read."""
    try:
        found = path.stat()
    except (OSError, ValueError) as e:
        problem = getattr(e, "strerror", None) or e
        raise SpecError(f"cannot read it: {problem}", where=str(path), hint="check the path") from None
    if not stat.S_ISREG(found.st_mode):
        raise SpecError("this is no regular file", where=str(path), hint="name a file, not a folder or a device")
    if found.st_size > LARGEST_BYTES:
        raise SpecError(
            f"the file has {found.st_size:,} bytes, and at most {LARGEST_BYTES:,} are read",
            where=str(path),
            hint="a description of hardware, layers or mappings is small; this is something else",
        )
    text = read_text(path, "check the path")
    return text.removeprefix("\ufeff")


@dataclass(frozen=True, slots=True)
class Folder:
    """Where included files may lie: below `root`. `moved` says where files stood that have other names here.

    A folder with a `manifest.json` (a list of {"file": ..., "path": ..., "repository": ...}) holds renamed copies: an include
    is then looked up by the path that it had.
    """

    root: Path
    moved: dict[tuple[str, str], str] = field(default_factory=dict)  # (repository, path) -> file below root
    origins: dict[str, tuple[str, str]] = field(default_factory=dict)  # file below root -> (repository, path)

    def include(self, name: str, at: Path, where: str) -> Path:
        """The file that an include of `name` in the file `at` means; refused where it lies outside the folder."""
        if moved := self._moved(name, at):
            return moved
        target = (at.parent / name).resolve()
        if not target.is_relative_to(self.root.resolve()):
            raise SpecError(
                f"the include {name!r} lies outside {str(self.root)!r}",
                where=where,
                hint="name the folder that holds all files with --root",
            )
        if not target.is_file():
            raise SpecError(f"the included file {name!r} is not there", where=where, hint=f"expected at {target}")
        return target

    def _moved(self, name: str, at: Path) -> Path | None:
        try:
            own = str(at.resolve().relative_to(self.root.resolve()))
        except ValueError:
            return None
        if own not in self.origins:
            return None
        repository, path = self.origins[own]
        parts: list[str] = []
        for part in (*Path(path).parent.parts, *Path(name).parts):
            parts = parts[:-1] if part == ".." else [*parts, part] if part != "." else parts
        wanted = "/".join(parts)
        for (repo, there), file in self.moved.items():
            if repo == repository and (there == wanted or there.endswith("/" + wanted) or wanted.endswith("/" + there)):
                return self.root / file
        return None


def folder_of(path: Path, root: Path | None = None) -> Folder:
    """The folder that includes of the file may reach: `root`, or the current folder if the file lies below it, or its own."""
    if root is None:
        here = Path.cwd()
        root = here if path.resolve().is_relative_to(here) else path.resolve().parent
    for place in (root, path.resolve().parent, path.resolve().parent.parent):
        manifest = place / "manifest.json"
        if manifest.is_file() and path.resolve().is_relative_to(place.resolve()):
            return _with_manifest(place, manifest)
    return Folder(root)


def _with_manifest(root: Path, manifest: Path) -> Folder:
    try:
        rows = json.loads(safe_text(manifest))
    except (ValueError, RecursionError):  # some other manifest.json: it is not ours to judge
        return Folder(root)
    moved: dict[tuple[str, str], str] = {}
    origins: dict[str, tuple[str, str]] = {}
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and all(isinstance(row.get(k), str) for k in ("file", "path", "repository")):
            moved[row["repository"], row["path"]] = row["file"]
            origins[row["file"]] = (row["repository"], row["path"])
    return Folder(root, moved, origins)

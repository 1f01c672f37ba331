"""Files that users name (a missing or binary file, a folder, damaged JSON: errors with their place), and what the cache needs."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from picojoule.errors import SpecError


def cache_folder() -> Path:
    """Where answers and trained weights are kept: $PICOJOULE_CACHE, else the user's cache folder."""
    if os.environ.get("PICOJOULE_CACHE"):
        return Path(os.environ["PICOJOULE_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "picojoule"


@lru_cache(maxsize=4)
def code_digest(*folders: str) -> str:
    """A digest of the package's code in these folders, so that nothing kept outlives a change of what made it."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted((root / folder).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def keep(path: Path, content: bytes) -> None:
    """Writes a file of the cache that is either the old one or the new one, never half of one. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as f:
        f.write(content)
    os.replace(f.name, path)


def read_text(path: Path, hint: str = "check the path", kind: str = "text file") -> str:
    """The text of a file (UTF-8); `hint` says what to do where it cannot be read, `kind` what it should have been."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as e:
        problem = f"this is binary data, not text: byte {e.start} is not UTF-8"
        raise SpecError(problem, where=str(path), hint=f"name a {kind}") from None
    except OSError as e:
        raise SpecError(f"cannot read it: {e.strerror or e}", where=str(path), hint=hint) from None


def read_json(path: Path, hint: str) -> Any:
    """The JSON value of a file; a mistake names its line and column, `hint` says where such files come from."""
    return parse_json(read_text(path, hint, "JSON file"), str(path), hint)


def parse_json(text: str, where: str, hint: str) -> Any:
    """The value of a JSON text; `where` names it in errors."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as e:
        raise SpecError(f"this is no JSON: {e.msg}", where=f"{where}:{e.lineno}:{e.colno}", hint=hint) from None

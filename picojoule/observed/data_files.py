"""Real inputs for a model: `digits`, an .npz or .npy file, or a folder of .npy files, one sample each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from picojoule.errors import SpecError

FORMS = "digits, an .npz or .npy file, or a folder of .npy files"
Arrays = dict[str, np.ndarray]  # input of the model -> samples along the first axis; "" is the only input


def load_data(text: str | Path, *, limit: int | None = None, scale: float = 1.0) -> Arrays:
    """The samples, the first `limit` of them, times `scale`. Integers stay integers unless they are scaled."""
    text = str(text)
    if text == "digits":
        from picojoule.workload.zoo.trained import digits_images

        return _cut(digits_images(), limit, scale, text)
    path = Path(text)
    if not path.exists():
        raise SpecError("no such file", where=text, hint=f"DATA is {FORMS}")
    if path.is_dir():
        files = sorted(path.glob("*.npy"))
        if not files:
            raise SpecError("the folder holds no .npy files", where=text, hint=f"DATA is {FORMS}")
        parts = [_read(f)[""] for f in files[:limit]]
        if len({p.shape for p in parts}) > 1:
            raise SpecError("the samples of the folder have different shapes", where=text, hint="save them all alike")
        return _cut({"": np.stack(parts)}, limit, scale, text)
    return _cut(_read(path), limit, scale, text)


def _read(path: Path) -> Arrays:
    try:
        loaded = np.load(path, allow_pickle=False)
        arrays = {"": loaded} if isinstance(loaded, np.ndarray) else {k: loaded[k] for k in loaded.files}
    except (ValueError, OSError, EOFError):
        raise SpecError("this is no numpy data", where=str(path), hint=f"DATA is {FORMS}") from None
    for name, x in arrays.items():
        if x.dtype.kind not in "fiub":
            raise SpecError(f"{name or 'the array'} holds {x.dtype}, not numbers", where=str(path), hint="save plain arrays")
    return arrays


def _cut(arrays: Arrays, limit: int | None, scale: float, where: str) -> Arrays:
    out = {}
    for name, x in arrays.items():
        if x.ndim == 0 or not len(x):
            raise SpecError(f"{name or 'the array'} holds no samples", where=where, hint="samples go along the first axis")
        x = x[:limit]
        out[name] = x if scale == 1 else (x * np.float32(scale)).astype(np.float32)
    return out


def for_inputs(arrays: Arrays, inputs: Mapping[str, tuple[np.dtype, int]], where: str) -> Arrays:
    """The arrays under the names of the model's inputs, in their types. `inputs`: name -> (dtype, number of axes).

    A model of one input takes the array of its name, or the only one with as many axes.
    """
    found = {n: arrays[n] for n in inputs if n in arrays}
    missing = [n for n in inputs if n not in found]
    if missing and len(inputs) == 1:
        alike = [x for x in arrays.values() if x.ndim == inputs[missing[0]][1]]
        if len(alike) == 1:
            found, missing = {missing[0]: alike[0]}, []
    if missing:
        have = ", ".join(f"{n or '(unnamed)'} {x.shape}" for n, x in arrays.items())
        raise SpecError(
            f"the data has nothing for the input {missing[0]!r} of {inputs[missing[0]][1]} axes; it holds {have}",
            where=where,
            hint="save an .npz with the names of the inputs",
        )
    for n, x in found.items():
        if x.ndim != inputs[n][1]:
            raise SpecError(
                f"input {n!r} has {inputs[n][1]} axes, the data {x.ndim}: {x.shape}",
                where=where,
                hint="samples go along the first axis",
            )
    if len({len(x) for x in found.values()}) > 1:
        raise SpecError("the inputs have different numbers of samples", where=where, hint="give all inputs the same first axis")
    return {n: x.astype(inputs[n][0], copy=False) for n, x in found.items()}


def batches(arrays: Arrays, size: int, whole: bool = False) -> Iterator[Arrays]:
    """Parts of `size` samples; `whole`: what fills no part at the end is left out."""
    n = len(next(iter(arrays.values())))
    for i in range(0, n - n % size if whole else n, size):
        yield {k: x[i : i + size] for k, x in arrays.items()}

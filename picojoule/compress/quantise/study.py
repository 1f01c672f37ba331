"""`quantise`: a trained net at each width, after training and trained on with rounding, beside the floats trained on as long.

The same widths for weights and inputs of every layer, first and last too. onnxruntime runs the exported file of what is rounded
after training as the second opinion. Each line is kept in the cache, so that a stopped study goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from picojoule.ask import Progress, silent
from picojoule.errors import SpecError, unknown_name
from picojoule.files import cache_folder, code_digest, keep
from picojoule.learning.labelled import labelled

RATE, WARMUP = 1e-3, 0.1  # of training on, quantised or not
IMAGES = 512  # training images that set the ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One net, seed and width, in percent of the test images. `trained_on_fp32`: the floats after the same further epochs."""

    net: str
    data: str
    seed: int
    bits: int
    n: int
    fp32: float
    rounded: float  # after training
    onnxruntime: float | None  # the exported file of `rounded`
    epochs: int
    trained: float | None  # trained on with rounding, for so many epochs
    trained_on_fp32: float | None

    @property
    def best(self) -> float:
        """The accuracy to take: of training on, where there was some."""
        return self.rounded if self.trained is None else self.trained

    @property
    def lost(self) -> float:
        """Points lost against the equally trained floats."""
        return (self.fp32 if self.trained_on_fp32 is None else self.trained_on_fp32) - self.best


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """All lines, and their means over the seeds."""

    lines: tuple[Line, ...]
    calibration: str
    granularity: str

    def mean_lost(self, bits: int) -> float:
        return fmean(x.lost for x in self.lines if x.bits == bits)


def quantise(
    net: str,
    data: str = "digits",
    *,
    seeds: Sequence[int] = (0,),
    bits: Sequence[int] = (8, 4),
    epochs: int = 1,
    train_below: int = 8,
    calibration: str = "mse",
    granularity: str = "channel",
    data_dir: str | Path | None = None,
    progress: Progress = silent,
) -> Study:
    """Accuracy at each width. Widths below `train_below` are trained on for `epochs` epochs (0: none are). Needs torch."""
    if not bits or epochs < 0:
        raise SpecError(f"widths {list(bits)}, {epochs} epochs", where="quantise", hint="name widths; 0 or more epochs")
    try:
        import torch  # noqa: F401
    except ImportError:
        raise SpecError("torch is not installed", where="quantise", hint="pip install 'picojoule[compress]'") from None
    from picojoule.compress.quantise.quantiser import CALIBRATIONS, GRANULARITIES, Codes
    from picojoule.learning.trained import trained

    for what, name, choices in (("calibration", calibration, CALIBRATIONS), ("granularity", granularity, GRANULARITIES)):
        if name not in choices:
            raise unknown_name(what, name, choices, f"--{what}")
    for b in bits:
        Codes(bits=b)  # mistakes before minutes of training
    known, lines = labelled(data, data_dir), []
    for seed in seeds:
        module, record = trained(net, known, seed, progress=progress)
        for b in bits:
            more = epochs if b < train_below else 0
            about = {"net": net, "seed": seed, "bits": b, "epochs": more, "calibration": calibration, "granularity": granularity}
            lines.append(_kept(about, module, record, partial(_line, module, record, known, about, progress)))
    return Study(lines=tuple(lines), calibration=calibration, granularity=granularity)


def _kept(about: dict[str, Any], module: Any, record: Any, make: Callable[[], Line]) -> Line:
    decides = [about, record.to_json(), RATE, WARMUP, IMAGES, code_digest("learning", "compress")]
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode())
    for value in module.state_dict().values():
        digest.update(value.numpy().tobytes())
    path = cache_folder() / "quantised" / f"{about['net']}-{record.data}-{about['seed']}-{digest.hexdigest()[:16]}.json"
    try:
        return Line(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        line = make()
        keep(path, json.dumps(asdict(line)).encode())
        return line


def _line(module: Any, record: Any, data: Any, about: dict[str, Any], progress: Progress) -> Line:
    import copy

    import torch

    from picojoule.compress.quantise.quantise import Bits, quantised
    from picojoule.learning.accuracy import percent_right
    from picojoule.learning.train import train

    images, labels = torch.from_numpy(data.test_images), torch.from_numpy(data.test_labels)
    given = torch.from_numpy(data.train_images[:IMAGES])
    b, epochs = about["bits"], about["epochs"]
    how = {"granularity": about["granularity"], "calibration": about["calibration"]}
    q = quantised(module, Bits(weights=b, inputs=b), given, **how)
    found: dict[str, Any] = {"fp32": record.accuracy.percent, "rounded": percent_right(q, images, labels)}
    found |= {"onnxruntime": _second(q, images, labels), "trained": None, "trained_on_fp32": None}
    if epochs:
        more = {
            "epochs": epochs,
            "rate": RATE,
            "warmup": WARMUP,
            "mirror": record.recipe.mirror,
            "batch": record.recipe.batch,
            "seed": about["seed"] + 1,
            "progress": lambda d, of, what: progress(d, of, f"{record.net} at {b} b: {what}"),
        }
        found["trained"] = percent_right(train(q, data, **more), images, labels)
        found["trained_on_fp32"] = percent_right(_floats(copy.deepcopy(module), data, record, more), images, labels)
    return Line(net=record.net, data=data.name, seed=about["seed"], bits=b, n=len(images), epochs=epochs, **found)


def _floats(module: Any, data: Any, record: Any, more: dict[str, Any]) -> Any:
    """The floats trained on, once for all widths: kept beside the trained nets."""
    from picojoule.learning.train import save, train
    from picojoule.learning.trained import loaded

    key = hashlib.sha256(json.dumps([record.to_json(), more["epochs"], RATE, WARMUP], sort_keys=True).encode()).hexdigest()[:16]
    path = cache_folder() / "trained" / f"{record.net}-{data.name}-{record.seed}-on-{key}.pt"
    if not loaded(path, module):
        train(module, data, **more)
        save(path, {"weights": module.state_dict(), "record": json.dumps(record.to_json())})
    return module.eval()


def _second(module: Any, images: Any, labels: Any) -> float | None:
    """Percent right of the exported file in onnxruntime; None where it is not installed."""
    import importlib.util
    import tempfile

    from picojoule.compress.quantise import qdq

    if importlib.util.find_spec("onnxruntime") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        said = qdq.run(qdq.to_onnx(module, images, Path(folder) / "q.onnx"), images)
    return 100.0 * float((said.argmax(1) == labels).float().mean())

"""The chosen network as files: torch weights with their plan, ONNX, the result and its page; all of them or none."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from picojoule.compress.apply import reshaped, rounded
from picojoule.compress.plan import Plan, Storage
from picojoule.compress.prune.structured import structure
from picojoule.compress.quantise.qdq import to_onnx
from picojoule.compress.shrink.measure import Bench, Effort
from picojoule.compress.shrink.shrunk import Shrunk
from picojoule.errors import SpecError
from picojoule.files import read_json
from picojoule.workload.torch.read import export

FILES = ("weights.pt", "plan.json", "model.onnx", "result.json")


def check_folder(folder: Path) -> None:
    """Fails before anything is spent where the folder cannot be written."""
    if folder.exists() and not folder.is_dir():
        raise SpecError("this is a file", where=str(folder), hint="--out takes a folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SpecError(f"cannot be made: {error.strerror}", where=str(folder), hint="choose another folder") from None
    if not os.access(folder if folder.exists() else folder.parent, os.W_OK):
        raise SpecError("cannot be written", where=str(folder), hint="choose another folder")


def write(folder: Path, done: Shrunk, bench: Bench, effort: Effort) -> Path:
    """Writes beside the folder first, so that an interrupt leaves no half of it."""
    check_folder(folder)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        module = bench.network(done.chosen.plan, effort)
        torch.save(module.state_dict(), part / "weights.pt")
        plan = {"model": done.model, "data": done.data, "chip": done.chip.name, **done.chosen.plan.to_json()}
        (part / "plan.json").write_text(json.dumps(plan, indent=1) + "\n")
        to_onnx(module, bench.images[:1], part / "model.onnx")
        (part / "result.json").write_text(json.dumps(done.to_json(), indent=1) + "\n")
        folder.mkdir(exist_ok=True)
        for name in FILES:
            os.replace(part / name, folder / name)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def carried_out(folder: str | Path, module: nn.Module, images: torch.Tensor) -> nn.Module:
    """The shrunk network of a folder that `shrink` wrote: the module it came from, changed by the plan, with the weights."""
    folder = Path(folder)
    value: Any = read_json(folder / "plan.json", "pj shrink --out writes it")
    plan = Plan.from_json(value, str(folder / "plan.json"))
    groups = structure(module, images[:2]) if plan.channels else None
    storage = Storage(export(module, (images[:1],), name=str(value.get("model", "model"))))
    made = rounded(reshaped(module, plan, groups), plan, storage, images)
    made.load_state_dict(torch.load(folder / "weights.pt", weights_only=True))
    return made.eval()

"""Runs a torch module on data and shows the tensors of its MAC layers to a recorder, through forward hooks.

Layers are modules (Conv, Linear, ...) by their path. Products of plain functions and attention have no module of their own:
they are listed as unseen.
"""

from __future__ import annotations

import copy
import importlib
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from picojoule.ask import Progress
from picojoule.errors import SpecError
from picojoule.observed.data_files import Arrays, batches
from picojoule.workload.torch.read import export, module_and_inputs

ACTIVATIONS = frozenset({"relu", "relu_", "relu6", "hardtanh", "leaky_relu", "hardswish", "hardsigmoid", "sigmoid", "clamp"})


def run_torch(
    text: str, arrays: Arrays, data: str, batch: int, record: Callable[[str, str, np.ndarray], None], progress: Progress
) -> tuple[list[str], str, int]:
    """(names of the MAC layers, what ran it, samples)."""
    module, example = module_and_inputs(text)
    torch = importlib.import_module("torch")
    if len(arrays) != 1 or len(example) != 1:
        raise SpecError(
            f"the module takes {len(example)} inputs, the data holds {len(arrays)} arrays",
            where=data,
            hint="one array for a module of one input",
        )
    x = next(iter(arrays.values()))
    if x.shape[1:] != tuple(example[0].shape[1:]):
        raise SpecError(
            f"the module takes samples of {tuple(example[0].shape[1:])}, the data has {x.shape[1:]}",
            where=data,
            hint="samples go along the first axis",
        )
    names = [s.layer.name for s in export(module, example, name=text.partition(":")[2], source=text).layers]
    watch = _Watch(torch, module.eval(), set(names), record)
    parts = list(batches({"": x}, min(batch, len(x))))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i, part in enumerate(parts):
            progress(i, len(parts), "running")
            watch.run(torch.as_tensor(np.ascontiguousarray(part[""])).to(example[0].dtype), text)
    return names, f"torch {torch.__version__}", sum(len(p[""]) for p in parts)


def observed(
    module: Any, names: Iterable[str], images: Any, record: Callable[[str, str, np.ndarray], None], batch: int = 500
) -> None:
    """Runs a module on a tensor of images and shows the tensors of the named layers to `record(layer, role, values)`.

    Runs a copy: no hook stays. Roles are weight (once), input and output (each batch).
    """
    torch = importlib.import_module("torch")
    watch = _Watch(torch, copy.deepcopy(module).eval(), set(names), record)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part in images.split(batch):
            watch.run(part, "the network")


class _Watch:
    """Hooks on the layers, and an eye on the activation functions that follow them."""

    def __init__(self, torch: Any, module: Any, names: set[str], record: Callable[[str, str, np.ndarray], None]) -> None:
        self.torch, self.module, self.record = torch, module, record
        self.results: dict[int, tuple[str, Any]] = {}  # id of a layer's result -> (layer, the result itself)
        for name, part in module.named_modules():
            if name in names:
                part.register_forward_hook(self._hook(name))
                if getattr(part, "weight", None) is not None:
                    record(name, "weight", part.weight.detach().numpy())

    def run(self, x: Any, where: str) -> None:
        try:
            with self._mode():
                self.module(x)
        except SpecError:
            raise
        except Exception as e:
            raise SpecError(f"running it fails: {type(e).__name__}: {e}", where=where, hint="check the data") from None
        for layer, result in self.results.values():
            self.record(layer, "output", result.numpy())
        self.results.clear()

    def _hook(self, name: str) -> Callable[..., None]:
        def hook(part: Any, inputs: tuple[Any, ...], output: Any) -> None:
            if inputs and isinstance(inputs[0], self.torch.Tensor):
                self.record(name, "input", inputs[0].numpy())
            if isinstance(output, self.torch.Tensor):
                self.results[id(output)] = (name, output)

        return hook

    def _mode(self) -> Any:
        watch = self

        class Mode(self.torch.overrides.TorchFunctionMode):  # type: ignore[name-defined, misc]
            def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                result = func(*args, **(kwargs or {}))
                known = watch.results.pop(id(args[0]), None) if args and _name(func) in ACTIVATIONS else None
                if known is not None:
                    watch.results[id(result)] = (known[0], result)
                return result

        return Mode()


def _name(func: Any) -> str:
    return str(getattr(func, "__name__", ""))

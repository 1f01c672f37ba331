"""Where things run, and how a whole network is run there: torch on the processor or on CUDA, onnxruntime on the processor."""

from __future__ import annotations

import contextlib
import importlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from picojoule.errors import SpecError
from picojoule.machines.kernels.measurements import TOLERANCE
from picojoule.measuring import counters, cuda, displace, onnx_kernels, operands, timing, torch_kernels
from picojoule.measuring.machine import Machine, machine
from picojoule.measuring.work import Work

if TYPE_CHECKING:
    from picojoule.measuring.measure import Settings


class NotRunnable(Exception):
    """A model that is known by its shapes alone; its layers can still be run."""


class Place:
    """A device with a runtime: makes kernels, waits, counts energy and memory."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.device = torch_kernels.device(settings.device) if settings.runtime == "torch" else None
        if settings.runtime == "onnxruntime":
            onnx_kernels.load_onnxruntime()
        self.sync = torch_kernels.synchroniser(self.device) if self.device is not None else None
        self.clock: timing.Clock = time.process_time if settings.clock == "cpu" else time.perf_counter
        self._displacer: tuple[Callable[[], Any], str] | None = None
        self._counter: counters.Counter | counters.Energy | None = None
        self.idle_w: float | None = None  # known once the counter is open

    @property
    def on_cuda(self) -> bool:
        """Does it run on a CUDA device?"""
        return self.device is not None and bool(self.device.type == "cuda")

    @contextlib.contextmanager
    def settled(self) -> Iterator[None]:
        """The stated number of threads, and fp32 that is fp32, for as long as the measurement lasts."""
        if self.device is None:
            yield
            return
        torch = torch_kernels.load_torch()
        before = torch.get_num_threads()
        torch.set_num_threads(self.settings.threads)
        try:
            with cuda.true_fp32(torch) if self.on_cuda else contextlib.nullcontext():
                yield
        finally:
            torch.set_num_threads(before)

    def repeated(self, call: Callable[[], Any]) -> timing.Repeated:
        """How the call is made back to back: by itself, or on a CUDA device as a graph of many."""
        return cuda.repeated(call, torch_kernels.load_torch()) if self.on_cuda else timing.Repeated(call, 1, "eager")

    def hot(self, many: timing.Repeated, *, samples: int = 9) -> tuple[timing.Times, int, Any]:
        """(times of one call back to back, calls of a burst, the last timed result)."""
        budget = self.settings.budget_s
        taken, bursts, last = timing.hot(many.run, samples=samples, budget_s=budget, sync=self.sync, clock=self.clock)
        return many.each(taken), many.calls * bursts, last

    def cold(self, call: Callable[[], Any]) -> timing.Times:
        """Times of single calls with the caches displaced before each."""
        displace, budget = self.displacer(machine())[0], self.settings.budget_s
        if self.on_cuda:
            return cuda.cold(call, displace, torch_kernels.load_torch(), budget_s=budget)
        return timing.cold(call, displace, budget_s=budget, sync=self.sync, clock=self.clock)

    def kernel(self, work: Work, seed: int) -> torch_kernels.Kernel:
        """The kernel with its operands on the device."""
        if self.device is None:
            return onnx_kernels.kernel(work, self.settings.threads, seed)
        return torch_kernels.kernel(work, self.device, seed)

    def displacer(self, host: Machine) -> tuple[Callable[[], Any], str]:
        """What pushes operands out of the caches, and how."""
        if self._displacer is None:
            self._displacer = displace.displacer(host, self.device)
        return self._displacer

    def energy_of(self, many: timing.Repeated) -> counters.Energy:
        """Energy of one call by the device's counter, or why there is none."""
        if isinstance(self.counter, counters.Energy):
            return self.counter
        call, calls = cuda.steady(many, torch_kernels.load_torch()) if self.on_cuda else (many.run, many.calls)
        found = counters.energy_of(call, self.counter, sync=None if self.on_cuda else self.sync, idle_w=self.idle_w)
        if found.gross_j is None or found.calls is None:
            return found
        return replace(found, gross_j=found.gross_j / calls, calls=found.calls * calls)

    @property
    def counter(self) -> counters.Counter | counters.Energy:
        """The device's energy counter, or why there is none. The idle power is taken when it is opened."""
        if self._counter is None:
            self._counter = self._open()
            self.idle_w = counters.idle_power_w(self._counter)
        return self._counter

    def _open(self) -> counters.Counter | counters.Energy:
        if not self.settings.energy:
            return counters.Energy(status="unavailable", remedy="switched off: leave out --no-energy")
        return counters.cuda_counter() if self.settings.device == "cuda" else counters.cpu_counter()

    def name(self, host: Machine) -> str:
        """The device's name."""
        if self.settings.device == "cuda":
            return str(torch_kernels.load_torch().cuda.get_device_name())
        return f"{host.cpu}, {self.settings.threads} thread{'s' if self.settings.threads > 1 else ''}"

    def peak_memory(self, process_bytes: int) -> tuple[int, str]:
        """(bytes, whose): what torch allocated on the device, or the largest size of this process."""
        if self.on_cuda:
            return int(torch_kernels.load_torch().cuda.max_memory_allocated()), "allocated on the device"
        return process_bytes, "largest resident size of the whole process"


def place(settings: Settings) -> Place:
    """The place that the settings name; a missing device or runtime is an error that says what to do."""
    return Place(settings)


class Network(ABC):
    """A network that can be run on any number of samples; `notes` say what is particular about it."""

    notes: tuple[str, ...] = ()

    @abstractmethod
    def call(self, batch: int) -> Callable[[], Any]:
        """The inference of one batch, as a call without arguments."""

    @abstractmethod
    def __call__(self, samples: int) -> Any:
        """Run so many samples to the end."""

    @abstractmethod
    def check(self, result: Any) -> None:
        """Check the result of a timed run; a wrong one raises WrongResult."""


class TorchNetwork(Network):
    """A torch module in evaluation mode on a device."""

    def __init__(self, module: Any, inputs: Callable[[int], tuple[Any, ...]], where: Place) -> None:
        torch, s = torch_kernels.load_torch(), where.settings
        self._torch, self._place, self._inputs = torch, where, inputs
        self._kind = getattr(torch, torch_kernels.DTYPES[s.dtype])
        self._module = module.eval().to(where.device, self._kind)
        if s.channels_last:
            self._module = self._module.to(memory_format=torch.channels_last)
        self._ready: dict[int, tuple[Any, ...]] = {}

    def _given(self, batch: int) -> tuple[Any, ...]:
        if batch not in self._ready:
            moved = tuple(self._moved(x) for x in self._inputs(batch))
            for i, x in enumerate(moved):
                operands.check_random(f"input {i}", np.asarray(x.double().cpu().numpy()))
            self._ready[batch] = moved
        return self._ready[batch]

    def _moved(self, x: Any) -> Any:
        x = x.to(self._place.device, self._kind) if x.is_floating_point() else x.to(self._place.device)
        last = self._place.settings.channels_last and x.dim() == 4
        return x.contiguous(memory_format=self._torch.channels_last) if last else x

    def call(self, batch: int) -> Callable[[], Any]:
        given = self._given(batch)

        def run() -> Any:
            with self._torch.inference_mode():
                return self._module(*given)

        return run

    def __call__(self, samples: int) -> Any:
        result = self.call(samples)()
        if self._place.sync:
            self._place.sync()
        return result

    def check(self, result: Any) -> None:
        """fp64 on the same inputs; errors add up over layers, so ten times a kernel's tolerance counts as right."""
        batch = self._place.settings.batch
        import copy

        double = copy.deepcopy(self._module).double()
        given = tuple(x.double() if x.is_floating_point() else x for x in self._given(batch))
        with self._torch.inference_mode():
            exact = double(*given)
        got, exact = (y[0] if isinstance(y, tuple | list) else y for y in (result, exact))
        scale = float(exact.abs().max()) or 1.0
        error = float((got.double() - exact).abs().max()) / scale
        most = 10 * TOLERANCE[self._place.settings.dtype]
        if not np.isfinite(error) or error > most:
            raise operands.WrongResult("the network", error, most)


class OnnxNetwork(Network):
    """An ONNX file through onnxruntime on the processor."""

    def __init__(self, path: Path, where: Place, dims: dict[str, int]) -> None:
        self._session = onnx_kernels.session(path, where.settings.threads, str(path))
        self._dims, self._path, self._seed = dims, path, where.settings.seed
        self._fixed = all(isinstance(i.shape[0], int) for i in self._session.get_inputs() if i.shape)
        self._ready: dict[int, dict[str, np.ndarray]] = {}
        self.notes = (
            "weights are those of the file: where they are constant, as in the onnx package's light models, times may flatter",
        ) + (("its batch is fixed: several samples run one after another",) if self._fixed else ())

    def call(self, batch: int) -> Callable[[], Any]:
        if batch not in self._ready:
            rng = np.random.default_rng(self._seed)
            size = None if self._fixed else batch
            self._ready[batch] = onnx_kernels.feed(self._session, size, self._dims, rng, str(self._path))
        given = self._ready[batch]
        return lambda: self._session.run(None, given)

    def __call__(self, samples: int) -> Any:
        if not self._fixed:
            return self.call(samples)()
        return [self.call(1)() for _ in range(samples)][-1]

    def check(self, result: Any) -> None:
        """Finite results; onnxruntime has no fp64 twin of a whole file (its kernels are checked one by one)."""
        if not all(np.isfinite(y).all() for y in result if np.issubdtype(np.asarray(y).dtype, np.floating)):
            raise operands.WrongResult("the network", float("inf"), 0.0)


def network(model: str, settings: Settings, where: Place, dims: dict[str, int]) -> Network:
    """The runnable network of a model's text; NotRunnable where only its shapes are known."""
    if settings.runtime == "onnxruntime":
        if model.endswith(".onnx"):
            return OnnxNetwork(Path(model), where, dims)
        raise NotRunnable("onnxruntime runs ONNX files alone")
    if model.endswith((".json", ".onnx")) or "=" in model:
        raise NotRunnable("its shapes are known, not its code" if model.endswith(".json") else "it is run layer by layer")
    if ":" in model:
        return TorchNetwork(*_callable(model), where)
    zoo = importlib.import_module("picojoule.measuring.torch_zoo")
    if model not in zoo.NAMES:
        raise NotRunnable(f"of the zoo, {', '.join(zoo.NAMES)} have code")
    module, _ = zoo.module(model, 1, settings.seed)
    return TorchNetwork(module, lambda n: zoo.inputs(model, n), where)


def _callable(model: str) -> tuple[Any, Callable[[int], tuple[Any, ...]]]:
    """(module, inputs by batch) of `module:callable`; its example inputs give shapes, random values replace their data."""
    from picojoule.workload.torch.read import module_and_inputs

    torch = torch_kernels.load_torch(model)
    module, example = module_and_inputs(model)
    if any(p.is_meta for p in module.parameters()):
        raise SpecError("the module has no weights (it is on the meta device)", where=model, hint="return a module that can run")

    def inputs(batch: int) -> tuple[Any, ...]:
        generator = torch.Generator().manual_seed(0)
        shapes = [(batch, *x.shape[1:]) for x in example]
        return tuple(
            torch.randn(shape, generator=generator) if x.is_floating_point() else x[:1].expand(shape)
            for x, shape in zip(example, shapes, strict=True)
        )

    return module, inputs

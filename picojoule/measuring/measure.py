"""`measure`: a network, and each of its layers by itself, run on the machine at hand.

Every layer is run hot and cold with random operands; the result of its last timed run is compared with fp64, and a kernel whose
result is wrong gets no row. The answer is a value that reads and writes the JSON of measurement files (docs/calibrate.md).
"""

from __future__ import annotations

import resource
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from picojoule.ask import Progress, silent
from picojoule.errors import SpecError, unknown_name
from picojoule.interop.load import load_model
from picojoule.measuring import counters, operands, runs, scenarios, timing
from picojoule.measuring.machine import BUSY_SHARE, Machine, Others, machine
from picojoule.measuring.work import BYTES, Work, vector_work, work
from picojoule.version import VERSION
from picojoule.workload.network import Network, Step, mac_step
from picojoule.workload.op import Op

SCHEMA = "microbench/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to measure. `budget_s` bounds the timing of each kernel and each scenario; energy windows take a second more."""

    device: str = "cpu"
    dtype: str = "fp32"
    batch: int = 1
    threads: int = 0  # 0: one a core
    channels_last: bool = False
    seed: int = 0
    budget_s: float = 1.0
    scenarios: tuple[str, ...] = ("single-stream",)
    rate_per_s: float | None = None  # of the server scenario; None: 70 % of what single stream reached
    bound_s: float | None = None  # on the server's p99
    energy: bool = True
    layers: bool = True
    runtime: str = "torch"  # or onnxruntime
    clock: str = "wall"  # or cpu: time of this process alone, on one thread, so that other processes do not count

    @property
    def layout(self) -> str:
        """How images lie in memory."""
        return "nhwc" if self.channels_last else "nchw"

    def __post_init__(self) -> None:
        for name in self.scenarios:
            if name not in scenarios.NAMES:
                raise unknown_name("scenario", name, scenarios.NAMES, "--scenario")
        if self.device not in ("cpu", "cuda"):
            raise unknown_name("device", self.device, ("cpu", "cuda"), "--device")
        if self.clock not in ("wall", "cpu"):
            raise unknown_name("clock", self.clock, ("wall", "cpu"), "--clock")
        if self.clock == "cpu" and (self.threads != 1 or self.device != "cpu"):
            raise SpecError("time of the process is told on one thread alone", where="--clock cpu", hint="add --threads 1")
        if self.dtype not in BYTES:
            raise unknown_name("data type", self.dtype, BYTES, "--dtype")
        if self.runtime == "onnxruntime" and self.device != "cpu":
            raise SpecError("onnxruntime is run on the processor alone", where="--device", hint="give --device cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRun:
    """One kernel's times in seconds of one call, its error against fp64, and its energy; `count` times in the network."""

    work: Work
    count: int
    hot: timing.Times
    cold: timing.Times
    calls_per_burst: int
    mode: str  # eager: submitted one by one; graph: many in one CUDA graph
    error: float
    energy: counters.Energy

    def to_json(self) -> dict[str, Any]:
        w, e = self.work, self.energy
        dims = {k: list(v) if isinstance(v, tuple) else v for k, v in w.dims}
        row: dict[str, Any] = {
            "name": w.name,
            "family": w.family,
            "dtype": w.dtype,
            "dims": dims,
            "flops": w.flops,
            "bytes": w.bytes,
            "rel_err": self.error,
            "count": self.count,
            "cold_s": self.cold.to_json(),
            "hot_s": self.hot.to_json(),
            "hot_mode": self.mode,
            "calls_per_burst": self.calls_per_burst,
        }
        if e.status == "measured":
            row["energy"] = {
                "energy_per_call_j": e.gross_j,
                "source": e.source,
                "scope": e.scope,
                "window_s": e.window_s,
                "counter_steps": e.counter_steps,
                "calls": e.calls,
                "idle_w": e.idle_w,
            }
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRun:
    """The whole network, run as its framework runs it."""

    eager: timing.Times  # hot, one inference of the batch
    cold: timing.Times
    graph: timing.Times | None  # as one CUDA graph; None on the processor
    peak_memory_bytes: int
    peak_memory_of: str
    energy: counters.Energy
    scenarios: tuple[scenarios.Scenario, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "hot_s": self.eager.to_json(),
            "cold_s": self.cold.to_json(),
            "graph_s": self.graph.to_json() if self.graph else None,
            "peak_memory_bytes": self.peak_memory_bytes,
            "peak_memory_of": self.peak_memory_of,
            "energy": self.energy.to_json(),
            "scenarios": [s.to_json() for s in self.scenarios],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What was measured, on what, and what was left out and why."""

    model: str
    settings: Settings
    device_name: str
    machine: Machine
    network: NetworkRun | None
    kernels: tuple[KernelRun, ...]
    left_out: tuple[str, ...]  # layers and operators that were not run by themselves, with the reason
    wrong: tuple[str, ...]  # kernels whose result was wrong
    others_share: float | None
    displaced: str
    utc: str
    notes: tuple[str, ...] = field(default=())

    @property
    def busy(self) -> bool:
        """Did other processes use so much of the machine that the times are in doubt?"""
        return self.others_share is not None and self.others_share > BUSY_SHARE

    def to_json(self) -> dict[str, Any]:
        s = self.settings
        meta = {
            "device": self.device_name,
            "model": self.model,
            "batch": s.batch,
            "dtype": s.dtype,
            "threads": s.threads,
            "layout": s.layout,
            "seed": s.seed,
            "data": "random",
            "measured": True,
            "runtime": s.runtime,
            "device_kind": s.device,
            "budget_s": s.budget_s,
            "clock": s.clock,
            "flush": self.displaced,
            "utc": self.utc,
            "machine": self.machine.to_json(),
            "others_share": self.others_share,
            "busy": self.busy,
        }
        what = f"{self.model} measured by picojoule {VERSION}"
        return {
            "schema": SCHEMA,
            "note": f"{what}; flops = 2 x MACs; bytes: each operand and result once",
            "meta": meta,
            "kernels": [k.to_json() for k in self.kernels],
            "network": self.network.to_json() if self.network else None,
            "left_out": list(self.left_out),
            "wrong": list(self.wrong),
            "notes": list(self.notes),
        }


def measure(
    model: str, settings: Settings | None = None, *, dims: dict[str, int] | None = None, progress: Progress = silent
) -> Measurement:
    """Run a network and its layers on this machine.

    `model` is a zoo name with a runnable module, `module:callable` for torch, an ONNX file (through onnxruntime on the
    processor), or a single layer written inline (whose kernel alone is run).
    """
    s = settings or Settings()
    if model.endswith(".onnx") and s.device == "cpu":
        s = replace(s, runtime="onnxruntime")
    host = machine()
    s = replace(s, threads=s.threads or host.cores)
    network = load_model(model, batch=None if "=" in model else s.batch, dims=dims)
    place = runs.place(s)
    with place.settled():
        others = Others()
        whole, notes = _network(model, s, place, dims or {}, progress)
        kernels, left_out, wrong = _kernels(network, s, place, progress)
    return Measurement(
        model=model,
        settings=s,
        device_name=place.name(host),
        machine=host,
        network=whole,
        kernels=kernels,
        left_out=left_out,
        wrong=wrong,
        others_share=others.share(),
        displaced=place.displacer(host)[1],
        utc=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        notes=notes,
    )


def works(network: Network, s: Settings) -> tuple[list[tuple[Work, int]], list[str]]:
    """(kernels with how often they occur, what cannot be run by itself and why); equal kernels once."""
    found: dict[Any, tuple[Work, int]] = {}
    left_out: Counter[str] = Counter()
    for step in network.steps:
        try:
            if (mac := mac_step(step)) is not None:
                one = work(mac.layer, s.dtype, s.layout)
            elif step.layer.read_elements and step.layer.written_elements:
                if s.runtime == "onnxruntime":
                    raise SpecError(step.layer.op, hint="torch runs element-wise operators by themselves")
                one = vector_work(step.layer, s.dtype, s.layout)
            else:
                continue  # moves nothing: a view, or a bias that is added on the way out
        except SpecError as error:
            left_out[_kind(step, error)] += step.count
            continue
        key = (one.family, one.dtype, tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in one.dims))
        first, count = found.get(key, (one, 0))
        found[key] = (first, count + step.count)
    return list(found.values()), [f"{n} x {what}" for what, n in left_out.items()]


def _kind(step: Step[Op], error: SpecError) -> str:
    """What operators that cannot be run by themselves are counted under: their kind, or the layer's own problem."""
    return step.layer.op if mac_step(step) is None else error.problem


def _kernels(
    network: Network, s: Settings, place: runs.Place, progress: Progress
) -> tuple[tuple[KernelRun, ...], tuple[str, ...], tuple[str, ...]]:
    if not s.layers:
        return (), (), ()
    todo, left_out = works(network, s)
    done: list[KernelRun] = []
    wrong: list[str] = []
    for i, (one, count) in enumerate(todo):
        progress(i, len(todo), one.name)
        try:
            done.append(run_kernel(one, s, place, count))
        except operands.WrongResult as error:
            wrong.append(str(error))
        except SpecError as error:
            left_out.append(error.problem)
    return tuple(done), tuple(left_out), tuple(wrong)


def run_kernel(one: Work, s: Settings, place: runs.Place, count: int = 1) -> KernelRun:
    """Time one kernel hot and cold, and check the result of its last timed call; a wrong one raises WrongResult."""
    kernel = place.kernel(one, s.seed)
    many = place.repeated(kernel.call)
    hot, calls, last = place.hot(many)
    error = operands.check_result(one.name, kernel.values(last), kernel.exact(), one.dtype)
    cold, energy = place.cold(kernel.call), place.energy_of(many)
    return KernelRun(work=one, count=count, hot=hot, cold=cold, calls_per_burst=calls, mode=many.mode, error=error, energy=energy)


def _network(
    model: str, s: Settings, place: runs.Place, dims: dict[str, int], progress: Progress
) -> tuple[NetworkRun | None, tuple[str, ...]]:
    progress(0, 1, model)
    try:
        run = runs.network(model, s, place, dims)
    except runs.NotRunnable as why:
        return None, (f"the network as a whole was not run: {why}",)
    call = run.call(s.batch)
    hot, _, last = place.hot(timing.Repeated(call, 1, "eager"), samples=700)
    process = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    memory, of = place.peak_memory(process)  # before the check, which has the network in fp64
    run.check(last)
    many = place.repeated(call)
    graph = place.hot(many, samples=700)[0] if many.mode == "graph" else None
    cold = place.cold(call)
    loads = tuple(_scenario(name, run, s, hot) for name in s.scenarios)
    done = NetworkRun(
        eager=hot,
        cold=cold,
        graph=graph,
        peak_memory_bytes=memory,
        peak_memory_of=of,
        energy=place.energy_of(many),
        scenarios=loads,
    )
    notes = ("energy was counted while CUDA graphs were replayed",) if graph and done.energy.gross_j is not None else ()
    return done, run.notes + notes


def _scenario(name: str, run: runs.Network, s: Settings, hot: timing.Times) -> scenarios.Scenario:
    single = hot.median / s.batch
    if name == "single-stream":
        return scenarios.closed_loop(run, name=name, samples=1, queries=1024, budget_s=5 * s.budget_s)
    if name == "multi-stream":
        return scenarios.closed_loop(run, name=name, samples=scenarios.STREAMS, queries=662, budget_s=5 * s.budget_s)
    if name == "server":
        rate = s.rate_per_s or 0.7 / single
        return scenarios.server(run, rate_per_s=rate, queries=4096, seed=s.seed, bound_s=s.bound_s, budget_s=5 * s.budget_s)
    return scenarios.offline(run, samples=24576, batch=max(s.batch, scenarios.STREAMS), budget_s=5 * s.budget_s)


def summary(runs_: Sequence[KernelRun]) -> float:
    """Seconds of all kernels, each as often as it occurs, hot."""
    return sum(k.count * k.hot.median for k in runs_)

"""Taking times on a CUDA device: calls captured as one graph (hot), single calls between two events (cold), and its facts.

A host needs some 10 us to submit a call, longer than many kernels take. Calls of one graph follow one another without the host.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

from picojoule.measuring import counters, timing
from picojoule.measuring.timing import Repeated

MOST_CALLS = 50  # of one graph
GRAPH_S = 1e-3  # a graph need not be longer: its own launch is lost in it
STEADY_S = 10e-3  # longer than reading the board's energy takes, short beside its steps of 100 ms
PACES = 7  # times the shortest graph is replayed


def repeated(call: Callable[[], Any], torch: Any) -> Repeated:
    """The calls captured as one CUDA graph; a call that cannot be captured (it waits for the device) is made by itself."""
    for _ in range(3):
        call()
    torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    torch.cuda.synchronize()
    calls = min(MOST_CALLS, max(1, math.ceil(GRAPH_S / (time.perf_counter() - start))))
    try:
        graph, result = _captured(call, calls, torch)
    except RuntimeError:
        torch.cuda.synchronize()
        return Repeated(call, 1, "eager")

    def run() -> Any:
        graph.replay()
        return result

    return Repeated(run, calls, "graph")


def _captured(call: Callable[[], Any], calls: int, torch: Any) -> tuple[Any, Any]:
    side = torch.cuda.Stream()  # libraries choose and allocate before the capture, where they may
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(2):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph, result = torch.cuda.CUDAGraph(), None
    with torch.cuda.graph(graph):
        for _ in range(calls):
            result = call()
    return graph, result


def cold(
    call: Callable[[], Any], displace: Callable[[], Any], torch: Any, *, samples: int = 30, budget_s: float = 1.0
) -> timing.Times:
    """Times of single calls between two events on the device, which is kept busy by `displace` until they are submitted."""
    taken: list[float] = []
    began = time.perf_counter()
    call()
    while len(taken) < samples and (len(taken) < 3 or time.perf_counter() - began < budget_s):
        before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        displace()
        before.record()
        call()
        after.record()
        torch.cuda.synchronize()
        taken.append(1e-3 * before.elapsed_time(after))
    return timing.times(taken)


def steady(many: Repeated, torch: Any) -> tuple[Callable[[], Any], int]:
    """(a call that keeps the device busy while the host reads a counter, calls of the kernel that it stands for).

    It submits a burst and waits for the one before: reading the board's energy takes milliseconds, and a device that waited
    for it would be charged its idle power.
    """
    torch.cuda.synchronize()
    start = time.perf_counter()
    many.run()
    torch.cuda.synchronize()
    runs = max(1, math.ceil(STEADY_S / (time.perf_counter() - start)))
    submitted: list[Any] = []

    def burst() -> None:
        for _ in range(runs):
            many.run()
        done = torch.cuda.Event()
        done.record()
        submitted.append(done)
        if len(submitted) > 1:
            submitted.pop(0).synchronize()

    return burst, runs * many.calls


@contextlib.contextmanager
def true_fp32(torch: Any) -> Iterator[None]:
    """fp32 operands are multiplied as fp32, not rounded to TF32 on the way, which torch allows convolutions by default."""
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    places, name = (products, convolutions), "allow_tf32"  # before torch 2.9
    value: bool | str = False
    if hasattr(products, "fp32_precision"):
        places, name, value = (products, convolutions.conv), "fp32_precision", "ieee"
    before = [getattr(p, name) for p in places]
    for p in places:
        setattr(p, name, value)
    try:
        yield
    finally:
        for p, old in zip(places, before, strict=True):
            setattr(p, name, old)


def facts(where: Any, torch: Any, idle_w: float | None) -> dict[str, Any]:
    """What a file of measured kernels tells of its device: SMs, bytes, clocks [MHz], power [W], and what a call costs that does
    nothing [s]. What is not known is left out.
    """
    p = torch.cuda.get_device_properties(where)
    out: dict[str, Any] = {
        "sms": p.multi_processor_count,
        "l2_bytes": p.L2_cache_size,
        "mem_bytes": p.total_memory,
        "cuda": torch.version.cuda,
        "cc": f"{p.major}.{p.minor}",
        "null": empty_calls(where, torch),
    }
    return out | counters.board_facts() | ({"idle_before": {"power_w": idle_w}} if idle_w else {})


def empty_calls(where: Any, torch: Any) -> dict[str, float]:
    """Seconds of a kernel of one element: in a graph of many, one alone between events, and submitted by the host one by one."""
    one = torch.randn(1, device=where)

    def call() -> Any:
        return one.add_(1.0)

    many = repeated(call, torch)
    eager, _, _ = timing.hot(call, samples=PACES, budget_s=0.2, sync=torch.cuda.synchronize)
    graph, _, _ = timing.hot(many.run, samples=PACES, budget_s=0.2, sync=torch.cuda.synchronize)
    alone = cold(call, lambda: torch.cuda._sleep(100_000), torch, samples=50)  # cycles, some 50 us
    return {
        "graph_per_kernel_s": graph.median / many.calls,
        "eager_per_kernel_s": eager.median,
        "one_element_kernel_s": alone.median,
    }


def bandwidths(where: Any, torch: Any) -> tuple[tuple[str, float, int], ...]:
    """(level, bytes a second, bytes touched) of copies within the device: an eighth of the L2 cache, and sixteen times all of it.

    A copy reads every byte and writes it; both count.
    """
    cache, out = int(torch.cuda.get_device_properties(where).L2_cache_size), []
    for level, size in (("L2", cache // 16), ("DRAM", 8 * cache)):
        source = torch.randn(size // 4, device=where)
        target = torch.empty_like(source)
        many = repeated(lambda a=target, b=source: a.copy_(b), torch)  # type: ignore[misc]
        taken, _, _ = timing.hot(many.run, budget_s=0.3, sync=torch.cuda.synchronize)
        out.append((level, 2 * source.nbytes * many.calls / taken.min, 2 * source.nbytes))
    return tuple(out)

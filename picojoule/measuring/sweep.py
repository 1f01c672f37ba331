"""The kernels from which a machine's model is calibrated: squares, skinny products, convolutions, element-wise sizes.

Their shapes are of AlexNet, VGG-16, GoogLeNet, SqueezeNet and OverFeat, so that ResNets, MobileNets and transformers stay unseen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from picojoule.ask import Progress, silent
from picojoule.errors import SpecError
from picojoule.measuring import ceilings, cuda, operands, runs, torch_kernels
from picojoule.measuring.machine import BUSY_SHARE, Others, machine
from picojoule.measuring.measure import SCHEMA, KernelRun, Settings, run_kernel
from picojoule.measuring.work import Work, conv_work, gemm_work, renamed, vector_work
from picojoule.workload.conv_shape import ConvShape
from picojoule.workload.op import counted

SQUARES = (32, 64, 128, 192, 256, 384, 512, 768, 1024)
SKINNY = ((1, 4096, 1024), (1, 1000, 4096), (4, 1024, 1024), (16, 1000, 2048), (64, 256, 1024), (1, 512, 512), (8, 4096, 256))
BATCHED = ((4, 64, 64, 64), (12, 128, 128, 64), (12, 128, 64, 128))
ELEMENTS = (1 << 12, 1 << 15, 1 << 18, 1 << 20, 1 << 22)
# (net, C, H, K, R, stride, pad, groups)
CONVOLUTIONS = (
    ("alexnet", 3, 227, 96, 11, 4, 0, 1), ("alexnet", 96, 27, 256, 5, 1, 2, 2), ("alexnet", 256, 13, 384, 3, 1, 1, 1),
    ("alexnet", 384, 13, 256, 3, 1, 1, 2), ("vgg16", 3, 112, 64, 3, 1, 1, 1), ("vgg16", 64, 112, 64, 3, 1, 1, 1),
    ("vgg16", 128, 56, 128, 3, 1, 1, 1), ("vgg16", 256, 28, 256, 3, 1, 1, 1), ("vgg16", 512, 14, 512, 3, 1, 1, 1),
    ("googlenet", 192, 28, 64, 1, 1, 0, 1), ("googlenet", 96, 28, 128, 3, 1, 1, 1), ("googlenet", 16, 28, 32, 5, 1, 2, 1),
    ("googlenet", 480, 14, 192, 1, 1, 0, 1), ("googlenet", 528, 14, 256, 1, 1, 0, 1), ("googlenet", 832, 7, 384, 1, 1, 0, 1),
    ("googlenet", 160, 7, 320, 3, 1, 1, 1), ("googlenet", 3, 224, 64, 7, 2, 3, 1), ("squeezenet", 64, 55, 16, 1, 1, 0, 1),
    ("squeezenet", 16, 55, 64, 3, 1, 1, 1), ("squeezenet", 512, 13, 64, 1, 1, 0, 1), ("overfeat", 256, 24, 512, 3, 1, 1, 1),
    ("overfeat", 96, 56, 96, 3, 2, 1, 1), ("overfeat", 128, 28, 256, 1, 2, 0, 1), ("overfeat", 192, 28, 384, 3, 2, 1, 1),
    ("overfeat", 384, 14, 384, 1, 2, 0, 1), ("overfeat", 384, 14, 384, 3, 2, 1, 1),
)  # fmt: skip


def kernels(s: Settings) -> Iterator[Work]:
    """The works of the sweep, named so that their second word is the group that a split by shape holds back together."""
    for n in SQUARES:
        yield renamed(gemm_work(n, n, n, s.dtype), f"gemm_sq_{s.dtype}_{n}")
    for m, n, k in SKINNY:
        yield renamed(gemm_work(m, n, k, s.dtype), f"gemm_skinny_{s.dtype}_{m}x{n}x{k}")
    for b, m, n, k in BATCHED:
        yield renamed(gemm_work(m, n, k, s.dtype, b), f"gemm_batched_{s.dtype}_{b}x{m}x{n}x{k}")
    for net, c, h, k, r, u, pad, groups in CONVOLUTIONS:
        shape = ConvShape(N=s.batch, C=c, H=h, W=h, K=k, R=r, S=r, stride=(u, u), pad=(pad, pad), groups=groups)
        yield renamed(conv_work(shape, s.dtype, s.layout), f"conv_{net}_{s.dtype}_c{c}_h{h}_k{k}_r{r}_s{u}")
    for op, operands_ in (("Relu", 1), ("Add", 2)):
        for n in ELEMENTS:
            one = counted(op, op, ops=n, read=operands_ * n, written=n)
            yield renamed(vector_work(one, s.dtype), f"vec_{op.lower()}_{s.dtype}_{n}")
    for c, pixels in ((64, 3136), (256, 196), (512, 49)):
        norm = counted("bn", "BatchNormalization", ops=2 * c * pixels, read=c * pixels + 2 * c, written=c * pixels)
        yield renamed(vector_work(norm, s.dtype, s.layout), f"vec_norm_{s.dtype}_{c}x{pixels}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """The measured kernels of a machine with what the machine is; `to_json` is the file that `pj calibrate` reads."""

    settings: Settings
    kernels: tuple[KernelRun, ...]
    wrong: tuple[str, ...]
    meta: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        note = "kernels of the calibration sweep; flops = 2 x MACs; bytes: each operand and result once"
        return {
            "schema": SCHEMA,
            "note": note,
            "meta": self.meta,
            "kernels": [k.to_json() for k in self.kernels],
            "wrong": list(self.wrong),
        }


def sweep(settings: Settings | None = None, progress: Progress = silent) -> Sweep:
    """Measure the calibration kernels on this machine, with its ceilings as the facts about it."""
    s = settings or Settings()
    if s.runtime != "torch":
        raise SpecError("the sweep runs through torch", where="--sweep", hint="pip install 'picojoule[torch]'")
    host = machine()
    s = replace(s, threads=s.threads or host.cores)
    threads, place = s.threads, runs.place(s)
    found, _, _ = ceilings.ceilings(s.device, threads, progress, place.clock)
    others, todo = Others(), list(kernels(s))
    done, wrong = [], []
    with place.settled():
        for i, one in enumerate(todo):
            progress(i, len(todo), one.name)
            try:
                done.append(run_kernel(one, s, place))
            except operands.WrongResult as error:
                wrong.append(str(error))
    share = others.share()
    rates = {level: rate for level, rate, _ in found.bandwidth_bytes_per_s}
    meta: dict[str, Any] = {
        "device": place.name(host),
        "kind": "gpu" if s.device == "cuda" else "cpu",
        "dtype": s.dtype,
        "batch": s.batch,
        "layout": s.layout,
        "seed": s.seed,
        "data": "random",
        "measured": True,
        "clock": s.clock,
        "threads": threads,
        "machine": host.to_json(),
        "others_share": share,
        "busy": share is not None and share > BUSY_SHARE,
        "flush": place.displacer(host)[1],
        "peaks": dict(found.peak_ops_per_s),
        "peaks_are": "measured: the best of square products",
        "utc": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if s.device == "cpu":
        meta |= {"units": threads, "dram_read_bytes_per_s": threads * rates["DRAM"]}
        meta |= {"cache_bytes": size} if (size := max((n for _, n in host.caches), default=None)) else {}
        meta |= {"clock_hz": hz} if (hz := host.clock_hz) else {}
    if s.device == "cuda":
        meta |= cuda.facts(place.device, torch_kernels.load_torch(), place.idle_w)
    return Sweep(settings=s, kernels=tuple(done), wrong=tuple(wrong), meta=meta)

"""The search on every preset chip, and on random chips: CPU seconds, peak memory, and what was proved, one line a problem.

    python bench/anywhere.py                      # every preset without a compute-in-memory array x ten layers
    python bench/anywhere.py --random 200         # seeded random chips, written as YAML files, one layer each, instead
    python bench/anywhere.py --json table.json --chip tetris --layer gemm --limit 20 --objective edp

A table as text goes to stdout as it grows; `--json` writes all of it. Kernels are compiled, and read from disk, before any clock
starts. Each problem then runs in a process of its own, forked from one that has them: its CPU time and its peak memory are its
own. A search that is still at work after `--limit` CPU seconds is asked for its best so far, and ended at three times that.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

import picojoule as pj
from picojoule.errors import PicojouleError
from picojoule.hardware.chip import Chip
from picojoule.hardware.chipfile.read import load_chip
from picojoule.search.placement import keeps_weights
from picojoule.search.warm import compile_kernels
from picojoule.workload.layer import Layer, Rank, conv, from_ranks, gemm, one

BITS = 8
MEDIAN_S, EACH_S, RANDOM_S, MOST_MB = 0.15, 2.0, 5.0, 1000  # what we want: CPU seconds of a search, its memory


def window(p: str, r: str) -> Rank:
    """Positions p of a sliding window of r elements, stride 1."""
    return Rank(((1, p), (1, r)))


def conv3d() -> Layer:
    """3x3x3 convolution of 64 to 64 channels over 8 frames of 28 x 28, as in networks for video (C3D)."""
    windows = (window("D", "T"), window("P", "R"), window("Q", "S"))
    tensors = {
        "I": ("input", (one("C"), *windows)),
        "W": ("weight", (one("K"), one("C"), one("T"), one("R"), one("S"))),
        "O": ("output", (one("K"), one("D"), one("P"), one("Q"))),
    }
    bounds = {"K": 64, "C": 64, "D": 8, "P": 28, "Q": 28, "T": 3, "R": 3, "S": 3}
    return from_ranks("conv3d 64->64 @8x28x28", "Conv", bounds, tensors, BITS)


def square(name: str, channels: tuple[int, int], edge: int, kernel: int, groups: int = 1) -> Layer:
    """Square images and kernels; `channels` in and out."""
    c, k = channels
    return conv(name, K=k, C=c, P=edge, Q=edge, R=kernel, S=kernel, groups=groups, bits=BITS)


LAYERS: tuple[Layer, ...] = (
    gemm("gemm 4096^3", M=4096, N=4096, K=4096, bits=BITS),
    gemm("gemm 1021^3", M=1021, N=1021, K=1021, bits=BITS),
    gemm("gemv 1x4096x4096", M=1, N=4096, K=4096, bits=BITS),
    square("3x3 128->128 @28", (128, 128), 28, 3),
    square("1x1 256->64 @56", (256, 64), 56, 1),
    square("depthwise 3x3 144 @56", (144, 144), 56, 3, groups=144),
    square("alexnet conv2", (48, 128), 27, 5),
    square("lenet5 conv1", (1, 6), 28, 5),
    gemm("bert QK^T", M=128, N=128, K=64, batch=12, bits=BITS, learned=False),
    conv3d(),
)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One search: the answer's figures, or the error."""

    chip: str
    layer: str
    cpu_s: float
    peak_mb: float
    proved: bool = False
    gap: float | None = None
    energy_pj: float | None = None
    cycles: float | None = None
    opened: int = 0
    closed: int = 0
    patterns: int = 0
    error: str = ""

    def line(self) -> str:
        answer = self.error or ("proved" if self.proved else f"gap {self.gap:.1%}" if self.gap is not None else "")
        figures = f"{self.cpu_s:8.3f}  {self.peak_mb:7.0f}  {self.patterns:8d}  {self.opened:7d}  {self.closed:9d}"
        return f"{self.chip:18s}  {self.layer:22s}  {figures}  {answer}"


HEADER = f"{'chip':18s}  {'layer':22s}  {'CPU s':>8s}  {'peak MB':>7s}  {'patterns':>8s}  {'opened':>7s}  {'closed':>9s}  answer"


def searched(layer: Layer, chip: Chip, objective: str, limit_s: float) -> dict[str, Any]:
    """The figures of one search in this process."""
    began = time.process_time()
    try:
        r = pj.best_mapping(layer, chip, objective, time_limit=limit_s)
    except PicojouleError as e:
        return {"cpu_s": time.process_time() - began, "error": f"{type(e).__name__}: {e}"}
    c = r.certificate
    return {
        "cpu_s": time.process_time() - began,
        "proved": r.proved,
        "gap": r.gap,
        "energy_pj": r.cost.energy_pj,
        "cycles": r.cost.cycles,
        "opened": c.get("spatial_opened", 0),
        "closed": c.get("spatial_closed", 0),
        "patterns": c.get("patterns", 0),
    }


def apart(work: Callable[[], dict[str, Any]], limit_s: float) -> dict[str, Any]:
    """What `work` returns from a forked process, with its peak memory; an error if it takes more than limit_s CPU seconds."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s) + 1, int(limit_s) + 2))
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        status = 1
        try:
            os.write(write, json.dumps(work()).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    _, status, used = os.wait4(child, 0)
    found = {"cpu_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}
    if not text:
        cause = f"ended after {limit_s:g} CPU s" if os.WIFSIGNALED(status) else "failed"
        return {**found, "error": cause}
    return {**found, **json.loads(text)}


def cell(layer: Layer, chip: Chip, objective: str, limit_s: float) -> Cell:
    return Cell(chip=chip.name, layer=layer.name, **apart(lambda: searched(layer, chip, objective, limit_s), 3 * limit_s))


def presets() -> list[Chip]:
    """Every preset whose weights do not stay in compute-in-memory arrays: those are placed, not searched."""
    return [chip for name in pj.chips() if not keeps_weights(LAYERS[0], chip := pj.load_chip(name))]


def random_text(rng: random.Random, number: int) -> str:
    """A chip file: one to three memories below DRAM, one or two fan-outs, with and without bypass and bandwidths."""
    size, levels = rng.choice((1 << 15, 1 << 17, 192 << 10, 1 << 19, 1 << 20)), []
    keeps = lambda: rng.choice(({"may_keep": "all"}, {"keeps": "all"}, {"keeps": ["output"], "may_keep": ["input", "weight"]}))  # noqa: E731
    width = rng.choice((None, 64, 128, 256))
    dram = {"name": "DRAM", "word": "64 b", "read": f"{rng.choice((4, 8, 20))} pJ/b", "write": f"{rng.choice((4, 8, 20))} pJ/b"}
    levels.append({"memory": {**dram, **({"bandwidth": f"{width} b/cycle"} if width else {})}})
    places = rng.choice((1, 2, 2, 3))
    for m in range(places):
        pj_word = round(0.02 * (size**0.5) * rng.uniform(0.5, 2), 3)
        memory = {
            "name": f"L{m}",
            "size": f"{size} B",
            "word": "64 b",
            "read": f"{pj_word} pJ",
            "write": f"{pj_word} pJ",
            **keeps(),
        }
        if rng.random() < 0.5:
            memory["bandwidth"] = {
                "read": f"{rng.choice((64, 128, 512))} b/cycle",
                "write": f"{rng.choice((64, 128, 512))} b/cycle",
            }
        levels.append({"memory": memory})
        size = max(64, size // rng.choice((64, 256, 1024)))
        if m in (0, places - 1) and len([x for x in levels if "fanout" in x]) < 2:
            axes = {a: rng.choice((4, 8, 14, 16, 32)) for a in rng.choice(("X", "XY", "XY"))}
            levels.append({"fanout": {"name": f"array{m}", "axes": axes, "transfer": f"{rng.choice((0.1, 0.3, 1))} pJ"}})
    spad = rng.choice((32, 64, 256, 512))
    levels.append(
        {"memory": {"name": "RF", "size": f"{spad} B", "word": "8 b", "read": "0.08 pJ", "write": "0.09 pJ", **keeps()}}
    )
    chip = {
        "chip": f"random-{number}",
        "description": "a random chip",
        "technology": "22 nm",
        "clock": "800 MHz",
        "levels": levels,
        "compute": {"mac": "0.15 pJ", "operands": "8 b"},
    }
    return yaml.safe_dump(chip, sort_keys=False)


def random_problems(n: int, seed: int, folder: Path) -> Iterator[tuple[Layer, Chip]]:
    """`n` random chips, each with one of the layers in turn."""
    rng = random.Random(seed)
    for i in range(n):
        path = folder / f"random-{i}.yaml"
        path.write_text(random_text(rng, i))
        yield LAYERS[i % len(LAYERS)], load_chip(str(path))


def verdict(cells: list[Cell], random_chips: bool) -> str:
    """One line a goal, with what was reached."""
    times, most = [c.cpu_s for c in cells], RANDOM_S if random_chips else EACH_S
    open_ = [c for c in cells if not c.proved]
    slow = [c for c in cells if c.cpu_s > most]
    return "\n".join(
        [
            f"proved: {len(cells) - len(open_)} of {len(cells)}",
            f"median: {statistics.median(times):.3f} CPU s (goal {MEDIAN_S}); sum {sum(times):.1f} CPU s",
            f"slowest: {max(times):.2f} CPU s; {len(slow)} above the goal of {most} CPU s",
            f"peak memory: {max(c.peak_mb for c in cells):.0f} MB (goal {MOST_MB})",
        ]
    )


def main() -> int:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--random", type=int, default=0, metavar="N", help="N random chips instead of the presets")
    ap.add_argument("--seed", type=int, default=1, help="of the random chips")
    ap.add_argument("--chips", type=Path, help="keep the files of the random chips in this folder")
    ap.add_argument("--chip", default="", help="only chips whose name contains this")
    ap.add_argument("--layer", default="", help="only layers whose name contains this")
    ap.add_argument("--objective", default="edp", choices=("energy", "latency", "edp", "front"))
    ap.add_argument("--limit", type=float, default=20, help="CPU seconds after which a search returns its best so far")
    ap.add_argument("--json", type=Path, help="write the table here too")
    a = ap.parse_args()
    compile_kernels(pj.best_mapping)
    pj.best_mapping(replace(LAYERS[2], name="warm-up"), pj.load_chip("pin_flat3"))
    cells: list[Cell] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = a.chips or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        every = random_problems(a.random, a.seed, folder) if a.random else ((x, c) for c in presets() for x in LAYERS)
        print(HEADER, flush=True)
        for layer, chip in every:
            if a.chip in chip.name and a.layer in layer.name:
                cells.append(cell(layer, chip, a.objective, a.limit))
                print(cells[-1].line(), flush=True)
                if a.json:
                    a.json.write_text(json.dumps([asdict(c) for c in cells], indent=1) + "\n")
    if not cells:
        print("no such chip or layer", file=sys.stderr)
        return 2
    print(verdict(cells, bool(a.random)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

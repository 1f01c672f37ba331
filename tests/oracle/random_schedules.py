"""Random small networks and legal schedules for them, seeded: what the walker walks and the analysis of schedules must equal."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from picojoule.errors import SpecError
from picojoule.hardware.chip import Chip
from picojoule.hardware.chipfile.read import chip_from_yaml
from picojoule.schedule.jobs import Job, JobGraph
from picojoule.schedule.program import For, Free, Item, Load, Run, Schedule, Store
from picojoule.schedule.walk import walk
from picojoule.schedule.walk_loops import Nest
from picojoule.schedule.walk_values import Elements
from picojoule.workload.building.builder import Builder, Value
from picojoule.workload.building.products import Letters
from picojoule.workload.building.shapes import matmul
from picojoule.workload.layer import Layer, Rank, Tensor, one
from picojoule.workload.network import Network, Persistence

MEMORY = "H"  # of the chips below, the one that schedules may use
PLENTY = 10**9  # bits
KINDS = ("chain", "image", "graph", "gemm", "attention", "mlp")

CHIP = """
chip: small
clock: 1 GHz
levels:
  - memory: {name: DRAM, type: dram, word: 16 b, read: 20 pJ, write: 22 pJ, keeps: all}
  - memory: {name: H, size: 1 KiB, word: 16 b, read: 3 pJ, write: 4 pJ, may_keep: all}
  - fanout: {name: PEs, axes: {X: 8}, transfer: 0 pJ}
compute: {name: MAC, mac: 1 pJ, operands: 16 b}
vector: {name: vector, at: H, lanes: 4, operands: 16 b, source: "a test"}
"""
DRAINING = CHIP.replace('source: "a test"', 'source: "a test", drain: [activation, scale, residual]')


class Case(NamedTuple):
    """A network as jobs on a chip, and a schedule that needs so many bits of `MEMORY`."""

    network: Network
    graph: JobGraph
    schedule: Schedule
    capacity_bits: int


@dataclass(frozen=True)
class Features:
    """What may occur."""

    kinds: tuple[str, ...] = KINDS
    loops: float = 0.6  # share of places where a loop is tried
    depth: int = 2
    recompute: bool = True
    drain: bool = True
    by_tile: bool = True  # loads inside of loops


def cases(n: int, seed: int, **features: object) -> Iterator[Case]:
    """`n` legal ones; the same arguments give the same. Keywords are the fields of `Features`."""
    rng, f = random.Random(seed), replace(Features(), **features)  # type: ignore[arg-type]
    for _ in range(n):
        network = random_network(rng, rng.choice(f.kinds))
        graph = JobGraph(network, small_chip(f.drain and rng.random() < 0.5))
        schedule = random_schedule(rng, graph, f)
        peak = walk(graph, schedule, MEMORY, PLENTY).peak_bits
        yield Case(network, graph, schedule, peak)


def small_chip(drain: bool = False) -> Chip:
    """One DRAM, one buffer H, a row of PEs; the vector unit at H, which may apply operators as results leave."""
    return chip_from_yaml(DRAINING if drain else CHIP)


# -- networks ---------------------------------------------------------------------------------------------------------------


class Taps(NamedTuple):
    """One axis of a convolution: so many positions p, of rank stride * p + dilation * r + offset, with so many taps r."""

    positions: int
    stride: int = 1
    taps: int = 1
    offset: int = 0
    dilation: int = 1


def slide(b: Builder, x: Value | Sequence[Value], name: str, *axes: Taps, filters: int = 1, behind: int = 0) -> Value:
    """A convolution of x (channels, then an axis each) whose windows may lie anywhere: beyond the end, or with gaps.

    Several x lie one behind the other along one axis.
    """
    parts = [x] if isinstance(x, Value) else list(x)
    shape = [sum(v.shape[i] for v in parts) if i == behind else n for i, n in enumerate(parts[0].shape)]
    out = b.value(name, (filters, *(a.positions for a in axes)))
    letters = list(zip("PQ", "RS", axes, shape[1:], strict=False))
    ranks = tuple(Rank(((a.stride, p), (a.dilation, r)), a.offset, n) for p, r, a, n in letters)
    weight = b.weight(f"{name}.weight", (filters, shape[0], *(a.taps for a in axes)))
    dims = {"K": filters, "C": shape[0], **{p: a.positions for p, _, a, _ in letters}, **{r: a.taps for _, r, a, _ in letters}}
    tensors = (
        Tensor("I", "input", (one("C"), *ranks)),
        Tensor("W", "weight", (one("K"), one("C"), *(one(r) for _, r, _, _ in letters)), learned=True),
        Tensor("O", "output", (one("K"), *(one(p) for p, _, _, _ in letters))),
    )
    begins = [sum(v.shape[behind] for v in parts[:i]) for i in range(len(parts))]
    accesses = [
        v.access(tensors[0], range(len(shape)), [at if i == behind else 0 for i in range(len(shape))])
        for v, at in zip(parts, begins, strict=True)
    ]
    accesses += [v.access(t, range(len(t.ranks))) for v, t in zip((weight, out), tensors[1:], strict=True)]
    b.mac(Layer(name, "Conv", tuple(dims.items()), tensors), accesses)
    return out


def line(length: int, *layers: Taps, channels: int = 1) -> Network:
    """A chain of 1-D convolutions x1, x2, ... of an input of this length."""
    b = Builder("line")
    x = b.input("x0", (channels, length))
    for i, taps in enumerate(layers, 1):
        x = slide(b, x, f"x{i}", taps, filters=channels)
    return b.network(x)


def random_taps(rng: random.Random, length: int) -> Taps:
    """A window that meets the axis at every position; some end early, some start late, some leave gaps."""
    stride, dilation = rng.choice((1, 1, 1, 2, 3)), rng.choice((1, 1, 2))
    taps = rng.randint(1, 3)
    span = dilation * (taps - 1)
    offset = -rng.randint(0, min(2, span)) if rng.random() < 0.5 else 0
    most = (length - 1 - offset) // stride + 1  # the last window begins inside
    return Taps(rng.randint(max(1, most - 2), max(1, most)), stride, taps, offset, dilation)


def random_network(rng: random.Random, kind: str) -> Network:
    """A network of a few jobs of one of the `KINDS`."""
    b = Builder(kind)
    make = {"chain": _convs, "image": _convs, "graph": _convs, "gemm": _matrices, "attention": _attention, "mlp": _mlp}[kind]
    return make(rng, b, kind)


def _convs(rng: random.Random, b: Builder, kind: str) -> Network:
    axes = 2 if kind == "image" else 1
    values = [b.input("x0", (rng.randint(1, 2), *(rng.randint(4, 7 if axes == 2 else 10) for _ in range(axes))))]
    for i in range(rng.randint(2, 4) if kind != "graph" else rng.randint(4, 6)):
        x = rng.choice(values[-3:]) if kind == "graph" else values[-1]
        values.append(_next(rng, b, kind, f"x{i + 1}", x, values))
    if kind != "image" and rng.random() < 0.15:
        flat = values[-1].reshaped((1, values[-1].elements))
        values.append(b.linear(flat, 2, name="flat", bias=False))
    if rng.random() < 0.2:
        return b.network(values[-1], rng.choice(values[1:]))
    return b.network()


def _next(rng: random.Random, b: Builder, kind: str, name: str, x: Value, values: Sequence[Value]) -> Value:
    """A value made of x, and perhaps of one before it."""
    twins = [v for v in values if v.shape == x.shape and v is not x]
    beside = [v for v in values if v.shape[1:] == x.shape[1:] and v is not x]
    behind = [v for v in values if v.shape[0] == x.shape[0] and v is not x]
    batch = x.reshaped((1, *x.shape))
    what = rng.random()
    if twins and what < 0.3:
        return b.elementwise(rng.choice(("Add", "Mul")), rng.choice(twins), x, name=name)
    if beside and what < 0.36:
        return b.concat([x, rng.choice(beside)], 0, name=name)
    if beside and what < 0.44:
        return slide(b, [rng.choice(beside), x], name, *(random_taps(rng, n) for n in x.shape[1:]))
    if kind == "graph" and behind and what < 0.5:
        first = rng.choice(behind)
        return slide(b, [first, x], name, random_taps(rng, first.shape[1] + x.shape[1]), behind=1)
    if kind == "graph" and what < 0.53 and x.shape[1] > 2:
        half = x.sliced(1, 0, x.shape[1] // 2)
        return slide(b, half, name, random_taps(rng, half.shape[1]))
    if what < 0.6:
        return b.elementwise("Relu", x, name=name)
    if what < 0.64:
        return b.elementwise("Mul", x, name=name, parameters=x.shape[-1])
    if what < 0.7:
        return b.batch_norm(batch, name=name).reshaped(x.shape)
    if what < 0.76 and min(x.shape[1:]) > 2:
        z = b.pool("MaxPool", batch, rng.randint(2, 3), name=name, stride=rng.randint(1, 2), pad=rng.randint(0, 1))
        return z.reshaped(z.shape[1:])
    if kind == "graph" and what < 0.82:
        return slide(b, x, name, Taps(x.shape[1], 1, 3, -1), filters=x.shape[0])
    z = slide(b, x, name, *(random_taps(rng, n) for n in x.shape[1:]), filters=rng.randint(1, 2))
    b.bias(z, z.shape[0] if rng.random() < 0.3 else 0, name, axis=0)
    return z


def _matrices(rng: random.Random, b: Builder, kind: str) -> Network:
    rows = rng.randint(2, 6)
    values = [b.input("x0", (rows, rng.randint(2, 4)))]
    for i in range(rng.randint(2, 5)):
        name, x = f"x{i + 1}", rng.choice(values[-2:])
        twins = [v for v in values if v.shape == x.shape and v is not x]
        what = rng.random()
        if twins and what < 0.3:
            y = b.elementwise("Add", rng.choice(twins), x, name=name)
        elif what < 0.45:
            y = b.normalise(rng.choice(("Softmax", "LayerNormalization")), x, name=name)
        elif what < 0.55:
            y = b.elementwise("Gelu", x, name=name)
        else:
            y = b.linear(x, rng.randint(2, 4), name=name, bias=rng.random() < 0.5)
        values.append(y)
    return b.network()


def product(b: Builder, equation: str, x: Value, y: Value | Sequence[Value], name: str, behind: str = "") -> Value:
    """An einsum of two activations; the second may lie in parts, one behind the other along one letter."""
    left, right, result = (part.strip() for part in equation.replace("->", ",").split(","))
    parts = [y] if isinstance(y, Value) else list(y)
    size = dict(zip(left, x.shape, strict=True)) | dict(zip(right, parts[0].shape, strict=True))
    if behind:
        size[behind] = sum(v.shape[right.index(behind)] for v in parts)
    shared = [c for c in result if c in left and c in right]
    m, n, k = (next(iter(c)) for c in (set(left) - set(right), set(right) - set(left), set(left) - set(result)))
    lead = [size[c] for c in shared]
    z = b.value(name, tuple(size[c] for c in result))
    extents = matmul([*lead, size[m], size[k]], [*lead, size[k], size[n]])
    b.product(extents, Letters(left=left, right=right, result=result), x, parts, z, name=name, op="MatMul", behind=behind)
    return z


def _attention(rng: random.Random, b: Builder, kind: str) -> Network:
    heads, size, tokens = 2, 2, rng.randint(2, 4)
    x = b.input("x", (tokens, heads * size))
    if rng.random() < 0.6:
        q, k, v = (b.linear(x, heads * size, name=n, bias=False) for n in "qkv")
    else:
        q, k, v = (b.input(n, (tokens, heads * size)) for n in "QKV")
        b.linear(x, 2, name="aside", bias=False)
    q, k, v = (t.reshaped((tokens, heads, size)).permuted(1, 0, 2) for t in (q, k, v))
    keys, values = [k], [v]
    if rng.random() < 0.4:  # what was before the run
        former = rng.randint(1, 3)
        keys = [b.input("old_k", (heads, former, size)), k]
        values = [b.input("old_v", (heads, former, size)), v]
    behind = "s" if len(keys) > 1 else ""
    scores = product(b, "hme,hse->hms", q, keys, "scores", behind)
    weights = b.normalise("Softmax", scores, name="softmax")
    joined = product(b, "hms,hse->hme", weights, values, "mix", behind)
    rows = joined.permuted(1, 0, 2)
    return b.network() if rng.random() < 0.3 else _projected(b, rows, heads * size)


def _projected(b: Builder, rows: Value, width: int) -> Network:
    z = b.value("z", (rows.shape[0], width))
    weight = b.weight("z.weight", (*rows.shape[1:], width))
    dims = {"M": rows.shape[0], "H": rows.shape[1], "E": rows.shape[2], "N": width}
    tensors = (
        Tensor("A", "input", (one("M"), one("H"), one("E"))),
        Tensor("B", "weight", (one("H"), one("E"), one("N")), learned=True),
        Tensor("Z", "output", (one("M"), one("N"))),
    )
    accesses = [v.access(t, range(len(t.ranks))) for v, t in zip((rows, weight, z), tensors, strict=True)]
    b.mac(Layer("z", "Gemm", tuple(dims.items()), tensors), accesses)
    return b.network()


def _mlp(rng: random.Random, b: Builder, kind: str) -> Network:
    x = b.input("x", (rng.randint(2, 4), rng.randint(2, 3)))
    hidden = rng.randint(2, 5)
    up, gate = (b.linear(x, hidden, name=n, bias=rng.random() < 0.3) for n in ("up", "gate"))
    act = b.elementwise("Silu", gate, name="act")
    mul = b.elementwise("Mul", up, act, name="mul")
    down = b.linear(mul, x.shape[1], name="down", bias=False)
    b.elementwise("Add", x, down, name="add")
    return b.network()


# -- schedules --------------------------------------------------------------------------------------------------------------


class _State:
    """What is where, while a schedule is drawn."""

    def __init__(self, rng: random.Random, graph: JobGraph, f: Features) -> None:
        self.rng, self.graph, self.f = rng, graph, f
        self.elements = Elements(graph)
        self.items: list[Item] = []
        self.ran: set[str] = set()
        self.on: set[str] = set()
        self.out = {t for t in graph.tensors if graph.given(t)}

    def complete(self, tensor: str) -> bool:
        return all(self.graph.jobs[i].name in self.ran for i in self.graph.writers[tensor])

    def needed(self, tensor: str) -> bool:
        return self.graph.lasts(tensor) or any(self.graph.jobs[i].name not in self.ran for i in self.graph.readers[tensor])

    def home(self, job: Job) -> str:
        for t in job.writes:
            if self.graph.tensors[t].persistence is Persistence.CACHE or t in self.out:
                return ""
            if t in self.on:
                return MEMORY
        return MEMORY if self.rng.random() < 0.7 else ""

    def ready(self, jobs: Sequence[Job]) -> None:
        """Loads at random; what an operand in parts has to have outside goes there."""
        for t in dict.fromkeys(t for j in jobs for t in j.reads):
            if t in self.out - self.on and self.complete(t) and self.rng.random() < 0.2:
                self.items.append(Load(t, MEMORY))
                self.on.add(t)
        for j in jobs:
            for s in j.steps:
                for o in s.layer.operands:
                    parts = {a.tensor for a in s.accesses_of(o.name) if a.tensor in j.reads}
                    if not parts <= self.on:
                        for t in sorted(parts & self.on - self.out):
                            self.items.append(Store(t))
                            self.out.add(t)

    def after(self) -> None:
        for t in sorted(self.on):
            if t not in self.out and self.complete(t) and self.rng.random() < (0.2 if self.needed(t) else 0.03):
                self.items.append(Store(t))
                self.out.add(t)
            if self.complete(t) and (t in self.out or not self.needed(t)) and self.rng.random() < 0.6:
                self.items.append(Free(t))
                self.on.remove(t)

    def run(self, job: Job) -> None:
        self.ready([job])
        home = self.home(job)
        self.items.append(Run(job.name, home))
        (self.on if home else self.out).update(job.writes)
        self.ran.add(job.name)

    def loop(self, jobs: Sequence[Job]) -> bool:
        """A legal loop over these jobs, if one is found."""
        made = {t for j in jobs for t in j.writes}
        if any(not j.steps[0].layer.dims for j in jobs):
            return False  # one number: nothing to cut
        homes = {j.name: self.home(j) for j in jobs}
        here = self.on | {t for j in jobs for t in j.writes if homes[j.name]}
        there = self.out | (made - here)
        parts = [{a.tensor for a in s.accesses_of(o.name)} & {*j.reads} for j in jobs for s in j.steps for o in s.layer.operands]
        if not all(p <= here or p <= there for p in parts):
            return False  # some of an operand in memory alone, some outside
        for _ in range(10):
            found = self._draw(jobs, homes, made)
            try:
                nest = Nest(self.graph, self.elements, found)
            except SpecError:
                continue
            self.ready_for(jobs, found)
            self.items.append(found)
            for j in jobs:
                for t in j.writes:
                    if not homes[j.name]:
                        self.out.add(t)
                    elif nest.leaves(t, found):
                        self.on.add(t)
            self.ran |= {j.name for j in jobs}
            return True
        return False

    def ready_for(self, jobs: Sequence[Job], loop: For) -> None:
        loaded = set(_loads(loop))
        inside = {t for j in jobs for t in j.writes}
        for t in dict.fromkeys(t for j in jobs for t in j.reads if t not in loaded | inside):
            if t in self.out - self.on and self.complete(t) and self.rng.random() < 0.2:
                self.items.append(Load(t, MEMORY))
                self.on.add(t)

    def _draw(self, jobs: Sequence[Job], homes: dict[str, str], made: set[str]) -> For:
        rng = self.rng
        body: list[Item] = []
        free = [t for t in dict.fromkeys(t for j in jobs for t in j.reads) if t in self.out - self.on - made and self.complete(t)]
        by_tile = [t for t in free if self.f.by_tile and rng.random() < 0.3]
        for j in jobs:
            for t in [t for t in by_tile if t in j.reads]:
                body.insert(rng.choice((len(body), rng.randint(0, len(body)))), Load(t, MEMORY))
                by_tile.remove(t)
            body.append(Run(j.name, homes[j.name]))
        if self.f.depth > 1 and rng.random() < 0.4:
            ends = sorted({0, *rng.sample(range(len(body) + 1), min(2, len(body))), len(body)})
            spans = list(pairwise(ends))[::-1]  # from the back, so that places in front stay
            chosen = rng.sample(spans, 1 if rng.random() < 0.7 else min(2, len(spans)))
            for a, b in (span for span in spans if span in chosen):
                members = [self.graph.job(x.job) for x in body[a:b] if isinstance(x, Run)]
                if members:
                    body[a:b] = [self._for(members, tuple(body[a:b]))]
        return self._for(jobs, tuple(body))

    def _for(self, jobs: Sequence[Job], body: tuple[Item, ...]) -> For:
        ends = [j for j in jobs if not any(set(j.writes) & set(o.reads) for o in jobs if o is not j)]
        sink = self.rng.choice(ends)
        op = sink.steps[0].layer
        kept = [(d, n) for d, n in op.dims if any(d in t.dims for t in op.results)]
        dim, bound = self.rng.choice(kept if kept and self.rng.random() < 0.9 else op.dims)
        return For(sink.name, dim, self.rng.randint(1, bound), body, self.f.recompute and self.rng.random() < 0.25)


def _loads(loop: For) -> Iterator[str]:
    for item in loop.body:
        if isinstance(item, Load):
            yield item.tensor
        elif isinstance(item, For):
            yield from _loads(item)


def random_schedule(rng: random.Random, graph: JobGraph, f: Features | None = None) -> Schedule:
    """A legal schedule that runs the jobs in order: some alone, some in loops, with loads, stores and frees anywhere."""
    s, at = _State(rng, graph, f or Features()), 0
    while at < len(graph.jobs):
        n = min(rng.choice((1, 2, 2, 3, 3, 4, 5)), len(graph.jobs) - at)
        if rng.random() < s.f.loops and s.loop(graph.jobs[at : at + n]):
            at += n
        else:
            s.run(graph.jobs[at])
            at += 1
        s.after()
    stores = [Store(t) for t in graph.tensors if graph.lasts(t) and t not in s.out]
    return Schedule((*s.items, *stores))

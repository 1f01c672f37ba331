"""Schedules of whole networks: equal to trying every program, never worse than layer by layer, and what they claim adds up."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from picojoule.errors import NoMapping, SpecError
from picojoule.hardware.chip import Chip
from picojoule.hardware.chipfile.read import chip_from_yaml, load_chip
from picojoule.schedule.jobs import JobGraph
from picojoule.schedule.program import parse
from picojoule.schedule.residence import Moved, Ran, homes
from picojoule.search.cache import Cache
from picojoule.search.crew import Crew
from picojoule.search.network import map_network
from picojoule.search.optimal import best_mapping
from picojoule.search.schedules.pricing import LayerCurves, Question, copied, passing, question, with_room
from picojoule.search.schedules.schedule_network import evaluate_schedule, schedule_network
from picojoule.workload.access import Access, Layout
from picojoule.workload.layer import gemm
from picojoule.workload.load import load_model
from picojoule.workload.network import Network, NetworkTensor, Persistence, Step
from picojoule.workload.op import Body, Op, Tensor, one
from picojoule.workload.zoo.zoo import model

CHIP = """
chip: tiny
clock: 1 MHz
levels:
  - memory: {name: DRAM, word: 8 b, read: 20 pJ, write: 22 pJ, bandwidth: 8 MB/s}
  - memory: {name: H, size: 64 B, word: 8 b, read: 3 pJ, write: 4 pJ, may_keep: all, bandwidth: 16 MB/s}
compute: {mac: 1 pJ, operands: 8 b}
"""


def tiny(words: int) -> Chip:
    return chip_from_yaml(CHIP.replace("64 B", f"{words} B"), "tiny.yaml")


def access(operand: str, tensor: str, shape: tuple[int, ...]) -> Access:
    return Access(operand=operand, tensor=tensor, layout=Layout.of(shape))


class Sketch:
    """Builds a network of matrix products and additions, tensor by tensor."""

    def __init__(self, rows: int, columns: int) -> None:
        self.tensors = [NetworkTensor(name="x", shape=(rows, columns), bits=8, persistence=Persistence.INPUT)]
        self.steps: list[Step] = []

    def product(self, source: NetworkTensor, columns: int) -> NetworkTensor:
        (m, k), n = source.shape, len(self.steps)
        w = NetworkTensor(name=f"w{n}", shape=(k, columns), bits=8, persistence=Persistence.PARAMETER)
        z = NetworkTensor(name=f"t{n}", shape=(m, columns), bits=8)
        layer = gemm(f"g{n}", M=m, N=columns, K=k, bits=8)
        accesses = (access("A", source.name, source.shape), access("B", w.name, w.shape), access("Z", z.name, z.shape))
        self.steps.append(Step(layer, accesses))
        self.tensors += [w, z]
        return z

    def sum(self, a: NetworkTensor, b: NetworkTensor) -> NetworkTensor:
        (m, k), n = a.shape, len(self.steps)
        z = NetworkTensor(name=f"t{n}", shape=a.shape, bits=8)
        ranks = (one("m"), one("k"))
        parts = tuple(Tensor(name, role, ranks, 8) for name, role in (("X", "input"), ("Y", "input"), ("Z", "output")))
        op = Op(f"a{n}", "Add", (("m", m), ("k", k)), parts, body=Body.MAP, ops=m * k)
        self.steps.append(Step(op, tuple(access(p, t.name, t.shape) for p, t in (("X", a), ("Y", b), ("Z", z)))))
        self.tensors.append(z)
        return z

    def network(self) -> Network:
        read = {a.tensor for s in self.steps for a in s.accesses if s.layer.tensor(a.operand).role != "output"}
        made = {a.tensor for s in self.steps for a in s.accesses if s.layer.tensor(a.operand).role == "output"}
        ends = {t.name: replace(t, persistence=Persistence.OUTPUT) for t in self.tensors if t.name in made - read}
        return Network("sketch", tuple(self.steps), tuple(ends.get(t.name, t) for t in self.tensors))


def sketch(seed: int) -> Network:
    """A chain, with residual connections and a branch here and there."""
    rng = random.Random(seed)
    s = Sketch(rng.choice((2, 3, 4)), rng.choice((2, 3, 4)))
    known = [s.tensors[0]]
    for _ in range(rng.randint(2, 4)):
        last = known[-1] if rng.random() < 0.8 else rng.choice(known)
        alike = [t for t in known[:-1] if t.shape == last.shape]
        known.append(s.sum(last, rng.choice(alike)) if alike and rng.random() < 0.5 else s.product(last, rng.choice((2, 3, 4))))
    return s.network()


# -- every program there is ----------------------------------------------------------------------------------------------
@cache
def front(layer: object, chip: Chip, homes: tuple[tuple[str, str], ...]) -> tuple[tuple[float, float], ...]:
    try:
        found = best_mapping(layer, chip, "front", homes=dict(homes))  # type: ignore[arg-type]
    except NoMapping:
        return ()
    return tuple((p.energy_pj, p.cycles) for p in found.front)


def undominated(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    out: list[tuple[float, float]] = []
    for e, c in sorted(set(points)):
        if not out or c < out[-1][1] - 1e-9:
            out.append((e, c))
    return out


def every_program(graph: JobGraph) -> list[tuple[float, float]]:
    """The front of energies and cycles of all programs: any load, store and free anywhere, weights included."""
    memory = graph.chip.memory("H")
    room = memory.usable_bits()
    start = (0, frozenset(t for t in graph.tensors if graph.given(t)), frozenset())
    best: dict[object, list[tuple[float, float]]] = {start: [(0.0, 0.0)]}
    queue, order, ends = [(0.0, 0, start)], 1, []
    while queue:
        _, _, state = heapq.heappop(queue)
        labels = best[state]
        for following, costs in actions(graph, state, room, memory):
            grown = undominated([*best.get(following, []), *((e + x, c + y) for e, c in labels for x, y in costs)])
            if grown != best.get(following):
                best[following] = grown
                heapq.heappush(queue, (grown[0][0], order, following))
                order += 1
    for (at, outside, _), labels in best.items():  # type: ignore[misc]
        if at == len(graph.jobs) and all(t in outside for t in graph.tensors if graph.lasts(t)):
            ends += labels
    return undominated(ends)


def actions(graph: JobGraph, state, room: int, memory) -> Iterator[tuple[object, list[tuple[float, float]]]]:
    at, outside, inside = state
    held = sum(graph.bits(t) for t in inside)
    live = {t for t in graph.tensors if any(r >= at for r in graph.readers[t]) or graph.lasts(t)}
    for t in live:
        if (
            t in outside
            and t not in inside
            and held + graph.bits(t) <= room
            and graph.tensors[t].persistence is not Persistence.PARAMETER
        ):
            yield (at, outside, inside | {t}), [move(graph, memory, t, True)]
        if t in inside and t not in outside:
            yield (at, outside | {t}, inside), [move(graph, memory, t, False)]
    for t in inside:
        if t in outside or t not in live:
            yield (at, outside, inside - {t}), [(0.0, 0.0)]
    if at == len(graph.jobs):
        return
    job = graph.jobs[at]
    if any(t not in outside and t not in inside for t in job.reads):
        return
    for kept in (False, True):
        taken = held + (sum(graph.bits(t) for t in job.writes) if kept else 0)
        if taken > room:
            continue
        ran = Ran(
            job=job,
            ops=tuple(s.layer for s in job.steps),
            inside=frozenset(t for t in job.reads if t in inside),
            kept=kept,
            held_bits=taken,
        )
        points = prices(graph, memory, ran, room)
        made = frozenset(job.writes)
        yield (at + 1, outside - made if kept else outside | made, inside | made if kept else inside), points


def move(graph: JobGraph, memory, tensor: str, into: bool) -> tuple[float, float]:
    cost = copied(graph, memory, Moved(tensor=tensor, elements=graph.tensors[tensor].elements, into=into, held_bits=0))
    return cost.energy_pj, cost.cycles


def prices(graph: JobGraph, memory, ran: Ran, room: int) -> list[tuple[float, float]]:
    chip = with_room(graph.chip, memory.name, room - ran.held_bits)
    others = [p.cost for p in passing(graph, memory, ran, chip)]
    e, c = sum(x.energy_pj for x in others), sum(x.cycles for x in others)
    q = question(graph, memory, ran)
    if q is None:
        return [(e, c)]
    return [(e + x, c + y) for x, y in front(q.layer, chip, q.homes)]


@pytest.mark.parametrize("seed", range(12))
def test_the_search_finds_what_trying_every_program_finds(seed: int) -> None:
    network, chip = sketch(seed), tiny(random.Random(seed).choice((8, 12, 16, 24, 40)))
    true = every_program(JobGraph(network, chip))
    least = {"energy": min(e for e, _ in true), "latency": min(c for _, c in true), "edp": min(e * c for e, c in true)}
    for objective, value in least.items():
        found = schedule_network(network, chip, objective, jobs=1, cache=False)
        assert found.proved, objective
        assert math.isclose(found.value, value, rel_tol=1e-9), objective


# -- laws ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("objective", ["energy", "latency", "edp"])
def test_a_schedule_is_no_worse_than_layer_by_layer_and_adds_up(objective: str) -> None:
    network, chip = model("lenet5"), load_chip("eyeriss")
    alone = map_network(network, chip, objective, jobs=1)
    done = schedule_network(network, chip, objective, jobs=1)
    assert done.proved
    assert done.alone is not None
    e, c = done.alone
    assert {"energy": e, "latency": c, "edp": e * c}[objective] == pytest.approx(
        {"energy": alone.energy_pj, "latency": alone.cycles, "edp": alone.energy_pj * alone.cycles}[objective], rel=1e-9
    )
    assert done.value <= {"energy": e, "latency": c, "edp": e * c}[objective] * (1 + 1e-9)
    assert sum(done.by("component").values()) == pytest.approx(done.energy_pj, rel=1e-12)
    again = evaluate_schedule(network, chip, parse(str(done.schedule)), objective, jobs=1)
    assert again.value <= done.value * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("objective", ["energy", "latency", "edp"])
def test_loops_are_no_worse_than_keeping_and_that_than_layer_by_layer(objective: str, seed: int) -> None:
    network, chip = sketch(seed), tiny(14)
    kept, looped = (schedule_network(network, chip, objective, fuse=f, jobs=1, cache=False) for f in ("keep", "loops"))
    assert kept.alone is not None
    e, c = kept.alone
    assert kept.proved
    assert looped.proved
    assert kept.value <= {"energy": e, "latency": c, "edp": e * c}[objective] * (1 + 1e-9)
    assert looped.value <= kept.value * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_quick_bounds_lie_below_every_mapping(seed: int) -> None:
    """Compulsory words and MACs, on chips with several levels, homes and fan-outs."""
    rng = random.Random(seed)
    chip = load_chip(rng.choice(("eyeriss", "edge-npu", "tpu-v4i-like", "simple3", "gemmini-like")))
    layer = gemm("g", M=rng.randint(1, 9), N=rng.randint(1, 9), K=rng.randint(1, 9), bits=8)
    memory = next(iter(homes(chip)), None)
    names = [t.name for t in layer.tensors if memory is not None and memory.keeps_role(t.role) != "never" and rng.random() < 0.5]
    at = tuple((n, memory.name) for n in names if memory is not None)
    with Crew(1, 1, Cache(False), None) as crew:
        curves = LayerCurves(chip, memory, "energy", "default", crew)
        pj, cycles = curves.compulsory(Question(layer, at, math.inf))
    front = best_mapping(layer, chip, "front", homes=dict(at)).front
    assert pj <= min(p.energy_pj for p in front) * (1 + 1e-9)
    assert cycles <= min(p.cycles for p in front) * (1 + 1e-9)


def test_more_room_never_hurts() -> None:
    values = [schedule_network(sketch(3), tiny(n), "energy", jobs=1, cache=False).value for n in (6, 10, 16, 30, 60, 200)]
    assert all(b <= a * (1 + 1e-12) for a, b in itertools.pairwise(values))


def test_with_room_for_all_only_inputs_weights_and_results_pass_outside() -> None:
    network = sketch(5)
    done = schedule_network(network, tiny(10_000), "energy", jobs=1, cache=False)
    ends = [t for t in network.tensors if t.persistence is not Persistence.ACTIVATION]
    assert done.outside_words == sum(t.elements for t in ends)


def test_a_chip_without_a_home_schedules_layer_by_layer() -> None:
    network, chip = load_model("lenet5", bits=8), load_chip("nvdla-like")
    done = schedule_network(network, chip, "energy", jobs=1)
    assert done.memory == ""
    assert done.value == pytest.approx(map_network(network, chip, "energy", jobs=1).energy_pj)


def test_a_time_limit_leaves_a_valid_gap() -> None:
    network, chip = model("lenet5"), load_chip("eyeriss")
    best = schedule_network(network, chip, "energy", jobs=1)
    short = schedule_network(network, chip, "energy", jobs=1, cache=False, time_limit=0.05)
    assert short.value >= best.value * (1 - 1e-9)
    assert short.proved or short.value / (1 + short.gap) <= best.value * (1 + 1e-9)


def test_bad_questions_are_refused() -> None:
    chip = load_chip("eyeriss")
    with pytest.raises(SpecError, match="unknown objective of a schedule 'front'"):
        schedule_network(model("lenet5"), chip, "front")
    with pytest.raises(SpecError, match="unknown kind of fusion 'all'"):
        schedule_network(model("lenet5"), chip, fuse="all")
    with pytest.raises(SpecError, match="does not say which tensors its layers share"):
        schedule_network(Network("bare", model("lenet5").steps), chip)
    with pytest.raises(SpecError, match="stay in the arrays of isaac"):
        schedule_network(model("lenet5"), load_chip("isaac"))

"""What a job computes, on real arrays: whole numbers modulo a prime, so that any order of sums gives the same.

Each element of each tensor of the network has one number. `Elements.touched` says which of them an operand is at each point of
its operator's dimensions (through the view and the parts that make it up), -1 for padding. All else is told from these sets.

A MAC job is its einsum. Any other operator is a function with its dependencies, not the one of its name: a polynomial of its
operands, multiplied, summed over the dimensions that its result lacks; where dimensions of the result must be whole, the sum over
them is mixed in. Padding adds nothing. Where nobody says which elements an operand has (rows of a table), they follow each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from math import prod

import numpy as np

from picojoule.errors import SpecError
from picojoule.schedule.jobs import Job, JobGraph
from picojoule.workload.access import Access
from picojoule.workload.network import Persistence, Step, mac_step
from picojoule.workload.op import Body, Op, Tensor

PRIME = 2**31 - 1  # the product of two numbers fits 64 bits
POISON = -1  # in place of a number that is not there
PADDING = -1  # in place of an element

Ints = np.ndarray  # of 64-bit integers
Box = Mapping[str, tuple[int, int]]  # from and to of a dimension; whole where it is not named
Made = dict[str, tuple[Ints, Ints]]  # tensor -> elements and their numbers


class Elements:
    """Every element of the network's tensors, by number, and what operands are in terms of them."""

    def __init__(self, graph: JobGraph) -> None:
        self.graph = graph
        tensors = graph.network.tensors
        ends = list(itertools.accumulate((t.elements for t in tensors), initial=0))
        self.total = ends[-1]
        self._span = {t.name: range(a, b) for t, a, b in zip(tensors, ends, ends[1:], strict=False)}
        self._touched: dict[tuple[int, str], Ints] = {}

    def of(self, tensor: str) -> slice:
        """Where the tensor's elements stand."""
        span = self._span[tensor]
        return slice(span.start, span.stop)

    def index(self, tensor: str, axis: int) -> Ints:
        """For each element of the tensor its index along one axis."""
        return np.indices(self.graph.network.tensor(tensor).shape)[axis].ravel()

    def touched(self, step: Step[Op], operand: Tensor, box: Box | None = None) -> Ints:
        """Elements that the operand is, by repetition, then by each dimension of the operator (length 1 where it lacks it)."""
        key = id(step), operand.name
        if key not in self._touched:
            self._touched[key] = self._everywhere(step, operand)
        cut = [slice(*box[d]) if box and d in box and d in operand.dims else slice(None) for d, _ in step.layer.dims]
        return self._touched[key][(slice(None), *cut)]

    def _everywhere(self, step: Step[Op], operand: Tensor) -> Ints:
        places: list[Ints] = []  # the index of each rank at each point
        inside = np.array(True)
        for r in operand.ranks:
            at = np.array(r.offset)
            for c, dim in r.terms:
                at = at + c * _along(step.layer, dim)
            inside = inside & (at >= 0) & (at < (r.size if r.size is not None else np.inf))
            places.append(at)
        shape = (1, *(n if d in operand.dims else 1 for d, n in step.layer.dims))
        accesses = step.accesses_of(operand.name)
        if len(accesses) == 1 and accesses[0].layout is None and operand.role != "output":
            span = self._span[accesses[0].tensor]
            return span.start + np.arange(prod(shape)).reshape(shape) % len(span)
        if not accesses or any(a.layout is None for a in accesses):
            raise SpecError(
                f"{step.layer.name}: which elements its operand {operand.name} has is not said",
                hint="only networks whose accesses have layouts can be walked",
            )
        found = np.full(shape, PADDING)
        for a in accesses:
            part, number = self._part(a, places, step.count)
            found = np.where(part & inside, number, found)
        return found

    def _part(self, access: Access, places: list[Ints], count: int) -> tuple[Ints, Ints]:
        """(where the operand is of this tensor, the element's number there)."""
        assert access.layout is not None
        shape = self.graph.network.tensor(access.tensor).shape
        strides = [prod(shape[i + 1 :]) for i in range(len(shape))]
        here = np.array(True)
        number = np.array(self._span[access.tensor].start + sum(b * s for b, s in zip(access.layout.begin, strides, strict=True)))
        begins = access.at or (0,) * len(places)
        for at, begin, digits in zip(places, begins, access.layout.axes, strict=True):
            left, size = at - begin, prod(d.size for d in digits)
            here = here & (left >= 0) & (left < size)
            for d in reversed(digits):
                number = number + left % d.size * d.stride * strides[d.axis]
                left = left // d.size
        if access.repeats is not None:
            again = np.arange(count).reshape(-1, *(1,) * (number.ndim - 1 if number.ndim else 0))
            number = number + again * access.repeats.stride * strides[access.repeats.axis]
        return here, number


def _along(op: Op, dim: str) -> Ints:
    """The places of one dimension, as an axis of all of them (repetitions first)."""
    shape = [1] + [n if d == dim else 1 for d, n in op.dims]
    return np.arange(op.bounds[dim]).reshape(shape)


def given(graph: JobGraph, elements: Elements, seed: int) -> Ints:
    """Numbers for all that is there before the run: inputs, parameters, what a cache has from before. Poison elsewhere."""
    rng = np.random.default_rng(seed)
    values = np.full(elements.total, POISON)
    made = {name for s in graph.network.steps for name in s.outputs}
    for t in graph.network.tensors:
        if t.name not in made or t.persistence is Persistence.CACHE:
            values[elements.of(t.name)] = rng.integers(0, PRIME, t.elements)
    for step in graph.network.steps:
        for result in step.layer.results:
            ids = elements.touched(step, result)
            values[ids[ids >= 0]] = POISON
    return values


def plain(graph: JobGraph, seed: int = 0) -> dict[str, Ints]:
    """The numbers of all that the jobs leave, each job run whole, in order: what any schedule has to give."""
    elements = Elements(graph)
    values = given(graph, elements, seed)
    for job in graph.jobs:
        for ids, numbers in compute(elements, job, [{}] * len(job.steps), lambda step, operand, ids: values[ids]).values():
            values[ids] = numbers
    return {name: values[elements.of(name)] for j in graph.jobs for name in j.writes}


Reader = Callable[[Step[Op], Tensor, Ints], Ints]  # numbers of elements of an operand that the job does not make itself


def compute(elements: Elements, job: Job, boxes: Iterable[Box], read: Reader) -> Made:
    """What the job leaves where each of its operators works on its box."""
    own = {name for s in job.steps for name in s.outputs}
    here = np.full(elements.total, POISON)  # what has been made on the way
    mine = np.zeros(elements.total, bool)
    for name in own:
        mine[elements.of(name)] = True
    done = np.zeros(elements.total, bool)
    for step, box in zip(job.steps, boxes, strict=True):
        if idle(job, step):
            continue
        operands = []
        for t in step.layer.operands:
            ids = elements.touched(step, t, box)
            valid = ids >= 0
            values = np.zeros(ids.shape, np.int64)
            inner = valid & mine[ids]
            values[inner] = here[ids[inner]]
            if (outer := valid & ~mine[ids]).any():
                values[outer] = read(step, t, ids[outer])
            if (values[valid] < 0).any():
                raise SpecError(
                    f"{job.name}: {step.layer.name} reads what is not there", hint="its producer has to run before it"
                )
            operands.append((t, values, valid))
        for result in results_of(step):
            ids = elements.touched(step, result, box)
            values = np.broadcast_to(_value(step, result, operands, box)[-ids.shape[0] :], ids.shape)
            written, again = np.unique(ids[ids >= 0], return_inverse=True)
            here[written] = 0
            np.add.at(here, written[again], values[ids >= 0])  # what several points make is their sum
            here[written] %= PRIME
            done[written] = True
    out: Made = {}
    for name in job.writes:
        span = elements.of(name)
        made = np.flatnonzero(done[span]) + span.start
        out[name] = made, here[made]
    return out


def idle(job: Job, step: Step[Op]) -> bool:
    """Whether it is a view, which does nothing."""
    return any(p.step is step and p.how == "view" for p in job.passing)


def results_of(step: Step[Op]) -> tuple[Tensor, ...]:
    """What the operator writes: its results, or its first operand where it works in place."""
    op = step.layer
    return op.results or tuple(t for t in op.operands if not t.learned)[:1]


def _value(step: Step[Op], result: Tensor, operands: list[tuple[Tensor, Ints, Ints]], box: Box) -> Ints:
    """The numbers of one result over the box; the dimensions that it lacks are summed."""
    op, mac = step.layer, mac_step(step) is not None
    results = results_of(step)
    if op.body is Body.MOVE and len(results) == len(operands) > 1:  # parts joined or cut: one operand for each result
        operands = [operands[results.index(result)]]
    counts = [box[d][1] - box[d][0] if d in box else n for d, n in op.dims]
    value: Ints = np.ones((1, *(1 for _ in counts)), np.int64)
    for k, (_, x, valid) in enumerate(operands):
        mixed = x if mac else np.where(valid, (x * x % PRIME + (3 + k) * x + 1 + k) % PRIME, 0)
        value = value * mixed % PRIME
    value = np.broadcast_to(value, (value.shape[0], *counts))
    for i, (d, _) in enumerate(op.dims, 1):
        if d not in result.dims:
            value = value.sum(axis=i, keepdims=True) % PRIME
    whole = tuple(i for i, (d, _) in enumerate(op.dims, 1) if d in op.whole and d in result.dims)
    if whole:
        total = value.sum(axis=whole, keepdims=True) % PRIME
        value = (value * total + 5 * total) % PRIME
    return value

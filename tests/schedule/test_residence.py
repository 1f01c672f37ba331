"""What a schedule makes the chip do: whole tensors, chunks with their windows, room; and the one clear error of a wrong one."""

from __future__ import annotations

import pytest

from picojoule.errors import SpecError
from picojoule.hardware.chipfile.read import load_chip
from picojoule.schedule.jobs import JobGraph
from picojoule.schedule.program import Run, Schedule, parse
from picojoule.schedule.residence import Moved, Ran, homes, trace
from picojoule.workload.bits import AtOwnWidth
from picojoule.workload.zoo.zoo import model


def graph(name: str, chip: str) -> JobGraph:
    c = load_chip(chip)
    return JobGraph(AtOwnWidth(c.compute.bits)(model(name)), c)


LENET = graph("lenet5", "edge-npu")
RESNET = graph("resnet18", "edge-npu")
NAMES = [j.name for j in LENET.jobs]


def program(*first: str, graph: JobGraph = LENET) -> str:
    """The items, then every job that they do not name."""
    text = "\n".join(first)
    return "\n".join([text, *(j.name for j in graph.jobs if j.name not in text.replace(";", " ").split())])


def test_what_is_done_in_passing_is_part_of_a_job() -> None:
    at = {j.name: j for j in RESNET.jobs}
    assert [p.how for p in at["conv2_1.b"].passing] == ["folded", "drain", "drain"]
    assert at["conv2_1.b"].reads == ("conv2_1.a.relu", "conv2_1.b.weight", "pool1")
    assert at["conv2_1.b"].writes == ("conv2_1.relu",)


def test_layer_by_layer_holds_nothing() -> None:
    events = trace(LENET, Schedule(tuple(Run(n) for n in NAMES)))
    assert [e.job.name for e in events if isinstance(e, Ran)] == NAMES
    assert {e.held_bits for e in events} == {0}


def test_a_kept_tensor_is_read_on_chip_and_takes_its_room() -> None:
    first, second = trace(LENET, parse(program("c1 -> buffer", "s2", "free c1.tanh")))[:2]
    assert isinstance(first, Ran) and first.kept and first.held_bits == LENET.bits("c1.tanh")
    assert isinstance(second, Ran) and second.inside == {"c1.tanh"} and second.held_bits == LENET.bits("c1.tanh")


def test_a_loaded_tensor_is_in_both_places_until_it_is_freed() -> None:
    events = trace(LENET, parse(program("c1", "load c1.tanh -> buffer", "s2", "free c1.tanh")))
    copy = events[1]
    assert isinstance(copy, Moved) and copy.into and copy.elements == 6 * 28 * 28


def test_chunks_of_rows_partition_what_they_make() -> None:
    """Stem and first block of ResNet-18 by four rows: windows overlap, the work does not."""
    text = program(
        "for conv2_1.b.P by 4 {", "conv1 -> buffer", "pool1 -> buffer", "conv2_1.a -> buffer", "conv2_1.b", "}", graph=RESNET
    )
    events = [e for e in trace(RESNET, parse(text)) if isinstance(e, Ran)]
    rows = {"conv1": 112, "pool1": 56, "conv2_1.a": 56, "conv2_1.b": 56}
    for name, n in rows.items():
        mine = [e for e in events if e.job.name == name]
        dim = "a2" if name == "pool1" else "P"
        assert sum(e.times * e.ops[0].bounds[dim] for e in mine) == n
        assert (
            sum(e.times * e.ops[0].bounds[dim] for e in mine[:1])
            == {"conv1": 12, "pool1": 6, "conv2_1.a": 5, "conv2_1.b": 4}[name]
        )
    last = next(e for e in events if e.job.name == "conv2_1.b")
    assert last.inside == {"pool1", "conv2_1.a.relu"}
    row = 64 * 56 * RESNET.tensors["pool1"].bits
    # five rows of conv2_1.a.relu, six of pool1, which the residual reads again, one of conv1.relu, twice as wide, for pooling
    assert last.held_bits == (5 + 6 + 2) * row


def test_homes_are_memories_for_inputs_and_outputs_above_the_array() -> None:
    names = {chip: [m.name for m in homes(load_chip(chip))] for chip in ("eyeriss", "edge-npu", "tpu-v4i-like", "nvdla-like")}
    assert names == {"eyeriss": ["GLB"], "edge-npu": ["buffer"], "tpu-v4i-like": ["CMEM", "VMEM"], "nvdla-like": []}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (program("c1 -> buffer", "free c1.tanh"), "is needed later and is nowhere else"),
        (program("c1 -> buffer", "store c1.tanh", "store c1.tanh"), "is outside already"),
        (program("load c1.tanh -> buffer"), "c1.tanh is not outside"),
        (program("c1 -> buffer", "load c1.tanh -> buffer"), "is not outside"),
        (program("c1 -> bufer"), "'bufer' is no memory that keeps tensors"),
        (program("store c1.tanh", "c1"), "is not on chip"),
        (program("free c1.tanh", "c1"), "is not on chip"),
        (program("c1", "c1"), "c1 has run before"),
        ("c1", "s2 never runs"),
        (program("s2", "c1"), "s2 reads c1.tanh, which"),
        (program("c9"), "unknown job 'c9'"),
        (program("store nothing"), "no job leaves or reads a tensor 'nothing'"),
        ("\n".join(NAMES[:-1]) + "\noutput -> buffer", "is a result of the network and never goes outside"),
        (program("for s2.P by 3 {", "c1 -> buffer", "s2", "}"), "s2 has no dimension P"),
        (program("for s2.a2 by 3 {", "c1 -> buffer", "s2", "c3", "}"), "is no end of the loop"),
        (program("for c1.P by 3 {", "c1 -> buffer", "s2", "}"), "is no end of the loop"),
        (program("for c3.K by 3 {", "s2 -> buffer", "c3", "}", "c1"), "has no dimension of the class"),
        (program("for s2.a2 by 3 {", "c1 -> buffer", "s2", "store c1.tanh", "}"), "a loop stores and frees nothing"),
        (program("for s2.a2 by 3 {", "load c1.weight -> buffer", "c1 -> buffer", "s2", "}"), "load it before the loop"),
    ],
)
def test_a_wrong_schedule_is_refused_with_its_place(text: str, what: str) -> None:
    with pytest.raises(SpecError, match=what) as e:
        trace(LENET, parse(text), "mine")
    assert e.value.where.startswith("mine")
    assert e.value.hint


def test_what_does_not_fit_is_refused() -> None:
    small = graph("resnet18", "eyeriss")
    with pytest.raises(SpecError, match="GLB holds 819,200 b and 12,845,056 b are to be there"):
        trace(small, parse("conv1 -> GLB"))


def test_whole_rows_of_a_softmax_are_not_cut() -> None:
    g = graph("bert-base", "edge-npu")
    at = next(i for i, j in enumerate(g.jobs) if j.name == "layer0.attention.qk")
    before, after = [j.name for j in g.jobs[:at]], [j.name for j in g.jobs[at + 3 :]]
    three = "layer0.attention.qk -> buffer; layer0.attention.softmax -> buffer; layer0.attention.pv"
    for dim, fine in (("H", True), ("M", True), ("N", False)):
        text = "; ".join([*before, f"for layer0.attention.pv.{dim} by 4 {{ {three} }}", *after])
        if fine:
            trace(g, parse(text))
        else:
            with pytest.raises(SpecError, match="no dimension of the class"):
                trace(g, parse(text))

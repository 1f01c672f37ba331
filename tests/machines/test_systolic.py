"""Cycles of a systolic array equal a walk of its registers, which computes the right product."""

from __future__ import annotations

import json
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import picojoule
from picojoule.errors import SpecError
from picojoule.machines.systolic.systolic import DATAFLOWS, Array, Product, array_size, as_product, systolic, timing
from picojoule.machines.systolic.walk import walk
from picojoule.reproduction.experiments import systolic_cycles
from picojoule.workload.layer import conv, gemm
from tests.commands.run import pj

SIDE, SIZE = st.integers(1, 5), st.integers(1, 11)


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, Array, str]:
    flow = draw(st.sampled_from(DATAFLOWS))
    array = Array(
        rows=draw(SIDE), columns=draw(SIDE), preload_overlap=draw(st.booleans()), drain=draw(st.booleans()) and flow == "os"
    )
    m, n, k = draw(SIZE), draw(SIZE), draw(SIZE)
    numbers = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return numbers.integers(1, 99, (m, k)), numbers.integers(1, 99, (k, n)), array, flow


@settings(deadline=None, max_examples=150)
@given(cases())
def test_the_closed_form_equals_a_walk_of_the_registers(case: tuple[np.ndarray, np.ndarray, Array, str]) -> None:
    a, b, array, flow = case
    walked = walk(a, b, array, flow)
    assert (walked.result == a @ b).all()
    assert timing(Product(M=a.shape[0], N=b.shape[1], K=a.shape[1]), array, flow).cycles == walked.cycles


@pytest.mark.parametrize("flow", DATAFLOWS)
@pytest.mark.parametrize("streamed", [2, 7])
def test_folds_that_follow_faster_than_the_closed_form_says_give_wrong_numbers(flow: str, streamed: int) -> None:
    array = Array(rows=4, columns=3, preload_overlap=True, drain=flow == "os")
    m, n, k = {"ws": (streamed, 6, 8), "is": (6, streamed, 8), "os": (8, 6, streamed)}[flow]
    numbers = np.random.default_rng(1)
    a, b = numbers.integers(1, 99, (m, k)), numbers.integers(1, 99, (k, n))
    least = max(streamed, array.rows)
    assert (walk(a, b, array, flow, pitch=least).result == a @ b).all()
    assert (walk(a, b, array, flow, pitch=least - 1).result != a @ b).any()


def test_causes_add_up_and_overlap_never_costs_cycles() -> None:
    product = Product(M=50, N=70, K=90, count=3)
    for flow in DATAFLOWS:
        for drain in (False, True):
            apart, together = (
                timing(product, Array(rows=8, columns=16, preload_overlap=o, drain=drain), flow) for o in (False, True)
            )
            assert together.cycles <= apart.cycles
            assert 0 < apart.utilization <= together.utilization <= apart.mapping_efficiency <= 1
            for t in (apart, together):
                assert t.cycles == t.fill_cycles + t.stream_cycles + t.skew_cycles + t.drain_cycles


def test_a_convolution_is_a_product_of_pixels_filters_and_windows() -> None:
    layer = conv(K=128, C=64, P=14, Q=10, R=3, S=2, stride=2, batch=5, groups=4)
    assert as_product(layer) == Product(M=5 * 14 * 10, N=32, K=16 * 3 * 2, count=4)
    assert as_product(gemm(M=7, N=1, K=9, batch=3)) == Product(M=7, N=1, K=9, count=3)
    assert as_product(gemm(M=1, N=1, K=1)).macs == 1


def test_a_network_is_the_sum_of_its_layers() -> None:
    network = picojoule.load_model("alexnet")
    array = Array(rows=12, columns=14)
    timed = picojoule.systolic(network, array, "os")
    assert timed.macs == network.macs
    assert timed.cycles == sum(t.cycles * n for t, n in zip(timed.layers, timed.counts, strict=True))


def test_the_golden_points_without_their_quirks_differ_by_one_cycle_each() -> None:
    """The tool's own closed form, written out, so that a wrong term of ours cannot hide behind a wrong term of its."""
    for point in systolic_cycles.points():
        r, c = int(point["rows"]), int(point["columns"])
        p = as_product(systolic_cycles.layer_of(point, as_the_tool=True))
        form = {
            "ws": ceil(p.K / r) * ceil(p.N / c) * (2 * r + c + p.M - 2),
            "os": ceil(p.M / r) * ceil(p.N / c) * (r + c + p.K - 2),
            "is": ceil(p.K / r) * ceil(p.M / c) * (2 * r + c + p.N - 2),
        }
        ours = timing(p, Array(rows=r, columns=c), point["dataflow"]).cycles
        assert form[point["dataflow"]] == ours == int(point["cycles"]) + 1


def test_a_wrong_constant_makes_the_golden_experiment_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    real = systolic_cycles.timing
    monkeypatch.setattr(systolic_cycles, "timing", lambda p, a, d: real(p, Array(rows=a.rows, columns=a.columns + 1), d))
    assert not all(c.holds for c in systolic_cycles.EXPERIMENT.run(lambda *_: None).checks)  # type: ignore[misc]


def test_the_command_prints_cycles_by_cause_and_json() -> None:
    code, out, err = pj("systolic", "gemm:M=512,N=33,K=31", "--array", "32x32", "--dataflow", "ws")
    assert code == 0 and err == "" and "1,212 cycles" in out
    code, out, _ = pj("systolic", "gemm:M=512,N=33,K=31", "--json", "--preload-overlap")
    value = json.loads(out)
    assert value["totals"]["cycles"] == 32 + 2 * 512 + 62 and value["array"]["preload_overlap"] is True
    assert {"M", "N", "K", "folds", "cycles", "utilization"} <= value["layers"][0].keys()
    code, out, _ = pj("systolic", "alexnet", "--layer", "conv3", "--array", "12x14", "--dataflow", "os", "--drain", "--json")
    assert code == 0 and [x["name"] for x in json.loads(out)["layers"]] == ["conv3"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gemm:M=2,N=2,K=2", "--array", "32"], ["--array: '32' is no array", "such as 32x32"]),
        (["gemm:M=2,N=2,K=2", "--array", "0x4"], ["'0x4' is no array"]),
        (["gemm:M=2,N=2,K=2", "--dataflow", "rs"], ["--dataflow: unknown value 'rs'", "did you mean 'ws'?"]),
        (["alexnet", "--layer", "conv9"], ["unknown layer 'conv9'"]),
    ],
)
def test_bad_input_says_what_to_write(arguments: list[str], words: list[str]) -> None:
    code, out, err = pj("systolic", *arguments)
    assert (code, out) == (2, "") and all(w in err for w in words), err


def test_values_that_cannot_be_are_refused() -> None:
    for made in (lambda: Array(rows=0, columns=3), lambda: Product(M=0, N=1, K=1), lambda: array_size("ax3")):
        with pytest.raises(SpecError):
            made()
    with pytest.raises(SpecError, match="unknown dataflow 'row'"):
        systolic(picojoule.load_model("gemm:M=2,N=2,K=2"), Array(rows=2, columns=2), "row")

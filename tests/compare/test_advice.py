"""Advice: changes are what they say, predictions are mappings that exist, gains are of runs, the predicted best is the best."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import picojoule
from picojoule.compare.advice import Advice, advise, first_look
from picojoule.errors import SpecError
from picojoule.explore.changes import GROWN, changes
from picojoule.hardware.chip import Chip
from picojoule.machines.answer import Ask
from tests.commands.run import pj

GEMM = "gemm:M=32,N=64,K=64"
CONV = "conv:K=16,C=16,P=14,Q=14,R=3,S=3,pad=1"
GEMV = "gemm:M=1,N=256,K=256"
PAIRS = [  # (network, chip, objective) of the default suite: small, and different in what limits them
    (GEMM, "eyeriss", "edp"), (GEMM, "eyeriss", "energy"), (GEMM, "eyeriss", "latency"), (GEMM, "nvdla-small-like", "edp"),
    (GEMM, "nvdla-small-like", "latency"), (GEMM, "tpu-v1", "edp"), (CONV, "nvdla-small-like", "edp"),
    (GEMV, "nvdla-small-like", "latency"),
]  # fmt: skip
NETWORKS = [  # longer, whole networks among them
    (GEMV, "eyeriss", "energy"), (CONV, "eyeriss", "latency"), ("lenet5", "eyeriss", "edp"), ("lenet5", "tpu-v1", "edp"),
    ("lenet5", "nvdla-small-like", "edp"), ("lenet5", "nvdla-small-like", "latency"), ("lenet5", "nvdla-like", "edp"),
    ("lenet5", "simba-like", "edp"), ("alexnet", "eyeriss", "edp"), ("alexnet", "tpu-v1", "edp"),
    ("alexnet", "nvdla-small-like", "edp"), ("resnet18", "tpu-v1", "edp"),
]  # fmt: skip


def given(model: str, chip: str, objective: str) -> Advice:
    return advise(model, picojoule.load_chip(chip), objective, ask=Ask(jobs=1))


@pytest.mark.parametrize(("model", "chip", "objective"), [*PAIRS, *(pytest.param(*n, marks=pytest.mark.slow) for n in NETWORKS)])
def test_the_predicted_best_change_is_the_best_of_all_that_were_run(model: str, chip: str, objective: str) -> None:
    a = given(model, chip, objective)
    assert a.right, [(t.change.name, t.predicted_gain, t.gain) for t in a.tried]
    gains = [t.gain for t in a.tried if t.gain is not None]
    assert len(gains) >= 5 and gains == sorted(gains, reverse=True)
    assert {"bandwidth", "buffer", "PEs", "precision"} <= {t.change.kind for t in a.tried} and a.base.objective == objective


def test_gains_are_those_of_runs_by_hand() -> None:
    a = given(GEMM, "eyeriss", "energy")
    network = picojoule.load_model(GEMM, bits=16)
    base = picojoule.map_network(network, a.chip, "energy", space="perfect", jobs=1, cache=False)
    for t in a.tried:
        if t.change.bits is None and t.change.batch is None:
            after = picojoule.map_network(network, t.change.chip, "energy", space="perfect", jobs=1, cache=False)
            assert t.gain == pytest.approx(1 - after.energy_pj / base.energy_pj, abs=1e-9)
    half = next(t for t in a.tried if t.change.kind == "precision")
    after = picojoule.map_network(picojoule.load_model(GEMM, bits=8), a.chip, "energy", space="perfect", jobs=1)
    assert half.gain == pytest.approx(1 - after.energy_pj / base.energy_pj, abs=1e-9)


def test_a_prediction_is_never_better_than_the_run() -> None:
    chip, network = picojoule.load_chip("eyeriss"), picojoule.load_model(GEMM, bits=16)
    for objective in ("edp", "energy", "latency"):
        best = picojoule.map_network(network, chip, objective, space="perfect", jobs=1)
        value = {"energy": best.energy_pj, "latency": best.latency_s, "edp": best.energy_pj * best.latency_s}[objective]
        assert first_look(network, chip, objective, "perfect") >= value * (1 - 1e-9)


def test_changes_change_one_thing_and_nothing_is_free() -> None:
    chip = picojoule.load_chip("eyeriss")
    found = {c.name: c for c in changes(chip, 1, 16)}
    assert found["DRAM bandwidth x2"].chip.dram.ports[0].bits_per_cycle == 2 * chip.dram.ports[0].bits_per_cycle
    larger, glb = found["GLB size x2"].chip.memory("GLB"), chip.memory("GLB")
    assert larger.capacity_bits == 2 * (glb.capacity_bits or 0) and larger.read_pj == pytest.approx((glb.read_pj or 0) * GROWN)
    wider = found["array X x2 (PEs x2)"].chip
    assert wider.pes == 2 * chip.pes and wider.fanouts[0].transfer_pj == pytest.approx((chip.fanouts[0].transfer_pj or 0) * GROWN)
    assert found["8 b instead of 16 b"].bits == 8 and found["batch 2"].batch == 2
    assert not any(c.kind == "dataflow" for c in found.values()), "the array of Eyeriss is free already"
    assert not any(c.kind == "lanes" for c in found.values()), "Eyeriss declares no vector unit"
    npu = picojoule.load_chip("edge-npu")
    (lanes,) = [c.chip for c in changes(npu, 1, 8) if c.kind == "lanes"]
    assert npu.vector is not None and lanes == replace(npu, vector=replace(npu.vector, lanes=64))
    freed = next(c for c in changes(picojoule.load_chip("tpu-v1"), 1, 8) if c.kind == "dataflow").chip
    assert all(a.dims is None and not a.reuses for f in freed.fanouts for a in f.axes)
    assert all(c.price for c in found.values())
    same: list[Chip] = [c.chip for c in found.values() if c.bits or c.batch]
    assert all(c == chip for c in same)


def test_limits_name_what_binds() -> None:
    a = given("gemm:M=1,N=256,K=256", "nvdla-small-like", "latency")
    (limit,) = a.limits
    cost = a.base.layers[0].result.cost
    assert limit.waits_for == cost.bound_by and limit.latency_share == 1 and limit.energy_share == 1
    assert limit.slack >= 1 and 0 < limit.spent_share <= 1
    assert limit.best_gain == pytest.approx(a.best.gain) and limit.best_change == a.best.change.name


def test_a_change_that_helps_more_than_the_predicted_one_makes_the_advice_wrong() -> None:
    a = given(GEMM, "nvdla-small-like", "edp")
    worst = a.tried[-1]
    fooled = replace(a, tried=(*a.tried[:-1], replace(worst, predicted_gain=0.99)))
    assert a.right and not fooled.right


def test_the_command_prints_limits_changes_and_prices() -> None:
    code, out, err = pj("explain", GEMM, "--on", "nvdla-small-like", "--advice")
    assert code == 0, err
    assert "waits for" in out and "helps most:" in out and "what it costs" in out and "twice the pins or channels" in out
    code, out, _ = pj("explain", GEMM, "--on", "nvdla-small-like", "--advice", "--json")
    value = json.loads(out)
    assert code == 0 and value["best"] == value["changes"][0]["change"] and value["prediction_was_best"] is True
    for arguments, words in (
        (("--advice", "--mapping", "x"), "--mapping"),
        (("--advice", "--bits", "weight=4"), "one width"),
        (("--advice", "--objective", "front"), "unknown objective 'front'"),
    ):
        code, out, err = pj("explain", GEMM, "--on", "nvdla-small-like", *arguments)
        assert (code, out) == (2, "") and words in err and err.count("error: ") == 1


def test_an_unknown_objective_is_refused() -> None:
    with pytest.raises(SpecError, match="unknown objective 'speed'"):
        given(GEMM, "eyeriss", "speed")

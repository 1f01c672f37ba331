"""Whole networks: equal layers once, exact network objectives, time limits, the cache, and the same answer every time."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest

from picojoule.errors import NoMapping, SpecError
from picojoule.hardware.chipfile.read import load_chip
from picojoule.mapping.mapping import check
from picojoule.search.network import map_network
from picojoule.search.optimal import best_mapping
from picojoule.search.siblings import elders
from picojoule.workload.layer import conv, gemm
from picojoule.workload.load import load_model
from picojoule.workload.network import Network, Step


def small_network() -> Network:
    layers = [
        conv("a", K=16, C=8, P=14, Q=14, R=3, S=3, pad=1),
        gemm("b", M=1, N=64, K=128),
        conv("c", K=16, C=8, P=14, Q=14, R=3, S=3, pad=1),
    ]
    return Network("small", tuple(Step(x) for x in layers))


def test_equal_layers_are_mapped_once_and_counted_twice():
    result = map_network(small_network(), load_chip("eyeriss"), "energy", jobs=1, cache=False)
    assert [(x.names, x.count) for x in result.layers] == [(("a", "c"), 2), (("b",), 1)]
    assert result.energy_pj == pytest.approx(sum(x.count * x.result.cost.energy_pj for x in result.layers))
    assert result.proved


def test_network_edp_is_the_best_over_all_points_of_the_layers_fronts():
    network, chip = small_network(), load_chip("eyeriss")
    result = map_network(network, chip, "edp", jobs=1, cache=False)
    fronts = [best_mapping(x.result.layer, chip, "front").front for x in result.layers]
    counts = [x.count for x in result.layers]
    every = []
    for picks in itertools.product(*fronts):
        energy = sum(n * p.energy_pj for n, p in zip(counts, picks, strict=True))
        every.append(energy * sum(n * p.cycles for n, p in zip(counts, picks, strict=True)))
    assert result.proved
    assert result.energy_pj * result.cycles == pytest.approx(min(every), rel=1e-9)


def test_a_latency_limit_holds_and_costs_energy():
    network, chip = small_network(), load_chip("eyeriss")
    fast = map_network(network, chip, "latency", jobs=1, cache=False)
    free = map_network(network, chip, "energy", jobs=1, cache=False)
    limit = (fast.latency_s + free.latency_s) / 2
    within = map_network(network, chip, "energy", latency_s=limit, jobs=1, cache=False)
    assert within.latency_s <= limit
    assert free.energy_pj <= within.energy_pj * (1 + 1e-12)
    with pytest.raises(NoMapping, match="no mapping within"):
        map_network(network, chip, "energy", latency_s=fast.latency_s * 0.5, jobs=1, cache=False)


def test_one_and_two_processes_and_the_cache_give_the_same_certificates(tmp_path, monkeypatch):
    monkeypatch.setenv("PICOJOULE_CACHE", str(tmp_path))
    network, chip = small_network(), load_chip("eyeriss")
    runs = [map_network(network, chip, "edp", jobs=j, cache=c) for j, c in ((1, False), (2, True), (1, True))]
    texts = {json.dumps([x.result.certificate for x in r.layers] + [r.certificate], sort_keys=True) for r in runs}
    assert len(texts) == 1
    assert any(tmp_path.rglob("*.pickle"))


def test_a_time_limit_gives_an_answer_with_its_gap():
    network = load_model("conv:K=96,C=96,P=28,Q=28,R=3,S=3,pad=1,bits=8")
    result = map_network(network, load_chip("tpu-v4i-like"), "edp", time_limit=0.2, jobs=1, cache=False)
    assert not result.proved
    assert 0.0 < result.gap <= 1.0
    assert result.energy_pj > 0


def test_an_interrupt_gives_the_best_so_far(monkeypatch):
    import picojoule.search.crew as module

    real = module.work

    def work(task):
        if task.kind != "glance":
            raise KeyboardInterrupt
        return real(task)

    monkeypatch.setattr(module, "work", work)
    result = map_network(small_network(), load_chip("eyeriss"), "edp", jobs=1, cache=False)
    assert not result.proved
    assert result.certificate["interrupted"] is True
    assert result.energy_pj > 0


def test_bad_questions_are_refused():
    chip = load_chip("eyeriss")
    with pytest.raises(SpecError, match="no layer of multiply-accumulates"):
        map_network(Network("empty", ()), chip)
    with pytest.raises(SpecError, match="a latency limit goes with the objective energy"):
        map_network(small_network(), chip, "edp", latency_s=1.0)
    with pytest.raises(SpecError, match="unknown objective 'enrgy'"):
        map_network(small_network(), chip, "enrgy")


def test_operands_narrower_than_the_chip_declares_are_told():
    layer = gemm("g", M=4, N=4, K=8)
    narrow = replace(layer, tensors=tuple(replace(t, bits=4) for t in layer.tensors))
    for chip, told in (("eyeriss", True), ("fusion-like", False)):
        result = map_network(Network("n", (Step(narrow),)), load_chip(chip), "energy", jobs=1, cache=False)
        assert any("4 b" in n and "unpacking" in n for n in result.notes) == told
    assert not map_network(Network("n", (Step(layer),)), load_chip("eyeriss"), "energy", jobs=1, cache=False).notes


def test_layers_that_differ_in_zeros_alone_begin_where_the_first_one_ended():
    plain = conv("c", K=32, C=32, P=14, Q=14, R=3, S=3, pad=1)
    sparse = plain.with_density(weight=0.1, input=0.1)
    other = conv("d", K=32, C=32, P=14, Q=14, R=1, S=1)
    assert elders([sparse, other, plain, other, sparse]) == [None, None, 0, 1, 0]
    chip = load_chip("scnn-like")
    together = map_network(Network("n", (Step(sparse), Step(plain))), chip, "edp", jobs=1, cache=False)
    for x in together.layers:  # what fits the sparse layer compressed need not fit the other one
        check(x.result.mapping, x.result.layer, x.result.chip)
        assert 0.0 <= x.result.gap < 3.0

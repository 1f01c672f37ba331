"""Machines: who can answer, and that each answer is consistent with the model behind it."""

from __future__ import annotations

import pytest

import picojoule
from picojoule.errors import SpecError
from picojoule.machines.answer import Answer, Ask, Declined
from picojoule.machines.names import machine, machines

GEMM = "gemm:M=64,N=64,K=64"


def ask(name: str, model: str = GEMM, bits: int | None = None, **options: object) -> Answer:
    m = machine(name)
    return m.run(picojoule.load_model(model, bits=bits or m.native_bits), Ask(bits=bits, jobs=1, **options))  # type: ignore[arg-type]


def test_the_mapper_and_the_published_rooflines_are_machines() -> None:
    known = machines()
    assert "eyeriss" in known["chips"] and "h100_sxm" in known["published"]
    assert machine("eyeriss").native_bits == 16 and machine("tpu-v1").native_bits == 8
    assert machine("published:tpu_v1").name == "tpu_v1"


def test_a_mapped_chip_answers_what_the_mapper_says() -> None:
    a = ask("eyeriss")
    result = picojoule.map_network(picojoule.load_model(GEMM), picojoule.load_chip("eyeriss"), "edp", space="perfect", jobs=1)
    assert (a.energy_pj, a.latency_s, a.macs) == (result.energy_pj, result.latency_s, 64**3)
    assert a.offchip_inside and a.offchip_pj is not None and a.onchip_pj is not None
    assert a.offchip_pj + a.onchip_pj == pytest.approx(a.energy_pj)
    assert a.offchip_bytes is not None and a.offchip_bytes >= 3 * 64 * 64 * 2  # every tensor at least once
    assert a.utilization == pytest.approx(64**3 / (result.cycles * 168))


def test_a_roofline_is_the_slower_of_compute_and_compulsory_traffic() -> None:
    a = ask("h100_sxm")
    moved = 3 * 64 * 64 * 2
    assert a.offchip_bytes == moved and a.precision == "fp16/bf16"
    assert a.latency_s == pytest.approx(max(64**3 / (989e12 / 2), moved / 3350e9))
    assert a.energy_pj == pytest.approx(700 * a.latency_s * 1e12)
    assert a.scope == "board" and a.offchip_inside and a.evidence == "modelled"


def test_what_cannot_run_declines_with_the_reason() -> None:
    with pytest.raises(Declined, match="its MACs take 8 b, not 16 b"):
        ask("tpu-v1", bits=16)
    with pytest.raises(Declined, match="no peak at 8 b is published"):
        ask("p100_sxm2", bits=8)
    with pytest.raises(Declined, match="MB of weights, and room for"):
        ask("groq_tsp", "vgg16")


def test_an_unknown_machine_names_the_nearest() -> None:
    with pytest.raises(SpecError, match="did you mean 'eyeriss'"):
        machine("eyeris")
    with pytest.raises(SpecError, match="unknown machine of published 'eyeriss'"):
        machine("published:eyeriss")

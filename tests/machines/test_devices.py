"""CPUs and GPUs in the comparison: what a calibrated machine answers, what it declines, and what stays unknown."""

from __future__ import annotations

import pytest

import picojoule
from picojoule.machines.answer import Ask, Declined
from picojoule.machines.names import machine, machines


def test_every_device_is_a_machine() -> None:
    assert set(picojoule.devices()) == set(machines()["devices"])


def test_a_calibrated_gpu_answers_with_energy_of_the_board() -> None:
    network = picojoule.load_model("resnet18", batch=8)
    a = machine("h100").run(network, Ask(batch=8))
    p = picojoule.predict_network(network, "h100")
    assert (a.latency_s, a.macs, a.precision, a.scope, a.evidence) == (p.latency_s, network.macs, "bf16", "board", "modelled")
    assert a.energy_pj == pytest.approx(1e12 * p.energy_j) and a.offchip_pj < a.energy_pj
    assert 0 < a.utilization < 1 and sum(x.latency_s for x in a.layers) <= a.latency_s


def test_a_device_that_nobody_measured_has_no_energy() -> None:
    a = machine("a100-80gb").run(picojoule.load_model("resnet18"), Ask())
    assert a.energy_pj is None and a.offchip_pj is None
    assert any("not calibrated" in n for n in a.notes)


def test_what_does_not_fit_is_declined() -> None:
    with pytest.raises(Declined, match="does not fit"):
        machine("p100").run(picojoule.load_model("llama3-8b", phase="decode"), Ask(bits=32))
    with pytest.raises(Declined, match="no units for 4 b"):
        machine("h100").run(picojoule.load_model("lenet5"), Ask(bits=4))


def test_bits_choose_the_data_type() -> None:
    network = picojoule.load_model("resnet50", batch=32)
    latency = {bits: machine("h100").run(network, Ask(batch=32, bits=bits)).latency_s for bits in (8, 16, 32)}
    assert latency[16] < latency[32]

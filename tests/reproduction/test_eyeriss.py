"""The Eyeriss experiments can fail: a wrong constant in the model or in the table makes them differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picojoule.machines.row_stationary.counts import Buses
from picojoule.reproduction import eyeriss, eyeriss_model, registry
from picojoule.reproduction.experiment import mean_absolute_error


def test_the_means_are_as_documented() -> None:
    rows = registry.reproduce("eyeriss-alexnet").outcome.rows
    found = {g: mean_absolute_error(rows, g) for g in ("processing latency", "DRAM traffic", "buffer traffic", "power")}
    assert found == pytest.approx({"processing latency": 3.5, "DRAM traffic": 6.1, "buffer traffic": 7.7, "power": 13.1}, abs=0.1)


@pytest.mark.parametrize("buses", [Buses(filter_words=1.0, input_words=0.5), Buses(sum_words=1.0), Buses(clock_hz=150e6)])
def test_a_wrong_bus_or_clock_makes_the_latency_differ(buses: Buses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eyeriss_model, "BUSES", buses)
    assert registry.reproduce("eyeriss-alexnet").verdict == "differs"


def test_a_wrong_price_makes_the_power_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(eyeriss_model.prices(), static_mw=300.0)
    monkeypatch.setattr(eyeriss_model, "prices", lambda: wrong)
    assert registry.reproduce("eyeriss-alexnet").verdict == "differs"


def test_another_parameter_makes_the_mapping_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(eyeriss.ALLOCATIONS_KIB, "conv2", (3.9, 91.1))
    assert registry.reproduce("eyeriss-mapping").verdict == "differs"


def test_another_latency_of_vgg_makes_it_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [replace(r, processing_ms=r.processing_ms * 1.2) if r.layer == "conv3_2" else r for r in eyeriss.VGG16]
    monkeypatch.setattr(eyeriss, "VGG16", tuple(rows))
    assert registry.reproduce("eyeriss-vgg16").verdict == "differs"


def test_row_stationary_takes_no_more_than_the_reference_and_another_reference_shows() -> None:
    from picojoule.reproduction.experiments import row_stationary_energy as fig10

    first = registry.reproduce("row-stationary-energy")
    assert first.verdict == "reproduced"
    alu, dram, rf = fig10.REFERENCE["conv3"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(fig10.REFERENCE, "conv3", (alu, 0.8 * dram, rf))
        assert registry.reproduce("row-stationary-energy").verdict == "differs"


def test_four_register_accesses_a_mac_are_counted_not_assumed() -> None:
    """Without its registers for sums a PE makes fewer of them: the identity does not hold by construction."""
    from picojoule.reproduction.experiments.row_stationary_energy import mapped, operand_accesses

    chip, layers = mapped()
    layer, nest, _ = layers["conv5"]
    by_macs, padding, fresh, _ = operand_accesses(layer, chip, nest)
    assert by_macs + padding + fresh == 4 * layer.macs
    without = replace(nest, entries=tuple(e for e in nest.entries if getattr(e, "memory", "") != "RF" or e.tensor != "O"))
    by_macs, padding, fresh, _ = operand_accesses(layer, chip, without)
    assert by_macs + padding + fresh < 4 * layer.macs

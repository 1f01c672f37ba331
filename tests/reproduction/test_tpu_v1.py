"""The TPU's six applications: the counters are consistent, and a wrong constant of the machine makes the experiment differ."""

from __future__ import annotations

import pytest

from picojoule.reproduction.experiments import tpu_v1
from picojoule.reproduction.experiments.tpu_v1 import EXPERIMENT, applications, counters_tops, filled, roofline_tops, tiles_tops


def holds() -> bool:
    assert EXPERIMENT.run is not None
    return all(c.holds for c in EXPERIMENT.run(lambda *_: None).checks)


def test_the_counters_of_an_application_add_up_to_all_cycles() -> None:
    for a in applications():
        assert a.active + a.stall + a.shift + a.other == pytest.approx(100, abs=0.15)
        assert a.useful <= a.active


def test_a_tile_model_never_beats_the_roofline_and_fills_at_most_the_array() -> None:
    for a in applications():
        assert tiles_tops(a) <= roofline_tops(a) * 1.0001 and 0 < filled(a) <= 1
    lstm1 = next(a for a in applications() if a.name == "LSTM1")
    assert filled(lstm1) == pytest.approx(600**2 / 768**2)
    assert filled(lstm1) == pytest.approx(lstm1.useful / lstm1.active, rel=0.02)
    assert counters_tops(lstm1) == pytest.approx(92 * 0.063 / 2)


@pytest.mark.parametrize(("name", "wrong"), [("BYTES_PER_S", 51e9), ("CLOCK_HZ", 350e6), ("SIDE", 128)])
def test_a_wrong_constant_makes_the_experiment_differ(name: str, wrong: float, monkeypatch: pytest.MonkeyPatch) -> None:
    assert holds()
    monkeypatch.setattr(tpu_v1, name, wrong)
    assert not holds()

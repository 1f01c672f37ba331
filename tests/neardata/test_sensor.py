"""Energy of a frame follows its formula, and computing in the sensor saves what it says."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from picojoule.errors import SpecError
from picojoule.neardata.sensor import Sensor, frame
from tests.commands.run import pj


@pytest.mark.parametrize(("bits", "pj_"), [(8, 25.6), (10, 102.4)])
def test_a_pixel_conversion_costs_a_hundred_femtojoules_a_step(bits: int, pj_: float) -> None:
    s = Sensor(rows=10, columns=10, bits=bits)
    assert frame(s).converters_pj == pytest.approx(100 * pj_)


def test_a_column_wire_is_nine_femtofarads_a_pixel_at_the_reference() -> None:
    f = frame(Sensor(rows=100, columns=1, kernel=1))
    assert f.columns_pj == pytest.approx(100 * 100 * 9e-3)  # 100 rows read, each over 900 fF at 1 V


def test_an_analog_layer_converts_once_an_output() -> None:
    s = Sensor(rows=33, columns=33, mode="analog-layer", kernel=3, stride=2, filters=4)
    assert frame(s).conversions == 16 * 16 * 4 and s.macs == 16 * 16 * 4 * 9


def test_gradients_send_a_tenth_where_little_changes() -> None:
    plain = Sensor(rows=100, columns=100, bits=10)
    sparse = replace(plain, mode="gradients", output_bits=3, kept=0.0)
    assert frame(plain).sent_bytes / frame(sparse).sent_bytes == 10.0  # the ASP sensor's ten times: one bit of ten is left


def test_energy_adds_up_and_the_stack_is_cheaper_than_the_link() -> None:
    s = Sensor(rows=100, columns=100)
    f, stacked = frame(s), frame(replace(s, link="stacked"))
    assert f.energy_pj == f.converters_pj + f.columns_pj + f.link_pj + f.analog_pj
    assert stacked.link_pj == pytest.approx(f.link_pj / 100) and stacked.converters_pj == f.converters_pj


@pytest.mark.parametrize(
    "wrong", [{"mode": "magic"}, {"link": "air"}, {"rows": 0}, {"bits": 20}, {"kept": 2.0}, {"kernel": 99}, {"filters": 0}]
)
def test_sensors_that_cannot_be_are_refused(wrong: dict) -> None:
    with pytest.raises(SpecError):
        Sensor(**{"rows": 10, "columns": 10, **wrong})


def test_the_command_compares_the_modes() -> None:
    code, out, err = pj("sensor", "--rows", 100, "--columns", 100, "--json")
    assert code == 0, err
    assert len(json.loads(out)["sensor"]) == 6
    code, out, _ = pj("sensor")
    assert code == 0 and "analog-layer, stacked" in out
    code, out, err = pj("sensor", "--bits", 40)
    assert (code, out) == (2, "") and "16 at most" in err

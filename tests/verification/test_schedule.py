"""What the verifier says of a stored schedule: a true one holds, and every figure that a reader may rely on is checked."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from picojoule.hardware.chipfile.read import load_chip
from picojoule.report.answers.schedule import schedule_json
from picojoule.search.schedules.schedule_network import schedule_network
from picojoule.verification.verify import verify
from picojoule.workload.zoo.zoo import model


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    done = schedule_network(model("lenet5"), load_chip("eyeriss"), "energy", jobs=1)
    return json.loads(json.dumps(schedule_json(done)))


def test_a_true_schedule_holds(stored: dict[str, Any]) -> None:
    report = verify(stored)
    assert report["ok"], [c for c in report["checks"] if not c["ok"]]
    assert not report["rechecked"]
    assert "certificate.lower_bound" in report["unchecked"]


def layer(result: dict[str, Any]) -> dict[str, Any]:
    return next(i for i in result["items"] if "mapping" in i)


TAMPERED: dict[str, Callable[[dict[str, Any]], object]] = {
    "total energy": lambda r: r["totals"].update(energy_pj=1.0),
    "an item's energy": lambda r: layer(r).update(energy_pj=layer(r)["energy_pj"] * 0.9),
    "a cost's energy": lambda r: layer(r)["costs"][0].update(energy_pj=1.0),
    "a row": lambda r: layer(r)["costs"][0]["contributions"][0].update(count=1),
    "cycles": lambda r: layer(r)["costs"][0].update(cycles=1.0),
    "the mapping": lambda r: layer(r).update(mapping="DRAM{I,W,O}; k6"),
    "no mapping at all": lambda r: layer(r).update(mapping="nothing"),
    "room": lambda r: layer(r).update(held_bits=10**12),
    "room below zero": lambda r: layer(r).update(held_bits=-8),
    "the program": lambda r: r.update(schedule="c1"),
    "another program": lambda r: r.update(schedule=r["schedule"].replace("c1", "c9")),
    "a home": lambda r: layer(r).update(result_in="" if layer(r)["result_in"] else "GLB"),
    "a lower bound above": lambda r: r["certificate"].update(lower_bound=1e30),
    "a gap": lambda r: r["certificate"].update(gap=0.5),
    "proved": lambda r: r["certificate"].update(proved=False),
    "value": lambda r: r["certificate"].update(value=1.0),
    "format": lambda r: r.update(format="picojoule-schedule/9"),
    "objective": lambda r: r.update(objective="speed"),
    "peak": lambda r: r["totals"].update(peak_bits_on_chip=0),
    "no certificate": lambda r: r.pop("certificate"),
    "items of another kind": lambda r: r.update(items=[1, 2]),
    "no chip": lambda r: r.update(chip_yaml="chip: [1"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_tampered_schedule_is_found_out(what: str, stored: dict[str, Any]) -> None:
    wrong = copy.deepcopy(stored)
    TAMPERED[what](wrong)
    report = verify(wrong)
    assert not report["ok"]
    assert any(not c["ok"] for c in report["checks"])

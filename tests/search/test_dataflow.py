"""Dataflows in the search: the optimum under each is that of an enumeration filtered by the plain checker."""

from __future__ import annotations

import pytest

from picojoule.ask import ROLES
from picojoule.errors import MappingError, NoMapping, SpecError
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory
from picojoule.hardware.dataflow import DATAFLOWS, constrained
from picojoule.mapping.dataflow import obeys
from picojoule.mapping.mapping import parse
from picojoule.report.to_json import network_json
from picojoule.search.network import map_network
from picojoule.search.optimal import best_mapping
from picojoule.verification.verify import verify
from picojoule.workload.layer import Layer, conv, gemm
from tests.oracle.enumerate import SAME, all_mappings
from tests.search.pricing import Pricer

LAYERS = (
    gemm(M=2, N=3, K=2, bits=8),
    conv(K=2, C=1, P=3, Q=1, R=2, S=1, bits=8),
    conv(K=1, C=1, P=1, Q=3, R=1, S=2, batch=2, bits=8),
    conv(K=1, C=1, P=2, Q=2, R=2, S=1, bits=8),
)


def chip(buffer_bits: int, pe_bits: int) -> Chip:
    dram = Group((Memory("DRAM", None, 8, 64.0, 64.0),))
    buffer = Group((Memory("B", buffer_bits, 8, 4.0, 5.0, keeps=("input", "output")),))
    inner = Group((Memory("RF", pe_bits, 8, 1.0, 1.0, keeps=(), may_keep=ROLES),))
    return Chip("c", (dram, buffer, FanOut("F", (Axis("X", 3), Axis("Y", 2)), transfer_pj=0.5), inner), Compute("MAC", 0.5), 1e9)


def least(layer: Layer, on: Chip, objective: str) -> float | None:
    """The best value of all mappings that obey."""
    price = Pricer(layer, on)
    found = [price(m) for m in all_mappings(layer, on, None, "two") if obeys(m, layer, on)]
    return min((e if objective == "energy" else e * c for e, c in found), default=None)


@pytest.mark.parametrize("name", [n for n in DATAFLOWS if n != "free"])
def test_the_optimum_under_a_dataflow_is_the_best_of_all_mappings_that_obey(name: str) -> None:
    tried = 0
    for i, layer in enumerate(LAYERS):
        on = constrained(chip(*((64, 24), (72, 32), (96, 40), (104, 24))[i]), name)
        wanted = least(layer, on, "energy")
        if wanted is None:
            with pytest.raises(NoMapping):
                best_mapping(layer, on, "energy", space="perfect")
            continue
        r = best_mapping(layer, on, "energy", space="perfect")
        assert r.proved and obeys(r.mapping, layer, on)
        assert r.cost.energy_pj == pytest.approx(wanted, rel=SAME), f"{layer.name} {layer.dims}: {r.mapping}"
        tried += 1
    assert tried >= 2


def test_a_dataflow_is_never_better_than_no_dataflow_and_each_excludes_something() -> None:
    layer, on = LAYERS[3], chip(104, 40)
    free = best_mapping(layer, on, "energy").cost.energy_pj
    costs = {n: best_mapping(layer, constrained(on, n), "energy").cost.energy_pj for n in DATAFLOWS}
    assert all(e >= free * (1 - SAME) for e in costs.values())
    assert costs["free"] == free and max(costs.values()) > 1.1 * free


def test_verify_proves_the_bound_under_the_dataflow_again_and_sees_a_mapping_that_breaks_it() -> None:
    import picojoule

    net = picojoule.load_model("conv:K=2,C=1,P=3,Q=1,R=2,S=1,bits=8")
    on = constrained(chip(80, 40), "weight-stationary")
    result = network_json(map_network(net, on, "energy", cache=False, jobs=1))
    report = verify(result, 60.0)
    assert report["ok"] and report["rechecked"], report
    free = network_json(map_network(net, chip(80, 40), "energy", cache=False, jobs=1))
    entry = result["layers"][0]
    entry["mapping"] = entry["certificate"]["mapping"] = free["layers"][0]["mapping"]
    report = verify(result, 1.0)
    assert not report["ok"] and any("may not be unrolled" in c["detail"] for c in report["checks"]), report


def test_a_chip_whose_pes_hold_no_sums_cannot_be_output_stationary() -> None:
    import picojoule

    with pytest.raises(SpecError, match="its PEs have no memory that keeps outputs"):
        constrained(picojoule.load_chip("tpu-v1"), "osa")


def test_a_mapping_that_lets_go_too_early_is_refused_with_the_reason() -> None:
    layer, on = LAYERS[0], constrained(chip(104, 48), "weight-stationary")
    text = "DRAM{A,B,Z}; B{A,Z}; m2; RF{B}; n3 k2"
    with pytest.raises(MappingError, match=r"this is not weight-stationary: B leaves RF while M \(batch\) goes on"):
        parse(text, layer, on)
    assert obeys(parse("DRAM{A,B,Z}; B{A,Z}; n3; RF{B}; m2 k2", layer, on), layer, on)

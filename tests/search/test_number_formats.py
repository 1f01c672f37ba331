"""The search with elements of fractional width: equal to a complete enumeration, and accepted by the second opinion."""

from __future__ import annotations

import pytest

from picojoule.report.to_json import network_json
from picojoule.search.network import map_network
from picojoule.search.optimal import best_mapping
from picojoule.verification.verify import verify
from picojoule.workload.load import load_model
from tests.oracle.enumerate import SAME, all_mappings, priced, tiny_problems

FORMATS = ({"weight": "mxfp4", "input": "mxfp8_e4m3", "output": "bf16"}, {"weight": "nvfp4", "input": "nvfp4"})


@pytest.mark.parametrize("bits", FORMATS)
def test_the_search_equals_a_complete_enumeration(bits: dict[str, str]) -> None:
    for layer, chip in tiny_problems(6, 5, fanouts=1, links=False, most=400):
        quantised = layer.bits_of(**bits)
        points = [priced(quantised, chip, m) for m in all_mappings(quantised, chip)]
        if not points:
            continue
        for objective, least in (("energy", min(e for e, _ in points)), ("edp", min(e * c for e, c in points))):
            r = best_mapping(quantised, chip, objective)
            found = r.cost.energy_pj if objective == "energy" else r.cost.energy_pj * r.cost.cycles
            assert found >= least * (1 - SAME)
            assert not r.proved or found <= least * (1 + SAME)


def test_a_stored_result_with_number_formats_is_verified() -> None:
    from picojoule.hardware.chipfile.read import load_chip

    network = load_model("gemm:M=4,N=16,K=8", bits={"weight": "mxfp4", "input": "mxfp6_e2m3"})
    result = map_network(network, load_chip("eyeriss"), "energy", jobs=1, cache=False)
    assert result.proved
    assert verify(network_json(result), 20)["ok"]


def test_narrower_formats_never_cost_more() -> None:
    from picojoule.hardware.chipfile.read import load_chip

    chip, energies = load_chip("eyeriss"), []
    for name in ("fp16", "mxfp8_e4m3", "mxfp6_e2m3", "nvfp4", "mxfp4"):
        network = load_model("gemm:M=16,N=64,K=64", bits=name)
        energies.append(map_network(network, chip, "energy", jobs=1, cache=False).energy_pj)
    assert energies == sorted(energies, reverse=True)

"""The search counts as the cost model does, on real chips and shapes, and gives the same bytes each time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from picojoule.cost.model import evaluate
from picojoule.errors import NoMapping
from picojoule.hardware.chipfile.read import chips, load_chip
from picojoule.mapping.mapping import check
from picojoule.report.to_json import layer_json
from picojoule.search.exact.goals import goal
from picojoule.search.exact.records import GoalKind
from picojoule.search.optimal import LayerProblem, best_mapping, solve
from picojoule.workload.layer import Layer, conv, gemm
from tests.oracle.enumerate import SAME

LAYERS = {
    "1x1": conv(K=16, C=16, P=7, Q=7, R=1, S=1, bits=8),
    "3x3": conv(K=8, C=4, P=7, Q=7, R=3, S=3, pad=1, bits=8),
    "3x3 stride 2": conv(K=8, C=4, P=4, Q=4, R=3, S=3, stride=2, bits=8),
    "depthwise": conv(K=8, C=8, groups=8, P=7, Q=7, R=3, S=3, bits=8),
    "fully connected": gemm(M=1, N=40, K=64, bits=8),
    "product": gemm(M=12, N=16, K=20, bits=8),
    "prime sizes": gemm(M=13, N=17, K=11, bits=8),
}


WHOLE = ("eyeriss", "nvdla-small-like", "pin_array16", "simba-like", "simple3")  # the others: a few layers, all with `-m ""`
FEW = ("depthwise", "product")
PAIRS = [(n, c) for c in sorted(chips()) for n in LAYERS]
QUICK = [(n, c) for n, c in PAIRS if c in WHOLE or n in FEW]


def searched(layer: Layer, chip: str, objective: str = "edp", **about: object):  # type: ignore[no-untyped-def]
    try:
        return best_mapping(layer, load_chip(chip), objective, **about)  # type: ignore[arg-type]
    except NoMapping as e:
        pytest.skip(e.problem)


@pytest.mark.parametrize(("name", "chip"), QUICK)
def test_the_best_mapping_is_legal_and_its_cost_is_that_of_the_cost_model(name: str, chip: str) -> None:
    layer = LAYERS[name]
    for objective in ("edp", "latency"):
        r = searched(layer, chip, objective, time_limit=20)
        check(r.mapping, layer, r.chip)
        cost = evaluate(layer, r.chip, r.mapping)
        assert (cost.energy_pj, cost.cycles) == (r.cost.energy_pj, r.cost.cycles)
        assert r.certificate["mapping"] == str(r.mapping)
        if "lower_bound" in r.certificate:  # of placed weights it gives the least energy and cycles of any mapping
            assert r.certificate["lower_bound"] <= r.certificate["value"] * (1 + SAME)
        else:
            assert r.certificate["floor_pj"] <= cost.energy_pj * (1 + SAME)
            assert r.certificate["floor_cycles"] <= cost.cycles * (1 + SAME)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "chip"), sorted(set(PAIRS) - set(QUICK)))
def test_the_best_mapping_is_legal_and_its_cost_is_that_of_the_cost_model_on_every_chip(name: str, chip: str) -> None:
    test_the_best_mapping_is_legal_and_its_cost_is_that_of_the_cost_model(name, chip)


@pytest.mark.parametrize("chip", sorted(chips()))
def test_what_the_search_claims_of_a_mapping_is_what_it_costs(chip: str) -> None:
    """Energy without static power to 1e-9, and cycles no more than they are: ports are counted only where they bind.

    In the whole space at once: an answer found in a smaller one is claimed at that one's price.
    """
    for name in [n for n, c in QUICK if c == chip]:
        layer = LAYERS[name]
        lp = LayerProblem(layer, load_chip(chip))
        try:
            answer = solve(lp, goal(GoalKind.EDP), steps=lp.steps()[-1:])
        except NoMapping:
            continue
        best = min(answer.points, key=lambda x: x[1].energy_pj * x[1].cycles)
        leak = lp.problem(False).leak_pj_per_cycle()
        claimed, cost = best
        assert claimed.energy_pj - leak * claimed.cycles == pytest.approx(cost.energy_pj - leak * cost.cycles, rel=SAME), name
        assert claimed.cycles <= cost.cycles * (1 + SAME), name


def test_under_another_accounting_too() -> None:
    for layer in LAYERS.values():
        lp = LayerProblem(layer, load_chip("simple3"), "perfect", "timeloop")
        for claimed, cost in solve(lp, goal(GoalKind.EDP), steps=lp.steps()[-1:]).points:
            assert claimed.energy_pj == pytest.approx(cost.energy_pj, rel=SAME)
            assert cost.energy_pj == evaluate(layer, lp.chip, claimed.mapping, "timeloop").energy_pj


SCRIPT = """
import json, sys
sys.path.insert(0, {path!r})
from tests.search.test_agreement import certificates
sys.stdout.write(certificates())
"""


def certificates() -> str:
    """The certificates and mappings of a few searches, as JSON."""
    out = []
    cases = (("simple3", "3x3", "edp"), ("eyeriss", "1x1", "energy"), ("pin_array16", "prime sizes", "front"))
    for chip, name, objective in cases:
        r = layer_json(best_mapping(LAYERS[name], load_chip(chip), objective))
        out.append({k: v for k, v in r.items() if k != "search_cpu_s"})
    return json.dumps(out)


def test_the_same_input_gives_the_same_bytes_here_and_in_a_fresh_process() -> None:
    first = certificates()
    assert first == certificates()
    code = SCRIPT.format(path=str(Path(__file__).parents[2]))
    for hash_seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
        assert done.stdout == first

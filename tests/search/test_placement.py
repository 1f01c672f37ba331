"""Weights placed in compute-in-memory arrays: legal mappings, priced like any, never below the floor."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picojoule.cost.model import evaluate
from picojoule.hardware.chip import Chip, FanOut
from picojoule.hardware.chipfile.read import load_chip
from picojoule.mapping.mapping import check, parse
from picojoule.mapping.walk import simulate
from picojoule.search.optimal import best_mapping
from picojoule.search.placement import floor, keeps_weights, place, placements
from picojoule.workload.layer import Layer, conv, gemm

LAYERS = [
    conv(K=64, C=3, P=112, Q=112, R=7, S=7, stride=2), conv(K=64, C=64, P=56, Q=56, R=3, S=3, pad=1),
    conv(K=512, C=2048, P=7, Q=7, R=1, S=1), conv(K=96, C=96, P=14, Q=14, R=3, S=3, groups=96), gemm(M=1, N=1000, K=2048),
]  # fmt: skip


def small_isaac() -> Chip:
    """Four crossbars of ISAAC, so that a layer may outgrow them."""
    chip = load_chip("isaac")
    levels = tuple(
        replace(x, axes=(replace(x.axes[0], size=4),)) if isinstance(x, FanOut) and x.name == "crossbars" else x
        for x in chip.levels
    )
    return replace(chip, levels=levels)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda x: str(x.dims))
@pytest.mark.parametrize("objective", ["energy", "latency", "edp"])
def test_a_placement_is_legal_and_never_below_the_floor(layer: Layer, objective: str) -> None:
    chip = load_chip("isaac")
    p = place(layer, chip, objective)
    check(p.mapping, layer, chip)
    pj, cycles = floor(layer, chip.at(layer))
    assert p.cost.energy_pj >= pj and p.cost.cycles >= cycles * (1 - 1e-12)
    assert parse(str(p.mapping), layer, chip) == p.mapping


def test_weights_are_loaded_once_where_they_fit_and_again_where_not() -> None:
    layer = conv(K=64, C=64, P=8, Q=8, R=3, S=3, bits=16)
    for chip, loads in ((load_chip("isaac"), 1), (small_isaac(), 1)):
        p = place(layer, chip, "energy")
        written = sum(c.count for c in p.cost.contributions if (c.component, c.action) == ("crossbar_cells", "write"))
        assert written >= loads * layer.elements(layer.tensor("W"))
    whole = place(layer, load_chip("isaac"), "energy")
    once = [c for c in whole.cost.contributions if (c.component, c.action) == ("crossbar_cells", "write")]
    assert once[0].count == layer.elements(layer.tensor("W"))


def test_placements_walked_loop_by_loop_move_what_was_counted() -> None:
    from picojoule.cost.traffic import count

    layer = conv(K=5, C=3, P=4, Q=3, R=2, S=2, bits=8)
    chip = small_isaac().at(layer)
    for mapping in placements(layer, chip):
        check(mapping, layer, chip)
        counted, walked = count(layer, chip, mapping), simulate(layer, chip, mapping)
        assert (counted.reads(), counted.writes()) == (walked.reads(), walked.writes())


def test_the_search_hands_layers_with_learned_weights_over_and_no_others() -> None:
    layer, chip = LAYERS[1], load_chip("isaac")
    result = best_mapping(layer, chip, "energy")
    assert result.certificate["space"] == "placement" and not result.proved
    assert result.cost.energy_pj == evaluate(layer, chip, result.mapping).energy_pj
    assert not keeps_weights(gemm(M=8, N=8, K=8, learned=False), chip)
    assert not keeps_weights(layer, load_chip("eyeriss"))


def test_narrow_operands_need_fewer_conversions_and_less_time() -> None:
    wide, narrow = (place(conv(K=64, C=64, P=8, Q=8, R=1, S=1, bits=b), load_chip("isaac"), "energy").cost for b in (16, 8))
    assert narrow.energy_pj < wide.energy_pj / 3
    assert narrow.cycles < wide.cycles

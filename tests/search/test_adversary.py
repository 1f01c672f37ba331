"""Proved optima of large problems, attacked by a hill climber that knows nothing of the search."""

from __future__ import annotations

import random

import pytest

from picojoule.errors import NoMapping
from picojoule.mapping.mapping import parse
from picojoule.search.optimal import best_mapping
from picojoule.verification.space import outermost_tiles
from tests.oracle.adversary import Climber, large_chip, large_layer


def attack(seed: int, steps: int, time_limit_s: float, space: str = "default") -> bool:
    """Whether there was a proof to attack; fails where a mapping of the stated space beats it."""
    rng = random.Random(seed)
    layer = large_layer(rng)
    chip, objective = large_chip(rng, layer), rng.choice(("energy", "latency", "edp"))
    try:
        r = best_mapping(layer, chip, objective, space=space, time_limit=time_limit_s)
        if not r.proved:
            return False
        others = [best_mapping(layer, chip, o, time_limit=time_limit_s).mapping for o in ("energy", "latency") if o != objective]
    except NoMapping:
        return False
    seen = chip.at(layer)
    tiles = {d: list(outermost_tiles(n, True)) for d, n in layer.dims}
    climber = Climber(layer, seen, objective, tiles, rng)
    for start in (r.mapping, *others):
        mapping = parse(str(start), layer, seen)
        if climber.value(list(mapping.entries)) is None:
            continue  # written with a ragged loop over two axes, whose outermost tile is not itself in the list
        for heat in (0.02, 0.3):
            value, found = climber.climb(mapping, steps, heat)
            assert value >= r.certificate["value"] * (1 - 1e-9), f"seed {seed}, {objective}: {layer.dims}\n{chip}\n{found}"
    return True


@pytest.mark.parametrize("seed", (4, 15, 21, 24, 27, 30))
def test_no_climber_beats_a_proof(seed: int) -> None:
    assert attack(seed, 150, 20.0), "a problem of this seed is proved in less than a second"


def test_the_climber_beats_the_best_of_a_smaller_space() -> None:
    """M = 1010 and K = 55 in whole tiles only: a climber that misses the ragged ones would prove nothing."""
    with pytest.raises(AssertionError, match="seed 15, latency"):
        attack(15, 150, 20.0, space="perfect")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 130))
def test_no_patient_climber_beats_a_proof(seed: int) -> None:
    if not attack(seed, 3000, 15.0):
        pytest.skip("no proof within the time, or no mapping at all")

"""What must hold of every optimum, at fixed energies per access and without leakage."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from picojoule.errors import NoMapping
from picojoule.hardware.chip import Chip, FanOut, Group, Memory, tensor_word_pj
from picojoule.search.optimal import best_mapping
from picojoule.workload.layer import Layer, Rank, Tensor
from tests.oracle.enumerate import SAME, Tiny, tiny_chip
from tests.search.problems import KINDS, RAGGED, small_layer

OBJECTIVES = ("energy", "latency", "edp")
SOME = 20


def several(seed: int, number: int = SOME, **about: object) -> Iterator[tuple[Layer, Chip]]:
    """Layers that the search proves, on chips without leakage and links."""
    rng = random.Random(seed)
    kinds = [k for k in (*KINDS, *RAGGED) if k != "odd"]
    while number:
        layer = small_layer(rng, rng.choice(kinds))
        chip = tiny_chip(rng, layer, Tiny(links=False, **about))  # type: ignore[arg-type]
        try:
            proved = best_mapping(layer, chip, "edp").proved
        except NoMapping:
            continue
        if proved:
            number -= 1
            yield layer, chip


def value(layer: Layer, chip: Chip, objective: str) -> float:
    r = best_mapping(layer, chip, objective)
    assert r.proved
    return float(r.certificate["value"])


def memories(chip: Chip, change: Callable[[Memory], Memory]) -> Chip:
    levels = tuple(Group(tuple(map(change, x.memories))) if isinstance(x, Group) else x for x in chip.levels)
    return replace(chip, levels=levels)


def fanouts(chip: Chip, change: Callable[[FanOut], FanOut]) -> Chip:
    return replace(chip, levels=tuple(change(x) if isinstance(x, FanOut) else x for x in chip.levels))


def more_capacity(chip: Chip) -> Chip:
    return memories(chip, lambda m: replace(m, capacity_bits=m.capacity_bits and m.capacity_bits + 24))


def no_capacity_limit(chip: Chip) -> Chip:
    return memories(chip, lambda m: replace(m, capacity_bits=None))


def more_bandwidth(chip: Chip) -> Chip:
    return memories(chip, lambda m: replace(m, ports=tuple(replace(p, bits_per_cycle=2 * p.bits_per_cycle) for p in m.ports)))


def no_ports(chip: Chip) -> Chip:
    return memories(chip, lambda m: replace(m, ports=()))


def more_pes(chip: Chip) -> Chip:
    return fanouts(chip, lambda f: replace(f, axes=tuple(replace(a, size=a.size + 1) for a in f.axes)))


def free_axes(chip: Chip) -> Chip:
    return fanouts(chip, lambda f: replace(f, axes=tuple(replace(a, dims=None, reuses=()) for a in f.axes)))


def free_bypass(chip: Chip) -> Chip:
    dram = chip.dram.name
    return memories(chip, lambda m: m if m.name == dram else replace(m, keeps=(), may_keep=(*m.keeps, *m.may_keep)))


def single_buffers(chip: Chip) -> Chip:
    return memories(chip, lambda m: replace(m, double_buffered=False))


BETTER = [more_capacity, no_capacity_limit, more_bandwidth, no_ports, more_pes, free_axes, free_bypass, single_buffers]


@pytest.mark.parametrize("change", BETTER, ids=lambda c: c.__name__.replace("_", " "))
def test_a_better_chip_is_never_worse(change: Callable[[Chip], Chip]) -> None:
    for layer, chip in several(BETTER.index(change), 12):
        better = change(chip)
        for objective in OBJECTIVES:
            before, after = value(layer, chip, objective), value(layer, better, objective)
            assert after <= before * (1 + SAME), f"{objective}: {before} became {after}\n{layer}\n{chip}"


@pytest.mark.usefixtures("ragged_everywhere")
@pytest.mark.parametrize("change", [more_capacity, more_pes, free_axes], ids=lambda c: c.__name__.replace("_", " "))
def test_a_better_chip_is_never_worse_with_ragged_tiles_everywhere(change: Callable[[Chip], Chip]) -> None:
    test_a_better_chip_is_never_worse(change)


def test_ragged_tiles_bypass_and_ports_only_widen_the_space() -> None:
    for layer, chip in several(20):
        for objective in OBJECTIVES:
            whole = best_mapping(layer, chip, objective, space="perfect")
            assert value(layer, chip, objective) <= whole.certificate["value"] * (1 + SAME)


def test_no_energy_lies_below_the_compulsory_traffic() -> None:
    """Each operand is read from DRAM once at least, each result written once, each MAC done."""
    for layer, chip in several(21, 25, fanouts=2):
        least = layer.macs * chip.compute.energy_pj(layer)
        for t in layer.tensors:
            least += layer.elements(t) * tensor_word_pj(chip.dram, t, "write" if t.role == "output" else "read")
        assert value(layer, chip, "energy") >= least * (1 - SAME)


def test_no_latency_lies_below_the_macs_of_all_pes() -> None:
    for layer, chip in several(22, 25, fanouts=2):
        assert value(layer, chip, "latency") >= layer.macs / chip.pes / chip.compute.macs_per_cycle * (1 - SAME)


def renamed(layer: Layer, chip: Chip) -> tuple[Layer, Chip]:
    new = {d: f"D{i}" for i, (d, _) in enumerate(layer.dims)}
    ranks = lambda t: tuple(Rank(tuple((c, new[d]) for c, d in r.terms), r.offset, r.size) for r in t.ranks)  # noqa: E731
    tensors = tuple(replace(t, name=f"T{i}", ranks=ranks(t)) for i, t in enumerate(layer.tensors))
    dims = tuple((new[d], n) for d, n in layer.dims)
    on = fanouts(
        chip,
        lambda f: replace(
            f, axes=tuple(replace(a, dims=None if a.dims is None else tuple(new[d] for d in a.dims)) for a in f.axes)
        ),
    )
    return replace(layer, dims=dims, tensors=tensors), on


def test_names_of_dimensions_and_tensors_mean_nothing() -> None:
    for layer, chip in several(23):
        other, on = renamed(layer, chip)
        for objective in OBJECTIVES:
            assert value(other, on, objective) == pytest.approx(value(layer, chip, objective), rel=SAME)


def test_the_order_of_dimensions_and_tensors_means_nothing() -> None:
    rng = random.Random(3)
    for layer, chip in several(24):
        dims, tensors = list(layer.dims), list(layer.tensors)
        rng.shuffle(dims)
        rng.shuffle(tensors)
        other = replace(layer, dims=tuple(dims), tensors=tuple(tensors))
        for objective in OBJECTIVES:
            assert value(other, chip, objective) == pytest.approx(value(layer, chip, objective), rel=SAME)


def test_the_order_of_terms_in_a_rank_means_nothing() -> None:
    def turned(t: Tensor) -> Tensor:
        return replace(t, ranks=tuple(replace(r, terms=r.terms[::-1]) for r in t.ranks))

    for layer, chip in several(25):
        other = replace(layer, tensors=tuple(map(turned, layer.tensors)))
        for objective in OBJECTIVES:
            assert value(other, chip, objective) == pytest.approx(value(layer, chip, objective), rel=SAME)


def test_twice_the_energy_of_everything_is_twice_the_optimum() -> None:
    for layer, chip in several(26):
        twice = memories(chip, lambda m: replace(m, read_pj=2 * (m.read_pj or 0.0), write_pj=2 * (m.write_pj or 0.0)))
        twice = fanouts(twice, lambda f: replace(f, transfer_pj=2 * (f.transfer_pj or 0.0)))
        twice = replace(twice, compute=replace(chip.compute, mac_pj=2 * (chip.compute.mac_pj or 0.0)))
        assert value(layer, twice, "energy") == pytest.approx(2 * value(layer, chip, "energy"), rel=SAME)
        assert value(layer, twice, "latency") == pytest.approx(value(layer, chip, "latency"), rel=SAME)


def test_two_runs_give_the_same_answer() -> None:
    for layer, chip in several(27, 15):
        for objective in (*OBJECTIVES, "front"):
            one, two = (best_mapping(layer, chip, objective) for _ in range(2))
            assert one.certificate == two.certificate and one.mapping == two.mapping and one.front == two.front

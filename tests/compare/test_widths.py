"""A model's own widths, those asked for and a machine's own are three things, and every command says them alike."""

from __future__ import annotations

import json

import pytest

from picojoule.hardware.chipfile.read import load_chip
from picojoule.search.network import map_network
from picojoule.workload.bits import AtOwnWidth, WithBits, widest
from picojoule.workload.load import load_model
from tests.commands.run import pj

FLOAT, NARROW = "gemm:M=16,N=16,K=16", "gemm:M=16,N=16,K=16,bits=2"


def answer(*arguments: object) -> dict:  # type: ignore[type-arg]
    code, out, err = pj(*arguments, "--json", "--no-cache", "--jobs", 1)
    assert code == 0, err
    found: dict = json.loads(out)  # type: ignore[type-arg]
    return found


@pytest.mark.parametrize(
    ("model", "chip"), [(FLOAT, "edge-npu"), (FLOAT, "eyeriss"), (NARROW, "fusion-like"), ("lenet5", "pin_array16")]
)
@pytest.mark.parametrize("asked", [None, 8])
def test_map_and_compare_of_one_net_on_one_chip_agree(model: str, chip: str, asked: int | None) -> None:
    bits = [] if asked is None else ["--bits", asked]
    mapped = answer("map", model, "--on", chip, "--objective", "energy", "--space", "prototype", *bits)["totals"]
    compared = answer("compare", model, "--on", chip, "--flips", "none", "--objective", "energy", "--space", "prototype", *bits)
    (card,) = compared["machines"]
    assert (card["energy_pj"], card["latency_s"]) == (mapped["energy_pj"], mapped["latency_s"])
    assert card["bits"] == (asked or {NARROW: 2}.get(model, load_chip(chip).compute.bits))


def test_a_float_model_states_no_widths_and_a_chip_runs_it_at_its_own() -> None:
    for text, said in ((FLOAT, False), ("lenet5", False), (NARROW, True), (FLOAT + ",bits=16", True)):
        assert load_model(text).stated is said
    assert load_model("lenet5", bits=16).stated
    own = AtOwnWidth(8)(load_model(FLOAT))
    assert widest(own) == 8 and not own.stated and widest(AtOwnWidth(8)(load_model(NARROW))) == 2
    assert WithBits(4)(own).stated


def test_the_result_says_where_widths_are_from_and_what_is_wider_than_the_macs() -> None:
    chip = load_chip("edge-npu")

    def notes(**bits: int) -> str:
        network = load_model(FLOAT, **bits)
        return " ".join(map_network(network, chip, "energy", space="prototype", jobs=1, cache=False).notes)

    assert "the model states no widths: every tensor has the 8 b of edge-npu's MACs" in notes()
    assert "operands of 16 b on MACs of 8 b: each MAC has the energy and time of 8 b" in notes(bits=16)
    assert "widths" not in notes(bits=8)


def test_advice_keeps_the_widths_of_the_model() -> None:
    code, out, err = pj("explain", NARROW, "--on", "fusion-like", "--advice", "--json")
    assert code == 0, err
    assert json.loads(out)["bits"] == 2

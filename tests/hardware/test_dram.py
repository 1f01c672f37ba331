"""Memory technologies: parts that add up, row use, and what is unknown."""

import json

import pytest

from picojoule.errors import SpecError
from picojoule.hardware.components.components import evaluate
from picojoule.hardware.components.dram import technologies, technology
from tests.commands.run import pj


def test_the_technologies_of_the_issue_are_all_there() -> None:
    wanted = {
        "DDR3",
        "DDR4",
        "LPDDR3",
        "LPDDR4",
        "LPDDR5",
        "GDDR6",
        "HBM2",
        "HBM2E",
        "HBM3",
        "HMC",
        "eDRAM",
        "SRAM",
        "ReRAM",
        "PCM",
        "STT-MRAM",
    }
    assert wanted <= set(technologies())


@pytest.mark.parametrize("kind", technologies())
def test_parts_add_up_within_their_range_and_every_fact_has_a_source(kind: str) -> None:
    t = technology(kind)
    for action in ("read", "write"):
        total, parts = t.pj_per_bit(action), t.parts(action)
        assert total.value == pytest.approx(sum(p.value for p in parts.values()))
        assert total.low <= total.value <= total.high
    assert all(e.source and e.low <= e.value <= e.high for _, e in t.facts)


def test_a_row_that_is_used_a_little_costs_more_a_bit() -> None:
    whole, tenth = (technology("HBM2").parts("read", use)["row"].value for use in (1.0, 0.1))
    assert whole == pytest.approx(830 / 8192) and tenth == pytest.approx(10 * whole)
    assert technology("HBM2").parts("read")["column"].value == 1.57
    with pytest.raises(SpecError, match="row use of 0"):
        technology("HBM2").parts("read", 0)


def test_memories_wear_out_and_writing_costs_more_than_reading_them() -> None:
    for kind in ("ReRAM", "PCM", "STT-MRAM"):
        t = technology(kind)
        assert t.pj_per_bit("write").value > t.pj_per_bit("read").value
        endurance = t.fact("endurance")
        assert endurance is not None and endurance.low < endurance.high


def test_the_component_prices_a_word_and_brings_background_power() -> None:
    got = evaluate("memory_technology", {"word_bits": 64}, {"kind": "DDR4", "row_use": 0.5})
    assert got["read"].value == pytest.approx(64 * technology("DDR4").pj_per_bit("read", 0.5).value)
    assert got["leakage"].value == 499
    assert "leakage" not in evaluate("memory_technology", {"word_bits": 64}, {"kind": "HBM3"})


def test_the_command_shows_unknown_as_a_dash_and_all_sources_of_one() -> None:
    code, out, _ = pj("memories")
    assert code == 0 and "STT-MRAM" in out and " - " in out
    code, out, _ = pj("memories", "HBM2", "--json")
    one = json.loads(out)["memories"][0]
    assert code == 0 and one["pj_per_bit"]["read"]["parts"]["I/O"]["source"] == "usual figure"
    code, out, err = pj("memories", "HBM5")
    assert (code, out) == (2, "") and "unknown memory technology 'HBM5'" in err

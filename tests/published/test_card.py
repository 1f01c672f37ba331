"""Metric cards: refused with all that is missing, never mixing operations and MACs, scope stated, normalised only by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from picojoule.errors import SpecError
from picojoule.published.card import MAY_BE_UNKNOWN, NEEDED, hardware_card, normalised, read_card, refuse_mixed
from picojoule.published.card_files import FOLDER, card
from picojoule.published.model_card import ModelCard, table_iv
from picojoule.quantities.rates import Rate, rate
from tests.commands.run import pj

TEXT = (FOLDER / "eyeriss.yaml").read_text(encoding="utf-8")


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


def test_a_card_with_only_an_efficiency_is_refused_with_everything_that_is_missing() -> None:
    with pytest.raises(SpecError) as e:
        hardware_card({"tops_per_w": 61.2})
    assert "tops_per_w alone compares nothing: the card lacks 21 of 21 entries" in e.value.problem
    assert all(k in e.value.problem and NEEDED[k] in e.value.hint for k in NEEDED)


def test_the_card_of_eyeriss_says_what_the_survey_prints() -> None:
    c = card("eyeriss")
    assert round(c.area_per_multiplier_mm2 or 0, 3) == 0.073 and round((c.onchip_bytes_per_multiplier or 0) / 1e3, 2) == 1.14
    assert c.scope == "chip" and c.dram_inside is False and c.evidence == "measured"
    assert round(c.inferences_per_s, 1) == 34.7 and round(c.energy_j * 1e3, 2) == 8.01


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("dram_inside: no\n", "", "the card lacks 1 of 21 entries: dram_inside"),
        ("batch: 4\nmacs: 665784864\n", "", "lacks 2 of 21 entries: batch, macs"),
        ("throughput: 23.1 GMAC/s", "throughput: 46.2 GOPS", "operations and MACs are mixed: throughput 46.2 GOPS, efficiency"),
        ("throughput: 23.1 GMAC/s", "throughput: 46.2 GMAC/s", "looks like operations taken for MACs"),
        ("efficiency: 83.1 GMAC/s/W", "efficiency: 83.1 GMAC/s", "is not per watt"),
        ("efficiency: 83.1 GMAC/s/W", "efficiency: 40 GMAC/s/W", "times what MACs, runtime and power give"),
        ("throughput: 23.1 GMAC/s", "throughput: '23.1'", "no rate of operations or MACs"),
        ("evidence: measured", "evidence: simulated", "says of what stage and corner"),
        ("evidence: measured", "evidence: guessed", "unknown value 'guessed'"),
        ("scope: chip", "scope: die", "unknown value 'die'"),
        ("runtime: 115.3 ms", "runtime: 115.3", "has no unit"),
        ("runtime: 115.3 ms", "runtime: {unknown: not measured}", "runtime has to be given"),
        ("area: 12.25 mm2", "area: {unknown: ''}", "area has to be given"),
        ("batch: 4", "batch: 0", "no whole number"),
        ("dram_inside: no", "dram_inside: 3", "neither yes nor no"),
        ("design: Eyeriss", "desing: Eyeriss", "unknown key of a card 'desing'"),
    ],
)
def test_a_wrong_card_is_one_error_with_its_place(old: str, new: str, problem: str) -> None:
    with pytest.raises(SpecError) as e:
        read_card(changed(old, new), "mine.yaml")
    assert problem in e.value.problem and str(e.value).startswith("mine.yaml:")


@pytest.mark.parametrize("key", MAY_BE_UNKNOWN)
def test_what_may_be_unknown_needs_a_reason_and_stays_unknown(key: str) -> None:
    lines = [f"{key}: {{unknown: not disclosed}}" if line.startswith(f"{key}:") else line for line in TEXT.splitlines()]
    c = read_card("\n".join(lines), "mine.yaml")
    assert dict(c.unknown) == {key: "not disclosed"}


def test_rates_do_not_mix_operations_and_macs() -> None:
    macs, ops = rate("23.1 GMAC/s"), rate("46.2 GOPS")
    assert macs.in_ops() / ops == pytest.approx(1) and ops.in_macs() / macs == pytest.approx(1)
    for mix in (lambda: macs + ops, lambda: macs / ops, lambda: macs < ops):
        with pytest.raises(SpecError, match=r"counts MACs and .* counts ops"):
            mix()
    with pytest.raises(SpecError, match="one is per watt"):
        ops + rate("1 TOPS/W")
    assert rate("1 TOPS/W") == Rate(1e12, "ops", True) and rate("5 TFLOP/s") == Rate(5e12, "ops")
    for text in ("1.2.3 GOPS", "61.2", "61.2 T", "5 MACs", "TOPS/W"):
        with pytest.raises(SpecError):
            rate(text)


def test_normalisation_is_labelled_and_refused_where_it_means_nothing() -> None:
    c = normalised(card("eyeriss"), 28)
    assert c.process.startswith("NORMALISED to 28 nm from 65 nm") and c.scaled_from_nm == 65
    assert c.power_w < card("eyeriss").power_w and (c.area_mm2 or 0) < 12.25 and c.runtime_s == card("eyeriss").runtime_s
    with pytest.raises(SpecError, match="includes off-chip memory"):
        normalised(replace(card("eyeriss"), dram_inside=True), 28)
    with pytest.raises(SpecError, match="no node"):
        normalised(replace(card("eyeriss"), technology_nm=None), 28)


def test_cards_of_different_scope_are_never_compared_silently() -> None:
    c = card("eyeriss")
    assert refuse_mixed([c, c]) == ()
    assert refuse_mixed([c, replace(c, scope="macro")]) == ("scope differs: chip, macro",)
    assert len(refuse_mixed([c, replace(normalised(c, 28), dram_inside=True, batch=1)])) == 3


def test_cards_of_models_have_sums_that_hold() -> None:
    cards = table_iv()
    assert [(c.model, c.variant) for c in cards] == [(m, v) for m in ("alexnet", "googlenet") for v in ("dense", "sparse")]
    with pytest.raises(SpecError, match="weights add up to"):
        replace(cards[0], total_weights=90e6)
    with pytest.raises(SpecError, match="were operations counted"):
        replace(cards[0], fc_macs=2 * 58.6e6, total_macs=395e6 + 2 * 58.6e6)
    with pytest.raises(SpecError, match="needs its data"):
        replace(cards[0], data="")
    assert all(isinstance(c, ModelCard) for c in cards)


def test_the_command_shows_cards_and_refuses_bad_ones(tmp_path: Path) -> None:
    code, out, _ = pj("cards")
    assert code == 0 and "0.0729 mm2" in out and "DRAM not inside" in out and "= 46.19 Gop/s" in out
    mine = tmp_path / "mine.yaml"
    mine.write_text(changed("scope: chip", "scope: macro"), encoding="utf-8")
    code, out, _ = pj("cards", "eyeriss", mine)
    assert code == 0 and "do not rank them silently: scope differs: chip, macro" in out
    mine.write_text("tops_per_w: 61.2\n", encoding="utf-8")
    code, out, err = pj("cards", mine)
    assert (code, out) == (2, "") and "tops_per_w alone compares nothing" in err and err.count("error: ") == 1
    code, out, err = pj("cards", "--normalise", "28")
    assert code == 2 and "'28' is no node" in err
    code, out, _ = pj("cards", "--normalise", "28nm")
    assert code == 0 and "NORMALISED to 28 nm" in out

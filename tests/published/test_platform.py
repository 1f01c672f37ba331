"""The data of published chips and platforms: loaded, checked, flagged; a damaged row is one error with its line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from picojoule.errors import SpecError
from picojoule.published import platform as data
from picojoule.published.consistency import check, check_all
from picojoule.published.platform import node_nm, platform, platforms
from picojoule.quantities.amount import amount


def test_both_files_load_and_every_record_has_source_confidence_evidence_and_scope() -> None:
    found = platforms()
    assert sum(p.dataset == "chips" for p in found) == 52 and sum(p.dataset == "platforms" for p in found) == 54
    assert all(p.source and p.confidence in "HML" and p.evidence and p.scope for p in found)
    assert len({p.id for p in found}) == 106


def test_amounts_keep_what_they_are() -> None:
    assert amount("") is None
    cases = [("~640", "about 640"), ("<=331", "at most 331"), ("8x74+416", "1008"), ("16x70.6+IOD", "at least 1129.6"),
             ("12.25 core", "12.25"), ("~5.5-7", "about 6.25"), ("~1600 (4 tiles)", "about 1600")]  # fmt: skip
    for text, shown in cases:
        assert str(amount(text)) == shown
    with pytest.raises(SpecError, match="'none' holds no number"):
        amount("none")


def test_nodes_are_read_from_their_names() -> None:
    names = ["14nm", "7nm+14nm IOD", "N7", "4N", "4NP", "N3E", "N5+N6", "Intel 7", "20nm DRAM", "1y nm DRAM", "2x nm DRAM", ""]
    assert [node_nm(n) for n in names] == [14, 7, 7, 4, 4, 3, 5, 7, 20, None, None, None]


def test_every_record_is_checked_and_disagreements_above_ten_percent_are_flagged() -> None:
    checked = check_all()
    assert {c.id for c in checked} == {p.id for p in platforms()}
    verdicts = {(c.id, c.what): c.verdict for c in checked}
    assert verdicts["eyeriss-jssc17", "peak int16"] == "agrees"  # 168 x 2 x 200 MHz = 67.2 GOPS
    assert verdicts["eyeriss-jssc17", "efficiency"] == "flagged"  # delivered, not peak / power
    assert verdicts["diannao", "peak int16"] == "flagged"  # 452 GOPS, and 256 MACs at 980 MHz give 502
    assert verdicts["alveo_u250", "peak int8"] == "flagged"  # quoted at a higher clock of the DSPs
    assert verdicts["h100_sxm", "peak fp16/bf16"] == "agrees"
    for c in checked:
        assert (c.verdict == "cannot be checked") == bool(c.missing)
        if c.verdict == "flagged":
            assert c.difference_percent is not None and abs(c.difference_percent) > 10


def test_a_wrong_peak_is_flagged() -> None:
    tpu = platform("tpu_v1")
    assert check(tpu)[0].verdict == "agrees"
    wrong = replace(tpu, peaks=tuple(replace(p, ops_per_s=1.2 * p.ops_per_s) for p in tpu.peaks))
    assert check(wrong)[0].verdict == "flagged" and round(check(wrong)[0].difference_percent or 0) == 20


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("JSSC'17 Tables IV-V text", "", "has no source"),
        (",measured,measured,H,", ",guessed,measured,H,", "unknown evidence 'guessed'"),
        (",measured,measured,H,", ",measured,measured,X,", "unknown confidence 'X'"),
        (",200,168,", ",fast,168,", "'fast' is no number"),
        (",200,168,", ",-200,168,", "'-200' is negative"),
        (",200,168,", ",168,", "as many cells as the header"),
    ],
)
def test_a_damaged_row_is_one_error_with_its_line(tmp_path: Path, old: str, new: str, problem: str) -> None:
    path = tmp_path / "chips.csv"
    text = (data.DATA / "chips.csv").read_text(encoding="utf-8")
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SpecError, match=problem) as e:
        list(data._read(path, data._chip))
    assert str(e.value).startswith("chips.csv:6")


def test_an_unknown_platform_names_the_nearest() -> None:
    with pytest.raises(SpecError, match="did you mean 'h100_sxm'"):
        platform("h100_smx")

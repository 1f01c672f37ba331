"""Queries and trends over the published records, and the command that shows them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from picojoule.errors import SpecError
from picojoule.published.platform import platforms
from picojoule.published.trends import BY, efficiency, query, trend
from tests.commands.run import pj


def test_queries_narrow_and_combine() -> None:
    gpus = query(kind="gpu")
    assert gpus and all(p.kind.startswith("gpu") for p in gpus)
    assert set(query(kind="gpu", years=(2020, 2022))) == {p for p in gpus if 2020 <= p.year <= 2022}
    assert all(p.node_nm is not None and 5 <= p.node_nm <= 16 for p in query(nodes_nm=(5, 16)))
    assert all(p.scope == "macro" for p in query(scope="macro")) and len(query(scope="macro")) == 4
    assert {p.id for p in query(precision="int8")} >= {"tpu_v1", "h100_sxm", "tpu-v1-isca17"}


@pytest.mark.parametrize("by", BY)
def test_a_trend_holds_every_record_once(by: str) -> None:
    groups = trend(by)
    assert sum(g.count for g in groups) == len(platforms())
    assert len({g.key for g in groups}) == len(groups)
    for g in groups:
        members = [p for p in platforms() if BY[by](p) == g.key]
        known = [e for p in members if (e := efficiency(p)) is not None]
        assert g.best_ops_per_j == max(known, default=None) and set(g.scopes) == {p.scope for p in members}


def test_years_and_nodes_are_in_order() -> None:
    years = [int(g.key) for g in trend("year")]
    assert years == sorted(years)
    nodes = [float(g.key.split()[0]) for g in trend("node") if g.key != "not stated"]
    assert nodes == sorted(nodes) and trend("node")[-1].key == "not stated"


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"years": (2020, 2016)}, "years 2020 to 2016 is empty"),
        ({"precision": "int9"}, "unknown precision 'int9'"),
        ({"kind": "gpus"}, "unknown kind 'gpus'"),
        ({"evidence": "guessed"}, "unknown evidence 'guessed'"),
        ({"scope": "die"}, "unknown scope 'die'"),
    ],
)
def test_a_bad_query_is_one_error(asked: dict[str, object], problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        query(**asked)  # type: ignore[arg-type]


def test_the_command_lists_checks_and_draws(tmp_path: Path) -> None:
    code, out, _ = pj("platforms", "--kind", "asic", "--years", "2014..2016")
    assert code == 0 and "diannao" in out and "flagged" in out
    code, out, _ = pj("platforms", "--checks", "--kind", "gpu")
    assert code == 0 and "132 units x 4096 x 1.83 GHz" in out and "cannot be checked" in out
    for by in ("year", "node", "precision"):
        code, out, _ = pj("platforms", "--by", by)
        assert code == 0 and "best efficiency" in out
    page = tmp_path / "p.html"
    code, out, _ = pj("platforms", "--html", page, "--json")
    value = json.loads(out)
    assert code == 0 and len(value["platforms"]) == 106
    assert all(p["source"] and p["confidence"] and p["checks"] for p in value["platforms"])
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 3 and "http" not in text.replace("http://www.w3.org/2000/svg", "") and "<script" not in text
    code, out, err = pj("platforms", "--years", "new")
    assert (code, out) == (2, "") and "'new' is no range" in err
    code, out, _ = pj("platforms", "--machines")
    assert code == 0 and "h100_sxm" in out and "eyeriss" in out

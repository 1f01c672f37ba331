"""`pj statistics`: the table, its JSON, and the densities it saves."""

from __future__ import annotations

import json
from pathlib import Path

from tests.commands.run import pj


def test_the_table_the_json_and_the_saved_densities_agree(tmp_path: Path) -> None:
    place = tmp_path / "d.json"
    code, out, err = pj("statistics", "digits", "--data", "digits", "--limit", "40", "--json", "--save", place)
    assert code == 0, err
    value, saved = json.loads(out), json.loads(place.read_text())
    assert value["samples"] == 40
    assert value["densities"] == saved
    for name, roles in saved["layers"].items():
        for role, density in roles.items():
            assert value["tensors"][name][role]["density"] == density
    text = pj("statistics", "digits", "--data", "digits", "--limit", "40")[1]
    assert "conv3" in text and "run-length ratio" in text


def test_the_page_has_a_histogram_of_every_tensor_and_needs_no_network(tmp_path: Path) -> None:
    page = tmp_path / "s.html"
    code, out, err = pj("statistics", "digits", "--data", "digits", "--limit", "20", "--html", page, "--json")
    assert code == 0, err
    tensors = sum(len(roles) for roles in json.loads(out)["tensors"].values())
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == tensors == 15
    assert "<script" not in text and "http" not in text


def test_wrong_options_are_one_error(tmp_path: Path) -> None:
    for words, wrong in (
        (("digits", "--data", "no.npz"), "no.npz: no such file"),
        (("digits", "--data", "digits", "--limit", "0"), "--limit"),
        (("vgg16", "--data", "digits"), "no trained weights"),
    ):
        code, out, err = pj("statistics", *words)
        assert (code, out) == (2, "")
        assert wrong in err and "Traceback" not in err

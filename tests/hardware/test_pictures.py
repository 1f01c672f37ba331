"""The schema accepts every preset, and the drawings show what the chip has."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
import yaml

from picojoule.hardware.chipfile.blocks import ChipSpec
from picojoule.hardware.chipfile.read import PRESETS, chip_from_yaml, chip_to_yaml, chips, load_chip
from picojoule.hardware.chipfile.schema import chip_schema
from picojoule.hardware.provenance import where_from
from picojoule.report.charts.tree import tree_svg, tree_text

NAMES = sorted(chips())


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_accepts_the_presets_and_what_we_write(name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    checker = jsonschema.Draft202012Validator(chip_schema())
    for text in ((PRESETS / f"{name}.yaml").read_text(encoding="utf-8"), chip_to_yaml(load_chip(name))):
        assert not [e.message for e in checker.iter_errors(yaml.safe_load(text))]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("size: 100 KiB", "sise: 100 KiB"),
        ("X: 14", "X: 0"),
        ("keeps: weight", "keeps: weihgt"),
        ("460 pJ", "460"),
        ("multicast: true", "multicast: 1"),
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(old: str, new: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    text = (PRESETS / "eyeriss.yaml").read_text(encoding="utf-8").replace(old, new, 1)
    assert not jsonschema.Draft202012Validator(chip_schema()).is_valid(yaml.safe_load(text))


def test_the_schema_explains_every_key_and_is_json() -> None:
    schema = chip_schema()
    assert json.loads(json.dumps(schema)) == schema
    blocks = [schema, *(d if "properties" in d else d["anyOf"][-1] for d in schema["$defs"].values())]
    for block in blocks:
        assert all(p.get("description") for p in block["properties"].values()), block["title"]
    assert set(schema["properties"]) == {f.alias or n for n, f in ChipSpec.model_fields.items()}


@pytest.mark.parametrize("name", NAMES)
def test_the_picture_is_well_formed_and_names_everything(name: str) -> None:
    chip = load_chip(name)
    root = ElementTree.fromstring(tree_svg(chip))
    text = " ".join(root.itertext())
    unit = [] if chip.vector is None else [chip.vector.name]
    for part in [m.name for m in chip.memories] + [f.name for f in chip.fanouts] + [chip.compute.name, *unit]:
        assert part in text
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    boxes = list(root.iter("{http://www.w3.org/2000/svg}rect"))
    assert len(boxes) == len(chip.memories) + len(chip.fanouts) + 1 + len(unit)
    width, height = (float(root.attrib[k]) for k in ("width", "height"))
    for box in boxes:
        x, y, w, h = (float(box.attrib[k]) for k in ("x", "y", "width", "height"))
        assert x >= 0 and y >= 0 and x + w <= width and y + h <= height


def test_a_name_with_markup_cannot_break_the_picture() -> None:
    chip = chip_from_yaml(chip_to_yaml(load_chip("eyeriss")).replace("type: dram", "type: '<b>&'"))
    ElementTree.fromstring(tree_svg(chip))


def test_the_tree_of_eyeriss_reads_as_in_the_documentation() -> None:
    assert (
        tree_text(load_chip("eyeriss"))
        == """\
eyeriss: 168 MAC units, 200 MHz, 65 nm, 1 V, 30 mW static
└─ DRAM [dram]: unbounded; 460 pJ per 16 b; keeps WIO; shared 19.2 b/cycle
   └─ GLB [sram]: 100 KiB; 15 pJ per 16 b; keeps IO; read 80 b/cycle, write 64 b/cycle
      └─ array ×168: X 14 × Y 12; 4 pJ per 16 b moved
         ├─ filter_spad [sram]: 448 B; 1 pJ per 16 b; keeps W
         ├─ ifmap_spad [register_file]: 24 B; 1 pJ per 16 b; keeps I
         └─ psum_spad [register_file]: 48 B; 1 pJ per 16 b; keeps O
            └─ MAC: 2 pJ per 16 b MAC"""
    )


def test_unknown_energies_are_shown_as_unknown() -> None:
    text = chip_to_yaml(load_chip("eyeriss")).replace("read: 15 pJ", "read: unknown").replace("mac: 2 pJ", "mac: unknown")
    chip = chip_from_yaml(text)
    assert "read ?, write 15 pJ per 16 b" in tree_text(chip)
    assert "MAC: ? per 16 b MAC" in tree_text(chip)
    assert ("GLB", "read", "unknown") in [(n.component, n.what, n.shown) for n in where_from(chip)]

"""Every preset loads, is priced, says where its numbers come from, and survives a round trip."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from picojoule.ask import ROLES
from picojoule.errors import SpecError
from picojoule.hardware.chip import Chip, FanOut
from picojoule.hardware.chipfile.read import PRESETS, chip_from_yaml, chip_to_yaml, chips, load_chip
from picojoule.hardware.provenance import where_from

NAMES = sorted(chips())


def test_the_list_of_presets_has_one_line_each() -> None:
    assert {
        "eyeriss",
        "eyeriss-256",
        "nvdla-like",
        "nvdla-small-like",
        "tpu-v1",
        "tpu-v4i-like",
        "simba-like",
        "edge-npu",
        "pin_array16",
        "pin_flat3",
        "simple3",
    } <= set(NAMES)
    assert all(20 < len(text) <= 120 and "\n" not in text for text in chips().values())


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_loads_under_its_own_name_and_is_priced(name: str) -> None:
    chip = load_chip(name)
    assert chip.name == name
    chip.check_priced()
    assert hash(chip) == hash(load_chip(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_chip_written_as_yaml_reads_back_equal(name: str) -> None:
    chip = load_chip(name)
    assert chip_from_yaml(chip_to_yaml(chip), "again.yaml") == chip


@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_a_preset_has_a_source_and_no_machine_path(name: str) -> None:
    assert all(n.source for n in where_from(load_chip(name)) if n.value is not None)
    text = (PRESETS / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert "source:" in text


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_that_uses_components_names_class_and_node(name: str) -> None:
    for number in where_from(load_chip(name)):
        if number.source.startswith("component"):
            assert any(unit in number.source for unit in (" nm", "pJ/b", "mm at")), number


def priced(chip: Chip, name: str) -> tuple[float | None, float | None]:
    return chip.memory(name).read_pj, chip.memory(name).write_pj


def test_eyeriss_is_the_published_chip_with_the_fitted_energies() -> None:
    chip = load_chip("eyeriss")
    assert (chip.pes, chip.clock_hz, chip.technology_nm, chip.voltage_v, chip.static_mw) == (168, 200e6, 65, 1, 30)
    assert [priced(chip, m.name) for m in chip.memories] == [(460, 460), (15, 15), (1, 1), (1, 1), (1, 1)]
    assert [m.capacity_bits for m in chip.memories] == [None, 25 * 512 * 64, 224 * 16, 12 * 16, 24 * 16]
    assert {a.name: a.size for a in chip.fanouts[0].axes} == {"X": 14, "Y": 12}
    assert (chip.fanouts[0].transfer_pj, chip.compute.mac_pj, chip.compute.bits) == (4, 2, 16)
    assert chip.dram.ports[0].bits_per_cycle == 64 * 60 / 200
    assert chip.memory("GLB").keeps_role("weight") == "never"


def test_the_normalised_eyeriss_has_the_isca_ratios() -> None:
    chip = load_chip("eyeriss-256")
    mac = chip.compute.mac_pj
    assert mac == 1
    assert [chip.memory(n).read_pj for n in ("RF", "GLB", "DRAM")] == [1, 6, 200]
    assert (chip.fanouts[0].transfer_pj, chip.pes, chip.memory("RF").capacity_bits) == (2, 256, 512 * 8)


@pytest.mark.parametrize(("name", "places"), [("pin_array16", 256), ("pin_flat3", 1)])
def test_the_pinned_problems_have_the_pinned_numbers(name: str, places: int) -> None:
    chip = load_chip(name)
    assert [priced(chip, n) for n in ("DRAM", "Buffer", "RF")] == [(64, 64), (2, 2), (0.16, 0.16)]
    assert [m.capacity_bits for m in chip.memories] == [None, 131072 * 8, 512 * 8]
    assert {m.word_bits for m in chip.memories} == {8}
    assert (chip.compute.mac_pj, chip.compute.bits, chip.clock_hz, chip.pes) == (0.1, 8, 1e9, places)
    assert [[(p.serves, p.bits_per_cycle) for p in m.ports] for m in chip.memories] == [
        [("read", 128), ("write", 128)],
        [("read", 1024), ("write", 1024)],
        [],
    ]
    assert all(m.keeps == ROLES for m in chip.memories)
    assert all(f.transfer_pj == 0 for f in chip.fanouts)
    assert {a.name: a.size for f in chip.fanouts for a in f.axes} == ({"X": 16, "Y": 16} if places > 1 else {})


def test_simple3_lets_every_memory_but_the_dram_keep_what_it_likes() -> None:
    chip = load_chip("simple3")
    assert [m.capacity_bits for m in chip.memories] == [None, 65536 * 16, 256 * 16]
    assert [m.read_pj for m in chip.memories] == [200, 6, 1]
    assert [(m.keeps, m.may_keep) for m in chip.memories] == [(ROLES, ()), ((), ROLES), ((), ROLES)]


@pytest.mark.parametrize(("name", "macs", "onchip_kib", "gbps"), [
    ("tpu-v1", 65536, (24 + 0.25 + 1) * 1024, 34), ("tpu-v4i-like", 65536, 144 * 1024, 614),
    ("simba-like", 1024, 64 + 16 * 41, 25.6),
    ("nvdla-like", 2048, 512, 20), ("nvdla-small-like", 64, 128, 4),
])  # fmt: skip
def test_the_sizes_are_those_of_the_publications(name: str, macs: int, onchip_kib: float, gbps: float) -> None:
    chip = load_chip(name)
    assert chip.pes == macs
    srams = [m for m in chip.memories if m.technology == "sram"]
    held = sum((m.capacity_bits or 0) * chip.instances_above(chip.level_of(m.name)) for m in srams)
    assert held / 8192 == onchip_kib
    assert chip.dram.ports[0].bits_per_cycle * chip.clock_hz / 8e9 == pytest.approx(gbps)


def test_a_systolic_array_sums_down_columns_and_shares_inputs_along_rows() -> None:
    array = next(lv for lv in load_chip("tpu-v1").levels if isinstance(lv, FanOut))
    assert {a.name: a.reuses for a in array.axes} == {"rows": ("output",), "columns": ("input",)}


def test_a_file_loads_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text((PRESETS / "eyeriss.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    assert load_chip(str(path)) == load_chip("eyeriss")


def test_an_unknown_name_lists_the_presets() -> None:
    with pytest.raises(SpecError) as caught:
        load_chip("eyeris")
    assert caught.value.problem == "unknown chip 'eyeris'"
    assert caught.value.hint.startswith("did you mean 'eyeriss'? known: ")
    assert "edge-npu, eie-like, eyeriss, eyeriss-256," in caught.value.hint


def test_a_missing_file_and_a_file_of_bytes_are_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nowhere.yaml: cannot read it: No such file"):
        load_chip(str(tmp_path / "nowhere.yaml"))
    (tmp_path / "bytes.yaml").write_bytes(b"chip: \xff\xfe")
    with pytest.raises(SpecError, match=r"bytes.yaml: this is binary data, not text: byte 6 is not UTF-8"):
        load_chip(str(tmp_path / "bytes.yaml"))


def test_the_yaml_of_a_chip_is_plain_yaml_that_people_can_read() -> None:
    text = chip_to_yaml(load_chip("eyeriss"))
    assert yaml.safe_load(text)["levels"][1]["memory"]["size"] == "100 KiB"
    assert "axes: {X: 14, Y: 12}" in text
    assert max(map(len, text.splitlines())) < 130

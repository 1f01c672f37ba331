"""MAC energy and area by number format: the sources' own points, laws, and what a format changes in a chip's cost."""

from __future__ import annotations

from dataclasses import replace

import pytest

import picojoule
from picojoule.errors import SpecError
from picojoule.formats.names import formats
from picojoule.hardware.chip import Memory
from picojoule.hardware.chipfile.read import chip_from_yaml, chip_to_yaml
from picojoule.hardware.components.format_mac import energy_ratio, mac_cost
from picojoule.workload.layer import gemm

CHIP = """
chip: tiny
clock: 1 GHz
levels:
  - memory: {name: DRAM, word: 64 b, read: 512 pJ, write: 512 pJ, bandwidth: 64 b/cycle}
  - memory: {name: buf, size: 4 KiB, word: 64 b, read: 6 pJ, write: 6 pJ}
compute: {mac: 1 pJ, operands: 16 b}
"""


def energy(name: str, nm: float = 45) -> float:
    return mac_cost(name, name, nm, 0.9 if nm == 45 else None).energy.value


def test_the_points_of_the_sources_come_out_exactly() -> None:
    assert energy("int8") == pytest.approx(0.2 + 0.1)  # Horowitz: 8 b multiplication, 32 b addition
    assert energy("fp16") == pytest.approx(1.1 + 0.9)
    assert energy("fp32") == pytest.approx(3.7 + 0.9)
    assert mac_cost("int8", "int8", 45, 0.9).area.value == pytest.approx(282 + 137)
    assert mac_cost("fp32", "fp32", 45, 0.9).area.value == pytest.approx(7700 + 4184)


def test_bfloat16_at_7_nm_is_near_a_figure_that_was_not_used() -> None:
    product = mac_cost("bf16", "bf16", 7).parts[0]
    assert product.energy.value == pytest.approx(0.21, rel=0.1)  # Jouppi ISCA 2021


@pytest.mark.parametrize("nm", [45, 28, 7])
@pytest.mark.parametrize(
    "family",
    [
        ("int2", "int4", "int8", "int16"),
        ("fp4_e2m1", "fp8_e4m3", "bf16", "fp16", "fp32"),
        ("mxfp4", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp8_e4m3"),
        ("binary", "int2"),
    ],
)
def test_wider_formats_take_more_energy_and_area(family: tuple[str, ...], nm: float) -> None:
    costs = [mac_cost(n, n, nm) for n in family]
    assert [c.energy.value for c in costs] == sorted(c.energy.value for c in costs)
    assert [c.area.value for c in costs] == sorted(c.area.value for c in costs)


def test_a_mac_does_not_care_which_operand_is_the_weight() -> None:
    for a in formats():
        for b in formats():
            assert mac_cost(a, b).energy.value == pytest.approx(mac_cost(b, a).energy.value), (a, b)
            assert mac_cost(a, b).energy.low <= mac_cost(a, b).energy.value <= mac_cost(a, b).energy.high


def test_every_part_names_a_source_and_the_sum_is_the_sum() -> None:
    for name in formats():
        c = mac_cost(name, name)
        assert all(p.energy.source for p in c.parts)
        assert c.energy.value == pytest.approx(sum(p.energy.value for p in c.parts))


def test_number_formats_change_storage_and_the_energy_of_macs() -> None:
    chip, layer = chip_from_yaml(CHIP), gemm(M=16, N=16, K=32)
    quantised = layer.bits_of(weight="mxfp4", input="fp8_e4m3")
    by = {t.name: t.bits for t in quantised.tensors}
    assert by == {"A": 8, "B": 4.25, "Z": 16}
    assert chip.compute.energy_pj(quantised) == pytest.approx(energy_ratio("fp8_e4m3", "mxfp4", ("int16", "int16")))
    assert chip.compute.energy_pj(layer.bits_of(weight=4)) == 1.0  # a width alone leaves the MAC units
    assert chip.compute.energy_pj(layer.bits_of(weight="int16", input="int16")) == pytest.approx(1.0)
    assert chip.dram.accesses_per_word(4.25) == 1 / 16 + 0.25 / 64


def test_tiles_of_fractional_width_fill_a_memory_to_the_bit() -> None:
    layer = gemm(M=1, N=32, K=32).bits_of(weight="mxfp4", input="mxfp8_e4m3", output="fp16")
    chip = chip_from_yaml(CHIP)
    need = 1024 * 4.25 + 32 * 8.25 + 32 * 16
    text = "DRAM{A,B,Z}; buf{A,B,Z}; n32; k32"

    def with_room(bits: int) -> picojoule.hardware.chip.Chip:  # type: ignore[name-defined]
        buf = replace(chip.memory("buf"), capacity_bits=bits)
        levels = (chip.levels[0], replace(chip.levels[1], memories=(buf,)))  # type: ignore[type-var]
        return replace(chip, levels=levels)

    picojoule.parse_mapping(text, layer, with_room(int(need)), "test")
    with pytest.raises(picojoule.PicojouleError, match="holds 5,127 b and the tiles need 5,128 b"):
        picojoule.parse_mapping(text, layer, with_room(int(need) - 1), "test")


def test_a_chip_may_say_the_format_of_its_operands() -> None:
    text = CHIP.replace("{mac: 1 pJ, operands: 16 b}", "{operands: mxfp4, class: mac}") + "technology: 45 nm\nvoltage: 0.9 V\n"
    chip = chip_from_yaml(text)
    assert (chip.compute.number, chip.compute.bits) == ("mxfp4", 4)
    assert chip.compute.mac_pj == pytest.approx(energy("mxfp4"))
    assert "mxfp4" in chip_to_yaml(chip)
    assert chip_from_yaml(chip_to_yaml(chip)).compute.number == "mxfp4"
    layer = gemm(M=4, N=4, K=4).bits_of(weight="mxfp4", input="mxfp4")
    assert chip.compute.energy_pj(layer) == pytest.approx(energy("mxfp4"))


@pytest.mark.parametrize(
    ("compute", "wrong"),
    [
        ("{operands: mxfp5, mac: 1 pJ}", "unknown number format 'mxfp5'"),
        ("{class: {name: mac, format: mxfp4, bits: 8}}", "mxfp4 has elements of 4 b, not 8 b"),
        ("{operands: mxfp4, class: {name: mac, accumulate: 32 b}}", "mxfp4 has its own accumulator"),
    ],
)
def test_formats_a_chip_cannot_mean_are_one_located_error(compute: str, wrong: str) -> None:
    text = CHIP.replace("{mac: 1 pJ, operands: 16 b}", compute) + "technology: 45 nm\n"
    with pytest.raises(SpecError, match=wrong) as error:
        chip_from_yaml(text)
    assert error.value.where.startswith("chip.yaml:7:")


def test_memories_pack_whole_elements_and_their_scales_apart() -> None:
    m = Memory("m", 1024, 16, 1.0, 1.0)
    assert m.accesses_per_word(5) == 1 / 3
    assert m.accesses_per_word(4.5) == 1 / 4 + 0.5 / 16
    assert m.accesses_per_word(32.25) == 2 + 0.25 / 16

"""What a chip file may say, and what it says when it is wrong: message, place and hint, word for word."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picojoule.ask import ROLES
from picojoule.errors import PicojouleError, SpecError
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory, Port
from picojoule.hardware.chipfile.read import chip_from_yaml, chip_to_yaml

GOOD = """\
chip: small
clock: 1 GHz
levels:
  - memory:
      name: DRAM
      word: 16 b
      read: 100 pJ
      write: 100 pJ
  - fanout:
      name: array
      axes: {X: 4, Y: 2}
      transfer: 0 pJ
  - memory: {name: RF, size: 64 B, word: 16 b, read: 1 pJ, write: 1 pJ}
compute:
  mac: 1 pJ
"""


def fault(old: str, new: str) -> SpecError:
    assert old in GOOD
    with pytest.raises(SpecError) as caught:
        chip_from_yaml(GOOD.replace(old, new, 1), "c.yaml")
    return caught.value


MEMORY_KEYS = (
    "area, bandwidth, class, double_buffered, formats, gates, keeps, leakage, may_keep, name, ports, read, serves, size, "
    "skips, source, sources, type, word, write"
)
BAD = [
    ("size: 64 B", "sise: 64 B", "13:24", "unknown key 'sise'", f"did you mean 'size'? known: {MEMORY_KEYS}"),
    ("      word: 16 b", "      wrod: 16 b", "6:7", "unknown key 'wrod'", f"did you mean 'word'? known: {MEMORY_KEYS}"),
    ("clock: 1 GHz\n", "", "1:1", "the chip needs 'clock'", "clock: Clock of the MAC units, such as `200 MHz`."),
    ("      word: 16 b\n", "", "5:7", "memory needs 'word'",
     "word: Bits that one access reads or writes; several narrower tensor words share an access."),
    ("  mac: 1 pJ", "  mac: 1", "15:8", "mac: '1' has no unit",
     "write an energy or an energy per bit with its unit, such as '1 pJ'"),
    ("read: 100 pJ", "read: -100 pJ", "7:13", "read: '-100 pJ' is negative", "an energy is 0 or more"),
    ("read: 100 pJ", "read: 100 KiB", "7:13", "read: '100 KiB' is a size, and an energy or an energy per bit is needed",
     "such as '2 pJ' or '8 pJ/b'"),
    ("read: 100 pJ", "read: .nan", "7:13", "read: 'nan' is not finite",
     "write an energy or an energy per bit with its unit, such as '2 pJ' or '8 pJ/b'"),
    ("read: 100 pJ", "read: [100 pJ]", "7:13", "read: an energy or an energy per bit is needed here, not a list",
     "such as '2 pJ'"),
    ("clock: 1 GHz", "clock: 0 GHz", "2:8", "clock: '0 GHz' is zero", "a frequency above zero, such as '200 MHz'"),
    ("X: 4", "X: 0", "11:17", "X: a fan-out of 0", "a fan-out is 1 or more"),
    ("X: 4", "X: 2.5", "11:17", "X: a whole number of instances is needed here, not the number 2.5", "such as 16"),
    ("X: 4", "X: {size: 4, reuse: input}", "11:27", "unknown key 'reuse'",
     "did you mean 'reuses'? known: dims, kinds, reuses, size"),
    ("X: 4", "X: {size: 4, reuses: inputt}", "11:35", "reuses: unknown tensor 'inputt'",
     "did you mean 'input'? known: all, input, none, output, weight"),
    ("{X: 4, Y: 2}", "{X: 4, X: 2}", "11:20", "key 'X' is given twice", "the first one is at line 11, column 14"),
    ("{X: 4, Y: 2}", "{}", "11:13", "'axes' is empty", "axes: Axes with their sizes: `{X: 14, Y: 12}`."),
    ("name: RF", "name: DRAM", "13:20", "two components are named 'DRAM'",
     "the first one is at c.yaml:5:13; give each its own name"),
    ("name: RF", "name: MAC", "15:3", "two components are named 'MAC'",
     "the first one is at c.yaml:13:20; give each its own name"),
    ("name: RF", "name: 3", "13:20", "name: a name is needed here, not the number 3",
     "letters, digits, '_', '.' and '-', such as global_buffer"),
    ("      word: 16 b", "\t  word: 16 b", "6:1", "a tab stands where YAML needs spaces", "indent with spaces"),
    ("      word: 16 b", "     word: 16 b", "6:6", "not valid YAML: expected <block end>, but found '<block mapping start>'",
     "check the indentation, colons and brackets of this line and the one above"),
    ("read: 100 pJ", "read:", "7:7", "key 'read' has no value", "give a value, or leave the line out"),
    ("read: 100 pJ", "read: 100 pJ\n      read: 3 pJ", "8:7", "key 'read' is given twice",
     "the first one is at line 7, column 7"),
    ("size: 64 B, ", "", "13:13", "memory 'RF' has no size", "such as `size: 108 KiB`"),
    ("size: 64 B", "size: 64 KB", "13:30", "size: '64 KB': KB may mean 1024 or 1000",
     "write '64 KiB' for 1024 or '64 kB' for 1000"),
    ("size: 64 B", "size: 0 B", "13:30", "size: '0 B' is zero",
     "a size above zero, such as '108 KiB'; leave it out for a bypass"),
    ("size: 64 B", "size: 64 B, keeps: most", "13:43", "keeps: unknown tensor 'most'",
     "known: all, input, none, output, weight"),
    ("size: 64 B", "size: 64 B, keeps: [I, W], may_keep: [W]", "13:61", "'weight' stands in keeps and in may_keep",
     "keeps is must, may_keep leaves it to the mapper"),
    ("size: 64 B", "size: 64 B, bandwidth: 64 b", "13:47",
     "bandwidth: '64 b' is a size, and a bandwidth per cycle or a bandwidth per second is needed",
     "such as '64 b/cycle' or '25.6 GB/s'"),
    ("size: 64 B", "size: 64 B, bandwidth: {shared: 8 b/cycle, read: 8 b/cycle}", "13:47", "shared excludes read and write",
     "give shared alone, or read and write"),
    ("size: 64 B", "size: 64 B, class: sarm", "13:43", "unknown component 'sarm'",
     "did you mean 'sram'? known: adc, adder, dram, mac, memory_technology, multiplier, register, register_file, router, sram, "
     "vector_lane, wire"),
    ("size: 64 B", "size: 64 B, class: sram", "13:43", "component sram needs 'technology'",
     "state it in the class, or as the chip's technology"),
    ("size: 64 B", "size: 64 B, class: {name: sram, technology: 45}", "13:43", "'45' has no unit",
     "write a length with its unit, such as '45 nm'"),
    ("size: 64 B", "size: 64 B, class: {name: sram, node: 45 nm}", "13:43", "unknown parameter of sram 'node'",
     "did you mean 'word'? known: banks, capacity, device, lanes, scaled_from, technology, voltage, word"),
    ("  - fanout:", "  - fan_out:", "9:5", "unknown key 'fan_out'", "did you mean 'fanout'? known: array, fanout, memory, peers"),
    ("      transfer: 0 pJ", "      multicast: 1", "12:18", "multicast: true or false is needed here, not the number 1",
     "multicast: One read above serves all places that need the same tile."),
    ("  mac: 1 pJ", "  mac: 1 pJ\n  scaling: cubic", "16:12", "scaling: unknown MAC energy scaling 'cubic'",
     "known: none, quadratic"),
    ("  mac: 1 pJ", "  mac: 1 pJ\n  per_cycle: 0", "16:14", "per_cycle: 0 is not a positive, finite number", "such as 1"),
    ("compute:\n  mac: 1 pJ\n", "compute: 1 pJ\n", "14:10", "compute: a block of keys is needed here, not text '1 pJ'",
     "compute: The MAC units in the innermost places."),
    ("compute:\n  mac: 1 pJ\n", "", "1:1", "the chip needs 'compute'", "compute: The MAC units in the innermost places."),
    ("chip: small", "chip: !Chip small", "1:7", "the tag !Chip has no meaning here", "remove it"),
    ("chip: small", "--- {}\n---\nchip: small", "2:1", "a second document begins here", "one chip a file; remove the `---`"),
    ("name: DRAM", "name: DRAM\n      sources: {raed: me}", "6:17", "unknown number 'raed'",
     "did you mean 'read'? known: area, leakage, read, write"),
    ("size: 64 B", "size: 64 B, serves: [X, Z]", "13:44", "unknown axis of array 'Z'", "known: X, Y"),
    ("size: 64 B", "size: 64 B, serves: [X, X]", "13:44", "serves: axis 'X' is listed twice", "list each axis once"),
    ("X: 4, Y: 2}", "X: 4, Y: 2}\n      hops: -1", "12:13", "hops: a number of hops is needed here, not the number -1",
     "such as 2.5, the mean over all places"),
    ("X: 4, Y: 2}", "X: 4, Y: 2}\n      bandwidth: 0 b/cycle", "12:18", "bandwidth: '0 b/cycle' is zero",
     "give a positive bandwidth, or `unlimited`"),
    ("name: DRAM", "name: DRAM\n      serves: X", "6:15", "memory 'DRAM' serves 'X' and no fan-out stands right above it",
     "serves: axes of the fan-out that the memory comes right after"),
    ("name: DRAM", "name: DRAM\n      size: 4 MiB", "4:5", "chip 'small': the outermost memory must be unbounded",
     "leave out its size"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "place", "problem", "hint"), BAD, ids=[b[3][:50] for b in BAD])
def test_a_fault_is_named_at_its_place_with_a_remedy(old: str, new: str, place: str, problem: str, hint: str) -> None:
    error = fault(old, new)
    assert (error.where, error.problem, error.hint) == (f"c.yaml:{place}", problem, hint)


def test_there_are_at_least_25_bad_inputs() -> None:
    assert len(BAD) >= 25


def test_all_faults_of_a_file_are_reported_in_the_order_of_the_file() -> None:
    error = fault("      word: 16 b\n      read: 100 pJ", "      word: 16\n      raed: 100 pJ")
    assert str(error) == (
        "c.yaml:6:13: word: '16' has no unit\n"
        "hint: write a size with its unit, such as '16 KiB'\n"
        "also c.yaml:7:7: unknown key 'raed'"
    )


@pytest.mark.parametrize(("text", "place", "problem"), [
    ("", "1:1", "the file is empty"), ("# nothing\n", "1:1", "the file is empty"),
    ("- a\n- b\n", "1:1", "keys and values are needed here, not a list"),
    ("chip", "1:1", "keys and values are needed here, not text 'chip'"),
    ("chip: &a {b: *a}\n", "1:7", "an alias repeats a block inside itself, or far too often"),
    ("chip: a\x01", "1:8", "this character is not allowed in YAML"), ("? [a]\n: b\n", "1:3", "a key has to be a plain word"),
    ("[" * 5000, "1:1", "brackets or blocks are nested too deeply"),
    ("a: &b {c: d}\n<<: *b\n", "2:1", "`<<` merges keys where nobody sees them"),
])  # fmt: skip
def test_a_file_that_is_no_chip_at_all_is_refused(text: str, place: str, problem: str) -> None:
    with pytest.raises(SpecError) as caught:
        chip_from_yaml(text, "c.yaml")
    assert (caught.value.where, caught.value.problem) == (f"c.yaml:{place}", problem)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(GOOD)), st.integers(0, 12), st.text(max_size=6))
def test_a_damaged_file_loads_or_is_refused_with_a_place(at: int, cut: int, put: str) -> None:
    try:
        chip_from_yaml(GOOD[:at] + put + GOOD[at + cut :], "c.yaml")
    except PicojouleError as e:
        assert e.where.startswith("c.yaml:")


def test_what_is_left_out_is_unknown_and_refused_when_priced() -> None:
    chip = chip_from_yaml(GOOD.replace("      read: 100 pJ\n", ""))
    assert chip.dram.read_pj is None
    with pytest.raises(SpecError, match="the read energy is unknown"):
        chip.check_priced()
    assert chip_from_yaml(GOOD.replace("transfer: 0 pJ", "transfer: unknown")).fanouts[0].transfer_pj is None
    assert chip_from_yaml(GOOD.replace("  mac: 1 pJ", "  operands: 8 b")).compute.mac_pj is None


def test_energies_per_bit_are_times_the_word_and_rates_per_second_over_the_clock() -> None:
    chip = chip_from_yaml(GOOD.replace("read: 100 pJ", "read: 8 pJ/b\n      bandwidth: 16 GB/s").replace("1 GHz", "500 MHz"))
    assert chip.dram.read_pj == 128
    assert chip.dram.ports == (Port("shared", "readwrite", 256.0),)


def test_a_written_number_beats_the_component_and_each_keeps_its_source() -> None:
    text = GOOD.replace(
        "size: 64 B, word: 16 b, read: 1 pJ, write: 1 pJ",
        "size: 64 B, word: 16 b, write: 7 pJ, class: {name: register_file, technology: 65 nm}, source: my bench",
    )
    memory = chip_from_yaml(text).memory("RF")
    assert memory.write_pj == 7
    assert memory.read_pj == pytest.approx(0.251 * 2**0.8306, rel=1e-3)  # 32 words, between 16 and 192
    assert dict(memory.sources)["read"].startswith("component register_file: Accelergy eyeriss_like reference table, 65 nm")
    assert "write" not in dict(memory.sources)
    assert memory.source == "my bench"


def test_a_part_without_a_source_has_that_of_its_component_or_of_the_chip() -> None:
    text = GOOD.replace("clock:", "source: a thesis\nclock:")
    text = text.replace(
        "size: 64 B, word: 16 b, read: 1 pJ, write: 1 pJ",
        "size: 64 B, word: 16 b, write: 7 pJ, class: {name: register_file, technology: 65 nm}",
    )
    chip = chip_from_yaml(text)
    assert chip.dram.source == chip.fanouts[0].source == chip.compute.source == "a thesis"
    assert chip.memory("RF").source == "component register_file: Accelergy eyeriss_like reference table, 65 nm, 16 b"
    assert dict(chip.memory("RF").sources)["write"] == "a thesis"
    assert chip_from_yaml(chip_to_yaml(chip)) == chip


roles = st.lists(st.sampled_from(ROLES), unique=True).map(tuple)
energies = st.none() | st.floats(0, 1e6, allow_subnormal=False)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True)
texts = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=12)


@st.composite
def random_chips(draw: st.DrawFn) -> Chip:
    def memory(name: str, outermost: bool = False) -> Memory:
        keeps = ROLES if outermost else draw(roles)
        may = tuple(r for r in (() if outermost else draw(roles)) if r not in keeps)
        one, two, odd = (("shared", "readwrite"),), (("read", "read"), ("write", "write")), (("a", "read"), ("b", "read"))
        rates = draw(st.sampled_from([(), one, two, odd]))
        ports = tuple(Port(n, s, draw(st.floats(0.5, 1e5))) for n, s in rates)
        source = draw(texts)
        sources = (("read", "a book: page 3"), ("area", "x"))[: draw(st.integers(0, 2))]
        size, word = None if outermost else draw(st.integers(1, 2**40)), draw(st.integers(1, 4096))
        return Memory(
            name,
            size,
            word,
            draw(energies),
            draw(energies),
            keeps,
            may,
            ports,
            draw(st.booleans()),
            draw(energies),
            draw(energies),
            draw(names),
            source,
            sources,
        )

    levels: list[Group | FanOut] = [Group((memory("m0", outermost=True),))]
    for i in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            above = levels[-1]
            axes_served = draw(st.sampled_from([(), ("X",), ("X", "Y")])) if isinstance(above, FanOut) and not above.links else ()
            levels.append(Group((replace(memory(f"n{i}"), serves=axes_served),)))
        else:
            dims = draw(st.none() | st.just(("K", "C")))
            axes = tuple(Axis(n, draw(st.integers(1, 64)), dims, draw(roles)) for n in ("X", "Y"))
            levels.append(
                FanOut(
                    f"f{i}",
                    axes,
                    draw(st.booleans()),
                    draw(st.booleans()),
                    draw(st.sampled_from([(), ("P", "Q")])),
                    draw(energies),
                    draw(st.integers(1, 64)),
                    draw(texts),
                    bits_per_cycle=draw(st.none() | st.floats(0.5, 1e5)),
                    hops=draw(st.floats(0, 16, allow_subnormal=False)),
                )
            )
    compute = Compute(
        "mac",
        draw(energies),
        draw(st.integers(1, 64)),
        draw(st.sampled_from(["none", "quadratic"])),
        draw(st.floats(0.25, 8)),
        draw(energies),
        draw(energies),
        draw(texts),
    )
    return Chip(
        draw(names),
        tuple(levels),
        compute,
        draw(st.floats(1, 1e10)),
        draw(st.none() | st.floats(1, 200)),
        draw(st.none() | st.floats(0.1, 5)),
        draw(texts),
        draw(texts),
        draw(energies),
    )


@settings(max_examples=80, deadline=None)
@given(random_chips())
def test_any_chip_reads_back_equal(chip: Chip) -> None:
    assert chip_from_yaml(chip_to_yaml(chip), "again.yaml") == chip

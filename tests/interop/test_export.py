"""What goes out as Timeloop 0.4 comes back: the same chip, layer and mapping; what has no form there is refused by name."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from picojoule.ask import ROLES
from picojoule.cost.traffic import count
from picojoule.errors import SpecError
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory, Port
from picojoule.hardware.chipfile.read import load_chip
from picojoule.interop.load import import_files
from picojoule.interop.timeloop.export import export_timeloop
from picojoule.mapping.mapping import Loop, Mapping, Node, check, parse
from picojoule.workload.layer import Layer, conv, gemm
from tests.workload.test_einsum import same

OLD = """
architecture:
  version: 0.2
  subtree:
  - name: system
    local:
    - {name: DRAM, class: DRAM, attributes: {width: 64, word-bits: 16}}
    subtree:
    - name: PE[0..7]
      local:
      - {name: RF, class: regfile, attributes: {depth: 16, width: 16, word-bits: 16, meshX: 4}}
      - {name: mac, class: intmac, attributes: {word-bits: 16}}
"""


def plain(chip: Chip) -> Chip:
    """Without sources, and with the width of transfers that cost nothing left out."""
    levels = tuple(
        replace(x, source="", transfer_bits=8)
        if isinstance(x, FanOut)
        else Group(tuple(replace(m, source="") for m in x.memories))
        for x in chip.levels
    )
    return replace(chip, levels=levels, compute=replace(chip.compute, source=""), source="", description="")


def random_chip(rng: random.Random) -> Chip:
    bits = rng.choice((4, 8, 16))

    def ports() -> tuple[Port, ...]:
        kind = rng.randrange(4)
        own = (Port("read", "read", bits * rng.randint(1, 9)), Port("write", "write", bits * rng.randint(1, 9)))
        return () if kind == 0 else (Port("shared", "readwrite", bits * 3),) if kind == 1 else own if kind == 2 else own[:1]

    def memory(name: str, capacity: int | None, keeps: tuple[str, ...], may: tuple[str, ...] = ()) -> Memory:
        word = bits * rng.choice((1, 2, 4))
        return Memory(
            name=name, capacity_bits=None if capacity is None else word * capacity, word_bits=word, read_pj=rng.uniform(0, 99),
            write_pj=rng.uniform(0, 99), keeps=keeps, may_keep=may, ports=ports(), double_buffered=rng.random() < 0.3,
            leakage_mw=rng.choice((None, round(rng.uniform(0, 2), 4))), area_um2=rng.choice((None, 12.5)),
            technology="dram" if capacity is None else "sram",
        )  # fmt: skip

    levels: list[Group | FanOut] = [Group((memory("Main", None, ROLES),))]
    if rng.random() < 0.8:
        keeps = tuple(r for r in ROLES if rng.random() < 0.5)
        levels.append(Group((memory("Buffer", 2**16, keeps, tuple(r for r in ROLES if r not in keeps and rng.random() < 0.7)),)))
    x, y = Axis("X", rng.randint(2, 8)), Axis("Y", rng.randint(2, 8))
    if rng.random() < 0.8:
        if rng.random() < 0.3:
            x, y = replace(x, dims=("K", "M")), replace(y, dims=("C", "N"))
        levels.append(FanOut("array", rng.choice(((x,), (y,), (x, y)))))
    if rng.random() < 0.5:
        levels.append(Group(tuple(memory(f"spad_{r}", 2**12, (r,)) for r in ROLES)))
    else:
        levels.append(Group((memory("Local", 2**12, (), ROLES),)))
    compute = Compute("mac", rng.uniform(0, 3), bits, leakage_mw=rng.choice((None, 0.125)))
    return Chip("random", tuple(levels), compute, rng.choice((1e9, 2e8, 333e6, 1.05e9)), rng.choice((None, 28.0, 65.0)))


def random_mapping(rng: random.Random, layer: Layer, chip: Chip) -> Mapping:
    """Bounds cut at random over the levels; the nodes of a level stand above its loops."""
    entries: list[Loop | Node] = []
    left = dict(layer.dims)
    for i, level in enumerate(chip.levels):
        if isinstance(level, FanOut):
            for a in sorted(level.axes, key=lambda a: a.name, reverse=True):
                d = rng.choice(sorted(left))
                n = rng.choice([n for n in range(1, a.size + 1) if left[d] % n == 0])
                if a.allows(layer, d) and n > 1 and d not in [e.dim for e in entries if isinstance(e, Loop) and e.spatial]:
                    entries.append(Loop(d, n, level.name, a.name))
                    left[d] //= n
            continue
        for m in level.memories:
            kept = [
                t
                for t in layer.tensors
                if m.keeps_role(t.role) == "must" or (m.keeps_role(t.role) == "may" and rng.random() < 0.6)
            ]
            entries += [Node(m.name, t.name) for t in kept]
            last = i == len(chip.levels) - 1 and m is level.memories[-1]
            for d in rng.sample(sorted(left), len(left)):
                n = left[d] if last else rng.choice([n for n in range(1, left[d] + 1) if left[d] % n == 0])
                if n > 1:
                    entries.append(Loop(d, n))
                    left[d] //= n
    mapping = Mapping(tuple(entries))
    check(mapping, layer, chip)
    return mapping


def back(files: dict[str, str], folder: Path) -> list[Path]:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / n for n in files]


@pytest.mark.parametrize("seed", range(100))
def test_a_random_chip_and_mapping_come_back(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    chip = random_chip(rng)
    bits = chip.compute.bits
    layer = rng.choice((gemm("g", M=12, N=8, K=6, bits=bits), conv("c", K=8, C=4, P=6, Q=4, R=3, S=1, stride=2, bits=bits)))
    layer = layer if layer.op == "Gemm" else unpadded(layer)
    mapping = random_mapping(rng, layer, chip)
    exported = export_timeloop(chip, layer, mapping)
    assert exported.lost == []
    (placed,) = import_files(back(exported.files, tmp_path)).mappings
    assert plain(placed.chip) == plain(chip)
    assert same(placed.layer, renamed(layer, placed.layer))
    assert str(placed.mapping) == str(mapping)
    ours, theirs = (count(layer, chip, mapping, "timeloop"), count(placed.layer, placed.chip, placed.mapping, "timeloop"))
    assert (ours.reads(), ours.writes()) == (theirs.reads(), theirs.writes())


def unpadded(layer: Layer) -> Layer:
    """The input as large as the loops reach, which is how that tool has it."""
    tensors = tuple(replace(t, ranks=tuple(replace(r, offset=0, size=None) for r in t.ranks)) for t in layer.tensors)
    return replace(layer, tensors=tensors)


def renamed(layer: Layer, like: Layer) -> Layer:
    """The layer with that one's marks of trained tensors."""
    return replace(layer, tensors=tuple(replace(t, learned=like.tensor(t.name).learned) for t in layer.tensors))


def test_a_preset_that_says_more_is_refused_by_name_unless_lossy() -> None:
    chip = load_chip("eyeriss")
    with pytest.raises(SpecError, match="Timeloop files cannot say: chip 'eyeriss': voltage_v"):
        export_timeloop(chip)
    assert "fanout 'array': transfer_pj" in export_timeloop(chip, lossy=True).lost


def test_a_mapping_without_a_form_there_is_refused_by_name() -> None:
    chip, layer = load_chip("simple3"), gemm(M=8, N=8, K=8)
    text = "DRAM{A,B,Z}; m2; GlobalBuffer{Z}; k2; GlobalBuffer{A,B}; m4 n8; RegisterFile{A,B,Z}; k4"
    mapping = parse(text, layer, chip)
    with pytest.raises(SpecError, match="keeps its tensors below different loops"):
        export_timeloop(chip, layer, mapping, lossy=True)


def test_an_old_architecture_becomes_one_of_today(tmp_path: Path) -> None:
    old = tmp_path / "old.yaml"
    old.write_text(OLD, encoding="utf-8")
    chip = import_files([old]).chips[0]
    assert [(a.name, a.size) for a in chip.fanouts[0].axes] == [("X", 4), ("Y", 2)]
    new = import_files(back(export_timeloop(chip).files, tmp_path)).chips[0]
    assert plain(new) == plain(chip)

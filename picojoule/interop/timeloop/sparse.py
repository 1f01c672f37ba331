"""Timeloop's sparse optimisations as ours: formats of tensors in a memory, accesses that zeros leave out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.chip import Conditions
from picojoule.hardware.compression import Format, RankFormat
from picojoule.interop.report import Report
from picojoule.interop.timeloop.parts import Part
from picojoule.interop.trees import Block, as_block, as_items, as_text, as_texts, as_whole, refuse_leftover

_KINDS = {"UOP": "offset", "CP": "coordinate", "B": "bitmask", "RLE": "run_length"}
Role = Callable[[str, str], str]
Saves = tuple[tuple[tuple[str, Format], ...], Conditions, Conditions]


def operands_of(part: Part, report: Report) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(operands whose zeros the MACs skip, those that they gate), of the compute's sparse optimisations."""
    block = part.sparse
    assert block is not None
    found: dict[str, tuple[str, ...]] = {"skipping": (), "gating": ()}
    if (tree := block.get("compute_optimization", "compute-optimization")) is not None:
        for item in as_items(tree, "compute_optimization"):
            entry = as_block(item, "an optimisation")
            kind = as_text(entry.need("type", what="an optimisation"), "type")
            if kind not in found:
                raise unknown_name("sparse optimisation", kind, found, entry.where)
            found[kind] = ("input", "weight")
            report.read(entry.where, f"{part.name}.{kind}", "MACs of which an operand is zero")
            refuse_leftover(entry, kind)
    refuse_leftover(block, f"sparse optimisations of {part.name!r}", ["compute_optimization"])
    return found["skipping"], () if found["skipping"] else found["gating"]


def saves_of(part: Part, role: Role, report: Report, rank_counts: Mapping[str, int]) -> Saves:
    """(formats, skips, gates) of a storage's sparse optimisations.

    A format of one rank more than the tensor begins with a directory of the tiles that the memory passes on.
    """
    block = part.sparse
    assert block is not None
    formats: list[tuple[str, Format]] = []
    conditions: dict[str, list[tuple[str, tuple[str, ...]]]] = {"skipping": [], "gating": []}
    if (tree := block.get("representation_format", "representation-format")) is not None:
        spaces = as_block(tree, "representation format").need("data_spaces", "data-spaces", what="the format")
        for item in as_items(spaces, "data_spaces"):
            space = as_block(item, "a data space")
            name = as_text(space.need("name", what="a data space"), "name")
            ranks = [_rank(as_block(r, "a rank"), part) for r in as_items(space.need("ranks", what=name), "ranks")]
            own = rank_counts.get(name, len(ranks))
            if len(ranks) == own + 1:
                ranks[0] = replace(ranks[0], dims=("tiles",))
            elif len(ranks) != own:
                raise SpecError(
                    f"{len(ranks)} format ranks of {name!r}, which has {own} ranks",
                    where=space.where,
                    hint="one for each rank of the tensor, and one more for a directory of its tiles",
                )
            formats.append((role(name, space.where), Format(tuple(ranks))))
            report.read(space.where, f"{part.name}.format of {name}", " ".join(r.kind for r in ranks))
            refuse_leftover(space, f"format of {name!r}")
    if (tree := block.get("action_optimization", "action-optimization")) is not None:
        for item in as_items(tree, "action_optimization"):
            action = as_block(item, "an optimisation")
            kind = as_text(action.need("type", what="an optimisation"), "type")
            if kind not in conditions:
                raise unknown_name("sparse optimisation", kind, conditions, action.where)
            for option in as_items(action.need("options", what=kind), "options"):
                conditions[kind].append(_condition(as_block(option, "an option"), part, kind, role, report))
            refuse_leftover(action, kind)
    refuse_leftover(block, "sparse_optimizations")
    return tuple(formats), tuple(conditions["skipping"]), tuple(conditions["gating"])


def _rank(block: Block, part: Part) -> RankFormat:
    kind = as_text(block.need("format", what="a rank"), "format").upper()
    if kind not in _KINDS:
        raise SpecError(f"rank format {kind!r}", where=block.where, hint=f"read: {', '.join(_KINDS)}")
    stated = block.get("payload-word-bits", "payload_word_bits", "metadata-word-bits", "metadata_word_bits")
    bits = as_whole(stated, "word bits") if stated is not None else None
    if bits is None and kind != "B" and (word := part.whole("metadata_word")) is not None:
        bits = word
    if bits is None and kind != "B":
        raise SpecError(
            f"a {kind} rank of {part.name!r} does not say how wide its metadata is",
            where=block.where,
            hint="give metadata_word_bits: that tool would charge 0 pJ for it",
        )
    refuse_leftover(block, "rank", ["format", "metadata-word-bits", "payload-word-bits"])
    return RankFormat(_KINDS[kind], None if kind == "B" else bits)


def _condition(option: Block, part: Part, kind: str, role: Role, report: Report) -> tuple[str, tuple[str, ...]]:
    target = as_text(option.need("target", what="an option"), "target")
    leaders = as_texts(option.need("condition_on", "condition-on", what="an option"), "condition_on")
    report.read(option.where, f"{part.name}.{kind} {target}", f"where {' and '.join(leaders)} are zero")
    refuse_leftover(option, "option")
    return role(target, option.where), tuple(role(x, option.where) for x in leaders)

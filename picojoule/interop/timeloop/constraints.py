"""Timeloop's constraints as ours where there are any: dimensions of an axis, tensors that a memory keeps."""

from __future__ import annotations

import re

from picojoule.errors import SpecError, unknown_name
from picojoule.interop.names import letters
from picojoule.interop.report import Report
from picojoule.interop.trees import Block, Items, Scalar, Tree, as_text, as_texts, as_whole, refuse_leftover

_FACTOR = re.compile(r"([A-Za-z_]\w*?)\s*(=|<=|>=|<|>)?\s*(\d+)$")


def factors_of(tree: Tree) -> list[tuple[str, str, int, str]]:
    """(dimension, "=" or "<=" or ">=", number, place) of `[N=1, C<=4]`, of `N=1 C<=4` or of `N1 C4`."""
    items = tree.values if isinstance(tree, Items) else [tree]
    out = []
    for item in items:
        if not isinstance(item, Scalar):
            raise SpecError("factors are written as C=4", where=item.where, hint="such as [C=4, M=1]")
        as_text(item, "factors")
        text = re.sub(r"\s*(<=|>=|=|<|>)\s*", r"\1", item.text)
        for word in text.replace(";", " ").split():
            for piece in _pieces(word, item.where):
                m = _FACTOR.match(piece)
                if not m:
                    raise SpecError(
                        f"cannot read the factor {piece!r}", where=item.where, hint="write C=4, or C=0 for all the rest"
                    )
                out.append((m[1], m[2] or "=", int(m[3]), item.where))
    return out


def _pieces(word: str, where: str) -> list[str]:
    """`C=4,M=2` is two factors; `C=4,3` has a remainder, which is refused."""
    parts = [p for p in word.split(",") if p]
    for p in parts[1:]:
        if p.isdigit():
            raise SpecError(
                f"the factor {word!r} has a remainder",
                where=where,
                hint="uneven factors of one loop have no counterpart: here the outermost loop may be ragged",
            )
    return parts


def permutation_of(tree: Tree) -> list[str]:
    """Dimensions, innermost first: a list, `P R K` or `PRK`."""
    words = as_texts(tree, "permutation")
    if len(words) == 1 and isinstance(tree, Scalar) and len(words[0]) > 1 and words[0].isalpha():
        return list(words[0])
    return words


def unrolled_dims(
    block: Block, name: str, mesh: tuple[int, int], report: Report
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Dimensions that the constraint leaves to the X and the Y axis of a fan-out; None where any may be unrolled."""
    order = permutation_of(tree) if (tree := block.get("permutation")) is not None else []
    fixed = []
    for dim, sign, n, where in factors_of(tree) if (tree := block.get("factors")) is not None else []:
        if sign == "=" and n == 1:
            fixed.append(dim)
        else:
            report.refused(
                where, f"{name}.spatial.factors {dim}{sign}{n}", "a set extent of an unrolled loop; our search is free"
            )
    split = as_whole(tree, "split", least=0) if (tree := block.get("split")) is not None else None
    for key in block.leftover():
        report.refused(block.place(key), f"{name}.constraints.spatial.{key}", "no counterpart; our search is free")
    if not fixed and (split is None or not order or min(mesh) == 1):
        return None, None
    if not order:
        raise SpecError(
            f"factors of 1 at {name!r} without a permutation that lists all dimensions",
            where=block.where,
            hint="list every dimension in permutation: those that remain may be unrolled",
        )
    free = tuple(letters(d for d in order if d not in fixed).values())
    report.read(block.where, f"{name}.constraints.spatial", f"only {', '.join(free) or 'no dimension'} may be unrolled")
    if min(mesh) == 1 or split is None:
        return free, free
    ours = letters(order)
    first = tuple(ours[d] for d in order[:split] if d not in fixed)
    return first, tuple(ours[d] for d in order[split:] if d not in fixed)


def report_temporal(block: Block, name: str, report: Report) -> None:
    """Loop orders and factors of one memory have no counterpart: they are named, and the search is free of them."""
    meaning = {
        "factors": "fixes loops right above this memory's tiles",
        "permutation": "fixes the order of loops",
        "no_reuse": "forbids tiles to stay",
        "factors_only": "fixes loops",
    }
    for key, tree in block.entries.items():
        if key == "factors":
            factors_of(tree)
        elif key == "permutation":
            permutation_of(tree)
        elif key not in meaning and not key.startswith(("rmw", "no_", "max_", "min_")):
            raise unknown_name("temporal constraint", key, meaning, block.place(key))
        why = meaning.get(key, "limits that tool's search")
        report.refused(
            block.place(key), f"{name}.constraints.temporal.{key}", f"{why}: our search is free of it, so its best may be better"
        )


def data_spaces_of(block: Block, name: str, report: Report) -> tuple[list[str] | None, list[str]]:
    """Data spaces that a memory keeps (None: not said) and those that bypass it."""
    keep_tree, bypass_tree = block.get("keep", "keep_only"), block.get("bypass")
    keep = None if keep_tree is None else as_texts(keep_tree, "keep")
    bypass = [] if bypass_tree is None else as_texts(bypass_tree, "bypass")
    for both in set(keep or ()) & set(bypass):
        raise SpecError(f"{name!r} keeps and bypasses {both!r}", where=block.where, hint="drop one")
    for key in list(block.leftover()):
        if not key.startswith("no_"):
            refuse_leftover(block, f"dataspace of {name!r}", ["keep", "bypass"])
        report.refused(block.place(key), f"{name}.dataspace.{key}", "switches sharing off; here it is a property of the fan-out")
        block.asked.add(key)
    report.read(block.where, f"{name}.constraints.dataspace", f"keeps {keep}" if keep is not None else f"bypasses {bypass}")
    return keep, bypass

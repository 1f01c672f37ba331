"""What people minimise instead of energy, and how well it ranks 384 networks: MACs, weights, stored bits, bit operations."""

from __future__ import annotations

import itertools
from functools import lru_cache
from statistics import fmean
from typing import Any

import numpy as np

from picojoule.ask import Progress
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row

CHIP = "fusion-like"
SIDE, CLASSES, CANDIDATES, SEED = 8, 10, 384, 0
FIRST, SECOND, HIDDEN, FORMS, BITS = (8, 12), (16, 24), (32, 128), ("plain", "separable", "strided"), (4, 8)
PROXIES = ("MACs", "weights", "weight bits", "bit operations", "bits moved once")


def _layers(first: int, second: int, hidden: int, form: str, bits: tuple[int, ...]) -> list[Any]:
    """A small network for 8 x 8 images: two convolutions, two dense layers; `bits` of each one's weights and inputs.

    The second convolution is plain, depthwise-separable or strided.
    """
    from picojoule.workload.layer import conv, gemm

    half = SIDE // 2
    found = [conv("conv1", K=first, C=1, P=SIDE, Q=SIDE, R=3, S=3, pad=1)]
    if form == "separable":
        found += [
            conv("depth", K=first, C=first, P=SIDE, Q=SIDE, R=3, S=3, pad=1, groups=first),
            conv("point", K=second, C=first, P=SIDE, Q=SIDE, R=1, S=1),
        ]
    elif form == "strided":
        found += [conv("conv2", K=second, C=first, P=half, Q=half, R=3, S=3, pad=1, stride=2, size=(SIDE, SIDE))]
    else:
        found += [conv("conv2", K=second, C=first, P=SIDE, Q=SIDE, R=3, S=3, pad=1)]
    found += [gemm("fc1", M=1, N=hidden, K=second * half * half), gemm("fc2", M=1, N=CLASSES, K=hidden)]
    widths = [bits[0], *[bits[1]] * (len(found) - 3), bits[2], bits[3]]
    outputs = [*widths[1:], 8]
    return [x.bits_of(weight=w, input=w, output=o) for x, w, o in zip(found, widths, outputs, strict=True)]


@lru_cache(maxsize=1)
def candidates() -> list[tuple[Any, ...]]:
    """(widths, form, bits of the layers) of all networks, or as many as wanted, drawn at random."""
    every = list(itertools.product(FIRST, SECOND, HIDDEN, FORMS, itertools.product(BITS, repeat=4)))
    order = np.random.default_rng(SEED).permutation(len(every))[:CANDIDATES]
    return [every[i] for i in order]


def _sizes(layers: list[Any]) -> tuple[float, ...]:
    """The proxies, in the order of `PROXIES`."""
    macs = weights = stored = operations = moved = 0.0
    for x in layers:
        parts = {t.role: (x.elements(t), t.bits) for t in x.tensors}
        (n, wide), (_, read) = parts["weight"], parts["input"]
        macs, weights, stored = macs + x.macs, weights + n, stored + n * wide
        operations += x.macs * wide * read
        moved += sum(elements * bits for elements, bits in parts.values())
    return macs, weights, stored, operations, moved


def _run(progress: Progress) -> Outcome:
    from scipy.stats import kendalltau, spearmanr

    from picojoule.interop.load import load_chip
    from picojoule.search.optimal import best_mapping

    chip = load_chip(CHIP)
    nets = [_layers(*c) for c in candidates()]
    distinct = {x.shape_key: x for net in nets for x in net}
    price = {}
    for i, (key, layer) in enumerate(distinct.items()):
        progress(i, len(distinct), f"mapping layers on {CHIP}")
        price[key] = best_mapping(layer, chip, "energy").cost.energy_pj
    energy = np.array([sum(price[x.shape_key] for x in net) for net in nets])
    sizes = np.array([_sizes(net) for net in nets])
    table, rows, found = [], [], {}
    for j, name in enumerate(PROXIES):
        rank, tau = spearmanr(sizes[:, j], energy).statistic, kendalltau(sizes[:, j], energy).statistic
        found[name] = float(rank)
        misled = worst_pair(sizes[:, j], energy)
        rows.append(Row(what=name, unit="", reported=None, predicted=float(rank), group="rank correlation (Spearman)"))
        table.append(
            {
                "proxy": name,
                "Spearman": round(float(rank), 3),
                "pairs ordered wrongly [%]": round(50 * (1 - float(tau)), 1),
                "most energy ratio of a pair it gets wrong": round(misled, 2),
            }
        )
    checks = (
        Check(what="every proxy orders some pair of networks wrongly", holds=all(r < 1 for r in found.values())),
        Check(
            what="neither MACs nor weights rank as well as the bits that are moved",
            detail=f"{found}",
            holds=max(found["MACs"], found["weights"]) < found["bits moved once"],
        ),
        Check(
            what="some network of fewer MACs costs at least 1.5x more than one of more",
            detail=f"{table[0]}",
            holds=worst_pair(sizes[:, 0], energy) >= 1.5,
        ),
    )
    note = (
        f"{len(nets)} networks of two convolutions and two dense layers for 8 x 8 images, {len(distinct)} distinct ones, "
        f"each by its mapping of least energy on {CHIP}; mean {fmean(energy) / 1e6:.2f} µJ. Costs alone, no accuracy."
    )
    return Outcome(rows=tuple(rows), checks=checks, tables={"proxies against energy": table}, notes=(note,))


def worst_pair(proxy: np.ndarray, energy: np.ndarray) -> float:
    """The greatest ratio of energies of two networks of which the proxy says that the first is not larger."""
    order = np.lexsort((energy, proxy))
    largest = 0.0
    least_behind = np.minimum.accumulate(energy[order][::-1])[::-1]
    for i in range(len(order) - 1):
        largest = max(largest, float(energy[order][i] / least_behind[i + 1]))
    return largest


EXPERIMENT = Experiment(
    name="proxies",
    claim="The numbers of weights and of MACs are no good metrics for energy: what counts is which data move, and how wide",
    source="Sze, Chen, Yang, Emer, Proc. IEEE 105(12), 2017, Section VII-B-2; Yang et al., CVPR 2017, Section 1",
    run=_run,
    needs=("scipy",),
)

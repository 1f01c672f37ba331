"""Pruning, quantisation and run lengths together: bits stored and energy of DRAM are no product of what each saves alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from picojoule.ask import Progress
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row

CHIP, NET, DATA, LAYER = "scnn-like", "small", "digits", "fc1"
RUN_BITS = 4  # zeros before each stored weight; the chip's DRAM keeps its weights so
DENSITIES, BITS = (1.0, 0.6, 0.4, 0.2, 0.1), (16, 8, 4)


def entries(codes: np.ndarray, run_bits: int = RUN_BITS) -> int:
    """Pairs (zeros before, weight) that hold all nonzeros of a row of codes; a longer run takes zeros that are stored."""
    places = np.flatnonzero(codes)
    gaps = np.diff(places, prepend=-1) - 1
    return int(len(places) + (gaps >> run_bits).sum())


def _run(progress: Progress) -> Outcome:
    import torch

    from picojoule.compress.prune import prune
    from picojoule.interop.load import load_chip
    from picojoule.learning.accuracy import percent_right
    from picojoule.learning.labelled import labelled
    from picojoule.learning.trained import trained
    from picojoule.search.optimal import best_mapping
    from picojoule.workload.layer import gemm

    data = labelled(DATA)
    net, _ = trained(NET, data, progress=progress)
    images, labels = torch.from_numpy(data.test_images), torch.from_numpy(data.test_labels)
    n = prune.weights(net, [LAYER])[LAYER].numel()
    chip, table, found = load_chip(CHIP), [], {}
    for i, (density, bits) in enumerate((d, b) for d in DENSITIES for b in BITS):
        progress(i, len(DENSITIES) * len(BITS), f"{LAYER} at density {density:g}, {bits} b")
        pruned = prune.baked(prune.masked(net, prune.share_of_each(prune.magnitudes(net, [LAYER]), {LAYER: density})))
        codes, rounded = _rounded(pruned, bits)
        left = float((codes != 0).mean())
        layer = gemm(LAYER, M=1, N=64, K=n // 64).bits_of(weight=bits).with_density(weight=left, input=0.5, output=0.5)
        cost = best_mapping(layer, chip, "energy").cost
        dram = sum(pj for (where, what), pj in cost.by("component", "tensor").items() if (where, what) == ("DRAM", "B"))
        stored = entries(codes) * (bits + RUN_BITS)
        found[density, bits] = stored, dram, left
        table.append(
            {
                "kept [%]": 100 * density,
                "weight bits": bits,
                "not zero after rounding [%]": round(100 * left, 1),
                "stored, as run lengths [kbit]": round(stored / 1e3, 1),
                "stored plain [kbit]": round(n * bits / 1e3, 1),
                "DRAM energy of weights [uJ]": round(dram / 1e6, 3),
                "accuracy, not fine-tuned [%]": round(percent_right(rounded, images, labels), 2),
            }
        )
    return _judged(found, n, table)


def _rounded(module: Any, bits: int) -> tuple[np.ndarray, Any]:
    """(integer codes of the layer in one row, the network with the rounded weights): symmetric, one step, nothing cut off."""
    import torch

    layer = module.get_submodule(LAYER)
    w = layer.weight.detach()
    step = w.abs().max() / ((1 << (bits - 1)) - 1)
    codes = torch.round(w / step)
    with torch.no_grad():
        layer.weight.copy_(codes * step)
    return codes.numpy().astype(np.int64).ravel(), module


def _judged(found: dict[tuple[float, int], tuple[int, float, float]], n: int, table: list[dict[str, Any]]) -> Outcome:
    plain, sparse, few = 16 * n, DENSITIES[-1], BITS[-1]
    pruned, narrow = plain / found[sparse, 16][0], 16 / few
    both = plain / found[sparse, few][0]
    alone = {f"{100 * sparse:g} % kept, 16 b, run lengths": pruned, f"all kept, {few} b, plain": narrow, "both": both}
    rows = tuple(
        Row(what=f"{LAYER}, {how}", unit="", reported=None, predicted=less, group="times fewer bits than 16 b a weight")
        for how, less in alone.items()
    )
    even = {b: b / (b + RUN_BITS) for b in BITS}
    sides = [(d, b) for d in DENSITIES for b in BITS if abs(found[d, b][2] - even[b]) > 0.02]
    right = all((found[d, b][0] < n * b) == (found[d, b][2] < even[b]) for d, b in sides)
    each = found[1.0, 16][1] / (n * (16 + RUN_BITS))  # pJ a bit of a layer without zeros
    between = all(0.999 * left * n * (b + RUN_BITS) <= pj / each <= 1.001 * bits for (_, b), (bits, pj, left) in found.items())
    padding = max(bits / (left * n * (b + RUN_BITS)) - 1 for (_, b), (bits, _, left) in found.items())
    checks = (
        Check(
            what="run lengths pay below a density of b / (b + 4) and cost bits above it",
            holds=right,
            detail=", ".join(f"{b} b: {100 * x:.0f} %" for b, x in even.items()),
        ),
        Check(
            what="together they save less than the product of what each saves",
            holds=both < 0.9 * pruned * narrow,
            detail=f"{both:.1f} against {pruned * narrow:.1f}",
        ),
        Check(
            what="rounding to 4 b alone makes at least a tenth of the weights zero",
            holds=found[1.0, 4][2] < 0.9,
            detail=f"{100 * found[1.0, 4][2]:.1f} % left of a layer that was not pruned",
        ),
        Check(
            what="the model's DRAM energy lies between nonzeros alone and the real code of the layer in one row",
            holds=between,
            detail=f"the code has up to {100 * padding:.1f} % more: zeros stored in runs beyond 15",
        ),
    )
    note = (
        f"{LAYER} of the {NET} network on {DATA}, pruned by magnitude and rounded after training; other layers stay whole. "
        f"{CHIP} keeps weights in DRAM as pairs of {RUN_BITS} b of zeros and a weight, each tile for itself: its best "
        "mapping takes tiles too short for long runs."
    )
    return Outcome(rows=rows, checks=checks, notes=(note,), tables={"density and bits": table})


EXPERIMENT = Experiment(
    name="pruned-and-quantised",
    claim="Pruning and narrow weights add up, but the bits that say where weights are do not shrink with the weights",
    source="Sze, Chen, Yang, Emer, Proc. IEEE 105(12), 2017, Section VII-B-2; Han, Mao, Dally, Deep Compression, ICLR 2016",
    run=_run,
    needs=("torch", "sklearn"),
)

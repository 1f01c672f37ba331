"""Words that fused schedules move, written by hand, beside those of other tools and of an RTL simulation."""

from __future__ import annotations

from collections import Counter

import pytest

from picojoule.schedule.program import parse
from picojoule.schedule.residence import Moved
from picojoule.search.schedules.result import ScheduledNetwork
from picojoule.search.schedules.schedule_network import evaluate_schedule, schedule_network
from picojoule.workload.layer import gemm
from tests.golden.test_fused_two_level import chip, network, products


def outside(done: ScheduledNetwork) -> tuple[Counter[str], Counter[str]]:
    """Words read and written outside, by tensor of the network."""
    read: Counter[str] = Counter()
    written: Counter[str] = Counter()
    for h in done.happenings:
        names = {} if isinstance(h.event, Moved) else {o: ts[0] for o, ts in h.event.job.operands} | {"Z": h.event.job.writes[0]}
        for (tensor, action), n in h.words({"DRAM"}).items():
            (read if action == "read" else written)[names.get(tensor, tensor)] += int(n)
    return +read, +written


# M, K, L, N, rows of a chunk, words from memory, words to memory: a 16 x 16 systolic array in RTL runs E = (A B) D by rows, each
# chunk of which reads B and D once (TileFlow, MICRO 2023, artifact, validation of its accelerator; bits at 16 b a word)
RTL = (
    (256, 64, 256, 64, 32, 278_528, 16_384),
    (256, 64, 256, 64, 64, 147_456, 16_384),
    (256, 80, 256, 80, 32, 348_160, 20_480),
    (256, 80, 256, 80, 64, 184_320, 20_480),
    (512, 48, 256, 48, 16, 811_008, 24_576),
    (512, 48, 256, 48, 32, 417_792, 24_576),
    (768, 48, 384, 48, 16, 1_806_336, 36_864),
    (1024, 48, 512, 48, 16, 3_194_880, 49_152),
    (1024, 48, 512, 48, 32, 1_622_016, 49_152),
)


@pytest.mark.parametrize("row", RTL, ids=lambda r: "x".join(map(str, r[:5])))
def test_two_products_by_rows_move_what_the_array_moves(row: tuple[int, ...]) -> None:
    m, k, inner, n, tile, arriving, leaving = row
    text = f"for g1.M by {tile} {{ g0 -> buffer; g1 }}"
    done = evaluate_schedule(products(m, k, inner, n), chip(128), parse(text), "energy", jobs=1, cache=False)
    read, written = outside(done)
    assert read.total() == arriving
    assert written == {"t2": leaving}


def test_the_best_schedule_moves_no_more_than_the_array() -> None:
    m, k, inner, n, _, arriving, leaving = RTL[1]
    done = schedule_network(products(m, k, inner, n), chip(128), "energy", fuse="loops", jobs=1, cache=False)
    assert done.proved
    assert done.value <= arriving + leaving


# Two pointwise layers over nine positions, 2 to 4 to 8 channels, fused by position or not (LoopTree, tests of timeloop-python)
TWO = [(gemm("Fc1", M=9, K=2, N=4, bits=8), "1"), (gemm("Fc2", M=9, K=4, N=8, bits=8), "2")]
POINTWISE = network([(x, {"A": f"Fmap{i}", "B": f"Filter{i}", "Z": f"Fmap{int(i) + 1}"}) for x, i in TWO])


def test_two_pointwise_layers_fused() -> None:
    text = "load Filter1 -> buffer; load Filter2 -> buffer; for Fc2.M by 1 { Fc1 -> buffer; Fc2 }"
    done = evaluate_schedule(POINTWISE, chip(1), parse(text), "energy", jobs=1, cache=False)
    read, written = outside(done)
    assert read == {"Fmap1": 18, "Filter1": 8, "Filter2": 32}
    assert written == {"Fmap3": 72}
    assert done.peak_bits // 8 == 8 + 32 + 4  # both filters, and one position of what passes between


def test_two_pointwise_layers_one_after_the_other() -> None:
    done = evaluate_schedule(POINTWISE, chip(1), parse("Fc1; Fc2"), "energy", jobs=1, cache=False)
    read, written = outside(done)
    assert read == {"Fmap1": 18, "Filter1": 8, "Filter2": 32, "Fmap2": 36}
    assert written == {"Fmap2": 36, "Fmap3": 72}

"""Tables that stages share stay what they were when others join them, and an emptied pool holds nothing of its last search."""

from __future__ import annotations

import numpy as np

from picojoule.search.exact.bank import Bank
from picojoule.search.exact.labels import LabelPool


def test_a_table_is_made_once_and_stays_where_it_was() -> None:
    bank, made = Bank(2, 3), []

    def table(i: int) -> np.ndarray:
        made.append(i)
        return np.full((2, 2), float(i))

    early = None
    for i in (*range(9), *range(9)):
        at = bank.index(("table", i), lambda i=i: table(i))
        early = bank.tables if early is None else early
        assert (bank.tables[at, :, :2] == i).all() and (bank.tables[at, :, 2] == 1.0).all()
    assert made == list(range(9)) and (bank.tables[0] == 1.0).all()
    assert (early[bank.index(("table", 0), lambda: table(0)), :, :2] == 0).all()


def test_an_emptied_pool_has_no_label_at_any_tile() -> None:
    pools = LabelPool(ports=0, size=64)
    for tiles, masks in ((6, 4), (6, 4), (5, 4), (5, 2)):
        pool = pools.reset(tiles, masks)
        assert pool.head.shape == (tiles, masks) and (pool.head == -1).all() and not pool.busy.any() and pool.total[0] == 0
        for n in range(3):
            pool.tile[n], pool.mask[n], pool.head[n, 1], pool.busy[n] = n, 1, n, 1
        pool.total[0] = 3

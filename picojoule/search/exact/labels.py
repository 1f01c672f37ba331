"""Memory for the labels of the dynamic programme."""

from __future__ import annotations

import numpy as np

from picojoule.search.exact.records import Pool

MOST_LABELS = 1 << 22  # about 100 bytes each


class LabelPool:
    """A growing `Pool`; `reset` empties it for a stage with so many masks."""

    def __init__(self, ports: int, size: int = 1 << 16) -> None:
        self.ports, self.size = ports, size
        self.pool: Pool | None = None

    def reset(self, tiles: int, masks: int) -> Pool:
        if self.pool is None or len(self.pool.energy) < self.size:
            self._allocate()
        pool = self.pool
        assert pool is not None
        last = int(pool.total[0])
        if pool.head.shape != (tiles, masks) or last > pool.head.size:
            pool = pool._replace(head=np.full((tiles, masks), -1, np.int32), busy=np.zeros(tiles, np.int8))
        else:  # few labels in a large lattice: only their chains are cut
            used = pool.tile[:last]
            pool.head[used, pool.mask[:last]] = -1
            pool.busy[used] = 0
        pool.total[0] = 0
        self.pool = pool
        return pool

    @staticmethod
    def insert_first(pool: Pool) -> None:
        """Chain label 0 (its arrays are filled) into an empty pool."""
        tile, mask = pool.tile[0], pool.mask[0]
        pool.next[0], pool.alive[0], pool.head[tile, mask], pool.busy[tile], pool.total[0] = -1, 1, 0, 1, 1

    def grow(self) -> bool:
        """Make the next reset give four times the room; False where that would be too much memory."""
        if self.size * 4 > MOST_LABELS:
            return False
        self.size *= 4
        return True

    def _allocate(self) -> None:
        n, k = self.size, self.ports
        f8, i4, i2, i1 = np.float64, np.int32, np.int16, np.int8
        self.pool = Pool(
            energy=np.empty(n, f8),
            used=np.empty(n, f8),
            waste=np.empty(n, f8),
            load=np.empty((n, k), f8),
            top_energy=np.empty(n, f8),
            top_load=np.empty((n, k), f8),
            tile=np.empty(n, i4),
            mask=np.empty(n, i1),
            top=np.empty(n, i1),
            owner=np.empty(n, i1),
            run=np.empty(n, i4),
            segment=np.empty(n, i1),
            sdim=np.empty(n, i1),
            sfrom=np.empty(n, i2),
            spassed=np.empty(n, i1),
            rested=np.empty(n, i1),
            parent=np.empty(n, i4),
            action=np.empty(n, i2),
            alive=np.zeros(n, i1),
            next=np.empty(n, i4),
            head=np.empty((0, 0), i4),
            busy=np.empty(0, i1),
            total=np.zeros(1, np.int64),
        )

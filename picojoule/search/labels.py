"""Memory for the labels of the dynamic programme."""

from __future__ import annotations

import numpy as np

from picojoule.search.kernels import Pool

MOST_LABELS = 1 << 22  # about 100 bytes each


class LabelPool:
    """A growing `Pool`; `reset` empties it for a stage with so many masks."""

    def __init__(self, ports: int, size: int = 1 << 16) -> None:
        self.ports, self.size = ports, size
        self.pool: Pool | None = None

    def reset(self, tiles: int, masks: int) -> Pool:
        if self.pool is None or len(self.pool.energy) < self.size:
            self._allocate()
        assert self.pool is not None
        head = np.full((tiles, masks), -1, np.int32)
        self.pool.total[0] = 0
        self.pool = self.pool._replace(head=head)
        return self.pool

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
            total=np.zeros(1, np.int64),
        )

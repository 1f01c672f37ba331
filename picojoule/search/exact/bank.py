"""Tables that stages share: side by side in one array, each made once, found by index."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np


class Bank:
    """Tables of at most one shape. `tables` grows by being replaced: what an older one held stays where it was.

    Index 0 is nobody's: ones, for levels that a tensor has not (times a price of 0, so it must not be infinite).
    """

    def __init__(self, *shape: int) -> None:
        self.tables = np.ones((1, *shape))
        self._index: dict[Hashable, int] = {}

    def index(self, key: Hashable, make: Callable[[], np.ndarray]) -> int:
        """Where the table of this key is; `make` fills its lower corner the first time."""
        found = self._index.get(key)
        if found is None:
            found = self._index[key] = len(self._index) + 1
            if found == len(self.tables):
                self.tables = np.concatenate([self.tables, np.ones_like(self.tables)])
            table = make()
            corner = tuple(slice(n) for n in table.shape)
            self.tables[found][corner] = table
        return found

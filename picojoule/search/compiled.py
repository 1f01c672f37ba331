"""How the kernels of the search are compiled: as little code as possible, since the first search of a machine waits for it.

numba compiles a function once for every combination of argument types, narrow integers and literals among them, and each
caller anew with all that it calls. So kernels widen what they pass on: integers to int64, flags to bool, and counters start at
`np.int64(0)`. What only other kernels call has no entry from Python: unpacking a `Stage` there takes as much code as the rest.
"""

from __future__ import annotations

from typing import Any

from numba import njit

_njit: Any = njit  # numba's own types leave out the two options below
kernel = _njit(cache=True, no_cfunc_wrapper=True)  # nothing calls them from C
inner = _njit(cache=True, no_cfunc_wrapper=True, no_cpython_wrapper=True)

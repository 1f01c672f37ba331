"""How the kernels of the search are compiled: to fast code, and little of it, since the first search of a machine waits for it.

numba compiles a function once for every combination of argument types, narrow integers and literals among them, and each
caller anew with all that it calls. So kernels widen what they pass on: integers to int64, flags to bool, and counters start at
`np.int64(0)`. What only other kernels call has no entry from Python: unpacking a `Stage` there takes as much code as the rest.
It is written into its callers (`forceinline`): a call would hand over every field of every array of a `Stage`, hundreds of them.

numba counts references to an array wherever a kernel takes it out of a `Stage` or a `Pool`, atomically: nine tenths of a
kernel's time. The caller holds all arrays anyway, so kernels run without (`_nrt`: numba's runtime for references and memory).
numba refuses to compile such a kernel if it allocates an array; what has to is `allocating`.
"""

from __future__ import annotations

from typing import Any

from numba import njit

_njit: Any = njit  # numba's own types leave out these options
# Nothing calls them from C. Other threads run on while a kernel does: a clock on the screen moves.
kernel = _njit(cache=True, no_cfunc_wrapper=True, nogil=True, _nrt=False)
inner = _njit(cache=True, no_cfunc_wrapper=True, no_cpython_wrapper=True, forceinline=True, _nrt=False)
shared = _njit(cache=True, no_cfunc_wrapper=True, forceinline=True, nogil=True, _nrt=False)  # called from Python and from kernels
allocating = _njit(cache=True, no_cfunc_wrapper=True, nogil=True)

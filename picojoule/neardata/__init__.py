"""What computes near or in the memory: what it saves, when it pays, and what it does to accuracy.

The array itself (`Array`, `Cell`, `Adc`) is described in `hardware/array/in_memory.py`, because a chip's YAML names it; one
value of it gives energy, latency and area through the mapper, and what the analog sums do to a layer's output.
"""

from picojoule.hardware.array.in_memory import Adc, Array, Cell

__all__ = ["Adc", "Array", "Cell"]

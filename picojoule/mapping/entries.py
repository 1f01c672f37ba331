"""What a mapping is made of: loops, and nodes where tiles are stored."""

from __future__ import annotations

from dataclasses import dataclass

from picojoule.hardware.chip import FanOut


@dataclass(frozen=True)
class Loop:
    """`bound` passes over `dim`; `axis` is None for a temporal loop, else "fanout.axis" where it is unrolled."""

    dim: str
    bound: int
    fanout: str | None = None
    axis: str | None = None

    @property
    def spatial(self) -> bool:
        return self.fanout is not None

    def along(self, part: FanOut) -> bool:
        """Whether it is unrolled along an axis of this fan-out, or of this part of one."""
        return self.fanout == part.name and self.axis in part.along


@dataclass(frozen=True)
class Node:
    """The tensor's tile is held in the memory, from here inwards."""

    memory: str
    tensor: str

"""Where an array lies: what native code is written for, and what those who call it have to know."""

from __future__ import annotations

from dataclasses import dataclass, replace

#: Bytes after each array, for vectors that begin inside of it and end after it.
SLACK = 512

#: The slot of what lies before a thread's scratch memory: see `chainrule.compiler.local`.
LOCAL = -1

#: Regions of the arena, by power of rows.
REGIONS = 3


@dataclass(frozen=True)
class Stride:
    """The distance of two neighbours along an axis: `elements` times the capacity to the power `power`.

    Where there is a `block`, this holds within so many neighbours, and each block begins `apart` elements
    after the one before.
    """

    elements: int
    power: int = 0
    block: int = 0
    apart: int = 0


@dataclass(frozen=True)
class Buffer:
    """Where an array lies.

    Attributes
    ----------
    slot : int
        The place of its base in the table of pointers; the arena's regions come first, by power of rows.
    offset : int
        Bytes after the base, times the capacity to the power of the region.
    power : int
        The region; 0 for a user's array.
    dtype : str
        Of its elements.
    strides : tuple of Stride
        For each axis.
    padded : bool
        Whether whole vectors may be read and written at the end of a row.
    scattered : bool
        Whether its rows lie elsewhere, each packed, and only their addresses here.
    second : int
        How many bytes later another array lies that is to be added to this one; 0 if there is none.
    """

    slot: int
    offset: int
    power: int
    dtype: str
    strides: tuple[Stride, ...]
    padded: bool
    scattered: bool = False
    second: int = 0

    @property
    def panel(self) -> int:
        """How many columns lie together, where they lie in panels; otherwise 0."""
        return self.strides[-1].block if self.strides else 0

    @property
    def halves(self) -> tuple[Buffer, ...]:
        """The arrays whose sum it is, or itself."""
        if not self.second:
            return (self,)
        first = replace(self, second=0)
        return first, replace(first, offset=self.offset + self.second)

    @property
    def start(self) -> tuple[int, int, int]:
        """Where its first element lies: equal for two arrays that lie in the same place."""
        return self.slot, self.offset, self.power

    @property
    def is_own(self) -> bool:
        """Whether it is in the arena, or a thread's own memory: there is room for rows up to the capacity."""
        return self.slot < REGIONS

"""Arrays of the arena as Python writes and reads them between the turns of a loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.compiler.buffer import Buffer
from chainrule.graph.types import Array, ArrayType


class KeptArray:
    """An array that is kept in the arena from turn to turn.

    Parameters
    ----------
    memory : buffer
        From the byte on where the array lies.
    kind : ArrayType
        Its shape and its dtype.
    buffer : Buffer
        How it lies: where it lies in panels, the whole ones and what is left are seen apart.
    """

    def __init__(self, memory: Any, kind: ArrayType, buffer: Buffer) -> None:
        self._type = kind
        size = kind.dtype.itemsize

        def view(shape: Sequence[int], steps: Sequence[int], first: int = 0) -> Array:
            return np.ndarray(shape, kind.dtype, memory, first * size, [step * size for step in steps])

        steps = [stride.elements for stride in buffer.strides]
        if not buffer.panel:
            self._parts: list[tuple[Any, Array]] = [(..., view(self._shape, steps))]
            return
        (rows, columns), apart = self._shape, buffer.strides[-1].apart
        panels, left = divmod(columns, buffer.panel)
        whole = view((rows, panels, buffer.panel), (steps[0], apart, 1))
        rest = view((rows, left), steps, panels * apart)
        self._parts = [(np.s_[:, : columns - left], whole), (np.s_[:, columns - left :], rest)]

    @property
    def whole(self) -> Array:
        """All of it as NumPy sees it; only where it does not lie in panels."""
        ((_, part),) = self._parts
        return part

    @property
    def _shape(self) -> tuple[int, ...]:
        return tuple(map(int, self._type.shape))

    def put(self, array: Array) -> None:
        """Write it."""
        for which, part in self._parts:
            part[...] = array[which].reshape(part.shape)

    def copy_to(self, array: Array) -> None:
        """Copy it into an array."""
        for which, part in self._parts:
            np.copyto(array[which].reshape(part.shape), part)

    def copy(self) -> Array:
        """Return a copy of it."""
        copy = np.empty(self._shape, self._type.dtype)
        self.copy_to(copy)
        return copy

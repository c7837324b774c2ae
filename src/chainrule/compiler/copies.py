"""Copies of weights that native code makes as it looks at them."""

from __future__ import annotations

import numpy as np

from chainrule.compiler.plan import LoopPlan
from chainrule.compiler.table import LINE, address_of
from chainrule.graph.types import Array

#: Bytes that are copied array by array in less time than it takes to prepare for this.
FEW = 1 << 17


class Copies:
    """Where the next copies go: to memory of their own, as who has had the last ones keeps them.

    Parameters
    ----------
    plan : LoopPlan
        What is copied.
    """

    def __init__(self, plan: LoopPlan) -> None:
        self._size = plan.copies_size
        self._arrays = [(name, plan.home[name][0], place) for name, place in plan.copies.items()]
        self._memory: Array | None = None
        self._begin = 0

    @property
    def are_many(self) -> bool:
        """Whether they are worth it."""
        return self._size >= FEW

    def address(self) -> int:
        """Return where the next copies go."""
        if self._memory is None:
            self._memory = np.empty(self._size + LINE, np.uint8)
            self._begin = -(-address_of(self._memory) // LINE) * LINE
        return self._begin

    def taken(self) -> dict[str, Array]:
        """Return what was copied, by name; it is not written to any more."""
        memory, self._memory = self._memory, None
        assert memory is not None
        start = self._begin - address_of(memory)
        return {
            name: np.ndarray(kind.shape, kind.dtype, memory, start + place)
            for name, kind, place in self._arrays
        }

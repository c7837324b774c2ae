"""What a run goes back to where a step fails, or is given up."""

from __future__ import annotations

import time
from collections.abc import Mapping

from chainrule.compiler.kept import KeptArray
from chainrule.graph.loop import LoopState
from chainrule.graph.types import Array


class Backup:
    """All that turns replace, as it was at a position where it was finite.

    Parameters
    ----------
    replaced : mapping of str to KeptArray
        Where that lies while turns are made.

    Attributes
    ----------
    arrays : dict of arrays
        By name.
    position : LoopState
        Where the run stood, without arrays.
    results : int
        How many results it had.
    at : float
        When that was.
    """

    def __init__(self, replaced: Mapping[str, KeptArray]) -> None:
        self._replaced = replaced
        self._own: dict[str, Array] | None = None

    def keep(self, arrays: dict[str, Array], position: LoopState, results: int, at: float) -> None:
        """Take these arrays, which nobody writes to, for those of this position."""
        self.arrays, self.position, self.results, self.at = arrays, position, results, at

    def copy(self, position: LoopState, results: int, at: float) -> float:
        """Copy what is there at this position; return how many seconds that takes."""
        if self._own is None:
            self._own = {name: array.copy() for name, array in self._replaced.items()}
        began = time.perf_counter()
        for name, array in self._replaced.items():
            array.copy_to(self._own[name])
        seconds = time.perf_counter() - began
        self.keep(self._own, position, results, at)
        return seconds

    def handed_over(self) -> dict[str, Array]:
        """Return the arrays for somebody to keep: they are not written to any more."""
        self._own = None
        return self.arrays

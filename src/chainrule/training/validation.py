"""A validation loss that becomes NaN or infinite: a warning in the end of where that began.

It harms no weights. Where the training loss follows, that alone is told.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.graph.loop import Inputs, Loop, LoopState, Run, run_stage
from chainrule.training.failure import Beginning, first_not_finite

LOSS = "validation_loss"
#: So many rows are looked at together.
TOGETHER = 4096


class ValidationWatch:
    """Sees the results of a fit's epochs, and remembers the first validation loss that is not finite.

    Parameters
    ----------
    loop, inputs : Loop, Inputs
        What is run, on what.
    """

    def __init__(self, loop: Loop, inputs: Inputs) -> None:
        self._loop, self._inputs = loop, inputs
        self._found, self._fails = "", False

    def see(self, results: Mapping[str, float], epoch: int, run: Run) -> None:
        """Look where a validation loss that is not finite comes from, if these results have the first."""
        self._fails = self._fails or not math.isfinite(results["loss"])
        if self._fails or self._found or math.isfinite(results.get(LOSS, 0.0)):
            return
        found = self._beginning(run.state)
        said = f"; of the validation data, {found}" if found else ", and is finite with the weights of now"
        self._found = f"the validation loss became {results[LOSS]} after epoch {epoch}{said}"

    def warn(self) -> None:
        """Warn of what was found, if anything, and if the training loss has stayed finite."""
        if self._found and not self._fails:
            warnings.warn(self._found, RuntimeWarning, stacklevel=_levels_of_ours())

    def _beginning(self, state: LoopState) -> Beginning | None:
        """Return where it begins with the weights of this state, which may be those of a later epoch."""
        stage, inputs, names = self._loop.validation, self._inputs, self._loop.validation_data
        assert stage is not None
        tables = inputs.validation_data
        for start in range(0, len(tables[names[0]]), TOGETHER):
            some = slice(start, start + TOGETHER)
            arrays: dict[str, Any] = {
                **state.carried,
                **inputs.arguments,
                **{name: tables[name][some] for name in names},
                "key": inputs.key,
                "step": np.asarray(state.step, np.int32),
            }
            if not all(np.isfinite(total).all() for total in run_stage(stage, arrays).values()):
                rows = np.arange(start, start + len(arrays[names[0]]))
                return first_not_finite(stage.graph, arrays, rows)
        return None


def _levels_of_ours() -> int:
    """Return how many calls of this package lie between the caller and what called it."""
    levels = 1
    while sys._getframe(levels).f_globals.get("__name__", "").startswith("chainrule."):
        levels += 1
    return levels

"""Results that become NaN or infinite where it harms no weights: a warning tells where that began.

Of a fit these are the validation's; it goes on, and warns in the end. Where the training loss follows, that
alone is told.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.graph.loop import Inputs, Loop, LoopState, Run, Stage, run_stage, seen_by_stage
from chainrule.graph.types import Array
from chainrule.graph.words import counted
from chainrule.training.failure import Beginning, first_not_finite

VALIDATION = "validation_"
#: So many rows are looked at together.
TOGETHER = 4096
#: What is left where no row of the validation leads to it.
SCORED = "scoring gave this for the weights of that epoch"


class ValidationWatch:
    """Sees the results of a fit's epochs, and remembers the validation's first that is not finite.

    Parameters
    ----------
    loop, inputs : Loop, Inputs
        What is run, on what.
    """

    def __init__(self, loop: Loop, inputs: Inputs) -> None:
        self._loop, self._inputs = loop, inputs
        self._found, self._fails = "", False

    def see(self, results: Mapping[str, float], epoch: int, run: Run) -> None:
        """Look where a result of the validation that is not finite comes from, if these have the first."""
        self._fails = self._fails or not math.isfinite(results["loss"])
        name = _not_finite(results, VALIDATION)
        if not (self._fails or self._found or name is None):
            told = f"the {name.replace('_', ' ')} became {results[name]} after epoch {epoch}"
            self._found = f"{told}; {self._beginning(run.state)}"

    def warn(self) -> None:
        """Warn of what was found, if anything, and if the training loss has stayed finite."""
        if self._found and not self._fails:
            warnings.warn(self._found, RuntimeWarning, stacklevel=_levels_of_ours())

    def _beginning(self, state: LoopState) -> str:
        """Return where it begins with the weights of this state."""
        inputs, stage = self._inputs, self._loop.validation
        if stage is None:
            return SCORED
        arrays = seen_by_stage(state, inputs, inputs.validation_data)
        found = _beginning(stage, arrays, self._loop.validation_data)
        return f"of the validation data, {found}" if found else f"each row's loss is finite, and {SCORED}"


def warn_of_evaluation(
    results: Mapping[str, float], stage: Stage, arrays: Mapping[str, Any], names: Sequence[str]
) -> None:
    """Warn if a result of an evaluation is not finite, and tell where that began.

    Parameters
    ----------
    results : mapping of float
        Means over rows.
    stage : Stage
        Which sums they come from.
    arrays : mapping of arrays
        All that it saw, by name.
    names : sequence of str
        Which of these hold rows.
    """
    name = _not_finite(results)
    if name is not None:
        found = _beginning(stage, arrays, names) or "each row's is finite, and their sum is not"
        told = f"the {name.replace('_', ' ')} is {results[name]}; {found}"
        warnings.warn(told, RuntimeWarning, stacklevel=_levels_of_ours())


def warn_of_prediction(found: Array, stage: Stage, arrays: Mapping[str, Any]) -> None:
    """Warn of predictions of which one at least is not finite, and tell where that began.

    Parameters
    ----------
    found : array, shape (rows, ...)
        The predictions.
    stage, arrays
        As for `warn_of_evaluation`: what they come from.
    """
    bad = ~np.isfinite(found)
    rows = np.count_nonzero(bad.reshape(len(found), -1).any(axis=1))
    begun = _beginning(stage, arrays, ("x",)) or "evaluated equation by equation, each is finite"
    told = f"the predictions of {rows} of {counted(len(found), 'row')} are not finite; {begun}"
    warnings.warn(told, RuntimeWarning, stacklevel=_levels_of_ours())


def _not_finite(results: Mapping[str, float], prefix: str = "") -> str | None:
    """Return the name of the first result, of those with this prefix, that is not finite."""
    for name, number in results.items():  # a generator would take longer, after each of many short epochs
        if not math.isfinite(number) and name.startswith(prefix):
            return name
    return None


def _beginning(stage: Stage, arrays: Mapping[str, Any], names: Sequence[str]) -> Beginning | None:
    """Return where the first number that is not finite is made, as rows are looked at in chunks."""
    for start in range(0, len(arrays[names[0]]), TOGETHER):
        some = {**arrays, **{name: arrays[name][start : start + TOGETHER] for name in names}}
        if not all(np.isfinite(total).all() for total in run_stage(stage, some).values()):
            return first_not_finite(stage.graph, some, np.arange(start, start + len(some[names[0]])))
    return None


def _levels_of_ours() -> int:
    """Return how many calls of this package lie between the caller and what called it."""
    levels = 1
    while sys._getframe(levels).f_globals.get("__name__", "").startswith("chainrule."):
        levels += 1
    return levels

"""When a fit stops, and how its learning rate falls: scikit-learn's rules, decided inside the loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from chainrule.estimators.solver import RATE
from chainrule.functions import logical_and, logical_not, logical_or, where
from chainrule.graph.graph import Graph
from chainrule.graph.loop import Arrays, Stage
from chainrule.graph.types import FLOAT64, Array, ArrayType
from chainrule.graph.value import Value, input_like
from chainrule.training.stopping import first_best, kept_best

#: Below this rate 'adaptive' stops instead of dividing it.
SMALLEST_RATE = 1e-6
#: What 'adaptive' divides the rate by.
FALL = 5
#: The result that holds the score of the held-out rows.
SCORE = "validation_score"

#: What is carried from epoch to epoch, also over calls with warm_start and partial_fit: the best loss or
#: score so far, and the epochs without an improvement.
BEST, WAITED = "rules/best", "rules/waited"
_SEEN = "rules/rows_seen"
#: How many epochs have ended whose score Python has yet to find: one, or none.
PENDING = "rules/pending"
_SCALAR = ArrayType((), FLOAT64)


class RateSchedule(NamedTuple):
    """How the learning rate changes after an epoch.

    Attributes
    ----------
    kind : str
        ``"constant"``, ``"invscaling"`` or ``"adaptive"``.
    rate, power : float
        The first learning rate, and the exponent of 'invscaling'.
    """

    kind: str
    rate: float
    power: float


@dataclass(frozen=True)
class Rules:
    """What decides at the end of an epoch.

    Attributes
    ----------
    scored : bool
        Whether a validation score decides, where larger is better, and not the loss.
    schedule : RateSchedule
        What becomes of the learning rate.
    tol, patience : float
        How much better is better, and how many epochs without it are not too many.
    rows : int
        How many an epoch has.
    by_scorer : bool
        Whether the score is a scorer's, which may be NaN or -inf of weights that are sound: as long as it has
        been nothing else, the last weights are kept, and not those before training.
    """

    scored: bool
    schedule: RateSchedule
    tol: float
    patience: float
    rows: int
    by_scorer: bool = False

    def arguments(self) -> dict[str, Array]:
        """Return the numbers that the stage takes: another one needs no other graph."""
        numbers = {"rules.tol": self.tol, "rules.n_iter_no_change": self.patience}
        kind, rate, power = self.schedule
        if kind == "invscaling":
            numbers |= {"rules.rate": rate, "rules.power_t": power, "rules.rows": self.rows}
        return {name: np.asarray(number, FLOAT64) for name, number in numbers.items()}

    def carried(self, waiting: Arrays, rows_seen: int, kept: Arrays) -> dict[str, Array]:
        """Return all that the loop carries for the rules.

        Parameters
        ----------
        waiting : mapping of arrays
            The best so far and the epochs waited, and a learning rate that has fallen, as an earlier fit has
            left them; empty before the first.
        rows_seen : int
            By earlier fits.
        kept : mapping of arrays
            Those that make up the best weights.
        """
        carried = {BEST: np.asarray(-np.inf if self.scored else np.inf), WAITED: np.asarray(0.0), **waiting}
        if self.schedule.kind != "constant":
            carried.setdefault(RATE, np.asarray(self.schedule.rate, FLOAT64))
        if self.schedule.kind == "invscaling":
            carried[_SEEN] = np.asarray(rows_seen, FLOAT64)
        return {**carried, **(first_best(kept) if self.scored else {})}

    def stage(self, kept: Mapping[str, ArrayType]) -> Stage:
        """Return the graph of the decision."""
        kept_types = tuple(kept.items()) if self.scored else ()
        return _stage(self.scored, self.schedule.kind, kept_types, self.by_scorer)


@lru_cache(64)
def _stage(scored: bool, schedule: str, kept: tuple[tuple[str, ArrayType], ...], by_scorer: bool) -> Stage:
    inputs: dict[str, Value] = {}

    def given(name: str) -> Value:
        return inputs.setdefault(name, input_like(name, _SCALAR))

    number, best, tol = given(SCORE if scored else "loss"), given(BEST), given("rules.tol")
    # A NaN is neither worse nor better.
    worse = number < best + tol if scored else number > best - tol
    better = number > best if scored else number < best
    waited = where(worse, given(WAITED) + 1, 0.0)
    stop = waited > given("rules.n_iter_no_change")
    outputs = {BEST: where(better, number, best), WAITED: waited, "stop": stop}
    if schedule == "invscaling":
        seen = given(_SEEN) + given("rules.rows")
        outputs |= {_SEEN: seen, RATE: given("rules.rate") / (seen + 1) ** given("rules.power_t")}
    elif schedule == "adaptive":
        rate = given(RATE)
        small = rate <= SMALLEST_RATE
        lowered = logical_and(stop, logical_not(small))
        outputs |= {WAITED: where(lowered, 0.0, waited), RATE: where(lowered, rate / FALL, rate)}
        outputs["stop"] = logical_and(stop, small)
    if schedule != "constant":
        outputs["learning_rate"] = given(RATE)
    if by_scorer:
        better = logical_or(better, best == -np.inf)
    outputs |= kept_best(inputs, better, dict(kept))
    return Stage(Graph(list(inputs.values()), list(outputs.values())), tuple(outputs))


@lru_cache(2)
def pending_stage(rate_changes: bool) -> Stage:
    """Return the end of an epoch whose score is missing until Python finds it: a NaN stands in its place."""
    pending = input_like(PENDING, _SCALAR)
    inputs, outputs = [pending], {PENDING: pending + 1, SCORE: pending + np.nan}
    if rate_changes:
        inputs.append(input_like(RATE, _SCALAR))
        outputs["learning_rate"] = inputs[-1]
    return Stage(Graph(inputs, list(outputs.values())), tuple(outputs))

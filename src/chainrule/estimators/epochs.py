"""The epochs of an estimator's fit: scikit-learn's rules join the loop, and the attributes follow it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from chainrule.estimators.fitted import Left
from chainrule.estimators.network import as_sizes
from chainrule.estimators.rows import as_rows
from chainrule.estimators.runs import NOT_FINITE, Judge, Judged, Told, Traced
from chainrule.estimators.scores import held_stage
from chainrule.estimators.solver import RATE, batch_size_of, has_schedule
from chainrule.estimators.sparse import fed
from chainrule.estimators.stopping import BEST, PENDING, SCORE, WAITED, RateSchedule, Rules, pending_stage
from chainrule.estimators.threads import thread_limit
from chainrule.estimators.validation import Held
from chainrule.estimators.warned import warn
from chainrule.graph.loop import Inputs, Loop, LoopState, Run
from chainrule.graph.sparse import Table
from chainrule.graph.types import Array, ArrayType
from chainrule.training.callbacks import Callback, Progress, as_callbacks, split_callbacks
from chainrule.training.checkpoint import Checkpoint, Saved
from chainrule.training.fingerprint import Fingerprint, identity
from chainrule.training.fingerprint_of_python import fingerprint_of_python
from chainrule.training.fit import fit_from
from chainrule.training.history import History
from chainrule.training.memo import remembered
from chainrule.training.plateau import CARRIED, ReduceOnPlateau, with_plateau
from chainrule.training.stopping import EarlyStopping, with_best
from chainrule.training.task import DataTypes

if TYPE_CHECKING:
    from chainrule.estimators.base import BaseMLP

#: Parameters that the results do not depend on, and those that a checkpoint knows in another form.
_NO_OPTIONS = {
    "callbacks", "checkpoint", "max_fun", "max_iter", "n_threads", "verbose", "warm_start",
    "batch_size", "scoring", "shuffle",
}  # fmt: skip
#: The note on the scorer: its fingerprints when the fit began and when it was left.
_SCORER = "scorer"


@dataclass(frozen=True)
class Plan:
    """A fit that is put together: its rows as they are given, the loop, its start, and Python's part."""

    tables: Mapping[str, Table]
    loop: Loop
    start: LoopState
    inputs: Inputs
    rules: Rules
    judge: Judge | None
    plateau: ReduceOnPlateau | None
    callbacks: list[Callback]


def run_fit(
    estimator: Any,
    data: dict[str, Array],
    held: Held | None,
    schedule: RateSchedule,
    *,
    incremental: bool,
    checkpoint: Checkpoint | None,
    drawn: bool,
) -> str | None:
    """Train an estimator from where its trainer is; its attributes follow.

    `incremental` says if it is one epoch of partial_fit, `drawn` if the weights are drawn by this fit.
    Returns where numbers were first not finite, if there were such, as a sentence without its stop.
    """
    epochs = 1 if incremental else min(estimator.max_iter, sys.maxsize)
    plan = _planned(estimator, data, held, schedule, epochs)
    saved = Saved(plan.start, History())
    if checkpoint is not None:
        saved = _resumed(estimator, plan, checkpoint, drawn)
    notes: dict[str, Any] = {} if checkpoint is None else checkpoint.notes
    attributes = Attributes(estimator, plan, saved.history, notes)
    saved = attributes.judged(saved)
    progress = Progress(plan.inputs.epochs, estimator, data=plan.tables)
    try:
        fit_from(
            saved,
            attributes.running(bool(estimator.verbose)),
            plan.loop,
            plan.inputs,
            progress=progress,
            callbacks=plan.callbacks,
            keep=attributes.keep,
            checkpoint=checkpoint,
        )
    except KeyboardInterrupt:
        attributes.keep(replace(attributes.state, carried=with_best(attributes.state.carried)))
        if attributes.state.carried.get(PENDING):  # in the middle of finding it
            estimator.validation_scores_.pop()
        warn("Training interrupted by user.")
    else:
        if not (incremental or attributes.state.stopped or progress.stopped or progress.paused):
            warn(
                f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
            )
    return notes.get(NOT_FINITE)


# Putting it together ------------------------------------------------------------------------------


def _planned(
    estimator: BaseMLP, data: dict[str, Array], held: Held | None, schedule: RateSchedule, epochs: int
) -> Plan:
    """Put a fit together: its steps, the held-out rows, scikit-learn's rules, and a plateau's."""
    plateau, callbacks = _split_callbacks(estimator)
    recorded = any(callback.records for callback in callbacks)
    tables = as_rows(data)
    rows = len(tables["x"])
    size = _batch_size(estimator, rows)
    trainer, handed = fed(estimator._trainer, tables, size)
    scored = held is not None and bool(estimator.early_stopping)
    patience, by_scorer = float(estimator.n_iter_no_change), estimator.scoring is not None
    rules = Rules(scored, schedule, float(estimator.tol), patience, rows, scored and by_scorer)
    # scikit-learn goes on where numbers are no longer finite.
    loop = replace(trainer.loop(handed, {}, bool(estimator.shuffle), recorded), checked=False)
    arguments = {**trainer.arguments(), **rules.arguments()}
    if schedule.kind != "constant":
        del arguments[RATE]
    inputs = Inputs(handed, arguments, trainer.key, size, epochs, n_threads=thread_limit(estimator))
    if held is not None:
        loop, inputs = _with_held(estimator, loop, inputs, held)
    loop, state, judge = _with_rules(estimator, loop, trainer.start(recorded), rules, held)
    loop, state, inputs = with_plateau(loop, state, inputs, plateau, _left_by_last(estimator))
    return Plan(tables, loop, state, inputs, rules, judge, plateau, callbacks)


def _split_callbacks(estimator: BaseMLP) -> tuple[ReduceOnPlateau | None, list[Callback]]:
    """Return the callback that acts inside the loop, if there is one, and those that look."""
    callbacks = () if estimator.callbacks is None else estimator.callbacks
    (plateau, stopping), others = split_callbacks(callbacks, ReduceOnPlateau, EarlyStopping)
    if stopping is not None:
        raise ValueError(
            "an estimator stops by rules of its own: set early_stopping, n_iter_no_change, tol and scoring, "
            "and leave EarlyStopping out of callbacks"
        )
    return plateau, as_callbacks(others)


def _with_held(estimator: BaseMLP, loop: Loop, inputs: Inputs, held: Held) -> tuple[Loop, Inputs]:
    """Return the loop with the rows that are not trained on as its validation."""
    trainer, watched = fed(estimator._trainer, as_rows(held.data), inputs.batch_size)
    types = DataTypes.of(watched)
    parts = trainer.task, trainer.carried, types
    measured = remembered(held.row_score, *parts, partial(held_stage, *parts, held.row_score))
    missing = {path: number for path, number in trainer.arguments().items() if path != RATE}
    return (
        replace(loop, validation=measured, validation_data=types.names),
        replace(inputs, validation_data=watched, arguments={**missing, **inputs.arguments}),
    )


def _left_by_last(estimator: BaseMLP) -> Mapping[str, Array]:
    """Return what the last fit has carried; nothing where training begins anew."""
    left = estimator._kept.left
    return {} if left is None else left.carried


def _with_rules(
    estimator: BaseMLP, loop: Loop, state: LoopState, rules: Rules, held: Held | None
) -> tuple[Loop, LoopState, Judge | None]:
    """Return the loop with scikit-learn's rules as its end of an epoch, or a place for Python's score."""
    kept = estimator._trainer.predicting_arrays()
    stage = rules.stage({name: ArrayType(array.shape, array.dtype) for name, array in kept.items()})
    waiting: dict[str, Array] = {}
    if (estimator.best_loss_ is None) == rules.scored:
        left = _left_by_last(estimator)
        fallen = RATE in left and rules.schedule.kind != "constant"
        waiting = {**estimator._kept.waiting, **({RATE: left[RATE]} if fallen else {})}
    if BEST in waiting:  # the attribute may have been set since
        best = estimator.best_validation_score_ if rules.scored else estimator.best_loss_
        waiting = {**waiting, BEST: np.asarray(best, np.float64)}
    carried = rules.carried(waiting, estimator.t_, kept)
    judge = None
    if held is not None:
        carried |= held.carried
    if rules.scored and held is not None and held.score is not None:
        judge = Judge(partial(_scored, estimator, held), stage, rules.arguments())
        stage, carried[PENDING] = pending_stage(rules.schedule.kind != "constant"), np.asarray(0.0)
    start = replace(state, carried={**state.carried, **carried})
    return replace(loop, epoch_end=stage), start, judge


def _scored(estimator: BaseMLP, held: Held, carried: Mapping[str, Array]) -> float:
    assert held.score is not None
    estimator._take(carried)
    return held.score(estimator)


def _batch_size(estimator: BaseMLP, rows: int) -> int:
    if not isinstance(estimator.batch_size, str) and estimator.batch_size > rows:
        warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped: "
            f"{estimator.batch_size} is more than the {rows} rows.",
        )
    return batch_size_of(estimator, rows)


def _resumed(estimator: BaseMLP, plan: Plan, checkpoint: Checkpoint, drawn: bool) -> Saved:
    """Return where the checkpoint's fit stands."""
    ends = isinstance(estimator.learning_rate, str) and has_schedule(estimator)  # at the last epoch
    free = _NO_OPTIONS - ({"max_iter"} if ends else set())
    chosen = {name: value for name, value in estimator.get_params(deep=False).items() if name not in free}
    chosen["hidden_layer_sizes"] = as_sizes(estimator.hidden_layer_sizes)
    recording = any(callback.records for callback in plan.callbacks)
    options: dict[str, Any] = {
        "plateau": plan.plateau,
        "dtype": estimator._trainer.task.dtype.name,
        "recording": recording,
    }
    # Labels and categories are numbers in the rows that the loop is given.
    options |= {"classes": _texts(getattr(estimator, "classes_", ()))}
    options |= {f"categories of {each.name!r}": _texts(each.categories) for each in estimator._seen.coded}
    trainer = estimator._trainer
    own = [] if drawn else [*trainer.carried.parameters, *trainer.carried.state, BEST, WAITED]
    epochs = plan.inputs.epochs
    made_of = identity(plan.loop, plan.inputs, options, chosen=chosen, called=_scorer(estimator, checkpoint))
    return checkpoint.resume(plan.start, made_of, epochs, own=own, option="max_iter")


def _scorer(estimator: BaseMLP, checkpoint: Checkpoint) -> Fingerprint:
    """Return the scorer's fingerprint, as it was when the fit began if it is as the fit has left it.

    A scorer may change its attributes while it scores, and a process may begin a fit and go on with it.
    """
    now = fingerprint_of_python({"scoring": estimator.scoring})
    begun, left = checkpoint.note(_SCORER, lambda noted: (dict(noted[0]), dict(noted[1]))) or (now, now)
    found: Fingerprint = begun if now == left else now
    checkpoint.notes[_SCORER] = [found, now]
    return found


def _texts(labels: Any) -> list[str]:
    return [str(label) for label in labels]


# What is left -------------------------------------------------------------------------------------


class Attributes:
    """Lets an estimator's attributes follow its fit.

    Parameters
    ----------
    estimator : BaseMLP
        Whose attributes.
    plan : Plan
        The fit.
    past : History
        Its epochs before it went on from a checkpoint.
    notes : dict
        The checkpoint's.
    """

    def __init__(self, estimator: Any, plan: Plan, past: History, notes: dict[str, Any]) -> None:
        self.plan = plan
        self._notes = notes
        self.state = plan.start
        self._results: list[dict[str, float]] = []
        self._estimator = estimator
        self._rows = plan.rules.rows
        self._followed = self._scored = 0
        estimator.n_iter_ = 0
        if plan.rules.scored and estimator.validation_scores_ is None:
            estimator.validation_scores_ = []
        if plan.loop.validation is not None and estimator.validation_loss_curve_ is None:
            estimator.validation_loss_curve_ = []
        before = [dict(zip(past, row, strict=True)) for row in zip(*past.values(), strict=True)]
        self._follow(before)
        self._follow_scores(before)

    def running(self, verbose: bool) -> Callable[[Loop, LoopState, Inputs], Run]:
        """Return what makes the run of the fit, which the attributes then follow.

        Parameters
        ----------
        verbose : bool
            Whether it is told of.
        """
        plan = self.plan

        def run(loop: Loop, state: LoopState, inputs: Inputs) -> Run:
            made: Run = Traced(loop, state, inputs, self._notes)
            made = made if plan.judge is None else Judged(made, plan.judge, self._catch_up)
            made = Told(made, plan.rules, self._estimator.n_iter_) if verbose else made
            self._results = made.results
            return made

        return run

    def _follow(self, results: Sequence[Mapping[str, float]]) -> None:
        """Take in some more epochs."""
        if not results:
            return
        one = self._estimator
        one.n_iter_ += len(results)
        one.t_ += self._rows * len(results)
        one.loss_curve_ += [np.float64(each["loss"]) for each in results]
        one.loss_ = one.loss_curve_[-1]
        if self.plan.loop.validation is not None:
            one.validation_loss_curve_ += [each["validation_loss"] for each in results]

    def _follow_scores(self, results: Sequence[Mapping[str, float]]) -> None:
        if self.plan.rules.scored:
            self._estimator.validation_scores_ += [each[SCORE] for each in results]

    def _catch_up(self) -> None:
        """Take in the epochs that have ended since, but for their scores: the last may be yet to be found."""
        self._follow(self._results[self._followed :])
        self._followed = len(self._results)

    def judged(self, saved: Saved) -> Saved:
        """Return where a fit stands after an epoch that waited for its score, if one did, has got it."""
        judge = self.plan.judge
        if judge is None or not saved.state.carried[PENDING]:
            return saved
        last = {name: numbers.pop() for name, numbers in saved.history.items()}
        state = judge.decided(saved.state, last)
        saved.history.append(last)
        self._estimator.validation_scores_[-1] = last[SCORE]
        return Saved(state, saved.history, saved.finished or state.stopped)

    def keep(self, state: LoopState) -> None:
        """Take over where the fit stands: weights, what was measured, and what partial_fit goes on from."""
        one, self.state = self._estimator, state
        self._catch_up()
        self._follow_scores(self._results[self._scored :])
        self._scored = len(self._results)
        one._trainer.keep(state)
        one._take(state.carried)
        best, scored = np.float64(state.carried[BEST]), self.plan.rules.scored
        one.best_loss_, one.best_validation_score_ = (None, float(best)) if scored else (best, None)
        kept = [*one._trainer.loop_state.carried, *(name for name in CARRIED if name in state.carried)]
        left = Left(
            {name: state.carried[name] for name in kept},
            state.step,
            state.epoch + (state.position > 0),
            one._trainer.key,
            self.plan.rules.schedule,
        )
        waiting = {name: state.carried[name] for name in (BEST, WAITED)}
        one._kept = replace(one._kept, left=left, waiting=waiting)
        if _SCORER in self._notes:
            self._notes[_SCORER][1] = fingerprint_of_python({"scoring": one.scoring})

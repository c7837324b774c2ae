"""The epochs of an estimator's fit: the loop is run, and after each epoch scikit-learn's rules decide."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from chainrule.estimators.solver import RATE
from chainrule.estimators.threads import thread_limit
from chainrule.estimators.validation import Held
from chainrule.executors import EXECUTORS
from chainrule.graph.loop import EvaluatedRun, Inputs, Loop, LoopState, NotFiniteError, Run
from chainrule.graph.types import Array
from chainrule.training.callbacks import Progress, as_callbacks


class Unchecked:
    """A run that goes on where numbers are no longer finite, on the evaluator; `state` is that of the run."""

    def __init__(self, loop: Loop, state: LoopState, inputs: Inputs) -> None:
        self._loop, self._inputs = loop, inputs
        self._run: Run = EXECUTORS["compiled"].run(loop, state, inputs)

    @property
    def state(self) -> LoopState:
        """Where the run stands."""
        return self._run.state

    @state.setter
    def state(self, state: LoopState) -> None:
        self._run.state = state

    def __iter__(self) -> Iterator[dict[str, float]]:
        done = 0
        try:
            for results in self._run:
                done += 1
                yield results
        except NotFiniteError:
            left = replace(self._inputs, epochs=self._inputs.epochs - done)
            self._run = EvaluatedRun(replace(self._loop, checked=False), self._run.state, left)
            yield from self._run


def run_fit(
    estimator: Any, state: LoopState, data: dict[str, Array], held: Held | None, incremental: bool
) -> None:
    """Train an estimator from a state on; its attributes follow epoch by epoch."""
    epochs = 1 if incremental else estimator.max_iter
    run = _begun(estimator, state, data, epochs)
    changing = estimator._rate.schedule != "constant"
    best = held and _kept(state)
    callbacks = as_callbacks(estimator.callbacks or ())
    progress = Progress(epochs, estimator)
    estimator.n_iter_ = 0
    try:
        for callback in callbacks:
            callback.on_start(progress)
        for results in run:
            _record(estimator, results["loss"], len(data["x"]))
            better = _look(estimator, run, held)
            if held is not None and better:
                best = _kept(run.state)
            stop = _decided(estimator)
            if changing:
                run.state = _with_rate(run.state, estimator._rate.now)
            if callbacks:
                estimator._take(run.state.carried)
            progress.epoch, progress.logs = estimator.n_iter_, _logs(estimator, results)
            for callback in callbacks:
                callback.on_epoch(progress)
            if stop or incremental or progress.stopped:
                break
        else:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=4,
            )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=4)
    finally:
        _leave(estimator, run.state, best)
        for callback in callbacks:
            callback.on_end(progress)


def _begun(estimator: Any, state: LoopState, data: dict[str, Array], epochs: int) -> Unchecked:
    """Return the run of a fit; a learning rate that changes between epochs is carried as weights are."""
    trainer = estimator._trainer
    arguments = trainer.arguments()
    if estimator._rate.schedule != "constant":
        state = _with_rate(state, estimator._rate.now)
        del arguments[RATE]
    size = _batch_size(estimator, len(data["x"]))
    inputs = Inputs(data, arguments, trainer.key, size, epochs, n_threads=thread_limit(estimator))
    return Unchecked(trainer.loop(data, {}, bool(estimator.shuffle)), state, inputs)


def _with_rate(state: LoopState, rate: float) -> LoopState:
    return replace(state, carried={**state.carried, RATE: np.asarray(rate)})


def _kept(state: LoopState) -> dict[str, Array]:
    return {name: np.array(array) for name, array in state.carried.items()}


def _batch_size(estimator: Any, rows: int) -> int:
    if isinstance(estimator.batch_size, str):
        return min(200, rows)
    if estimator.batch_size > rows:
        warnings.warn(
            f"Got `batch_size` {estimator.batch_size}, larger than the sample size {rows}. "
            "It is going to be clipped",
            stacklevel=5,
        )
    return int(min(estimator.batch_size, rows))


def _record(estimator: Any, loss: float, rows: int) -> None:
    """Take in an epoch's loss."""
    estimator.n_iter_ += 1
    estimator.loss_ = loss
    estimator.t_ += rows
    estimator.loss_curve_.append(loss)
    if estimator.verbose:
        print(f"Iteration {estimator.n_iter_}, loss = {loss:.8f}")


def _look(estimator: Any, run: Unchecked, held: Held | None) -> bool:
    """Return whether the epoch is the best so far, by the validation score or the loss."""
    number = estimator.loss_
    if held is not None:
        estimator._take(run.state.carried)
        number = held.score(estimator)
        estimator.validation_scores_.append(number)
        if estimator.verbose:
            print(f"Validation score: {number:f}")
    better: bool = estimator._patience.look(number)
    estimator._show_patience()
    return better


def _decided(estimator: Any) -> bool:
    """Return whether training stops; where patience has ended, 'adaptive' lowers the rate instead."""
    rate, patience = estimator._rate, estimator._patience
    rate.end_epoch(estimator.t_)
    if not patience.exhausted:
        return False
    stop, sentence = rate.end_patience()
    if estimator.verbose:
        print(f"{patience.sentence} {sentence}")
    if not stop:
        patience.waited = 0
    return bool(stop)


def _logs(estimator: Any, results: dict[str, float]) -> dict[str, float]:
    scores = estimator.validation_scores_
    return {**results, **({"validation_score": scores[-1]} if scores else {})}


def _leave(estimator: Any, state: LoopState, best: dict[str, Array] | None) -> None:
    """Keep the weights, the best ones where a score was watched, and what partial_fit goes on from."""
    carried = {name: array for name, array in state.carried.items() if name != RATE}
    estimator._left = {
        "carried": carried,
        "step": state.step,
        "epoch": state.epoch + (state.position > 0),
        "key": estimator._trainer.key,
    }
    estimator._take(best or carried)

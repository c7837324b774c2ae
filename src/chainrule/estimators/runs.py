"""What stands around an estimator's run: what fails is traced, Python may score its epochs, it is told of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.estimators.solver import RATE
from chainrule.estimators.stopping import PENDING, SCORE, SMALLEST_RATE, Rules
from chainrule.executors import EXECUTORS
from chainrule.graph.loop import Arrays, Inputs, Loop, LoopState, NotFiniteError, Run, Stage, run_stage
from chainrule.graph.types import FLOAT64
from chainrule.training.fit import traced_failure

#: The note on the first number that was not finite.
NOT_FINITE = "not finite"


def _of_run(name: str) -> Any:
    """Return a property that is the inner run's, and is set there."""
    return property(lambda self: getattr(self._run, name), lambda self, new: setattr(self._run, name, new))


class Around:
    """A run around another, which stands where that stands."""

    #: Where the run stands.
    state: LoopState = _of_run("state")
    #: Whether it may go on before the results of an epoch are taken.
    ahead: bool = _of_run("ahead")
    #: Those of each epoch that it has ended.
    results: list[dict[str, float]] = _of_run("results")
    #: What is called between steps.
    look: Callable[[], object] = _of_run("look")

    def __init__(self, run: Run) -> None:
        self._run = run

    def __iter__(self) -> Iterator[dict[str, float]]:
        yield from self._run


class Traced(Around):
    """A run that finds out where the first number that is not finite comes from, and goes on all the same.

    Parameters
    ----------
    loop, state, inputs
        As for any run.
    notes : dict
        Those of the checkpoint, which the finding is entered into; with it nothing is looked for any more.
    """

    def __init__(self, loop: Loop, state: LoopState, inputs: Inputs, notes: dict[str, Any]) -> None:
        self._loop, self._inputs, self._notes = loop, inputs, notes
        super().__init__(self._made(state, inputs, checked=NOT_FINITE not in notes))

    def _made(self, state: LoopState, inputs: Inputs, checked: bool) -> Run:
        return EXECUTORS["compiled"].run(replace(self._loop, checked=checked), state, inputs)

    def __iter__(self) -> Iterator[dict[str, float]]:
        yielded = 0
        try:
            for results in self._run:
                yielded += 1
                yield results
        except NotFiniteError as failure:
            before = self._run
            self._notes[NOT_FINITE] = traced_failure(failure, self._loop.step, before.state)
            left = replace(self._inputs, epochs=self._inputs.epochs - len(before.results))
            self._run = self._made(before.state, left, checked=False)
            self._run.results, self._run.look, self._run.ahead = before.results, before.look, before.ahead
            yield from before.results[yielded:]
            yield from self._run


@dataclass(frozen=True)
class Judge:
    """Python's part at the end of an epoch: it finds the score, and has the rules' graph decide.

    Attributes
    ----------
    score : callable
        The score of the weights in carried arrays.
    stage : Stage
        What is decided by it.
    arguments : mapping of arrays
        The numbers that the stage takes.
    """

    score: Callable[[Arrays], float]
    stage: Stage
    arguments: Arrays

    def decided(self, state: LoopState, results: dict[str, float]) -> LoopState:
        """Return the state after the decision on the epoch that has just ended; its results get the score."""
        results[SCORE] = self.score(state.carried)
        numbers = {name: np.asarray(number, FLOAT64) for name, number in results.items()}
        new = run_stage(self.stage, {**state.carried, **self.arguments, **numbers})
        carried = {name: new.get(name, array) for name, array in state.carried.items()}
        carried[PENDING] = np.asarray(0.0)
        return replace(state, carried=carried, stopped=state.stopped or bool(new["stop"]))


class Judged(Around):
    """A run that Python enters after each epoch, for the score.

    Parameters
    ----------
    run : Run
        What is scored.
    judge : Judge
        Scores it.
    follow : callable
        Lets the estimator know of the epoch first, which a scorer may ask for.
    """

    def __init__(self, run: Run, judge: Judge, follow: Callable[[], object]) -> None:
        super().__init__(run)
        self._judge, self._follow = judge, follow

    @property
    def ahead(self) -> bool:
        """It may not: each epoch's state is looked at."""
        return False

    @ahead.setter
    def ahead(self, ahead: bool) -> None:
        self._run.ahead = False

    def __iter__(self) -> Iterator[dict[str, float]]:
        for count, results in enumerate(self._run):
            self._follow()
            self.state = self._judge.decided(self.state, self.results[count])
            yield {**results, SCORE: self.results[count][SCORE]}
            if self.state.stopped:
                return


class Told(Around):
    """A run that prints what scikit-learn prints.

    Parameters
    ----------
    run : Run
        What it tells of.
    rules : Rules
        By which the run stops.
    epoch : int
        How many epochs there were before.
    """

    def __init__(self, run: Run, rules: Rules, epoch: int) -> None:
        super().__init__(run)
        self._rules, self._epoch = rules, epoch
        self._rate = float(run.state.carried.get(RATE, 0.0))

    def __iter__(self) -> Iterator[dict[str, float]]:
        for results in self._run:
            self._tell_of_rate(results.get("learning_rate", 0.0))
            self._epoch += 1
            print(f"Iteration {self._epoch}, loss = {results['loss']:.8f}")
            if self._rules.scored:
                print(f"Validation score: {results[SCORE]:f}")
            yield results
        state = self.state
        rate = float(state.carried.get(RATE, 0.0))
        self._tell_of_rate(rate)
        if state.stopped:
            small = self._rules.schedule.kind == "adaptive" and rate <= SMALLEST_RATE
            print(f"{self._sentence} {'Learning rate too small. ' if small else ''}Stopping.")

    def _tell_of_rate(self, rate: float) -> None:
        """Tell that an 'adaptive' rate has fallen, if it has."""
        if self._rules.schedule.kind == "adaptive" and rate < self._rate:
            print(f"{self._sentence} Setting learning rate to {rate:f}")
        self._rate = rate

    @property
    def _sentence(self) -> str:
        rules = self._rules
        what = "Validation score" if rules.scored else "Training loss"
        return (
            f"{what} did not improve more than tol={rules.tol:f} for {rules.patience:g} consecutive epochs."
        )

"""Loop: a step graph repeated over batches and epochs. All of it is data, so that any executor can run it.

An epoch visits every row once, batch after batch, in an order that is a keyed bijection of (key, epoch): the
row at a position is computed where it is needed, no permutation is kept, and a run can go on from the middle
of an epoch. The last batch of an epoch may be short.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np

from chainrule.graph.evaluate import Evaluator
from chainrule.graph.graph import Graph
from chainrule.graph.shuffle import shuffled
from chainrule.graph.sparse import Table
from chainrule.graph.types import ROWS, Array
from chainrule.graph.value import Value

Arrays = Mapping[str, Array]
Tables = Mapping[str, Table]
T = TypeVar("T")
GraphFunction = Callable[..., list[Array]]
#: Makes a graph ready to run: `Evaluator`, or a compiler.
Prepare = Callable[[Graph], GraphFunction]


@dataclass(frozen=True)
class Stage:
    """A graph of a loop, its inputs bound by name, with a name for each output.

    Outputs named like a carried array replace it; the others are results.
    """

    graph: Graph
    outputs: tuple[str, ...]

    @cached_property
    def row_size(self) -> int:
        """How many numbers it makes of a row."""
        shapes = [value.shape for value in self.graph.equations if ROWS in value.shape]
        return sum(math.prod(int(dim) for dim in shape if dim is not ROWS) for shape in shapes)


@dataclass(frozen=True)
class Loop:
    """A training run as data: what happens in a step, at the end of an epoch, and in which order.

    Attributes
    ----------
    step : Stage
        One weight update. It sees the carried arrays, a batch of the data, the arguments, ``key`` and
        ``step``; its results ``batch_loss`` and ``batch_weight`` (the sum of the sample weights) make the
        epoch's loss.
    validation : Stage or None
        What is summed over the validation data after each epoch; its result ``weight`` divides the others.
    epoch_end : Stage or None
        What is decided after each epoch. It sees the carried arrays, ``last`` (whether it is the last epoch
        that was asked for), the epoch's ``loss`` and ``validation_...`` results as float64 scalars; its
        result ``stop`` ends the run.
    data, validation_data : tuple of str
        The inputs that hold a batch of rows.
    sparse, sparse_validation : tuple of str
        Those of them that are given as `SparseRows`.
    shuffle : bool
        Whether the order of the rows changes from epoch to epoch.
    checked : bool
        Whether a step whose results are not finite is refused.
    """

    step: Stage
    data: tuple[str, ...]
    shuffle: bool = True
    validation: Stage | None = None
    validation_data: tuple[str, ...] = ()
    epoch_end: Stage | None = None
    checked: bool = True
    sparse: tuple[str, ...] = ()
    sparse_validation: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoopState:
    """Where a run stands: all that is needed to go on from there.

    Attributes
    ----------
    carried : mapping of arrays
        Weights, layer state, optimizer state, by name.
    step, epoch : int
        Steps and epochs finished since the model was built.
    position : int
        Rows of the present epoch that are done.
    loss, weight : float
        Sums over the present epoch so far: batch loss times batch weight, and batch weight.
    stopped : bool
        Whether the end of an epoch decided to stop.
    """

    carried: Arrays
    step: int = 0
    epoch: int = 0
    position: int = 0
    loss: float = 0.0
    weight: float = 0.0
    stopped: bool = False


@dataclass(frozen=True)
class Inputs:
    """What a loop runs on: data by name, run-time arguments, sizes, the random key, and how many threads."""

    data: Tables
    arguments: Arrays
    key: Array
    batch_size: int
    epochs: int
    validation_data: Tables = field(default_factory=dict)
    n_threads: int | None = None


def seen_by_stage(state: LoopState, inputs: Inputs, data: Mapping[str, T]) -> dict[str, Array | T]:
    """Return what a step or the validation sees, by name: these rows, and what is the same for all rows."""
    step = np.asarray(state.step, np.int32)
    return {**state.carried, **inputs.arguments, **data, "key": inputs.key, "step": step}


class NotFiniteError(ArithmeticError):
    """Something that a step returned is NaN or infinite; the run's state is still the one before that step.

    Attributes
    ----------
    name : str
        Which result: ``batch_loss`` before all others.
    number : float
        What it holds.
    arrays : mapping of arrays
        All that the step saw, by name, so that it can be replayed.
    rows : array
        For each row of the batch, which one of the data it is.
    """

    def __init__(self, name: str, number: float, arrays: Arrays, rows: Array) -> None:
        super().__init__(f"{name} is {number}")
        self.name = name
        self.number = number
        self.arrays = arrays
        self.rows = rows


class Run(Protocol):
    """A loop being run: iterate over it for the results of each epoch.

    Attributes
    ----------
    state : LoopState
        Where it stands, always after a whole step.
    ahead : bool
        Whether it may go on before the results of an epoch are taken, so that `state` can be past the epoch
        that was yielded last: faster, where nobody looks at each epoch's state. False to begin with.
    results : list of dict
        Those of each epoch that it has ended: an epoch's are here before `state` is past it.
    look : callable
        Called between steps, at least every few hundredths of a second of them; it may read the state.
    """

    state: LoopState
    ahead: bool
    results: list[dict[str, float]]
    look: Callable[[], object]

    def __iter__(self) -> Iterator[dict[str, float]]:
        """Yield the results of each epoch as it ends."""


class StepwiseRun(Run, Protocol):
    """A run that can make steps on other rows than its own."""

    def step(self, data: Tables) -> float:
        """Make one step on all of these rows, at most a batch, in place of the run's; return their loss.

        It belongs to no epoch. Data of the run's own types are asked for.

        Raises
        ------
        NotFiniteError
            If a result is not finite; the state is then that before the step.
        """


class EvaluatedRun:
    """A loop run on NumPy: the definition of what a loop does.

    Parameters
    ----------
    loop : Loop
        What to do.
    state : LoopState
        Where to start.
    inputs : Inputs
        What to do it on.
    """

    def __init__(self, loop: Loop, state: LoopState, inputs: Inputs) -> None:
        self.loop = loop
        self.state = state
        self.inputs = inputs
        self.results: list[dict[str, float]] = []
        self.ahead = False
        self.look: Callable[[], object] = lambda: None
        self.rows = len(next(iter(inputs.data.values())))
        self._step = Evaluator(loop.step.graph)

    def __iter__(self) -> Iterator[dict[str, float]]:
        for remaining in reversed(range(self.inputs.epochs)):
            while self.state.position < self.rows:
                self.state = self.next_step()
                self.look()
            results = self.end_epoch(last=remaining == 0)
            yield results
            if self.state.stopped:
                return

    def next_step(self) -> LoopState:
        """Return the state after one more batch."""
        loop, state, inputs = self.loop, self.state, self.inputs
        end = min(state.position + inputs.batch_size, self.rows)
        chosen = self._rows_at(state.position, end)
        batch = {name: inputs.data[name][chosen] for name in loop.data}
        carried, loss, weight = self._update(batch, np.arange(self.rows)[chosen])
        return replace(
            state,
            carried=carried,
            step=state.step + 1,
            position=end,
            loss=state.loss + loss * weight,
            weight=state.weight + weight,
        )

    def step(self, data: Tables) -> float:
        """Make one step on all of these rows in place of the run's; return their loss."""
        batch = {name: data[name][:] for name in self.loop.data}
        carried, loss, _ = self._update(batch, np.arange(len(next(iter(batch.values())))))
        self.state = replace(self.state, carried=carried, step=self.state.step + 1)
        return loss

    def _update(self, batch: Arrays, rows: Array) -> tuple[Arrays, float, float]:
        """Return the arrays after a step on a batch of these rows, the batch's loss and its weight."""
        state = self.state
        arrays = seen_by_stage(state, self.inputs, batch)
        results = _run(self.loop.step, self._step, arrays)
        if self.loop.checked:
            check_finite(results, arrays, rows)
        carried = {name: results.get(name, array) for name, array in state.carried.items()}
        return carried, float(results["batch_loss"]), float(results["batch_weight"])

    def _rows_at(self, start: int, end: int) -> Array | slice:
        if not self.loop.shuffle:
            return slice(start, end)
        return shuffled(np.arange(start, end), self.rows, self.inputs.key, self.state.epoch)

    def end_epoch(self, last: bool) -> dict[str, float]:
        """Close the epoch: its mean loss, the validation results, and what they decide."""
        state = self.state
        results = {"loss": state.loss / state.weight if state.weight else 0.0, **self._validate()}
        carried, stopped = state.carried, False
        if self.loop.epoch_end is not None:
            arrays = {
                **carried,
                **self.inputs.arguments,
                **{name: np.asarray(number, np.float64) for name, number in results.items()},
                "last": np.asarray(last),
            }
            decided = run_stage(self.loop.epoch_end, arrays)
            carried = {name: decided.get(name, array) for name, array in carried.items()}
            stopped = bool(decided.pop("stop", False))
            results |= {name: float(number) for name, number in decided.items() if name not in carried}
        self.results.append(results)
        self.state = LoopState(carried, state.step, state.epoch + 1, stopped=stopped)
        return results

    def _validate(self) -> dict[str, float]:
        if self.loop.validation is None:
            return {}
        arrays = seen_by_stage(self.state, self.inputs, self.inputs.validation_data)
        means = means_over_rows(self.loop.validation, arrays, self.loop.validation_data)
        return {f"validation_{name}": mean for name, mean in means.items()}


def check_finite(results: Arrays, arrays: Arrays, rows: Array) -> None:
    """Raise a NotFiniteError for the first result of a step that is not finite, the loss before all others.

    `arrays` are what the step saw, and `rows` which rows of the data.
    A derivative can be infinite where the loss is not: such a step is refused as well, or its weights would
    spoil the next.
    """
    for name in ("batch_loss", *results):
        finite = np.isfinite(results[name])
        if not finite.all():
            raise NotFiniteError(name, float(results[name][~finite][0]), arrays, rows)


def means_over_rows(
    stage: Stage, arrays: Tables, data: Sequence[str], prepare: Prepare = Evaluator, chunk: int = 4096
) -> dict[str, float]:
    """Return a stage's results, which are sums over rows, divided by its result ``weight``.

    The rows are taken in chunks, so that memory does not grow with them.
    """
    function = prepare(stage.graph)
    rows = len(arrays[data[0]])
    totals = dict.fromkeys(stage.outputs, 0.0)
    for start in range(0, rows, chunk):
        part: dict[str, Any] = {**arrays, **{name: arrays[name][start : start + chunk] for name in data}}
        for name, array in _run(stage, function, part).items():
            totals[name] += float(array)
    weight = totals.pop("weight")
    return {name: total / weight if weight else 0.0 for name, total in totals.items()}


def bind(inputs: Sequence[Value], arrays: Arrays) -> list[Array]:
    """Return the arrays for a graph's inputs, by name."""
    return [arrays[value.name] for value in inputs]


def run_stage(stage: Stage, arrays: Arrays, prepare: Prepare = Evaluator) -> dict[str, Array]:
    """Return a stage's outputs by name; `prepare` makes its graph ready to run."""
    return _run(stage, prepare(stage.graph), arrays)


def _run(stage: Stage, function: GraphFunction, arrays: Arrays) -> dict[str, Array]:
    return dict(zip(stage.outputs, function(*bind(stage.graph.inputs, arrays)), strict=True))

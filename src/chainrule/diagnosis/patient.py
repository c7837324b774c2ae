"""What is examined: a trainer and its data; copies of it can be trained without a change to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar, cast

import numpy as np

from chainrule.executors import EXECUTORS
from chainrule.graph.graph import needed
from chainrule.graph.loop import Inputs, NotFiniteError, means_over_rows, run_stage
from chainrule.graph.origin import part_of
from chainrule.graph.types import Array
from chainrule.optimizers import Optimizer
from chainrule.training.history import History
from chainrule.training.recording import Recording
from chainrule.training.task import DataTypes
from chainrule.training.trainer import Trainer

#: Rows that are looked at, and that copies are trained on.
MOST_LOOKED_AT, MOST_TRAINED_ON = 256, 2000
#: Of a usual fit; and the most of a trial: larger ones would take long.
BATCH, MOST_IN_BATCH = 32, 256
#: Weight updates of a trial, and of a longer one: what comes as far in these is no fault.
STEPS, PATIENCE = 200, 1000

Data = Mapping[str, Array]
T = TypeVar("T")


@dataclass(frozen=True)
class Patient:
    """A trainer with weights, and its data: x, y and sample_weight as its graphs take them.

    Copies are trained by batches of the given size: a rate may be too high for small, or large, ones only.
    What was tried with these weights is kept in `trials`, by the learning rate's factor and the steps. The
    columns of a frame have names.
    """

    trainer: Trainer
    data: Data
    executor: str = "compiled"
    n_threads: int | None = None
    seed: int = 0
    batch_size: int = BATCH
    names: Sequence[str] = ()
    trials: dict[tuple[float, int], object] = field(default_factory=dict, compare=False)
    _memo: dict[str, object] = field(default_factory=dict, compare=False)

    def now(self) -> Patient:
        """Return the same with the weights of this moment; what was made `once` is kept."""
        return replace(self, trials={})

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Return what is made at the first call, and stays: it is the same at all moments of this patient."""
        if name not in self._memo:
            self._memo[name] = make()
        return cast(T, self._memo[name])

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.data["x"])

    def some(self, most: int) -> dict[str, Array]:
        """Return the data of these rows."""
        return (
            dict(self.data)
            if self.rows <= most
            else taken(self.data, chosen_rows(self.rows, most, self.seed))
        )

    def copy(self, optimizer: Optimizer | None = None) -> Patient:
        """Return a copy with weights of its own, which another optimizer may train."""
        old = self.trainer
        assert old.x is not None
        task = old.task if optimizer is None else replace(old.task, optimizer=optimizer)
        parameters, state = old.copies(old.carried.parameters), old.copies(old.carried.state)
        if optimizer is None:
            optimizer_state = old.copies(old.carried.optimizer_state)
        else:
            optimizer_state = optimizer.initial_state(parameters)
        new = Trainer(task, self.seed)
        new.key = old.key
        new.enter(old.x, old.output, parameters, state, optimizer_state)
        return replace(self, trainer=new, trials={}, _memo={})

    def loss(self, data: Data) -> float:
        """Return the loss as `Model.evaluate` measures it."""
        types = DataTypes.of(data)
        stage, arrays = self.trainer.stage("evaluation", types), self.trainer.arrays(data)
        return means_over_rows(stage, arrays, types.names)["loss"]

    @cached_property
    def start_loss(self) -> float:
        """The loss of a training step on some rows, before anything is trained."""
        return float(self.gradients["batch_loss"])

    @cached_property
    def trained_loss(self) -> float:
        """The same on the rows that copies are trained on."""
        return float(self.gradients_of(self.some(MOST_TRAINED_ON))["batch_loss"])

    @cached_property
    def gradients(self) -> dict[str, Array]:
        """The gradients of a training step on some rows."""
        return self.gradients_of(self.some(MOST_LOOKED_AT))

    def gradients_of(self, data: Data) -> dict[str, Array]:
        """Return the loss that a fit reports, as "batch_loss", and the gradients of a step on these rows."""
        stage = self.trainer.stage("reported gradients", DataTypes.of(data))
        return _with_elements(run_stage(stage, self.trainer.arrays(data)))

    @property
    def held(self) -> set[str]:
        """The layers that the loss has no derivative by, as what is behind stop_gradient."""
        return self.once("held", self._held)

    def _held(self) -> set[str]:
        stage = self.trainer.stage("gradients", DataTypes.of(self.data))
        gradients = dict(zip(stage.outputs, stage.graph.outputs, strict=True))
        moving = {
            part_of(name)
            for name, gradient in gradients.items()
            if any(value.primitive is None for value in needed([gradient]))
        }
        return {part_of(name) for name in gradients} - moving

    @cached_property
    def weights(self) -> dict[str, Array]:
        """The parameters by name; there is nothing to say of one without elements."""
        return _with_elements(self.trainer.copies(self.trainer.carried.parameters))

    def train(
        self,
        data: Data,
        steps: int = STEPS,
        batch_size: int | None = None,
        validation: Data | None = None,
        recorded: bool = False,
    ) -> History:
        """Train for about so many steps; return the losses, with infinity where it fails.

        The records come with them if they are asked for: then each epoch is looked at.
        """
        trainer, history = self.trainer, History()
        size = min(batch_size or self.batch_size, MOST_IN_BATCH, len(data["x"]))
        epochs = max(2, -(-steps * size // len(data["x"])))
        validation = validation or {}
        loop = trainer.loop(dict(data), dict(validation), shuffle=True, recorded=True)
        inputs = Inputs(data, trainer.arguments(), trainer.key, size, epochs, validation, self.n_threads)
        run = EXECUTORS[self.executor].run(loop, trainer.start(recorded=True), inputs)
        run.ahead = not recorded
        recording = Recording(history, run.state)
        try:
            for results in run:
                history.append(results)
                if recorded:
                    recording.enter(run.state)
        except NotFiniteError:
            history.append({"loss": np.inf})
        trainer.keep(run.state)
        return history


def chosen_rows(rows: int, most: int, seed: int) -> Array:
    """Return the numbers of at most so many of the rows, drawn at random, in order."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def taken(data: Data, rows: Array) -> dict[str, Array]:
    """Return the data of these rows."""
    return {name: array[rows] for name, array in data.items()}


def _with_elements(arrays: dict[str, Array]) -> dict[str, Array]:
    return {name: array for name, array in arrays.items() if array.size}

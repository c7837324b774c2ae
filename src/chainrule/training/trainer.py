"""Trainer: the numbers behind a model: its arrays, its graphs, and what is fed to them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np

from chainrule.functions import random_key
from chainrule.graph.loop import Inputs, Loop, LoopState, Stage
from chainrule.graph.names import unknown_name
from chainrule.graph.sparse import Table
from chainrule.graph.types import ROWS, Array, ArrayType, str_shape
from chainrule.layers import Layer, initial_values
from chainrule.optimizers import Optimizer
from chainrule.training.data import (
    as_count,
    as_dense,
    as_features,
    as_finite,
    as_objective_target,
    as_sample_weight,
    check_rows,
)
from chainrule.training.frames import check_columns, column_names
from chainrule.training.holding_out import as_validation, hold_out, is_part
from chainrule.training.memo import declared, remembered
from chainrule.training.recording import initial_sums
from chainrule.training.step import evaluation_stage, gradient_stage, prediction_stage, training_step
from chainrule.training.stepping import StartRun, Stepping
from chainrule.training.task import CarriedTypes, DataTypes, Task

Arrays = dict[str, Array]

#: Of a prediction that runs without a break: a few hundredths of a second's.
MULTIPLICATIONS = 1 << 29
#: That a prediction of more than 4096 rows makes without a break: some tens of MB.
NUMBERS = 1 << 23


#: What can be traced of a task. A recorded step sums up what is recorded; reported gradients come with what
#: the loss reports in place of what is minimised; a link is a prediction in the target's terms.
StageKind = Literal[
    "step", "recorded step", "gradients", "reported gradients", "evaluation", "prediction", "link"
]
_OF_BATCH: dict[StageKind, Callable[..., Stage]] = {
    "step": training_step,
    "recorded step": partial(training_step, recorded=True),
    "gradients": gradient_stage,
    "reported gradients": partial(gradient_stage, reported=True),
    "evaluation": evaluation_stage,
}


class Trainer:
    """A task with the arrays that it has learnt so far, and the graphs that were traced of it.

    Parameters
    ----------
    task : Task
        What is trained.
    seed : int
        Fixes the initial weights, the order of the rows and every random draw.

    Attributes
    ----------
    seed : int
        As it was given.
    x, output : ArrayType
        The types of the network's input and output; x is None before the weights are drawn.
    size : int
        How many numbers the parameters are.
    data : DataTypes or None
        The types of the rows that it has learnt from, or was measured on, last: a file keeps a user's own
        functions as their graphs on such rows.
    feature_names : list of str or None
        The names of the columns that it has learnt from, if they came with names.
    """

    def __init__(self, task: Task, seed: int) -> None:
        self.task = task
        self.key = random_key(seed)
        self.seed = seed
        self.x: ArrayType | None = None
        self.data: DataTypes | None = None
        self.feature_names: list[str] | None = None
        self._stages: dict[Any, Stage] = {}
        self._arguments: tuple[Task, Arrays] | None = None
        self._loop_state = LoopState({})
        self._stepping: Stepping | None = None
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        known = {name: what for name, what in vars(self).items() if name != "_lock"}
        return {**known, "_loop_state": self.loop_state, "_stepping": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.RLock())

    # The arrays -----------------------------------------------------------------------------------

    @property
    def loop_state(self) -> LoopState:
        """Parameters, layer state and optimizer state by name; steps and epochs done."""
        with self._lock:
            return self._loop_state if self._stepping is None else self._stepping.state

    @loop_state.setter
    def loop_state(self, state: LoopState) -> None:
        with self._lock:
            self._loop_state, self._stepping = state, None

    def step(self, data: Arrays, start: StartRun, n_threads: int | None) -> float:
        """Update the arrays once on a batch; return its loss before that.

        Raises
        ------
        NotFiniteError
            If a result is NaN or infinite; nothing is changed then.
        """
        self.data = types = DataTypes.of(data)
        rows = len(data["x"])
        with self._lock:
            stepping = self._stepping
            if stepping is None or not stepping.can(start, types, rows, n_threads):
                loop = Loop(self.stage("step", types), types.names, shuffle=False)
                inputs = Inputs(data, self.arguments(), self.key, rows, 1, n_threads=n_threads)
                self._stepping = stepping = Stepping(start, loop, types, self.loop_state, inputs)
            return stepping.step(data)

    @property
    def carried(self) -> CarriedTypes:
        """The types of parameters, layer state and optimizer state."""
        if self.x is None:
            raise ValueError(
                "the model has no weights yet: fit it, or build it with model.build(features=...)"
            )
        return self._carried

    def rows_together(self, stage: Stage) -> int:
        """Return how many rows a stage computes at once: so few that Ctrl-C need not wait for long.

        These are more where little is made of a row, which takes little memory: each call has its price.
        """
        most = MULTIPLICATIONS // max(self.size, 1)
        return max(64, min(4096, most), min(1 << 16, most // 8, NUMBERS // max(stage.row_size, 1)))

    def build(self, features: Sequence[int]) -> None:
        """Draw the initial weights for rows of this shape, unless that is done."""
        if self.x is not None:
            self.check_features(tuple(features))
            return
        task = self.task
        x = ArrayType((ROWS, *(as_count(dim, "features") for dim in features)), task.dtype)
        found = declared(task.network, x)
        generator = np.random.default_rng(self.seed)
        parameters = initial_values(found.parameters, task.dtype, generator)
        state = initial_values(found.state, task.dtype, generator)
        self.enter(x, found.output, parameters, state, task.optimizer.initial_state(parameters))

    def enter(
        self, x: ArrayType, output: ArrayType, parameters: Arrays, state: Arrays, optimizer_state: Arrays
    ) -> None:
        """Take these arrays for the present ones."""
        self.x, self.output = x, output
        self._carried = CarriedTypes(_types(parameters), _types(state), _types(optimizer_state))
        self.size = sum(array.size for array in parameters.values())
        self.loop_state = LoopState({**parameters, **state, **optimizer_state})

    def start(self, recorded: bool = False) -> LoopState:
        """Return where a fit starts: from where the arrays are, with sums for what is recorded."""
        sums = initial_sums(self.carried.parameters) if recorded else {}
        return replace(self.loop_state, carried={**self.loop_state.carried, **sums})

    def change_optimizer(self, optimizer: Optimizer) -> None:
        """Go on with an optimizer that keeps the same arrays.

        Raises
        ------
        ValueError
            If it keeps others than the present one, of which nothing is known.
        """
        if self.x is not None:
            parameters = {name: self.loop_state.carried[name] for name in self.carried.parameters}
            state = optimizer.initial_state(parameters)
            if _types(state) != self.carried.optimizer_state:
                raise ValueError(
                    f"{type(optimizer).__name__} keeps other numbers of a parameter than "
                    f"{type(self.task.optimizer).__name__}, with which the model was built; make a model "
                    "of the same network with it, build that, and hand over the weights: "
                    "other.set_weights(model.weights)"
                )
        self.loop_state = self.loop_state  # the arrays are taken back from the single steps, which begin anew
        self.task = replace(self.task, optimizer=optimizer)
        self._stages.clear()

    def copies(self, names: Iterable[str]) -> Arrays:
        """Return copies of the arrays of these names."""
        return {name: np.array(self.loop_state.carried[name]) for name in names}

    def replace_arrays(self, arrays: Mapping[str, Any]) -> None:
        """Replace parameters or layer state by name; all of them, or none if one does not fit."""
        types = {**self.carried.parameters, **self.carried.state}
        predicting = self.predicting_names()
        new: Arrays = {}
        for name, array in arrays.items():
            if name not in types:
                raise ValueError(unknown_name("weight", name, types))
            converted = np.array(as_finite(array, self.task.dtype, name))
            if converted.shape != types[name].shape:
                shape, given = str_shape(types[name].shape), str_shape(converted.shape)
                raise ValueError(
                    f"{name} has the shape {shape}, and was given {given}; give an array of {shape}"
                )
            new[name] = converted
            new[predicting.get(name, name)] = converted
        self.loop_state = replace(self.loop_state, carried={**self.loop_state.carried, **new})

    def predicting_arrays(self) -> Arrays:
        """Return the arrays that a prediction depends on: parameters, layer state, averaged weights."""
        names = {*self.carried.parameters, *self.carried.state, *self.predicting_names().values()}
        return {name: array for name, array in self.loop_state.carried.items() if name in names}

    def predicting_names(self) -> dict[str, str]:
        """Return for each parameter the name of the array that stands for it in predictions."""
        state = {name: name for name in self.carried.optimizer_state}
        return self.task.optimizer.averaged({name: name for name in self.carried.parameters}, state)

    def keep(self, state: LoopState) -> None:
        """Take over where a run stands, without what only the run needed."""
        carried = {name: state.carried[name] for name in self.loop_state.carried}
        self.loop_state = LoopState(carried, state.step, state.epoch)

    # The data -------------------------------------------------------------------------------------

    def features(self, x: Any, name: str = "x") -> Array:
        """Return x checked; weights are drawn for it if there are none yet."""
        return self._fitting(self._converted(x, name), name)

    def _converted(self, x: Any, name: str) -> Array:
        """Return x as an array, if its columns, should they have names, are those that were learnt from."""
        check_columns(x, self.feature_names, name)
        return as_features(x, self.task.dtype, name)

    def _fitting(self, features: Array, name: str) -> Array:
        """Return features if they fit the network, which is built for them if it has not been yet."""
        if self.x is None:
            self.build(features.shape[1:])
        self.check_features(features.shape[1:], name)
        return features

    def check_features(self, shape: tuple[Any, ...], name: str = "x") -> None:
        """Raise a ValueError if rows of this shape do not fit the network."""
        assert self.x is not None
        if shape != self.x.shape[1:]:
            given, built = str_shape((ROWS, *shape)), str_shape(self.x.shape)
            first = _first_layer(self.task.network)
            raise ValueError(
                f"{name} has the shape {given}, and {first} was built for {built}; "
                "give rows of that shape, or make a new model"
            )

    def batch(self, x: Any, y: Any, weight: Any, prefix: str = "") -> Arrays:
        """Return what a user handed over, checked and converted, by the names of the graphs' inputs."""
        x_name, y_name, weight_name = (prefix + name for name in ("x", "y", "sample_weight"))
        features = self._converted(x, x_name)
        if y is not None:
            y = as_dense(y, y_name)
            check_rows(features, y, (x_name, y_name))
        data = {"x": self._fitting(features, x_name)}
        if y is not None or self.task.loss is not None:
            data["y"] = self._target(y, prefix)
        if weight is not None:
            data["sample_weight"] = as_sample_weight(weight, len(features), self.task.dtype, weight_name)
        return data

    def lesson(self, x: Any, y: Any, weight: Any, validation_data: Any = None) -> tuple[Arrays, Arrays]:
        """Return the rows to learn from, and those to be measured on, if any; columns are x's from now on."""
        data = self.batch(x, y, weight)
        self.feature_names = self.feature_names or column_names(x)
        if validation_data is None:
            return data, {}
        if is_part(validation_data):
            return hold_out(data, validation_data, self.key)
        return data, self.batch(*as_validation(validation_data), "validation ")

    def _target(self, y: Array | None, prefix: str) -> Array:
        """Return targets as the loss or the objective takes them."""
        loss = self.task.loss
        if y is None:
            raise ValueError(f"{prefix}y is missing: the loss compares the prediction with it; give targets")
        if loss is None:
            return as_objective_target(y, self.task.dtype, f"{prefix}y")
        try:
            return loss.as_target(y, self.output)
        except ValueError as error:
            raise ValueError(f"{prefix}{error}") from None

    @contextmanager
    def unchanged_on_failure(self) -> Iterator[None]:
        """Forget what a call that fails before it trains has built, and the types and names it has seen."""
        x, data, names = self.x, self.data, self.feature_names
        try:
            yield
        except Exception:
            self.x, self.data, self.feature_names = x, data, names
            raise

    def prepared(self, kind: StageKind, x: Any, y: Any, weight: Any) -> tuple[Stage, Arrays, tuple[str, ...]]:
        """Return a graph for what a user handed over, all that it may need, and the names of the data."""
        with self.unchanged_on_failure():
            data = self.batch(x, y, weight)
            self.data = types = DataTypes.of(data)
            return self.stage(kind, types), self.arrays(data), types.names

    # The graphs -----------------------------------------------------------------------------------

    def stage(self, kind: StageKind, data: DataTypes | None = None) -> Stage:
        """Return a graph, traced if it is new: of a batch of these types, or, without, of a prediction."""
        if (kind, data) not in self._stages:
            traced = partial(self._traced, kind, data)
            types = data or self.x
            assert types is not None
            self._stages[kind, data] = remembered(kind, self.task, self.carried, types, traced)
        return self._stages[kind, data]

    def loop(
        self, data: Mapping[str, Table], validation: Arrays, shuffle: bool, recorded: bool = False
    ) -> Loop:
        """Return the loop of a fit; no validation data, no validation."""
        self.data = types = DataTypes.of(data)
        loop = Loop(self.stage("recorded step" if recorded else "step", types), types.names, shuffle)
        if not validation:
            return loop
        measured = DataTypes.of(validation)
        stage = self.stage("evaluation", measured)
        return replace(loop, validation=stage, validation_data=measured.names)

    def _traced(self, kind: StageKind, data: DataTypes | None) -> Stage:
        carried = self.carried
        if data is None:
            assert self.x is not None
            return prediction_stage(self.task, carried, self.x, link=kind == "link")
        return _OF_BATCH[kind](self.task, carried, data)

    def arguments(self) -> Arrays:
        """Return the hyperparameters by path; they are found once, as a task is never changed."""
        if self._arguments is None or self._arguments[0] is not self.task:
            self._arguments = self.task, self.task.hyperparameters()
        return dict(self._arguments[1])

    def arrays(self, data: Mapping[str, Array]) -> Arrays:
        """Return all that a graph of the task may need, by name."""
        step = np.asarray(self.loop_state.step, np.int32)
        return {**self.loop_state.carried, **self.arguments(), **data, "key": self.key, "step": step}


def _types(arrays: Arrays) -> dict[str, ArrayType]:
    return {name: ArrayType(array.shape, array.dtype) for name, array in arrays.items()}


def _first_layer(network: Layer) -> str:
    layers = getattr(network, "layers", None)
    if isinstance(layers, tuple) and layers:
        return f"layers.0 ({type(layers[0]).__name__})"
    return f"the network ({type(network).__name__})"

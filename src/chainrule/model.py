"""Model: what a user holds: a network, its weights, and how it is trained."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.files import read_arrays, write_arrays
from chainrule.functions import random_key
from chainrule.graph.loop import Inputs, Loop, LoopState, Stage, means_over_rows, run_stage
from chainrule.graph.names import checked_options, unknown_name
from chainrule.graph.types import ROWS, Array, ArrayType, DType, as_dtype, is_float, str_shape
from chainrule.layers import Layer, declare, initial_values
from chainrule.losses import Loss, Penalty, as_loss
from chainrule.optimizers import Optimizer, as_optimizer
from chainrule.training.callbacks import Callback, Progress, ProgressBar, as_callbacks
from chainrule.training.data import (
    as_count,
    as_features,
    as_sample_weight,
    as_target_numbers,
    check_rows,
)
from chainrule.training.description import describe_task, restore_task, type_as_json, type_from_json
from chainrule.training.fit import EXECUTORS, check_step_loss, run_epochs, with_early_stopping
from chainrule.training.history import History
from chainrule.training.step import evaluation_stage, gradient_stage, prediction_stage, training_step
from chainrule.training.stopping import EarlyStopping
from chainrule.training.task import CarriedTypes, DataTypes, Objective, Task

_FORMAT = 1
_PREDICTION_ROWS = 4096


class Model:
    r"""A network, its weights, and how it is trained.

    Training minimises the weighted mean of the rows' losses plus the penalties:

    .. math:: L = \frac{\sum_i w_i \, \ell(f(x_i), y_i)}{\sum_i w_i} + \sum \mathrm{penalties}

    Parameters
    ----------
    network : Layer
        What maps x to a prediction, usually a `Sequential`.
    loss : str, Loss or callable, optional
        How far a prediction is from its target: a name such as ``"cross_entropy"``, a loss object, or a
        function of (prediction, target) that returns one number a row.
    objective : callable, optional
        Takes the place of the loss where more than (prediction, target) is needed: a function of
        (network, x, y) that returns one number a row, or one number. In it ``network`` may be called any
        number of times, also inside `grad`.
    optimizer : str or Optimizer, default "adam"
        The rule of the weight update.
    penalties : Penalty or sequence of them, optional
        `L1` and `L2` penalties on the weights.
    dtype : {"float32", "float64"}, default "float32"
        Of weights and computation.
    seed : int, default 0
        Fixes the initial weights, the order of the rows and every random draw of training.
    executor : {"numpy"}, default "numpy"
        What runs the training loop.

    Attributes
    ----------
    metadata : dict
        Anything that JSON can hold; it is saved and loaded with the model.

    Raises
    ------
    ValueError
        For an unknown name or option (with the nearest ones), or if both or neither of loss and objective
        are given.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> net = cr.Sequential([cr.Dense(8, activation="tanh"), cr.Dense(2)])
    >>> model = cr.Model(net, loss="cross_entropy", optimizer=cr.Adam(0.05))
    >>> history = model.fit(x, [0, 1, 1, 0], epochs=200, batch_size=4)
    >>> model.predict(x).argmax(axis=1)
    array([0, 1, 1, 0])
    """

    @checked_options
    def __init__(
        self,
        network: Layer,
        *,
        loss: str | Loss | Callable[[Any, Any], Any] | None = None,
        objective: Objective | None = None,
        optimizer: str | Optimizer = "adam",
        penalties: Penalty | Sequence[Penalty] = (),
        dtype: object = "float32",
        seed: int = 0,
        executor: str = "numpy",
    ) -> None:
        if not isinstance(network, Layer):
            raise TypeError(f"a model's network is a layer, usually cr.Sequential([...]), not {network!r}")
        if (loss is None) == (objective is None):
            raise ValueError("a model needs either loss= or objective=, and not both")
        if executor not in EXECUTORS:
            raise ValueError(unknown_name("executor", executor, EXECUTORS))
        if not is_float(as_dtype(dtype)):
            raise ValueError(f"a model computes in float32 or float64, not {as_dtype(dtype)}")
        self._task = Task(
            network,
            None if loss is None else as_loss(loss),
            objective,
            as_optimizer(optimizer),
            (penalties,) if isinstance(penalties, Penalty) else tuple(penalties),
            as_dtype(dtype),
        )
        self._key = random_key(seed)
        self.seed = seed
        self.executor = executor
        self.metadata: dict[str, Any] = {}
        self._x: ArrayType | None = None
        self._data: DataTypes | None = None
        self._stages: dict[Any, Stage] = {}

    # What it is made of ---------------------------------------------------------------------------

    @property
    def network(self) -> Layer:
        """The network."""
        return self._task.network

    @property
    def loss(self) -> Loss | None:
        """The loss; None if the model has an objective."""
        return self._task.loss

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer."""
        return self._task.optimizer

    @property
    def dtype(self) -> DType:
        """The dtype of weights and computation."""
        return self._task.dtype

    @property
    def weights(self) -> dict[str, Array]:
        """The parameters by name, as copies: ``{"layers.0.weight": array (in, out), ...}``."""
        return self._copies(self._built().parameters)

    @property
    def state(self) -> dict[str, Array]:
        """What layers keep besides parameters, by name, as copies: running means and variances."""
        return self._copies(self._built().state)

    @property
    def epochs(self) -> int:
        """Epochs that it has been trained for."""
        self._built()
        return self._run.epoch

    @property
    def steps(self) -> int:
        """Weight updates that it has had."""
        self._built()
        return self._run.step

    def __repr__(self) -> str:
        aim = f"objective={self._task.objective!r}" if self.loss is None else f"loss={self.loss!r}"
        return f"Model({self.network!r}, {aim}, optimizer={self.optimizer!r}, dtype={self.dtype.name!r})"

    def build(self, features: int | Sequence[int]) -> None:
        """Draw the initial weights for an input of this size; `fit` does it by itself.

        Parameters
        ----------
        features : int or sequence of int
            The shape of one row of x: 4, or (8, 8).

        Raises
        ------
        ValueError
            If a layer cannot take such an input (naming the layer), or the model is built for another.
        """
        shape = (features,) if isinstance(features, int | np.integer) else tuple(features)
        x = ArrayType((ROWS, *(as_count(dim, "features") for dim in shape)), self.dtype)
        if self._x is not None:
            self._check_features(x.shape[1:])
            return
        variables, output = declare(self.network, x.shape, self.dtype)
        generator = np.random.default_rng(self.seed)
        parameters = initial_values(variables.declared_parameters, self.dtype, generator)
        state = initial_values(variables.declared_state, self.dtype, generator)
        memory = self.optimizer.initial_state(parameters)
        self._enter(x, output.type, parameters, state, memory)

    def _enter(
        self,
        x: ArrayType,
        output: ArrayType,
        parameters: dict[str, Array],
        state: dict[str, Array],
        optimizer_state: dict[str, Array],
    ) -> None:
        def types(arrays: Mapping[str, Array]) -> dict[str, ArrayType]:
            return {name: ArrayType(array.shape, array.dtype) for name, array in arrays.items()}

        self._x, self._output = x, output
        self._carried = CarriedTypes(types(parameters), types(state), types(optimizer_state))
        self._run = LoopState({**parameters, **state, **optimizer_state})

    def set_weights(self, weights: Mapping[str, Any]) -> None:
        """Replace parameters, or layer state, by name; those that are not named stay.

        Raises
        ------
        ValueError
            For an unknown name (with the nearest ones), another shape (with both), NaN or infinity. Then
            nothing is changed.
        """
        built = self._built()
        types = {**built.parameters, **built.state}
        new = {}
        for name, array in weights.items():
            if name not in types:
                raise ValueError(unknown_name("weight", name, types))
            converted = as_target_numbers(array, name).astype(self.dtype)
            if converted.shape != types[name].shape:
                shapes = str_shape(types[name].shape), str_shape(converted.shape)
                raise ValueError(f"{name} has the shape {shapes[0]}, and was given {shapes[1]}")
            new[name] = converted
        averages = {f"{name}/average": array for name, array in new.items()}
        carried = self._run.carried
        new |= {name: array.copy() for name, array in averages.items() if name in carried}
        self._run = replace(self._run, carried={**carried, **new})

    # Training -------------------------------------------------------------------------------------

    @checked_options
    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        epochs: int = 1,
        batch_size: int | None = 32,
        validation_data: tuple[Any, ...] | None = None,
        sample_weight: Any = None,
        shuffle: bool = True,
        callbacks: Iterable[Callback | EarlyStopping | Callable[[Progress], object]] = (),
        verbose: bool = False,
    ) -> History:
        """Train for some epochs, from where the model is.

        Parameters
        ----------
        x : array_like, shape (rows, features, ...)
            Inputs.
        y : array_like, shape (rows,) or (rows, outputs)
            Targets: class numbers for a classification loss, otherwise numbers. An objective may do without.
        epochs : int, default 1
            How often every row is visited.
        batch_size : int or None, default 32
            Rows in a step; the last batch of an epoch may be shorter. None takes all rows at once.
        validation_data : (x, y) or (x, y, sample_weight), optional
            Rows on which the loss is measured after each epoch, and which are not trained on.
        sample_weight : array_like, shape (rows,), optional
            How much each row counts; not negative. A row of weight 0 changes nothing.
        shuffle : bool, default True
            Whether the rows are visited in a new order in each epoch.
        callbacks : iterable
            `Callback` objects, functions of the `Progress` after each epoch, and an `EarlyStopping`.
        verbose : bool, default False
            Whether a progress bar is shown.

        Returns
        -------
        History
            One number an epoch: ``history["loss"]``, ``history["validation_loss"]``, ...

        Raises
        ------
        ValueError
            If the data do not fit (saying where), or a loss is not finite (which step, which layer first).
        KeyboardInterrupt
            At Ctrl-C. The model then has the weights of the last finished step.
        """
        data = self._batch(x, y, sample_weight)
        types = self._data_types(data)
        validation = None if validation_data is None else self._validation(validation_data)
        rows = len(data["x"])
        inputs = Inputs(
            data,
            self._arguments(),
            self._key,
            rows if batch_size is None else as_count(batch_size, "batch_size"),
            as_count(epochs, "epochs"),
            validation or {},
        )
        loop = Loop(self._stage("step", types), types.names, shuffle)
        if validation is not None:
            own = self._data_types(validation)
            loop = replace(loop, validation=self._stage("evaluation", own), validation_data=own.names)
        stopping, others = _split(callbacks)
        start = LoopState(self._run.carried, self._run.step, self._run.epoch)
        loop, start = with_early_stopping(loop, start, stopping, self._predicting_arrays())
        run = EXECUTORS[self.executor](loop, start, inputs)
        looking = [*as_callbacks(others), *([ProgressBar()] if verbose else [])]
        return run_epochs(run, loop.step, Progress(inputs.epochs, self), looking, self._keep)

    @checked_options
    def step(self, x: Any, y: Any = None, *, sample_weight: Any = None) -> float:
        """Update the weights once, on all rows of x; return the loss before the update.

        Parameters
        ----------
        x, y, sample_weight
            As for `fit`. The number of rows may differ from call to call.

        Examples
        --------
        >>> import chainrule as cr
        >>> model = cr.Model(cr.Dense(1), loss="mean_squared_error", optimizer=cr.SGD(0.1))
        >>> losses = [model.step([[0.0], [1.0]], [0.0, 1.0]) for _ in range(10)]
        >>> losses[-1] < losses[0]
        True
        """
        data = self._batch(x, y, sample_weight)
        stage = self._stage("step", self._data_types(data))
        arrays = self._arrays(data)
        results = run_stage(stage, arrays)
        loss = check_step_loss(results, stage, arrays, self._run)
        carried = {name: results.get(name, array) for name, array in self._run.carried.items()}
        self._run = LoopState(carried, self._run.step + 1, self._run.epoch)
        return loss

    @checked_options
    def gradients(
        self, x: Any, y: Any = None, *, sample_weight: Any = None
    ) -> tuple[float, dict[str, Array]]:
        """Return the loss and its derivative by every parameter; nothing is changed.

        They are those that the next `step` on these rows would use: dropout drops, and penalties count.

        Returns
        -------
        loss : float
        gradients : dict of ndarray
            ``{"layers.0.weight": array, ...}``, each of its parameter's shape.
        """
        data = self._batch(x, y, sample_weight)
        results = run_stage(self._stage("gradients", self._data_types(data)), self._arrays(data))
        gradients = {name: np.array(results[name]) for name in self._carried.parameters}
        return float(results["batch_loss"]), gradients

    # Use ------------------------------------------------------------------------------------------

    @checked_options
    def predict(self, x: Any, *, link: bool = False) -> Array:
        """Return the network's output for each row.

        Parameters
        ----------
        x : array_like, shape (rows, features, ...)
            Inputs.
        link : bool, default False
            Whether to return what the output says in the target's terms: probabilities for logits.
        """
        features = self._features(x, "x")
        stage = self._stage("link" if link else "prediction", None)
        parts = []
        for start in range(0, len(features), _PREDICTION_ROWS):
            arrays = self._arrays({"x": features[start : start + _PREDICTION_ROWS]})
            parts.append(run_stage(stage, arrays)["prediction"])
        return np.concatenate(parts)

    @checked_options
    def evaluate(self, x: Any, y: Any = None, *, sample_weight: Any = None) -> dict[str, float]:
        """Return the loss, penalties included, and the loss's metrics: ``{"loss": ..., "accuracy": ...}``."""
        data = self._batch(x, y, sample_weight)
        types = self._data_types(data)
        return means_over_rows(self._stage("evaluation", types), self._arrays(data), types.names)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model into one file (safetensors), whole or not at all.

        It holds the weights, the optimizer's state, the architecture as JSON, and functions of one's own as
        graphs: `load` needs no source, and training goes on as if it had not been interrupted.
        """
        self._built()
        assert self._x is not None
        data = self._data or DataTypes(self._x, None, weighted=False)
        description, captured = describe_task(self._task, data)
        header = {
            "format": _FORMAT,
            **description,
            "x": type_as_json(self._x),
            "output": type_as_json(self._output),
            "y": type_as_json(data.y),
            "seed": self.seed,
            "step": self._run.step,
            "epoch": self._run.epoch,
            "metadata": self.metadata,
        }
        carried = self._carried
        groups = dict(zip(_GROUPS, (carried.parameters, carried.state, carried.optimizer_state), strict=True))
        arrays = {f"{group}:{name}": self._run.carried[name] for group in groups for name in groups[group]}
        write_arrays(path, {**arrays, **captured}, header)

    # How it works ---------------------------------------------------------------------------------

    def _built(self) -> CarriedTypes:
        if self._x is None:
            raise ValueError(
                "the model has no weights yet: fit it, or build it with model.build(features=...)"
            )
        return self._carried

    def _copies(self, names: Iterable[str]) -> dict[str, Array]:
        return {name: np.array(self._run.carried[name]) for name in names}

    def _features(self, x: Any, name: str) -> Array:
        """Return x checked; a model that has no weights yet is built for it."""
        array = as_features(x, self.dtype, name)
        if self._x is None:
            self.build(array.shape[1:])
        self._check_features(array.shape[1:], name)
        return array

    def _check_features(self, shape: tuple[Any, ...], name: str = "x") -> None:
        assert self._x is not None
        if shape != self._x.shape[1:]:
            given, built = str_shape((ROWS, *shape)), str_shape(self._x.shape)
            raise ValueError(
                f"{name} has the shape {given}, and {_first_layer(self.network)} was built for {built}"
            )

    def _batch(
        self, x: Any, y: Any, weight: Any, names: Sequence[str] = ("x", "y", "sample_weight")
    ) -> dict[str, Array]:
        """Return what the user handed over, checked and converted, by the names of the graph's inputs."""
        raw_y = None if y is None else as_target_numbers(y, names[1])
        features = as_features(x, self.dtype, names[0])
        if raw_y is not None:
            check_rows(features, raw_y, (names[0], names[1]))
        data = {"x": self._features(features, names[0])}
        if self.loss is not None:
            if raw_y is None:
                raise ValueError(f"{names[1]} is missing: the loss compares the prediction with it")
            data["y"] = self.loss.as_target(raw_y, self._output)
        elif raw_y is not None:
            data["y"] = raw_y.astype(np.int32 if raw_y.dtype.kind in "iub" else self.dtype)
        if weight is not None:
            data["sample_weight"] = as_sample_weight(weight, len(features), self.dtype, names[2])
        return data

    def _validation(self, data: tuple[Any, ...]) -> dict[str, Array]:
        if not isinstance(data, tuple | list) or len(data) not in (2, 3):
            raise ValueError("validation_data is (x, y) or (x, y, sample_weight)")
        names = [f"validation {name}" for name in ("x", "y", "sample_weight")]
        return self._batch(data[0], data[1], data[2] if len(data) == 3 else None, names)

    def _data_types(self, data: Mapping[str, Array]) -> DataTypes:
        def rows_of(array: Array) -> ArrayType:
            return ArrayType((ROWS, *array.shape[1:]), array.dtype)

        y = rows_of(data["y"]) if "y" in data else None
        self._data = DataTypes(rows_of(data["x"]), y, "sample_weight" in data)
        return self._data

    def _stage(self, kind: str, data: DataTypes | None) -> Stage:
        """Return one of the model's graphs, traced at its first use."""
        if (kind, data) not in self._stages:
            self._stages[kind, data] = self._traced(kind, data)
        return self._stages[kind, data]

    def _traced(self, kind: str, data: DataTypes | None) -> Stage:
        carried = self._carried
        if data is None:
            assert self._x is not None
            return prediction_stage(self._task, carried, self._x, link=kind == "link")
        makers = {"step": training_step, "gradients": gradient_stage, "evaluation": evaluation_stage}
        return makers[kind](self._task, carried, data)

    def _arguments(self) -> dict[str, Array]:
        return {path: np.asarray(number) for path, number in self._task.hyperparameters().items()}

    def _arrays(self, data: Mapping[str, Array]) -> dict[str, Array]:
        """Return all that a graph of the model may need, by name."""
        step = np.asarray(self._run.step, np.int32)
        return {**self._run.carried, **self._arguments(), **data, "key": self._key, "step": step}

    def _predicting_arrays(self) -> dict[str, Array]:
        """Return the arrays that a prediction depends on: parameters, layer state, averaged weights."""
        carried = self._run.carried
        averages = [name for name in self._carried.optimizer_state if name.endswith("/average")]
        return {name: carried[name] for name in (*self._carried.parameters, *self._carried.state, *averages)}

    def _keep(self, state: LoopState) -> None:
        """Take over where a run stands, without what only the run needed."""
        carried = {name: state.carried[name] for name in self._run.carried}
        self._run = LoopState(carried, state.step, state.epoch)


_GROUPS = ("parameters", "state", "optimizer")


def load(path: str | os.PathLike[str]) -> Model:
    """Return the model that `Model.save` wrote. Nothing in the file is run.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a model file, is damaged, or comes from a newer version.

    Examples
    --------
    >>> import chainrule as cr
    >>> model = cr.Model(cr.Dense(1), loss="mean_squared_error")
    >>> model.build(features=2)
    >>> model.save("line.safetensors")
    >>> bool((cr.load("line.safetensors").predict([[1, 2]]) == model.predict([[1, 2]])).all())
    True
    """
    arrays, header = read_arrays(path)
    try:
        if header["format"] > _FORMAT:
            raise ValueError(f"it was written by a newer version (format {header['format']})")
        task = restore_task(header, arrays)
        model = Model(
            task.network,
            loss=task.loss,
            objective=task.objective,
            optimizer=task.optimizer,
            penalties=task.penalties,
            dtype=task.dtype,
            seed=header["seed"],
        )
        x, output = type_from_json(header["x"]), type_from_json(header["output"])
        assert x is not None
        assert output is not None
        y = type_from_json(header["y"])
        model._enter(x, output, *(_group(arrays, group) for group in _GROUPS))
        model._data = DataTypes(x, y, weighted=False)
        model._run = replace(model._run, step=header["step"], epoch=header["epoch"])
        model.metadata = header["metadata"]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{os.fspath(path)!r} cannot be read as a model: {error}") from None
    return model


def _group(arrays: Mapping[str, Array], group: str) -> dict[str, Array]:
    return {
        name.removeprefix(f"{group}:"): array
        for name, array in arrays.items()
        if name.startswith(f"{group}:")
    }


def _split(callbacks: Iterable[Any]) -> tuple[EarlyStopping | None, list[Any]]:
    """Return the early stopping, if there is one, and the other callbacks."""
    given = list(callbacks)
    stopping = [callback for callback in given if isinstance(callback, EarlyStopping)]
    if len(stopping) > 1:
        raise ValueError("a fit takes one EarlyStopping")
    return stopping[0] if stopping else None, [one for one in given if not isinstance(one, EarlyStopping)]


def _first_layer(network: Layer) -> str:
    layers = getattr(network, "layers", None)
    if isinstance(layers, tuple) and layers:
        return f"layers.0 ({type(layers[0]).__name__})"
    return f"the network ({type(network).__name__})"

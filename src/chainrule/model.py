"""Model: what a user holds: a network, its weights, and how it is trained."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, cast

import numpy as np

from chainrule.executors import EXECUTORS
from chainrule.graph.loop import Inputs, Prepare, means_over_rows, run_stage
from chainrule.graph.names import checked_options, unknown_name
from chainrule.graph.options import as_flag
from chainrule.graph.trace import array_function
from chainrule.graph.types import Array, as_dtype, is_float
from chainrule.graph.value import as_value
from chainrule.inspection import Inspection
from chainrule.layers import Layer
from chainrule.losses import Loss, Penalty, as_loss
from chainrule.optimizers import Optimizer, as_optimizer
from chainrule.training.alone import fitting, refuse_while_fitted
from chainrule.training.callbacks import Callback, Progress, as_callbacks, split_callbacks
from chainrule.training.checkpoint import Saved, opened
from chainrule.training.data import as_count
from chainrule.training.fingerprint import identity
from chainrule.training.fit import fit_from, single_step, with_early_stopping
from chainrule.training.frames import check_columns
from chainrule.training.history import History
from chainrule.training.holding_out import is_part
from chainrule.training.plateau import ReduceOnPlateau, with_plateau
from chainrule.training.progress_bar import ProgressBar
from chainrule.training.saving import save_trainer
from chainrule.training.step import network_output
from chainrule.training.stopping import EarlyStopping
from chainrule.training.task import Objective, Task
from chainrule.training.trainer import Trainer
from chainrule.training.validation import warn_of_evaluation, warn_of_prediction


class Model(Inspection):
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
    executor : {"compiled", "numpy"}, default "compiled"
        What runs training and prediction: native code, or NumPy equation by equation, the reference.
    n_threads : int, optional
        How many threads share a training step; weights and losses have the same bits at any number. None
        takes what the environment variable CHAINRULE_NUM_THREADS says, or else as many as the work of a step
        is worth, at most one for each core, or one if that is faster.

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

    __slots__ = ()

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
        executor: str = "compiled",
        n_threads: int | None = None,
    ) -> None:
        if not isinstance(network, Layer):
            raise TypeError(f"a model's network is a layer, usually cr.Sequential([...]), not {network!r}")
        if (loss is None) == (objective is None):
            raise ValueError("a model needs either loss= or objective=, and not both")
        if not is_float(as_dtype(dtype)):
            raise ValueError(f"a model computes in float32 or float64, not {as_dtype(dtype)}")
        listed = tuple(penalties) if isinstance(penalties, list | tuple) else (penalties,)
        for penalty in listed:
            if not isinstance(penalty, Penalty):
                raise TypeError(f"a penalty is an object such as cr.L2(1e-4), not {penalty!r}")
        task = Task(
            network,
            None if loss is None else as_loss(loss),
            objective,
            as_optimizer(optimizer),
            listed,
            as_dtype(dtype),
        )
        self._trainer = Trainer(task, seed)
        self.executor = executor
        self.n_threads = n_threads
        self.metadata = {}

    @property
    def _prepare(self) -> Prepare:
        return EXECUTORS[self.executor].preparing(self.n_threads)

    @checked_options
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
        self._trainer.build(tuple(features) if isinstance(features, Sequence) else (features,))

    @checked_options
    def set_weights(self, weights: Mapping[str, Any]) -> None:
        """Replace parameters, or layer state, by name; those that are not named stay.

        Raises
        ------
        TypeError
            If they are not by name.
        ValueError
            For an unknown name (with the nearest ones), another shape (with both), NaN or infinity. Then
            nothing is changed.
        """
        refuse_while_fitted(self, "set_weights")
        self._trainer.replace_arrays(_by_name(weights))

    # Training -------------------------------------------------------------------------------------

    @checked_options
    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        epochs: int = 1,
        batch_size: int | None = 32,
        validation_data: tuple[Any, ...] | float | None = None,
        sample_weight: Any = None,
        shuffle: bool = True,
        callbacks: Iterable[Callback | EarlyStopping | ReduceOnPlateau | Callable[[Progress], object]] = (),
        verbose: bool = False,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> History:
        """Train for some epochs, from where the model is.

        Parameters
        ----------
        x : array_like, shape (rows, features, ...)
            Inputs. The columns of a frame keep their names: from then on, another frame is refused whose
            columns are others, or in another order. Plain arrays are taken as they are.
        y : array_like, shape (rows,) or (rows, outputs)
            Targets: class numbers for a classification loss, otherwise numbers. An objective may do without.
        epochs : int, default 1
            How often every row is visited.
        batch_size : int or None, default 32
            Rows in a step; the last batch of an epoch may be shorter. None takes all rows at once.
        validation_data : (x, y), (x, y, sample_weight) or float, optional
            Rows on which the loss is measured after each epoch, and which are not trained on. A number, as
            0.2, holds out that part of x and y: rows that the seed draws, the same in every fit on these
            data; where the fit tells of a row, it counts among the others.
        sample_weight : array_like, shape (rows,), optional
            How much each row counts; not negative. A row of weight 0 changes nothing.
        shuffle : bool, default True
            Whether the rows are visited in a new order in each epoch.
        callbacks : iterable
            `Callback` objects, functions of the `Progress` after each epoch, an `EarlyStopping` and a
            `ReduceOnPlateau`.
        verbose : bool, default False
            Whether a progress bar is shown.
        checkpoint : str or path, optional
            A file that is written every few seconds and at the end, whole or not at all. A fit that was
            killed or interrupted, started again with the same arguments, goes on from it, to the bit as if
            nothing had happened (callbacks see the epochs from there on; the History has all). A finished
            fit is restored without training, which a line in the log says. ``epochs`` counts from the first
            start: a larger number goes on. Remove the file to start anew. On another kind of CPU it goes on
            with a warning, as its last digits may differ from there on.

        Returns
        -------
        History
            One number an epoch: ``history["loss"]``, ``history["validation_loss"]``, ...

        Raises
        ------
        ValueError
            If the data do not fit (saying where), or a loss or weight becomes NaN or infinite (which step,
            which layer first); the model then has the weights from before that step. If the checkpoint is
            of a fit on other data or with other options (naming them) or by another version of chainrule, in
            use by another fit, or not one.
        OSError
            If the checkpoint cannot be read or written.
        RuntimeError
            If a fit of this model goes on already, in another thread or with the callback that calls this.
        KeyboardInterrupt
            At Ctrl-C. The model, and the checkpoint, then have the weights of the last finished step.

        Examples
        --------
        >>> import chainrule as cr
        >>> def train(epochs):
        ...     model = cr.Model(cr.Dense(1), loss="mean_squared_error", optimizer=cr.SGD(0.1))
        ...     return model.fit([[0.0], [1.0]], [0.0, 1.0], epochs=epochs, checkpoint="run.ckpt")
        >>> first = train(epochs=10)
        >>> train(epochs=15)["loss"][:10] == first["loss"]  # it trains for five epochs more
        True
        """
        trainer = self._trainer
        (stopping, plateau), others = split_callbacks(callbacks, EarlyStopping, ReduceOnPlateau)
        looking = [*as_callbacks(others), *([ProgressBar()] if as_flag(verbose, "verbose") else [])]
        count, shuffle = as_count(epochs, "epochs"), as_flag(shuffle, "shuffle")
        with fitting(self), opened(checkpoint) as file:
            with trainer.unchanged_on_failure():
                data, validation = trainer.lesson(x, y, sample_weight, validation_data)
                size = len(data["x"]) if batch_size is None else as_count(batch_size, "batch_size")
                inputs = Inputs(
                    data, trainer.arguments(), trainer.key, size, count, validation, self.n_threads
                )
                recorded = any(callback.records for callback in looking)
                loop, begun = trainer.loop(data, validation, shuffle, recorded), trainer.start(recorded)
                kept = trainer.predicting_arrays()
                loop, start, inputs = with_early_stopping(loop, begun, inputs, stopping, kept)
                loop, start, inputs = with_plateau(loop, start, inputs, plateau)
                saved = Saved(start, History())
                if file is not None:
                    options = self._options(early_stopping=stopping, plateau=plateau)
                    chosen = {"validation_data": validation_data} if is_part(validation_data) else {}
                    made_of = identity(loop, inputs, options, chosen=chosen)
                    saved = file.resume(start, made_of, count, own=begun.carried)
            return fit_from(
                saved,
                EXECUTORS[self.executor].run,
                loop,
                inputs,
                progress=Progress(count, self, data=data),
                callbacks=looking,
                keep=trainer.keep,
                checkpoint=file,
            )

    def _options(self, **more: Any) -> dict[str, Any]:
        """Return what the results of a fit depend on besides its data, by name."""
        parts = {field.name: getattr(self._trainer.task, field.name) for field in fields(Task)}
        return {**parts, "dtype": self.dtype.name, "seed": self.seed, "executor": self.executor, **more}

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
        refuse_while_fitted(self, "step")
        with self._trainer.unchanged_on_failure():
            data, _ = self._trainer.lesson(x, y, sample_weight)
        return single_step(self._trainer, data, EXECUTORS[self.executor].run, self.n_threads)

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
        stage, arrays, _ = self._trainer.prepared("gradients", x, y, sample_weight)
        results = run_stage(stage, arrays, self._prepare)
        gradients = {name: np.array(results[name]) for name in self._trainer.carried.parameters}
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

        Warns
        -----
        RuntimeWarning
            If a prediction is NaN or infinite, as that of a category which an `Embedding` does not have: in
            which row, layer and operation that began.
        """
        trainer = self._trainer
        features = trainer.features(x)
        stage = trainer.stage("link" if as_flag(link, "link") else "prediction")
        together = trainer.rows_together(stage)

        def predicted(start: int) -> Array:
            arrays = trainer.arrays({"x": features[start : start + together]})
            return run_stage(stage, arrays, self._prepare)["prediction"]

        found = predicted(0)
        if len(found) < len(features):
            first, found = found, np.empty((len(features), *found.shape[1:]), found.dtype)
            found[:together] = first
            for start in range(together, len(features), together):
                found[start : start + together] = predicted(start)
        if np.count_nonzero(np.isfinite(found)) < found.size:
            warn_of_prediction(found, stage, trainer.arrays({"x": features}))
        return found if found.base is None else found.copy()

    @array_function
    def __call__(self, x: Any, weights: Mapping[str, Any] | None = None) -> Any:
        """Return the network's output as a function that `grad`, `jacobian` and `compile` take.

        It has the numbers of `predict`. A compiled function keeps the weights of its first call; make them an
        argument of it where they change.

        Parameters
        ----------
        x : array_like, shape (rows, features, ...)
            Inputs.
        weights : mapping, optional
            Parameters, or layer state, by name that take the place of the model's own.

        Examples
        --------
        >>> import numpy as np
        >>> import chainrule as cr
        >>> model = cr.Model(cr.Dense(1), loss="mean_squared_error")
        >>> model.build(features=2)
        >>> model.set_weights({"weight": [[3.0], [4.0]]})
        >>> cr.grad(lambda x: cr.sum(model(x)))(np.array([[0.5, 1.0]]))
        array([[3., 4.]])
        """
        trainer, given = self._trainer, as_value(x)
        check_columns(x, trainer.feature_names, "x")
        trainer.build(cast(Sequence[int], given.shape[1:]))
        arrays = {name: trainer.loop_state.carried[kept] for name, kept in trainer.predicting_names().items()}
        state = {name: trainer.loop_state.carried[name] for name in trainer.carried.state}
        for name, array in _by_name(weights or {}).items():
            if name not in {**arrays, **state}:
                raise ValueError(unknown_name("weight", name, {**arrays, **state}))
            (arrays if name in arrays else state)[name] = array
        return network_output(trainer.task, arrays, state, given)

    @checked_options
    def evaluate(self, x: Any, y: Any = None, *, sample_weight: Any = None) -> dict[str, float]:
        """Return the loss, penalties included, and the loss's metrics: ``{"loss": ..., "accuracy": ...}``.

        Where one is NaN or infinite, a RuntimeWarning tells in which row, layer and operation that began.
        """
        prepared = self._trainer.prepared("evaluation", x, y, sample_weight)
        results = means_over_rows(*prepared, self._prepare, self._trainer.rows_together(prepared[0]))
        warn_of_evaluation(results, *prepared)
        return results

    @checked_options
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model into one file (safetensors), whole or not at all.

        It holds the weights, the optimizer's state, the architecture as JSON, and functions of one's own as
        graphs: `load` needs no source, and training goes on as if it had not been interrupted.

        Raises
        ------
        ValueError
            If the model has no weights yet, or holds what a file cannot: an optimizer or a penalty of one's
            own, or metadata that JSON has no words for.
        OSError
            If the file cannot be written; what it held before is still there. Where no file can stand there
            at all, as its folder is missing, the error is a ValueError as well.
        """
        try:
            json.dumps(self.metadata)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the model's metadata cannot be written as JSON: {error}") from None
        save_trainer(self._trainer, path, {"seed": self.seed, "metadata": self.metadata})


def _by_name(weights: Any) -> Mapping[str, Any]:
    """Return weights, if each has a name."""
    if not isinstance(weights, Mapping):
        kind = type(weights).__name__
        raise TypeError(f"weights are given by name, as model.weights has them, and not as a {kind}")
    return weights
